"""Durable actors beside the workflow run: each a small pure decider."""
