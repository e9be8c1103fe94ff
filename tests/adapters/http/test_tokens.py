"""Tokens: whoever may not sign, or signs otherwise than may be, or for somebody else, or for another time, lets nobody in."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms

import perdure
from perdure import Invalid, Unavailable
from perdure.adapters.compose import types_of
from perdure.adapters.http.app import asgi
from perdure.adapters.http.auth import jwks
from perdure.adapters.http.auth.jwks import KeySet, at_url, keys_in
from perdure.adapters.http.auth.token_settings import TokenSettings
from perdure.adapters.http.serving import served
from perdure.adapters.http.settings import HttpSettings
from perdure.adapters.serving import served as serve
from tests.adapters.http.shop import FLOWS, RUNS, SECRET

pytestmark = pytest.mark.anyio

WHO = "/api/v1/whoami"
SHARED = "a shared secret of at least thirty-two bytes"
RSA, OTHER_RSA = (rsa.generate_private_key(65537, 2048) for _ in range(2))
EC, ED = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
BASE = {"PERDURE_JWT_ISSUER": "https://id.example", "PERDURE_JWT_AUDIENCE": "perdure"}


def jwk(key: Any, kid: str, algorithm: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**made, "kid": kid, "alg": algorithm, "use": "sig", **more}


KEYS = [jwk(RSA, "r", "RS256"), jwk(EC, "e", "ES256"), jwk(ED, "d", "EdDSA")]


def told(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    who = {"sub": "ann", "tenant": "acme", "roles": ["viewer"]}
    claims = {"iss": "https://id.example", "aud": "perdure", "exp": now + 60, "nbf": now, **who}
    return {name: value for name, value in (claims | more).items() if value is not None}


def signed(key: Any = RSA, algorithm: str = "RS256", kid: str | None = "r", headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
    return jwt.encode(told(**claims), key, algorithm, headers={**({} if kid is None else {"kid": kid}), **(headers or {})})


def forged(header: Any, claims: Mapping[str, Any] | None = None, signature: bytes = b"") -> str:
    """A token with any header at all."""
    parts = json.dumps(header).encode(), json.dumps(claims or told()).encode(), signature
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@asynccontextmanager
async def door(environment: Mapping[str, str], key_secret: str = "") -> AsyncGenerator[tuple[perdure.Runtime, httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(perdure.open("memory:", workflows=FLOWS))
        app: Any = asgi(runtime, HttpSettings.of({**BASE, **environment, "PERDURE_KEY_SECRET": key_secret}))
        transport = httpx.ASGITransport(app)
        yield runtime, await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://shop"))


async def shown(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get(WHO, headers={"authorization": f"Bearer {token}"})


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": KEYS}))
    return path


async def test_who_may_sign_says_who_somebody_is_in_which_tenant_and_roles(keys: Path) -> None:
    async with door({"PERDURE_JWT_JWKS": str(keys)}) as (_, client):
        all_ = [await shown(client, signed(key, algorithm, kid)) for key, algorithm, kid in
                ((RSA, "RS256", "r"), (EC, "ES256", "e"), (ED, "EdDSA", "d"))]  # fmt: skip
        words = (await shown(client, signed(roles="operator starter king"))).json()
        none = (await shown(client, signed(roles=None))).json()

    assert [one.status_code for one in all_] == [200] * 3
    assert all_[0].json() == {
        "tenant": "acme", "user": "ann", "way": "token of https://id.example", "roles": ["viewer"],
        "permissions": ["workflows.definitions.read", "workflows.runs.read"],
    }  # fmt: skip
    assert [name.rpartition(".")[2] for name in words["permissions"]] == ["read", "control", "read", "write"]
    assert none["permissions"] == []


async def test_a_shared_secret_signs_alike_and_claims_may_be_called_anything() -> None:
    environment = {
        "PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_USER_CLAIM": "https://id.example/mail", "PERDURE_JWT_ROLES_CLAIM": "realm.roles",
        "PERDURE_JWT_TENANT": "acme",
    }  # fmt: skip
    named: dict[str, Any] = {
        "https://id.example/mail": "ann@example.com", "realm": {"roles": ["starter"]}, "tenant": "other", "roles": ["admin"],
    }  # fmt: skip
    async with door(environment) as (_, client):
        known = (await shown(client, signed(SHARED, "HS256", None, **named))).json()

    assert (known["user"], known["tenant"], known["roles"]) == ("ann@example.com", "acme", ["starter"])


PEM = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
DER = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def confused(secret: bytes) -> str:
    """Signed by a public key as if it were a secret."""
    head, claims, _ = forged({"alg": "HS256", "kid": "r"}).split(".")
    signature = get_default_algorithms()["HS256"].sign(f"{head}.{claims}".encode(), secret)
    return f"{head}.{claims}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def bad_tokens() -> dict[str, str]:
    now = int(time.time())
    good = signed()
    head, claims, signature = good.split(".")
    swapped = base64.urlsafe_b64encode(json.dumps(told(roles=["admin"])).encode()).decode().rstrip("=")
    return {
        "no algorithm": forged({"alg": "none", "kid": "r"}),
        "no algorithm, otherwise written": forged({"alg": "nOnE", "kid": "r"}),
        "an empty algorithm": forged({"alg": "", "kid": "r"}),
        "no word of an algorithm": forged({"kid": "r"}),
        "a header that is none": forged(["alg", "RS256"]),
        "a public key as a secret": confused(PEM),
        "a public key as a secret, otherwise written": confused(DER),
        "an algorithm that is not allowed": signed(algorithm="RS512"),
        "an algorithm of another key": signed(EC, "ES256", "r"),
        "another key": signed(OTHER_RSA),
        "a key that is not known": signed(kid="x"),
        "no name of a key, where there are several": signed(kid=None),
        "a key as a path": signed(kid="../../keys"),
        "a key that it brings along": signed(OTHER_RSA, kid="own", headers={"jwk": jwk(OTHER_RSA, "own", "RS256")}),
        "a place of keys of its own": signed(OTHER_RSA, kid="own", headers={"jku": "http://127.0.0.1:1/keys"}),
        "something critical": signed(headers={"crit": ["b64"], "b64": True}),
        "another issuer": signed(iss="https://evil.example"),
        "no issuer": signed(iss=None),
        "another audience": signed(aud="shop"),
        "no audience": signed(aud=None),
        "expired": signed(exp=now - 31),
        "no end": signed(exp=None),
        "an end that is no time": signed(exp="tomorrow"),
        "not yet": signed(nbf=now + 60),
        "made tomorrow": signed(iat=now + 86400),
        "nobody": signed(sub=None),
        "somebody without a name": signed(sub=""),
        "a name with a line": signed(sub="ann\nadmin"),
        "no tenant": signed(tenant=None),
        "a tenant that is no text": signed(tenant=["acme"]),
        "changed claims": f"{head}.{swapped}.{signature}",
        "a changed signature": f"{head}.{claims}.{'A' * len(signature)}",
        "no signature": f"{head}.{claims}.",
        "too many parts": f"{good}.{signature}",
        "too long": signed(blob="x" * 8192),
        "a deep header": f"{base64.urlsafe_b64encode(b'[' * 5000).decode()}.{claims}.{signature}",
        "no base64": "a.b.c",
        "bytes": "é.é.é",
        "dots": "..",
    }  # fmt: skip


async def test_all_who_show_something_else_hear_what_who_shows_nothing_hears(keys: Path) -> None:
    async with door({"PERDURE_JWT_JWKS": str(keys)}) as (_, client):
        nobody = await client.get(WHO)
        wrong: list[str] = []
        for name, token in bad_tokens().items():
            said = await client.get(WHO, headers=[(b"authorization", f"Bearer {token}".encode())])
            if (said.status_code, said.content) != (401, nobody.content):
                wrong.append(f"{name}: {said.status_code} {said.text[:100]}")
        as_a_key = await client.get(WHO, headers={"x-api-key": signed()})
        good = await shown(client, signed(exp=int(time.time()) - 20))  # clocks differ

    assert wrong == []
    assert (as_a_key.status_code, good.status_code) == (401, 200)


async def test_with_a_shared_secret_none_of_it_is_better() -> None:
    long = 2 * SHARED
    async with door({"PERDURE_JWT_SECRET": long}) as (_, client):
        tokens = [signed(), signed(long, "HS512", None), forged({"alg": "none"}), signed(SHARED, "HS256", None), confused(PEM)]
        codes = [(await shown(client, token)).status_code for token in (*tokens, signed(long, "HS256", None))]

    assert codes == [401] * 5 + [200]


async def test_a_disabled_user_is_nobody_and_a_record_adds_its_roles(keys: Path) -> None:
    async with door({"PERDURE_JWT_JWKS": str(keys)}, key_secret=SECRET) as (_, client):
        admin = {"authorization": f"Bearer {signed(sub='olga', roles=['admin'])}"}
        await client.post("/api/v1/users", json={"user": "ann", "roles": ["starter"]}, headers=admin)
        more = (await shown(client, signed())).json()["roles"]
        made = await client.post("/api/v1/keys", json={"user": "ann"}, headers=admin)
        await client.post("/api/v1/users/ann/disable", headers=admin)
        shut = [await shown(client, signed()), await shown(client, made.json()["key"])]
        foreign = await shown(client, signed(tenant="other"))

    assert more == ["viewer", "starter"]
    assert [one.status_code for one in (*shut, foreign)] == [401, 401, 200]


async def test_without_a_secret_for_keys_tokens_alone_let_in_and_there_are_no_keys(keys: Path) -> None:
    async with door({"PERDURE_JWT_JWKS": str(keys)}) as (_, client):
        admin = {"authorization": f"Bearer {signed(roles=['admin'])}"}
        runs, key = await client.get(RUNS, headers=admin), await client.post("/api/v1/keys", json={"user": "ben"}, headers=admin)

    assert (runs.status_code, key.status_code, key.json()["where"]) == (200, 503, "PERDURE_KEY_SECRET")


async def test_a_service_starts_with_tokens_alone_and_not_with_a_secret_that_could_be_guessed(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {**BASE, "PERDURE_JWT_JWKS": str(keys)}.items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv("PERDURE_KEY_SECRET", raising=False)
    begun = partial(serve, "memory:", workflows=FLOWS, types=types_of(), host="127.0.0.1", port=0, single_user=False)
    async with begun() as (_, address), httpx.AsyncClient(base_url=address, trust_env=False) as client:
        codes = [(await shown(client, token)).status_code for token in (signed(), signed(iss="x"))]
    monkeypatch.setenv("PERDURE_KEY_SECRET", "short")
    with pytest.raises(Invalid, match="secret of the service"):
        async with begun():
            pass

    assert codes == [200, 401]


# -- sets of keys --------------------------------------------------------------------------------------------------------


class Place:
    """A place of keys that changes, breaks and counts who asks."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys, self.asked, self.broken, self.time = list(keys), 0, False, 0.0
        self.set = KeySet("here", self.read, lambda: self.time)

    async def read(self) -> bytes:
        self.asked += 1
        if self.broken:
            raise OSError("away")
        return json.dumps({"keys": self.keys}).encode()

    async def has(self, kid: str) -> bool:
        return await self.set.find(kid) is not None


