"""The tree of an expression, as the library of CEL itself has read it: it gives `cel.expr.CheckedExpr` in protobuf's wire format.

The numbers of fields are those of https://github.com/cel-expr/cel-spec/tree/master/proto/cel/expr, where they are for ever.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from msgspec import Struct

VARINT, LONG, BYTES, SHORT = 0, 1, 2, 5
LAST = 0x80
"""Bytes of a number are at least this, but for the last."""

Message = dict[int, list[Any]]


class Constant(Struct, frozen=True):
    """A literal: a text, or, where it is None, something small."""

    text: str | None = None
    number: int | None = None


class Name(Struct, frozen=True):
    """A variable."""

    name: str


class Field(Struct, frozen=True):
    """`operand.name`, or `has(operand.name)`."""

    operand: Node
    name: str
    asked: bool


class Call(Struct, frozen=True):
    """A function or an operator; the target of a method is its first argument."""

    function: str
    arguments: list[Node]


class Many(Struct, frozen=True):
    """A literal list, or the keys and values of a literal map."""

    parts: list[Node]


class Fold(Struct, frozen=True):
    """What macros such as `map` and `all` become."""

    item: str
    over: Node
    gathered: str
    start: Node
    condition: Node
    step: Node
    result: Node


Node: TypeAlias = Constant | Name | Field | Call | Many | Fold


def tree_of(serialized: bytes) -> Node:
    """The tree of an expression that `Expression.serialize()` gave."""
    checked = _message(_message(serialized)[2][0])
    return _node(checked[4][0])


def _message(data: bytes) -> Message:
    """The values of a message by the numbers of their fields."""
    found: Message = {}
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        kind, values = key & 7, found.setdefault(key >> 3, [])
        size, place = _varint(data, place) if kind in {VARINT, BYTES} else ({LONG: 8, SHORT: 4}[kind], place)
        if kind == VARINT:
            values.append(size)
        else:
            values.append(data[place : place + size])
            place += size
    return found


def _varint(data: bytes, place: int) -> tuple[int, int]:
    found = shift = 0
    while (byte := data[place]) >= LAST:
        found, place, shift = found | (byte - LAST) << shift, place + 1, shift + 7
    return found | byte << shift, place + 1


def _node(data: bytes) -> Node:
    match _message(data):
        case {3: [value]}:
            return _constant(_message(value))
        case {4: [value]}:
            return Name(_text(_message(value), 1))
        case {5: [value]}:
            select = _message(value)
            return Field(_node(select[1][0]), _text(select, 2), bool(select.get(3, [0])[0]))
        case {6: [value]}:
            call = _message(value)
            return Call(_text(call, 2), [_node(part) for part in (*call.get(1, ()), *call.get(3, ()))])
        case {7: [value]}:
            return Many([_node(part) for part in _message(value).get(1, ())])
        case {8: [value]}:
            entries = [_message(entry) for entry in _message(value).get(2, ())]
            return Many([_node(part) for entry in entries for part in (*entry.get(3, ()), *entry[4])])
        case {9: [value]}:
            fold = _message(value)
            over, start, condition, step, result = (_node(fold[number][0]) for number in (2, 4, 5, 6, 7))
            return Fold(_text(fold, 1), over, _text(fold, 3), start, condition, step, result)
        case _:
            return Constant()


def _text(message: Message, number: int) -> str:
    return b"".join(message.get(number, ())).decode()


def _constant(message: Message) -> Constant:
    match message:
        case {6: [text]}:
            return Constant(text.decode())
        case {7: [data]}:
            return Constant("x" * len(data))
        case {3: [number]}:
            return Constant(number=number)
        case _:
            return Constant()
