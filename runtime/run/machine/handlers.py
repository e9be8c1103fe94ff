"""Handlers at work: each call of one is a branch of its own, named by the handler and the number of the call.

So what a handler awaits never shifts the ids of other branches. An update is judged before it is recorded, on the machine as
it rests; recorded, it is an arrival like any other.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from msgspec import Raw, Struct, field
from msgspec.structs import replace

from ....actors.shelf import too_large
from ....eventlog.errors import Bug, Diverged, Invalid, PerdureError, Refused
from ...authoring.errors import Cancelled, Failure, failure_of
from ...authoring.handlers import AnsweringHandler, Handler, QueryHandler, SignalHandler, UpdateHandler
from .. import events as ev
from ..state import UpdateAsked
from . import groups, signals
from .branches import Branch
from .large import kept_or_named
from .reading import read

if TYPE_CHECKING:
    from .driver import Machine


class Heard(Struct):
    """What the code listens to, by name."""

    signals: dict[str, SignalHandler] = field(default_factory=dict)
    updates: dict[str, UpdateHandler] = field(default_factory=dict)
    queries: dict[str, QueryHandler] = field(default_factory=dict)
    early: list[UpdateAsked] = field(default_factory=list)
    """Updates that an earlier generation accepted, until there is a handler for them."""
    calls: dict[str, int] = field(default_factory=dict)
    """How often a handler of each name was called."""

    def of(self, handler: Handler) -> dict[str, Any]:
        """The handlers of the same kind."""
        kinds: dict[type, dict[str, Any]] = {SignalHandler: self.signals, UpdateHandler: self.updates, QueryHandler: self.queries}
        return kinds[type(handler)]


def hear(machine: Machine, handler: Handler) -> None:
    """The code names a handler: what came for it already is handed to it."""
    name, known = handler.name, machine.heard.of(handler)
    if name in known:
        handler.refuse("there is a handler of this name already", "name", "one handler for each name", f"a second {handler.word}",
                       "let the one handler do what depends on the run's state")
    if isinstance(handler, SignalHandler) and machine.listeners.get(name):
        handler.refuse("a branch awaits this signal", "name", "either on_signal or signal for a name", "a branch that awaits signal()",
                       "keep what the handler is given in a variable, and wait_until it is there")
    known[name] = handler
    if isinstance(handler, SignalHandler):
        while machine.inbox.get(name):
            signal(machine, handler, signals.take(machine, name).value)
    elif isinstance(handler, UpdateHandler):
        early = machine.heard.early
        machine.heard.early = [arrival for arrival in early if arrival.name != name]
        for arrival in early:
            if arrival.name == name:
                update(machine, arrival)


# -- calls -------------------------------------------------------------------------------------------------------------


def signal(machine: Machine, handler: SignalHandler, value: Raw) -> None:
    """Hand one signal to its handler."""
    _begin(machine, handler.name, _told(handler, value), None)


def update(machine: Machine, arrival: UpdateAsked) -> None:
    """Hand an accepted update to its handler."""
    handler = machine.heard.updates.get(arrival.name)
    if arrival.blob is not None:
        arrival = replace(arrival, args=machine.content(arrival.args, arrival.blob), blob=None)
    if handler is None and machine.fed <= machine.carried:
        machine.heard.early.append(arrival)  # accepted by an earlier generation: this one will say who handles it
        return
    if handler is None:
        raise _differs(machine, arrival, Invalid("an update that was accepted has no handler", expected=f"on_update({arrival.name!r}, …)",
                                                 found=_names(machine.heard.updates)))
    try:
        arguments = handler.arguments.decode(arrival.args)
    except Invalid as unfit:
        raise _differs(machine, arrival, unfit) from unfit
    _begin(machine, handler.name, _asked(handler, arguments), (handler, arrival.command))


def _differs(machine: Machine, arrival: UpdateAsked, why: Invalid) -> Diverged:
    return Diverged(why.message, who=f"run {machine.run!r}", where=f"update {arrival.name!r} {why.where}".rstrip(), expected=why.expected,
                    found=why.found, instead="deploy the code that accepted the update, or give the changed workflow a new version")


def _begin(machine: Machine, name: str, coroutine: Any, answers: tuple[UpdateHandler, str] | None) -> None:
    root = machine.root
    if root is None:
        raise Bug("a handler was called before the code began", who=machine.run)
    calls = machine.heard.calls
    calls[name] = number = calls.get(name, -1) + 1
    branch = Branch(f"{root.path}{name}~{number}/", coroutine, root.context.copy())
    machine.alive[branch] = None
    machine.handling_for = machine.handling_for or {}
    machine.handling_for[branch] = answers
    machine.ready.append((branch, None, None))


async def _told(handler: SignalHandler, value: Raw) -> None:
    answer = handler.function(*handler.received(value))
    if inspect.isawaitable(answer):
        await answer


async def _asked(handler: UpdateHandler, arguments: tuple[Any, ...]) -> Any:
    args, kwargs = handler.arguments.split(arguments)
    answer = handler.function(*args, **kwargs)
    return await answer if inspect.isawaitable(answer) else answer


def ended(machine: Machine, branch: Branch) -> None:
    """A handler's call is over: an update has its answer, and what a signal's handler raised is the run's failure."""
    answers, error = machine.handling_for.pop(branch), branch.error
    if answers is not None:
        handler, command = answers
        (result, failure), who = carried(handler, branch.value, error), f"update {handler.name!r}, result"
        result, blob = kept_or_named(machine, result, who)
        if blob is not None and not blob.stored:
            failure = failure_of(too_large(who, blob.size, machine.shelf.value_bytes_max))
        machine.wishes.append(ev.UpdateCompleted(command, result, failure, blob))
    elif error is not None and not isinstance(error, Cancelled) and machine.failed is None and machine.root is not None:
        machine.failed = error
        groups.cancel(machine, machine.root, Cancelled(branch))


