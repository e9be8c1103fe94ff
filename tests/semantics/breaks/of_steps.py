"""Breaks of attempts, where they run and what they know, and of what bounds code that does too much."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import anyio
import anyio.to_thread

from perdure.adapters.system.clock import WorkerThreads
from perdure.runtime.authoring.effects import StepCall
from perdure.runtime.authoring.steps import Attempt
from perdure.runtime.perform import pool
from perdure.runtime.perform.pool import Pool
from perdure.runtime.run.evolve import again
from perdure.runtime.run.machine.driver import Machine
from tests.semantics.breaks.table import breaks


@breaks("10-signals", "test_rule_10_commands.py::test_a_repeated_signal_of_an_earlier_generation_counts_once_and_gets_its_first_answer")
@contextmanager
def commands_of_one_generation() -> Generator[None]:
    """A new generation knows no commands."""
    with patch.object(again, "KEPT", again.KEPT - {"commands"}):
        yield


@breaks("10-cancel", "test_rule_10_commands.py::test_a_cancel_before_the_next_generation_ends_that_one_and_is_known_there")
@contextmanager
def cancels_of_one_generation() -> Generator[None]:
    """A cancel that a generation had not seen when it ended is gone with it."""

    class Nothing: ...

    with patch.object(again, "CancelAsked", Nothing):
        yield


@breaks("19", "test_rule_19_never_rests.py::test_code_that_never_rests_is_suspended_and_told_where_and_the_others_go_on")
@contextmanager
def awaits_not_counted() -> Generator[None]:
    """Code may await as often as it likes in one turn."""
    real = Machine._go_on

    def go_on(self: Machine, left: int) -> int:
        return real(self, 1 << 60)

    with patch.object(Machine, "_go_on", go_on):
        yield


@breaks("22-bound", "test_rule_22_many_queries.py::test_no_more_are_answered_at_once_than_the_bound_and_steps_go_on_beside_them")
@contextmanager
def a_thread_a_query() -> Generator[None]:
    """Every query has a thread at once."""

    async def look(self: WorkerThreads, function: Callable[..., Any], *args: Any) -> Any:
        return await anyio.to_thread.run_sync(partial(function, *args), limiter=anyio.CapacityLimiter(1))

    with patch.object(WorkerThreads, "look", look):
        yield


@breaks("27-context", "test_rule_27_attempts.py::test_what_an_attempt_sets_in_its_context_no_other_sees")
@contextmanager
def one_context_for_all() -> Generator[None]:
    """Attempts run in the context of their worker."""

    class Shared:
        def run(self, function: Callable[..., Any], *args: Any) -> Any:
            return function(*args)

    with patch.object(pool, "copy_context", Shared):
        yield


@breaks("27-scope", "test_rule_27_attempts.py::test_an_attempt_that_is_cancelled_takes_no_other_with_it_nor_the_runtime")
@contextmanager
def one_scope_for_all() -> Generator[None]:
    """Workers have the scope of their group, and no one of their own."""

    async def worker(self: Pool) -> None:
        group = self._group
        assert group is not None
        while True:
            await self._work(group.cancel_scope)
            woken = self._bell()
            self._idle.append(woken)
            self._to_call += 1
            await woken.wait()

    with patch.object(Pool, "_worker", worker):
        yield


@breaks("27-task", "test_rule_27_attempts.py::test_no_code_of_a_step_runs_in_the_task_of_the_dispatcher")
@contextmanager
def begun_in_the_task_of_the_dispatcher() -> Generator[None]:
    """A step is begun where the run wants it, as if it were quicker so, and again by a worker."""
    real = Pool.start

    def start(self: Pool, stream: str, id: str, attempt: int, call: StepCall[Any]) -> None:
        body = call.step.function(*call.arguments)
        try:
            body.send(None)
        except StopIteration:
            pass
        finally:
            body.close()
        real(self, stream, id, attempt, call)

    with patch.object(Pool, "start", start):
        yield


@breaks("27-key", "test_rule_27_attempts.py::test_an_attempt_knows_its_number_and_the_one_key_of_all_attempts_also_after_a_crash")
@contextmanager
def a_key_an_attempt() -> Generator[None]:
    """Each attempt is told another key."""

    def key(self: Attempt) -> str:
        return sha256(f"{self.stream}:{self.effect}:{self.attempt}".encode()).hexdigest()[:32]

    with patch.object(Attempt, "idempotency_key", property(key)):
        yield
