"""The driver: the live half of a run. Sans-IO: arrivals in, events out.

It holds the coroutines of one run and drives them by hand. It is fed one arrival at a time, in the order of the log, and
after each runs every ready branch to rest in a fixed order; what the code asked for meanwhile are its wishes, as events.
That is the whole of determinism: the same code fed the same arrivals makes the same wishes. It is iterative, so the depth
of the stack does not depend on how branches nest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from random import Random
from typing import Any

from msgspec import Raw

from ....actors.shelf import NeedValue, Shelf
from ....eventlog.blobs import Artifact, Blob
from ....eventlog.codec import Event
from ....eventlog.errors import Bug, Diverged
from ...authoring.driving import DRIVER
from ...authoring.effects import ChildResult, ContinueAs, Effect, SignalWait, StepCall
from ...authoring.errors import Cancelled
from ...authoring.handlers import Handler
from ...authoring.messages import WaitUntil
from ...authoring.sending import Sending
from ...authoring.values import NOTHING
from ...authoring.workflows import Workflow
from .. import events as ev
from ..state import Arrival, Begun, CancelAsked, Decided, Ended, Fired, Outcome, RunState, Signalled, UpdateAsked
from . import approvals, children, conditions, groups, handlers, lives, signals, steps, timers
from .branches import Branch, Group
from .foreign import foreign, line_of_code, suspended_frames
from .notes import noted, noted_value
from .seldom import Seldom
from .sending import ask_sending
from .steps import ask_step

NOBODY: tuple[None, None] = (None, None)

EFFECTS_PER_REST_MAX = 100_000
"""What a workflow may await between two rests before it counts as one that never rests."""

NO_SHELF = Shelf()


class Machine(Seldom):
    """A run's code being driven. `begin`, then `feed` each arrival; take `wishes` after each."""

    __slots__ = (
        "abandoned", "alive", "at", "closing", "current", "dropped", "ending", "fed", "fresh", "generation", "input",
        "input_blob", "lines", "ready", "root", "run", "seed", "shelf", "stream", "waits", "wishes", "workflow",
    )  # fmt: skip

    def __init__(
        self, run: str, workflow: Workflow[..., Any], facts: RunState, *, stream: str = "", shelf: Shelf = NO_SHELF
    ) -> None:
        self.run, self.stream, self.shelf = run, stream, shelf
        """Where the large values of the run are, under its stream."""
        self.workflow = workflow
        self.seed, self.input, self.input_blob = facts.seed, facts.input, facts.input_blob
        self.generation = facts.generation
        if facts.held and facts.held[0].start < 0:
            self.carried = facts.held[0].end
        if facts.patches:
            self.patches = dict.fromkeys(facts.patches, True)
        self.at, self.fed = 0, -1
        """Arrivals taken; -1 before the code began."""
        self.closing = False
        self.lines: list[Any] | None = None
        self.ending: Event | None = None
        """How the run ends, once its code has."""
        self.wishes: list[Event] = []
        self.fresh: dict[str, StepCall[Any]] = {}
        """Steps wanted and not yet taken to be performed."""
        self.abandoned: list[str] = []
        self.dropped: list[str] = []
        """Effects no longer wanted: not yet told, and not yet taken to be cancelled."""
        self.waits: dict[str, tuple[Branch, Any]] = {}
        self.ready: deque[tuple[Branch, Any, BaseException | None]] = deque()
        self.alive: dict[Branch, None] = {}
        """Coroutines that have not ended, in the order of their beginning."""
        self.current: Branch | None = None
        self.root: Branch | None = None

    # -- what the shell calls ------------------------------------------------------------------------------------------

    def begin(self, at: int) -> None:
        """Run the code from its first line to its first rest."""
        self.at, self.fed = at, 0
        context = copy_context()
        context.run(DRIVER.set, self)
        arguments, given = self.workflow.arguments, self.input
        if self.input_blob is not None:
            given = self.content(given, self.input_blob)
        args, kwargs = arguments.split(arguments.decode(given))
        path = "" if self.generation == 1 else f"{self.generation}:"
        self.root = root = Branch(path, context.run(self.workflow.function, *args, **kwargs), context)
        self.alive[root], root.started = None, True
        if (step := self.send(root, None)) is not None:
            ask_step(self, root, step)
        self.to_rest()

    def feed(self, arrival: Arrival, at: int) -> None:
        """Hand the code what arrived, and run it to rest."""
        self.at = max(at, self.at)
        self.fed += 1
        TAKE[type(arrival)](self, arrival)
        self.to_rest()

    def take_wishes(self) -> list[Event]:
        wishes, self.wishes = self.wishes, []
        return wishes

    def close(self) -> None:
        """Leave memory: every coroutine is closed by us, and what its cleanup awaits is refused, never performed."""
        self.closing = True
        for branch in reversed(self.alive):
            lives.close(branch)
            branch.waiting = branch.group = None
            branch.joiners.clear()
        self.alive.clear()
        self.waits.clear()
        self.ready.clear()
        self.fresh.clear()
        self.forget()
        self.root = self.current = None

    # -- what the author's words call ----------------------------------------------------------------------------------

    def time(self) -> int:
        """What time it is to the code: that of the newest arrival it has taken."""
        return self.at

    def random(self) -> Random:
        return self._branch().random(self.seed)

    def note(self, level: str, message: str, fields: dict[str, Any]) -> None:
        self.wishes.append(ev.Logged(level, message, noted(fields)))

    def set_attributes(self, values: dict[str, Any]) -> None:
        self.wishes.append(ev.AttributesSet({name: noted_value(name, value) for name, value in values.items()}))

    def patched(self, name: str) -> bool:
        known = self.patches.get(name)
        if known is None:
            known = not self.replaying
            self.patches = self.patches or {}
            self.patches[name] = known
            if known:
                self.wishes.append(ev.Patched(name))
        return known

    def artifact(self, name: str) -> Artifact | None:
        return self.artifacts.get(name)

    def describe(self) -> dict[str, Any]:
        return {"run": self.run, "workflow": self.workflow.name, "version": self.workflow.version, "generation": self.generation}

    def home(self) -> str:
        return self.workflow.function.__module__

    def hear(self, handler: Handler) -> None:
        handlers.hear(self, handler)

    def handling(self) -> int:
        return len(self.handling_for)

    def join_in(self, group: Group, work: Awaitable[Any], name: str | None) -> Branch:
        return groups.start(self, group, work, name)

    def _branch(self) -> Branch:
        if self.current is None:
            raise Bug("a word of an author was called while nothing is driven", who=self.run)
        return self.current

    # -- running to rest -----------------------------------------------------------------------------------------------

    def to_rest(self) -> None:
        """Run the code until every branch waits."""
        left, self.current = EFFECTS_PER_REST_MAX, None
        if self.ready:
            left = self._go_on(left)
        stirred = bool(self.conditions)
        while stirred:
            stirred = False
            for branch in tuple(self.conditions):
                if conditions.holds(self, branch):
                    stirred, left = True, self._go_on(left)
        if self.abandoned:
            self.tell_abandoned()
        if self.root is not None and self.root.ended and self.ending is None:
            self._ended(self.root)

    def tell_abandoned(self) -> None:
        """Say what the code no longer wants: after all that it asked for before, and before its generation ends."""
        if self.abandoned:
            self.wishes.append(ev.EffectsAbandoned(self.abandoned))
            self.dropped += self.abandoned
            self.abandoned = []

    def _go_on(self, left: int) -> int:
        """Run whoever is ready until all wait; how many awaits are left of those that one rest may take."""
        ready = self.ready
        while ready:
            branch, value, error = ready.popleft()
            taken = self.given.pop(branch, None) if self.given else None
            coroutine = branch.coroutine
            if coroutine is None:
                if taken is not None and branch.group is not None:
                    groups.decided_by(branch.group, taken)
                self.end(branch, value, error)
                continue
            if (left := left - 1) < 0:
                where = line_of_code(suspended_frames(coroutine), self.home())
                raise Diverged("the workflow never rests", who=f"run {self.run!r}", where=where,
                               expected=f"at most {EFFECTS_PER_REST_MAX} awaits between two waits for something outside", found="more",
                               instead="put a step or a sleep into the loop")
            if not branch.started:
                branch.started, error = True, error or branch.pending
            if (step := self.send(branch, value, error)) is not None:
                ask_step(self, branch, step)
        self.current = None
        return left

    def send(self, branch: Branch, value: Any, error: BaseException | None = None) -> StepCall[Any] | None:
        """Let a branch go on, with what it waited for, to its next await: the step that it asks for, where it is one.

        All else has been seen to. Only at a rest, when nobody else is ready, may a branch be given something before it is `ready`.
        """
        branch.waiting = None
        if (go_on := branch.send) is None:
            self.ready.append((branch, value, error))
            return None
        self.current = branch
        try:
            asked = branch.run(go_on, value) if error is None else branch.run(branch.coroutine.throw, error)
        except BaseException as ended:
            self._returned(branch, ended)
            return None
        if type(asked) is StepCall and branch.pending is None:
            return asked  # pyright: ignore[reportUnknownVariableType] # a StepCall of anything
        self._asked(branch, asked)
        return None

    def _returned(self, branch: Branch, error: BaseException) -> None:
        """The coroutine of a branch has returned, or raised: that ends the branch, and sys.exit() in it the run, not the node."""
        if isinstance(error, StopIteration):
            self.end(branch, error.value, None)
        elif isinstance(error, RecursionError | KeyboardInterrupt):
            raise error
        else:
            self.end(branch, None, error)

    def _asked(self, branch: Branch, asked: Any) -> None:
        if isinstance(asked, Effect):
            self.ask(branch, asked)  # pyright: ignore[reportUnknownArgumentType] # an Effect of anything
        else:
            where = line_of_code(suspended_frames(branch.coroutine), self.home())
            self.ready.appendleft((branch, None, foreign(self.describe(), asked, where)))

    def ask(self, branch: Branch, effect: Effect[Any]) -> None:
        """Begin what a branch awaits."""
        handler = ASK[type(effect)]
        if branch.pending is not None and groups.interrupts(branch, effect):
            error, branch.pending = branch.pending, None
            self.ready.append((branch, None, error))
            return
        handler(self, branch, effect)

    def resume(self, branch: Branch, value: Any, error: BaseException | None = None) -> None:
        """The branch is ready to go on."""
        branch.waiting = None
        self.ready.append((branch, value, error))

    def end(self, branch: Branch, value: Any, error: BaseException | None) -> None:
        """The branch has ended; who waits for it goes on."""
        branch.ended, branch.value, branch.error, branch.waiting = True, value, error, None
        self.alive.pop(branch, None)
        for joiner in branch.joiners:
            if joiner.waiting is not None:
                self.resume(joiner, value, error)
        branch.joiners.clear()
        if branch.group is not None:
            groups.ended(self, branch.group, branch)
        elif branch in self.handling_for:
            handlers.ended(self, branch)

    def _ended(self, root: Branch) -> None:
        self.ending = lives.ending_of(self, root.value, root.error)
        self.wishes.append(self.ending)

    # -- large values --------------------------------------------------------------------------------------------------

    def keep(self, content: Raw, who: str) -> tuple[Raw, Blob | None]:
        """(what an event holds of a value, the name of the blob that holds it where it is large); TooLarge where nothing may."""
        if len(content) <= self.shelf.large_bytes:
            return content, None
        if self.replaying:
            return NOTHING, self.shelf.named(bytes(content), who)
        return NOTHING, self.shelf.keep(self.stream, bytes(content), who)

    def content(self, value: Raw, blob: Blob | None) -> Raw:
        """The value that the code is to be given; NeedValue where it is not at hand."""
        if blob is None:
            return value
        found = self.shelf.find(self.stream, blob)
        if found is None:
            raise NeedValue([blob])
        return Raw(found)

    # -- effects -------------------------------------------------------------------------------------------------------

    def wait_for(self, id: str, branch: Branch, effect: Any) -> None:
        """The branch waits for what has this id: an arrival that names it ends the wait, and `drop` takes it back."""
        branch.waiting = effect
        self.waits[id] = (branch, effect)

    def abandon(self, branch: Branch) -> bool:
        """Take back what a branch waits for outside; False where it waits for none of that."""
        effect = branch.waiting
        stop = ABANDON.get(type(effect))  # pyright: ignore[reportUnknownArgumentType] # an Effect of anything
        if stop is not None:
            stop(self, branch, effect)
            return True
        if type(effect) is WaitUntil:
            conditions.abandon(self, branch)
            return True
        id = f"{branch.path}{branch.ordinal - 1}"
        if self.waits.get(id, NOBODY)[1] is not effect:
            return False
        self.drop(id)
        return True

    def drop(self, id: str) -> None:
        """The code no longer wants an effect."""
        if self.waits.pop(id, None) is not None:
            self.fresh.pop(id, None)
            self.abandoned.append(id)


