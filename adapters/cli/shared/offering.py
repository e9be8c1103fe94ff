"""What the modules of a user offer: workflows, steps, types of steps for definitions, and triggers."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from ....runtime.authoring.steps import Step
from ....runtime.authoring.triggers import Trigger
from ....runtime.authoring.workflows import Workflow
from ....runtime.definitions.types import StepType, Types
from ...compose import types_of
from .loading import load_module, load_workflows, steps_of, workflows_of


def types_in(modules: Sequence[str]) -> Types:
    """The steps and the types of steps of all modules, with those of installed packages."""
    loaded = [load_module(module) for module in modules]
    steps = dict.fromkeys(step for module in loaded for step in steps_of(module))
    values: list[Any] = [value for module in loaded for value in vars(module).values()]
    found: list[StepType[Any]] = [value for value in values if isinstance(value, StepType)]
    return types_of(dict.fromkeys(found), steps)


def known_in(modules: Sequence[str]) -> list[Workflow[..., Any]]:
    """The workflows of all modules, each once; a module that has steps, for definitions, or triggers may have none."""
    return list(dict.fromkeys(flow for module in modules for flow in _workflows_in(module)))


def _workflows_in(module: str) -> list[Workflow[..., Any]]:
    loaded = load_module(module)
    return workflows_of(loaded) if steps_of(loaded) or _triggers_of(loaded) else load_workflows(module)


def triggers_in(modules: Sequence[str]) -> list[Trigger]:
    """The triggers that stand at the top of all modules, each once: by what it hears, and what its runs are called."""
    found = [trigger for module in modules for trigger in _triggers_of(load_module(module))]
    return list({(trigger.subject, trigger.stream, trigger.called, trigger.tenant): trigger for trigger in found}.values())


def _triggers_of(module: ModuleType) -> list[Trigger]:
    return [value for value in vars(module).values() if isinstance(value, Trigger)]


def steps_in(modules: Sequence[str]) -> list[Step[..., Any]]:
    """The steps of all modules, each once."""
    return list(dict.fromkeys(step for module in modules for step in steps_of(load_module(module))))
