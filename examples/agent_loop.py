"""An agent: a model says which tool to call next, each call is a step, and a cap ends what never comes to an end."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from msgspec import Struct

import perdure
from perdure import Retry, RunError, StepError, step, workflow

CALLS_MAX = 6


class Turn(Struct, frozen=True):
    """What the model wants: a tool with its argument, or, without a tool, to give its answer."""

    tool: str
    text: str


@step(retry=Retry(attempts=3))
async def ask_model(question: str, seen: list[str]) -> Turn:
    """A model of a few lines, in place of one behind a network: it looks things up until it has what it wants."""
    match seen:
        case _ if "for ever" in question:
            return Turn("look_up", f"page {len(seen)}")
        case []:
            return Turn("look_up", "kettle")
        case [_]:
            return Turn("look_up", "cup")
        case [_, _]:
            return Turn("add", json.dumps(seen))
        case _:
            return Turn("", f"{question} {seen[-1]} cents")


@step
async def look_up(what: str) -> str:
    return {"kettle": "2500", "cup": "700"}.get(what, "nothing there")


@step
async def add(numbers: str) -> str:
    return str(sum(int(number) for number in json.loads(numbers)))


TOOLS: dict[str, Callable[[str], Coroutine[Any, Any, str]]] = {"look_up": look_up, "add": add}


@workflow
async def agent(question: str) -> str:
    seen: list[str] = []
    for _ in range(CALLS_MAX):
        turn = await ask_model(question, seen)
        if not turn.tool:
            return turn.text
        try:
            seen.append(await TOOLS[turn.tool](turn.text))
        except StepError as error:
            seen.append(f"error: {error.message}")  # the model is told, and may try something else
        perdure.attributes(calls=len(seen))
    raise RuntimeError(f"no answer after {CALLS_MAX} calls")


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with perdure.open(f"sqlite:///{Path(folder) / 'agents.db'}", workflows=[agent]) as runtime:
            for question in ("A kettle and a cup are", "What goes on for ever?"):
                try:
                    print(await (await runtime.start(agent, question)).result())
                except RunError as ended:
                    print(f"{question} {ended.failure.message if ended.failure else ended.status}")


if __name__ == "__main__":
    asyncio.run(main())
