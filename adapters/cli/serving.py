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
from rich.text import Text

from ...runtime.authoring.workflows import Workflow
from ..compose import open as open_runtime
from .console import console_for_errors, say_json


def known_in(modules: Sequence[str]) -> list[Workflow[..., Any]]:
    """The workflows of all modules, each once."""
    from .loading import load_workflows

    return list(dict.fromkeys(flow for module in modules for flow in load_workflows(module)))


def work(url: str, workflows: Sequence[Workflow[..., Any]], *, as_json: bool) -> bool:
    """Serve until a signal says to stop; False where Ctrl-C came before it could serve, or twice. A second SIGTERM ends the process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    options = {"use_uvloop": True} if find_spec("uvloop") is not None else {}
    try:
        anyio.run(partial(serve, url, workflows, partial(_told, workflows, as_json=as_json)), backend_options=options)
    except KeyboardInterrupt:
        return False
    return True


async def serve(url: str, workflows: Sequence[Workflow[..., Any]], told: Callable[[str, str], None]) -> None:
    """`told` hears the name of this worker, with "serving", "leaving" and "done".

    Behind the first signal, signals mean again what they mean to every process: the end.
    """
    async with open_runtime(url, workflows=workflows) as runtime:
        owner = runtime.dispatcher.ownership.owner
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            told(owner, "serving")
            async for _ in signals:
                break
        told(owner, "leaving")
    told(owner, "done")


def _told(workflows: Sequence[Workflow[..., Any]], owner: str, what: str, *, as_json: bool) -> None:
    names = sorted({flow.name for flow in workflows})
    if as_json:
        say_json({"worker": owner, "state": what, "workflows": names})
        sys.stdout.flush()
    else:
        about = f"  {', '.join(names)}" if what == "serving" else ""
        console_for_errors().print(Text.assemble(("worker ", "dim"), (owner, "bold"), (f"  {what}{about}", "dim")))
