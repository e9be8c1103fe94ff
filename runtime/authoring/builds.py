"""The build of a workflow: a digest of its code, so that a suspended run is tried again once that is another."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ...actors.declared import constant_text

CONSTANTS = (str, bytes, int, float, bool, tuple, frozenset)


def build_of(function: Any, modules: Iterable[ModuleType] = ()) -> str:
    """Of the functions in the module of `function`, and of all functions, methods and constants of other modules that it hangs on."""
    space: dict[str, Any] = getattr(function, "__globals__", {})
    home = sorted((name, getattr(found, "__wrapped__", found)) for name, found in space.items() if _is_home(found, space))
    codes = [_code(function), *(f"{name}={_code(found)}" for name, found in home)]
    codes += [line for module in modules for line in _lines(module)]
    return sha256("\n".join(codes).encode()).hexdigest()[:16]


def _lines(module: ModuleType) -> Iterator[str]:
    """What a module says, by the names of it, those of its classes included."""
    space = vars(module)
    for name, found in sorted(space.items()):
        if _is_home(found, space):
            yield f"{module.__name__}.{name}={_code(getattr(found, '__wrapped__', found))}"
        elif inspect.isclass(found) and found.__module__ == module.__name__:
            yield from (f"{module.__name__}.{name}.{line}" for line in _methods(vars(found)))
        elif isinstance(found, CONSTANTS) and not name.startswith("__"):
            yield f"{module.__name__}.{name}={constant_text(found)}"


def _methods(space: Mapping[str, Any]) -> Iterator[str]:
    for name, found in sorted(space.items()):
        plain = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
        if isinstance(plain, FunctionType):
            yield f"{name}={_code(plain)}"


def _is_home(found: Any, space: Mapping[str, Any]) -> bool:
    function = getattr(found, "__wrapped__", found)
    return isinstance(function, FunctionType) and function.__module__ == space.get("__name__")


def _code(function: Any) -> str:
    def digest(code: CodeType) -> str:
        constants = [digest(part) if isinstance(part, CodeType) else constant_text(part) for part in code.co_consts]
        return sha256(repr((code.co_name, code.co_code.hex(), code.co_names, code.co_varnames, constants)).encode()).hexdigest()

    return digest(function.__code__)
