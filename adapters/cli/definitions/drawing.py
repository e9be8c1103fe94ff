"""Definitions, their faults and their differences, drawn for people."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....runtime.definitions.comparing import as_yaml
from ....runtime.definitions.types import TypeLine
from ....runtime.requests.definitions import DefinitionPage, DefinitionReply
from ..shared.console import console_for_errors, say_columns
from .asking import FaultsFound


def draw_faults(out: Console, found: FaultsFound) -> None:
    if not found.faults:
        out.print(Text.assemble(("✓ ", "green"), f"{found.file} can be run"))
        return
    for fault in found.faults:
        place = f"{found.file}:{fault.line}" if fault.line else found.file
        out.print(Text.assemble(("✗ ", "bold red"), (f"{place}: ", "bold"), fault.message))
        parts = {"where": fault.path, "expected": fault.expected, "found": fault.found, "instead": fault.instead}
        say_columns(out, {name: text for name, text in parts.items() if text})


def draw_kept(out: Console, kept: DefinitionReply) -> None:
    state = "  archived" if kept.archived else ""
    out.print(Text.assemble(("✓ ", "green"), (kept.name, "bold"), f"  version {kept.version}{state}", (f"  {kept.digest[:16]}", "dim")))


def draw_list(out: Console, page: DefinitionPage) -> None:
    if not page.definitions:
        out.print(Text("no definitions", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("definition", "version", "status", "changed"):
        table.add_column(column)
    for line in page.definitions:
        status = "archived" if line.archived else "active"
        table.add_row(Text(line.name), str(line.version), status, f"{line.changed:%Y-%m-%d %H:%M:%S}")
    out.print(table)


def draw_shown(out: Console, kept: DefinitionReply) -> None:
    told = console_for_errors()
    for one in kept.history:
        mark = "▶" if one.version == kept.version else " "
        by = f"  {one.by}" if one.by else ""
        told.print(Text(f"{mark} version {one.version}  {one.at:%Y-%m-%d %H:%M:%S}  {one.digest[:16]}{by}", style="dim"))
    out.print(Text(as_yaml(msgspec.json.decode(bytes(kept.definition)))), soft_wrap=True, end="")


def draw_difference(out: Console, lines: list[str]) -> None:
    if not lines:
        out.print(Text.assemble(("✓ ", "green"), "both say the same"))
    for line in lines:
        out.print(Text(line, style={"+": "green", "-": "red", "@": "dim"}.get(line[:1], "")), soft_wrap=True)


def draw_types(out: Console, types: Sequence[TypeLine]) -> None:
    for line in types:
        out.print(Text.assemble((line.name, "bold"), f"  {line.description}"), soft_wrap=True)
        out.print(Text(f"  {msgspec.json.encode(line.example).decode()}", style="dim"), soft_wrap=True)
