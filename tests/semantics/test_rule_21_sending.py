"""A workflow can signal or cancel another run: an effect with an id, performed once it is durable, and counted once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

import perdure
from perdure import Invalid, NotFound, PerdureError, Refused, cancel_run, signal, signal_run, sleep, timeout
from perdure.eventlog.faults import Fault, FaultyLog, Plan
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append
from perdure.runtime.run.events import CODEC, SignalReceived, SignalSent, StepCompleted
from perdure.testing import Simulation
from tests.laws.node import AT_ONCE, PATIENCE, events_of, named, node, until

pytestmark = pytest.mark.anyio


@perdure.workflow
async def listener() -> list[int]:
    found: list[int] = []
    while True:
        number = await signal("n", int)
        if number < 0:
            return found
        found.append(number)


@perdure.workflow
async def teller(other: str) -> str:
    for number in (1, 2, -1):
        await signal_run(other, "n", number)
    return "told"


@perdure.workflow
async def stopper(other: str) -> None:
    await cancel_run(other, "enough")


@pytest.mark.parametrize("kept", ["memory:", "sqlite:///"])
async def test_a_run_signals_and_cancels_others(kept: str, tmp_path: Path) -> None:
    url = kept if kept == "memory:" else f"sqlite:///{tmp_path}/log.db"
    async with perdure.open(url, workflows=[listener, teller, stopper]) as runtime:
        first, second = await runtime.start(listener, id="a"), await runtime.start(listener, id="b")
        await runtime.start(teller, "a", id="t")
        await runtime.start(stopper, "b", id="s")

        assert await first.result(within=PATIENCE) == [1, 2]
        with pytest.raises(perdure.RunError) as ended:
            await second.result(within=PATIENCE)
        assert ended.value.status == "cancelled"
        assert await runtime.run("t").result(within=PATIENCE) == "told"


@perdure.workflow
async def asker(other: str) -> list[str]:
    told: list[str] = []
    for sent in (signal_run(other, "n", 1), cancel_run(other)):
        try:
            await sent
        except (NotFound, Refused, Invalid) as error:
            told.append(f"{type(error).__name__}: {error.parts()['message']}")
    return told


async def test_that_the_other_is_not_there_or_has_ended_reaches_the_code_as_what_it_is() -> None:
    async with node(MemoryLog().carrier(), asker, listener) as runtime:
        other = await runtime.start(listener, id="a")
        await other.signal("n", -1)
        await other.result()
        nobody = await runtime.start(asker, "nobody", id="x")
        ended = await runtime.start(asker, "a", id="y")

        assert await nobody.result() == ["NotFound: there is no such run"] * 2
        assert await ended.result() == [
            "Refused: the run has ended, so it cannot be told to signal",
            "Refused: the run has ended, so it cannot be told to cancel",
        ]


class Once(Plan):
    """Loses the node right after the other run was told, before the teller's log knows."""

    def __init__(self) -> None:
        self.struck = False

    def fault(self, number: int, appends: Sequence[Append]) -> Fault | None:
        told = any(isinstance(event, SignalReceived) for append in appends for event in CODEC.decode(append.data).events)
        if told and not self.struck:
            self.struck = True
            return Fault("crash_after")
        return None

    def unreadable(self) -> bool:
        return False


async def test_one_that_was_told_before_the_crash_is_not_told_twice() -> None:
    log = MemoryLog()
    plan, crashed = Once(), anyio.Event()
    door = FaultyLog(log, plan, crashed=crashed.set)
    async with node(door.carrier(1), listener, teller, settings=AT_ONCE) as runtime:
        await runtime.start(listener, id="a")
        await runtime.start(teller, "a", id="t")
        await crashed.wait()
    received, answered = named(log, "a").count("SignalReceived"), named(log, "t").count("StepCompleted")
    async with node(log.carrier(2), listener, teller) as runtime:
        found = await runtime.run("a").result(within=PATIENCE)
        await runtime.run("t").result(within=PATIENCE)

    assert (received, answered) == (1, 0), "the crash fell in between"
    assert found == [1, 2]
    assert [bytes(event.value) for event in events_of(log, "t") if isinstance(event, SignalSent)] == [b"1", b"2", b"-1"]
    assert len([event for event in events_of(log, "t") if isinstance(event, StepCompleted)]) == 3


async def test_a_run_is_live_until_what_it_sends_is_answered() -> None:
    log = MemoryLog()
    async with node(log.carrier(), teller, settings=AT_ONCE) as runtime:
        runtime.pool.stopping = True
        await runtime.start(teller, "a", id="t")
        await until(lambda: "SignalSent" in named(log, "t"))
        head = log.summaries["run/default/t"].head

    assert (head.status, head.wake_at) == ("running", 0)


async def test_one_that_is_no_longer_wanted_is_abandoned() -> None:
    @perdure.workflow
    async def impatient() -> str:
        try:
            async with timeout(timedelta(seconds=0.01)):
                await signal_run("a", "n", 1)
        except TimeoutError:
            return "gave up"
        return "told"

    log = MemoryLog()
    async with node(log.carrier(), impatient) as runtime:
        runtime.pool.stopping = True
        run = await runtime.start(impatient, id="t")

        assert await run.result(within=PATIENCE) == "gave up"
    assert "EffectsAbandoned" in named(log, "t")


@perdure.workflow
async def echo() -> list[str]:
    """Sends itself what it reads: its own run is another run to it."""
    own: str = perdure.info()["run"]
    read: list[str] = []
    for word in ("a", "b"):
        await signal_run(own, "word", word)
        read.append(await signal("word", str))
        await sleep(timedelta(seconds=1))
    return read


def test_what_is_sent_survives_a_crash_after_every_write() -> None:
    outcome = Simulation(seed=3).run(echo, crash_after_every_append=True)

    assert outcome.value == ["a", "b"]
    assert outcome.crashes >= 4


async def test_it_is_a_word_of_workflows() -> None:
    with pytest.raises(PerdureError, match="outside a workflow"):
        await signal_run("a", "n")
