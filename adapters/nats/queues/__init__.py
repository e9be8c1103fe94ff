"""Task queues in JetStream: orders for attempts, and the workers that perform them."""
