"""What a workflow is told that awaits or calls something which only an event loop can serve, and on which of its lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import FrameType, TracebackType
from typing import Any

from ...authoring.errors import ForeignAwait

INSTEAD = (
    "do I/O inside an @step and await the step; wait with perdure.sleep or perdure.timeout; "
    "run things side by side with perdure.gather or perdure.task_group"
)

NESTED = {
    "asyncio.run() cannot be called from a running event loop": "asyncio: run()",
    "Runner.run() cannot be called from a running event loop": "asyncio: Runner.run()",
    "Cannot run the event loop while another loop is running": "asyncio: run_until_complete()",
}
"""What asyncio says where it asks the refusing loop nothing: it only sees that there is one."""


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


def from_loop(error: BaseException, run: dict[str, Any], home: str) -> BaseException:
    """The error itself; where asyncio only says that a loop runs already, what the workflow did."""
    what = NESTED.get(str(error)) if type(error) is RuntimeError else None
    return error if what is None else refused(run, what, _innermost(_raising(error.__traceback__), home))


def line_of_code(frames: Iterable[FrameType], home: str) -> str:
    """The innermost line of the workflow's own package, of frames from the outside in; without a path: the same on every machine."""
    return _innermost(((frame, frame.f_lineno) for frame in frames), home)


def _raising(trace: TracebackType | None) -> Iterator[tuple[FrameType, int]]:
    """The frames, with their lines, that an error came through, from the outside in."""
    while trace is not None:
        yield trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next


def _innermost(places: Iterable[tuple[FrameType, int]], home: str) -> str:
    package, place = home.partition(".")[0], f"module {home}"
    for frame, line in places:
        module = str(frame.f_globals.get("__name__"))
        if module.partition(".")[0] == package:
            place = f"module {module}, line {line}, in {frame.f_code.co_name}"
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
