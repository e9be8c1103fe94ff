"""Random workflows: small programs, the workflow that plays them, and a plain account of what they may answer."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from random import Random
from typing import Any, TypeAlias

import anyio

import perdure
from perdure import (
    Decision,
    Interrupted,
    Retry,
    StepError,
    approval,
    attach,
    child,
    first_of,
    gather,
    signal,
    sleep,
    start_child,
    step,
    task_group,
    timeout,
    workflow,
)  # fmt: skip
from perdure.runtime.authoring.children import OnParentEnd

Part: TypeAlias = list[Any]
"""A program: its kind, then what that kind needs; see `play_part`."""

NAMES = ("red", "blue")
QUESTIONS = ("ship", "pack")
PARTINGS: tuple[OnParentEnd, ...] = ("cancel", "terminate", "abandon")
ANSWERS = ("approved by Ada", "rejected by Bob")
RETRY = Retry(attempts=3, first=timedelta(milliseconds=1500), longest=timedelta(seconds=15), factor=10, jitter=0.9)


@step(retry=RETRY)
async def work(key: str, millis: int, fails: int) -> str:
    """Takes a while, and fails as often as it is told to."""
    if millis:
        await anyio.sleep(millis / 1000)
    if perdure.current().attempt <= fails:
        raise ValueError(f"{key} fails")
    return f"did {key}"


@step(retry=RETRY)
def reckon(key: str, millis: int, fails: int) -> str:
    """The same as a plain function, which takes no time."""
    if perdure.current().attempt <= fails:
        raise ValueError(f"{key} fails")
    return f"did {key}"


@step(retry=RETRY)
async def linger(key: str, millis: int, fails: int) -> str:
    """Tidies up after itself, however it ends, and cannot be hurried in that."""
    try:
        return await work(key, millis, fails)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(millis / 500)


@step(timeout=timedelta(seconds=2), retry=RETRY)
async def hurry(key: str, millis: int, fails: int) -> str:
    """Has a limit of time, which the weather may make it break."""
    return await work(key, millis, fails)


@step(at_most_once=True)
async def strike(key: str, millis: int, fails: int) -> str:
    """Must not be done twice, whatever befalls its node."""
    return await work(key, millis, fails)


STEPS = {"work": work, "reckon": reckon, "linger": linger, "hurry": hurry, "strike": strike}
MAY_FAIL = ("hurry", "strike")
"""Steps that the weather may make fail."""


@workflow
async def play(program: Part) -> Any:
    return await play_part(program)


async def play_part(part: Part) -> Any:  # noqa: PLR0912 - one case for each word of the little language
    match part:
        case ["do", name, key, millis, fails]:
            try:
                return await STEPS[name](key, millis, fails)
            except Interrupted:
                return f"interrupted {key}"
            except StepError:
                return f"failed {key}"
        case ["nap", millis]:
            await sleep(timedelta(milliseconds=millis))
            return "slept"
        case ["take", name]:
            return took(name, await signal(name, str))
        case ["pick", millis, *names]:
            first = await first_of(*(signal(name, str) for name in names), sleep(timedelta(milliseconds=millis)))
            return took(names[first.index], str(first.value)) if first.index < len(names) else "nothing"
        case ["ask", name, millis, key]:
            return heeded(key, await approval(name, show=key, timeout=timedelta(milliseconds=millis) if millis else None))
        case ["child", how, inner]:
            return await child(play, inner, on_parent_end=how)
        case ["spawn", how, inner, meanwhile]:
            handle = await start_child(play, inner, on_parent_end=how)
            return [await play_part(meanwhile), *await gather(handle.result(), attach(handle.id))]
        case ["seq", *parts]:
            return [await play_part(inner) for inner in parts]
        case ["all", *parts]:
            return list(await gather(*(leaf(inner) for inner in parts)))
        case ["any", *parts]:
            first = await first_of(*(leaf(inner) for inner in parts))
            return [first.index, first.value]
        case ["limit", millis, inner]:
            try:
                async with timeout(timedelta(milliseconds=millis)):
                    return ["in time", await play_part(inner)]
            except TimeoutError:
                return ["too late"]
        case ["group", *parts]:
            async with task_group() as group:
                tasks = [group.start(leaf(inner), name=f"t{place}") for place, inner in enumerate(parts)]
            return [task.result() for task in tasks]
        case ["tidy", inner, cleanup]:
            try:
                return await play_part(inner)
            finally:
                await play_part(cleanup)
        case ["roll"]:
            return perdure.random().randrange(100)
        case _:
            raise ValueError(part)


def leaf(part: Part) -> Awaitable[Any]:
    """A bare effect where the part is one, so that branches without a coroutine of their own are met too."""
    match part:
        case ["do", name, key, millis, 0] if name not in MAY_FAIL:
            return STEPS[name](key, millis, 0)
        case _:
            return play_part(part)


def took(name: str, value: str) -> str:
    perdure.log("took", name=name, value=value)
    return value


def heeded(key: str, decision: Decision) -> str:
    perdure.log("heeded", key=key, outcome=decision.outcome, by=decision.by)
    return f"{decision.outcome} by {decision.by}"


# -- making ------------------------------------------------------------------------------------------------------------


class Maker:
    """Makes one random program."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.keys = 0
        self.is_alone = False
        """What is being made is a child's: it must not wait for ever for what no client sends."""

    def program(self) -> Part:
        return ["seq", *(self.part(2) for _ in range(self.dice.randrange(1, 5)))]

    def part(self, depth: int) -> Part:
        dice = self.dice
        kinds = ["do", "do", "do", "do", "nap", "pick", "pick", "roll", "ask", *(() if self.is_alone else ("take",))]
        if depth:
            kinds += ["seq", "seq", "all", "all", "any", "any", "limit", "limit", "group", "tidy", "child", "spawn"]
        match kind := dice.choice(kinds):
            case "do":
                return self.step()
            case "nap":
                return ["nap", self.pace(40_000)]
            case "take":
                return ["take", dice.choice(NAMES)]
            case "pick":
                return ["pick", self.pace(20_000), *dice.sample(NAMES, dice.randrange(1, 3))]
            case "ask":
                self.keys += 1
                return ["ask", dice.choice(QUESTIONS), self.pace(20_000) if self.is_alone or dice.random() < 0.7 else 0, f"q{self.keys}"]
            case "roll":
                return ["roll"]
            case "child":
                return ["child", dice.choice(PARTINGS), self.alone(depth - 1)]
            case "spawn":
                return ["spawn", dice.choice(PARTINGS), self.alone(depth - 1), self.part(depth - 1)]
            case "limit":
                return ["limit", self.pace(8000), self.part(depth - 1)]
            case "tidy":
                return ["tidy", self.part(depth - 1), self.step()]
            case _:
                return [kind, *(self.part(depth - 1) for _ in range(dice.randrange(1, 4)))]

    def alone(self, depth: int) -> Part:
        """A program for a child, to which no client sends anything."""
        before, self.is_alone = self.is_alone, True
        part = self.part(depth)
        self.is_alone = before
        return part

    def step(self) -> Part:
        self.keys += 1
        fails = self.dice.choice((0, 0, 0, 1, 2, 5))
        return ["do", self.dice.choice(tuple(STEPS)), f"k{self.keys}", self.pace(3000) if self.dice.random() < 0.7 else 0, fails]

    def pace(self, longest: int) -> int:
        """Milliseconds: short ones are as likely as long ones."""
        return round(float(longest ** self.dice.random()))


