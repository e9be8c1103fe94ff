"""Claim nats-leader: how long commands wait when the server dies that leads, over what a bare client waits.

Each JetStream stream elects by itself, 4 to 9 s after it has lost its leader, so of two that lost it together one is seconds later
by chance. What perdure adds is seen beside a client that waits for the same election: it appends to `LOG` itself. What a client
waits that has a stream of its own is shown beside it. Nothing else is left to chance: the server that dies leads for all streams.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import anyio
import msgspec
from nats.aio.client import Client
from nats.errors import Error

from perdure.adapters.nats.wire.buckets import BUCKETS, LOG, PARTITIONS
from perdure.adapters.nats.wire.messages import FENCE, RECORD, Subjects
from perdure.eventlog.records import EMPTY, sealed
from perdure.eventlog.streams import stream_of
from tests.adapters.nats.cluster import NODES, cluster
from tests.adapters.nats.crew import Crew, crew, run_in
from tests.adapters.nats.server import NatsServer
from tests.bench.jetstream import payload
from tests.proofs.claim_nats_gaps import told, waiting
from tests.proofs.frame import Figures, proof

LEADERS_KILLED = 4
ANSWER_SECONDS, PAUSE = 0.5, 0.02
"""A bare client sends again when nothing has come back for so long, and so soon after it was told that nobody listens."""

MOVING_SECONDS = 60.0
FIRST = {FENCE: "0"}

Message: TypeAlias = tuple[str, bytes, dict[str, str]]
"""Subject, body and headers of something to be stored."""


@proof("nats-leader", "seconds that commands wait when the server dies that leads all streams, over what a bare append to the log waits")
def leader() -> Figures:
    return anyio.run(_leader)


async def _leader() -> Figures:
    found: list[dict[str, float]] = []
    for _ in range(LEADERS_KILLED):
        with tempfile.TemporaryDirectory() as room, tempfile.TemporaryDirectory() as folder:
            async with cluster(Path(room)) as servers:
                found.append(await around_a_leader(servers, Path(folder)))

    def longest(one: str, less: str = "") -> float:
        return max(gaps[one] - (gaps[less] if less else 0.0) for gaps in found)

    return {
        "leaders_killed": LEADERS_KILLED, "longest_gap": longest("command"), "longest_bare_gap": longest("bare"),
        "seconds_over_bare": longest("command", "bare"), "seconds_of_a_whole_run_over_bare": longest("run", "bare"),
        "seconds_over_bare_in_a_stream_of_its_own": longest("command", "alone"),
    }  # fmt: skip


async def around_a_leader(servers: Sequence[NatsServer], folder: Path) -> dict[str, float]:
    """The longest gap of a command, that of a run from its start to its end, and those of bare appends, to the log and elsewhere."""
    urls, namespace = ",".join(server.url.removeprefix("nats://") for server in servers), uuid4().hex
    subjects, alone = Subjects(namespace, PARTITIONS), f"BARE{uuid4().hex[:8]}"
    found: dict[str, float] = {}
    async with crew(f"nats://{urls}", namespace, folder, options=f"?replicas={NODES}") as team, bare_client(servers) as client:
        await team.hire()
        runs = await waiting(team)
        config = {"name": alone, "subjects": [f"{alone}.>"], "num_replicas": NODES, "storage": "file"}
        await client.request(f"$JS.API.STREAM.CREATE.{alone}", msgspec.json.encode(config), timeout=10)
        victim = await led_by(client, subjects.bucket_of(LOG.part))
        for stream in (alone, *(subjects.bucket_of(bucket.part) for bucket in BUCKETS)):
            await moved(client, stream, victim)
        servers[int(victim.removeprefix("node"))].kill()

        async def measure(name: str, message: Callable[[], Message]) -> None:
            found[name] = await until_stored(client, message)

        async with anyio.create_task_group() as group:
            group.start_soon(measure, "bare", lambda: record(subjects))
            group.start_soon(measure, "alone", lambda: (f"{alone}.{uuid4().hex}", payload(0, 0), FIRST))
            group.start_soon(whole_run, team, found)
            found["command"] = max(await told(team, runs, "after the leader"))
    found["command"] = max(found["command"], found["started"])
    return found


async def whole_run(team: Crew, found: dict[str, float]) -> None:
    """A new run, through three steps and a timer to its end."""
    began, run = time.monotonic(), run_in(0, "new")
    await team.start("three", run)
    found["started"] = time.monotonic() - began
    await team.result(run)
    found["run"] = time.monotonic() - began


# -- the bare client ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def bare_client(servers: Sequence[NatsServer]) -> AsyncGenerator[Any]:
    client: Any = Client()  # its annotations are incomplete
    await client.connect([server.url for server in servers])
    try:
        yield client
    finally:
        await client.close()


def record(subjects: Subjects) -> Message:
    """The first record of an actor that nobody asks: as well formed as ours, so that it is one more in the log."""
    append = sealed(stream_of("bare", "default", uuid4().hex), EMPTY, payload(0, 0), 1)
    return subjects.of(append.stream), append.data, FIRST | {RECORD: f"1 1 {EMPTY.digest.hex()} {append.tail.digest.hex()}"}


async def until_stored(client: Any, message: Callable[[], Message]) -> float:
    """The seconds until a bare append is acknowledged, sent anew as long as it is not."""
    began = time.monotonic()
    while True:
        subject, body, headers = message()
        with suppress(Error):
            answer = msgspec.json.decode((await client.request(subject, body, timeout=ANSWER_SECONDS, headers=headers)).data)
            if "error" not in answer:
                return time.monotonic() - began
        await anyio.sleep(PAUSE)


# -- who leads ---------------------------------------------------------------------------------------------------------


async def moved(client: Any, stream: str, victim: str) -> None:
    """Return once a server leads for a JetStream stream; the servers take a while, and may elect another."""
    wanted = msgspec.json.encode({"placement": {"preferred": victim}})
    with anyio.fail_after(MOVING_SECONDS):
        while await led_by(client, stream) != victim:
            with suppress(Error):
                await client.request(f"$JS.API.STREAM.LEADER.STEPDOWN.{stream}", wanted, timeout=ANSWER_SECONDS)
            await anyio.sleep(PAUSE)


async def led_by(client: Any, stream: str) -> str:
    """The name of the server that leads for a JetStream stream."""
    while True:
        with suppress(Error):
            told_ = msgspec.json.decode((await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=ANSWER_SECONDS)).data)
            leader_: str = told_.get("cluster", {}).get("leader", "")
            if leader_:
                return leader_
        await anyio.sleep(PAUSE)
