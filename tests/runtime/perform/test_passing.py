"""Several nodes serve one log: what concerns a run goes to its owner, whichever node is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import cast

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import Event, Invalid, Kind, Limit, NotFound, Refused, Unavailable, step, workflow
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.streams import partition_of, stream_of
from perdure.runtime.engine import Runtime
from perdure.runtime.perform.passing import Neighbours
from perdure.runtime.requests import AwaitRun, LookAtRun, SignalRun, StartRun
from perdure.runtime.run import commands as cmd
from perdure.runtime.settings.node import Settings
from tests.laws.node import PATIENCE, named, stream
from tests.runtime.serving import until

pytestmark = pytest.mark.anyio

PARTITIONS = 8


class Town:
    """Who owns which partition, and the nodes that can be reached. Each node sees it the same."""

    def __init__(self) -> None:
        self.owners: dict[int, str] = {}
        self.nodes: dict[str, Runtime] = {}
        self.passed: list[tuple[str, bytes]] = []

    def share(self) -> None:
        names = sorted(self.nodes)
        self.owners = {partition: names[partition % len(names)] for partition in range(PARTITIONS)}

    def owner_of(self, stream: str) -> str | None:
        return self.owners.get(partition_of(stream, PARTITIONS))

    def id_owned_by(self, node: str, prefix: str = "r") -> str:
        return next(id for n in range(1000) if self.owner_of(stream_of("run", "default", id := f"{prefix}-{n}")) == node)


class Share:
    """Ownership and neighbours of one node of a town."""

    def __init__(self, town: Town, name: str) -> None:
        self.town = town
        self.owner = self.here = name

    def epoch(self, stream: str) -> int | None:
        return 1 if self.town.owner_of(stream) == self.owner else None

    def owner_of(self, stream: str) -> str | None:
        return self.town.owner_of(stream)

    async def ask(self, node: str, letter: bytes, within: float) -> bytes:
        self.town.passed.append((node, letter))
        with anyio.move_on_after(within):
            runtime = self.town.nodes.get(node)
            if runtime is not None and runtime.passing is not None:
                return await runtime.passing.take(letter)
        raise Unavailable("the node does not answer", who=node)


class Opened(Event, frozen=True):
    amount: int


class Account(Kind[int, int | str, Opened]):
    """Its commands: how much comes in, or a word that it never takes."""

    name = "account"

    def initial(self, stream: str) -> int:
        return 0

    def decide(self, state: int, command: int | str, now: int) -> list[Opened]:
        if isinstance(command, str):
            raise Refused("an account takes numbers", who="account", found=command)
        return [Opened(command)]

    def evolve(self, state: int, event: Opened, at: int) -> int:
        return state + event.amount

    def answer(self, state: int, command: int | str) -> int:
        return state


@asynccontextmanager
async def town(*names: str) -> AsyncGenerator[Town]:
    log, built = MemoryLog(), Town()
    async with anyio.create_task_group() as group:
        ended = [await group.start(live, built, name, log) for name in names]
        built.share()
        with anyio.fail_after(PATIENCE.total_seconds()):
            yield built
        for bell in ended:
            bell.set()


async def live(town: Town, name: str, log: MemoryLog, *, task_status: anyio.abc.TaskStatus[anyio.Event]) -> None:
    share, end = Share(town, name), anyio.Event()
    known: Neighbours = share
    runtime = Runtime(
        log.carrier(), [parked, total, parent, limited, attached], clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4),
        ownership=share, kinds=[Account()], settings=Settings(drain_seconds=0.1),
    )  # fmt: skip
    runtime.join(known)
    async with runtime.serving():
        town.nodes[name] = runtime
        task_status.started(end)
        await end.wait()
        del town.nodes[name]


@step
async def add(a: int, b: int) -> int:
    return a + b


@step(limit=Limit("one", concurrency=1))
async def alone(a: int) -> int:
    return a + 1


@workflow
async def total(a: int, b: int = 2) -> int:
    return await add(a, b)


@workflow
async def limited(a: int) -> int:
    return await alone(a)


@workflow
async def parent(ids: list[str]) -> list[int]:
    children = [await perdure.start_child(total, number, id=id) for number, id in enumerate(ids)]
    return [await child.result() for child in children]


@workflow
async def attached(id: str) -> int:
    return await perdure.attach(id, int)


def doubled(number: int) -> int:
    return 2 * number


@workflow
async def parked() -> str:
    perdure.on_query("here", lambda: True)
    perdure.on_update("double", doubled)
    return await perdure.signal("word", str)


async def test_a_run_is_steered_through_any_node() -> None:
    async with town("a", "b") as built:
        for owner in ("a", "b"):
            id = built.id_owned_by(owner)
            handle = await built.nodes["a"].start(parked, id=id)

            assert await handle.query("here", returns=bool)
            assert await handle.update("double", 4, returns=int) == 8
            await handle.pause(wait=True)
            assert await built.nodes["b"].run(id).status() == "paused"
            await handle.resume()
            await handle.signal("word", "done")
            assert await handle.result(within=PATIENCE) == "done"
        assert {node for node, _ in built.passed} == {"a", "b"}


async def test_a_refusal_of_the_owner_is_the_same_refusal() -> None:
    async with town("a", "b") as built:
        with pytest.raises(NotFound, match="no such run"):
            await built.nodes["a"].do(LookAtRun(run=built.id_owned_by("b", "none")))
        with pytest.raises(Invalid):
            await built.nodes["a"].do(StartRun(workflow="total", arguments=Raw(b'["x"]'), run=built.id_owned_by("b")))


async def test_children_limits_and_messages_reach_runs_of_other_nodes() -> None:
    async with town("a", "b", "c") as built:
        ids = [built.id_owned_by(owner, f"child-{owner}") for owner in ("a", "b", "c")]
        handle = await built.nodes["a"].start(parent, ids, id=built.id_owned_by("b", "parent"))
        each = [await node.start(limited, number) for number, node in enumerate(built.nodes.values())]

        assert await handle.result(within=PATIENCE) == [2, 3, 4]
        assert [await run.result(within=PATIENCE) for run in each] == [1, 2, 3]


async def test_who_asks_for_the_end_of_a_run_of_another_node_that_has_ended_is_told_its_result() -> None:
    async with town("a", "b") as built:
        id = built.id_owned_by("a")
        await (await built.nodes["a"].start(total, 1, id=id)).result(within=PATIENCE)
        asking = await built.nodes["b"].start(attached, id, id=built.id_owned_by("b"))
        assert await asking.result(within=PATIENCE) == 3


async def test_actors_of_your_own_are_reached_from_any_node() -> None:
    async with town("a", "b") as built:
        for runtime in built.nodes.values():
            for number in range(4):
                await runtime.actor("account", f"n-{number}").tell(1)
                await runtime.actor(Account(), f"n-{number}").ask(10)
        for number in range(4):
            assert await built.nodes["a"].actor(Account(), f"n-{number}").ask(0) == 22
        away = next(f"n-{n}" for n in range(100) if built.owner_of(f"account/default/n-{n}") == "b")
        with pytest.raises(Refused, match="takes numbers"):
            await built.nodes["a"].actor("account", away).ask("please")
        with pytest.raises(Invalid, match="no such command"):
            await built.nodes["a"].actor("account", away).ask(1.5)


async def test_who_waits_for_a_run_goes_on_waiting_when_it_changes_its_owner() -> None:
    async with town("a", "b") as built:
        id = built.id_owned_by("b")
        handle = await built.nodes["a"].start(parked, id=id)
        ended: list[object] = []

        async def wait() -> None:
            ended.append(await handle.result())

        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await until(lambda: any(b'"await"' in letter for _, letter in built.passed))
            built.owners = dict.fromkeys(built.owners, "a")
            built.nodes["b"].dispatcher.post(stream(id), cmd.Wake())
            await built.nodes["b"].run(id).signal("word", "moved")
        assert ended == ["moved"]


async def test_a_command_without_an_owner_waits_for_one_and_counts_once() -> None:
    async with town("a", "b") as built:
        id = built.id_owned_by("b")
        await built.nodes["a"].start(parked, id=id)
        owners, built.owners = built.owners, {}
        async with anyio.create_task_group() as group:
            group.start_soon(built.nodes["a"].do, SignalRun(run=id, name="word", value=Raw(b'"late"')))
            await anyio.sleep(0.05)
            built.owners = owners
        assert await built.nodes["a"].run(id).result(within=PATIENCE) == "late"
        log = cast("MemoryLog", built.nodes["a"].carrier.log)

        assert named(log, id).count("SignalReceived") == 1


async def test_nobody_waits_longer_than_the_request_says() -> None:
    async with town("a", "b") as built:
        id = built.id_owned_by("b")
        await built.nodes["a"].start(parked, id=id)
        with pytest.raises(Unavailable):
            await built.nodes["a"].do(AwaitRun(run=id, within=0.1))
        built.owners = {}
        with pytest.raises(Unavailable, match="no node is known"):
            await built.nodes["a"].run(id).query("here", within=timedelta(seconds=0.1))


@pytest.mark.parametrize("letter", [b"", b"{}", b'{"request":"nothing"}', b'{"request":"look"}', b"[" * 100_000, b'"\xff"'])
async def test_a_letter_that_makes_no_sense_is_answered(letter: bytes) -> None:
    async with town("a") as built:
        passing = built.nodes["a"].passing
        assert passing is not None
        assert b'"invalid"' in await passing.take(letter)
