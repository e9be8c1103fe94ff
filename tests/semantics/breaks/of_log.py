"""Breaks of what is recorded and of the log that keeps it."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any
from unittest.mock import patch

from perdure.actors import activation, auditing
from perdure.actors.judging import Judged
from perdure.actors.judging import judge as real_judge
from perdure.actors.mailbox import Actor, Letter
from perdure.actors.ports import Ownership
from perdure.actors.storing import Storing
from perdure.adapters.sqlite.anchor import START
from perdure.adapters.sqlite.writer import Writer
from perdure.eventlog import records, streams
from perdure.eventlog.codec import Codec
from perdure.eventlog.errors import Conflict
from perdure.eventlog.memory import MemoryLog
from perdure.eventlog.records import Append, Tail, sealed
from perdure.runtime.authoring import values
from perdure.runtime.authoring.errors import Failure, StepError
from perdure.runtime.perform.quarantining import Quarantining
from perdure.runtime.run.machine import steps
from tests.semantics.breaks.table import breaks


@breaks("01", "test_rule_01_one_write_a_step.py::test_each_record_holds_an_outcome_and_what_the_code_wants_next")
@contextmanager
def a_record_an_event() -> Generator[None]:
    """Every event is written by itself."""
    def judge(actors: Sequence[Actor], now: int, ownership: Ownership, judged: Judged) -> None:
        real_judge(actors, now, ownership, judged)
        appends, writers = list(judged.appends), list(judged.writers)
        judged.appends.clear()
        judged.writers.clear()
        for append, writer in zip(appends, writers, strict=True):
            for one in alone(append, writer.kind.codec):
                judged.appends.append(one)
                judged.writers.append(writer)

    def alone(append: Append, codec: Codec[Any]) -> Generator[Append]:
        batch, tail = codec.decode(append.data), append.expected
        for event in batch.events:
            one = sealed(append.stream, tail, codec.encode(batch.at, batch.epoch, [event]), 1, append.head)
            tail = one.tail
            yield one

    with patch("perdure.actors.dispatcher.judge", judge):
        yield


@breaks("04", "test_rule_04_values.py::test_what_would_come_back_changed_is_invalid_at_the_step_with_its_path")
@contextmanager
def losses_overlooked() -> Generator[None]:
    """Nobody looks whether a value comes back as it was."""
    with patch.object(values, "keeps_less_than_it_takes", return_value=False):
        yield


@breaks("05", "test_rule_05_errors.py::test_live_and_replayed_the_code_sees_the_same_error")
@contextmanager
def errors_not_rebuilt() -> Generator[None]:
    """A class that the step declares is not raised."""

    def raised(step: str, failure: Failure, raises: object) -> Exception:
        return StepError(step, failure)

    with patch.object(steps, "raised", raised):
        yield


@breaks("06", "test_rule_06_keys_for_ever.py::test_what_was_written_once_is_read_and_written_alike")
@contextmanager
def a_key_renamed() -> Generator[None]:
    """`worker` is called `by` from now on."""
    real: Any = Codec
    real_encode, real_decode = real.encode, real.decode

    def encode(self: Any, *batch: Any) -> bytes:
        data: bytes = real_encode(self, *batch)
        return data.replace(b'"worker":', b'"by":')

    def decode(self: Any, data: bytes) -> Any:
        return real_decode(self, data.replace(b'"by":', b'"worker":'))

    with patch.object(Codec, "encode", encode), patch.object(Codec, "decode", decode):
        yield


@breaks("07", "test_rule_07_names.py::test_every_id_has_a_name_of_its_own_in_plain_letters")
@contextmanager
def names_not_escaped() -> Generator[None]:
    """An id is part of a stream's name as it is."""

    def escape(part: str) -> str:
        return part

    with patch.object(streams, "escape", escape):
        yield


