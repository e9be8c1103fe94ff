"""The count at the end of `perdure cluster` finds each promise that is broken, and nothing else. The play itself is a claim."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast
from uuid import uuid4

import anyio
import pytest
from msgspec import Raw

import perdure
from perdure import Bug
from perdure.adapters.cli.demos.cluster.flows import JOURNAL, expected, fulfil
from perdure.adapters.cli.demos.cluster.holding import Life, held, take
from perdure.adapters.cli.demos.cluster.load import Load, run_of
from perdure.adapters.nats.client import Client
from perdure.runtime.run import events as ev
from tests.adapters.nats.server import NatsServer, nats_server

__all__ = ["nats_server"]

ORDERS = (1, 2)


def no_load() -> Load:
    load = Load(cast("Client", None))
    load.started = [*ORDERS]
    load.ended = {order: expected(order) for order in ORDERS}
    return load


def lose(load: Load, journal: Path) -> None:
    load.started.append(3)


def tell_wrong(load: Load, journal: Path) -> None:
    load.ended[1] = "something else"


def change_key(load: Load, journal: Path) -> None:
    with journal.open("a") as file:
        file.write("another key\tcharged 1\n")


def attempt_again(load: Load, journal: Path) -> None:
    journal.write_text(journal.read_text() + journal.read_text().splitlines(keepends=True)[0])


BROKEN: list[tuple[Callable[[Load, Path], None], str]] = [(lose, "lost: 1"), (tell_wrong, "wrong: 1"), (change_key, "keys_changed: 1")]


def test_what_is_well_is_well_and_each_broken_promise_is_found(
    nats_server: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url, journal = f"{nats_server.url}/{uuid4().hex}", tmp_path / JOURNAL

    async def play() -> None:
        async with perdure.open(url, workflows=[fulfil]) as runtime:
            for order in ORDERS:
                assert await (await runtime.start(fulfil, order, id=run_of(order))).result() == expected(order)
        noted = journal.read_text()
        again = no_load()
        attempt_again(again, journal)
        found = await held(url, tmp_path, again)
        assert (found.orders, found.attempts, found.attempted_again, found.faults) == (2, 7, 1, {})
        for break_it, said in BROKEN:
            journal.write_text(noted)
            load = no_load()
            break_it(load, journal)
            with pytest.raises(Bug) as caught:
                await held(url, tmp_path, load)
            assert caught.value.found == said

    anyio.run(play)


def test_an_outcome_that_is_recorded_twice_counts_as_two() -> None:
    life, outcome = Life(), ev.StepCompleted(id="0", attempt=1, value=Raw(b'"x"'), started=0, ended=0, worker="w")
    for _ in range(2):
        take(life, outcome)

    assert life.outcomes == {"0": 2}
