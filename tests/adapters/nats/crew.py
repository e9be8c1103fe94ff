"""Workers as real processes, `perdure worker` each, and what the log says of who had what."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sysconfig
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from nats.errors import NoRespondersError

from perdure.adapters.nats.owning.fences import Fence, Fences
from perdure.adapters.nats.records.reader import record_in
from perdure.adapters.nats.wire.buckets import PARTITIONS
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.eventlog.streams import partition_of, parts_of, stream_of
from perdure.runtime.run.events import CODEC
from tests.adapters.nats.doors.shop import Customer, customer

PATIENCE = 30.0
SLICE, AGAIN_EVERY = 2.0, 0.2
SCRIPT = Path(sysconfig.get_path("scripts")) / "perdure"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE_") and name != "PYTHONDONTWRITEBYTECODE"}
"""A worker keeps its bytecode, as an installed one has it: compiling everything anew would be most of its start."""

FLOWS = """
import os
from datetime import timedelta
from pathlib import Path

import anyio
from nats.errors import NoRespondersError

from perdure import current, signal, sleep, step, workflow

HERE = Path(__file__).parent


def note(what: str) -> None:
    with (HERE / "journal.txt").open("a") as file:
        file.write(f"{what} {current().idempotency_key} {os.getpid()}\\n")


@step
async def quick(what: str) -> str:
    note(what)
    await anyio.sleep(0.005)
    return what


@step
async def held(what: str) -> str:
    note(what)
    while not (HERE / "go").exists():
        await anyio.sleep(0.01)
    return what


@workflow
async def three() -> list[str]:
    done = [await quick("first")]
    await sleep(timedelta(milliseconds=20))
    return [*done, await quick("second"), await quick("third")]


@workflow
async def long() -> str:
    return await held("held")


@workflow
async def waits() -> int:
    words = 0
    while await signal("word", str) != "end":
        words += 1
    return words
