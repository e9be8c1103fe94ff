"""Given, when, then: what holds passes, and what does not is told."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec import Struct

from perdure.actors.kind import Kind
from perdure.eventlog.codec import Codec, Event
from perdure.eventlog.errors import Invalid, Refused
from perdure.testing import given


class Paid(Event, frozen=True):
    cents: int


class Praised(Event, frozen=True):
    """Follows by itself once the jar is full."""


class Pay(Struct, frozen=True):
    cents: int


class Jar(Kind[int, Pay, Event]):
    """Holds up to ten cents, and is praised when it is full."""

    name = "jar"
    codec = Codec[Event]("jar", Paid, Praised)

    def initial(self, stream: str) -> int:
        return 0

    def decide(self, state: int, command: Pay, now: int) -> Sequence[Event]:
        if state + command.cents > 10:
            raise Refused("the jar is full", instead="open another one")
        return [Paid(command.cents)] if command.cents else []

    def evolve(self, state: int, event: Event, at: int) -> int:
        return state + event.cents if isinstance(event, Paid) else -100

    def react(self, state: int, now: int) -> Sequence[Event]:
        return [Praised()] if state == 10 else []


def test_what_holds_passes() -> None:
    given(Jar()).when(Pay(3)).then([Paid(3)])
    given(Jar(), [Paid(9)]).when(Pay(2)).then_refused("full")
    given(Jar(), [Paid(9)]).when(Pay(0)).then_nothing()


def test_what_follows_by_itself_belongs_to_it() -> None:
    given(Jar(), [Paid(4)]).when(Pay(6)).then([Paid(6), Praised()])


def test_the_state_of_a_history_can_be_looked_at() -> None:
    assert given(Jar(), [Paid(4), Paid(2)]).state() == 6


def test_other_events_are_told_beside_those_expected() -> None:
    with pytest.raises(AssertionError, match=r"expected: \[Paid\(cents=4\)\]\n  found:    \[Paid\(cents=3\)\]"):
        given(Jar()).when(Pay(3)).then([Paid(4)])


def test_a_refusal_is_told_where_events_were_expected() -> None:
    with pytest.raises(AssertionError, match="was refused: the jar is full"):
        given(Jar(), [Paid(9)]).when(Pay(3)).then([Paid(3)])


def test_events_are_told_where_a_refusal_was_expected() -> None:
    with pytest.raises(AssertionError, match="was not refused"):
        given(Jar()).when(Pay(3)).then_refused()


def test_another_refusal_is_told() -> None:
    with pytest.raises(AssertionError, match="refused otherwise"):
        given(Jar(), [Paid(9)]).when(Pay(3)).then_refused(error=Invalid)
