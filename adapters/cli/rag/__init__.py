"""The documents that steps of type rag_search look into."""
