"""What a check found, drawn for people: a table by file, each line with what to write instead."""

from __future__ import annotations

from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....runtime.inspect.checking.findings import Checked


def draw_checked(out: Console, checked: Checked) -> None:
    for file, findings in groupby(checked.findings, key=lambda finding: finding.file):
        table = Table(box=None, pad_edge=False, header_style="dim", title=Text(file, style="bold"), title_justify="left")
        for name in ("line", "in", "found", "why", "instead"):
            table.add_column(name, overflow="fold")
        for finding in findings:
            table.add_row(
                f"{finding.line}:{finding.column}" if finding.column else str(finding.line),
                Text(finding.function),
                Text(finding.found, style="red"),
                Text(finding.why),
                Text(finding.instead, style="green"),
            )
        out.print(table)
        out.print()
    count = len(checked.findings)
    verdict = (f"✗ {count} {_plural('finding', count)}", "bold red") if count else ("✓ nothing found", "green")
    looked = [
        f"{len(checked.workflows)} {_plural('workflow', len(checked.workflows))} of {checked.module}",
        f"{checked.functions} {_plural('function', checked.functions)} read",
        *([f"{len(checked.runs)} {_plural('run', len(checked.runs))} watched"] if checked.runs else []),
        *([f"{len(checked.allowed)} allowed by a comment"] if checked.allowed else []),
    ]
    out.print(Text.assemble(verdict, (f"  {', '.join(looked)}", "dim")), soft_wrap=True)
    for note in checked.notes:
        out.print(Text(f"  ! {note}", style="yellow"), soft_wrap=True)


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
