"""Artifacts of runs, seen from outside: listed and read, the same in the process that serves them and far away from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping

from ...eventlog.blobs import Artifact


class CallingArtifacts(ABC):
    """A caller's words for what runs have stored."""

    @abstractmethod
    async def artifacts(self, run: str, *, tenant: str = "default") -> Mapping[str, Artifact]:
        """The artifacts of a run by their names: of each name the one that was stored last; `gone` says that its content is not kept."""

    @abstractmethod
    def artifact(self, run: str, name: str, *, tenant: str = "default") -> AsyncGenerator[bytes]:
        """The content of an artifact, in chunks: `async for chunk in runtime.artifact(run, name)`. Gone where it is kept no longer.

        It is held against its digest while it is read: what does not end in Corrupt is what was stored.
        """
