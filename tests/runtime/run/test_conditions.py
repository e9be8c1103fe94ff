"""wait_until: who goes on, in which order, and what a predicate may not do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure import StepError, first_of, gather, signal, sleep, task_group, timeout, wait_until, workflow
from perdure.eventlog.errors import Diverged
from perdure.runtime.run import events as ev
from perdure.runtime.run.state import CancelAsked
from tests.runtime.run.driving import done, fed, fired, result, signalled, wanted

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@perdure.step
async def work(name: str) -> str:
    return name


def test_one_that_goes_on_is_at_rest_again_before_the_next_predicate_is_looked_at() -> None:
    @workflow
    async def flow() -> list[str]:
        busy, order = True, list[str]()

        async def worker(name: str) -> None:
            nonlocal busy
            await wait_until(lambda: not busy)
            busy = True
            order.append(f"{name} in")
            await work(name)
            order.append(f"{name} out")
            busy = False

        async def opener() -> None:
            nonlocal busy
            await signal("go")
            busy = False

        await gather(worker("a"), worker("b"), worker("c"), opener())
        return order

    machine = fed(flow, signalled("go"), done("0.0/1", ""), done("0.1/1", ""), done("0.2/1", ""))

    assert result(machine) == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_a_predicate_that_holds_at_once_sets_no_timer() -> None:
    @workflow
    async def flow() -> str:
        await wait_until(lambda: True, timeout=DAY)
        return "at once"

    machine = fed(flow)

    assert result(machine) == "at once"
    assert [type(wish) for wish in machine.wishes] == [ev.RunCompleted]


def test_the_time_that_is_up_is_a_timeout_error_and_the_timer_of_one_that_held_is_given_back() -> None:
    @workflow
    async def flow() -> list[str]:
        ready, told = False, list[str]()
        try:
            await wait_until(lambda: ready, timeout=SECOND)
        except TimeoutError:
            told.append("too late")

        async def tell() -> None:
            nonlocal ready
            await signal("ready")
            ready = True

        await gather(tell(), wait_until(lambda: ready, timeout=DAY))
        return told

    waiting = fed(flow)
    machine = fed(flow, fired("0", 1_000_000), signalled("ready"))

    assert wanted(waiting) == ["0"]
    assert result(machine) == ["too late"]
    assert [wish for wish in machine.wishes if isinstance(wish, ev.EffectsAbandoned)] == [ev.EffectsAbandoned(["1.1/0"])]


def test_it_takes_a_number_of_its_branch() -> None:
    @workflow
    async def flow() -> None:
        await wait_until(lambda: True)
        await work("a")

    assert wanted(fed(flow)) == ["1"]


def test_a_predicate_that_raises_fails_its_own_await() -> None:
    @workflow
    async def flow() -> str:
        try:
            await wait_until(lambda: 1 // 0)
        except ZeroDivisionError:
            return "caught"
        return "never"

    assert result(fed(flow)) == "caught"


def test_a_loser_and_a_cancelled_branch_are_asked_no_more() -> None:
    asked: list[str] = []

    def ask(name: str) -> bool:
        asked.append(name)
        return False

    @workflow
    async def flow() -> str:
        await first_of(wait_until(lambda: ask("race")), signal("go"))
        try:
            async with timeout(SECOND):
                await wait_until(lambda: ask("scope"))
        except TimeoutError:
            asked.clear()
        await signal("go")
        return "over"

    machine = fed(flow, signalled("go"), fired("1"), signalled("go"))

    assert (result(machine), asked, machine.conditions) == ("over", [], {})


def test_a_run_that_is_cancelled_sees_it_at_the_wait() -> None:
    @workflow
    async def flow() -> None:
        await wait_until(lambda: False, timeout=DAY)

    machine = fed(flow, CancelAsked(0))

    assert isinstance(machine.ending, ev.RunCancelled)
    assert machine.wishes[-2] == ev.EffectsAbandoned(["0"])


def test_predicates_that_hold_for_ever_end_the_turn_loudly() -> None:
    @workflow
    async def flow() -> None:
        while True:
            await wait_until(lambda: True)

    with pytest.raises(Diverged, match="never rests"):
        fed(flow)


async def _later() -> bool:
    await sleep(SECOND)
    return True


def _taught(predicate: Any) -> str:
    @workflow
    async def flow() -> None:
        await wait_until(predicate)

    ending = fed(flow).ending
    assert isinstance(ending, ev.RunFailed)
    return ending.error.message


def test_a_predicate_may_only_look() -> None:
    assert _taught(_later) == "wait_until cannot await"
    assert _taught(lambda: sleep(SECOND)) == "wait_until cannot await"
    assert _taught(lambda: work("x")) == "wait_until cannot await"
    assert _taught(lambda: perdure.random().random() < 1) == "random() was called where the code may only look"
    assert _taught(lambda: perdure.log("x")) == "log() was called where the code may only look"
    assert _taught(lambda: perdure.attributes(x=1)) == "attributes() was called where the code may only look"


def test_a_predicate_may_ask_for_the_time_of_the_run() -> None:
    @workflow
    async def flow() -> str:
        start = perdure.now()
        await gather(sleep(SECOND), wait_until(lambda: perdure.now() > start))
        return "later"

    assert result(fed(flow, fired("0.0/0", 1_000_000))) == "later"


def test_a_failure_beside_it_ends_the_wait() -> None:
    @workflow
    async def flow() -> str:
        try:
            async with task_group() as group:
                group.start(wait_until(lambda: False))
                raise ValueError("the body fails")
        except* (ValueError, StepError):
            pass
        return "over"

    machine = fed(flow)

    assert (result(machine), machine.conditions) == ("over", {})
