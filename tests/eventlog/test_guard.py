"""Depth is measured on the bytes, brackets within strings aside, before any decoder sees them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.eventlog.errors import Invalid
from perdure.eventlog.guard import DEPTH_MAX, depth_over, guard

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('[]{}"\\aé')),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.sampled_from('[{"\\'), max_size=3), inner, max_size=4),
    max_leaves=60,
)


def depth_of(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    inner: list[Any] = [*value.values()] if isinstance(value, dict) else [*value]  # pyright: ignore[reportUnknownMemberType]
    return 1 + max(map(depth_of, inner), default=0)


@given(JSON, st.integers(0, 6), st.sampled_from([True, False]))
def test_depth_is_what_a_parser_would_find(value: Any, limit: int, escaped: bool) -> None:
    data = json.dumps(value, ensure_ascii=escaped).encode()

    assert depth_over(data, limit) == (depth_of(value) > limit)


@pytest.mark.parametrize(("depth", "passes"), [(DEPTH_MAX, True), (DEPTH_MAX + 1, False)])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_the_limit_is_exact(depth: int, passes: bool, opening: bytes, closing: bytes) -> None:
    data = opening * depth + b"1" * (opening != b"[") + closing * depth

    if passes:
        assert guard(data, "the test") is data
    else:
        with pytest.raises(Invalid, match="nested too deeply"):
            guard(data, "the test")


def test_levels_of_both_kinds_count_alike() -> None:
    data = b'{"a":[' * 33 + b"]}" * 33

    with pytest.raises(Invalid, match="nested too deeply"):
        guard(data, "the test")


def test_wide_is_not_deep() -> None:
    data = json.dumps([{"a": [1]}] * 10_000).encode()

    assert guard(data, "the test") is data


def test_brackets_in_strings_are_no_depth() -> None:
    data = json.dumps(["[{" * 10_000 + '\\"' * 9]).encode()

    assert guard(data, "the test") is data


def test_brackets_that_never_close_are_too_deep() -> None:
    with pytest.raises(Invalid):
        guard(b"[" * 1000, "the test")


def test_data_over_the_cap_is_refused_with_its_size() -> None:
    with pytest.raises(Invalid) as caught:
        guard(b"12345", "run order-1", bytes_max=4)

    error = caught.value
    assert (error.who, error.expected, error.found) == ("run order-1", "at most 4 bytes", "5 bytes")
    assert "pass its address" in error.instead


def test_a_refusal_of_depth_says_what_to_do() -> None:
    with pytest.raises(Invalid) as caught:
        guard(b"[" * 65 + b"]" * 65, "run order-1")

    error = caught.value
    assert (error.who, error.where) == ("run order-1", "$")
    assert error.expected == "at most 64 levels of lists and objects"
    assert error.instead == "flatten the data, or pass it as a string"
