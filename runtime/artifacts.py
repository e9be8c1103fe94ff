"""The artifacts of runs, seen from outside."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Mapping

from ..eventlog.blobs import Artifact
from ..eventlog.errors import NotFound
from ..eventlog.log import Carrier
from ..eventlog.streams import stream_of
from .authoring.artifacts import Store, gone, read_artifact
from .calling.artifacts import CallingArtifacts
from .inspect.replay import fold
from .run.state import RunState, artifacts_of


class StoredArtifacts(CallingArtifacts):
    """The same for who can read the log and the blobs themselves."""

    @abstractmethod
    async def storage(self) -> Store:
        """Where the contents lie, and the log that names them."""

    async def artifacts(self, run: str, *, tenant: str = "default") -> Mapping[str, Artifact]:
        stream, store = stream_of("run", tenant, run), await self.storage()
        return artifacts_in(fold(stream, [record async for record in store.log.read(stream)]), run)

    async def artifact(self, run: str, name: str, *, tenant: str = "default") -> AsyncGenerator[bytes]:
        found = artifact_in(await self.artifacts(run, tenant=tenant), run, name)
        stream, store = stream_of("run", tenant, run), await self.storage()
        async for chunk in read_artifact(store, stream, found):  # it may be released while it is read
            yield chunk


class Artifacts(StoredArtifacts):
    """A runtime's words for the artifacts of its runs."""

    carrier: Carrier

    async def storage(self) -> Store:
        return self.carrier


def artifacts_in(facts: RunState, run: str) -> Mapping[str, Artifact]:
    if facts.length == 0:
        raise NotFound("there is no such run", who=f"run {run!r}", where="run id", expected="the id of a run that was started",
                       found="an id without events", instead="list the runs with 'perdure runs', or start it first")
    return artifacts_of(facts)


def artifact_in(known: Mapping[str, Artifact], run: str, name: str) -> Artifact:
    if name not in known:
        raise NotFound("the run has no artifact of this name", who=f"run {run!r}", where="name", expected=", ".join(known) or "none so far",
                       found=name, instead="wait for the step that stores it, or correct the name")
    if since := known[name].gone:
        raise gone(run, name, since)
    return known[name]
