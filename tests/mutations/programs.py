"""The workflows that are changed while runs of them are in flight: small, and together with every way to wait.

Their text is what `changing` changes. It is executed with words from one of two worlds: those of perdure, and those of
`truth`, which are plain asyncio; so a program uses only words that both know.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import perdure
from perdure import Retry, StepError, first_of, gather, signal, sleep, step, task_group, timeout, workflow
from tests.corpus.gate import turn


@step
async def say(word: str) -> str:
    await turn()
    return word.upper()


@step
async def tell(word: str) -> str:
    await turn()
    return word.lower()


@step
async def add(a: int, b: int) -> int:
    await turn()
    return a + b


@step(retry=Retry(attempts=3, first=timedelta(seconds=30)))
async def flaky(good_from: int) -> int:
    await turn()
    attempt = perdure.current().attempt
    if attempt < good_from:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


@step
async def fail(word: str) -> str:
    await turn()
    raise ValueError(word)


@workflow
async def line() -> Any:
    greeting = "hello"
    limit = 7
    first = await say(greeting)
    total = await add(1, limit)
    await sleep(timedelta(hours=1))
    total = await add(total, 3)
    word = await signal("word", str)
    second = await say(word)
    await sleep(timedelta(minutes=5))
    third = await tell("third")
    return [first, total, second, third]


@workflow
async def loop() -> Any:
    words = ["none"]
    total = 0
    for number in range(4):
        total = await add(total, number)
        if total % 2:
            words.append(await say("odd"))
        await sleep(timedelta(minutes=number + 1))
    while len(words) < 5:
        words.append(await signal("word", str))
        total = await add(total, 10)
    last = await tell("done")
    return [words, total, last]


@workflow
async def side_by_side() -> Any:
    async def left() -> Any:
        one = await say("left one")
        await sleep(timedelta(seconds=20))
        two = await say("left two")
        return [one, two]

    async def right(name: str) -> Any:
        many = await gather(say(name), add(1, 1), left())
        rest = await tell("right")
        return [list(many), rest]

    before = await say("before")
    sides = await gather(left(), right("a"), sleep(timedelta(seconds=40)), say("bare"))
    after = await gather(add(2, 3), add(3, 4))
    word = await signal("word", str)
    end = await say("end")
    return [before, list(sides), list(after), word, end]


@workflow
async def races() -> Any:
    async def careful(name: str) -> str:
        try:
            await say(name)
            return await tell(name)
        finally:
            await say("tidied")

    quick = await first_of(sleep(timedelta(seconds=30)), say("quick"), careful("slow"))
    between = await add(5, 6)
    late = await first_of(signal("never", str), sleep(timedelta(hours=2)))
    word = await first_of(signal("word", str), sleep(timedelta(days=9)))
    after = await say("after")
    return [quick.index, between, late.index, word.index, after]


@workflow
async def groups() -> Any:
    kept = ["kept"]

    async def part(name: str, rounds: int) -> int:
        total = 0
        for number in range(rounds):
            total = await add(total, number)
        kept.append(await say(name))
        return total

    async def whole(name: str) -> None:
        async with task_group() as inner:
            inner.start(part(name, 1), name="deep")
            inner.start(sleep(timedelta(seconds=15)))
            await tell("inner")

    first = await say("first")
    async with task_group() as group:
        one = group.start(part("one", 2), name="one")
        group.start(whole("two"), name="two")
        group.start(tell("three"))
        four = await say("four")
        found = await one
    word = await signal("word", str)
    last = await add(found, 1)
    return [first, four, sorted(kept), word, last]


@workflow
async def limits() -> Any:
    notes = ["notes"]
    try:
        async with timeout(timedelta(seconds=45)):
            notes.append(await say("in time?"))
            await gather(sleep(timedelta(days=1)), add(1, 2))
    except TimeoutError:
        notes.append(await tell("too late"))
    async with timeout(timedelta(hours=3)):
        long = await add(3, 4)
        await sleep(timedelta(minutes=1))
    after = await say("after")
    async with timeout(timedelta(days=30)):
        word = await signal("word", str)
    end = await say("end")
    return [notes, long, after, word, end]


@workflow
async def mishaps() -> Any:
    async def broken() -> Any:
        await say("before it breaks")
        return await fail("broken")

    attempts = await flaky(3)
    failures = 0
    try:
        await gather(broken(), sleep(timedelta(days=2)), tell("beside"))
    except StepError:
        failures = await add(failures, 1)
    try:
        async with task_group() as group:
            group.start(broken(), name="a")
            group.start(sleep(timedelta(days=3)), name="b")
            await sleep(timedelta(days=4))
    except* StepError:
        failures += 1
    again = await flaky(2)
    word = await signal("word", str)
    end = await say("end")
    return [attempts, failures, again, word, end]


@workflow
async def mail() -> Any:
    async def reader(name: str) -> Any:
        read = [await signal("word", str)]
        read.append(await say(name))
        await sleep(timedelta(minutes=2))
        read.append(await signal("word", str))
        read.append(await tell(name))
        return read

    opened = await say("opened")
    readers = await gather(reader("a"), reader("b"))
    closed = await tell("closed")
    return [opened, list(readers), closed]
