"""What the code writes for people: lines of the log and attributes. They are read with the run, so they never lie in a blob."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from ....actors.shelf import too_large
from ...authoring.values import Shape

NOTE_BYTES_MAX = 128 * 1024
"""What one line, or one attribute, may hold."""

_notes = Shape(dict[str, Any], "log() or attributes()")


def noted(fields: dict[str, Any]) -> Raw:
    """The fields of a line as they are recorded."""
    content = _notes.encode(fields)
    if len(content) > NOTE_BYTES_MAX:
        raise too_large("log() or attributes()", len(content), NOTE_BYTES_MAX)
    return content


def noted_value(name: str, value: Any) -> Raw:
    """The value of an attribute as it is recorded."""
    return Raw(msgspec.json.encode(msgspec.json.decode(noted({name: value}))[name], order="deterministic"))
