"""Events to bytes and back; old names through upcasters; what this build does not know is Invalid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.eventlog.codec import Codec, Event
from perdure.eventlog.errors import Invalid
from perdure.eventlog.guard import HARMLESS_BYTES


class Opened(Event, frozen=True):
    """An account was opened."""

    owner: str
    cents: int = 0


class Deposited(Event, frozen=True):
    """Money came in."""

    cents: int


class Noted(Event, frozen=True):
    """Something was written down, whatever it was."""

    what: msgspec.Raw


ACCOUNT: Codec[Opened | Deposited] = Codec("account", Opened, Deposited)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
CENTS = st.integers(-(2**63), 2**63 - 1)
EVENTS = st.lists(st.builds(Opened, TEXT, CENTS) | st.builds(Deposited, CENTS))


@given(st.integers(0, 2**62), st.integers(0, 2**31), EVENTS)
def test_what_was_encoded_is_decoded(at: int, epoch: int, events: list[Opened | Deposited]) -> None:
    batch = ACCOUNT.decode(ACCOUNT.encode(at, epoch, events))

    assert (batch.at, batch.epoch, list(batch.events)) == (at, epoch, events)


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_invalid(data: bytes) -> None:
    try:
        batch = ACCOUNT.decode(data)
    except Invalid:
        return
    assert ACCOUNT.decode(ACCOUNT.encode(batch.at, batch.epoch, batch.events)) == batch


def test_the_bytes_are_json_that_a_person_can_read() -> None:
    data = ACCOUNT.encode(12, 3, [Opened("Ann"), Deposited(700)])

    assert data == b'{"at":12,"epoch":3,"events":[{"type":"Opened","owner":"Ann"},{"type":"Deposited","cents":700}]}'


def test_an_unknown_event_is_invalid_and_says_what_is_known() -> None:
    data = b'{"at":1,"epoch":1,"events":[{"type":"Closed"}]}'

    with pytest.raises(Invalid) as caught:
        ACCOUNT.decode(data)

    error = caught.value
    assert (error.who, error.where, error.expected) == ("kind 'account'", "$.events[0].type", "one of Deposited, Opened")
    assert "Closed" in error.found
    assert "use the release that wrote it" in error.instead


def test_a_field_of_another_type_is_invalid_with_its_path() -> None:
    with pytest.raises(Invalid) as caught:
        ACCOUNT.decode(b'{"at":1,"epoch":1,"events":[{"type":"Opened","owner":"Ann"},{"type":"Deposited","cents":"7"}]}')

    assert caught.value.where == "$.events[1].cents"


def test_a_codec_of_one_event_works() -> None:
    codec = Codec("notes", Noted)

    assert codec.decode(codec.encode(1, 1, [Noted(msgspec.Raw(b'[1, {"a":null}]'))])).events[0].what == msgspec.Raw(b'[1, {"a":null}]')


def in_cents(old: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Deposited", "cents": old["euros"] * 100}


def renamed(old: dict[str, Any]) -> dict[str, Any]:
    return {**old, "type": "PaidIn"}


def test_an_event_of_an_older_release_is_lifted_step_by_step() -> None:
    codec: Codec[Opened | Deposited] = Codec("account", Opened, Deposited, upcasters={"Paid": renamed, "PaidIn": in_cents})
    data = b'{"at":5,"epoch":2,"events":[{"type":"Paid","euros":3},{"type":"Opened","owner":"Ann"}]}'

    batch = codec.decode(data)

    assert (batch.at, batch.epoch, list(batch.events)) == (5, 2, [Deposited(300), Opened("Ann")])


def test_an_upcaster_that_fails_is_invalid() -> None:
    codec: Codec[Opened | Deposited] = Codec("account", Opened, Deposited, upcasters={"Paid": in_cents})

    with pytest.raises(Invalid, match="cannot read"):
        codec.decode(b'{"at":5,"epoch":2,"events":[{"type":"Paid","pounds":3}]}')


def test_upcasters_that_turn_in_a_circle_end() -> None:
    codec: Codec[Opened | Deposited] = Codec("account", Opened, Deposited, upcasters={"Paid": lambda old: old})

    with pytest.raises(Invalid):
        codec.decode(b'{"at":5,"epoch":2,"events":[{"type":"Paid"}]}')


@pytest.mark.parametrize("depth", [HARMLESS_BYTES - 60, 100_000])
def test_deep_nesting_is_refused_before_it_can_hurt(depth: int) -> None:
    data = b'{"at":1,"epoch":1,"events":[{"type":"Noted","what":' + b"[" * depth
    assert (len(data) <= HARMLESS_BYTES) == (depth < 1000)

    with pytest.raises(Invalid):
        Codec("notes", Noted).decode(data)


def test_deep_nesting_is_named() -> None:
    data = b'{"at":1,"epoch":1,"events":[{"type":"Noted","what":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"

    with pytest.raises(Invalid, match="nested too deeply"):
        Codec("notes", Noted).decode(data)
