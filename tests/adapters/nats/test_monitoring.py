"""Whether servers sync each write is looked up where the URL says that they show it, and a log that is weaker than asked is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import perdure
from perdure import Invalid, Refused, Unavailable
from perdure.adapters.nats.inspecting import check, initialise, status
from tests.adapters.nats.server import NatsServer, running

pytestmark = pytest.mark.anyio

SHOWN = 'http: "127.0.0.1:-1"'


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def monitor(room: Path) -> str:
    """The address that the server wrote down."""
    (ports,) = room.glob("*.ports")
    found: str = json.loads(ports.read_text())["monitoring"][0]
    return found


def url_of(server: NatsServer, room: Path, options: str = "") -> str:
    return f"{server.url}/shop?monitor={monitor(room)}{options}"


def lax(room: Path) -> str:
    return f'{SHOWN}\njetstream {{ store_dir: "{room / "store"}" }}'


@pytest.mark.parametrize("options", ["", "&sync=always"])
async def test_servers_that_sync_are_found_to(tmp_path: Path, options: str) -> None:
    with running(tmp_path, SHOWN) as server:
        url = url_of(server, tmp_path, options)
        await initialise(url)

        assert (await status(url)).durability == (await check(url)).durability == "power"


async def test_servers_that_do_not_are_found_to_whatever_the_url_says(tmp_path: Path) -> None:
    with running(tmp_path, lax(tmp_path), jetstream=False) as server:
        await initialise(f"{server.url}/shop")

        assert (await status(url_of(server, tmp_path))).durability == "process"
        assert (await status(f"{server.url}/shop?sync=always")).durability == "power"  # its operator's word, which nobody has looked at
        with pytest.raises(Refused, match="do not sync what the URL says") as caught:
            async with perdure.open(url_of(server, tmp_path, "&sync=always")):
                pass
    assert caught.value.found.endswith(": sync_interval: 120s")
    assert "sync_interval: always" in caught.value.instead


async def test_a_server_that_shows_nothing_is_unavailable(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        await initialise(f"{server.url}/shop")
        for where in ("http://127.0.0.1:1", server.url.replace("nats://", "http://")):
            with pytest.raises(Unavailable, match="does not say how it is set"):
                await status(f"{server.url}/shop?monitor={where}")


@pytest.mark.parametrize("where", ["nats-1:8222", "ftp://nats-1", "http://", "http://nats-1:8222,8222"])
async def test_what_is_no_address_is_refused_before_anything_is_asked(where: str) -> None:
    with pytest.raises(Invalid, match="a monitor of the URL is none"):
        await status(f"nats://127.0.0.1:4222/shop?monitor={where}")
