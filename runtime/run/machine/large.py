"""Large values: what the code gives goes to a blob, and what it must be given may have to be fetched first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from msgspec import Raw

from ....actors.shelf import NeedValue, too_large
from ....eventlog.blobs import Blob
from ....eventlog.errors import TooLarge
from ...authoring.effects import StepCall
from ...authoring.rules import Rules
from ...authoring.steps import Step
from ...authoring.values import NOTHING
from ..state import RunState

if TYPE_CHECKING:
    from .driver import Machine

NEEDED_AT_ONCE = 32 * 1024 * 1024
"""Bytes that a run is given at once on its way through its log; a single value may be larger."""


def kept_arguments(machine: Machine, call: StepCall[Any]) -> tuple[Raw, Blob | None, StepCall[Any]]:
    """(what the event holds of the arguments, the blob that holds them, the call to be performed).

    Arguments that are too large fail the step as an attempt that is recorded, so that a replay under another limit sees the same.
    """
    args, blob = kept_or_named(machine, call.raw, f"step {call.step.name!r}, arguments")
    return args, blob, call if blob is None or blob.stored else _refused(machine, call)


def kept_or_named(machine: Machine, content: Raw, who: str) -> tuple[Raw, Blob | None]:
    """As `Machine.keep`; what is too large is only named, for who performs it to refuse it."""
    try:
        return machine.keep(content, who)
    except TooLarge:
        return NOTHING, Blob.of(bytes(content), stored=False)


def _refused(machine: Machine, call: StepCall[Any]) -> StepCall[Any]:
    """A call that is performed in the place of one whose arguments are too large."""
    who, size, most = f"step {call.step.name!r}, arguments", len(call.raw), machine.shelf.value_bytes_max

    async def refuse(*_: Any, **__: Any) -> None:
        raise too_large(who, size, most)

    step = cast("Step[..., Any]", Step.__new__(Step))
    plainly = {"is_async": True, "is_plain": True, "is_limited": False, "is_special": False, "is_transactional": False}
    vars(step).update(vars(call.step), function=refuse, rules=Rules(), **plainly)
    return StepCall(step, call.raw, call.arguments, call.driver)


def needed(facts: RunState, place: int) -> NeedValue:
    """What the code must be given from the arrival at `place` on (-1: its start), as much as is given at once."""
    blobs: list[Blob] = []
    room = NEEDED_AT_ONCE
    for blob in _named(facts, place):
        room -= blob.size
        if blobs and room < 0:
            break
        blobs.append(blob)
    return NeedValue(blobs)


def names_blobs(facts: RunState) -> bool:
    """Whether any value that the code is given lies in a blob."""
    return facts.input_blob is not None or any(getattr(arrival, "blob", None) is not None for arrival in facts.arrivals)


def named_at(facts: RunState, place: int) -> Blob | None:
    """The blob that holds the value of the arrival at `place`, if one does."""
    return facts.input_blob if place < 0 else getattr(facts.arrivals[place], "blob", None)


def _named(facts: RunState, place: int) -> Iterator[Blob]:
    for later in range(place, facts.delivered):
        blob = named_at(facts, later)
        if blob is not None:
            yield blob
