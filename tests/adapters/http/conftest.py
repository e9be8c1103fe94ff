"""The service is tried on the loops that uvicorn speaks; one of them is enough for most."""

from __future__ import annotations

import pytest

from tests.conftest import LOOPS, Loop


@pytest.fixture
def anyio_backend() -> Loop:
    return LOOPS["asyncio"]
