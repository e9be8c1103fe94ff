"""A web application that embeds the runtime: orders are started, looked at and paid over HTTP, and outlive the process.

Serve it with any ASGI server, for example `uvicorn web_app:app`; run as a program it plays a customer.
"""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from perdure import PerdureError, signal, step, workflow
from perdure.web import lifespan, runtime_of


@step
async def ship(order: str, item: str) -> str:
    return f"{item} shipped for {order}"


@workflow
async def fulfil(order: str, item: str) -> str:
    await signal("paid", int)
    return await ship(order, item)


async def begin(request: Request) -> JSONResponse:
    """PUT /orders/o-1: the same order again is the same run."""
    order = request.path_params["order"]
    body = await request.json()
    run = await runtime_of(request).start(fulfil, order, str(body["item"]), id=order)
    return JSONResponse({"order": run.id, "status": await run.status()}, status_code=202)


async def look(request: Request) -> JSONResponse:
    run = runtime_of(request).run(request.path_params["order"])
    status = await run.status()
    result = await run.result() if status == "completed" else None
    return JSONResponse({"order": run.id, "status": status, "result": result})


async def pay(request: Request) -> JSONResponse:
    """POST /orders/o-1/payments: with the number of the payment as command it counts once, however often it is sent."""
    run, payment = runtime_of(request).run(request.path_params["order"]), await request.json()
    await run.signal("paid", payment["cents"], command=payment["number"])
    return JSONResponse({"order": run.id, "result": await run.result(within=timedelta(seconds=5))})


async def told(request: Request, error: Exception) -> JSONResponse:
    """What perdure refuses it refuses in words, with the status that fits."""
    assert isinstance(error, PerdureError)
    return JSONResponse({"error": error.code, **error.parts()}, status_code=error.http_status)


def shop(url: str) -> Starlette:
    routes = [
        Route("/orders/{order}", begin, methods=["PUT"]),
        Route("/orders/{order}", look),
        Route("/orders/{order}/payments", pay, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan(url, workflows=[fulfil]), exception_handlers={PerdureError: told})


app = shop("sqlite:///orders.db")


def customer(url: str) -> None:
    payment = {"cents": 4200, "number": "p-1"}
    for method, path, body in [("PUT", "", {"item": "kettle"}), ("GET", "", None), ("POST", "/payments", payment), ("GET", "", None)]:
        with TestClient(shop(url)) as client:  # each request meets a program that has just started
            print(method, client.request(method, f"/orders/o-1{path}", json=body).text)


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        customer(f"sqlite:///{Path(folder) / 'orders.db'}")
