"""Serving workflows, with the HTTP API or without it, or task queues, until SIGTERM or Ctrl-C; then handing over, draining, ending."""

from __future__ import annotations

import gc
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import anyio
from rich.text import Text

from ....runtime.authoring.steps import Step
from ....runtime.authoring.triggers import Trigger
from ....runtime.authoring.workflows import Workflow
from ....runtime.definitions.types import Types
from ...compose import open as open_runtime
from ...serving import served
from ...urls import is_in_nats
from ...working import work_for
from ..shared.console import console_for_errors, say_json

NEW_OBJECTS = 50_000
"""Before the collector looks for cycles: a worker that starts makes more than that, none in a cycle, and would look at them 100 times."""


SWITCH_SECONDS = 0.001
"""After which the thread that writes the log is let in: it has to be several times a commit, and Python's 5 ms add up."""


logger = logging.getLogger("perdure")


def work(url: str, workflows: Sequence[Workflow[..., Any]], types: Types, triggers: Sequence[Trigger], *, as_json: bool) -> bool:
    """Serve until a signal says to stop; False where Ctrl-C came before it could serve, or twice. A second SIGTERM ends the process."""
    names = sorted({flow.name for flow in workflows})
    return _run(partial(serve, url, workflows, types, triggers, partial(_told, "workflows", names, as_json=as_json)))


def perform(url: str, queues: Sequence[str], steps: Sequence[Step[..., Any]], *, as_json: bool) -> bool:
    """The same for task queues."""
    names = list(dict.fromkeys(queues))
    return _run(partial(serve_queues, url, names, steps, partial(_told, "queues", names, as_json=as_json)))


def serve_http(
    url: str, workflows: Sequence[Workflow[..., Any]], types: Types, triggers: Sequence[Trigger], *, host: str, port: int,
    single_user: bool, as_json: bool,
) -> bool:  # fmt: skip
    """As `work`, with the HTTP API over the runs."""
    told = partial(_told_address, as_json=as_json)
    return _run(partial(serve_service, url, workflows, types, triggers, told, host=host, port=port, single_user=single_user))


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    sys.setswitchinterval(SWITCH_SECONDS)
    options = {"use_uvloop": True} if find_spec("uvloop") is not None else {}
    try:
        anyio.run(main, backend_options=options)
    except KeyboardInterrupt:
        return False
    return True


def carried(triggers: Sequence[Trigger], url: str) -> Sequence[Trigger]:
    """The triggers that are heard at a URL. On a file there are no messages, which is said: code for NATS may be tried there."""
    if triggers and not is_in_nats(url):
        logger.warning("nobody is heard by %s: only NATS carries messages", ", ".join(f"trigger {each.subject!r}" for each in triggers))
        return ()
    return triggers


async def serve(
    url: str, workflows: Sequence[Workflow[..., Any]], types: Types, triggers: Sequence[Trigger], told: Callable[[str, str], None]
) -> None:
    """`told` hears the name of this worker, with "serving", "leaving" and "done".

    Behind the first signal, signals mean again what they mean to every process: the end.
    """
    offered: dict[str, Any] = {"step_types": types.given, "steps": types.steps.values(), "triggers": carried(triggers, url)}
    async with open_runtime(url, workflows=workflows, **offered) as runtime:
        owner = runtime.dispatcher.ownership.owner
        await _until_signalled(owner, told)
    told(owner, "done")


async def serve_service(
    url: str, workflows: Sequence[Workflow[..., Any]], types: Types, triggers: Sequence[Trigger], told: Callable[[str, str], None], *,
    host: str, port: int, single_user: bool,
) -> None:  # fmt: skip
    """The same with the HTTP API over the runs; `told` hears where it is."""
    offered: dict[str, Any] = {"workflows": workflows, "types": types, "triggers": carried(triggers, url)}
    async with served(url, **offered, host=host, port=port, single_user=single_user) as (_, address):
        await _until_signalled(address, told)
    told(address, "done")


async def serve_queues(url: str, queues: Sequence[str], steps: Sequence[Step[..., Any]], told: Callable[[str, str], None]) -> None:
    """The same for task queues."""
    async with work_for(url, queues, steps=steps) as name:
        await _until_signalled(name, told)
    told(name, "done")


async def _until_signalled(worker: str, told: Callable[[str, str], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        told(worker, "serving")
        async for _ in signals:
            break
    told(worker, "leaving")


def _told(kind: str, names: Sequence[str], owner: str, what: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"worker": owner, "state": what, kind: names})
        sys.stdout.flush()
    else:
        about = f"  {', '.join(names)}" if what == "serving" else ""
        console_for_errors().print(Text.assemble(("worker ", "dim"), (owner, "bold"), (f"  {what}{about}", "dim")))


def _told_address(address: str, what: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"service": address, "state": what})
        sys.stdout.flush()
    else:
        console_for_errors().print(Text.assemble(("service ", "dim"), (address, "bold"), (f"  {what}", "dim")))
