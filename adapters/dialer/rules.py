"""Where calls may go: the rules of a process, from its environment."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from ...eventlog.errors import Invalid, Refused
from .addresses import Address, Network, is_within, why_not_public
from .lists import HostList, HostLists
from .urls import PORT_MAX, Target

HTTP, PORTS, PRIVATE = "PERDURE_DIAL_HTTP", "PERDURE_DIAL_PORTS", "PERDURE_DIAL_PRIVATE"


class Rules(Struct, frozen=True, kw_only=True):
    """By default: https to port 443 of public addresses. Denied wins over allowed, and over `private`."""

    lists: HostLists = HostLists.of({})
    http: bool = False
    """Whether calls may go without encryption (`PERDURE_DIAL_HTTP=1`); then to port 80, too."""
    ports: frozenset[int] = frozenset({443})
    """`PERDURE_DIAL_PORTS=443,8443`."""
    private: tuple[Network, ...] = ()
    """Networks that may be called though they are not public (`PERDURE_DIAL_PRIVATE=10.1.0.0/16`)."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Rules:
        """The rules that the environment holds; what does not fit is Invalid."""
        http = environment.get(HTTP, "") or "0"
        if http not in ("0", "1"):
            raise Invalid("a setting does not fit", who=HTTP, where="environment", expected="1 or 0", found=repr(http),
                          instead="write 1, or unset it")
        ports = _ports(environment.get(PORTS, "443,80" if http == "1" else "443"))
        named = HostList.of(environment.get(PRIVATE, ""), PRIVATE)
        if named.names or named.below:
            raise Invalid("a setting does not fit", who=PRIVATE, where="environment", expected="networks such as 10.1.0.0/16",
                          found=environment[PRIVATE], instead="name networks: whom a name belongs to is for others to say")
        return cls(lists=HostLists.of(environment), http=http == "1", ports=ports, private=named.networks)

    def must_lead(self, target: Target, tenant: str) -> None:
        """Refused where the URL itself leads where calls may not go, whatever its host's addresses are."""
        if target.scheme == "http" and not self.http:
            raise _refused(target, "it is not encrypted", "https", f"call it by https, or set {HTTP}=1")
        if target.port not in self.ports:
            allowed = ", ".join(map(str, sorted(self.ports)))
            raise _refused(target, f"port {target.port} is not called", f"port {allowed}", f"name the port in {PORTS}")
        self.must_be_open(target, None if target.address is None else (target.address,), tenant)

    def must_be_open(self, target: Target, addresses: tuple[Address, ...] | None, tenant: str) -> None:
        """Refused unless the host, and every address of it, may be called for the tenant. None: they are not known yet."""
        why = self.lists.why_not(tenant, target.host, addresses)
        if why:
            raise _refused(target, why, "a host that lists allow", "correct the URL, or the lists of hosts")
        for address in addresses or ():
            special = "" if is_within(address, self.private) else why_not_public(address)
            if special:
                raise _refused(target, f"{address} is {special}", "public addresses alone", f"name its network in {PRIVATE} if it is yours")


def _refused(target: Target, found: str, expected: str, instead: str) -> Refused:
    return Refused("this host is not called", who=target.host, where=f"port {target.port}", expected=expected, found=found, instead=instead)


def _ports(text: str) -> frozenset[int]:
    ports: set[int] = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        if not entry.isdecimal() or not entry.isascii() or not 1 <= int(entry) <= PORT_MAX:
            raise Invalid("a setting does not fit", who=PORTS, where="environment", expected="port numbers, parted by commas",
                          found=repr(text), instead="write for example 443,8443")
        ports.add(int(entry))
    return frozenset(ports)
