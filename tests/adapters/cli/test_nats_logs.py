"""A log in NATS at the command line: read, verified, mended and steered like one in a file, while workers serve it.

The reading commands come as an auditor, who may do nothing but read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import anyio
import anyio.to_thread
import msgspec
import pytest
from msgspec import Raw

import perdure
from perdure.adapters.cli.running.progress_nats import WatchInNats
from perdure.adapters.cli.shared.loading import load_workflows
from perdure.adapters.cli.steering import telling
from perdure.adapters.nats.views.anchors import anchor_of
from perdure.adapters.nats.wire.connection import connect
from perdure.adapters.nats.wire.messages import Subjects
from perdure.adapters.nats.wire.store import Store
from perdure.runtime.engine import Runtime
from perdure.runtime.requests import AwaitRun, StartRun
from tests.adapters.cli.calling import Here
from tests.adapters.nats.server import NatsServer, running

ROLES = """authorization { users = [
  { user: owner, password: w },
  { user: auditor, password: a, permissions: { publish: [ "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*",
    "$JS.API.DIRECT.GET.>" ], subscribe: [ "_INBOX.>" ] } } ] }"""
Runs: TypeAlias = dict[str, tuple[str, list[Any]]]
ENDING: Runs = {"g": ("greet", ["Ada", 2]), "r": ("rich", [7]), "f": ("fails", [])}
OPEN: Runs = {"w": ("waits", [])}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    with running(tmp_path_factory.mktemp("nats"), ROLES) as found:
        yield found


class Shop:
    """A namespace, as a worker and as an auditor see it."""

    def __init__(self, server: NatsServer) -> None:
        self.namespace = uuid4().hex
        self.worker, self.auditor = (f"{server.url.replace('//', f'//{user}@')}/{self.namespace}" for user in ("owner:w", "auditor:a"))
        self._url = server.url.replace("//", "//owner:w@")

    def change(self, change: Callable[[Store], Any]) -> None:
        """What somebody does behind the back of the log."""

        async def do() -> None:
            async with connect(self._url) as connection:
                await change(Store(connection, Subjects(self.namespace, 64)))

        anyio.run(do)


@pytest.fixture
def shop(server: NatsServer) -> Shop:
    return Shop(server)


def play(url: str, meanwhile: Callable[[], None] = lambda: None, runs: Runs = ENDING | OPEN) -> None:
    """Serve the workflows of the folder: start these runs, wait for those that end, then do something while they are served."""

    async def serve() -> None:
        async with perdure.open(url, workflows=load_workflows("flows.py")) as runtime:
            for run, (workflow, arguments) in runs.items():
                await start(runtime, run, workflow, arguments)
            await anyio.to_thread.run_sync(meanwhile)

    anyio.run(serve)


async def start(runtime: Runtime, run: str, workflow: str, arguments: list[Any]) -> None:
    await runtime.do(StartRun(workflow=workflow, run=run, arguments=Raw(msgspec.json.encode(arguments))))
    if workflow != "waits":
        await runtime.do(AwaitRun(run=run))


def told(here: Here, log: str) -> dict[str, Any]:
    """What the reading commands say of a log, without times, epochs and places."""
    say = partial(_said, here, log)
    runs = say("runs", "--json")
    return {
        "runs": sorted((run["run"], run["workflow"], run["status"], str(run["attributes"])) for run in runs),
        "failed": [run["run"] for run in say("runs", "--status", "failed", "--json")],
        "seven": [run["run"] for run in say("runs", "--where", "number = 7", "--json")],
        "show": {run: [moment["what"] for moment in say("show", run, "--json")["moments"]] for run in ("r", "w")},
        "replay": {run: say("replay", run, "flows.py", "--json")["content_digest"] for run in ("r", "f")},
        "artifacts": say("artifacts", "g", "--json"),
        "approvals": say("approvals", "--json"),
        "events": here("events", "w", "--log", log).out.count("\n"),
        "checked": sorted(run for run in say("check", "flows.py", "--json")["runs"]),
    }


def _said(here: Here, log: str, *words: str) -> Any:
    said = here(*words, "--log", log)
    assert said.code == 0, (words, said.err)
    return said.json


def test_reading_commands_say_the_same_of_a_served_log_in_nats_as_of_a_file(here: Here, shop: Shop) -> None:
    found: dict[str, Any] = {}
    play("sqlite:///perdure.db", lambda: found.update(file=told(here, "perdure.db")))
    play(shop.worker, lambda: found.update(nats=told(here, shop.auditor)))
    left_alone = [(run["run"], run["status"]) for run in here("runs", "--log", shop.auditor, "--json").json]

    assert found["nats"] == found["file"]
    assert sorted(left_alone) == [("f", "failed"), ("g", "completed"), ("r", "completed"), ("w", "running")]
    assert [run[0] for run in found["nats"]["runs"]] == ["f", "g", "r", "w"]
    assert (found["nats"]["failed"], found["nats"]["seven"]) == (["f"], ["r"])


def test_a_list_has_what_no_view_has_yet(here: Here, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perdure.adapters.nats.views.keeper.EVERY", 60.0)
    seen: list[Any] = []
    play(shop.worker, lambda: seen.extend(here("runs", "--log", shop.auditor, "--json").json), {"g": ENDING["g"]})

    assert [(run["run"], run["status"]) for run in seen] == [("g", "completed")]


def test_a_run_is_watched_from_a_thread_while_it_goes_on(here: Here, shop: Shop) -> None:
    stream, seen = "run/default/g", list[str]()

    def look() -> None:
        with WatchInNats(shop.auditor, stream) as watch:
            seen.extend(watch.look().done.values())
            assert watch.look().ended

    with WatchInNats(shop.auditor, stream) as early:
        before = early.look().version
    play(shop.worker, look, {"g": ENDING["g"]})

    assert (before, seen) == (0, ["note", "note"])


def test_what_is_not_there_is_met_with_what_is_near(here: Here, shop: Shop) -> None:
    nothing = here("runs", "--log", shop.auditor, "--json")
    play(shop.worker, runs={"order-1": ENDING["g"]})
    run = here("show", "oder-1", "--log", shop.auditor, "--json")

    assert (nothing.code, nothing.error["error"]) == (4, "not_found")
    assert "perdure nats init" in nothing.error["instead"]
    assert (run.code, run.error["instead"]) == (4, "did you mean order-1?")
    assert "auditor" not in run.err
    assert run.error["where"].endswith(shop.namespace)


def test_a_server_that_is_away_is_not_told_of_where_another_answers(here: Here, shop: Shop) -> None:
    said = here.folder.call("runs", "--log", shop.auditor.replace("@", "@127.0.0.1:1,"), "--json")

    assert said.code == 4
    assert said.error["error"] == "not_found"  # one line of JSON, and nothing before it


def test_a_log_that_is_served_is_verified_and_found_intact(here: Here, shop: Shop) -> None:
    seen: list[Any] = []
    play(shop.worker, lambda: seen.append(here("log", "verify", "--log", shop.auditor, "--json")))
    after = here("log", "verify", "--log", shop.auditor)

    assert (seen[0].code, seen[0].json["findings"]) == (0, [])
    assert after.code == 0
    assert after.out.startswith("✓ intact")
    assert "4 streams, 4 heads" in after.out


async def remove_last(store: Store) -> None:
    """The last record of the run is gone."""
    found = await store.last("LOG", store.subjects.of("run/default/g"))
    assert found is not None
    await store.call(f"STREAM.MSG.DELETE.{store.subjects.bucket}", {"seq": found.sequence})


async def publish_to_run(store: Store) -> None:
    """Somebody else's message stands among the records of the run."""
    await store.publish("LOG", store.subjects.of("run/default/r"), b"mine")


