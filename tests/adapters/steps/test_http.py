"""The step `http`, in a run, to a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

import perdure
from perdure.steps import HttpAnswer, http
from tests.adapters.webhooks.receiver import open_to


@perdure.workflow
async def asks(url: str, method: str) -> HttpAnswer:
    return await http(url, method, headers={"X-Who": "ada"}, json={"cents": 12} if method == "POST" else None)


class Server(BaseHTTPRequestHandler):
    def _say(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        said = json.dumps({"who": self.headers["x-who"], "key": self.headers.get("idempotency-key"), "body": body.decode()}).encode()
        self.send_response(404 if self.path == "/none" else 200)
        self.send_header("Content-Type", "text/plain" if self.path == "/text" else "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _say  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is that of the library
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Generator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    for name, value in open_to(server.server_address[1]).items():
        monkeypatch.setenv(name, value)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


async def asked(url: str, method: str = "GET") -> HttpAnswer:
    async with perdure.open("memory:", workflows=[asks]) as runtime:
        return await (await runtime.start(asks, url, method)).result()


@pytest.mark.anyio
async def test_what_a_server_answers_is_the_result_whatever_its_status(url: str) -> None:
    found, missing, text = await asked(f"{url}/"), await asked(f"{url}/none"), await asked(f"{url}/text")

    assert (found.status, missing.status) == (200, 404)
    assert found.body == {"who": "ada", "key": None, "body": ""}
    assert json.loads(text.body)["who"] == "ada"


@pytest.mark.anyio
async def test_a_request_that_changes_something_carries_the_key_of_its_step(url: str) -> None:
    answer = await asked(f"{url}/", "POST")

    assert answer.body["body"] == '{"cents":12}'
    assert len(answer.body["key"]) == 32


@pytest.mark.anyio
async def test_a_host_inside_is_not_called(url: str) -> None:
    with pytest.raises(perdure.RunError, match="this host is not called"):
        await asked("http://169.254.169.254/latest/meta-data/")
