"""Lists of hosts that may be called, and that may not: for all, and for one tenant instead of or beside that.

A list of allowed hosts that is there allows what it names and nothing else, so an empty one allows nothing. A tenant's own takes
the place of the one for all. What a list of denied hosts names is denied, whoever allows it, for all or for the tenant.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct

from ...eventlog.errors import Invalid
from .addresses import Address, Network, is_within
from .tenants import PerTenant
from .urls import host_name

ALLOW, DENY = "WORKFLOWS_WEBHOOK_ALLOWLIST", "WORKFLOWS_WEBHOOK_DENYLIST"


class HostList(Struct, frozen=True):
    """Names of hosts, `*.example.com` for all below a name (and not the name itself), and networks such as 192.0.2.0/24."""

    names: frozenset[str] = frozenset()
    below: tuple[str, ...] = ()
    """Each with its leading dot."""
    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, text: str, who: str) -> HostList:
        """The list that a setting holds, its entries parted by commas."""
        names: set[str] = set()
        below: list[str] = []
        networks: list[Network] = []
        for entry in filter(None, (part.strip() for part in text.split(","))):
            network = _network(entry)
            if network is not None:
                networks.append(network)
                continue
            try:
                name = host_name(entry.removeprefix("*."))
            except Invalid as wrong:
                raise Invalid("a list of hosts names something else", who=who, where="environment", found=repr(entry),
                              expected="hooks.example.com, *.example.com or 192.0.2.0/24", instead="correct or remove the entry") from wrong
            below.append(f".{name}") if entry.startswith("*.") else names.add(name)
        return cls(frozenset(names), tuple(below), tuple(networks))

    def has(self, host: str, address: Address | None = None) -> bool:
        """Whether the list names the host, or an address that it has."""
        return host in self.names or host.endswith(self.below) or (address is not None and is_within(address, self.networks))


class HostLists(Struct, frozen=True):
    """Who may be called, and who may not: for all, and for tenants that have lists of their own."""

    allow: PerTenant[HostList]
    deny: PerTenant[HostList]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> HostLists:
        """The lists that the environment holds."""
        return cls(PerTenant[HostList].of(ALLOW, environment, HostList.of), PerTenant[HostList].of(DENY, environment, HostList.of))

    def why_not(self, tenant: str, host: str, addresses: tuple[Address, ...] | None) -> str:
        """What keeps a tenant from calling a host that has these addresses (None: nobody knows yet); empty where nothing does.

        Invalid where nobody can tell which tenant a list is for.
        """
        self.allow.must_tell_apart(tenant)
        self.deny.must_tell_apart(tenant)
        denied = (self.deny.all or NOBODY, self.deny.own.get(tenant, NOBODY))
        if any(one.has(host, address) for one in denied for address in (None, *(addresses or ()))):
            return "it is on a list of denied hosts"
        allowed = self.allow.own.get(tenant, self.allow.all)
        if allowed is None or allowed.has(host) or (addresses is None and allowed.networks):
            return ""
        within = bool(addresses) and all(is_within(address, allowed.networks) for address in addresses or ())
        return "" if within else "it is not on the list of allowed hosts"


NOBODY = HostList()


def _network(entry: str) -> Network | None:
    try:
        return IPv6Network(entry) if ":" in entry else IPv4Network(entry)
    except ValueError:
        return None
