"""Looking at a run without touching it: replay, timeline, digest, difference."""
