"""What the types of a kind say by themselves: its events, how its state is kept, and which code a snapshot belongs to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest
from msgspec import Struct

from perdure import Codec, Event, Kind
from tests.actors.account import Accounts

MODULE = """
from msgspec import Struct
from perdure import Event, Kind

class Counted(Event, frozen=True):
    by: int

class Count(Struct, frozen=True):
    total: int = 0

def added(count, by):
    return Count(count.total + by)

class Counter(Kind[Count, int, Counted]):
    name = "counter"
    def initial(self, stream):
        return Count()
    def decide(self, state, command, now):
        return [Counted(command)]
    def evolve(self, state, event, at):
        return added(state, event.by) if event.by not in {1, 2, 3} else state
"""


class Opened(Event, frozen=True):
    by: str


class Closed(Event, frozen=True):
    pass


class Door(Struct, frozen=True):
    by: str = ""
    visits: dict[int, tuple[str, bytes]] = {}


class Doors(Kind[Door, str, Opened | Closed]):
    name = "door"

    def initial(self, stream: str) -> Door:
        return Door()

    def decide(self, door: Door, command: str, now: int) -> Sequence[Opened | Closed]:
        return [Opened(command)] if command else [Closed()]

    def evolve(self, door: Door, event: Opened | Closed, at: int) -> Door:
        return Door(event.by if isinstance(event, Opened) else "", door.visits)


class WiderDoors(Doors):
    def evolve(self, door: Door, event: Opened | Closed, at: int) -> Door:
        return Door("anybody", door.visits)


def kind_from(source: str) -> Any:
    """An instance of the kind that a module's text defines."""
    module = ModuleType("counters")
    sys.modules["counters"] = module
    exec(source, vars(module))  # noqa: S102 - the text is that of this file
    return module.Counter()


def test_the_codec_is_made_from_the_events_that_the_class_names() -> None:
    codec = Doors().codec

    assert codec.events == (Opened, Closed)
    assert codec.decode(codec.encode(1, 1, [Opened("ann"), Closed()])).events == [Opened("ann"), Closed()]


def test_a_codec_of_ones_own_is_left_alone() -> None:
    class Own(Kind[int, str, Opened]):
        codec: Codec[Opened] = Codec("own", Opened)

    assert Own.codec.name == "own"


def test_a_state_whose_type_says_all_is_kept_and_comes_back() -> None:
    state = Door("ann", {3: ("late", b"\x00")})

    data = Doors().freeze(state)

    assert data is not None
    assert Doors().thaw("door/default/front", data) == state


@pytest.mark.parametrize("state", [object, Any, dict[str, Any], "Unresolved"])
def test_a_state_whose_type_does_not_say_all_is_not_kept(state: Any) -> None:
    class Loose(Kind[state, str, Opened]):
        name = "loose"

    assert Loose().freeze({"a": (1, 2)}) is None
    assert Loose().state_version == 1


def test_a_kind_that_freezes_by_itself_has_the_version_that_it_says() -> None:
    assert Accounts().state_version == 1
    assert Accounts.snapshots is None


def test_a_snapshot_belongs_to_the_code_that_made_it() -> None:
    before = kind_from(MODULE).state_version

    assert kind_from(MODULE).state_version == before
    assert kind_from(MODULE.replace("count.total + by", "count.total + 2 * by")).state_version != before
    assert kind_from(MODULE.replace("total: int = 0", "total: int = 0\n    seen: int = 0")).state_version != before
    assert kind_from(MODULE.replace("{1, 2, 3}", "{1, 2, 4}")).state_version != before


def test_a_kind_that_changes_an_inherited_rule_does_not_read_the_others_snapshots() -> None:
    assert WiderDoors().state_version != Doors().state_version
    assert WiderDoors().codec is Doors().codec
