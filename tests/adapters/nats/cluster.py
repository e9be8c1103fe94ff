"""Three real nats-servers that replicate to each other, on free loopback ports; slow disks where asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NoReply

from perdure.adapters.system.nats_server import cluster_settings, serving
from tests import machine
from tests.adapters.nats.server import NatsServer

NODES = 3
PATIENCE = 30.0


@contextmanager
def clustered(room: Path, *, slow_ms: float = 0.0) -> Generator[list[NatsServer]]:
    """The servers of a cluster, up and, after `led`, with a leader."""
    names = [f"node{number}" for number in range(NODES)]
    servers: list[NatsServer] = []
    for name, settings in zip(names, cluster_settings(names), strict=True):
        folder = room / name
        folder.mkdir()
        servers.append(NatsServer(machine.nats_server(), folder, settings, slow_ms=slow_ms))
    with serving(servers):
        yield servers


async def led(url: str) -> None:
    """Return once JetStream stores what is replicated three times."""
    client = Client()
    await client.connect(url)
    asked = msgspec.json.encode({"name": "PROBE", "subjects": ["probe"], "num_replicas": NODES, "storage": "memory"})
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    told = await client.request("$JS.API.STREAM.CREATE.PROBE", asked, timeout=2)
                    if "error" not in msgspec.json.decode(told.data):
                        return
                except (NoReply, NoRespondersError):
                    pass
                await asyncio.sleep(0.05)
    finally:
        await client.close()


@asynccontextmanager
async def cluster(room: Path, *, slow_ms: float = 0.0) -> AsyncGenerator[list[NatsServer]]:
    """The same, ready."""
    with clustered(room, slow_ms=slow_ms) as servers:
        await led(servers[0].url)
        yield servers


class Cluster:
    """Servers that tests share, as one address that names all of them."""

    def __init__(self, servers: list[NatsServer]) -> None:
        self.servers = servers

    @property
    def url(self) -> str:
        return "nats://" + ",".join(f"127.0.0.1:{server.port}" for server in self.servers)


@pytest.fixture(scope="session")
def nats_cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Cluster]:
    """A cluster that many tests share, each with a namespace of its own."""
    with clustered(tmp_path_factory.mktemp("cluster")) as servers:
        asyncio.run(led(servers[0].url))
        yield Cluster(servers)