def signals_needed(part: Part) -> dict[str, int]:
    """How many signals of each name the program can take at most."""
    needed: dict[str, int] = dict.fromkeys(NAMES, 0)
    stack = [part]
    while stack:
        match stack.pop():
            case ["take", name]:
                needed[name] += 1
            case ["pick", _, *names]:
                for name in names:
                    needed[name] += 1
            case ["child", *_]:
                continue
            case ["spawn", _, _, meanwhile]:
                stack.append(meanwhile)
            case [_, *inner]:
                stack.extend(one for one in inner if isinstance(one, list))  # pyright: ignore[reportUnknownArgumentType]
            case _:
                continue
    return needed


# -- the plain account ----------------------------------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []  # pyright: ignore[reportUnknownVariableType]


def admits(part: Part, value: Any) -> bool:  # noqa: PLR0912 - one case for each word of the little language
    """Whether the part may answer so. Everything but races and limits of time has one answer only."""
    match part:
        case ["do", "hurry", key, _, fails]:
            return bool(value == f"failed {key}" or (value == f"did {key}" and fails < RETRY.attempts))
        case ["do", "strike", key, _, fails]:
            return bool(value in (f"did {key}" if not fails else f"failed {key}", f"interrupted {key}"))
        case ["do", _, key, _, fails]:
            return bool(value == (f"did {key}" if fails < RETRY.attempts else f"failed {key}"))
        case ["nap", _]:
            return bool(value == "slept")
        case ["take", name]:
            return isinstance(value, str) and value.startswith(name)
        case ["pick", _, *names]:
            return bool(value == "nothing") or (isinstance(value, str) and value.startswith(tuple(names)))
        case ["ask", _, millis, _]:
            return value in ANSWERS or (bool(millis) and value == "expired by ")
        case ["child", _, inner]:
            return admits(inner, value)
        case ["spawn", _, inner, meanwhile]:
            values = _listed(value)
            return len(values) == 3 and admits(meanwhile, values[0]) and admits(inner, values[1]) and values[1] == values[2]
        case ["seq" | "all" | "group", *parts]:
            values = _listed(value)
            return len(values) == len(parts) and all(admits(one, answer) for one, answer in zip(parts, values, strict=True))
        case ["any", *parts]:
            values = _listed(value)
            return len(values) == 2 and admits(parts[values[0]], values[1])
        case ["limit", _, inner]:
            values = _listed(value)
            return values == ["too late"] or (values[:1] == ["in time"] and admits(inner, values[1]))
        case ["tidy", inner, _]:
            return admits(inner, value)
        case ["roll"]:
            return isinstance(value, int) and 0 <= value < 100
        case _:
            return False
