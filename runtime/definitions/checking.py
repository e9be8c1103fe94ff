"""Checking a definition before it is kept or run: all its faults at once, each with its path, its line and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct, UnsetType
from msgspec.structs import FieldInfo

from ...eventlog.errors import Invalid, PerdureError
from ..authoring.misfits import misfit_of
from . import expressions
from .approving import must_be_meetable
from .durations import duration_of
from .faults import Fault, Faults, refusal
from .model import DEPTH_MAX, STEPS_MAX, Bound, Definition, Reads, RetrySpec, StepSpec
from .plain import is_list, is_map
from .reading import read
from .secrecy import places_in, with_secrets
from .shapes import ATTEMPTS_NONE, CORE, HOLDING, SHAPES, Inner, conditions, inner_lists, plain_config
from .templates import Piece, has_expression, pieces, texts
from .types import StepType, Types, retry_of
from .walking import OUTPUT, needs_of, while_of

BASE = ("inputs", "run")
TYPED: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any], "array": list[Any]}

TEXTUAL = ("str matching", "str of length")
"""What only some texts fulfil: whether a secret does, its value alone can tell."""


class Checked(Struct, frozen=True):
    """What became of a text: a definition that can be run, or its faults."""

    bound: Bound | None
    faults: list[Fault]


def check_text(text: str, types: Types) -> Checked:
    """Read a text and check all of it. Nothing is raised for what its author wrote."""
    try:
        plain, lines = read(text)
    except Invalid as error:
        line = int(error.where.removeprefix("line ")) if error.where.startswith("line ") else 0
        return Checked(None, [Fault("$", error.message, error.expected, error.found, error.instead, line)])
    return check(plain, types, lines)


def bound_or_raise(text: str, types: Types, who: str = "the definition") -> Bound:
    """The definition of a text; Invalid, with all its faults, where it cannot be run."""
    checked = check_text(text, types)
    if checked.bound is None:
        raise refusal(checked.faults, who)
    return checked.bound


def check(plain: Any, types: Types, lines: Mapping[str, int] | None = None) -> Checked:
    """The same for plain data, as it was read."""
    faults = Faults(lines or {})
    definition = _converted(plain, faults)
    if definition is None:
        return Checked(None, faults.found)
    checker = Checker(definition, types, faults)
    checker.check()
    if faults.found:
        return Checked(None, sorted(faults.found, key=lambda fault: fault.line))
    return Checked(Bound(definition, checker.reads), [])


def _converted(plain: Any, faults: Faults) -> Definition | None:
    """All steps of the list are converted one by one, so that each says what is wrong with it."""
    steps = plain.get("steps") if is_map(plain) else None
    for place, step in enumerate(steps if is_list(steps) else ()):
        _convert(step, StepSpec, f"$.steps[{place}]", faults)
    if faults.found:
        return None
    found: Definition | None = _convert(plain, Definition, "$", faults)
    return found


def _convert(plain: Any, type_: Any, path: str, faults: Faults) -> Any:
    try:
        return msgspec.convert(plain, type_)
    except msgspec.ValidationError as error:
        misfit = misfit_of(error, type_, plain)
        where, expected, found = misfit.where, misfit.expected, misfit.found
        message, instead = "a part of the definition does not fit", "correct it: 'perdure definitions schema' tells all fields"
        if misfit.unknown:
            known = _fields_near(type_, where)
            near = get_close_matches(misfit.unknown, known, 1)
            message, expected, where = "there is no such field", ", ".join(known), f"{where}.{misfit.unknown}"
            instead = f"write {near[0]!r}" if near else "leave it out, or correct its name"
        elif misfit.missing:
            message, expected, instead = "a field is missing", misfit.missing, f"write {misfit.missing}: …"
        faults.add(path + where.removeprefix("$"), message, expected=expected, found=found, instead=instead)
        return None


def _fields_near(type_: Any, where: str) -> list[str]:
    """The fields of the struct that an error speaks of, as far as that is easily told."""
    if where == "$" and isinstance(type_, type) and issubclass(type_, Struct):
        return [field.encode_name for field in msgspec.structs.fields(type_)]
    return [field.encode_name for field in msgspec.structs.fields(RetrySpec if where.endswith(".retry") else StepSpec)]


class Checker:
    """Looks at each step, its expressions and its place in the graph."""

    def __init__(self, definition: Definition, types: Types, faults: Faults) -> None:
        self._definition = definition
        self._types = types
        self._faults = faults
        self.reads: dict[str, Reads] = {}
        """What the expressions at each place name."""
        self._places: dict[str, str] = {}
        """Of every id."""

    def check(self) -> None:
        self._check_inputs()
        seen = self._list(Inner("$.steps", self._definition.steps), frozenset(), BASE, 1)
        if len(self._places) > STEPS_MAX:
            self._faults.add("$.steps", "there are too many steps", expected=f"at most {STEPS_MAX}", found=str(len(self._places)),
                             instead="divide it into definitions that call each other by a step of type workflow")
        if not isinstance(self._definition.output, UnsetType):
            self._templates(self._definition.output, "$.output", OUTPUT, seen, BASE)

    def _check_inputs(self) -> None:
        for name, spec in self._definition.inputs.items():
            wanted = TYPED.get(spec.type)
            for what, value in (("default", spec.default), *((f"enum[{i}]", one) for i, one in enumerate(spec.enum))):
                if wanted is not None and not isinstance(value, UnsetType):
                    _convert(value, wanted, f"$.inputs.{name}.{what}", self._faults)

    # -- a list, and the graph in it ------------------------------------------------------------------------------------

    def _list(self, inner: Inner, outer: frozenset[str], names: tuple[str, ...], depth: int) -> frozenset[str]:
        """Check the steps of a list; `outer` are the steps that all of them may name. Gives those that may be named behind the list."""
        for place, step in enumerate(inner.steps):
            path = f"{inner.path}[{place}]"
            first = self._places.setdefault(step.id, path)
            if first != path:
                self._faults.add(f"{path}.id", "two steps have one id", expected="an id of its own in the whole definition",
                                 found=f"{step.id!r}, as at {first}", instead="rename one of them")
        if depth > DEPTH_MAX:
            self._faults.add(inner.path, "steps are nested too deeply", expected=f"at most {DEPTH_MAX} lists", found="more",
                             instead="call another definition by a step of type workflow")
            return frozenset()
        known = [step.id for step in inner.steps]
        if len(set(known)) < len(known):
            return outer.union(known)
        inside: dict[str, frozenset[str]] = {}
        ordered = self._ordered(inner)
        for place, step in ordered:
            needs = dict(needs_of(inner.steps))[step.id]
            before = outer.union(*(inside.get(need, frozenset()) for need in needs))
            inside[step.id] = self._step(step, f"{inner.path}[{place}]", before, names, depth)
        return outer.union(*inside.values())

    def _ordered(self, inner: Inner) -> Iterable[tuple[int, StepSpec]]:
        """(place, step), each behind those that it needs; needs that cannot be met are faults."""
        needs = dict(needs_of(inner.steps))
        known = {step.id for step in inner.steps}
        for place, step in enumerate(inner.steps):
            for at, need in enumerate(needs[step.id]):
                if need not in known:
                    near = get_close_matches(need, sorted(known), 1)
                    self._faults.add(f"{inner.path}[{place}].needs[{at}]", "it needs a step that is not in its list", found=repr(need),
                                     expected=", ".join(sorted(known - {step.id})) or "none",
                                     instead=f"write {near[0]!r}" if near else "name a step of the same list, or leave it out")
        left = list(enumerate(inner.steps))
        done: dict[str, None] = {}
        while left:
            ready = [(place, step) for place, step in left if all(need in done or need not in known for need in needs[step.id])]
            if not ready:
                names = ", ".join(step.id for _, step in left)
                self._faults.add(f"{inner.path}[{left[0][0]}]", "steps need each other in a circle", expected="steps that can begin",
                                 found=names, instead="let one of them begin without the others: needs: []")
                return
            yield from ready
            done |= dict.fromkeys(step.id for _, step in ready)
            left = [(place, step) for place, step in left if step.id not in done]

    # -- one step -------------------------------------------------------------------------------------------------------

    def _step(self, step: StepSpec, path: str, before: frozenset[str], names: tuple[str, ...], depth: int) -> frozenset[str]:
        """Check one step and all within it; gives the steps that those may name which need it."""
        shape = self._config(step, path)
        self._times(step, path)
        for where, condition, extra in conditions(step, shape):
            place = while_of(step.id) if extra else step.id
            self._expression(condition, path + where, place, before, (*names, *extra))
        if not isinstance(step.when, UnsetType):
            self._expression(step.when, f"{path}.when", step.id, before, names)
        self._templates(plain_config(step), f"{path}.config", step.id, before, names)
        found = before | {step.id}
        for inner in inner_lists(step, shape):
            seen = self._list(Inner(path + inner.path, inner.steps), before, tuple(dict.fromkeys((*names, *inner.names))), depth + 1)
            found |= seen if inner.seen_outside else frozenset()
        return found

    def _config(self, step: StepSpec, path: str) -> Any:
        """The shape of a core type, or None. What holds expressions is looked at when it is performed; all else must fit now."""
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
        self._fields(step, shape, f"{path}.config", kind)
        if len(self._faults.found) > faults:
            return None
        wrong = "" if kind is None else kind.why_not(step.config)
        if wrong:
            self._faults.add(f"{path}.config", wrong, expected=f"a config of type {step.type!r}", found=", ".join(step.config) or "nothing",
                             instead="see: perdure definitions types")
        if step.type not in SHAPES:
            return None
        self._sense(step, path)
        if has_expression(plain_config(step)):
            return self._holding(step, shape, f"{path}.config")
        return msgspec.convert(step.config, shape)

    def _holding(self, step: StepSpec, shape: Any, path: str) -> Any:
        """The shape of a step that holds steps. How many there may be, and what they are called, is no matter for expressions."""
        return _convert(step.config, shape, path, self._faults) if step.type in HOLDING else None

    def _fields(self, step: StepSpec, shape: type[Struct], path: str, kind: StepType[Any] | None) -> None:
        fields: dict[str, FieldInfo] = {field.encode_name: field for field in msgspec.structs.fields(shape)}
        plain = plain_config(step)
        for name, value in step.config.items():
            field = fields.get(name)
            if field is None:
                near = get_close_matches(name, list(fields), 1)
                self._faults.add(f"{path}.{name}", f"type {step.type!r} has no such field", expected=", ".join(fields), found=name,
                                 instead=f"write {near[0]!r}" if near else "leave it out")
            elif kind is not None and places_in(value):
                self._secret(value, field, f"{path}.{name}", kind)
            elif not (name in plain and has_expression(value)):
                _convert(value, field.type, f"{path}.{name}", self._faults)
        for name, field in fields.items():
            if field.required and name not in step.config:
                self._faults.add(path, f"type {step.type!r} needs the field {name!r}", expected=", ".join(fields),
                                 found=", ".join(step.config) or "nothing", instead=f"write {name}: …")

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

    def _sense(self, step: StepSpec, path: str) -> None:
        """What the shape of a core type alone does not say."""
        config, faults = step.config, self._faults
        if step.type == "delay" and not has_expression(config["for"]):
            self._duration(config["for"], f"{path}.config.for")
        if step.type in ("wait_for_approval", "wait_for_human") and not has_expression(config.get("policy")):
            try:
                must_be_meetable(config, step.timeout, f"{path}.config.policy")
            except Invalid as error:
                faults.add(f"{path}.config.policy", error.message, expected=error.expected, found=error.found, instead=error.instead)
        if step.type == "python" and config["step"] not in self._types.steps and not has_expression(config["step"]):
            faults.add(f"{path}.config.step", "there is no such step", found=repr(config["step"]),
                       expected=", ".join(sorted(self._types.steps)) or "a step in perdure.open(steps=[…])",
                       instead="pass it to perdure.open(steps=[…]), or correct its name")
        if step.type == "workflow" and bool(config.get("workflow")) == bool(config.get("definition")):
            faults.add(f"{path}.config", "a step of type workflow calls one thing", expected="workflow, or definition",
                       found=", ".join(config) or "nothing", instead="name a workflow that is code, or a saved definition")
        if step.type == "map" and config.get("as") in ("inputs", "run", "steps", "index", "error", "round"):
            faults.add(f"{path}.config.as", "the item needs another name", expected="a name that expressions do not know yet",
                       found=config["as"], instead="write for example as: item")

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

    # -- expressions ----------------------------------------------------------------------------------------------------

    def _templates(self, value: Any, path: str, place: str, before: frozenset[str], names: tuple[str, ...]) -> None:
        for where, text in texts(value, path):
            try:
                found = pieces(text)
            except Invalid as error:
                self._faults.add(where, error.message, expected=error.expected, found=error.found, instead=error.instead)
                continue
            self._add(place, Reads())
            for piece in found:
                if isinstance(piece, Piece):
                    self._expression(piece.source, where, place, before, names)

    def _expression(self, source: str, path: str, place: str, before: frozenset[str], names: tuple[str, ...]) -> None:
        wrong = expressions.fault_in(source, frozenset((*names, "steps")))
        if wrong is not None:
            self._faults.add(path, "an expression cannot be evaluated", expected="an expression in CEL", found=wrong.found,
                             instead=wrong.instead)
            return
        reads = expressions.reads(source)
        for id in reads.steps:
            if id not in before:
                self._unseen(id, path, before)
        self._add(place, Reads(reads.steps, [name for name in reads.names if name in names]))

    def _unseen(self, id: str, path: str, before: frozenset[str]) -> None:
        where = self._places.get(id)
        seen = ", ".join(sorted(before)) or "none"
        if where is None:
            near = get_close_matches(id, sorted(before), 1)
            self._faults.add(path, "an expression names a step that is not there", expected=seen, found=f"steps.{id}",
                             instead=f"write steps.{near[0]}" if near else "name a step that ends before this one")
        else:
            self._faults.add(path, "an expression names a step that need not have ended by then",
                             expected=f"a step that ends before: {seen}", found=f"steps.{id}, at {where}",
                             instead=f"add {id} to needs, or move the step behind it")

    def _add(self, place: str, reads: Reads) -> None:
        known = self.reads.get(place, Reads())
        self.reads[place] = Reads(sorted({*known.steps, *reads.steps}), sorted({*known.names, *reads.names}))


def inputs_for(definition: Definition, given: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a run, defaults among them; Invalid, with the path, where they do not fit what the definition asks for."""
    who = f"definition {definition.name!r}"
    known = definition.inputs
    for name in given:
        if name not in known:
            near = get_close_matches(name, list(known), 1)
            raise Invalid("the definition has no such input", who=who, where=f"$.{name}", expected=", ".join(known) or "none", found=name,
                          instead=f"write {near[0]!r}" if near else "leave it out")
    taken: dict[str, Any] = {}
    for name, spec in known.items():
        value = given.get(name, spec.default)
        if isinstance(value, UnsetType):
            raise Invalid("an input is missing", who=who, where=f"$.{name}", expected=spec.type, found="nothing",
                          instead=f"give it: {spec.description}" if spec.description else "give it, or let the definition have a default")
        if spec.type in TYPED:
            faults = Faults({})
            _convert(value, TYPED[spec.type], f"$.{name}", faults)
            if faults.found:
                fault = faults.found[0]
                raise Invalid("an input does not fit", who=who, where=fault.path, expected=fault.expected, found=fault.found,
                              instead="give it in that type")
        if spec.enum and value not in spec.enum:
            raise Invalid("an input is none of those allowed", who=who, where=f"$.{name}", expected=", ".join(map(repr, spec.enum)),
                          found=repr(value), instead="choose one of them")
        taken[name] = value
    return taken


