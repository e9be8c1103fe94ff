"""What a step needs of its surroundings and must not make anew each time: a pool of connections, a client."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

from ...eventlog.errors import Invalid

RESOURCES: ContextVar[Mapping[Any, Any]] = ContextVar("perdure_resources")
"""By type or name. In the context of a runtime's services, and so of the steps that it performs."""


def resource_of(key: Any, who: str) -> Any:
    """The resource of the runtime that performs this step; one that it does not have is Invalid."""
    known = RESOURCES.get({})
    try:
        return known[key]
    except KeyError:
        raise missing(key, who, known) from None


def missing(key: Any, who: str, known: Iterable[Any]) -> Invalid:
    name = shown(key)
    return Invalid(
        "the step needs a resource that this runtime does not have",
        who=who,
        where=name,
        expected=f"one of {', '.join(map(shown, known)) or 'none'}",
        found=name,
        instead=f"pass it to perdure.open(resources={{{name if isinstance(key, type) else repr(key)}: …}})",
    )


def shown(key: Any) -> str:
    """A resource as a person would name it."""
    return key.__qualname__ if isinstance(key, type) else str(key)
