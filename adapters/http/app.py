"""The application: the operations as routes of litestar, for uvicorn or inside a user's own application."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing
from time import monotonic
from typing import Any
from urllib.parse import unquote

import anyio
from litestar import HttpMethod, Litestar, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp, Receive, Scope, Send

from ...eventlog.errors import PerdureError, Unavailable
from ...runtime.engine import Runtime
from . import artifacts, definition_runs, definitions, documents, health, keys, people, runs, webhooks
from .auth.crowd import Crowd
from .auth.keyring import Keyring
from .auth.principals import Gate, Gates
from .auth.single import SingleUser
from .auth.token_settings import TokenSettings
from .entrance import Entrance
from .metrics import Metrics
from .openapi import serving
from .operations import Operation
from .policies import must_cover
from .problems import broken, of_framework, plain, told
from .service import AnyHttpRequest, Service
from .settings import HttpSettings
from .shelf import Shelf

AnyResponse = Response[Any]

SEND_SECONDS = 30.0
"""Within which a reader has to take the next piece of a stream."""

GUARDED = {"x-content-type-options": "nosniff"}


def operations(metrics: Metrics) -> Sequence[Operation]:
    """All that the service can be asked."""
    about_runs = (*runs.OPERATIONS, *artifacts.OPERATIONS, *definition_runs.OPERATIONS)
    about_people = (*keys.OPERATIONS, *people.OPERATIONS)
    about_definitions = (*definitions.OPERATIONS, *documents.OPERATIONS)
    own = (*about_runs, *webhooks.OPERATIONS, *about_definitions, *about_people, *health.OPERATIONS, health.metrics_of(metrics))
    return *own, serving(own)


def asgi(runtime: Runtime, settings: HttpSettings | None = None, shelf: Shelf | None = None) -> ASGIApp:
    """The service over a runtime, as an ASGI application: to be served by itself, or mounted into another.

    Without `settings` those of the environment: `PERDURE_KEY_SECRET` says by which secret keys are known, `PERDURE_JWT_*` by what
    tokens are. Invalid where there is neither, and no single-user mode, for then nobody could ever come in. `shelf` is the index of
    documents, where there is one.
    """
    settings = settings or HttpSettings.of(os.environ)
    metrics = Metrics()
    known = operations(metrics)
    must_cover(operation.name for operation in known)
    crowd = Crowd(runtime, runtime.clock.now)
    gates, keyring = _gates(runtime, settings, crowd)
    service = Service(runtime, gates, keyring, crowd, shelf or Shelf(lambda: (None, "")))
    app = Litestar(
        [*_methods(known), *(_route(service, operation, metrics, settings.at_once_max) for operation in known)],
        openapi_config=None,
        logging_config=None,
        exception_handlers={HTTPException: _not_served, Exception: _broke},
        request_max_body_size=settings.body_bytes_max,
    )
    return Entrance(app)


def keyring_of(runtime: Runtime, secret: str) -> Keyring:
    """The keys that a runtime's log holds."""
    return Keyring(runtime, secret, runtime.clock.now)


def _gates(runtime: Runtime, settings: HttpSettings, crowd: Crowd) -> tuple[Gates, Keyring | None]:
    """The ways in, and the keys, where there are any. Tokens alone will do; neither is a door that nobody could open."""
    if settings.single_user:
        return Gates([SingleUser()]), None
    gates: list[Gate] = []
    keyring = None
    if settings.key_secret or settings.tokens is None:
        keyring = Keyring(runtime, settings.key_secret, runtime.clock.now, crowd)
        gates.append(keyring)
    if settings.tokens is not None:
        gates.append(_tokens(settings.tokens, crowd))
    return Gates(gates), keyring


def _tokens(settings: TokenSettings, crowd: Crowd) -> Gate:
    try:
        from .auth.tokens import Tokens
    except ModuleNotFoundError as missing:
        raise Unavailable("tokens cannot be known here", who="PERDURE_JWT_*", expected="the packages of perdure[service]",
                          found=f"no module {missing.name}", instead="pip install 'perdure[service]'") from missing
    return Tokens(settings, crowd, anyio.current_time)


