"""Every door to the outside, and the composition root that joins them to the runtime."""
