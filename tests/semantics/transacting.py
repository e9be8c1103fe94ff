"""Workflows of one transactional step, for the tests of rule 29."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import perdure
from perdure import StepError, step, workflow
from perdure.runtime.authoring.workflows import Workflow

PATIENCE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)
MAKE = "create table if not exists moved (name text)"


@asynccontextmanager
async def serving(room: Path, *workflows: Workflow[..., Any], **more: Any) -> AsyncGenerator[perdure.Runtime]:
    async with perdure.open(f"sqlite:///{room / 'shop.db'}", workflows=workflows, **more) as runtime:
        yield runtime


def asked(room: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(room / "shop.db")) as db:
        return [row[0] for row in db.execute(question)]


def doing(work: Callable[[sqlite3.Connection], object], **options: Any) -> Workflow[[], str]:
    """A workflow of one transactional step, which makes a table, writes a row and then does `work`; it says how that ended."""
    rules: dict[str, Any] = {"timeout": SECOND, **options}

    @step(transactional=True, **rules)
    def act(db: sqlite3.Connection) -> str:
        db.execute(MAKE)
        db.execute("insert into moved values ('mine')")
        return str(work(db))

    @workflow
    async def acts() -> str:
        try:
            return await act()
        except StepError as failed:
            return f"{failed.type}: {failed.message}"

    return acts


async def ended(room: Path, acts: Workflow[[], str], **more: Any) -> str:
    async with serving(room, acts, **more) as runtime:
        return await (await runtime.start(acts, id="one")).result(within=PATIENCE)
