"""The steps of random workflows: each fails as often as it is told to, and answers with its key."""

from __future__ import annotations

from datetime import timedelta

import anyio

import perdure
from perdure import Retry, step

RETRY = Retry(attempts=3, first=timedelta(milliseconds=1500), longest=timedelta(seconds=15), factor=10, jitter=0.9)


@step(retry=RETRY)
async def work(key: str, millis: int, fails: int) -> str:
    """Takes a while, and fails as often as it is told to."""
    return await _work(key, millis, fails)


async def _work(key: str, millis: int, fails: int) -> str:
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
        return await _work(key, millis, fails)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(millis / 500)


@step(timeout=timedelta(seconds=2), retry=RETRY)
async def hurry(key: str, millis: int, fails: int) -> str:
    """Has a limit of time, which the weather may make it break."""
    return await _work(key, millis, fails)


@step(at_most_once=True)
async def strike(key: str, millis: int, fails: int) -> str:
    """Must not be done twice, whatever befalls its node."""
    return await _work(key, millis, fails)


@step
async def must(key: str, millis: int, fails: int) -> str:
    """Is attempted once, so that its failure is final: only a person who retries the run gives it another attempt."""
    return await _work(key, millis, fails)


STEPS = {"work": work, "reckon": reckon, "linger": linger, "hurry": hurry, "strike": strike}
MAY_FAIL = ("hurry", "strike")
"""Steps that the weather may make fail."""
