"""Deliveries: the kind of actor that brings one webhook to its receiver, however often that takes, and keeps what could not be brought.

Its id is the webhook's id, so it is the same on all attempts. An attempt that a crash cut off is made once more under its number,
because nothing is known of it: delivery is at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from ...actors.kind import Kind
from ...eventlog.codec import Codec, Event
from ...eventlog.errors import NotFound, Refused, TooLarge
from ...eventlog.records import Head, Record
from ...eventlog.streams import parts_of
from ..authoring.retry import Retry, microseconds, pause_after
from ..authoring.values import NOTHING
from ..authoring.words import moment
from ..run.commands import Wake
from ..run.notices import DATA_BYTES_MAX, Deliver

NAME = "delivery"
OPEN, DEAD = ("queued", "retrying"), "dead"
STATUSES = (*OPEN, DEAD, "delivered", "dropped")
GONE = 410
"""What a receiver answers that wants nothing more."""
OK, REDIRECTS = 200, 300

ERROR_CHARACTERS = 500


class DeliveryQueued(Event, frozen=True):
    """Somebody outside is to be told. `body` is sent as it is, byte for byte."""

    url: str
    topic: str
    body: Raw
    run: str = ""
    workflow: str = ""


class DeliveryAttempted(Event, frozen=True):
    """An attempt has failed, or nobody knows that it did not; times in microseconds since 1970. `status` is 0 where there was no answer."""

    attempt: int
    started: int
    ended: int
    error: str
    status: int = 0
    retry_at: int = 0
    """When the next one is made; 0 where none is."""


class Delivered(Event, frozen=True):
    """The receiver has it."""

    attempt: int
    started: int
    ended: int
    status: int


class DeliveryDied(Event, frozen=True):
    """It is a dead letter: given up (`exhausted`), not wanted any more (`gone`), or to a host that is not called (`refused`)."""

    reason: str


class DeliveryRedriven(Event, frozen=True):
    """It is tried again at once, and as often as a new one."""

    by: str = ""


class DeliveryDropped(Event, frozen=True):
    """Somebody decided that it need not arrive."""

    by: str = ""
    why: str = ""


class Attempted(Struct, frozen=True, omit_defaults=True):
    """What came of an attempt: the receiver's `status`, or an `error`. `after`: microseconds that it asked to be left alone for.

    `refused`: it was not made, because the host may not be called.
    """

    attempt: int
    started: int
    ended: int
    status: int = 0
    error: str = ""
    after: int = 0
    refused: bool = False


class Redrive(Struct, frozen=True, omit_defaults=True):
    """Try a dead letter again, or one that waits for its next attempt, at once."""

    by: str = ""


class Drop(Struct, frozen=True, omit_defaults=True):
    """Give up what has not arrived."""

    by: str = ""
    why: str = ""


class LookAtDelivery(Struct, frozen=True):
    """Ask how it stands."""


class Webhook(Struct, frozen=True, omit_defaults=True):
    """How a webhook stands: queued, retrying, delivered, dead or dropped; times in microseconds since 1970."""

    id: str
    tenant: str
    status: str
    url: str
    topic: str
    body: Raw
    created: int
    changed: int
    attempts: int = 0
    due: int = 0
    """When the next attempt is made; 0 where none is."""
    error: str = ""
    """What came of the last attempt."""
    answered: int = 0
    """The status that it was answered with; 0 for none."""
    run: str = ""
    workflow: str = ""


class State(Struct):
    """A webhook, and what came of it so far."""

    stream: str = ""
    status: str = "new"
    url: str = ""
    topic: str = ""
    body: Raw = NOTHING
    run: str = ""
    workflow: str = ""
    attempts: int = 0
    """All that were made."""
    spared: int = 0
    """Those of them that were made before it was last redriven."""
    due: int = 0
    """When the next attempt is made."""
    error: str = ""
    answered: int = 0
    """The status that the last attempt was answered with."""
    since: int = 0
    at: int = 0

    @property
    def open(self) -> bool:
        return self.status in OPEN


class Policy(Struct, frozen=True):
    """How often, and when: the n-th pause is `base * 2 ** (n - 1)`, at most `longest`, shortened by up to half of itself."""

    attempts: int = 8
    base: timedelta = timedelta(seconds=30)
    longest: timedelta = timedelta(hours=1)

    def pause(self, stream: str, attempt: int, after: int = 0) -> int | None:
        """Microseconds to wait behind this attempt; None where it was the last. `after` is honoured as far as `longest` goes."""
        pause = pause_after(Retry(self.attempts, self.base, longest=self.longest, jitter=JITTER), attempt, 0, stream)
        return None if pause is None else max(pause, min(after, microseconds(self.longest)))


JITTER = 0.5

Said: TypeAlias = DeliveryQueued | DeliveryAttempted | Delivered | DeliveryDied | DeliveryRedriven | DeliveryDropped
Command: TypeAlias = Deliver | Attempted | Redrive | Drop | LookAtDelivery | Wake


class Deliveries(Kind[State, Command, Said]):
    """`deliver` is told of a webhook whose time has come, `leave` of one that is not to be brought from here."""

    name = NAME

    def __init__(
        self, policy: Policy, deliver: Callable[[State], None], leave: Callable[[str], None], wake_at: Callable[[str, int], None],
        now: Callable[[], int],
    ) -> None:  # fmt: skip
        self._policy = policy
        self._deliver = deliver
        self._leave = leave
        self._wake_at = wake_at
        self._now = now

    def initial(self, stream: str) -> State:
        return State(stream)

    def decide(self, state: State, command: Command, now: int) -> Sequence[Said]:
        match command:
            case Deliver():
                return _queue(state, command, now)
            case Attempted():
                return self._attempted(state, command, now) if state.open and command.attempt == state.attempts + 1 else ()
            case Redrive(by):
                _must_be(state, "redriven", *OPEN, DEAD)
                return (DeliveryRedriven(by),)
            case Drop(by, why):
                if state.status == "dropped":
                    return ()
                _must_be(state, "dropped", *OPEN, DEAD)
                return (DeliveryDropped(by, why),)
            case LookAtDelivery():
                _must_be(state, "looked at", *STATUSES)
                return ()
            case Wake():
                return ()

    def _attempted(self, state: State, told: Attempted, now: int) -> Sequence[Said]:
        if OK <= told.status < REDIRECTS:
            return (Delivered(told.attempt, told.started, told.ended, told.status),)
        error = (told.error or f"HTTP {told.status}")[:ERROR_CHARACTERS]
        pause = self._policy.pause(state.stream, told.attempt - state.spared, told.after)
        dead = "refused" if told.refused else "gone" if told.status == GONE else "exhausted" if pause is None else ""
        retry_at = 0 if dead or pause is None else now + pause
        failed = DeliveryAttempted(told.attempt, told.started, told.ended, error, told.status, retry_at)
        return (failed, DeliveryDied(dead)) if dead else (failed,)

    def evolve(self, state: State, event: Said, at: int) -> State:
        return changed(state, event, at)

    def answer(self, state: State, command: Command) -> Webhook:
        return standing(state)

    def looks(self, command: Command) -> bool:
        return isinstance(command, LookAtDelivery)

    def opens(self, command: Command) -> bool:
        return isinstance(command, Deliver)

    def head(self, state: State, old: Head | None) -> Head | None:
        """The attributes are what a list of dead letters shows, and the view `workflow_webhook_dlq`."""
        wake_at = None if not state.open else 0 if state.due <= state.at else state.due
        _, tenant, _ = parts_of(state.stream)
        told = {"tenant": tenant, "url": state.url, "run": state.run, "attempts": state.attempts, "error": state.error}
        return Head(state.status, wake_at, state.topic, state.since, state.at, msgspec.json.encode(told))

    def perform(self, stream: str, state: State) -> None:
        if not state.open:
            self._leave(stream)
        elif state.due <= self._now():
            self._deliver(state)
        else:
            self._wake_at(stream, state.due)

    def idle(self, state: State) -> bool:
        return not state.open or state.due > self._now()

    def done(self, state: State) -> bool:
        return state.status in ("delivered", "dropped")

    def lose(self, stream: str) -> None:
        self._leave(stream)


def changed(state: State, event: Said, at: int) -> State:
    """The state after the event."""
    state.since, state.at = state.since or at, at
    match event:
        case DeliveryQueued(url, topic, body, run, workflow):
            state.status, state.url, state.topic, state.body = "queued", url, topic, body.copy()
            state.run, state.workflow, state.due = run, workflow, at
        case DeliveryAttempted(attempt, error=error, status=status, retry_at=retry_at):
            state.status, state.attempts, state.error, state.answered, state.due = "retrying", attempt, error, status, retry_at
        case Delivered(attempt, status=status):
            state.status, state.attempts, state.answered, state.due, state.error = "delivered", attempt, status, 0, ""
        case DeliveryDied():
            state.status, state.due = DEAD, 0
        case DeliveryRedriven():
            state.status, state.spared, state.due = "retrying", state.attempts, at
        case DeliveryDropped():
            state.status, state.due = "dropped", 0
    return state


def standing(state: State) -> Webhook:
    """How the webhook stands."""
    _, tenant, id = parts_of(state.stream)
    about = id, tenant, state.status, state.url, state.topic, state.body, state.since, state.at
    return Webhook(*about, state.attempts, state.due, state.error, state.answered, state.run, state.workflow)


CODEC: Codec[Said] = Codec(NAME, DeliveryQueued, DeliveryAttempted, Delivered, DeliveryDied, DeliveryRedriven, DeliveryDropped)


def folded(stream: str, records: Iterable[Record]) -> Webhook:
    """How a webhook stands by its records; NotFound where there are none."""
    state = State(stream)
    for record in records:
        batch = CODEC.decode(record.data)
        for event in batch.events:
            state = changed(state, event, batch.at)
    _must_be(state, "looked at", *STATUSES)
    return standing(state)


def body_of(command: Deliver, now: int) -> Raw:
    """What is sent, as Standard Webhooks has it: what happened, when, and what there is to say of it."""
    head = msgspec.json.encode({"type": command.topic, "timestamp": moment(now)})
    return Raw(head[:-1] + _ending(command.data))


def _ending(data: Raw) -> bytes:
    return b',"data":' + bytes(data) + b"}"


def _queue(state: State, command: Deliver, now: int) -> Sequence[Said]:
    if state.status == "new":
        if len(command.data) > DATA_BYTES_MAX:
            raise TooLarge("a webhook has too much to say", who=f"webhook {command.topic!r}", where="data",
                           expected=f"at most {DATA_BYTES_MAX} bytes as JSON", found=f"{len(command.data)} bytes",
                           instead="send the address of what is large")
        return (DeliveryQueued(command.url, command.topic, body_of(command, now), command.run, command.workflow),)
    if (state.url, state.topic) != (command.url, command.topic) or not bytes(state.body).endswith(_ending(command.data)):
        raise Refused("the id belongs to another webhook", who=f"webhook {parts_of(state.stream)[2]!r}", where="deliver",
                      expected=f"{state.topic} to {state.url}", found=f"{command.topic} to {command.url}, or other data",
                      instead="choose another id")
    return ()


def _must_be(state: State, what: str, *known: str) -> None:
    who = f"webhook {parts_of(state.stream)[2]!r}"
    if state.status == "new":
        raise NotFound("there is no such webhook", who=who, where=f"tenant {parts_of(state.stream)[1]!r}",
                       expected="one that was queued", found="none", instead="list the dead letters: perdure webhooks dead")
    if state.status not in known:
        raise Refused(f"the webhook cannot be {what} any more", who=who, expected=" or ".join(known), found=state.status,
                      instead="look at it: perdure webhooks show ID")
