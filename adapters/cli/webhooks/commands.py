"""`perdure webhooks`: those that could not be brought to their receivers, one of them whole, and what to do about it."""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

from typing import Annotated

import typer

from ..shared.exits import DONE
from ..shared.options import By, Json, Log, Tenant, Why, wait
from ..shared.places import DEFAULT

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
    from ..shared.console import answer
    from .asking import listed
    from .drawing import draw_page

    answer(wait(listed, log, tenant, status, limit), draw_page, as_json=json)
    return DONE


@commands.command()
def show(id: WebhookId, log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Show a webhook: how it stands, what came of its last attempt, and the body that is sent."""
    from ..shared.console import answer
    from .asking import shown
    from .drawing import draw_webhook

    answer(wait(shown, log, tenant, id), draw_webhook, as_json=json)
    return DONE


@commands.command()
def redrive(id: WebhookId, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Try a dead letter again at once, and as often as a new one. In a file it is sent by whoever serves the file next."""
    from ..shared.console import answer
    from .asking import redriven
    from .drawing import draw_webhook

    answer(wait(redriven, log, tenant, id, by), draw_webhook, as_json=json)
    return DONE


@commands.command()
def drop(id: WebhookId, by: By = "", why: Why = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:  # noqa: PLR0917
    """Give up a webhook that has not arrived."""
    from ..shared.console import answer
    from .asking import dropped
    from .drawing import draw_webhook

    answer(wait(dropped, log, tenant, id, by, why), draw_webhook, as_json=json)
    return DONE
