"""What happened, in which order, provably: records, log, chain, codec, snapshots."""
