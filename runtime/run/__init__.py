"""One run: its events and state, the driver of its code, and the decider over both."""
