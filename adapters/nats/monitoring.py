"""Whether servers sync each write, by what they show of themselves at their `http` port: their clients cannot see it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

import msgspec
from msgspec import Struct

from ...eventlog.errors import Unavailable

SECONDS = 5.0
BYTES_MAX = 1024 * 1024


class Config(Struct, frozen=True):
    """How JetStream is set; nanoseconds between syncs, unless each write is synced."""

    sync_interval: int = 0
    sync_always: bool = False


class JetStream(Struct, frozen=True):
    """Of a server without JetStream there is nothing in it, so it does not sync."""

    config: Config = Config()


class Varz(Struct, frozen=True):
    """`/varz` of nats-server, as far as it is of interest."""

    jetstream: JetStream = JetStream()


async def lax(monitors: Sequence[str]) -> dict[str, str]:
    """Those of the servers that do not sync each write, and what they do; Unavailable where one does not say."""
    found = await asyncio.gather(*(asyncio.to_thread(_config, monitor) for monitor in monitors))
    return {monitor: f"sync_interval: {config.sync_interval / 1e9:g}s" for monitor, config in zip(monitors, found, strict=True)
            if not config.sync_always}


def _config(monitor: str) -> Config:
    """How JetStream is set on one server, asked without a proxy."""
    try:
        with build_opener(ProxyHandler({})).open(f"{monitor}/varz", timeout=SECONDS) as answer:
            return msgspec.json.decode(answer.read(BYTES_MAX), type=Varz).jetstream.config
    except (OSError, HTTPException, ValueError, msgspec.MsgspecError) as error:
        raise Unavailable("a server does not say how it is set", who=monitor, where="monitor", expected="its /varz, as JSON",
                          found=repr(error)[:200],
                          instead="give the address of its 'http' port, or leave 'monitor' out and answer for 'sync' yourself") from error
