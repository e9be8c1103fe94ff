"""The rules of a step: what its author asks for besides that it is run. Checked once, where the step is defined."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal, TypedDict, cast, get_args

from msgspec import Struct

from ...eventlog.errors import Invalid
from .given import must_be, must_be_duration, shown
from .limits import Limit
from .retry import ONCE, Retry

Executor = Literal["thread", "process"]

QUEUE = re.compile(r"[A-Za-z0-9_-]{1,60}")


class StepOptions(TypedDict, total=False):
    """What `@step(…)` takes; each is told at `Rules`."""

    name: str | None
    retry: Retry | None
    timeout: timedelta | None
    overall: timedelta | None
    start_within: timedelta | None
    heartbeat_timeout: timedelta | None
    at_most_once: bool
    limit: Limit | None
    executor: Executor
    queue: str | None
    raises: Sequence[type[Exception]]
    needs: Sequence[type[Any] | str]


class Rules(Struct, frozen=True, kw_only=True):
    """The options of a step."""

    retry: Retry = ONCE
    timeout: timedelta | None = None
    """How long one attempt may take."""
    overall: timedelta | None = None
    """How long the step may take from the moment the code wants it: all attempts, pauses and waits together."""
    start_within: timedelta | None = None
    """How long an attempt may wait until it begins; one that waited longer has failed."""
    heartbeat_timeout: timedelta | None = None
    """How long an attempt may go without a call of `current().heartbeat()` before it is cancelled and has failed."""
    at_most_once: bool = False
    """An attempt that began is never begun again: if its owner is lost, the step has failed with Interrupted."""
    limit: Limit | None = None
    """What bounds the attempts of this step, and of others, over all runs."""
    executor: Executor = "thread"
    """Where a plain function runs: in a thread, or, for what needs a processor to itself, in a process, which can be killed."""
    queue: str | None = None
    """The task queue whose workers perform it; where the log has no queues, the process that serves the run does."""
    raises: tuple[type[Exception], ...] = ()
    needs: tuple[type[Any] | str, ...] = ()
    """Resources that a runtime must have to perform the step."""
    transactional: bool = False
    """Called with the log's own connection, in the transaction that keeps its outcome: exactly once."""

    @classmethod
    def of(cls, who: str, options: StepOptions, *, transactional: bool = False) -> Rules:
        """The rules that the options give; Invalid where they make no sense."""
        unknown = sorted(set(options) - set(StepOptions.__annotations__))
        if unknown:
            raise Invalid("a step has no such option", who=who, where=unknown[0], expected=", ".join(StepOptions.__annotations__),
                          found=", ".join(unknown), instead="check the spelling")
        must_fit(options, who)
        rules = cls(
            retry=options.get("retry") or ONCE,
            timeout=options.get("timeout"),
            overall=options.get("overall"),
            start_within=options.get("start_within"),
            heartbeat_timeout=options.get("heartbeat_timeout"),
            at_most_once=options.get("at_most_once", False),
            limit=options.get("limit"),
            executor=options.get("executor", "thread"),
            queue=options.get("queue"),
            raises=tuple(options.get("raises") or ()),
            needs=tuple(options.get("needs") or ()),
            transactional=transactional,
        )
        rules.check(who)
        return rules

    def check(self, who: str) -> None:
        for where in ("timeout", "overall", "start_within", "heartbeat_timeout"):
            limit: timedelta | None = getattr(self, where)
            if limit is not None and limit <= timedelta(0):
                raise Invalid("a limit of time must be positive", who=who, where=where, found=str(limit),
                              instead="leave it out to have none")
        if self.queue is not None and not QUEUE.fullmatch(self.queue):
            raise Invalid("a task queue needs a plain name", who=who, where="queue", expected="1 to 60 letters, digits, '-' or '_'",
                          found=repr(self.queue), instead="write for example queue='gpu'")
        if self.at_most_once and self.retry.attempts > 1:
            raise Invalid(
                "a step that is attempted at most once cannot be tried again",
                who=who,
                where="retry",
                expected="no retry policy beside at_most_once=True",
                found=f"attempts={self.retry.attempts}",
                instead="leave retry out and let the workflow decide what follows a failure, or leave at_most_once out",
            )

    def check_transactional(self, who: str, *, is_async: bool) -> None:
        """A transactional step holds the writer of the log, and is called once: what makes no sense then is refused."""
        if not self.transactional:
            return
        if is_async:
            found, instead = "an async function", "write it as a plain 'def': nothing else is written to the log while it runs"
        elif self.timeout is None:
            found, instead = "no timeout", "write timeout=timedelta(seconds=1), or as short as it can be: the log waits for it"
        elif self.overall is not None:
            found, instead = "overall=…, which could end the step when its rows are there", "bound its attempts with retry"
        elif self.heartbeat_timeout is not None or self.at_most_once or self.executor != "thread" or self.limit is not None:
            found, instead = "heartbeat_timeout, at_most_once, executor or limit", "leave them out: it runs with the log, one at a time"
        elif self.queue is not None:
            found, instead = f"queue={self.queue!r}, and the log is here", "leave it out: it runs where the log is written"
        else:
            return
        raise Invalid("the step cannot be transactional", who=who, where="transactional", expected="a plain function with a timeout",
                      found=found, instead=instead)

    def check_executor(self, who: str, function: Callable[..., Any], *, is_async: bool) -> None:
        """A step for a process must be found there by its name."""
        if self.executor not in get_args(Executor):
            raise Invalid("there is no such executor", who=who, where="executor", expected="'thread' or 'process'",
                          found=repr(self.executor), instead="leave it out to run a plain function in a thread")
        if self.executor == "thread":
            return
        module, _, name = place_of(function).partition(":")
        if is_async:
            found, instead = "an async function, which waits and needs no processor to itself", "write it as a plain 'def'"
        elif self.heartbeat_timeout is not None:
            found, instead = "a heartbeat_timeout, and nobody hears a heartbeat from there", "bound the attempt with timeout"
        elif self.needs:
            found, instead = "needs=…, and the resources of a runtime stay in its own process", "open in the step what it needs"
        elif module == "__main__" or "<" in name:
            found, instead = f"{module}:{name}, which another process cannot import", "define it at the top of a module of its own"
        else:
            return
        raise Invalid("the step cannot run in a process of its own", who=who, where="executor",
                      expected="a plain function at the top of an importable module", found=found,
                      instead=f"{instead}, or leave executor out")

    @property
    def are_special(self) -> bool:
        """Whether an attempt needs more than to be run."""
        timed = self.start_within is not None or self.heartbeat_timeout is not None
        return timed or self.at_most_once or self.limit is not None or self.queue is not None


