"""Moving runs from one log to another: out of the one into a file, and out of the file into the other."""
