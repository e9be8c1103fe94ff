"""Where a log is: `--log` takes a path or a URL."""

from __future__ import annotations

from pathlib import Path

from ...eventlog.errors import Invalid, NotFound

DEFAULT = "perdure.db"


def url_of(log: str) -> str:
    """The URL of a log that was given as a path or a URL."""
    if log.startswith(("sqlite:", "memory:", "nats:", "tls:")):
        return log
    if "://" in log:
        raise Invalid(
            "the URL names no carrier",
            who="--log",
            where=log,
            expected="a path, sqlite:///FILE.db, sqlite:////absolute/FILE.db, nats://HOST:4222/NAMESPACE or memory:",
            found=log.partition(":")[0] + ":",
            instead="name a file, for example --log perdure.db",
        )
    return f"sqlite:///{log}"


def path_of(log: str) -> Path:
    """The file of a log that has to exist already."""
    url = url_of(log)
    if url.startswith("memory:"):
        raise Invalid(
            "a log in memory ends with its process", who="--log", where=log, expected="the path of a log", instead="name the file of a log"
        )
    if not url.startswith("sqlite:"):
        raise Invalid("this command reads the file of a log", who="--log", where=log, expected="a path, or sqlite:///FILE.db",
                      found=url.partition(":")[0] + ":", instead="ask a worker of that log, by the subjects in docs/nats.md")
    path = Path(url.removeprefix("sqlite:///")).expanduser()
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
