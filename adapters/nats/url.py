"""`nats://…/NAMESPACE?…`: servers, who we are, how to trust them, and how the log is to be kept."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from ...eventlog.errors import Invalid
from .wire.keys import lacking_in_credentials, lacking_in_nkey
from .wire.messages import checked_namespace

SCHEMES = ("nats", "tls")
Sync = Literal["always", "interval"]
PORT, PORT_MAX = 4222, 65_535

KNOWN: Mapping[str, str] = {
    "replicas": "how many servers keep each message, for streams that are made: 1, 3 or 5",
    "sync": "'always' if every server syncs each write to its disk (sync_interval: always); else 'interval'",
    "monitor": "where the servers show how they are set (http://HOST:8222, several with commas): whether they sync is looked up there",
    "tls_ca": "the file of the authority that signed the server's certificate",
    "tls_cert": "the file of our own certificate",
    "tls_key": "the file of its key",
    "tls_hostname": "the name in the server's certificate, where it is not the host of the URL",
    "creds": "a credentials file (JWT and seed)",
    "nkey": "a file with the seed of an nkey",
    "inbox": "how the subjects of answers begin, where the user may not subscribe to _INBOX",
}
"""The options of a URL."""

EXAMPLE = "nats://127.0.0.1:4222/shop"


class Place(Struct, frozen=True, kw_only=True):
    """What a URL says. `servers` are URLs without credentials; `hidden` is the URL as it may be shown."""

    servers: tuple[str, ...]
    namespace: str
    hidden: str
    user: str = ""
    password: str = ""
    token: str = ""
    replicas: int = 1
    sync: Sync = "interval"
    monitors: tuple[str, ...] = ()
    tls: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_hostname: str = ""
    creds: str = ""
    nkey: str = ""
    inbox: str = ""

    def settings(self) -> dict[str, Any]:
        """For the client; what files say is read now."""
        for name, file, lacking in (("nkey", self.nkey, lacking_in_nkey), ("creds", self.creds, lacking_in_credentials)):
            if file and (found := lacking(file)):
                raise Invalid("a file that the URL names cannot let anybody in", who=self.hidden, where=name, expected=KNOWN[name],
                              found=found, instead="name the file that the tools of NATS wrote for this user")
        given: dict[str, Any] = {
            "user": self.user, "password": self.password, "token": self.token, "user_credentials": self.creds, "nkeys_seed": self.nkey,
            "inbox_prefix": self.inbox, "tls_hostname": self.tls_hostname, "tls": self.context(),
        }  # fmt: skip
        return {name: value for name, value in given.items() if value}

    def context(self) -> ssl.SSLContext | None:
        """What TLS trusts and shows, if it is asked for."""
        if not (self.tls or self.tls_ca or self.tls_cert or self.tls_hostname):
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca or None)
            if self.tls_cert:
                context.load_cert_chain(self.tls_cert, self.tls_key or None)
        except OSError as error:
            raise Invalid("a certificate cannot be used", who=self.hidden, where="tls_ca, tls_cert, tls_key",
                          expected="files in PEM that fit", found=str(error),
                          instead="correct the paths; a key may be in the file of its certificate") from error
        return context


def place_of(url: str) -> Place:
    """Read a URL; whatever is wrong with it is Invalid, and says what would be right."""
    scheme, _, rest = url.partition("://")
    address, _, query = rest.partition("?")
    netloc, _, namespace = address.partition("/")
    login, at, hosts = netloc.rpartition("@")
    hidden = f"{scheme}://{'…@' if at else ''}{hosts}/{namespace}"
    if scheme not in SCHEMES or not hosts or not namespace:
        raise Invalid("the URL names no log in NATS", who="perdure.open", where="url", expected="nats://HOST:PORT/NAMESPACE", found=hidden,
                      instead=f"write for example {EXAMPLE}")
    user, colon, password = login.partition(":")
    options = options_in(query, hidden)
    found: dict[str, Any] = {"user" if colon else "token": unquote(user), "password": unquote(password)}
    for name in ("creds", "nkey", "tls_ca", "tls_cert", "tls_key"):
        if name in options and not Path(options[name]).expanduser().is_file():
            raise Invalid("a file that the URL names is not there", who=hidden, where=name, expected=KNOWN[name], found=options[name],
                          instead="correct the path; '%2F' is not needed, slashes may stand as they are")
        found |= {name: str(Path(options.pop(name)).expanduser())} if name in options else {}
    found["replicas"] = int(one_of(options.pop("replicas", "1"), ("1", "3", "5"), "replicas", hidden))
    found["sync"] = one_of(options.pop("sync", "interval"), get_args(Sync), "sync", hidden)
    found["monitors"] = monitors_in(options.pop("monitor", ""), hidden)
    found |= options
    servers = tuple(f"{scheme}://{address_of(host, hidden)}" for host in hosts.split(",") if host)
    return Place(servers=servers, namespace=checked_namespace(namespace), hidden=hidden, tls=scheme == "tls", **found)


def address_of(host: str, hidden: str) -> str:
    """The host with its port."""
    _, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):  # an address of IPv6 has colons of its own
        return f"{host}:{PORT}"
    if not (port.isascii() and port.isdecimal() and 0 < int(port) <= PORT_MAX):
        raise Invalid("a port of the URL is none", who=hidden, where=host, expected=f"a number from 1 to {PORT_MAX}", found=repr(port),
                      instead=f"write for example {EXAMPLE}")
    return host


def monitors_in(text: str, hidden: str) -> tuple[str, ...]:
    """Addresses of the `http` ports of servers."""
    monitors = tuple(one.rstrip("/") for one in text.split(",") if one)
    for one in monitors:
        parts = urlsplit(one)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise Invalid("a monitor of the URL is none", who=hidden, where="monitor", expected=KNOWN["monitor"], found=one,
                          instead="write for example monitor=http://127.0.0.1:8222")
    return monitors


def options_in(query: str, hidden: str) -> dict[str, str]:
    """The options behind the question mark, each known and given once."""
    pairs = parse_qsl(query, keep_blank_values=True)
    options = dict(pairs)
    unknown = sorted(set(options) - set(KNOWN))
    if unknown or len(options) < len(pairs):
        raise Invalid("the URL has an option that is not known" if unknown else "the URL has an option twice", who=hidden,
                      where=unknown[0] if unknown else "?…", expected="; ".join(f"{name}: {what}" for name, what in KNOWN.items()),
                      found=", ".join(unknown) or query, instead="leave it out, or write one of those")
    return options


def one_of(found: str, known: tuple[str, ...], name: str, hidden: str) -> str:
    if found not in known:
        raise Invalid("an option of the URL does not fit", who=hidden, where=name, expected=" or ".join(known), found=repr(found),
                      instead=f"{name} is {KNOWN[name]}")
    return found
