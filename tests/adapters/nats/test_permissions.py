"""What a worker lacks of its permissions is told before it claims anything, and what is withdrawn later harms nobody else."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import pytest

import perdure
from perdure import step, workflow
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.owning.ownership import LOOKS_EVERY, Partitions
from perdure.adapters.nats.owning.presence import SILENT_SECONDS
from perdure.adapters.nats.url import place_of
from perdure.adapters.nats.wire.connection import connect
from perdure.eventlog.errors import PerdureError, Refused
from perdure.runtime.engine import Runtime
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import PATIENCE

pytestmark = pytest.mark.anyio

HEARD, SAID = '"perdure.shop.>", "_INBOX.>"', '"perdure.shop.>", "$JS.API.>", "$JS.ACK.>", "_INBOX.>"'
UNHEARD = ["alive.*", "probe.*", "worker.*", "start.>", "run.>", "request.>", "task-report"]
UNSAID = [
    "perdure.shop.alive.>", "perdure.shop.log.>", "perdure.shop.fence.>", "perdure.shop.blob.>", "perdure.shop.worker.>",
    "$JS.API.STREAM.MSG.GET.>", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.>", "$JS.ACK.>",
]  # fmt: skip
ORDERS = ["perdure.shop.task-report", "$JS.API.CONSUMER.MSG.NEXT.PERDURE_shop_TASKS.gpu", "$JS.API.CONSUMER.CREATE.PERDURE_shop_TASKS.gpu"]


def role(user: str, *, unheard: str = "", unsaid: str = "") -> str:
    """A worker as the page of subjects has it, but for what is denied."""
    say, hear = (f'{{ allow: [{given}], deny: "{denied}" }}' for given, denied in ((SAID, unsaid or "no"), (HEARD, unheard or "no")))
    return f"{{ user: {user}, password: p, permissions: {{ publish: {say}, subscribe: {hear} }} }}"


def roles(*users: str) -> str:
    return f"authorization {{ users = [ {', '.join(users)} ] }}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[NatsServer]:
    lacking = [role(f"deaf{number}", unheard=f"perdure.shop.{subject}") for number, subject in enumerate(UNHEARD)]
    lacking += [role(f"mute{number}", unsaid=subject) for number, subject in enumerate(UNSAID)]
    lacking += [role(f"idle{number}", unsaid=subject) for number, subject in enumerate(ORDERS)]
    lacking += [role("patient", unsaid="$JS.API.CONSUMER.RESET.>")]
    with running(tmp_path_factory.mktemp("nats"), roles(role("whole"), *lacking)) as found:
        yield found


def at(server: NatsServer, user: str) -> str:
    return server.url.replace("//", f"//{user}:p@") + "/shop"


def partitions(runtime: Runtime) -> Partitions:
    ownership = runtime.dispatcher.ownership
    assert isinstance(ownership, Partitions)
    return ownership


async def refused(url: str) -> PerdureError:
    with pytest.raises(Refused) as caught, anyio.fail_after(PATIENCE):
        async with perdure.open(url):
            pass

    return caught.value


@step(queue="gpu")
async def grind() -> None: ...


@workflow
async def greet() -> str:
    return "hello"


@pytest.mark.parametrize(("user", "subject"), [(f"deaf{number}", f"perdure.shop.{what}") for number, what in enumerate(UNHEARD)])
async def test_a_worker_that_may_not_hear_what_it_must_claims_nothing(server: NatsServer, user: str, subject: str) -> None:
    async with perdure.open(at(server, "whole"), workflows=[greet]) as whole:
        error = await refused(at(server, user))

        assert (error.where, error.expected) == (f"subject {subject}", "permission to subscribe there")
        assert (partitions(whole).releases, len(partitions(whole).served)) == (0, 64)
        with anyio.fail_after(PATIENCE):
            assert await (await whole.start(greet)).result() == "hello"


@pytest.mark.parametrize(("user", "subject"), [(f"mute{number}", what) for number, what in enumerate(UNSAID)])
async def test_a_worker_that_may_not_say_what_it_must_claims_nothing(
    server: NatsServer, user: str, subject: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with perdure.open(at(server, "whole"), workflows=[greet]) as whole:
        error = await refused(at(server, user))

        assert error.where.startswith(f"subject {subject.rstrip('*>')}")
        assert (error.expected, partitions(whole).releases) == ("permission to publish there", 0)
        assert "please report" not in caplog.text


async def test_who_opens_a_log_alone_hears_what_it_lacks_before_it_claims(server: NatsServer) -> None:
    lacks = UNSAID.index("$JS.API.DIRECT.GET.>")
    with pytest.raises(Refused) as caught, anyio.fail_after(PATIENCE):
        async with open_nats(at(server, f"mute{lacks}")):
            pass

    assert caught.value.where == "subject $JS.API.DIRECT.GET.PERDURE_shop_LOG"


async def test_a_queue_worker_that_may_not_take_orders_or_tell_of_them_is_refused(server: NatsServer) -> None:
    async with perdure.open(at(server, "whole")):
        for number, subject in enumerate(ORDERS):
            with pytest.raises(Refused) as caught, anyio.fail_after(PATIENCE):
                async with perdure.work_for(at(server, f"idle{number}"), ["gpu"], steps=[grind]):
                    pass

            assert caught.value.where == f"subject {subject}"


async def test_a_worker_that_may_not_take_back_what_another_had_in_hand_waits_for_it(
    server: NatsServer, caplog: pytest.LogCaptureFixture
) -> None:
    whole = place_of(at(server, "whole"))
    async with perdure.open(at(server, "patient"), workflows=[greet]) as runtime, connect(whole.servers, **whole.settings()) as connection:
        await connection.ask("perdure.shop.in.start.greet", b"[]", {"Perdure-Run-Id": "kept"}, within=PATIENCE)
        with anyio.fail_after(PATIENCE):
            while not (await runtime.runs()).runs:  # noqa: ASYNC110 - a list tells nobody that it grows
                await anyio.sleep(0.01)
            assert await runtime.run("kept").result() == "hello"
    assert "Traceback" not in caplog.text


def change(server: NatsServer, before: str, after: str) -> None:
    """What an operator does to a user of a server that runs."""
    server.config.write_text(server.config.read_text().replace(before, after))
    os.kill(server.pid, signal.SIGHUP)


async def until(true: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110 - what is waited for comes over the wire
            await anyio.sleep(0.01)


async def test_a_worker_that_loses_the_right_to_hear_takes_nobody_for_dead(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with running(tmp_path, roles(role("whole"), role("other"))) as server:
        async with perdure.open(at(server, "whole")) as whole, perdure.open(at(server, "other")) as other:
            caplog.set_level(logging.WARNING)
            change(server, role("other"), role("other", unheard="perdure.shop.alive.*"))
            await until(lambda: not partitions(other).presence.hears)
            await anyio.sleep(2 * SILENT_SECONDS)  # long enough to be taken for dead, by one who judged by what it hears

            assert "is taken for dead" not in caplog.text
            assert (partitions(whole).takeovers, partitions(other).takeovers) == (0, 0)
            assert partitions(other).presence.is_alive(partitions(whole).owner)


async def test_a_worker_that_hears_nothing_claims_nothing_until_it_hears_again(tmp_path: Path) -> None:
    deaf = role("other", unheard="perdure.shop.alive.*")
    with running(tmp_path, roles(role("whole"), role("other"))) as server:
        async with perdure.open(at(server, "other")) as other:
            async with perdure.open(at(server, "whole")) as whole:
                await until(lambda: len(partitions(other).served) == len(partitions(whole).served) == 32)
                change(server, role("other"), deaf)
                await until(lambda: not partitions(other).presence.hears)
                owner = partitions(whole).owner
            await until(lambda: not partitions(other).presence.is_alive(owner))  # nobody answers its probes
            await anyio.sleep(4 * LOOKS_EVERY)

            assert len(partitions(other).served) == 32
            change(server, deaf, role("other"))
            await until(lambda: len(partitions(other).served) == 64)
