"""The log itself and what belongs to single streams: records, snapshots and large values."""
