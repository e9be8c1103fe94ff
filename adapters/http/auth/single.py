"""Single-user mode: who sits at this machine may everything, and nobody else anything.

A page in a browser on this machine sends requests from here, too, and some without asking first: so what names another host, or comes
from the page of another origin, which another port of this machine is, is not recognised.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from ....eventlog.errors import Invalid
from ....runtime.permissions import ALL
from .principals import Principal, Visitor

OF_NO_OTHER = ("", "none", "same-origin")
"""What Sec-Fetch-Site says where no page of another origin asks."""

PORTS = {"http": 80, "https": 443}

LOCAL = Principal("default", "local", ALL, "single-user mode", ("admin",))


class SingleUser:
    """The gate for who is at this machine."""

    async def recognise(self, visitor: Visitor) -> Principal | None:
        if visitor.key or visitor.token or not is_loopback(visitor.address):
            return None
        here = _origin(f"{visitor.scheme}://{visitor.host}")
        if here is None or not is_loopback(here[1]) or visitor.site not in OF_NO_OTHER:
            return None
        return LOCAL if not visitor.origin or _origin(visitor.origin) == here else None


def is_loopback(address: str) -> bool:
    """Whether an address, or `localhost`, is this machine itself."""
    if address == "localhost":
        return True
    try:
        found = ip_address(address.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def must_be_loopback(host: str) -> None:
    """Invalid where others than this machine could reach a service that asks for no keys."""
    if not is_loopback(host):
        raise Invalid("single-user mode is for this machine alone", who="perdure serve", where="--host",
                      expected="127.0.0.1, ::1 or localhost",
                      found=repr(host), instead="leave --host out, or set PERDURE_KEY_SECRET and hand out keys")


def _origin(url: str) -> tuple[str, str, int | None] | None:
    """(scheme, host, port) as two that are the same are equal; None where it is no URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
