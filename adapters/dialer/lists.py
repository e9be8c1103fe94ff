"""Lists of hosts that may be called, and that may not: for all, and for one tenant instead of or beside that.

A list of allowed hosts that is there allows what it names and nothing else, so an empty one allows nothing. A tenant's own takes
the place of the one for all. What a list of denied hosts names is denied, whoever allows it, for all or for the tenant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network

from msgspec import Struct, field

from ...eventlog.errors import Invalid
from .addresses import Address, Network, is_within
from .urls import host_name

ALLOW, DENY = "WORKFLOWS_WEBHOOK_ALLOWLIST", "WORKFLOWS_WEBHOOK_DENYLIST"
FOLDED = re.compile(r"[A-Z0-9_]+")


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
    """The lists for all, None where there is none, and those of tenants by name."""

    allow: HostList | None = None
    deny: HostList = HostList()
    allow_of: Mapping[str, HostList] = field(default_factory=dict[str, HostList])
    deny_of: Mapping[str, HostList] = field(default_factory=dict[str, HostList])

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> HostLists:
        """The lists that the environment holds.

        `…_TEAM1` is for the tenant `team1`, `…_TEAM_1` for `team_1`; a tenant of any other spelling is named by a variable that
        ends in exactly its name, such as `…_team-1`.
        """
        given = {name: HostList.of(text, name) for name, text in environment.items() if name.startswith((ALLOW, DENY))}
        return cls(
            given.get(ALLOW), given.get(DENY, HostList()), _by_tenant(ALLOW, given), _by_tenant(DENY, given),
        )  # fmt: skip

    def why_not(self, tenant: str, host: str, addresses: tuple[Address, ...] | None) -> str:
        """What keeps a tenant from calling a host that has these addresses (None: nobody knows yet); empty where nothing does.

        Invalid where the tenant's name is written like that of another that has lists: nobody can tell whose they were meant to be.
        """
        self._must_be_told_apart(tenant)
        denied = (self.deny, self.deny_of.get(tenant, HostList()))
        if any(one.has(host, address) for one in denied for address in (None, *(addresses or ()))):
            return "it is on a list of denied hosts"
        allowed = self.allow_of.get(tenant, self.allow)
        if allowed is None or allowed.has(host) or (addresses is None and allowed.networks):
            return ""
        within = bool(addresses) and all(is_within(address, allowed.networks) for address in addresses or ())
        return "" if within else "it is not on the list of allowed hosts"

    def _must_be_told_apart(self, tenant: str) -> None:
        known = {*self.allow_of, *self.deny_of}
        if tenant in known:
            return
        other = next((name for name in sorted(known) if folded(name) == folded(tenant)), None)
        if other is not None:
            raise Invalid("two tenants have names that environment variables cannot tell apart", who=f"tenant {tenant!r}",
                          where=f"{ALLOW}_{folded(tenant)}, {DENY}_{folded(tenant)}", expected=f"only the tenant {other!r}",
                          found=repr(tenant), instead=f"give the other tenant lists of its own: {ALLOW}_{tenant}")


def folded(tenant: str) -> str:
    """How a tenant's name is written at the end of a variable."""
    return re.sub(r"[^A-Z0-9]", "_", tenant.upper())


def _by_tenant(kind: str, given: Mapping[str, HostList]) -> dict[str, HostList]:
    found: dict[str, HostList] = {}
    for name, hosts in sorted(given.items()):
        suffix = name.removeprefix(f"{kind}_")
        if suffix != name and suffix:
            found[suffix.lower() if FOLDED.fullmatch(suffix) else suffix] = hosts
    return found


def _network(entry: str) -> Network | None:
    try:
        return IPv6Network(entry) if ":" in entry else IPv4Network(entry)
    except ValueError:
        return None
