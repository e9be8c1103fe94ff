"""`perdure definitions …`: workflows as data, checked, kept in versions, compared and run."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ..shared.exits import DONE, FINDINGS, INTERRUPTED, RUN_FAILED
from ..shared.options import Json, Log, Tenant, Why, wait
from ..shared.places import DEFAULT

commands = typer.Typer(help="Workflows as data: check, keep, show, compare and run them.", no_args_is_help=True)

File = Annotated[str, typer.Argument(metavar="FILE", help="YAML or JSON; - for stdin.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a definition.")]
Modules = Annotated[
    list[str] | None,
    typer.Option("--module", metavar="MODULE", help="Code that it names: pkg.mod or file.py, with steps and types of steps. Once or more."),
]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="Who says so; kept in the log.")]
Expected = Annotated[
    int | None, typer.Option("--expected", min=0, metavar="VERSION", help="Only where this is the newest version by now; 0 for none.")
]
Side = Annotated[str, typer.Argument(metavar="FILE|NAME[@VERSION]", help="A file, or what is kept.")]


@commands.command()
def validate(file: File, module: Modules = None, json: Json = False) -> int:
    """Find all faults of a definition; exit code 10 if there are any. No log is needed."""
    from ..shared.console import answer
    from .asking import faults_in
    from .drawing import draw_faults

    found = faults_in(file, module or ())
    answer(found, draw_faults, as_json=json)
    return FINDINGS if found.faults else DONE


@commands.command()
def apply(
    file: File,
    expected: Expected = None,
    by: By = "",
    module: Modules = None,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Check a definition and keep it as the newest version of its name; the same content again changes nothing."""
    from ..shared.console import answer
    from .asking import apply_file
    from .drawing import draw_kept

    answer(wait(apply_file, log, file, module or (), expected, by, tenant), draw_kept, as_json=json)
    return DONE


@commands.command()
def archive(
    name: Name,
    by: By = "",
    why: Why = "",
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Let nothing begin by a name until it is applied again; runs that have begun go on."""
    from ..shared.console import answer
    from .asking import archive_one
    from .drawing import draw_kept

    answer(wait(archive_one, log, name, by, why, tenant), draw_kept, as_json=json)
    return DONE


@commands.command("list")
def list_(
    archived: Annotated[bool, typer.Option("--archived", help="Those that are archived, too.")] = False,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """List the definitions that are kept."""
    from ..shared.console import answer
    from .asking import list_all
    from .drawing import draw_list

    answer(wait(list_all, log, archived, tenant), draw_list, as_json=json)
    return DONE


@commands.command()
def show(
    name: Name,
    version: Annotated[int, typer.Option("--version", min=0, metavar="VERSION", help="0 for the newest.")] = 0,
    log: Log = DEFAULT,
    tenant: Tenant = "default",
    json: Json = False,
) -> int:
    """Show a version of a definition as YAML, its history on stderr."""
    from ..shared.console import answer
    from .asking import shown
    from .drawing import draw_shown

    answer(wait(shown, log, name, version, tenant), draw_shown, as_json=json)
    return DONE


@commands.command()
def diff(old: Side, new: Side, log: Log = DEFAULT, tenant: Tenant = "default", json: Json = False) -> int:
    """Show how two definitions differ, line by line, as YAML; exit code 10 if they do."""
    from ..shared.console import answer
    from .asking import difference
    from .drawing import draw_difference

    found = wait(difference, log, old, new, tenant)
    answer(found, draw_difference, as_json=json)
    return FINDINGS if found else DONE


@commands.command()
def schema(json: Json = False) -> int:
    """Write the JSON Schema of a definition to stdout, with or without --json."""
    from ....runtime.definitions.model import schema as schema_of
    from ..shared.console import say_json

    say_json(schema_of())
    return DONE


@commands.command()
def types(module: Modules = None, json: Json = False) -> int:
    """List the types of steps, with an example of each."""
    from ..shared.console import answer
    from ..shared.offering import types_in
    from .drawing import draw_types

    answer(types_in(module or ()).lines(), draw_types, as_json=json)
    return DONE


@commands.command()
def run(
    target: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A file, or a definition that is kept.")],
    inputs: Annotated[str, typer.Option("--inputs", metavar="JSON", help="The inputs by name.")] = "{}",
    id: Annotated[str | None, typer.Option(help="The id of the run; one that exists is continued.")] = None,
    module: Modules = None,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Start a run of a definition, or continue it, and wait for its end. Its result is on stdout, all else on stderr."""
    from ..running.performing import draw_end
    from ..shared.console import answer
    from .asking import perform

    end = perform(log, target, inputs, id, module or (), quiet=json)
    if end is None:
        return INTERRUPTED
    answer(end, partial(draw_end, log=log), as_json=json)
    return DONE if end.status == "completed" else RUN_FAILED


