"""Performing: steps in a pool of workers, timers, and the sweep that finds what waits."""