async def test_keys_are_kept_and_a_new_one_is_looked_for_now_and_then() -> None:
    place = Place(KEYS[0])
    first = [await place.has("r") for _ in range(5)]
    place.keys = [KEYS[0], KEYS[1]]
    early = [await place.has("e") for _ in range(5)]
    place.time = 10.5
    later = [await place.has("e"), await place.has("x")]
    asked = place.asked
    place.keys, place.time = [KEYS[1]], 400.0
    gone = [await place.has("r"), await place.has("e")]

    assert (first, early, later, asked, gone) == ([True] * 5, [False] * 5, [True, False], 2, [False, True])


async def test_keys_that_were_read_are_good_for_an_hour_when_their_place_is_away() -> None:
    place = Place(KEYS[0])
    await place.has("r")
    place.broken, place.time = True, 3500.0
    assert await place.has("r")
    place.time = 3700.0
    with pytest.raises(Unavailable, match="cannot be had"):
        await place.has("r")
    place.broken, place.time = False, 3711.0
    assert await place.has("r")


def test_only_public_keys_for_signatures_count() -> None:
    private: dict[str, Any] = get_default_algorithms()["RS256"].to_jwk(RSA, as_dict=True)
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it is refused
    given = [
        {**private, "kid": "private", "alg": "RS256"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        jwk(RSA, "for encryption", "RS256", use="enc"), jwk(short, "short", "RS256"), {**KEYS[0], "kid": "lying", "alg": "HS256"},
        {"kty": "RSA"}, "no key", KEYS[0],
    ]  # fmt: skip

    assert list(keys_in(json.dumps({"keys": given}).encode())) == ["r"]
    for text in (b"", b"[]", b'{"keys": 3}', b'{"keys": []}'):
        with pytest.raises(ValueError):
            keys_in(text)


async def test_keys_are_fetched_without_being_sent_on_and_so_many_bytes_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = {"/keys": (200, json.dumps({"keys": KEYS}).encode()), "/moved": (302, b""), "/much": (200, b" " * 5000)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status, body = bodies[scope["path"]]
        headers = [(b"location", b"/keys")] if status == 302 else []
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    monkeypatch.setattr(jwks, "BYTES_MAX", 4000)
    async with served(app, "127.0.0.1", 0) as address:
        found = keys_in(await at_url(f"{address}/keys")())
        for path in ("moved", "much"):
            with pytest.raises(ValueError):
                await at_url(f"{address}/{path}")()
        async with door({"PERDURE_JWT_JWKS": f"{address}/keys"}) as (_, client):
            known = await shown(client, signed())

    assert (list(found), known.status_code) == (["r", "e", "d"], 200)


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "who"),
    [
        ({}, "PERDURE_JWT_SECRET"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_JWKS": "https://id.example/keys"}, "PERDURE_JWT_SECRET"),
        ({"PERDURE_JWT_SECRET": "short"}, "PERDURE_JWT_SECRET"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_ALGORITHMS": "HS512"}, "PERDURE_JWT_SECRET"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_ALGORITHMS": "RS256"}, "PERDURE_JWT_ALGORITHMS"),
        ({"PERDURE_JWT_JWKS": "https://id.example/keys", "PERDURE_JWT_ALGORITHMS": "RS256,HS256"}, "PERDURE_JWT_ALGORITHMS"),
        ({"PERDURE_JWT_JWKS": "https://id.example/keys", "PERDURE_JWT_ALGORITHMS": "none"}, "PERDURE_JWT_ALGORITHMS"),
        ({"PERDURE_JWT_JWKS": "http://id.example/keys"}, "PERDURE_JWT_JWKS"),
        ({"PERDURE_JWT_JWKS": "no-such-file.json"}, "PERDURE_JWT_JWKS"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_ISSUER": ""}, "PERDURE_JWT_ISSUER"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_AUDIENCE": ""}, "PERDURE_JWT_AUDIENCE"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_LEEWAY": "3600"}, "PERDURE_JWT_LEEWAY"),
        ({"PERDURE_JWT_SECRET": SHARED, "PERDURE_JWT_AUDIENCES": "x"}, "PERDURE_JWT_AUDIENCES"),
    ],
)
def test_settings_that_would_let_in_too_many_or_nobody_are_refused(environment: Mapping[str, str], who: str) -> None:
    with pytest.raises(Invalid) as error:
        TokenSettings.of({**BASE, **environment})

    assert error.value.who == who


def test_without_settings_there_are_no_tokens() -> None:
    assert TokenSettings.of({"PERDURE_KEY_SECRET": SECRET}) is None
