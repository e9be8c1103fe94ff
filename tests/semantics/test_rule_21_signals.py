"""Signals: first in, first out for each name, kept until they are read within a bound; handlers, and waiting for what they change."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import perdure
from perdure import Refused, on_query, on_signal, signal, sleep, wait_until
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.run import admitting
from perdure.testing import Simulation
from tests.laws.node import PATIENCE, named, node

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


@perdure.step
async def ship(item: str) -> str:
    await anyio.sleep(1)
    return f"{item} shipped"


@perdure.workflow
async def parcel() -> list[str]:
    done: list[str] = []
    closed = False

    async def add(item: str) -> None:
        done.append(await ship(item))

    def close() -> None:
        nonlocal closed
        closed = True

    await sleep(timedelta(seconds=2))
    on_signal("add", add)
    on_signal("close", close)
    await wait_until(lambda: closed and perdure.handling() == 0, timeout=DAY)
    return sorted(done)


SENT = [(1.0, "add", "tea"), (1.5, "add", "jam"), (5.0, "add", "rice"), (9.0, "close", None)]


def test_handlers_and_predicates_survive_a_crash_after_every_write() -> None:
    outcome = Simulation(seed=21).run(parcel, crash_after_every_append=True, signals=SENT)

    assert outcome.value == ["jam shipped", "rice shipped", "tea shipped"]
    assert outcome.crashes >= 5


@pytest.mark.parametrize("seed", range(5))
def test_handlers_and_predicates_survive_crashes_at_any_moment(seed: int) -> None:
    outcome = Simulation(seed, nodes=2).run(parcel, crash_at_random=True, signals=SENT, same_as_without=False)

    assert outcome.value == ["jam shipped", "rice shipped", "tea shipped"]


@perdure.workflow
async def counter(until: int) -> int:
    count = 0

    def add(number: int) -> None:
        nonlocal count
        count += number

    on_signal("add", add)
    on_query("count", lambda: count)
    await wait_until(lambda: count >= until)
    return count


@pytest.mark.parametrize("kept", ["memory:", "sqlite:///"])
async def test_a_run_waits_for_the_state_that_its_handlers_change(kept: str, tmp_path: Path) -> None:
    url = kept if kept == "memory:" else f"sqlite:///{tmp_path}/log.db"
    async with perdure.open(url, workflows=[counter]) as runtime:
        run = await runtime.start(counter, 5, id="c")
        for number in (1, 2, 3):
            await run.signal("add", number)

        assert await run.result(within=PATIENCE) == 6


async def test_what_is_read_makes_room_and_what_is_not_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitting, "SIGNALS_MAX", 3)

    @perdure.workflow
    async def reader() -> int:
        read = 0
        await signal("go")
        while True:
            read += await signal("n", int)
            if read == 6:
                return read

    log = MemoryLog()
    async with node(log.carrier(), reader) as runtime:
        run = await runtime.start(reader, id="r")
        for _ in range(3):
            await run.signal("n", 1)
        with pytest.raises(Refused, match="has not read the signals") as full:
            await run.signal("go")
        recorded = named(log, "r").count("SignalReceived")
        await runtime.dispatcher.passivate()
        with pytest.raises(Refused, match="has not read the signals"):
            await run.signal("n", 1)
        monkeypatch.setattr(admitting, "SIGNALS_MAX", 4)
        await run.signal("go")
        for _ in range(3):
            await run.signal("n", 1)

        assert await run.result(within=PATIENCE) == 6
    assert recorded == 3
    assert full.value.found == "3 unread, of 3 bytes, and one more of 4"


async def test_unread_signals_are_bounded_by_their_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admitting, "SIGNALS_BYTES_MAX", 10)

    async with node(MemoryLog().carrier(), counter) as runtime:
        run = await runtime.start(counter, 5, id="c")
        await run.signal("other", "12345678")
        with pytest.raises(Refused, match="has not read the signals"):
            await run.signal("other", "1")
        await run.terminate()


async def test_the_bound_is_the_one_that_is_promised() -> None:
    assert (admitting.SIGNALS_MAX, admitting.SIGNALS_BYTES_MAX) == (10_000, 8 * 1024 * 1024)
