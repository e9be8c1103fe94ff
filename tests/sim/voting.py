"""People who decide by policies: each in their time, some too early, some twice, and some who may not."""

from __future__ import annotations

from random import Random

import anyio

from perdure.runtime.requests import DecideApproval
from perdure.runtime.run.events import ApprovalRequested
from perdure.runtime.testing.loop import stream_of_chance
from tests.sim.clients import Client, open_approvals
from tests.sim.policies import PEOPLE

HASTE = 4.0
"""Virtual seconds between two looks, at most."""


async def vote(client: Client) -> None:
    """As long as the run goes on: whoever looks at what it asks says something, whether they may or not."""
    chance, times = stream_of_chance(client.world.seed, f"votes:{client.id}"), 0
    async with anyio.create_task_group() as group:
        while client.end is None:
            await anyio.sleep(chance.random() * HASTE)
            for asked in open_approvals(client.world, client.stream):
                if asked.terms is None or chance.random() < 0.3:
                    continue
                times += 1
                by = chance.choice(sorted(PEOPLE))
                group.start_soon(say, client, voice(client, asked, by, times, approves=chance.random() < 0.9), chance)


async def say(client: Client, voice: DecideApproval, chance: Random) -> None:
    """Until there is an answer; and where it was heard perhaps once more. Who is refused may be heard later, under another id."""
    await anyio.sleep(2 * chance.random())
    heard = await client.answer_to(voice)
    while heard and chance.random() < 0.3:
        await anyio.sleep(3 * chance.random())
        heard = await client.answer_to(voice)
        client.counters["voices_repeated"] += heard


def voice(client: Client, asked: ApprovalRequested, by: str, times: int, *, approves: bool) -> DecideApproval:
    """What one says, under an id of its own; the client keeps account of it."""
    said = DecideApproval(run=client.id, id=asked.id, outcome="approved" if approves else "rejected", by=by, digest=asked.digest,
                          roles=PEOPLE[by], command=f"vote {by} {asked.id} {times}")
    client.said[said.command] = said
    return said
