"""A job: one attempt of a step, as the pool keeps it until it has landed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
from msgspec import Struct

from ...eventlog.blobs import Artifact
from ...eventlog.errors import Gone, Invalid
from ..authoring.effects import StepCall
from ..authoring.errors import Fatal

if TYPE_CHECKING:
    from .attending import Care


class Unwanted(Exception):
    """The run no longer wants the step that it asked for."""


FOR_GOOD = (Fatal, Gone, Invalid, Unwanted)
"""Errors after which another attempt would not help."""


class Job(Struct, gc=False, eq=False):
    """One attempt to be performed."""

    stream: str
    id: str
    attempt: int
    call: StepCall[Any]
    scope: anyio.CancelScope | None = None
    """That of the worker, while the attempt runs."""
    unwanted: bool = False
    lost: bool = False
    """Another node has the run, so its end is no news; until it has ended, nothing is begun in its place."""
    again: Job | None = None
    """What is to be begun in its place, because the run came back, or was retried while this attempt still tidies up."""
    artifacts: list[Artifact] | None = None
    """What the attempt has stored."""
    care: Care | None = None
    """Where the attempt needs more than to be run."""
