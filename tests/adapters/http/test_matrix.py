"""Nobody may more or less than their role says: the matrix over every operation, and single-user mode beside it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import perdure
from perdure.adapters.http.app import asgi
from perdure.adapters.http.settings import HttpSettings
from perdure.runtime.permissions import ROLES
from tests.adapters.http import expected, matrix
from tests.adapters.http.expected import PUBLIC, Unexpected, must_be_expected, verdict
from tests.adapters.http.shop import FLOWS, shop
from tests.adapters.http.subjects import KNOWN

pytestmark = pytest.mark.anyio

SHARE = 0.3
"""Of the cells; all are played by the claim `auth-matrix`."""


async def test_nobody_may_more_or_less_than_their_role_says() -> None:
    async with shop(flows=KNOWN) as service:
        played = matrix.Matrix(service, matrix.rows_of((await service.client.get(matrix.PAGE)).json()))
        await played.play([*await matrix.strangers(service), *[who async for who in matrix.known(service, matrix.ROLES)]], SHARE)

    assert played.wrong == []
    assert played.cells > 800
    assert played.refused > played.allowed > 100


async def test_the_roles_are_those_that_are_written_down() -> None:
    assert expected.MAY == ROLES


async def test_an_operation_that_nobody_wrote_down_is_named() -> None:
    with pytest.raises(Unexpected, match=r"nobody wrote down who may call: \['runs\.fly'\]"):
        must_be_expected(frozenset({*PUBLIC, *expected.BY_NAME, "runs.fly"}))


async def test_a_right_too_many_and_one_too_few_are_both_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop(flows=KNOWN) as service:
        rows = [row for row in matrix.rows_of((await service.client.get(matrix.PAGE)).json()) if row.name in ("runs.look", "metrics")]
        visitors = [who async for who in matrix.known(service, [frozenset({"viewer"})])]
        monkeypatch.setitem(expected.BY_NAME, "metrics", expected.Need(expected.READ))
        monkeypatch.setitem(expected.BY_NAME, "runs.look", expected.Need(expected.CONTROL))
        played = matrix.Matrix(service, rows)
        await played.play(visitors)

    assert [line.partition(",")[0] for line in played.wrong if "viewer of acme" in line and "own" in line] == ["viewer of acme: runs.look"]
    assert any("metrics, any: expected to be done, found 403" in line for line in played.wrong)


async def test_single_user_mode_is_for_this_machine_in_every_operation() -> None:
    visits: list[tuple[str, dict[str, str], bool]] = [
        ("127.0.0.1", {}, True),
        ("127.0.0.1", {"origin": "http://127.0.0.1:8000"}, True),
        ("127.0.0.1", {"origin": "http://127.0.0.1:3000"}, False),
        ("10.0.0.7", {}, False),
        ("127.0.0.1", {"host": "evil.example"}, False),
        ("127.0.0.1", {"origin": "https://evil.example"}, False),
        ("127.0.0.1", {"x-api-key": "x"}, False),
    ]
    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        app: Any = asgi(runtime, HttpSettings(single_user=True))
        for address, headers, known in visits:
            transport = httpx.ASGITransport(app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=headers) as client:
                for row in matrix.rows_of((await client.get(matrix.PAGE)).json()):
                    found = await client.request(row.method, row.path.replace("{", "").replace("}", ""))

                    assert (found.status_code == 401) is (not known and row.name not in PUBLIC), (row.name, address, headers)
                    assert found.status_code != 403, row.name


async def test_what_is_expected_is_what_people_were_told() -> None:
    """A few cells by hand, so that the table is right where it is read."""
    viewer, starter, admin = (frozenset({role}) for role in ("viewer", "starter", "admin"))

    assert verdict("runs.look", viewer, "foreign") == "done"
    assert verdict("runs.look", starter, "foreign") == "none"
    assert verdict("runs.signal", starter, "own") == "done"
    assert verdict("runs.signal", viewer, "own") == "denied"
    assert verdict("runs.cancel", starter, "own") == "denied"
    assert verdict("keys.revoke", admin, "of another tenant") == "none"
    assert verdict("whoami", None, "any") == "unknown"
