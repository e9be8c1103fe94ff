"""Errors that teach: a folder of mistakes, what the command line says to each, and what errors.toml pins of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Raw

from perdure.eventlog.errors import PerdureError
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState
from tests.adapters.sqlite.holding import another_process

HERE = Path(__file__).resolve().parent
PAGE = HERE / "errors.toml"
MISTAKES = HERE / "mistakes.py"
SCRIPT = Path(sysconfig.get_path("scripts")) / "perdure"
PARTS = ("error", "who", "where", "expected", "found", "instead")


@dataclass(frozen=True)
class Case:
    """A mistake: the command that makes it, the exit code, and the parts of the error, as pinned."""

    name: str
    command: str
    exit: int
    parts: dict[str, str]


@dataclass(frozen=True)
class Said:
    """What came of a case: the exit code and the parts of the error."""

    exit: int
    parts: dict[str, str] = field(default_factory=dict[str, str])


@cache
def cases() -> Mapping[str, Case]:
    """The pinned cases, by name."""
    page: dict[str, dict[str, Any]] = tomllib.loads(PAGE.read_text(encoding="utf-8"))
    return {name: Case(name, each["command"], each["exit"], {part: each.get(part, "") for part in PARTS}) for name, each in page.items()}


Answer = tuple[int, str, str]
"""An exit code, what is on stdout, what is on stderr."""


def by_a_process(path: Path, arguments: Sequence[str]) -> Answer:
    """What the installed script answers in the folder."""
    around = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_")}
    told = subprocess.run([str(SCRIPT), *arguments], cwd=path, capture_output=True, text=True, check=False, timeout=60, env=around)
    return told.returncode, told.stdout, told.stderr


class Folder:
    """A new folder with the mistakes in it as `flows.py`."""

    def __init__(self, path: Path, answer: Callable[[Path, Sequence[str]], Answer]) -> None:
        self.path = path
        self._answer = answer
        (path / "flows.py").write_text(MISTAKES.read_text(encoding="utf-8"), encoding="utf-8")

    def call(self, command: str) -> Answer:
        return self._answer(self.path, [*command.split(), "--json"])

    def said(self, case: Case) -> Said:
        """Make the mistake, and read what is said to it."""
        with BEFORE.get(case.name, nothing)(self):
            code, out, err = self.call(case.command)
        return Said(code, {part: self._plain(text) for part, text in _parts(out, err).items()})

    def _plain(self, text: str) -> str:
        """Without what differs from machine to machine."""
        text = text.replace(str(self.path.resolve()), "FOLDER").replace(str(self.path), "FOLDER")
        text = re.sub(r"process \d+ on \S+ since \S+: .*", "process PID on HOST since TIME: COMMAND", text)
        return re.sub(r"\b[0-9a-z]{18}\b", "RUN", text)


def _parts(out: str, err: str) -> dict[str, str]:
    """The parts of the error that a command told: its own, or that of the run which it waited for."""
    if err.strip().startswith("{"):
        told = json.loads(err)
        return {part: told.get(part, "") for part in PARTS}
    failure = json.loads(out)["failure"]
    while "who" not in failure.get("details", {}):
        failure = failure["cause"]
    return {"error": failure["type"]} | {part: failure["details"].get(part, "") for part in PARTS[1:]}


def nothing(folder: Folder) -> AbstractContextManager[None]:
    return nullcontext()


def held(folder: Folder) -> AbstractContextManager[object]:
    """Another process holds the log."""
    return another_process(folder.path / "perdure.db")


def overwritten(folder: Folder) -> AbstractContextManager[None]:
    """A log whose first page is no longer what it was."""
    folder.call("run flows:fine --id done")
    with (folder.path / "perdure.db").open("r+b") as file:
        file.write(b"\0" * 100)
    return nullcontext()


def cut(folder: Folder) -> AbstractContextManager[None]:
    """A log that lost its last page."""
    folder.call("run flows:fine --id done")
    path = folder.path / "perdure.db"
    os.truncate(path, path.stat().st_size - 4096)
    return nullcontext()


def ended(folder: Folder) -> AbstractContextManager[None]:
    """A log with a run that has ended."""
    folder.call("run flows:fine --id done")
    return nullcontext()


BEFORE: dict[str, Callable[[Folder], AbstractContextManager[object]]] = {
    "second writer on the file": held,
    "corrupt file": overwritten,
    "cut file": cut,
    "illegal command": ended,
    "id of another run": ended,
    "unknown run": ended,
}


def illegal_transition() -> Said:
    """An event that no phase allows: only a bug of our own, or a forged log, could ask for it."""
    state = evolve(RunState(), ev.RunStarted("fulfil", 1, Raw(b"[]"), 1), 1)
    evolve(state, ev.RunCompleted(Raw(b"1")), 2)
    try:
        evolve(state, ev.RunFailed("code", Failure("ValueError", "too late")), 3)
    except PerdureError as error:
        return Said(error.exit_code, {"error": error.code} | {part: getattr(error, part) for part in PARTS[1:]})
    raise AssertionError("an ended run was ended again")


def made(case: Case, answer: Callable[[Path, Sequence[str]], Answer] = by_a_process) -> Said:
    """What is said to a mistake, made in a folder of its own."""
    if not case.command:
        return illegal_transition()
    with tempfile.TemporaryDirectory() as path:
        return Folder(Path(path), answer).said(case)


if __name__ == "__main__":  # what the page would say today, for whoever changes an error on purpose
    for each in cases().values():
        today = made(each)
        sys.stdout.write(f'["{each.name}"]\ncommand = {json.dumps(each.command)}\nexit = {today.exit}\n')
        sys.stdout.writelines(f"{part} = {json.dumps(text, ensure_ascii=False)}\n" for part, text in today.parts.items())
        sys.stdout.write("\n")
