"""Documents that steps search: read from files, cut into passages, kept in an index of full text beside the log."""
