"""When to try again: pure arithmetic over a policy, the number of the attempt and a seeded chance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from ...eventlog.errors import Invalid
from .given import must_be, must_be_duration


class Retry(Struct, frozen=True):
    """`attempts` in all; the n-th pause is `first * factor ** (n - 1)`, at most `longest`, shortened by up to `jitter` of itself.

    `on`: only these exceptions (and those below them) are worth another attempt; `never_on`: these are not, whatever `on` says.
    """

    attempts: int = 3
    first: timedelta = timedelta(seconds=5)
    factor: float = 2.0
    longest: timedelta = timedelta(hours=1)
    jitter: float = 0.1
    on: tuple[type[BaseException], ...] = ()
    never_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        for where in ("first", "longest"):
            must_be_duration(getattr(self, where), "Retry", where)
        for where, kinds in (("attempts", int), ("factor", (int, float)), ("jitter", (int, float)), ("on", tuple), ("never_on", tuple)):
            like = "(ConnectionError,)" if kinds is tuple else "3"
            expected = "a tuple of exception classes" if kinds is tuple else "a number"
            must_be(getattr(self, where), kinds, "Retry", where, expected, such_as=f"{where}={like}")
        if self.attempts < 1 or self.first < timedelta(0) or self.longest < timedelta(0) or self.factor < 1 or not 0 <= self.jitter <= 1:
            raise Invalid(
                "a retry policy makes no sense",
                who="Retry",
                expected="attempts >= 1, first >= 0, longest >= 0, factor >= 1, 0 <= jitter <= 1",
                found=repr(self),
                instead="leave a field out to get its default",
            )
        for where in ("on", "never_on"):
            for kind in getattr(self, where):
                if not _can_be_raised(kind):
                    raise Invalid(
                        "a retry policy names something that cannot be raised",
                        who="Retry",
                        where=where,
                        expected="a tuple of exception classes",
                        found=repr(kind),
                        instead=f"write for example {where}=(ConnectionError,)",
                    )

    def covers(self, kinds: Sequence[str]) -> bool:
        """Whether an exception of these kinds (see `kinds_of`) is worth another attempt."""
        if self.never_on and any(qualified(kind) in kinds for kind in self.never_on):
            return False
        return not self.on or any(qualified(kind) in kinds for kind in self.on)


    def settled(self, kinds: Sequence[str]) -> Retry | None:
        """The policy for an exception of these kinds, as data alone; None where that is not worth another attempt."""
        return replace(self, on=(), never_on=()) if self.covers(kinds) else None


def kinds_of(error: BaseException) -> tuple[str, ...]:
    """The names of an exception's class and of all classes above it, as data that a decision can be made on."""
    return tuple(qualified(kind) for kind in type(error).__mro__)


def qualified(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _can_be_raised(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseException)


ONCE = Retry(attempts=1)
DAYS_MAX = 365_250


def pause_after(retry: Retry, attempt: int, seed: int, effect: str) -> int | None:
    """Microseconds to wait after attempt number `attempt` failed; None where it was the last."""
    if attempt >= retry.attempts:
        return None
    longest = microseconds(retry.longest)
    try:
        full = min(longest, microseconds(retry.first) * retry.factor ** (attempt - 1))
    except OverflowError:
        full = longest
    return int(full * (1 - retry.jitter * chance(seed, f"{effect}#{attempt}")))


def chance(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    return int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:7]) / 2**56


def microseconds(duration: timedelta, who: str = "a wait", where: str = "duration") -> int:
    """Whole microseconds; of more than a thousand years, a thousand: calendars end in the year 9999, and waits for good are waits."""
    must_be_duration(duration, who, where)
    if duration.days > DAYS_MAX:
        duration = timedelta(DAYS_MAX)
    return (duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds
