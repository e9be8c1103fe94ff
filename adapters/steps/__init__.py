"""Steps that perdure brings along and that touch the world."""
