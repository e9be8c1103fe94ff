"""Conditions as people write them: what is read, and what is said where a text goes wrong."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure import Condition, Invalid
from perdure.runtime.where import conditions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("customer = 'c-7'", [("customer", "=", "c-7")]),
        ("customer='c-7' and amount>2", [("customer", "=", "c-7"), ("amount", ">", 2)]),
        ('a == "it\'s" AND b <= -1.5e3', [("a", "=", "it's"), ("b", "<=", -1500.0)]),
        ("a = 'it''s' and b = \"a \"\"b\"\"\"", [("a", "=", "it's"), ("b", "=", 'a "b"')]),
        ("  big = true and small = FALSE ", [("big", "=", True), ("small", "=", False)]),
        ("perdure.asks = true", [("perdure.asks", "=", True)]),
        ("a >= 0 and a < 9223372036854775807", [("a", ">=", 0), ("a", "<", 2**63 - 1)]),
        ("a = 'x and y = 1'", [("a", "=", "x and y = 1")]),
        ("a = '; drop table head --'", [("a", "=", "; drop table head --")]),
        ("android = 'or'", [("android", "=", "or")]),
    ],
)
def test_a_text_is_read_as_its_conditions(text: str, expected: list[tuple[str, Any, Any]]) -> None:
    read = conditions(text)

    assert read == tuple(Condition(*parts) for parts in expected)
    assert [type(condition.value) for condition in read] == [type(parts[2]) for parts in expected]


@pytest.mark.parametrize(
    ("text", "where", "found", "instead"),
    [
        ("", 1, "the end", "write for example"),
        ("customer", 9, "the end", "write for example"),
        ("customer =", 11, "the end", "write for example"),
        ("customer = c-7", 12, "'c'", "put a text in quotes: 'c'"),
        ("customer = 'c-7", 12, '"\'"', "close the quote that begins at character 12"),
        ("= 1", 1, "'='", "write for example"),
        ("a = 1 or b = 2", 7, "'or'", "there is no 'or'"),
        ("a = 1, b = 2", 6, "','", "join conditions by 'and'"),
        ("a = 1 b = 2", 7, "'b'", "join conditions by 'and'"),
        ("a = 1 and", 10, "the end", "write for example"),
        ("a = 1 and and b = 2", 11, "'and'", "write for example"),
        ("not a = 1", 1, "'not'", "there is no 'not'"),
        ("a != 1", 3, "'!='", "what is not equal cannot be looked up"),
        ("a <> 1", 3, "'<>'", "what is not equal cannot be looked up"),
        ("a like 'x'", 3, "'like'", "write for example"),
        ("a = null", 5, "'null'", "an attribute that is not there"),
        ("a > true", 5, "'>'", "write a = true"),
        ("a = 12x", 5, "'1'", "write for example"),
        ("a. = 1", 1, "'a.'", "write for example"),
        ("é = 1", 1, "'é'", "write for example"),
        ("a = 99999999999999999999", 5, "99999999999999999999", "only such values"),
        ("a = '" + "x" * 501 + "'", 5, "'xxx", "only such values"),
        ("a = 1e999", 5, "inf", "only such values"),
        ("a = " + "9" * 5000, 5, "inf", "only such values"),
        ("(a = 1)", 1, "'('", "write for example"),
        ("a" * 10_001, 10_001, "10001", "search for less"),
    ],
)
def test_an_error_says_where_what_and_what_instead(text: str, where: int, found: str, instead: str) -> None:
    with pytest.raises(Invalid) as error:
        conditions(text)

    assert error.value.where == f"character {where}"
    assert error.value.found.startswith(found)
    assert instead in error.value.instead
    assert error.value.expected


NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in {"and", "or", "not"})
VALUES = st.text(max_size=20) | st.integers(-(2**63), 2**63 - 1) | st.booleans()


def written(condition: Condition) -> str:
    value = condition.value
    if isinstance(value, str):
        return f"{condition.name} {condition.op} '" + value.replace("'", "''") + "'"
    return f"{condition.name} {condition.op} {str(value).lower()}"


@given(st.lists(st.builds(Condition, NAMES, st.just("="), VALUES), min_size=1, max_size=5))
def test_what_is_written_is_read_back(wanted: list[Condition]) -> None:
    assert conditions(" and ".join(map(written, wanted))) == tuple(wanted)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    refusal: Invalid | None = None
    try:
        conditions(text)
    except Invalid as error:
        refusal = error

    assert refusal is None or refusal.where.startswith("character ")


def test_names_with_values_are_equalities_and_conditions_are_taken_as_they_are() -> None:
    above = Condition("amount", ">", 2)

    assert conditions({"customer": "c-7", "paid": True}) == (Condition("customer", "=", "c-7"), Condition("paid", "=", value=True))
    assert conditions([above]) == (above,)
    assert conditions(()) == ()


@pytest.mark.parametrize("wrong", [{"a b": 1}, {"a": "x" * 501}, {"a": 2**63}, {"a": float("nan")}, {"a": None}, {"a": [1]}])
def test_what_cannot_be_searched_for_is_invalid(wrong: Any) -> None:
    with pytest.raises(Invalid):
        conditions(wrong)
