"""Embeddings: what makes vectors of texts, so that passages are found by more than their words."""
