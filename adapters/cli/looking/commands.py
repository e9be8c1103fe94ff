"""`perdure runs`, `show`, `events`, `artifacts`, `approvals` and `replay`: what a log says, beside whoever serves it."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ..shared.exits import DONE
from ..shared.options import Json, Log, Roles, RunId, Tenant, wait
from ..shared.places import DEFAULT


def runs(
    status: Annotated[str | None, typer.Option(help="Only runs of this status.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: runs that failed, are suspended or quarantined.")] = False,
    where: Annotated[str, typer.Option(metavar="CONDITIONS", help="Only runs with such attributes: customer = 'c-7' and amount > 2.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """List the runs of a log."""
    from functools import partial

    from ....runtime.listing import STATUSES
    from ..shared.console import answer
    from .drawing import draw_runs
    from .questions import list_runs

    if status is not None and dead:
        raise typer.BadParameter("the dead letters are runs of three statuses: ask for them, or for one status", param_hint="--dead")
    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"{status!r} is no status: one of {', '.join(STATUSES)}", param_hint="--status")
    answer(wait(partial(list_runs, dead=dead), log, status, limit, where), draw_runs, as_json=json)
    return DONE


def show(
    run: RunId,
    limit: Annotated[int, typer.Option(min=0, help="At most so many lines, the last ones; 0 for all.")] = 200,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Show the life of a run as a timeline."""
    from ..shared.console import answer
    from .drawing import draw_timeline
    from .questions import records_of
    from .timeline import timeline

    answer(timeline(run, wait(records_of, log, run, tenant)), lambda out, line: draw_timeline(out, line, limit), as_json=json)
    return DONE


def events(run: RunId, log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Print the events of a run, one line of JSON each (with or without --json)."""
    from ..shared.console import say_json
    from .questions import events_of, records_of

    for event in events_of(wait(records_of, log, run, tenant)):
        say_json(event.flat())
    return DONE


def artifacts(
    run: RunId,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Write the content of this one to stdout.")] = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List what a run has stored, or write the content of one artifact to stdout."""
    from ..shared.console import answer
    from .drawing import draw_artifacts
    from .questions import artifacts_of_run, write_artifact

    if name:
        wait(write_artifact, log, run, tenant, name, sys.stdout.buffer)
    else:
        answer(wait(artifacts_of_run, log, run, tenant), draw_artifacts, as_json=json)
    return DONE


def approvals(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="The id of a run; without it all that ask something.")] = "",
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Only what they may decide now.")] = "",
    role: Roles = None,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List what runs ask people: what is shown, and the digest that stands for it."""
    from ..shared.console import answer
    from .drawing import draw_approvals
    from .questions import open_approvals

    answer(wait(open_approvals, log, run, tenant, by, role or ()), draw_approvals, as_json=json)
    return DONE


def replay(
    run: RunId,
    module: Annotated[str, typer.Argument(metavar="[MODULE]", help="The code to drive: pkg.mod or file.py; definitions need none.")] = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Fold a run anew from its log and, given its code, drive it: does today's code agree with what happened?"""
    from ....eventlog.errors import Diverged
    from ..shared.console import answer
    from .drawing import draw_verdict
    from .questions import replay_run

    verdict = wait(replay_run, log, run, tenant, [module] if module else [])
    answer(verdict, draw_verdict, as_json=json)
    return Diverged.exit_code if verdict.agrees is False else DONE
