"""What perdure's client does better than nats-py's."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from perdure.adapters.nats.wire.patient import PatientClient
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer

pytestmark = pytest.mark.anyio


async def test_the_answer_to_a_flush_stands_for_all_that_was_said_before_it(nats_server: NatsServer) -> None:
    """Else a door would be called open whose subscriptions have not reached the server."""
    client: Any = PatientClient()  # nats-py's annotations are incomplete
    async with proxied(urlsplit(nats_server.url).port or 0) as proxy:
        await client.connect(proxy.url)
        await client.subscribe("probe")
        await client.flush()
        asked = proxy.said.rindex(b"PING")
        await client.close()

    assert 0 <= proxy.said.find(b"SUB probe") < asked
