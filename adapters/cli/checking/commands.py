"""`perdure check`: does workflow code depend on more than its log?"""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from typing import Annotated

import typer

from ..shared.exits import DONE, FINDINGS
from ..shared.options import Json


def check(
    module: Annotated[str, typer.Argument(metavar="MODULE", help="The workflows to check: pkg.mod or file.py.")],
    trace: Annotated[
        list[str] | None,
        typer.Option(metavar="'WORKFLOW ARGS'", help="Watch a run too, in virtual time; its steps really run. May be repeated."),
    ] = None,
    signal: Annotated[list[str] | None, typer.Option(metavar="NAME=JSON", help="A signal for the runs of --trace.")] = None,
    days: Annotated[float, typer.Option(min=0.0, metavar="N", help="How many virtual days a run of --trace may take.")] = 2.0,
    log: Annotated[
        str, typer.Option(metavar="PATH", help="Watch the recorded runs of this log too, also of definitions, driven again; no step runs.")
    ] = "",
    json: Json = False,
) -> int:
    """Find what workflow code may not do: read clocks, draw chance, open files, start threads. Says the line and what to write instead."""
    from ..shared.console import answer
    from .drawing import draw_checked
    from .modules import Traced, check_module

    checked = check_module(module, Traced(trace or (), signal or (), days), log)
    answer(checked, draw_checked, as_json=json)
    return FINDINGS if checked.findings else DONE
