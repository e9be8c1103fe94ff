"""The events of artifacts that are kept no longer; see `events` for what may never change of them."""

from __future__ import annotations

from ...eventlog.codec import Event


class ArtifactsReleased(Event, frozen=True):
    """What the run, and any before it under its id, had stored by now is kept no longer: it ended so long ago.

    `released` is the mark of the blobs: of what was written behind it nothing is meant.
    """

    released: int


class ArtifactsRemoved(Event, frozen=True):
    """The contents that were released at version `release` are removed."""

    release: int
