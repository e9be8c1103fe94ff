"""Limits over all runs: how many attempts may run at once, and how many may begin within a time, under one name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeAlias, cast

from msgspec import Struct

from ...eventlog.errors import Invalid
from ...eventlog.streams import STREAM_BYTES_MAX, escape, shortened
from .given import must_be, must_be_text, shown
from .retry import microseconds

NAME = re.compile(r"[A-Za-z0-9._-]{1,60}")

COUNT_MAX = 10_000
"""Of slots, and of beginnings within a time: a limit remembers each."""


Key: TypeAlias = (
    Callable[[Any], str | int]
    | Callable[[Any, Any], str | int]
    | Callable[[Any, Any, Any], str | int]
    | Callable[[Any, Any, Any, Any], str | int]
    | Callable[..., str | int]
)
"""A function of the arguments of a step. Spelled out, so that a strict type checker knows the parameters of a lambda."""


class Limit(Struct, frozen=True):
    """At most `concurrency` attempts at once, and at most `rate=(count, time)` beginnings within any such time, over all runs of a tenant.

    Steps that name the same limit share it. `key` takes the arguments of the step and gives a text or a number: each key
    has a limit of its own. Who comes first is served first.
    """

    name: str
    concurrency: int | None = None
    rate: tuple[int, timedelta] | None = None
    key: Key | None = None

    def __post_init__(self) -> None:
        who, given = f"Limit({self.name!r})", self.rate
        must_be_text(self.name, who, "name", "stripe", empty=True)
        if self.concurrency is not None:
            must_be(self.concurrency, int, who, "concurrency", "a number of attempts", such_as="concurrency=5")
        if given is not None and not _is_rate(given):
            raise Invalid("a rate is a count and a time", who=who, where="rate", expected="(count, timedelta)", found=shown(given),
                          instead="write rate=(100, timedelta(seconds=1))")
        if not NAME.fullmatch(self.name):
            raise Invalid("a limit needs a name that fits a stream", who=who, where="name", found=repr(self.name),
                          expected="1 to 60 letters, digits, '.', '_' or '-'", instead="steps that give the same name share the limit")
        if self.concurrency is None and given is None:
            raise Invalid("a limit limits nothing", who=who, where="concurrency, rate", expected="one of them, or both", found="neither",
                          instead="write for example concurrency=5")
        if self.concurrency is not None and not 1 <= self.concurrency <= COUNT_MAX:
            raise Invalid("a limit has so many slots that it makes no sense", who=who, where="concurrency", expected=f"1 to {COUNT_MAX}",
                          found=str(self.concurrency), instead="leave it out to have none")
        if given is not None and not (1 <= given[0] <= COUNT_MAX and given[1] > timedelta(0)):
            raise Invalid("a rate makes no sense", who=who, where="rate", expected=f"(1 to {COUNT_MAX}, a time above zero)",
                          found=repr(given), instead="write rate=(100, timedelta(seconds=1)); for more of them take a shorter time")

    @property
    def bounds(self) -> tuple[int, int, int]:
        """(slots, beginnings, within microseconds); 0 where there is no such bound."""
        count, per = (0, 0) if self.rate is None else (self.rate[0], microseconds(self.rate[1]))
        return self.concurrency or 0, count, per

    def check_key(self, who: str, function: Callable[..., Any]) -> None:
        """Invalid where the key cannot be called as the step is."""
        if self.key is None:
            return
        parameters = inspect.signature(function).parameters.values()
        named = {p.name: None for p in parameters if p.kind is p.KEYWORD_ONLY}
        try:
            inspect.signature(self.key).bind(*[None] * (len(parameters) - len(named)), **named)
        except TypeError as unfit:
            raise Invalid("the key of a limit does not take the arguments of the step", who=who, where=f"limit {self.name!r}, key",
                          expected=f"a function that is called as {inspect.signature(function)}", found=str(unfit),
                          instead="give it the parameters of the step") from unfit

    def stream(self, run: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
        """The stream of the limit for an attempt of the run with this stream; Invalid where its key is no key."""
        id = self.name if self.key is None else f"{self.name}/{self._key_of(args, kwargs)}"
        prefix = f"limit/{run.split('/')[1]}/"
        return prefix + escape(shortened(id, STREAM_BYTES_MAX - len(prefix)))

    def _key_of(self, args: Sequence[Any], kwargs: dict[str, Any]) -> str | int:
        if self.key is None:
            return ""
        who = f"Limit({self.name!r})"
        instead = "let it give an id that the step is called with"
        try:
            key: object = cast("Callable[..., object]", self.key)(*args, **kwargs)
        except Exception as error:
            raise Invalid("the key of a limit could not be told", who=who, where="key", expected="a text or a number", found=repr(error),
                          instead=instead) from error
        if not isinstance(key, str | int):
            raise Invalid("the key of a limit is no key", who=who, where="key", expected="a text or a number",
                          found=f"{type(key).__qualname__}: {key!r}"[:200], instead=instead)
        return key


def _is_rate(given: object) -> bool:
    match given:
        case (int(), timedelta()):
            return True
        case _:
            return False


def agree(limits: Iterable[tuple[str, Limit]]) -> None:
    """Invalid where two steps bound the same limit differently; `limits` are those of steps, with their names."""
    known: dict[str, tuple[str, Limit]] = {}
    for step, limit in limits:
        other, same = known.setdefault(limit.name, (step, limit))
        if same.bounds != limit.bounds:
            raise Invalid("two steps bound the same limit differently", who=f"Limit({limit.name!r})", where=f"steps {other!r} and {step!r}",
                          expected=repr(same), found=repr(limit), instead="make one Limit and give it to both, or give one another name")
