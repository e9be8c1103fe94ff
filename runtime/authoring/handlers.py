"""Handlers: functions of a workflow that messages from outside reach, with what their signatures say of the values."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, NoReturn

from msgspec import Raw

from ...eventlog.errors import Invalid
from .given import must_be_text
from .values import Arguments, Shape, hints_of

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,60}")
"""A handler's name is part of the ids of what it awaits."""

_known: dict[Any, tuple[dict[str, Any], Any]] = {}
KNOWN_MAX = 1_000


class Handler:
    """A function under the name by which senders call it."""

    __slots__ = ("function", "name")
    word = ""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        must_be_text(name, self.word, "name", "paid")
        if not NAME.fullmatch(name):
            self.refuse("a handler needs a plain name", "name", "letters, digits, '_', '-', '.' and ':', at most 60", repr(name),
                        "choose another name")
        if not callable(function):
            self.refuse("a handler must be a function", "handler", "def or async def", type(function).__name__, "pass the function itself")
        try:
            inspect.signature(function)
        except (ValueError, TypeError) as error:
            self.refuse("a handler must say what it takes", "handler", "def or async def", str(error), "write a function around it")

    def refuse(self, what: str, where: str, expected: str, found: str, instead: str) -> NoReturn:
        raise Invalid(what, who=f"{self.word}({self.name!r})", where=where, expected=expected, found=found, instead=instead)


class SignalHandler(Handler):
    """Takes the value of each signal; one without parameters is only told that it came."""

    __slots__ = ("shape",)
    word = "on_signal"

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__(name, function)
        self.shape: Shape | None = learned(self, self._shape)

    def _shape(self) -> Shape | None:
        parameters = list(inspect.signature(self.function).parameters.values())
        if sum(p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in parameters) > 1:
            expected, found = "a function of one parameter, or of none", str(inspect.signature(self.function))
            self.refuse("a signal carries one value", "handler", expected, found, "send one dict or one list")
        if not parameters or parameters[0].kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
            return None
        hints = hints_of(self.function, f"signal {self.name!r}")
        return Shape(hints.get(parameters[0].name, Any), f"signal {self.name!r}")

    def received(self, value: Raw) -> tuple[Any, ...]:
        """The arguments of the call for one signal."""
        return () if self.shape is None else (self.shape.decode(value),)


class AnsweringHandler(Handler):
    """Takes arguments and gives a result, both of which the log, or the wire, can carry."""

    __slots__ = ("arguments", "returns")

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__(name, function)
        known: tuple[Arguments, Shape] = learned(self, self._signature)
        self.arguments, self.returns = known

    def _signature(self) -> tuple[Arguments, Shape]:
        who = f"{self.word.removeprefix('on_')} {self.name!r}"
        return Arguments(self.function, who), Shape(hints_of(self.function, who).get("return", Any), f"{who}, result")


class UpdateHandler(AnsweringHandler):
    """May change the run; `validate`, given the same arguments, says no by raising, before anything is recorded."""

    __slots__ = ("validate",)
    word = "on_update"

    def __init__(self, name: str, function: Callable[..., Any], validate: Callable[..., object] | None) -> None:
        super().__init__(name, function)
        self.validate = validate


class QueryHandler(AnsweringHandler):
    """Looks, and changes nothing."""

    __slots__ = ()
    word = "on_query"

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        super().__init__(name, function)
        if inspect.iscoroutinefunction(function):
            self.refuse("a query answers at once", "handler", "a plain function", "async def", "make it an update, which may await")


def learned(handler: Handler, learn: Callable[[], Any]) -> Any:
    """What a function's signature says, learned once for all runs: handlers are defined anew each time their workflow is driven."""
    function: Any = handler.function
    plain = getattr(function, "__func__", function)
    code, defaults = getattr(plain, "__code__", None), getattr(plain, "__defaults__", None) or getattr(plain, "__kwdefaults__", None)
    if code is None or defaults:
        return learn()
    key, annotations = (handler.word, handler.name, code, plain is function), plain.__annotations__
    found = _known.get(key)
    if found is None or found[0] != annotations:
        if len(_known) >= KNOWN_MAX:
            _known.clear()
        found = _known[key] = (annotations, learn())
    return found[1]
