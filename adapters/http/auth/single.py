"""Single-user mode: who sits at this machine may everything, and nobody else anything.

A page in a browser on this machine sends requests from here, too: so what names another host, or comes from the page of another
origin, is not recognised.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from ....eventlog.errors import Invalid
from ....runtime.permissions import ALL
from .principals import Principal, Visitor

LOCAL = Principal("default", "local", ALL, "single-user mode", ("admin",))


class SingleUser:
    """The gate for who is at this machine."""

    async def recognise(self, visitor: Visitor) -> Principal | None:
        if visitor.key or visitor.token or not is_loopback(visitor.address):
            return None
        return LOCAL if _is_here(f"//{visitor.host}") and (not visitor.origin or _is_here(visitor.origin)) else None


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


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
