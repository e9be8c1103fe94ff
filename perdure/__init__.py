"""Durable workflows as event-sourced actors: a run outlives the process it started in."""

__version__ = "0.1.0.dev0"

__all__ = ["__version__"]
