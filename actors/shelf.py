"""The shelf: large values on their way from an actor to the blobs and back.

An event holds a large value's name; what the name stands for lies here for as long as it is on its way: just made and not
yet written, just written, or fetched for an actor that cannot go on without it. The deciding core only looks: a value
that is not on the shelf is asked for with NeedValue, and whoever called fetches it and calls again.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from ..eventlog.blobs import Blob, Blobs, content_of
from ..eventlog.errors import Bug, TooLarge

NOTHING = Raw(b"null")
NEVER_LARGE = 1 << 62
LARGE_BYTES = 128 * 1024
VALUE_BYTES_MAX = 16 * 1024 * 1024
RECENT_BYTES = 32 * 1024 * 1024
"""What was written lately is at hand up to this much."""


class NeedValue(Exception):
    """The code must be given what these blobs hold, and it is not at hand. Nothing is wrong: fetch it and call again."""

    def __init__(self, blobs: Sequence[Blob]) -> None:
        super().__init__(", ".join(blob.digest[:12] for blob in blobs))
        self.blobs = tuple(blobs)


class Shelf:
    """The large values of one node. Without blobs behind it no value counts as large."""

    def __init__(self, blobs: Blobs | None = None, *, large_bytes: int = LARGE_BYTES, value_bytes_max: int = VALUE_BYTES_MAX) -> None:
        self._blobs = blobs
        self.large_bytes = large_bytes if blobs is not None else NEVER_LARGE
        """A value with more bytes goes into a blob."""
        self.value_bytes_max = value_bytes_max
        self.unwritten: list[tuple[str, bytes]] = []
        """Values that events of this turn name: they must be durable before those."""
        self.lent: dict[str, dict[str, bytes]] = {}
        """What was fetched for an actor, by stream and digest, until it has gone on."""
        self.fetched = 0
        """Values read back so far."""
        self._recent: dict[tuple[str, str], bytes] = {}
        self._recent_bytes = 0

    # -- what the deciding core asks -----------------------------------------------------------------------------------

    def keep(self, stream: str, content: bytes, who: str) -> Blob:
        """The name of a large value, which is written before anything of this turn; TooLarge where it may not be kept."""
        blob = self.named(content, who)
        self.unwritten.append((stream, content))
        self._remember(stream, blob, content)
        return blob

    def find(self, stream: str, blob: Blob) -> bytes | None:
        """The value, if it is at hand."""
        if stream in self.lent and (found := self.lent[stream].get(blob.digest)) is not None:
            return found
        if (found := self._recent.get((stream, blob.digest))) is not None:
            return found
        mine = (content for to, content in self.unwritten if to == stream and len(content) == blob.size)
        return next((content for content in mine if Blob.of(content).digest == blob.digest), None)

    def named(self, content: bytes, who: str) -> Blob:
        if len(content) > self.value_bytes_max:
            raise too_large(who, len(content), self.value_bytes_max)
        return Blob.of(content)

    # -- what the shell does -------------------------------------------------------------------------------------------

    async def put(self, stream: str, content: bytes, who: str) -> Blob:
        """The name of a large value, which is durable when this returns."""
        blob = self.named(content, who)
        await self._behind().put(stream, content)
        self._remember(stream, blob, content)
        return blob

    async def hold(self, stream: str, content: Raw, who: str) -> tuple[Raw, Blob | None]:
        """(what an event holds of a value from outside, the durable blob that holds it where it is large); TooLarge at the door."""
        if len(content) <= self.large_bytes:
            return content, None
        return NOTHING, await self.put(stream, bytes(content), who)

    async def write(self) -> None:
        """Make durable what the events of this turn name."""
        unwritten, self.unwritten = self.unwritten, []
        for stream, content in unwritten:
            await self._behind().put(stream, content)

    async def get(self, stream: str, blob: Blob) -> bytes:
        """What a blob holds; Corrupt where it does not hold it."""
        found = self.find(stream, blob)
        if found is None:
            found = await content_of(self._behind(), stream, blob)
            self.fetched += 1
        return found

    async def lend(self, stream: str, blobs: Sequence[Blob]) -> None:
        """Have these at hand, and nothing else, for an actor that needs them."""
        self.lent[stream] = {blob.digest: await self.get(stream, blob) for blob in blobs}

    def take_back(self, stream: str) -> None:
        """The actor has gone on."""
        self.lent.pop(stream, None)

    def _remember(self, stream: str, blob: Blob, content: bytes) -> None:
        key = (stream, blob.digest)
        if key in self._recent or len(content) > RECENT_BYTES:
            return
        self._recent[key] = content
        self._recent_bytes += len(content)
        while self._recent_bytes > RECENT_BYTES:
            self._recent_bytes -= len(self._recent.pop(next(iter(self._recent))))

    def _behind(self) -> Blobs:
        if self._blobs is None:
            raise Bug("a large value where there are no blobs", who="Shelf", instead="report it")
        return self._blobs


def too_large(who: str, size: int, most: int) -> TooLarge:
    return TooLarge(
        "the value is too large for the log",
        who=who,
        where="$",
        expected=f"at most {most} bytes as JSON",
        found=f"{size} bytes",
        instead="write it as an artifact, or keep it in an object store, and pass its name",
    )
