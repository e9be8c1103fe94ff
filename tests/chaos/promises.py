"""What must hold of a history, whatever befell the fleet. Each promise returns the ways in which it was broken.

The checker has code of its own for what the product does with the same log: chains, epochs, commands, outcomes, keys.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

from msgspec.json import encode

from tests.chaos import queue_promises as queues
from tests.chaos.history import Command
from tests.chaos.reading import Happened, Seen, stream_of, stream_of_attempt

ENDINGS = frozenset({"RunCompleted", "RunFailed", "RunCancelled", "RunTerminated", "RunTimedOut"})

EVENTS = {
    "start": ("RunStarted", "input"), "signal": ("SignalReceived", "value"), "pause": ("Paused", ""), "resume": ("Resumed", ""),
    "cancel": ("CancelRequested", ""), "terminate": ("RunTerminated", ""), "update": ("UpdateCompleted", "result"),
}  # fmt: skip
"""The event that answers a command of each kind, and the field that holds its content."""


def records_follow_each_other(seen: Seen) -> Iterator[str]:
    """Versions without gaps, each record sealed over the one before it."""
    for stream, records in seen.records.items():
        version, digest = 0, bytes(32)
        for record in records:
            frame = f"{len(stream)}:{stream}:{record.first}:{record.last}:{len(record.data)}:".encode()
            if (record.first, record.previous) != (version + 1, digest) or sha256(digest + frame + record.data).digest() != record.digest:
                yield f"{stream} breaks at version {record.first}, behind {version}"
            version, digest = record.last, record.digest


def epochs_never_fall(seen: Seen) -> Iterator[str]:
    newest: dict[str, int] = {}
    for happened in seen.events:
        if happened.epoch < newest.get(happened.stream, 0):
            yield f"version {happened.version} of {happened.stream} is of epoch {happened.epoch}, behind one of {newest[happened.stream]}"
        newest[happened.stream] = max(happened.epoch, newest.get(happened.stream, 0))


def nothing_acknowledged_is_lost(seen: Seen) -> Iterator[str]:
    """Where a client was told that its command is, there it is, and holds what the client sent."""
    at = {(happened.stream, happened.version): happened.event for happened in seen.events}
    for wish in seen.history.commands:
        if wish.answer == "applied" and wish.kind in EVENTS:
            found = at.get((stream_of(wish.run), wish.versions[0]), {})
            if not is_event_of(wish, found):
                yield f"{wish.id!r} was acknowledged at version {wish.versions[0]} of {wish.run}, where the log has {dict(found)}"


def is_event_of(wish: Command, event: Any) -> bool:
    name, content = EVENTS[wish.kind]
    return event.get("type") == name and event.get("command") == wish.id and (not content or encode(event[content]) == wish.content)


def nothing_seen_is_gone(seen: Seen) -> Iterator[str]:
    """What a reader saw in the middle of it all still stands where it stood."""
    now = {record.position: (stream, record.digest) for stream, records in seen.records.items() for record in records}
    for position, what in seen.witnessed.items():
        if now.get(position) != what:
            yield f"position {position} held a record of {what[0]}, and now {now.get(position)}"


def nothing_is_doubled(seen: Seen) -> Iterator[str]:
    """One event a command, one final outcome a step, one record an attempt, one firing a timer, one end a run."""
    counted = Counter((happened.stream, *mark) for happened in seen.events for mark in marks(happened))
    for mark, count in counted.items():
        if count > 1:
            yield f"{' '.join(mark)}: {count} times"


def marks(happened: Happened) -> Iterator[tuple[str, ...]]:
    """What an event says that no second event of its stream may say."""
    event = happened.event
    match happened.type:
        case "StepScheduled" | "TimerSet" | "ChildScheduled" | "SignalSent":
            yield "wish", event["id"]
        case "StepCompleted":
            yield "outcome", event["id"]
            yield "attempt", event["id"], str(event["attempt"])
        case "StepFailed":
            yield "attempt", event["id"], str(event["attempt"])
            if event.get("retry_at") is None:
                yield "outcome", event["id"]
        case "TimerFired" | "ChildEnded" as name:
            yield name, event["id"]
        case name if name in ENDINGS:
            yield ("end",)
        case _:
            pass
    if event.get("command"):  # an update has two events, its acceptance and its answer
        yield "command", happened.type if happened.type.startswith("Update") else "", event["command"]


def every_command_is_judged(seen: Seen) -> Iterator[str]:
    """Accepted = applied + refused, nothing is left over, and what was refused left no trace."""
    present = {(happened.stream, happened.event["command"]) for happened in seen.events if happened.event.get("command")}
    for wish in seen.history.commands:
        if not wish.answer:
            yield f"{wish.id!r} was never answered"
        elif (wish.answer == "applied") != ((stream_of(wish.run), wish.id) in present):
            yield f"{wish.id!r} was {wish.answer}, and the log {'has' if wish.answer == 'refused' else 'does not have'} it"


def repeated_commands_get_their_first_answer(seen: Seen) -> Iterator[str]:
    for wish in seen.history.commands:
        if len(set(wish.versions)) > 1:
            yield f"{wish.id!r} was answered with versions {wish.versions}"


def every_run_ends(seen: Seen) -> Iterator[str]:
    ended = {happened.stream for happened in seen.events if happened.type in ENDINGS}
    for stream in sorted({happened.stream for happened in seen.events} - ended):
        last = seen.records[stream][-1]
        yield f"{stream} has not ended; its last record, of version {last.last}, is {last.data.decode()}"
    for run in sorted(seen.history.unfinished):
        yield f"nobody was told the end of {run}"


def runs_end_as_they_must(seen: Seen) -> Iterator[str]:
    for end in seen.history.ends:
        status, results = end.wanted
        if end.status != status or (results and end.result not in results):
            yield f"{end.run} ended {end.status} with {end.result!r} instead of {status} with {results}"


def effects_are_wanted_and_outcomes_have_effects(seen: Seen) -> Iterator[str]:
    """Who completed was performed, under its key; and nothing was performed that the log does not want."""
    scheduled = {(happened.stream, happened.event["id"]) for happened in seen.events if happened.type == "StepScheduled"}
    performed = {(stream_of_attempt(attempt.run), attempt.effect, attempt.attempt) for attempt in seen.attempts}
    for made in seen.attempts:
        if (stream_of_attempt(made.run), made.effect) not in scheduled:
            yield f"step {made.effect} of {made.run} was performed, and the log does not want it"
    for happened in seen.events:
        if happened.type == "StepCompleted" and (happened.stream, happened.event["id"]) in scheduled:  # a word to another run has one, too
            attempt = happened.event["attempt"]
            if (happened.stream, happened.event["id"], attempt) not in performed:
                yield f"attempt {attempt} of step {happened.event['id']} of {happened.stream} was never performed"


def keys_stay_the_same(seen: Seen) -> Iterator[str]:
    """One key for all attempts of a step, another for every other step."""
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    for attempt in seen.attempts:
        keys[attempt.run, attempt.effect].add(attempt.key)
    for (run, effect), used in keys.items():
        if len(used) > 1:
            yield f"step {effect} of {run} had the keys {sorted(used)}"
    if len({key for used in keys.values() for key in used}) < len(keys):
        yield "two steps shared a key"


def at_most_once_is_kept(seen: Seen) -> Iterator[str]:
    for key, count in Counter(attempt.key for attempt in seen.attempts if attempt.step in ("ring", "premiere")).items():
        if count > 1:
            yield f"a step that must run at most once ran {count} times under {key}"


PROMISES: dict[str, Callable[[Seen], Iterable[str]]] = {
    "acknowledged_events_lost": nothing_acknowledged_is_lost,
    "events_seen_and_gone": nothing_seen_is_gone,
    "chains_broken": records_follow_each_other,
    "appends_out_of_epoch": epochs_never_fall,
    "doubled_outcomes": nothing_is_doubled,
    "commands_lost": every_command_is_judged,
    "repeated_commands_answered_otherwise": repeated_commands_get_their_first_answer,
    "runs_without_end": every_run_ends,
    "runs_ended_otherwise": runs_end_as_they_must,
    "effects_and_outcomes_apart": effects_are_wanted_and_outcomes_have_effects,
    "attempts_with_another_key": keys_stay_the_same,
    "at_most_once_broken": at_most_once_is_kept,
    **queues.PROMISES,
    "strange_answers": lambda seen: seen.history.strange,
    "workers_that_died": lambda seen: seen.died,
    "fleets_that_did_not_heal": lambda seen: seen.history.unwell,
}


def broken(seen: Seen) -> dict[str, list[str]]:
    """How each promise was broken; nothing where it holds."""
    return {name: list(promise(seen)) for name, promise in PROMISES.items()}
