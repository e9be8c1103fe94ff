"""One process per file: a lock of the operating system, held for as long as the log is open.

It ends with the process, however that ends, so a lock that a dead process left behind stops nobody. The lock file
says who holds it, so that the second opener can be told.
"""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from ...eventlog.errors import Unavailable

HELD: set[int] = set()


class Holder(Struct, frozen=True):
    """Who holds a log open."""

    pid: int
    host: str
    since: str
    command: str

    @classmethod
    def this_process(cls) -> Holder:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, " ".join(sys.argv)[:200])

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}: {self.command}"


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock of the log at `path`; if another opener holds it, Unavailable says who."""
    lock = Path(f"{path}-lock")
    file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise held_by_another(path, holder(file)) from error
    except BaseException:
        os.close(file)
        raise
    HELD.add(file)
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, msgspec.json.encode(Holder.this_process()) + b"\n", 0)
        yield
    finally:
        HELD.discard(file)
        os.close(file)


def holder(file: int) -> Holder | None:
    """Who the lock file names; None while the holder has not yet written itself down. Closes the file."""
    try:
        return msgspec.json.decode(os.pread(file, 4096, 0), type=Holder)
    except msgspec.MsgspecError:
        return None
    finally:
        os.close(file)


def held_by_another(path: Path, found: Holder | None) -> Unavailable:
    if found is not None and (found.pid, found.host) == (os.getpid(), socket.gethostname()):
        return Unavailable(
            "this process has the log open already",
            who=str(found),
            where=str(path),
            expected="one runtime per file",
            found=f"{path}-lock is held",
            instead="use the runtime that is open, or end its 'async with' first; several runtimes share a log in NATS",
        )
    return Unavailable(
        "the log is open in another process",
        who=str(found or "a process that is just starting"),
        where=str(path),
        expected="one process per file",
        found=f"{path}-lock is held",
        instead="send commands to the process that holds it, 'perdure serve' by --log http://HOST:PORT, or end it first; "
                "reading views and 'perdure log verify' work beside it",
    )


def close_in_child() -> None:
    """A forked child must not keep its parent's lock alive."""
    for file in HELD:
        os.close(file)
    HELD.clear()


os.register_at_fork(after_in_child=close_in_child)
