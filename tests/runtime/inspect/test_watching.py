"""Watching calls: what workflow code really calls is seen with its line, whatever Python tells of it; nothing else is."""

# ruff: noqa: PLW0108 - the lambda is the workflow's own line

from __future__ import annotations

import collections
import datetime as dt
import functools
import importlib
import inspect
import json
import logging
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure import Refused
from perdure.runtime.inspect.checking import watching
from perdure.runtime.inspect.checking.watching import Watch
from perdure.testing import Simulation, Violation
from tests.runtime.run.driving import done, fed


@pytest.fixture
def watch() -> Iterator[Watch]:
    with Watch() as watch:
        yield watch


def helper(function: Callable[[], Any]) -> Any:
    return function()


AMBIENT: list[tuple[Callable[[], Any], str]] = [
    (lambda: time.time(), "time.time() was called"),
    (lambda: time.monotonic_ns(), "time.monotonic_ns() was called"),
    (lambda: dt.datetime.now(), "datetime.datetime.now() was called"),  # noqa: DTZ005
    (lambda: dt.date.today(), "datetime.date.today() was called"),  # noqa: DTZ011
    (lambda: random.random(), "random.random() was called"),
    (lambda: random.randint(1, 2), "random.randint() was called"),
    (lambda: random.shuffle([1, 2]), "random.shuffle() was called"),
    (lambda: random.Random(), "random.Random() was called"),
    (lambda: uuid.uuid4(), "uuid.uuid4() was called"),
    (lambda: os.urandom(2), "os.urandom() was called"),
    (lambda: os.environ["PATH"], "os.environ was used"),
    (lambda: os.environ.get("PATH"), "os.environ was used"),
    (lambda: os.getenv("PATH"), "os.getenv() was called"),
    (lambda: open(__file__).close(), "open() was called"),  # noqa: PTH123
    (lambda: pathlib.Path(__file__).read_text(encoding="utf-8"), "pathlib.Path.read_text() was called"),
    (lambda: os.path.exists("a"), "os.path.exists() was called"),  # noqa: PTH110
    (lambda: tempfile.gettempdir(), "tempfile.gettempdir() was called"),
    (lambda: socket.socket().close(), "socket.socket() was called"),
    (lambda: subprocess.run(["true"], check=True), "subprocess.run() was called"),
    (lambda: threading.Lock(), "threading.Lock() was called"),
    (lambda: threading.Thread(target=print), "threading.Thread() was called"),
    (lambda: hash("a"), "hash() was called"),
    (lambda: id(time), "id() was called"),
    (lambda: helper(lambda: time.time()), "time.time() was called"),
    (lambda: sorted([1], key=lambda _: time.time()), "time.time() was called"),
    (lambda: functools.partial(uuid.uuid4)(), "uuid.uuid4() was called"),
    (lambda: list(map(lambda f: f(), [time.perf_counter])), "time.perf_counter() was called"),  # noqa: C417
]

HARMLESS: list[Callable[[], Any]] = [
    lambda: perdure.now(),
    lambda: perdure.uuid(),
    lambda: perdure.random().randint(1, 6),
    lambda: perdure.random().shuffle([1, 2]),
    lambda: perdure.log("a", b=1),
    lambda: random.Random(7).randint(1, 6),
    lambda: dt.datetime(2026, 1, 1, tzinfo=dt.UTC).isoformat(),
    lambda: zoneinfo.ZoneInfo.no_cache("Europe/Berlin"),
    lambda: json.loads(json.dumps({"a": 1})),
    lambda: collections.Counter("abc").most_common(),
    lambda: logging.getLogger("flows").warning("logging looks at the clock"),
    lambda: __import__("colorsys"),
    lambda: {"a": 1, uuid.UUID(int=3): 2},
    lambda: time.time(),  # perdure: allow
]


@perdure.step
async def number() -> float:
    return time.time()


def seen_in(function: Callable[[], Any]) -> None:
    """Drive a workflow that calls the function, once before and once behind a step."""

    @perdure.workflow
    async def flow() -> None:
        function()
        await number()
        function()

    machine = fed(flow, done("0", 1.0))
    assert machine.ending is not None


