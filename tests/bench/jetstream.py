"""W1 and W2 on JetStream, beside bare appends of the same client library to the same server in the same minute.

The bare limit has no engine around it: coroutines by number, their outcomes encoded and padded to the size of our records,
each append fenced as ours are, by the faster of the two ways there are: message by message, or in atomic batches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from statistics import median
from typing import Any
from uuid import uuid4

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

import perdure
from perdure import Unavailable
from perdure.adapters.nats.wire.api import IN_FLIGHT as BUSY
from tests.bench.bare import PADDING, Done, encode
from tests.bench.loads import WORKFLOWS, many_runs, sequence
from tests.bench.measuring import settle_collector, share_of

FENCE = "Nats-Expected-Last-Subject-Sequence"
RECORD_BYTES = 330
"""A step's record of ours: its outcome and what is scheduled next."""
BATCH = 1000
IN_FLIGHT = 512

PING_SECONDS = 5
"""A server that leaves two pings without an answer is away."""

_seq = msgspec.json.Decoder(dict[str, Any]).decode


def payload(run: int, place: int) -> bytes:
    value: dict[str, object] = {"run": run, "step": place, "value": 7 * place, "padding": PADDING}
    return encode(Done(str(place), "work", value)).ljust(RECORD_BYTES)


class Busy(Exception):
    """Of three servers, the leader still has an earlier message of the subject in hand, though it is acknowledged: try again."""


class Bare:
    """Appends to one JetStream stream, and waits for what the server says."""

    def __init__(self, client: Any, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        self.inbox = f"_INBOX.{uuid4().hex}"
        self._waiting: dict[str, asyncio.Future[int]] = {}
        self._room = asyncio.Semaphore(IN_FLIGHT)
        self._count = 0
        self._away: Unavailable | None = None

    async def lose(self) -> None:
        """The connection has ended: nothing that waits will be answered."""
        self._away = away(self.prefix, "the connection has ended")
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._away)

    async def hear(self, message: Msg) -> None:
        waiting, answer = self._waiting.pop(message.subject), _seq(message.data or b'{"error": "nobody listens"}')
        if waiting.done():
            return
        if "error" in answer:
            waiting.set_exception(Busy() if answer["error"]["err_code"] == BUSY else AssertionError(answer))
        else:
            waiting.set_result(int(answer["seq"]))

    async def append(self, run: int, place: int, behind: int, headers: dict[str, str] | None = None) -> int:
        """The sequence of the next record of a run, once it is stored; Unavailable where the server goes away."""
        while True:
            with suppress(Busy):
                return await self._append(run, place, behind, headers)

    async def _append(self, run: int, place: int, behind: int, headers: dict[str, str] | None) -> int:
        if self._away is not None:
            raise self._away
        self._count += 1
        reply = f"{self.inbox}.{self._count}"
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting[reply] = answer
        await self.client.publish(f"{self.prefix}.{run}", payload(run, place), reply, {FENCE: str(behind), **(headers or {})})
        return await answer

    async def apart(self, runs: int, steps: int) -> float:
        """Steps a second, every record acknowledged by itself."""

        async def flow(run: int) -> None:
            behind = 0
            for place in range(steps):
                async with self._room:
                    behind = await self.append(run, place, behind)

        begun = time.perf_counter()
        await asyncio.gather(*(flow(run) for run in range(runs)))
        return runs * steps / (time.perf_counter() - begun)

    async def together(self, runs: int, steps: int) -> float:
        """Steps a second, a thousand runs to an atomic batch."""

        async def batches(first: int, last: int) -> None:
            behind = [0] * (last - first)
            for place in range(steps):
                name = uuid4().hex
                for number, run in enumerate(range(first, last - 1), 1):
                    headers = {FENCE: str(behind[run - first]), "Nats-Batch-Id": name, "Nats-Batch-Sequence": str(number)}
                    await self.client.publish(f"{self.prefix}.{run}", payload(run, place), "", headers)
                end = {"Nats-Batch-Id": name, "Nats-Batch-Sequence": str(last - first), "Nats-Batch-Commit": "1"}
                sequence = await self.append(last - 1, place, behind[-1], end)
                behind = list(range(sequence - (last - first) + 1, sequence + 1))

        begun = time.perf_counter()
        await asyncio.gather(*(batches(first, min(runs, first + BATCH)) for first in range(0, runs, BATCH)))
        return runs * steps / (time.perf_counter() - begun)


