"""What a package writes that brings an embedding for documents: named in its entry points, under `perdure.embeddings`."""

from __future__ import annotations

from .adapters.rag.embeddings.embedding import Embedding

__all__ = ["Embedding"]
