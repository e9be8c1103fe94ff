"""Who asks, and what they may: keys, tokens, single-user mode."""
