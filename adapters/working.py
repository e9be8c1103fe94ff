"""Working for task queues: a process that performs steps of runs which other processes serve."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from ..eventlog.errors import Invalid, NotFound
from ..runtime.authoring.given import many
from ..runtime.authoring.steps import Step
from ..runtime.perform.interceptors import Interceptor
from ..runtime.resources import Resources
from ..runtime.settings.node import Settings
from ..runtime.step_worker import StepWorker
from .compose import nats_or_say_so
from .system.bell import bell
from .system.clock import SystemClock, WorkerThreads
from .system.processes import WorkerProcesses
from .urls import is_in_nats, must_be_url

AnyStep = Step[..., Any]


@asynccontextmanager
async def work_for(
    url: str,
    queues: Sequence[str],
    *,
    steps: Iterable[AnyStep],
    resources: Resources | None = None,
    interceptors: Iterable[Interceptor] = (),
    settings: Settings | None = None,
) -> AsyncGenerator[str]:
    """Perform what lies in these task queues of the namespace at `nats://HOST:4222/NAMESPACE`, until the end of the block.

    Gives the name of this worker, as events of steps tell it. `steps` are those that it can perform; `resources` and
    `interceptors` are as in `perdure.open`. At the end what runs may go on for `Settings(drain_seconds=…)`; the rest is
    performed by another worker. Invalid where no step is for one of the queues, NotFound where there is no such namespace.
    """
    must_be_url(url, "perdure.work_for", "nats://HOST:PORT/NAMESPACE")
    if not is_in_nats(url):
        raise Invalid("only a log in NATS has task queues", who="perdure.work_for", where="url", expected="nats://HOST:PORT/NAMESPACE",
                      found=repr(url.partition("?")[0]), instead="on an embedded log the process that serves the runs performs all steps")
    known = list(many(steps, Step, "perdure.work_for", "steps", "write steps=[…], each a function decorated with @step"))
    settings = settings or Settings.of(os.environ)
    must_be_for(queues, known)
    with nats_or_say_so():
        from .nats.queues.worker import seated
    clock = SystemClock()
    async with seated(url, clock) as seat, aclosing(WorkerProcesses(os.cpu_count() or 1)) as processes:
        worker = StepWorker(
            known, seat, name=seat.name, tell=seat.tell, clock=clock, threads=WorkerThreads(settings.worker_concurrency),
            processes=processes, settings=settings, resources=resources, interceptors=interceptors, bell=bell,
        )  # fmt: skip
        async with worker.serving(), seat.taking(worker, queues):
            yield seat.name


def must_be_for(queues: Sequence[str], steps: Iterable[AnyStep]) -> None:
    """Invalid where there are no queues; NotFound where none of the steps is for one of them."""
    if not queues:
        raise Invalid("a queue worker needs a queue", who="perdure.work_for", where="queues", expected="one name at least", found="none",
                      instead="name the queues whose steps it is to perform")
    found = sorted({step.rules.queue for step in steps if step.rules.queue is not None})
    for queue in queues:
        if queue not in found:
            raise NotFound("no step is for this queue", who=f"queue {queue!r}", where="the steps of this worker",
                           expected=f"one of {', '.join(found)}" if found else "a step with @step(queue=…)", found=repr(queue),
                           instead="correct the name, or give this worker the module that defines the step")
