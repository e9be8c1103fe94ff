"""Whether a request holds what its fields say: those that a door reads do, one that a program makes need not."""

from __future__ import annotations

from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from ...eventlog.errors import Invalid
from ..authoring.given import shown

T = TypeVar("T", bound=Struct)

PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), bool: (bool,), int: (int,), float: (int, float), NoneType: (NoneType,)}
TEXTS = {str: "a text", bool: "True or False", int: "a whole number", float: "a number", NoneType: "None"}


def fitting(request: T) -> T:
    """The request; Invalid where a field is of another type, which the log would keep and could not read again."""
    for name, kinds, expected in _plain_fields(type(request)):
        given = getattr(request, name)
        if not isinstance(given, kinds):
            who = f"request {request.__struct_config__.tag!r}"
            raise Invalid(f"{name} must be {expected}", who=who, where=name, expected=expected, found=shown(given),
                          instead=f"pass {expected}")
    return request


@cache
def _plain_fields(kind: type[Struct]) -> tuple[tuple[str, tuple[type, ...], str], ...]:
    """(name, types, how they are told) of each field that holds a plain value."""
    found: list[tuple[str, tuple[type, ...], str]] = []
    for field in fields(kind):
        options = get_args(field.type) if get_origin(field.type) in (Union, UnionType) else (field.type,)
        if all(option in PLAIN for option in options):
            kinds = tuple(known for option in options for known in PLAIN[option])
            found.append((field.name, kinds, " or ".join(TEXTS[option] for option in options)))
    return tuple(found)
