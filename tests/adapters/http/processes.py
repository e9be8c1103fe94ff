"""`perdure serve` as a real process, with keys that were made before it, and what the kernel says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.adapters.http.shop import SECRET
from tests.bench.measuring import memory_of

SCRIPT = Path(sysconfig.get_path("scripts")) / "perdure"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_") and name != "PYTHONDONTWRITEBYTECODE"}
FLOWS = "tests.adapters.http.shop"
STOP_SECONDS = 20.0


class Serving:
    """A process that serves, and where."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.address = host, int(port)

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    @property
    def connections(self) -> int:
        """Sockets that it has, the one that listens among them."""
        held = Path(f"/proc/{self.process.pid}/fd")
        return sum(_target(entry).startswith("socket:") for entry in held.iterdir())

    @property
    def memory(self) -> float:
        """MB."""
        return memory_of(self.process.pid)[0]


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except OSError:
        return ""


def made_key(log: str, *roles: str, user: str = "ann", tenant: str = "default") -> str:
    """A key in a log that nobody holds."""
    wanted = [part for role in roles for part in ("--role", role)]
    command = [str(SCRIPT), "keys", "create", "--user", user, *wanted, "--tenant", tenant, "--log", log, "--json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env={**ENVIRONMENT, "PERDURE_KEY_SECRET": SECRET})
    key: str = json.loads(told.stdout)["key"]
    return key


@contextmanager
def serving(
    log: str, *modules: str, errors: IO[str] | int | None = None, environment: Mapping[str, str] | None = None
) -> Generator[Serving]:
    """Serve until the end of the block; then it is asked to end, and has to."""
    command = [sys.executable, str(SCRIPT), "serve", *(modules or (FLOWS,)), "--log", log, "--port", "0", "--json"]
    settings = {**ENVIRONMENT, "PERDURE_KEY_SECRET": SECRET, **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=settings) as process:
        try:
            assert process.stdout is not None
            yield Serving(process, json.loads(process.stdout.readline())["service"])
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
