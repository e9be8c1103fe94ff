"""Given, when, then: a decider's rules, each told in one line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...actors.kind import Kind
from ...eventlog.errors import PerdureError, Refused


def given(kind: Kind[Any, Any, Any], events: Sequence[Any] = (), *, now: int = 0) -> Given:
    """What has happened to an actor so far, as the beginning of a specification.

    `given(account, [Opened("ann")]).when(Deposit(5)).then([Deposited(5)])` holds if the kind grants the command with just
    these events, those that follow from the state by themselves (`react`) included; else it says what it got instead.
    `now` is the time, in microseconds since 1970, at which all of it happens.
    """
    return Given(kind, events, now)


class Given:
    """A history. Say `when(command)` next."""

    def __init__(self, kind: Kind[Any, Any, Any], events: Sequence[Any], now: int) -> None:
        self._kind = kind
        self._events = tuple(events)
        self._now = now

    def when(self, command: Any) -> When:
        """The command that is judged on this history."""
        return When(self._kind, self._events, command, self._now)

    def state(self) -> Any:
        """The state that this history leads to."""
        state = self._kind.initial(f"{self._kind.name}/test/one")
        for event in self._events:
            state = self._kind.evolve(state, event, self._now)
        return state


class When:
    """A history and a command. Say `then(events)`, `then_nothing()` or `then_refused(...)` next."""

    def __init__(self, kind: Kind[Any, Any, Any], events: Sequence[Any], command: Any, now: int) -> None:
        self._kind = kind
        self._history = Given(kind, events, now)
        self._command = command
        self._now = now

    def then(self, events: Sequence[Any]) -> None:
        """The command is granted with exactly these events."""
        refusal, decided = self._decided()
        if refusal is not None:
            raise AssertionError(f"{self._command!r} was refused: {refusal.message}") from refusal
        if list(decided) != list(events):
            raise AssertionError(f"{self._command!r} led to other events\n  expected: {list(events)}\n  found:    {list(decided)}")

    def then_nothing(self) -> None:
        """The command is granted and changes nothing: what it wishes is so already."""
        self.then(())

    def then_refused(self, saying: str = "", *, error: type[PerdureError] = Refused) -> None:
        """The command is refused with an error of this class, whose message contains `saying`."""
        refusal, decided = self._decided()
        if refusal is None:
            raise AssertionError(
                f"{self._command!r} was not refused\n  expected: {error.__name__} saying {saying!r}\n  found:    {list(decided)}"
            )
        if not isinstance(refusal, error) or saying not in refusal.message:
            raise AssertionError(
                f"{self._command!r} was refused otherwise\n  expected: {error.__name__} saying {saying!r}\n"
                f"  found:    {type(refusal).__name__} saying {refusal.message!r}"
            ) from refusal

    def _decided(self) -> tuple[PerdureError | None, Sequence[Any]]:
        """(the refusal, if any; all events that were decided)."""
        kind, state, told = self._kind, self._history.state(), list[Any]()
        try:
            decided = kind.decide(state, self._command, self._now)
        except PerdureError as refusal:
            return refusal, ()
        while decided:
            for event in decided:
                state = kind.evolve(state, event, self._now)
            told.extend(decided)
            decided = kind.react(state, self._now)
        return None, told
