"""The client of a scenario: asks, writes the answer into the journal, and only then goes on. It can ask everything again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import anyio
import msgspec
from msgspec import Raw

from perdure import Runtime
from perdure.runtime.authoring.workflows import Workflow
from perdure.runtime.requests import AnyRequest, AwaitRun, CancelRun, SignalRun, StartRun, TerminateRun
from tests.crash.journal import Answered, Ended, Journal

WAIT_SECONDS = 10.0


class Client:
    """Every command has an id of its own, the same in every process that plays the scenario."""

    def __init__(self, runtime: Runtime, journal: Journal) -> None:
        self.runtime = runtime
        self._journal = journal
        self._asked: list[AnyRequest] = []

    async def start(self, workflow: Workflow[..., Any], run: str, *arguments: Any) -> None:
        raw = Raw(msgspec.json.encode(arguments))
        await self._ask(StartRun(workflow=workflow.name, arguments=raw, run=run, command=f"start {run}"), run)

    async def signal(self, run: str, name: str, value: Any, command: str) -> None:
        await self._ask(SignalRun(run=run, name=name, value=Raw(msgspec.json.encode(value)), command=command), run)

    async def cancel(self, run: str) -> None:
        await self._ask(CancelRun(run=run, reason="asked", command=f"cancel {run}"), run)

    async def terminate(self, run: str) -> None:
        await self._ask(TerminateRun(run=run, reason="asked", command=f"terminate {run}"), run)

    async def ended(self, *runs: str) -> None:
        """Wait until these runs have ended."""
        for run in runs:
            applied = await self.runtime.do(AwaitRun(run=run, within=WAIT_SECONDS))
            result = "" if isinstance(applied.result, msgspec.UnsetType) else bytes(applied.result).decode()
            self._journal.note(Ended(os.getpid(), run, applied.status, result))

    async def leaves_memory(self, runs: Sequence[str]) -> None:
        """Wait until these runs, which wait for a signal, are forgotten by the dispatcher."""
        with anyio.fail_after(WAIT_SECONDS):
            while any(f"run/default/{run}" in self.runtime.dispatcher.actors for run in runs):
                await self.runtime.dispatcher.passivate()
                await anyio.sleep(0.001)

    async def ask_all_again(self) -> None:
        """Repeat every command with its id."""
        for request in list(self._asked):
            await self._ask(request, getattr(request, "run", ""))

    async def _ask(self, request: AnyRequest, run: str) -> None:
        self._asked.append(request)
        applied = await self.runtime.do(request)
        self._journal.note(Answered(os.getpid(), run, request.command, applied.version))
