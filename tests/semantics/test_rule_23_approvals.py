"""Rule 23: a decision repeated with its command id gets its first answer, whatever was decided since."""

from __future__ import annotations

import pytest

from perdure import ApprovalPolicy, Refused, approval, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import DecideApproval
from tests.laws.node import named, node
from tests.semantics.asking import ask_once

pytestmark = pytest.mark.anyio


async def test_rule_23_an_accepted_decision_repeated_gets_its_first_answer() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), ask_once) as runtime:
        run = await runtime.start(ask_once, id="one")
        (found,) = await run.approvals()
        wish = DecideApproval(run="one", outcome="approved", by="Ada", id=found.id, digest=found.digest, command="click-1")
        first = await runtime.do(wish)
        second = await runtime.do(wish)
        await run.result()
    async with node(log.carrier(2), ask_once) as runtime:
        third = await runtime.do(wish)
        with pytest.raises(Refused, match="no longer open"):
            await runtime.do(DecideApproval(run="one", outcome="approved", by="Ada", id=found.id, digest=found.digest, command="click-2"))

    assert first.version == second.version == third.version == 3
    assert named(log, "one").count("ApprovalDecided") == 1


@workflow
async def two_of_them() -> str:
    return (await approval("ship", policy=ApprovalPolicy(quorum=2))).outcome


async def test_rule_23_one_approval_of_several_repeated_gets_its_first_answer_and_counts_once() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), two_of_them) as runtime:
        run = await runtime.start(two_of_them, id="one")
        (found,) = await run.approvals()
        wish = DecideApproval(run="one", outcome="approved", by="Ada", id=found.id, digest=found.digest, command="click-1")
        answers = [await runtime.do(wish) for _ in range(2)]
        await run.approve(found, by="Bob")
        await run.result()
    async with node(log.carrier(2), two_of_them) as runtime:
        answers.append(await runtime.do(wish))

    assert {answer.version for answer in answers} == {3}
    assert named(log, "one")[2:] == ["ApprovalGiven", "ApprovalDecided", "RunCompleted"]
