"""Rule 34, second half: a detector for ambient calls, in tests and in `perdure check`; an audit hook in production."""

# ruff: noqa: ASYNC240 - what this workflow does wrong is the point

from __future__ import annotations

import inspect
import logging
import sys
import time
from pathlib import Path

import pytest

import perdure
from perdure.runtime.inspect.checking.auditing import warn_of_io
from perdure.runtime.inspect.checking.program import Source
from perdure.runtime.inspect.checking.source import check
from perdure.runtime.inspect.checking.watching import Watch
from perdure.testing import Simulation, Violation
from tests.runtime.run.driving import done, fed


@perdure.step
async def step_reads() -> float:
    return time.time() + len(Path(__file__).read_bytes())


@perdure.workflow
async def ambient() -> None:
    await step_reads()
    time.time()
    Path(__file__).read_bytes()


FIRST = inspect.getsourcelines(ambient.function)[1]
CLOCK, FILE = FIRST + 3, FIRST + 4


def test_the_source_says_it_with_line_and_replacement() -> None:
    module = inspect.getmodule(ambient.function)
    assert module is not None
    source = Source("here", __file__, inspect.getsource(module))
    found = check("here", lambda name: source if name == "here" else None).findings

    assert [(one.line, one.found, one.instead) for one in found] == [
        (CLOCK, "time.time()", "perdure.now()"),
        (FILE, "pathlib.Path.read_bytes()", "do it in a step, whose outcome is recorded"),
    ]


def test_a_call_is_seen_when_it_happens_and_never_one_of_a_step() -> None:
    with Watch() as watch:
        fed(ambient, done("0", 1.0))
    with pytest.raises(Violation) as caught:
        Simulation(1, watch=True).run(ambient)

    assert [one.line for one in watch.findings] == [CLOCK, FILE]
    assert str(caught.value).count(f"{__file__}:") == 2


def test_nothing_watches_before_and_after() -> None:
    Simulation(1, watch=True).run(quiet)

    assert sys.getprofile() is None
    if sys.version_info >= (3, 12):
        assert all(sys.monitoring.get_tool(tool) != "perdure" for tool in range(6))


@perdure.workflow
async def quiet() -> float:
    return await step_reads()


def test_in_production_the_file_is_warned_of_and_the_step_is_not(caplog: pytest.LogCaptureFixture) -> None:
    @perdure.workflow
    async def opens() -> None:
        await step_reads()
        Path(__file__).read_bytes()

    warn_of_io()
    caplog.set_level(logging.WARNING, "perdure")
    fed(opens, done("0", 1.0))
    line = inspect.getsourcelines(opens.function)[1] + 3

    assert [f":{line} in " in record.getMessage() for record in caplog.records] == [True]
