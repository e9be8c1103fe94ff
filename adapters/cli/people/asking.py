"""What `perdure keys`, `perdure users` and `perdure roles` ask and show.

Those who serve a log are asked, as by any client. A file must be one that no process holds: of one that `perdure serve` does, the service
is asked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from ....eventlog.errors import Invalid
from ....runtime.calling import Calling
from ....runtime.kinds.people import WHY_MAX
from ....runtime.requests.access import EndKey, KeyLine, UserLine
from ...serving import not_installed
from ...system.clock import SystemClock
from ...urls import is_over_http
from ..shared.callers import caller_of, service_at
from ..shared.environment import key_secret

if TYPE_CHECKING:
    from ...http.auth.keyring import Keyring

T = TypeVar("T")

PAGE = 1000


class NewKey(Struct, frozen=True):
    """A key that was made; `key` is shown here, and never again."""

    key: str
    about: KeyLine


@asynccontextmanager
async def ring_of(url: str) -> AsyncGenerator[Keyring]:
    """The keys, made by this process."""
    try:
        from ...http.auth.keyring import Keyring
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure keys") from missing
    async with caller_of(url, exists=False) as caller:
        yield Keyring(caller, key_secret(), SystemClock().now)


async def created(url: str, tenant: str, user: str, roles: list[str], label: str, seconds: float, by: str) -> NewKey:  # noqa: PLR0917 - handed on by its places
    """A new key. A service over HTTP makes it itself, in the tenant of who asks."""
    if is_over_http(url):
        _must_be_ones_own(url, tenant)
        async with service_at(url) as client:
            told = await client.make_key(user, roles, label=label, expires_in=seconds)
        return NewKey(told.key, told.about)
    async with ring_of(url) as ring:
        made = await ring.create(tenant, user, roles, label=label, expires_in=seconds, by=by)
        return NewKey(made.text, made.about)


async def rotated(url: str, key: str, overlap: float, seconds: float, by: str) -> NewKey:
    """The successor of a key; in the same way."""
    if is_over_http(url):
        async with service_at(url) as client:
            told = await client.rotate_key(key, overlap=overlap, expires_in=seconds)
        return NewKey(told.key, told.about)
    async with ring_of(url) as ring:
        made = await ring.rotate(key, overlap=overlap, expires_in=seconds, by=by)
        return NewKey(made.text, made.about)


async def listed(url: str, tenant: str) -> list[KeyLine]:
    """The keys of a tenant, or, without one, of all; over HTTP those of the tenant of who asks."""
    async with caller_of(url, exists=True) as caller:
        lines, after = list[KeyLine](), ""
        while True:
            page = await caller.keys(tenant=_of(url, tenant), after=after, limit=PAGE)
            lines += page.keys
            if page.after is None:
                return lines
            after = page.after


async def revoked(url: str, key: str, by: str, why: str) -> list[KeyLine]:
    async with caller_of(url, exists=True) as caller:
        return (await caller.about_keys(EndKey(id=key, tenant=_of(url, ""), by=by, why=why[:WHY_MAX]))).keys


def _must_be_ones_own(url: str, tenant: str) -> None:
    if tenant != "default":
        raise Invalid("a key says whose tenant it is for", who="--tenant", where=url, expected="no tenant: that of PERDURE_API_KEY",
                      found=repr(tenant), instead="leave it out, and ask with the key of an admin of that tenant")


def _of(url: str, tenant: str) -> str:
    """The tenant as a request says it: over HTTP it is that of who asks, which goes without saying."""
    return tenant or "default" if is_over_http(url) else tenant


async def asked(url: str, wish: Callable[[Calling], Awaitable[T]], *, exists: bool) -> T:
    """What whoever keeps the users answers to a wish."""
    async with caller_of(url, exists=exists) as caller:
        return await wish(caller)


async def all_users(caller: Calling, tenant: str) -> list[UserLine]:
    lines, after = list[UserLine](), ""
    while True:
        page = await caller.users(tenant=tenant, after=after, limit=PAGE)
        lines += page.users
        if page.after is None:
            return lines
        after = page.after
