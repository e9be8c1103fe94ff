"""The runtime as its users see it: start, signal, cancel, terminate, result, drain, recovery."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import pytest
from msgspec import Raw

from perdure import Cancelled, Invalid, NotFound, Refused, RunError, Unavailable, gather, signal, sleep, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.requests import Applied, AwaitRun, Declined, LookAtRun, SignalRun, StartRun
from perdure.runtime.run.events import CODEC, Suspended
from perdure.runtime.run.machine import driver
from perdure.runtime.settings.node import Settings
from tests.runtime.serving import PATIENCE, events, serving, until

pytestmark = pytest.mark.anyio

begun: list[str] = []
release: list[anyio.Event] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    begun.clear()
    release.clear()


@step
async def note(what: str) -> str:
    begun.append(what)
    return what


@step
async def hold(what: str) -> str:
    begun.append(what)
    for gate in release:
        await gate.wait()
    return what


@workflow
async def greet(name: str, times: int = 1) -> str:
    return " ".join([await note(f"hello {name}") for _ in range(times)])


@workflow
async def listen() -> list[Any]:
    return [await signal("go"), await signal("go")]


@workflow
async def holds() -> str:
    return await hold("held")


async def test_a_start_with_a_taken_id_and_the_same_input_is_that_run() -> None:
    log = MemoryLog()
    async with serving(greet, log=log) as runtime:
        first = await runtime.start(greet, "Ada", id="one")
        assert await first.result(within=PATIENCE) == "hello Ada"
        again = await runtime.start(greet, "Ada", 1, id="one")

        assert await again.result(within=PATIENCE) == "hello Ada"
    assert begun == ["hello Ada"]
    assert events(log, "one").count("RunStarted") == 1


async def test_a_start_with_a_taken_id_and_other_input_is_refused() -> None:
    async with serving(greet, listen) as runtime:
        await runtime.start(greet, "Ada", id="one")
        with pytest.raises(Refused, match="the id belongs to another run"):
            await runtime.start(greet, "Bob", id="one")
        with pytest.raises(Refused, match="the id belongs to another run"):
            await runtime.start(listen, id="one")


async def test_a_start_repeated_with_its_command_id_is_the_same_run_though_it_names_none() -> None:
    log = MemoryLog()
    async with serving(greet, listen, log=log) as runtime:
        first = await runtime.start(greet, "Ada", command="c/1")
        again = await runtime.start(greet, "Ada", command="c/1")
        other = await runtime.start(greet, "Ada", command="c/2")
        elsewhere = await runtime.start(listen, command="c/1")
        with pytest.raises(Refused, match="the id belongs to another run"):
            await runtime.start(greet, "Bob", command="c/1")

        assert first.id == again.id
        assert len({first.id, other.id, elsewhere.id}) == 3
        await first.result(within=PATIENCE)
        assert (await runtime.start(greet, "Ada", command="c/1")).id == first.id
    assert events(log, first.id).count("RunStarted") == 1


async def test_a_version_that_is_not_known_is_no_other() -> None:
    async with serving(greet) as runtime:
        with pytest.raises(NotFound, match="no such workflow") as caught:
            await runtime.do(StartRun(workflow="greet", version=9, arguments=Raw(b'["Ada"]')))

    assert caught.value.found == "greet 9"


async def test_a_signal_repeated_with_its_command_id_counts_once_and_gets_its_first_answer() -> None:
    async with serving(listen) as runtime:
        run = await runtime.start(listen, id="one")
        send = SignalRun(run="one", name="go", command="c-1")
        first = await runtime.do(send)
        await run.signal("other")
        again = await runtime.do(send)

        assert again.version == first.version
        await run.signal("go", 2)
        assert await run.result(within=PATIENCE) == [None, 2]
        assert (await runtime.do(send)).version == first.version


async def test_signals_that_came_early_are_kept_in_their_order() -> None:
    async with serving(listen) as runtime:
        run = await runtime.start(listen)
        await run.signal("go", {"a": [1]})
        await run.signal("go", "b")

        assert await run.result(within=PATIENCE) == [{"a": [1]}, "b"]


async def test_an_ended_run_refuses_a_signal_and_a_cancel() -> None:
    async with serving(greet) as runtime:
        run = await runtime.start(greet, "Ada")
        await run.result(within=PATIENCE)
        for wish in (run.signal("go"), run.cancel(), run.terminate()):
            with pytest.raises(Refused, match="the run has ended"):
                await wish


@pytest.mark.parametrize("times", [1, 2])
async def test_a_run_that_does_not_exist_is_not_found_however_often_it_is_asked_for(times: int) -> None:
    async with serving(greet) as runtime:
        for _ in range(times):
            with pytest.raises(NotFound, match="there is no such run"):
                await runtime.run("nobody").result(within=PATIENCE)


async def test_a_result_that_does_not_come_in_time_is_unavailable_and_the_run_goes_on() -> None:
    async with serving(listen) as runtime:
        run = await runtime.start(listen)
        with pytest.raises(Unavailable, match="the run has not ended yet"):
            await run.result(within=timedelta(milliseconds=1))

        assert await run.status() == "running"


@workflow
async def cleans_up() -> str:
    try:
        await signal("never")
    except Cancelled:
        await note("cleaned up")
        raise
    return "not reached"


async def test_a_cancelled_run_cleans_up_and_ends_cancelled() -> None:
    async with serving(cleans_up) as runtime:
        run = await runtime.start(cleans_up)
        await run.cancel("enough")
        await run.cancel("twice is no more than once")
        with pytest.raises(RunError) as caught:
            await run.result(within=PATIENCE)

        assert (caught.value.status, (await run.look()).reason) == ("cancelled", "enough")
    assert begun == ["cleaned up"]


async def test_a_terminated_run_does_not_clean_up() -> None:
    async with serving(cleans_up) as runtime:
        run = await runtime.start(cleans_up)
        await run.terminate("at once")
        with pytest.raises(RunError, match="terminated"):
            await run.result(within=PATIENCE)
    assert begun == []


async def test_what_the_block_raises_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError, match="of the user"):
        async with serving(greet):
            raise ZeroDivisionError("of the user")


async def test_leaving_waits_for_running_steps() -> None:
    log, gate = MemoryLog(), anyio.Event()
    release.append(gate)
    async with serving(holds, log=log) as runtime, anyio.create_task_group() as group:
        await runtime.start(holds, id="one")
        await until(lambda: begun)

        async def free() -> None:
            await until(lambda: runtime.pool.stopping)
            gate.set()

        group.start_soon(runtime.pool.drain)
        group.start_soon(free)
    assert events(log, "one")[-1] == "RunCompleted"


async def test_what_still_ran_when_the_grace_was_over_runs_again_after_the_next_start() -> None:
    log = MemoryLog()
    release.append(anyio.Event())
    async with serving(holds, log=log, settings=Settings(drain_seconds=0.01)) as runtime:
        await runtime.start(holds, id="one")
        await until(lambda: begun)
    release.clear()
    async with serving(holds, carrier=log.carrier(epoch=2)) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "held"
        assert await runtime.alarm.sweep() == 0  # law 10: nothing is forgotten at rest

    assert begun == ["held", "held"]
    assert events(log, "one") == ["RunStarted", "StepScheduled", "Recovered", "StepCompleted", "RunCompleted"]


@workflow
async def naps() -> str:
    await sleep(timedelta(milliseconds=30))
    return "rested"


async def test_a_timer_outlives_the_runtime_that_set_it() -> None:
    log = MemoryLog()
    async with serving(naps, log=log) as runtime:
        await runtime.start(naps, id="one")
    async with serving(naps, carrier=log.carrier(epoch=2)) as runtime:
        assert await runtime.run("one").result(within=PATIENCE) == "rested"

    assert events(log, "one") == ["RunStarted", "TimerSet", "TimerFired", "RunCompleted"]


@workflow(name="changing")
async def before() -> str:
    await signal("go")
    return await note("first")


@workflow(name="changing")
async def changed() -> str:
    await note("something else")
    await signal("go")
    return await note("first")


@workflow(name="changing")
async def mended() -> str:
    await signal("go")
    return await note("first") + " mended"


def suspension(log: MemoryLog, run: str) -> Suspended:
    found = [event for record in log.streams[f"run/default/{run}"] for event in CODEC.decode(record.data).events]
    return next(event for event in found if isinstance(event, Suspended))


async def test_code_that_disagrees_suspends_the_run_and_code_that_agrees_resumes_it() -> None:
    """Law 8: loud and harmless; facts from outside still are recorded."""
    log = MemoryLog()
    async with serving(before, log=log) as runtime:
        await runtime.start(before, id="one")
    async with serving(changed, carrier=log.carrier(epoch=2)) as runtime:
        run = runtime.run("one")
        await run.signal("go")
        assert await run.status() == "suspended"
        await run.signal("kept")
        assert events(log, "one").count("Suspended") == 1
    said = suspension(log, "one")
    async with serving(mended, carrier=log.carrier(epoch=3)) as runtime:
        await runtime.run("one").signal("wake")
        assert await runtime.run("one").result(within=PATIENCE) == "first mended"

    assert (said.reason, said.expected) == ("diverged", "nothing (the log holds no such effect here)")
    assert said.found == "step 'note' as 0, arguments [\"something else\"]"
    assert begun == ["first"]
    assert "Resumed" in events(log, "one")


async def test_a_run_whose_workflow_is_not_registered_waits_suspended_for_it() -> None:
    log = MemoryLog()
    async with serving(listen, log=log) as runtime:
        await runtime.start(listen, id="one")
    async with serving(greet, carrier=log.carrier(epoch=2)) as runtime:
        await runtime.run("one").signal("go", 1)
        assert await runtime.run("one").status() == "suspended"
    async with serving(listen, carrier=log.carrier(epoch=3)) as runtime:
        await runtime.run("one").signal("go", 2)
        assert await runtime.run("one").result(within=PATIENCE) == [1, 2]

    said = suspension(log, "one")
    assert (said.reason, said.found, said.expected) == ("unknown_workflow", "no listen 1", "greet 1")


@workflow
async def recurses() -> int:
    def down(number: int) -> int:
        return down(number + 1)

    return down(0)


@workflow
async def never_rests() -> None:
    while True:
        await gather()


@pytest.mark.parametrize(("code", "message"), [(recurses, "the workflow recurses too deeply"), (never_rests, "the workflow never rests")])
async def test_code_that_cannot_come_to_rest_suspends_its_run_alone(code: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "EFFECTS_PER_REST_MAX", 1_000)
    log = MemoryLog()
    async with serving(code, greet, log=log) as runtime:
        run = await runtime.start(code, id="one")
        assert await (await runtime.start(greet, "Ada")).result(within=PATIENCE) == "hello Ada"
        assert await run.status() == "suspended"

    assert suspension(log, "one").message == message


async def test_code_that_recurses_too_deeply_over_a_log_of_another_build_is_told_by_its_name() -> None:
    @workflow(name="listen")
    async def listen_deep() -> list[int]:
        return [await recurses.function()]

    log = MemoryLog()
    async with serving(listen, log=log) as runtime:
        run = await runtime.start(listen, id="one")
        await run.signal("go", 1)
    async with serving(listen_deep, carrier=log.carrier(epoch=2)) as runtime:
        assert await runtime.run("one").status() == "suspended"

    said = suspension(log, "one")
    assert (said.reason, said.message) == ("code", "the workflow recurses too deeply")


async def test_a_door_gets_errors_as_data_that_become_the_same_errors() -> None:
    async with serving(greet) as runtime:
        declined = await runtime.handle(StartRun(workflow="gret"))
        nobody = await runtime.handle(LookAtRun(run="nobody"))
        accepted = await runtime.handle(StartRun(workflow="greet", run="one"))

    assert isinstance(declined, Declined)
    assert isinstance(declined.error(), NotFound)
    assert declined.error().parts()["expected"] == "greet 1"
    assert isinstance(nobody, Declined)
    assert isinstance(accepted, Declined)
    assert (accepted.code, accepted.parts["expected"]) == ("invalid", "(name: str, times: int = 1)")


async def test_a_door_may_name_arguments_and_wait_for_the_end() -> None:
    async with serving(greet) as runtime:
        started = await runtime.handle(StartRun(workflow="greet", run="one", arguments=Raw(b'{"times": 2, "name": "Ada"}')))
        ended = await runtime.handle(AwaitRun(run="one", within=PATIENCE.total_seconds()))

    assert isinstance(started, Applied)
    assert isinstance(ended, Applied)
    assert isinstance(ended.result, Raw)
    assert (ended.status, bytes(ended.result)) == ("completed", b'"hello Ada hello Ada"')


async def test_only_a_workflow_can_be_started() -> None:
    async with serving(greet) as runtime:
        with pytest.raises(Invalid, match="only a workflow can be started"):
            await runtime.start(note, "x")
