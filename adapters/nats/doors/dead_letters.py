"""Dead letters: messages that will never be done, as they were, with the reason and the origin in headers."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from ....runtime.requests import Declined
from ..wire.buckets import DEAD
from ..wire.pulling import Delivery
from ..wire.store import Store

logger = logging.getLogger("perdure.nats")

PART_MAX = 500
"""Characters of each part of an error in a header."""

HEADERS_ROOM = 8 * 1024
ERROR, ORIGIN, CUT = "Perdure-Error", "Perdure-Origin", "Perdure-Cut"


async def bury(store: Store, delivery: Delivery, why: Declined, dead: str, origin: str) -> None:
    """Keep a message at the subject `dead`; once for one origin, which no other message has."""
    logger.warning("%s is refused, and lies at %s: %s", delivery.subject, dead, why.parts.get("message"))
    room = store.connection.client.max_payload - HEADERS_ROOM - _size(delivery.headers)
    data = delivery.data
    headers = _kept(delivery.headers) | {ERROR: _error(why), ORIGIN: origin, "Nats-Msg-Id": origin}
    if len(data) > room:
        headers, data = headers | {CUT: str(len(data))}, data[: max(0, room)]
    await store.publish(DEAD.part, dead, data, headers)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """What the sender said: with it the message may be sent again."""
    return {name: text for name, text in headers.items() if not name.lower().startswith("nats-")}


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(text.encode()) + 4 for name, text in headers.items())


def _error(why: Declined) -> str:
    """In JSON, ASCII alone, since clients differ in what else they read in a header."""
    return json.dumps({"code": why.code} | {name: text[:PART_MAX] for name, text in why.parts.items()}, separators=(",", ":"))
