"""One change of every kind, and the judge himself: he finds nothing in unchanged code, and what is known in changed code."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from perdure.runtime.run.machine import replay
from tests.corpus.ledger import Kill
from tests.mutations.changing import MUTATORS, Program
from tests.mutations.playing import Stage
from tests.mutations.recorded import recorded
from tests.mutations.trial import FLOWS, TEXT, trial, unchanged
from tests.mutations.truth import NOTHING_HERE, Verdict, first_difference


def test_changed_code_goes_on_or_is_suspended_at_the_first_difference_and_nothing_else_is_written() -> None:
    made = [trial(seed) for seed in range(len(MUTATORS))]

    assert [str(one) for one in made if one.faults] == []
    assert {one.truth is None for one in made} == {True, False}


@pytest.mark.parametrize("flow", FLOWS)
def test_the_judge_finds_nothing_in_unchanged_code_however_far_it_has_come(flow: str) -> None:
    text = Program.of(TEXT, flow).text()
    length, _ = unchanged(flow, 0)

    for nth in (1, length // 2, length - 1):
        assert first_difference(text, flow, recorded(Stage(flow, 0).begin(text, Kill(nth, lasts=True)).records)) is None


ADD = "step 'add' as 1, arguments [1,7]"


@pytest.mark.parametrize(
    ("old", "new", "arrival", "expected", "found"),
    [
        ("say(greeting)", "tell(greeting)", 0, "step 'say' as 0, arguments [\"hello\"]", "step 'tell' as 0, arguments [\"hello\"]"),
        ("limit = 7", "limit = 8", 1, ADD, "step 'add' as 1, arguments [1,8]"),
        ("await add(1, limit)", "0", 1, ADD, "timer 1 due IN AN HOUR"),
        ("await add(1, limit)", "1 / 0", 1, ADD, "the end of the run (RunFailed, ZeroDivisionError: division by zero)"),
        ("add(1, limit)", "gather(add(1, limit))", 1, ADD, "nothing"),
    ],
)
def test_the_judge_names_a_known_difference(old: str, new: str, arrival: int, expected: str, found: str) -> None:
    text = Program.of(TEXT, "line").text()
    log = recorded(Stage("line", 0).begin(text, Kill(3, lasts=True)).records)
    found = found.replace("IN AN HOUR", str(log.turns[1].at + 3_600_000_000))

    assert old in text
    assert first_difference(text.replace(old, new), "line", log) == Verdict(arrival, expected, frozenset([found]))


def test_the_judge_names_what_is_asked_for_besides() -> None:
    text = Program.of(TEXT, "mail").text()
    log = recorded(Stage("mail", 0).begin(text, Kill(2, lasts=True)).records)
    changed = text.replace("reader('b'))", "reader('b'), say('c'))")

    assert first_difference(changed, "mail", log) == Verdict(1, NOTHING_HERE, frozenset(["step 'say' as 1.2/0, arguments [\"c\"]"]))


def test_a_runtime_that_tells_of_the_wrong_arrival_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    tell = replay._Script._differs

    def too_late(script: replay._Script, rest: int, *columns: Any, **place: Any) -> NoReturn:
        tell(script, rest + 1, *columns, **place)

    monkeypatch.setattr(replay._Script, "_differs", too_late)
    breaking = [one for seed in range(0, 12, 2) if (one := trial(seed)).truth is not None]

    assert breaking
    assert all(one.first_event_wrong and not one.verdict_wrong for one in breaking)