"""


class Hand:
    """One worker process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.name = ""

    def state(self) -> str:
        """The next state it tells of: serving, leaving, done."""
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.name = told["worker"]
        return str(told["state"])

    def serves(self) -> bool:
        """Whether it comes to serve; False where it ends before."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(PATIENCE)
            self.process.stdout.close()
            return False
        self.name = json.loads(line)["worker"]
        return True

    def send(self, number: int) -> None:
        self.process.send_signal(number)


class Crew:
    """Workers of one namespace."""

    def __init__(self, url: str, folder: Path, store: Store, client: Customer, flows: str = FLOWS) -> None:
        self.url = url
        self.folder = folder
        self.store = store
        self.client = client
        self.hands: list[Hand] = []
        self.slowest = 0.0
        """Seconds that the slowest command took so far."""
        (folder / "flows.py").write_text(flows, encoding="utf-8")

    # -- workers -------------------------------------------------------------------------------------------------------

    async def hire(self) -> Hand:
        """A worker that serves by now."""
        hand = self._start()
        assert await anyio.to_thread.run_sync(hand.state) == "serving"
        return hand

    def _start(self) -> Hand:
        with (self.folder / f"worker{len(self.hands)}.txt").open("w") as told:
            process = subprocess.Popen(
                [str(SCRIPT), "worker", "flows.py", "--log", self.url, "--json"],
                cwd=self.folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=told, text=True,
            )  # fmt: skip
        hand = Hand(process)
        self.hands.append(hand)
        return hand

    async def gone(self, hand: Hand) -> int:
        """The exit code of a worker that ends by itself."""
        return await anyio.to_thread.run_sync(lambda: hand.process.wait(PATIENCE))

    def dismiss(self) -> None:
        """End whoever still is there."""
        for hand in self.hands:
            if hand.process.poll() is None:
                hand.send(signal.SIGKILL)
                hand.process.wait(PATIENCE)
            if hand.process.stdout is not None:
                hand.process.stdout.close()

    # -- who has what --------------------------------------------------------------------------------------------------

    async def fences(self) -> list[Fence]:
        return await Fences(self.store).all()

    async def owners(self) -> Counter[str]:
        return Counter(fence.owner for fence in await self.fences())

    async def until(self, holds: Callable[[Counter[str]], bool]) -> float:
        """Wait until the owners are so; how long that took."""
        began = time.monotonic()
        with anyio.fail_after(PATIENCE):
            while not holds(await self.owners()):  # noqa: ASYNC110 - what is waited for is in other processes
                await anyio.sleep(0.01)
        return time.monotonic() - began

    async def shared(self, *hands: Hand) -> float:
        """Wait until these workers have all partitions, evenly."""
        counts = sorted(PARTITIONS // len(hands) + (n < PARTITIONS % len(hands)) for n in range(len(hands)))
        return await self.until(lambda owners: set(owners) == {hand.name for hand in hands} and sorted(owners.values()) == counts)

    async def parts(self, hand: Hand) -> set[int]:
        return {fence.partition for fence in await self.fences() if fence.owner == hand.name}

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def ask(self, subject: str, body: Any, **headers: str) -> dict[str, Any]:
        """The answer to a command that is sent again and again until one comes: a worker that dies or sleeps keeps what it was sent.

        It counts once, by its command id.
        """
        began, found = time.monotonic(), list[dict[str, Any]]()
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as group:

                async def send() -> None:
                    with suppress(TimeoutError, NoRespondersError):
                        answer = await self.client.ask(subject, body, raw=None, within=SLICE, **headers)
                        if answer["status"] != "unavailable":
                            found.append(answer)
                            group.cancel_scope.cancel()

                while not found:
                    group.start_soon(send)
                    await anyio.sleep(AGAIN_EVERY)
        self.slowest = max(self.slowest, time.monotonic() - began)
        return found[0]

    async def start(self, flow: str, run: str) -> None:
        answer = await self.ask(f"start.{flow}", [], Perdure_Command_Id=f"start {run}", Perdure_Run_Id=run)
        assert answer["status"] == "applied", answer

    async def word(self, run: str, command: str, word: str = "more") -> None:
        answer = await self.ask(f"run.{run}.signal.word", word, Perdure_Command_Id=command)
        assert answer["status"] == "applied", answer

    async def word_to_all(self, runs: Iterable[str], command: str, word: str = "more") -> float:
        """A signal to each of these at once; the seconds until all were applied."""
        began = time.monotonic()
        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(self.word, run, f"{command} {run}", word)
        return time.monotonic() - began

    async def result(self, run: str) -> Any:
        with anyio.fail_after(PATIENCE):
            while True:
                try:
                    answer = await self.client.ask(f"run.{run}.result", within=1.0, Perdure_Within="0.8")
                except (TimeoutError, NoRespondersError):
                    continue
                if answer["status"] == "applied":
                    return answer["result"]
                assert answer["status"] == "unavailable", answer
                await anyio.sleep(0.02)

    async def results(self, runs: Sequence[str]) -> list[Any]:
        """The results of many runs, in their order."""
        found: dict[str, Any] = {}
        limit = anyio.CapacityLimiter(50)

        async def take(run: str) -> None:
            async with limit:
                found[run] = await self.result(run)

        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(take, run)
        return [found[run] for run in runs]

    def journal(self) -> list[list[str]]:
        """What the steps noted: what, key, process."""
        file = self.folder / "journal.txt"
        return [line.rsplit(" ", 2) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []

    async def epochs(self) -> dict[str, list[int]]:
        """Of each run, under which epochs its records were written, in their order."""
        found: dict[str, list[int]] = {}
        async for page in self.store.complete("LOG", self.store.subjects.tree("log")):
            for message in page:
                record = record_in(message)
                if record.stream.startswith("run/"):
                    found.setdefault(parts_of(record.stream)[2], []).append(CODEC.decode(record.data).epoch)
        return found


def run_in(partition: int, name: str) -> str:
    """An id of a run in a partition."""
    ids = (f"{name}{n}" for n in range(10_000))
    return next(id for id in ids if partition_of(stream_of("run", "default", id), PARTITIONS) == partition)


@asynccontextmanager
async def crew(url: str, namespace: str, folder: Path, *, options: str = "", flows: str = FLOWS) -> AsyncGenerator[Crew]:
    """Workers of a namespace on one server, or on several, their addresses joined by commas; `flows` is the module they serve."""
    scheme, _, hosts = url.partition("://")
    servers = [f"{scheme}://{host}" for host in hosts.split(",")]
    async with connect(servers) as connection, customer(servers, namespace) as client:
        found = Crew(f"{url}/{namespace}{options}", folder, Store(connection, Subjects(namespace, PARTITIONS)), client, flows)
        try:
            yield found
        finally:
            found.dismiss()
