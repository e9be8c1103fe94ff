"""The service as others see it: a few requests over HTTP, each with a key, and the events of a run as they are sent."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import msgspec

from .....eventlog.errors import Bug
from ....steps.server_sent import ServerSent

ROOT, KEYS = "/api/v1/workflows", "/api/v1/keys"
WITHIN = 30.0


class Asking:
    """Requests of one user, by their key."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **params: str) -> Any:
        return self._told(self._http.get(f"{ROOT}{path}", params=params))

    def post(self, path: str, body: Any, *, key: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        return self._told(self._http.post(f"{ROOT}{path}", content=msgspec.json.encode(body), headers=headers))

    def post_yaml(self, path: str, text: str) -> Any:
        return self._told(self._http.post(f"{ROOT}{path}", content=text.encode(), headers={"Content-Type": "application/yaml"}))

    def key_for(self, user: str, *roles: str) -> str:
        """A key for somebody, made by who is an admin."""
        made = self._told(self._http.post(KEYS, json={"user": user, "roles": roles}))
        return str(made["key"])

    def follow(self, run: str) -> Iterator[dict[str, Any]]:
        """The events of a run as they happen, with `event_seq`, until it has ended."""
        parser = ServerSent()
        with self._http.stream("GET", f"{ROOT}/runs/{run}/events", headers={"Accept": "text/event-stream"}) as answer:
            if answer.is_error:
                answer.read()
                self._told(answer)
            for piece in answer.iter_bytes():
                for data in parser.feed(piece):
                    line: dict[str, Any] = msgspec.json.decode(data)
                    if "event" not in line:
                        return
                    yield line["event"] | {"event_seq": line["event_seq"]}

    def _told(self, answer: httpx.Response) -> Any:
        if answer.is_error:
            raise Bug("the service declined what the demo asks", who=f"{answer.request.method} {answer.request.url.path}",
                      expected="an answer", found=f"{answer.status_code} {answer.text[:500]}", instead="report it with that answer")
        return msgspec.json.decode(answer.content)


@contextmanager
def asking(address: str, key: str) -> Generator[Asking]:
    """Who holds a key, until the end of the block."""
    with httpx.Client(base_url=address, headers={"X-API-KEY": key}, timeout=WITHIN, trust_env=False) as http:
        yield Asking(http)
