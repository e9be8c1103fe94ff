"""Steps that perdure brings along, for the code of workflows."""

from __future__ import annotations

from .runtime.authoring.webhooks import webhook

__all__ = ["webhook"]
