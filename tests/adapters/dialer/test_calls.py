"""Calls go to public addresses alone, and only where lists let them."""

from __future__ import annotations

import anyio
import pytest

from perdure.adapters.dialer.lists import HostLists
from perdure.adapters.dialer.rules import Rules
from perdure.eventlog.errors import Invalid
from tests.adapters.dialer.calls import Call, forbidden, is_blocked, legitimate, made, passes


def test_no_call_leads_inside_and_none_goes_where_lists_forbid() -> None:
    async def through() -> list[Call]:
        return [call for call in forbidden() if not await is_blocked(call)]

    assert anyio.run(through) == []


def test_whoever_may_be_called_is_called_at_the_address_that_was_checked_and_by_its_name() -> None:
    async def stopped() -> list[Call]:
        return [call for call in legitimate() if not await passes(call)]

    assert anyio.run(stopped) == []


@pytest.mark.anyio
async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    network, error = await made(legitimate()[0])

    assert (error, len(network.connected)) == ("", 1)


@pytest.mark.anyio
async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:3128")

    assert await passes(legitimate()[0])


@pytest.mark.parametrize("entry", ["http://hooks.example.com", "hooks.*.com", "*", "ho oks", "10.0.0.0/33", "a@b"])
def test_an_entry_of_a_list_that_is_no_host_is_refused_when_the_list_is_read(entry: str) -> None:
    with pytest.raises(Invalid, match="a list of hosts names something else"):
        HostLists.of({"WORKFLOWS_WEBHOOK_ALLOWLIST": entry})


@pytest.mark.parametrize(
    ("name", "value"),
    [("PERDURE_DIAL_PORTS", "https"), ("PERDURE_DIAL_PORTS", "0"), ("PERDURE_DIAL_HTTP", "yes"), ("PERDURE_DIAL_PRIVATE", "localhost")],
)
def test_a_rule_that_does_not_fit_is_refused_when_it_is_read(name: str, value: str) -> None:
    with pytest.raises(Invalid, match="a setting does not fit"):
        Rules.of({name: value})
