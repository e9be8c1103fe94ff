"""Watching calls while workflow code is driven: what the source does not show is seen when it happens.

Python 3.12 and newer tell of calls by `sys.monitoring`, 3.11 by `sys.setprofile`; calls of C functions are told too. Nothing of
this is there, and nothing costs anything, outside the `with` block of a Watch.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import BuiltinFunctionType, CodeType, FrameType, FunctionType, MethodDescriptorType, ModuleType
from typing import Any, Self

from ....eventlog.errors import Refused
from ...authoring.driving import DRIVER, Driver
from .findings import Finding
from .frames import is_allowed, is_quiet, place_of
from .rules import HARMLESS_FROM, Rule, rule_of

FINDINGS_MAX = 1000
TOOLS = (4, 3, 5, 0)
"""Ids that `sys.monitoring` leaves to tools like this one; debuggers, coverage and profilers have their own."""

PUBLIC = {
    "_io": "io", "nt": "os", "posix": "os", "_thread": "threading", "_socket": "socket", "_random": "random", "_ssl": "ssl",
    "_posixsubprocess": "subprocess", "_winapi": "subprocess", "posixpath": "os.path", "ntpath": "os.path", "genericpath": "os.path",
    "_datetime": "datetime", "_asyncio": "asyncio", "_sqlite3": "sqlite3", "_uuid": "uuid", "_pydatetime": "datetime",
}  # fmt: skip
"""Modules that hold what another gives out."""

RENAMED = {
    "io.open": "builtins.open", "io.open_code": "builtins.open",
    "threading.allocate_lock": "threading.Lock", "threading.lock": "threading.Lock",
}  # fmt: skip


class Watch:
    """Sees calls that workflow code makes and may not: `findings`, and the (file, line) of those `allowed` by a comment.

        with Watch() as watch:
            ...drive workflows...

    Only calls of the thread that entered it are sure to be seen. Watches do not nest; Refused where another tool has the place.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[str, int], Finding] = {}
        self.allowed: set[tuple[str, int]] = set()
        self._rules: dict[CodeType, tuple[str, Rule] | None] = {}
        self._leave: Callable[[], None] | None = None

    @property
    def findings(self) -> list[Finding]:
        """What was seen, in the order of its places, each line once."""
        return sorted(self.found.values())

    def __enter__(self) -> Self:
        self._leave = (enter_monitoring if sys.version_info >= (3, 12) else enter_profile)(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    # -- what the tools of Python tell ---------------------------------------------------------------------------------

    def called(self, frame: FrameType) -> None:
        """A function written in Python begins."""
        driver = DRIVER.get()
        if driver is None:
            return
        known = self.rule_of_code(frame)
        if known is not None and not _is_own_chance(frame):
            self._seen(*known, frame.f_back, driver)

    def rule_of_code(self, frame: FrameType) -> tuple[str, Rule] | None:
        """What a function written in Python is called by its users, and the rule that forbids it."""
        code = frame.f_code
        if code not in self._rules:
            self._rules[code] = _rule_of_code(frame)
        return self._rules[code]

    def called_c(self, function: Any, argument: object, frame: FrameType | None) -> None:
        """A function written in C is about to be called; `argument` is its first, where that is known."""
        driver = DRIVER.get()
        if driver is None:
            return
        name = _name_of_c(function, argument)
        rule = rule_of(name) if name else None
        if rule is not None and name not in HARMLESS_FROM:
            self._seen(name, rule, frame, driver)

    def _seen(self, name: str, rule: Rule, frame: FrameType | None, driver: Driver) -> None:
        place = place_of(frame, driver.home())
        if place is None or (place.through and not rule.reaches):
            return
        key = (place.file, place.line)
        if key in self.found or key in self.allowed or len(self.found) >= FINDINGS_MAX:
            return
        if is_allowed(place):
            self.allowed.add(key)
            return
        did = "os.environ was used" if name == "os.environ" else f"{name.removeprefix('builtins.')}() was called"
        found = f"{did} by {place.through}" if place.through else did
        workflow = str(driver.describe().get("workflow", ""))
        self.found[key] = Finding(place.file, place.line, place.column, place.function, found, rule.why, rule.instead, workflow)


def enter_profile(watch: Watch) -> Callable[[], None]:
    """Be told of calls by `sys.setprofile`."""
    before = sys.getprofile()

    def tell(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            watch.called(frame)
        elif event == "c_call":
            watch.called_c(argument, None, frame)

    sys.setprofile(tell)
    return lambda: sys.setprofile(before)


if sys.version_info >= (3, 12):

    def enter_monitoring(watch: Watch) -> Callable[[], None]:
        """Be told of calls by `sys.monitoring`."""
        monitoring = sys.monitoring
        tool = next((tool for tool in TOOLS if monitoring.get_tool(tool) is None), None)
        if tool is None:
            raise _no_place()
        monitoring.use_tool_id(tool, "perdure")
        events = monitoring.events

        def tell_call(code: CodeType, offset: int, function: Any, argument: object) -> Any:
            frame = sys._getframe(1)  # noqa: SLF001 - the only way to the caller
            if is_quiet(frame):
                return monitoring.DISABLE
            if not isinstance(function, FunctionType):
                watch.called_c(function, argument, frame)
            return None

        def tell_start(code: CodeType, offset: int) -> Any:
            frame = sys._getframe(1)  # noqa: SLF001 - the only way to the caller
            if watch.rule_of_code(frame) is None:
                return monitoring.DISABLE
            watch.called(frame)
            return None

        monitoring.register_callback(tool, events.CALL, tell_call)
        monitoring.register_callback(tool, events.PY_START, tell_start)
        monitoring.restart_events()
        monitoring.set_events(tool, events.CALL | events.PY_START)

        def leave() -> None:
            monitoring.set_events(tool, events.NO_EVENTS)
            monitoring.register_callback(tool, events.CALL, None)
            monitoring.register_callback(tool, events.PY_START, None)
            monitoring.free_tool_id(tool)

        return leave

else:
    enter_monitoring = enter_profile


def _no_place() -> Refused:
    return Refused(
        "calls cannot be watched",
        who="sys.monitoring",
        expected=f"one of the tool ids {', '.join(map(str, TOOLS))}",
        found="each is taken by another tool",
        instead="watch without the other tools, or one Watch after the other",
    )


def _rule_of_code(frame: FrameType) -> tuple[str, Rule] | None:
    module = str(frame.f_globals.get("__name__", ""))
    code = frame.f_code
    name = code.co_qualname.replace(".<locals>", "").removesuffix(".__init__").removesuffix(".__new__")
    if module == "os" and name.startswith("_Environ."):
        name = "environ"
    if module == "random" and not code.co_qualname.endswith(".__init__"):
        name = name.removeprefix("Random.")  # its functions are methods of the generator that all share
    module = PUBLIC.get(module, module)
    for public in (f"{module}.{name}", f"{module.partition('.')[0]}.{name}"):
        rule = rule_of(RENAMED.get(public, public))
        if rule is not None:
            return public, rule
    return None


def _is_own_chance(frame: FrameType) -> bool:
    """Whether a method of `random.Random` runs for a generator that was made from a seed."""
    name = frame.f_code.co_qualname
    if frame.f_globals.get("__name__") != "random" or not name.startswith(("Random.", "SystemRandom.")):
        return False
    given = frame.f_locals
    if name == "Random.__init__":
        return given.get("x") is not None
    return given.get("self") is not SHARED_CHANCE


SHARED_CHANCE = getattr(random.random, "__self__", None)
"""What the functions of `random` draw from."""


def _name_of_c(function: Any, argument: object) -> str:
    """What a function written in C is called by its users; empty for what no rule can mean."""
    itself = getattr(function, "__self__", argument)
    if itself is SHARED_CHANCE:
        return f"random.{getattr(function, '__name__', '')}"
    if isinstance(function, MethodDescriptorType):
        owner: Any = function.__objclass__
    elif isinstance(function, type):
        if isinstance(getattr(function, "__init__", None), FunctionType):
            return ""  # its __init__ is told of by itself
        owner = None
    elif isinstance(function, BuiltinFunctionType):
        owner = None if itself is None or isinstance(itself, ModuleType) else itself if isinstance(itself, type) else type(itself)
    else:
        return ""
    name = getattr(function, "__name__", "")
    module = str(getattr(owner if owner is not None else function, "__module__", None) or "")
    public = f"{PUBLIC.get(module, module)}.{owner.__name__ + '.' if owner is not None else ''}{name}"
    return RENAMED.get(public, public)


@contextmanager
def watching(watch: Watch | None) -> Generator[None]:
    """Watch, or do not."""
    if watch is None:
        yield
        return
    with watch:
        yield
