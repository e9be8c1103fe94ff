"""Workflows that are data instead of code."""
