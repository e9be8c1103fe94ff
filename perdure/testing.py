"""Tests of your own workflows and deciders: a simulated world that crashes on purpose, and given, when, then."""

from __future__ import annotations

from .eventlog.faults import Fault, FaultyLog, Script
from .runtime.testing.acts import Act, Approve, Cancel, Complete, Fail, Pause, Reject, Resume
from .runtime.testing.deciders import given
from .runtime.testing.simulation import Outcome, Simulation, Violation
from .runtime.testing.weather import Weather

__all__ = [  # noqa: RUF022 - what a test takes first stands first
    "Simulation", "Outcome", "Violation", "Weather", "given",
    "Act", "Approve", "Reject", "Pause", "Resume", "Cancel", "Complete", "Fail",
    "Fault", "FaultyLog", "Script",
]  # fmt: skip
