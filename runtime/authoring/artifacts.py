"""Artifacts: content of any size that a step stores under a name, chunk by chunk, and that others read the same way."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextvars import ContextVar
from types import TracebackType
from typing import Protocol, Self

from ...eventlog.blobs import Artifact, Blobs, Named, Upload
from ...eventlog.errors import Corrupt, Gone, Invalid, NotFound
from ...eventlog.log import Records
from ...eventlog.streams import parts_of
from .driving import driver
from .words import moment

NAME_MAX = 200
ARTIFACTS_MAX = 1000
"""Artifacts that one attempt may store."""



class Store(Protocol):
    """Where artifacts lie, and the log that says which are kept no longer. A carrier is one."""

    @property
    def blobs(self) -> Blobs: ...
    @property
    def log(self) -> Records: ...


STORE: ContextVar[Store] = ContextVar("perdure_store")
"""Where artifacts lie. In the context of a runtime's services, and so of the steps that it performs."""


def artifact(name: str) -> Artifact:
    """What a step of this run, or of this generation of it, stored last under the name. Hand it to a step that is to read it.

    NotFound where no outcome that the code has been given so far stored one.
    """
    found = driver("artifact()", looks=True).artifact(name)
    if found is None:
        raise NotFound("the run has no artifact of this name yet", who=f"artifact({name!r})", where="the outcomes given so far",
                       instead="await the step that stores it first, or correct the name")
    return found


class ArtifactWriter:
    """Takes the content of one artifact. It counts once the attempt that stores it has succeeded; after an error nothing does."""

    def __init__(self, stored: list[Artifact], stream: str, name: str, who: str) -> None:
        self._stored = stored
        self._stream = stream
        self._upload: Upload | None = None
        self._who = who
        self.name = name
        self.artifact: Artifact | None = None
        """What was stored, once the block has ended."""

    async def write(self, content: bytes) -> None:
        """Add to the content: it is kept in memory no longer than a chunk takes."""
        if self._upload is None:
            raise Invalid("an artifact is written inside its block", who=self._who, where=f"artifact({self.name!r})",
                          instead="write: async with current().artifact(name) as out: await out.write(content)")
        await self._upload.write(content)

    async def __aenter__(self) -> Self:
        if not 0 < len(self.name) <= NAME_MAX or not self.name.isprintable():
            raise Invalid("the artifact cannot have this name", who=self._who, where="name", found=repr(self.name),
                          expected=f"1 to {NAME_MAX} printable characters", instead="choose a shorter name")
        if len(self._stored) >= ARTIFACTS_MAX:
            raise Invalid("the attempt stores too many artifacts", who=self._who, where=f"artifact({self.name!r})",
                          expected=f"at most {ARTIFACTS_MAX}", found="one more", instead="put several things into one")
        self._upload = _store(self._who).blobs.upload(self._stream)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        upload, self._upload = self._upload, None
        if upload is None:
            return
        try:
            if error is None:
                blob = await upload.finish()
                self.artifact = Artifact(self.name, blob.digest, blob.size)
                self._stored[:] = [one for one in self._stored if one.name != self.name]
                self._stored.append(self.artifact)
        finally:
            await upload.drop()


def read_here(stream: str, found: Artifact) -> AsyncGenerator[bytes]:
    """As `read_artifact`, for the code of a step."""
    return read_artifact(_store(f"artifact {found.name!r}"), stream, found)


async def read_artifact(store: Store, stream: str, found: Artifact) -> AsyncGenerator[bytes]:
    """The content of an artifact of a run, in chunks, each checked before it is given; Gone where the run has released it."""
    try:
        async for chunk in store.blobs.read(stream, found.blob):
            yield chunk
    except Corrupt as damage:
        if since := await _released_at(store.log, stream, found):
            raise gone(parts_of(stream)[2], found.name, since) from damage
        raise


async def _released_at(log: Records, stream: str, found: Artifact) -> int:
    """When the content was released, as the whole log of the run has it; 0 where it was not."""
    named = Named()
    async for record in log.read(stream):
        named.take(record.data)
    return named.released_at(found.blob)


def gone(run: str, name: str, since: int) -> Gone:
    return Gone("the artifact is kept no longer", who=f"run {run!r}", where=f"artifact {name!r}", expected="one whose content is kept",
                found=f"one that was released at {moment(since):%Y-%m-%d %H:%M:%S} UTC, some time after the end of its run",
                instead="start a run that makes it again; what is to be kept for longer is fetched, or kept by "
                        "WORKFLOWS_ARTIFACT_RETENTION_DAYS, before")


def _store(who: str) -> Store:
    try:
        return STORE.get()
    except LookupError:
        raise Invalid("artifacts cannot be reached from here", who=who, expected="the code of an async step that a runtime performs",
                      found="another process, or none", instead="write and read them in an async step without executor='process'") from None
