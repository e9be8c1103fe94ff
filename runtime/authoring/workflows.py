"""Workflows: async functions whose progress lasts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable, Sequence
from types import ModuleType
from typing import Any, Generic, ParamSpec, TypeVar, overload

from ...eventlog.errors import Invalid, NotFound
from .builds import build_of
from .given import Uncalled, many, must_be, must_be_text
from .values import Arguments, Shape, hints_of, name_of

P = ParamSpec("P")
R = TypeVar("R")


class Workflow(Uncalled, Generic[P, R]):
    """An async function made a workflow; called directly it is the function itself."""

    def __init__(
        self, function: Callable[P, Coroutine[Any, Any, R]], name: str, version: int, *, modules: Sequence[ModuleType] = ()
    ) -> None:  # fmt: skip
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.version = version
        self._modules = modules
        """What its code hangs on besides its own module."""
        self.arguments = Arguments(function, f"workflow {name!r}")
        self.returns = Shape(hints_of(function, f"workflow {name!r}").get("return", Any), f"workflow {name!r}, result")

    def __repr__(self) -> str:
        return f"<workflow {self.name} {self.version}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[object, object, R]:
        return self.function(*args, **kwargs)

    @functools.cached_property
    def build(self) -> str:
        """A digest of the code of the workflow's module: a suspended run is tried again once it changes."""
        return build_of(self.function, self._modules)


@overload
def workflow(function: Callable[P, Coroutine[Any, Any, R]], /) -> Workflow[P, R]: ...
@overload
def workflow(*, name: str | None = None, version: int = 1) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Workflow[P, R]]: ...
def workflow(function: Callable[..., Any] | None = None, /, *, name: str | None = None, version: int = 1) -> Any:
    """Make an async function a workflow: a run of it survives the process, and continues where its log ends.

    Its code may await only perdure's effects, and must take time, chance and ids from perdure, because it is driven again
    from the log. A run is bound to `name` (the function's name by default) and `version`.
    """

    def decorate(function: Callable[..., Any]) -> Workflow[..., Any]:
        known = name or name_of(function)
        must_be_text(known, f"workflow {known!r}", "name", "fulfil")
        if not inspect.iscoroutinefunction(function):
            given: object = function
            found = "a class" if isinstance(given, type) else repr(given) if isinstance(given, Uncalled) else "def"
            raise Invalid("a workflow must be an async function", who=f"workflow {known!r}", expected="async def", found=found,
                          instead="write 'async def', or make a plain function a step")
        must_be(version, int, f"workflow {known!r}", "version", "a number that counts from 1", such_as="version=2")
        if version < 1:
            raise Invalid("a version counts from 1", who=f"workflow {known!r}", where="version", found=str(version))
        return Workflow(function, known, version)

    return decorate if function is None else decorate(function)


def shapes_of(workflows: Iterable[Workflow[..., Any]]) -> dict[str, Shape]:
    """How the results of workflows decode, by their names."""
    return {known.name: known.returns for known in _each(workflows, "perdure.connect")}


def _each(workflows: Iterable[Workflow[..., Any]], who: str) -> Iterable[Workflow[..., Any]]:
    return many(workflows, Workflow, who, "workflows", "write workflows=[…], each a function decorated with @workflow")


class Registry:
    """The workflows that a runtime knows, by name and version; `own` are those of the engine itself."""

    def __init__(self, workflows: Iterable[Workflow[..., Any]], *own: Workflow[..., Any]) -> None:
        self.by_key: dict[tuple[str, int], Workflow[..., Any]] = {}
        self._own = frozenset(known.name for known in own)
        for known in (*_each(workflows, "perdure.open"), *own):
            other = self.by_key.setdefault((known.name, known.version), known)
            if other is not known:
                raise Invalid(
                    "two workflows have one name and version",
                    who=f"workflow {known.name!r}",
                    where=f"version {known.version}",
                    found=f"{other.function.__module__} and {known.function.__module__}",
                    instead="give one of them another name or version",
                )

        self.known = frozenset(name for name, _ in self.by_key)
        """The names, whatever their versions."""

    def find(self, name: str, version: int) -> Workflow[..., Any] | None:
        return self.by_key.get((name, version))

    def known_or_raise(self, name: str, version: int) -> Workflow[..., Any]:
        """The workflow of just this version; NotFound where it is not known here."""
        found = self.find(name, version)
        if found is None:
            raise NotFound(
                "no such workflow",
                who=f"workflow {name!r} version {version}",
                where="the workflows of this runtime",
                expected=self.names() or "at least one workflow",
                found=f"{name} {version}",
                instead="pass it to perdure.open(workflows=[…]) as well",
            )
        return found

    def newest(self, name: str) -> Workflow[..., Any]:
        """The highest version of a workflow, for a new run."""
        versions = [version for known, version in self.by_key if known == name]
        if not versions:
            raise NotFound(
                "no such workflow",
                who=f"workflow {name!r}",
                where="the workflows of this runtime",
                expected=self.names() or "at least one workflow",
                found=name,
                instead="pass it to perdure.open(workflows=[…]), or check the spelling",
            )
        return self.by_key[name, max(versions)]

    def names(self) -> str:
        """Those that users have registered, as errors tell them."""
        return ", ".join(f"{name} {version}" for name, version in sorted(self.by_key) if name not in self._own)
