"""Tests of your own workflows and deciders: a simulated world that crashes on purpose, and given, when, then."""

from __future__ import annotations

from .eventlog.faults import Fault, FaultyLog, Script
from .runtime.testing.deciders import given
from .runtime.testing.simulation import Outcome, Simulation, Violation
from .runtime.testing.weather import Weather

__all__ = ["Fault", "FaultyLog", "Outcome", "Script", "Simulation", "Violation", "Weather", "given"]
