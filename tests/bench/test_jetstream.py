"""The bare limit on JetStream says what is wrong where its server is away, and does not wait for it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from perdure import Unavailable
from tests.adapters.nats.server import NatsServer, running
from tests.bench.jetstream import Bare, bare

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)]

PATIENCE = 10.0

Way = Callable[[Bare], Coroutine[Any, Any, float]]


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(Unavailable, match="does not answer") as caught:
        async with asyncio.timeout(PATIENCE), bare("nats://127.0.0.1:4", 1):
            pass
    assert caught.value.where == "nats://127.0.0.1:4"


async def apart(appends: Bare) -> float:
    return await appends.apart(50, 1_000)


async def together(appends: Bare) -> float:
    return await appends.together(500, 1_000)


async def killed_under(server: NatsServer, way: Way) -> None:
    async with asyncio.timeout(PATIENCE), bare(server.url, 1) as appends:
        await appends.append(10_000, 0, 0)
        ends = asyncio.create_task(way(appends))
        await asyncio.sleep(0)
        server.kill()
        await ends


@pytest.mark.parametrize("way", [apart, together])
async def test_a_server_that_dies_under_appends_ends_them(way: Way, tmp_path: Path) -> None:
    with running(tmp_path) as server, pytest.raises(Unavailable, match="does not answer"):
        await killed_under(server, way)
