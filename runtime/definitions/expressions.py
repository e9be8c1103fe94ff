"""Expressions in CEL, the Common Expression Language: no loops without an end, no more than fits, no clock, no way to Python.

They are evaluated in one place only, the step `perdure.evaluate`, so what one gave is in the log of its run, and the code that drives
a run again never evaluates anything. https://github.com/cel-expr/cel-spec
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from .model import Reads
from .naming import unknown_in
from .plain import is_list, is_map
from .reading import library
from .syntax import Node, tree_of
from .templates import STRING
from .weighing import AT_MOST, UNITS, TooMuch, parts_in, weigh

SOURCE_MAX = 4000

DOT = re.compile(r"\s*\.\s*")
ROOT = re.compile(r"(?<![\w.])([A-Za-z_]\w*)(?!\w|\s*\()")
STEP = re.compile(r"(?<![\w.])steps\.([A-Za-z_]\w*)")
ANY_STEPS = re.compile(r"(?<![\w.])steps\b(?!\.[A-Za-z_])")
PLACE = re.compile(r"<input>:(\d+):(\d+): (.*)")


class Program(Protocol):
    """An expression made ready."""

    def eval(self, *, data: Mapping[str, Any]) -> Any: ...
    def serialize(self) -> bytes: ...
    def return_type(self) -> Any: ...


class Fails(Exception):
    """An expression that is well formed gives no value: a key is missing, a type does not fit. Trying again does not help."""


class Wrong(Struct, frozen=True):
    """What is wrong with an expression, and how to mend it."""

    found: str
    instead: str


def fault_in(source: str, names: frozenset[str]) -> Wrong | None:
    """What is wrong with an expression that may name these variables; None where it can be evaluated."""
    if len(source) > SOURCE_MAX:
        return Wrong(f"{len(source)} characters, more than {SOURCE_MAX}", "divide it over steps of type set")
    try:
        weigh(_tree(source, names)[0], {})
    except RuntimeError as error:
        return _explained(str(error), names)
    except TooMuch as much:
        return Wrong(str(much).partition("; ")[0], "let it grow less: what repeats a text in each round doubles it over and over")
    return Wrong("steps without the name of a step", "write steps.NAME.output") if ANY_STEPS.search(_bare(source)) else None


def misnamed_in(source: str, names: frozenset[str], known: Mapping[str, Collection[str]]) -> Wrong | None:
    """What a good expression names that is not there: the variables in `known` have these parts and no others."""
    for variable, name, parts in unknown_in(_tree(source, names)[0], known):
        near = get_close_matches(name, list(parts), 1)
        there = ", ".join(sorted(parts)) or "nothing"
        return Wrong(f"{variable}.{name}", f"write {variable}.{near[0]}" if near else f"{variable} has {there}: name one, or declare it")
    return None


def kind_of(source: str, names: frozenset[str]) -> str:
    """What a good expression gives, such as INT or LIST; empty where that hangs on its data."""
    kind: str = _program(source, names).return_type().name().partition("<")[0]
    return "" if kind == "DYN" else kind


def reads(source: str) -> Reads:
    """The steps and other variables that an expression names."""
    bare = _bare(source)
    names = {found[1] for found in ROOT.finditer(bare)} - {"steps"}
    return Reads(sorted({found[1] for found in STEP.finditer(bare)}), sorted(names))


def evaluate(source: str, variables: Mapping[str, Any]) -> Any:
    """What an expression gives, as JSON could hold it; Fails where it gives no value."""
    cel = _library()
    _must_be_bounded(source, variables)
    try:
        value = _program(source, frozenset(variables)).eval(data=variables)
    except RuntimeError as error:
        raise Fails(f"{source}: {_cut(str(error))}") from None
    if value.type() == cel.Type.ERROR:
        raise Fails(f"{source}: {_cut(str(value.plain_value()))}{_hint(str(value.plain_value()))}")
    return _plain(value.plain_value(), source)


def _must_be_bounded(source: str, variables: Mapping[str, Any]) -> None:
    """The library bounds how often an expression goes round; how much it makes of its data has to be known before."""
    try:
        tree, parts = _tree(source, frozenset(variables))
        if parts < 0 or parts * UNITS * len(msgspec.json.encode(variables)) > AT_MOST:
            weigh(tree, variables)
    except RuntimeError:
        return  # it is none: whoever evaluates it says so
    except TooMuch as much:
        raise Fails(f"{_cut(source)}: {much}") from None


@lru_cache(maxsize=4096)
def _tree(source: str, names: frozenset[str]) -> tuple[Node, int]:
    """An expression as a tree, and how many parts that has."""
    tree = tree_of(_program(source, names).serialize())
    return tree, parts_in(tree)


@lru_cache(maxsize=4096)
def _program(source: str, names: frozenset[str]) -> Program:
    program: Program = _environment(names).compile(source)
    return program


@lru_cache(maxsize=256)
def _environment(names: frozenset[str]) -> Any:
    cel = _library()
    strings = library("cel_expr_python.ext.ext_strings", "cel-expr-python", "expressions").ExtStrings()
    maths = library("cel_expr_python.ext.ext_math", "cel-expr-python", "expressions").ExtMath()
    text, dyn = cel.Type.STRING, cel.Type.DYN
    keys = cel.FunctionDecl("keys", [cel.Overload(
        id="keys_of_a_map", return_type=cel.Type.List(text), parameters=[cel.Type.Map(text, dyn)], is_member=False, impl=sorted
    )])  # fmt: skip
    return cel.NewEnv(variables=dict.fromkeys(sorted(names), dyn), extensions=[strings, maths], functions=[keys])


def _library() -> Any:
    return library("cel_expr_python.cel", "cel-expr-python", "expressions")


def _bare(source: str) -> str:
    """Without the texts in it, and without space around dots."""
    return DOT.sub(".", STRING.sub("''", source))


def _explained(text: str, names: frozenset[str]) -> Wrong:
    place = PLACE.search(text)
    what = f"line {place[1]}, column {int(place[2]) + (not place[3].startswith('Syntax'))}: {place[3]}" if place else text
    what = what.replace(" (in container '')", "").removesuffix(" [INVALID_ARGUMENT]")
    if "undeclared reference" in what:
        return Wrong(what, f"there are the variables {', '.join(sorted(names))}, and the functions of CEL with its strings and math")
    if "${" in text or "token recognition error at: '$'" in text:
        return Wrong(what, "leave ${ } out: here the whole text is an expression")
    return Wrong(what, "mend it there; a text within an expression stands in quotes")


def _cut(text: str) -> str:
    return text.partition("\n")[0][:400]


def _hint(text: str) -> str:
    if "No matching overloads" in text:
        return "; CEL does not mix kinds: write double(x), int(x) or string(x) around one of them"
    return "; has(x.y) says whether a key is there" if "Key not found" in text else ""


def _plain(value: Any, source: str) -> Any:
    """The value with nothing in it that JSON does not have."""
    if value is None or isinstance(value, str | int | float):
        return value
    if is_list(value):
        return [_plain(part, source) for part in value]
    if is_map(value):
        return {_key(key, source): _plain(part, source) for key, part in value.items()}
    raise Fails(f"{source}: it gives {type(value).__name__}, which JSON does not have; write string(…) around it")


def _key(key: object, source: str) -> str:
    if isinstance(key, str):
        return key
    raise Fails(f"{source}: it gives a map with the key {key!r}; the keys of a JSON object are texts")


def truth(value: Any, source: str) -> bool:
    """A condition gives true or false, and nothing else counts as either."""
    if isinstance(value, bool):
        return value
    raise Fails(f"{source}: a condition gives true or false; this gave {type(value).__name__}; compare it, as in x > 0")