def away(where: str, found: str) -> Unavailable:
    return Unavailable("the server that is measured does not answer", who="bare appends", where=where, expected="an answer to each",
                       found=found, instead="start the server again and measure anew: what was measured so far says nothing")


@asynccontextmanager
async def bare(url: str | list[str], replicas: int) -> AsyncGenerator[Bare]:
    """A JetStream stream of its own for bare appends, gone afterwards; Unavailable where the server is away, or goes away."""
    client: Any = Client()  # its annotations are incomplete
    name = f"BARE{uuid4().hex[:8]}"
    appends = Bare(client, f"bare.{name}")
    allowed = {"allow_direct": True, "allow_atomic": True}
    config = {"name": name, "subjects": [f"bare.{name}.>"], "num_replicas": replicas, "storage": "file", **allowed}
    try:
        await client.connect(
            url, pending_size=64 * 1024 * 1024, allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0.1,
            ping_interval=PING_SECONDS, error_cb=ignored, disconnected_cb=appends.lose,
        )  # fmt: skip
        await client.request(f"$JS.API.STREAM.CREATE.{name}", encode(config), timeout=10)
        await client.subscribe(f"{appends.inbox}.*", cb=appends.hear)
        yield appends
        await client.request(f"$JS.API.STREAM.DELETE.{name}", b"", timeout=10)
    except (Error, OSError) as error:
        raise away(str(url), repr(error)) from error
    finally:
        await client.close()


async def ignored(_: Exception) -> None:
    """What the client says of a lost connection: who waits hears it."""


async def w1(url: str, *, replicas: int = 1, runs: int = 2000, steps: int = 10, rounds: int = 5) -> dict[str, float]:
    """W1: share of the better of both bare ways, and CPU a step."""
    pairs: list[tuple[float, float]] = []
    apart: list[float] = []
    cpu: list[float] = []
    settle_collector()
    for _ in range(rounds):
        async with bare(url, replicas) as appends:
            alone = await appends.apart(runs // 4, steps)
        async with bare(url, replicas) as appends:
            grouped = await appends.together(runs, steps)
        ours = await many_runs(f"{url}/w{uuid4().hex[:8]}?replicas={replicas}", runs, steps)
        pairs.append((ours["steps_per_s"], max(alone, grouped)))
        apart.append(alone)
        cpu.append(ours["cpu_us_per_step"])
    ours_per_s, bare_per_s = (median(side) for side in zip(*pairs, strict=True))
    return {
        "of_bare": share_of(pairs), "steps_per_s": ours_per_s, "bare_steps_per_s": bare_per_s, "bare_one_by_one_per_s": median(apart),
        "cpu_us_per_step": median(cpu),
    }  # fmt: skip


async def w2(url: str, *, replicas: int = 1, runs: int = 40) -> dict[str, float]:
    """W2: how many bare appends, one after another, a commit of a run takes that is alone."""
    shares: dict[int, float] = {}
    place = f"{url}/w{uuid4().hex[:8]}?replicas={replicas}"
    async with bare(url, replicas) as appends, perdure.open(place, workflows=WORKFLOWS) as runtime:
        for steps in (1, 10):
            ours: list[float] = []
            theirs: list[float] = []
            for number in range(runs):
                turns, begun = runtime.dispatcher.turns, time.perf_counter()
                handle = await runtime.start(sequence, number, steps)
                await handle.result()
                commits = runtime.dispatcher.turns - turns
                ours.append((time.perf_counter() - begun) / commits)
                theirs += await one_after_another(appends, commits)
            shares[steps] = median(ours) / median(theirs)
    return {f"bare_appends_a_commit_of_{steps}": share for steps, share in shares.items()}


async def one_after_another(appends: Bare, count: int) -> Sequence[float]:
    """The seconds that each of so many bare appends took."""
    taken: list[float] = []
    run, behind = uuid4().int, 0
    for place in range(count):
        begun = time.perf_counter()
        behind = await appends.append(run, place, behind)
        taken.append(time.perf_counter() - begun)
    return taken
