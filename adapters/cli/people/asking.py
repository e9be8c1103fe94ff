"""What `perdure keys`, `perdure users` and `perdure roles` ask and show.

Those who serve a log are asked, as by any client. A file must be one that no process holds: one that does serves /api/v1/keys itself.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from ....eventlog.errors import Invalid
from ....runtime.calling import Calling
from ....runtime.kinds.people import WHY_MAX
from ....runtime.requests.access import EndKey, KeyLine, UserLine
from ...serving import not_installed
from ...system.clock import SystemClock
from ...urls import is_over_http
from ..shared.callers import caller_of
from ..shared.environment import key_secret

if TYPE_CHECKING:
    from ...http.auth.keyring import Keyring, Made

T = TypeVar("T")

PAGE = 1000


class NewKey(Struct, frozen=True):
    """A key that was made; `key` is shown here, and never again."""

    key: str
    about: KeyLine


@asynccontextmanager
async def ring_of(url: str) -> AsyncGenerator[Keyring]:
    """The keys, where they are made by this process: a service over HTTP makes its own."""
    try:
        from ...http.auth.keyring import Keyring
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure keys") from missing
    if is_over_http(url):
        raise Invalid("a service makes its keys itself, and shows them to who asks", who="--log", where=url, found="http",
                      expected="a path, or nats://HOST:4222/NAMESPACE",
                      instead="ask it with the key of an admin: POST /api/v1/keys, or …/keys/ID/rotate")
    async with caller_of(url, exists=False) as caller:
        yield Keyring(caller, key_secret(), SystemClock().now)


async def made(url: str, asked: Callable[[Keyring], Coroutine[Any, Any, Made]]) -> NewKey:
    async with ring_of(url) as ring:
        found = await asked(ring)
        return NewKey(found.text, found.about)


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
