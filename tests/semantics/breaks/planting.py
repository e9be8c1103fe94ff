"""Running tests with a rule broken: each time in a process of its own, so that no break outlives its tests."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.semantics.breaks.table import RULES, discover

ROOT = RULES.parents[1]
PROCESSES = 2
PATIENCE = 40
"""Seconds after which a test that hangs counts as failed."""
KNOWN_BEFORE = ["pytest", "perdure.testing", "perdure.adapters.compose", "perdure.adapters.sqlite.open", "tests.semantics.breaks.plugin"]
"""What every process needs, imported once for all of them; never a test, so that each is read with its rule broken."""


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


def run(tests: Sequence[str], broken: str = "") -> Told:
    """Run these of tests/semantics, by file or by function, with a break or without."""
    reports, text = Reports(), io.StringIO()
    named = [str(RULES / test) for test in tests]
    options = ["-q", "-p", "tests.semantics.breaks.plugin", f"--break={broken}", f"--timeout={PATIENCE}", "-p", "no:cacheprovider"]
    os.chdir(ROOT)
    with redirect_stdout(text), redirect_stderr(text):
        code = pytest.main([*options, "--tb=line", *named], plugins=[reports])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise RuntimeError(f"{broken or 'no break'}, {', '.join(tests)}: {text.getvalue()}")
    return Told(reports.ran, frozenset(reports.failed), text.getvalue()[-2000:])


def missed(names: Iterable[str]) -> Mapping[str, str]:
    """The breaks that their test does not find, and what was told instead."""
    known = discover()
    with _processes() as processes:
        told = {name: processes.submit(run, [known[name].test], name) for name in names}
    return {name: found.result().text for name, found in told.items() if known[name].test not in found.result().failed}


def unbroken(files: Iterable[Path]) -> Told:
    """What the tests in these files tell while no rule is broken."""
    with _processes() as processes:
        told = list(processes.map(run, [[file.name] for file in files]))
    failed = frozenset[str]().union(*(found.failed for found in told))
    return Told(sum(found.ran for found in told), failed, "\n".join(found.text for found in told if found.failed))


def _processes() -> ProcessPoolExecutor:
    context = get_context("forkserver")
    context.set_forkserver_preload(KNOWN_BEFORE)
    return ProcessPoolExecutor(PROCESSES, mp_context=context, max_tasks_per_child=1)
