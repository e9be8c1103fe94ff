"""One lifespan for three frameworks: the runtime opens with the application, is at hand in a request, and drains with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi import Request as FastRequest
from fastapi.testclient import TestClient as FastClient
from litestar import Litestar, get
from litestar import Request as LitestarRequest
from litestar.testing import TestClient as LitestarClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from perdure import Invalid, Runtime, step, workflow
from perdure.web import lifespan, runtime_of

OPENED: list[Runtime] = []


@step
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow
async def hello(name: str) -> str:
    return await greet(name)


async def greeted(request: Any, name: str) -> str:
    """What every one of the applications does."""
    runtime = runtime_of(request)
    OPENED.append(runtime)
    run = await runtime.start(hello, name, id=f"hello-{name}")
    return await run.result(within=timedelta(seconds=10))


def starlette() -> Any:
    async def view(request: Request) -> JSONResponse:
        return JSONResponse(await greeted(request, request.path_params["name"]))

    return TestClient(Starlette(routes=[Route("/hello/{name}", view)], lifespan=lifespan("memory:", workflows=[hello])))


def mounted() -> Any:
    async def view(request: Request) -> JSONResponse:
        return JSONResponse(await greeted(request, request.path_params["name"]))

    inner = Starlette(routes=[Route("/{name}", view)])
    return TestClient(Starlette(routes=[Mount("/hello", inner)], lifespan=lifespan("memory:", workflows=[hello])))


def fastapi() -> Any:
    app = FastAPI(lifespan=lifespan("memory:", workflows=[hello]))

    async def view(request: FastRequest, name: str) -> str:
        return await greeted(request, name)

    app.add_api_route("/hello/{name}", view)
    return FastClient(app)


def litestar() -> Any:
    @get("/hello/{name:str}")
    async def view(request: LitestarRequest[Any, Any, Any]) -> str:
        return await greeted(request, request.path_params["name"])

    return LitestarClient(Litestar([view], lifespan=[lifespan("memory:", workflows=[hello])]))


@pytest.mark.parametrize("application", [starlette, mounted, fastapi, litestar])
def test_a_request_has_the_runtime_that_lives_as_long_as_the_application(application: Callable[[], Any]) -> None:
    OPENED.clear()
    with application() as client:
        for name in ("Ann", "Ben"):
            answer = client.get(f"/hello/{name}")
            assert f"Hello, {name}!" in answer.text

    assert len({id(runtime) for runtime in OPENED}) == 1


def test_an_application_without_the_lifespan_is_told_so() -> None:
    with pytest.raises(Invalid, match="serves no runtime") as told:
        runtime_of(SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace())))

    assert "perdure.web.lifespan" in told.value.instead
