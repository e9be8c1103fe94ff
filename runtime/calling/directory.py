"""Keys, users and roles: kept and asked for, the same in the process that serves them and far away from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from ..authoring.words import moment
from ..kinds import access, people
from ..permissions import ROLES
from ..requests.access import (
    AnyAccess,
    AnyAccessReply,
    ChangeRole,
    ChangeUser,
    EndKey,
    KeepKey,
    KeyFound,
    KeyLine,
    KeyPage,
    ListKeys,
    ListRoles,
    ListUsers,
    LookAtKey,
    LookAtUser,
    NoteKey,
    ReplaceKey,
    RoleLine,
    RolePage,
    UserChange,
    UserLine,
    UserPage,
)

Ask = Callable[[str, Any], Awaitable[Any]]


class CallingAccess(ABC):
    """What callers do about keys, users and roles; each is one request."""

    @abstractmethod
    async def _list(self, request: Any) -> Any:
        """The answer to a request; raises what it is declined with."""

    async def about_keys(self, request: KeepKey | ReplaceKey | EndKey | NoteKey) -> KeyPage:
        """Let a key be good, its successor be, or it be no more: what is known of it then. `Keyring` makes the requests."""
        return cast("KeyPage", await self._list(request))

    async def key(self, id: str) -> access.Key | None:
        """What is known of a key, whoever's it is; None where there is none."""
        return cast("KeyFound", await self._list(LookAtKey(id=id))).key

    async def keys(self, *, tenant: str = "default", after: str | None = None, limit: int = 100) -> KeyPage:
        """A page of the keys of a tenant, of all with an empty one; go on with `after=page.after`."""
        return cast("KeyPage", await self._list(ListKeys(tenant=tenant, after=after or "", limit=limit)))

    async def change_user(
        self, user: str, change: UserChange, roles: Sequence[str] = (), *, by: str = "", why: str = "", tenant: str = "default"
    ) -> UserLine:
        """Create a user, give them roles or take some, disable them so that no key or token lets them in, or enable them again."""
        asked = ChangeUser(user=user, change=change, roles=tuple(roles), by=by, why=why, tenant=tenant)
        return cast("UserPage", await self._list(asked)).users[0]

    async def user(self, user: str, *, tenant: str = "default") -> UserPage:
        """A user, none where nobody created them, and the tenant's own roles."""
        return cast("UserPage", await self._list(LookAtUser(user=user, tenant=tenant)))

    async def users(self, *, tenant: str = "default", after: str | None = None, limit: int = 100) -> UserPage:
        """A page of the users of a tenant; go on with `after=page.after`."""
        return cast("UserPage", await self._list(ListUsers(tenant=tenant, after=after or "", limit=limit)))

    async def define_role(self, role: str, permissions: Sequence[str], *, by: str = "", tenant: str = "default") -> RolePage:
        """Make a role of the tenant's own, or change what it allows; without permissions it is dropped, and nobody has it any more."""
        asked = ChangeRole(role=role, permissions=tuple(permissions), by=by, tenant=tenant)
        return cast("RolePage", await self._list(asked))

    async def roles(self, *, tenant: str = "default") -> RolePage:
        """The roles that a user of the tenant may have."""
        return cast("RolePage", await self._list(ListRoles(tenant=tenant)))


async def answer_about_access(request: AnyAccess, ask: Ask, now: int) -> AnyAccessReply:
    """What a runtime answers to a request about keys, users and roles."""
    if isinstance(request, ChangeUser | LookAtUser | ListUsers | ChangeRole | ListRoles):
        return await _about_people(request, ask)
    found: list[access.Key] = await ask(access.stream_of_keys(), _wish_for(request))
    if isinstance(request, LookAtKey):
        return KeyFound(found[0] if found else None)
    limit = request.limit if isinstance(request, ListKeys) else len(found)
    return KeyPage([line_of(key, now) for key in found[:limit]], found[limit - 1].id if len(found) > limit else None)


def _wish_for(request: KeepKey | ReplaceKey | EndKey | NoteKey | LookAtKey | ListKeys) -> access.Wish:
    match request:
        case KeepKey(id=id, digest=digest, user=user, roles=roles, label=label, expires=expires, by=by):
            return access.CreateKey(access.KeyCreated(id, digest, request.tenant, user, roles, label, expires, by))
        case ReplaceKey(id=id, successor=successor, digest=digest, overlap=overlap, expires=expires, by=by):
            return access.RotateKey(id, request.tenant, successor, digest, overlap, expires, by)
        case EndKey(id=id, by=by, why=why):
            return access.RevokeKey(id, request.tenant, by, why)
        case NoteKey(id=id):
            return access.UseKey(id)
        case LookAtKey(id=id):
            return access.FindKey(id)
        case ListKeys(after=after, limit=limit):
            return access.ListKeys(request.tenant, after, limit + 1)


async def _about_people(request: ChangeUser | LookAtUser | ListUsers | ChangeRole | ListRoles, ask: Ask) -> UserPage | RolePage:
    wish: people.Wish
    match request:
        case ChangeUser():
            wish = CHANGES[request.change](request)
        case LookAtUser(user=user):
            wish = people.FindUser(user)
        case ListUsers(after=after, limit=limit):
            wish = people.ListUsers(after, limit + 1)
        case ChangeRole(role=role, permissions=permissions, by=by):
            wish = people.DefineRole(role, permissions, by) if permissions else people.DropRole(role, by)
        case ListRoles():
            wish = people.ListUsers(limit=0)
    known: people.Known = await ask(people.stream_of_people(request.tenant), wish)
    if isinstance(request, ChangeRole | ListRoles):
        built_in = [RoleLine(role, tuple(sorted(permissions))) for role, permissions in ROLES.items()]
        return RolePage(built_in + [RoleLine(role, permissions, own=True) for role, permissions in sorted(known.roles.items())])
    most = request.limit if isinstance(request, ListUsers) else len(known.users)
    lines = [_user_line(user) for user in known.users[:most]]
    return UserPage(lines, known.roles, lines[-1].user if len(known.users) > most else None)


CHANGES: dict[UserChange, Callable[[ChangeUser], people.Wish]] = {
    "create": lambda asked: people.CreateUser(asked.user, asked.roles, asked.by),
    "give": lambda asked: people.GiveRoles(asked.user, asked.roles, asked.by),
    "take": lambda asked: people.TakeRoles(asked.user, asked.roles, asked.by),
    "disable": lambda asked: people.DisableUser(asked.user, asked.by, asked.why),
    "enable": lambda asked: people.EnableUser(asked.user, asked.by),
}


def line_of(key: access.Key, now: int) -> KeyLine:
    """A key as it may be shown, at a time in microseconds since 1970."""
    made = key.made
    expires, revoked, used = (moment(at) if at else None for at in (key.expires, key.revoked, key.used))
    about = made.id, made.tenant, made.user, made.roles, moment(key.created), key.is_good(now), made.label
    return KeyLine(*about, expires, revoked, key.successor, used)


def _user_line(user: people.User) -> UserLine:
    return UserLine(user.user, user.roles, moment(user.created), moment(user.disabled) if user.disabled else None, user.why)
