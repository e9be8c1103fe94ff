"""What the tests of several adapters need."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.adapters.webhooks.receiver import Receiver, receiving


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Generator[Receiver]:
    """A receiver of webhooks that this process may call."""
    with receiving() as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found
