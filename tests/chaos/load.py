"""The load: players that begin runs, steer them and wait for their ends, all by `perdure.connect`, every command with an id.

A command that is not answered is asked again under the same id until it is; now and then one is asked again though it was.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any, TypeAlias

import anyio
import msgspec
from msgspec import Raw, UnsetType

from perdure.eventlog.errors import PerdureError, Refused, Unavailable
from perdure.runtime.calling import Calling
from perdure.runtime.requests import (
    Answered,
    AnyRequest,
    Applied,
    AwaitRun,
    CancelRun,
    PauseRun,
    ResumeRun,
    SignalRun,
    StartRun,
    TerminateRun,
    UpdateRun,
)
from tests.chaos import film_scenes as films
from tests.chaos.history import Call, Command, End, History

CALL_SECONDS = 5.0
"""After so long a call counts as failed, and the command is asked again."""

WAIT_SECONDS = 10.0
PATIENCE = 150.0
"""After so long an unanswered command, or a run that has not ended, is given up: that breaks a promise."""

AGAIN = 0.1
"""The share of commands that are asked again though they were answered."""

MAY_BE_LATE = ("late signal", "late cancel")
"""Kinds of commands whose run may have ended before they come."""

encode = msgspec.json.Encoder(order="deterministic").encode


Scene: TypeAlias = Callable[["Player", str, int], Awaitable[None]]


class GivenUp(Exception):
    """A player cannot go on; the history says why."""


class Player:
    """One client's life: run after run."""

    def __init__(self, client: Calling, history: History, chance: Random, scenes: Sequence[Scene]) -> None:
        self.client = client
        self.history = history
        self.chance = chance
        self.scenes = scenes

    # -- commands ------------------------------------------------------------------------------------------------------

    async def start(self, workflow: str, run: str, *arguments: Any) -> None:
        self.history.unfinished.add(run)
        body = encode(arguments)
        await self.command("start", run, StartRun(workflow=workflow, arguments=Raw(body), run=run, command=f"start {run}"), body)

    async def signal(self, run: str, number: int, word: str) -> None:
        value = encode(word)
        await self.command("signal", run, SignalRun(run=run, name="word", value=Raw(value), command=f"word {number} {run}"), value)

    async def update(self, run: str, number: int, amount: int, wanted: int) -> None:
        """`wanted` is what it has to answer, which its event must hold."""
        asked = UpdateRun(run=run, name="add", arguments=Raw(encode([amount])), command=f"add {number} {run}")
        await self.command("update", run, asked, encode(wanted))

    async def command(self, kind: str, run: str, request: AnyRequest, content: bytes = b"") -> Command:
        """Ask until it is judged."""
        wish = Command(run, kind, request.command, content, time.monotonic())
        self.history.commands.append(wish)
        while not wish.answer:
            if time.monotonic() > wish.began + PATIENCE:
                raise GivenUp
            await self.call(wish, request)
        wish.ended = time.monotonic()
        if wish.answer == "applied" and self.chance.random() < AGAIN:
            await self.call(wish, request)
        return wish

    async def call(self, wish: Command, request: AnyRequest) -> None:
        """Ask once, and note what was said."""
        call = Call(time.monotonic(), answered=False)
        self.history.calls.append(call)
        try:
            reply = await self.client.do(msgspec.structs.replace(request, within=CALL_SECONDS))
        except Unavailable:
            await anyio.sleep(0.05)
            return
        except Refused as no:
            call.answered, wish.answer = True, "refused"
            if wish.kind not in MAY_BE_LATE:
                self.history.strange.append(f"{wish.id!r} was refused: {no}")
            return
        except PerdureError as error:
            wish.answer = "refused"
            self.history.strange.append(f"{wish.id!r} was answered with {error!r}")
            return
        call.answered, wish.answer = True, "applied"
        wish.versions.append(reply.version)
        if isinstance(reply, Answered) and bytes(reply.result) != wish.content:
            self.history.strange.append(f"{wish.id!r} was answered with {bytes(reply.result)!r} instead of {wish.content!r}")

    async def ends(self, run: str, status: str, *results: Any) -> None:
        """Wait for the end of a run: so, and with one of these results."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                reply = await self.client.do(AwaitRun(run=run, within=WAIT_SECONDS))
            except Unavailable:
                continue
            except PerdureError as error:
                self.history.strange.append(f"the wait for {run} was answered with {error!r}")
                raise GivenUp from error
            self.history.ends.append(End(run, reply.status, result_in(reply), (status, tuple(map(encode, results)))))
            self.history.unfinished.discard(run)
            return
        raise GivenUp

    # -- what is played ------------------------------------------------------------------------------------------------

    async def plays(self, run: str, number: int) -> None:
        """One run of a chosen kind, and what belongs to it; raises GivenUp."""
        await self.chance.choice(self.scenes)(self, run, number)


def result_in(reply: Applied) -> bytes:
    return b"" if isinstance(reply.result, UnsetType) else bytes(reply.result)


# -- scenes ------------------------------------------------------------------------------------------------------------


async def an_order(player: Player, run: str, number: int) -> None:
    await player.start("order", run, number)
    await player.ends(run, "completed", [number, number + 1, number + 2])
    if player.chance.random() < 0.5:
        late = SignalRun(run=run, name="word", value=Raw(b'"late"'), command=f"late {run}")
        wish = await player.command("late signal", run, late)
        if wish.answer != "refused":
            player.history.strange.append(f"{wish.id!r} was applied though the run had ended")


async def many_at_once(player: Player, run: str, number: int) -> None:
    await player.start("side_by_side", run, number)
    await player.ends(run, "completed", [number, number + 1, number + 2, number + 3])


async def a_talk(player: Player, run: str, number: int) -> None:
    await player.start("talk", run)
    words = [f"{number}.{place}" for place in range(player.chance.randint(1, 4))]
    for place, word in enumerate([*words, "end"]):
        await player.signal(run, place, word)
    await player.ends(run, "completed", words)


async def a_pause(player: Player, run: str, number: int) -> None:
    await player.start("talk", run)
    await player.command("pause", run, PauseRun(run=run, command=f"pause {run}"))
    await player.signal(run, 0, "while it is paused")
    await player.command("resume", run, ResumeRun(run=run, command=f"resume {run}"))
    await player.signal(run, 1, "end")
    await player.ends(run, "completed", ["while it is paused"])


async def a_cancel(player: Player, run: str, number: int) -> None:
    await player.start("held", run)
    await player.command("cancel", run, CancelRun(run=run, command=f"cancel {run}"))
    await player.ends(run, "cancelled")


async def a_sudden_end(player: Player, run: str, number: int) -> None:
    await player.start("held", run)
    await player.command("terminate", run, TerminateRun(run=run, command=f"terminate {run}"))
    await player.ends(run, "terminated")


async def a_family(player: Player, run: str, number: int) -> None:
    await player.start("family", run, number)
    await player.ends(run, "completed", [[number + more, number + more + 1, number + more + 2] for more in (0, 10)])


async def a_count(player: Player, run: str, number: int) -> None:
    await player.start("counter", run, 6)
    for amount in (1, 2, 3):
        await player.update(run, amount, amount, amount * (amount + 1) // 2)
    await player.ends(run, "completed", 6)


async def a_bell(player: Player, run: str, number: int) -> None:
    await player.start("once", run, number)
    await player.ends(run, "completed", f"rung {number}", "interrupted")


async def a_payment(player: Player, run: str, number: int) -> None:
    await player.start("limited", run, number)
    await player.ends(run, "completed", number)


async def a_call(player: Player, run: str, number: int) -> None:
    """One run speaks to another."""
    listener = f"{run}-listens"
    await player.start("talk", listener)
    await player.start("caller", run, listener, ["hello", "end"])
    await player.ends(run, "completed", 2)
    await player.ends(listener, "completed", ["hello"])


async def several_lives(player: Player, run: str, number: int) -> None:
    await player.start("lives", run, 2)
    await player.ends(run, "completed", "done")


SCENES: list[Scene] = [
    an_order,
    many_at_once,
    a_talk,
    a_pause,
    a_cancel,
    a_sudden_end,
    a_family,
    a_count,
    a_bell,
    a_payment,
    a_call,
    several_lives,
    films.a_film,
    films.a_long_film,
    films.a_graded_film,
    films.a_first_night,
    films.an_unreadable_film,
    films.a_film_given_up,
]
