"""The events of a move from one log to another. A run's records go along as they are, these among them: one chain, whoever has it.

From `MovedOut` on nothing is decided in whatever log holds the run, until one of the two others follows: `MovedIn` where it was
moved to, or `MovedBack` where it was. Which of them may be written, the log that it is moved to says, once and for all.
"""

from __future__ import annotations

from ...eventlog.codec import Event


class MovedOut(Event, frozen=True):
    """The run left its log for the one whose identity is `to`."""

    move: str
    to: str


class MovedIn(Event, frozen=True):
    """The run has come from the log `source`, with all of its records, and goes on here."""

    move: str
    source: str


class MovedBack(Event, frozen=True):
    """The other log will not have the run: it goes on where it was."""

    move: str
