"""The checker of task queues has teeth: each way to spoil a small history breaks its promise; what may happen breaks none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.chaos.crafts import LONG
from tests.chaos.history import History, Window
from tests.chaos.noting import Attempted
from tests.chaos.queue_promises import PROMISES, queue_figures
from tests.chaos.reading import Happened, Letter, Seen

STREAM = "run/default/r1"
EVENTS: list[tuple[float, dict[str, Any]]] = [
    *((0.0, {"type": "StepScheduled", "id": id, "name": name}) for id, name in enumerate(["render", "misread", *["grade"] * 3, "shoot"])),
    (10.1, {"type": "StepCompleted", "id": 0, "attempt": 1}),
    (15.0, {"type": "StepFailed", "id": 1, "attempt": 1, "error": {"type": "Poison"}}),
    (20.1, {"type": "StepCompleted", "id": 2, "attempt": 1}),
    (20.1, {"type": "StepCompleted", "id": 3, "attempt": 1}),
    (20.3, {"type": "StepCompleted", "id": 4, "attempt": 1}),
    (36.2, {"type": "StepCompleted", "id": 5, "attempt": 1}),
]
BURIED = Letter(STREAM, "1", 1)
EXPIRED = Happened("limit/default/licences", 1, 1, {"type": "Expired"}, 20.015)


def attempt(id: int, name: str, began: float, ended: float = 0.0, process: int = 1) -> Attempted:
    slot = "licences 0" if name == "grade" else ""
    return Attempted("r1", str(id), name, 1, f"key {id}", slot, process, began, ended)


ATTEMPTS = [
    attempt(0, "render", 10.0, 10.05),
    attempt(2, "grade", 20.0, 20.05),
    attempt(3, "grade", 20.01, 20.06),
    attempt(4, "grade", 20.1, 20.2),
    attempt(5, "shoot", 30.0, 30.0 + LONG),
]


def seen() -> Seen:
    events = [Happened(STREAM, version, 1, event | {"id": str(event["id"])}, stored) for version, (stored, event) in enumerate(EVENTS, 1)]
    return Seen(History(), {}, events, ATTEMPTS, {}, [], dead=[BURIED])


def complaints(of: Seen) -> set[str]:
    return {name for name, promise in PROMISES.items() if list(promise(of))}


def more(*made: Attempted) -> Callable[[], Seen]:
    return lambda: replace(seen(), attempts=[*ATTEMPTS, *made])


def instead(*made: Attempted) -> Callable[[], Seen]:
    """These performances in the place of those of the same steps."""
    return lambda: replace(seen(), attempts=[*(one for one in ATTEMPTS if one.effect not in {new.effect for new in made}), *made])


def dead(*letters: Letter) -> Callable[[], Seen]:
    return lambda: replace(seen(), dead=list(letters))


def meanwhile(fault: str, since: float, until: float, of: Callable[[], Seen]) -> Callable[[], Seen]:
    def happened() -> Seen:
        found = of()
        found.history.windows.append(Window(fault, since - found.history.ahead, until - found.history.ahead))
        return found

    return happened


BEGUN_ANEW = more(attempt(0, "render", 14.1, 14.2, process=2))
THREE_AT_ONCE = instead(attempt(4, "grade", 20.02, 20.2))

SPOILED: dict[str, tuple[Callable[[], Seen], str]] = {
    "what has its outcome is begun anew": (BEGUN_ANEW, "performed_behind_their_outcome"),
    "and a killed neighbour explains it": (meanwhile("queue_worker_killed", 10.2, 14, BEGUN_ANEW), "performed_behind_their_outcome"),
    "a value is there though nobody came to an end": (instead(attempt(0, "render", 10.0)), "outcomes_before_their_end"),
    "a value is there before the end": (instead(attempt(0, "render", 10.0, 10.2)), "outcomes_before_their_end"),
    "three have a licence at once": (THREE_AT_ONCE, "limits_broken"),
    "a dead letter is lost": (dead(), "poison_and_dead_letters_apart"),
    "a dead letter of one who lives": (dead(BURIED, Letter(STREAM, "0", 1)), "poison_and_dead_letters_apart"),
    "an order stays for ever": (lambda: replace(seen(), waiting=["perdure.chaos.task.gpu.0"]), "orders_left_over"),
}

ALLOWED: dict[str, Callable[[], Seen]] = {
    "a history in order": seen,
    "an interrupted attempt is performed by another": instead(attempt(0, "render", 5.0), attempt(0, "render", 10.0, 10.05, process=2)),
    "word of the outcome did not come through": meanwhile("worker_frozen", 9.0, 14.0, BEGUN_ANEW),
    "who lost an attempt goes on beside the next": instead(
        attempt(3, "grade", 20.01, 20.5), attempt(3, "grade", 20.02, 20.06, process=2), attempt(4, "grade", 20.08, 20.2)
    ),
    "a silent node lost its slots": lambda: replace(THREE_AT_ONCE(), slots=[EXPIRED]),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_queue_that_was_spoiled_breaks_its_promise(how: str) -> None:
    spoilt, promise = SPOILED[how]

    assert complaints(spoilt()) == {promise}


@pytest.mark.parametrize("what", ALLOWED)
def test_what_may_happen_in_a_queue_breaks_nothing(what: str) -> None:
    assert complaints(ALLOWED[what]()) == set()


def test_every_promise_of_queues_is_broken_once() -> None:
    assert {promise for _, promise in SPOILED.values()} == set(PROMISES)


def test_who_gives_no_signs_of_life_is_seen_by_the_long_attempts() -> None:
    dropped = more(attempt(5, "shoot", 34.0, 40.0, process=2))
    figures = [queue_figures(of()) for of in (seen, dropped, meanwhile("server_frozen", 29, 35, dropped))]

    assert [one["long_attempts_left_alone"] for one in figures] == [1, 1, 0]
    assert [one["share_of_those_performed_once"] for one in figures] == [1, 0, 0]


def test_who_acknowledges_too_early_is_seen_by_the_time_until_a_lost_attempt_is_begun_again() -> None:
    """Its order is gone, so it waits until the owner of its run puts it again."""
    figures = queue_figures(instead(attempt(0, "render", 10.0), attempt(0, "render", 39.0, 39.1, process=2))())

    assert figures["queue_attempts_interrupted_and_begun_again"] == 1
    assert figures["begun_again_p50"] == pytest.approx(29.0)