NULL = Raw(b"null")


def carried(handler: AnsweringHandler, value: Any, error: BaseException | None) -> tuple[Raw, Failure | None]:
    """A handler's result, or what it raised, as data."""
    if error is None:
        try:
            return handler.returns.encode(value), None
        except Invalid as unfit:
            error = unfit
    return NULL, failure_of(error)


# -- judging and looking, at rest --------------------------------------------------------------------------------------


def judged(machine: Machine, name: str, args: Raw) -> Raw:
    """The arguments of an update as they are recorded; Refused where nobody handles it or its validator says no."""
    handler: UpdateHandler = _found(machine, "update", name, machine.heard.updates)
    stored = handler.arguments.accept(bytes(args))
    if handler.validate is not None:
        _value, failure = _looked(machine, f"the validator of update {name!r}", handler, handler.validate, stored)
        if failure is not None:
            raise Refused(failure.message or failure.type, who=f"run {machine.run!r}", where=f"update {name!r}", found=failure.type)
    return stored


def answered(machine: Machine, name: str, args: Raw) -> tuple[Raw, Failure | None]:
    """What a query answers, or what its function raised; Refused where there is none of this name."""
    handler: QueryHandler = _found(machine, "query", name, machine.heard.queries)
    value, failure = _looked(machine, f"query {name!r}", handler, handler.function, handler.arguments.accept(bytes(args)))
    return (NULL, failure) if failure is not None else carried(handler, value, None)


def _looked(
    machine: Machine, what: str, handler: AnsweringHandler, function: Callable[..., Any], stored: Raw
) -> tuple[Any, Failure | None]:
    """What a function says that may only look, or what it raised; errors of perdure itself are raised."""
    root = machine.root
    if root is None:
        raise Bug("a run was looked at before its code began", who=machine.run)
    args, kwargs = handler.arguments.split(handler.arguments.decode(stored))
    try:
        return read(machine, what, root.context, partial(function, *args, **kwargs)), None
    except (PerdureError, KeyboardInterrupt):
        raise
    except BaseException as error:
        return None, failure_of(error)


def _found(machine: Machine, kind: str, name: str, known: Any) -> Any:
    if name not in known:
        kinds = "queries" if kind == "query" else "updates"
        who = f"run {machine.run!r}, workflow {machine.workflow.name!r}"
        instead = f"call one of the {kinds} that its code has registered by now"
        raise Refused(f"the run has no {kind} of this name", who=who, where=kind, expected=_names(known), found=name, instead=instead)
    return known[name]


def _names(known: Any) -> str:
    return ", ".join(sorted(cast("dict[str, object]", known))) or "none is registered"
