"""Artifacts that are kept no longer, in NATS: their chunks and their names are gone, all else verifies."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from anyio.lowlevel import checkpoint

import perdure
from perdure import Artifact, ArtifactSettings, Gone, Retry, Settings, StepError, step, workflow
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.verifying import verify
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.runtime.settings.artifacts import DAY
from tests.adapters.nats.server import NatsServer

SOON = Settings(artifacts=ArtifactSettings(enabled=True, retention_days=0.05 / DAY, interval_seconds=0.05), large_bytes=1024)


@step
async def write() -> str:
    async with perdure.current().artifact("report.txt") as out:
        await out.write(b"x" * 1_000_000)
    return "y" * 3000


@workflow
async def reporting() -> str:
    return await write()


@step(retry=Retry(attempts=1))
def stumble(room: str) -> None:
    if not Path(room, "go").exists():
        raise ValueError("not yet")


@step(queue="readers", retry=Retry(attempts=1))
async def read(one: Artifact) -> int:
    return len([chunk async for chunk in perdure.current().read(one)])


@workflow
async def rereading(room: str) -> str:
    await write()
    await stumble(room)
    try:
        return str(await read(perdure.artifact("report.txt")))
    except StepError as error:
        return error.type


async def removed(runtime: perdure.Runtime) -> None:
    """Wait until the run has released its artifacts, and has nothing more to remove."""
    with anyio.fail_after(20):
        while not (await runtime.artifacts("r"))["report.txt"].gone:
            await checkpoint()
        while await runtime.carrier.heads.due(0):
            await checkpoint()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_released_artifact_is_removed_from_jetstream_and_the_log_stays_whole(nats_server: NatsServer) -> None:
    namespace = uuid4().hex
    url = f"{nats_server.url}/{namespace}"
    async with perdure.open(url, workflows=[reporting], settings=SOON) as runtime:
        run = await runtime.start(reporting, id="r")
        await run.result()
        await removed(runtime)
        with pytest.raises(Gone):
            await anext(runtime.artifact("r", "report.txt"))
    async with connect(nats_server.url) as connection:
        store = Store(connection, Subjects(namespace, 64))
        left = await store.everything("BLOBS", store.subjects.tree("blob"))
    found = await verify(url)

    assert [len(message.data) for message in left][:-1] == [3002]
    assert len(left) == 2
    assert (found.verdict, found.blobs) == ("intact", 1)
    async with open_nats(url) as carrier:
        assert await carrier.blobs.mark() == left[-1].sequence


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"], indirect=True)
async def test_a_queue_worker_that_reads_what_was_released_hears_that_it_is_gone(nats_server: NatsServer, tmp_path: Path) -> None:
    url = f"{nats_server.url}/{uuid4().hex}"
    async with perdure.open(url, workflows=[rereading], settings=SOON) as runtime, perdure.work_for(url, ["readers"], steps=[read]):
        run = await runtime.start(rereading, str(tmp_path), id="r")
        with pytest.raises(perdure.RunError):
            await run.result()
        await removed(runtime)
        (tmp_path / "go").touch()
        await run.retry()
        assert await run.result() == "Gone"