async def anchor_beyond(store: Store) -> None:
    """The log is older than what was anchored of it."""
    data = msgspec.json.encode(anchor_of("somebody", 1, 10_000, {}))
    await store.publish("ANCHORS", store.subjects.leaf("anchor", 0), data)


async def forget_head(store: Store) -> None:
    await store.purge("HEADS", store.subjects.of("run/default/g", "head"))


async def change_head(store: Store) -> None:
    found = await store.last("HEADS", store.subjects.of("run/default/r", "head"))
    assert found is not None
    await store.publish("HEADS", found.subject, found.data.replace(b"completed", b"running"))


async def forget_wake(store: Store) -> None:
    await store.purge("WAKE", store.subjects.of("run/default/n", "wake"))


Findings: TypeAlias = list[tuple[str, str, str]]


def verified(here: Here, shop: Shop) -> tuple[int, Findings]:
    said = here("log", "verify", "--log", shop.auditor, "--json")
    return said.code, [(found["stream"], found["where"].split()[0], found["what"]) for found in said.json["findings"]]


def names(findings: Findings, stream: str, where: str, what: str) -> bool:
    return any(found[:2] == (stream, where) and what in found[2] for found in findings)


def test_what_was_changed_in_the_log_behind_its_back_is_named(here: Here, shop: Shop) -> None:
    play(shop.worker, runs={"g": ENDING["g"], "r": ENDING["r"]})
    for change in (remove_last, publish_to_run, anchor_beyond):
        shop.change(change)
    code, findings = verified(here, shop)

    assert code == 9
    assert names(findings, "run/default/g", "HEADS", "the stream ends at")
    assert names(findings, "run/default/r", "subject", "a message that is no record")
    assert names(findings, "", "ANCHORS", "the end is cut off")
    assert [here("show", run, "--log", shop.auditor).code for run in ("g", "r")] == [9, 9]


