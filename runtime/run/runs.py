"""Runs: the kind of actor that a workflow run is. Facts and machine side by side, and what the dispatcher asks of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from ...actors.kind import Kind
from ...actors.shelf import Shelf
from ...eventlog.codec import Event
from ...eventlog.errors import Diverged, PerdureError, Refused
from ...eventlog.records import Head
from ..authoring.workflows import Registry, Workflow
from . import commands as cmd
from . import events as ev
from .admitting import ADMIT, answer_now, answer_to
from .advancing import advance
from .attempts import AttemptStanding, told_of
from .decide import DECIDE
from .decide.artifacts import write_again
from .decide.moving import must_be_here
from .errands import has_errands
from .evolve import EVOLVE
from .heading import attributes_of
from .live import BEGINS_AGAIN, MAY_SET_A_TIME, Run
from .machine.driver import NO_SHELF, Machine
from .machine.large import names_blobs
from .machine.replay import Revival, too_deep, wishes_of
from .machine.shell import outside_loop
from .performing import Answer, Performing, Standing, Trouble, standing_of, status_of
from .repeats import short
from .settling import settle, wait
from .state import ENDED, RunState, canonical, restore


class Runs(Kind[Run, cmd.Command, Event]):
    """The decider of workflow runs, over the workflows of a registry."""

    name = "run"
    codec = ev.CODEC
    state_version = 6
    departures = (ev.MovedOut,)

    def __init__(self, registry: Registry, performing: Performing, shelf: Shelf = NO_SHELF) -> None:
        self.registry = registry
        self.performing = performing
        self.shelf = shelf

    # -- the decider ---------------------------------------------------------------------------------------------------

    def initial(self, stream: str) -> Run:
        return Run(stream, RunState())

    def decide(self, state: Run, command: cmd.Command, now: int) -> Sequence[Event]:
        state.stirred = True
        if state.facts.away:
            must_be_here(state.facts, command)
        if state.facts.released_at:
            write_again(state.stream, command, self.shelf)
        if (admit := ADMIT.get(type(command))) is not None:
            if state.facts.phase == "paused" and state.machine is None:
                self._look_in(state)
            command = admit(state, command)
        decided = DECIDE[type(command)](state.facts, command, now)
        if decided and state.machine is None and state.facts.phase != "new" and any(type(event) is ev.Resumed for event in decided):
            decided = self._before_it_goes_on(state, decided)
        elif decided and type(decided[0]) is ev.Upgraded:
            self._under(state, decided[0].version)
        if len(decided) > 1:
            state.coming = deque(decided[1:])
            decided = decided[:1]
        return decided

    def evolve(self, state: Run, event: Event, at: int) -> Run:
        facts, kind = state.facts, type(event)
        facts.length += 1
        facts.at = at
        EVOLVE[kind](facts, event, at)
        if kind in BEGINS_AGAIN:
            state.begin_again(event)
        elif kind in MAY_SET_A_TIME or facts.step_deadlines:
            state.note_time(event)
        return state

    def react(self, state: Run, now: int) -> Sequence[Event]:
        facts, machine = state.facts, state.machine
        if facts.phase == "running":
            if machine is not None and machine.fed == facts.delivered:
                return state.next_coming() if state.coming else ()
            return self._drive(state) or state.next_coming()
        if state.coming:
            return state.next_coming()
        if facts.phase == "suspended" and state.machine is None and facts.build != self._build(facts):
            return self._try_again(state)
        return ()

    advance = advance  # pyright: ignore[reportAssignmentType] # its first argument is more than any kind: Runs

    def with_what_follows(self, state: Run, event: Event, wishes: Sequence[Event], now: int) -> Sequence[Event]:
        """The event, and the wishes, which the state does not know yet, with all that they lead to."""
        events = [event]
        while wishes:
            for wish in wishes:
                self.evolve(state, wish, now)
            events += wishes
            wishes = self.react(state, now)
        return events

    def answer(self, state: Run, command: cmd.Command) -> Standing | Answer | AttemptStanding | PerdureError | bool | None:
        facts = state.facts
        if isinstance(command, (cmd.Begin, cmd.LookAtAttempt)):
            return told_of(facts, command)
        if isinstance(command, cmd.Update):
            return answer_to(facts.updates[command.command])
        if isinstance(command, cmd.Query):
            return answer_now(state, command)
        id: str = getattr(command, "command", "")
        version = facts.commands.get(short(id)) if id else None
        if version is None:
            version = 1 if isinstance(command, cmd.Start) else facts.length
            if isinstance(command, cmd.Cancel):
                version = facts.cancelling or version  # a second cancel changes nothing: the first one's answer is its answer
        standing = standing_of(facts, version)
        if type(command) is not cmd.Look:
            return standing
        asked = dict(facts.approvals) if facts.approvals and not facts.ended else standing.approvals
        return replace(standing, approvals=asked, started=facts.started_at, changed=facts.at, attributes=attributes_of(facts))

    # -- driving -------------------------------------------------------------------------------------------------------

    def _drive(self, run: Run) -> Sequence[Event]:
        facts, machine = run.facts, run.machine
        try:
            if machine is None:
                workflow = self._workflow(facts)
                run.machine = machine = self._machine(run, workflow)
            return wishes_of(machine, facts)
        except (Diverged, RecursionError) as error:
            return [self.suspended(run, error)]

    def _machine(self, run: Run, workflow: Workflow[..., Any]) -> Machine:
        if run.fresh:
            run.fresh = False
            machine = Machine(run.id, workflow, run.facts, stream=run.stream, shelf=self.shelf)
        else:
            revival = run.revival or Revival(run.id, workflow, run.facts, stream=run.stream, shelf=self.shelf)
            machine = revival.go_on()
            run.revival = None
        machine.lines = run.lines
        return machine

    def _before_it_goes_on(self, run: Run, decided: Sequence[Event]) -> Sequence[Event]:
        """What was decided, if the code agrees with the log as far as the run has come; else it is suspended instead of resumed."""
        try:
            run.machine = self._machine(run, self._workflow(run.facts))
        except Diverged as error:
            suspended = self.suspended(run, error)
            return [suspended if type(event) is ev.Resumed else event for event in decided]
        return decided

    def _look_in(self, run: Run) -> None:
        """Drive a paused run to where it stands, so that its code can be asked; that it disagrees is found at Resume."""
        try:
            run.machine = self._machine(run, self._workflow(run.facts))
        except Diverged:
            run.machine = None

    def _under(self, run: Run, version: int) -> None:
        """Drive the run with the code of another version; Refused, with both columns, where that disagrees with the log."""
        facts, who = run.facts, f"run {run.id!r} of workflow {run.facts.workflow!r}"
        workflow = self.registry.find(facts.workflow, version)
        if workflow is None:
            raise Refused("the version to upgrade to is not registered here", who=who, where="upgrade", expected=self.registry.names(),
                          found=f"{facts.workflow} {version}", instead="register that version, or choose one that is there")
        try:
            machine = Revival(run.id, workflow, facts, stream=run.stream, shelf=self.shelf).go_on()
        except Diverged as differs:
            raise Refused("the code of that version disagrees with the log of the run", who=who, where=f"upgrade, {differs.where}",
                          expected=differs.expected, found=differs.found,
                          instead="let the run end under its own version, or change the code behind patched(…)") from differs
        machine.lines = run.lines
        if run.machine is not None:
            run.machine.close()
        run.machine = None if facts.phase == "suspended" else machine
        if run.machine is None:
            machine.close()

    def _workflow(self, facts: RunState) -> Workflow[..., Any]:
        found = self.registry.find(facts.workflow, facts.version)
        if found is None:
            raise Diverged("the workflow of the run is not registered here", who=f"workflow {facts.workflow!r} version {facts.version}",
                           where="the workflows of this runtime", expected=self.registry.names() or "at least one workflow",
                           found=f"no {facts.workflow} {facts.version}",
                           instead="register that version, beside newer ones, until its runs have ended")
        return found

    def _build(self, facts: RunState) -> str:
        found = self.registry.find(facts.workflow, facts.version)
        return found.build if found is not None else f"none of {self.registry.names()}"

    def suspended(self, run: Run, error: Diverged | RecursionError) -> Event:
        facts, machine = run.facts, run.machine
        delivered = facts.delivered
        if machine is not None:
            delivered = machine.fed - 1
            machine.close()
            run.machine = None
        build = self._build(facts)
        recursed = isinstance(error, RecursionError) or isinstance(error.__cause__, RecursionError)
        if isinstance(error, RecursionError):
            error = too_deep(f"run {run.id!r}")
        is_known = self.registry.find(facts.workflow, facts.version) is not None
        reason = "code" if recursed else "diverged" if is_known else "unknown_workflow"
        run.lines.append(Trouble(run.id, facts.workflow, f"is suspended: {error}"))
        return ev.Suspended(reason, build, delivered, error.message, error.where, error.expected, error.found, error.instead)

    def _try_again(self, run: Run) -> Sequence[Event]:
        """A build that has not been tried: if it agrees with the log, the run goes on."""
        try:
            workflow = self._workflow(run.facts)
            run.machine = self._machine(run, workflow)
        except Diverged as error:
            return [self.suspended(run, error)]
        return [ev.Resumed(workflow.build)]

    # -- what the dispatcher asks besides ------------------------------------------------------------------------------

    def looks(self, command: cmd.Command) -> bool:
        return type(command) in (cmd.Look, cmd.Query)

    def opens(self, command: cmd.Command) -> bool:
        return type(command) in (cmd.Start, cmd.SignalOrStart)

    def awaken(self, state: Run) -> None:
        state.fresh, state.replaced = False, None

    def ready(self, state: Run) -> None:
        """A run that is to be driven through large values takes them a few at a time, before anything is decided."""
        facts = state.facts
        if state.fresh or state.machine is not None:
            return
        due = facts.phase == "running" or (facts.phase == "suspended" and facts.build != self._build(facts))
        workflow = self.registry.find(facts.workflow, facts.version)
        if not due or workflow is None or not names_blobs(facts):
            return
        if state.revival is None:
            state.revival = Revival(state.id, workflow, facts, stream=state.stream, shelf=self.shelf)
        with suppress(Diverged):  # told once the code is really to go on
            state.revival.go_on()

    def claim(self, state: Run, owner: str, epoch: int) -> Sequence[Event]:
        facts = state.facts
        is_live = facts.phase in ("running", "paused", "suspended") and not facts.away
        in_flight = is_live and len(facts.steps) > len(facts.retries) + len(facts.deferred)
        return (ev.Recovered(owner, epoch),) if in_flight else ()

    def head(self, state: Run, old: Head | None) -> Head | None:
        if not state.stirred and old is not None:
            return old
        facts, status, attributes = state.facts, status_of(state.facts), attributes_of(state.facts)
        is_live = facts.phase == "running" and len(facts.steps) > len(facts.retries) + len(facts.deferred)
        wake_at = 0 if is_live or has_errands(facts) or state.waits_for_a_build() else state.next_due()
        if old is not None and old.status == status and old.wake_at == wake_at and old.attributes == attributes:
            return old
        return Head(status, wake_at, facts.workflow, facts.started_at, facts.at, attributes)

    def perform(self, stream: str, state: Run) -> None:
        machine = state.machine
        if state.stirred:
            if not settle(self.performing, self.registry, stream, state) or machine is None:
                return
            facts, performing = state.facts, self.performing
            start = performing.start_again if machine.revived else performing.start
            for id, call in machine.fresh.items():
                step = facts.steps[id]
                call.keys, call.facts = facts.keys, step
                if id not in facts.retries and id not in facts.deferred:
                    start(stream, id, step.attempt, call)
            machine.fresh.clear()
            if machine.revived:
                machine.revived = False
            wait(performing, stream, state, machine)
            state.stirred = not state.is_plain()
        elif machine is not None and (fresh := machine.fresh):
            start = self.performing.start
            for id, call in fresh.items():
                start(stream, id, 1, call)
            fresh.clear()

    def idle(self, state: Run) -> bool:
        facts = state.facts
        if has_errands(facts):
            return False
        return facts.ended or bool(facts.away) or facts.phase == "suspended" or not state.has_steps_under_way()

    def done(self, state: Run) -> bool:
        facts = state.facts
        return state.stirred and bool(facts.phase in ENDED or facts.away) and not has_errands(facts)

    def lose(self, stream: str) -> None:
        self.performing.lost(stream)

    def forget(self, stream: str, state: Run) -> None:
        if state.revival is not None:
            outside_loop(state.revival.machine.close)
            state.revival = None
        if (machine := state.machine) is not None:
            if machine.alive:
                outside_loop(machine.close)
            else:
                machine.close()
            state.machine = None

    def freeze(self, state: Run) -> bytes | None:
        return canonical(state.facts)

    def thaw(self, stream: str, data: bytes) -> Run:
        run = Run(stream, restore(data))
        run.set_dues()
        return run
