"""Rule 26: children. Ids, results and failures, attaching; what a start with a taken id gives. How they part is in the file beside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import ChildError, attach, child, gather, signal, sleep, start_child, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import escape
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run import events as ev
from tests.laws.node import PATIENCE, events_of, named, node, rest, stream, until

pytestmark = pytest.mark.anyio


@dataclass
class Sum:
    of: list[int]
    cents: int


class CardDeclined(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"declined with {code}")
        self.code = code


@step
async def add(amounts: list[int]) -> int:
    return sum(amounts)


@workflow
async def total(amounts: list[int]) -> Sum:
    return Sum(amounts, await add(amounts))


@workflow
async def declined() -> None:
    try:
        raise ConnectionError("no line")
    except ConnectionError as error:
        raise CardDeclined(402) from error


@workflow
async def waits() -> str:
    return await signal("go", str)


@workflow
async def two_totals() -> list[Sum]:
    return [await child(total, [1, 2]), *(await gather(child(total, [3]), child(total, amounts=[4, 5])))]


async def test_a_child_is_a_run_of_its_own_named_after_its_parent_and_its_effect() -> None:
    log = MemoryLog()
    async with node(log.carrier(), two_totals, total) as runtime:
        run = await runtime.start(two_totals, id="p")

        assert await run.result(within=PATIENCE) == [Sum([1, 2], 3), Sum([3], 3), Sum([4, 5], 9)]
        assert await runtime.run("p/0").result(within=PATIENCE) == Sum([1, 2], 3)
        await until(lambda: all(summary.head.wake_at is None for summary in log.summaries.values()))
    assert sorted(log.streams) == [stream(run) for run in ("p", "p/0", "p/1.0/0", "p/1.1/0")]
    assert named(log, "p/0") == ["RunStarted", "StepScheduled", "StepCompleted", "RunCompleted", "Unwatched"]


async def test_a_default_id_that_is_too_long_ends_in_a_digest() -> None:
    log, long = MemoryLog(), "p" * 150
    async with node(log.carrier(), two_totals, total) as runtime:
        run = await runtime.start(two_totals, id=long)
        assert len(await run.result(within=PATIENCE)) == 3
    names = {event.run for event in events_of(log, long) if isinstance(event, ev.ChildScheduled)}

    assert len(names) == 3
    assert all(len(escape(name)) <= 120 and name.startswith("p" * 100) for name in names)


async def test_a_file_keeps_children_like_any_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'c.db'}"
    async with perdure.open(url, workflows=[two_totals, total]) as runtime:
        run = await runtime.start(two_totals, id="p")
        await run.result(within=PATIENCE)
    async with perdure.open(url, workflows=[two_totals, total]) as runtime:
        assert (await runtime.run("p").result())[0] == Sum([1, 2], 3)
        assert (await replay(runtime.carrier.log, stream("p"), runtime.registry)).agrees


@workflow
async def parent_of_declined() -> dict[str, object]:
    try:
        await child(declined)
    except ChildError as error:
        cause = error.cause.type if error.cause else None
        return {"run": error.run, "status": error.status, "told": [error.type, error.message, cause], "details": error.details}
    raise AssertionError("unreachable")


async def test_the_failure_of_a_child_is_a_child_error_live_and_replayed() -> None:
    log = MemoryLog()
    async with node(log.carrier(), parent_of_declined, declined) as runtime:
        told = await (await runtime.start(parent_of_declined, id="p")).result(within=PATIENCE)
        verdict = await replay(log, stream("p"), runtime.registry)

    assert told == {"run": "p/0", "status": "failed", "told": ["CardDeclined", "declined with 402", "ConnectionError"],
                    "details": {"code": 402}}  # fmt: skip
    assert verdict.agrees, verdict.difference


@workflow
async def fails_with_its_child() -> None:
    await child(declined)


async def test_a_run_that_a_child_error_ends_has_failed_by_its_child() -> None:
    log = MemoryLog()
    async with node(log.carrier(), fails_with_its_child, declined) as runtime:
        with pytest.raises(perdure.RunError) as caught:
            await (await runtime.start(fails_with_its_child, id="p")).result(within=PATIENCE)
    failed = events_of(log, "p")[-1]

    assert isinstance(failed, ev.RunFailed)
    assert failed.kind == "child"
    assert caught.value.failure is not None
    assert caught.value.failure.cause is not None
    assert caught.value.failure.cause.message == "declined with 402"


@workflow
async def hands_on() -> list[str]:
    handle = await start_child(waits, id="c")
    await sleep(timedelta(0))
    return [handle.id, await handle.result(), await handle.result()]


async def test_start_child_goes_on_with_the_start_and_its_handle_gives_the_result_as_often_as_asked() -> None:
    log = MemoryLog()
    async with node(log.carrier(), hands_on, waits) as runtime:
        run = await runtime.start(hands_on, id="p")
        await until(lambda: "TimerFired" in named(log, "p"))
        assert named(log, "p") == ["RunStarted", "ChildScheduled", "ChildStarted", "TimerSet", "TimerFired"]
        await runtime.dispatcher.passivate()
        await rest()
        assert not runtime.dispatcher.is_awake(stream("p")), "what waits for a child needs no memory"
        await runtime.run("c").signal("go", "gone")

        assert await run.result(within=PATIENCE) == ["c", "gone", "gone"]
        assert (await replay(log, stream("p"), runtime.registry)).agrees


@workflow
async def attaches(run: str) -> str:
    return await attach(run, str)


async def test_attach_waits_for_the_end_of_any_run_and_tells_every_one_who_waits() -> None:
    log = MemoryLog()
    async with node(log.carrier(), attaches, waits) as runtime:
        await runtime.start(waits, id="w")
        runs = [await runtime.start(attaches, "w", id=f"a{number}") for number in range(3)]
        await until(lambda: named(log, "w").count("Watched") == 3)
        await runtime.run("w").signal("go", "done")
        assert [await run.result(within=PATIENCE) for run in runs] == ["done"] * 3
        await until(lambda: named(log, "w").count("Unwatched") == 3)

        late = await runtime.start(attaches, "w", id="late")
        assert await late.result(within=PATIENCE) == "done"
    assert named(log, "w").count("Watched") == 3, "a run that has ended answers at once, and keeps nothing"


async def test_attaching_to_nobody_is_refused_once_and_for_all() -> None:
    log = MemoryLog()
    async with node(log.carrier(), attaches) as runtime:
        with pytest.raises(perdure.RunError) as caught:
            await (await runtime.start(attaches, "nobody", id="p")).result(within=PATIENCE)

    assert caught.value.failure is not None
    assert "refused: NotFound: there is no such run" in caught.value.failure.message
    assert named(log, "p") == ["RunStarted", "AttachScheduled", "ChildEnded", "RunFailed"]
    assert stream("nobody") not in log.streams


@workflow
async def by_name(id: str, amounts: list[int]) -> int | str:
    try:
        return (await child(total, amounts, id=id)).cents
    except ChildError as error:
        return f"{error.status}: {error.type}: {error.message}"


async def test_a_taken_id_gives_the_run_of_the_same_input_and_refuses_another() -> None:
    log = MemoryLog()
    async with node(log.carrier(), by_name, total) as runtime:
        first = await runtime.start(by_name, "c", [1, 2], id="first")
        assert await first.result(within=PATIENCE) == 3
        same = await runtime.start(by_name, "c", [1, 2], id="same")
        other = await runtime.start(by_name, "c", [7], id="other")

        assert await same.result(within=PATIENCE) == 3
        assert await other.result(within=PATIENCE) == "refused: Refused: the id belongs to another run"
    assert named(log, "c").count("RunStarted") == 1


async def test_a_workflow_that_is_not_registered_is_refused_and_says_what_to_do() -> None:
    log = MemoryLog()
    async with node(log.carrier(), by_name) as runtime:
        said = await (await runtime.start(by_name, "c", [1], id="p")).result(within=PATIENCE)

    assert said == "refused: NotFound: no such workflow"
    (refusal,) = [event for event in events_of(log, "p") if isinstance(event, ev.ChildEnded)]
    assert refusal.error is not None
    assert isinstance(refusal.error.details, Raw)
    assert b"workflows=[" in bytes(refusal.error.details)


async def test_a_wrong_child_is_refused_in_the_code_that_asks_for_it() -> None:
    said: list[str] = []

    @workflow
    async def asks() -> None:
        anything: Any = child
        for given in ((add, [1]), (total, ["1"])):
            try:
                await anything(*given)
            except perdure.Invalid as error:
                said.append(error.message)
        for more in ({"on_parent_end": "forget"}, {"id": ""}, {"id": "x" * 200}):
            try:
                await anything(total, [1], **more)
            except perdure.Invalid as error:
                said.append(error.message)

    async with node(MemoryLog().carrier(), asks, total) as runtime:
        await (await runtime.start(asks)).result(within=PATIENCE)

    assert said == [
        "only a workflow can be a child", "the value does not fit its annotation", "no such way to part",
        "an id does not fit a stream name", "an id does not fit a stream name",
    ]  # fmt: skip


async def test_outside_a_workflow_a_child_cannot_be_awaited() -> None:
    with pytest.raises(perdure.Invalid, match="outside a workflow"):
        await child(total, [1])
    await anyio.lowlevel.checkpoint()
