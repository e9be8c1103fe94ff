"""An outage may last for days: who tries again waits a little longer each time, and no count of failures is too large."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from perdure.actors.backoff import backoff
from perdure.eventlog.errors import Conflict, Unavailable
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail
from perdure.runtime.testing.loop import run_seeded
from tests.actors.account import Move, opened

FAILURES = 1100
"""More than a float has doublings: 2.0 ** 1024 is none."""


@pytest.mark.parametrize(("failures", "pause"), [(0, 0.05), (1, 0.1), (4, 0.8), (5, 1.0), (1023, 1.0), (1024, 1.0), (10**9, 1.0)])
def test_each_pause_is_twice_the_one_before_and_none_is_longer_than_the_longest(failures: int, pause: float) -> None:
    assert backoff(failures, first=0.05, longest=1.0) == pytest.approx(pause)


class Away(MemoryLog):
    """Refuses every append until it has refused as many as it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.refused = 0

    async def append(self, appends: Sequence[Append]) -> Sequence[Tail | Conflict]:
        if self.refused < FAILURES:
            self.refused += 1
            raise Unavailable("the disk is full")
        return await super().append(appends)


def test_a_log_that_was_away_for_very_long_is_written_to_again() -> None:
    async def outage() -> int:
        log = Away()
        async with opened(log.carrier()) as bank:
            for _ in range(FAILURES):
                with pytest.raises(Unavailable, match="the disk is full"):
                    await bank.ask("ann", Move(1))
            return await bank.ask("ann", Move(1))

    assert run_seeded(1, outage) == 1
