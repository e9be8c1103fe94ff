"""The modules of a program as their source says: what each name is bound to, followed through imports within the package."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from ....eventlog.errors import Invalid
from .findings import allowed_lines

FOLLOW_MAX = 50
"""Names, each bound to the next, that are followed before they count as unknown."""


class Source(Struct, frozen=True):
    """The text of a module, and where it is."""

    name: str
    path: str
    """As findings are to call it."""
    text: str
    is_package: bool = False


Find = Callable[[str], Source | None]
"""The source of a module by its dotted name; None where it is not of the program that is checked."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Definition(Struct, frozen=True, eq=False):
    """A function or a class of the program."""

    module: Module
    qualname: str
    node: Function | ast.ClassDef
    owner: Definition | None = None
    """The class that a method belongs to."""

    @property
    def name(self) -> str:
        return f"{self.module.name}.{self.qualname}"


class Instance(Struct, frozen=True, eq=False):
    """Some object of a class of the program."""

    of: Definition


class Bound(Struct, frozen=True, eq=False):
    """What a name of a module is bound to: an import's dotted name, a definition, or the value of an assignment."""

    to: str | Function | ast.ClassDef | ast.expr


class Module:
    """A module of the program, parsed."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.path = source.path
        self.package = source.name if source.is_package else source.name.rpartition(".")[0]
        try:
            self.tree = ast.parse(source.text, source.path)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None)
            raise Invalid(
                "the source does not parse",
                who=f"module {source.name!r}",
                where=f"{source.path}:{line}" if line else source.path,
                expected="Python",
                found=str(error),
                instead="correct it, or check with the Python that it was written for",
            ) from error
        self.allowed = allowed_lines(source.text)
        self.bound: dict[str, Bound] = {}
        self.stars: list[str] = []
        """Modules of which everything is imported."""
        for statement in statements(self.tree.body):
            self._bind(statement)

    def _bind(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                self.stars += star_imports(statement, self.package)
                self.bound.update({name: Bound(dotted) for name, dotted in imported(statement, self.package)})
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                self.bound[name] = Bound(statement)
            case ast.Assign(targets=[*targets], value=value):
                self.bound.update({target.id: Bound(value) for target in targets if isinstance(target, ast.Name)})
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self.bound[name] = Bound(value)
            case _:
                return


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Every statement that a body runs itself, in the order of the text; not those of functions and classes in it."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from statements(getattr(statement, name, ()))
        for part in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
            yield from statements(part.body)


def imported(statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, str]]:
    """(local name, dotted name) of what an import binds."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            top = alias.name.partition(".")[0]
            yield (alias.asname, alias.name) if alias.asname else (top, top)
        return
    origin = _origin(statement, package)
    for alias in statement.names:
        if alias.name != "*":
            yield alias.asname or alias.name, f"{origin}.{alias.name}"


def star_imports(statement: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(statement, ast.ImportFrom) and any(alias.name == "*" for alias in statement.names):
        return [_origin(statement, package)]
    return []


def _origin(statement: ast.ImportFrom, package: str) -> str:
    if not statement.level:
        return statement.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - statement.level + 1]
    return ".".join([*base, *([statement.module] if statement.module else [])])


class Program:
    """The modules that belong together, loaded as they are asked for."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._modules:
            source = self._find(name)
            self._modules[name] = Module(source) if source is not None else None
        return self._modules[name]

    def method(
        self, owner: Definition, name: str, classes: Callable[[Definition], Iterable[Definition]], left: int = 20
    ) -> Definition | None:
        """The method of a class, its own or that of a base that the program defines."""
        if not isinstance(owner.node, ast.ClassDef) or left <= 0:
            return None
        for statement in statements(owner.node.body):
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and statement.name == name:
                return Definition(owner.module, f"{owner.qualname}.{name}", statement, owner)
        found = (self.method(base, name, classes, left - 1) for base in classes(owner))
        return next((method for method in found if method is not None), None)
