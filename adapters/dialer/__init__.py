"""Calling out: connections to hosts that somebody else named, only where they may go."""
