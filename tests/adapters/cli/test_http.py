"""`perdure serve` and `perdure keys`: the door is closed unless somebody may come in, and a key is shown once."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import httpx
import pytest

from tests.adapters.cli.calling import ENVIRONMENT, SCRIPT, Folder, Here

KEYS = {"PERDURE_KEY_SECRET": "a secret of thirty-two characters, for tests"}


@pytest.fixture
def keys(here: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("PERDURE_KEY_SECRET", KEYS["PERDURE_KEY_SECRET"])
    return here


def test_a_key_is_made_listed_rotated_and_revoked(keys: Here) -> None:
    made = keys("keys", "create", "--user", "ann", "--role", "viewer", "--tenant", "acme", "--days", "30", "--json").json
    new = keys("keys", "rotate", made["id"], "--overlap", "1", "--json").json
    shown = keys("keys", "revoke", made["id"], "--why", "lost", "--json").json
    listed = keys("keys", "list", "--json").json

    assert made["key"].startswith(f"prd_{made['id']}_")
    assert (new["user"], new["roles"], new["tenant"]) == ("ann", ["viewer"], "acme")
    assert shown[0]["good"] is False
    assert {key["id"]: key["good"] for key in listed} == {made["id"]: False, new["id"]: True}
    assert "prd_" not in keys("keys", "list").out
    assert "revoked" in keys("keys", "list").out


def test_without_a_secret_no_key_is_made(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERDURE_KEY_SECRET", raising=False)
    told = here("keys", "create", "--user", "ann", "--role", "viewer", "--json")

    assert (told.code, told.error["who"]) == (5, "PERDURE_KEY_SECRET")


def test_a_role_that_does_not_exist_is_refused(keys: Here) -> None:
    told = keys("keys", "create", "--user", "ann", "--role", "king", "--json")

    assert (told.code, told.error["found"]) == (5, "king")


def test_without_a_secret_nothing_is_served(folder: Folder) -> None:
    told = folder.call("serve", "flows.py", "--json")

    assert (told.code, json.loads(told.err.splitlines()[-1])["who"]) == (5, "PERDURE_KEY_SECRET")


def test_the_service_answers_whoever_has_a_key_until_it_is_told_to_stop(folder: Folder) -> None:
    made = folder.call("keys", "create", "--user", "ann", "--role", "starter", "--json", environment=KEYS).json
    command = [str(SCRIPT), "serve", "flows.py", "--port", "0", "--json"]
    child = subprocess.Popen(command, cwd=folder.path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENVIRONMENT | KEYS)
    try:
        assert child.stdout is not None
        address = json.loads(child.stdout.readline())["service"]
        told = httpx.post(
            f"{address}/api/v1/workflows/runs", json={"workflow": "greet", "arguments": ["Ann"]}, headers={"x-api-key": made["key"]},
            timeout=20, trust_env=False,
        )  # fmt: skip
        refused = httpx.get(f"{address}/api/v1/workflows/runs", timeout=20, trust_env=False)
        os.kill(child.pid, signal.SIGTERM)
        states = [json.loads(line)["state"] for line in child.communicate(timeout=30)[0].splitlines()]
    finally:
        child.kill()
        child.wait()

    assert (told.status_code, refused.status_code, child.returncode) == (201, 401, 0)
    assert states == ["leaving", "done"]
