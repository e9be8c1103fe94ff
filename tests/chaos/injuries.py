"""Injuries of a server's store: one bit flipped in the files of the log's stream, or all of them taken from an old backup.

An injury *matters* if any read returns otherwise than before: opening, the records of every run, its head. It is *found* if a
read raises Corrupt or Invalid, else *missed*. An alarm is *false* if the server, asked without us, hands out every message as
before. Runs that can be read as before are *neighbours*: those that wait must go on to completion beside the injured ones,
unless the log was refused as a whole, and the injured ones must answer with an alarm.

A server may never come up on an injured file: 2.15.1 goes round for ever where a message says that it is longer than it can be. That
is found by everybody, and counts as an alarm for the whole.

The server had ended in good order, or by kill -9: then it reads its files through, and cuts off what it cannot read.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio
import msgspec

import perdure
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.errors import Corrupt, Invalid, PerdureError, Unavailable
from perdure.eventlog.records import EMPTY, verified
from tests.adapters.nats.server import NatsServer, running
from tests.crash import injuries as embedded
from tests.crash.injurer import Diagnosis, Injury
from tests.crash.reading import ALARM, Readings, answering

NAMESPACE = "shop"
LOG_FOLDER = Path("jetstream", "$G", "streams", f"PERDURE_{NAMESPACE}_LOG")
ENDED, WAITING = 24, 8
HEALTHY = ("stopped", "killed")
"""How the server had ended before it was injured."""

SMALL_EVERY = 9
"""So often the bit is one of a small file, which a seeded bit of all files would hardly ever hit."""

PATIENCE = 2.0
GOES_ON_WITHIN = 10.0


@perdure.step
async def add(one: int, other: int) -> int:
    return one + other


@perdure.workflow
async def summed(number: int) -> int:
    total = 0
    for place in range(4):
        total = await add(total, number + place)
    return total


@perdure.workflow
async def waits(number: int) -> int:
    before = await add(number, 1)
    return await add(before, await perdure.signal("go", int))


WORKFLOWS = [summed, waits]
RUNS = [*(f"ended-{number}" for number in range(ENDED)), *(f"waiting-{number}" for number in range(WAITING))]
STREAMS = [f"run/default/{run}" for run in RUNS]


class Injurer:
    """A server with a healthy log, copies of its store, and the truth of what they hold."""

    def __init__(self, server: NatsServer, place: Path) -> None:
        self.server = server
        self.store = server.room / "store"
        self.copies = {how: place / how for how in ("older", *HEALTHY)}
        self.truth: Readings = {}
        self.served = ""

    @property
    def url(self) -> str:
        return f"{self.server.url}/{NAMESPACE}"

    async def make(self) -> None:
        """Make the healthy log and its backup, and note what is to be read of it."""
        half = ENDED // 2
        await self._run(0, half)
        self._keep("older")
        await self._run(half, ENDED)
        self._keep("killed")
        self._keep("stopped")
        self.served = await self.served_alone()
        self.truth = await self.read()
        if unwell := {read: line for read, line in self.truth.items() if line.startswith("!")}:
            raise AssertionError(f"the healthy log gives {unwell}")

    async def _run(self, first: int, last: int) -> None:
        async with perdure.open(self.url, workflows=WORKFLOWS) as runtime:
            for number in range(first, last):
                await (await runtime.start(summed, number, id=f"ended-{number}")).result()
            for number in range(WAITING if first else 0):
                run = await runtime.start(waits, number, id=f"waiting-{number}")
                while (await run.look()).version < 3:  # noqa: ASYNC110 - its step has still to end
                    await anyio.sleep(0.01)

    def _keep(self, how: str) -> None:
        """A copy of the store, as the server leaves it."""
        self.server.kill() if how == "killed" else self.server.stop()
        shutil.copytree(self.store, self.copies[how])
        self.server.start()

    def seeded(self, seed: int, count: int) -> list[Injury]:
        """So many injuries; the first is the old backup."""
        chance = Random(f"{seed}:injuries of the store")
        injuries = [Injury("stopped", "", "restore", neighbours=True)]
        while len(injuries) < count:
            of = HEALTHY[len(injuries) % len(HEALTHY)]
            folder = self.copies[of] / LOG_FOLDER
            files = [file for file in sorted(folder.rglob("*")) if file.is_file() and file.stat().st_size]
            sizes = [file.stat().st_size for file in files]
            file = chance.choices(files, None if len(injuries) % SMALL_EVERY == 0 else sizes)[0]
            bit = chance.randrange(file.stat().st_size * 8)
            injuries.append(Injury(of, str(file.relative_to(folder)), "flip", bit, neighbours=True))
        return injuries

    async def diagnose(self, injury: Injury) -> Diagnosis:
        try:
            self.injure(injury)
        except Unavailable:
            if not self.is_restoring():
                raise
            self.server.kill()
            return Diagnosis(injury, matters=True, whole=True, hung=True)
        alone = await self.served_alone()
        readings = await self.read()
        other = [f"{read}: {readings.get(read)}" for read, line in self.truth.items() if readings.get(read) != line]
        alarms = [f"{read}: {line}" for read, line in readings.items() if line.startswith(ALARM)]
        found = Diagnosis(injury, matters=bool(other), whole=readings["opening"].startswith(ALARM))
        found.strange = [line for line in other if ": !" in line and f": {ALARM}" not in line and not found.whole]
        found.missed = [] if alarms else other
        found.false_alarm = alarms if alone == self.served else []
        if not found.whole:
            await self.go_on(readings, found)
        return found

    def injure(self, injury: Injury) -> None:
        """Start the server on a copy of the healthy store with the injury."""
        self.server.stop()
        shutil.rmtree(self.store)
        shutil.copytree(self.copies[injury.of], self.store)
        folder = self.store / LOG_FOLDER
        if injury.how == "restore":
            shutil.rmtree(folder)
            shutil.copytree(self.copies["older"] / LOG_FOLDER, folder)
        else:
            with (folder / injury.part).open("r+b") as content:
                content.seek(injury.at // 8)
                byte = content.read(1)[0]
                content.seek(injury.at // 8)
                content.write(bytes([byte ^ 1 << injury.at % 8]))
        self.server.start()

    def is_restoring(self) -> bool:
        """Whether the server, by its own log, has been at the injured stream since it started."""
        since = (self.server.room / "server.log").read_text(encoding="utf-8").rpartition("Starting nats-server")[2]
        return f"Starting restore for stream '$G > {LOG_FOLDER.name}'" in since and "Listening for client" not in since

    async def served_alone(self) -> str:
        """A digest of every message of the log as the server hands it out, or why it does not."""
        total = sha256()
        try:
            async with connect(self.server.url) as connection:
                store = Store(connection, Subjects(NAMESPACE, PARTITIONS), patience=PATIENCE)
                async for page in store.complete("LOG", store.subjects.tree("log")):
                    for message in page:
                        total.update(repr((message.sequence, message.subject, sorted(message.headers.items()), message.data)).encode())
        except PerdureError as error:
            return error.message
        return total.hexdigest()

    async def read(self) -> Readings:
        """Open the log and read every run, each read as a line."""
        readings: Readings = {}
        async with answering(readings, "opening"), open_nats(self.url) as carrier:
            readings["opening"] = "open"
            for stream in STREAMS:
                async with answering(readings, f"load {stream}"):
                    records = list(verified(stream, EMPTY, (await carrier.log.load({stream: 0}))[stream]))
                    readings[f"load {stream}"] = sha256(msgspec.msgpack.encode(records)).hexdigest()
                async with answering(readings, f"head {stream}"):
                    readings[f"head {stream}"] = sha256(msgspec.msgpack.encode(await carrier.heads.get(stream))).hexdigest()
        return readings

    async def go_on(self, readings: Readings, found: Diagnosis) -> None:
        """Serve the log: injured runs must answer with an alarm, waiting neighbours must come to their end."""
        hurt = [run for run, stream in zip(RUNS, STREAMS, strict=True) if readings[f"load {stream}"].startswith(ALARM)]
        well = [run for run in RUNS[ENDED:] if readings[f"load run/default/{run}"] == self.truth[f"load run/default/{run}"]]
        try:
            async with perdure.open(self.url, workflows=WORKFLOWS) as runtime:
                for run in hurt:
                    try:
                        await runtime.run(run).look()
                        found.stopped.append(f"{run} is injured and answers")
                    except (Corrupt, Invalid) as alarm:
                        found.quarantined += 1
                        if run not in alarm.who:
                            found.stopped.append(f"{run} is injured, and the alarm names {alarm.who!r}")
                with anyio.fail_after(GOES_ON_WITHIN):
                    for run in well:
                        await runtime.run(run).signal("go", 5)
                        if await runtime.run(run).result() != int(run.rpartition("-")[2]) + 6:
                            found.stopped.append(f"{run} ended otherwise")
                        found.neighbours += 1
        except Exception as error:
            found.stopped.append(f"{len(well) - found.neighbours} of {len(well)} neighbours: {error!r}")


def diagnosed(seed: int, count: int) -> Iterator[Diagnosis]:
    """Make a healthy log, injure it so often, and say what became of each."""
    with TemporaryDirectory() as name:
        room = Path(name) / "server"
        room.mkdir()
        with running(room) as server:
            injurer = Injurer(server, Path(name))
            anyio.run(injurer.make)
            for injury in injurer.seeded(seed, count):
                yield anyio.run(injurer.diagnose, injury)


def figures(seed: int, count: int) -> tuple[dict[str, float], str]:
    """What so many injuries of a seed came to, by name, and what was not treated as it should be, in words."""
    began = time.perf_counter()
    diagnoses: Sequence[Diagnosis] = list(diagnosed(seed, count))
    summed = embedded.summed(diagnoses, time.perf_counter() - began)
    return summed | {"servers_that_never_came_up": sum(one.hung for one in diagnoses)}, embedded.told(diagnoses)
