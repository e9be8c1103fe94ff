"""The workloads, each beside its bare limit in the same process and the same minute.

W1: many runs of ten steps at once. W2: one run at a time. W3: one run of many parallel steps. W6: one long run. The step
of all is an async function that waits once (`anyio.sleep(0)`, so that it cannot be run inline) and returns 100 bytes of JSON.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import anyio
import anyio.lowlevel

import perdure
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.inspect.replay import drive, fold
from tests.bench.bare import PADDING, Committer, throughput
from tests.bench.measuring import ROUNDS, bytes_written, fresh_folder, settle_collector, share_of


@perdure.step
async def work(run: int, place: int) -> dict[str, object]:
    await anyio.lowlevel.checkpoint()
    return {"run": run, "step": place, "value": 7 * place, "padding": PADDING}


@perdure.workflow
async def sequence(run: int, steps: int) -> int:
    total = 0
    for place in range(steps):
        total += int(str((await work(run, place))["value"]))
    return total


@perdure.workflow
async def fan_out(steps: int) -> int:
    return len(await perdure.gather(*(work(0, place) for place in range(steps))))


@perdure.workflow
async def timed(steps: int, marks: str) -> int:
    """As `sequence`, noting the CPU time after the first and before the last thousand: a measuring device, no example."""
    for place in range(steps):
        await work(0, place)
        if place in (MARK, steps - MARK):
            _cpu.append(time.process_time())
    return steps


MARK = 1000
_cpu: list[float] = []
WORKFLOWS: list[Workflow[..., Any]] = [sequence, fan_out, timed]


async def many_runs(url: str, runs: int, steps: int) -> dict[str, float]:
    """W1 on one carrier: steps a second, CPU microseconds a step, turns, bytes written a step."""
    expected = sum(7 * place for place in range(steps))
    async with perdure.open(url, workflows=WORKFLOWS) as runtime:

        async def one(number: int) -> None:
            handle = await runtime.start(sequence, number, steps)
            assert await handle.result() == expected

        written, cpu, begun = bytes_written(), time.process_time(), time.perf_counter()
        await asyncio.gather(*(one(number) for number in range(runs)))
        seconds, count = time.perf_counter() - begun, runs * steps
        return {
            "steps_per_s": count / seconds,
            "cpu_us_per_step": (time.process_time() - cpu) * 1e6 / count,
            "commits": runtime.dispatcher.turns,
            "bytes_per_step": (bytes_written() - written) / count,
        }


async def w1(runs: int = 2000, steps: int = 10, rounds: int = ROUNDS) -> dict[str, float]:
    pairs: list[tuple[float, float]] = []
    memory: list[float] = []
    disk: dict[str, float] = {}
    settle_collector()
    for _ in range(rounds):
        with fresh_folder() as folder:
            bare = await throughput(folder / "bare.db", runs, steps)
            disk = await many_runs(f"sqlite:///{folder}/ours.db", runs, steps)
        pairs.append((disk["steps_per_s"], bare))
        memory.append((await many_runs("memory:", runs, steps))["cpu_us_per_step"])
    ours, bare = (median(side) for side in zip(*pairs, strict=True))
    return {
        "medians_of": rounds,
        "of_bare": share_of(pairs),
        "steps_per_s": ours,
        "bare_steps_per_s": bare,
        "cpu_us_per_step_in_memory": median(memory),
        "cpu_us_per_step": disk["cpu_us_per_step"],
        "commits": disk["commits"],
        "bytes_per_step": disk["bytes_per_step"],
        "worker_concurrency": perdure.Settings().worker_concurrency,
    }


class Lone(NamedTuple):
    """What runs cost that are alone: medians; seconds a commit, ours and bare; of the last run its commits; CPU and bytes a step."""

    ours: float
    bare: float
    commits: int
    cpu_us_per_step: float
    bytes_per_step: float


async def latency(folder: Path, steps: int, runs: int) -> Lone:
    """Runs one after the other, and after each as many bare commits as it had made: the records of its stream."""
    ours: list[float] = []
    bare: list[float] = []
    cpu: list[float] = []
    written: list[float] = []
    commits = 0
    committer = Committer(folder / f"bare-{steps}.db")
    async with perdure.open(f"sqlite:///{folder}/ours-{steps}.db", workflows=WORKFLOWS) as runtime:
        for number in range(runs):
            bytes_before, cpu_before, begun = bytes_written(), time.process_time(), time.perf_counter()
            handle = await runtime.start(sequence, number, steps)
            await handle.result()
            seconds = time.perf_counter() - begun
            cpu.append((time.process_time() - cpu_before) * 1e6 / steps)
            written.append((bytes_written() - bytes_before) / steps)
            commits = len([record async for record in runtime.carrier.log.read(f"run/default/{handle.id}")])
            ours.append(seconds / commits)
            bare.extend([await committer.commit() for _ in range(commits)])
    committer.stop()
    return Lone(median(ours), median(bare), commits, median(cpu), median(written))


async def w2(rounds: int = ROUNDS) -> dict[str, float]:
    one: list[Lone] = []
    ten: list[Lone] = []
    settle_collector()
    for _ in range(rounds):
        with fresh_folder() as folder:
            one.append(await latency(folder, 1, 150))
            ten.append(await latency(folder, 10, 50))
    return {
        "medians_of": rounds,
        "bare_commits_per_commit_of_1_step": share_of([lone[:2] for lone in one]),
        "bare_commits_per_commit_of_10_steps": share_of([lone[:2] for lone in ten]),
        "commits_of_1_step": one[-1].commits,
        "commits_of_10_steps": ten[-1].commits,
        "us_per_commit": median(lone.ours for lone in ten) * 1e6,
        "bare_us_per_commit": median(lone.bare for lone in ten) * 1e6,
        "cpu_us_per_step": median(lone.cpu_us_per_step for lone in ten),
        "bytes_per_step": median(lone.bytes_per_step for lone in ten),
    }


async def w3(steps: int = 1000, rounds: int = ROUNDS) -> dict[str, float]:
    pairs: list[tuple[float, float]] = []
    cpu: list[float] = []
    commits = written = 0.0
    settle_collector()
    for _ in range(rounds):
        with fresh_folder() as folder:
            bare = await throughput(folder / "bare.db", steps, 1)
            async with perdure.open(f"sqlite:///{folder}/ours.db", workflows=WORKFLOWS) as runtime:
                bytes_before, cpu_before, begun = bytes_written(), time.process_time(), time.perf_counter()
                handle = await runtime.start(fan_out, steps)
                assert await handle.result() == steps
                pairs.append((steps / (time.perf_counter() - begun), bare))
                cpu.append((time.process_time() - cpu_before) * 1e6 / steps)
                written = (bytes_written() - bytes_before) / steps
                commits = len([record async for record in runtime.carrier.log.read(f"run/default/{handle.id}")])
    return {
        "medians_of": rounds,
        "of_bare": share_of(pairs),
        "steps_per_s": median(ours for ours, _ in pairs),
        "cpu_us_per_step": median(cpu),
        "commits": commits,
        "bytes_per_step": written,
    }


async def long_run(steps: int = 10_000, rounds: int = ROUNDS) -> dict[str, float]:
    """The CPU time of the last thousand steps of a long run, as a multiple of the first thousand."""
    ratios: list[float] = []
    settle_collector()
    for _ in range(rounds):
        with fresh_folder() as folder:
            async with perdure.open(f"sqlite:///{folder}/long.db", workflows=WORKFLOWS) as runtime:
                _cpu.clear()
                begun = time.process_time()
                handle = await runtime.start(timed, steps, "")
                await handle.result()
                ended = time.process_time()
        first, last = _cpu[0] - begun, ended - _cpu[1]
        ratios.append(last / first)
    return {"medians_of": rounds, "last_to_first": median(ratios)}


async def replay(steps: int = 10_000, rounds: int = ROUNDS) -> dict[str, float]:
    """Events a second, all in: read from the file, verified, decoded, evolved and driven."""
    registry = Registry(WORKFLOWS)
    settle_collector()
    with fresh_folder() as folder:
        async with perdure.open(f"sqlite:///{folder}/long.db", workflows=WORKFLOWS) as runtime:
            await (await runtime.start(sequence, 0, steps, id="long")).result()
            rates = [await _replayed(runtime.carrier.log, registry) for _ in range(rounds)]
    return {"medians_of": rounds, "events_per_s": median(rates)}


async def _replayed(log: Any, registry: Registry) -> float:
    begun, stream = time.perf_counter(), "run/default/long"
    records = (await log.load({stream: 0}))[stream]
    facts = fold(stream, records)
    agrees, difference = drive("long", facts, registry)
    seconds = time.perf_counter() - begun
    assert agrees, difference
    return facts.length / seconds
