"""The machine as the core sees it: its clock, its chance, its threads."""
