"""Webhooks: looked at, redriven and dropped, the same in the process that serves them and far away from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

from ...eventlog.log import Carrier, Summary
from ...eventlog.search import Condition, Search
from ...eventlog.streams import escape, parts_of, stream_of
from ..authoring.words import moment
from ..kinds.delivery import NAME, STATUSES, Drop, LookAtDelivery, Redrive, Webhook
from ..requests.paging import must_be_known
from ..requests.webhooks import (
    AnyWebhook,
    DropWebhook,
    ListWebhooks,
    LookAtWebhook,
    RedriveWebhook,
    WebhookLine,
    WebhookPage,
    WebhookShown,
)


class CallingWebhooks(ABC):
    """What callers do about webhooks; each is one request."""

    @abstractmethod
    async def _list(self, request: Any) -> Any:
        """The answer to a request; raises what it is declined with."""

    async def webhooks(
        self, status: str = "dead", *, run: str = "", tenant: str = "default", after: str | None = None, limit: int = 100
    ) -> WebhookPage:
        """A page of the webhooks that are dead, or queued, retrying, delivered or dropped, or with an empty `status` of all.

        With `run` only those of this run. Go on with `after=page.after`.
        """
        asked = ListWebhooks(status=status, run=run, tenant=tenant, after=after, limit=limit)
        return cast("WebhookPage", await self._list(asked))

    async def webhook(self, id: str, *, tenant: str = "default") -> WebhookShown:
        """How a webhook stands, and its body."""
        return cast("WebhookShown", await self._list(LookAtWebhook(id=id, tenant=tenant)))

    async def redrive_webhook(self, id: str, *, by: str = "", tenant: str = "default") -> WebhookShown:
        """Try a dead letter again at once, and as often as a new one; Refused where it has arrived, or was dropped."""
        return cast("WebhookShown", await self._list(RedriveWebhook(id=id, by=by, tenant=tenant)))

    async def drop_webhook(self, id: str, *, by: str = "", why: str = "", tenant: str = "default") -> WebhookShown:
        """Give up a webhook that has not arrived; Refused where it has."""
        return cast("WebhookShown", await self._list(DropWebhook(id=id, by=by, why=why, tenant=tenant)))


async def answer_about(request: AnyWebhook, carrier: Carrier, ask: Callable[[str, Any], Awaitable[Webhook]]) -> WebhookPage | WebhookShown:
    """What a runtime answers to a request about webhooks."""
    if isinstance(request, ListWebhooks):
        return await _page(request, carrier)
    command: LookAtDelivery | Redrive | Drop = LookAtDelivery()
    match request:
        case LookAtWebhook():
            pass
        case RedriveWebhook(by=by):
            command = Redrive(by)
        case DropWebhook(by=by, why=why):
            command = Drop(by, why)
    return shown(await ask(stream_of(NAME, request.tenant, request.id), command))


def shown(found: Webhook) -> WebhookShown:
    due = moment(found.due) if found.due else None
    about = found.id, found.tenant, found.status, found.url, found.topic, found.attempts, moment(found.created), moment(found.changed)
    return WebhookShown(WebhookLine(*about, due, found.error, found.run), found.body)


async def _page(asked: ListWebhooks, carrier: Carrier) -> WebhookPage:
    """From the index of heads alone: no delivery is woken to be listed."""
    must_be_known("status", [asked.status] if asked.status else [], STATUSES)
    where = (Condition("run", "=", asked.run),) if asked.run else ()
    search = Search(where, f"{NAME}/{escape(asked.tenant)}/", status=asked.status or None)
    after = stream_of(NAME, asked.tenant, asked.after) if asked.after else ""
    found = await carrier.heads.find(search, after=after, limit=asked.limit + 1)
    lines = [line_of(summary) for summary in found[: asked.limit]]
    return WebhookPage(lines, lines[-1].id if len(found) > asked.limit else None)


def line_of(summary: Summary) -> WebhookLine:
    head, (_, tenant, id) = summary.head, parts_of(summary.stream)
    told = msgspec.json.decode(head.attributes)
    due = None if head.wake_at is None else moment(head.wake_at or head.changed_at)
    times = moment(head.started_at), moment(head.changed_at)
    return WebhookLine(id, tenant, head.status, told["url"], head.title, told["attempts"], *times, due, told["error"], told["run"])
