"""What a workflow is told that awaits or calls something which only an event loop can serve, and on which of its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from ...authoring.errors import ForeignAwait

INSTEAD = (
    "do I/O inside an @step and await the step; wait with perdure.sleep or perdure.timeout; "
    "run things side by side with perdure.gather or perdure.task_group"
)


def foreign(run: dict[str, Any], asked: object, where: str) -> ForeignAwait:
    """The error for an await that handed the driver something which is not an effect of perdure."""
    what = "a bare yield, as of asyncio.sleep(0)" if asked is None else f"{type(asked).__module__}.{type(asked).__qualname__}"
    return refused(run, what, where)


def refused(run: dict[str, Any], what: str, where: str) -> ForeignAwait:
    return ForeignAwait(
        "a workflow used something that only an event loop can serve; it would happen again at every replay",
        who=f"workflow {run['workflow']!r}",  # no run id: the same code fails with the same digest in every run
        where=where,
        expected="an effect of perdure: a step, sleep, signal, gather, …",
        found=what,
        instead=INSTEAD,
    )


def line_of_code(frames: Iterable[FrameType], home: str) -> str:
    """The innermost line of the workflow's own package, of frames from the outside in; without a path: the same on every machine."""
    package, place = home.partition(".")[0], f"module {home}"
    for frame in frames:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] == package:
            place = f"module {module}, line {frame.f_lineno}, in {frame.f_code.co_name}"
    return place


def suspended_frames(coroutine: Any) -> Iterator[FrameType]:
    """The frames of a coroutine that awaits, from the outside in."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is None:
            return
        yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def running_frames(frame: FrameType | None) -> list[FrameType]:
    """The frames that lead to this one, from the outside in."""
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def line_of_function(function: Any) -> str:
    """Where a function of the workflow's code begins; without a path: the same on every machine."""
    function = getattr(function, "func", function)
    code = getattr(function, "__code__", None)
    place = f", line {code.co_firstlineno}, in {code.co_name}" if code is not None else ""
    return f"module {getattr(function, '__module__', '?')}{place}"
