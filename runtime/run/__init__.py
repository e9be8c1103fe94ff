"""One run: its events, its state, the driver of its code and the decider."""
