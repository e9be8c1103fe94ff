"""The steps of the corpus: small real functions, each of which waits for its turn first."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

import perdure
from perdure import Fatal, Retry, step
from tests.corpus.gate import turn

LIMIT = timedelta(minutes=5)


class OutOfStock(Exception):
    """A failure that the workflow wants to see as itself."""

    def __init__(self, item: str, left: int) -> None:
        super().__init__(item, left)
        self.item = item
        self.left = left


class Parcel(msgspec.Struct):
    """A value whose parts JSON has no types for."""

    packed: datetime
    weight: Decimal
    label: bytes
    size: tuple[int, int]


@step
async def add(a: int, b: int) -> int:
    await turn()
    return a + b


@step
async def say(word: str) -> str:
    await turn()
    return word


@step
async def undo(what: str) -> str:
    """A step of somebody's cleanup."""
    await turn()
    return f"undone {what}"


@step
def square(n: int) -> int:
    """A plain function: it runs in a thread."""
    return n * n


@step(retry=Retry(attempts=4, first=timedelta(seconds=30)))
async def flaky(good_from: int) -> int:
    await turn()
    attempt = perdure.current().attempt
    if attempt < good_from:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


@step(retry=Retry(attempts=3, first=timedelta(seconds=1)))
def flaky_in_a_thread(good_from: int) -> int:
    attempt = perdure.current().attempt
    if attempt < good_from:
        raise OSError(f"attempt {attempt}")
    return attempt


@step(timeout=LIMIT, retry=Retry(attempts=3, first=timedelta(seconds=1)))
async def sluggish(good_from: int) -> int:
    """Hangs until its timeout, on every attempt before `good_from`."""
    attempt = perdure.current().attempt
    await turn(hangs=LIMIT if attempt < good_from else None)
    return attempt


@step
async def fail(message: str) -> int:
    await turn()
    raise ValueError(message)


@step(retry=Retry(attempts=5))
async def fail_for_good(message: str) -> int:
    await turn()
    raise Fatal(message)


@step(raises=[OutOfStock])
async def reserve(item: str, count: int) -> str:
    await turn()
    if count > 3:
        raise OutOfStock(item, 3)
    return f"{count} {item}"


@step
async def pack(packed: datetime, weight: Decimal) -> Parcel:
    await turn()
    return Parcel(packed, weight * 2, b"\x00\xff", (3, 4))


@step
async def misfit() -> int:
    """Returns what its annotation does not keep."""
    await turn()
    value: Any = "not a number"
    return value  # type: ignore[no-any-return]
