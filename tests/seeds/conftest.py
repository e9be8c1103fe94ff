"""One service for each carrier, shared by all items of a seed."""

from __future__ import annotations

from collections.abc import Generator
from uuid import uuid4

import pytest

from tests.adapters.nats.server import NatsServer, nats_server
from tests.seeds.served import Served, serving

__all__ = ["nats_server"]

ENVIRONMENT = {
    "PERDURE_SECRET_PARTNER": "sesame-of-the-partner",
    "WORKFLOWS_WEBHOOK_DLQ_ENABLED": "true",
    "WORKFLOWS_WEBHOOK_DENYLIST": "denied.example.com,*.denied.org",
    "WORKFLOWS_WEBHOOK_ALLOWLIST_TEAM1": "hooks.example.com,*.trusted.org",
}
TENANTS = ("default", "team1")


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The service on a file."""
    room = tmp_path_factory.mktemp("seed-on-sqlite")
    with serving(f"sqlite:///{room}/shop.db", room, ENVIRONMENT, tenants=TENANTS) as found:
        yield found


@pytest.fixture(scope="session")
def in_nats(nats_server: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """The service on a log in NATS."""
    log = f"{nats_server.url}/seed-{uuid4().hex[:8]}"
    with serving(log, tmp_path_factory.mktemp("seed-on-nats"), ENVIRONMENT, tenants=TENANTS) as found:
        yield found


@pytest.fixture(params=["embedded", "in_nats"])
def served(request: pytest.FixtureRequest) -> Served:
    """Each of them."""
    found: Served = request.getfixturevalue(request.param)
    return found
