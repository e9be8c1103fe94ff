"""Checking a definition before it is kept or run: all its faults at once, each with its path, its line and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct, UnsetType

from ...eventlog.errors import Invalid
from . import expressions
from .configs import Configs
from .converting import converted, mended
from .faults import Fault, Faults, refusal
from .model import DEPTH_MAX, ID, STEPS_MAX, Bound, Definition, Reads, StepSpec
from .naming import KNOWN
from .plain import is_map
from .reading import read
from .shapes import Inner, conditions, inner_lists, plain_config
from .templates import Piece, pieces, texts
from .types import Types
from .walking import OUTPUT, needs_of, while_of

BASE = ("inputs", "run")
GIVES = {"BOOL": "true or false", "LIST": "a list"}
TYPED: dict[str, Any] = {"string": str, "integer": int, "number": float, "boolean": bool, "object": dict[str, Any], "array": list[Any]}


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
    definition: Definition | None = mended(plain, Definition, "$", faults)
    if definition is None:
        return Checked(None, faults.found)
    checker = Checker(definition, types, faults)
    checker.check()
    if faults.found:
        return Checked(None, sorted(faults.found, key=lambda fault: fault.line))
    return Checked(Bound(definition, checker.reads), [])


class Checker:
    """Looks at each step, its expressions and its place in the graph."""

    def __init__(self, definition: Definition, types: Types, faults: Faults) -> None:
        self._definition = definition
        self._faults = faults
        self._configs = Configs(types, faults)
        self._known = {**KNOWN, "inputs": list(definition.inputs)}
        """What there is within variables."""
        self.reads: dict[str, Reads] = {}
        """What the expressions at each place name."""
        self._places: dict[str, str] = {}
        """Of every id."""

    def check(self) -> None:
        self._check_inputs()
        self._check_calls(self._definition.steps, "$.steps")
        seen = self._list(Inner("$.steps", self._definition.steps), frozenset(), BASE, 1)
        if len(self._places) > STEPS_MAX:
            self._faults.add("$.steps", "there are too many steps", expected=f"at most {STEPS_MAX}", found=str(len(self._places)),
                             instead="divide it into definitions that call each other by a step of type workflow")
        if not isinstance(self._definition.output, UnsetType):
            self._templates(self._definition.output, "$.output", OUTPUT, seen, BASE)

    def _check_calls(self, steps: Sequence[StepSpec], path: str) -> None:
        """Steps that are always performed may not call the definition itself: that has no end."""
        for place, step in enumerate(steps):
            at = f"{path}[{place}]"
            if not isinstance(step.when, UnsetType):
                continue
            if step.type == "workflow" and step.config.get("definition") == self._definition.name:
                self._faults.add(f"{at}.config.definition", "the definition calls itself, whatever happens", found=self._definition.name,
                                 expected="a call that is not always made", instead="give the step a 'when' that is false in the end")
            branches = step.config.get("branches") if step.type == "parallel" else None
            for name, inner in branches.items() if is_map(branches) else ():
                with suppress(msgspec.ValidationError):
                    self._check_calls(msgspec.convert(inner, list[StepSpec]), f"{at}.config.branches.{name}")

    def _check_inputs(self) -> None:
        for name, spec in self._definition.inputs.items():
            wanted = TYPED.get(spec.type)
            for what, value in (("default", spec.default), *((f"enum[{i}]", one) for i, one in enumerate(spec.enum))):
                if wanted is not None and not isinstance(value, UnsetType):
                    converted(value, wanted, f"$.inputs.{name}.{what}", self._faults)

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
                if need not in known and re.match(ID, need):  # the id of a step that is none is told already
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
        shape = self._configs.shape_of(step, path)
        for where, condition, extra in conditions(step, shape):
            place = while_of(step.id) if extra else step.id
            wanted = "LIST" if where.endswith(".over") else "BOOL"
            self._expression(condition, path + where, place, before, (*names, *extra), wanted=wanted)
        if not isinstance(step.when, UnsetType):
            self._expression(step.when, f"{path}.when", step.id, before, names, wanted="BOOL")
        self._templates(plain_config(step), f"{path}.config", step.id, before, names)
        found = before | {step.id}
        for inner in inner_lists(step, shape):
            seen = self._list(Inner(path + inner.path, inner.steps), before, tuple(dict.fromkeys((*names, *inner.names))), depth + 1)
            found |= seen if inner.seen_outside else frozenset()
        return found

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

    def _expression(
        self, source: str, path: str, place: str, before: frozenset[str], names: tuple[str, ...], *, wanted: str = ""
    ) -> None:  # fmt: skip
        known = frozenset((*names, "steps"))
        wrong = expressions.fault_in(source, known)
        if wrong is not None:
            self._faults.add(path, "an expression cannot be evaluated", expected="an expression in CEL", found=wrong.found,
                             instead=wrong.instead)
            return
        misnamed = expressions.misnamed_in(source, known, self._known)
        if misnamed is not None:
            self._faults.add(path, "an expression names what is not there", expected="what its variables have", found=misnamed.found,
                             instead=misnamed.instead)
        kind = expressions.kind_of(source, known)
        if wanted and kind not in {"", wanted}:
            self._faults.add(path, f"an expression is to give {GIVES[wanted]} here", expected=GIVES[wanted], found=f"always {kind.lower()}",
                             instead="compare it, as in x > 0" if wanted == "BOOL" else "name a list, or write one in [ ]")
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
            converted(value, TYPED[spec.type], f"$.{name}", faults)
            if faults.found:
                fault = faults.found[0]
                raise Invalid("an input does not fit", who=who, where=fault.path, expected=fault.expected, found=fault.found,
                              instead="give it in that type")
        if spec.enum and value not in spec.enum:
            raise Invalid("an input is none of those allowed", who=who, where=f"$.{name}", expected=", ".join(map(repr, spec.enum)),
                          found=repr(value), instead="choose one of them")
        taken[name] = value
    return taken


