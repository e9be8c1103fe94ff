"""The checker has teeth: of a small history that keeps every promise, each way to spoil it breaks the promise that it must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from perdure.eventlog.records import EMPTY, Record, recorded, sealed
from tests.chaos import queue_promises
from tests.chaos.history import Command, End, History
from tests.chaos.noting import Attempted
from tests.chaos.promises import PROMISES, broken
from tests.chaos.reading import Seen, by_stream, events_in

RUN, STREAM, KEY = "r1", "run/default/r1", "key"

STARTED: dict[str, Any] = {"type": "RunStarted", "input": [7], "command": "start r1"}
SCHEDULED: dict[str, Any] = {"type": "StepScheduled", "id": "0", "name": "ring"}
COMPLETED: dict[str, Any] = {"type": "StepCompleted", "id": "0", "attempt": 1, "value": 7}
ENDED: dict[str, Any] = {"type": "RunCompleted", "result": 7}

STORY = [(1, [STARTED, SCHEDULED]), (2, [COMPLETED, ENDED])]
"""Epoch and events of each record."""


def records(story: Sequence[tuple[int, Sequence[dict[str, Any]]]]) -> list[Record]:
    tail, found = EMPTY, list[Record]()
    for position, (epoch, events) in enumerate(story, 1):
        append = sealed(STREAM, tail, msgspec.json.encode({"at": 0, "epoch": epoch, "events": events}), len(events))
        found.append(recorded(append, position))
        tail = append.tail
    return found


def seen(story: Sequence[tuple[int, Sequence[dict[str, Any]]]] = STORY) -> Seen:
    history = History()
    history.commands.append(Command(RUN, "start", "start r1", b"[7]", 0.0, 1.0, "applied", [1]))
    history.ends.append(End(RUN, "completed", b"7", ("completed", (b"7",))))
    found = records(story)
    return Seen(
        history=history,
        records=by_stream(found),
        events=events_in(found, {record.position: 0.0 for record in found}),
        attempts=[Attempted(RUN, "0", "ring", 1, KEY)],
        witnessed={record.position: (record.stream, record.digest) for record in found},
        died=[],
    )


def complaints(of: Seen) -> set[str]:
    return {name for name, lines in broken(of).items() if lines}


def test_a_history_in_order_breaks_nothing() -> None:
    assert complaints(seen()) == set()


def command(**fields: Any) -> Callable[[Seen], Seen]:
    def spoil(of: Seen) -> Seen:
        for name, value in fields.items():
            setattr(of.history.commands[0], name, value)
        return of

    return spoil


def told(what: str) -> Callable[[Seen], Seen]:
    def spoil(of: Seen) -> Seen:
        of.history.strange.append(what)
        return of

    return spoil


def unwell(of: Seen) -> Seen:
    of.history.unwell.append("after worker_killed: a replica lags")
    return of


def never_seen_to_end(of: Seen) -> Seen:
    of.history.unfinished.add(RUN)
    return of


def ended_with(result: bytes) -> Callable[[Seen], Seen]:
    def spoil(of: Seen) -> Seen:
        of.history.ends[0].result = result
        return of

    return spoil


def story(*parts: tuple[int, Sequence[dict[str, Any]]]) -> Callable[[Seen], Seen]:
    return lambda of: seen(parts)


def one_record_forged(of: Seen) -> Seen:
    forged = replace(of.records[STREAM][1], data=b"{}")
    return replace(of, records={STREAM: [of.records[STREAM][0], forged]})


def attempts(*made: Attempted) -> Callable[[Seen], Seen]:
    return lambda of: replace(of, attempts=[*of.attempts, *made])


SPOILED: dict[str, tuple[Callable[[Seen], Seen], str]] = {
    "the acknowledged version holds another event": (command(versions=[2]), "acknowledged_events_lost"),
    "the event holds other content": (command(content=b"[8]"), "acknowledged_events_lost"),
    "a record was seen and is gone": (lambda of: replace(of, witnessed={**of.witnessed, 3: (STREAM, b"")}), "events_seen_and_gone"),
    "the chain does not hold": (one_record_forged, "chains_broken"),
    "an epoch falls": (story((2, [STARTED, SCHEDULED]), (1, [COMPLETED, ENDED])), "appends_out_of_epoch"),
    "a step has two outcomes": (story(*STORY, (2, [COMPLETED])), "doubled_outcomes"),
    "a command has two events": (story(*STORY, (2, [{**STARTED, "type": "SignalReceived"}])), "doubled_outcomes"),
    "a command was never answered": (command(answer=""), "commands_lost"),
    "what was refused is in the log": (command(answer="refused"), "commands_lost"),
    "a repeat was told another version": (command(versions=[1, 2]), "repeated_commands_answered_otherwise"),
    "a run has no end": (story((1, [STARTED, SCHEDULED]), (2, [COMPLETED])), "runs_without_end"),
    "nobody was told the end": (never_seen_to_end, "runs_without_end"),
    "a run ended otherwise": (ended_with(b"8"), "runs_ended_otherwise"),
    "an effect that nobody wants": (attempts(Attempted(RUN, "1", "pack", 1, "other")), "effects_and_outcomes_apart"),
    "an outcome without an effect": (lambda of: replace(of, attempts=[]), "effects_and_outcomes_apart"),
    "another attempt has another key": (attempts(Attempted(RUN, "0", "pack", 2, "other")), "attempts_with_another_key"),
    "two steps have one key": (attempts(Attempted("r2", "0", "pack", 1, KEY)), "attempts_with_another_key"),
    "at most once ran twice": (attempts(Attempted(RUN, "0", "ring", 1, KEY)), "at_most_once_broken"),
    "an answer that nobody should get": (told("no"), "strange_answers"),
    "the fleet did not heal": (unwell, "fleets_that_did_not_heal"),
    "a worker died by itself": (lambda of: replace(of, died=["worker0 ended with 1"]), "workers_that_died"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_history_that_was_spoiled_breaks_its_promise(how: str) -> None:
    spoil, promise = SPOILED[how]

    assert promise in complaints(spoil(seen()))


def test_every_promise_is_broken_once() -> None:
    assert {promise for _, promise in SPOILED.values()} == set(PROMISES) - set(queue_promises.PROMISES)
