"""What an expression names within its variables, as far as that is written out: `inputs.order`, `run.id`, `steps.pay.output`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from .syntax import Call, Constant, Field, Fold, Many, Name, Node

RESULT = ("status", "output", "error")
KNOWN: Mapping[str, Collection[str]] = {
    "run": ("id", "definition", "version"), "error": ("type", "message"), "round": ("index", "last"),
}  # fmt: skip
"""What there is within variables that are always alike."""


def unknown_in(tree: Node, known: Mapping[str, Collection[str]]) -> Iterator[tuple[str, str, Collection[str]]]:
    """(variable, name, what there is) of the names that a variable cannot have; `has(…)` may ask for any, and then it may be named."""
    asked = {place for place, is_asked in _named(tree, frozenset()) if is_asked}
    for place in dict.fromkeys(place for place, is_asked in _named(tree, frozenset()) if not is_asked):
        if place in asked:
            continue
        match place:
            case ("steps", id, name) if name not in RESULT:
                yield f"steps.{id}", name, RESULT
            case (variable, name) if variable in known and name not in known[variable]:
                yield variable, name, known[variable]
            case _:
                pass


def _named(node: Node, hidden: frozenset[str]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Each place that is named, from its variable on, and whether it is only asked for."""
    place = _place(node, hidden)
    if place:
        yield place, isinstance(node, Field) and node.asked
    match node:
        case Field(operand):
            yield from _named(operand, hidden)
        case Call(_, parts) | Many(parts):
            for part in parts:
                yield from _named(part, hidden)
        case Fold():
            inside = hidden | {node.item, node.gathered}
            for part in (node.over, node.start):
                yield from _named(part, hidden)
            for part in (node.condition, node.step, node.result):
                yield from _named(part, inside)
        case _:
            pass


def _place(node: Node, hidden: frozenset[str]) -> tuple[str, ...]:
    """The names from a variable on; empty where it is no such place, or a round has a variable of that name."""
    match node:
        case Name(name) if name not in hidden:
            return (name,)
        case Field(operand, name) | Call("_[_]", [operand, Constant(str(name))]):
            above = _place(operand, hidden)
            return (*above, name) if above else ()
        case _:
            return ()
