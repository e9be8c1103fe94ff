"""Running one workflow to its end, in the sight of a person."""
