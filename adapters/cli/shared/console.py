"""What the command line says, and where: answers on stdout, everything else on stderr, errors by their parts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....eventlog.errors import PerdureError

WIDTH_OF_A_PIPE = 1000
"""Nothing is wrapped for a reader that is no terminal."""

A = TypeVar("A")


def console(stream: TextIO | None = None) -> Console:
    out = sys.stdout if stream is None else stream
    return Console(file=out, highlight=False, width=None if out.isatty() else WIDTH_OF_A_PIPE)


def console_for_errors() -> Console:
    return console(sys.stderr)


def answer(found: A, draw: Callable[[Console, A], None], *, as_json: bool) -> None:
    """Say what was found: as one line of JSON, or drawn for people."""
    if as_json:
        say_json(found)
    else:
        draw(console(), found)


def how_many(count: int, one: str, many: str = "") -> str:
    """`1 step`, `2 steps`; `many` where that is not `one` and an s."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def say_json(found: Any, stream: TextIO | None = None) -> None:
    (stream or sys.stdout).write(msgspec.json.encode(found).decode() + "\n")


def say_error(error: PerdureError, *, as_json: bool) -> None:
    """Who, where, expected, found, instead: on stderr, as one line of JSON or for people."""
    parts = error.parts()
    if as_json:
        say_json({"error": error.code, **parts}, sys.stderr)
        return
    out = console_for_errors()
    out.print(Text.assemble(("✗ ", "bold red"), (parts.pop("message", error.code), "bold red")))
    say_columns(out, parts)


def say_columns(out: Console, parts: dict[str, str]) -> None:
    """Named parts, one under the other; wrapped within their column on a terminal."""
    if not out.is_terminal:
        width = max(map(len, parts), default=0)
        for name, text in parts.items():
            out.print(Text(f"  {name:<{width}}  {text}"), soft_wrap=True)
        return
    grid = Table.grid(padding=(0, 2))
    for name, text in parts.items():
        grid.add_row(Text(f"  {name}", style="dim"), Text(text, style="green" if name == "instead" else ""))
    out.print(grid)
