"""Many finished runs and a few active ones on NATS: how soon a worker that was killed has the active ones going again.

The worker had lived for a minute: its runs had stood still for long enough to have snapshots.

`python -m tests.bench.finished 20000 200`: so many finished runs, so many active ones among them. The runs are written by a
loader: the records that a real run made, sealed for each stream, fenced and framed as the carrier does it.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio

from perdure.adapters.nats.owning.fences import Fences
from perdure.adapters.nats.records.committer import parcel_of
from perdure.adapters.nats.records.flights import together
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.records.reader import record_in
from perdure.adapters.nats.views.index import Index
from perdure.adapters.nats.views.keeper import Keeper
from perdure.adapters.nats.wire import api
from perdure.adapters.nats.wire.batches import Parcel
from perdure.adapters.nats.wire.buckets import prepare
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import EMPTY, Append, Tail, sealed
from perdure.eventlog.streams import stream_of
from perdure.runtime.authoring.workflows import Registry
from perdure.runtime.inspect.replay import replay
from perdure.runtime.run.events import CODEC
from tests.adapters.nats.crew import PATIENCE, Crew, crew
from tests.adapters.nats.server import running
from tests.bench.measuring import memory_of
from tests.laws.node import AT_ONCE, node

GROUP = 1000
"""Runs whose records are written together, an atomic batch for the first of each, for the second, for the third."""
LOOKED_AT = 20
WITHIN = 30.0
KEPT_WITHIN, LOOKS_EVERY = 120.0, 0.5
"""A worker looks every 30 seconds for runs that stand still."""

FLOWS = """
from pathlib import Path

import anyio

from perdure import step, workflow

HERE = Path(__file__).parent


@step
async def add(number: int) -> int:
    return number + 1


@step
async def held() -> str:
    while not (HERE / "go").exists():
        await anyio.sleep(0.05)
    return "held"


@workflow
async def two() -> int:
    return await add(await add(1))


@workflow
async def one() -> str:
    return await held()
