"""Texts with expressions in them: `Order ${ inputs.id } is on its way`. Where the whole text is one expression, its value is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from ...eventlog.errors import Invalid
from .plain import is_list, is_map

STRING = re.compile(r"""[rR]?('''(?:\\.|[^\\])*?'''|\"{3}(?:\\.|[^\\])*?\"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")""", re.DOTALL)
"""A text in an expression."""


class Piece(Struct, frozen=True):
    """An expression within a text."""

    source: str


def pieces(text: str) -> list[str | Piece]:
    """The plain parts and the expressions of a text, in their order; `$${` stands for a plain `${`."""
    found: list[str | Piece] = []
    plain, place = "", 0
    while (start := text.find("${", place)) >= 0:
        if text[:start].endswith("$"):
            plain, place = plain + text[place : start - 1] + "${", start + 2
            continue
        end = _end(text, start + 2)
        plain += text[place:start]
        found += [plain] if plain else []
        found.append(Piece(text[start + 2 : end].strip()))
        plain, place = "", end + 1
    plain += text[place:]
    return [*found, plain] if plain or not found else found


def _end(text: str, place: int) -> int:
    """Where the brace is that closes an expression."""
    depth = 0
    while place < len(text):
        string = STRING.match(text, place)
        if string is not None:
            place = string.end()
            continue
        if text[place] == "}" and depth == 0:
            return place
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        place += 1
    raise Invalid("an expression in a text is not closed", who="template", where=text[:80], expected="${ expression }", found="no }",
                  instead="close it; write $${ where the text itself is to hold ${")


def has_expression(value: Any) -> bool:
    """Whether any text within a value holds an expression, or needs to be read as if it did."""
    if isinstance(value, str):
        return "${" in value
    return any(has_expression(part) for part in _inside(value))


def texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every text within a value that holds an expression."""
    if isinstance(value, str):
        if "${" in value:
            yield path, value
    elif is_map(value):
        for key, part in value.items():
            yield from texts(part, f"{path}.{key}")
    elif is_list(value):
        for place, part in enumerate(value):
            yield from texts(part, f"{path}[{place}]")


def filled(value: Any, evaluate: Callable[[str], Any]) -> Any:
    """The value with each expression in its texts replaced by what that gives."""
    if is_map(value):
        return {key: filled(part, evaluate) for key, part in value.items()}
    if is_list(value):
        return [filled(part, evaluate) for part in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    match pieces(value):
        case [Piece(source)]:
            return evaluate(source)
        case several:
            return "".join(piece if isinstance(piece, str) else as_text(evaluate(piece.source)) for piece in several)


def as_text(value: Any) -> str:
    """A value within a text: texts as they are, nothing for null, all else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value, order="deterministic").decode()


def _inside(value: Any) -> list[Any]:
    if is_map(value):
        return list(value.values())
    return value if is_list(value) else []
