"""The command line `perdure`: each command parses, asks one of the modules beside this one, and says the answer.

What a command needs is imported when it is called, so that help stays quick.
"""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from ...eventlog.errors import Bug, PerdureError
from . import definitions, http, moving, nats, rag, steering, webhooks
from .exits import DONE, FINDINGS, INTERRUPTED, RUN_FAILED, USAGE
from .options import Json, Log, Roles, RunId, Tenant, wait
from .places import DEFAULT

app = typer.Typer(
    help="Durable workflows: a run outlives the process it started in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
log_commands = typer.Typer(help="Check a log as a whole, rebuild its index, or move runs to another.", no_args_is_help=True)
app.add_typer(log_commands, name="log")
app.add_typer(nats.commands, name="nats")
app.add_typer(webhooks.commands, name="webhooks")
app.add_typer(definitions.commands, name="definitions")

def show_version(wanted: bool) -> None:  # noqa: FBT001 - the shape of a callback
    if wanted:
        from importlib.metadata import version

        typer.echo(f"perdure {version('perdure')}")
        raise typer.Exit


@app.callback()
def perdure(
    version: Annotated[bool, typer.Option("--version", help="Say the version.", callback=show_version, is_eager=True)] = False,
) -> None:
    """Durable workflows: a run outlives the process it started in."""


@app.command()
def demo(
    files: Annotated[int | None, typer.Option(min=10, metavar="N", help="At most so many files, spread over the library.")] = None,
    search: Annotated[str, typer.Option(metavar="WORD", help="What to ask the index for.")] = "compress",
    dir: Annotated[str, typer.Option(metavar="DIR", help="Where its files go: DIR/killed and DIR/clean are emptied first.")] = ".demo",  # noqa: A002 - the name of the option
    carrier: Annotated[str, typer.Option(metavar="sqlite|nats", help="Its log: a file, or JetStream on a server of its own.")] = "sqlite",
    json: Json = False,
) -> int:
    """Kill a run half-way with kill -9, start it again, and see that nothing was lost and nothing done twice."""
    from pathlib import Path

    from .demo.play import play
    from .demo.stage import CARRIERS
    from .demo.telling import Telling

    if carrier not in CARRIERS:
        raise typer.BadParameter(f"{carrier!r} is no carrier: one of {', '.join(CARRIERS)}", param_hint="--carrier")
    story = play(Path(dir), files=files or 0, search=search, telling=Telling(quiet=json), carrier=carrier)
    if json:
        from .console import say_json

        say_json(story)
    return DONE


@app.command()
def cluster(
    calm: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="Between one blow and the next.")] = 5.0,
    dir: Annotated[str, typer.Option(metavar="DIR", help="Where its files go; those of the last time are emptied first.")] = ".cluster",  # noqa: A002 - the name of the option
    json: Json = False,
) -> int:
    """Three nats-servers, three workers and a load on this machine: one of each is killed, and nothing is lost."""
    from pathlib import Path

    from ..compose import nats_or_say_so
    from .console import answer

    with nats_or_say_so():
        from .cluster.board import draw_story
        from .cluster.play import play
    answer(play(Path(dir), calm=calm, quiet=json), draw_story, as_json=json)
    return DONE


