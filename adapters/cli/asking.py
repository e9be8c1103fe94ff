"""Asking those who serve a log: workers in NATS, or a service over HTTP, for which `PERDURE_API_KEY` is the key."""

from __future__ import annotations

import os
from contextlib import AbstractAsyncContextManager

from ...runtime.calling import Calling
from ..connecting import connect
from .places import is_over_http

KEY = "PERDURE_API_KEY"


def asked_at(url: str) -> AbstractAsyncContextManager[Calling]:
    """A client of those who serve it."""
    return connect(url, key=os.environ.get(KEY, "") if is_over_http(url) else "")
