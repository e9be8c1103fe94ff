"""Webhooks of workflows: a step that leaves one with its delivery actor, which brings it to its receiver however long that takes."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ...eventlog.errors import Invalid, Refused, TooLarge
from .sending import AGAIN, OUTBOX
from .steps import current, step


@step(name="perdure.webhook", retry=AGAIN, raises=(Invalid, Refused, TooLarge))
async def webhook(url: str, topic: str, data: Any = None) -> str:
    """Tell a URL that something has happened: its id, once it is durable. It is sent from then on, until it arrives or is given up.

    The body is `{"type": topic, "timestamp": …, "data": data}`, at most 64 KiB of data as JSON, signed as Standard Webhooks say.
    Refused or Invalid where the URL may not be called.
    """
    attempt = current()
    if not is_topic(topic):
        raise Invalid("a webhook needs a topic", who=f"step {attempt.step!r}", where="topic", found=repr(topic[:TOPIC_CHARACTERS]),
                      expected=f"1 to {TOPIC_CHARACTERS} visible characters, such as order.paid", instead="say what has happened")
    told = Raw(msgspec.json.encode(data, order="deterministic"))
    return await OUTBOX.get().webhook(attempt.stream, attempt.idempotency_key, url, topic, told)


def is_topic(topic: str) -> bool:
    """Whether a text can say what a webhook is about."""
    return 0 < len(topic) <= TOPIC_CHARACTERS and topic.isprintable()


TOPIC_CHARACTERS = 200
