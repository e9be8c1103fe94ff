"""The artifacts of runs, seen from outside."""

from __future__ import annotations

from abc import ABC
from collections.abc import AsyncGenerator, Mapping

from ..eventlog.blobs import Artifact
from ..eventlog.errors import NotFound
from ..eventlog.log import Carrier
from ..eventlog.streams import stream_of
from .authoring.artifacts import gone, read_artifact
from .inspect.replay import fold
from .run.state import RunState, artifacts_of


class Artifacts(ABC):
    """A runtime's words for the artifacts of its runs."""

    carrier: Carrier

    async def artifacts(self, run: str, *, tenant: str = "default") -> Mapping[str, Artifact]:
        """The artifacts of a run by their names: of each name the one that was stored last; `gone` says that its content is not kept."""
        stream = stream_of("run", tenant, run)
        return artifacts_in(fold(stream, [record async for record in self.carrier.log.read(stream)]), run)

    async def artifact(self, run: str, name: str, *, tenant: str = "default") -> AsyncGenerator[bytes]:
        """The content of an artifact, in chunks, each checked before it is given: `async for chunk in runtime.artifact(run, name)`.

        Gone where it is kept no longer.
        """
        found = artifact_in(await self.artifacts(run, tenant=tenant), run, name)
        async for chunk in read_artifact(self.carrier, stream_of("run", tenant, run), found):  # it may be released while it is read
            yield chunk


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
