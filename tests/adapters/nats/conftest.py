"""Tests of the NATS carrier run on the loops that nats-py speaks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.nats.server import nats_server
from tests.conftest import LOOPS, Loop

__all__ = ["nats_server"]

ON_BOTH = ("test_log.py", "test_flights.py", "test_client.py", "test_door.py")
"""What touches the client itself is tried on uvloop too; for the rest one loop is enough, since each test costs a server its time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out on uvloop what is not tried on both."""
    here = Path(__file__).parent
    items[:] = [
        item for item in items if not (here in item.path.parents and "[uvloop" in item.name and item.path.name not in ON_BOTH)
    ]


@pytest.fixture(params=[name for name, (backend, _) in LOOPS.items() if backend == "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Loop:
    name: str = request.param
    return LOOPS[name]
