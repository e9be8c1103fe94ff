"""What `perdure keys` asks and shows. A log that another process holds is refused: that process serves /api/v1/keys itself."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...eventlog.errors import Invalid
from ...runtime.authoring.words import moment
from ...runtime.kinds.access import Key
from ..compose import deciding
from ..serving import not_installed
from ..system.clock import SystemClock
from .places import is_in_nats, path_of

if TYPE_CHECKING:
    from ..http.auth.keyring import Keyring, Made

LISTED_MAX = 10_000


class KeyLine(Struct, frozen=True, omit_defaults=True):
    """What is shown of a key."""

    id: str
    tenant: str
    user: str
    roles: tuple[str, ...]
    good: bool
    created: datetime
    label: str = ""
    expires: datetime | None = None
    revoked: datetime | None = None
    successor: str = ""
    key: str = ""
    """The key itself, shown when it is made and never again."""


def line_of(key: Key, text: str = "") -> KeyLine:
    expires, revoked_at = (moment(at) if at else None for at in (key.expires, key.revoked))
    good = key.is_good(SystemClock().now())
    return KeyLine(key.id, key.tenant, key.user, key.roles, good, moment(key.created), key.label, expires, revoked_at, key.successor, text)


@asynccontextmanager
async def ring_of(url: str, *, exists: bool = False) -> AsyncGenerator[Keyring]:
    """The keys in a log that nobody else holds."""
    try:
        from ..http.app import keyring_of
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure keys") from missing
    if is_in_nats(url):
        raise Invalid("keys in NATS are kept by a service that runs", who="perdure keys", where="--log", expected="the path of a log",
                      found=url,
                      instead="ask the service: POST /api/v1/keys with the key of an admin; or make the first key on a file")
    if exists:
        path_of(url)
    async with deciding(url) as runtime:
        yield keyring_of(runtime, os.environ.get("PERDURE_KEY_SECRET", ""))


async def made(url: str, asked: Callable[[Keyring], Coroutine[Any, Any, Made]]) -> KeyLine:
    async with ring_of(url) as ring:
        found = await asked(ring)
        return line_of(found.key, found.text)


async def listed(url: str, tenant: str) -> list[KeyLine]:
    async with ring_of(url, exists=True) as ring:
        return [line_of(key) for key in await ring.listed(tenant=tenant, limit=LISTED_MAX)]


async def revoked(url: str, key: str, by: str, why: str) -> list[KeyLine]:
    async with ring_of(url, exists=True) as ring:
        return [line_of(await ring.revoke(key, by=by, why=why))]


def draw_made(out: Console, line: KeyLine) -> None:
    out.print(Text(line.key, style="bold"), soft_wrap=True)
    out.print(Text(f"for {line.user} of {line.tenant}, {', '.join(line.roles)}; it is shown once: keep it now", style="dim"))


def draw_keys(out: Console, lines: Sequence[KeyLine]) -> None:
    if not lines:
        out.print(Text("no keys", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("key", "tenant", "user", "roles", "is", "until", "label"):
        table.add_column(name)
    for line in lines:
        state = "good" if line.good else "revoked" if line.revoked else "expired"
        until = line.expires.isoformat(timespec="minutes") if line.expires else ""
        table.add_row(line.id, line.tenant, line.user, ", ".join(line.roles), state, until, line.label)
    out.print(table)
