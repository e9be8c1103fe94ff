"""Rule 26: what becomes of a child that its parent no longer wants, or whose parent has ended: cancel, abandon, terminate."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import perdure
from perdure import ChildError, attach, child, first_of, signal, start_child, step, task_group, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.children import OnParentEnd
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run import events as ev
from tests.laws.node import AT_ONCE, PATIENCE, events_of, killed_node, named, node, stream, until

pytestmark = pytest.mark.anyio

Flow = Callable[[OnParentEnd], Coroutine[Any, Any, object]]


@step
async def tidy_up() -> str:
    return "tidy"


@workflow
async def waits() -> str:
    try:
        return await signal("go", str)
    finally:
        await tidy_up()


@workflow
async def races(how: OnParentEnd) -> int:
    return (await first_of(child(waits, id="c", on_parent_end=how), signal("enough"))).index


@workflow
async def fails_beside(how: OnParentEnd) -> str:
    try:
        async with task_group() as group:
            group.start(child(waits, id="c", on_parent_end=how))
            raise ValueError(await signal("enough", str))
    except ExceptionGroup as errors:
        return str(errors.exceptions[0])


@workflow
async def returns(how: OnParentEnd) -> str:
    return (await start_child(waits, id="c", on_parent_end=how)).id


@workflow
async def breaks(how: OnParentEnd) -> str:
    await start_child(waits, id="c", on_parent_end=how)
    raise ValueError("broken")


@workflow
async def is_stopped(how: OnParentEnd) -> str:
    return await child(waits, id="c", on_parent_end=how)


async def at_rest(log: MemoryLog) -> None:
    await until(lambda: all(summary.head.wake_at is None for summary in log.summaries.values()))


async def status(runtime: Runtime, run: str) -> str:
    return await runtime.run(run).status()


PARTINGS = {"cancel": "cancelled", "terminate": "terminated", "abandon": "running"}


@pytest.mark.parametrize("how", PARTINGS)
@pytest.mark.parametrize("flow", [races, fails_beside, returns, breaks, is_stopped])
async def test_a_child_that_is_no_longer_wanted_parts_as_it_was_told(flow: Flow, how: OnParentEnd) -> None:
    log = MemoryLog()
    async with node(log.carrier(), races, fails_beside, returns, breaks, is_stopped, waits) as runtime:
        run: perdure.RunHandle[object] = await runtime.start(flow, how, id="p")
        await until(lambda: "ChildStarted" in named(log, "p"))
        await run.signal("enough", "enough") if flow in (races, fails_beside) else None
        await run.cancel() if flow is is_stopped else None
        await until(lambda: log.summaries[stream("p")].head.status != "running")
        await at_rest(log)

        assert await status(runtime, "c") == PARTINGS[how]
        assert ("StepCompleted" in named(log, "c")) == (how == "cancel"), "only who is cancelled tidies up"
        assert ("ChildReleased" in named(log, "p")) == (how != "abandon")
        if how == "abandon":
            await runtime.run("c").signal("go", "alone")
            assert await runtime.run("c").result(within=PATIENCE) == "alone"
            await at_rest(log)


@pytest.mark.parametrize("how", PARTINGS)
async def test_a_terminated_parent_parts_from_its_children(how: OnParentEnd) -> None:
    log = MemoryLog()
    async with node(log.carrier(), is_stopped, waits) as runtime:
        run = await runtime.start(is_stopped, how, id="p")
        await until(lambda: "ChildStarted" in named(log, "p"))
        await run.terminate()
        await at_rest(log)

        assert await status(runtime, "c") == PARTINGS[how]


@workflow
async def attaches() -> str:
    return str((await first_of(attach("c"), signal("enough", str))).value)


async def test_a_run_that_was_only_attached_to_goes_on_and_forgets_who_left() -> None:
    log = MemoryLog()
    async with node(log.carrier(), attaches, waits) as runtime:
        await runtime.start(waits, id="c")
        run = await runtime.start(attaches, id="p")
        await until(lambda: "Watched" in named(log, "c"))
        await run.signal("enough", "left")
        assert await run.result(within=PATIENCE) == "left"
        await at_rest(log)
        assert named(log, "c") == ["RunStarted", "Watched", "Unwatched"]
        assert await status(runtime, "c") == "running"


async def test_a_run_that_somebody_else_started_is_not_cancelled_by_who_shares_its_id() -> None:
    log = MemoryLog()
    async with node(log.carrier(), races, waits) as runtime:
        await runtime.start(waits, id="c")
        run = await runtime.start(races, "cancel", id="p")
        await until(lambda: "Watched" in named(log, "c"))
        await run.signal("enough")
        assert await run.result(within=PATIENCE) == 1
        await at_rest(log)

        assert await status(runtime, "c") == "running"


async def test_a_child_that_was_wanted_and_left_before_it_could_start_never_runs() -> None:
    """The node dies between the wish and its performing; while it is away the parent is cancelled: its code never sees the child."""
    log = MemoryLog()
    async with killed_node(log, is_stopped) as runtime:
        async def never(target: str, command: object) -> Any:
            raise perdure.Unavailable("cut off")

        runtime.courier.ask = never
        run = await runtime.start(is_stopped, "cancel", id="p")
        await run.cancel()
    assert stream("c") not in log.streams
    async with node(log.carrier(2), is_stopped, waits) as runtime:
        await at_rest(log)

        assert named(log, "c") == ["RunDelayed", "CancelRequested", "RunCancelled", "Unwatched"]
        assert (await replay(log, stream("c"), runtime.registry)).agrees
        assert named(log, "p")[-1] == "ChildReleased"
        late = await runtime.start(waits, id="c")
        assert await late.status() == "cancelled", "a start that comes late is not a start"


@workflow
async def gives_up_on_failure() -> list[str]:
    said: list[str] = []
    for id in ("a", "b"):
        try:
            said.append(await child(waits, id=id))
        except ChildError as error:
            said.append(f"{error.status}: {error.type}: {error.message}")
    return said


async def test_a_child_that_others_end_says_so() -> None:
    log = MemoryLog()
    async with node(log.carrier(), gives_up_on_failure, waits) as runtime:
        run = await runtime.start(gives_up_on_failure, id="p")
        await until(lambda: named(log, "p").count("ChildStarted") == 1)
        await runtime.run("a").cancel("too old")
        await until(lambda: named(log, "p").count("ChildStarted") == 2)
        await runtime.run("b").terminate("too loud")

        assert await run.result(within=PATIENCE) == ["cancelled: Cancelled: too old", "terminated: Terminated: too loud"]


async def test_the_end_of_a_child_reaches_a_parent_that_nobody_served_meanwhile() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), is_stopped, waits, settings=AT_ONCE) as runtime:
        await runtime.start(is_stopped, "cancel", id="p")
        await until(lambda: "ChildStarted" in named(log, "p"))
    async with killed_node(log, waits, epoch=2) as runtime:
        async def never(target: str, command: object) -> Any:
            raise perdure.Unavailable("cut off")

        runtime.courier.ask = never
        await runtime.run("c").signal("go", "done")
        await until(lambda: "RunCompleted" in named(log, "c"))
        assert log.summaries[stream("c")].head.wake_at == 0, "somebody must still be told"
    async with node(log.carrier(3), is_stopped, waits) as runtime:
        assert await runtime.run("p").result(within=PATIENCE) == "done"
        await at_rest(log)
    assert isinstance(events_of(log, "c")[-1], ev.Unwatched)
