"""Who owns which partition: fences, presence, and the even share that every worker computes by itself."""