@breaks("36", "test_rule_36_the_lock.py::test_in_memory")
@contextmanager
def versions_alone() -> Generator[None]:
    """Behind a record of the expected version anything may be written, whatever the writer had seen."""
    real = MemoryLog.append_one

    def append_one(self: MemoryLog, append: Append) -> Tail | Conflict:
        stream, expected = self.streams.get(append.stream), append.expected
        if stream and stream[-1].last == expected.version:
            append = sealed(append.stream, stream[-1].tail, append.data, append.tail.version - expected.version, append.head)
        return real(self, append)

    with patch.object(MemoryLog, "append_one", append_one):
        yield


@breaks("36-file", "test_rule_36_the_lock.py::test_in_a_file")
@contextmanager
def versions_alone_in_a_file() -> Generator[None]:
    """Tails of one version are taken for the same."""

    def same(self: Tail, other: Tail) -> bool:
        return self.version == other.version

    def different(self: Tail, other: Tail) -> bool:
        return self.version != other.version

    with patch.object(Tail, "__eq__", same), patch.object(Tail, "__ne__", different):
        yield


@breaks("37", "test_rule_37_the_chain.py::test_the_digest_is_what_is_promised")
@contextmanager
def no_chain() -> Generator[None]:
    """A record's digest does not cover the one before it."""

    def without_the_one_before(data: bytes) -> Any:
        return sha256(data[32:])

    with patch.object(records, "sha256", without_the_one_before):
        yield


@breaks("38", "test_rule_38_head_and_anchor.py::test_a_file_put_back_behind_its_anchor_is_found")
@contextmanager
def anchor_not_asked() -> Generator[None]:
    """Whatever the file holds is taken for all that there was."""
    with patch.object(Writer, "_proven_place", return_value=START):
        yield


@breaks("38-receipt", "test_rule_38_receipts.py::test_an_answer_names_the_record_that_holds_what_it_answers")
@contextmanager
def receipts_of_the_record_before() -> Generator[None]:
    """An answer names how far the run had come when it was asked."""
    real = Actor.tell

    def tell(actor: Actor) -> None:
        now, actor.tail = actor.tail, Tail(1, bytes(32))
        real(actor)
        actor.tail = now

    with patch.object(Actor, "tell", tell):
        yield


@breaks("39", "test_rule_39_snapshots.py::test_only_a_tail_of_more_than_a_hundred_events_or_64_kib_is_worth_one")
@contextmanager
def a_snapshot_of_everything() -> Generator[None]:
    """A short tail, too, is worth a snapshot."""
    with patch.object(activation, "SNAPSHOT_EVENTS", 10):
        yield


@breaks("43", "test_rule_43_durable_answers.py::test_who_asked_is_told_that_the_outcome_is_unknown_and_an_outcome_is_kept")
@contextmanager
def outcomes_lost_with_an_append() -> Generator[None]:
    """An append that raised takes the outcomes of steps with it."""
    real = Storing.outcome_unknown

    def outcome_unknown(self: Storing, turn: Sequence[Actor], error: Exception) -> None:
        for actor in turn:
            actor.letters = [letter for letter in actor.letters if type(letter) is Letter]
        real(self, turn, error)

    with patch.object(Storing, "outcome_unknown", outcome_unknown):
        yield


@breaks("44", "test_rule_44_the_disk.py::test_a_failed_sync_shuts_the_log_for_the_life_of_the_process")
@contextmanager
def writes_after_a_failed_sync() -> Generator[None]:
    """That a sync failed is forgotten."""

    def forget(self: Writer, why: str) -> None: ...

    with patch.object(Writer, "shut", property(lambda self: "", forget), create=True):
        yield


@breaks("14-quarantine", "test_rule_14_quarantine.py::test_it_is_recorded_once_over_restarts_and_lifted_when_the_stream_holds_again")
@contextmanager
def damage_is_forgotten() -> Generator[None]:
    """Who asks is told of a stream that does not hold, and nobody else."""
    with patch.object(Quarantining, "broke", return_value=None):
        yield


@breaks("39-auditor", "test_rule_39_auditor.py::test_a_snapshot_that_differs_is_dropped_and_recorded")
@contextmanager
def caches_believed() -> Generator[None]:
    """What is kept beside the log is held against nothing."""
    with patch.object(auditing, "_held_against", return_value=[]):
        yield
