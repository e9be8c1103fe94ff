"""What a type checker would have refused is refused at run time too, by an error that says what to write instead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import ApprovalPolicy, Invalid, Limit, Retry, RunError, approval, gather, signal, sleep, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, node

FIVE: Any = 5
NOTHING: Any = ""
TEXT: Any = "3"
ERROR: Any = ValueError
TYPES: Any = [int]
FUNCTION: Any = lambda: 1  # noqa: E731 - a function where a value is wanted


@step
async def charge(cents: int) -> int:
    return cents


async def plain() -> None: ...


def several(*work: Any) -> Any:
    return list(work)


ANY_STEP: Any = charge

DECORATED: dict[str, tuple[Callable[[], object], str, str]] = {
    "retry": (lambda: step(retry=FIVE)(plain), "step 'plain'", "retry=Retry(attempts=3)"),
    "timeout": (lambda: step(timeout=FIVE)(plain), "step 'plain'", "timedelta(seconds=5)"),
    "overall": (lambda: step(overall=FIVE)(plain), "step 'plain'", "timedelta(seconds=5)"),
    "heartbeat_timeout": (lambda: step(heartbeat_timeout=FIVE)(plain), "step 'plain'", "timedelta(seconds=5)"),
    "limit": (lambda: step(limit=FIVE)(plain), "step 'plain'", "limit=Limit('stripe', concurrency=5)"),
    "queue": (lambda: step(queue=FIVE)(plain), "step 'plain'", "queue='gpu'"),
    "name": (lambda: step(name=FIVE)(plain), "step 5", "name='charge'"),
    "at_most_once": (lambda: step(at_most_once=FUNCTION)(plain), "step 'plain'", "at_most_once=True"),
    "raises, a class": (lambda: step(raises=ERROR)(plain), "step 'plain'", "raises=(CardDeclined,)"),
    "raises, texts": (lambda: step(raises=(FIVE,))(plain), "step 'plain'", "raises=(CardDeclined,)"),
    "needs, a text": (lambda: step(needs="pool")(plain), "step 'plain'", "needs=[Pool]"),
    "a class as a step": (lambda: step(Exception), "step 'Exception'", "write a function around it"),
    "a step as a step": (lambda: step(ANY_STEP), "step 'charge'", "write a function around it"),
    "a workflow as a step": (lambda: step(workflow(plain)), "step 'plain'", "perdure.child(…)"),
    "a step as a workflow": (lambda: workflow(ANY_STEP), "workflow 'charge'", "write 'async def'"),
    "version": (lambda: workflow(version=TEXT)(plain), "workflow 'plain'", "version=2"),
    "name of a workflow": (lambda: workflow(name=FIVE)(plain), "workflow 5", "'fulfil'"),
    "attempts": (lambda: Retry(attempts=TEXT), "Retry", "attempts=3"),
    "on": (lambda: Retry(on=ERROR), "Retry", "on=(ConnectionError,)"),
    "first": (lambda: Retry(first=FIVE), "Retry", "timedelta(seconds=5)"),
    "concurrency": (lambda: Limit("stripe", concurrency=TEXT), "Limit('stripe')", "concurrency=5"),
    "rate": (lambda: Limit("stripe", rate=(5, FIVE)), "Limit('stripe')", "rate=(100, timedelta(seconds=1))"),
}


@pytest.mark.parametrize("case", DECORATED)
def test_what_a_decorator_cannot_take_is_refused_where_it_stands(case: str) -> None:
    decorate, who, instead = DECORATED[case]

    with pytest.raises(Invalid) as caught:
        decorate()

    assert caught.value.who == who
    assert instead in caught.value.instead


def race(*work: Any) -> Awaitable[object]:
    return perdure.first_of(*work)


async def start_step() -> None:
    async with perdure.task_group() as group:
        group.start(ANY_STEP)


async def within_five() -> None:
    async with perdure.timeout(FIVE):
        await charge(1)


AWAITED: dict[str, tuple[Callable[[], Awaitable[object]], str, str]] = {
    "sleep": (lambda: sleep(FIVE), "sleep", "timedelta(seconds=5)"),
    "sleep_until": (lambda: perdure.sleep_until(FIVE), "sleep_until", "perdure.now()"),
    "timeout": (within_five, "timeout", "timedelta(seconds=5)"),
    "wait_until, timeout": (lambda: perdure.wait_until(FUNCTION, FIVE), "wait_until", "timedelta(seconds=5)"),
    "wait_until, a value": (lambda: perdure.wait_until(FIVE), "wait_until", "wait_until(lambda: paid)"),
    "approval, timeout": (lambda: approval("ship", timeout=FIVE), "approval 'ship'", "timedelta(seconds=5)"),
    "approval, name": (lambda: approval(FIVE), "approval", "'ship'"),
    "approval, policy": (lambda: approval("ship", policy=FIVE), "approval 'ship'", "policy=ApprovalPolicy("),
    "approval, quorum": (lambda: approval("ship", policy=ApprovalPolicy(quorum=NOTHING)), "approval 'ship'", "quorum=2"),
    "signal, a number": (lambda: signal(FIVE), "signal", "'paid'"),
    "signal, a function": (lambda: signal(FUNCTION), "signal", "'paid'"),
    "signal, an empty name": (lambda: signal(NOTHING), "signal", "'paid'"),
    "signal, no type": (lambda: signal("paid", TYPES), "signal 'paid'", "annotate with such a type"),
    "attach": (lambda: perdure.attach(FIVE), "attach", "'order-17'"),
    "gather, a list": (lambda: gather(several(charge(1))), "gather", "gather(*work)"),
    "gather, not called": (lambda: gather(ANY_STEP, ANY_STEP), "<step charge>", "charge(…)"),
    "first_of, a list": (lambda: race(several(charge(1))), "first_of", "first_of(*work)"),
    "await, not called": (lambda: ANY_STEP, "<step charge>", "charge(…)"),
}


@workflow
async def tried(case: str) -> str:
    try:
        await AWAITED[case][0]()
    except Invalid as told:
        return msgspec.json.encode(told.parts()).decode()
    return "{}"


@pytest.mark.anyio
@pytest.mark.parametrize("case", AWAITED)
async def test_what_a_workflow_cannot_await_is_refused_in_words_that_any_process_would_say(case: str) -> None:
    log = MemoryLog()
    async with node(log.carrier(), tried) as runtime:
        told: dict[str, str] = msgspec.json.decode(await (await runtime.start(tried, case, id="r")).result(within=PATIENCE))

    assert told["who"] == AWAITED[case][1]
    assert AWAITED[case][2] in told["instead"]
    assert "0x" not in told["found"]


def keep_number() -> None:
    perdure.log(FIVE)


def patch_number() -> None:
    perdure.patched(FIVE)


def hear_number() -> None:
    perdure.on_signal(FIVE, print)


SAID: dict[str, Callable[[], None]] = {"log()": keep_number, "patched()": patch_number, "on_signal": hear_number}


@workflow
async def says(what: str) -> None:
    SAID[what]()


@workflow
async def groups_it() -> str:
    told: list[str] = []
    try:
        await start_step()
    except* Invalid as group:
        told = [str(error) for error in group.exceptions]
    return told[0]


@workflow
async def runs_a_loop() -> None:
    work = plain()
    try:
        asyncio.run(work)
    finally:
        work.close()


@workflow
async def runs_on_a_loop() -> None:
    loop, work = asyncio.new_event_loop(), plain()
    try:
        loop.run_until_complete(work)
    finally:
        work.close()
        loop.close()


@pytest.mark.anyio
@pytest.mark.parametrize("what", SAID)
async def test_a_word_that_is_no_text_is_refused_before_the_log_keeps_what_it_cannot_read(what: str) -> None:
    log = MemoryLog()
    async with node(log.carrier(), says) as runtime:
        with pytest.raises(RunError, match="must be a text"):
            await (await runtime.start(says, what, id="r")).result(within=PATIENCE)
        assert (await runtime.run("r").look()).failure is not None


@pytest.mark.anyio
async def test_a_step_that_was_not_called_fails_its_group() -> None:
    async with node(MemoryLog().carrier(), groups_it) as runtime:
        assert "<step charge> was not called" in await (await runtime.start(groups_it)).result(within=PATIENCE)


@pytest.mark.anyio
@pytest.mark.parametrize(("flow", "what"), [(runs_a_loop, "asyncio: run()"), (runs_on_a_loop, "asyncio: run_until_complete()")])
async def test_a_loop_of_its_own_is_told_as_what_it_is(flow: Any, what: str) -> None:
    log = MemoryLog()
    async with node(log.carrier(), flow) as runtime:
        with pytest.raises(RunError) as ended:
            await (await runtime.start(flow, id="r")).result(within=PATIENCE)

    failure = ended.value.failure
    assert failure is not None
    assert failure.type == "ForeignAwait"
    assert isinstance(failure.details, Raw)
    details: dict[str, str] = msgspec.json.decode(failure.details)
    assert details["found"] == what
    assert flow.name in details["where"]
    assert "do I/O inside an @step" in details["instead"]


@pytest.mark.anyio
async def test_outside_a_workflow_too_a_step_is_called_before_it_is_awaited() -> None:
    with pytest.raises(Invalid, match="was not called"):
        await ANY_STEP


def test_a_duration_is_told_in_the_unit_that_was_meant() -> None:
    with pytest.raises(Invalid) as caught:
        perdure.timeout(FIVE / 2)

    assert caught.value.instead == "write for example timedelta(seconds=2.5)"
    assert not perdure.timeout(timedelta(seconds=2.5)).expired
