"""Rule 15: a run that stands still accepts approvals; they are recorded at once and delivered, in log order, when it goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

import perdure
from perdure import Refused, approval, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.policies import Stage, Terms
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.testing import given
from tests.laws.node import named, node
from tests.semantics.asking import DAY, MICROSECONDS, ask_once, asked, decide, runs

pytestmark = pytest.mark.anyio


@workflow(name="asking")
async def right() -> list[str]:
    one, two = await perdure.gather(approval("ship"), approval("pack"))
    return [one.by, two.by]


@workflow(name="asking")
async def wrong() -> list[str]:
    """Asks something else: it cannot go on with a log of the other."""
    one = await approval("sell")
    return [one.by]


async def decide_while_suspended(log: MemoryLog) -> Any:
    async with node(log.carrier(1), right) as runtime:
        await runtime.start(right, id="one")
    async with node(log.carrier(2), wrong) as runtime:
        run = runtime.run("one")
        one, two = await run.approvals()
        suspended = await run.status()
        await run.approve(two, by="Bob")
        await run.reject(one, by="Ada")
        with pytest.raises(Refused, match="no longer open"):
            await run.approve(one, by="Eve")
        return suspended, await run.approvals()


async def test_rule_15_a_suspended_run_records_approvals_and_delivers_them_when_it_goes_on() -> None:
    log = MemoryLog()
    suspended, left = await decide_while_suspended(log)
    async with node(log.carrier(3), right) as runtime:
        result = await runtime.run("one").result()

    assert (suspended, left, result) == ("suspended", [], ["Ada", "Bob"])
    assert named(log, "one")[-4:] == ["ApprovalDecided", "ApprovalDecided", "Resumed", "RunCompleted"]


async def test_rule_15_a_run_that_has_ended_accepts_none() -> None:
    log = MemoryLog()
    async with node(log.carrier(), right) as runtime:
        run = await runtime.start(right, id="one")
        one, two = await run.approvals()
        await run.approve(one, by="Ada")
        await run.terminate()
        with pytest.raises(Refused) as after:
            await run.approve(two, by="Bob")
        with pytest.raises(Refused) as again:
            await run.reject(one, by="Bob")

    assert after.value.found == "the run is terminated"
    assert "approved by Ada" in again.value.found


@workflow
async def patient() -> list[str]:
    decision = await approval("ship", timeout=DAY)
    return [decision.outcome, decision.by]


async def test_rule_15_a_paused_run_records_an_approval_and_delivers_it_after_resume() -> None:
    log = MemoryLog()
    async with node(log.carrier(), patient) as runtime:
        run = await runtime.start(patient, id="one")
        (found,) = await run.approvals()
        await run.pause()
        await run.approve(found, by="Ada")
        paused = await run.status()
        await run.resume()
        result = await run.result()

    assert (paused, result) == ("paused", ["approved", "Ada"])
    assert named(log, "one")[-4:] == ["Paused", "ApprovalDecided", "Resumed", "RunCompleted"]


def test_rule_15_what_expired_during_a_pause_expires_at_resume_and_nobody_decides_it_in_between() -> None:
    kind = runs(ask_once)
    state = given(kind, [*asked(), ev.Paused()]).state()

    assert not kind.decide(state, cmd.Wake(), MICROSECONDS)
    with pytest.raises(Refused, match="no longer open"):
        kind.decide(state, decide(), MICROSECONDS)
    assert [*kind.decide(state, cmd.Resume(), MICROSECONDS), *state.coming] == [ev.Resumed(), ev.ApprovalDecided("0", "expired")]


def test_rule_15_what_escalated_during_a_pause_does_so_at_resume_and_who_it_escalates_to_decides_in_between() -> None:
    kind, hour = runs(ask_once), MICROSECONDS // 24
    (started, question) = asked()
    terms = Terms(users=("Ada",), stages=(Stage(hour, roles=("owner",)),))
    state = given(kind, [started, msgspec.structs.replace(question, terms=terms), ev.Paused()]).state()
    owner = decide(by="Olga", roles=("owner",))

    assert not kind.decide(state, cmd.Wake(), hour)
    with pytest.raises(Refused, match="not theirs"):
        kind.decide(state, owner, hour - 1)
    assert [*kind.decide(state, cmd.Resume(), hour), *state.coming] == [ev.Resumed(), ev.ApprovalEscalated("0", 1)]
    decided = [ev.ApprovalEscalated("0", 1), ev.ApprovalDecided("0", "approved", "Olga", role="owner")]
    assert [*kind.decide(state, owner, hour), *state.coming] == decided
