"""What msgspec's errors say, taken apart: their texts as its releases write them, and as the one that is here does."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from perdure.runtime.authoring.misfits import Misfit, misfit_of
from perdure.runtime.authoring.values import explained


class Size(enum.Enum):
    SMALL = "S"
    LARGE = "L"


class Part(Struct):
    count: Annotated[int, Meta(ge=1)]
    on_error: Literal["fail", "continue"] | list[int] = "fail"


class Left(Struct, frozen=True, tag="left"):
    pass


class Right(Struct, frozen=True, tag="right"):
    pass


class Whole(Struct, forbid_unknown_fields=True):
    part: Part
    parts: list[Part] = []
    named: dict[Annotated[str, Meta(pattern="^x$")], Part] = {}
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    size: Size = Size.SMALL
    side: Left | Right = Left()
    pair: tuple[int, Literal[1, 2]] = (1, 1)


PART: dict[str, Any] = {"count": 1}

LIVE: list[tuple[Any, tuple[str, str, str]]] = [
    (1, ("object", "int", "$")),
    ({"part": {"count": "1"}}, ("int", "str", "$.part.count")),
    ({"part": {"count": 0}}, ("int >= 1", "0", "$.part.count")),
    ({"part": PART, "ratio": 1.5}, ("float < 1.0", "1.5", "$.ratio")),
    ({"part": PART, "parts": [PART, {"count": -1}]}, ("int >= 1", "-1", "$.parts[1].count")),
    ({"part": PART, "named": {"x": {"count": 0}}}, ("int >= 1", "another value", "$.named[...].count")),
    ({"part": PART, "named": {"y": PART}}, ("str matching regex '^x$'", "another key", "$.named, a key")),
    ({"part": {"count": 1, "on_error": "ignore"}}, ("one of 'continue', 'fail'", "'ignore'", "$.part.on_error")),
    ({"part": PART, "parts": [{"count": 1, "on_error": "x"}]}, ("one of 'continue', 'fail'", "'x'", "$.parts[0].on_error")),
    ({"part": PART, "size": "M"}, ("one of 'S', 'L'", "'M'", "$.size")),
    ({"part": PART, "side": {"type": "up"}}, ("one of 'left', 'right'", "'up'", "$.side.type")),
    ({"part": PART, "pair": [1, 3]}, ("one of 1, 2", "3", "$.pair[1]")),
    ({"part": PART, "pair": [1]}, ("array of length 2", "1", "$.pair")),
    ({}, ("the field 'part'", "nothing", "$.part")),
    ({"part": PART, "parts": [{}]}, ("the field 'count'", "nothing", "$.parts[0].count")),
    ({"part": PART, "prts": []}, ("a field that is known", "prts", "$.prts")),
]


@pytest.mark.parametrize(("given", "told"), LIVE)
def test_an_error_says_what_was_expected_and_found_and_where(given: Any, told: tuple[str, str, str]) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(given, Whole)

    expected, found, where = told
    misfit = misfit_of(error.value, Whole, given)
    assert (misfit.expected, misfit.found) == (expected, found)
    assert explained(error.value, Whole)[2] == where


@pytest.mark.parametrize(
    ("text", "misfit"),
    [
        ("Expected `int`, got `str` - at `$.n`", Misfit("int", "str", "$.n")),
        ("Expected `int | null`, got `array` - at `$[0]`", Misfit("int | null", "array", "$[0]")),
        ("Expected `int` >= 1", Misfit("int >= 1", "another value", "$")),
        ("Expected `str` of length >= 1 - at `$.name`", Misfit("str of length >= 1", "another value", "$.name")),
        ("Expected `str` matching regex '^`[a-z]$' - at `$.name`", Misfit("str matching regex '^`[a-z]$'", "another value", "$.name")),
        ("Expected `str` - at `key` in `$.m`", Misfit("str", "another key", "$.m, a key")),
        ("Invalid enum value 'ignore' - at `$.on`", Misfit("a value that its type names", "'ignore'", "$.on")),
        ("Invalid enum value 'a, got b - at c'", Misfit("a value that its type names", "'a, got b - at c'", "$")),
        ("Invalid value 'up' - at `$.type`", Misfit("a value that its type names", "'up'", "$.type")),
        ("Object missing required field `digest`", Misfit("the field 'digest'", "nothing", "$", missing="digest")),
        ("Object contains unknown field `x` - at `$.a`", Misfit("a field that is known", "x", "$.a", unknown="x")),
        ("Invalid RFC3339 encoded datetime - at `$.at`", Misfit("RFC3339 encoded datetime", "something else", "$.at")),
        ("Input data was truncated", Misfit("JSON that its type takes", "Input data was truncated", "$")),
    ],
)
def test_each_form_of_text_is_taken_apart(text: str, misfit: Misfit) -> None:
    assert misfit_of(msgspec.ValidationError(text)) == misfit
