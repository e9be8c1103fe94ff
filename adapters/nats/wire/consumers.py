"""Durable consumers: how each is configured, made where it is missing, never changed.

Where one is configured otherwise it is refused by whoever would use it: with a bound on deliveries, say, messages would be lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from . import api
from .buckets import Difference, meant, refuse
from .store import Store

ACK_WAIT_SECONDS = 10

MEANT = (
    "ack_policy", "ack_wait", "backoff", "deliver_policy", "deliver_subject", "filter_subject", "filter_subjects", "headers_only",
    "inactive_threshold", "max_ack_pending", "max_batch", "max_bytes", "max_deliver", "max_expires", "mem_storage", "pause_until",
    "priority_policy", "replay_policy",
)  # fmt: skip
"""What of a configuration has a meaning here, as with streams."""


class Consumer(Struct, frozen=True):
    """A durable consumer: of which JetStream stream, under which name, of which of its subjects (all, if none is given)."""

    bucket: str
    name: str
    filter: str = ""
    at_once: int = 1000
    ack_seconds: float = ACK_WAIT_SECONDS
    """So long after the last sign of life it is handed out again."""
    alone: bool = True
    """Whether one worker at a time pulls: it begins by taking back what another had."""

    def config(self) -> dict[str, Any]:
        second = 1000 * api.MILLISECOND
        given = {"filter_subject": self.filter} if self.filter else {}
        return {
            "durable_name": self.name, "name": self.name, "ack_policy": "explicit", "ack_wait": round(self.ack_seconds * second),
            "max_ack_pending": 2 * self.at_once, "max_deliver": -1, "deliver_policy": "all", "replay_policy": "instant", **given,
        }  # fmt: skip

    @property
    def place(self) -> str:
        """What it is called beside those of other streams."""
        return f"{self.bucket}/{self.name}"

    def differences(self, found: Mapping[str, Any]) -> list[Difference]:
        """What the server has otherwise, among the fields that have a meaning."""
        pairs = ((field, self.config().get(field), found.get(field)) for field in MEANT)
        return [Difference(self.place, field, one, other) for field, one, other in pairs if meant(one) != meant(other)]


async def had(store: Store, consumer: Consumer) -> api.ApiError | None:
    """Have a consumer, made if it is missing; or why the server does not make it. One that is otherwise is Invalid, and left as it is."""
    question = {"stream_name": consumer.bucket, "action": "create", "config": consumer.config()}
    error = api.done(await store.call(f"CONSUMER.CREATE.{consumer.bucket}.{consumer.name}", question)).error
    if error is None or error.err_code != api.CONSUMER_EXISTS:
        return error
    there = api.consumer_info(await store.call(f"CONSUMER.INFO.{consumer.bucket}.{consumer.name}", {}))
    if there.error is None:  # else it has gone in this moment
        refuse(consumer.differences(there.config), what="a consumer")
    return there.error


async def durable(store: Store, bucket: str) -> Sequence[api.ConsumerInfo]:
    """The durable consumers of a JetStream stream."""
    found: list[api.ConsumerInfo] = []
    while True:
        page = api.consumers(await store.call(f"CONSUMER.LIST.{bucket}", {"offset": len(found)}))
        found += page.consumers
        if not page.consumers or len(found) >= page.total:
            return [one for one in found if one.config.get("durable_name")]
