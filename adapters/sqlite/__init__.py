"""The embedded carrier: a log in one SQLite file, safe against a power cut, owned by one process at a time."""
