"""Seed 004: the items of its checklist that are about webhooks, against `perdure serve` on SQLite and on NATS.

Defaults and rules that would take hours to wait for are asked of the part that decides them.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from perdure import Refused
from perdure.adapters.dialer.dialer import Dialer
from perdure.adapters.dialer.rules import Rules
from perdure.adapters.webhooks.signatures import Secret, signature
from perdure.runtime.kinds.delivery import Policy
from perdure.runtime.settings.webhooks import WebhookSettings
from tests.adapters.webhooks.receiver import Request
from tests.seeds.served import DLQ, RUNS, Served, sql, tell

COLUMNS = "id, tenant_id, run_id, url, body_json, attempts, next_attempt_at, last_error, created_at"


def dead_letter(served: Served, path: str = "/500") -> dict[str, Any]:
    """A webhook that was given up."""
    who = served.caller("author", "operator")
    run = who.run(tell(f"{served.receiver.url}{path}"))
    assert who.end(run)["status"] == "completed"
    page = who.until(f"{RUNS}/{run}/webhooks/deliveries", lambda page: page["webhooks"] and page["webhooks"][0]["status"] == "dead")
    row: dict[str, Any] = page["webhooks"][0]
    return row


def came(served: Served, id: str) -> list[Request]:
    """What the receiver was sent of a webhook."""
    return [one for one in served.receiver.requests if one.headers.get("webhook-id") == id]


def must_lead(environment: Mapping[str, str], url: str, tenant: str = "default") -> bool:
    """Whether a webhook may be sent there, as far as its URL says."""
    try:
        Dialer(Rules.of(environment)).must_lead(url, tenant)
    except Refused:
        return False
    return True


def test_item_14_webhooks_that_failed_are_tried_again_and_are_a_table(embedded: Served) -> None:
    row = dead_letter(embedded)
    found = sql(embedded, f"select {COLUMNS} from workflow_webhook_dlq where id = '{row['id']}'")

    assert [request.path for request in came(embedded, row["id"])] == ["/500"] * 3
    assert [name for name in row if name in COLUMNS.split(", ")] == COLUMNS.split(", ")
    assert [found[0][place] for place in (0, 1, 2, 3, 5, 7)] == [
        row[name] for name in ("id", "tenant_id", "run_id", "url", "attempts", "last_error")
    ]  # fmt: skip
    assert json.loads(found[0][4])["data"] == row["body_json"]["data"] == {"cents": 1200}


def test_item_15_the_worker_is_on_where_the_variable_says_so_and_without_it(served: Served) -> None:
    variable = "WORKFLOWS_WEBHOOK_DLQ_ENABLED"
    settings = [WebhookSettings.of(given) for given in ({}, {variable: "true"}, {variable: "false"})]

    assert [one.policy.attempts for one in settings] == [8, 8, 1]
    assert dead_letter(served)["attempts"] == 3


def test_item_16_pauses_double_and_no_two_webhooks_wait_for_the_same_time() -> None:
    policy = WebhookSettings.of({}).policy
    pauses = {f"delivery/default/{name}": [policy.pause(f"delivery/default/{name}", n) for n in range(1, 8)] for name in "abcdef"}

    for waited in pauses.values():
        for number, pause in enumerate(waited):
            assert pause is not None
            assert 15e6 * 2**number <= pause <= 30e6 * 2**number
    assert len({tuple(waited) for waited in pauses.values()}) == len(pauses)


@pytest.mark.parametrize(("item", "name", "default"), [
    (17, "base_seconds", 30), (18, "max_backoff_seconds", 3600), (19, "max_attempts", 8), (20, "interval_seconds", 15),
    (21, "batch", 25), (22, "timeout_seconds", 10),
])  # fmt: skip
def test_items_17_to_22_each_setting_has_its_variable_and_its_default(item: int, name: str, default: float) -> None:
    end = {"base_seconds": "BASE_SEC", "max_backoff_seconds": "MAX_BACKOFF_SEC", "interval_seconds": "INTERVAL_SEC",
           "timeout_seconds": "TIMEOUT_SEC"}.get(name, name.upper())  # fmt: skip

    assert getattr(WebhookSettings.of({}), name) == default, item
    assert getattr(WebhookSettings.of({f"WORKFLOWS_WEBHOOK_DLQ_{end}": "7"}), name) == 7


def test_item_18_no_pause_is_longer_than_the_longest() -> None:
    policy = Policy(attempts=40, base=timedelta(seconds=30), longest=timedelta(seconds=3600))

    assert all(1800e6 <= (policy.pause("delivery/default/a", number) or 0) <= 3600e6 for number in range(8, 40))


def test_item_19_a_webhook_is_given_up_behind_its_last_attempt(served: Served) -> None:
    """The service of these tests has MAX_ATTEMPTS=3."""
    row = dead_letter(served, "/503")

    assert (row["attempts"], row["next_attempt_at"]) == (3, None)
    assert len(came(served, row["id"])) == 3


def test_item_23_a_list_of_allowed_hosts_lets_nothing_else_be_called() -> None:
    given = {"WORKFLOWS_WEBHOOK_ALLOWLIST": "hooks.example.com,*.example.org"}
    called = ["https://hooks.example.com/a", "https://a.example.org", "https://b.a.example.org"]
    not_called = ["https://example.org", "https://evilexample.org", "https://example.com", "https://hooks.example.com.evil.net"]

    assert [must_lead(given, url) for url in called + not_called] == [True] * 3 + [False] * 4
    assert not must_lead({"WORKFLOWS_WEBHOOK_ALLOWLIST": ""}, "https://hooks.example.com")


def test_item_24_a_denied_host_is_not_called_whoever_allows_it(served: Served) -> None:
    ada = served.caller("author")
    port = served.receiver.url.rpartition(":")[2]
    ends = [ada.end(ada.run(tell(f"http://{host}:{port}/"))) for host in ("denied.example.com", "a.denied.org")]
    both = {"WORKFLOWS_WEBHOOK_ALLOWLIST": "a.example.com", "WORKFLOWS_WEBHOOK_DENYLIST": "a.example.com"}

    assert [end["failure"]["cause"]["details"]["found"] for end in ends] == ["it is on a list of denied hosts"] * 2
    assert not must_lead(both, "https://a.example.com")


def test_item_25_a_tenant_has_lists_of_its_own(served: Served) -> None:
    tina, port = served.caller("author", tenant="team1"), served.receiver.url.rpartition(":")[2]
    given = {"WORKFLOWS_WEBHOOK_ALLOWLIST_TEAM1": "hooks.example.com,*.trusted.org", "WORKFLOWS_WEBHOOK_DENYLIST_TEAM1": "a.trusted.org"}
    urls = ("https://hooks.example.com", "https://b.trusted.org", "https://a.trusted.org", "https://other.example.com")
    end = tina.end(tina.run(tell(f"http://127.0.0.1:{port}/")))

    assert [must_lead(given, url, "team1") for url in urls] == [True, True, False, False]
    assert [must_lead(given, url) for url in urls] == [True] * 4
    assert end["failure"]["cause"]["details"]["found"] == "it is not on the list of allowed hosts"


def test_item_28_attempts_and_errors_are_watched_by_queries(embedded: Served) -> None:
    row = dead_letter(embedded)
    found = sql(embedded, "select last_error, count(*), max(attempts) from workflow_webhook_dlq group by last_error")

    assert WebhookSettings.of({}).enabled
    assert ("HTTP 500: so", 3) in {(error, attempts) for error, _, attempts in found}
    assert row["id"] in {line["id"] for line in embedded.caller("viewer", user="vera").get(DLQ).json()["webhooks"]}


def test_item_29_webhooks_are_signed_and_name_run_and_workflow(served: Served) -> None:
    ada = served.caller("author")
    run = ada.run(tell(f"{served.receiver.url}/200/item-29"))
    id = ada.end(run)["result"]
    ada.until(f"{RUNS}/{run}/webhooks/deliveries", lambda page: page["webhooks"][0]["status"] == "delivered")
    [request] = came(served, id)
    secret = served.receiver.environment["WORKFLOWS_WEBHOOK_SECRET"]
    seconds = request.headers["x-signature-timestamp"]
    mine = hmac.new(secret.encode(), f"{seconds}.".encode() + request.body, sha256).hexdigest()

    assert (request.headers["x-workflows-signature"], request.headers["x-workflows-signature-version"]) == (mine, "v1")
    assert request.headers["x-hub-signature-256"] == f"sha256={mine}"
    assert request.headers["webhook-signature"] == signature(Secret.of(secret, "test"), id, int(seconds), request.body)
    assert (request.headers["x-webhook-id"], request.headers["x-run-id"], request.headers["x-workflow-id"]) == (id, run, "adhoc")


@pytest.mark.parametrize("host", [
    "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.0", "[::1]", "[fe80::1]",  # noqa: S104
    "[::ffff:10.0.0.1]", "[64:ff9b::10.0.0.1]", "168.63.129.16",
])  # fmt: skip
def test_item_30_no_address_is_called_that_is_not_public(embedded: Served, host: str) -> None:
    """`make proofs NAME=ssrf` has 500 more, and a resolver that changes its mind."""
    ada = embedded.caller("author")
    port = embedded.receiver.url.rpartition(":")[2]
    end = ada.end(ada.run(tell(f"http://{host}:{port}/")))

    assert (end["status"], "this host is not called" in end["failure"]["message"]) == ("failed", True)
