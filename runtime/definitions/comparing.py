"""How two definitions differ, line by line, in the form that people read."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import unified_diff
from typing import Any

from .reading import library


def as_yaml(plain: Any) -> str:
    """Plain data as YAML, its keys in their order."""
    text: str = library("yaml", "pyyaml", "YAML").safe_dump(plain, sort_keys=False, allow_unicode=True, width=140)
    return text


def difference(old: Any, new: Any, names: tuple[str, str]) -> Sequence[str]:
    """The lines of a unified difference of two plain values; none where both say the same."""
    before, after = (as_yaml(side).splitlines() for side in (old, new))
    return list(unified_diff(before, after, *names, lineterm=""))