@app.command()
def run(
    target: Annotated[str, typer.Argument(metavar="MODULE:WORKFLOW", help="pkg.mod:name or file.py:name.")],
    args: Annotated[list[str] | None, typer.Argument(help="The arguments, each in JSON; a plain text where a str is wanted.")] = None,
    id: Annotated[str, typer.Option(help="The id of the run; one that exists is continued.")] = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Start a run, or continue it, and wait for its end. Its result is on stdout, all else on stderr."""
    from .console import answer
    from .loading import arguments_of, load_workflow
    from .places import url_of
    from .running import Wish, draw_end, perform

    workflow, known = load_workflow(target)
    wish = Wish(url_of(log), workflow, known, arguments_of(workflow, args or ()), id)
    command = ["perdure", "run", target, *(args or ()), *(["--log", log] if log != DEFAULT else ())]
    end = perform(wish, command, quiet=json)
    if end is None:
        return INTERRUPTED
    answer(end, draw_end, as_json=json)
    return DONE if end.status == "completed" else RUN_FAILED


@app.command()
def worker(
    modules: Annotated[list[str], typer.Argument(metavar="MODULE...", help="The code to serve: pkg.mod or file.py, one or more.")],
    queue: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Serve no runs: perform the steps of this task queue. Once or more.")
    ] = None,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Serve the workflows of modules until SIGTERM or Ctrl-C; then let running steps end. A second signal ends it at once."""
    from .places import url_of
    from .serving import known_in, perform, steps_in, work
    from .using import types_in

    if queue:
        return DONE if perform(url_of(log), queue, steps_in(modules), as_json=json) else INTERRUPTED
    return DONE if work(url_of(log), known_in(modules), types_in(modules), as_json=json) else INTERRUPTED


@app.command()
def runs(  # noqa: PLR0917 - the parameters of a command are its options
    status: Annotated[str | None, typer.Option(help="Only runs of this status.")] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Only dead letters: runs that failed, are suspended or quarantined.")] = False,
    where: Annotated[str, typer.Option(metavar="CONDITIONS", help="Only runs with such attributes: customer = 'c-7' and amount > 2.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 50,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """List the runs of a log."""
    from functools import partial

    from .console import answer
    from .drawing import draw_runs
    from .looking import STATUSES, list_runs

    if status is not None and dead:
        raise typer.BadParameter("the dead letters are runs of three statuses: ask for them, or for one status", param_hint="--dead")
    if status is not None and status not in STATUSES:
        raise typer.BadParameter(f"{status!r} is no status: one of {', '.join(STATUSES)}", param_hint="--status")
    answer(wait(partial(list_runs, dead=dead), log, status, limit, where), draw_runs, as_json=json)
    return DONE


@app.command()
def show(
    run: RunId,
    limit: Annotated[int, typer.Option(min=0, help="At most so many lines, the last ones; 0 for all.")] = 200,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Show the life of a run as a timeline."""
    from .console import answer
    from .drawing import draw_timeline
    from .looking import records_of
    from .timeline import timeline

    answer(timeline(run, wait(records_of, log, run, tenant)), lambda out, line: draw_timeline(out, line, limit), as_json=json)
    return DONE


@app.command()
def events(run: RunId, log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Print the events of a run, one line of JSON each (with or without --json)."""
    from .console import say_json
    from .looking import events_of, records_of

    for event in events_of(wait(records_of, log, run, tenant)):
        say_json(event.flat())
    return DONE


@app.command()
def artifacts(
    run: RunId,
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Write the content of this one to stdout.")] = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List what a run has stored, or write the content of one artifact to stdout."""
    from .console import answer
    from .drawing import draw_artifacts
    from .looking import artifacts_of_run, write_artifact

    if name:
        wait(write_artifact, log, run, tenant, name, sys.stdout.buffer)
    else:
        answer(wait(artifacts_of_run, log, run, tenant), draw_artifacts, as_json=json)
    return DONE


@app.command()
def approvals(  # noqa: PLR0917 - the parameters of a command are its options
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="The id of a run; without it all that ask something.")] = "",
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Only what they may decide now.")] = "",
    role: Roles = None,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List what runs ask people: what is shown, and the digest that stands for it."""
    from .console import answer
    from .drawing import draw_approvals
    from .looking import open_approvals

    answer(wait(open_approvals, log, run, tenant, by, role or ()), draw_approvals, as_json=json)
    return DONE


@app.command()
def replay(
    run: RunId,
    module: Annotated[str, typer.Argument(metavar="[MODULE]", help="The code to drive: pkg.mod or file.py; definitions need none.")] = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Fold a run anew from its log and, given its code, drive it: does today's code agree with what happened?"""
    from ...eventlog.errors import Diverged
    from .console import answer
    from .drawing import draw_verdict
    from .looking import replay_run

    verdict = wait(replay_run, log, run, tenant, [module] if module else [])
    answer(verdict, draw_verdict, as_json=json)
    return Diverged.exit_code if verdict.agrees is False else DONE


@app.command()
def check(  # noqa: PLR0917 - the parameters of a command are its options
    module: Annotated[str, typer.Argument(metavar="MODULE", help="The workflows to check: pkg.mod or file.py.")],
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="'WORKFLOW ARGS'", help="Watch a run too, in virtual time; its steps really run. May be repeated."),
    ] = None,
    signal: Annotated[list[str] | None, typer.Option(metavar="NAME=JSON", help="A signal for the runs of --trace.")] = None,
    days: Annotated[float, typer.Option(min=0.0, metavar="N", help="How many virtual days a run of --trace may take.")] = 2.0,
    log: Annotated[str, typer.Option(metavar="PATH", help="Watch the recorded runs of this log too, driven again; no step runs.")] = "",
    json: Json = False,
) -> int:
    """Find what workflow code may not do: read clocks, draw chance, open files, start threads. Says the line and what to write instead."""
    from .checking import Traced, check_module
    from .console import answer
    from .drawing_checks import draw_checked

    checked = check_module(module, Traced(trace or (), signal or (), days), log)
    answer(checked, draw_checked, as_json=json)
    return FINDINGS if checked.findings else DONE


@log_commands.command()
def verify(
    log: Log = DEFAULT,
    expect: Annotated[list[str] | None, typer.Option(metavar="RECEIPT", help="What an answer said the log holds. May be repeated.")] = None,
    json: Json = False,
) -> int:
    """Hold the whole log against its chains, its anchors, its heads and its snapshots, and against receipts that somebody kept."""
    from ...eventlog.errors import Corrupt
    from .console import answer
    from .drawing import draw_report
    from .verifying import verify_log

    report = wait(verify_log, log, expect or ())
    answer(report, draw_report, as_json=json)
    return DONE if report.verdict == "intact" else Corrupt.exit_code


@log_commands.command()
def rebuild(log: Log = DEFAULT, json: Json = False) -> int:
    """Drop the index of runs and fold it anew from the log, which stays as it is."""
    from .console import answer
    from .drawing import draw_rebuilt
    from .rebuilding import rebuild as fold_anew

    answer(wait(fold_anew, log), draw_rebuilt, as_json=json)
    return DONE


moving.register(log_commands)
http.register(app)
rag.register(app)
for steer in steering.COMMANDS:
    app.command()(steer)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run one command and end the process with its exit code."""
    sys.exit(exit_code_of(sys.argv[1:] if arguments is None else arguments))


def exit_code_of(arguments: Sequence[str]) -> int:
    """Run one command; what goes wrong is said on stderr and becomes the exit code."""
    given = list(arguments)
    as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    try:
        code = _command(given[0] if given else "").main(given, prog_name="perdure", standalone_mode=False)
    except PerdureError as error:
        return _failed(error, as_json=as_json)
    except SystemExit:
        return DONE  # the parser's answer to a reader that has read enough
    except Exception as error:
        if isinstance(error, typer.Abort):
            return INTERRUPTED
        if hasattr(error, "format_message"):
            return _misused(error, as_json=as_json)
        bug = Bug(
            "perdure itself failed",
            who="the command line",
            found=f"{type(error).__name__}: {error}",
            instead="report it; PERDURE_DEBUG=1 shows the traceback",
        )
        bug.__cause__ = error
        return _failed(bug, as_json=as_json)
    return code if isinstance(code, int) else DONE


@cache
def _command(word: str) -> Any:
    """The parser, with no more commands than the first word asks for: making all of them takes longer than most of them need to begin."""
    named = [one for one in app.registered_commands if (one.name or getattr(one.callback, "__name__", "")) == word]
    if not named:
        return typer.main.get_command(app)
    lone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    lone.registered_callback, lone.registered_commands = app.registered_callback, named
    return typer.main.get_command(lone)


def _failed(error: PerdureError, *, as_json: bool) -> int:
    from .console import debugging, say_error

    if debugging():
        raise error
    say_error(error, as_json=as_json)
    return error.exit_code


def _misused(error: Any, *, as_json: bool) -> int:
    """A wrong command line, as the parser explains it; without any command the parser has shown its help by now."""
    from .console import say_json

    message: str = error.format_message()
    if as_json:
        say_json({"error": "usage", "message": message}, sys.stderr)
    elif message:
        error.show()
    return USAGE


if __name__ == "__main__":
    main()
