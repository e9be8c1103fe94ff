"""The words of an author besides steps and groups: sleep, signal, now, random, uuid, log, attributes, info."""

from __future__ import annotations

import re
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NoReturn, TypeVar, cast, overload
from uuid import UUID

from ...eventlog.errors import Invalid
from .driving import driver
from .effects import ContinueAs, SignalWait, Sleep
from .given import must_be_moment, must_be_text
from .retry import microseconds
from .values import Shape, kept_shape

T = TypeVar("T")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_shapes: dict[Any, Shape] = {}


def sleep(duration: timedelta) -> Coroutine[object, object, None]:
    """Wait for a duration; the wait outlives the process."""
    return cast("Coroutine[object, object, None]", Sleep(microseconds(duration, "sleep")))


def sleep_until(moment: datetime) -> Coroutine[object, object, None]:
    """Wait until a moment, which must have a time zone."""
    must_be_moment(moment, "sleep_until", "moment")
    if moment.tzinfo is None:
        raise Invalid(
            "a moment without a time zone means another one on every machine",
            who="sleep_until",
            where="moment",
            expected="a datetime with tzinfo",
            found=repr(moment),
            instead="use datetime(…, tzinfo=timezone.utc)",
        )
    return cast("Coroutine[object, object, None]", Sleep(None, microseconds(moment - EPOCH)))


@overload
def signal(name: str) -> Coroutine[object, object, Any]: ...
@overload
def signal(name: str, type: type[T]) -> Coroutine[object, object, T]: ...
def signal(name: str, type: Any = Any) -> Coroutine[object, object, Any]:  # noqa: A002 - the word an author expects
    """Wait for the next signal of this name, decoded to `type`; signals that came earlier, since the run's start, count."""
    must_be_text(name, "signal", "name", "paid")
    return cast("Coroutine[object, object, Any]", SignalWait(name, kept_shape(_shapes, type, f"signal {name!r}")))


def continue_as(*args: Any, **kwargs: Any) -> Coroutine[object, object, NoReturn]:
    """Go on as a new generation of the same run: the workflow begins anew with these arguments, and its history so far is folded away.

    Signals that were not taken, attributes and accepted commands stay. Await it in the workflow's own branch; it does not return.
    """
    return cast("Coroutine[object, object, NoReturn]", ContinueAs(args, kwargs))


def moment(at: int) -> datetime:
    """A time of the log, in microseconds since 1970, as a datetime in UTC."""
    return EPOCH + timedelta(microseconds=at)


def now() -> datetime:
    """The time of what the run is answering to right now, in UTC: the same on every replay."""
    return moment(driver("now()", looks=True).time())


def random() -> Random:
    """A source of chance that draws the same numbers on every replay; each branch has its own."""
    return driver("random()").random()


def uuid() -> UUID:
    """A version 4 UUID, the same on every replay."""
    return UUID(int=driver("uuid()").random().getrandbits(128), version=4)


def log(message: str, *, level: str = "info", **fields: Any) -> None:
    """Write a line into the log of the run, once, however often the code is driven again."""
    must_be_text(message, "log()", "message", "charged", empty=True)
    must_be_text(level, "log()", "level", "warning")
    driver("log()").note(level, message, fields)


def attributes(**values: Any) -> None:
    """Set searchable attributes of the run; None takes one away. What a search can find: short texts, numbers, True and False."""
    for name in values:
        if not ATTRIBUTE.fullmatch(name):
            raise Invalid("an attribute needs a name that can be searched for", who="attributes()", where=repr(name),
                          expected="letters, digits and '_', a letter first", found=repr(name), instead="choose such a name")
    driver("attributes()").set_attributes(values)


def patched(name: str) -> bool:
    """Whether this run is to take the new way of a change of code that has this name: decided at its first call in the run, for good.

    True where nothing is recorded yet of what the run answers to right now, so that the new way can be taken; False while
    the run is driven again over what the old way left in its log, and ever after in that run.
    """
    must_be_text(name, "patched()", "name", "charge before shipping")
    return driver("patched()").patched(name)


def info() -> dict[str, Any]:
    """What a workflow may know of its own run: `run`, `workflow`, `version`, `generation`."""
    return driver("info()", looks=True).describe()
