"""Breaks of how runs are steered: standing still, ending, beginning again, messages, children, steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import anyio
import anyio.to_thread
from msgspec import Raw
from msgspec.structs import replace

from perdure.actors.dispatcher import Dispatcher
from perdure.adapters.system.clock import WorkerThreads
from perdure.eventlog.blobs import Blob, Check
from perdure.eventlog.codec import Event
from perdure.eventlog.errors import Refused
from perdure.eventlog.memory import MemoryBlobs
from perdure.runtime import moves
from perdure.runtime.perform.attending import Care
from perdure.runtime.perform.pool import Pool
from perdure.runtime.run import admitting, runs
from perdure.runtime.run import commands as cmd
from perdure.runtime.run import events as ev
from perdure.runtime.run.decide import DECIDE, asking
from perdure.runtime.run.decide import steps as deciding_steps
from perdure.runtime.run.evolve import EVOLVE
from perdure.runtime.run.evolve import children as evolving_children
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import lives
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.repeats import Forgotten
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import NEVER, RunState
from tests.semantics.breaks.table import breaks
from tests.sim.bugs import begun_again_at_recovery, reply_before_durable, signal_eaten_by_a_loser

breaks("21", "test_rule_21_order.py::test_a_lost_race_takes_none")(signal_eaten_by_a_loser)
breaks("24", "test_rule_24_answers.py::test_nothing_is_answered_before_it_is_durable")(reply_before_durable)
breaks("29", "test_rule_29_at_most_once.py::test_a_crash_gives_interrupted_and_no_second_attempt")(begun_again_at_recovery)


@breaks("10", "test_rule_10_generations.py::test_a_generation_follows_the_other_in_one_stream_with_ids_and_keys_of_its_own")
@contextmanager
def generations_not_counted() -> Generator[None]:
    """The next generation has the ids of the one before."""
    real = EVOLVE[ev.Continued]

    def continued(state: RunState, event: ev.Continued, at: int) -> None:
        generation = state.generation
        real(state, event, at)
        state.generation = generation

    with patch.dict(EVOLVE, {ev.Continued: continued}):
        yield


@breaks("14", "test_rule_14_standing_still.py::test_waiting_is_running_and_passivated_is_the_same_without_memory")
@contextmanager
def never_passivated() -> Generator[None]:
    """Idle runs stay in memory."""

    async def passivate(self: Dispatcher, *, untouched_since: int | None = None) -> int:
        return 0

    with patch.object(Dispatcher, "passivate", passivate):
        yield


@breaks("15", "test_rule_15_pause.py::test_a_running_step_ends_and_is_recorded_and_no_new_one_starts")
@contextmanager
def pause_forgotten() -> Generator[None]:
    """A pause is recorded, and the run goes on."""
    real = EVOLVE[ev.Paused]

    def paused(state: RunState, event: ev.Paused, at: int) -> None:
        real(state, event, at)
        state.phase = "running"

    with patch.dict(EVOLVE, {ev.Paused: paused}):
        yield


@breaks("15-children", "test_rule_15_children.py::test_a_word_to_the_children_outlives_the_node_that_was_to_bring_it")
@contextmanager
def words_said_once() -> Generator[None]:
    """What children are told is gone with the node that was to tell them."""
    real = Runs.claim

    def claim(runs: Runs, run: Run, owner: str, epoch: int) -> Sequence[Event]:
        run.facts.telling.clear()
        return real(runs, run, owner, epoch)

    with patch.object(Runs, "claim", claim):
        yield


@breaks("15-order", "test_rule_15_children.py::test_of_two_words_of_a_parent_the_later_one_counts_in_whatever_order_they_come")
@contextmanager
def words_in_the_order_they_come() -> Generator[None]:
    """Children follow what comes last."""
    real = DECIDE[cmd.Follow]

    def follow(state: RunState, command: cmd.Follow, now: int) -> Sequence[Event]:
        state.heard = 0
        return real(state, command, now)

    with patch.dict(DECIDE, {cmd.Follow: follow}):
        yield


@breaks("16", "test_rule_16_cancel.py::test_the_run_ends_cancelled_whatever_the_body_returns")
@contextmanager
def ends_as_the_body_says() -> Generator[None]:
    """A cancelled run whose body returns a value completes."""
    real = lives.ending_of

    def ending(machine: Machine, value: Any, error: BaseException | None) -> Event:
        machine.cancelling = False
        return real(machine, value, error)

    with patch.object(lives, "ending_of", ending):
        yield


@breaks("17", "test_rule_17_retry.py::test_it_goes_on_from_the_failed_step_with_the_same_key")
@contextmanager
def always_fresh_keys() -> Generator[None]:
    """A retried step is told another key."""
    real = EVOLVE[ev.RetryRequested]

    def retried(state: RunState, event: ev.RetryRequested, at: int) -> None:
        real(state, replace(event, fresh_keys=True), at)

    with patch.dict(EVOLVE, {ev.RetryRequested: retried}):
        yield


@breaks("22", "test_rule_22_updates_and_queries.py::test_what_the_validator_refuses_is_not_recorded")
@contextmanager
def validators_not_asked() -> Generator[None]:
    """Every update is accepted."""

    def judged(machine: Machine, name: str, args: Raw) -> Raw:
        return args

    with patch.object(admitting, "judged", judged):
        yield


@breaks("23", "test_rule_23_dedupe.py::test_a_repeated_command_counts_once_in_one_file_over_restarts")
@contextmanager
def commands_forgotten() -> Generator[None]:
    """Which signals were accepted is not remembered."""
    real = DECIDE[cmd.Signal]

    def signal(state: RunState, command: cmd.Signal, now: int) -> Sequence[Event]:
        state.commands.clear()
        return real(state, command, now)

    with patch.dict(DECIDE, {cmd.Signal: signal}):
        yield


@breaks("23-old", "test_rule_23_bounded.py::test_a_repeat_of_what_is_forgotten_is_refused_and_never_applied_twice")
@contextmanager
def old_ids_taken_for_new_ones() -> Generator[None]:
    """What an id says of its age is not looked at."""

    def is_forgotten(forgotten: Forgotten, command: str) -> bool:
        return False

    with patch.object(asking, "is_forgotten", is_forgotten):
        yield


@breaks("25", "test_rule_25_taken_id.py::test_another_input_is_refused")
@contextmanager
def any_input_will_do() -> Generator[None]:
    """A start with a taken id gives that run, whatever it was started with."""
    real = DECIDE[cmd.Start]

    def start(state: RunState, command: cmd.Start, now: int) -> Sequence[Event]:
        try:
            return real(state, command, now)
        except Refused:
            return ()

    with patch.dict(DECIDE, {cmd.Start: start}):
        yield


@breaks("26", "test_rule_26_partings.py::test_a_terminated_parent_parts_from_its_children")
@contextmanager
def every_child_goes_on() -> Generator[None]:
    """Whatever a child was told about the end of its parent, it is abandoned."""
    real = evolving_children._want

    def want(state: RunState, id: str, child: Any) -> None:
        real(state, id, replace(child, how="abandon"))

    with patch.object(evolving_children, "_want", want):
        yield


@breaks("27", "test_rule_27_heartbeats.py::test_the_last_heartbeat_of_an_attempt_that_failed_at_once_is_not_lost")
@contextmanager
def heartbeats_unheard() -> Generator[None]:
    """The next attempt is not told how far the one before came."""
    with patch.object(Care, "untold", return_value=None):
        yield


@breaks("30", "test_rule_30_ended_from_outside.py::test_the_token_of_another_attempt_is_refused")
@contextmanager
def any_token_will_do() -> Generator[None]:
    """The token of any attempt ends the step."""
    real = DECIDE[cmd.Settle]

    def settle(state: RunState, command: cmd.Settle, now: int) -> Sequence[Event]:
        step = state.steps.get(command.token.effect)
        if step is not None:
            step.attempt = command.token.attempt
        return real(state, command, now)

    with patch.dict(DECIDE, {cmd.Settle: settle}):
        yield


@breaks("31", "test_rule_31_retries.py::test_only_named_errors_and_those_below_them_are_tried_again")
@contextmanager
def never_tried_again() -> Generator[None]:
    """A failed attempt is the last."""
    with patch.object(deciding_steps, "pause_after", return_value=None):
        yield


@breaks("28", "test_rule_28_processes.py::test_it_runs_in_another_process_which_is_kept_for_the_next")
@contextmanager
def no_processes() -> Generator[None]:
    """A step that asks for a process gets a thread."""

    def forget(self: Pool, processes: object) -> None: ...

    with patch.object(Pool, "processes", property(lambda self: None, forget), create=True):
        yield


@breaks("28-threads", "test_rule_28_threads.py::test_the_next_attempt_waits_for_the_thread_of_the_one_that_took_too_long")
@contextmanager
def threads_left_alone() -> Generator[None]:
    """An attempt is over when its time is, though its thread goes on."""

    async def run(self: WorkerThreads, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), abandon_on_cancel=True)

    with patch.object(WorkerThreads, "run", run):
        yield


@breaks("35-outside", "test_rule_35_from_outside.py::test_what_an_update_brings_and_what_it_answers_lie_in_blobs_and_outlive_a_restart")
@contextmanager
def updates_in_their_events() -> Generator[None]:
    """However large what an update brings, its event holds it."""
    real = Machine.keep

    def keep(machine: Machine, content: Raw, who: str) -> tuple[Raw, Blob | None]:
        return (content, None) if who.startswith("update") else real(machine, content, who)

    with patch.object(Machine, "keep", keep):
        yield


@breaks("35", "test_rule_35_need_value.py::test_a_damaged_blob_breaks_its_run_alone_and_its_log_stays_as_it_is")
@contextmanager
def blobs_not_checked() -> Generator[None]:
    """Whatever lies under a blob's name is given to the code."""

    def end(self: Check) -> None:
        self.complete = True

    with patch.object(Check, "end", end):
        yield


