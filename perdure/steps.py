"""Steps that perdure brings along, for the code of workflows: `webhook`, and `http`, which needs perdure[service]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .runtime.authoring.webhooks import webhook

if TYPE_CHECKING:
    from .adapters.steps.http import HttpAnswer, http

__all__ = ["HttpAnswer", "http", "webhook"]


def __getattr__(name: str) -> Any:
    if name not in ("HttpAnswer", "http"):
        raise AttributeError(f"module 'perdure.steps' has no attribute {name!r}")
    from .adapters.steps import http as found

    return getattr(found, name)
