"""Health: whether this process lives, whether it can take requests, and how it is."""

from __future__ import annotations

from typing import Literal

import anyio
from msgspec import Raw, Struct

from ...eventlog.errors import PerdureError, Unavailable
from ...runtime.engine import Runtime
from .metrics import MEDIA, Metrics
from .operations import Answer, Call, Operation

PROBE_SECONDS = 2.0
"""Within which a log that is there answers: who asks whether it does cannot wait as long as a command can."""


class Alive(Struct, frozen=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(Struct, frozen=True, omit_defaults=True):
    """Whether the log answers, and what an acknowledged append survives: a power cut, the end of the process, or nothing."""

    status: Literal["ok", "degraded"]
    durability: str
    why: str = ""


class Worker(Struct, frozen=True):
    """How the part of this process that performs steps is."""

    worker: str
    status: Literal["ok", "degraded"]
    durability: str
    workflows: list[str]
    actors_in_memory: int
    steps_at_once_max: int
    why: str = ""


async def alive(call: Call) -> Answer:
    return Answer(Alive())


async def ready(call: Call) -> Answer:
    """503 where the log does not answer."""
    why = await _fault(call.runtime)
    found = Ready("degraded" if why else "ok", call.runtime.carrier.durability, why)
    return Answer(found, 503 if why else 200)


async def worker(call: Call) -> Answer:
    runtime, why = call.runtime, await _fault(call.runtime)
    names = sorted(runtime.registry.known)
    return Answer(Worker(
        runtime.dispatcher.ownership.owner, "degraded" if why else "ok", runtime.carrier.durability, names, len(runtime.dispatcher.actors),
        runtime.settings.worker_concurrency, why,
    ))  # fmt: skip


def metrics_of(metrics: Metrics) -> Operation:
    """The operation that shows them."""

    async def show(call: Call) -> Answer:
        return Answer(Raw(metrics.text().encode()), media=MEDIA)

    return Operation(name="metrics", method="GET", path="/metrics", perform=show, answers={200: bytes}, media=(MEDIA,),
                     summary="Counts and times of requests, for Prometheus")


async def _fault(runtime: Runtime) -> str:
    """What keeps the log from answering; empty where it answers. Names no stream and no tenant."""
    with anyio.move_on_after(PROBE_SECONDS) as probe:
        try:
            await runtime.carrier.heads.all(limit=1)
        except PerdureError as error:
            return error.code
    return Unavailable.code if probe.cancelled_caught else ""


OPERATIONS = (
    Operation(name="health", method="GET", path="/health", perform=ready, answers={200: Ready, 503: Ready}, head=True,
              summary="Whether the service can do its work"),
    Operation(name="healthz", method="GET", path="/healthz", perform=alive, answers={200: Alive}, head=True,
              summary="Whether the process lives"),
    Operation(name="readyz", method="GET", path="/readyz", perform=ready, answers={200: Ready, 503: Ready}, head=True,
              summary="Whether requests may be sent here"),
    Operation(name="workers.status", method="GET", path="/workers/status", perform=worker, answers={200: Worker},
              summary="How the worker in this process is"),
)  # fmt: skip
