"""What callers give that makes no sense is refused at the call: nothing of it reaches the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import perdure
from perdure import Invalid, Runtime, step, workflow
from perdure.eventlog.memory import MemoryLog
from tests.laws.node import named, node

FIVE: Any = 5
TEXT: Any = "2"
LAMBDA: Any = lambda: 1  # noqa: E731 - a function where a value is wanted


@step
async def noted() -> None: ...


async def plain() -> None: ...


@workflow
async def parked(number: int = 0) -> int:
    return number + await perdure.signal("go", int)


CALLS: dict[str, tuple[Callable[[Runtime], Awaitable[object]], str]] = {
    "start, id": (lambda it: it.start(parked, id=FIVE), "'order-17'"),
    "start, empty id": (lambda it: it.start(parked, id=""), "a variable that is not set"),
    "start, delay": (lambda it: it.start(parked, id="r", delay=FIVE), "timedelta(seconds=5)"),
    "start, deadline": (lambda it: it.start(parked, id="r", deadline=FIVE), "timedelta(seconds=5)"),
    "start, tenant": (lambda it: it.start(parked, id="r", tenant=FIVE), "a text"),
    "start, command": (lambda it: it.start(parked, id="r", command=FIVE), "a text"),
    "start, on_end": (lambda it: it.start(parked, id="r", on_end=FIVE), "a text"),
    "signal_or_start, empty id": (lambda it: it.signal_or_start(parked, id="", signal="go"), "a variable that is not set"),
    "signal_or_start, value": (lambda it: it.signal_or_start(parked, id="r", signal="go", value=LAMBDA), "turn it into one of these"),
    "start_definition, empty id": (lambda it: it.start_definition("pay", id=""), "a variable that is not set"),
    "result, within": (lambda it: it.run("p").result(within=FIVE), "timedelta(seconds=5)"),
    "update, within": (lambda it: it.run("p").update("add", within=FIVE), "timedelta(seconds=5)"),
    "query, within": (lambda it: it.run("p").query("sum", within=FIVE), "timedelta(seconds=5)"),
    "events, wait": (lambda it: it.events("p", wait=FIVE), "timedelta(seconds=5)"),
    "signal, a function": (lambda it: it.run("p").signal("go", LAMBDA), "turn it into one of these"),
    "signal, name": (lambda it: it.run("p").signal(FIVE), "'paid'"),
    "signal, empty name": (lambda it: it.run("p").signal(""), "'paid'"),
    "cancel, reason": (lambda it: it.run("p").cancel(FIVE), "a text"),
    "retry, version": (lambda it: it.run("p").retry(from_version=TEXT), "a whole number"),
    "upgrade, version": (lambda it: it.run("p").upgrade(TEXT), "a whole number"),
    "approve": (lambda it: it.run("p").approve(FIVE, by="ann"), "'ship'"),
    "run, id": (lambda it: it.run(FIVE).status(), "a text"),
    "runs, limit": (lambda it: it.runs(limit=TEXT), "a whole number"),
    "complete, token": (lambda it: it.complete(FIVE), "a text"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", CALLS)
async def test_a_call_that_makes_no_sense_is_refused_and_nothing_is_recorded(case: str) -> None:
    log = MemoryLog()
    call, instead = CALLS[case]
    async with node(log.carrier(), parked) as runtime:
        await runtime.start(parked, id="p")

        with pytest.raises(Invalid) as caught:
            await call(runtime)

        assert instead in caught.value.instead
        assert list(log.streams) == ["run/default/p"]
        assert named(log, "p") == ["RunStarted"]


@pytest.mark.anyio
async def test_a_start_without_an_id_has_one_made_up_and_none_says_the_same() -> None:
    async with node(MemoryLog().carrier(), parked) as runtime:
        ids = {(await runtime.start(parked)).id, (await runtime.start(parked, id=None)).id}

    assert len(ids) == 2
    assert "" not in ids


OPENED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no url": ({"url": None}, "a log is named by a URL", "sqlite:///perdure.db"),
    "a path": ({"url": Path("shop.db")}, "a log is named by a URL", "sqlite:///perdure.db"),
    "one workflow": ({"workflows": parked}, "workflows must be a list", "workflows=[…]"),
    "a plain function": ({"workflows": [plain]}, "workflows must be a list", "@workflow"),
    "a step": ({"workflows": [noted]}, "workflows must be a list", "@workflow"),
    "one step": ({"steps": noted}, "steps must be a list", "steps=[…]"),
    "a function as a step": ({"steps": [plain]}, "steps must be a list", "@step"),
    "settings": ({"settings": {"worker_concurrency": 8}}, "settings must be Settings", "Settings("),
}


@pytest.mark.anyio
@pytest.mark.parametrize("case", OPENED)
async def test_what_a_log_cannot_be_opened_with_is_refused_at_once(case: str) -> None:
    options, message, instead = OPENED[case]
    url: Any = options.get("url", "memory:")

    with pytest.raises(Invalid, match=message) as caught:
        async with perdure.open(url, **{name: given for name, given in options.items() if name != "url"}):
            pass

    assert instead in caught.value.instead


@pytest.mark.anyio
async def test_a_client_is_told_the_same_of_its_url_and_its_workflows() -> None:
    nowhere: Any = None
    with pytest.raises(Invalid, match="a log is named by a URL"):
        async with perdure.connect(nowhere):
            pass
    with pytest.raises(Invalid, match="workflows must be a list"):
        async with perdure.connect("http://127.0.0.1:9", workflows=nowhere):
            pass


@pytest.mark.anyio
async def test_what_was_right_stays_right() -> None:
    async with node(MemoryLog().carrier(), parked) as runtime:
        run = await runtime.start(parked, 1, id="r", delay=timedelta(0), deadline=timedelta(hours=1))
        await run.signal("go", 2)

        assert await run.result(within=timedelta(seconds=10)) == 3
