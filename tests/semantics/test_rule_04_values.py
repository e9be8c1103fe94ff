"""Rule 4: code always receives decode(encode(value)), live and on replay; what would not come back as it is, is refused with its path."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest

import perdure
from perdure import RunError, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import PATIENCE, killed_node, node


@dataclass
class Basket:
    items: list[str] = field(default_factory=list[str])


returned: list[Basket] = []
LOSSY: dict[str, Any] = {
    "tuple": {"a": [1, (2, 3)]},
    "bytes": {"a": [1, b"x"]},
    "set": {"a": [1, {2}]},
    "not a number": {"a": [1, math.nan]},
    "infinity": {"a": [1, math.inf]},
    "lone surrogate": {"a": [1, "\ud800"]},
}


@step
async def fill() -> Basket:
    returned.append(Basket(["apple"]))
    return returned[-1]


@step
async def give(what: str) -> Any:
    return LOSSY[what]


@workflow
async def shops() -> list[Any]:
    basket = await fill()
    return [basket.items, any(basket is other for other in returned), await perdure.signal("end")]


@workflow
async def asks(what: str) -> Any:
    return await give(what)


@pytest.mark.anyio
async def test_the_code_never_holds_the_object_that_the_step_returned() -> None:
    returned.clear()
    log = MemoryLog()
    async with killed_node(log, shops) as runtime:
        live = await runtime.start(shops, id="live")
        await live.signal("end")

        assert await live.result(within=PATIENCE) == [["apple"], False, None]
        await runtime.start(shops, id="replayed")
    async with node(log.carrier(2), shops) as runtime:
        await runtime.run("replayed").signal("end")

        assert await runtime.run("replayed").result(within=PATIENCE) == [["apple"], False, None]


@pytest.mark.parametrize("what", LOSSY)
@pytest.mark.anyio
async def test_what_would_come_back_changed_is_invalid_at_the_step_with_its_path(what: str) -> None:
    async with node(MemoryLog().carrier(), asks) as runtime:
        with pytest.raises(RunError) as ended:
            await (await runtime.start(asks, what, id="r")).result(within=PATIENCE)

    failure = ended.value.failure
    assert failure is not None
    assert failure.cause is not None
    assert (failure.type, failure.cause.type) == ("StepError", "Invalid")
    assert b'"where":"$.a[1]"' in bytes(failure.cause.details or b"")
