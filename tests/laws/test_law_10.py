"""No run without a pending wake-up. What moves by itself has a `wake_at` in its head; the sweep for forgotten runs finds none at rest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest

import perdure
from perdure import PerdureError, Retry, step, workflow
from perdure.eventlog.log import Summary
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.engine import Runtime
from perdure.runtime.inspect.replay import fold
from perdure.runtime.run.state import RunState
from tests.laws.node import AT_ONCE, PATIENCE, Bench, Flow, killed_node, node, rest, stream, until

pytestmark = pytest.mark.anyio

LONG = timedelta(hours=1)


@step
async def double(n: int) -> int:
    return 2 * n


@step(retry=Retry(attempts=5, first=LONG, jitter=0.0))
async def hopeless() -> int:
    raise ValueError("the other side is away")


@workflow
async def parked() -> int:
    return await double(await perdure.signal("n", int))


@workflow
async def asleep() -> int:
    await perdure.sleep(LONG)
    return await double(1)


@workflow
async def backing_off() -> int:
    return await hopeless()


@workflow
async def either() -> int:
    """A race of a message and an hour, again and again."""
    for _ in range(3):
        await perdure.first_of(perdure.signal("n", int), perdure.sleep(LONG))
    return await double(3)


@workflow
async def quick(n: int) -> int:
    return sum(await perdure.gather(*[double(number) for number in range(n)]))


FLOWS: Sequence[Flow] = (parked, asleep, backing_off, either, quick)


def facts_of(log: MemoryLog, name: str) -> RunState:
    return fold(name, log.streams[name])


def wanted(facts: RunState) -> int | None:
    """When a run that is at rest moves by itself, as its facts say."""
    if facts.phase != "running":
        return None
    assert len(facts.steps) == len(facts.retries), "at rest no attempt is under way"
    return min([*facts.timers.values(), *facts.retries.values()], default=None)


async def busy(runtime: Runtime, dice: Random, rounds: int) -> None:
    """Starts, signals, cancellations and terminations in an order that the dice draw; refusals are among the answers."""
    for number in range(rounds):
        flow = dice.choice(FLOWS)
        await runtime.start(flow, *((dice.randrange(4),) if flow is quick else ()), id=f"r{number}")
        other = runtime.run(f"r{dice.randrange(number + 1)}")
        with suppress(PerdureError):
            match dice.randrange(6):
                case 0:
                    await other.cancel("no more")
                case 1:
                    await other.terminate()
                case 2 | 3:
                    await other.signal("n", number)
                case _:
                    await runtime.dispatcher.passivate()


async def at_rest(log: MemoryLog) -> None:
    """Until nothing is under way in any run."""
    def quiet() -> bool:
        return all(summary.head.wake_at != 0 for summary in log.summaries.values())

    await until(quiet)
    await rest()


def head_of(log: MemoryLog, run: str) -> tuple[str, int | None]:
    summary: Summary = log.summaries[stream(run)]
    return summary.head.status, summary.head.wake_at


@pytest.mark.parametrize("seed", range(5))
async def test_at_rest_every_head_says_when_its_run_moves_and_the_sweep_finds_none(seed: int) -> None:
    log, dice = MemoryLog(), Random(seed)
    async with node(log.carrier(), *FLOWS) as runtime:
        await busy(runtime, dice, 40)
        await at_rest(log)
        seen = {name: summary.head.wake_at for name, summary in log.summaries.items()}

        assert seen == {name: wanted(facts_of(log, name)) for name in log.streams}
        assert len(seen) == 40
        assert await runtime.carrier.heads.due(runtime.clock.now()) == []
        assert await runtime.alarm.sweep() == 0


@pytest.mark.parametrize("seed", range(3))
async def test_after_a_kill_the_sweep_of_the_next_node_brings_all_to_rest(seed: int) -> None:
    log, dice = MemoryLog(), Random(f"killed {seed}")
    async with killed_node(log, *FLOWS) as runtime:
        await busy(runtime, dice, 20)
    async with node(log.carrier(2), *FLOWS) as runtime:
        await at_rest(log)

        assert {name: s.head.wake_at for name, s in log.summaries.items()} == {name: wanted(facts_of(log, name)) for name in log.streams}
        assert await runtime.alarm.sweep() == 0


async def test_a_run_with_a_step_under_way_is_live_awake_and_found_after_a_kill() -> None:
    bench, log = Bench(), MemoryLog()

    @step
    async def slow() -> str:
        return await bench.held("slow")

    @workflow
    async def flow() -> str:
        return await slow()

    async with killed_node(log, flow) as runtime:
        await runtime.start(flow, id="a")
        await until(lambda: bench.begun)
        assert head_of(log, "a") == ("running", 0)
        assert runtime.dispatcher.is_awake(stream("a"))
        assert await runtime.alarm.sweep() == 0, "it is live, and nobody forgot it"
    bench.go.set()
    async with node(log.carrier(2), flow) as runtime:
        await until(lambda: head_of(log, "a") == ("completed", None))

        assert runtime.alarm.recovered == 1


async def test_a_run_that_waits_for_a_signal_has_no_wake_up_and_moves_when_it_comes() -> None:
    log = MemoryLog()
    async with node(log.carrier(1), parked, settings=AT_ONCE) as runtime:
        await runtime.start(parked, id="a")
        assert head_of(log, "a") == ("running", None)
        await runtime.dispatcher.passivate()
    async with node(log.carrier(2), parked) as runtime:
        await rest()
        assert not runtime.dispatcher.is_awake(stream("a"))
        await runtime.run("a").signal("n", 21)

        assert await runtime.run("a").result(within=PATIENCE) == 42
    assert head_of(log, "a") == ("completed", None)


async def test_a_run_that_sleeps_says_until_when_and_needs_nobody_to_wake() -> None:
    log = MemoryLog()

    @workflow
    async def nap() -> str:
        await perdure.sleep(timedelta(milliseconds=20))
        return "rested"

    async with node(log.carrier(1), nap, settings=AT_ONCE) as runtime:
        await runtime.start(nap, id="a")
    (due,) = facts_of(log, stream("a")).timers.values()
    assert head_of(log, "a") == ("running", due)

    async with node(log.carrier(2), nap):
        await until(lambda: head_of(log, "a") == ("completed", None))
