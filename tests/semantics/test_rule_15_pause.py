"""Rule 15: pause is recorded at once; nothing new begins until resume; what arrives meanwhile is kept and taken in the order of the log."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

import perdure
from perdure import Refused, Settings, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import events as ev
from perdure.runtime.run.commands import Begin
from perdure.runtime.run.decide import DECIDE
from tests.laws.node import PATIENCE, Bench, Flow, events_of, killed_node, named, node, rest, stream, until

bench = Bench()


@pytest.fixture(autouse=True)
def _fresh_bench() -> None:
    global bench  # noqa: PLW0603 - the steps of the workflows below look it up when they run
    bench = Bench()


@step
async def held(what: str) -> str:
    return await bench.held(what)


@step
async def quick(what: str) -> str:
    bench.attempt(what)
    return what


@workflow
async def two_steps() -> list[str]:
    return [await held("first"), await quick("second")]


@workflow
async def listens() -> list[str]:
    return [await perdure.signal("word", str), await perdure.signal("word", str)]


@workflow
async def naps() -> str:
    await perdure.sleep(timedelta(milliseconds=30))
    return "woken"


@workflow
async def tidy() -> str:
    try:
        await perdure.signal("never")
    finally:
        await quick("swept")
    return "not reached"


@pytest.mark.anyio
async def test_a_running_step_ends_and_is_recorded_and_no_new_one_starts() -> None:
    log = MemoryLog()
    async with node(log.carrier(), two_steps) as runtime:
        run = await runtime.start(two_steps, id="r")
        await until(lambda: "first" in bench.begun)
        await run.pause("lunch")
        bench.go.set()
        await until(lambda: "StepCompleted" in named(log, "r"))

        assert (await run.look()).status == "paused"
        assert (await run.look()).reason == "lunch"
        assert "second" not in bench.begun
        assert named(log, "r")[-1] == "StepCompleted"

        await run.resume()

        assert await run.result(within=PATIENCE) == ["first", "second"]


@pytest.mark.anyio
async def test_pause_with_wait_returns_when_nothing_runs() -> None:
    log = MemoryLog()
    async with node(log.carrier(), two_steps) as runtime, anyio.create_task_group() as group:
        run = await runtime.start(two_steps, id="r")
        await until(lambda: "first" in bench.begun)

        async def pause() -> None:
            await run.pause(wait=True)
            paused.set()

        paused = anyio.Event()
        group.start_soon(pause)
        await until(lambda: "Paused" in named(log, "r"))

        assert not paused.is_set()

        bench.go.set()
        await paused.wait()

        assert "StepCompleted" in named(log, "r")
        assert runtime.pool.flying == 0


@pytest.mark.anyio
async def test_signals_are_recorded_meanwhile_and_delivered_in_order_after_resume() -> None:
    log = MemoryLog()
    async with node(log.carrier(), listens) as runtime:
        run = await runtime.start(listens, id="r")
        await run.pause()
        await run.signal("word", "one")
        await run.signal("word", "two")

        assert (await run.look()).status == "paused"

        await run.resume()

        assert await run.result(within=PATIENCE) == ["one", "two"]


@pytest.mark.anyio
async def test_a_timer_that_came_due_fires_at_resume_with_its_due_time() -> None:
    log = MemoryLog()
    async with node(log.carrier(), naps) as runtime:
        run = await runtime.start(naps, id="r")
        await run.pause()
        due = next(event.due for event in events_of(log, "r") if isinstance(event, ev.TimerSet))
        await until(lambda: runtime.clock.now() > due and not runtime.alarm._heap)
        await run.look()

        assert "TimerFired" not in named(log, "r")

        await run.resume()
        result = await run.result(within=PATIENCE)

    assert result == "woken"
    assert [event.due for event in events_of(log, "r") if isinstance(event, ev.TimerFired)] == [due]


@pytest.mark.anyio
async def test_a_pause_outlives_its_process() -> None:
    log = MemoryLog()
    async with killed_node(log, two_steps) as runtime:
        run = await runtime.start(two_steps, id="r")
        await until(lambda: "first" in bench.begun)
        await run.pause()
    bench.begun.clear()
    bench.go.set()
    async with node(log.carrier(2), two_steps) as runtime:
        await runtime.alarm.sweep()
        run = runtime.run("r")

        assert await run.status() == "paused"
        assert bench.begun == set()

        await run.resume()

        assert await run.result(within=PATIENCE) == ["first", "second"]
    assert bench.count() == [1, 2]


@pytest.mark.anyio
async def test_a_cancel_ends_the_pause_so_that_cleanup_runs() -> None:
    log = MemoryLog()
    async with node(log.carrier(), tidy) as runtime:
        run = await runtime.start(tidy, id="r")
        await run.pause()
        await run.cancel("enough")
        with pytest.raises(perdure.RunError) as ended:
            await run.result(within=PATIENCE)

    assert ended.value.status == "cancelled"
    assert bench.begun == {"swept"}


@pytest.mark.anyio
async def test_terminate_works_while_paused() -> None:
    log = MemoryLog()
    async with node(log.carrier(), tidy) as runtime:
        run = await runtime.start(tidy, id="r")
        await run.pause()
        await run.terminate()

        assert await run.status() == "terminated"
    assert bench.begun == set()


@pytest.mark.anyio
async def test_a_deadline_keeps_running_unless_it_is_frozen() -> None:
    log = MemoryLog()
    async with node(log.carrier(), tidy) as runtime:
        running = await runtime.start(tidy, id="a", deadline=timedelta(milliseconds=50))
        frozen = await runtime.start(tidy, id="b", deadline=timedelta(milliseconds=50))
        await running.pause()
        await frozen.pause(freeze_deadline=True)
        await until(lambda: "RunTimedOut" in named(log, "a"))

        assert await running.status() == "timed_out"
        assert await frozen.status() == "paused"

        await frozen.resume()
        await until(lambda: "RunTimedOut" in named(log, "b"))


@pytest.mark.anyio
async def test_a_second_pause_or_resume_changes_nothing() -> None:
    log = MemoryLog()
    async with node(log.carrier(), listens) as runtime:
        run = await runtime.start(listens, id="r")
        await run.pause(command="p")
        await run.pause(command="p")
        await run.pause()
        await run.resume()
        await run.resume()

        assert named(log, "r").count("Paused") == named(log, "r").count("Resumed") == 1


@pytest.mark.anyio
async def test_a_run_that_has_ended_cannot_be_paused() -> None:
    log = MemoryLog()
    async with node(log.carrier(), naps) as runtime:
        run = await runtime.start(naps, id="r")
        await run.result(within=PATIENCE)

        with pytest.raises(Refused, match="ended"):
            await run.pause()


@step(at_most_once=True)
async def once(what: str) -> str:
    return await bench.held(what)


@workflow
async def one_step(what: str) -> str:
    return await held(what)


@workflow
async def once_only(what: str) -> str:
    return await once(what)


@pytest.mark.anyio
@pytest.mark.parametrize("flow", [one_step, once_only], ids=["plain", "at most once"])
async def test_an_attempt_that_waits_for_a_worker_begins_after_resume(flow: Flow) -> None:
    log = MemoryLog()
    async with node(log.carrier(), one_step, once_only, settings=Settings(worker_concurrency=1)) as runtime:
        hog = await runtime.start(one_step, "hog")
        await until(lambda: "hog" in bench.begun)
        run = await runtime.start(flow, "queued", id="r")
        await run.pause(wait=True)
        bench.go.set()
        await hog.result(within=PATIENCE)
        await rest()

        assert "queued" not in bench.begun
        assert named(log, "r") == ["RunStarted", "StepScheduled", "Paused"]

        await run.resume()

        assert await run.result(within=PATIENCE) == "queued"
    assert bench.count() == [1, 1]


@pytest.mark.anyio
async def test_an_attempt_whose_beginning_is_not_recorded_yet_begins_after_resume() -> None:
    log = MemoryLog()
    async with node(log.carrier(), once_only) as runtime:
        asked, go, ask = anyio.Event(), anyio.Event(), runtime.pool.ask

        async def slow(stream: str, command: object) -> object:
            asked.set()
            await go.wait()
            return await ask(stream, command)

        runtime.pool.ask = slow
        run = await runtime.start(once_only, "one", id="r")
        await asked.wait()
        await run.pause(wait=True)
        go.set()
        bench.go.set()
        await rest()

        assert named(log, "r") == ["RunStarted", "StepScheduled", "Paused"]

        await run.resume()

        assert await run.result(within=PATIENCE) == "one"
    assert bench.count() == [1]


@pytest.mark.anyio
async def test_a_beginning_that_comes_after_the_pause_is_not_recorded() -> None:
    log = MemoryLog()
    async with node(log.carrier(), once_only) as runtime:
        run = await runtime.start(once_only, "one", id="r")
        await until(lambda: "StepStarted" in named(log, "r"))
        facts = runtime.dispatcher.peek(stream("r")).facts
        step = facts.steps["0"]
        begun, step.begun = step.begun, None
        assert len(DECIDE[Begin](facts, Begin("0", 1, 5, "node"), 5)) == 1
        facts.phase = "paused"

        assert not DECIDE[Begin](facts, Begin("0", 1, 5, "node"), 5)

        facts.phase, step.begun = "running", begun
        bench.go.set()
        await run.result(within=PATIENCE)


@pytest.mark.anyio
async def test_an_attempt_that_was_interrupted_is_recorded_though_the_run_was_paused_meanwhile() -> None:
    log = MemoryLog()
    async with killed_node(log, once_only) as runtime:
        await runtime.start(once_only, "one", id="r")
        await until(lambda: "StepStarted" in named(log, "r"))
    async with node(log.carrier(2), once_only) as runtime:
        asked, go, ask = anyio.Event(), anyio.Event(), runtime.pool.ask

        async def slow(stream: str, command: object) -> object:
            asked.set()
            await go.wait()
            return await ask(stream, command)

        runtime.pool.ask = slow
        await asked.wait()
        await runtime.run("r").pause()
        go.set()
        await until(lambda: "StepFailed" in named(log, "r"))
        await runtime.run("r").resume()

        with pytest.raises(perdure.RunError, match="owner was lost"):
            await runtime.run("r").result(within=PATIENCE)
