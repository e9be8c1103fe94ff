"""What racing histories found of parents, children and owners: answers that come so late that they mean another time."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import anyio
import pytest

import perdure
from perdure.eventlog.codec import Event
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append
from perdure.runtime.authoring.values import NOTHING
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import DECIDE
from perdure.runtime.run.state import RunState
from perdure.runtime.testing.fences import Fences
from tests.sim.test_found import served
from tests.sim.test_found_in_races import BROKEN, PATIENCE, STARTED, folded, told

pytestmark = pytest.mark.anyio


@perdure.step
async def waits_the_second_time() -> str:
    if perdure.current().attempt == 1:
        raise ValueError("not yet")
    begun_again[0].set()
    await may_end[0].wait()
    return "done"


begun_again: list[anyio.Event] = []
may_end: list[anyio.Event] = []


@perdure.workflow
async def of_one_child() -> str:
    return await perdure.child(one_that_fails_once)


@perdure.workflow
async def one_that_fails_once() -> str:
    return await waits_the_second_time()


async def test_an_answer_to_what_a_child_told_before_it_was_retried_does_not_keep_its_next_end_from_its_parent() -> None:
    may_end[:], begun_again[:] = [anyio.Event()], [anyio.Event()]
    said = list[str]()
    async with served({}, of_one_child, one_that_fails_once) as (runtime, _):
        real = runtime.courier.ask

        async def ask(to: str, command: Any) -> Any:
            answer = await real(to, command)
            if isinstance(command, ev.ChildEnded):
                said.append(command.status)
                if len(said) == 1:
                    await begun_again[0].wait()  # the answer is long on its way
            return answer

        runtime.courier.ask = ask
        run = await runtime.start(of_one_child, id="seven")
        with anyio.fail_after(PATIENCE):
            with pytest.raises(perdure.RunError):
                await run.result()
            await run.retry()
            await told(runtime, "seven_2f0", ev.Unwatched)
            may_end[0].set()
            result = await run.result()

    assert (result, said) == ("done", ["failed", "completed"])


PARENT = STARTED, ev.ChildScheduled("0", "flow/0", "part", 1, NOTHING), ev.ChildStarted("0")
FAILED_CHILD = ev.ChildEnded("0", "failed", error=BROKEN)


def decided(facts: RunState, command: Any) -> Sequence[Event]:
    return DECIDE[type(command)](facts, command, 1)


def test_a_parent_that_is_retried_is_told_anew_how_its_child_ended() -> None:
    facts = folded(*PARENT, FAILED_CHILD, ev.RunFailed("child", BROKEN), ev.RetryRequested(0, void=True))
    news = ev.ChildEnded("0", "failed", error=BROKEN, since=6)

    assert list(decided(facts, FAILED_CHILD)) == []
    assert list(decided(facts, ev.ChildStarted("0"))) == []
    assert list(decided(facts, news)) == [news]


def test_a_parting_that_comes_late_does_not_stop_a_child_whose_parent_was_retried() -> None:
    place, again = "run/default/flow#0", "run/default/flow@6#0"
    begun = ev.RunStarted("part", 1, NOTHING, 7, parent=place)
    facts = folded(begun, ev.RunCancelled(), ev.RunStarted("part", 1, NOTHING, 7, command=again, parent=place))

    assert set(facts.watchers) == {place, again}
    assert list(decided(facts, cmd.Leave(place, "cancel"))) == []
    assert decided(facts, cmd.Leave(again, "cancel"))[-2:] == [ev.Unwatched(place), ev.Unwatched(again)]


class LateAnswers(MemoryLog):
    """Answers each append only once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = anyio.Event()

    async def append(self, appends: Sequence[Append]) -> Any:
        answer = await super().append(appends)
        await self.let.wait()
        return answer


async def test_a_node_that_lost_a_partition_does_not_own_it_again_by_a_late_answer_to_its_claim() -> None:
    log, won, nothing = LateAnswers(), list[int](), list[object]().append
    mine, other = (
        Fences(name, log, Random(1), now=lambda: 1, seems_alive=lambda owner: False, pulse=nothing, won=won.append, lost=nothing, longest=1)
        for name in ("mine", "other")
    )
    async with anyio.create_task_group() as group:
        group.start_soon(mine.claim, 0)
        await anyio.wait_all_tasks_blocked()
        await mine.learn()
        await other.learn()
        group.start_soon(other.claim, 0)
        await anyio.wait_all_tasks_blocked()
        await mine.learn()
        log.let.set()

    assert (mine.held, other.held, won) == ({}, {0: 2}, [0])
