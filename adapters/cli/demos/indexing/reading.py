"""Reading one Python file: how long it is, what it defines, and what it says of itself."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

BLOCKS = ("finalbody", "orelse", "handlers", "cases", "body")
"""The fields of a statement that hold further statements."""


class Doc(Struct, frozen=True, gc=False):
    """A docstring, whose it is, and where that begins."""

    name: str
    line: int
    text: str


class Source(Struct, frozen=True):
    """What was found in a file."""

    lines: int
    functions: int
    classes: int
    docs: list[Doc]


def read_source(path: Path) -> Source:
    """What is in a file; one that this Python cannot parse has lines and nothing else."""
    data = path.read_bytes()
    lines = data.count(b"\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(data)
    except (SyntaxError, ValueError):
        return Source(lines, 0, 0, [])
    functions = classes = 0
    docs: list[Doc] = []
    for node in statements(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                functions += 1
            case ast.ClassDef(name=name):
                classes += 1
            case ast.Module():
                name = ""
            case _:
                continue
        if text := ast.get_docstring(node):
            docs.append(Doc(name, getattr(node, "lineno", 1), text.encode(errors="replace").decode()))
    return Source(lines, functions, classes, docs)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """The tree itself and every statement in it; looking into expressions would take five times as long, and find no definition."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in BLOCKS:
            waiting.extend(getattr(node, block, ()))
