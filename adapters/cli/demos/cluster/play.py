"""The play: three servers, three workers, a load; a worker is killed, then the server that leads the log; then everything is counted."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from .....eventlog.errors import PerdureError, Unavailable
from ....connecting import connect
from ....nats.inspecting import found_log, looking
from ....nats.owning.fences import Fences
from ....nats.wire.buckets import LOG, existing
from ....nats.wire.store import Store
from .board import Board
from .flows import JOURNAL
from .hands import Hand
from .holding import Blows, Story, held
from .load import Load
from .nodes import Node, prepared, servers, url_of

WORKERS = 3
CUSTOMERS = 24
LOOK_SECONDS = 0.25
PATIENCE = 40.0


def play(folder: Path, *, calm: float, quiet: bool) -> Story:
    """Play it in a folder, which is emptied first. `calm` seconds lie between one blow and the next. Bug where anything was lost."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JOURNAL).unlink(missing_ok=True)
    logging.basicConfig(filename=folder / "client.txt", level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    with servers(folder) as nodes:
        try:
            return anyio.run(_play, folder, nodes, calm, quiet)
        except Exception as error:
            raise first_of(error) from error


def first_of(error: Exception) -> Exception:
    """What task groups wrapped."""
    wrapped: tuple[Exception, ...] = getattr(error, "exceptions", ())
    return first_of(wrapped[0]) if wrapped else error


async def _play(folder: Path, nodes: Sequence[Node], calm: float, quiet: bool) -> Story:  # noqa: FBT001 - passed on as it is
    began, url, hands = time.monotonic(), url_of(nodes), list[Hand]()
    board = Board(nodes, hands, quiet=quiet)
    with board.shown():
        board.say("three nats-servers, each write synced and kept by all of them")
        await prepared(url)
        try:
            hands += [Hand(number, folder, url) for number in range(1, WORKERS + 1)]
            blows, load = await work(url, board, calm)
        finally:
            for hand in hands:
                await anyio.to_thread.run_sync(hand.end)
        found = await held(url, folder, load)
    return Story(blows, found, round(time.monotonic() - began, 1))


async def work(url: str, board: Board, calm: float) -> tuple[Blows, Load]:
    """The load, and the blows that it has to survive."""
    async with watched(url, board), connect(url) as client:
        await until(lambda: shared(board), "the workers to share the partitions")
        board.say(f"{WORKERS} workers share {sum(board.owners.values())} partitions: {told(board)}")
        board.load = load = Load(client)
        taken = led = (0.0, 0.0)
        async with anyio.create_task_group() as group:
            group.start_soon(load.drive, CUSTOMERS)
            taken, led = await kill_worker(board, load, calm), await kill_leader(board, load, calm)
            load.enough = True
        board.say(f"the load ends: {len(load.started):,} orders were acknowledged, {len(load.ended):,} results told")
    return Blows(*taken, *led), load


async def kill_worker(board: Board, load: Load, calm: float) -> tuple[float, float]:
    """(seconds until the others had its partitions, the slowest start around that)."""
    await anyio.sleep(calm)
    load.forget()
    victim = board.hands[0]
    board.say(("kill -9 ", "bold red"), f"worker {victim.number}, which has {board.owners[victim.name]} partitions")
    victim.kill()
    taken = await until(lambda: shared(board), "the others to take its partitions")
    board.say(("✓ ", "green"), f"taken over after {taken:.1f} s: {told(board)}")
    await anyio.sleep(calm)
    return taken, load.slowest


async def kill_leader(board: Board, load: Load, calm: float) -> tuple[float, float]:
    """(seconds until another led the log and orders ended again, the slowest start around that)."""
    await until(lambda: bool(board.leader), "the log to have a leader")
    load.forget()
    leader = next(node for node in board.nodes if node.name == board.leader)
    board.say(("kill -9 ", "bold red"), f"{leader.name}, which leads the log")
    leader.kill()
    ended = len(load.ended)
    led = await until(lambda: board.leader not in ("", leader.name) and len(load.ended) > ended + CUSTOMERS, "orders to end again")
    board.say(("✓ ", "green"), f"{board.leader} leads, and orders end again after {led:.1f} s")
    await anyio.sleep(calm)
    return led, load.slowest


def shared(board: Board) -> bool:
    """Whether the living workers have all partitions, evenly, and nobody else has any."""
    living = {hand.name for hand in board.hands if hand.state == "serving"}
    counts = [board.owners[name] for name in living]
    return (
        all(hand.state in ("serving", "killed") for hand in board.hands)
        and bool(living) and set(board.owners) == living and max(counts) - min(counts) <= 1
    )  # fmt: skip


def told(board: Board) -> str:
    return ", ".join(f"worker {hand.number} has {board.owners[hand.name]}" for hand in board.hands if hand.state == "serving")


async def until(holds: Callable[[], bool], what: str) -> float:
    """Wait for something that others do; the seconds that took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() > began + PATIENCE:
            raise Unavailable("the cluster takes too long", who="perdure cluster", expected=f"{what}, within {PATIENCE:g} s",
                              found="not yet",
                              instead="see worker1.txt and its neighbours, and server.log of each node, in the folder")
        await anyio.sleep(LOOK_SECONDS / 5)
    return round(time.monotonic() - began, 2)


@asynccontextmanager
async def watched(url: str, board: Board) -> AsyncGenerator[None]:
    """Keep the board true, as somebody sees it who owns nothing."""
    async with looking(url) as (store, place), anyio.create_task_group() as group:
        await found_log(store, place)
        group.start_soon(look_for_ever, store, board)
        yield
        group.cancel_scope.cancel()


async def look_for_ever(store: Store, board: Board) -> None:
    fences = Fences(store)
    while True:
        try:
            board.owners = Counter(fence.owner for fence in await fences.all())
            board.leader = (await existing(store, [LOG]))[LOG.part].cluster.leader
        except (PerdureError, KeyError):
            board.leader = ""  # nobody leads just now
        await anyio.sleep(LOOK_SECONDS)
