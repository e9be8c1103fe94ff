"""Search over the attributes of heads: conditions on scalar values, all of which must hold. One meaning for every carrier.

Texts compare by code points, numbers by value, truths are equal or not; values of different kinds never meet, so a number is
neither above nor below a text, and an attribute that a stream does not have meets no condition.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, TypeGuard

import msgspec
from msgspec import Struct

from .errors import Invalid
from .records import Head

Scalar: TypeAlias = str | int | float | bool
Comparison: TypeAlias = Literal["=", "<", "<=", ">", ">="]

COMPARE: dict[Comparison, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
TEXT_MAX = 500
"""Longer texts are kept and not found: an index is no place for them."""
CONDITIONS_MAX = 16

NOTHING = b"{}"

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Condition(Struct, frozen=True):
    """What the attribute `name` must be for a stream to be found."""

    name: str
    op: Comparison
    value: Scalar

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            expected = "a name of letters, digits and '_', parts joined by '.'"
            raise _unfit(self, "name", expected, repr(self.name), "write for example 'customer'")
        if self.op not in COMPARE:
            raise _unfit(self, "op", "one of " + ", ".join(COMPARE), repr(self.op), "use '=', or a comparison")
        if not is_searchable(self.value):
            found = f"{self.value!r:.80}"
            raise _unfit(self, "value", f"a text of at most {TEXT_MAX} characters, a number of 64 bits, true or false", found,
                         "only such values can be searched for")
        if isinstance(self.value, bool) and self.op != "=":
            raise _unfit(self, "op", "'=' before true or false", repr(self.op), f"write {self.name} = {str(self.value).lower()}")

    def holds(self, value: Any) -> bool:
        """Whether an attribute of this value meets the condition; None stands for one that is not there."""
        return is_searchable(value) and kind_of(value) is kind_of(self.value) and COMPARE[self.op](value, self.value)


def kind_of(value: Scalar) -> type:
    """What a value can be compared with: others of the same kind."""
    return bool if isinstance(value, bool) else str if isinstance(value, str) else float


def is_searchable(value: Any) -> TypeGuard[Scalar]:
    """Whether an index holds the value: a short text, a number of 64 bits, a truth."""
    if isinstance(value, str):
        return len(value) <= TEXT_MAX
    return (isinstance(value, float) and math.isfinite(value)) or (isinstance(value, int) and -(2**63) <= value < 2**63)


def searchable(attributes: bytes) -> dict[str, Scalar]:
    """The attributes of a head that can be searched for; none where they are no JSON object."""
    if attributes == NOTHING:
        return {}
    try:
        return {name: value for name, value in _decode(attributes).items() if is_searchable(value)}
    except msgspec.MsgspecError:
        return {}


def matches(attributes: bytes, where: Sequence[Condition]) -> bool:
    """Whether attributes meet all conditions."""
    if not where:
        return True
    known = searchable(attributes)
    return all(condition.holds(known.get(condition.name)) for condition in where)


class Search(Struct, frozen=True):
    """Which heads are wanted: those that meet all conditions, of streams whose names begin so; of this status and title, where given."""

    where: tuple[Condition, ...] = ()
    prefix: str = ""
    status: str | None = None
    title: str | None = None

    def __post_init__(self) -> None:
        if len(self.where) > CONDITIONS_MAX:
            raise Invalid("a search has too many conditions", who="where", expected=f"at most {CONDITIONS_MAX}", found=str(len(self.where)),
                          instead="search with the most telling ones, and look at the rest yourself")

    def wants(self, stream: str, head: Head) -> bool:
        if not stream.startswith(self.prefix) or (self.status is not None and head.status != self.status):
            return False
        return (self.title is None or head.title == self.title) and matches(head.attributes, self.where)


def _unfit(condition: Condition, where: str, expected: str, found: str, instead: str) -> Invalid:
    who = f"where {condition.name} {condition.op} …"
    return Invalid("a condition cannot be searched for", who=who, where=where, expected=expected, found=found, instead=instead)
