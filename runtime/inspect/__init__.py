"""Looking at what a log holds: refolding, replaying with today's code, digests."""
