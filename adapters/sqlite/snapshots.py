"""The newest snapshot of each stream. A damaged one is passed over: the log has it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ...eventlog.log import Cursor
from ...eventlog.snapshots import Snapshot
from .log import SqliteLog


class SqliteSnapshots:
    """The snapshots beside a SqliteLog."""

    def __init__(self, log: SqliteLog) -> None:
        self._log = log

    async def load(self, streams: Sequence[str]) -> Mapping[str, Snapshot]:
        return await self._log.reading.run(partial(self._log.reader.snapshots, streams))

    async def save(self, snapshots: Sequence[Snapshot]) -> None:
        if snapshots:
            await self._log.writing.run_shielded(partial(self._log.writer.save_snapshots, snapshots))

    async def behind(self, cursor: Cursor = "") -> tuple[Cursor, str] | None:
        stream = await self._log.reading.run(partial(self._log.reader.snapshot_behind, cursor))
        return None if stream is None else (stream, stream)
