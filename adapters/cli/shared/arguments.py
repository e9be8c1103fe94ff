"""The arguments of a workflow, as words of a command line: JSON, plain texts, and NAME=VALUE for what is given by name."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, get_args
from uuid import UUID

import msgspec
from msgspec import Raw

from ....eventlog.errors import Invalid
from ....runtime.authoring.values import describe, hints_of
from ....runtime.authoring.workflows import Workflow

SUCH_AS = {
    int: "3",
    float: "0.5",
    bool: "true",
    datetime: "2026-01-31T12:00:00Z",
    date: "2026-01-31",
    time: "12:00:00",
    timedelta: "PT1H30M",
    UUID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    Decimal: "12.50",
}
QUOTED = "quote it for the shell, for example '[1, 2]' or '{\"a\": 1}'"


def arguments_of(workflow: Workflow[..., Any], texts: Sequence[str]) -> Raw:
    """The arguments of a start, by their places or, where the workflow takes some by name alone, all by name."""
    hints = hints_of(workflow.function, f"workflow {workflow.name!r}")
    parameters = inspect.signature(workflow.function).parameters.values()
    by_name = {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}
    places = [one.name for one in parameters if one.name not in by_name]
    values: list[Any] = []
    named: dict[str, Any] = {}
    for text in texts:
        name, equals, rest = text.partition("=")
        if equals and name in by_name:
            named[name] = _value(rest, name, hints.get(name, Any))
            continue
        name = places[len(values)] if len(values) < len(places) else ""
        values.append(_value(text, name, hints.get(name, Any)))
    fits = named and len(values) <= len(places)
    given = Raw(msgspec.json.encode(dict(zip(places, values, strict=False)) | named if fits else values))
    workflow.arguments.accept(bytes(given))  # what does not fit is refused before a log is opened
    return given


def _value(text: str, name: str, wanted: Any) -> Any:
    """What a text says: JSON, where that fits the parameter; else itself, where that does, as of a date or a str."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        if _fits(text, wanted):
            return text
        raise Invalid("the argument does not fit its parameter", who=f"parameter {name!r}", where=repr(text), expected=_expected(wanted),
                      found="text that does not parse", instead=_instead(wanted)) from None
    if isinstance(value, str):
        return value
    if wanted is str or (Decimal in _kinds(wanted) and isinstance(value, int | float)):
        return text  # a number in JSON is a float, and has lost what a Decimal keeps
    return text if not _fits(value, wanted) and _fits(text, wanted) else value


def _fits(value: object, wanted: Any) -> bool:
    try:
        msgspec.convert(value, wanted)
    except (msgspec.MsgspecError, TypeError, ValueError):
        return False
    return True


def _kinds(wanted: Any) -> tuple[Any, ...]:
    """The type itself, and those of a union or what a Literal may be."""
    return (wanted, *get_args(wanted))


def _words(wanted: Any) -> list[str]:
    """The texts that a parameter takes, where these are few: those of an Enum or a Literal."""
    kinds = [kind for kind in _kinds(wanted) if isinstance(kind, type) and issubclass(kind, Enum)]
    texts = [member.value for kind in kinds for member in kind] or get_args(wanted)
    return [text for text in texts if isinstance(text, str)]


def _expected(wanted: Any) -> str:
    if words := _words(wanted):
        return f"one of {', '.join(words)}"
    return describe(wanted) if _example(wanted) else f"JSON of {describe(wanted)}"


def _instead(wanted: Any) -> str:
    words = _words(wanted)
    example = words[0] if words else _example(wanted)
    return f"write for example {example}" if example else QUOTED


def _example(wanted: Any) -> str:
    return next((text for kind, text in SUCH_AS.items() if kind in _kinds(wanted)), "")
