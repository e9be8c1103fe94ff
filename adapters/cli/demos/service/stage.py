"""What the demo stands on: a folder, the commands of `perdure` that are run in it, and `perdure serve` as a child."""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
from base64 import b64encode
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from select import select
from typing import Any

import msgspec

from .....eventlog.errors import Bug, Unavailable
from ...shared.environment import of_a_demo

LOG = "service.db"
STARTS_WITHIN, ENDS_WITHIN, COMMAND_WITHIN = 30.0, 15.0, 120.0
PASSED_BY = frozenset({"test", "tests", "idlelib", "lib2to3", "turtledemo", "site-packages", "ensurepip", "pydoc_data", "lib-dynload"})
"""Of the standard library: what is not documentation of it."""


class Stage:
    """`environment` is that of every command: none of what the user has set for runs of their own, and secrets made for this time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log, self.index = folder / LOG, folder / f"{LOG}-rag"
        self.webhook_secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        self.environment = of_a_demo(PERDURE_KEY_SECRET=secrets.token_urlsafe(32), WORKFLOWS_WEBHOOK_SECRET=self.webhook_secret)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def let_out(self, port: int) -> dict[str, str]:
        """Let calls go to a port of this machine, which they may not by default. What was set is told."""
        opened = {"PERDURE_DIAL_HTTP": "1", "PERDURE_DIAL_PORTS": str(port), "PERDURE_DIAL_PRIVATE": "127.0.0.1/32"}
        self.environment |= opened
        return opened

    def ask(self, *arguments: str) -> Any:
        """What a command of `perdure` answers, in JSON; Bug where it fails."""
        command = [*perdure(), *arguments, "--log", LOG, "--json"]
        told = subprocess.run(  # noqa: S603 - our own interpreter, our own module
            command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=COMMAND_WITHIN,
        )  # fmt: skip
        if told.returncode:
            raise Bug("a command of the demo failed", who=f"perdure {' '.join(arguments[:2])}", found=told.stderr.strip()[-500:],
                      expected="exit code 0", instead="report it with that message")
        return msgspec.json.decode(told.stdout)

    @contextmanager
    def serving(self) -> Generator[str]:
        """`perdure serve` on any free port; gives where it is. At the end it is told to stop, and has to end well."""
        command = [*perdure(), "serve", "--port", "0", "--log", LOG, "--json"]
        with (self.folder / "serve.txt").open("wb") as said:
            child = subprocess.Popen(  # noqa: S603 - our own interpreter, our own module
                command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
            )
        assert child.stdout is not None
        try:
            ready, _, _ = select([child.stdout], [], [], STARTS_WITHIN)
            line = child.stdout.readline() if ready else b""
            if not line:
                raise self._failed("it did not begin to serve")
            yield str(msgspec.json.decode(line)["service"])
            child.send_signal(signal.SIGTERM)
            if child.wait(ENDS_WITHIN):
                raise self._failed(f"it ended with {child.returncode}")
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
            child.stdout.close()

    def _failed(self, found: str) -> Unavailable:
        place = self.folder / "serve.txt"
        last = place.read_text(errors="replace").strip()[-300:]
        return Unavailable("the service of the demo failed", who="perdure serve", where=str(place), found=f"{found}: {last}",
                           expected="a service that ends by SIGTERM", instead="see that file")


def perdure() -> list[str]:
    return [sys.executable, "-m", "perdure.adapters.cli.main"]


def modules(most: int) -> list[str]:
    """The modules and packages of this Python's standard library; at most so many, spread over it; 0 for all."""
    library = Path(sysconfig.get_path("stdlib"))
    found = sorted(
        str(path) for path in library.iterdir()
        if path.name not in PASSED_BY and (path.suffix == ".py" or (path / "__init__.py").is_file())
    )  # fmt: skip
    return found[:: max(1, len(found) // most)] if most else found


def documents() -> list[str]:
    """The documentation of this repository, where the demo is run in it."""
    return [str(path.resolve()) for path in (Path("docs"), Path("README.md")) if path.exists()]
