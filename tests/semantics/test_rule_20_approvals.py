"""Rule 20: an approval that lost its race is withdrawn: nobody can decide it any more, and it does not expire."""

from __future__ import annotations

import pytest

from perdure import Refused
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import fold
from tests.laws.node import named, node, stream
from tests.semantics.asking import ask_beside_a_signal

pytestmark = pytest.mark.anyio


async def test_rule_20_a_lost_race_withdraws_the_request() -> None:
    log = MemoryLog()
    async with node(log.carrier(), ask_beside_a_signal) as runtime:
        run = await runtime.start(ask_beside_a_signal, id="one")
        ship, pack = await run.approvals()
        await run.signal("stop", "now")
        left = await run.approvals()
        for withdrawn in (ship, pack):
            with pytest.raises(Refused, match="no longer open") as error:
                await run.approve(withdrawn, by="Ada")
            assert "withdrew" in error.value.found
        await run.signal("end")
        result = await run.result()

    assert (left, result) == ([], "stop now")
    assert "ApprovalDecided" not in named(log, "one")
    assert fold(stream("one"), log.streams[stream("one")]).approvals == {}
