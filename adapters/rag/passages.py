"""Cutting text into passages: each short enough to be handed on, each overlapping the one before, so that no sentence is lost at a cut."""

from __future__ import annotations

from collections.abc import Iterator

SIZE, OVERLAP = 1200, 200
"""Characters."""

CUTS = ("\n\n", "\n", ". ", "; ", ", ", " ")
"""Where a cut hurts least, the best first."""


def passages(text: str, size: int = SIZE, overlap: int = OVERLAP) -> Iterator[tuple[int, int]]:
    """(start, end) of each passage that says anything, at most `size` characters; all of the text is in one of them at least."""
    assert 0 <= 2 * overlap < size
    start = 0
    while start < len(text):
        end = _end(text, start, size)
        if text[start:end].strip():
            yield start, end
        if end == len(text):
            return
        start = _start(text, max(start + 1, end - overlap), end)


def _end(text: str, start: int, size: int) -> int:
    """Behind the best cut in the second half of what may be taken."""
    end = start + size
    if end >= len(text):
        return len(text)
    for cut in CUTS:
        found = text.rfind(cut, start + size // 2, end)
        if found >= 0:
            return found + len(cut)
    return end


def _start(text: str, earliest: int, end: int) -> int:
    """The first word that begins behind `earliest`; the end of the passage before where its last words are one."""
    if text[earliest - 1].isspace():
        return earliest
    while earliest < end and not text[earliest].isspace():
        earliest += 1
    while earliest < end and text[earliest].isspace():
        earliest += 1
    return earliest
