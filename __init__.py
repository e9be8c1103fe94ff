"""perdure: the root of the source tree; what a user imports is the package `perdure`."""
