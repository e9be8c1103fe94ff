"""Who answers for a log: workers in NATS, a service over HTTP, or, for a file that nobody else holds, this process."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ....runtime.authoring.workflows import Workflow
from ....runtime.calling import Calling
from ....runtime.definitions.types import Types
from ...compose import deciding
from ...connecting import connect
from ...urls import is_over_http, is_served
from .environment import api_key
from .places import path_of, url_of


def asked_at(url: str) -> AbstractAsyncContextManager[Calling]:
    """A client of those who serve it."""
    return connect(url, key=api_key() if is_over_http(url) else "")


@asynccontextmanager
async def caller_of(
    log: str, *, exists: bool, workflows: Sequence[Workflow[..., Any]] = (), types: Callable[[], Types] | None = None
) -> AsyncGenerator[Calling]:
    """Who answers for the log at a path or a URL; NotFound for a file that `exists` wants and that does not.

    Those who serve a log have its code. Where nobody does, `workflows` and `types` are the code of this process.
    """
    url = url_of(log)
    if is_served(url):
        async with asked_at(url) as client:
            yield client
        return
    if exists:
        path_of(log)
    async with deciding(url, workflows, types() if types else None) as runtime:
        yield runtime
