"""`perdure worker` and `perdure serve`: workflows are served, without the HTTP API or with it, until a signal says to stop."""

# ruff: noqa: FBT002, PLR0917 - the parameters of a command are its options

from __future__ import annotations

from typing import Annotated

import typer

from ..shared.exits import DONE, INTERRUPTED
from ..shared.options import Json, Log
from ..shared.places import DEFAULT, url_of


def worker(
    modules: Annotated[list[str], typer.Argument(metavar="MODULE...", help="The code to serve: pkg.mod or file.py, one or more.")],
    queue: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Serve no runs: perform the steps of this task queue. Once or more.")
    ] = None,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Serve the workflows of modules, and on NATS their triggers, until SIGTERM or Ctrl-C; then let running steps end.

    A second signal ends it at once.
    """
    from ..shared.offering import known_in, steps_in, triggers_in, types_in
    from .process import perform, work

    if queue:
        return DONE if perform(url_of(log), queue, steps_in(modules), as_json=json) else INTERRUPTED
    return DONE if work(url_of(log), known_in(modules), types_in(modules), triggers_in(modules), as_json=json) else INTERRUPTED


def serve(
    modules: Annotated[
        list[str] | None, typer.Argument(metavar="[MODULE...]", help="The code to serve: pkg.mod or file.py; none for definitions alone.")
    ] = None,
    host: Annotated[str, typer.Option(envvar="PERDURE_HOST", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, envvar="PERDURE_PORT", help="0 for any that is free.")] = 8000,
    single_user: Annotated[bool, typer.Option("--single-user", help="Ask for no keys; only on this machine, for this machine.")] = False,
    log: Log = DEFAULT,
    json: Json = False,
) -> int:
    """Serve workflows, and the HTTP API over them, until SIGTERM or Ctrl-C. Keys are known by PERDURE_KEY_SECRET."""
    from ..shared.offering import known_in, triggers_in, types_in
    from .process import serve_http

    given = modules or ()
    offered = known_in(given), types_in(given), triggers_in(given)
    done = serve_http(url_of(log), *offered, host=host, port=port, single_user=single_user, as_json=json)
    return DONE if done else INTERRUPTED
