"""Values come back from the log as they went in, or are refused at the door."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple, TypedDict
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from perdure import Invalid
from perdure.eventlog.guard import BYTES_MAX
from perdure.runtime.authoring.values import Arguments, Shape


class Point(Struct):
    x: int
    tags: tuple[str, ...] = ()


@dataclass
class Line:
    start: tuple[int, int]
    colour: str | None = None


class Pair(NamedTuple):
    a: int
    b: bytes


class Order(TypedDict):
    cents: Decimal


CARRIED: list[tuple[Any, Any]] = [
    (int, 2**63), (str, "ä\n\x00"), (bytes, b"\x00\xff"), (dt.datetime, dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=dt.UTC)),
    (dt.timedelta, dt.timedelta(days=1, microseconds=1)), (dt.date, dt.date(2026, 2, 3)), (Decimal, Decimal("1.10")),
    (UUID, UUID(int=7)), (set[int], {3, 1}), (frozenset[str], frozenset("ab")), (tuple[int, str], (1, "a")), (dict[int, str], {1: "a"}),
    (Point, Point(1, ("a",))), (Line, Line((1, 2))), (Pair, Pair(1, b"x")), (Order, {"cents": Decimal(5)}), (int | None, None),
    (Any, {"a": [1, 2.5, None, True, "x"]}), (float, -0.0), (list[Any], []), (float, 1e308),
]  # fmt: skip

LOST: list[tuple[Any, Any, str]] = [
    (Any, (1, 2), "$"), (Any, {"a": [b"x"]}, "$.a[0]"), (Any, {1: 2}, "$[1]"), (Any, {1, 2}, "$"), (Any, object(), "$"),
    (dict[str, Any], {"at": dt.date(2026, 1, 1)}, "$.at"), (float, math.nan, "$"), (list[float], [1.0, math.inf], "$[1]"),
    (Any, -math.inf, "$"), (Any, "\ud800", "$"), (str, "\udfff", "$"), (Any, Point(1), "$"), (Any, Decimal(1), "$"),
    (Point, Point(1, ("\ud800",)), "$.tags[0]"),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value"), CARRIED)
def test_what_its_annotation_keeps_comes_back_equal_and_of_its_type(annotation: Any, value: Any) -> None:
    shape = Shape(annotation, "test")
    raw, received = shape.pair(value)

    assert (received, type(received)) == (value, type(value))
    assert shape.decode(raw) == value
    assert bytes(shape.encode(received)) == bytes(raw)


@pytest.mark.parametrize(("annotation", "value", "where"), LOST)
def test_what_would_not_come_back_is_refused_with_its_path(annotation: Any, value: Any, where: str) -> None:
    with pytest.raises(Invalid) as caught:
        Shape(annotation, "step 'x'").encode(value)

    assert (caught.value.who, caught.value.where) == ("step 'x'", where)
    assert caught.value.found
    assert caught.value.instead


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_what_json_has_comes_back_without_annotation(value: Any) -> None:
    assert Shape(Any, "test").pair(value)[1] == value


lossy = st.recursive(
    plain | st.tuples(st.integers()) | st.binary() | st.dates() | st.floats() | st.sets(st.integers()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)


@given(lossy)
def test_without_annotation_a_value_comes_back_equal_or_not_at_all(value: Any) -> None:
    shape = Shape(Any, "test")
    try:
        raw, received = shape.pair(value)
    except Invalid:
        return

    assert received == value
    assert shape.decode(raw) == value


def test_a_value_that_is_too_large_is_refused_on_every_way() -> None:
    def take(text: str) -> None: ...

    with pytest.raises(Invalid, match="too large"):
        Shape(str, "test").encode("x" * BYTES_MAX)
    with pytest.raises(Invalid, match="too large"):
        Arguments(take, "test").pair(("x" * BYTES_MAX,), {})


def test_a_value_that_contains_itself_is_refused() -> None:
    value = list[Any]()
    value.append(value)
    with pytest.raises(Invalid) as caught:
        Shape(Any, "test").encode(value)

    assert caught.value.found == "a value that contains itself, or is nested very deeply"


def test_an_annotation_that_cannot_be_carried_is_refused_where_it_is_written() -> None:
    with pytest.raises(Invalid, match="the annotation cannot be carried"):
        Shape(list[int] | set[str], "test")


def order(item: str, cents: int = 5, *, note: str = "") -> None: ...


def anything(*items: int) -> None: ...


def broken(item: int) -> None: ...


broken.__annotations__["item"] = "Nowhere"


@pytest.mark.parametrize(
    ("args", "kwargs"), [(("a",), {}), (("a", 5), {}), ((), {"item": "a"}), (("a",), {"cents": 5, "note": ""}), (("a",), {"note": ""})]
)
def test_one_call_in_many_spellings_is_recorded_as_one(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    arguments = Arguments(order, "test")
    raw, received = arguments.pair(args, kwargs)

    assert bytes(raw) == b'["a",5,{"note":""}]'
    assert arguments.split(received) == (("a", 5), {"note": ""})


@pytest.mark.parametrize("data", [b'["a"]', b'["a", 5]', b'{"item": "a"}', b'{"note": "", "item": "a"}'])
def test_a_call_from_outside_is_stored_as_one_from_inside(data: bytes) -> None:
    assert bytes(Arguments(order, "test").accept(data)) == b'["a",5,{"note":""}]'


@pytest.mark.parametrize("data", [b"[]", b'["a", 1, 2]', b'{"no": 1}', b'["a", "b"]', b"5", b"[", b'["a", NaN]', b"[" * 100 + b"]" * 100])
def test_a_call_from_outside_that_does_not_fit_is_invalid(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        Arguments(order, "step 'order'").accept(data)

    assert caught.value.who == "step 'order'"
    assert caught.value.instead


def test_functions_whose_arguments_have_no_names_or_types_are_refused() -> None:
    with pytest.raises(Invalid, match="variable number of arguments"):
        Arguments(anything, "test")
    with pytest.raises(Invalid, match="annotation cannot be resolved"):
        Arguments(broken, "test")


def test_a_recorded_value_that_does_not_fit_any_more_is_invalid() -> None:
    with pytest.raises(Invalid, match="a recorded value does not fit its annotation") as caught:
        Shape(Point, "test").decode(Raw(msgspec.json.encode({"x": "one"})))

    assert (caught.value.where, caught.value.expected, caught.value.found) == ("$.x", "int", "str")
