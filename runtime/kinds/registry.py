"""The kinds of actors that a runtime serves, checked at the door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...actors.kind import Kind
from ...actors.ref import Typed
from ...eventlog.errors import Invalid

AnyKind = Kind[Any, Any, Any]

NAME = re.compile(r"[A-Za-z0-9-]{1,40}")


def by_name(*kinds: AnyKind) -> Mapping[str, AnyKind]:
    """The kinds by their names; one that cannot be served is Invalid."""
    known: dict[str, AnyKind] = {}
    for kind in kinds:
        _check(kind)
        other = known.setdefault(kind.name, kind)
        if other is not kind:
            raise Invalid("two kinds of actors have one name", who=f"kind {kind.name!r}", where="name",
                          found=f"{type(other).__qualname__} and {type(kind).__qualname__}", instead="give one of them another name")
    return known


def _check(kind: object) -> None:
    who = getattr(kind, "__qualname__", None) or type(kind).__qualname__
    name = getattr(kind, "name", "")
    if not isinstance(kind, Kind):
        instead = f"pass {who}(), an instance" if isinstance(kind, type) else "subclass perdure.Kind"
        raise Invalid("only a kind of actor can be served", who=who, where="kinds", expected="an instance of a subclass of perdure.Kind",
                      found=repr(kind), instead=instead)
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Invalid("a kind of actor needs a name that fits a stream", who=who, where="name", expected="1 to 40 letters, digits or '-'",
                      found=repr(name), instead='write name = "account" in the class; it is what the log calls the kind, for ever')
    if not hasattr(type(kind), "codec"):  # pyright: ignore[reportUnknownArgumentType] # of whatever state and commands
        raise Invalid("a kind of actor does not say which events it has", who=who, where="class line",
                      expected="Kind[State, Command, Opened | Closed], with subclasses of perdure.Event", found="no such event",
                      instead='name its events there, or write codec = Codec("account", Opened, Closed)')


def served(known: Mapping[str, AnyKind], kind: Typed[Any, Any] | str) -> str:
    """The name of a kind that is served; else Invalid."""
    name = kind if isinstance(kind, str) else str(getattr(kind, "name", ""))
    found = known.get(name)
    if found is None or (not isinstance(kind, str) and type(found) is not type(kind)):
        raise Invalid("no such kind of actor is served here", who=f"kind {name!r}", where="the kinds of this runtime",
                      expected=", ".join(sorted(known)), found=name if found is None else f"{type(found).__qualname__} under that name",
                      instead="pass it to perdure.open(kinds=[…])")
    return name
