"""`perdure worker`: serve workflows until SIGTERM or Ctrl-C, then hand over, drain and end."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import anyio
import anyio.abc
from rich.text import Text

from ...eventlog.errors import PerdureError
from ...runtime.authoring.workflows import Workflow
from ..compose import open as open_runtime
from .console import console_for_errors, say_json


def known_in(modules: Sequence[str]) -> list[Workflow[..., Any]]:
    """The workflows of all modules, each once."""
    from .loading import load_workflows

    return list(dict.fromkeys(flow for module in modules for flow in load_workflows(module)))


def work(url: str, workflows: Sequence[Workflow[..., Any]], *, as_json: bool) -> None:
    """Serve until a signal says to stop; a second one ends the process at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = {"use_uvloop": True} if find_spec("uvloop") is not None else {}
    anyio.run(partial(serve, url, workflows, partial(_told, workflows, as_json=as_json)), backend_options=options)


async def serve(url: str, workflows: Sequence[Workflow[..., Any]], told: Callable[[str, str], None]) -> None:
    """`told` hears the name of this worker, with "serving", "leaving" and "done"."""
    problem: PerdureError | None = None
    async with anyio.create_task_group() as group:
        await group.start(_until_a_signal, group.cancel_scope)
        try:
            await _serve(url, workflows, told)
        except PerdureError as error:
            problem = error  # raised below as it is, not in the task group's wrapping
            group.cancel_scope.cancel()
    if problem is not None:
        raise problem


async def _serve(url: str, workflows: Sequence[Workflow[..., Any]], told: Callable[[str, str], None]) -> None:
    owner = ""
    try:
        async with open_runtime(url, workflows=workflows) as runtime:
            owner = runtime.dispatcher.ownership.owner
            told(owner, "serving")
            try:
                await anyio.sleep_forever()
            finally:
                told(owner, "leaving")
    finally:
        if owner:
            told(owner, "done")


async def _until_a_signal(scope: anyio.CancelScope, *, task_status: anyio.abc.TaskStatus[None]) -> None:
    """Behind the first signal, signals mean again what they mean to every process: the end."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            break
    scope.cancel()


def _told(workflows: Sequence[Workflow[..., Any]], owner: str, what: str, *, as_json: bool) -> None:
    names = sorted({flow.name for flow in workflows})
    if as_json:
        say_json({"worker": owner, "state": what, "workflows": names})
        sys.stdout.flush()
    else:
        about = f"  {', '.join(names)}" if what == "serving" else ""
        console_for_errors().print(Text.assemble(("worker ", "dim"), (owner, "bold"), (f"  {what}{about}", "dim")))
