"""A pytest plugin: `-p tests.semantics.breaks.plugin --break 08` breaks that rule for the whole session, on one event loop.

The break is planted before any test is collected, so that nothing of the product is used before it is broken.
"""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.semantics.breaks.table import discover

LOOP = "asyncio"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--break", dest="broken", default="", help="the break to plant; none: only one event loop is used")


def pytest_configure(config: pytest.Config) -> None:
    if broken := str(config.getoption("broken")):
        planted = ExitStack()
        planted.enter_context(discover()[broken].plant())
        config.add_cleanup(planted.close)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other loops."""
    kept, left = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        (kept if params.get("anyio_backend", LOOP) == LOOP else left).append(item)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)
