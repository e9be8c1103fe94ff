"""The machine itself behind ports: clock, entropy, process."""
