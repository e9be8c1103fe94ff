"""What all tests share: the three event loops, and the word on what this machine lacks."""

from __future__ import annotations

import importlib.util
from collections.abc import Generator
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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say last, before the closing line, what was left out for want of a part of the machine."""
    yield
    if machine.left_out:
        terminalreporter.section("left out on this machine", sep="-")
        for part, tests in sorted(machine.left_out.items()):
            terminalreporter.write_line(f"no {part}: {', '.join(tests[:3])}{f' and {len(tests) - 3} more' if len(tests) > 3 else ''}")
