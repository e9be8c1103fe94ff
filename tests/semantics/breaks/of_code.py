"""Breaks of how the code of a workflow is driven: order, identity, chance, time, versions, leaving memory."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any
from unittest.mock import patch

from perdure.actors.judging import Judged
from perdure.actors.judging import judge as real_judge
from perdure.actors.mailbox import Actor
from perdure.actors.ports import Ownership
from perdure.eventlog.codec import Event
from perdure.runtime.authoring.drawing import Drawing
from perdure.runtime.authoring.workflows import Registry, Workflow
from perdure.runtime.inspect import replay as inspecting
from perdure.runtime.perform.alarm import Alarm
from perdure.runtime.perform.steadiness import Steadiness
from perdure.runtime.run.live import Run
from perdure.runtime.run.machine import groups, lives, replay, shell
from perdure.runtime.run.machine.driver import Machine
from perdure.runtime.run.runs import Runs
from perdure.runtime.run.state import RunState
from tests.semantics.breaks.table import breaks
from tests.sim.bugs import coroutine_kept_after_conflict

breaks("03", "test_rule_03_unconfirmed_is_dropped.py::test_nothing_of_a_turn_that_was_not_confirmed_is_kept")(coroutine_kept_after_conflict)


@breaks("02", "test_rule_02_arrivals_in_order.py::test_the_code_takes_them_as_the_log_has_them_after_a_pause_a_crash_and_on_replay")
@contextmanager
def newest_first() -> Generator[None]:
    """What came while the run stood still is taken from its end."""
    def wishes_of(machine: Machine, facts: RunState) -> Sequence[Event]:
        if 0 <= machine.fed < facts.delivered:
            facts.arrivals[machine.fed : facts.delivered] = reversed(facts.arrivals[machine.fed : facts.delivered])
        return replay.wishes_of(machine, facts)

    with patch("perdure.runtime.run.runs.wishes_of", wishes_of):
        yield


@breaks("08", "test_rule_08_identity.py::test_every_effect_has_the_id_of_its_place")
@contextmanager
def a_line_takes_a_place() -> Generator[None]:
    """`log` counts among what is awaited."""
    real = Machine.note

    def note(self: Machine, level: str, message: str, fields: dict[str, Any]) -> None:
        self._branch().next_id()
        real(self, level, message, fields)

    with patch.object(Machine, "note", note):
        yield


@breaks("09", "test_rule_09_divergence.py::test_each_way_to_differ_is_found_and_suspends_the_run")
@contextmanager
def differences_overlooked() -> Generator[None]:
    """Whatever the code asks for is taken for what the log holds."""
    with patch.object(replay._Script, "_first_difference", return_value=None):
        yield


@breaks("11", "test_rule_11_content_digest.py::test_a_run_that_was_killed_and_retried_agrees_with_a_clean_one_and_another_does_not")
@contextmanager
def time_in_the_digest() -> Generator[None]:
    """The content digest covers when the run ended."""
    real = inspecting._ending

    def ending(facts: RunState) -> bytes:
        return real(facts) + b"%d" % facts.at

    with patch.object(inspecting, "_ending", ending):
        yield


@breaks("12", "test_rule_12_chance.py::test_a_seed_gives_its_golden_numbers_in_every_branch")
@contextmanager
def chance_of_python() -> Generator[None]:
    """Bits are drawn by Python's own generator."""
    with patch.object(Drawing, "getrandbits", Random.getrandbits):
        yield


@breaks("13", "test_rule_13_time.py::test_it_is_the_time_of_the_record_and_never_goes_back")
@contextmanager
def time_goes_back() -> Generator[None]:
    """A record has the time that the wall clock shows, whatever the one before it had."""
    def judge(actors: Sequence[Actor], now: int, ownership: Ownership, judged: Judged) -> None:
        for actor in actors:
            actor.at = 0
        real_judge(actors, now, ownership, judged)

    with patch("perdure.actors.dispatcher.judge", judge):
        yield


@breaks("13-clock", "test_rule_13_clock_jumps.py::test_a_jump_holds_timers_and_is_told_once")
@contextmanager
def every_clock_believed() -> Generator[None]:
    """A wall clock that jumps is followed at once."""
    with patch.object(Steadiness, "jumped", return_value=0):
        yield


@breaks("13-decided", "test_rule_13_clock_jumps.py::test_an_approval_that_expires_is_decided_by_a_clock_that_is_believed")
@contextmanager
def every_decision_by_the_clock() -> Generator[None]:
    """Timers are held while the clock is doubted, and people are still judged by it."""
    with patch.object(Alarm, "doubted", return_value=False):
        yield


@breaks("18", "test_rule_18_suspended.py::test_only_facts_from_outside_are_recorded_until_a_build_agrees")
@contextmanager
def tried_at_every_activation() -> Generator[None]:
    """Which build disagreed is forgotten with the run."""
    real = Runs.awaken

    def awaken(self: Runs, state: Run) -> None:
        real(self, state)
        state.facts.build = ""

    with patch.object(Runs, "awaken", awaken):
        yield


@breaks("18-unasked", "test_rule_18_suspended.py::test_a_build_that_agrees_is_tried_though_nobody_asks_for_the_run")
@contextmanager
def suspended_until_asked() -> Generator[None]:
    """A suspended run is tried under another build only when somebody asks for it."""
    with patch.object(Run, "waits_for_a_build", return_value=False):
        yield


@breaks("20", "test_rule_20_losers.py::test_losers_are_cancelled_in_code_in_the_log_and_in_the_world")
@contextmanager
def losers_fail() -> Generator[None]:
    """Who loses a race sees some error."""

    def lost(source: object = None) -> Exception:
        return RuntimeError("lost")

    with patch.object(groups, "Cancelled", lost):
        yield


@breaks("32", "test_rule_32_versions.py::test_a_new_run_gets_the_version_it_is_started_with_and_keeps_it")
@contextmanager
def newest_version_for_all() -> Generator[None]:
    """Whatever version a run is of, it gets the newest code."""

    def find(self: Registry, name: str, version: int) -> Workflow[..., Any] | None:
        return self.newest(name) if name in self.known else None

    with patch.object(Registry, "find", find):
        yield


@breaks("33", "test_rule_33_patched.py::test_a_run_of_the_old_code_keeps_the_old_way_to_its_end")
@contextmanager
def always_patched() -> Generator[None]:
    """Every run takes the new way, though its log holds the old one."""
    with patch.object(Machine, "patched", return_value=True):
        yield


@breaks("34", "test_rule_34_no_loop_in_workflow_code.py::test_a_task_is_refused_in_a_workflow_and_allowed_in_a_step")
@contextmanager
def loop_left_in_place() -> Generator[None]:
    """Workflow code runs with the event loop around it."""

    def leave(loop: object) -> None: ...

    with patch.object(shell, "_set_running_loop", leave):
        yield


@breaks("42", "test_rule_42_leaving_memory.py::test_cleanup_at_passivation_is_refused_and_at_the_end_performed")
@contextmanager
def left_to_the_collector() -> Generator[None]:
    """Coroutines that leave memory are closed by whoever collects them."""

    def leave(branch: object) -> None: ...

    with patch.object(lives, "close", leave):
        yield
