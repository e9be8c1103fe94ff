"""`perdure run`: a run is started, or continued, and shown until it ends."""

# ruff: noqa: FBT002 - the parameters of a command are its options

from __future__ import annotations

from typing import Annotated

import typer

from ..shared.exits import DONE, INTERRUPTED, RUN_FAILED
from ..shared.options import Json, Log
from ..shared.places import DEFAULT


def run(
    target: Annotated[str, typer.Argument(metavar="MODULE:WORKFLOW", help="pkg.mod:name or file.py:name.")],
    args: Annotated[list[str] | None, typer.Argument(help="The arguments, each in JSON; a plain text where a str is wanted.")] = None,
    id: Annotated[str, typer.Option(help="The id of the run; one that exists is continued.")] = "",
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Start a run, or continue it, and wait for its end. Its result is on stdout, all else on stderr."""
    from ..shared.console import answer
    from ..shared.loading import arguments_of, load_workflow
    from ..shared.places import url_of
    from .performing import Wish, draw_end, perform

    workflow, known = load_workflow(target)
    wish = Wish(url_of(log), workflow, known, arguments_of(workflow, args or ()), id)
    command = ["perdure", "run", target, *(args or ()), *(["--log", log] if log != DEFAULT else ())]
    end = perform(wish, command, quiet=json)
    if end is None:
        return INTERRUPTED
    answer(end, draw_end, as_json=json)
    return DONE if end.status == "completed" else RUN_FAILED
