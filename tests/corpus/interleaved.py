"""The program that journals by call order must forbid: two sequences of steps interleaved in one gather (dbos-transact-py#688)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec import Struct

from perdure import gather, workflow
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.inspect.replay import drive
from perdure.runtime.run.state import Outcome, RunState
from tests.corpus import steps
from tests.corpus.branching import sequence, two_lines
from tests.corpus.carriers import in_memory
from tests.corpus.ledger import Play

NOWHERE = Path()


@workflow(name="two_lines")
async def changed() -> list[list[str]]:
    """The same, with a step more in the middle of the first branch."""

    async def longer() -> list[str]:
        first = [await steps.say("a0"), await steps.say("a1")]
        await steps.say("new")
        return [*first, await steps.say("a2"), await steps.say("a3")]

    return list(await gather(longer(), sequence("b", 4)))


CHANGED: Workflow[..., Any] = changed


class Schedule(Struct, frozen=True):
    """What one order of completion came to."""

    order: tuple[str, ...]
    ids: tuple[str, ...]
    result: bytes
    agrees: bool
    facts: RunState


def played(flow: Workflow[..., Any], seed: int) -> RunState:
    return in_memory(Play(f"two-{seed}", flow, (), (), seed), NOWHERE).main


def one_schedule(seed: int) -> Schedule:
    """Run the program with its steps ending in the order that the seed draws."""
    facts = played(two_lines, seed)
    order = tuple(arrival.id for arrival in facts.arrivals if isinstance(arrival, Outcome))
    agrees, _ = drive(f"two-{seed}", facts, Registry([two_lines]))
    return Schedule(order, tuple(sorted(line.id for line in facts.script)), bytes(facts.result), bool(agrees), facts)


def effects(flow: Workflow[..., Any], seed: int) -> dict[str, str]:
    """Each effect id of a run of the flow, and what was done under it."""
    return {line.id: f"{line.name} {bytes(line.key).decode()}" for line in played(flow, seed).script}


def differences(facts: RunState) -> dict[str, str]:
    """How the changed code differs from an old log."""
    agrees, difference = drive("two", facts, Registry([CHANGED]))
    if agrees is not False:
        raise AssertionError("the changed code agrees with a log of the old code")
    return difference
