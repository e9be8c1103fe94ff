"""How far a run has come, folded from its records while it goes on: by its own process, or from outside by a reader of the log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from msgspec import Raw

from ....eventlog.codec import Event
from ....eventlog.records import Record
from ....runtime.run import events as ev
from ....runtime.run.events import CODEC
from ....runtime.run.state import AFTER, ENDED
from ...sqlite.reader import Reader


class Progress:
    """The steps of a run that are done and those that are open."""

    def __init__(self) -> None:
        self.phase = "new"
        self.version = 0
        self.workflow = ""
        self.open: dict[str, str] = {}
        """Ids of steps without a final outcome, of undecided approvals and of other runs that are waited for, to their names."""
        self.done: dict[str, str] = {}
        self.failed = 0
        self.timers: set[str] = set()
        self.workers: list[str] = []
        """Who recorded outcomes, in the order of their first."""
        self.attributes: dict[str, Raw] = {}
        self.suspended: ev.Suspended | None = None

    @property
    def ended(self) -> bool:
        return self.phase in ENDED

    def take(self, records: Iterable[Record]) -> bool:
        """Fold records that follow those taken before; whether there were any."""
        before = self.version
        for record in records:
            for event in CODEC.decode(record.data).events:
                self._evolve(event)
            self.version = record.last
        return self.version > before

    def _evolve(self, event: Event) -> None:
        self.phase = AFTER.get((self.phase, type(event)), self.phase)
        match event:
            case ev.RunStarted(workflow=workflow):
                self.workflow = workflow
            case ev.StepScheduled(id=id, name=name) | ev.SignalSent(id=id, name=name) | ev.ApprovalRequested(id=id, name=name):
                self.open[id] = name
            case ev.StepCompleted(id=id, worker=worker) | ev.StepFailed(id=id, worker=worker, retry_at=None):
                self.done[id] = self.open.pop(id, "")
                self.failed += isinstance(event, ev.StepFailed)
                if worker not in self.workers:
                    self.workers.append(worker)
            case ev.TimerSet(id=id):
                self.timers.add(id)
            case ev.TimerFired(id=id):
                self.timers.discard(id)
            case ev.ChildScheduled() | ev.AttachScheduled():
                self.open[event.id] = f"child {event.workflow}" if isinstance(event, ev.ChildScheduled) else f"run {event.run}"
            case ev.EffectsAbandoned(ids=ids):
                self._abandon(ids)
            case ev.ApprovalDecided(id=id) | ev.ChildEnded(id=id):
                self.open.pop(id, None)
            case ev.AttributesSet(values=values):
                self.attributes.update({name: value.copy() for name, value in values.items()})
            case ev.Suspended():
                self.suspended = event
            case _:
                return

    def _abandon(self, ids: Iterable[str]) -> None:
        for id in ids:
            self.open.pop(id, None)
            self.timers.discard(id)

    def doing(self, most: int = 3) -> str:
        """What the run is at, in a few words."""
        names: dict[str, int] = {}
        for name in self.open.values():
            names[name] = names.get(name, 0) + 1
        shown = [f"{name} x{count}" if count > 1 else name for name, count in list(names.items())[-most:]]
        if len(names) > most:
            shown.append(f"{len(names) - most} more")
        if not shown and not self.ended:
            shown = ["waiting for a timer"] if self.timers else ["waiting for a signal"] if self.version else ["starting"]
        return ", ".join(shown)

    def counts(self, name: str) -> int:
        """How many steps of one name are done."""
        return sum(found == name for found in self.done.values())


class Watching(ABC):
    """Follows one run of a log that another process writes."""

    progress: Progress

    @abstractmethod
    def look(self) -> Progress:
        """The progress by now; that of the beginning while there is no log yet."""

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Watch(Watching):
    """The same of a log in a file."""

    def __init__(self, path: Path, stream: str) -> None:
        self.progress = Progress()
        self._path = path
        self._stream = stream
        self._reader: Reader | None = None

    def look(self) -> Progress:
        if self._reader is None:
            self._reader = self._opened()
        if self._reader is not None:
            while page := self._reader.page_of_stream(self._stream, self.progress.version):
                self.progress.take(page)
        return self.progress

    def _opened(self) -> Reader | None:
        if not self._path.exists():
            return None
        reader = Reader(self._path)
        if reader.rows("select count(*) from sqlite_master where name = 'record'")[0][0]:
            return reader
        reader.close()
        return None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
