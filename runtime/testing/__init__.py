"""What tests of workflows stand on: simulation with virtual time and crashes, given/when/then."""
