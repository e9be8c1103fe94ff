"""A namespace in NATS: its streams made, compared and shown."""
