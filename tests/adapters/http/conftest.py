"""The service is tried on the loops that uvicorn speaks; one of them is enough for most."""

from __future__ import annotations

import pytest

from tests.adapters.nats.server import nats_server
from tests.conftest import LOOPS, Loop

__all__ = ["nats_server"]


@pytest.fixture
def anyio_backend() -> Loop:
    return LOOPS["asyncio"]
