"""What a check found: the place, what stands there, why that cannot be, and what to write instead."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable

from msgspec import Struct

ALLOW = re.compile(r"#\s*perdure:\s*allow\b")


class Finding(Struct, frozen=True, order=True):
    """One place in workflow code whose effect depends on more than the log."""

    file: str
    line: int
    column: int
    """Counted from 1; 0 where only the line is known."""
    function: str
    """The function it stands in, with the names of those around it."""
    found: str
    why: str
    instead: str
    workflow: str = ""
    """The workflow that reaches it; the first one where there are several."""

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.where} in {self.function}: {self.found}, but {self.why}; instead: {self.instead}"


class Checked(Struct, frozen=True):
    """What came of a check of one module."""

    module: str
    workflows: list[str]
    functions: int
    """How many functions were read: the workflows and those they call."""
    findings: list[Finding]
    allowed: list[str]
    """`file:line` of what was found and is allowed: the line says `# perdure: allow`."""
    runs: list[str] = []
    """What was driven besides: recorded runs, or runs made for the check."""
    notes: list[str] = []
    """What kept the check from seeing more."""


def allowed_lines(text: str) -> frozenset[int]:
    """The lines whose comment says `# perdure: allow`."""
    words = tokenize.generate_tokens(io.StringIO(text).readline)
    return frozenset(word.start[0] for word in words if word.type == tokenize.COMMENT and ALLOW.search(word.string))


def merged(read: Iterable[Finding], seen: Iterable[Finding]) -> list[Finding]:
    """Both in the order of their places; what was seen on a line where something was read is told once."""
    known = sorted(set(read))
    lines = {(finding.file, finding.line) for finding in known}
    return sorted({*known, *(finding for finding in seen if (finding.file, finding.line) not in lines)})
