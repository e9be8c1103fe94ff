"""Users and roles over HTTP: an admin of a tenant keeps those of the tenant, and of no other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from ...runtime.requests.access import RolePage, UserChange, UserLine, UserPage
from ...runtime.requests.paging import LIMIT_MAX
from .keys import KeyParams
from .operations import Answer, Call, Operation

USERS, ROLES = "/api/v1/users", "/api/v1/roles"

LOOK = "list them to see whether it was done, and say it again where it was not"


class UserBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A user, and the roles that they have from the beginning."""

    user: str
    roles: tuple[str, ...] = ()


class RolesBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The roles to give, or to take."""

    roles: tuple[str, ...]


class WhyBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept in the log."""

    why: str = ""


class RoleBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What the role allows; nothing drops it."""

    permissions: tuple[str, ...]


async def create(call: Call) -> Answer:
    body: UserBody = call.given()
    return await _changed(call, body.user, "create", body.roles)


def _change(change: UserChange) -> Callable[[Call], Awaitable[Answer]]:
    async def perform(call: Call) -> Answer:
        body: RolesBody | WhyBody = call.given()
        roles, why = (body.roles, "") if isinstance(body, RolesBody) else ((), body.why)
        return await _changed(call, call.parts["user"], change, roles, why)

    return perform


async def _changed(call: Call, user: str, change: UserChange, roles: tuple[str, ...] = (), why: str = "") -> Answer:
    line = await call.runtime.change_user(user, change, roles, by=call.principal.user, why=why, tenant=call.tenant)
    if call.crowd is not None:
        call.crowd.forget()
    return Answer(line)


async def listed(call: Call) -> Answer:
    params: KeyParams = call.params
    return Answer(await call.runtime.users(tenant=call.tenant, after=params.after, limit=max(1, min(params.limit, LIMIT_MAX))))


async def roles(call: Call) -> Answer:
    return Answer(await call.runtime.roles(tenant=call.tenant))


async def define(call: Call) -> Answer:
    body: RoleBody = call.given()
    page = await call.runtime.define_role(call.parts["role"], body.permissions, by=call.principal.user, tenant=call.tenant)
    if call.crowd is not None:
        call.crowd.forget()
    return Answer(page)


def _operation(change: UserChange, body: type[Struct], summary: str) -> Operation:
    return Operation(name=f"users.{change}", method="POST", path=f"{USERS}/{{user}}/{change}", perform=_change(change), body=body,
                     answers={200: UserLine}, summary=summary, unnamed=LOOK)


OPERATIONS = (
    Operation(name="users.create", method="POST", path=USERS, perform=create, body=UserBody, answers={201: UserLine}, unnamed=LOOK,
              summary="Keep a record of a user of the tenant: from then on no key gives them more roles than it does"),
    Operation(name="users.list", method="GET", path=USERS, perform=listed, params=KeyParams, answers={200: UserPage},
              summary="List the users of the tenant"),
    _operation("give", RolesBody, "Give a user roles"),
    _operation("take", RolesBody, "Take roles from a user"),
    _operation("disable", WhyBody, "Let a user in no more, by whatever key or token"),
    _operation("enable", WhyBody, "Let a user in again"),
    Operation(name="roles.list", method="GET", path=ROLES, perform=roles, answers={200: RolePage},
              summary="List the roles that a user of the tenant may have, and what they allow"),
    Operation(name="roles.define", method="POST", path=f"{ROLES}/{{role}}", perform=define, body=RoleBody, answers={200: RolePage},
              unnamed=LOOK,
              summary="Define what a role of the tenant's own allows; without permissions it is dropped"),
)  # fmt: skip
