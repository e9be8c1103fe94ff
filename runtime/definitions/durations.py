"""Durations as people write them in a definition: `30`, `"30s"`, `"1h30m"`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import timedelta

from ...eventlog.errors import Invalid

TEXT = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
LONGEST = timedelta(days=3650)

Duration = str | int | float
"""Seconds as a number, or a text such as "90s", "1h30m", "7d"."""


def duration_of(given: Duration, who: str) -> timedelta:
    """The duration that was written; Invalid where it is none, not above zero, or over ten years."""
    found: timedelta | None = None
    if isinstance(given, str):
        parts = TEXT.fullmatch(given.strip())
        if parts is not None and any(parts.groups()):
            days, hours, minutes, seconds, milliseconds = (float(part or 0) for part in parts.groups())
            with suppress(OverflowError):
                found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds, milliseconds=milliseconds)
    elif not isinstance(given, bool) and 0 < given <= LONGEST.total_seconds():
        found = timedelta(seconds=given)
    if found is None or not timedelta(0) < found <= LONGEST:
        raise Invalid("that is no duration", who=who, expected="seconds as a number, or a text such as '30s' or '1h30m', up to ten years",
                      found=repr(given), instead="write for example '5m'")
    return found