@pytest.mark.parametrize(("function", "what"), AMBIENT, ids=[f"{what} {place}" for place, (_, what) in enumerate(AMBIENT)])
def test_an_ambient_call_is_seen_at_its_line(watch: Watch, function: Callable[[], Any], what: str) -> None:
    seen_in(function)

    assert [one.found for one in watch.findings] == [what]
    for one in watch.findings:
        assert Path(one.file) == Path(__file__)
        assert one.line == inspect.getsourcelines(function)[1]
        assert one.column > 1
        assert one.workflow == "flow"


@pytest.mark.parametrize("function", HARMLESS)
def test_what_changes_nothing_is_not_told(watch: Watch, function: Callable[[], Any]) -> None:
    seen_in(function)

    assert watch.findings == []


def test_code_outside_a_workflow_and_in_steps_is_not_told(watch: Watch) -> None:
    time.time()
    Simulation(1).run(asks, 1)

    assert watch.findings == []


def test_a_library_that_looks_at_the_clock_for_the_workflow_is_told_with_the_line_that_called_it(watch: Watch, tmp_path: Path) -> None:
    text = "import time, threading\ndef stamp():\n    threading.Lock()\n    return time.time()\n"
    (tmp_path / "stamps_library.py").write_text(text, encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        stamp = importlib.import_module("stamps_library").stamp
    finally:
        sys.path.remove(str(tmp_path))
    seen_in(lambda: stamp())

    assert [(one.found, Path(one.file)) for one in watch.findings] == [("time.time() was called by stamps_library.stamp", Path(__file__))]


def test_an_allowed_line_is_counted(watch: Watch) -> None:
    seen_in(HARMLESS[-1])

    assert [line for _, line in watch.allowed] == [inspect.getsourcelines(HARMLESS[-1])[1]]


def test_a_watch_leaves_everything_as_it_was() -> None:
    before = sys.getprofile()
    with Watch():
        pass

    assert sys.getprofile() is before
    if sys.version_info >= (3, 12):
        assert [sys.monitoring.get_tool(tool) for tool in watching.TOOLS] == [None] * len(watching.TOOLS)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.11 has one place, and gives it to whoever comes last")
def test_a_watch_that_finds_no_place_says_so() -> None:
    if sys.version_info >= (3, 12):
        free = [tool for tool in watching.TOOLS if sys.monitoring.get_tool(tool) is None]
        for tool in free:
            sys.monitoring.use_tool_id(tool, "another")
        try:
            with pytest.raises(Refused, match="calls cannot be watched"), Watch():
                pass
        finally:
            for tool in free:
                sys.monitoring.free_tool_id(tool)


@perdure.workflow
async def asks(n: int) -> float:
    return n + await number()


@perdure.workflow
async def stamps(n: int) -> int:
    await number()
    if time.time() < n:
        n += 1
    return n


def test_a_watched_simulation_fails_with_the_line() -> None:
    line = inspect.getsourcelines(stamps.function)[1] + 3
    with pytest.raises(Violation) as caught:
        Simulation(1, watch=True).run(stamps, 1, crash_after_every_append=True)

    assert f"{__file__}:{line}:8 in stamps: time.time() was called" in str(caught.value)
    assert "instead: perdure.now()" in str(caught.value)
    assert Simulation(1).run(stamps, 1).value == 1


def test_a_watched_simulation_of_sound_code_passes() -> None:
    assert Simulation(1, watch=True).run(asks, 1, same_as_without=False).status == "completed"


def test_a_violation_is_told_together_with_what_may_be_its_cause() -> None:
    @perdure.workflow
    async def drifts() -> None:
        if random.getrandbits(64) % 2:
            await number()
        await perdure.signal("never")

    with pytest.raises(Violation, match=r"has not ended(.|\n)*random.getrandbits\(\) was called"):
        Simulation(1, watch=True).run(drifts, within=dt.timedelta(hours=1))
