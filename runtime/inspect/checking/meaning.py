"""What an expression stands for, as far as the source tells: a dotted name of the world outside, or a definition of the program."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from .program import FOLLOW_MAX, Bound, Definition, Instance, Module, Program
from .rules import rule_of
from .scopes import Local, Scope

Meaning = str | Definition | Instance | Module | None
"""A name outside (an object of a class there ends in `()`), a definition, an object of one, a module, or unknown."""

WORKFLOW = frozenset({"perdure.workflow", "perdure.runtime.authoring.workflows.workflow"})
STEP = frozenset({"perdure.step", "perdure.runtime.authoring.steps.step"})
SETS = frozenset({"builtins.set", "builtins.frozenset", "typing.AbstractSet", "collections.abc.Set", "collections.abc.MutableSet"})


class Resolver:
    """Asks what expressions mean, over a program."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def meaning(self, node: ast.AST | None, scope: Scope, left: int = FOLLOW_MAX) -> Meaning:
        if left <= 0:
            return None
        match node:
            case ast.Name(id=name):
                return self._name(name, scope, left - 1)
            case ast.Attribute(value=value, attr=attr):
                return self.attribute(self.meaning(value, scope, left - 1), attr, left - 1)
            case ast.Call(func=function):
                return _called(self.meaning(function, scope, left - 1))
            case ast.Await(value=value):
                return self.meaning(value, scope, left - 1)
            case ast.BinOp(left=base, op=ast.Div()):
                joined = self.meaning(base, scope, left - 1)
                return joined if isinstance(joined, str) and joined.startswith("pathlib.") else None
            case _:
                return None

    def attribute(self, base: Meaning, name: str, left: int = FOLLOW_MAX) -> Meaning:
        if isinstance(base, str):
            return f"{base}.{name}"
        if isinstance(base, Module):
            return self._member(base, name, left)
        if isinstance(base, Definition | Instance):
            owner = base.of if isinstance(base, Instance) else base
            return self.program.method(owner, name, self.bases)
        return None

    def bases(self, owner: Definition) -> Iterable[Definition]:
        """The bases of a class that the program defines."""
        if isinstance(owner.node, ast.ClassDef):
            for base in owner.node.bases:
                found = self.meaning(base, Scope(owner.module), 5)
                if isinstance(found, Definition) and found.node is not owner.node:
                    yield found

    def _name(self, name: str, scope: Scope | None, left: int) -> Meaning:
        inner = scope
        while inner is not None:
            if name in inner.itself:
                return Instance(inner.itself[name])
            if name in inner.locals:
                bound = inner.locals[name]
                return self._local(bound[0], inner, left) if len(bound) == 1 else None
            if inner.around is None:
                return self._member(inner.module, name, left, builtin=True)
            inner = inner.around
        return None

    def _local(self, bound: Local, scope: Scope, left: int) -> Meaning:
        if bound.dotted:
            return self.dotted(bound.dotted, left)
        if bound.value is not None:
            return self.meaning(bound.value, scope, left)
        return _called(self.meaning(_outer_type(bound.type), Scope(scope.module), left))

    def _member(self, module: Module, name: str, left: int, *, builtin: bool = False) -> Meaning:
        bound = module.bound.get(name)
        if bound is not None and left > 0:
            return self._bound(module, name, bound, left - 1)
        submodule = self.program.module(f"{module.name}.{name}")
        if submodule is not None:
            return submodule
        for origin in module.stars:
            found = self.attribute(self.dotted(origin, left - 1), name, left - 1) if left > 0 else None
            if found is not None and not (isinstance(found, str) and not is_of(origin, name)):
                return found
        return f"builtins.{name}" if builtin and hasattr(builtins, name) else None

    def _bound(self, module: Module, name: str, bound: Bound, left: int) -> Meaning:
        to = bound.to
        if isinstance(to, str):
            return self.dotted(to, left)
        if isinstance(to, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return Definition(module, name, to)
        return self.meaning(to, Scope(module), left)

    def dotted(self, name: str, left: int = FOLLOW_MAX) -> Meaning:
        """What an absolute dotted name stands for: outside the program, just that."""
        first, *rest = name.split(".")
        found: Meaning = self.program.module(first)
        if found is None:
            return name
        for part in rest:
            found = self.attribute(found, part, left - 1)
        return found

    def name_of(self, meaning: Meaning) -> str:
        return meaning.name if isinstance(meaning, Definition) else meaning if isinstance(meaning, str) else ""

    def decorated(self, definition: Definition, names: frozenset[str]) -> bool:
        """Whether one of these decorators, called or not, stands on a function."""
        scope = Scope(definition.module)
        return any(self.name_of(self.meaning(mark, scope)).removesuffix("()") in names for mark in definition.node.decorator_list)

    def is_set(self, node: ast.expr | None, scope: Scope, left: int = 10) -> bool:
        """Whether an expression is surely a set."""
        if left <= 0:
            return False
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=function):
                return self.meaning(function, scope) in ("builtins.set", "builtins.frozenset")
            case ast.BinOp(left=base, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor()):
                return self.is_set(base, scope, left - 1)
            case ast.Name(id=name):
                return self._names_set(name, scope, left - 1)
            case _:
                return False

    def _names_set(self, name: str, scope: Scope, left: int) -> bool:
        inner = scope
        while name not in inner.locals:
            if inner.around is None:
                bound = inner.module.bound.get(name)
                return bound is not None and isinstance(bound.to, ast.expr) and self.is_set(bound.to, Scope(inner.module), left)
            inner = inner.around
        known = inner.locals[name]
        return all(self.is_set(one.value, inner, left) if one.value is not None else self._says_set(one.type, inner) for one in known)

    def _says_set(self, annotation: ast.expr | None, scope: Scope) -> bool:
        return self.meaning(_outer_type(annotation), Scope(scope.module)) in SETS


def _called(meaning: Meaning) -> Meaning:
    """What a call gives, where that can be told: an object of a class, or the decorator that perdure makes."""
    if isinstance(meaning, Definition):
        return Instance(meaning) if isinstance(meaning.node, ast.ClassDef) else None
    if not isinstance(meaning, str):
        return None
    return f"{meaning}()" if meaning.rpartition(".")[2][:1].isupper() or meaning in WORKFLOW | STEP else None


def _outer_type(annotation: ast.expr | None) -> ast.expr | None:
    """The class of an annotation: `set` of `set[str]`; text is read as what it says."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        try:
            annotation = ast.parse(annotation.value, mode="eval").body
        except SyntaxError:
            return None
    match annotation:
        case ast.BinOp(left=one, op=ast.BitOr(), right=ast.Constant(value=None)):
            return _outer_type(one)
        case ast.Subscript(value=outer):
            return outer
        case _:
            return annotation


def is_of(module: str, name: str) -> bool:
    """Whether a name that a star import may bring is one we have a rule for."""
    return rule_of(f"{module}.{name}") is not None or f"{module}.{name}" in WORKFLOW | STEP
