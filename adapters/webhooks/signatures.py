"""Signatures of webhooks: those of Standard Webhooks 1.0, and beside them the headers that users of `tldw_server` know.

Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`, a signature `v1,…` for each secret, so that secrets can be changed one after
the other. The others: one over `timestamp.body` in hexadecimal, by the first secret.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from ...eventlog.errors import Invalid
from ..dialer.tenants import PerTenant

SECRET = "WORKFLOWS_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
PREFIX = "whsec_"
KEY_BYTES_MIN = 24


class Secret(Struct, frozen=True):
    """A secret as it was given, and the key that it stands for."""

    text: str
    key: bytes

    def __repr__(self) -> str:
        return "Secret(…)"

    @classmethod
    def of(cls, text: str, who: str) -> Secret:
        """`whsec_` and base64, or any text of 24 characters at least, which is its own key."""
        if not text.startswith(PREFIX):
            return cls(text, _long(text.encode(), who))
        try:
            return cls(text, _long(b64decode(text.removeprefix(PREFIX), validate=True), who))
        except Error as wrong:
            raise _invalid(who, "what is no base64") from wrong


class Secrets(Struct, frozen=True):
    """The secrets by which webhooks are signed, newest first: for all, and for tenants that have their own."""

    known: PerTenant[tuple[Secret, ...]]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Secrets:
        """`WORKFLOWS_WEBHOOK_SECRET`, or `…_<TENANT>`: one secret or several, parted by spaces."""

        def secrets(text: str, name: str) -> tuple[Secret, ...]:
            return tuple(Secret.of(part, name) for part in text.split())

        return cls(PerTenant[tuple[Secret, ...]].of(SECRET, environment, secrets))

    def of_tenant(self, tenant: str) -> tuple[Secret, ...]:
        """Those of the tenant; Invalid where nobody can tell which tenant a variable is for."""
        self.known.must_tell_apart(tenant)
        return self.known.own.get(tenant, self.known.all or ())


def headers_of(secrets: tuple[Secret, ...], id: str, seconds: int, body: bytes, *, run: str = "", workflow: str = "") -> dict[str, str]:
    """What is sent beside the body. Without a secret nothing is signed, and no header says otherwise."""
    sent = {"webhook-id": id, "webhook-timestamp": str(seconds), "X-Webhook-ID": id, "X-Signature-Timestamp": str(seconds)}
    if run:
        sent |= {"X-Run-Id": visible(run), "X-Workflow-Id": visible(workflow)}
    if secrets:
        mine = hmac.new(secrets[0].text.encode(), f"{seconds}.".encode() + body, sha256).hexdigest()
        sent["webhook-signature"] = " ".join(signature(secret, id, seconds, body) for secret in secrets)
        sent |= {"X-Workflows-Signature-Version": "v1", "X-Workflows-Signature": mine, "X-Hub-Signature-256": f"sha256={mine}"}
    return sent


def signature(secret: Secret, id: str, seconds: int, body: bytes) -> str:
    """The signature of Standard Webhooks by one secret."""
    return "v1," + b64encode(hmac.digest(secret.key, f"{id}.{seconds}.".encode() + body, "sha256")).decode()


def visible(text: str) -> str:
    """The text as a header may hold it: what is not visible ASCII as `%` and two hexadecimal digits for each of its bytes."""
    return "".join(chr(byte) if 0x21 <= byte <= 0x7E and byte != ord("%") else f"%{byte:02X}" for byte in text.encode())  # noqa: PLR2004


def _long(key: bytes, who: str) -> bytes:
    if len(key) < KEY_BYTES_MIN:
        raise _invalid(who, f"{len(key)} bytes")
    return key


def _invalid(who: str, found: str) -> Invalid:
    return Invalid("a secret does not fit", who=who, where="environment", expected=f"whsec_ and base64 of at least {KEY_BYTES_MIN} bytes",
                   found=found, instead="make one: echo whsec_$(openssl rand -base64 32)")
