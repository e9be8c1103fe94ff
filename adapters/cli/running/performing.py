"""`perdure run`: start a run, or go on with it, and show how far it is until it ends."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import anyio
import msgspec
from msgspec import Raw, Struct, UnsetType
from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ....eventlog.errors import Diverged
from ....eventlog.streams import stream_of
from ....runtime.authoring.workflows import Workflow
from ....runtime.engine import Runtime
from ....runtime.requests import Applied, AwaitRun, LookAtRun, StartRun
from ...compose import open as open_runtime
from ...urls import is_over_http
from ..shared.console import console, console_for_errors
from ..shared.environment import settings
from ..shared.places import log_option
from .progress import Progress

LOOK_SECONDS = 0.1
GRACE_SECONDS = 2.0
"""How long steps may go on after Ctrl-C; those that do not end are attempted again when the run is continued."""


class Wish(Struct, frozen=True):
    """What `perdure run` was asked for."""

    url: str
    workflow: Workflow[..., Any]
    known: Sequence[Workflow[..., Any]]
    arguments: Raw
    id: str


async def run(wish: Wish, started: Callable[[Applied, bool], None], show: Callable[[Progress], None]) -> Applied:
    """How the run ended; Diverged if the engine suspended it."""
    opened = open_runtime(wish.url, workflows=wish.known, settings=settings(drain_seconds=GRACE_SECONDS))
    async with opened as runtime:
        request = StartRun(workflow=wish.workflow.name, version=wish.workflow.version, arguments=wish.arguments, run=wish.id)
        known = bool(wish.id) and await runtime.carrier.heads.get(stream_of("run", "default", wish.id)) is not None
        applied = await runtime.do(request)
        started(applied, known)
        progress = Progress()
        async with anyio.create_task_group() as group:
            group.start_soon(_look_for_ever, runtime, applied.run, progress, show, group.cancel_scope)
            await _end(runtime, applied.run)
            group.cancel_scope.cancel()
        await _take(runtime, applied.run, progress)
        show(progress)
        standing = await runtime.do(LookAtRun(run=applied.run))
    if standing.status == "suspended":
        raise suspended(applied.run, progress)
    return standing


async def _end(runtime: Runtime, run: str) -> None:
    await runtime.do(AwaitRun(run=run))


async def _look_for_ever(
    runtime: Runtime, run: str, progress: Progress, show: Callable[[Progress], None], scope: anyio.CancelScope
) -> None:
    """Show each new state; a run that the engine suspended will not end by itself, so nobody waits for it."""
    while True:
        if await _take(runtime, run, progress):
            show(progress)
        if progress.phase == "suspended":
            scope.cancel()
        await anyio.sleep(LOOK_SECONDS)


async def _take(runtime: Runtime, run: str, progress: Progress) -> bool:
    stream = stream_of("run", "default", run)
    return progress.take([record async for record in runtime.carrier.log.read(stream, after=progress.version)])


def suspended(run: str, progress: Progress) -> Diverged:
    """The suspension of a run as the error that it is."""
    why = progress.suspended
    assert why is not None
    return Diverged(
        f"the run is suspended: {why.message}",
        who=f"run {run!r}",
        where=why.where,
        expected=why.expected,
        found=why.found,
        instead=why.instead,
    )


class Showing:
    """The live line of `perdure run`, on stderr: a terminal sees it move, a pipe sees the start and the end."""

    def __init__(self, *, quiet: bool) -> None:
        self.run = ""
        self._quiet = quiet
        self._out: Console = console_for_errors()
        self._spinner = Spinner("dots", Text("opening the log"), style="cyan")
        self._live = Live(self._spinner, console=self._out, transient=True) if self._out.is_terminal and not quiet else None

    def shown(self) -> AbstractContextManager[Any]:
        return self._live or nullcontext()

    def started(self, applied: Applied, known: bool) -> None:  # noqa: FBT001 - passed on as a callback
        self.run = applied.run
        if not self._quiet:
            how = "goes on" if known else "started"
            self._out.print(Text.assemble(("run ", "dim"), (applied.run, "bold"), (f"  {applied.workflow}  {how}", "dim")))

    def progress(self, progress: Progress) -> None:
        text = f"{len(progress.done)} steps done, {len(progress.open)} open   {progress.doing()}"
        self._spinner.update(text=Text(text))

    def interrupted(self, command: Sequence[str]) -> None:
        if self._live is not None:
            self._live.stop()
        self._out.print(
            Text.assemble(("‖ ", "yellow"), "left to be continued: what is done is in the log, and nothing of it is done again")
        )
        self._out.print(Text.assemble(("  go on with  ", "dim"), (shlex.join(command), "bold")))


def perform(wish: Wish, command: Sequence[str], *, quiet: bool) -> Applied | None:
    """Run to the end; None after Ctrl-C."""
    showing = Showing(quiet=quiet)
    try:
        with showing.shown():
            return anyio.run(partial(run, wish, showing.started, showing.progress))
    except KeyboardInterrupt:
        if not quiet:
            showing.interrupted([*command, "--id", showing.run] if showing.run else command)
        return None


def draw_end(_: Console, end: Applied, *, log: str) -> None:
    """The result on stdout, how the run ended on stderr."""
    said = console_for_errors()
    if end.status == "completed" and not isinstance(end.result, UnsetType):
        said.print(Text.assemble(("✓ ", "green"), "completed"))
        console().print(Text(msgspec.json.format(bytes(end.result), indent=2).decode()), soft_wrap=True)
        return
    said.print(
        Text.assemble(("✗ ", "bold red"), (f"the run {end.status}" if end.status == "failed" else f"the run was {end.status}", "bold red"))
    )
    failure, depth = end.failure, 1
    while failure is not None:
        said.print(Text(f"{'  ' * depth}{failure.type}: {failure.message}"), soft_wrap=True)
        for name, text in failure.parts.items():
            said.print(Text(f"{'  ' * depth}  {name + ':':<10}{text}"), soft_wrap=True)
        failure, depth = failure.cause, depth + 1
    if end.reason:
        said.print(Text(f"  {end.reason}"))
    if not is_over_http(log):  # a service does not hand out its log
        said.print(Text(f"  see what happened: {shlex.join(['perdure', 'show', end.run, *log_option(log)])}", style="dim"), soft_wrap=True)
