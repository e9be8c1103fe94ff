"""Errands: what a run has to say to other runs, by its facts alone. Each is repeated until it is answered, and harmless when repeated.

The parent says "begin", "tell me of your end", "stand still", "go on" and "I no longer want you"; a run that has ended
says so to each who waits.
The answers come back as events of this run, so what is left to be said is what the facts want (law 5).
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

from msgspec import Raw, Struct

from ...eventlog.blobs import Blob
from ...eventlog.streams import escape, parts_of
from ..authoring.errors import Failure
from ..authoring.values import NOTHING
from . import commands as cmd
from . import events as ev
from .notices import Deliver, delivery_stream
from .state import Child, RunState
from .waiting import name_of, waiter_of

AT_ONCE = 200
"""Errands of one kind that a run has under way; the next follow as these are answered."""


class Errand(Struct, eq=False, gc=False):
    """A command that one run has for another. `key`, from the name of who waits for whose end, is one of a run's own."""

    stream: str
    key: str
    to: str
    command: cmd.Start | cmd.Watch | cmd.Follow | cmd.Leave | ev.ChildEnded | Deliver
    lost: bool = False
    """Another node has the run now."""


def has_errands(facts: RunState) -> bool:
    """Whether the run must stay awake because another has not answered yet. One that has left its log speaks in the other."""
    if facts.away:
        return False
    if facts.leaving or facts.telling or facts.notices or facts.removing:
        return True
    return bool((facts.watchers and facts.ended) or (facts.starting and facts.phase == "running"))


def errands_of(stream: str, facts: RunState) -> Iterator[Errand]:
    """The errands to be under way now, oldest first."""
    for id, child in islice(facts.leaving.items(), AT_ONCE):
        by = name_of(stream, id, child.since)
        yield Errand(stream, by, _stream_of(stream, child.run), cmd.Leave(by, child.how, _start(stream, facts, id, child)))
    for id, word in islice(facts.telling.items(), AT_ONCE):
        child = facts.made[id]
        follow = cmd.Follow(name_of(stream, id, child.since), word.how, word.said, word.reason, word.freeze)
        yield Errand(stream, key_of_word(stream, id, word.said), _stream_of(stream, child.run), follow)
    for end, notice in islice(facts.notices.items(), AT_ONCE):
        key = key_of_end(stream, int(end))
        yield Errand(stream, key, delivery_stream(stream, key), notice.deliver(parts_of(stream)[2]))
    if facts.phase == "running":
        for id in islice(facts.starting, AT_ONCE):
            child = facts.made[id]
            by = name_of(stream, id, child.since)
            if id not in facts.leaving:
                yield Errand(stream, by, _stream_of(stream, child.run), _start(stream, facts, id, child) or cmd.Watch(by))
    if facts.ended:
        for by in islice(facts.watchers, AT_ONCE):
            to = waiter_of(by).stream
            yield Errand(stream, by, to, ended_as(by, facts.phase, facts.result, facts.failure, facts.reason, facts.result_blob))


def key_of_word(stream: str, id: str, said: int) -> str:
    """Each word to a child is an errand of its own: a child knows by itself which is the newest."""
    return f"{name_of(stream, id)}!{said}"


def key_of_end(stream: str, end: int) -> str:
    """An end is announced once, however often the run begins again."""
    return f"{stream}!end{end}"


def end_in(key: str) -> int:
    """The version in what `key_of_end` made."""
    return int(key.rpartition("!end")[2])


def _start(stream: str, facts: RunState, id: str, child: Child) -> cmd.Start | None:
    if not child.workflow:
        return None
    again = name_of(stream, id, child.since) if child.since else ""
    given = child.workflow, child.version, child.input, _seed(facts.seed, id), again
    return cmd.Start(*given, parent=name_of(stream, id), again=bool(again), blob=child.blob, by=facts.by)


def large_value_of(errand: Errand) -> Blob | None:
    """What holds the value that the errand brings, where it is large: it lies in the blobs of the run that sends it."""
    command = errand.command
    if isinstance(command, cmd.Leave):
        return None if command.start is None else command.start.blob
    return None if isinstance(command, cmd.Watch | cmd.Follow | Deliver) else command.blob


def _seed(parent: int, id: str) -> int:
    """63 bits for a child's chance: the same however often it is started."""
    return int.from_bytes(sha256(f"{parent}/child/{id}".encode()).digest()[:8]) >> 1


def _stream_of(stream: str, run: str) -> str:
    """The stream of another run of the same tenant; who carries the errand looks at its length."""
    return f"{stream.rpartition('/')[0]}/{escape(run)}"


def ended_as(  # noqa: PLR0917 - how a run stands, as its standing and its facts both know it
    by: str, status: str, result: Raw | None, failure: Failure | None, reason: str, blob: Blob | None
) -> ev.ChildEnded:
    """What who waits, by its name, is told of the end of a run."""
    _, id, since = waiter_of(by)
    if status == "completed":
        return ev.ChildEnded(id, status, NOTHING if result is None else result, blob=blob, since=since)
    said = reason or f"the run was {status.replace('_', ' ')}"
    return ev.ChildEnded(id, status, error=failure or Failure(status.title().replace("_", ""), said), since=since)
