"""The names of a function: what each is bound to, as far as the text of the function tells."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from msgspec import Struct

from .program import Definition, Function, Module, imported, statements


class Local(Struct, frozen=True, eq=False):
    """One binding of a local name: to a value, to something of a type, by an import, or to what nobody can tell."""

    value: ast.expr | None = None
    type: ast.expr | None = None
    dotted: str = ""


UNKNOWN = Local()


class Scope:
    """The names of a function, inside those of what is around it; without a function, those of the module."""

    def __init__(
        self, module: Module, node: Function | ast.Lambda | None = None, around: Scope | None = None, owner: Definition | None = None
    ) -> None:
        self.module = module
        self.around = around
        self.locals: dict[str, list[Local]] = {}
        """Every binding of each name: only one that is bound once is surely what it is bound to."""
        self.globals: set[str] = set()
        self.itself: dict[str, Definition] = {}
        """The first parameter of a method stands for its class, or an object of it."""
        if node is None:
            return
        self._take_parameters(node.args)
        if not isinstance(node, ast.Lambda):
            self._take_statements(node)
        first = [*node.args.posonlyargs, *node.args.args][:1]
        if owner is not None and first and not _is_static(node):
            self.itself = {first[0].arg: owner}

    def _bind(self, name: str, to: Local) -> None:
        self.locals.setdefault(name, []).append(to)

    def _take_parameters(self, arguments: ast.arguments) -> None:
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self._bind(argument.arg, Local(type=argument.annotation))
        for starred in (arguments.vararg, arguments.kwarg):
            if starred is not None:
                self._bind(starred.arg, UNKNOWN)

    def _take_statements(self, node: Function) -> None:
        outer: list[str] = []
        told: set[ast.AST] = set()
        for statement in statements(node.body):
            if isinstance(statement, ast.Global | ast.Nonlocal):
                outer += statement.names
                self.globals.update(statement.names if isinstance(statement, ast.Global) else ())
                continue
            for target, local in _bindings(statement, self.module.package):
                if isinstance(target, ast.Name):
                    told.add(target)
                self._bind(target.id if isinstance(target, ast.Name) else target, local)
            if isinstance(statement, ast.AugAssign):
                told.add(statement.target)  # it stays what it was
        for name in _stored_names(node, told):
            self._bind(name, UNKNOWN)
        for name in outer:
            self.locals.pop(name, None)


def _bindings(statement: ast.stmt, package: str) -> Iterator[tuple[ast.Name | str, Local]]:
    """What a statement binds in ways that tell to what."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            for name, dotted in imported(statement, package):
                yield name, Local(dotted=dotted)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, UNKNOWN
        case ast.Assign(targets=[ast.Name() as target], value=value):
            yield target, Local(value)
        case ast.AnnAssign(target=ast.Name() as target, annotation=annotation):
            yield target, Local(type=annotation)
        case ast.With(items=items) | ast.AsyncWith(items=items):
            for item in items:
                if isinstance(item.optional_vars, ast.Name):
                    yield item.optional_vars, Local(item.context_expr)
        case _:
            return


def _stored_names(node: Function, but: set[ast.AST]) -> Iterator[str]:
    """Names that a function binds in other ways: in loops, in patterns, in comprehensions."""
    todo: list[ast.AST] = [*node.body]
    while todo:
        part = todo.pop()
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store | ast.Del) and part not in but:
            yield part.id
        elif isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
            yield part.name
        todo.extend(ast.iter_child_nodes(part))


def _is_static(node: Function | ast.Lambda) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in getattr(node, "decorator_list", ()))
