"""Every way to be let in: user and password, token, nkey, credentials file, TLS and client certificates; and to be kept out."""

from __future__ import annotations

import re
import time
from pathlib import Path

import anyio
import pytest

import perdure
from perdure.adapters.nats.open import open_nats
from perdure.adapters.nats.records.log import JetStreamLog
from perdure.adapters.nats.wire.connection import Connection
from perdure.eventlog.errors import Invalid, PerdureError, Refused, Unavailable
from tests.adapters.nats.credentials import USER, Operator, Signer, authority, certificate
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


async def test_several_servers_are_tried_until_one_answers(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        await let_in(f"nats://127.0.0.1:1,127.0.0.1:{server.port}/shop")
