"""Groups of branches: who gets a signal, what a second cancellation does, what an ended group refuses."""

from __future__ import annotations

from datetime import timedelta

import perdure
from perdure import StepError, first_of, gather, signal, sleep, task_group, timeout, workflow
from perdure.runtime.authoring.errors import Failure
from perdure.runtime.authoring.groups import Task
from perdure.runtime.run import events as ev
from perdure.runtime.run.state import CancelAsked, Outcome
from tests.runtime.run.driving import done, fed, fired, result, signalled, wanted

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@perdure.step
async def work(name: str) -> str:
    return name


def test_a_loser_leaves_the_signal_that_was_there_for_it() -> None:
    @workflow
    async def flow() -> list[str]:
        await sleep(SECOND)
        won = await first_of(signal("x", str), signal("y", str))
        return [won.value, await signal("y", str)]

    assert result(fed(flow, signalled("x", "x"), signalled("y", "y"), fired("0"))) == ["x", "y"]


def test_a_signal_that_a_loser_gives_back_goes_to_the_branch_that_waits_longest() -> None:
    @workflow
    async def flow() -> list[str]:
        await sleep(SECOND)
        race = first_of(signal("x", str), signal("y", str))
        won, *others = await gather(race, signal("y", str), signal("y", str))
        return [won.value, *others]

    machine = fed(flow, signalled("x", "x"), signalled("y", "first"), fired("0"), signalled("y", "second"))

    assert result(machine) == ["x", "first", "second"]


def test_a_branch_that_loses_before_it_goes_on_gives_its_signal_back() -> None:
    @workflow
    async def flow() -> list[str]:
        async def take(name: str) -> str:
            return await signal(name, str)

        await sleep(SECOND)
        won = await first_of(take("x"), take("y"))
        return [won.value, await signal("y", str)]

    assert result(fed(flow, signalled("y", "y"), signalled("x", "x"), fired("0"))) == ["x", "y"]


def test_a_cancellation_during_the_cleanup_of_a_limit_strikes_at_the_next_await() -> None:
    @workflow
    async def flow() -> str:
        async def member() -> None:
            try:
                await sleep(DAY)
            finally:
                await work("cleanup")

        try:
            async with timeout(SECOND):
                await gather(member(), sleep(DAY))
        except TimeoutError:
            await work("after the limit")
        return "over"

    in_cleanup = fed(flow, fired("0"), CancelAsked(0))
    machine = fed(flow, fired("0"), CancelAsked(0), done("1.0/1", "cleanup"))
    left = wanted(in_cleanup)
    in_cleanup.close()

    assert left == ["1.0/1"]
    assert isinstance(machine.ending, ev.RunCancelled)
    assert "after the limit" not in [getattr(wish, "args", b"") for wish in machine.wishes]


def test_a_group_reports_an_error_once_though_its_body_saw_it_too() -> None:
    @workflow
    async def flow() -> int:
        found = 0
        try:
            async with task_group() as group:
                await group.start(work("bad"))
        except* StepError as failed:
            found = len(failed.exceptions)
        return found

    assert result(fed(flow, Outcome(0, "0.0/0", error=Failure("ValueError", "bad")))) == 1


def test_a_group_that_has_ended_takes_no_more_branches() -> None:
    @workflow
    async def flow() -> None:
        async with task_group() as group:
            pass
        group.start(work("late"))

    machine = fed(flow)

    assert isinstance(machine.ending, ev.RunFailed)
    assert machine.ending.error.message == "a task_group that has ended takes no more branches"


def test_a_member_may_begin_others_while_its_group_is_waited_for() -> None:
    @workflow
    async def flow() -> str:
        async with task_group() as group:

            async def first() -> None:
                await work("first")
                late.append(group.start(work("late")))

            late: list[Task[str]] = []
            group.start(first())
        return late[0].result()

    assert result(fed(flow, done("0.0/0", "first"), done("0.1/0", "late"))) == "late"


def test_a_race_of_nobody_is_refused() -> None:
    @workflow
    async def flow() -> None:
        await first_of()

    machine = fed(flow)

    assert isinstance(machine.ending, ev.RunFailed)
    assert machine.ending.error.message == "a race needs somebody who runs"
