"""Every queue has a bound, every wait a deadline, every loop a limit. Load beyond the bound is back-pressure that the sender sees."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import Refused, Unavailable, step, workflow
from perdure.actors.settings import Settings as ActorSettings
from perdure.adapters.deciding_by_facts import PerformsNothing
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.admitting import SIGNALS_MAX
from perdure.runtime.run.machine import driver
from perdure.runtime.run.runs import Runs
from perdure.runtime.settings.node import Settings
from tests.actors.account import Look, Move, WatchedLog, opened
from tests.laws.node import PATIENCE, Bench, events_of, node, rest, stream, until

pytestmark = pytest.mark.anyio

ANN = "account/default/ann"


async def test_a_full_mailbox_makes_its_senders_wait_and_then_lets_them_in() -> None:
    log, told = WatchedLog(), list[str]()
    log.shut()
    async with opened(log.carrier(), settings=ActorSettings(mail_max=2)) as bank, anyio.create_task_group() as group:
        bank.dispatcher.post(ANN, Move(1))
        await until(lambda: log.held)
        bank.dispatcher.post(ANN, Move(1))
        bank.dispatcher.post(ANN, Move(1))

        async def send() -> None:
            await bank.dispatcher.tell(ANN, Move(1))
            told.append("sent")

        group.start_soon(send)
        await rest()
        assert (told, len(bank.dispatcher.mail_of(ANN))) == ([], 2)
        log.gate.set()
        await until(lambda: told)
        assert await bank.dispatcher.ask(ANN, Look()) == 4

    assert sum(log.sizes) == len(log.records)


async def test_who_waits_for_room_is_told_at_the_deadline() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier(), settings=ActorSettings(mail_max=1)) as bank:
        bank.dispatcher.post(ANN, Move(1))
        await until(lambda: log.held)
        bank.dispatcher.post(ANN, Move(1))
        with pytest.raises(Unavailable, match="no answer in time"):
            await bank.ask("ann", Move(1), within=0.01)

        assert len(bank.dispatcher.mail_of(ANN)) == 1
        log.gate.set()


async def test_who_waits_for_an_answer_is_told_at_the_deadline() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier()) as bank:
        with pytest.raises(Unavailable, match="no answer in time"):
            await bank.ask("ann", Move(1), within=0.01)

        log.gate.set()


async def test_one_caller_too_many_is_turned_away_at_once() -> None:
    log = WatchedLog()
    log.shut()
    async with opened(log.carrier(), settings=ActorSettings(asks_max=2)) as bank, anyio.create_task_group() as group:
        group.start_soon(bank.ask, "ann", Move(1))
        group.start_soon(bank.ask, "bob", Move(1))
        await until(lambda: log.held)
        with pytest.raises(Unavailable, match="too many callers wait") as caught:
            await bank.ask("eve", Move(1))

        assert (caught.value.expected, caught.value.found) == ("at most 2", "2")
        log.gate.set()


async def test_the_signal_beyond_the_bound_is_refused() -> None:
    @workflow
    async def deaf() -> None:
        await perdure.sleep(timedelta(days=1))

    news = cmd.Signal("news", Raw(b"1"))
    runs = Runs(Registry([deaf]), PerformsNothing())
    run = runs.evolve(runs.initial(stream("r")), ev.RunStarted("deaf", 1, Raw(b"[]"), 1), 1)
    runs.react(run, 1)
    for _ in range(SIGNALS_MAX):
        for event in runs.decide(run, news, 2):
            runs.evolve(run, event, 2)
        runs.react(run, 2)

    assert SIGNALS_MAX == 10_000
    with pytest.raises(Refused, match="has not read the signals"):
        runs.decide(run, news, 3)
    assert runs.decide(run, cmd.Cancel(), 3), "it can be ended all the same"


async def test_a_workflow_that_never_rests_is_suspended_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "EFFECTS_PER_REST_MAX", 1_000)
    log = MemoryLog()

    async def nothing() -> None:
        return None

    @workflow
    async def restless() -> None:
        while True:
            await perdure.gather(nothing(), nothing())

    @workflow
    async def healthy() -> int:
        return await perdure.signal("n", int)

    async with node(log.carrier(), restless, healthy) as runtime:
        other = await runtime.start(healthy, id="b")
        run = await runtime.start(restless, id="a")
        assert await run.status() == "suspended"
        await other.signal("n", 1)
        assert await other.result(within=PATIENCE) == 1
        await run.terminate()

    (suspended,) = [event for event in events_of(log, "a") if isinstance(event, ev.Suspended)]
    assert "never rests" in suspended.message
    assert suspended.where.endswith(("in restless", "in nothing"))
    assert suspended.instead == "put a step or a sleep into the loop"


@pytest.mark.parametrize("bound", [1, 3])
async def test_no_more_steps_run_at_once_than_there_are_workers(bound: int) -> None:
    bench, running, most = Bench(), 0, 0

    @step
    async def busy(n: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await bench.go.wait()
        running -= 1
        return n

    @workflow
    async def flow() -> int:
        return sum(await perdure.gather(*[busy(n) for n in range(20)]))

    async with node(MemoryLog().carrier(), flow, settings=Settings(worker_concurrency=bound)) as runtime:
        run = await runtime.start(flow)
        await until(lambda: running == bound)
        await rest()
        assert running == bound
        bench.go.set()
        assert await run.result(within=PATIENCE) == sum(range(20))

    assert most == bound


async def test_a_wait_for_a_result_ends_at_its_deadline_and_the_run_goes_on() -> None:
    @workflow
    async def flow() -> int:
        return await perdure.signal("n", int)

    async with node(MemoryLog().carrier(), flow) as runtime:
        run = await runtime.start(flow)
        with pytest.raises(Unavailable, match="has not ended yet"):
            await run.result(within=timedelta(milliseconds=10))
        await run.signal("n", 4)

        assert await run.result(within=PATIENCE) == 4
