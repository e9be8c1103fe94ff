"""What people do to a simulated run: at its time, once, whatever befalls the nodes."""

from __future__ import annotations

from datetime import timedelta

import pytest

import perdure
from perdure import CompleteLater, Refused, approval, signal, sleep, step, workflow
from perdure.eventlog.codec import Event
from perdure.runtime.run import events as ev
from perdure.testing import Act, Approve, Cancel, Complete, Fail, Outcome, Pause, Reject, Resume, Simulation

CRASHES = pytest.mark.parametrize("crashes", [False, True], ids=["calm", "crashing"])


@step
async def receipt(cents: int) -> str:
    raise CompleteLater


@step
async def pack() -> str:
    return "packed"


@workflow
async def ships(cents: int) -> str:
    decided = await approval("ship", show={"cents": cents}, timeout=timedelta(days=1))
    return f"{decided.outcome} by {decided.by}" if not decided.approved else await receipt(cents)


@workflow
async def waits() -> str:
    try:
        await signal("never")
    except perdure.Cancelled:
        await pack()
        raise
    return "unreachable"


@workflow
async def naps() -> str:
    await sleep(timedelta(hours=1))
    return await pack()


def played(flow: perdure.Workflow[..., str], *args: int, acts: list[tuple[float, Act]], crashes: bool) -> Outcome[str]:
    return Simulation(7).run(flow, *args, crash_after_every_append=crashes, acts=acts)


def count(outcome: Outcome[str], kind: type[Event]) -> int:
    return sum(isinstance(event, kind) for event in outcome.events)


@CRASHES
def test_an_approval_is_decided_and_a_step_ended_by_its_token(crashes: bool) -> None:
    outcome = played(ships, 12, acts=[(60.0, Approve("ship", by="ada")), (600.0, Complete("receipt", "receipt 12"))], crashes=crashes)

    assert outcome.value == "receipt 12"
    assert timedelta(seconds=600) <= outcome.elapsed < timedelta(seconds=700)
    assert (count(outcome, ev.ApprovalDecided), outcome.refused) == (1, [])


@CRASHES
def test_a_rejection_and_a_failure_from_outside(crashes: bool) -> None:
    said_no = played(ships, 12, acts=[(60.0, Reject("ship", by="bob", why="too dear"))], crashes=crashes)
    failed = played(ships, 12, acts=[(0.0, Approve("ship")), (5.0, Fail("receipt", "the bank is closed"))], crashes=crashes)

    assert said_no.value == "rejected by bob"
    assert failed.status == "failed"
    assert failed.failure is not None
    assert "the bank is closed" in str(failed.failure)


@CRASHES
def test_an_act_waits_for_what_it_is_about(crashes: bool) -> None:
    outcome = played(ships, 12, acts=[(0.0, Complete("receipt", "early")), (30.0, Approve("ship"))], crashes=crashes)

    assert outcome.value == "early"


@CRASHES
def test_a_pause_lasts_until_it_is_ended(crashes: bool) -> None:
    outcome = played(naps, acts=[(60.0, Pause("lunch")), (7200.0, Resume())], crashes=crashes)

    assert outcome.value == "packed"
    assert outcome.elapsed >= timedelta(hours=2)
    assert (count(outcome, ev.Paused), count(outcome, ev.Resumed)) == (1, 1)


@CRASHES
def test_a_cancel_ends_the_run_once_it_has_cleaned_up(crashes: bool) -> None:
    outcome = played(waits, acts=[(60.0, Cancel("out of stock"))], crashes=crashes)

    assert outcome.status == "cancelled"
    assert count(outcome, ev.StepCompleted) == 1


def test_what_comes_too_late_is_told() -> None:
    outcome = played(naps, acts=[(10.0, Resume()), (20.0, Pause()), (25.0, Pause()), (30.0, Resume())], crashes=False)

    assert outcome.value == "packed"
    assert all(isinstance(refusal, Refused) for refusal in outcome.refused)
