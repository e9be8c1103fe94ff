"""What can be set, each with its default and the environment variable that gives it."""
