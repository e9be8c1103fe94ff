"""Handlers as branches of a run: their ids, their order, what they may raise, and what ends them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure import Refused, gather, handling, on_query, on_signal, on_update, signal, sleep, wait_until, workflow
from perdure.eventlog.errors import Diverged, Invalid, PerdureError
from perdure.runtime.run import events as ev
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.machine.handlers import answered, judged
from perdure.runtime.run.machine.shell import outside_loop
from perdure.runtime.run.state import CancelAsked, UpdateAsked
from tests.runtime.run.driving import done, fed, fired, result, signalled, wanted

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@perdure.step
async def work(name: str) -> str:
    return name


def raw(*args: Any) -> Raw:
    return Raw(msgspec.json.encode(args))


def update(name: str, *args: Any, command: str = "c") -> UpdateAsked:
    return UpdateAsked(0, name, raw(*args), command)


def ask(machine: Machine, name: str, *args: Any) -> Any:
    value, failure = outside_loop(answered, machine, name, raw(*args))
    return msgspec.json.decode(value) if failure is None else failure


def failure(machine: Machine) -> str:
    assert isinstance(machine.ending, ev.RunFailed), machine.ending
    return machine.ending.error.message


@workflow
async def gatherer() -> list[int]:
    found: list[int] = []
    await sleep(SECOND)
    on_signal("n", found.append)
    await wait_until(lambda: len(found) >= 3)
    return found


def test_signals_that_came_before_their_handler_are_handed_to_it_in_the_order_of_the_log() -> None:
    assert result(fed(gatherer, signalled("n", 1), signalled("n", 2), fired("0"), signalled("n", 3))) == [1, 2, 3]


@workflow
async def attended() -> list[str]:
    kept: list[str] = []

    async def note(word: str) -> None:
        kept.append(await work(word))

    on_signal("note", note)
    await work("own")
    await wait_until(lambda: len(kept) == 2)
    await work("own again")
    return kept


def test_an_async_handler_is_a_branch_that_shifts_no_other_id() -> None:
    alone = fed(attended)
    visited = fed(attended, signalled("note", "a"), signalled("note", "b"))
    over = fed(attended, *(signalled("note", w) for w in "ab"), done("0", ""), done("note~1/0", "b"), done("note~0/0", "a"), done("2", ""))

    assert wanted(alone) == ["0"]
    assert wanted(visited) == ["0", "note~0/0", "note~1/0"]
    assert result(over) == ["b", "a"]


def test_a_handler_that_raises_ends_the_run_as_failed_after_its_cleanup() -> None:
    @workflow
    async def flow() -> None:
        def bad(value: int) -> None:
            raise ValueError(f"no {value}")

        on_signal("bad", bad)
        try:
            await sleep(DAY)
        finally:
            await work("cleanup")

    cleaning = fed(flow, signalled("bad", 1), signalled("bad", 2))
    machine = fed(flow, signalled("bad", 1), signalled("bad", 2), done("1", ""))

    assert (wanted(cleaning), cleaning.ending) == (["1"], None)
    assert failure(machine) == "no 1"


def test_a_signal_that_does_not_fit_its_handler_is_a_failure_too() -> None:
    @workflow
    async def flow() -> None:
        def take(value: int) -> None: ...

        on_signal("n", take)
        await sleep(DAY)

    assert failure(fed(flow, signalled("n", "text"))) == "a recorded value does not fit its annotation"


def test_a_run_may_wait_for_its_handlers() -> None:
    @workflow
    async def flow() -> int:
        seen = 0

        async def slow() -> None:
            nonlocal seen
            await work("slow")
            seen += 1

        on_signal("slow", slow)
        await signal("end")
        await wait_until(lambda: handling() == 0)
        return seen

    assert fed(flow, signalled("slow"), signalled("end")).ending is None
    assert result(fed(flow, signalled("slow"), signalled("end"), done("slow~0/0", ""))) == 1


def test_a_cancelled_run_cancels_its_handlers_too() -> None:
    seen: list[str] = []

    @workflow
    async def flow() -> None:
        async def slow(value: int) -> None:
            try:
                await sleep(DAY)
            finally:
                seen.append(f"handler {value}")

        on_signal("slow", slow)
        try:
            await sleep(DAY)
        finally:
            seen.append("body")

    machine = fed(flow, signalled("slow", 1), signalled("slow", 2), CancelAsked(0))

    assert isinstance(machine.ending, ev.RunCancelled)
    assert seen == ["body", "handler 1", "handler 2"]


class Order(msgspec.Struct):
    item: str
    count: int = 1


@workflow
async def shop() -> int:
    cart: dict[str, int] = {}
    closed = False

    def may_add(order: Order) -> None:
        if order.count < 1:
            raise ValueError("at least one of it")

    def add(order: Order) -> int:
        cart[order.item] = cart.get(order.item, 0) + order.count
        return cart[order.item]

    async def close(*, note: str = "") -> str:
        nonlocal closed
        receipt = await work(note)
        closed = True
        return receipt

    def count(item: str) -> int:
        return cart[item]

    on_update("add", add, validate=may_add)
    on_update("close", close)
    on_query("count", count)
    on_query("log", lambda: perdure.log("seen"))
    await wait_until(lambda: closed)
    return sum(cart.values())


def completions(machine: Machine) -> list[tuple[str, Any]]:
    """(command, result or message of the error) of the updates that were answered."""
    found = [wish for wish in machine.wishes if isinstance(wish, ev.UpdateCompleted)]
    return [(wish.command, wish.error.message if wish.error else msgspec.json.decode(wish.result)) for wish in found]


def test_an_update_is_answered_by_its_handler_sync_or_async() -> None:
    machine = fed(shop, update("add", Order("tea", 2), command="a"), update("close", {"note": "bye"}, command="b"), done("close~0/0", "r"))

    assert completions(machine) == [("a", 2), ("b", "r")]
    assert result(machine) == 2
    assert type(machine.wishes[-1]) is ev.RunCompleted, "the answer is recorded before the end"


def test_what_an_update_raises_is_its_answer_and_the_run_goes_on() -> None:
    @workflow
    async def flow() -> int:
        def divide(a: int, b: int) -> float:
            return a / b

        on_update("divide", divide)
        return await signal("end", int)

    machine = fed(flow, update("divide", 1, 0), signalled("end", 5))

    assert (completions(machine), result(machine)) == ([("c", "division by zero")], 5)


def test_a_validator_says_no_and_arguments_must_fit() -> None:
    machine = fed(shop)

    with pytest.raises(Refused, match="at least one of it") as refused:
        outside_loop(judged, machine, "add", raw(Order("tea", 0)))
    with pytest.raises(Invalid) as unfit:
        outside_loop(judged, machine, "add", raw({"item": 3}))
    with pytest.raises(Refused, match="no update of this name") as unknown:
        outside_loop(judged, machine, "pay", raw())
    assert refused.value.found == "ValueError"
    assert unfit.value.where == "$[0].item"
    assert unknown.value.expected == "add, close"
    assert bytes(outside_loop(judged, machine, "add", Raw(b'{"order":{"item":"tea"}}'))) == b'[{"item":"tea"}]'


def test_a_query_answers_and_may_not_change_anything() -> None:
    machine = fed(shop, update("add", Order("tea", 2)))

    assert ask(machine, "count", "tea") == 2
    assert ask(machine, "count", "jam").type == "KeyError"
    with pytest.raises(Invalid, match="may only look"):
        ask(machine, "log")
    with pytest.raises(Refused, match="no query of this name") as unknown:
        ask(machine, "total")
    assert unknown.value.expected == "count, log"


def test_an_accepted_update_without_its_handler_is_a_difference_between_code_and_log() -> None:
    @workflow
    async def flow() -> None:
        await sleep(DAY)

    with pytest.raises(Diverged, match="has no handler"):
        fed(flow, update("add", 1))


def two_values(a: int, b: int) -> None: ...


def many_values(*args: int) -> None: ...


async def later(value: int) -> int:
    return value


def twice() -> None:
    on_update("u", later)
    on_update("u", later)


def shown(machine: Machine) -> str:
    return machine.ending.error.message if isinstance(machine.ending, ev.RunFailed) else ""


@pytest.mark.parametrize(
    ("register", "says"),
    [
        (lambda: on_query("q", later), "a query answers at once"),
        (lambda: on_query("q", str), "a handler must say what it takes"),
        (lambda: on_signal("a b", print), "a handler needs a plain name"),
        (lambda: on_signal("s", cast("Any", two_values)), "a signal carries one value"),
        (twice, "there is a handler of this name already"),
        (lambda: on_update("u", many_values), "a variable number of arguments cannot be recorded by name"),
    ],
)
def test_what_cannot_be_a_handler_is_refused(register: Any, says: str) -> None:
    @workflow
    async def flow() -> None:
        register()

    assert shown(fed(flow)) == says


def test_a_signal_is_either_awaited_or_handled() -> None:
    @workflow
    async def awaited() -> None:
        async def late() -> None:
            on_signal("s", print)

        await gather(signal("s"), late())

    @workflow
    async def handled() -> None:
        on_signal("s", print)
        await signal("s")

    assert shown(fed(awaited)) == "a branch awaits this signal"
    assert shown(fed(handled)) == "the signal has a handler, which gets every one of this name"


def test_the_same_code_with_another_default_is_another_handler() -> None:
    @workflow
    async def flow() -> None:
        for number in range(3):

            def same(number: int = number) -> int:
                return number

            on_query(f"q{number}", same)
        await sleep(DAY)

    machine = fed(flow)

    assert [ask(machine, f"q{number}") for number in range(3)] == [0, 1, 2]


def test_outside_a_workflow_there_is_nothing_to_handle() -> None:
    with pytest.raises(PerdureError, match="outside a workflow"):
        on_signal("s", print)
