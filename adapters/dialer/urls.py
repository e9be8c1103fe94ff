"""URLs that are called: parsed by one strict reading, so that what is checked is what is called.

What readers of URLs disagree about is Invalid: names and passwords before the host, backslashes, percent signs or letters beyond
ASCII in the host, numbers that only some systems take for addresses, anything invisible.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address

from msgspec import Struct

from ...eventlog.errors import Invalid
from .addresses import Address, address_of

URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[0-9a-z._-]+)(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!\"$-\[\]-~]*)?",
    re.IGNORECASE | re.ASCII,
)
LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes the host an address, for those systems that read it so."""

URL_BYTES_MAX = 2048
HOST_BYTES_MAX = 253
PORTS = {"http": 80, "https": 443}
PORT_MAX = 65535


class Target(Struct, frozen=True):
    """Where a URL leads: `host` in small letters without a closing dot, `address` where it is one, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str
    address: Address | None = None

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def target_of(url: str) -> Target:
    """Where the URL leads; Invalid where it is none that is called."""
    found = URL.fullmatch(url) if len(url) <= URL_BYTES_MAX else None
    if found is None:
        raise _invalid(url, f"http or https, a host in ASCII, perhaps a port and a path, at most {URL_BYTES_MAX} characters, no fragment")
    scheme, host = found["scheme"].lower(), found["host"].lower()
    port = int(found["port"] or PORTS[scheme])
    if not 1 <= port <= PORT_MAX:
        raise _invalid(url, f"a port from 1 to {PORT_MAX}")
    rest = found["rest"] or "/"
    path = rest if rest.startswith("/") else f"/{rest}"
    if host.startswith("["):
        return Target(scheme, host[1:-1], port, path, address_of(host[1:-1]))
    name = host_name(host)
    return Target(scheme, name, port, path, IPv4Address(name) if NUMBER.fullmatch(name.rpartition(".")[2]) else None)


def host_name(text: str) -> str:
    """A host's name as it is compared: small letters, no closing dot; Invalid where it is no name, and no address either."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > HOST_BYTES_MAX or not all(LABEL.fullmatch(label) for label in labels):
        raise _invalid(text, "a host whose labels are letters, digits, '-' and '_'; in other alphabets by its form xn--…")
    if NUMBER.fullmatch(labels[-1]):
        address_of(name)
    return name


def _invalid(url: str, expected: str) -> Invalid:
    return Invalid("this URL is not called", who=repr(url[:200]), where="url", expected=expected, found="something else",
                   instead="write it plainly: https://hooks.example.com/path")
