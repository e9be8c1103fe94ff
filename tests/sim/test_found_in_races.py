"""What racing wishes found in the product, each as the smallest case that shows it."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import perdure
from perdure.eventlog.codec import Event
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.authoring.values import NOTHING
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import replay
from perdure.runtime.requests import CancelRun, StartRun
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.evolve import evolve
from perdure.runtime.run.state import RunState, canonical, json_of, restore
from perdure.testing import given
from tests.semantics.asking import runs
from tests.sim.test_found import served, wait_for_ever

pytestmark = pytest.mark.anyio


PATIENCE = 20
"""Seconds after which what hangs is taken to hang."""


def folded(*events: Event) -> RunState:
    facts = RunState()
    for event in events:
        facts = evolve(facts, event, 1)
    return facts


STARTED = ev.RunStarted("flow", 1, json_of("an order"), 7)


def test_a_run_that_continued_thaws_from_its_snapshot() -> None:
    facts = folded(STARTED, ev.Continued(NOTHING, 1, 0))

    assert canonical(restore(canonical(facts))) == canonical(facts)


def test_a_run_whose_step_told_how_far_it_is_thaws_from_its_snapshot() -> None:
    facts = folded(STARTED, ev.StepScheduled("0", "work", NOTHING), ev.StepHeartbeat("0", 1, json_of("half")))

    assert canonical(restore(canonical(facts))) == canonical(facts)


@perdure.step
async def quick() -> None:
    return None


@perdure.step
async def fails_once() -> str:
    if perdure.current().attempt == 1:
        raise ValueError("not yet")
    return "done"


@perdure.workflow
async def two_lives(life: int) -> str:
    if life == 2:
        await perdure.signal("end")
        return "ended"
    async with perdure.timeout(timedelta(hours=1)):
        await quick()
    return await perdure.continue_as(2)


async def test_what_a_generation_abandons_in_its_last_turn_is_not_told_of_the_next() -> None:
    async with served({}, two_lives) as (runtime, _):
        run = await runtime.start(two_lives, 1, id="one")
        with anyio.fail_after(PATIENCE):
            await told(runtime, "one", ev.Continued)
            await runtime.dispatcher.passivate()
            await run.signal("end")
            result = await run.result()

    assert result == "ended"


async def told(runtime: Runtime, run: str, kind: type[Event]) -> None:
    while not any(isinstance(event, kind) for event in await events_of(runtime, run)):  # noqa: ASYNC110 - a log tells nobody
        await anyio.sleep(0.001)


async def events_of(runtime: Runtime, run: str) -> list[Event]:
    records = [record async for record in runtime.carrier.log.read(f"run/default/{run}")]
    return [event for record in records for event in ev.CODEC.decode(record.data).events]


async def test_a_start_that_follows_another_run_is_answered_with_its_own_version() -> None:
    async with served({}, wait_for_ever) as (runtime, _):
        await runtime.start(wait_for_ever, id="two", command="a")
        another = StartRun(workflow="wait_for_ever", run="two", command="b", on_conflict="terminate_and_start")
        answers = [await runtime.do(another), await runtime.do(another)]
        await runtime.run("two").terminate()

    assert [answer.version for answer in answers] == [3, 3]


@perdure.workflow
async def fails_in_a_group() -> str:
    async with perdure.task_group() as group:
        task = group.start(fails_once())
    return task.result()


async def test_a_run_that_failed_by_a_step_in_a_task_group_goes_on_from_that_step() -> None:
    async with served({}, fails_in_a_group) as (runtime, _):
        run = await runtime.start(fails_in_a_group, id="three")
        with anyio.fail_after(PATIENCE):
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry()
            result = await run.result()

    assert result == "done"


def test_an_attempt_that_nobody_waited_for_any_more_is_counted_when_its_run_is_retried() -> None:
    lost = broken("0.0/0"), ev.EffectsAbandoned(["0.1/0"]), ev.RunFailed("step", BROKEN), completed("0.1/0")
    facts = folded(STARTED, scheduled("0.0/0"), scheduled("0.1/0"), *lost, ev.RetryRequested(0, void=True))

    assert {id: step.attempt for id, step in facts.steps.items()} == {"0.0/0": 2, "0.1/0": 2}


BROKEN = Failure("ValueError", "broken")


def broken(id: str) -> Event:
    return ev.StepFailed(id, 1, BROKEN, 1, 1, "here")


def scheduled(id: str) -> Event:
    return ev.StepScheduled(id, "work", NOTHING)


def completed(id: str) -> Event:
    return ev.StepCompleted(id, 1, NOTHING, 1, 1, "here")


def test_a_child_that_its_parent_terminates_does_not_tell_it_as_if_that_were_news() -> None:
    begun = ev.RunStarted("wait_for_ever", 1, json_of([]), 7, parent="run/default/parent#0")

    given(runs(wait_for_ever), [begun]).when(cmd.Leave("run/default/parent#0", "terminate")).then(
        [ev.RunTerminated("its parent no longer wants it"), ev.Unwatched("run/default/parent#0")]
    )


@perdure.workflow
async def listens_beside_a_step() -> list[str]:
    return list(await perdure.gather(listens(), held_back()))


async def listens() -> str:
    await perdure.signal("go")
    return await passes()


@perdure.step
async def passes() -> str:
    return "let through"


gate: list[anyio.Event] = []


@perdure.step
async def held_back() -> str:
    await gate[0].wait()
    return await fails_once()


async def test_a_run_that_failed_over_what_came_while_it_was_paused_can_be_retried() -> None:
    gate[:] = [anyio.Event()]
    async with served({}, listens_beside_a_step) as (runtime, _):
        run = await runtime.start(listens_beside_a_step, id="four")
        with anyio.fail_after(PATIENCE):
            await run.pause()
            await run.signal("go")
            gate[0].set()
            await run.pause(wait=True)
            await run.resume()
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry()
            result = await run.result()

    assert result == ["let through", "done"]


@perdure.step
async def lingers() -> str:
    try:
        await anyio.sleep(0.01)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(0.05)
    return "at last"


@perdure.workflow
async def fails_beside_one_that_lingers() -> list[str]:
    return list(await perdure.gather(lingers(), fails_once()))


async def test_a_step_whose_earlier_attempt_still_tidies_up_is_attempted_anew_when_its_run_is_retried() -> None:
    async with served({}, fails_beside_one_that_lingers) as (runtime, _):
        run = await runtime.start(fails_beside_one_that_lingers, id="five")
        with anyio.fail_after(PATIENCE):
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry()
            result = await run.result()

    assert result == ["at last", "done"]


@perdure.step
async def cannot_be_stopped() -> str:
    with anyio.CancelScope(shield=True):
        await anyio.sleep(0.05)
    return f"attempt {perdure.current().attempt}"


@perdure.workflow
async def fails_beside_one_that_cannot_be_stopped() -> list[str]:
    return list(await perdure.gather(cannot_be_stopped(), fails_once()))


async def test_a_step_whose_earlier_attempt_completes_though_unwanted_is_attempted_anew_when_its_run_is_retried() -> None:
    async with served({}, fails_beside_one_that_cannot_be_stopped) as (runtime, _):
        run = await runtime.start(fails_beside_one_that_cannot_be_stopped, id="ten")
        with anyio.fail_after(PATIENCE):
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry()
            result = await run.result()

    assert result == ["attempt 2", "done"]


@perdure.workflow
async def until_the_end() -> str:
    return await perdure.signal("end", str)


async def test_a_run_that_ended_amid_what_had_come_while_it_was_paused_agrees_with_its_code() -> None:
    async with served({}, until_the_end) as (runtime, _):
        run = await runtime.start(until_the_end, id="six")
        await run.pause()
        await run.signal("end", "now")
        await run.signal("more")
        await run.resume()
        verdict = await replay(runtime.carrier.log, "run/default/six", runtime.registry)

    assert (verdict.status, verdict.agrees) == ("completed", True)


@perdure.workflow
async def reads_out_of_turn(life: int) -> list[str]:
    if life == 2:
        return [await perdure.signal("red", str)]
    await perdure.signal("go")
    await perdure.first_of(perdure.gather(one_of_two(), one_of_two()))
    return await perdure.continue_as(2)


async def one_of_two() -> str:
    first = await perdure.first_of(perdure.signal("blue", str), perdure.signal("red", str))
    return first.value


async def test_a_signal_that_a_loser_gave_back_is_carried_though_a_later_one_was_read() -> None:
    async with served({}, reads_out_of_turn) as (runtime, _):
        run = await runtime.start(reads_out_of_turn, 1, id="eight")
        for name, value in (("blue", "blue 1"), ("red", "red 1"), ("red", "red 2"), ("go", None)):
            await run.signal(name, value)
        with anyio.fail_after(PATIENCE):
            result = await run.result()

    assert result == ["red 1"]


async def test_a_cancel_that_ends_a_pause_counts_though_the_code_ends_by_what_came_meanwhile() -> None:
    async with served({}, until_the_end) as (runtime, _):
        run = await runtime.start(until_the_end, id="nine")
        await run.pause()
        await run.signal("end", "now")
        wish = CancelRun(run="nine", command="enough")
        answers = [await runtime.do(wish), await runtime.do(wish)]
        result = await run.result()
        recorded = [type(event).__name__ for event in await events_of(runtime, "nine")]
        verdict = await replay(runtime.carrier.log, "run/default/nine", runtime.registry)

    assert (result, [answer.version for answer in answers], verdict.agrees) == ("now", [4, 4], True)
    assert recorded[2:] == ["SignalReceived", "CancelRequested", "Resumed", "RunCompleted"]
