"""What the commands have in common: their options, and how they wait and load code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ....runtime.authoring.workflows import Workflow

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON, on stdout; errors too, on stderr.")]
Log = Annotated[str, typer.Option("--log", envvar="PERDURE_LOG", metavar="PATH_OR_URL", help="The log.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run.")]
Module = Annotated[
    str, typer.Option("--module", metavar="MODULE", help="The code of the run (pkg.mod or file.py), so that it is driven on at once.")
]
NeededModule = Annotated[
    str, typer.Option("--module", metavar="MODULE", help="The run's code, which says what fits its log. Workers have it, a file has not.")
]
Reason = Annotated[str, typer.Option(help="Why; kept in the log.")]

Tenant = Annotated[str, typer.Option("--tenant", envvar="PERDURE_TENANT", metavar="NAME", help="Which tenant's.")]
CommandId = Annotated[str, typer.Option("--command", metavar="ID", help="A name for this request: under one name it counts once.")]
By = Annotated[str, typer.Option("--by", metavar="WHO", help="Who says so; kept in the log.")]
Why = Annotated[str, typer.Option("--why", help="Why; kept in the log.")]
Digest = Annotated[str, typer.Option("--digest", help="That of what you were shown: 'perdure approvals' says it.")]
Roles = Annotated[
    list[str] | None, typer.Option("--role", metavar="ROLE", help="A role of theirs, where an approval asks for one. May be repeated.")
]
ApprovalName = Annotated[str, typer.Argument(metavar="NAME", help="The name of the approval.")]


def code_of(module: str) -> Sequence[Workflow[..., Any]]:
    from .loading import load_workflows

    return load_workflows(module)


def wait(function: Any, *args: Any) -> Any:
    """The answer to one question. What is said of servers that were tried on the way is no part of it."""
    import logging

    import anyio

    logging.getLogger("perdure.nats").addHandler(logging.NullHandler())
    return anyio.run(function, *args)
