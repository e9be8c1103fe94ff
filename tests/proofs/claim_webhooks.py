"""Webhooks to a receiver that fails in every way, while their senders are killed: what the log says is held against what was received."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from uuid import uuid4

import anyio
from msgspec import Struct

from perdure.adapters.cli.shared.places import views_of
from perdure.adapters.webhooks.signatures import Secret, signature
from perdure.eventlog.records import Record
from perdure.eventlog.search import Search
from perdure.runtime.kinds.delivery import CODEC, DeliveryAttempted, Webhook, folded
from tests.adapters.nats.server import running
from tests.adapters.webhooks.receiver import open_to
from tests.adapters.webhooks.sender import ATTEMPTS, plans
from tests.adapters.webhooks.unruly import PATIENCE, Seen, Unruly, unruly
from tests.proofs.frame import Figures, proof

SECOND = 1_000_000
BASE, LONGEST = 0.2, 1.0
KILLS = 10
WITHIN = 240.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105
FIELDS = ("id", "tenant", "run", "url", "body", "attempts", "error", "created")


class Found(Struct):
    """One webhook, as the log has it."""

    webhook: Webhook
    records: list[Record]


@proof("webhooks", "each webhook arrives or is a dead letter, under one id, though receivers fail in every way and senders are killed")
def on_sqlite() -> Figures:
    with tempfile.TemporaryDirectory() as folder, unruly() as receiver:
        return played(f"sqlite:///{folder}/shop.db", receiver, senders=1)


@proof("webhooks-nats", "the same on NATS, where two processes send, one is killed and the other takes over")
def on_nats() -> Figures:
    with tempfile.TemporaryDirectory() as room, running(Path(room)) as server, unruly() as receiver:
        return played(f"{server.url}/{uuid4().hex}", receiver, senders=2)


def played(log: str, receiver: Unruly, *, senders: int) -> Figures:
    """The figures of one play: senders are killed one after the other, and each time another begins."""
    chance, environment = Random(7), {**os.environ, **settings(receiver)}
    with ExitStack() as stack:
        crew = [stack.enter_context(sending(log, receiver, environment)) for _ in range(senders)]
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.8, 3.0))
            victim = crew.pop(chance.randrange(len(crew)))
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            crew.append(stack.enter_context(sending(log, receiver, environment)))
        found = anyio.run(settled, log)
    return figures(found, receiver.seen)


def settings(receiver: Unruly) -> dict[str, str]:
    return {
        **open_to(receiver.port), "WORKFLOWS_WEBHOOK_SECRET": SECRET, "WORKFLOWS_WEBHOOK_DLQ_BASE_SEC": str(BASE),
        "WORKFLOWS_WEBHOOK_DLQ_MAX_BACKOFF_SEC": str(LONGEST), "WORKFLOWS_WEBHOOK_DLQ_MAX_ATTEMPTS": str(ATTEMPTS),
        "WORKFLOWS_WEBHOOK_DLQ_TIMEOUT_SEC": str(PATIENCE),
    }  # fmt: skip


@contextmanager
def sending(log: str, receiver: Unruly, environment: dict[str, str]) -> Generator[subprocess.Popen[bytes]]:
    """A sender that has opened the log: before that there would be little to kill."""
    command = [sys.executable, "-m", "tests.adapters.webhooks.sender", log, receiver.url]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield process
        finally:
            process.kill()


async def settled(log: str) -> list[Found]:
    """All webhooks, once none is under way any more; or what there is when the time is over."""
    expected, end = 2 * len(plans()), anyio.current_time() + WITHIN
    while True:
        try:
            async with views_of(log) as views:
                heads = await views.find(Search(prefix="delivery/"), limit=10_000)
                done = sum(summary.head.status in ("delivered", "dead") for summary in heads)
                if done == expected or anyio.current_time() > end:
                    streams = [summary.stream for summary in heads]
                    records = {stream: [*await views.records(stream)] for stream in streams}
                    return [Found(folded(stream, kept), kept) for stream, kept in records.items()]
        except OSError:
            pass
        await anyio.sleep(1)


def figures(found: Sequence[Found], seen: Sequence[Seen]) -> Figures:
    by_path: dict[str, list[Seen]] = defaultdict(list)
    for one in seen:
        by_path[one.path].append(one)
    dead = [one.webhook for one in found if one.webhook.status == "dead"]
    delivered = [one.webhook for one in found if one.webhook.status == "delivered"]
    ids = {path: {one.headers["webhook-id"] for one in many} for path, many in by_path.items()}
    return {
        "webhooks": len(found),
        "lost": 2 * len(plans()) - len(delivered) - len(dead),
        "kills": KILLS,
        "sent_on_by_another_life": sum(len({CODEC.decode(record.data).epoch for record in one.records}) > 1 for one in found),
        "requests": len(seen),
        "ids_that_changed": sum(len(known) != 1 for known in ids.values()),
        "ids_of_two_webhooks": sum(len(known) for known in ids.values()) - len({id for known in ids.values() for id in known}),
        "signatures_wrong": sum(not is_signed(one) for one in seen),
        "delivered_and_not_received": sum(not any(one.well for one in by_path[path_of(webhook)]) for webhook in delivered),
        "dead_letters": len(dead),
        "dead_letters_incomplete": sum(not all(getattr(webhook, name) for name in FIELDS) for webhook in dead),
        "dead_before_their_time": sum(webhook.attempts != (1 if webhook.answered == 410 else ATTEMPTS) for webhook in dead),
        "pauses": sum(1 for one in found for _ in pauses(one.records)),
        "pauses_out_of_bounds": sum(not within for one in found for within in pauses(one.records)),
        "attempts_too_early": sum(attempts_too_early(one.records) for one in found),
        "redirects_followed": sum(path.endswith("/redirected") for path in by_path),
    }


def path_of(webhook: Webhook) -> str:
    return "/" + webhook.url.split("/", 3)[3]


def is_signed(one: Seen) -> bool:
    expected = signature(Secret.of(SECRET, "test"), one.headers["webhook-id"], int(one.headers["webhook-timestamp"]), one.body)
    return one.headers["webhook-signature"] == expected


def pauses(records: Sequence[Record]) -> Iterator[bool]:
    """Whether each pause is within its bounds."""
    for record in records:
        batch = CODEC.decode(record.data)
        for event in batch.events:
            if isinstance(event, DeliveryAttempted) and event.retry_at:
                full = min(LONGEST, BASE * 2 ** (event.attempt - 1)) * SECOND
                pause = event.retry_at - batch.at
                yield pause == SECOND if event.status == 429 else full / 2 <= pause <= full


def attempts_too_early(records: Sequence[Record]) -> int:
    """Attempts that began before the pause behind the one before was over."""
    early, due = 0, 0
    for record in records:
        for event in CODEC.decode(record.data).events:
            early += getattr(event, "started", due) < due
            due = event.retry_at if isinstance(event, DeliveryAttempted) else 0
    return early
