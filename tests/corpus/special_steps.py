"""Steps of the corpus with rules of their own: limits, heartbeats, tokens, processes, large values."""

from __future__ import annotations

from datetime import timedelta

import perdure
from perdure import Artifact, CompleteLater, Retry, current, step
from tests.corpus.gate import turn

LIMIT = timedelta(minutes=5)
YEAR = timedelta(days=365)
AGAIN = Retry(attempts=3, first=timedelta(seconds=1))
STORING = Retry(attempts=20, first=timedelta(seconds=1))
"""A store that cannot be reached for a while costs an attempt."""
RESOURCES = {"paper": "A4"}
"""What the runtimes of the corpus have for steps."""


@step(retry=Retry(attempts=4, first=timedelta(seconds=10), on=(ConnectionError,), never_on=(ConnectionRefusedError,)))
async def choosy(good_from: int, kind: str) -> int:
    await turn()
    attempt = current().attempt
    kinds = {"ConnectionError": ConnectionError, "ValueError": ValueError, "ConnectionRefusedError": ConnectionRefusedError}
    if attempt < good_from:
        raise kinds[kind](f"attempt {attempt}")
    return attempt


@step(overall=3 * LIMIT, timeout=LIMIT, retry=Retry(attempts=100, first=10 * LIMIT))
async def too_slow_in_all() -> int:
    """An attempt takes longer than it may, and before the next is due the time of all of them is up."""
    await turn(hangs=LIMIT)
    return 0


@step(overall=timedelta(microseconds=1), retry=AGAIN)
async def too_slow_at_once() -> int:
    """Its time is up while the first attempt runs."""
    await turn()
    return 0


@step(start_within=timedelta(hours=1), retry=AGAIN)
async def soon(good_from: int) -> int:
    await turn()
    if current().attempt < good_from:
        raise ConnectionError("not yet")
    return current().attempt


@step(heartbeat_timeout=YEAR, retry=Retry(attempts=5, first=timedelta(seconds=1)))
async def pages(count: int) -> list[int]:
    """Reads one page an attempt, and goes on where the last came to."""
    await turn()
    read: list[int] = [*(current().last_heartbeat or []), current().attempt]
    current().heartbeat(read)
    if len(read) < count:
        raise ConnectionError(f"page {len(read)} of {count}")
    return read


@step
async def ask(question: str) -> str:
    """Somebody outside answers."""
    await turn()
    raise CompleteLater


@step
async def doubt(question: str) -> str:
    """Somebody outside says no."""
    await turn()
    raise CompleteLater


@step(at_most_once=True)
async def once(word: str) -> str:
    await turn()
    return word


@step(executor="process")
def factors(n: int) -> list[int]:
    if n < 1:
        raise ValueError(f"{n} has no factors")
    found: list[int] = []
    while n > 1:
        found.append(next(d for d in range(2, n + 1) if n % d == 0))
        n //= found[-1]
    return found


@step
async def repeat(text: str, times: int) -> str:
    await turn()
    return text * times


@step(retry=STORING)
async def store(name: str, text: str) -> None:
    """The first attempt stores something too, which does not count."""
    await turn()
    attempt = current().attempt
    async with current().artifact(name) as out:
        await out.write(text.encode() if attempt > 1 else b"nothing yet")
    if attempt < 2:
        raise ConnectionError("not yet")


@step(retry=STORING)
async def fetch(artifact: Artifact) -> str:
    await turn()
    return b"".join([chunk async for chunk in perdure.current().read(artifact)]).decode()


@step
async def better_later(good_from: int) -> int:
    """Fails for good, until somebody has it tried again often enough."""
    await turn()
    attempt = current().attempt
    if attempt < good_from:
        raise OSError(f"attempt {attempt}")
    return attempt


@step(retry=Retry(attempts=1_000, first=timedelta(days=300), longest=timedelta(days=300)))
async def hopeless_for_long() -> int:
    await turn()
    raise ConnectionError("not this year")


@step(needs=["paper"], queue="printers", retry=Retry(attempts=4, first=timedelta(seconds=3), factor=5, jitter=0.5))
async def print_on(good_from: int) -> str:
    """The printer needs a while. Without workers of its queue, whoever serves the run performs it."""
    await turn()
    if current().attempt < good_from:
        raise ConnectionError("warming up")
    return f"on {current().resource('paper')}"
