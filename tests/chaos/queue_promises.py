"""What must hold of steps that queue workers perform, whatever befalls them: see `promises`.

An attempt may be performed twice, by whoever was lost with it and by the next: its first outcome counts. So what is promised of
time and of limits holds where nothing kept word from its way; which faults do is said here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from statistics import quantiles

from tests.chaos.crafts import ACK_SECONDS, LICENCES
from tests.chaos.noting import Attempted
from tests.chaos.reading import Happened, Seen, stream_of_attempt

STEPS = frozenset({"render", "develop", "shoot", "grade", "premiere", "misread"})
POISON = "Poison"

HARMLESS = frozenset({"queue_worker_killed", "all_queue_workers_killed", "queue_worker_leaves", "client_cut_off"})
"""Faults that keep no word from its way between the owner of a run and a living queue worker."""

ELSEWHERE = frozenset({
    "worker_killed", "two_workers_killed", "worker_frozen", "worker_leaves", "worker_cut_off", "client_cut_off", "stream_full",
})  # fmt: skip
"""Faults that take nothing out of the hands of a queue worker."""

ON_ITS_WAY = ACK_SECONDS / 2
"""Seconds from the owner's word that an attempt is wanted to its beginning, on a machine that does other things, too."""


def performed(seen: Seen) -> dict[tuple[str, str, int], list[Attempted]]:
    """Each attempt of a step of the queue: how often it was performed, in the order of the beginnings."""
    found: dict[tuple[str, str, int], list[Attempted]] = defaultdict(list)
    for made in sorted((made for made in seen.attempts if made.step in STEPS), key=lambda made: made.began):
        found[stream_of_attempt(made.run), made.effect, made.attempt].append(made)
    return found


def outcomes(seen: Seen) -> Iterator[tuple[tuple[str, str, int], Happened]]:
    """Of steps of the queue: which attempt has which."""
    names = {(one.stream, one.event["id"]): one.event["name"] for one in seen.events if one.type == "StepScheduled"}
    for happened in seen.events:
        if happened.type in ("StepCompleted", "StepFailed") and names.get((happened.stream, happened.event["id"])) in STEPS:
            yield (happened.stream, happened.event["id"], happened.event["attempt"]), happened


def nothing_is_performed_behind_its_outcome(seen: Seen) -> Iterator[str]:
    """What the log has an outcome of is not begun any more, if the word of that came through."""
    made, harmful = performed(seen), {window.fault for window in seen.history.windows} - HARMLESS
    for attempt, happened in outcomes(seen):
        for one in made.get(attempt, ()):
            late = one.began - happened.stored
            if late > ON_ITS_WAY and not seen.history.befell(harmful, happened.stored - ON_ITS_WAY, one.began):
                yield f"{told(attempt)} was begun {late:.1f} s behind its outcome, version {happened.version}"


def an_outcome_has_an_end(seen: Seen) -> Iterator[str]:
    """A value is in the log only once some worker has performed the attempt to its end."""
    made = performed(seen)
    for attempt, happened in outcomes(seen):
        ended = [one.ended for one in made.get(attempt, ()) if one.ended]
        if happened.type == "StepCompleted" and not (ended and min(ended) <= happened.stored):
            yield f"{told(attempt)} was completed at {happened.stored}, and performed to its end at {ended}"


def limits_hold(seen: Seen) -> Iterator[str]:
    """At most so many attempts of one key at once.

    An attempt that is performed twice has one slot, and may go on where that is given back; and nodes that were silent for as
    long as a lease have lost theirs. Of these only the first beginning counts.
    """
    gone = [one.stored for one in seen.slots if one.type == "Expired"]
    marks: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
    for attempt, all_of_it in performed(seen).items():
        first = all_of_it[0]
        whole = len(all_of_it) == 1 and first.ended and not any(first.began <= moment <= first.ended for moment in gone)
        if first.slot:
            marks[first.slot] += [(first.began, 1, told(attempt)), (first.ended if whole else first.began, -1, "")]
    for slot, changes in marks.items():
        count = 0
        for moment, change, what in sorted(changes, key=lambda one: (one[0], -one[1])):
            count += change
            if change > 0 and count > (LICENCES.concurrency or 0):
                yield f"at {moment:.3f} {what} was one of {count} attempts at once under {slot!r}"


def poison_is_buried(seen: Seen) -> Iterator[str]:
    """Who failed by poison lies with the dead letters, and nobody else."""
    poisoned = {attempt for attempt, one in outcomes(seen) if one.type == "StepFailed" and one.event["error"]["type"] == POISON}
    buried = {(one.stream, one.id, one.attempt) for one in seen.dead}
    for attempt in sorted(poisoned - buried):
        yield f"{told(attempt)} failed by poison, and lies not with the dead letters"
    for attempt in sorted(buried - poisoned):
        yield f"{told(attempt)} lies with the dead letters, and its run knows of no poison"


def told(attempt: tuple[str, str, int]) -> str:
    return "attempt {2} of step {1} of {0}".format(*attempt)


PROMISES: Mapping[str, Callable[[Seen], Iterable[str]]] = {
    "performed_behind_their_outcome": nothing_is_performed_behind_its_outcome,
    "outcomes_before_their_end": an_outcome_has_an_end,
    "limits_broken": limits_hold,
    "poison_and_dead_letters_apart": poison_is_buried,
    "orders_left_over": lambda seen: seen.waiting,
}


def queue_figures(seen: Seen) -> dict[str, float]:
    """What was counted of the queue, and how soon an attempt that was interrupted was begun again."""
    made = performed(seen)
    again = [later.began - one.began for all_of_it in made.values() for one, later in pairwise(all_of_it) if not one.ended]
    cuts = quantiles(again, n=100, method="inclusive") if len(again) > 1 else (again or [0.0]) * 99
    quiet = list(left_alone(seen))
    return {
        "queue_attempts": len(made),
        "queue_attempts_again": sum(len(all_of_it) - 1 for all_of_it in made.values()),
        "queue_attempts_interrupted_and_begun_again": len(again),
        "begun_again_p50": cuts[49],
        "begun_again_p99": cuts[98],
        "dead_letters": len(seen.dead),
        "long_attempts_left_alone": len(quiet),
        "share_of_those_performed_once": sum(quiet) / max(1, len(quiet)),
    }


def left_alone(seen: Seen) -> Iterator[bool]:
    """Of each long attempt that no fault could take out of its worker's hands: whether nobody else began it.

    Who drops signs of life loses them all; a busy machine may delay one.
    """
    harmful = {window.fault for window in seen.history.windows} - ELSEWHERE
    for all_of_it in performed(seen).values():
        first = all_of_it[0]
        if first.step == "shoot" and first.ended and not seen.history.befell(harmful, first.began, first.ended):
            yield len(all_of_it) == 1
