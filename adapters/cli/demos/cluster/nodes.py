"""The three servers of the cluster."""

from __future__ import annotations

import shutil
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio

from .....eventlog.errors import PerdureError
from ....nats.inspecting import initialise
from ....system.nats_server import NatsServer, cluster_settings, nats_server_binary, serving

NAMES = ("node1", "node2", "node3")
NAMESPACE = "cluster"
LEADER_SECONDS = 20.0
PAUSE = 0.1


class Node:
    """A server and its name."""

    def __init__(self, name: str, server: NatsServer) -> None:
        self.name = name
        self.server = server
        self.is_up = True

    @property
    def pid(self) -> int | None:
        return self.server.pid if self.is_up else None

    def kill(self) -> None:
        self.is_up = False
        self.server.kill()


@contextmanager
def servers(folder: Path) -> Generator[list[Node]]:
    """Three servers with a folder each; they sync every write."""
    binary = nats_server_binary()
    nodes: list[Node] = []
    for name, settings in zip(NAMES, cluster_settings(NAMES), strict=True):
        room = folder / name
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(parents=True)
        nodes.append(Node(name, NatsServer(binary, room, settings)))
    with serving([node.server for node in nodes]):
        yield nodes


def url_of(nodes: Sequence[Node]) -> str:
    hosts = ",".join(f"127.0.0.1:{node.server.port}" for node in nodes)
    return f"nats://{hosts}/{NAMESPACE}?replicas={len(nodes)}&sync=always"


async def prepared(url: str) -> None:
    """Make the namespace, as soon as the servers have agreed on a leader."""
    deadline = time.monotonic() + LEADER_SECONDS
    while True:
        try:
            await initialise(url)
        except PerdureError:
            if time.monotonic() > deadline:
                raise
            await anyio.sleep(PAUSE)
        else:
            return
