"""What `perdure webhooks` asks: a log is looked at beside whoever serves it; those who serve it, or a file, are told what to do."""

from __future__ import annotations

from ....eventlog.search import Search
from ....eventlog.streams import prefix_of, stream_of
from ....runtime.calling import webhooks
from ....runtime.kinds.delivery import folded
from ....runtime.requests import WebhookPage, WebhookShown
from ...urls import is_over_http, is_served
from ..shared.callers import asked_at, caller_of
from ..shared.places import url_of, views_of


async def listed(log: str, tenant: str, status: str, limit: int) -> WebhookPage:
    """Webhooks of one status, newest first."""
    if is_over_http(url_of(log)):
        async with asked_at(url_of(log)) as client:
            return await client.webhooks(status, tenant=tenant, limit=limit)
    async with views_of(log) as views:
        found = await views.find(Search(prefix=prefix_of("delivery", tenant), status=status), limit=limit)
    return WebhookPage([webhooks.line_of(summary) for summary in found], None)


async def shown(log: str, tenant: str, id: str) -> WebhookShown:
    """One webhook whole; NotFound where there is none."""
    if is_over_http(url_of(log)):
        async with asked_at(url_of(log)) as client:
            return await client.webhook(id, tenant=tenant)
    stream = stream_of("delivery", tenant, id)
    async with views_of(log) as views:
        return webhooks.shown(folded(stream, await views.records(stream)))


async def redriven(log: str, tenant: str, id: str, by: str) -> WebhookShown:
    await _must_be_there(log, tenant, id)
    async with caller_of(log, exists=True) as caller:
        return await caller.redrive_webhook(id, by=by, tenant=tenant)


async def dropped(log: str, tenant: str, id: str, by: str, why: str) -> WebhookShown:
    await _must_be_there(log, tenant, id)
    async with caller_of(log, exists=True) as caller:
        return await caller.drop_webhook(id, by=by, why=why, tenant=tenant)


async def _must_be_there(log: str, tenant: str, id: str) -> None:
    """Those who serve a log say themselves what is not there."""
    if not is_served(url_of(log)):
        await shown(log, tenant, id)
