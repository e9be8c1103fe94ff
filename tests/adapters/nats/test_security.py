"""Every way to be let in: user and password, token, nkey, credentials file, TLS and client certificates; and to be kept out."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

import perdure
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.url import place_of
from perdure.adapters.nats.wire.connection import Connection, connect
from perdure.eventlog.errors import Invalid, PerdureError, Refused, Unavailable
from tests.adapters.nats.credentials import USER, Operator, Signer, authority, certificate
from tests.adapters.nats.proxy import proxied
from tests.adapters.nats.server import NatsServer, running
from tests.eventlog.making import PATIENCE, STREAM, accepted, grown, row_of

pytestmark = pytest.mark.anyio


def at(server: NatsServer, login: str = "", query: str = "", *, scheme: str = "nats", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{login}{host}:{server.port}/shop{query}"


async def let_in(url: str) -> None:
    async with open_nats(url) as carrier:
        await grown(carrier.log, f"run/default/{time.monotonic_ns()}", 2)


async def kept_out(url: str) -> PerdureError:
    with pytest.raises(PerdureError) as caught, anyio.fail_after(PATIENCE):
        async with perdure.open(url):
            pass

    return caught.value


async def test_a_user_with_a_password_of_odd_characters(tmp_path: Path) -> None:
    with running(tmp_path, 'authorization { user: "a@b", password: "p:/?#@" }') as server:
        await let_in(at(server, "a%40b:p%3A%2F%3F%23%40@"))
        assert isinstance(await kept_out(at(server, "a%40b:other@")), Refused)
        assert isinstance(await kept_out(at(server)), Refused)


async def test_a_token(tmp_path: Path) -> None:
    with running(tmp_path, 'authorization { token: "s3cret" }') as server:
        await let_in(at(server, "s3cret@"))
        assert isinstance(await kept_out(at(server, "guess@")), Refused)


async def test_an_nkey(tmp_path: Path) -> None:
    ours, others = Signer(USER, "ours"), Signer(USER, "others")
    for name, signer in (("ours", ours), ("others", others)):
        (tmp_path / f"{name}.nk").write_bytes(signer.seed)
    with running(tmp_path, f"authorization {{ users: [ {{ nkey: {ours.public} }} ] }}") as server:
        await let_in(at(server, query=f"?nkey={tmp_path / 'ours.nk'}"))
        assert isinstance(await kept_out(at(server, query=f"?nkey={tmp_path / 'others.nk'}")), Refused)


async def test_a_credentials_file(tmp_path: Path) -> None:
    operator = Operator()
    (tmp_path / "user.creds").write_text(operator.credentials())
    (tmp_path / "old.creds").write_text(operator.credentials(expires=time.time() - 60))
    with running(tmp_path, operator.settings()) as server:
        await let_in(at(server, query=f"?creds={tmp_path / 'user.creds'}"))
        error = await kept_out(at(server, query=f"?creds={tmp_path / 'old.creds'}"))

    assert isinstance(error, Refused)
    assert "?creds=" in error.instead


async def test_credentials_that_expire_cost_a_pause_until_the_file_is_renewed(tmp_path: Path) -> None:
    """The server cuts the connection when they expire; the file is read at each attempt to connect again."""
    operator, file = Operator(), tmp_path / "user.creds"
    file.write_text(operator.credentials(expires=time.time() + 2))
    with running(tmp_path, operator.settings()) as server:
        async with open_nats(at(server, query=f"?creds={file}")) as carrier:
            tail = await grown(carrier.log, STREAM, 1)
            assert isinstance(carrier.log, JetStreamLog)
            store = carrier.log.store
            await cut(store.connection)
            store.patience = 0.5
            with pytest.raises(Unavailable) as caught:
                await carrier.log.append(row_of(STREAM, 1, after=tail, first=2))
            store.patience = PATIENCE
            file.write_text(operator.credentials())
            with anyio.fail_after(PATIENCE):
                await accepted(carrier.log, row_of(STREAM, 1, after=tail, first=2))

    assert re.search("auth", caught.value.found, re.IGNORECASE)


async def test_credentials_that_are_torn_for_a_moment_cost_a_pause(tmp_path: Path) -> None:
    operator, file = Operator(), tmp_path / "user.creds"
    file.write_text(operator.credentials())
    with running(tmp_path, operator.settings()) as server:
        async with open_nats(at(server, query=f"?creds={file}")) as carrier:
            tail = await grown(carrier.log, STREAM, 1)
            assert isinstance(carrier.log, JetStreamLog)
            connection = carrier.log.store.connection
            for torn in ("", operator.credentials().partition("BEGIN USER")[0]):
                file.write_text(torn)
                losses = connection.losses
                server.stop()
                server.start()
                with anyio.fail_after(PATIENCE):
                    while connection.losses == losses or "?creds=" not in connection.trouble:  # noqa: ASYNC110 - the connection tells nobody
                        await anyio.sleep(0.01)
                file.write_text(operator.credentials())
                with anyio.fail_after(PATIENCE):
                    await connection.ready()
                connection.trouble = ""
            with anyio.fail_after(PATIENCE):
                await accepted(carrier.log, row_of(STREAM, 1, after=tail, first=2))


@pytest.mark.parametrize("option", ["nkey", "creds"])
@pytest.mark.parametrize("text", ["", "root:x:0:0\n", "-----BEGIN NATS USER JWT-----\nabc\n", "SUnotaseed"])
async def test_a_file_without_a_seed_is_invalid_by_the_name_of_its_option(tmp_path: Path, option: str, text: str) -> None:
    (tmp_path / "keys").write_text(text)
    error = await kept_out(f"nats://127.0.0.1:4222/shop?{option}={tmp_path / 'keys'}")

    assert isinstance(error, Invalid)
    assert (error.where, text.strip() in error.found) == (option, not text.strip())


async def test_closing_what_never_connected_is_harmless() -> None:
    connection = Connection()
    await connection.close()
    with pytest.raises(Exception, match="invalid seed"):
        async with connect("nats://127.0.0.1:4222", nkeys_seed_str="none"):
            pass


async def cut(connection: Connection) -> None:
    """Return once the server has cut it."""
    with anyio.fail_after(PATIENCE):
        while not connection.losses:  # noqa: ASYNC110 - the connection tells nobody
            await anyio.sleep(0.01)


async def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    pem, key = certificate(tmp_path, "server")
    with running(tmp_path, f'tls {{ cert_file: "{pem}", key_file: "{key}" }}') as server:
        await let_in(at(server, query=f"?tls_ca={ca}"))
        await let_in(at(server, query=f"?tls_ca={ca}", scheme="tls", host="localhost"))
        error = await kept_out(at(server, scheme="tls"))

    assert isinstance(error, Refused)
    assert "CERTIFICATE_VERIFY_FAILED" in error.found
    assert "?tls_ca=" in error.instead


async def test_a_client_certificate_where_the_server_wants_one(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    (pem, key), (ours, our_key) = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    with running(tmp_path, f'tls {{ cert_file: "{pem}", key_file: "{key}", ca_file: "{ca}", verify: true }}') as server:
        await let_in(at(server, query=f"?tls_ca={ca}&tls_cert={ours}&tls_key={our_key}"))
        error = await kept_out(at(server, query=f"?tls_ca={ca}"))

    assert isinstance(error, Refused | Unavailable)


async def test_a_file_that_is_no_certificate_is_invalid(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    error = await kept_out(f"nats://127.0.0.1:4222/shop?tls_ca={tmp_path / 'ca.pem'}")

    assert isinstance(error, Invalid)
    assert "PEM" in error.expected


LOGIN = 'authorization { user: "ann", password: "s3cret" }'


@pytest.mark.parametrize("asked", ["tls", "tls_ca", "tls_hostname"])
async def test_where_tls_is_asked_for_a_server_without_it_is_told_nothing(tmp_path: Path, asked: str) -> None:
    query = {"tls": "", "tls_ca": f"?tls_ca={authority(tmp_path)}", "tls_hostname": "?tls_hostname=localhost"}[asked]
    with running(tmp_path, LOGIN) as server:
        async with proxied(server.port) as tap:
            error = await kept_out(f"{'tls' if asked == 'tls' else 'nats'}://ann:s3cret@127.0.0.1:{tap.port}/shop{query}")
            said = bytes(tap.said)

    assert isinstance(error, Refused)
    assert "no TLS" in error.message
    assert "tls" in error.instead
    assert said == b""


async def test_tls_that_is_offered_and_not_demanded_is_used_where_it_is_asked_for(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    pem, key = certificate(tmp_path, "server")
    with running(tmp_path, f'{LOGIN}\ntls {{ cert_file: "{pem}", key_file: "{key}" }}\nallow_non_tls: true') as server:
        async with proxied(server.port) as tap:
            await let_in(f"nats://ann:s3cret@127.0.0.1:{tap.port}/shop?tls_ca={ca}")

            assert tap.said
            assert b"CONNECT" not in tap.said
            assert b"s3cret" not in tap.said


async def test_a_server_that_comes_back_without_tls_is_told_nothing(tmp_path: Path) -> None:
    ca = authority(tmp_path)
    pem, key = certificate(tmp_path, "server")
    tls = f'{LOGIN}\ntls {{ cert_file: "{pem}", key_file: "{key}" }}'
    with running(tmp_path, tls) as server:
        async with proxied(server.port) as tap, connection_of(f"nats://ann:s3cret@127.0.0.1:{tap.port}/shop?tls_ca={ca}") as connection:
            server.stop()
            server.settings = LOGIN
            server.start()
            with anyio.fail_after(PATIENCE):
                while "no TLS" not in connection.trouble:  # noqa: ASYNC110 - the connection tells nobody
                    await anyio.sleep(0.01)

            assert b"s3cret" not in tap.said
            server.stop()
            server.settings = tls
            server.start()
            with anyio.fail_after(PATIENCE):
                await connection.ready()


@asynccontextmanager
async def connection_of(url: str) -> AsyncGenerator[Connection]:
    place = place_of(url)
    async with connect(place.servers, **place.settings()) as connection:
        yield connection


async def test_several_servers_are_tried_until_one_answers(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        await let_in(f"nats://127.0.0.1:1,127.0.0.1:{server.port}/shop")