"""


class Recording(MemoryLog):
    """A log that keeps what was appended, heads and all."""

    def __init__(self) -> None:
        super().__init__()
        self.appends: dict[str, list[Append]] = {}

    def append_one(self, append: Append) -> Any:
        self.appends.setdefault(append.stream, []).append(append)
        return super().append_one(append)


async def finished(ended: int, active: int) -> dict[str, float]:
    """Write the runs, let a worker have the active ones, kill it, and see how soon another has ended them all."""
    with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as folder, running(Path(room)) as server:
        async with crew(server.url, uuid4().hex, Path(folder), flows=FLOWS) as team:
            began = time.monotonic()
            flows, sequence = await load(team, ended, active)
            figures: dict[str, float] = {"finished": ended, "active": active, "loaded_per_s": (ended + active) / (time.monotonic() - began)}
            figures["read_back"] = await looked_at(team, flows, ended)
            began = time.monotonic()
            hand = await team.hire()
            await until_all(team, sequence, "Recovered", active)
            figures["first_opening_seconds"] = time.monotonic() - began
            figures["snapshots"] = await until_kept(team, active)
            newest = await team.store.last("LOG", team.store.subjects.tree("log"))
            hand.send(signal.SIGKILL)
            await team.gone(hand)
            (team.folder / "go").touch()
            began = time.monotonic()
            hand = await team.hire()
            figures["serving_seconds"] = time.monotonic() - began
            await until_all(team, sequence if newest is None else newest.sequence, "RunCompleted", active)
            figures["recovery_seconds"] = time.monotonic() - began
            figures |= {"worker_mb": memory_of(hand.process.pid)[1], "server_mb": memory_of(server.pid)[0]}
    return figures


async def load(team: Crew, ended: int, active: int) -> tuple[Any, int]:
    """Write the runs and their heads, the active ones evenly among the others; the flows, and how far the log has come."""
    flows = module_of(team.folder / "flows.py")
    two, one = await templates(flows)
    store, index = team.store, Index(team.store.subjects)
    await prepare(store)
    fences, keeper = Fences(store), Keeper(store, index)
    found = await fences.all()
    held = [fence for fence in await fences.claim_all(found, "loader") if fence is not None]
    await keeper.take(held, after=found)
    sequence, begun = 0, 0
    for first in range(0, ended, GROUP):
        last = min(ended, first + GROUP)
        wanted = last * active // ended
        runs = [(f"ended-{number}", two) for number in range(first, last)] + [(f"active-{number}", one) for number in range(begun, wanted)]
        begun = wanted
        sequence = await write(store, index, runs)
        await keeper.flush()
    await keeper.let_go(range(store.subjects.partitions))
    await fences.release_all(held)
    return flows, sequence


async def write(store: Store, index: Index, runs: Sequence[tuple[str, Sequence[Append]]]) -> int:
    """Append the records of these runs; the sequence of the last."""
    tails = [(EMPTY, 0)] * len(runs)
    sequence = 0
    for place in range(max(len(template) for _, template in runs)):
        still = [number for number, (_, template) in enumerate(runs) if place < len(template)]
        appends = [resealed(*runs[number], place, tails[number][0]) for number in still]
        index.begun(appends)
        for start in range(0, len(still), GROUP):
            batch = appends[start : start + GROUP]
            parcels = [parcel(store, append, tails[number][1]) for number, append in zip(still[start:], batch, strict=False)]
            verdicts = await together(store.connection, parcels, within=WITHIN)
            for number, append, verdict in zip(still[start:], batch, verdicts, strict=False):
                assert isinstance(verdict, int), verdict
                tails[number], sequence = (append.tail, verdict), verdict
                index.stored([(append, verdict)])
    return sequence


def resealed(run: str, template: Sequence[Append], place: int, expected: Tail) -> Append:
    """A record of the template, for a run of another name."""
    one = template[place]
    return sealed(stream_of("run", "default", run), expected, one.data, one.tail.version - one.expected.version, one.head)


def parcel(store: Store, append: Append, behind: int) -> Parcel:
    return parcel_of(store.subjects.of(append.stream), append, behind)


async def templates(flows: Any) -> tuple[list[Append], list[Append]]:
    """What a run of two steps appended, and one whose step goes on."""
    log = Recording()
    async with node(log.carrier(), flows.two, flows.one, settings=AT_ONCE) as runtime:
        await (await runtime.start(flows.two, id="two")).result()
        await runtime.start(flows.one, id="one")
        two, one = (list(log.appends[stream_of("run", "default", id)]) for id in ("two", "one"))
    return two, one


def module_of(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("flows", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["flows"] = module
    spec.loader.exec_module(module)
    return module


async def looked_at(team: Crew, flows: Any, ended: int) -> int:
    """How many of some finished runs, evenly among all, read back, verify, and are what today's code does."""
    log, registry = JetStreamLog(team.store), Registry([flows.two, flows.one])
    runs = [f"ended-{number}" for number in range(0, ended, max(1, ended // LOOKED_AT))]
    verdicts = [await replay(log, stream_of("run", "default", run), registry) for run in runs]
    assert len({verdict.content_digest for verdict in verdicts}) == 1
    return sum(verdict.agrees is True and verdict.status == "completed" for verdict in verdicts)


async def until_kept(team: Crew, count: int) -> int:
    """Wait until a worker that has lived for a while has kept snapshots of so many runs that stand still."""
    with anyio.fail_after(KEPT_WITHIN):
        while True:
            info = api.stream_info(await team.store.call(f"STREAM.INFO.{team.store.subjects.bucket_of('SNAPS')}", {}))
            if info.state.num_subjects >= count:
                return info.state.num_subjects
            await anyio.sleep(LOOKS_EVERY)


async def until_all(team: Crew, sequence: int, event: str, count: int) -> None:
    """Wait until so many runs have an event of a name behind a sequence of the log."""
    streams: set[str] = set()
    with anyio.fail_after(PATIENCE):
        while len(streams) < count:
            async for page in team.store.complete("LOG", team.store.subjects.tree("log"), sequence + 1):
                for message in page:
                    sequence, record = message.sequence, record_in(message)
                    if any(type(one).__name__ == event for one in CODEC.decode(record.data).events):
                        streams.add(record.stream)
            await anyio.sleep(0.02)


def main(arguments: Sequence[str]) -> None:
    ended, active = (int(text) for text in (arguments or ("20000", "200")))
    found: Any = anyio.run(lambda: finished(ended, active))
    print(json.dumps({name: round(figure, 3) for name, figure in found.items()}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
