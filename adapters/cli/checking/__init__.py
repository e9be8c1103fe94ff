"""What workflow code may not do, found and said."""
