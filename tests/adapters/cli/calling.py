"""Calling the command line: as the installed script in a process of its own, or in this process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

import perdure
from perdure.adapters.cli.main import exit_code_of
from perdure.adapters.cli.shared.loading import load_workflows
from perdure.runtime.requests import AwaitRun, StartRun

SCRIPT = Path(sysconfig.get_path("scripts")) / "perdure"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}

FLOWS = """
import os
from datetime import timedelta
from pathlib import Path

import perdure
from perdure import Retry, approval, attributes, current, gather, log, signal, sleep, step, timeout, workflow

HERE = Path(__file__).parent


@step
def note(what: str) -> str:
    with (HERE / "attempts.txt").open("a") as file:
        file.write(f"{what} {current().idempotency_key}\\n")
    return what


@step
def die_once(what: str) -> str:
    note.function(what)
    marker = HERE / "died"
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), 9)
    return what


@step(retry=Retry(attempts=3, first=timedelta(milliseconds=1)))
def flaky() -> int:
    if current().attempt < 3:
        raise ValueError("not yet", current().attempt)
    return current().attempt


@step
def broken() -> None:
    raise RuntimeError("beyond repair")


@workflow
async def greet(name: str, times: int = 1) -> str:
    return " ".join([await note(f"hello {name}") for _ in range(times)])


@workflow
async def fragile() -> list[str]:
    return [await note("before"), await die_once("during"), await note("after")]


@workflow
async def rich(number: int) -> dict[str, int]:
    attributes(number=number)
    log("begun", number=number)
    await flaky()
    await sleep(timedelta(milliseconds=1))
    await gather(note("left"), note("right"))
    return {"number": number}


@workflow
async def waits() -> str:
    return await note("approved by " + await signal("approved", str))


@workflow
async def asks() -> str:
    return (await approval("ship", show={"cents": 12}, timeout=timedelta(milliseconds=1))).outcome


@workflow
async def fails() -> None:
    await broken()
"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.err)
        return found


class Folder:
    """A folder of somebody who uses perdure: `flows.py`, and a log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "flows.py").write_text(FLOWS, encoding="utf-8")

    @property
    def log(self) -> Path:
        return self.path / "perdure.db"

    def change(self, old: str, new: str) -> None:
        text = (self.path / "flows.py").read_text(encoding="utf-8")
        assert old in text
        (self.path / "flows.py").write_text(text.replace(old, new), encoding="utf-8")

    def attempts(self) -> list[str]:
        """What the steps noted, in the order in which they were begun."""
        return [line.rpartition(" ")[0] for line in (self.path / "attempts.txt").read_text(encoding="utf-8").splitlines()]

    def keys(self, what: str) -> list[str]:
        lines = (self.path / "attempts.txt").read_text(encoding="utf-8").splitlines()
        return [key for name, _, key in (line.rpartition(" ") for line in lines) if name == what]

    def call(self, *arguments: str, environment: dict[str, str] | None = None) -> Said:
        """The installed script, in a process of its own."""
        command, around = [str(SCRIPT), *arguments], {**ENVIRONMENT, **(environment or {})}
        told = subprocess.run(command, cwd=self.path, capture_output=True, text=True, check=False, timeout=60, env=around)
        return Said(told.returncode, told.stdout, told.stderr)

    @contextmanager
    def waiting_run(self, run: str = "w") -> Generator[subprocess.Popen[str]]:
        """`perdure run flows:waits` in a process that holds the log and waits for a signal."""
        command = [str(SCRIPT), "run", "flows:waits", "--id", run]
        child = subprocess.Popen(command, cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        try:
            assert child.stderr is not None
            assert run in child.stderr.readline()  # said once the start is durable
            yield child
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGKILL)
            child.communicate()


class Here:
    """The command line in this process: quicker, and measured by coverage."""

    def __init__(self, folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Said:
        code = exit_code_of(arguments)
        told = self._capsys.readouterr()
        return Said(code, told.out, told.err)

    def begun(self, *starts: tuple[str, str, str], ended: Sequence[str] = ()) -> None:
        """Start runs of `flows.py` (tenant, run, workflow), see those end that are to, and leave the others."""

        async def begin() -> None:
            async with perdure.open(f"sqlite:///{self.folder.log}", workflows=load_workflows("flows.py")) as runtime:
                for tenant, run, name in starts:
                    await runtime.do(StartRun(tenant=tenant, run=run, workflow=name))
                for run in ended:
                    await runtime.do(AwaitRun(run=run))

        anyio.run(begin)


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once the condition holds; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def forget_modules() -> None:
    """A file that is loaded again must be read again."""
    sys.modules.pop("flows", None)
