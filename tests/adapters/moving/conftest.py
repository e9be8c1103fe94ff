"""A move stands on what is tried on every loop by itself, so one of its tests runs on all, and the others on asyncio."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.nats.server import nats_server

__all__ = ["nats_server"]

ON_ALL = "test_a_half_finished_run_goes_on_in_another_log"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out on the other loops what is not tried on all."""
    here = Path(__file__).parent
    others = ("[uvloop", "[trio")
    items[:] = [
        item
        for item in items
        if not (here in item.path.parents and any(loop in item.name for loop in others) and not item.name.startswith(ON_ALL))
    ]
