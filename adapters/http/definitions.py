"""Definitions over HTTP: the types of steps that a workflow written as data may have."""

from __future__ import annotations

from ...runtime.defining import StepTypes
from .operations import Answer, Call, Operation
from .runs import ROOT


async def types(call: Call) -> Answer:
    return Answer(await call.runtime.step_types())


OPERATIONS = (
    Operation(name="step_types", method="GET", path=f"{ROOT}/step-types", perform=types, answers={200: StepTypes},
              summary="The types of steps: JSON Schema, an example, the release that each needs, and its defaults"),
)  # fmt: skip
