"""Rule 17: a failed run goes on from its failed step, with the same keys, unless a step was completed behind the failure."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

import perdure
from perdure import Invalid, Refused, RunError, StepError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import fold, replay
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import decide
from tests.laws.node import PATIENCE, events_of, killed_node, named, node, stream

keys: list[str] = []
broken = True
bug = True


@pytest.fixture(autouse=True)
def _as_new() -> None:
    global broken, bug  # noqa: PLW0603 - the steps below look them up when they run
    keys.clear()
    broken = bug = True


@step
async def reserve() -> str:
    keys.append(perdure.current().idempotency_key)
    return "reserved"


@step
async def charge() -> str:
    keys.append(perdure.current().idempotency_key)
    if broken:
        raise ConnectionError("the bank is away")
    return "charged"


@step
async def refund() -> str:
    return "refunded"


@workflow
async def order() -> list[str]:
    return [await reserve(), await charge(), await perdure.signal("paid", str)]


@workflow
async def compensates() -> str:
    try:
        return await charge()
    except StepError:
        await refund()
        raise


@workflow
async def reserves_first() -> list[str]:
    return [await reserve(), await charge()]


@step(retry=perdure.Retry(attempts=2, first=timedelta(milliseconds=1)))
async def charge_twice() -> str:
    return str(await charge.function())


@workflow
async def insists() -> str:
    return await charge_twice()


@workflow
async def has_a_bug() -> str:
    done = await reserve()
    perdure.log("about to fail")
    if bug:
        raise KeyError("a mistake of the workflow's own")
    return done


@workflow
async def side_by_side() -> list[str]:
    return list(await perdure.gather(charge(), perdure.signal("paid", str)))


async def failed(run: perdure.RunHandle[object]) -> None:
    with pytest.raises(RunError):
        await run.result(within=PATIENCE)


def mend() -> None:
    global broken, bug  # noqa: PLW0603
    broken = bug = False


@pytest.mark.anyio
async def test_it_goes_on_from_the_failed_step_with_the_same_key() -> None:
    log = MemoryLog()
    async with node(log.carrier(), order) as runtime:
        run = await runtime.start(order, id="r")
        await run.signal("paid", "yes")
        await failed(run)
        mend()
        await run.retry()

        assert await run.result(within=PATIENCE) == ["reserved", "charged", "yes"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees

    assert len(keys) == 3
    assert keys[1] == keys[2]
    assert [event.attempt for event in events_of(log, "r") if isinstance(event, ev.StepCompleted)] == [1, 2]


@pytest.mark.anyio
async def test_fresh_keys_are_other_keys() -> None:
    log = MemoryLog()
    async with node(log.carrier(), order) as runtime:
        run = await runtime.start(order, id="r")
        await run.signal("paid", "yes")
        await failed(run)
        mend()
        await run.retry(fresh_keys=True)
        await run.result(within=PATIENCE)

    assert keys[1] != keys[2]


@pytest.mark.anyio
async def test_a_retry_survives_a_crash_right_after_it() -> None:
    log = MemoryLog()
    async with killed_node(log, order) as runtime:
        run = await runtime.start(order, id="r")
        await failed(run)
        await run.retry()
        await failed(run)
        mend()
        await run.retry()
    async with node(log.carrier(2), order) as runtime:
        await runtime.alarm.sweep()
        run = runtime.run("r")
        await run.signal("paid", "yes")

        assert await run.result(within=PATIENCE) == ["reserved", "charged", "yes"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_a_branch_that_still_waited_waits_again() -> None:
    log = MemoryLog()
    async with node(log.carrier(), side_by_side) as runtime:
        run = await runtime.start(side_by_side, id="r")
        await failed(run)
        mend()
        await run.retry()
        await run.signal("paid", "yes")

        assert await run.result(within=PATIENCE) == ["charged", "yes"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_a_completed_compensation_forbids_it_and_from_version_is_offered() -> None:
    log = MemoryLog()
    async with node(log.carrier(), compensates) as runtime:
        run = await runtime.start(compensates, id="r")
        await failed(run)
        with pytest.raises(Refused, match="contradict") as refused:
            await run.retry()
        mend()

        assert "from_version" in refused.value.instead

        await run.retry(from_version=2)

        assert await run.result(within=PATIENCE) == "charged"
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_attempts_of_what_is_done_again_count_on_so_that_a_late_outcome_of_before_is_not_taken_for_one() -> None:
    log = MemoryLog()
    async with node(log.carrier(), reserves_first) as runtime:
        run = await runtime.start(reserves_first, id="r")
        await failed(run)
        mend()
        await run.retry(from_version=1)

        assert await run.result(within=PATIENCE) == ["reserved", "charged"]
        assert (await replay(log, stream("r"), runtime.registry)).agrees

    done = [event for event in events_of(log, "r") if isinstance(event, ev.StepCompleted)]
    assert [event.attempt for event in done] == [1, 2, 2]
    wanted = named(log, "r").index("StepScheduled", named(log, "r").index("RetryRequested")) + 1
    facts = fold(stream("r"), log.streams[stream("r")], until=wanted)
    late = ev.StepCompleted(done[-1].id, 1, done[-1].value, 0, 0, "lost")
    assert not decide(facts, late, facts.at)
    assert decide(facts, replace(late, attempt=2), facts.at)


@pytest.mark.anyio
async def test_a_step_may_be_tried_as_often_again() -> None:
    log = MemoryLog()
    async with node(log.carrier(), insists) as runtime:
        run = await runtime.start(insists, id="r")
        await failed(run)
        await run.retry()
        await failed(run)

    assert [event.attempt for event in events_of(log, "r") if isinstance(event, ev.StepFailed)] == [1, 2, 3, 4]


@pytest.mark.anyio
async def test_after_a_bug_the_last_turn_is_driven_with_todays_code() -> None:
    log = MemoryLog()
    async with node(log.carrier(), has_a_bug) as runtime:
        run = await runtime.start(has_a_bug, id="r")
        await failed(run)
        mend()
        await run.retry()

        assert await run.result(within=PATIENCE) == "reserved"
        assert (await replay(log, stream("r"), runtime.registry)).agrees
    assert len(keys) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("flow", [has_a_bug, insists])
async def test_taken_back_to_its_very_failure_the_last_turn_is_driven_again(flow: perdure.Workflow[[], str]) -> None:
    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        run = await runtime.start(flow, id="r")
        await failed(run)
        await run.retry(from_version=len(named(log, "r")))
        await failed(run)

        assert named(log, "r")[-1] == "RunFailed"
        assert (await replay(log, stream("r"), runtime.registry)).agrees


@pytest.mark.anyio
async def test_only_a_failed_run_can_be_retried_and_a_repeat_counts_once() -> None:
    log = MemoryLog()
    async with node(log.carrier(), order) as runtime:
        run = await runtime.start(order, id="r")
        await failed(run)
        mend()
        await run.retry(command="again")
        await run.signal("paid", "yes")
        await run.result(within=PATIENCE)
        await run.retry(command="again")
        with pytest.raises(Refused, match="only a failed run"):
            await run.retry()

    assert named(log, "r").count("RetryRequested") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("version", [-4, 0, 99])
async def test_a_version_that_the_run_never_had_is_refused_and_the_run_stays_as_it_is(version: int) -> None:
    log = MemoryLog()
    async with node(log.carrier(), order) as runtime:
        run = await runtime.start(order, id="r")
        await failed(run)
        before = named(log, "r")
        mend()
        with pytest.raises(Invalid, match="no such version") as refused:
            await run.retry(from_version=version)

    assert (refused.value.expected, refused.value.found) == (f"1 to {len(before)}", str(version))
    assert named(log, "r") == before
