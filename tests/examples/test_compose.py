"""`examples/compose.yaml`: what a container would read of it is what nats-server and perdure understand."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from perdure.adapters.nats.url import place_of
from tests import machine

yaml: Any = importlib.import_module("yaml")  # comes with litestar; it has no types
COMPOSE = machine.ROOT / "examples" / "compose.yaml"
SUBJECTS = machine.ROOT / "docs" / "nats_subjects.md"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    return found


def configuration(compose: dict[str, Any]) -> str:
    """As a container has it: compose writes a dollar as two."""
    return str(compose["configs"]["nats"]["content"]).replace("$$", "$")


def test_three_servers_and_three_workers_have_what_they_need(compose: dict[str, Any]) -> None:
    services: dict[str, dict[str, Any]] = compose["services"]
    servers = {name: service for name, service in services.items() if name.startswith("nats-")}
    workers = [service for name, service in services.items() if name.startswith("worker-")]

    assert (len(servers), len(workers), len(services)) == (3, 3, 6)
    for name, server in servers.items():
        assert server["environment"] == {"SERVER_NAME": name}
        assert server["volumes"] == [f"{name}:/data"]
        assert name in compose["volumes"]
        assert f"nats://{name}:6222" in configuration(compose)
    for worker in workers:
        place = place_of(worker["environment"]["PERDURE_LOG"])
        assert (place.replicas, place.sync, place.namespace) == (3, "always", "shop")
        assert [server.removeprefix("nats://").removesuffix(":4222") for server in place.servers] == [*servers]
        assert (place.user, place.password) == ("perdure", "change-me")


def test_the_servers_accept_their_configuration_and_sync_each_write(compose: dict[str, Any], tmp_path: Path) -> None:
    config = tmp_path / "nats.conf"
    config.write_text(configuration(compose).replace('"/data"', f'"{tmp_path}"'), encoding="utf-8")
    command = [str(machine.nats_server()), "-t", "-c", str(config)]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"SERVER_NAME": "nats-1"})

    assert told.returncode == 0, told.stderr
    assert "sync_interval: always" in configuration(compose)


def test_workers_may_do_what_the_page_of_subjects_says(compose: dict[str, Any]) -> None:
    found = re.search(r"user: worker.*?publish: \[ (.*?) \], subscribe: \[ (.*?) \]", SUBJECTS.read_text(encoding="utf-8"))

    assert found is not None
    for subjects in found.groups():
        assert f"[{subjects}]" in configuration(compose)
