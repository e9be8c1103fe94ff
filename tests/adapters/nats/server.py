"""A real nats-server for tests: on a free loopback port, with a store of its own, ended by its process id."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import machine

PATIENCE = 10.0
PAUSE = 0.01


class NatsServer:
    """One nats-server. Started again, it keeps its port and its store."""

    def __init__(self, binary: Path, room: Path, settings: str = "", *, jetstream: bool = True, slow_ms: float = 0.0) -> None:
        self.binary = binary
        self.room = room
        self.settings = settings
        self.jetstream = jetstream
        self.slow_ms = slow_ms
        """Milliseconds by which every sync of its disk takes longer; needs strace."""
        self.port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        config = self.room / "nats.conf"
        store = f'jetstream {{ store_dir: "{self.room / "store"}", sync_interval: always }}' if self.jetstream else ""
        config.write_text(f'host: "127.0.0.1"\nport: {self.port}\nports_file_dir: "{self.room}"\n{store}\n{self.settings}\n')
        command = [str(self.binary), "-c", str(config), "-l", str(self.room / "server.log")]
        self._process = subprocess.Popen([*slowed(self.slow_ms), *command] if self.slow_ms else command)
        if self.port < 0:
            self.port = self._chosen_port(self._process)
        self._await_greeting(self._process)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def _chosen_port(self, process: subprocess.Popen[bytes]) -> int:
        """The free port that the server took, as it wrote it down."""
        ports = self.room / f"nats-server_{process.pid}.ports"
        self._until(lambda: ports.exists() and ports.read_text().endswith("}"))
        url: str = json.loads(ports.read_text())["nats"][0]
        return int(url.rpartition(":")[2])

    def _await_greeting(self, process: subprocess.Popen[bytes]) -> None:
        def greeted() -> bool:
            assert process.poll() is None, (self.room / "server.log").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                    return connection.recv(4) == b"INFO"
            except OSError:
                return False

        self._until(greeted)

    def _until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"nats-server in {self.room} did not come up"
            time.sleep(PAUSE)


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
