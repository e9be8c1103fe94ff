"""`perdure log …`: a log as a whole, verified, its index rebuilt; which log is which, and runs moved from one to another."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Annotated

import typer

from ..shared.exits import DONE
from ..shared.options import Json, Log, wait
from ..shared.places import DEFAULT, url_of

commands = typer.Typer(help="Check a log as a whole, rebuild its index, or move runs to another.", no_args_is_help=True)


@commands.command()
def verify(
    log: Log = DEFAULT,
    expect: Annotated[list[str] | None, typer.Option(metavar="RECEIPT", help="What an answer said the log holds. May be repeated.")] = None,
    json: Json = False,
) -> int:
    """Hold the whole log against its chains, its anchors, its heads and its snapshots, and against receipts that somebody kept."""
    from ....eventlog.errors import Corrupt
    from ..shared.console import answer
    from .drawing import draw_report
    from .verifying import verify_log

    report = wait(verify_log, log, expect or ())
    answer(report, draw_report, as_json=json)
    return DONE if report.verdict == "intact" else Corrupt.exit_code


@commands.command()
def rebuild(log: Log = DEFAULT, json: Json = False) -> int:
    """Drop the index of runs and fold it anew from the log, which stays as it is."""
    from ..shared.console import answer
    from .drawing import draw_rebuilt
    from .rebuilding import rebuild as fold_anew

    answer(wait(fold_anew, log), draw_rebuilt, as_json=json)
    return DONE


@commands.command("id")
def identity(log: Log = DEFAULT, json: Json = False) -> int:
    """Say the identity of a log; one that is not there yet is made, so that runs can be moved to it."""
    from ...moving.by_url import log_id
    from ..shared.console import answer
    from .drawing import draw_identity

    answer({"id": wait(log_id, url_of(log))}, draw_identity, as_json=json)
    return DONE


@commands.command()
def export(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN...", help="The runs to move: with all that wait for them.")] = None,
    to: Annotated[str, typer.Option("--to", metavar="LOG", help="The log that they go to: its identity, path or URL.")] = "",
    out: Annotated[str, typer.Option("--out", metavar="FILE", help="The file to write.")] = "",
    abort: Annotated[str, typer.Option("--abort", metavar="MOVE", help="Take this move back instead.")] = "",
    at: Annotated[str, typer.Option("--at", metavar="LOG", help="With --abort: path or URL of the log that the runs were to go to.")] = "",
    within: Annotated[float, typer.Option(min=0.001, max=300.0, metavar="SECONDS", help="How long running steps may take to end.")] = 120.0,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Pause runs and let them leave a log for another, in a file; with --abort let them go on where they were."""
    from ...moving.by_url import IDENTITY, move_out, take_back
    from ..shared.console import answer
    from .drawing import draw_exported, draw_taken_back

    if abort:
        if not at or runs or to or out:
            raise typer.BadParameter("it goes with --at LOG, and without runs", param_hint="--abort")
        answer(wait(partial(take_back, url_of(log), abort, at=url_of(at))), draw_taken_back, as_json=json)
        return DONE
    if not (runs and to and out):
        raise typer.BadParameter("an export needs at least one run, --to LOG and --out FILE", param_hint="RUN...")
    target = to if IDENTITY.fullmatch(to) else url_of(to)
    moving = partial(move_out, url_of(log), runs, to=target, out=out, within=timedelta(seconds=within))
    answer(wait(moving), draw_exported, as_json=json)
    return DONE


@commands.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="What 'perdure log export' wrote.")],
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Put runs into the log that their move names, where they go on. Repeated it goes on where it was, or changes nothing."""
    from ...moving.by_url import move_in
    from ..shared.console import answer
    from .drawing import draw_imported

    answer(wait(move_in, url_of(log), file), draw_imported, as_json=json)
    return DONE
