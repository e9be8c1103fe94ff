"""The decider of definitions: versions that never change, repeats that do nothing, and archives."""

from __future__ import annotations

import pytest
from msgspec import Raw

from perdure.eventlog.errors import NotFound
from perdure.runtime.kinds.definition import COMMANDS_MAX, Applied, Apply, Archive, Archived, Confirmed, Definitions, Show
from perdure.testing import given

KIND = Definitions()
ONE, TWO = Raw(b'{"name":"a"}'), Raw(b'{"name":"a","tags":[]}')
FIRST = Applied("a", 1, "d1", ONE, "Ada")


def test_what_is_applied_first_is_version_1_and_what_follows_counts_on() -> None:
    given(KIND).when(Apply("a", "d1", ONE, by="Ada")).then([FIRST])
    given(KIND, [FIRST]).when(Apply("a", "d2", TWO)).then([Applied("a", 2, "d2", TWO)])


def test_the_same_again_changes_nothing_whatever_is_expected() -> None:
    given(KIND, [FIRST]).when(Apply("a", "d1", ONE, expected=0)).then_nothing()


def test_an_older_one_applied_again_is_a_new_version() -> None:
    given(KIND, [FIRST, Applied("a", 2, "d2", TWO)]).when(Apply("a", "d1", ONE)).then([Applied("a", 3, "d1", ONE)])


def test_who_expects_another_version_is_refused() -> None:
    given(KIND, [FIRST]).when(Apply("a", "d2", TWO, expected=0)).then_refused("another version")
    given(KIND, [FIRST]).when(Apply("a", "d2", TWO, expected=1)).then([Applied("a", 2, "d2", TWO)])
    given(KIND, [FIRST]).when(Archive(expected=2)).then_refused("another version")


def test_archived_once_it_comes_back_by_being_applied() -> None:
    given(KIND, [FIRST]).when(Archive("Bob", "old")).then([Archived("Bob", "old")])
    given(KIND, [FIRST, Archived()]).when(Archive()).then_nothing()
    given(KIND, [FIRST, Archived()]).when(Apply("a", "d1", ONE)).then([Applied("a", 2, "d1", ONE)])


@pytest.mark.parametrize("command", [Show(), Archive()])
def test_of_what_was_never_applied_there_is_nothing(command: Show | Archive) -> None:
    with pytest.raises(NotFound):
        KIND.decide(KIND.initial("definition/default/a"), command, 0)


def test_a_version_is_shown_with_the_history_of_all() -> None:
    state = given(KIND, [FIRST, Applied("a", 2, "d2", TWO)], now=7).state()

    assert (KIND.answer(state, Show()).version, KIND.answer(state, Show(1)).digest) == (2, "d1")
    assert [line.version for line in KIND.answer(state, Show(1)).history] == [1, 2]
    with pytest.raises(NotFound):
        KIND.decide(state, Show(3), 0)


def test_a_command_counts_once_whatever_was_applied_since() -> None:
    named, other = Applied("a", 1, "d1", ONE, command="c1"), Applied("a", 2, "d2", TWO, command="c2")

    given(KIND).when(Apply("a", "d1", ONE, command="c1")).then([named])
    given(KIND, [named, other]).when(Apply("a", "d1", ONE, command="c1")).then_nothing()
    given(KIND, [named, other]).when(Apply("a", "d2", TWO, command="c1")).then_refused("another one")
    given(KIND, [named, other]).when(Archive(command="c1")).then_refused("another one")
    given(KIND, [named]).when(Apply("a", "d1", ONE, command="c3")).then([Confirmed("c3", 1)])
    given(KIND, [named, Confirmed("c3", 1), other]).when(Apply("a", "d1", ONE, command="c3")).then_nothing()
    given(KIND, [named, Archived(command="c4"), other]).when(Archive(command="c4")).then_nothing()
    given(KIND, [named, Archived()]).when(Archive(command="c5")).then([Confirmed("c5")])


def test_only_the_newest_commands_are_known_again() -> None:
    said = [FIRST, *(Confirmed(f"c{number}", 1) for number in range(COMMANDS_MAX + 1))]

    given(KIND, said).when(Apply("a", "d1", ONE, command="c1")).then_nothing()
    given(KIND, said).when(Apply("a", "d1", ONE, command="c0")).then([Confirmed("c0", 1)])
