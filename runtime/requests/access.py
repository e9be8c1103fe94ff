"""Requests about keys, users and roles, and what they are answered: a part of `requests`, which is what doors and clients import.

A key itself is in none of them, only the digest that the service knows it by: who asks makes it, and shows it once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from ..kinds.access import Key
from .asking import Request

UserChange = Literal["create", "give", "take", "disable", "enable"]


class KeepKey(Request, frozen=True, tag="create_key", kw_only=True):
    """Let a key of the tenant be good until `expires`, in microseconds since 1970, 0 for no end."""

    id: str
    digest: str
    user: str
    roles: tuple[str, ...]
    label: str = ""
    expires: int = 0
    by: str = ""


class ReplaceKey(Request, frozen=True, tag="rotate_key", kw_only=True):
    """Let `successor` take the place of a key, which stays good for `overlap` microseconds. With an empty tenant of whatever tenant."""

    id: str
    successor: str
    digest: str
    overlap: int
    expires: int = 0
    by: str = ""


class EndKey(Request, frozen=True, tag="revoke_key", kw_only=True):
    """Let a key be good no more. With an empty tenant of whatever tenant."""

    id: str
    by: str = ""
    why: str = ""


class NoteKey(Request, frozen=True, tag="use_key", kw_only=True):
    """Say that somebody was let in by a key."""

    id: str


class LookAtKey(Request, frozen=True, tag="key", kw_only=True):
    """Ask for what is known of a key, of whatever tenant."""

    id: str


class ListKeys(Request, frozen=True, tag="keys", kw_only=True):
    """A page of the keys of the tenant, or, with an empty one, of all, in the order of their ids; go on with the page's own `after`."""

    after: str = ""
    limit: int = 100


class ChangeUser(Request, frozen=True, tag="change_user", kw_only=True):
    """Create a user of the tenant, give them roles or take some, let them in no more, or again."""

    user: str
    change: UserChange
    roles: tuple[str, ...] = ()
    by: str = ""
    why: str = ""


class LookAtUser(Request, frozen=True, tag="user", kw_only=True):
    """Ask for a user of the tenant; there is none in the page where nobody created them."""

    user: str


class ListUsers(Request, frozen=True, tag="users", kw_only=True):
    """A page of the users of the tenant, by name."""

    after: str = ""
    limit: int = 100


class ChangeRole(Request, frozen=True, tag="change_role", kw_only=True):
    """Define what a role of the tenant's own allows; without permissions it is dropped."""

    role: str
    permissions: tuple[str, ...] = ()
    by: str = ""


class ListRoles(Request, frozen=True, tag="roles", kw_only=True):
    """Ask for the roles that a user of the tenant may have."""


AnyAccess = (
    KeepKey | ReplaceKey | EndKey | NoteKey | LookAtKey | ListKeys | ChangeUser | LookAtUser | ListUsers | ChangeRole | ListRoles
)


class KeyLine(Struct, frozen=True, omit_defaults=True):
    """What may be told of a key: all but the key."""

    id: str
    tenant: str
    user: str
    roles: tuple[str, ...]
    created: datetime
    good: bool
    label: str = ""
    expires: datetime | None = None
    revoked: datetime | None = None
    successor: str = ""
    used: datetime | None = None
    """When somebody was last let in by it, up to an hour ago."""


class KeyPage(Struct, frozen=True, tag_field="reply", tag="keys"):
    """Some of the keys, in the order of their ids; `after` asks for the next page, and is None on the last."""

    keys: list[KeyLine]
    after: str | None = None


class KeyFound(Struct, frozen=True, tag_field="reply", tag="key"):
    """A key, with the digest that it is known by; None where there is none of the id."""

    key: Key | None


class UserLine(Struct, frozen=True, omit_defaults=True):
    """A user of a tenant."""

    user: str
    roles: tuple[str, ...]
    created: datetime
    disabled: datetime | None = None
    """Since when they are let in no more."""
    why: str = ""


class UserPage(Struct, frozen=True, tag_field="reply", tag="users"):
    """Some of the users, by name; `own` are the tenant's own roles, by what they allow."""

    users: list[UserLine]
    own: Mapping[str, tuple[str, ...]] = {}
    after: str | None = None


class RoleLine(Struct, frozen=True, omit_defaults=True):
    """A role, and what it allows; `own` where the tenant made it."""

    role: str
    permissions: tuple[str, ...]
    own: bool = False


class RolePage(Struct, frozen=True, tag_field="reply", tag="roles"):
    """All roles that a user of the tenant may have."""

    roles: list[RoleLine]


AnyAccessReply = KeyPage | KeyFound | UserPage | RolePage
