"""Whose code is running: the workflow's own, perdure's, or a library's, told from the frames that lead to a call."""

from __future__ import annotations

import linecache
from itertools import islice
from types import FrameType

from msgspec import Struct

from .findings import ALLOW

PERDURE = __name__.partition(".")[0] + "."

TOLERATED = frozenset(
    "importlib _frozen_importlib _frozen_importlib_external zipimport pkgutil logging warnings traceback linecache tokenize inspect "
    "zoneinfo encodings gettext locale codecs".split()
)
"""Libraries whose own looks at the clock and the disk change nothing for a workflow: imports, log lines, tracebacks, time zones."""

TRANSPARENT = frozenset({"collections", "functools", "contextlib"})
"""Libraries that only pass a call on."""

LOOPS = frozenset({"asyncio", "anyio", "trio", "outcome", "sniffio"})
"""Libraries of which every call by a workflow is told."""

FRAMES_MAX = 200
"""How far out the code of the workflow is looked for."""


class CallSite(Struct, frozen=True):
    """The line of the workflow's own code that a call goes back to."""

    file: str
    line: int
    column: int
    function: str
    through: str = ""
    """The library function that made the call for it; empty where the line itself did."""


def place_of(frame: FrameType | None, home: str) -> CallSite | None:
    """The innermost line of the workflow's package behind a call made in `frame`; None where perdure or a tolerated library made it."""
    package, through = home.partition(".")[0], ""
    for _ in range(FRAMES_MAX):
        if frame is None:
            return None
        module = str(frame.f_globals.get("__name__", ""))
        top = module.partition(".")[0]
        if is_trusted(frame, home):
            return None
        if (module == home or (top == package and package + "." != PERDURE)) and not frame.f_code.co_filename.startswith("<"):
            return CallSite(frame.f_code.co_filename, frame.f_lineno, _column(frame), _qualname(frame), through)
        if top not in TRANSPARENT:
            through = through or f"{module}.{_qualname(frame)}"
        frame = frame.f_back
    return None


def is_trusted(frame: FrameType, home: str) -> bool:
    """Whether perdure or a tolerated library runs here, and not the workflow whose module is `home`."""
    module = str(frame.f_globals.get("__name__", ""))
    return module != home and (module.startswith(PERDURE) or module.partition(".")[0] in TOLERATED)


def is_quiet(frame: FrameType) -> bool:
    """Whether no call made here is ever told of: what runs here is trusted, or was told of when it was called."""
    return is_trusted(frame, "") or str(frame.f_globals.get("__name__", "")).partition(".")[0] in LOOPS


def is_allowed(place: CallSite) -> bool:
    """Whether the line says `# perdure: allow`."""
    return ALLOW.search(linecache.getline(place.file, place.line)) is not None


def _column(frame: FrameType) -> int:
    """Where in its line the call stands, counted from 1; 0 where Python was told not to keep that."""
    _, _, column, _ = next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), (None, None, None, None))
    return 0 if column is None else column + 1


def _qualname(frame: FrameType) -> str:
    return frame.f_code.co_qualname.replace(".<locals>", "")
