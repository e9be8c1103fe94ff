"""Workflows whose steps keep books beside the log, in the transaction of their outcome: only where the carrier is a database."""

from __future__ import annotations

from datetime import timedelta
from sqlite3 import Connection
from typing import Any

import perdure
from perdure import Retry, StepError, gather, saga, step, workflow
from perdure.runtime.authoring.workflows import Workflow
from tests.corpus import steps

MINUTE = timedelta(minutes=1)
MAKE = "create table if not exists book (page text, cents integer)"
"""Each run keeps a page of its own: many of them share one file."""


def page() -> str:
    return perdure.current().stream


@step(transactional=True, timeout=MINUTE)
def book(db: Connection, cents: int) -> int:
    db.execute(MAKE)
    db.execute("insert into book values (?, ?)", (page(), cents))
    return cents


@step(transactional=True, timeout=MINUTE)
def booked(db: Connection) -> list[int]:
    """All that is on the page, the smallest first."""
    db.execute(MAKE)
    return [row[0] for row in db.execute("select cents from book where page = ? order by cents", (page(),))]


@step(transactional=True, timeout=MINUTE)
def strike(db: Connection, cents: int) -> int:
    """How many lines were struck out."""
    return db.execute("delete from book where page = ? and cents = ?", (page(), cents)).rowcount


@step(transactional=True, timeout=MINUTE, retry=Retry(attempts=4, first=timedelta(seconds=5)))
def book_at_last(db: Connection, cents: int, good_from: int) -> int:
    """Each attempt before writes its line, too, and then fails."""
    db.execute(MAKE)
    db.execute("insert into book values (?, ?)", (page(), cents))
    attempt = perdure.current().attempt
    if attempt < good_from:
        raise ConnectionError(f"attempt {attempt}")
    return attempt


@workflow
async def keeps_books() -> list[int]:
    """Every line is there once, however often the process was killed between the book and the log."""
    await book(5)
    await gather(*(book(cents) for cents in range(4)), steps.say("meanwhile"))
    return await booked()


@workflow
async def books_at_last() -> list[Any]:
    """What failed has left nothing, and what is tried again is there once."""
    told: list[Any] = [await book_at_last(7, 3)]
    try:
        await book_at_last(8, 9)
    except StepError as error:
        told.append(error.message)
    return [*told, await booked()]


@workflow
async def strikes_out() -> list[Any]:
    """Lines are compensated by lines."""
    struck: list[int] = []

    async def undo_one(cents: int) -> None:
        struck.append(await strike(cents))

    try:
        async with saga() as undo:
            for cents in (1, 2, 3):
                undo(undo_one, await book(cents))
            await steps.fail("no more")
    except StepError as error:
        return [error.message, struck, await booked()]
    return []


WORKFLOWS: list[Workflow[..., Any]] = [keeps_books, books_at_last, strikes_out]
