"""The command line: one module for each command, and what a person gets to see."""
