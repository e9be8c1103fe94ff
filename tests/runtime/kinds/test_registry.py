"""Kinds of actors at the door of a runtime, and an actor of one's own behind it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

import perdure
from perdure import Event, Invalid, Kind

pytestmark = pytest.mark.anyio


class Counted(Event, frozen=True):
    by: int


class Add(Struct, frozen=True):
    by: int = 0


class Counter(Kind[int, Add, Counted]):
    name = "counter"
    folded = 0

    def initial(self, stream: str) -> int:
        return 0

    def decide(self, state: int, command: Add, now: int) -> Sequence[Counted]:
        return [Counted(command.by)] if command.by else []

    def evolve(self, state: int, event: Counted, at: int) -> int:
        self.folded += 1
        return state + event.by

    def answer(self, state: int, command: Add) -> int:
        return state


class Nameless(Kind[int, Add, Counted]):
    pass


class Spaced(Kind[int, Add, Counted]):
    name = "my counter"


class Eventless(Kind[int, Add, Event]):
    name = "eventless"


class Run(Kind[int, Add, Counted]):
    name = "run"


@pytest.mark.parametrize(
    ("kinds", "saying"),
    [
        ([Counter], "only a kind of actor"),
        ([Nameless()], "needs a name"),
        ([Spaced()], "needs a name"),
        ([Eventless()], "which events"),
        ([Counter(), Counter()], "one name"),
        ([Run()], "one name"),
    ],
)
async def test_a_kind_that_cannot_be_served_is_refused_at_the_door(kinds: Any, saying: str) -> None:
    with pytest.raises(Invalid, match=saying) as refused:
        async with perdure.open("memory:", kinds=kinds):
            pass

    assert refused.value.instead


async def test_an_actor_of_a_kind_that_is_not_served_has_no_address() -> None:
    async with perdure.open("memory:", kinds=[Counter()]) as runtime:
        with pytest.raises(Invalid, match="no such kind"):
            runtime.actor("konter", "one")
        nameless: Any = Nameless
        with pytest.raises(Invalid, match="no such kind"):
            runtime.actor(nameless, "one")


async def test_a_long_stream_of_ones_own_kind_is_folded_from_its_snapshot_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'count.db'}"
    async with perdure.open(url, kinds=[Counter()]) as runtime:
        one = runtime.actor("counter", "one")
        for _ in range(150):
            await one.tell(Add(2))
        assert await one.ask(Add()) == 300

    counter = Counter()
    async with perdure.open(url, kinds=[counter]) as runtime:
        assert await runtime.actor(counter, "one").ask(Add(1)) == 301

    assert counter.folded == 1
