"""The log of a cluster, carried by NATS JetStream."""
