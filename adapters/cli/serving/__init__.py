"""Serving workflows until a signal says to stop."""
