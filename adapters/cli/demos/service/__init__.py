"""The demo of the service: a question about documents goes through HTTP, over a person's desk, and out as a signed webhook."""
