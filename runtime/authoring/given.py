"""What is given where a type checker would have said no: refused by an error that says what to write, before anything comes of it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NoReturn, TypeVar

from ...eventlog.errors import Invalid

T = TypeVar("T")

ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


class Uncalled:
    """What is called before it is awaited: a step, a workflow."""

    if not TYPE_CHECKING:  # to type checkers it is not to be awaited at all

        def __await__(self) -> NoReturn:
            raise uncalled(self)


def uncalled(given: Uncalled) -> Invalid:
    name = getattr(given, "__name__", "it")
    return Invalid(f"{given!r} was not called", who=repr(given), where="await", expected=f"a call, {name}(…)",
                   found="the function itself", instead=f"call it with its arguments: {name}(…)")


def must_be(given: object, kinds: type | tuple[type, ...], who: str, where: str, expected: str, *, such_as: str) -> None:
    """Invalid where the value is of none of these kinds; a bool is no number."""
    if not isinstance(given, kinds) or (isinstance(given, bool) and kinds is int):
        raise Invalid(f"{where} must be {expected}", who=who, where=where, expected=expected, found=shown(given),
                      instead=f"write for example {such_as}")


def must_be_duration(given: object, who: str, where: str) -> None:
    if not isinstance(given, timedelta):
        told = str(given) if isinstance(given, int | float) else "5"
        raise Invalid("durations say their unit", who=who, where=where, expected="a timedelta", found=shown(given),
                      instead=f"write for example timedelta(seconds={told})")


def must_be_moment(given: object, who: str, where: str) -> None:
    must_be(given, datetime, who, where, "a datetime with tzinfo", such_as="perdure.now() + timedelta(hours=1)")


def must_be_text(given: object, who: str, where: str, such_as: str, *, empty: bool = False) -> None:
    """Invalid where it is no text, or an empty one that may not be."""
    if not isinstance(given, str) or not (given or empty):
        raise Invalid(f"{where} must be a text", who=who, where=where, expected="a str" if empty else "a str that is not empty",
                      found=shown(given), instead=f"write for example {such_as!r}")


def must_be_awaitable(work: Iterable[object], who: str) -> None:
    """Invalid where one of several things that are to go on side by side is nothing to wait for."""
    for place, one in enumerate(work):
        if isinstance(one, Uncalled):
            raise uncalled(one)
        if not hasattr(one, "__await__") and not inspect.isawaitable(one):
            found, several = shown(one), isinstance(one, Iterable) and not isinstance(one, str)
            raise Invalid("only what can be awaited goes on side by side", who=who, where=f"argument {place}",
                          expected="calls of steps, coroutines, effects of perdure", found=found,
                          instead=f"spread it: {who}(*work)" if several else "call a step or an async function, and pass what that gives")


def many(given: Iterable[T], one: type, who: str, where: str, instead: str) -> tuple[T, ...]:
    """Several things of one type; Invalid where there is only one, or something else."""
    found: object = given
    if _are_several(given, one):
        things = tuple(given)
        wrong = [thing for thing in things if not isinstance(thing, one)]
        if not wrong:
            return things
        found = wrong[0]
    raise Invalid(f"{where} must be a list", who=who, where=where, expected=f"a list, each a {one.__name__}", found=shown(found),
                  instead=instead)


def _are_several(given: object, one: type) -> bool:
    return isinstance(given, Iterable) and not isinstance(given, (str, one))


def shown(given: object) -> str:
    """What was given, as an error tells it: without the addresses of this process, because the log may keep the error."""
    text = ADDRESS.sub("", repr(given))[:80]
    return text if isinstance(given, str) or given is None or text.startswith("<") else f"{type(given).__name__}: {text}"
