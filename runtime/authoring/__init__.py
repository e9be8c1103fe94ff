"""What an author writes: steps, workflows, and the effects that a workflow awaits."""
