"""Rule 24: `approve` answers when it is applied: its event is durable, and the answer says where."""

from __future__ import annotations

import pytest

from perdure import Unavailable
from perdure.eventlog.faults import Fault, FaultyLog, Script
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import DecideApproval
from tests.laws.node import named, node
from tests.semantics.asking import ask_once

pytestmark = pytest.mark.anyio


async def test_rule_24_an_approval_is_answered_when_it_is_durable_and_not_before() -> None:
    log = MemoryLog()
    door = FaultyLog(log, Script({2: Fault("refusal")}))
    async with node(door.carrier(), ask_once) as runtime:
        run = await runtime.start(ask_once, id="one")
        (found,) = await run.approvals()
        wish = DecideApproval(run="one", outcome="approved", by="Ada", id=found.id, digest=found.digest, command="click")
        with pytest.raises(Unavailable):
            await runtime.do(wish)
        before = named(log, "one")
        applied = await runtime.do(wish)

    assert "ApprovalDecided" not in before
    assert named(log, "one")[applied.version - 1] == "ApprovalDecided"
