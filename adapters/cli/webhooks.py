"""`perdure webhooks`: those that could not be brought to their receivers, one of them whole, and what to do about it."""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .exits import DONE
from .options import By, Json, Log, Tenant, Why, wait
from .places import DEFAULT, is_over_http, is_served, url_of, views_of

if TYPE_CHECKING:
    from ...runtime.requests import WebhookPage, WebhookShown

commands = typer.Typer(help="Look at webhooks that did not arrive, try them again, or drop them.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(metavar="WEBHOOK", help="The id of a webhook, as its receiver knows it.")]


@commands.command()
def dead(
    status: Annotated[str, typer.Option(metavar="STATUS", help="dead, queued, retrying, delivered or dropped.")] = "dead",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 100,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List dead letters: webhooks that were given up, are not wanted any more, or may not be sent."""
    from .console import answer
    from .drawing_webhooks import draw_page

    answer(wait(_listed, log, tenant, status, limit), draw_page, as_json=json)
    return DONE


@commands.command()
def show(id: WebhookId, log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Show a webhook: how it stands, what came of its last attempt, and the body that is sent."""
    from .console import answer
    from .drawing_webhooks import draw_webhook

    answer(wait(_shown, log, tenant, id), draw_webhook, as_json=json)
    return DONE


@commands.command()
def redrive(id: WebhookId, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Try a dead letter again at once, and as often as a new one. In a file it is sent by whoever serves the file next."""
    from .console import answer
    from .drawing_webhooks import draw_webhook

    answer(wait(_redriven, log, tenant, id, by), draw_webhook, as_json=json)
    return DONE


@commands.command()
def drop(id: WebhookId, by: By = "", why: Why = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:  # noqa: PLR0917
    """Give up a webhook that has not arrived."""
    from .console import answer
    from .drawing_webhooks import draw_webhook

    answer(wait(_dropped, log, tenant, id, by, why), draw_webhook, as_json=json)
    return DONE


async def _listed(log: str, tenant: str, status: str, limit: int) -> WebhookPage:
    if is_over_http(url_of(log)):
        from .asking import asked_at

        async with asked_at(url_of(log)) as client:
            return await client.webhooks(status, tenant=tenant, limit=limit)
    from ...eventlog.search import Search
    from ...eventlog.streams import prefix_of
    from ...runtime.calling.webhooks import line_of
    from ...runtime.requests import WebhookPage

    async with views_of(log) as views:
        found = await views.find(Search(prefix=prefix_of("delivery", tenant), status=status), limit=limit)
    return WebhookPage([line_of(summary) for summary in found], None)


async def _shown(log: str, tenant: str, id: str) -> WebhookShown:
    if is_over_http(url_of(log)):
        from .asking import asked_at

        async with asked_at(url_of(log)) as client:
            return await client.webhook(id, tenant=tenant)
    from ...eventlog.streams import stream_of
    from ...runtime.calling.webhooks import shown
    from ...runtime.kinds.delivery import folded

    stream = stream_of("delivery", tenant, id)
    async with views_of(log) as views:
        return shown(folded(stream, await views.records(stream)))


async def _redriven(log: str, tenant: str, id: str, by: str) -> WebhookShown:
    from ..compose import deciding
    from .asking import asked_at

    url = url_of(log)
    if is_served(url):
        async with asked_at(url) as client:
            return await client.redrive_webhook(id, by=by, tenant=tenant)
    await _shown(log, tenant, id)  # where there is no such log or webhook, none is made
    async with deciding(url) as runtime:
        return await runtime.redrive_webhook(id, by=by, tenant=tenant)


async def _dropped(log: str, tenant: str, id: str, by: str, why: str) -> WebhookShown:
    from ..compose import deciding
    from .asking import asked_at

    url = url_of(log)
    if is_served(url):
        async with asked_at(url) as client:
            return await client.drop_webhook(id, by=by, why=why, tenant=tenant)
    await _shown(log, tenant, id)
    async with deciding(url) as runtime:
        return await runtime.drop_webhook(id, by=by, why=why, tenant=tenant)
