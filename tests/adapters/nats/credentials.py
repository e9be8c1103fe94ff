"""Certificates, nkeys and JWTs, made for one test each, as an operator's tools would make them."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

nkeys: Any = import_module("nkeys")  # it brings no types
OPERATOR, ACCOUNT, USER = nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_USER
NO_LIMIT = -1


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def authority(room: Path) -> Path:
    """A certificate that signs others; its key is beside it."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=authority",
            "-keyout", room / "ca.key", "-out", room / "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    return room / "ca.pem"


def certificate(room: Path, name: str) -> tuple[Path, Path]:
    """(certificate, key) for localhost, signed by the authority in the folder."""
    extensions = room / f"{name}.ext"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", room / f"{name}.key", "-out", room / f"{name}.csr")
    openssl("x509", "-req", "-days", "2", "-in", room / f"{name}.csr", "-CA", room / "ca.pem", "-CAkey", room / "ca.key", "-CAcreateserial",
            "-out", room / f"{name}.pem", "-extfile", extensions)
    return room / f"{name}.pem", room / f"{name}.key"


class Signer:
    """A pair of keys of one kind."""

    def __init__(self, prefix: int, name: str) -> None:
        self.seed: bytes = nkeys.encode_seed(sha256(name.encode()).digest(), prefix)
        self.pair: Any = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self.pair.public_key.decode()

    def token(self, subject: str, nats: dict[str, Any], *, expires: float = 0) -> str:
        """A JWT that says this of a subject, as the tools of NATS write it."""
        claims: dict[str, Any] = {"iat": int(time.time()), "iss": self.public, "sub": subject, "name": "test"}
        claims["nats"] = {**nats, "version": 2}
        if expires:
            claims["exp"] = int(expires)
        claims["jti"] = sha256(json.dumps(claims).encode()).hexdigest()
        signed = f"{part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{part(claims)}"
        return f"{signed}.{encoded(self.pair.sign(signed.encode()))}"


def part(value: dict[str, Any]) -> str:
    return encoded(json.dumps(value).encode())


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Operator:
    """An operator with one account that has JetStream, and a system account."""

    def __init__(self) -> None:
        self._operator, self._system, self._account = Signer(OPERATOR, "operator"), Signer(ACCOUNT, "system"), Signer(ACCOUNT, "account")
        self.user = Signer(USER, "user")

    def settings(self) -> str:
        """For the server's configuration."""
        limits = dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf"), NO_LIMIT) | {"wildcards": True}
        stores = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), NO_LIMIT)
        operator = self._operator.token(self._operator.public, {"type": "operator", "system_account": self._system.public})
        system = self._operator.token(self._system.public, {"type": "account", "limits": limits})
        account = self._operator.token(self._account.public, {"type": "account", "limits": limits | stores})
        preload = f'{self._system.public}: "{system}", {self._account.public}: "{account}"'
        return f'operator: "{operator}"\nsystem_account: {self._system.public}\nresolver: MEMORY\nresolver_preload: {{ {preload} }}'

    def credentials(self, *, expires: float = 0) -> str:
        """The content of a credentials file."""
        limits = dict.fromkeys(("subs", "data", "payload"), NO_LIMIT)
        token = self._account.token(self.user.public, {"type": "user", **limits}, expires=expires)
        return (f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                f"-----BEGIN USER NKEY SEED-----\n{self.user.seed.decode()}\n------END USER NKEY SEED------\n")
