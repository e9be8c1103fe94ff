"""What is folded from the log and may lag behind it: heads, wake-ups and anchors, kept by whoever owns a partition."""