def _route(service: Service, operation: Operation, metrics: Metrics, at_once_max: int) -> HTTPRouteHandler:
    async def handle(request: AnyHttpRequest) -> ASGIApp:
        began = monotonic()
        response = await answered(request) if service.under_way < at_once_max else _sent(*told(full(at_once_max)))
        if request.method == HttpMethod.HEAD:
            response.body, response.is_head_response = b"", True
        metrics.count(operation.path, request.method, response.status_code, monotonic() - began)
        return response

    async def answered(request: AnyHttpRequest) -> ASGIResponse:
        service.under_way += 1
        try:
            return await said(request)
        except HTTPException as error:
            return _sent(*of_framework(error.status_code, error.detail, error.headers))
        except Exception as error:
            return _sent(*told(broken(error, f"{request.method} {request.scope['path']}")))
        finally:
            service.under_way -= 1

    async def said(request: AnyHttpRequest) -> ASGIResponse:
        try:
            parts = {name: unquote(text, errors="strict") for name, text in request.path_params.items()}
            answer = await service.answer(operation, request, parts)
        except PerdureError as error:
            return _sent(*told(error))
        except UnicodeDecodeError:
            return _sent(*of_framework(404, "a path that is no UTF-8"))
        status, headers = answer.status or operation.status, dict(answer.headers)
        if answer.stream is not None:
            stream = counted(service, answer.stream)
            return StreamInTime(iterator=stream, status_code=status, media_type=answer.media, headers=GUARDED | headers)
        body = plain(answer.value)
        return _sent(status, headers | ({"content-type": answer.media} if body else {}), body, answer.media)

    path = _pattern(operation.path)
    return HTTPRouteHandler(path, http_method=operation.methods, name=operation.name, status_code=operation.status)(handle)


def _methods(known: Sequence[Operation]) -> Iterator[HTTPRouteHandler]:
    """What may be asked of each path; left alone, the framework would name the methods of one operation of it."""
    by_path: dict[str, list[str]] = {}
    for operation in known:
        by_path.setdefault(operation.path, ["OPTIONS"]).extend(operation.methods)
    for path, methods in by_path.items():
        yield HTTPRouteHandler(_pattern(path), http_method=HttpMethod.OPTIONS, status_code=200)(_telling(", ".join(sorted(methods))))


def _telling(methods: str) -> Callable[[], Coroutine[Any, Any, ASGIApp]]:
    async def tell() -> ASGIApp:
        return ASGIResponse(status_code=204, headers=GUARDED | {"allow": methods})

    return tell


def _pattern(path: str) -> str:
    return path.replace("}", ":str}")


class StreamInTime(ASGIStreamingResponse):
    """A stream whose reader takes each piece in time: who reads nothing does not keep what is read for them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Any) -> None:
            with anyio.fail_after(SEND_SECONDS):
                await send(message)

        await super().__call__(scope, receive, send_in_time)


async def counted(service: Service, stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The stream, whose reader is under way as long as it lasts."""
    service.under_way += 1
    try:
        async with aclosing(stream):
            async for piece in stream:
                yield piece
    finally:
        service.under_way -= 1


def full(at_once_max: int) -> Unavailable:
    return Unavailable("the service has as many requests as it takes at once", who="the service", expected=f"at most {at_once_max}",
                       found="one more", instead="nothing happened: send it again in a second")


def _sent(status: int, headers: dict[str, str], body: bytes, media: str | None = None) -> ASGIResponse:
    return ASGIResponse(body=body, status_code=status, headers=GUARDED | headers, media_type=media)


def _not_served(request: AnyHttpRequest, error: HTTPException) -> AnyResponse:
    status, headers, body = of_framework(error.status_code, error.detail, error.headers)
    return Response(body, status_code=status, headers=GUARDED | headers)


def _broke(request: AnyHttpRequest, error: Exception) -> AnyResponse:
    status, headers, body = told(broken(error, f"{request.method} {request.scope['path']}"))
    return Response(body, status_code=status, headers=GUARDED | headers)
