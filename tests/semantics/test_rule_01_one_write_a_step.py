"""Rule 1: one write a step: the record that resumes the code also holds all that the code now wants."""

from __future__ import annotations

import pytest

from perdure import RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run.events import CODEC, StepCompleted, StepFailed, StepScheduled
from tests.laws.node import PATIENCE, events_of, node, stream


@step
async def double(n: int) -> int:
    return 2 * n


@step
async def refuse() -> None:
    raise ValueError("no")


@workflow
async def three() -> int:
    return await double(await double(await double(1)))


@workflow
async def fails() -> None:
    await refuse()


@pytest.mark.anyio
async def test_each_record_holds_an_outcome_and_what_the_code_wants_next() -> None:
    log = MemoryLog()
    async with node(log.carrier(), three) as runtime:
        assert await (await runtime.start(three, id="r")).result(within=PATIENCE) == 8
    records = [[type(event).__name__ for event in CODEC.decode(record.data).events] for record in log.streams[stream("r")]]

    assert records == [
        ["RunStarted", "StepScheduled"],
        ["StepCompleted", "StepScheduled"],
        ["StepCompleted", "StepScheduled"],
        ["StepCompleted", "RunCompleted"],
    ]


@pytest.mark.anyio
async def test_the_log_alone_says_what_was_asked_for_by_whom_it_was_done_and_when() -> None:
    log = MemoryLog()
    async with node(log.carrier(), three, fails, owner="this one") as runtime:
        await (await runtime.start(three, id="r")).result(within=PATIENCE)
        with pytest.raises(RunError):
            await (await runtime.start(fails, id="f")).result(within=PATIENCE)
    found = [*events_of(log, "r"), *events_of(log, "f")]
    scheduled = [event for event in found if isinstance(event, StepScheduled)]
    ended = [event for event in found if isinstance(event, StepCompleted | StepFailed)]

    assert [(event.id, event.name, bytes(event.args)) for event in scheduled[:2]] == [("0", "double", b"[1]"), ("1", "double", b"[2]")]
    assert [(event.id, event.attempt, event.worker) for event in ended] == [(id, 1, "this one") for id in ("0", "1", "2", "0")]
    assert all(event.started <= event.ended for event in ended)
