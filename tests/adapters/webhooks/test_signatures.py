"""Signatures: the published vectors of Standard Webhooks, and the headers of the sibling."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from perdure.adapters.webhooks.signatures import Secret, Secrets, headers_of, signature
from perdure.eventlog.errors import Invalid

PUBLISHED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SECONDS, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def test_the_published_vector_of_standard_webhooks_is_met() -> None:
    assert signature(Secret.of(PUBLISHED, "test"), ID, SECONDS, BODY) == SIGNED


def test_while_secrets_are_changed_each_of_them_signs() -> None:
    known = Secrets.of({"WORKFLOWS_WEBHOOK_SECRET": f"{OTHER} {PUBLISHED}"}).of_tenant("default")

    sent = headers_of(known, ID, SECONDS, BODY)["webhook-signature"].split(" ")

    assert len(sent) == 2
    assert sent[1] == SIGNED


def test_a_receiver_of_the_sibling_finds_the_headers_that_it_checks() -> None:
    sent = headers_of((Secret.of(PUBLISHED, "test"),), ID, SECONDS, BODY, run="r 1", workflow="night")
    mac = hmac.new(PUBLISHED.encode(), f"{sent['X-Signature-Timestamp']}.{BODY.decode()}".encode(), hashlib.sha256)

    assert sent["X-Workflows-Signature"] == mac.hexdigest()
    assert sent["X-Hub-Signature-256"] == f"sha256={mac.hexdigest()}"
    assert (sent["X-Workflows-Signature-Version"], sent["X-Webhook-ID"]) == ("v1", ID)
    assert (sent["X-Run-Id"], sent["X-Workflow-Id"]) == ("r%201", "night")


def test_without_a_secret_nothing_claims_to_be_signed() -> None:
    assert not [name for name in headers_of((), ID, SECONDS, BODY) if "signature" in name.lower() and "timestamp" not in name.lower()]


def test_a_tenant_with_a_secret_of_its_own_is_signed_for_by_no_other() -> None:
    known = Secrets.of({"WORKFLOWS_WEBHOOK_SECRET": OTHER, "WORKFLOWS_WEBHOOK_SECRET_TEAM1": PUBLISHED})

    assert [secret.text for secret in known.of_tenant("team1")] == [PUBLISHED]
    assert [secret.text for secret in known.of_tenant("team2")] == [OTHER]
    with pytest.raises(Invalid, match="cannot tell apart"):
        known.of_tenant("Team1")


@pytest.mark.parametrize("text", ["whsec_", "whsec_c2hvcnQ=", "whsec_%%%%", "short"])
def test_a_secret_that_is_too_short_or_no_base64_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(Invalid, match="a secret does not fit") as refused:
        Secrets.of({"WORKFLOWS_WEBHOOK_SECRET": text})

    assert text.removeprefix("whsec_") == "" or text not in str(refused.value)


def test_a_secret_does_not_show_itself() -> None:
    assert PUBLISHED not in repr(Secret.of(PUBLISHED, "test"))
