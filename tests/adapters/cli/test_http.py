"""`perdure serve` and `perdure keys`: the door is closed unless somebody may come in, and a key is shown once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from uuid import uuid4

import anyio.to_thread
import httpx
import pytest

import perdure
from perdure.adapters.cli.main import exit_code_of
from perdure.adapters.http.app import asgi, keyring_of
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from tests.adapters.cli.calling import ENVIRONMENT, SCRIPT, Folder, Here, Said
from tests.adapters.http.shop import FLOWS, order
from tests.adapters.http.test_definitions import ADD
from tests.adapters.nats.server import NatsServer, nats_server
from tests.conftest import LOOPS

__all__ = ["nats_server"]

KEYS = {"PERDURE_KEY_SECRET": "a secret of thirty-two characters, for tests"}


@pytest.fixture
def keys(here: Here, monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("PERDURE_KEY_SECRET", KEYS["PERDURE_KEY_SECRET"])
    return here


def test_a_key_is_made_listed_rotated_and_revoked(keys: Here) -> None:
    made = keys("keys", "create", "--user", "ann", "--role", "viewer", "--tenant", "acme", "--days", "30", "--json").json
    id = made["about"]["id"]
    new = keys("keys", "rotate", id, "--overlap", "1", "--json").json
    shown = keys("keys", "revoke", id, "--why", "lost", "--json").json
    listed = keys("keys", "list", "--json").json

    assert made["key"].startswith(f"prd_{id}_")
    assert [new["about"][name] for name in ("user", "roles", "tenant")] == ["ann", ["viewer"], "acme"]
    assert shown[0]["good"] is False
    assert {key["id"]: key["good"] for key in listed} == {id: False, new["about"]["id"]: True}
    assert "prd_" not in keys("keys", "list").out
    assert "revoked" in keys("keys", "list").out


def test_what_a_shell_takes_from_a_key_that_is_made_is_the_key_alone(keys: Here) -> None:
    made = keys("keys", "create", "--user", "ann", "--role", "viewer")

    assert (made.out.count("\n"), made.out[:4], made.out.strip().isprintable()) == (1, "prd_", True)
    assert "it is shown once" in made.err


def test_users_are_created_given_roles_disabled_and_enabled(keys: Here) -> None:
    keys("roles", "define", "watcher", "--allow", "workflows.runs.read", "--json")
    created = keys("users", "create", "ann", "--role", "watcher", "--json")
    told = [keys("users", *words, "--json") for words in (
        ("give", "ann", "--role", "starter"), ("take", "ann", "--role", "watcher"), ("disable", "ann", "--why", "left"),
    )]  # fmt: skip
    refused, nobody = keys("keys", "create", "--user", "ann", "--json"), keys("users", "disable", "eve", "--json")
    enabled, listed = keys("users", "enable", "ann", "--json"), keys("users", "list").out
    made = keys("keys", "create", "--user", "ann", "--json").json
    dropped = keys("roles", "drop", "watcher", "--json").json["roles"]

    assert [one.code for one in (created, *told, enabled)] == [0] * 5
    assert [one.json[0]["roles"] for one in told] == [["watcher", "starter"], ["starter"], ["starter"]]
    assert (told[2].json[0]["why"], refused.code, nobody.code) == ("left", 3, 4)
    assert ("ann" in listed, made["about"]["roles"], "watcher" in {role["role"] for role in dropped}) == (True, [], False)
    assert "workflows.runs.control" in keys("roles", "list").out


@pytest.mark.parametrize("words", [("keys", "create", "--user", "ann"), ("keys", "list"), ("definitions", "list"), ("pause", "o-1")])
def test_where_no_service_listens_that_is_said_at_once(keys: Here, words: tuple[str, ...]) -> None:
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    told = keys(*words, "--log", f"http://127.0.0.1:{port}", "--json")

    assert (told.code, told.error["message"], "perdure serve" in told.error["expected"]) == (7, "no service listens there", True)
    assert time.monotonic() - began < 5  # a client of a program goes on asking for 30 seconds


def test_a_url_that_is_none_is_told_so(keys: Here) -> None:
    told = keys("keys", "list", "--log", "http://127.0.0.1:port", "--json")

    assert (told.code, told.error["who"]) == (5, "--log")


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
        held = folder.call("keys", "create", "--user", "ben", "--role", "viewer", "--json", environment=KEYS)
        os.kill(child.pid, signal.SIGTERM)
        states = [json.loads(line)["state"] for line in child.communicate(timeout=30)[0].splitlines()]
    finally:
        child.kill()
        child.wait()

    assert (told.status_code, refused.status_code, child.returncode) == (201, 401, 0)
    assert (held.code, "--log http://" in held.error["instead"]) == (7, True)
    assert states == ["leaving", "done"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [LOOPS["asyncio"]])
async def test_what_is_written_over_http_is_written_by_the_service(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.path)
    (folder.path / "add.yaml").write_text(ADD)

    def call(*arguments: str) -> Said:
        code = exit_code_of((*arguments, "--log", address, "--json"))
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    async def said(*arguments: str) -> Said:
        return await anyio.to_thread.run_sync(call, *arguments)

    async with perdure.open("memory:", workflows=FLOWS) as runtime:
        made = await keyring_of(runtime, KEYS["PERDURE_KEY_SECRET"]).create("default", "ann", ["admin"])
        monkeypatch.setenv("PERDURE_API_KEY", made.text)
        async with served(asgi(runtime, HttpSettings(key_secret=KEYS["PERDURE_KEY_SECRET"])), "127.0.0.1", 0) as address:
            applied = await said("definitions", "apply", "add.yaml")
            listed, shown = await said("definitions", "list"), await said("definitions", "show", "add")
            differs = await said("definitions", "diff", "add@1", "add.yaml")
            ended = await said("definitions", "run", "add", "--inputs", '{"n": 1}', "--id", "r")
            adhoc = await said("definitions", "run", "add.yaml", "--inputs", '{"n": 2}')
            archived = await said("definitions", "archive", "add")
            await runtime.start(order, 7, id="o-1")
            signalled, nobody = await said("signal", "o-1", "address", "Elm"), await said("pause", "nobody")
            log, dead = await said("runs"), await said("webhooks", "dead")
            gone = await said("webhooks", "drop", "msg-of-nobody")
            people = [await said(*words) for words in (
                ("roles", "define", "watcher", "--allow", "workflows.runs.read"), ("users", "create", "ben", "--role", "watcher"),
                ("users", "give", "ben", "--role", "starter"), ("users", "disable", "ben", "--why", "left"), ("users", "list"),
                ("roles", "list"), ("keys", "list"),
            )]  # fmt: skip
            new = await said("keys", "create", "--user", "eve", "--role", "viewer", "--label", "till", "--days", "1")
            next_ = await said("keys", "rotate", new.json["about"]["id"], "--overlap", "1")
            strange = await said("keys", "create", "--user", "eve", "--role", "viewer", "--tenant", "acme")
            known = (await runtime.keys()).keys
            people.append(await said("keys", "revoke", made.about.id))
        assert await runtime.run("o-1").result() == "7 to Elm"

    assert [one.code for one in (applied, listed, shown, differs, ended, adhoc, archived, signalled)] == [0] * 8
    assert (applied.json["by"], listed.json["definitions"][0]["name"], shown.json["definition"]["name"]) == ("ann", "add", "add")
    assert (ended.json["result"], adhoc.json["result"], archived.json["archived"], signalled.json["served"]) == (2, 3, True, True)
    assert [one.code for one in people] == [0] * 8
    assert people[4].json[0]["roles"] == ["watcher", "starter"]
    assert (people[4].json[0]["why"], people[6].json[0]["user"], people[7].json[0]["good"]) == ("left", "ann", False)
    assert [(line.user, line.label, line.good) for line in known if line.user == "eve"] == [("eve", "till", True)] * 2
    assert {next_.json["about"]["id"], new.json["about"]["id"]} == {line.id for line in known if line.user == "eve"}
    assert new.json["key"].startswith(f"prd_{new.json['about']['id']}_")
    assert (strange.code, strange.error["who"]) == (5, "--tenant")
    assert (nobody.code, log.code, log.error["found"]) == (4, 5, "http")
    assert (dead.json["webhooks"], gone.code) == ([], 4)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", [LOOPS["asyncio"]])
async def test_what_is_written_over_nats_is_written_by_the_workers(
    folder: Folder, nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder.path)
    (folder.path / "add.yaml").write_text(ADD)
    log = f"{nats_server.url}/written-{uuid4().hex[:8]}"

    def call(*arguments: str) -> Said:
        code = exit_code_of((*arguments, "--log", log, "--json"))
        told = capsys.readouterr()
        return Said(code, told.out, told.err)

    words = (("apply", "add.yaml", "--by", "ann"), ("list",), ("show", "add"), ("diff", "add@1", "add.yaml"), ("archive", "add"))
    async with perdure.open(log) as runtime:
        said = [await anyio.to_thread.run_sync(call, "definitions", *one) for one in words]
        history = (await runtime.definition("add")).history

    assert [one.code for one in said] == [0] * 5
    assert (said[1].json["definitions"][0]["name"], history[0].by, said[4].json["archived"]) == ("add", "ann", True)
