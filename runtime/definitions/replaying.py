"""Driving runs of definitions again where nothing is performed: it takes no code but what a definition names itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...eventlog.errors import Bug, NotFound
from ..authoring.steps import Step
from ..authoring.workflows import Registry, Workflow
from .finding import Found, Wanted
from .interpreter import Interpreter
from .model import StepSpec
from .types import Types


class CodeAtHand:
    """The interpreter, the workflows and the steps that are known here; `missing` are those that a run named besides."""

    def __init__(self, workflows: Iterable[Workflow[..., Any]], types: Types) -> None:
        self.missing: list[str] = []
        interpreter = Interpreter(_Types(types, self.missing), _find)
        self.registry = interpreter.registry = _Registry(workflows, interpreter.workflow, self.missing)


class _Registry(Registry):
    """Notes what it does not know."""

    def __init__(self, workflows: Iterable[Workflow[..., Any]], own: Workflow[..., Any], missing: list[str]) -> None:
        super().__init__(workflows, own)
        self._missing = missing

    def known_or_raise(self, name: str, version: int) -> Workflow[..., Any]:
        try:
            return super().known_or_raise(name, version)
        except NotFound:
            self._missing.append(f"workflow {name!r} version {version}")
            raise


class _Types(Types):
    """Notes the steps that it does not know. Types of steps are looked for when they are performed, so a replay needs none."""

    def __init__(self, types: Types, missing: list[str]) -> None:
        super().__init__(types.given, types.steps.values(), discover=lambda: ())
        self._missing = missing

    def code_of(self, spec: StepSpec, name: str) -> Step[..., Any]:
        try:
            return super().code_of(spec, name)
        except NotFound:
            self._missing.append(f"step {name!r}")
            raise


async def _find(wanted: Wanted) -> Found:
    raise Bug("a replay performed a step", who="perdure.find", found=repr(wanted), instead="report it")
