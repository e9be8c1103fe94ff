"""Processes for steps that need a processor to themselves; a process, unlike a thread, can be killed."""

from __future__ import annotations

import struct
import sys
from subprocess import PIPE

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from ...runtime.perform.elsewhere import ProcessEnded

LENGTH = struct.Struct(">Q")
ENDED = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


class WorkerProcesses:
    """At most `limit` at once, started when they are first needed and kept for the next; `aclose` ends them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._limiter: anyio.CapacityLimiter | None = None
        self._idle: list[_Worker] = []

    async def run(self, order: bytes) -> bytes:
        """The answer of a process to an order. The process of one that is cancelled is killed; ProcessEnded where it died by itself."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._limit)
        async with self._limiter:
            worker = self._take() or _Worker(await anyio.open_process(_command(), stdin=PIPE, stdout=PIPE, stderr=None))
            try:
                answer = await worker.ask(order)
            except BaseException:
                await worker.end()
                raise
            self._idle.append(worker)
            return answer

    def _take(self) -> _Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
        return None

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().end()


class _Worker:
    """One process, and its two pipes."""

    def __init__(self, process: anyio.abc.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ProcessEnded("the process has no pipes")
        self.process = process
        self._into = process.stdin
        self._out = BufferedByteReceiveStream(process.stdout)

    async def ask(self, order: bytes) -> bytes:
        try:
            await self._into.send(LENGTH.pack(len(order)) + order)
            (length,) = LENGTH.unpack(await self._out.receive_exactly(LENGTH.size))
            return await self._out.receive_exactly(length)
        except ENDED as gone:
            with anyio.CancelScope(shield=True), anyio.move_on_after(1):
                await self.process.wait()
            raise ProcessEnded(f"the process that performed the attempt ended with status {self.process.returncode}") from gone

    async def end(self) -> None:
        """Kill it, and take the pieces away."""
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.aclose()


def _command() -> list[str]:
    """A Python that imports what this one can import."""
    return [sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}; from perdure.adapters.system.inside import main; main()"]
