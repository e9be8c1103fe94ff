"""The service inside another application: every path that it tells is one that leads back to it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

import perdure
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.http.shop import FLOWS, SECRET
from tests.adapters.http.test_definitions import ADD, KEPT

pytestmark = pytest.mark.anyio

PAGE = "/api/v1/openapi.json"


@pytest.mark.parametrize("root", ["", "/perdure", "/der laden/und mehr"])
async def test_what_is_told_of_where_things_are_leads_there(root: str) -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, SECRET).create("acme", "ada", ["author"])
        service: Any = asgi(runtime, HttpSettings(key_secret=SECRET))
        outer = Starlette()
        outer.mount(root, service)
        transport, headers = httpx.ASGITransport(outer), {"x-api-key": made.text, "content-type": "application/yaml"}
        async with httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers) as client:
            page = (await client.get(httpx.URL(f"http://shop{root}{PAGE}"))).json()
            kept = await client.post(httpx.URL(f"http://shop{root}{KEPT}"), content=ADD)
            (server,) = page.get("servers", [{"url": ""}])
            there = [await client.get(url) for url in (kept.headers["location"], f"{server['url']}{KEPT}/add")]

    assert ("servers" in page) == bool(root)
    assert [one.json()["name"] for one in there] == ["add", "add"]
