"""Runtimes that serve definitions, and the types of steps that their tests name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
from anyio.lowlevel import checkpoint
from msgspec import Struct

import perdure
from perdure import Retry, RunHandle, StepType
from perdure.actors.ports import OwnsAll
from perdure.adapters.system.clock import SystemClock, SystemIds, WorkerThreads
from perdure.eventlog.memory import MemoryLog
from perdure.runtime.authoring.steps import Step
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.definitions.checking import check_text
from perdure.runtime.definitions.faults import Fault
from perdure.runtime.definitions.secrecy import Secrets
from perdure.runtime.definitions.types import Types
from perdure.runtime.engine import Runtime

PATIENCE = timedelta(seconds=10)


class Greeting(Struct, frozen=True, forbid_unknown_fields=True):
    whom: str
    times: int = 1


class Greet(StepType[Greeting]):
    """Says hello."""

    name, config, example = "greet", Greeting, {"whom": "Ada"}

    async def perform(self, config: Greeting) -> Any:
        return " ".join([f"hello {config.whom}"] * config.times)


class Trouble(Struct, frozen=True):
    until: int = 1
    """The first attempt that is no trouble."""
    what: str = "not yet"


class Fail(StepType[Trouble]):
    """Fails until an attempt."""

    name, config, retry = "fail", Trouble, Retry(attempts=1)

    async def perform(self, config: Trouble) -> Any:
        attempt = perdure.current().attempt
        if attempt < config.until:
            raise ConnectionError(config.what)
        return {"attempt": attempt, "what": config.what}


class Bill(Struct, frozen=True):
    order: str
    cents: int


@perdure.step
async def charge(bill: Bill, *, currency: str = "EUR") -> Bill:
    return Bill(f"{bill.order} {currency}", bill.cents + 1)


def types(*, secrets: Secrets | None = None, steps: Iterable[Step[..., Any]] = (charge,)) -> Types:
    return Types([Greet(), Fail()], steps, secrets=secrets)


def faults(text: str) -> list[Fault]:
    """What is wrong with a text."""
    return check_text(text, types()).faults


@asynccontextmanager
async def serving(
    *workflows: Workflow[..., Any], log: MemoryLog | None = None, epoch: int = 1, known: Types | None = None
) -> AsyncGenerator[Runtime]:
    """A runtime over memory that performs the types of this module."""
    carrier = (log or MemoryLog()).carrier(epoch)
    runtime = Runtime(
        carrier, workflows, clock=SystemClock(), ids=SystemIds(), threads=WorkerThreads(4), ownership=OwnsAll(f"node {epoch}", epoch),
        types=known or types(),
    )  # fmt: skip
    async with runtime.serving():
        yield runtime


def steps(text: str, *, inputs: str = "{}", output: str = "") -> str:
    """A definition with these steps, whose lines are those of its text."""
    lines = "".join(f"  {line}\n" for line in text.strip("\n").splitlines())
    return f"name: example\ninputs: {inputs}\nsteps:\n{lines}{f'output: {output}' if output else ''}\n"


async def under_way(run: RunHandle[Any], step: str) -> None:
    """Wait until a step has begun, and has not ended."""
    with anyio.fail_after(PATIENCE.total_seconds()):
        while (await run.query("steps")).get(step) != "running":
            await checkpoint()


async def result(text: str, inputs: dict[str, Any] | None = None, *workflows: Workflow[..., Any]) -> Any:
    """What a run of the definition gives."""
    async with serving(*workflows) as runtime:
        run = await runtime.start_definition(text, inputs)
        return await run.result(within=PATIENCE)
