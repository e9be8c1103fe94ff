"""`perdure run`: a run is started, or continued, and shown until it ends."""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from ..shared.exits import DONE, INTERRUPTED, RUN_FAILED
from ..shared.options import Json, Log
from ..shared.places import DEFAULT


def run(
    target: Annotated[str, typer.Argument(metavar="MODULE:WORKFLOW", help="pkg.mod:name or file.py:name.")],
    args: Annotated[list[str] | None, typer.Argument(help="The arguments: JSON or plain texts; NAME=VALUE for those by name.")] = None,
    id: Annotated[str | None, typer.Option(help="The id of the run; one that exists is continued.")] = None,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Start a run, or continue it, and wait for its end. Its result is on stdout, all else on stderr."""
    from ....runtime.calling.given import id_of
    from ..shared.arguments import arguments_of
    from ..shared.console import answer
    from ..shared.loading import load_workflow
    from ..shared.places import log_option, url_of
    from .performing import Wish, draw_end, perform

    workflow, known = load_workflow(target)
    wish = Wish(url_of(log), workflow, known, arguments_of(workflow, args or ()), id_of(id, "--id"))
    command = ["perdure", "run", target, *(args or ()), *log_option(log)]
    end = perform(wish, command, quiet=json)
    if end is None:
        return INTERRUPTED
    answer(end, partial(draw_end, log=log), as_json=json)
    return DONE if end.status == "completed" else RUN_FAILED
