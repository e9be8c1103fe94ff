"""The crowd: what is known of a user besides what they show, and what that makes of the roles that they show.

Who has a record may never more than it says, and who is disabled in it stays outside. Who has none may what their key or token says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from ....eventlog.errors import Refused
from ....runtime.calling.directory import CallingAccess
from ....runtime.permissions import must_be_roles, permissions_of
from ....runtime.requests.access import UserLine, UserPage
from .fresh import Fresh


class Person(Struct, frozen=True):
    """A user of a tenant: their record, where they have one, and the tenant's own roles."""

    record: UserLine | None
    own: Mapping[str, tuple[str, ...]]

    @property
    def is_shut_out(self) -> bool:
        return self.record is not None and self.record.disabled is not None

    def roles_of_a_key(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Those that a key gives: of a recorded user only what they have themselves, and all of that where the key names none."""
        if self.record is None:
            return tuple(roles)
        return tuple(role for role in self.record.roles if not roles or role in roles)

    def roles_of_a_token(self, roles: Sequence[str]) -> tuple[str, ...]:
        """Those that a token gives: who signs it vouches for them, and the record adds its own."""
        return tuple(dict.fromkeys((*roles, *(() if self.record is None else self.record.roles))))

    def permissions(self, roles: Iterable[str]) -> frozenset[str]:
        return permissions_of(roles, {role: frozenset(allowed) for role, allowed in self.own.items()})


class Crowd:
    """The users of all tenants, each asked for once in a second at most."""

    def __init__(self, caller: CallingAccess, now: Callable[[], int]) -> None:
        self._caller = caller
        self._now = now
        self._known = Fresh[Person](now)

    async def person(self, tenant: str, user: str) -> Person:
        async def ask(_: str) -> Person:
            return _person(await self._caller.user(user, tenant=tenant))

        return await self._known.get(f"{tenant}\0{user}", ask)

    def forget(self) -> None:
        """Somebody, or a role, was changed here: that counts at once."""
        self._known = Fresh[Person](self._now)

    async def roles_for(self, tenant: str, user: str, roles: Sequence[str]) -> tuple[str, ...]:
        """The roles as a new key may have them; Invalid or Refused where it may not."""
        person = _person(await self._caller.user(user, tenant=tenant))
        given = must_be_roles(roles, person.own, some=person.record is None)
        more = [role for role in given if person.record is not None and role not in person.record.roles]
        if more or person.is_shut_out:
            raise Refused("a key may not do more than its user", who=f"user {user!r}", where="$.roles", found=", ".join(more) or "disabled",
                          expected="roles that the user has, or none to have them all, of one who is let in",
                          instead="give the user the role first, or leave it out")
        return given


def _person(page: UserPage) -> Person:
    return Person(page.users[0] if page.users else None, page.own)