def cancelled(machine: Machine, arrival: CancelAsked) -> None:
    """Somebody wants the run to end: `Cancelled` is raised at every current await, once."""
    if not machine.cancelling and machine.root is not None:
        machine.cancelling = True
        for branch in (machine.root, *machine.handling_for):
            groups.cancel(machine, branch, Cancelled())


ASK: Mapping[type, Callable[[Machine, Branch, Any], None]] = {
    StepCall: ask_step,
    SignalWait: signals.ask_signal,
    WaitUntil: conditions.ask_condition,
    Sending: ask_sending,
    ContinueAs: lives.ask_continue,
    **timers.ASKS,
    **children.ASKS,
    **groups.ASKS,
    **approvals.ASKS,
}
"""What the code may await, and how it begins."""

ABANDON: Mapping[type, Callable[[Machine, Branch, Any], None]] = {
    SignalWait: signals.abandon,
    ChildResult: children.abandon_result,
}
"""Waits that leave no trace in the log when they end early."""

TAKE: Mapping[type, Callable[[Machine, Any], None]] = {
    Outcome: steps.arrived,
    Fired: timers.arrived,
    Signalled: signals.arrived,
    Decided: approvals.arrived,
    UpdateAsked: handlers.update,
    Begun: children.begun,
    Ended: children.ended,
    CancelAsked: cancelled,
}
"""What may arrive, and who takes it."""
