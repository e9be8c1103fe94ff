"""Answers drawn for people: the list of runs, a timeline, a verdict, a report on a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ....runtime.inspect.replay import Verdict
from ....runtime.requests import OpenApproval
from ..shared.console import how_many, say_columns
from .questions import ArtifactLine, RunLine
from .timeline import Moment, Timeline

STATUS = {
    "running": "cyan",
    "suspended": "yellow",
    "completed": "green",
    "failed": "bold red",
    "cancelled": "magenta",
    "terminated": "magenta",
}
MARKS = {
    "started": ("▶", "cyan"),
    "step": ("✓", "green"),
    "step failed": ("✗", "red"),
    "retry": ("↻", "yellow"),
    "timer": ("◷", "dim"),
    "timer fired": ("◷", "blue"),
    "signal": ("→", "blue"),
    "approval": ("?", "cyan"),
    "approved": ("✓", "green"),
    "rejected": ("✗", "red"),
    "expired": ("◷", "yellow"),
    "log": ("·", "dim"),
    "recovered": ("⟲", "yellow"),
    "abandoned": ("-", "dim"),
    "suspended": ("‖", "yellow"),
    "resumed": ("▶", "cyan"),
    "completed": ("■", "bold green"),
    "failed": ("■", "bold red"),
    "cancelled": ("■", "magenta"),
    "terminated": ("■", "magenta"),
}


def draw_artifacts(out: Console, artifacts: Sequence[ArtifactLine]) -> None:
    if not artifacts:
        out.print(Text("no artifacts", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("artifact", overflow="fold")
    table.add_column("bytes", justify="right")
    table.add_column("SHA-256", style="dim")
    table.add_column("", style="yellow", no_wrap=True)
    for line in artifacts:
        table.add_row(Text(line.name), f"{line.size:,}", line.digest, f"gone since {line.gone:%Y-%m-%d}" if line.gone else "")
    out.print(table)


def draw_runs(out: Console, runs: Sequence[RunLine]) -> None:
    if not runs:
        out.print(Text("no runs", style="dim"))
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("run", "workflow", "status", "started", "changed", "attributes"):
        table.add_column(name, overflow="fold")
    now = datetime.now(UTC)
    for run in runs:
        attributes = bytes(run.attributes).decode()
        table.add_row(
            Text(run.run if run.tenant == "default" else f"{run.tenant}/{run.run}", style="bold"),
            run.workflow,
            Text(run.status, style=STATUS.get(run.status, "")),
            ago(now, run.started_at),
            ago(now, run.changed_at),
            Text("" if attributes == "{}" else attributes),
        )
    out.print(table)


def ago(now: datetime, then: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (now - then).total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def lasting(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 120 else f"{seconds / 60:.1f} min"  # noqa: PLR2004 - two minutes


def draw_timeline(out: Console, line: Timeline, limit: int) -> None:
    out.print(
        Text.assemble(
            ("run ", "dim"), (line.run, "bold"), f"  {line.workflow} {line.version}  ", (line.status, STATUS.get(line.status, ""))
        )
    )
    started = f"{line.started_at:%Y-%m-%d %H:%M:%S} UTC" if line.started_at else "never"
    facts = [
        f"started {started}",
        f"{lasting(line.seconds)} from the first event to the last",
        how_many(line.events, "event"),
        how_many(line.steps, "step"),
        how_many(line.retries, "retry", "retries"),
        how_many(line.recoveries, "recovery", "recoveries"),
    ]
    out.print(Text(", ".join(facts), style="dim"), soft_wrap=True)
    out.print()
    shown = line.moments if not limit or len(line.moments) <= limit else [line.moments[0], *line.moments[-(limit - 1) :]]
    table = Table.grid(padding=(0, 1))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for place, moment in enumerate(shown):
        if place == 1 and len(shown) < len(line.moments):
            table.add_row("", "", "", Text(f"… {len(line.moments) - len(shown)} earlier lines; --limit 0 shows them", style="dim"))
        _draw_moment(table, moment)
    for open_ in line.waiting:
        until = f", due at +{open_.until:.3f} s" if open_.until is not None else ""
        attempt = f", attempt {open_.attempt}" if open_.attempt > 1 else ""
        table.add_row(
            "",
            Text("…", style="cyan"),
            open_.what,
            Text(f"{open_.name} {open_.id}".strip() + f" open since +{open_.since:.3f} s{attempt}{until}"),
        )
    out.print(table)


def _draw_moment(table: Table, moment: Moment) -> None:
    mark, style = MARKS.get(moment.what, ("·", ""))
    tail: list[tuple[str, str]] = []
    if moment.seconds is not None:
        tail.append((f"  {lasting(moment.seconds)}", "dim"))
    if moment.attempts > 1:
        tail.append((f"  attempt {moment.attempts}", "yellow"))
    table.add_row(
        Text(f"+{moment.after:.3f} s", style="dim"), Text(mark, style=style), Text(moment.what), Text.assemble(moment.text, *tail)
    )
    for name, text in moment.columns.items():
        table.add_row("", "", Text(name, style="dim"), Text(text, style="green" if name == "instead" else ""))


def draw_verdict(out: Console, verdict: Verdict) -> None:
    agrees = {
        True: ("✓ code and log agree", "green"),
        False: ("✗ code and log disagree", "bold red"),
        None: ("✓ refolded; no code was given to drive", "green"),
    }[verdict.agrees]
    out.print(
        Text.assemble(agrees, (f"  {verdict.run}  {verdict.workflow} {verdict.version}  {verdict.status}, {verdict.events} events", "dim")),
        soft_wrap=True,
    )
    rows = {"state digest": verdict.state_digest, "content digest": verdict.content_digest}
    say_columns(out, rows)
    if verdict.difference:
        parts = dict(verdict.difference)
        out.print(Text(parts.pop("message", "")), style="bold")
        table = Table(box=None, header_style="dim", padding=(0, 2))
        table.add_column("the log holds", overflow="fold")
        table.add_column("the code wants", overflow="fold")
        table.add_row(Text(parts.pop("expected", "")), Text(parts.pop("found", ""), style="red"))
        out.print(table)
        say_columns(out, parts)


def draw_approvals(out: Console, approvals: Sequence[OpenApproval]) -> None:
    if not approvals:
        out.print(Text("nobody is asked anything", style="dim"))
    for asked in approvals:
        until = "" if asked.expires is None else f", until {asked.expires:%Y-%m-%d %H:%M:%S} UTC"
        out.print(Text.assemble((asked.run, "bold"), f"  {asked.name}", (f"  {asked.id}{until}", "dim")), soft_wrap=True)
        say_columns(out, {"shows": msgspec.json.encode(asked.show).decode(), "digest": asked.digest} | _terms(asked))


def _terms(asked: OpenApproval) -> dict[str, str]:
    """Who may decide and who has, where that is not anybody and nobody."""
    roles = f"one in a role of {', '.join(asked.roles)}" if asked.roles else ""
    whom = " or ".join(part for part in (", ".join(asked.users), roles) if part)
    but = f", not {asked.by}" if asked.by and not asked.starter_may else ""
    told = {"may": f"{whom or 'anybody'}{but}" if whom or but else "",
            "takes": f"{asked.quorum}, given by {', '.join(voice.by for voice in asked.voices) or 'nobody'}" if asked.quorum > 1 else ""}
    later = (f"{', '.join((*one.users, *one.roles))} from {one.at:%Y-%m-%d %H:%M:%S} UTC on" for one in asked.escalates)
    return {name: text for name, text in {**told, "later": "; ".join(later)}.items() if text}
