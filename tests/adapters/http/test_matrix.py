"""The matrix: every operation of the OpenAPI page, as everybody, on a run of one's own, on that of another, and on none.

What is expected is written down here once more, by hand, so that a wrong row in the table of policies is red in both directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from perdure.adapters.http.auth.permissions import ROLES
from tests.adapters.http.shop import Caller, Shop, shop

pytestmark = pytest.mark.anyio

SEEING, STEERING = {"viewer", "operator", "admin"}, {"operator", "admin"}
STARTING = {"starter", "author", "admin"}
EVERYBODY = set(ROLES)

ALLOWED: Mapping[str, tuple[set[str], set[str]]] = {
    **dict.fromkeys(("runs.list", "runs.look", "runs.result", "runs.events", "runs.query", "runs.artifacts", "runs.artifact",
                     "approvals.list"), (SEEING, EVERYBODY)),
    **dict.fromkeys(("runs.signal", "runs.update"), (STEERING, STEERING | STARTING)),
    **dict.fromkeys(("runs.pause", "runs.resume", "runs.cancel", "runs.retry", "runs.terminate", "runs.upgrade", "runs.skip",
                     "runs.approve", "runs.reject", "steps.complete", "steps.fail"), (STEERING, STEERING)),
    **dict.fromkeys(("runs.start", "runs.signal_or_start"), (STARTING, STARTING)),
    **dict.fromkeys(("keys.create", "keys.list", "keys.rotate", "keys.revoke", "metrics"), ({"admin"}, {"admin"})),
    "workers.status": (SEEING, SEEING),
    "step_types": (EVERYBODY, EVERYBODY),
    "whoami": (EVERYBODY, EVERYBODY),
}  # fmt: skip
"""By operation: the roles that may call it for any run of the tenant, and for a run of their own."""

PUBLIC = {"health", "healthz", "readyz", "openapi"}

BODIES: Mapping[str, Any] = {
    "runs.start": {"workflow": "hello", "arguments": ["Ann"]}, "runs.signal_or_start": {"workflow": "asks", "signal": "x", "run": ""},
    "runs.upgrade": {"version": 9}, "runs.skip": {"step": "none"}, "runs.approve": {"name": "none", "digest": "0"},
    "runs.reject": {"name": "none", "digest": "0"}, "runs.signal": "word", "runs.update": [], "runs.query": [],
    "steps.complete": {"token": "x"}, "steps.fail": {"token": "x", "error": {"type": "Failed", "message": "no"}},
    "keys.create": {"user": "new", "roles": ["viewer"]},
}  # fmt: skip


async def told(who: Caller, method: str, path: str, operation: str, run: str) -> httpx.Response:
    parts = {"run_id": run, "name": "none", "key_id": "000000000000"}
    for part, text in parts.items():
        path = path.replace(f"{{{part}}}", text)
    query = "?within=0.05" if operation in ("runs.result", "runs.update", "runs.query") else ""
    return await (who.get(path + query) if method == "get" else who.post(path, BODIES.get(operation)))


async def test_nobody_may_more_or_less_than_their_role_says() -> None:
    async with shop() as service:
        page = (await service.client.get("/api/v1/openapi.json")).json()
        rows = [(path, method, row["operationId"]) for path, methods in page["paths"].items() for method, row in methods.items()]
        assert {name for _, _, name in rows} == ALLOWED.keys() | PUBLIC

        wrong: list[str] = []
        cells = 0
        for role in ROLES:
            own, foreign = await runs_for(service, role)
            who = await service.caller(role, user=f"the {role}")
            for path, method, name in rows:
                for what, run in (("own", own), ("foreign", foreign), ("absent", f"no-{role}")):
                    about_run = "{run_id}" in path
                    if not about_run and what != "own":
                        continue
                    cells += 1
                    found = await told(who, method, path, name, run)
                    expected = verdict(name, role, what if about_run else "any")
                    if not fits(found, expected):
                        wrong.append(f"{role} {name} {what}: {found.status_code}, expected {expected}: {found.text[:200]}")

        assert wrong == []
        assert cells > 300


async def runs_for(service: Shop, role: str) -> tuple[str, str]:
    """(a run that is theirs, one that is not): parked, and never ended by what the cells say."""
    from msgspec import Raw

    from perdure.runtime.requests import StartRun

    found = [f"{role}-own", f"{role}-foreign"]
    for run, by in zip(found, (f"the {role}", "somebody"), strict=True):
        await service.runtime.do(StartRun(workflow="order", arguments=Raw(b"[1]"), run=run, tenant="acme", by=by))
    return found[0], found[1]


def verdict(name: str, role: str, what: str) -> str:
    if name in PUBLIC:
        return "done"
    every, own = ALLOWED[name]
    if role in every:
        return "done" if what != "absent" else "none"
    if role not in own:
        return "denied"
    return "done" if what in ("own", "any") else "none"


def fits(found: httpx.Response, expected: str) -> bool:
    """Done: it came to the runtime, whatever that said of a wish that makes no sense. None: as of a run that does not exist."""
    code = found.json().get("code", "") if found.headers["content-type"].startswith("application/problem") else ""
    if expected == "denied":
        return (found.status_code, code) == (403, "denied")
    if expected == "none":
        return (found.status_code, code) == (404, "not_found")
    missing = found.status_code == 404 and "no such run" in found.text
    return found.status_code not in (401, 403) and found.status_code < 500 and not missing


@pytest.mark.parametrize("way", ["nothing", "unknown", "revoked", "expired", "other tenant"])
async def test_who_is_not_known_or_not_of_the_tenant_comes_to_nothing(way: str) -> None:
    async with shop() as service:
        page = (await service.client.get("/api/v1/openapi.json")).json()
        own = (await runs_for(service, "admin"))[0]
        who = await stranger(service, way)
        wrong: list[str] = []
        for path, methods in page["paths"].items():
            for method, row in methods.items():
                name = row["operationId"]
                found, none = await told(who, method, path, name, own), await told(who, method, path, name, own.replace("own", "non"))
                if way == "other tenant":
                    right = found.status_code not in (401, 403) and found.text.replace(own, own.replace("own", "non")) == none.text
                    right = right or "{run_id}" not in path
                else:
                    right = found.status_code == (200 if name in PUBLIC else 401)
                if not right:
                    wrong.append(f"{way} {name}: {found.status_code} {found.text[:200]}")

        assert wrong == []
        assert await service.runtime.run(own, tenant="acme").status() == "running"


async def stranger(service: Shop, way: str) -> Caller:
    if way == "nothing":
        return service.nobody()
    if way == "other tenant":
        return await service.caller("admin", tenant="other", user="the admin")
    made = await service.ring.create("acme", "the admin", ["admin"], expires_in=1e-6 if way == "expired" else 0.0)
    if way == "revoked":
        await service.ring.revoke(made.key.id)
    return service.nobody(x_api_key=f"{made.text[:-4]}AAAA" if way == "unknown" else made.text)
