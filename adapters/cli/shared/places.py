"""Where a log is: `--log` takes a path or a URL. Looking at it is the same, wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ....eventlog.errors import Invalid, NotFound
from ...urls import file_of, is_in_memory, is_in_nats, is_over_http, is_served
from . import environment

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence
    from contextlib import AbstractAsyncContextManager

    from ....eventlog.blobs import Blob
    from ....eventlog.log import Summary
    from ....eventlog.records import Record
    from ....eventlog.search import Search

DEFAULT = "perdure.db"


class Views(Protocol):
    """What a log shows to readers, who lock nothing, own nothing and write nothing."""

    @property
    def place(self) -> str:
        """Where the log is, as it may be shown."""
        ...

    async def newest(self, *, prefix: str = "", after: tuple[int, str] | None = None, limit: int = 100) -> Sequence[Summary]:
        """Heads by `started_at`, newest first, behind (started_at, stream) of the page before."""
        ...

    async def find(self, search: Search, *, limit: int = 100) -> Sequence[Summary]:
        """Heads that a search wants, newest first."""
        ...

    async def head(self, stream: str) -> Summary | None:
        """The head of a stream; None where it has none."""
        ...

    async def records(self, stream: str) -> Sequence[Record]:
        """The records of a stream from its start, their chain verified."""
        ...

    def read(self, stream: str, blob: Blob) -> AsyncGenerator[bytes]:
        """The content of a blob, in chunks, each checked before it is given."""
        ...


def views_of(log: str) -> AbstractAsyncContextManager[Views]:
    """What a log that has to exist shows."""
    url = url_of(log)
    must_be_a_log(url)
    if is_in_nats(url):
        from ...compose import nats_or_say_so

        with nats_or_say_so():
            from ...nats.reading import open_views as open_views_in_nats
        return open_views_in_nats(url)
    from ...sqlite.views import open_views

    return open_views(path_of(log))


def must_be_a_log(url: str) -> None:
    """Invalid where the URL names a service, which shows runs and takes commands, but not its log."""
    if is_over_http(url):
        raise Invalid("a service does not hand out its log", who="--log", where=url, expected="a path, or nats://HOST:4222/NAMESPACE",
                      found="http", instead="ask the service for what you want to see: its /api/v1/openapi.json says how")


def url_of(log: str) -> str:
    """The URL of a log that was given as a path or a URL."""
    if log.startswith("sqlite:") or is_in_memory(log) or is_served(log):
        return log
    if "://" in log:
        raise Invalid(
            "the URL names no carrier",
            who="--log",
            where=log,
            expected="a path, sqlite:///FILE.db, sqlite:////absolute/FILE.db, nats://HOST:4222/NAMESPACE, http://HOST:8000 or memory:",
            found=log.partition(":")[0] + ":",
            instead="name a file, for example --log perdure.db",
        )
    return f"sqlite:///{log}"


def log_option(log: str) -> list[str]:
    """How a command that is to be typed next says which log it means."""
    return [] if log == (environment.log() or DEFAULT) else ["--log", log]


def path_of(log: str) -> Path:
    """The file of a log that has to exist already."""
    url = url_of(log)
    must_be_a_log(url)
    if is_in_memory(url):
        raise Invalid(
            "a log in memory ends with its process", who="--log", where=log, expected="the path of a log", instead="name the file of a log"
        )
    path = Path(file_of(url) or url).expanduser()
    if not path.exists():
        raise NotFound(
            "there is no log",
            who="--log",
            where=str(path),
            expected="the file of a log",
            found=_beside(path),
            instead="correct the path, or start a run first: perdure run MODULE:WORKFLOW",
        )
    return path


def _beside(path: Path) -> str:
    near = sorted(found.name for found in path.parent.glob("*.db"))[:5] if path.parent.is_dir() else []
    return f"no such file; beside it: {', '.join(near)}" if near else "no such file"
