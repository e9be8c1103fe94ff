"""Who waits for the end of a run, and how it is named there.

A run that waits is named by its stream and the effect by which it waits. A run that is retried asks its children anew, and
what an earlier asking is told may come late: so the name tells the retry since which the end is wanted, too.
"""

from __future__ import annotations

from typing import NamedTuple


class Waiter(NamedTuple):
    """One wait of one run."""

    stream: str
    id: str
    """The effect."""
    since: int
    """The version at which the run was retried that wants this; 0 where it was not."""

    @property
    def place(self) -> str:
        """The same for every asking: what `RunStarted.parent` holds."""
        return name_of(self.stream, self.id)


def name_of(stream: str, id: str, since: int = 0) -> str:
    """A stream holds neither "@" nor "#", an effect may."""
    return f"{stream}@{since}#{id}" if since else f"{stream}#{id}"


def waiter_of(name: str) -> Waiter:
    """The waiter that `name_of` made the name of."""
    asker, _, id = name.partition("#")
    stream, _, since = asker.partition("@")
    return Waiter(stream, id, int(since or 0))
