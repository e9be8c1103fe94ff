"""Rule 5: a failed step raises StepError, or the class that it declares, the same live and on replay."""

from __future__ import annotations

from typing import Any

import pytest

import perdure
from perdure import StepError, step, workflow
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.inspect.replay import replay
from tests.laws.node import PATIENCE, killed_node, node, stream


class CardDeclined(Exception):
    def __init__(self, card: str, left: int) -> None:
        super().__init__(f"{card} was declined")
        self.card = card
        self.left = left


raised_objects: list[Exception] = []


@step(raises=[CardDeclined])
async def charge() -> None:
    raised_objects.append(CardDeclined("visa", 3))
    raise raised_objects[-1]


@step
async def look_up(key: str) -> None:
    try:
        dict[str, int]()[key]
    except KeyError as missing:
        raise LookupError("nobody") from missing


@workflow
async def meets() -> list[Any]:
    seen: list[Any] = []
    try:
        await charge()
    except CardDeclined as declined:
        seen += [declined.card, declined.left, any(declined is one for one in raised_objects)]
    try:
        await look_up("k")
    except StepError as error:
        cause = error.cause
        seen += [error.step, error.type, error.message, cause and cause.type]
    await perdure.signal("end")
    return seen


@pytest.mark.anyio
async def test_live_and_replayed_the_code_sees_the_same_error() -> None:
    raised_objects.clear()
    log, results = MemoryLog(), list[Any]()
    async with killed_node(log, meets) as runtime:
        live = await runtime.start(meets, id="live")
        await live.signal("end")
        results.append(await live.result(within=PATIENCE))
        await runtime.start(meets, id="replayed")
    async with node(log.carrier(2), meets) as runtime:
        await runtime.run("replayed").signal("end")
        results.append(await runtime.run("replayed").result(within=PATIENCE))

        assert (await replay(log, stream("live"), runtime.registry)).agrees
    assert results == [["visa", 3, False, "look_up", "LookupError", "nobody", "KeyError"]] * 2
