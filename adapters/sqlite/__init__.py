"""The embedded carrier: one SQLite file, one writer, an anchor beside it."""
