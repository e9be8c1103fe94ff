"""The types of steps that perdure brings along for definitions. What they need is loaded when they are performed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct, field

from ...eventlog.errors import Conflict, Invalid, Unavailable
from ...runtime.authoring.retry import Retry
from ...runtime.authoring.webhooks import TOPIC_CHARACTERS, is_topic, webhook
from ...runtime.definitions.types import StepType
from .literals import is_literal, wrong_headers, wrong_url
from .prompt import Prompt
from .searching import RagSearch


class HttpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """A request; `seconds` bounds it in all."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    headers: dict[str, str] = field(default_factory=dict[str, str])
    json: Any = None
    text: str | None = None
    seconds: float = 30.0


class Http(StepType[HttpConfig]):
    """Calls a URL; gives the status, headers and body of whatever is answered."""

    name, config = "http", HttpConfig
    example: ClassVar[dict[str, Any]] = {
        "url": "https://api.example.com/orders", "method": "POST", "json": {"order": "${ inputs.order }"},
        "headers": {"Authorization": {"secret": "ORDERS_KEY"}},
    }  # fmt: skip
    timeout: ClassVar[timedelta | None] = timedelta(minutes=10)
    retry: ClassVar[Retry] = Retry(attempts=3, first=timedelta(seconds=1), on=(Unavailable,))

    def wrong(self, config: Mapping[str, Any]) -> Iterator[Invalid]:
        yield from wrong_url(config.get("url"))
        yield from wrong_headers(config.get("headers"))

    async def perform(self, config: HttpConfig) -> Any:
        from .http import request

        return msgspec.to_builtins(await request(config.url, config.method, config.headers, config.json, config.text, config.seconds))


class WebhookConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told, what has happened, and what there is to say of it."""

    url: str
    topic: str
    data: Any = None


class Webhook(StepType[WebhookConfig]):
    """Tells a URL until it is told or given up; gives the id of the webhook as soon as it is durable."""

    name, config = "webhook", WebhookConfig
    example: ClassVar[dict[str, Any]] = {
        "url": "https://hooks.example.com/orders", "topic": "order.paid", "data": {"order": "${ inputs.order }"},
    }  # fmt: skip
    timeout: ClassVar[timedelta | None] = timedelta(minutes=5)
    retry: ClassVar[Retry] = Retry(attempts=1000, first=timedelta(seconds=1), longest=timedelta(minutes=1), on=(Unavailable, Conflict))
    recorded: ClassVar[tuple[str, ...]] = ("url", "topic", "data")

    def wrong(self, config: Mapping[str, Any]) -> Iterator[Invalid]:
        yield from wrong_url(config.get("url"))
        topic = config.get("topic")
        if is_literal(topic) and not is_topic(topic):
            yield Invalid("a webhook needs a topic", where="topic", found=repr(topic[:TOPIC_CHARACTERS]), instead="say what has happened",
                          expected=f"1 to {TOPIC_CHARACTERS} visible characters, such as order.paid")

    async def perform(self, config: WebhookConfig) -> str:
        return await webhook(config.url, config.topic, config.data)


def brought_along(index: Path | None = None, embedding: str = "") -> tuple[StepType[Any], ...]:
    """All of them. `index`: where the documents are that are searched here, None where nobody said; `embedding`: that which is meant."""
    return Http(), Webhook(), RagSearch(index, embedding), Prompt()
