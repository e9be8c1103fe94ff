"""The answers to one question that has many, gathered as bytes.

nats-py makes of each message an object, a dictionary of seven headers, an item of a queue and a turn of a task: 40 µs. Where a
worker reads fifty thousand messages before it serves, that is the wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import cached_property

from msgspec import Struct

from .api import DESCRIPTION, STATUS

VERSION_LINE = b"NATS/1.0"
STATUS_LINE = VERSION_LINE + b" "


class Headers(Mapping[str, str]):
    """Headers that are read when first asked for: of most messages that come in masses, nobody asks."""

    def __init__(self, block: bytes) -> None:
        self.block = block

    @cached_property
    def _read(self) -> dict[str, str]:
        return headers_in(self.block)

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


class Leaf(Struct, frozen=True, gc=False):
    """One answer: the block of its headers, and its body."""

    block: bytes
    data: bytes

    @property
    def headers(self) -> Headers:
        return Headers(self.block)

    @property
    def is_status(self) -> bool:
        """Whether it is a word of the server, not a message that is kept."""
        return self.block.startswith(STATUS_LINE)

    def said(self, name: bytes) -> bytes:
        """What the server added under a name: the last of it counts, since whoever published the message may have used the name too."""
        block = self.block
        start = block.rindex(b"\r\n%b: " % name) + len(name) + 4
        return block[start : block.index(b"\r\n", start)]


class Sheet:
    """What came to the newest of its addresses, up to the message with a status, which is the last."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._count = 0
        self._address = b""
        self._came: list[Leaf] = []
        self._ended = asyncio.Event()

    def address(self) -> str:
        """A new address: what still comes to an older one is for nobody."""
        self._count += 1
        address = f"{self.prefix}.{self._count}"
        self._address, self._came = address.encode(), []
        self._ended.clear()
        return address

    def hear(self, subject: bytes, headers: bytes, data: bytes) -> None:
        if subject == self._address:
            self._came.append(Leaf(headers, data))
            if headers.startswith(STATUS_LINE):
                self._ended.set()

    async def gathered(self, within: float) -> list[Leaf] | None:
        """All of it, the status last; None where nothing more came for so many seconds."""
        while not self._ended.is_set():
            count = len(self._came)
            try:
                async with asyncio.timeout(within):
                    await self._ended.wait()
            except TimeoutError:
                if len(self._came) == count:
                    return None
        return self._came


class Basket:
    """The answers to many questions that have one each, by the numbers of the questions."""

    def __init__(self, prefix: str, count: int) -> None:
        self._start = len(prefix) + 1
        self._left = count
        self._all = asyncio.Event()
        self.answers: list[Leaf | None] = [None] * count

    def hear(self, subject: bytes, headers: bytes, data: bytes) -> None:
        number = int(subject[self._start :])
        if self.answers[number] is None:
            self.answers[number] = Leaf(headers, data)
            self._left -= 1
            if not self._left:
                self._all.set()

    async def filled(self, within: float) -> list[Leaf | None]:
        """The answers; none for those to which nothing came, once nothing more came at all for so many seconds."""
        while self._left:
            left = self._left
            try:
                async with asyncio.timeout(within):
                    await self._all.wait()
            except TimeoutError:
                if self._left == left:
                    break
        return self.answers


def headers_in(block: bytes) -> dict[str, str]:
    """The headers in a block as it travels, with the status that its first line may have."""
    first, *lines = block.decode(errors="replace").split("\r\n")
    headers = {name: value.strip() for name, colon, value in [line.partition(":") for line in lines] if colon}
    if len(first) > len(STATUS_LINE):
        headers[STATUS], _, headers[DESCRIPTION] = first[len(STATUS_LINE) :].strip().partition(" ")
    return headers
