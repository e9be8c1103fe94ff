"""What workflow code may not do, and how it is found: read in the source, seen while it runs, warned of in production."""
