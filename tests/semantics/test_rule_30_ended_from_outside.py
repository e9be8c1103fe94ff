"""Rule 30: a step may finish later from outside: `complete(token, value)` and `fail(token, error)`; and a person may skip one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import CompleteLater, Interrupted, Invalid, NotFound, Refused, Retry, StepError, current, sleep, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.tokens import token_of
from perdure.runtime.run.events import StepSkipped
from tests.laws.node import PATIENCE, Bench, events_of, killed_node, named, node, until

pytestmark = pytest.mark.anyio

bench: list[Bench] = []
tokens: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    bench[:] = [Bench()]
    tokens.clear()


@step
async def ask_partner(what: str) -> int:
    bench[0].attempt(what)
    tokens.append(current().token)
    raise CompleteLater


@step
def ask_in_a_thread(what: str) -> int:
    tokens.append(current().token)
    raise CompleteLater


@workflow
async def trade(how: str = "task") -> str:
    try:
        return f"got {await (ask_partner('price') if how == 'task' else ask_in_a_thread('price'))}"
    except StepError as error:
        return f"{error.type}: {error.message}"


async def deferred(log: MemoryLog) -> str:
    await until(lambda: "StepDeferred" in named(log, "one"))
    return tokens[-1]


@pytest.mark.parametrize("how", ["task", "thread"])
async def test_a_step_is_completed_by_its_token(how: str) -> None:
    log = MemoryLog()
    async with node(log.carrier(1), trade) as runtime:
        run = await runtime.start(trade, how, id="one")
        token = await deferred(log)
        head = log.summaries["run/default/one"].head
        await runtime.complete(token, 12)

        assert await run.result(within=PATIENCE) == "got 12"
    assert (head.status, head.wake_at) == ("running", None), "nobody here has anything to do for it"
    assert named(log, "one") == ["RunStarted", "StepScheduled", "StepDeferred", "StepCompleted", "RunCompleted"]


async def test_a_step_is_failed_by_its_token_for_good() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), trade) as runtime:
        run = await runtime.start(trade, id="one")
        await runtime.fail(await deferred(log), ValueError("no price"))

        assert await run.result(within=PATIENCE) == "ValueError: no price"


async def test_it_outlives_the_node_and_is_not_attempted_again() -> None:
    log = MemoryLog()
    async with killed_node(log, trade) as runtime:
        await runtime.start(trade, id="one")
        token = await deferred(log)
    async with node(log.carrier(2), trade) as runtime:
        await runtime.complete(token, 3)

        assert await runtime.run("one").result(within=PATIENCE) == "got 3"
    assert bench[0].count() == [1]


async def test_a_parked_run_uses_no_memory() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), trade) as runtime:
        await runtime.start(trade, id="one")
        token = await deferred(log)
        await until(lambda: not runtime.pool.flying)

        assert await runtime.dispatcher.passivate() == 1
        await runtime.complete(token, 4)
        assert await runtime.run("one").result(within=PATIENCE) == "got 4"


async def test_a_repeat_changes_nothing_and_anything_else_is_refused() -> None:
    log = MemoryLog()

    @workflow
    async def goes_on() -> int:
        price = await ask_partner("price")
        await sleep(timedelta(days=1))
        return price

    async with node(log.carrier(1), goes_on) as runtime:
        run = await runtime.start(goes_on, id="one")
        token = await deferred(log)
        await runtime.complete(token, 1)
        await runtime.complete(token, 2)

        assert named(log, "one").count("StepCompleted") == 1
        with pytest.raises(Refused, match="ends nothing any more") as caught:
            await runtime.fail(token, "late")
        assert "has ended" in caught.value.found
        await run.terminate()
        with pytest.raises(Refused, match="the run has ended"):
            await runtime.fail(token, "later")


async def test_a_value_that_does_not_fit_the_annotation_is_refused_at_the_door() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), trade) as runtime:
        run = await runtime.start(trade, id="one")
        token = await deferred(log)
        with pytest.raises(Invalid, match="does not fit") as caught:
            await runtime.complete(token, "twelve")
        await runtime.complete(token, 12)

        assert await run.result(within=PATIENCE) == "got 12"
    assert caught.value.expected == "int"


async def test_the_token_of_another_attempt_is_refused() -> None:
    log = MemoryLog()

    @step(retry=Retry(attempts=2, first=timedelta(milliseconds=1)))
    async def second_time() -> int:
        tokens.append(current().token)
        if current().attempt == 1:
            raise ConnectionError("down")
        raise CompleteLater

    @workflow
    async def flow() -> int:
        return await second_time()

    async with node(log.carrier(1), flow) as runtime:
        run = await runtime.start(flow, id="one")
        await deferred(log)
        with pytest.raises(Refused, match="ends nothing any more") as caught:
            await runtime.complete(tokens[0], 1)
        await runtime.complete(tokens[1], 2)

        assert await run.result(within=PATIENCE) == 2
    assert (caught.value.expected, caught.value.found) == ("the token of attempt 2", "that of attempt 1")


async def test_a_token_that_was_made_up_is_refused() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), trade) as runtime:
        await runtime.start(trade, id="one")
        await deferred(log)
        forged = token_of("run/default/one", "0", 1, seed=1)
        with pytest.raises(Refused, match="ends nothing any more"):
            await runtime.complete(forged, 1)
        with pytest.raises(NotFound):
            await runtime.complete(token_of("run/default/none", "0", 1, seed=1), 1)
        for nonsense in ("", "nonsense", "x" * 2000, token_of("fence/a/b", "0", 1, 1)):
            with pytest.raises(Invalid, match="no token"):
                await runtime.complete(nonsense, 1)


async def test_whoever_is_faster_than_the_attempt_is_heard() -> None:
    log = MemoryLog()

    @step
    async def slow_to_let_go() -> int:
        tokens.append(current().token)
        await bench[0].go.wait()
        raise CompleteLater

    @workflow
    async def flow() -> int:
        return await slow_to_let_go()

    async with node(log.carrier(1), flow) as runtime:
        run = await runtime.start(flow, id="one")
        await until(lambda: tokens)
        await runtime.complete(tokens[0], 5)

        assert await run.result(within=PATIENCE) == 5
        bench[0].go.set()
    assert "StepDeferred" not in named(log, "one")


async def test_the_overall_time_of_a_deferred_step_goes_on() -> None:
    log = MemoryLog()

    @step(overall=timedelta(milliseconds=30))
    async def impatient() -> int:
        raise CompleteLater

    @workflow
    async def flow() -> str:
        try:
            return str(await impatient())
        except StepError as error:
            return error.type

    async with node(log.carrier(1), flow) as runtime:
        assert await (await runtime.start(flow, id="one")).result(within=PATIENCE) == "TimeoutError"


async def test_at_most_once_and_deferred_is_not_interrupted_by_a_crash() -> None:
    log = MemoryLog()

    @step(at_most_once=True)
    async def once() -> int:
        tokens.append(current().token)
        raise CompleteLater

    @workflow
    async def flow() -> str:
        try:
            return f"got {await once()}"
        except Interrupted:
            return "interrupted"

    async with killed_node(log, flow) as runtime:
        await runtime.start(flow, id="one")
        token = await deferred(log)
    async with node(log.carrier(2), flow) as runtime:
        await runtime.complete(token, 1)
        assert await runtime.run("one").result(within=PATIENCE) == "got 1"


# -- skipping -----------------------------------------------------------------------------------------------------------


@step(retry=Retry(attempts=9, first=timedelta(hours=1)))
async def stubborn(what: str) -> int:
    bench[0].attempt(what)
    if what == "fails":
        raise ConnectionError("down")
    if what == "defers":
        raise CompleteLater
    await bench[0].held(what)
    return 0


@workflow
async def persists(what: str) -> int:
    return await stubborn(what)


@pytest.mark.parametrize("what", ["fails", "defers", "runs"])
async def test_a_person_gives_an_open_step_its_value(what: str) -> None:
    log = MemoryLog()
    last: dict[str, Any] = {"fails": "StepFailed", "defers": "StepDeferred", "runs": "StepScheduled"}
    async with node(log.carrier(1), persists) as runtime:
        run = await runtime.start(persists, what, id="one")
        await until(lambda: bench[0].begun and named(log, "one")[-1] == last[what])
        await run.skip("stubborn", 7, by="ada", why="the bank confirmed by telephone", command="s-1")
        await run.skip("stubborn", 8, command="s-1")

        assert await run.result(within=PATIENCE) == 7
        await until(lambda: not runtime.pool.flying)
    (skipped,) = (event for event in events_of(log, "one") if isinstance(event, StepSkipped))
    assert (skipped.id, bytes(skipped.value), skipped.by, skipped.command) == ("0", b"7", "ada", "s-1")
    assert named(log, "one")[-2:] == ["StepSkipped", "RunCompleted"]
    assert bench[0].cancelled == ([what] if what == "runs" else [])


async def test_a_skip_says_what_is_open() -> None:
    log = MemoryLog()

    @workflow
    async def two() -> tuple[int, int]:
        return await perdure.gather(stubborn("a"), stubborn("b"))

    async with node(log.carrier(1), two) as runtime:
        run = await runtime.start(two, id="one")
        with pytest.raises(Refused, match="several open steps") as caught:
            await run.skip("stubborn", 1)
        with pytest.raises(Refused, match="no open step"):
            await run.skip("other", 1)
        with pytest.raises(Invalid, match="does not fit"):
            await run.skip("0.0/0", "one")
        await run.skip("0.0/0", 1)
        await run.skip("0.1/0", 2)

        assert await run.result(within=PATIENCE) == (1, 2)
        with pytest.raises(Refused, match="the run has ended"):
            await run.skip("0.0/0", 1)
    assert "0.0/0 (stubborn)" in caught.value.expected


async def test_a_paused_run_takes_what_came_from_outside_when_it_goes_on() -> None:
    log = MemoryLog()
    async with killed_node(log, trade) as runtime:
        run = await runtime.start(trade, id="one")
        token = await deferred(log)
        await run.pause()
    async with node(log.carrier(2), trade) as runtime:
        await runtime.complete(token, 6)
        run = runtime.run("one")
        assert await run.status() == "paused"
        await run.resume()

        assert await run.result(within=PATIENCE) == "got 6"


async def test_a_run_whose_code_is_gone_cannot_say_what_fits() -> None:
    log = MemoryLog()

    @workflow
    async def other() -> None: ...

    async with killed_node(log, trade) as runtime:
        await runtime.start(trade, id="one")
        token = await deferred(log)
    async with node(log.carrier(2), other) as runtime:
        with pytest.raises(Refused, match="cannot be asked"):
            await runtime.complete(token, 6)
        await runtime.run("one").terminate()
