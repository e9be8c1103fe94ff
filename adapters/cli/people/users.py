"""`perdure users` and `perdure roles`: who may call the service, and what their roles allow."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..shared.exits import DONE
from ..shared.options import By, Json, Log, Tenant, Why, wait
from ..shared.places import DEFAULT, url_of

if TYPE_CHECKING:
    from ....runtime.calling import Calling
    from ....runtime.requests.access import UserChange

users = typer.Typer(help="The users of the service: a record says what their keys and tokens may at most, and whether they are let in.",
                    no_args_is_help=True)
roles = typer.Typer(help="The roles that users may have: those of every tenant, and those that a tenant made.", no_args_is_help=True)

User = Annotated[str, typer.Argument(metavar="USER", help="The name of a user.")]
Role = Annotated[str, typer.Argument(metavar="ROLE", help="The name of a role.")]
SomeRoles = Annotated[list[str], typer.Option("--role", metavar="ROLE", help="A role. May be repeated.")]


@users.command()
def create(
    user: User,
    role: Annotated[list[str] | None, typer.Option("--role", metavar="ROLE", help="A role that they have. May be repeated.")] = None,
    by: By = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Keep a record of a user: from then on no key gives them more roles than it does."""
    return _change(user, "create", role or (), by, "", log, tenant, as_json=json)


@users.command(name="list")
def list_(log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """List the users of a tenant."""
    from ..shared.console import answer
    from .asking import all_users, asked
    from .drawing import draw_users

    wish = partial(all_users, tenant=tenant)
    answer(wait(partial(asked, url_of(log), wish, exists=True)), draw_users, as_json=json)
    return DONE


@users.command()
def give(user: User, role: SomeRoles, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Give a user roles."""
    return _change(user, "give", role, by, "", log, tenant, as_json=json)


@users.command()
def take(user: User, role: SomeRoles, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Take roles from a user."""
    return _change(user, "take", role, by, "", log, tenant, as_json=json)


@users.command()
def disable(user: User, why: Why = "", by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Let a user in no more, by whatever key or token."""
    return _change(user, "disable", (), by, why, log, tenant, as_json=json)


@users.command()
def enable(user: User, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Let a user in again."""
    return _change(user, "enable", (), by, "", log, tenant, as_json=json)


@roles.command(name="list")
def list_roles(log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """List the roles that a user may have, and what they allow."""
    return _role(lambda caller: caller.roles(tenant=tenant), log, exists=True, as_json=json)


@roles.command()
def define(
    role: Role,
    allow: Annotated[list[str], typer.Option("--allow", metavar="PERMISSION", help="As workflows.runs.read. May be repeated.")],
    by: By = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Make a role of a tenant, or change what it allows."""
    return _role(lambda caller: caller.define_role(role, allow, by=by, tenant=tenant), log, exists=False, as_json=json)


@roles.command()
def drop(role: Role, by: By = "", log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Let a role be no more, and nobody have it."""
    return _role(lambda caller: caller.define_role(role, (), by=by, tenant=tenant), log, exists=True, as_json=json)


def _change(user: str, change: UserChange, role: Any, by: str, why: str, log: str, tenant: str, *, as_json: bool) -> int:
    from ..shared.console import answer
    from .asking import asked
    from .drawing import draw_users

    async def wish(caller: Calling) -> Any:
        return [await caller.change_user(user, change, tuple(role), by=by, why=why, tenant=tenant)]

    answer(wait(partial(asked, url_of(log), wish, exists=change != "create")), draw_users, as_json=as_json)
    return DONE


def _role(wish: Callable[[Calling], Awaitable[Any]], log: str, *, exists: bool, as_json: bool) -> int:
    from ..shared.console import answer
    from .asking import asked
    from .drawing import draw_roles

    answer(wait(partial(asked, url_of(log), wish, exists=exists)), draw_roles, as_json=as_json)
    return DONE
