"""Approvals: the code asks a person, shows what it is about, and goes on with what was decided."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, cast

import msgspec
from msgspec import Raw, Struct

from ...eventlog.errors import Invalid
from .effects import Effect
from .given import must_be_duration, must_be_text
from .policies import ApprovalPolicy, Terms, terms_of
from .retry import microseconds
from .values import Shape

Answer: TypeAlias = Literal["approved", "rejected", "expired"]

NAME_MAX = 200
SHOWN_BYTES_MAX = 64 * 1024
"""What is shown is read by a person; anything longer is better shown as an address and a digest."""


class Voice(Struct, frozen=True):
    """One person's approval."""

    by: str
    at: datetime
    why: str = ""


class Decision(Struct, frozen=True):
    """How an approval ended: what was decided, when, by whom and why; nobody decided one that expired.

    `voices` are those who approved, in their order, also where it came to nothing.
    """

    outcome: Answer
    at: datetime
    by: str = ""
    why: str = ""
    voices: tuple[Voice, ...] = ()

    @property
    def approved(self) -> bool:
        return self.outcome == "approved"


class ApprovalWait(Effect[Decision]):
    """Wait until a person has decided, or, with a `timeout` in microseconds, until that is over."""

    __slots__ = ("name", "show", "terms", "timeout")

    def __init__(self, name: str, show: Raw, timeout: int | None, terms: Terms | None = None) -> None:
        self.name = name
        self.show = show
        self.timeout = timeout
        self.terms = terms

    def __repr__(self) -> str:
        return f"approval {self.name!r}"


def approval(
    name: str, *, show: object = None, timeout: timedelta | None = None, policy: ApprovalPolicy | None = None
) -> Coroutine[object, object, Decision]:
    """Ask people to approve or reject, and wait for the answer; it is "expired" where none came within `timeout`.

    Without a `policy` anybody may decide, and the first who does has decided.

    `show` is what the decision is about: any value that msgspec encodes, at most 64 KiB. Whoever decides must name the digest of
    it, so nobody can approve what they were not shown.
    """
    must_be_text(name, "approval", "name", "ship", empty=True)
    who = f"approval {name!r}"
    if timeout is not None:
        must_be_duration(timeout, who, "timeout")
    if not name or len(name) > NAME_MAX:
        raise Invalid("an approval needs a name that people can call it by", who=who, where="name", expected=f"1 to {NAME_MAX} characters",
                      found=f"{len(name)} characters", instead="name it after what is decided, such as 'ship'")
    if timeout is not None and timeout <= timedelta(0):
        raise Invalid("an approval that is over at once can be given by nobody", who=who, where="timeout", expected="more than no time",
                      found=str(timeout), instead="give people time, or leave it out to wait for ever")
    terms = None if policy is None else terms_of(policy, timeout, who)
    wait = ApprovalWait(name, _shown(show, who), None if timeout is None else microseconds(timeout), terms)
    return cast("Coroutine[object, object, Decision]", wait)


def _shown(value: object, who: str) -> Raw:
    """The value as people are shown it. It never comes back, so it may lose its Python type, but nothing that can be read."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True, order="deterministic")
        shown = Shape(Any, f"{who}, show").encode(_with_lists(plain))
    except (TypeError, RecursionError) as error:
        raise Invalid("what is to be shown cannot be encoded", who=who, where="show", expected="what msgspec encodes: builtins, Structs, …",
                      found=f"{type(value).__name__}: {error}", instead="turn it into a dict of what a person should see") from error
    if len(shown) > SHOWN_BYTES_MAX:
        raise Invalid("what is to be shown is more than a person reads", who=who, where="show",
                      expected=f"at most {SHOWN_BYTES_MAX} bytes as JSON", found=f"{len(shown)} bytes",
                      instead="show a summary, with the address and the digest of the whole")
    return shown


def _with_lists(plain: Any) -> Any:
    """Builtins, with lists in the place of tuples."""
    if isinstance(plain, dict):
        return {key: _with_lists(part) for key, part in cast("dict[str, Any]", plain).items()}
    if isinstance(plain, list | tuple):
        return [_with_lists(part) for part in cast("list[Any]", plain)]
    return plain
