"""The command line `perdure`: each command parses, asks a module of its room, and says the answer.

What a command needs is imported when it is called, so that help stays quick.
"""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from ...eventlog.errors import Bug, PerdureError
from .checking.commands import check
from .definitions import commands as definitions
from .demos.commands import cluster, demo, demo_service
from .logs import commands as logs
from .looking.commands import approvals, artifacts, events, replay, runs, show
from .nats import commands as nats
from .people.keys import keys
from .people.users import roles, users
from .rag import commands as rag
from .running.commands import run
from .serving.commands import serve, worker
from .shared.exits import DONE, INTERRUPTED, USAGE
from .steering import commands as steering
from .webhooks import commands as webhooks

app = typer.Typer(
    help="Durable workflows: a run outlives the process it started in.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

COMMANDS: tuple[Callable[..., int], ...] = (
    demo, cluster, run, worker, runs, show, events, artifacts, approvals, replay, check, serve, demo_service, *steering.COMMANDS,
)  # fmt: skip
"""In the order in which help lists them; `GROUPS`, with commands of their own, come behind them."""

GROUPS = {
    "log": logs.commands, "nats": nats.commands, "webhooks": webhooks.commands, "definitions": definitions.commands, "keys": keys,
    "users": users, "roles": roles, "rag": rag.commands,
}  # fmt: skip

QUIET = logging.NullHandler()
"""Beside what a program reads as JSON nothing is said, unless a log was asked for."""

for one in COMMANDS:
    app.command()(one)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The console script: run one command and end the process with its exit code."""
    sys.exit(exit_code_of(sys.argv[1:] if arguments is None else arguments))


def exit_code_of(arguments: Sequence[str]) -> int:
    """Run one command; what goes wrong is said on stderr and becomes the exit code."""
    given = list(arguments)
    as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
    if as_json:
        logging.getLogger("perdure").addHandler(QUIET)
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
    from .shared.console import say_error
    from .shared.environment import debugging

    if debugging():
        raise error
    say_error(error, as_json=as_json)
    return error.exit_code


def _misused(error: Any, *, as_json: bool) -> int:
    """A wrong command line, as the parser explains it; without any command the parser has shown its help by now."""
    from .shared.console import say_json

    message: str = error.format_message()
    if as_json:
        say_json({"error": "usage", "message": message}, sys.stderr)
    elif message:
        error.show()
    return USAGE


if __name__ == "__main__":
    main()
