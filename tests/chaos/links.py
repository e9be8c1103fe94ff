"""Links: every wire of the cluster runs through a small proxy here, so any of them can be cut while both ends are well.

A cut link is as a network is that drops everything: connections stand, new ones are taken, nothing passes. What was on its
way arrives when the link is whole again, as TCP would send it once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Literal

CHUNK = 65_536
Way = Literal["there", "back"]


class Link:
    """The wire from one part to a server's port, which may be named after the link was laid."""

    def __init__(self) -> None:
        self.upstream = 0
        self.port = 0
        self._open: dict[Way, asyncio.Event] = {"there": asyncio.Event(), "back": asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._served: set[asyncio.Task[None]] = set()
        self.mend()

    def cut(self, *ways: Way) -> None:
        """Let nothing pass these ways, or none if no way is named."""
        for way in ways or self._open:
            self._open[way].clear()

    def mend(self) -> None:
        for gate in self._open.values():
            gate.set()

    async def close(self) -> None:
        """End every connection, and wait until that is done."""
        for task in self._served:
            task.cancel()
        if self._served:
            await asyncio.wait(self._served)

    def reset(self) -> None:
        """End every connection; new ones are welcome."""
        for writer in list(self._writers):
            writer.close()

    def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self._served.add(task)
        task.add_done_callback(self._served.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.close()
            return
        ends = {writer, back}
        self._writers |= ends
        pumps = {asyncio.create_task(self._pump("there", reader, back)), asyncio.create_task(self._pump("back", there, writer))}
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for end in ends:
                end.close()
            self._writers -= ends

    async def _pump(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._open[way].wait()
                writer.write(data)
                await writer.drain()
            await self._open[way].wait()  # nor does the end of a connection pass


@asynccontextmanager
async def laid(upstream: int = 0) -> AsyncGenerator[Link]:
    """A link that is open."""
    link = Link()
    link.upstream = upstream
    server = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    link.port = server.sockets[0].getsockname()[1]
    try:
        yield link
    finally:
        server.close()
        await link.close()
        await server.wait_closed()
