"""What `perdure keys`, `perdure users` and `perdure roles` ask and show.

Those who serve a log are asked, as by any client. A file must be one that no process holds: one that does serves /api/v1/keys itself.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...eventlog.errors import Invalid
from ...runtime.calling import Calling
from ...runtime.kinds.people import WHY_MAX
from ...runtime.requests.access import EndKey, KeyLine, RolePage, UserLine
from ..compose import deciding
from ..serving import not_installed
from ..system.clock import SystemClock
from .asking import asked_at
from .console import console_for_errors
from .places import is_over_http, is_served, path_of

if TYPE_CHECKING:
    from ..http.auth.keyring import Keyring, Made

T = TypeVar("T")

PAGE = 1000


class NewKey(Struct, frozen=True):
    """A key that was made; `key` is shown here, and never again."""

    key: str
    about: KeyLine


@asynccontextmanager
async def caller_of(url: str, *, exists: bool = False) -> AsyncGenerator[Calling]:
    """Who keeps the keys and users of a log: those who serve it, or, in a file that nobody holds, this process."""
    if is_served(url):
        async with asked_at(url) as client:
            yield client
        return
    if exists:
        path_of(url)
    async with deciding(url) as runtime:
        yield runtime


@asynccontextmanager
async def ring_of(url: str) -> AsyncGenerator[Keyring]:
    """The keys, where they are made by this process: a service over HTTP makes its own."""
    try:
        from ..http.auth.keyring import Keyring
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure keys") from missing
    if is_over_http(url):
        raise Invalid("a service makes its keys itself, and shows them to who asks", who="--log", where=url, found="http",
                      expected="a path, or nats://HOST:4222/NAMESPACE",
                      instead="ask it with the key of an admin: POST /api/v1/keys, or …/keys/ID/rotate")
    async with caller_of(url) as caller:
        yield Keyring(caller, os.environ.get("PERDURE_KEY_SECRET", ""), SystemClock().now)


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


def draw_made(out: Console, line: NewKey) -> None:
    about = line.about
    roles = ", ".join(about.roles) or "all roles that they have"
    out.print(Text(line.key, style="bold"), soft_wrap=True)
    hint = Text(f"for {about.user} of {about.tenant}, {roles}; it is shown once: keep it now", style="dim")
    console_for_errors().print(hint)  # so that what a shell takes from stdout is the key alone


def draw_keys(out: Console, lines: Sequence[KeyLine]) -> None:
    table = _table(out, "no keys" if not lines else "", "key", "tenant", "user", "roles", "is", "until", "used", "label")
    for line in lines:
        state = "good" if line.good else "revoked" if line.revoked else "expired"
        until, used = (at.isoformat(timespec="minutes") if at else "" for at in (line.expires, line.used))
        table.add_row(line.id, line.tenant, line.user, ", ".join(line.roles), state, until, used, line.label)
    if lines:
        out.print(table)


def draw_users(out: Console, lines: Sequence[UserLine]) -> None:
    table = _table(out, "no users" if not lines else "", "user", "roles", "is", "why")
    for line in lines:
        table.add_row(line.user, ", ".join(line.roles), "disabled" if line.disabled else "let in", line.why)
    if lines:
        out.print(table)


def draw_roles(out: Console, page: RolePage) -> None:
    table = _table(out, "", "role", "allows", "")
    for line in page.roles:
        table.add_row(line.role, ", ".join(line.permissions), "own" if line.own else "")
    out.print(table)


def _table(out: Console, nothing: str, *names: str) -> Table:
    if nothing:
        out.print(Text(nothing, style="dim"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name)
    return table
