"""Tests of the NATS carrier run on the loops that nats-py speaks."""

from __future__ import annotations

import pytest

from tests.adapters.nats.server import nats_server
from tests.conftest import LOOPS, Loop

__all__ = ["nats_server"]


@pytest.fixture(params=[name for name, (backend, _) in LOOPS.items() if backend == "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> Loop:
    name: str = request.param
    return LOOPS[name]
