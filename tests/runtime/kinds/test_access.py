"""The kind that knows keys: a pure decider; what is good, until when, and for which tenant."""

from __future__ import annotations

import pytest

from perdure import NotFound, Refused
from perdure.runtime.kinds import access
from perdure.runtime.kinds.access import (
    USED_EVERY,
    Access,
    CreateKey,
    FindKey,
    KeyCreated,
    KeyRevoked,
    KeyRotated,
    KeyUsed,
    ListKeys,
    RevokeKey,
    RotateKey,
    UseKey,
)
from perdure.testing import given

SECOND = 1_000_000
MADE = KeyCreated("k1", "d1", "acme", "ann", ("viewer",), expires=100 * SECOND)
CREATE = CreateKey(MADE)
ROTATE = RotateKey("k1", "acme", "k2", "d2", overlap=10 * SECOND, by="olga")


def test_a_key_is_created_once_and_its_id_belongs_to_it() -> None:
    given(Access(), []).when(CREATE).then([MADE])
    given(Access(), [MADE]).when(CREATE).then_nothing()
    given(Access(), [MADE]).when(CreateKey(KeyCreated("k1", "other", "acme", "eve", ("admin",)))).then_refused("belongs to another key")


def test_a_rotated_key_ends_after_the_overlap_or_when_it_would_have_ended_anyway() -> None:
    made = KeyCreated("k2", "d2", "acme", "ann", ("viewer",), by="olga")
    given(Access(), [MADE], now=5 * SECOND).when(ROTATE).then([made, KeyRotated("k1", "k2", 15 * SECOND, "olga")])
    given(Access(), [MADE], now=95 * SECOND).when(ROTATE).then([made, KeyRotated("k1", "k2", 100 * SECOND, "olga")])


def test_only_a_good_key_without_a_successor_is_rotated() -> None:
    rotated = [MADE, KeyCreated("k2", "d2", "acme", "ann", ("viewer",)), KeyRotated("k1", "k2", 15 * SECOND)]
    given(Access(), rotated, now=SECOND).when(ROTATE).then_nothing()
    given(Access(), [MADE], now=101 * SECOND).when(ROTATE).then_refused("only a key that is good")
    given(Access(), [MADE, KeyRevoked("k1")], now=SECOND).when(ROTATE).then_refused("only a key that is good")


def test_a_revoked_key_is_good_no_more_and_stays_listed() -> None:
    given(Access(), [MADE]).when(RevokeKey("k1", "acme", "olga", "lost")).then([KeyRevoked("k1", "olga", "lost")])
    given(Access(), [MADE, KeyRevoked("k1")], now=SECOND).when(RevokeKey("k1", "acme")).then_nothing()
    kind, state = Access(), given(Access(), [MADE, KeyRevoked("k1")], now=SECOND).state()

    assert [key.is_good(SECOND) for key in kind.answer(state, FindKey("k1"))] == [False]
    assert [key.id for key in kind.answer(state, ListKeys("acme"))] == ["k1"]


def test_the_key_of_another_tenant_is_as_none() -> None:
    state = given(Access(), [MADE]).state()
    for wish in (RevokeKey("k1", "other"), RotateKey("k1", "other", "k2", "d", 0), RevokeKey("k9", "acme")):
        with pytest.raises(NotFound, match="no such key"):
            Access().decide(state, wish, 0)

    assert Access().answer(state, ListKeys("other")) == []


def test_there_is_a_bound_and_keys_that_are_good_no_more_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "KEYS_MAX", 1)
    more = CreateKey(KeyCreated("k2", "d2", "acme", "ben", ("viewer",)))
    with pytest.raises(Refused, match="too many keys"):
        Access().decide(given(Access(), [MADE]).state(), more, SECOND)

    assert len(Access().decide(given(Access(), [MADE]).state(), more, 101 * SECOND)) == 1


def test_that_a_key_is_used_is_written_once_in_an_hour_and_not_of_one_that_is_good_no_more() -> None:
    used = [MADE, KeyUsed("k1")]
    given(Access(), [MADE], now=SECOND).when(UseKey("k1")).then([KeyUsed("k1")])
    state = given(Access(), used, now=SECOND).state()

    assert list(Access().decide(state, UseKey("k1"), USED_EVERY)) == []
    assert list(Access().decide(state, UseKey("k1"), SECOND + USED_EVERY)) == [KeyUsed("k1")]
    assert [key.used for key in Access().answer(state, FindKey("k1"))] == [SECOND]
    given(Access(), [MADE, KeyRevoked("k1")], now=SECOND).when(UseKey("k1")).then_nothing()
    given(Access(), []).when(UseKey("k1")).then_nothing()
