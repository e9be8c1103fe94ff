"""Artifacts: stored by steps, kept as long as the run goes on, released some time after its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ....eventlog.blobs import Artifact
from ....eventlog.codec import Event
from .. import events as ev
from ..state import RunState, artifacts_of


def keep(state: RunState, artifacts: Iterable[Artifact]) -> None:
    """An attempt stored these."""
    state.stores = True
    for artifact in artifacts:
        state.gone.pop(artifact.digest, None)


def _released(state: RunState, event: ev.ArtifactsReleased, at: int) -> None:
    state.stores, state.released_at, state.removing = False, at, state.length
    for step in state.steps.values():  # an attempt from before may rely on what is removed now: its outcome comes too late
        step.attempt, step.begun = step.attempt + 1, None
    state.tried |= {id: step.attempt for id, step in state.abandoned.items()}
    state.abandoned.clear()
    state.gone |= {artifact.digest: at for artifact in artifacts_of(state).values() if artifact.digest not in state.gone}


def _removed(state: RunState, event: ev.ArtifactsRemoved, at: int) -> None:
    state.removing = 0


EVOLVE: dict[type[Event], Callable[[RunState, Any, int], None]] = {
    ev.ArtifactsReleased: _released,
    ev.ArtifactsRemoved: _removed,
}
