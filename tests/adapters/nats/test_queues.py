"""Task queues in NATS: steps performed by queue workers, whatever becomes of these and of the workers that serve the runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import anyio.abc
import pytest
from nats.errors import TimeoutError as NoAnswerInTime

import perdure
from perdure.adapters.nats.doors.dead_letters import bury
from perdure.adapters.nats.inspecting import QueueLine, status
from perdure.adapters.nats.queues import hand, orders, worker
from perdure.adapters.nats.wire.pulling import Delivery
from perdure.adapters.nats.wire.store import Store
from perdure.runtime.authoring.steps import Step
from perdure.runtime.inspect.replay import fold, workflow_hash
from perdure.runtime.requests import Declined
from perdure.runtime.run.events import CODEC
from perdure.runtime.run.step_events import StepCompleted
from tests.adapters.nats.doors.shop import customer
from tests.adapters.nats.server import NatsServer, running
from tests.adapters.nats.studio import FILMS, double, film, go, licensed, licensed_film, lines, long_text, premiere, publish, render
from tests.house import pages, tree

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0
STEPS: list[Step[..., Any]] = [render, publish, licensed, double]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def url(nats_server: NatsServer) -> str:
    return f"{nats_server.url}/{uuid4().hex}"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@asynccontextmanager
async def owner(url: str) -> AsyncGenerator[perdure.Runtime]:
    with anyio.fail_after(PATIENCE):
        async with perdure.open(url, workflows=FILMS, settings=perdure.Settings(drain_seconds=5.0)) as runtime:
            yield runtime


@contextmanager
def process(url: str, seconds: float) -> Generator[subprocess.Popen[str]]:
    """A queue worker that takes orders by now."""
    command = [sys.executable, "-m", "tests.adapters.nats.studio", url, str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert json.loads(one.stdout.readline())["state"] == "serving"
        try:
            yield one
        finally:
            one.kill()


async def until(true: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for is in other processes
            await anyio.sleep(0.01)


async def queues_stand(url: str, line: QueueLine) -> None:
    """Wait until the only queue stands so."""
    with anyio.fail_after(PATIENCE):
        while list((await status(url)).queues) != [line]:  # noqa: ASYNC110 - the server tells nobody
            await anyio.sleep(0.02)


async def performers(runtime: perdure.Runtime, run: str) -> list[str]:
    """Who performed the steps of a run."""
    events = [event async for record in runtime.carrier.log.read(f"run/default/{run}") for event in CODEC.decode(record.data).events]
    return [event.worker for event in events if isinstance(event, StepCompleted)]


async def test_a_queue_worker_performs_the_step_and_the_run_is_the_same_as_on_sqlite(url: str, tmp_path: Path) -> None:
    digests: list[str] = []
    for place in (url, f"sqlite:///{tmp_path / 'films.db'}"):
        async with owner(place) as runtime:
            if place == url:
                async with perdure.work_for(url, ["cpu"], steps=STEPS) as name:
                    assert await (await runtime.start(long_text, 100_000, id="r")).result() == [200_000, 100_000]
                    assert await performers(runtime, "r") == [name]
                    await queues_stand(url, QueueLine("cpu", 0, 0))
                assert runtime.pool.attempts == 0
            else:
                assert await (await runtime.start(long_text, 100_000, id="r")).result() == [200_000, 100_000]
                assert runtime.pool.attempts == 1
            records = [record async for record in runtime.carrier.log.read("run/default/r")]
            digests.append(workflow_hash(fold("run/default/r", records)))
    assert digests[0] == digests[1]


async def test_what_a_killed_worker_had_is_performed_by_another_with_the_same_key(url: str, journal: Path) -> None:
    async with owner(url) as runtime:
        rendered = await runtime.start(film, "sea", str(journal), id="film")
        published = await runtime.start(premiere, "sky", str(journal), id="premiere")
        with process(url, 0.6) as first:
            await until(lambda: len(lines(journal)) == 2)
            first.send_signal(signal.SIGKILL)
        with process(url, 0.6) as second:
            await until(lambda: [line[0] for line in lines(journal)].count("render") == 2)
            go(journal)
            assert await rendered.result() == "sea rendered"
            assert await published.result() == "see whether sky is out"
            second.send_signal(signal.SIGTERM)
            assert second.wait(PATIENCE) == 0
    told = lines(journal)
    assert [line[0] for line in told].count("publish") == 1
    assert len({key for what, key, _ in told if what == "render"}) == 1
    assert len({process for what, _, process in told if what == "render"}) == 2


async def test_a_worker_that_leaves_hands_back_at_once_what_does_not_end_in_its_time(url: str, journal: Path) -> None:
    async with owner(url) as runtime:
        run = await runtime.start(film, "sea", str(journal), id="r")
        async with perdure.work_for(url, ["gpu"], steps=STEPS, settings=perdure.Settings(drain_seconds=0.1)):
            await until(lambda: lines(journal))
        began = time.monotonic()
        async with perdure.work_for(url, ["gpu"], steps=STEPS):
            await until(lambda: [line[0] for line in lines(journal)] == ["render", "cut", "render"])
            assert time.monotonic() - began < worker.ACK_SECONDS / 2
            go(journal)
            assert await run.result() == "sea rendered"


async def test_a_cancelled_run_ends_the_attempt_wherever_it_runs(url: str, journal: Path) -> None:
    async with owner(url) as runtime:
        run = await runtime.start(film, "sea", str(journal), id="r")
        await queues_stand(url, QueueLine("", 1, 0))
        async with perdure.work_for(url, ["gpu"], steps=STEPS):
            await until(lambda: lines(journal))
            await queues_stand(url, QueueLine("gpu", 0, 1))
            await run.cancel()
            await until(lambda: [line[0] for line in lines(journal)] == ["render", "cut"])
            await queues_stand(url, QueueLine("gpu", 0, 0))


def elsewhere(namespace: str, queue: str) -> str:
    """A subject at which nobody listens."""
    return f"perdure.{namespace}.nowhere.{queue}"


async def test_a_cancel_of_which_no_word_came_through_is_noticed_a_little_later(
    url: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "CONFIRMED_EVERY", 0.1)
    monkeypatch.setattr(worker, "ACK_SECONDS", 0.6)
    monkeypatch.setattr(orders, "stop_subject", elsewhere)
    async with owner(url) as runtime, perdure.work_for(url, ["gpu"], steps=STEPS):
        run = await runtime.start(film, "sea", str(journal), id="r")
        await until(lambda: lines(journal))
        await run.cancel()
        await until(lambda: [line[0] for line in lines(journal)] == ["render", "cut"])


async def test_a_limit_holds_over_several_workers_of_a_queue(url: str, journal: Path) -> None:
    async with (
        owner(url) as runtime,
        perdure.work_for(url, ["gpu"], steps=STEPS) as one,
        perdure.work_for(url, ["gpu"], steps=STEPS) as other,
    ):
        runs = [await runtime.start(licensed_film, str(n), str(journal), id=f"r{n}") for n in range(8)]
        assert [await run.result() for run in runs] == [str(n) for n in range(8)]
        assert [line[0] for line in lines(journal)] == ["begin", "end"] * 8
        assert {name for n in range(8) for name in await performers(runtime, f"r{n}")} <= {one, other}


async def test_an_order_that_no_worker_understands_lies_with_the_dead_letters_and_its_run_fails(
    url: str, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hand, "LATER_SECONDS", 0.02)
    async with owner(url) as runtime, perdure.work_for(url, ["gpu"], steps=[publish]):
        run = await runtime.start(film, "sea", str(journal), id="r")
        with pytest.raises(perdure.RunError, match="did not understand it"):
            await run.result()
        await queues_stand(url, QueueLine("gpu", 0, 0))
        assert sum(line.messages for line in (await status(url)).stored if line.name.endswith("_DLQ")) == 1
    assert lines(journal) == []


async def test_a_dead_letter_waits_for_the_stream_that_keeps_it(url: str, journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hand, "LATER_SECONDS", 0.02)
    tries = list[str]()

    async def away_twice(store: Store, delivery: Delivery, why: Declined, dead: str, origin: str) -> None:
        tries.append(origin)
        if len(tries) <= 2:
            raise perdure.Unavailable("no leader", who=dead)
        await bury(store, delivery, why, dead, origin)

    monkeypatch.setattr(hand, "bury", away_twice)
    async with owner(url) as runtime, perdure.work_for(url, ["gpu"], steps=[publish]):
        run = await runtime.start(film, "sea", str(journal), id="r")
        with pytest.raises(perdure.RunError, match="did not understand it"):
            await run.result()
        assert sum(line.messages for line in (await status(url)).stored if line.name.endswith("_DLQ")) == 1
    assert len(tries) == 3


async def test_what_runs_in_a_queue_outlives_the_worker_that_serves_its_run(url: str, journal: Path) -> None:
    end, ended = anyio.Event(), anyio.Event()

    async def first(*, task_status: anyio.abc.TaskStatus[None]) -> None:
        async with owner(url) as runtime:
            await runtime.start(film, "sea", str(journal), id="r")
            task_status.started()
            await end.wait()
        ended.set()

    async with anyio.create_task_group() as group, AsyncExitStack() as stack:
        await group.start(first)
        await stack.enter_async_context(perdure.work_for(url, ["gpu"], steps=STEPS))
        await until(lambda: lines(journal))
        async with owner(url) as second:
            end.set()
            with anyio.fail_after(3):  # it does not wait for what runs elsewhere
                await ended.wait()
            go(journal)
            assert await second.run("r").result() == "sea rendered"
    assert [line[0] for line in lines(journal)] == ["render"]


async def test_a_queue_worker_needs_no_more_than_the_permissions_of_its_role(tmp_path: Path) -> None:
    (roles,) = [block.text for block in pages.blocks(tree.ROOT / "docs" / "nats_subjects.md") if "authorization" in block.text]
    with running(tmp_path, roles) as server:
        as_user = (server.url.replace("//", "//{}@") + "/shop").format
        async with owner(as_user("worker:w")) as runtime, perdure.work_for(as_user("renderer:r"), ["cpu", "gpu"], steps=STEPS) as name:
            run = await runtime.start(long_text, 100_000, id="r")
            assert await run.result() == [200_000, 100_000]
            assert await performers(runtime, "r") == [name]
            async with customer(server.url.replace("//", "//renderer:r@"), "shop") as plain:
                with pytest.raises(NoAnswerInTime):
                    await plain.ask("start.film", ["sea", ""], within=0.3)


async def test_a_namespace_that_is_not_there_is_not_made_and_a_queue_without_steps_is_refused(url: str) -> None:
    with pytest.raises(perdure.NotFound, match="not there"):
        async with perdure.work_for(url, ["gpu"], steps=STEPS):
            pass
    with pytest.raises(perdure.NotFound, match="no step is for this queue"):
        async with perdure.work_for(url, ["tpu"], steps=STEPS):
            pass
    with pytest.raises(perdure.Invalid, match="only a log in NATS"):
        async with perdure.work_for("sqlite:///x.db", ["gpu"], steps=STEPS):
            pass
