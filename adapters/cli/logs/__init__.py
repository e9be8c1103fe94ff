"""A log as a whole: verified, rebuilt, and moved from."""
