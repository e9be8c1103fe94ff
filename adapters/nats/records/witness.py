"""Who sees what becomes of every append, before its caller does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ....eventlog.records import Append


class Witness(Protocol):
    """Of a stream one append is under way at a time."""

    def begun(self, appends: Sequence[Append]) -> None: ...

    def stored(self, stored: Sequence[tuple[Append, int]]) -> None:
        """Appends, and the sequence of each."""
        ...

    def unstored(self, append: Append, *, certain: bool) -> None:
        """It was refused; or, not certain, nobody knows, and it may be stored later. A Conflict, too, shows that there is more to know."""
        ...


class Nobody:
    """The witness of a log that has no heads."""

    def begun(self, appends: Sequence[Append]) -> None: ...

    def stored(self, stored: Sequence[tuple[Append, int]]) -> None: ...

    def unstored(self, append: Append, *, certain: bool) -> None: ...
