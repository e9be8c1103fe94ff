"""Attempts to deliver: none is made twice, and a receiver that hangs keeps no other from its webhooks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from msgspec import Raw

from perdure.adapters.system.clock import SystemClock
from perdure.eventlog.errors import Refused
from perdure.runtime.kinds.delivery import Attempted, State
from perdure.runtime.perform.delivering import Delivering, Parcel, Reply

pytestmark = pytest.mark.anyio


class Postbox:
    """Receivers whose name says how they are: `hangs`, `well`, `breaks`, `refuses`."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.more = anyio.Event()

    def check(self, url: str, tenant: str) -> None:
        pass

    def receiver(self, url: str) -> str:
        return url.partition("/")[0]

    async def post(self, parcel: Parcel, within: float) -> Reply:
        self.made.append(parcel.stream)
        self.more.set()
        self.more = anyio.Event()
        match self.receiver(parcel.url):
            case "hangs":
                await anyio.sleep_forever()
            case "breaks":
                raise ValueError("a bug of the postbox")
            case "refuses":
                raise Refused("this host is not called", found="it is inside")
            case _:
                pass
        return Reply(200)


class Actors:
    """Hears what came of attempts."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = {}
        self.more = anyio.Event()

    def tell(self, stream: str, command: Any) -> None:
        self.told.setdefault(stream, []).append(command)
        self.more.set()
        self.more = anyio.Event()

    async def hear(self, stream: str) -> Attempted:
        with anyio.fail_after(10):
            while stream not in self.told:
                await self.more.wait()
        found: Attempted = self.told[stream][-1]
        return found


@asynccontextmanager
async def delivering(at_once: int = 6) -> AsyncGenerator[tuple[Delivering, Postbox, Actors]]:
    actors, postbox = Actors(), Postbox()
    found = Delivering(actors.tell, SystemClock(), at_once=at_once, within=5.0)
    found.post = postbox
    async with anyio.create_task_group() as group:
        group.start_soon(found.serve)
        yield found, postbox, actors
        group.cancel_scope.cancel()


def due(name: str, receiver: str, attempts: int = 0) -> State:
    return State(f"delivery/default/{name}", "queued", f"{receiver}/hook", "t", Raw(b"{}"), attempts=attempts)


async def test_a_receiver_that_hangs_leaves_places_to_the_others() -> None:
    async with delivering() as (found, postbox, actors):
        for number in range(20):
            found.deliver(due(f"h{number}", "hangs"))
        with anyio.fail_after(10):
            while len(postbox.made) < 3:
                await postbox.more.wait()
        found.deliver(due("w", "well"))
        for number in range(20):
            found.deliver(due(f"g{number}", "hangs"))
        found.deliver(due("v", "well"))

        assert [(await actors.hear(f"delivery/default/{name}")).status for name in "wv"] == [200, 200]
        assert len([stream for stream in postbox.made if "/h" in stream or "/g" in stream]) == 3


async def test_an_attempt_is_made_once_however_often_it_is_wanted_until_the_actor_knows_of_it() -> None:
    async with delivering() as (found, postbox, actors):
        found.deliver(due("a", "well"))
        found.deliver(due("a", "well"))
        await actors.hear("delivery/default/a")
        found.deliver(due("a", "well"))  # its outcome is on its way
        found.deliver(due("b", "well"))
        await actors.hear("delivery/default/b")
        assert postbox.made == ["delivery/default/a", "delivery/default/b"]

        found.deliver(due("a", "well", attempts=1))
        found.deliver(due("c", "well"))
        await actors.hear("delivery/default/c")
        assert postbox.made.count("delivery/default/a") == 2


async def test_what_is_left_is_not_made_and_who_loses_it_hears_nothing_more() -> None:
    async with delivering(at_once=1) as (found, postbox, actors):
        found.deliver(due("h", "hangs"))
        with anyio.fail_after(10):
            while not postbox.made:
                await postbox.more.wait()
        found.deliver(due("a", "well"))
        found.deliver(due("b", "well"))
        found.leave("delivery/default/a")
        found.leave("delivery/default/h")  # makes room
        await actors.hear("delivery/default/b")

        assert postbox.made == ["delivery/default/h", "delivery/default/b"]
        assert list(actors.told) == ["delivery/default/b"]


async def test_whatever_breaks_is_an_outcome() -> None:
    async with delivering() as (found, _, actors):
        found.deliver(due("b", "breaks"))
        found.deliver(due("r", "refuses"))
        broken, refused = await actors.hear("delivery/default/b"), await actors.hear("delivery/default/r")

    assert (broken.error, broken.refused) == ("ValueError: a bug of the postbox", False)
    assert (refused.error, refused.refused) == ("this host is not called: it is inside", True)


async def test_without_a_way_out_nothing_is_made_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    async with delivering() as (found, postbox, actors):
        found.post = None
        found.deliver(due("a", "well"))
        found.deliver(due("b", "well"))
        found.check("https://10.0.0.1/", "default")

        assert (postbox.made, actors.told) == ([], {})
    assert [record.message for record in caplog.records] == [
        "webhooks wait: this process has not what it takes to send them (pip install 'perdure[service]')"
    ]
