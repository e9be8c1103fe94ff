"""Repeats: which commands from outside a run has accepted, told in a space that has a bound.

The newest are known one by one. Of what is older only as much is kept as tells a repeat from something new: how far each sender's
numbers are forgotten, and up to what time ids are that say their own. An id that says neither number nor time counts as new again.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

KNOWN_MAX = 10_000
"""Accepted commands that a run knows one by one: the newest."""

MARKS_MAX = 1_000
"""Senders of forgotten commands whose numbers it knows: those that it forgot something of last."""

LONGEST = 80
"""Characters of an id that are kept as they are."""

NUMBERED = re.compile(r"(.+)/(0|[1-9][0-9]{0,17})", re.DOTALL)
UUID_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)

MOMENTS = range(10**15, 10**16)
"""Numbers that are read as microseconds since 1970, where nothing else is known of their sender: 2001 to 2286."""


class Mark(Struct, frozen=True, gc=False, array_like=True):
    """A sender's numbers up to `number` are forgotten; it came to that at `version` of the run."""

    number: int
    version: int


class Forgotten(Struct, omit_defaults=True):
    """What is left of commands that are no longer known one by one."""

    marks: dict[str, Mark] = field(default_factory=dict)
    """By sender, in the order of their versions."""
    until: int = 0
    """The newest time, in microseconds since 1970, that a command said of which nothing else is left."""


class Name(NamedTuple):
    """What the id of a command says: who sent it and as which number of theirs, when it was made, both or nothing."""

    sender: str = ""
    number: int = 0
    made: int = 0
    """Microseconds since 1970; 0 where it does not say."""


def name_of_command(command: str) -> Name:
    """`<sender>/<number>`, a UUID of version 7, or a foreign id, which says nothing."""
    if numbered := NUMBERED.fullmatch(command):
        number = int(numbered[2])
        return Name(numbered[1], number, number if number in MOMENTS else 0)
    return Name(made=(UUID(command).int >> 80) * 1000) if UUID_7.fullmatch(command) else Name()


def short(command: str) -> str:
    """How an id is kept: itself, or, of a long one, a digest that says the same number."""
    if len(command) <= LONGEST:
        return command
    name = name_of_command(command)
    digest = f"~{sha256((name.sender or command).encode(errors='surrogatepass')).hexdigest()[:48]}"
    return f"{digest}/{name.number}" if name.sender else digest


def keep(known: dict[str, int], forgotten: Forgotten, command: str, version: int, at: int) -> None:
    """The command was accepted at `version`; the oldest is forgotten where there are too many by now."""
    known[short(command)] = version
    while len(known) > KNOWN_MAX:
        oldest = next(iter(known))
        del known[oldest]
        _forget(forgotten, name_of_command(oldest), version, at)


def _forget(forgotten: Forgotten, name: Name, version: int, at: int) -> None:
    marks, made = forgotten.marks, name.made
    if name.sender:
        before = marks.pop(name.sender, None)
        marks[name.sender] = Mark(name.number if before is None else max(name.number, before.number), version)
        if len(marks) <= MARKS_MAX:
            return
        number = marks.pop(next(iter(marks))).number
        made = number if number in MOMENTS else 0
    forgotten.until = max(forgotten.until, min(made, at))  # a clock that is ahead makes nobody else's ids old


def is_forgotten(forgotten: Forgotten, command: str) -> bool:
    """Whether a command that is not known may have been accepted long ago, by what its id says."""
    if not forgotten.marks and not forgotten.until:
        return False
    name = name_of_command(short(command))
    mark = forgotten.marks.get(name.sender)
    if mark is not None:
        return name.number <= mark.number
    return 0 < name.made <= forgotten.until


def in_order(known: dict[str, int], forgotten: Forgotten) -> tuple[dict[str, int], Forgotten]:
    """Both as they were before they were written with their keys in order: the oldest first."""
    marks = dict(sorted(forgotten.marks.items(), key=lambda one: one[1].version))
    return dict(sorted(known.items(), key=lambda one: one[1])), Forgotten(marks, forgotten.until)
