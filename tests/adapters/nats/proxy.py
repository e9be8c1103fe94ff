"""A TCP proxy before a real nats-server that loses bytes on request: the fault is the network's, the server is whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

ACKNOWLEDGED = b'_LOG","seq":'
PUBLISHED = b"HPUB perdure."


class Proxy:
    """Passes bytes on, but for what it was told to lose, once."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.lost = asyncio.Event()
        self.still = False
        """While this is so, connections stand, and nothing passes."""
        self.said = bytearray()
        """All that clients said."""
        self.server: asyncio.Server | None = None
        self._lose_from: dict[str, bytes] = {}
        self._cut = False
        self._hold = False
        self._held = b""
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def lose_answer(self, *, cut: bool = False, mark: bytes = ACKNOWLEDGED) -> None:
        """Lose the next acknowledgement, of an append if not said otherwise; with `cut`, and the connection too."""
        self._lose("server", mark, cut=cut)

    def lose_question(self, *, cut: bool = False) -> None:
        """Lose the next append on its way to the server."""
        self._lose("client", PUBLISHED, cut=cut)

    def hold_question(self) -> None:
        """Keep the next append back until another one passes, and let it arrive just before that."""
        self._lose("client", PUBLISHED, cut=False)
        self._hold = True

    def _lose(self, side: str, mark: bytes, *, cut: bool) -> None:
        self.lost.clear()
        self._lose_from = {side: mark}
        self._cut = cut

    def cut(self) -> None:
        """End every connection, and take no more."""
        if self.server is not None:
            self.server.close()
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        self._writers |= {writer, back}
        pumps = [asyncio.create_task(self._pump("client", reader, back)), asyncio.create_task(self._pump("server", there, writer))]
        self._pumps.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for end in (writer, back):
            end.close()

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
        if self._pumps:
            await asyncio.wait(self._pumps)

    async def _pump(self, side: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if side == "client":
                    self.said += data
                while self.still:  # noqa: ASYNC110 - a proxy is stilled once in its life
                    await asyncio.sleep(0.01)
                if side in self._lose_from and self._lose_from[side] in data:
                    self._lose_from = {}
                    self.lost.set()
                    self._held = data if self._hold else b""
                    if self._cut:
                        return
                    continue
                if self._held and PUBLISHED in data:
                    data, self._held = self._held + data, b""
                writer.write(data)
                await writer.drain()
        except OSError:
            return


@asynccontextmanager
async def proxied(upstream: int) -> AsyncGenerator[Proxy]:
    proxy = Proxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.server = server
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
        await server.wait_closed()
