"""Plug-ins: types of steps that installed packages name in their entry points."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from ...eventlog.errors import Invalid
from ...runtime.definitions.types import StepType

GROUP = "perdure.step_types"


def installed_types() -> Sequence[StepType[Any]]:
    """The types of all installed packages; Invalid where one cannot be loaded: a definition might mean it."""
    found: list[StepType[Any]] = []
    for entry in entry_points(group=GROUP):
        try:
            loaded: Any = entry.load()
        except Exception as error:
            raise Invalid("a type of step cannot be loaded", who=f"entry point {entry.name!r}", where=entry.value, found=repr(error),
                          expected="a subclass of perdure.StepType", instead="mend or remove the package that names it") from error
        found.append(loaded() if isinstance(loaded, type) else loaded)
    return found
