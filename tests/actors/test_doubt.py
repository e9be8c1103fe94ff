"""Whoever cannot know that what it owns is still its own, says nothing of it that the newest record does not bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Tail, sealed
from tests.actors.account import Accounts, Look, Move, Moved, Trip, opened

pytestmark = pytest.mark.anyio

STREAM = "account/default/ann"


class Looking(Accounts):
    def looks(self, command: Move | Look | Trip) -> bool:
        return isinstance(command, Look)


@pytest.mark.parametrize(("is_sure", "found"), [(True, 1), (False, 6)])
async def test_how_things_stand_is_held_against_the_newest_record_in_doubt(*, is_sure: bool, found: int) -> None:
    log = MemoryLog()

    async def newest(streams: Sequence[str]) -> Mapping[str, Tail]:
        return {stream: (await log.load({stream: 0}))[stream][-1].tail for stream in streams}

    async with opened(log.carrier(), kind=Looking()) as bank:
        assert await bank.ask("ann", Move(1)) == 1
        bank.dispatcher.storing.newest, bank.dispatcher.storing.is_sure = newest, lambda: is_sure
        tail = (await newest([STREAM]))[STREAM]
        await log.append([sealed(STREAM, tail, Accounts.codec.encode(2_000_000, 1, [Moved(5)]), 1)])

        assert await bank.ask("ann", Look()) == found
