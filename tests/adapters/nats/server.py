"""A real nats-server for tests; its disk may be made slow."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perdure.adapters.system.nats_server import NatsServer as LocalServer
from tests import machine


class NatsServer(LocalServer):
    """One nats-server. Started again, it keeps its port and its store."""

    def __init__(self, binary: Path, room: Path, settings: str = "", *, jetstream: bool = True, slow_ms: float = 0.0) -> None:
        super().__init__(binary, room, settings, jetstream=jetstream)
        self.slow_ms = slow_ms
        """Milliseconds by which every sync of its disk takes longer; needs strace."""

    def command(self) -> list[str]:
        return [*slowed(self.slow_ms), *super().command()] if self.slow_ms else super().command()


def slowed(milliseconds: float) -> list[str]:
    """What makes the syncs of a command slower; the command keeps the process id, its tracer is the detached one."""
    syncs = "fsync,fdatasync"
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={syncs}",
            "-e", f"inject={syncs}:delay_exit={round(milliseconds * 1000)}"]


@contextmanager
def running(room: Path, settings: str = "", *, jetstream: bool = True, slow_ms: float = 0.0) -> Generator[NatsServer]:
    server = NatsServer(machine.nats_server(), room, settings, jetstream=jetstream, slow_ms=slow_ms)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    """A server that many tests share, each with a namespace of its own."""
    with running(tmp_path_factory.mktemp("nats")) as server:
        yield server
