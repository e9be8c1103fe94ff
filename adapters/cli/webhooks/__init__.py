"""Webhooks that did not arrive."""
