"""Checking what a step is told: its config against its type, its times, and its attempts."""

from __future__ import annotations

from difflib import get_close_matches
from inspect import Parameter
from typing import Any

import msgspec
from msgspec import Struct, UnsetType
from msgspec.structs import FieldInfo

from ...eventlog.errors import Invalid, PerdureError
from ..authoring.misfits import misfit_of
from ..authoring.values import Shape
from .approving import must_be_meetable
from .converting import mended
from .durations import duration_of
from .faults import Faults
from .model import StepSpec
from .plain import is_list, is_map
from .secrecy import places_in, with_secrets
from .shapes import ATTEMPTS_NONE, CORE, HOLDING, SHAPES, plain_config
from .templates import has_expression
from .types import StepType, Types, retry_of

TEXTUAL = ("str matching", "str of length")
"""What only some texts fulfil: whether a secret does, its value alone can tell."""


class Configs:
    """Looks at the configs of steps."""

    def __init__(self, types: Types, faults: Faults) -> None:
        self._types = types
        self._faults = faults

    def shape_of(self, step: StepSpec, path: str) -> Any:
        """The shape of a step that holds steps, else None. What holds expressions is looked at when it is performed; all else now."""
        self._times(step, path)
        kind = self._types.known.get(step.type) if step.type not in CORE else None
        if step.type not in CORE and kind is None:
            known = sorted([*CORE, *self._types.known])
            near = get_close_matches(step.type, known, 1)
            self._faults.add(f"{path}.type", "there is no such type of step", expected=", ".join(known), found=repr(step.type),
                             instead=f"write {near[0]!r}" if near else "correct it, or install the package that has it")
            return None
        shape: Any = SHAPES.get(step.type) if kind is None else kind.config
        if shape is None:
            return None
        faults = len(self._faults.found)
        fitting = self._fields(step, shape, f"{path}.config", kind)
        if kind is not None:
            self._parts(kind, step, path)
        if len(self._faults.found) == faults:
            self._sense(step, path, kind)
        try:
            return msgspec.convert(msgspec.to_builtins(fitting), shape) if step.type in HOLDING else None
        except msgspec.ValidationError:
            return None  # a field is missing, and told

    def _fields(self, step: StepSpec, shape: type[Struct], path: str, kind: StepType[Any] | None) -> dict[str, Any]:
        """Each field for itself; what of them fits. How many steps there may be, and what they are called, is no matter for expressions."""
        fields: dict[str, FieldInfo] = {field.encode_name: field for field in msgspec.structs.fields(shape)}
        plain = {} if step.type in HOLDING else plain_config(step)
        fitting: dict[str, Any] = {}
        for name, value in step.config.items():
            field = fields.get(name)
            if field is None:
                near = get_close_matches(name, list(fields), 1)
                self._faults.add(f"{path}.{name}", f"type {step.type!r} has no such field", expected=", ".join(fields), found=name,
                                 instead=f"write {near[0]!r}" if near else "leave it out")
            elif kind is not None and places_in(value):
                self._secret(value, field, f"{path}.{name}", kind)
            elif not (name in plain and has_expression(value)):
                part = mended(value, field.type, f"{path}.{name}", self._faults)
                fitting |= {} if part is None else {name: part}
        for name, field in fields.items():
            if field.required and name not in step.config:
                self._faults.add(path, f"type {step.type!r} needs the field {name!r}", expected=", ".join(fields),
                                 found=", ".join(step.config) or "nothing", instead=f"write {name}: …")
        return fitting

    def _parts(self, kind: StepType[Any], step: StepSpec, path: str) -> None:
        """What a type says of parts that are written out."""
        for error in kind.wrong(step.config):
            place = f"{path}.config.{error.where}"
            self._faults.add(place, error.message, expected=error.expected, found=error.found, instead=error.instead)

    def _secret(self, value: Any, field: FieldInfo, path: str, kind: StepType[Any]) -> None:
        """A field with secrets in it: they are texts, and stand nowhere that is recorded."""
        if field.encode_name in kind.recorded:
            self._faults.add(path, "a secret would be in the log: what this field holds is recorded", found='{"secret": …}',
                             expected="a value that who reads the log may know",
                             instead="leave it out, or call the receiver by a step of type http, which records none")
        elif not has_expression(value):
            try:
                msgspec.convert(with_secrets(value, places_in(value), lambda name: name), field.type)
            except msgspec.ValidationError as error:
                misfit = misfit_of(error, field.type)
                if not misfit.expected.startswith(TEXTUAL):
                    self._faults.add(path + misfit.where.removeprefix("$"), "a part with a secret in it does not fit",
                                     expected=misfit.expected, found=misfit.found, instead="write a secret only where a text may stand")

    def _sense(self, step: StepSpec, path: str, kind: StepType[Any] | None) -> None:
        """What the shape of a type alone does not say."""
        config, faults = step.config, self._faults
        wrong = "" if kind is None else kind.why_not(config)
        if wrong:
            faults.add(f"{path}.config", wrong, expected=f"a config of type {step.type!r}", found=", ".join(config) or "nothing",
                       instead="see: perdure definitions types")
        if step.type == "delay" and not has_expression(config["for"]):
            self._duration(config["for"], f"{path}.config.for")
        if step.type in ("wait_for_approval", "wait_for_human") and not has_expression(config.get("policy")):
            try:
                must_be_meetable(config, step.timeout, f"{path}.config.policy")
            except Invalid as error:
                faults.add(f"{path}.config.policy", error.message, expected=error.expected, found=error.found, instead=error.instead)
        if step.type == "python" and not has_expression(config["step"]):
            self._python(step, path)
        if step.type == "workflow" and bool(config.get("workflow")) == bool(config.get("definition")):
            faults.add(f"{path}.config", "a step of type workflow calls one thing", expected="workflow, or definition",
                       found=", ".join(config) or "nothing", instead="name a workflow that is code, or a saved definition")
        if step.type == "map" and config.get("as") in ("inputs", "run", "steps", "index", "error", "round"):
            faults.add(f"{path}.config.as", "the item needs another name", expected="a name that expressions do not know yet",
                       found=config["as"], instead="write for example as: item")

    def _python(self, step: StepSpec, path: str) -> None:
        """The code that is called, and those of its arguments that are written out."""
        code, given = self._types.steps.get(step.config["step"]), step.config.get("arguments", {})
        if code is None:
            self._faults.add(f"{path}.config.step", "there is no such step", found=repr(step.config["step"]),
                             expected=", ".join(sorted(self._types.steps)) or "a step in perdure.open(steps=[…])",
                             instead="pass it to perdure.open(steps=[…]), or correct its name")
            return
        signature = code.arguments.signature
        try:
            bound = signature.bind(*given) if is_list(given) else signature.bind(**given) if is_map(given) else None
        except TypeError as error:
            self._faults.add(f"{path}.config.arguments", f"the arguments are not those of the step {code.name!r}", found=str(error),
                             expected=f"({', '.join(map(str, signature.parameters.values()))})", instead="pass what the step takes")
            return
        for place, (name, value) in enumerate(bound.arguments.items() if bound is not None else ()):
            annotation = signature.parameters[name].annotation
            if annotation is Parameter.empty or has_expression(value):
                continue
            try:
                Shape(annotation, name).decode(msgspec.json.encode(value))
            except Invalid as error:
                at = f"{path}.config.arguments{f'[{place}]' if is_list(given) else f'.{name}'}{error.where.removeprefix('$')}"
                self._faults.add(at, f"the argument is none that the step {code.name!r} takes", expected=error.expected, found=error.found,
                                 instead="let the step read its secrets itself" if places_in(value) else "pass what fits its annotation")

    def _times(self, step: StepSpec, path: str) -> None:
        if not isinstance(step.timeout, UnsetType):
            self._duration(step.timeout, f"{path}.timeout")
        if isinstance(step.retry, UnsetType):
            return
        if step.type in ATTEMPTS_NONE:
            self._faults.add(f"{path}.retry", f"a step of type {step.type!r} is not attempted, so it cannot be tried again",
                             expected="retry on a step that really does something", found=step.type,
                             instead="leave it out; give it to the steps inside")
        try:
            retry_of(step.retry)
        except PerdureError as error:
            self._faults.add(f"{path}.retry", error.message, expected=error.expected, found=error.found, instead=error.instead)

    def _duration(self, given: Any, path: str) -> None:
        try:
            duration_of(given, path)
        except Invalid as error:
            self._faults.add(path, error.message, expected=error.expected, found=error.found, instead=error.instead)
