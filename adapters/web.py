"""Inside a web application: a lifespan that Starlette, FastAPI and Litestar all take, and the runtime of a request.

No framework is imported here. What the three share is enough: a lifespan is a function of the application that gives an
async context manager, an application has a `state`, and a request knows its application.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ParamSpec

from ..eventlog.errors import Invalid
from ..runtime.engine import Runtime
from .compose import open as open_runtime

P = ParamSpec("P")

NAME = "runtime"


def _lifespan_of(opening: Callable[P, AbstractAsyncContextManager[Runtime]]) -> Callable[P, Lifespan]:
    """The same parameters as those of `opening`."""

    def lifespan(*args: P.args, **kwargs: P.kwargs) -> Lifespan:
        """The lifespan of an application that serves runs: takes what perdure.open takes.

        `Starlette(lifespan=lifespan(url, …))`, `FastAPI(lifespan=lifespan(url, …))`, `Litestar(lifespan=[lifespan(url, …)])`.
        The runtime opens before the first request, and drains after the last.
        """

        @asynccontextmanager
        async def living(app: Any) -> AsyncGenerator[dict[str, Any]]:
            async with opening(*args, **kwargs) as runtime:
                setattr(app.state, NAME, runtime)
                yield {NAME: runtime}

        return living

    return lifespan


Lifespan = Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]

lifespan = _lifespan_of(open_runtime)


def runtime_of(request: Any) -> Runtime:
    """The runtime of the application that a request, a socket or the application itself belongs to."""
    for holder in (request, getattr(request, "app", None)):  # the request of a mounted application knows it by its own state
        found = getattr(getattr(holder, "state", None), NAME, None)
        if isinstance(found, Runtime):
            return found
    raise Invalid("the application serves no runtime", who=f"{type(request).__module__}.{type(request).__qualname__}",
                  where="state.runtime", expected="a Runtime, put there by the lifespan", found="none",
                  instead="pass lifespan=perdure.web.lifespan(url, …) to the application, and in tests enter its lifespan")
