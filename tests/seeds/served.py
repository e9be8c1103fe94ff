"""`perdure serve` as a process of its own, on a log of any kind, and people who call it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx

import perdure
from perdure.adapters.http.app import keyring_of
from perdure.adapters.rag.ingesting import ingest
from tests.adapters.cli.calling import ENVIRONMENT, SCRIPT
from tests.adapters.webhooks.receiver import Receiver, receiving
from tests.house import tree

SECRET = "a secret of thirty-two characters, for tests"  # noqa: S105 - it guards nothing
ROOT = "/api/v1/workflows"
RUNS = f"{ROOT}/runs"
DLQ = f"{ROOT}/webhooks/dlq"
WITHIN = 30.0


class Caller:
    """Somebody with a key, or without one."""

    def __init__(self, address: str, key: str = "") -> None:
        self.key = key
        headers = {"X-API-KEY": key} if key else {}
        self.client = httpx.Client(base_url=address, headers=headers, timeout=WITHIN, trust_env=False)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=_named(headers))

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.client.post(path, headers=_named(headers), **({} if body is None else {"json": body}))

    def start(self, flow: str, *arguments: Any) -> str:
        """The id of a new run of a workflow that is code."""
        return self._begun(self.post(RUNS, {"workflow": flow, "arguments": list(arguments)}))

    def run(self, *steps: Mapping[str, Any], inputs: Mapping[str, Any] | None = None, **more: Any) -> str:
        """The id of a new run of a definition that is these steps."""
        definition: dict[str, Any] = {"name": "adhoc", "inputs": {name: {} for name in inputs or {}}, "steps": list(steps), **more}
        return self._begun(self.post(f"{ROOT}/run", {"definition": definition, "inputs": dict(inputs or {})}))

    def end(self, run: str) -> Any:
        """How a run has ended."""
        told = self.get(f"{RUNS}/{run}/result?within=25")
        assert told.status_code == 200, told.text
        return told.json()

    def events(self, run: str, query: str = "") -> list[dict[str, Any]]:
        told = self.get(f"{RUNS}/{run}/events{query}")
        assert told.status_code == 200, told.text
        found: list[dict[str, Any]] = told.json()["events"]
        return found

    def until(self, path: str, holds: Callable[[Any], object]) -> Any:
        """What a path answers, once that holds."""
        found, end = None, time.monotonic() + WITHIN
        while time.monotonic() < end:
            if holds(found := self.get(path).json()):
                return found
            time.sleep(0.02)
        raise AssertionError(f"{path} still says {found}")

    @staticmethod
    def _begun(told: httpx.Response) -> str:
        assert told.status_code == 201, told.text
        run: str = told.json()["run"]
        return run


class Served:
    """The service, and callers of any role and tenant."""

    def __init__(self, address: str, admins: Mapping[str, str], receiver: Receiver, log: str, room: Path) -> None:
        self.address = address
        self.receiver = receiver
        self.log = log
        self.room = room
        self._admins = {tenant: Caller(address, key) for tenant, key in admins.items()}
        self.nobody = Caller(address)
        self._callers: dict[Any, Caller] = {}

    def caller(self, *roles: str, user: str = "ann", tenant: str = "default") -> Caller:
        if (known := (roles, user, tenant)) not in self._callers:
            made = self._admins[tenant].post("/api/v1/keys", {"user": user, "roles": list(roles)})
            assert made.status_code == 201, made.text
            self._callers[known] = Caller(self.address, made.json()["key"])
        return self._callers[known]

    def close(self) -> None:
        for caller in (self.nobody, *self._admins.values(), *self._callers.values()):
            caller.client.close()


@contextmanager
def serving(log: str, room: Path, environment: Mapping[str, str], *, tenants: Sequence[str] = ("default",)) -> Generator[Served]:
    """Serve `flows.py` on a log until the end of the block, with a receiver beside it that may be called."""
    admins = anyio.run(_keys, log, tenants)
    with receiving() as receiver:
        given = ENVIRONMENT | {"PERDURE_KEY_SECRET": SECRET, "PERDURE_RAG": handbook(room)} | receiver.environment | dict(environment)
        flows = str(Path(__file__).with_name("flows.py"))
        command = [str(SCRIPT), "serve", flows, "--port", "0", "--log", log, "--json"]
        with (room / "service.log").open("w") as told:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=told, text=True, env=given, cwd=tree.ROOT)
        assert child.stdout is not None
        try:
            line = child.stdout.readline()
            assert line, (room / "service.log").read_text()
            served = Served(json.loads(line)["service"], admins, receiver, log, room)
            yield served
            served.close()
        finally:
            child.send_signal(signal.SIGTERM)
            child.wait(20)
            child.stdout.close()


def handbook(room: Path) -> str:
    """An index of documents with one document."""
    page = room / "paying.md"
    page.write_text("# Paying\n\nInvoices are paid within 30 days.\n")
    ingest(room / "documents", "default", "handbook", [str(page)])
    return str(room / "documents")


async def _keys(log: str, tenants: Sequence[str]) -> dict[str, str]:
    """A key of an admin of each tenant."""
    async with perdure.open(log) as runtime:
        ring = keyring_of(runtime, SECRET)
        return {tenant: (await ring.create(tenant, "root", ["admin"])).text for tenant in tenants}


def curl(command: str, served: Served, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as it stands in a document, but for where the service is."""
    checked = command.replace("curl ", "curl --silent --show-error --fail-with-body --max-time 20 ", 1)
    checked = checked.replace("http://127.0.0.1:8000", served.address)
    given = {**os.environ, "no_proxy": "127.0.0.1", **environment}
    return subprocess.run(["bash", "-c", checked], capture_output=True, text=True, check=False, env=given)


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): text for name, text in headers.items()}


def sql(served: Served, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{served.log.removeprefix('sqlite:///')}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def log_step(id: str = "a") -> dict[str, Any]:
    return {"id": id, "type": "log", "config": {"message": "done"}}


def tell(url: str) -> dict[str, Any]:
    return {"id": "tell", "type": "webhook", "config": {"url": url, "topic": "order.paid", "data": {"cents": 1200}}}
