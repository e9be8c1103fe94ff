"""Webhooks on their way out: signed, sent, and what their receivers say."""
