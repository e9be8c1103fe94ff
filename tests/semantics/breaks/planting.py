"""Running tests with a rule broken: each time in a process of its own, so that no break outlives its tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from typing import NamedTuple

import pytest

from tests.semantics.breaks.table import RULES, discover

ROOT = RULES.parents[1]
PROCESSES = 2
PATIENCE = 40
"""Seconds after which a test that hangs counts as failed."""
PLUGINS = ["anyio.pytest_plugin", "pytest_timeout", "pytest_asyncio.plugin", "tests.semantics.breaks.plugin"]
KNOWN_BEFORE = [
    "pytest", *PLUGINS, "anyio._backends._asyncio", "perdure.testing", "perdure.adapters.compose", "perdure.adapters.sqlite.open",
    "tests.semantics.breaks.table", "tests.laws.node",
]  # fmt: skip
"""What every process needs, imported once for all of them; never a test, so that each is read with its rule broken."""
QUICK = ["-q", "--tb=line", "--assert=plain", "-p", "no:cacheprovider"]


class Told(NamedTuple):
    """What a run of pytest told: how many tests ran, the functions that failed, and its last lines."""

    ran: int
    failed: frozenset[str]
    text: str


class Reports:
    """Counts tests by how they ended; a fixture that breaks is no test that failed."""

    def __init__(self) -> None:
        self.ran = 0
        self.failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self.ran += 1
            if report.failed:
                self.failed.add(report.nodeid.partition("[")[0].rpartition("/")[2])


def run(test: str, broken: str = "") -> Told:
    """Run one test of tests/semantics, with a break or without."""
    reports, text = Reports(), io.StringIO()
    options = [*QUICK, *(word for plugin in PLUGINS for word in ("-p", plugin)), f"--break={broken}", f"--timeout={PATIENCE}"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(ROOT)
    with redirect_stdout(text), redirect_stderr(text):
        code = pytest.main([*options, str(RULES / test)], plugins=[reports])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{broken or 'no break'}, {test}: {text.getvalue()}")
    return Told(reports.ran, frozenset(reports.failed), text.getvalue()[-2000:])


def missed(names: Iterable[str]) -> Mapping[str, str]:
    """The breaks that their test does not find, and what was told instead."""
    known = discover()
    told = _told((name, name) for name in names)
    return {name: found.text for name, found in told.items() if known[name].test not in found.failed}


def red_without_a_break(names: Iterable[str]) -> Mapping[str, str]:
    """The breaks whose test fails, or does not run, though nothing is broken, and what was told."""
    told = _told((name, "") for name in names)
    return {name: found.text for name, found in told.items() if found.failed or not found.ran}


def _told(asked: Iterable[tuple[str, str]]) -> Mapping[str, Told]:
    """Of each (break, what is planted) what the test of the break tells."""
    known, context = discover(), get_context("forkserver")
    context.set_forkserver_preload(KNOWN_BEFORE)
    with ProcessPoolExecutor(PROCESSES, mp_context=context, max_tasks_per_child=1) as processes:
        told = {name: processes.submit(run, known[name].test, planted) for name, planted in asked}
        return {name: found.result() for name, found in told.items()}
