"""`perdure keys`: the keys of those who may call the service."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from typing import Annotated

import typer

from ..shared.exits import DONE
from ..shared.options import By, Json, Log, Tenant, Why, wait
from ..shared.places import DEFAULT, url_of

HOUR, DAY = 3600, 86400

keys = typer.Typer(help="The keys of the service: in NATS, on a file that no process holds, or of a service at --log http://HOST:PORT.",
                   no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The id of a key: the 12 characters in its middle.")]
Days = Annotated[float, typer.Option("--days", min=0.0, metavar="N", help="How long the key is good; 0 for no end.")]


@keys.command()
def create(
    user: Annotated[str, typer.Option("--user", metavar="NAME", help="Whose key it is: runs that it starts are theirs.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="starter, viewer, operator, author, admin or one of the tenant's own. May be repeated; "
                     "none, of a user who has a record, for all that they have."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    days: Days = 0.0,
    by: By = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Make a key. It is shown once; the log keeps what it is known by."""
    from ..shared.console import answer
    from .asking import created
    from .drawing import draw_made

    answer(wait(created, url_of(log), tenant, user, role or [], label, days * DAY, by), draw_made, as_json=json)
    return DONE


@keys.command(name="list")
def list_(
    log: Log = DEFAULT,
    tenant: Annotated[str, typer.Option("--tenant", envvar="PERDURE_TENANT", metavar="NAME", help="Only those of this tenant.")] = "",
    json: Json = False,
) -> int:
    """List the keys, good or not: whose they are, what they may, until when."""
    from ..shared.console import answer
    from .asking import listed
    from .drawing import draw_keys

    answer(wait(listed, url_of(log), tenant), draw_keys, as_json=json)
    return DONE


@keys.command()
def rotate(
    key: KeyId,
    overlap: Annotated[float, typer.Option("--overlap", min=0.0, metavar="HOURS", help="How long the old key stays good.")] = 24.0,
    days: Days = 0.0,
    by: By = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Make another key for the same user and roles; the old one stays good for a while."""
    from ..shared.console import answer
    from .asking import rotated
    from .drawing import draw_made

    answer(wait(rotated, url_of(log), key, overlap * HOUR, days * DAY, by), draw_made, as_json=json)
    return DONE


@keys.command()
def revoke(key: KeyId, why: Why = "", by: By = "", log: Log = DEFAULT, json: Json = False) -> int:
    """Let a key be good no more."""
    from ..shared.console import answer
    from .asking import revoked
    from .drawing import draw_keys

    answer(wait(revoked, url_of(log), key, by, why), draw_keys, as_json=json)
    return DONE
