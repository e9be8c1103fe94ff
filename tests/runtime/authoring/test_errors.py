"""Failures as data: what an exception carried comes back from the log."""

from __future__ import annotations

import msgspec
import pytest

from perdure import StepError
from perdure.runtime.authoring.errors import Failure, failure_of
from perdure.runtime.run.events import CODEC, StepFailed


class CardDeclined(Exception):
    def __init__(self, cents: int) -> None:
        super().__init__(f"{cents} declined")
        self.cents = cents


@pytest.mark.parametrize("error", [ValueError("no"), ValueError("no", 3), CardDeclined(1200), KeyError("x")], ids=repr)
def test_a_recorded_failure_reads_back_as_it_was_written(error: Exception) -> None:
    event = StepFailed("0", 1, failure_of(error), 1, 2, "worker")
    read = CODEC.decode(CODEC.encode(5, 1, [event])).events[0]

    assert isinstance(read, StepFailed)
    assert msgspec.json.encode(read) == msgspec.json.encode(event)
    assert StepError("s", read.error).details == StepError("s", event.error).details


def test_the_fields_of_an_exception_are_its_details() -> None:
    assert StepError("s", failure_of(CardDeclined(1200))).details == {"cents": 1200}


def test_a_failure_without_details_has_none() -> None:
    assert StepError("s", Failure("ValueError", "no")).details is None
