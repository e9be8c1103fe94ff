"""What must hold of a history, however often it was killed. Each promise returns the ways in which it was broken."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from perdure.runtime.run import events as ev
from tests.crash.journal import Answered, Attempted, Ended, Opened
from tests.crash.playing import Happened, Seen

Outcomes = Mapping[str, tuple[str, str, str]]

ENDINGS = (ev.RunCompleted, ev.RunFailed, ev.RunCancelled, ev.RunTerminated)


def stream_of(run: str) -> str:
    return f"run/default/{run}"


def epochs(seen: Seen) -> dict[int, int]:
    """Under which epoch each process owned the log."""
    return {line.pid: line.epoch for line in seen.lines if isinstance(line, Opened)}


def nothing_acknowledged_is_lost(seen: Seen) -> Iterable[str]:
    """Every acknowledged command stands at the version it was answered with; whoever was told an end was told the true one;

    and no step was performed before the log said that it is wanted (nothing leaves before it is durable).
    """
    at = {(happened.stream, happened.version): happened.event for happened in seen.events}
    scheduled = {(h.stream, h.event.id): h.epoch for h in seen.events if isinstance(h.event, ev.StepScheduled)}
    owners = epochs(seen)
    for line in seen.lines:
        match line:
            case Answered(run=run, command=command, version=version):
                found = getattr(at.get((stream_of(run), version)), "command", None)
                if found != command:
                    yield f"{command!r} was acknowledged at version {version} of {run}, where the log has {found!r}"
            case Ended(run=run, status=status, result=result):
                if seen.outcomes.get(run, ("", "", ""))[:2] != (status, result):
                    yield f"{run} was told to end {status} with {result!r}, the log says {seen.outcomes.get(run)}"
            case Attempted(pid=pid, run=run, effect=effect):
                if scheduled.get((stream_of(run), effect), 1 << 62) > owners[pid]:
                    yield f"step {effect} of {run} was performed before the log wanted it"
            case Opened():
                pass


def no_outcome_is_doubled(seen: Seen) -> Iterable[str]:
    """One final outcome per step, one record per attempt, one firing per timer, one event per command, one end per run."""
    counted: Counter[tuple[str, ...]] = Counter()
    for happened in seen.events:
        counted.update((happened.stream, *mark) for mark in marks(happened.event))
    for mark, count in counted.items():
        if count > 1:
            yield f"{' '.join(mark)}: {count} times"


def marks(event: Any) -> Iterable[tuple[str, ...]]:
    """What an event says that no second event of its stream may say."""
    match event:
        case ev.StepScheduled(id=id) | ev.TimerSet(id=id):
            yield "wish", id
        case ev.StepCompleted(id=id, attempt=attempt):
            yield from (("outcome", id), ("attempt", id, str(attempt)))
        case ev.StepFailed(id=id, attempt=attempt, retry_at=retry_at):
            yield "attempt", id, str(attempt)
            if retry_at is None:
                yield "outcome", id
        case ev.TimerFired(id=id):
            yield "fired", id
        case _ if isinstance(event, ENDINGS):
            yield ("end",)
        case _:
            pass
    if command := getattr(event, "command", ""):
        yield "command", command


def repeated_commands_get_their_first_answer(seen: Seen) -> Iterable[str]:
    answers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for line in seen.lines:
        if isinstance(line, Answered):
            answers[line.run, line.command].append(line.version)
    for (run, command), versions in answers.items():
        if len(set(versions)) > 1:
            yield f"{command!r} to {run} was answered with versions {versions}"


def only_what_was_in_flight_is_attempted_again(seen: Seen) -> Iterable[str]:
    """No attempt is begun twice by one process, nor after an earlier process recorded its outcome or that nobody wants it."""
    owners = epochs(seen)
    recorded = over_since(seen.events)
    begun: Counter[tuple[int, str, str, int]] = Counter()
    for line in seen.lines:
        if not isinstance(line, Attempted):
            continue
        epoch = owners[line.pid]
        begun[epoch, line.run, line.effect, line.attempt] += 1
        stream = stream_of(line.run)
        over = min(recorded.get((stream, line.effect, line.attempt), epoch), recorded.get((stream, line.effect, 0), epoch))
        if over < epoch:
            yield f"attempt {line.attempt} of step {line.effect} of {line.run} was begun by epoch {epoch}, though over since epoch {over}"
    for (epoch, run, effect, attempt), count in begun.items():
        if count > 1:
            yield f"attempt {attempt} of step {effect} of {run} was begun {count} times by epoch {epoch}"


def over_since(events: Iterable[Happened]) -> dict[tuple[str, str, int], int]:
    """The epoch that recorded the outcome of an attempt (stream, step, attempt), or the end of the whole step (attempt 0)."""
    recorded: dict[tuple[str, str, int], int] = {}
    for happened in events:
        match happened.event:
            case ev.StepCompleted(id=id, attempt=attempt) | ev.StepFailed(id=id, attempt=attempt, retry_at=None):
                recorded.setdefault((happened.stream, id, attempt), happened.epoch)
                recorded.setdefault((happened.stream, id, 0), happened.epoch)
            case ev.StepFailed(id=id, attempt=attempt):
                recorded.setdefault((happened.stream, id, attempt), happened.epoch)
            case ev.EffectsAbandoned(ids=ids):
                for id in ids:
                    recorded.setdefault((happened.stream, id, 0), happened.epoch)
            case _:
                pass
    return recorded


def keys_stay_the_same(seen: Seen) -> Iterable[str]:
    """One key for all attempts of a step, another for every other step."""
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in seen.lines:
        if isinstance(line, Attempted):
            keys[line.run, line.effect].add(line.key)
    for (run, effect), used in keys.items():
        if len(used) > 1:
            yield f"step {effect} of {run} had the keys {sorted(used)}"
    if len({key for used in keys.values() for key in used}) < len(keys):
        yield "two steps shared a key"


def ends_as_if_nothing_had_happened(seen: Seen, clean: Outcomes) -> Iterable[str]:
    for run, expected in clean.items():
        if seen.outcomes.get(run) != expected:
            yield f"{run} ended as {seen.outcomes.get(run)}, without a kill as {expected}"


PROMISES: dict[str, Callable[[Seen], Iterable[str]]] = {
    "acknowledged_events_lost": nothing_acknowledged_is_lost,
    "gaps": lambda seen: [f"{seen.gaps} gaps"] if seen.gaps else [],
    "doubled_outcomes": no_outcome_is_doubled,
    "repeated_commands_answered_otherwise": repeated_commands_get_their_first_answer,
    "attempts_again_though_not_in_flight": only_what_was_in_flight_is_attempted_again,
    "attempts_with_another_key": keys_stay_the_same,
    "false_alarms": lambda seen: seen.findings,
    "replays_that_disagree": lambda seen: seen.disagreeing,
}


def broken(seen: Seen, clean: Outcomes) -> dict[str, list[str]]:
    """Which promises were broken, and how."""
    found = {name: list(promise(seen)) for name, promise in PROMISES.items()}
    found["ends_that_differ"] = list(ends_as_if_nothing_had_happened(seen, clean))
    return {name: complaints for name, complaints in found.items() if complaints}


def attempts_again(seen: Seen) -> int:
    """How many attempts were begun more than once: what was in flight at a kill."""
    begun = Counter((line.run, line.effect, line.attempt) for line in seen.lines if isinstance(line, Attempted))
    return sum(count > 1 for count in begun.values())


def durable_though_not_acknowledged(seen: Seen) -> int:
    """How many commands were in the log at a kill though the process that recorded them had not told anybody."""
    owners = epochs(seen)
    told = {(stream_of(line.run), line.command, owners[line.pid]) for line in seen.lines if isinstance(line, Answered)}
    commands = {(happened.stream, getattr(happened.event, "command", ""), happened.epoch) for happened in seen.events}
    return sum(command != "" for _, command, _ in commands - told)