SUCH_AS: Mapping[str, tuple[type, str, str]] = {
    "name": (str, "a text", "name='charge'"),
    "retry": (Retry, "a Retry", "retry=Retry(attempts=3)"),
    "at_most_once": (bool, "True or False", "at_most_once=True"),
    "limit": (Limit, "a Limit", "limit=Limit('stripe', concurrency=5)"),
    "executor": (str, "'thread' or 'process'", "executor='process'"),
    "queue": (str, "a text", "queue='gpu'"),
}
"""What options must be, and how they are written; what is a time, or several things, is seen to apart."""


def must_fit(options: StepOptions, who: str) -> None:
    """Invalid where an option is not of its type; None is as good as nothing."""
    for where, given in options.items():
        if given is None:
            continue
        if where in SUCH_AS:
            kind, expected, written = SUCH_AS[where]
            must_be(given, kind, who, where, expected, such_as=written)
        elif where == "raises":
            _must_hold(given, _is_error, who, where, "a tuple of exception classes", such_as="raises=(CardDeclined,)")
        elif where == "needs":
            _must_hold(given, lambda key: isinstance(key, type | str), who, where, "a list of types or names", such_as="needs=[Pool]")
        else:
            must_be_duration(given, who, where)


def _must_hold(given: object, fits: Callable[[object], bool], who: str, where: str, expected: str, *, such_as: str) -> None:
    if not _all_fit(given, fits):
        raise Invalid(f"{where} must be {expected}", who=who, where=where, expected=expected, found=shown(given),
                      instead=f"write for example {such_as}")


def _all_fit(given: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(given, Collection) and not isinstance(given, str) and all(map(fits, cast("Collection[object]", given)))


def _is_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def place_of(function: Callable[..., Any]) -> str:
    """Where a function is defined, as `module:name`."""
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', '<unnamed>')}"


def without_transactions(name: str) -> dict[str, str]:
    """What to say of a transactional step where the log is no database."""
    return {
        "message": "a transactional step needs the embedded log",
        "who": f"step {name!r}",
        "where": "transactional",
        "expected": "a log in a SQLite file: perdure.open('sqlite:///shop.db')",
        "found": "a log without transactions",
        "instead": "make it an ordinary step that hands current().idempotency_key to the database it writes to",
    }
