"""The decider of deliveries: attempts, pauses, dead letters, and what people may do about them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec import Raw

from perdure.eventlog.errors import NotFound, Refused, TooLarge
from perdure.runtime.kinds.delivery import (
    Attempted,
    Delivered,
    Deliveries,
    DeliveryAttempted,
    DeliveryDied,
    DeliveryDropped,
    DeliveryQueued,
    DeliveryRedriven,
    Drop,
    LookAtDelivery,
    Policy,
    Redrive,
    Said,
    State,
)
from perdure.runtime.run.notices import Deliver
from perdure.testing import given

STREAM, SECOND = "delivery/default/msg-1", 1_000_000
SHORT = Policy(attempts=3, base=timedelta(seconds=30), longest=timedelta(seconds=50))
WEBHOOKS = Deliveries(SHORT, lambda state: None, lambda stream: None, lambda stream, due: None, lambda: 0)
TOLD = Deliver("https://hooks.example.com/", "run.completed", Raw(b'{"a":1}'), "r-1")
BODY = Raw(b'{"type":"run.completed","timestamp":"1970-01-01T00:00:00Z","data":{"a":1}}')
QUEUED = DeliveryQueued(TOLD.url, TOLD.topic, BODY, "r-1")


def failed(attempt: int, retry_at: int = 1) -> DeliveryAttempted:
    return DeliveryAttempted(attempt, 0, 0, "HTTP 503", 503, retry_at)


def after(*events: Said) -> State:
    state = WEBHOOKS.initial(STREAM)
    for event in events:
        state = WEBHOOKS.evolve(state, event, 1)
    return state


def attempted(*before: Said, status: int = 0, asks: int = 0) -> DeliveryAttempted:
    events = WEBHOOKS.decide(after(*before), Attempted(len(before), 0, 0, status, after=asks), 0)
    assert isinstance(events[0], DeliveryAttempted)
    return events[0]


def test_what_is_queued_twice_is_one_webhook() -> None:
    given(WEBHOOKS).when(TOLD).then([QUEUED])
    given(WEBHOOKS, [QUEUED], now=7).when(TOLD).then_nothing()


def test_an_id_belongs_to_one_webhook() -> None:
    for other in (Deliver("https://other.example.com/", TOLD.topic, TOLD.data), Deliver(TOLD.url, TOLD.topic, Raw(b'{"a":2}'))):
        given(WEBHOOKS, [QUEUED]).when(other).then_refused("the id belongs to another webhook")


def test_what_is_too_large_for_receivers_is_refused() -> None:
    given(WEBHOOKS).when(Deliver(TOLD.url, TOLD.topic, Raw(b'"' + b"a" * 2**16 + b'"'))).then_refused("too much to say", error=TooLarge)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_an_answer_that_all_is_well_ends_it(status: int) -> None:
    given(WEBHOOKS, [QUEUED]).when(Attempted(1, 5, 6, status)).then([Delivered(1, 5, 6, status)])


@pytest.mark.parametrize("status", [0, 199, 300, 301, 302, 307, 400, 401, 404, 408, 429, 500, 503, 599])
def test_every_other_answer_and_none_at_all_is_tried_again_after_a_pause_within_its_bounds(status: int) -> None:
    assert 15 * SECOND <= attempted(QUEUED, status=status).retry_at <= 30 * SECOND
    assert 25 * SECOND <= attempted(QUEUED, failed(1), status=status).retry_at <= 50 * SECOND


def test_a_receiver_that_asks_for_a_pause_gets_it_as_far_as_the_longest_one_goes() -> None:
    assert attempted(QUEUED, status=503, asks=40 * SECOND).retry_at == 40 * SECOND
    assert attempted(QUEUED, status=429, asks=9000 * SECOND).retry_at == 50 * SECOND


def test_pauses_of_different_webhooks_differ() -> None:
    assert len({SHORT.pause(f"{STREAM}{number}", 1) for number in range(100)}) == 100


def test_what_has_had_its_attempts_is_a_dead_letter() -> None:
    history = [QUEUED, failed(1), failed(2)]

    given(WEBHOOKS, history).when(Attempted(3, 0, 0, 503)).then([DeliveryAttempted(3, 0, 0, "HTTP 503", 503), DeliveryDied("exhausted")])


@pytest.mark.parametrize(
    ("told", "reason"), [(Attempted(1, 0, 0, 410, "HTTP 410"), "gone"), (Attempted(1, 0, 0, 0, "no", refused=True), "refused")]
)
def test_who_wants_nothing_more_and_who_is_not_called_makes_it_a_dead_letter_at_once(told: Attempted, reason: str) -> None:
    given(WEBHOOKS, [QUEUED]).when(told).then([DeliveryAttempted(1, 0, 0, told.error, told.status), DeliveryDied(reason)])


def test_an_outcome_that_comes_late_or_twice_changes_nothing() -> None:
    given(WEBHOOKS, [QUEUED, failed(1)]).when(Attempted(1, 0, 0, 200)).then_nothing()
    given(WEBHOOKS, [QUEUED, Delivered(1, 0, 0, 200)]).when(Attempted(1, 0, 0, 500)).then_nothing()
    given(WEBHOOKS, [QUEUED, DeliveryDropped()]).when(Attempted(1, 0, 0, 200)).then_nothing()


def test_a_redriven_webhook_has_all_its_attempts_again_under_new_numbers() -> None:
    history: list[Said] = [QUEUED, failed(1), failed(2), failed(3, 0), DeliveryDied("exhausted")]

    given(WEBHOOKS, history).when(Redrive("ada")).then([DeliveryRedriven("ada")])
    state = after(*history, DeliveryRedriven("ada"))
    assert (state.status, state.due) == ("retrying", 1)
    [again] = WEBHOOKS.decide(state, Attempted(4, 0, 0, 503), 0)
    assert isinstance(again, DeliveryAttempted)
    assert 15 * SECOND <= again.retry_at <= 30 * SECOND


def test_what_is_dropped_is_not_brought_any_more() -> None:
    given(WEBHOOKS, [QUEUED, failed(1)]).when(Drop("ada", "wrong address")).then([DeliveryDropped("ada", "wrong address")])
    given(WEBHOOKS, [QUEUED, DeliveryDropped()]).when(Drop()).then_nothing()
    given(WEBHOOKS, [QUEUED, DeliveryDropped()]).when(Redrive()).then_refused("cannot be redriven")


def test_what_has_arrived_can_neither_be_redriven_nor_dropped() -> None:
    for command in (Redrive(), Drop()):
        with pytest.raises(Refused):
            WEBHOOKS.decide(after(QUEUED, Delivered(1, 0, 0, 200)), command, 0)


def test_what_was_never_queued_is_not_found() -> None:
    for command in (Redrive(), Drop(), LookAtDelivery()):
        with pytest.raises(NotFound):
            WEBHOOKS.decide(after(), command, 0)


def test_the_head_says_when_the_next_attempt_is_due_until_nothing_is() -> None:
    heads = [
        WEBHOOKS.head(after(*events), None)
        for events in ((QUEUED,), (QUEUED, failed(1, 77)), (QUEUED, Delivered(1, 0, 0, 200)), (QUEUED, failed(1, 0), DeliveryDied("gone")))
    ]

    assert [(head.status, head.wake_at) for head in heads if head is not None] == [
        ("queued", 0), ("retrying", 77), ("delivered", None), ("dead", None),
    ]  # fmt: skip
