"""What the URL of a log, or of those who serve one, says of where it is. Everybody who has to know asks here."""

from __future__ import annotations

from ..eventlog.errors import Invalid


def must_be_url(given: object, who: str, expected: str) -> None:
    """Invalid where what should be a URL is no text, such as a Path or an environment variable that is not set."""
    if not isinstance(given, str):
        raise Invalid("a log is named by a URL", who=who, where="url", expected=expected, found=f"{type(given).__name__}: {given!r}"[:80],
                      instead="write for example 'sqlite:///perdure.db', or f'sqlite:///{path}'")


def is_in_nats(url: str) -> bool:
    """Whether it names a namespace in NATS, which workers serve."""
    return url.startswith(("nats:", "tls:"))


def is_over_http(url: str) -> bool:
    """Whether it names a service over HTTP, which shows runs and takes commands, but not its log."""
    return url.startswith(("http:", "https:"))


def is_served(url: str) -> bool:
    """Whether others serve what it names, and are asked to do what is to be done."""
    return is_in_nats(url) or is_over_http(url)


def is_in_memory(url: str) -> bool:
    return url.startswith("memory:")


def file_of(url: str) -> str:
    """The path that `sqlite:///PATH` names; empty where it is no such URL."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else ""
