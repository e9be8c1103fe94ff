"""Which addresses are public: a table of our own, because Python's changes with its version, and misses some.

A form that carries an IPv4 address is judged by that address where networks really use it (mapped, and the well-known prefix of
NAT64), and is refused otherwise (6to4, Teredo, IPv4-compatible). Sources: IANA's registries of special addresses, RFC 6890 and
what followed it, and the addresses at which clouds answer from inside.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from ...eventlog.errors import Invalid

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

SPECIAL_V4: dict[IPv4Network, str] = {
    IPv4Network("0.0.0.0/8"): "this host",
    IPv4Network("10.0.0.0/8"): "private",
    IPv4Network("100.64.0.0/10"): "shared by carriers",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "the inside of a cloud",
    IPv4Network("169.254.0.0/16"): "link-local, where clouds keep their metadata",
    IPv4Network("172.16.0.0/12"): "private",
    IPv4Network("192.0.0.0/24"): "of protocols",
    IPv4Network("192.0.2.0/24"): "for documentation",
    IPv4Network("192.31.196.0/24"): "of protocols",
    IPv4Network("192.52.193.0/24"): "of protocols",
    IPv4Network("192.88.99.0/24"): "6to4 relays",
    IPv4Network("192.168.0.0/16"): "private",
    IPv4Network("192.175.48.0/24"): "of protocols",
    IPv4Network("198.18.0.0/15"): "for benchmarks",
    IPv4Network("198.51.100.0/24"): "for documentation",
    IPv4Network("203.0.113.0/24"): "for documentation",
    IPv4Network("224.0.0.0/4"): "multicast",
    IPv4Network("240.0.0.0/4"): "reserved",
}

PUBLIC_V6 = IPv6Network("2000::/3")
SPECIAL_V6: dict[IPv6Network, str] = {
    IPv6Network("2001::/23"): "of protocols, Teredo among them",
    IPv6Network("2001:db8::/32"): "for documentation",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("2620:4f:8000::/48"): "of protocols",
    IPv6Network("3ffe::/16"): "of a test network that is gone",
    IPv6Network("3fff::/20"): "for documentation",
}

MAPPED, NAT64 = IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96")


def address_of(text: str) -> Address:
    """The address that a resolver, or the literal host of a URL, names; Invalid for short forms and octal numbers, too."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError as error:
        raise Invalid("this is no address", who=repr(text), expected="four decimal numbers from 0 to 255, or an IPv6 address",
                      found=str(error), instead="write the address in full") from error


def plain(address: Address) -> Address:
    """The IPv4 address that one of IPv6 stands for, if that is how networks use it; else itself."""
    if isinstance(address, IPv6Address) and (address in MAPPED or address in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def why_not_public(address: Address) -> str:
    """What keeps the address from being public; empty where nothing does."""
    address = plain(address)
    if isinstance(address, IPv4Address):
        return next((what for network, what in SPECIAL_V4.items() if address in network), "")
    if address not in PUBLIC_V6 or address.scope_id is not None:
        return f"outside {PUBLIC_V6}"
    return next((what for network, what in SPECIAL_V6.items() if address in network), "")


def is_within(address: Address, networks: tuple[Network, ...]) -> bool:
    """Whether one of the networks holds the address, in whichever of its forms."""
    forms = {address, plain(address)}
    return any(form in network for form in forms for network in networks)
