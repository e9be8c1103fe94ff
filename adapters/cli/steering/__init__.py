"""Telling a run something: signals, decisions, pauses, ends."""
