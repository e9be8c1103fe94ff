"""Inside a web application: `lifespan` for Starlette, FastAPI and Litestar, and `runtime_of` a request."""

from __future__ import annotations

from .adapters.web import lifespan, runtime_of

__all__ = ["lifespan", "runtime_of"]
