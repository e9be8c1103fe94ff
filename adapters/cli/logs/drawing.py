"""A verdict on a log, what was rebuilt of it, and moves of runs, drawn for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from ....eventlog.report import Report
from ...moving.arriving import Imported
from ...moving.leaving import Exported
from ...moving.returning import TakenBack
from ..shared.console import how_many
from .rebuilding import Rebuilt


def draw_report(out: Console, report: Report) -> None:
    intact = report.verdict == "intact"
    out.print(Text.assemble(("✓ intact" if intact else "✗ damaged", "green" if intact else "bold red"), f"  {report.path}"), soft_wrap=True)
    anchor = "no anchor" if report.anchored is None else f"anchored at position {report.anchored}"
    counts = [how_many(getattr(report, f"{what}s"), what) for what in ("record", "event", "stream", "head", "snapshot")]
    out.print(Text(f"  {', '.join(counts)}, {anchor}", style="dim"), soft_wrap=True)
    for finding in report.findings:
        out.print(
            Text.assemble(("  ✗ ", "red"), (finding.stream or "the log", "bold"), f"  {finding.where}: {finding.what}"), soft_wrap=True
        )
    if report.more_findings:
        out.print(Text(f"  and {report.more_findings} more"))


def draw_rebuilt(out: Console, rebuilt: Rebuilt) -> None:
    _say(out, "✓", "green", f"{how_many(rebuilt.heads, 'head')} folded anew from {how_many(rebuilt.records, 'record')} of {rebuilt.path}")


def draw_identity(out: Console, found: dict[str, Any]) -> None:
    out.print(found["id"])


def draw_exported(out: Console, exported: Exported) -> None:
    _say(out, "‖", "yellow", f"{_runs(exported.runs)} left for the log {exported.to}")
    what = f"{how_many(exported.records, 'record')} and {how_many(exported.blobs, 'large value')}"
    out.print(Text(f"  {exported.move}, {what} in {exported.file}", style="dim"))
    out.print(Text("  they stand still until the file is imported there, or the move is taken back:", style="dim"))
    out.print(Text(f"  perdure log import {exported.file} --log THERE"), soft_wrap=True)
    out.print(Text(f"  perdure log export --abort {exported.move} --at THERE --log HERE"), soft_wrap=True)


def draw_imported(out: Console, imported: Imported) -> None:
    _say(out, "✓", "green", f"{_runs(imported.runs)} came from the log {imported.source}, to go on here")
    out.print(Text(f"  {imported.move}, {how_many(imported.records, 'record')} and {how_many(imported.blobs, 'large value')}", style="dim"))


def draw_taken_back(out: Console, taken: TakenBack) -> None:
    _say(out, "✓", "green", f"{_runs(taken.runs)} here again: {taken.move} is taken back")


def _runs(runs: list[str]) -> str:
    return f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"


def _say(out: Console, mark: str, style: str, text: str) -> None:
    out.print(Text.assemble((f"{mark} ", style), text), soft_wrap=True)
