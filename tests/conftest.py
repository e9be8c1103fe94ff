"""What all tests share: the three event loops, where their files are, and the word on what this machine lacks."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests import machine

Loop = tuple[str, dict[str, Any]]
LOOPS: dict[str, Loop] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    **({"uvloop": ("asyncio", {"use_uvloop": True})} if importlib.util.find_spec("uvloop") else {}),
    "trio": ("trio", {}),
}


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Loop:
    """Every test marked `anyio` runs once on each loop."""
    name: str = request.param
    return LOOPS[name]


MEMORY, ENOUGH = Path("/dev/shm"), 2 * 1024**3  # noqa: S108 - a file system in memory


def pytest_configure(config: pytest.Config) -> None:
    """Tests keep their files in memory where there is plenty, unless TMPDIR names a place: a disk that syncs is most of their time.

    What a killed process leaves behind is the same on either. Claims and benchmarks choose their own places.
    A shell that begins the tests in the background makes them deaf to Ctrl-C, and with them every process that they interrupt.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


TIMED = (
    "tests/adapters/nats/", "tests/adapters/cli/test_nats", "tests/adapters/cli/test_worker", "tests/bench/", "tests/chaos/", "tests/crash/"
)  # fmt: skip
"""Where tests start servers and processes, and hold them to times: these stay one after another."""

LONG = ("tests/sim/", "tests/corpus/", "tests/house/test_documentation", "tests/adapters/cli/demos/test_indexing", "tests/typing/")
"""The longest of the others: they begin early, so that two processes end at the same time."""


TOGETHER = ("tests/seeds/",)
"""Folders whose files share servers."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (not item.nodeid.startswith(TIMED), not item.nodeid.startswith(LONG)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Processes share the tests file by file, in their order; xdist's own groups by a mark do not hold on every pytest."""
    config.option.loadscopereorder = False
    scheduler: Any = importlib.import_module("xdist.scheduler").LoadScopeScheduling(config, log)
    scheduler._split_scope = share_of
    return scheduler


def share_of(test: str) -> str:
    """The tests of one share run in one process, one after another."""
    if test.startswith(TIMED):
        return "timed"
    return next((folder for folder in TOGETHER if test.startswith(folder)), test.partition("::")[0])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What a process that shares in the tests had to leave out, the one that asked for them is told."""
    told: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["left out"] = machine.left_out


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    for part, tests in getattr(node, "workeroutput", {}).get("left out", {}).items():
        machine.left_out.setdefault(part, []).extend(tests)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say last, before the closing line, what was left out for want of a part of the machine."""
    yield
    if machine.left_out:
        terminalreporter.section("left out on this machine", sep="-")
        for part, tests in sorted(machine.left_out.items()):
            terminalreporter.write_line(f"no {part}: {', '.join(tests[:3])}{f' and {len(tests) - 3} more' if len(tests) > 3 else ''}")
