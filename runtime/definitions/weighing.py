"""How much an expression may produce at most, found out before it is evaluated: the library of CEL bounds how often it goes round, not
how much it makes.

Each part is given the size of what it may give, from the sizes of what it is made of. All that is produced on the way counts, for it is
there until the end; so a chain of texts that grow by themselves is refused at once, whatever data it is fed with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from .plain import is_list, is_map
from .syntax import Call, Constant, Field, Fold, Many, Name, Node

AT_MOST = 64 * 1024 * 1024
"""Units: about the bytes of texts, and some for each number and item."""
ITEM = 16
LESS = "divide the data, or have a step that is code do it"
LOOKS_MAX = 50_000
"""At parts of an expression: folds within folds are looked at several times."""

SUMS = frozenset({"string", "dyn", "bytes", "lowerAscii", "upperAscii", "trim", "substring", "charAt", "reverse"})
"""What gives about as much as it takes."""
PLAIN = frozenset({"_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "size", "type", "has", "@not_strictly_false"})
"""What gives little, and looks at no more than the head of what it takes."""
COMPARING = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"})
GROWING = frozenset({"replace", "join", "format", "split", "strings.quote"})
"""Beside rounds, what may give far more than it takes."""
QUOTED = 2
NUMBER = 1400
"""Characters of a number at most, as `format` writes one."""
UNITS = 9
"""Of a value at most, for each byte of its JSON."""
NOTHING = object()


class TooMuch(Exception):
    """An expression may produce more than it may."""


class Extent:
    """The size of a value at most, with all that is in it; how many parts it has, and the largest of them; itself, where it is here."""

    __slots__ = ("_count", "_part", "known", "total")

    def __init__(self, total: int, part: Extent | None = None, count: int | None = None, known: Any = NOTHING) -> None:
        self.total = total
        self._part = part
        self._count = count
        self.known = known

    @property
    def part(self) -> Extent:
        """Any of its parts; where nothing better is known that is no larger than the whole."""
        return self if self._part is None else self._part

    @property
    def count(self) -> int:
        return self.total // ITEM if self._count is None else self._count

    @property
    def itself(self) -> Extent:
        """The same, where it stands for any value of its size."""
        return Extent(self.total, self._part, self._count)

    @property
    def is_told(self) -> bool:
        """Whether more is known than its size."""
        return self._part is not None


Names: TypeAlias = dict[str, Extent]
SMALL = Extent(ITEM)
EMPTY = Extent(0, Extent(0), 0)


def weigh(tree: Node, variables: Mapping[str, Any]) -> None:
    """TooMuch where what is produced could be more than AT_MOST. A variable that is not given is taken for small."""
    scale = Scale()
    found, work = scale.of(tree, {name: scale.known(value) for name, value in variables.items()})
    if work + found.total > AT_MOST:
        raise TooMuch(f"it may produce {(work + found.total) // 1024**2:,} MB on its way, and {AT_MOST // 1024**2} are the most; {LESS}")


def parts_in(tree: Node) -> int:
    """How many parts an expression has; -1 where what it gives may be larger than as many times its data."""
    inside: list[Node] = []
    match tree:
        case Field(operand):
            inside = [operand]
        case Many(parts):
            inside = parts
        case Call(function, arguments) if function not in GROWING:
            inside = arguments
        case Fold() | Call():
            return -1
        case _:
            pass
    found = [parts_in(part) for part in inside]
    return -1 if -1 in found else 1 + sum(found)


class Scale:
    """Weighs the parts of one expression."""

    def __init__(self) -> None:
        self._looks = 0
        self._totals: dict[int, int] = {}

    def known(self, value: Any) -> Extent:
        """The extent of a value that is here."""
        if is_map(value):
            most = max((max(self.total(part), len(key)) for key, part in value.items()), default=0)
            return Extent(self.total(value), Extent(most), len(value), value)
        if is_list(value):
            return Extent(self.total(value), Extent(max(map(self.total, value), default=0)), len(value), value)
        return Extent(self.total(value), None, 0, value)

    def total(self, value: Any) -> int:
        """The size of a value that is here."""
        if isinstance(value, str):
            return len(value)
        if not is_list(value) and not is_map(value):
            return ITEM
        found = self._totals.get(id(value))
        if found is None:
            found = ITEM + sum(ITEM + self.total(part) for part in (value.values() if is_map(value) else value))
            found += sum(map(len, value)) if is_map(value) else 0
            self._totals[id(value)] = found
        return found

    def of(self, node: Node, names: Names) -> tuple[Extent, int]:
        """(the extent of what a part gives, what is produced on the way)."""
        self._looks += 1
        if self._looks > LOOKS_MAX:
            raise TooMuch(f"it has so many rounds within rounds that nobody can tell how much it produces; {LESS}")
        match node:
            case Constant(text):
                return (SMALL if text is None else self.known(text)), ITEM
            case Name(name):
                found = names.get(name, SMALL)
                return found, ITEM * (1 + found.count) if is_list(found.known) else ITEM
            case Field(operand, name, asked):
                whole, work = self.of(operand, names)
                return self._taken(whole, name, work) if not asked else (SMALL, work)
            case Many(parts):
                return self._many(parts, names)
            case Fold():
                return self._fold(node, names)
            case Call():
                return self._call(node, names)

    def _taken(self, whole: Extent, key: Any, work: int) -> tuple[Extent, int]:
        """A part that is taken out of a whole; a text is copied then."""
        found, known = whole.part, whole.known
        if is_map(known) and isinstance(key, str):
            found = self.known(known.get(key))
        elif is_list(known) and isinstance(key, int) and 0 <= key < len(known):
            found = self.known(known[key])
        copied = ITEM if is_list(found.known) or is_map(found.known) else found.total
        return found, work + ITEM + copied

    def _many(self, parts: list[Node], names: Names) -> tuple[Extent, int]:
        found = [self.of(part, names) for part in parts]
        total = ITEM + sum(ITEM + extent.total for extent, _ in found)
        return Extent(total, _largest([extent for extent, _ in found]), len(found)), sum(work + ITEM for _, work in found)

    def _call(self, call: Call, names: Names) -> tuple[Extent, int]:
        found = [self.of(part, names) for part in call.arguments]
        extents, work = [extent for extent, _ in found], sum(work for _, work in found)
        sizes = [extent.total for extent in extents]
        match call.function, extents:
            case "_?_:_", [_, yes, no]:
                return _largest([yes, no]), work
            case "_[_]", [whole, _]:
                key = call.arguments[1]
                return self._taken(whole, (key.number if key.text is None else key.text) if isinstance(key, Constant) else None, work)
            case "_+_", [left, right]:
                made = sum(sizes)
                return Extent(made, _largest([left.part, right.part]), left.count + right.count), work + made
            case "split", [text, *_]:
                made = (1 + ITEM) * (text.total + 1)
                return Extent(made, text.itself, text.total + 1), work + made
            case "keys", [whole]:
                return whole.itself, work + whole.total
            case name, _ if name in GROWING or name in SUMS:
                made = _grown(name, extents)
                return Extent(made), work + made
            case name, _ if name in PLAIN:
                return SMALL, work + ITEM
            case name, _:
                return SMALL, work + ITEM + (min(sizes) if name in COMPARING else sum(sizes))

    def _fold(self, fold: Fold, names: Names) -> tuple[Extent, int]:
        """Rounds over small items produce little: the sizes of all items together are what is known best.

        What a round gives grows with its item, and ever faster, so that few large items and many empty ones are the worst there is.
        """
        over, work = self.of(fold.over, names)
        start, begun = self.of(fold.start, names)
        times = over.count
        item = over.part.itself
        large = min(times, -(-over.total // item.total)) if item.total else 0
        within = {**names, fold.gathered: EMPTY}

        def round_of(item: Extent) -> tuple[Extent, int]:
            inside = {**within, fold.item: item}
            _, asked = self.of(fold.condition, inside)
            made, done = self.of(fold.step, inside)
            return made, asked + done

        (most, hard), (least, easy) = round_of(item), round_of(EMPTY)
        rounds = times * least.total + large * max(0, most.total - least.total)
        work += begun + times * (easy + ITEM) + large * max(0, hard - easy)
        gathered = Extent(start.total + rounds, _largest([start.part, most.part]), start.count + times * most.count)
        found, last = self.of(fold.result, {**names, fold.gathered: gathered})
        return found, work + last


def _grown(function: str, extents: list[Extent]) -> int:
    """The size of a text that a function makes of others."""
    match function, extents:
        case "replace", [text, old, new, *_]:
            length = len(old.known) if isinstance(old.known, str) else 0
            return text.total + (text.total // length if length else text.total + 1) * new.total
        case "join", [whole, *between]:
            return whole.total + whole.count * sum(one.total for one in between)
        case "format", [text, values]:
            places = text.known.count("%") if isinstance(text.known, str) else text.total
            return text.total + places * (NUMBER + values.total)
        case _:
            return ITEM + (QUOTED if function == "strings.quote" else 1) * sum(one.total for one in extents)


def _largest(extents: list[Extent]) -> Extent:
    """One that each of them fits into."""
    if not extents:
        return Extent(0)
    if len(extents) == 1:
        return extents[0]
    part = _largest([one.part for one in extents]) if all(one.is_told for one in extents) else None
    return Extent(max(one.total for one in extents), part, max(one.count for one in extents))
