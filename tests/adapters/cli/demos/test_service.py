"""The demo of the service in a small form; and what its receiver takes for signed."""

from __future__ import annotations

import time
from base64 import b64encode

import pytest

from perdure.adapters.cli.demos.service.receiver import TOLERANCE, is_signed
from perdure.adapters.webhooks.signatures import Secret, headers_of
from tests.adapters.cli.calling import Folder

TEXT = "whsec_" + b64encode(b"k" * 24).decode()


@pytest.mark.slow
def test_a_question_goes_through_http_and_out_as_a_signed_webhook(folder: Folder) -> None:
    docs = folder.path / "docs"
    docs.mkdir()
    (docs / "ships.md").write_text("# Ships\n\nShips leave on Mondays, and come back late.\n", encoding="utf-8")

    said = folder.call("demo-service", "--files", "2", "--ask", "When do ships leave?")

    assert said.code == 0, said.err
    told = ["PERDURE_DIAL_PRIVATE=127.0.0.1/32", "no model", "started twice", "rag_search", "Ships leave on Mondays, and come back late."]
    assert [words for words in (*told, "by bob", "its signature holds", "one for one") if words not in said.out] == []
    assert (folder.path / ".demo-service" / "service.db").exists()


def test_the_receiver_takes_nothing_that_is_not_signed_by_whom_it_knows() -> None:
    now, body = int(time.time()), b'{"a":1}'
    headers = headers_of((Secret.of(TEXT, "a test"),), "msg-1", now, body)

    assert is_signed(TEXT, headers, body, now)
    assert not is_signed(TEXT, headers, b'{"a":2}', now)
    assert not is_signed(TEXT, {**headers, "webhook-id": "msg-2"}, body, now)
    assert not is_signed(TEXT, {**headers, "webhook-timestamp": str(now + 1)}, body, now)
    assert not is_signed("whsec_" + b64encode(b"x" * 24).decode(), headers, body, now)
    assert not is_signed(TEXT, headers, body, now + TOLERANCE + 1)
    assert not is_signed(TEXT, {}, body, now)
