"""What an error of msgspec says, in parts: what was expected, what was found, and where. Only its text has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import inspect

PLACE = re.compile(r" - at (`key` in )?`([^`]*)`$")
EXPECTED = re.compile(r"Expected `([^`]*)`(.*?)(?:, got `?(.*?)`?)?", re.DOTALL)
PART = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
FOUND_MAX = 100
ENUM, TAG, MISSING, UNKNOWN = "Invalid enum value ", "Invalid value ", "Object missing required field ", "Object contains unknown field "


class Misfit(NamedTuple):
    """`missing` and `unknown` are the names of fields, empty where the error is another; `where` is the path of what holds them."""

    expected: str
    found: str
    where: str
    missing: str = ""
    unknown: str = ""


def misfit_of(error: Exception, annotation: Any = None, given: Any = None) -> Misfit:
    """The parts of an error. The annotation that was not met says which values it allows, what was given which one it did not."""
    text = str(error)
    place = PLACE.search(text)
    path = place[2] if place else "$"
    text, where = text[: place.start()] if place else text, f"{path}, a key" if place and place[1] else path
    if text.startswith(MISSING):
        name = text.removeprefix(MISSING).strip("`")
        return Misfit(f"the field {name!r}", "nothing", where, missing=name)
    if text.startswith(UNKNOWN):
        name = text.removeprefix(UNKNOWN).strip("`")
        return Misfit("a field that is known", name, where, unknown=name)
    for start in (ENUM, TAG):
        if text.startswith(start):
            allowed = list(dict.fromkeys(_allowed(annotation, path)))
            return Misfit(f"one of {', '.join(allowed)}" if allowed else "a value that its type names", text.removeprefix(start), where)
    if text.startswith("Invalid "):
        return Misfit(text.removeprefix("Invalid "), "something else", where)
    said = EXPECTED.fullmatch(text)
    if said is None:
        return Misfit("JSON that its type takes", text, where)
    return Misfit(said[1] + said[2], said[3] or ("another key" if where != path else _found(given, path)), where)


def _found(given: Any, path: str) -> str:
    """The part of what was given at a path, as Python writes it."""
    try:
        for name, place in PART.findall(path):
            given = given[name or int(place)]
    except (LookupError, TypeError, ValueError):
        given = None
    return "another value" if given is None else repr(given)[:FOUND_MAX]


def fields_at(annotation: Any, path: str) -> list[str]:
    """The names of the fields that a type has at a path."""
    kinds = [kind for kind in _types_at(annotation, path) if isinstance(kind, inspect.StructType)]
    return list(dict.fromkeys(field.encode_name for kind in kinds for field in kind.fields))


def _types_at(annotation: Any, path: str) -> list[inspect.Type]:
    """What a type allows at a path; nothing where that is not told."""
    try:
        found = [] if annotation is None else list(_alternatives(inspect.type_info(annotation)))
    except TypeError:
        return []
    for name, _ in PART.findall(path):
        found = [kind for outer in found for part in _parts(outer, name) for kind in _alternatives(part)]
    return found


def _allowed(annotation: Any, path: str) -> Iterator[str]:
    """The values that are named for a place of a type, as Python writes them; none where that is not told."""
    for kind in _types_at(annotation, path):
        if isinstance(kind, inspect.LiteralType):
            yield from map(repr, kind.values)
        elif isinstance(kind, inspect.EnumType):
            yield from (repr(member.value) for member in kind.cls)


def _alternatives(kind: inspect.Type) -> Iterator[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        yield from _alternatives(kind.type)
    elif isinstance(kind, inspect.UnionType):
        for one in kind.types:
            yield from _alternatives(one)
    else:
        yield kind


def _parts(kind: inspect.Type, name: str) -> Iterator[inspect.Type]:
    """What a type has under the name of a field, or, where that is empty, as its items."""
    if isinstance(kind, inspect.StructType):
        tagged = kind.cls.__struct_config__
        if tagged.tag is not None and name == tagged.tag_field:
            yield inspect.LiteralType((tagged.tag,))
    if isinstance(kind, inspect.StructType | inspect.DataclassType | inspect.TypedDictType):
        yield from (field.type for field in kind.fields if field.encode_name == name)
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type
    elif isinstance(kind, inspect.TupleType):
        yield from kind.item_types
    elif isinstance(kind, inspect.ListType | inspect.SetType | inspect.FrozenSetType | inspect.VarTupleType):
        yield kind.item_type
