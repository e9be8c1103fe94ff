"""Faults of a definition, each with its path, its line and what to do; all are told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from ...eventlog.errors import Invalid


class Fault(Struct, frozen=True, omit_defaults=True):
    """What is wrong at one place. `line` counts from 1; 0 where it is not known."""

    path: str
    message: str
    expected: str = ""
    found: str = ""
    instead: str = ""
    line: int = 0


class Faults:
    """Collects what is wrong; `lines` are those of the text by path."""

    def __init__(self, lines: Mapping[str, int]) -> None:
        self._lines = lines
        self.found: list[Fault] = []

    def add(self, path: str, message: str, *, expected: str = "", found: str = "", instead: str = "") -> None:
        self.found.append(Fault(path, message, expected, found, instead, self.line(path)))

    def line(self, path: str) -> int:
        """The line of a path, or of the nearest path above it that the text has."""
        while path and path not in self._lines:
            path = path[: max(path.rfind("."), path.rfind("["))] if path != "$" else ""
        return self._lines.get(path, 0)


class FaultyDefinition(Invalid):
    """A definition that cannot be run: the parts are those of its first fault, `faults` are all, where the door that told it had them."""

    code = "faulty_definition"
    faults: Sequence[Fault] = ()


def refusal(faults: Sequence[Fault], who: str) -> FaultyDefinition:
    """All faults as one error: the first with all its parts, the others by their places."""
    first, *others = faults
    where = "; ".join(f"line {fault.line}, {fault.path}" if fault.line else fault.path for fault in faults[:5])
    more = f" (and {len(others)} more fault{'s' if len(others) > 1 else ''})" if others else ""
    error = FaultyDefinition(
        f"{first.message}{more}", who=who, where=where, expected=first.expected, found=first.found, instead=first.instead
    )
    error.faults = tuple(faults)
    return error
