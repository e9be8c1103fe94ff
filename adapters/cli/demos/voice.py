"""The voice of a demo: lines, numbered scenes and what went well, for whoever sees it for the first time."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from ..shared.console import console


class Voice:
    """Says it in the terminal; quiet where the answer is JSON."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._out: Console = console()

    def line(self, *parts: str | tuple[str, str]) -> None:
        if not self._quiet:
            self._out.print(Text.assemble(*parts), soft_wrap=not self._out.is_terminal)

    def scene(self, number: int, title: str) -> None:
        self.line("")
        self.line((f"{number}  ", "bold cyan"), (title, "bold"))

    def good(self, *parts: str | tuple[str, str]) -> None:
        self.line("   ", ("✓ ", "green"), *parts)


def near(path: Path) -> str:
    """The path as somebody who stands here would write it."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
