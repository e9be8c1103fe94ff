"""The machine: a run's code, driven by hand over what arrived. Each thing the code may await has a file that begins it and ends it."""