@breaks("35-retention", "test_rule_35_retention.py::test_a_run_that_goes_on_after_a_release_keeps_what_it_stores_anew")
@contextmanager
def removals_without_a_mark() -> Generator[None]:
    """Who removes late removes what was written since, too."""
    real = MemoryBlobs.remove

    async def remove(self: MemoryBlobs, stream: str, digests: Collection[str], mark: int) -> None:
        await real(self, stream, digests, NEVER)

    with patch.object(MemoryBlobs, "remove", remove):
        yield


@breaks("45", "test_rule_45_moves.py::test_a_run_that_has_left_its_log_is_decided_there_no_more")
@contextmanager
def decided_where_it_was() -> Generator[None]:
    """A run that has moved is decided in the log that it left, too."""

    def anywhere(state: RunState, command: cmd.Command) -> None:
        return

    with patch.object(runs, "must_be_here", anywhere):
        yield


@breaks("45-word", "test_rule_45_moves.py::test_of_import_and_taking_back_the_first_counts")
@contextmanager
def every_word_counts() -> Generator[None]:
    """The log that runs go to says what it is asked to say, whatever it has said before."""

    async def said(log: Any, tenant: str, move: str, wish: Any, now: int) -> Any:
        return wish

    with patch.object(moves, "taken_or_refused", said):
        yield
