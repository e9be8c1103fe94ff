"""The service at the composition root: over a runtime of a user's own, or with one that it opens itself."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..eventlog.errors import Unavailable
from ..runtime.authoring.triggers import Trigger
from ..runtime.authoring.workflows import Workflow
from ..runtime.definitions.types import Types
from ..runtime.engine import Runtime
from .compose import open as open_runtime
from .steps.searching import RagSearch

if TYPE_CHECKING:
    from litestar.types import ASGIApp

    from .http.settings import HttpSettings


def asgi(runtime: Runtime, settings: HttpSettings | None = None) -> ASGIApp:
    """The service over a runtime, as an ASGI application to mount or to serve: `app.mount("/", perdure.asgi(runtime))`.

    `settings` say who is let in; without them the environment does: keys are known by the secret in `PERDURE_KEY_SECRET`,
    tokens by `PERDURE_JWT_*`.
    Invalid where nobody could ever come in. Unavailable where the packages of `perdure[service]` are not installed.
    """
    try:
        from .http.app import asgi as application
        from .http.shelf import Shelf
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure.asgi") from missing
    return application(runtime, settings, Shelf(partial(_index_of, runtime)))


def _index_of(runtime: Runtime) -> tuple[Path | None, str]:
    """Where the documents are that steps of this runtime look into, and the embedding that is meant."""
    searches = runtime.keeping.types.known.get(RagSearch.name)
    return (searches.place, searches.embedding) if isinstance(searches, RagSearch) else (None, "")


@asynccontextmanager
async def served(
    url: str, *, workflows: Iterable[Workflow[..., Any]], types: Types, triggers: Iterable[Trigger] = (), host: str, port: int,
    single_user: bool,
) -> AsyncGenerator[tuple[Runtime, str]]:  # fmt: skip
    """Open the log at `url`, serve its runs, and the service over them; gives the runtime and where the service is."""
    try:
        from .http.auth.keyring import must_be_secret
        from .http.auth.single import must_be_loopback
        from .http.serving import served as served_app
        from .http.settings import HttpSettings
    except ModuleNotFoundError as missing:
        raise not_installed(missing, "perdure serve") from missing
    settings = HttpSettings.of(os.environ, single_user=single_user)
    if single_user:
        must_be_loopback(host)
    elif settings.tokens is None or settings.key_secret:
        must_be_secret(settings.key_secret)
    opened = open_runtime(url, workflows=workflows, step_types=types.given, steps=types.steps.values(), triggers=triggers)
    async with opened as runtime, served_app(asgi(runtime, settings), host, port) as address:
        yield runtime, address


def not_installed(missing: ModuleNotFoundError, who: str) -> Unavailable:
    return Unavailable("the service is not installed", who=who, where="the environment", expected="the packages of perdure[service]",
                       found=f"no module {missing.name}", instead="pip install 'perdure[service]'")
