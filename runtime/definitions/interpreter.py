"""The interpreter: one ordinary workflow that walks the graph of a definition with the words that every author has.

All that decides where it goes is in the log: what expressions gave, as results of `perdure.evaluate`; what steps gave; and, in its first
argument, what is evaluated where. So it is driven again from its log like any workflow, and evaluates nothing then.
"""

from __future__ import annotations

from typing import Any

from msgspec import UnsetType

from ..authoring.messages import on_query
from ..authoring.steps import Step, step
from ..authoring.words import attributes, info
from ..authoring.workflows import Registry, Workflow
from ..run.notices import AS_DATA
from . import acts, approving, durations, evaluating, finding, model, plain, results, secrecy, shapes, types, walking
from .acts import ACTS
from .evaluating import Question, evaluate
from .finding import Find, Found, Wanted
from .model import Bound
from .results import Scope, name_step
from .types import Types
from .walking import OUTPUT, Walk

NAME = AS_DATA
"""What the log calls the workflow, for ever."""

DRIVEN = (acts, approving, durations, evaluating, finding, model, plain, results, secrecy, shapes, types, walking)
"""The modules that are driven again with a run, beside this one: a change of them is another build."""


class Interpreter:
    """Makes the workflow, for the types that a runtime performs and the workflows that it knows."""

    acts = ACTS

    def __init__(self, types: Types, find: Find) -> None:
        self.types = types
        self.find: Step[[Wanted], Found] = step(name="perdure.find")(find)
        self.registry = Registry(())
        """The workflows that definitions may call by name."""
        self.workflow: Workflow[[Bound, dict[str, Any]], Any] = Workflow(self._interpret, NAME, 1, modules=DRIVEN)

    async def _interpret(self, bound: Bound, inputs: dict[str, Any]) -> Any:
        name, version, output = bound.definition.name, bound.version, bound.definition.output
        attributes(definition=name, **({"definition_version": version} if version else {}))
        scope = Scope({"inputs": inputs, "run": {"id": info()["run"], "definition": name, "version": version}})
        walk = Walk(self, bound)
        on_query("steps", lambda: walk.told(scope))
        try:
            last = await walk.through(bound.definition.steps, scope)
        except Exception as error:
            name_step(error)
            raise
        if isinstance(output, UnsetType):
            return last
        reads = bound.reads.get(OUTPUT)
        return output if reads is None else (await evaluate(Question(scope=scope.view(reads), config=output))).config