def test_an_index_that_was_changed_behind_its_back_is_named_and_mended(here: Here, shop: Shop) -> None:
    (here.folder.path / "more.py").write_text(NAPS, encoding="utf-8")
    play_naps(shop.worker)
    before = here("runs", "--log", shop.auditor, "--json").json
    for change in (forget_head, change_head, forget_wake):
        shop.change(change)
    code, findings = verified(here, shop)
    refolded = here("log", "rebuild", "--log", shop.worker, "--json").json

    assert code == 9
    assert names(findings, "run/default/g", "HEADS", "missing in the view")
    assert names(findings, "run/default/r", "HEADS", "another head")
    assert names(findings, "run/default/n", "WAKE", "it is to be woken")
    assert refolded["heads"] == 3
    assert verified(here, shop) == (0, [])
    assert here("runs", "--log", shop.auditor, "--json").json == before


NAPS = """
from datetime import timedelta
from perdure import sleep, workflow


@workflow
async def naps() -> None:
    await sleep(timedelta(days=1))
"""


def play_naps(url: str) -> None:
    """Runs that have ended, and one that is to be woken tomorrow."""

    async def serve() -> None:
        async with perdure.open(url, workflows=[*load_workflows("flows.py"), *load_workflows("more.py")]) as runtime:
            for run in ("g", "r"):
                await start(runtime, run, *ENDING[run])
            await runtime.do(StartRun(workflow="naps", run="n"))

    anyio.run(serve)


def test_heads_are_folded_anew_only_where_nobody_serves(here: Here, shop: Shop) -> None:
    seen: list[Any] = []
    play(shop.worker, lambda: seen.append(here("log", "rebuild", "--log", shop.worker, "--json")))
    before = here("runs", "--log", shop.auditor, "--json").json
    rebuilt = here("log", "rebuild", "--log", shop.worker, "--json")

    assert (seen[0].code, seen[0].error["error"]) == (3, "refused")
    assert seen[0].error["found"]
    assert (rebuilt.code, rebuilt.json["heads"]) == (0, 4)
    assert here("runs", "--log", shop.auditor, "--json").json == before


def test_workers_do_what_the_command_line_asks(here: Here, shop: Shop) -> None:
    said: dict[str, Any] = {}

    def steer() -> None:
        for words in (["pause", "w", "--reason", "tea"], ["resume", "w"], ["signal", "w", "approved", "Ada"], ["terminate", "w2"]):
            said[words[0]] = here(*words, "--log", shop.worker, "--json").json
        said["lost"] = here("signal", "ww", "approved", "--log", shop.worker, "--json")
        said["people"] = here("cancel", "w3", "--log", shop.worker).out

    play(shop.worker, steer, {"w": OPEN["w"], "x": ENDING["g"]} | dict.fromkeys(("w2", "w3"), OPEN["w"]))
    result = [event for event in here("events", "w", "--log", shop.auditor).out.splitlines() if "RunCompleted" in event]

    assert [(name, said[name]["status"]) for name in ("pause", "resume", "signal", "terminate")] == [
        ("pause", "paused"), ("resume", "running"), ("signal", "running"), ("terminate", "terminated"),
    ]  # fmt: skip
    assert said["signal"]["served"] is True
    assert len(result) == 1
    assert said["lost"].code == 4
    assert "did you mean" in said["lost"].error["instead"]
    assert "perdure run" not in said["people"]


def test_where_no_worker_serves_nobody_is_told_anything(here: Here, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "WITHIN_SECONDS", 0.2)
    play(shop.worker, runs=OPEN)
    said = here("signal", "w", "approved", "--log", shop.worker, "--json")

    assert (said.code, said.error["error"]) == (7, "unavailable")
    assert "worker" in said.error["instead"]


def test_who_may_not_read_is_told_what_to_allow(here: Here, tmp_path: Path) -> None:
    client = '{ user: c, password: c, permissions: { publish: "perdure.shop.request.>", subscribe: "_INBOX.>" } }'
    room = tmp_path / "server"
    room.mkdir()
    with running(room, f"authorization {{ users = [ {client} ] }}") as server:
        said = here("runs", "--log", f"{server.url.replace('//', '//c:c@')}/shop", "--json")

    assert (said.code, said.error["error"]) == (3, "refused")
    assert "$JS.API.INFO" in said.error["where"]
