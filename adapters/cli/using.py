"""What the modules of a user offer to definitions: steps that are code, and types of steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...runtime.definitions.types import StepType, Types
from ..compose import types_of
from .loading import load_module, steps_of


def types_in(modules: Sequence[str]) -> Types:
    """The steps and the types of steps of all modules, with those of installed packages."""
    loaded = [load_module(module) for module in modules]
    steps = dict.fromkeys(step for module in loaded for step in steps_of(module))
    values: list[Any] = [value for module in loaded for value in vars(module).values()]
    found: list[StepType[Any]] = [value for value in values if isinstance(value, StepType)]
    return types_of(dict.fromkeys(found), steps)
