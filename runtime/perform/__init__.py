"""What a run wants done outside: step attempts, timers, and their outcomes coming back as commands."""
