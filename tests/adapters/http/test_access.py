"""Who may what: keys that are shown once, roles, owners, tenants; whoever may not see a run hears what they would of none."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

import perdure
from perdure import Invalid
from perdure.adapters.http import policies
from perdure.adapters.http.app import asgi, operations
from perdure.adapters.http.auth.principals import Visitor
from perdure.adapters.http.auth.single import SingleUser, must_be_loopback
from perdure.adapters.http.metrics import Metrics
from perdure.adapters.http.policies import POLICIES, must_cover
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from perdure.eventlog.errors import Bug
from tests.adapters.http.shop import FLOWS, RUNS, SECRET, shop

pytestmark = pytest.mark.anyio


async def test_every_operation_has_a_policy_and_every_policy_an_operation() -> None:
    assert {operation.name for operation in operations(Metrics())} == POLICIES.keys()


async def test_without_a_row_the_service_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "POLICIES", {name: row for name, row in POLICIES.items() if name != "runs.pause"})
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        with pytest.raises(Bug, match="operations and policies are not the same"):
            asgi(runtime, HttpSettings(key_secret=SECRET))
    with pytest.raises(Bug):
        must_cover(["runs.fly"])


async def test_without_a_secret_nobody_is_let_in() -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        with pytest.raises(Invalid, match="secret of the service"):
            asgi(runtime, HttpSettings())
        with pytest.raises(Invalid, match="secret of the service"):
            asgi(runtime, HttpSettings(key_secret=SECRET[:31]))


async def test_all_who_are_not_known_hear_the_same() -> None:
    async with shop() as service:
        made = await service.ring.create("acme", "ann", ["admin"])
        revoked = await service.ring.create("acme", "ann", ["admin"])
        await service.ring.revoke(revoked.about.id)
        expired = await service.ring.create("acme", "ann", ["admin"], expires_in=1e-6)
        wrong = made.text[:-1] + ("A" if made.text[-1] != "A" else "B")
        shown = [{}, {"x-api-key": ""}, {"x-api-key": "x"}, {"x-api-key": wrong}, {"x-api-key": revoked.text},
                 {"x-api-key": expired.text},
                 {"authorization": "Basic x"}, {"authorization": "Bearer "}, {"x-api-key": made.text,
                                                                              "authorization": f"Bearer {made.text}"}]  # fmt: skip
        told = [await service.client.get(RUNS, headers=headers) for headers in shown]
        twice = await service.client.get(RUNS, headers=[("x-api-key", made.text), ("x-api-key", made.text)])
        good = [await service.client.get(RUNS, headers=one) for one in ({"x-api-key": made.text}, {"authorization": f"Bearer {made.text}"})]

        assert {(one.status_code, one.content) for one in (*told, twice)} == {(401, told[0].content)}
        assert told[0].headers["www-authenticate"].startswith("Bearer")
        assert [one.status_code for one in good] == [200, 200]


async def test_a_key_is_shown_once_and_is_nowhere_in_the_log(tmp_path: Path) -> None:
    async with shop(f"sqlite:///{tmp_path}/shop.db") as service:
        admin = await service.caller("admin", user="olga")
        made = (await admin.post("/api/v1/keys", {"user": "ben", "roles": ["viewer"], "label": "desk"})).json()
        listed = (await admin.get("/api/v1/keys")).json()["keys"]

        assert made["key"].startswith(f"prd_{made['about']['id']}_")
        assert {key["user"] for key in listed} == {"ben", "olga"}
        assert made["key"] not in msgspec.json.encode(listed).decode()
    secret = made["key"].rpartition("_")[2].encode()

    assert holding(tmp_path, secret) == []


def holding(folder: Path, text: bytes) -> list[str]:
    """The files that have a text in them."""
    return [path.name for path in folder.iterdir() if text in path.read_bytes()]


async def test_a_rotated_key_stays_good_for_a_while_and_its_successor_at_once() -> None:
    async with shop() as service:
        admin = await service.caller("admin")
        old = (await admin.post("/api/v1/keys", {"user": "ben", "roles": ["viewer"]})).json()
        new = (await admin.post(f"/api/v1/keys/{old['about']['id']}/rotate", {"overlap": 3600})).json()
        both = [(await service.nobody(x_api_key=key["key"]).get("/api/v1/whoami")).json() for key in (old, new)]
        await admin.post(f"/api/v1/keys/{new['about']['id']}/rotate", {"overlap": 0})
        gone = await service.nobody(x_api_key=new["key"]).get("/api/v1/whoami")
        again = await admin.post(f"/api/v1/keys/{old['about']['id']}/rotate", {})

        assert [one["user"] for one in both] == ["ben", "ben"]
        assert [gone.status_code, again.status_code] == [401, 409]


async def test_owners_see_their_own_runs_and_of_others_what_they_would_of_none() -> None:
    async with shop() as service:
        ann, ben = await service.caller("starter"), await service.caller("starter", user="ben")
        viewer, stranger = await service.caller("viewer", user="vera"), await service.caller("admin", user="ann", tenant="other")
        run = await ann.start(run="o-1")
        theirs = [await who.get(f"{RUNS}/o-1") for who in (ann, viewer)]
        foreign, absent = await ben.get(f"{RUNS}/o-1"), await ben.get(f"{RUNS}/o-2")
        elsewhere = [await stranger.get(f"{RUNS}/{id}") for id in ("o-1", "o-2")]

        assert [one.status_code for one in theirs] == [200, 200]
        assert (foreign.status_code, foreign.text.replace("o-1", "o-2")) == (404, absent.text)
        assert [one.status_code for one in elsewhere] == [404, 404]
        assert elsewhere[0].text.replace("o-1", "o-2") == elsewhere[1].text
        assert [len((await who.get(RUNS)).json()["runs"]) for who in (ann, ben, viewer, stranger)] == [1, 0, 1, 0]
        assert run == "o-1"


async def test_nobody_takes_over_the_id_of_a_run_of_somebody_else() -> None:
    async with shop() as service:
        ann, ben = await service.caller("starter"), await service.caller("starter", user="ben")
        await ann.start("asks", [], run="o-1")
        await service.runtime.start(FLOWS[1], id="o-2", tenant="acme")
        for run in ("o-1", "o-2"):
            same = await ben.post(RUNS, {"workflow": "asks", "run": run})
            over = await ben.post(RUNS, {"workflow": "asks", "run": run, "on_conflict": "terminate_and_start", "reuse": "always"})
            told = await ben.post("/api/v1/workflows/signal-or-start", {"workflow": "asks", "run": run, "signal": "x"})

            assert {one.status_code for one in (same, over, told)} == {409}
            assert "ann" not in same.text
            assert await service.runtime.run(run, tenant="acme").status() == "running"


async def test_an_admin_manages_the_keys_of_their_own_tenant_alone() -> None:
    async with shop() as service:
        admin, other = await service.caller("admin"), await service.caller("admin", tenant="other")
        made = (await admin.post("/api/v1/keys", {"user": "ben", "roles": ["viewer"]})).json()
        foreign = await other.post(f"/api/v1/keys/{made['about']['id']}/revoke")
        absent = await other.post("/api/v1/keys/000000000000/revoke")
        unknown = await admin.post("/api/v1/keys", {"user": "ben", "roles": ["king"]})

        assert (foreign.status_code, foreign.text.replace(made["about"]["id"], "000000000000")) == (404, absent.text)
        assert [key["tenant"] for key in (await other.get("/api/v1/keys")).json()["keys"]] == ["other"]
        assert unknown.status_code == 422


@pytest.mark.parametrize(
    ("visitor", "known"),
    [
        (Visitor(host="127.0.0.1:8000", address="127.0.0.1"), True),
        (Visitor(host="localhost:8000", address="::1", origin="http://LOCALHOST:8000"), True),
        (Visitor(host="localhost", address="::1", origin="http://localhost"), True),
        (Visitor(host="localhost:443", address="::1", origin="https://localhost", scheme="https"), True),
        (Visitor(host="localhost:8000", address="::1", site="same-origin"), True),
        (Visitor(host="localhost:8000", address="::1", site="same-site"), False),
        (Visitor(host="localhost:8000", address="::1", origin="http://localhost:3000"), False),
        (Visitor(host="localhost:8000", address="::1", origin="http://127.0.0.1:8000"), False),
        (Visitor(host="localhost:8000", address="::1", origin="https://localhost:8000"), False),
        (Visitor(host="localhost", address="::1", origin="http://localhost:3000"), False),
        (Visitor(host="localhost:x", address="::1"), False),
        (Visitor(host="127.0.0.1", address="10.0.0.7"), False),
        (Visitor(host="evil.example", address="127.0.0.1"), False),
        (Visitor(host="127.0.0.1", address="127.0.0.1", origin="https://evil.example"), False),
        (Visitor(host="127.0.0.1", address="127.0.0.1", origin="null"), False),
        (Visitor(host="127.0.0.1", address="127.0.0.1", key="x"), False),
        (Visitor(host="127.0.0.1", address=""), False),
        (Visitor(host="", address="127.0.0.1"), False),
    ],
)
async def test_single_user_mode_knows_only_this_machine(visitor: Visitor, known: bool) -> None:
    assert (await SingleUser().recognise(visitor) is not None) is known


async def test_single_user_mode_listens_on_this_machine_alone() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        must_be_loopback(host)
    for host in ("0.0.0.0", "::", "10.0.0.7", "shop.example"):  # noqa: S104 - refused
        with pytest.raises(Invalid, match="this machine alone"):
            must_be_loopback(host)


async def test_in_single_user_mode_a_page_of_another_port_cannot_pause_what_runs() -> None:
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        app = asgi(runtime, HttpSettings(single_user=True))
        async with served(app, "127.0.0.1", 0) as address, httpx.AsyncClient(base_url=address) as client:
            run = (await client.post(RUNS, json={"workflow": "order", "arguments": [7]}, headers={"origin": address})).json()["run"]
            strange = [{"origin": "http://127.0.0.1:3000"}, {"sec-fetch-site": "same-site"}]
            told = [await client.post(f"{RUNS}/{run}/pause", headers=headers) for headers in strange]
            look = (await client.get(f"{RUNS}/{run}")).json()

    assert [one.status_code for one in told] == [401, 401]
    assert look["status"] != "paused"
