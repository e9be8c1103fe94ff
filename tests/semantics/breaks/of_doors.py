"""Breaks of the doors in NATS."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from perdure.adapters.nats.doors.lanes import Lanes
from tests.semantics.breaks.table import breaks


@breaks("24-doors", "test_rule_24_doors_of_nats.py::test_what_was_received_is_acknowledged_once_it_is_durable")
@contextmanager
def acknowledged_before_it_is_done() -> Generator[None]:
    """What was taken out is acknowledged at once, and done later or never."""

    async def at_once(self: Lanes, asked: Any) -> None:
        return None

    with patch.object(Lanes, "_judged", at_once):
        yield
