"""Calls that must go nowhere, and calls that must go exactly where they say; a network that notes who was connected to."""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address

import anyio
import anyio.abc

from perdure.adapters.dialer.addresses import SPECIAL_V4, SPECIAL_V6
from perdure.adapters.dialer.addresses import Network as AnyNetwork
from perdure.adapters.dialer.dialer import Dialer
from perdure.adapters.dialer.rules import Rules
from perdure.eventlog.errors import Invalid, Refused

PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
INSIDE = ["127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.5.4", "100.100.100.200"]
TRUST = ssl.create_default_context()
OPEN = {"PERDURE_DIAL_HTTP": "1", "PERDURE_DIAL_PORTS": "80,443,8080"}


@dataclass(frozen=True)
class Call:
    """A URL, what its host resolves to, each time it is asked for, and the settings; for a legitimate one, where it must lead."""

    what: str
    url: str
    answers: Sequence[Sequence[str]] = ((PUBLIC,),)
    environment: Mapping[str, str] = field(default_factory=lambda: OPEN)
    tenant: str = "default"
    leads_to: str = ""
    host: str = ""


class Wire(anyio.abc.ByteStream):
    """A server that answers everything with a redirect inside."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._answer = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/inside\r\nContent-Length: 0\r\n\r\n"

    async def receive(self, max_bytes: int = 65536) -> bytes:
        answer, self._answer = self._answer, b""
        return answer

    async def send(self, item: bytes) -> None:
        self._network.sent += item

    async def send_eof(self) -> None:
        raise anyio.ClosedResourceError

    async def aclose(self) -> None:
        pass


class Network:
    """Resolves as a call says, and notes each connection."""

    def __init__(self, call: Call) -> None:
        self._answers = iter(itertools.chain(call.answers, itertools.repeat(call.answers[-1])))
        self.connected: list[str] = []
        self.asked_for: list[str] = []
        """The names that TLS asked servers for."""
        self.sent = b""
        self.questions = 0

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.questions += 1
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]  # a system that takes every form of a number for an address
        except OSError:
            return next(self._answers)

    async def connect(self, address: str, port: int) -> anyio.abc.ByteStream:
        self.connected.append(address)
        return Wire(self)

    async def secure(self, stream: anyio.abc.ByteStream, host: str, trust: ssl.SSLContext) -> anyio.abc.ByteStream:
        self.asked_for.append(host)
        return stream


async def made(call: Call) -> tuple[Network, str]:
    """(what the network saw of a call, the name of the error that it ended with)"""
    network = Network(call)
    try:
        dialer = Dialer(Rules.of(call.environment), resolve=network.resolve, connect=network.connect, secure=network.secure, trust=TRUST)
        await dialer.send("POST", call.url, within=5, body=b"{}", tenant=call.tenant)
    except (Invalid, Refused) as error:
        return network, type(error).__name__
    return network, ""


async def is_blocked(call: Call) -> bool:
    """Whether nobody was connected to, and the caller was told so; of a name that changes its mind, whether the first answer held."""
    network, error = await made(call)
    if len(call.answers) > 1:
        return network.connected == [call.answers[0][0]] and network.questions == 1
    return bool(error) and not network.connected


async def passes(call: Call) -> bool:
    """Whether exactly the address was connected to, and asked for by its name."""
    network, error = await made(call)
    named = f"host: {call.host}\r\n".encode() in network.sent.lower()
    name = call.host.strip("[]") if call.host.startswith("[") else call.host.partition(":")[0]
    tls = not call.url.lower().startswith("https") or network.asked_for == [name]
    return not error and network.connected == [call.leads_to] and named and tls


def special() -> Iterator[str]:
    """The first, the middle and the last address of every network of the table, and what else is not public."""
    networks: list[AnyNetwork] = [*SPECIAL_V4, *SPECIAL_V6]
    for network in networks:
        yield from dict.fromkeys(str(network[place]) for place in (0, network.num_addresses // 2, -1))
    yield from INSIDE
    yield from "192.0.0.192 168.63.129.16 255.255.255.255 ::1 :: fe80::1 fec0::1 fc00::1".split()
    yield from "fd00:ec2::254 ff02::1 100::1 5f00::1 4000::1".split()


def carried() -> Iterator[str]:
    """Forms of IPv6 that carry an address from inside."""
    for text in INSIDE:
        v4 = int(IPv4Address(text))
        for prefix in ("::ffff:0:0", "64:ff9b::", "64:ff9b:1::", "::", "2001::", "fe80::5efe:0:0"):
            yield str(IPv6Address(int(IPv6Address(prefix)) | v4))
        yield f"::ffff:{text}"
        yield str(IPv6Address(int(IPv6Address("2002::")) | v4 << 80))
        yield str(IPv6Address(int(IPv6Address("2001:0:4136:e378::")) | (v4 ^ 0xFFFFFFFF)))


def numbers(text: str) -> Iterator[str]:
    """What some systems take for the address."""
    parts = [int(part) for part in text.split(".")]
    whole = int(IPv4Address(text))
    yield from (str(whole), hex(whole), oct(whole).replace("0o", "0"), hex(whole).upper(), f"0{whole:o}", f"0x{whole:010x}")
    yield ".".join(f"0{part:o}" for part in parts)
    yield ".".join(map(hex, parts))
    yield ".".join(f"{part:03d}" for part in parts)
    yield ".".join(f"0x{part:04x}" for part in parts)
    yield f"{parts[0]}.{whole & 0xFFFFFF}"
    yield f"{parts[0]}.{parts[1]}.{whole & 0xFFFF}"
    yield f"{hex(parts[0])}.{whole & 0xFFFFFF}"
    yield f"0{parts[0]:o}.{parts[1]}.{whole & 0xFFFF:#x}"
    yield text.replace(".", "\u3002")
    yield text.replace(".", "\uff0e")
    yield "".join(chr(ord(digit) + 0xFEE0) if digit.isdigit() else digit for digit in text)
    yield "".join("\u24ea" if digit == "0" else chr(0x2460 + int(digit) - 1) if digit.isdigit() else digit for digit in text)
    yield f"{text}%00"
    yield f"{text}%2e"
    yield text.replace(".", "%2e")


TRICKS = r"""
https://hooks.example.com@{0}/|https://hooks.example.com:443@{0}/|https://{0}\@hooks.example.com/|https://hooks.example.com\@{0}/
https://{0}#@hooks.example.com/|https://hooks.example.com#@{0}/|https://{0}%2f@hooks.example.com/|https://{0}%00.example.com/
https:/{0}/|https:{0}|https:///{0}/|//{0}/|\\{0}\|https:\\{0}/|http://{0}:80:443/|https://{0}:port/|https://{0}:99999/|https://{0}:0/
https://user:secret@{0}/|https://[{0}]/|https://{0}]/|https://[::{0}/|https://[fe80::1%25eth0]/|https://{0}:22/|http://{0}:6379/
file://{0}/etc/passwd|gopher://{0}/|ftp://{0}/|ldap://{0}/|dict://{0}:11211/|jar:https://{0}!/|data:text/plain,{0}|unix:///run/{0}|ws://{0}/
javascript:{0}|HTTPS://{0}./|https://.{0}/|https://{0}../|https://-{0}/|blob:https://{0}/|netdoc://{0}/|https://{0};hooks.example.com/
"""


def tricks() -> Iterator[str]:
    """URLs that readers disagree about, and what is no call by HTTP."""
    for host in ("127.0.0.1", "169.254.169.254"):
        yield from (trick.format(host) for trick in TRICKS.replace("\n", "|").strip("|").split("|"))
        yield from (f"https://hooks.example.com{odd}{host}/" for odd in ("\r\n", *"\n\t \x00\x0b\u2028\u200b\xad"))
        yield from (f"https://hooks.example.com/{odd}X: {host}" for odd in ("\r\n", "\n", "\x00", "\u560d", "\u560a"))
    yield from ("", "https://", "https://?", "https:///", "https://..", "https://example..com/", "https://exa_mple.com:/x y")
    yield "https://ex\u00e4mple.com/"
    yield f"https://{'a' * 64}.example.com/"
    yield f"https://hooks.example.com/{'a' * 2048}"
    yield "https://" + "a." * 127 + "com/"


def lists() -> Iterator[Call]:
    """What lists of hosts keep from being called."""
    allow = {**OPEN, "WORKFLOWS_WEBHOOK_ALLOWLIST": "hooks.example.com, *.trusted.org"}
    for host in "evilhooks.example.com hooks.example.com.evil.net example.com trusted.org eviltrusted.org trusted.org.evil.net".split():
        yield Call("not allowed", f"https://{host}/", environment=allow)
    yield Call("allowed, and inside", "https://hooks.example.com/", [["127.0.0.1"]], allow)
    yield Call("an empty list", "https://hooks.example.com/", environment={**OPEN, "WORKFLOWS_WEBHOOK_ALLOWLIST": ""})
    deny = {**OPEN, "WORKFLOWS_WEBHOOK_DENYLIST": "bad.example.com,*.evil.net,203.0.114.0/24,2a00:1450::/32"}
    for host in "bad.example.com BAD.Example.COM bad.example.com. a.evil.net a.b.EVIL.net. 203.0.114.7 [2a00:1450:4001::8a]".split():
        yield Call("denied", f"https://{host}/", environment=deny)
    yield Call("denied by address", "https://hooks.example.com/", [["203.0.114.7"]], deny)
    yield Call("denied by one address", "https://hooks.example.com/", [[PUBLIC, "203.0.114.7"]], deny)
    yield Call("denied and allowed", "https://bad.example.com/", environment={**deny, "WORKFLOWS_WEBHOOK_ALLOWLIST": "bad.example.com"})
    own = {**OPEN, "WORKFLOWS_WEBHOOK_ALLOWLIST_TEAM1": "hooks.example.com", "WORKFLOWS_WEBHOOK_DENYLIST_TEAM1": "bad.example.com"}
    yield Call("not the tenant's", "https://other.example.com/", environment=own, tenant="team1")
    yield Call("denied to the tenant", "https://bad.example.com/", environment=own, tenant="team1")
    for twin in ("TEAM1", "Team1"):
        yield Call("a tenant that folds like another", "https://hooks.example.com/", environment=own, tenant=twin)
    dashed = {**OPEN, "WORKFLOWS_WEBHOOK_DENYLIST_TEAM_1": "bad.example.com"}
    for twin in ("team-1", "team.1", "TEAM_1", "team 1"):
        yield Call("a tenant that folds like another", "https://hooks.example.com/", environment=dashed, tenant=twin)
    both = {**deny, "WORKFLOWS_WEBHOOK_ALLOWLIST_TEAM1": "bad.example.com"}
    yield Call("denied to all", "https://bad.example.com/", environment=both, tenant="team1")
    own_network = {**OPEN, "PERDURE_DIAL_PRIVATE": "10.1.0.0/16", "WORKFLOWS_WEBHOOK_DENYLIST": "10.1.2.0/24"}
    yield Call("beside the private network", "https://10.2.0.1/", environment=own_network)
    yield Call("denied in the private network", "https://10.1.2.3/", environment=own_network)
    yield Call("denied in the private network, by name", "https://in.example.com/", [["10.1.2.3"]], own_network)


def names() -> Iterator[Call]:
    """Names whose addresses are inside, all of them or one, or later."""
    host = "https://hooks.example.com/"
    for text in dict.fromkeys((*special(), *carried())):
        yield Call("a name with this address", host, [[text]])
        yield Call("one of its addresses", host, [[PUBLIC, text]])
    for inside in INSIDE:
        yield Call("rebinding", host, [[PUBLIC], [inside]])
        yield Call("rebinding, by IPv6", host, [[OTHER], [f"::ffff:{inside}"]])
        yield Call("the last of many", host, [[*(f"93.184.215.{last}" for last in range(50)), inside]])
    yield Call("a hundred addresses", host, [[f"93.184.215.{last}" for last in range(100)]])
    yield Call("no address at all", host, [[]])
    yield Call("what is no address", host, [["localhost"]])
    yield Call("an address with a zone", host, [["fe80::1%eth0"]])


def forbidden() -> list[Call]:
    """All that must go nowhere."""
    literals = [f"[{text}]" if ":" in text else text for text in dict.fromkeys((*special(), *carried()))]
    hosts = [*literals, *itertools.chain.from_iterable(map(numbers, INSIDE))]
    found = [Call("an address", f"https://{host}/") for host in hosts]
    found += [Call("a trick", url) for url in tricks()]
    found += [Call("by default", url, environment={}) for url in ("http://hooks.example.com/", "https://hooks.example.com:8443/")]
    return list({(call.url, str(call.answers), call.tenant, str(call.environment)): call for call in (*found, *names(), *lists())}.values())


def _legitimate() -> Iterable[Call]:
    for host in "hooks.example.com example.com a.b.c.example.org xn--exmple-cua.com x.co my_host.example.com 0xfeed.example 3.org".split():
        for path in ("", "/", "/hook?a=1&b=/@x", "?q=[1]"):
            yield Call("a name", f"https://{host}{path}", leads_to=PUBLIC, host=host)
    yield Call("capitals", "HTTPS://Hooks.Example.COM/", leads_to=PUBLIC, host="hooks.example.com")
    yield Call("a closing dot", "https://hooks.example.com./", leads_to=PUBLIC, host="hooks.example.com")
    yield Call("a port", "https://hooks.example.com:8080/", leads_to=PUBLIC, host="hooks.example.com:8080")
    yield Call("its own port", "https://hooks.example.com:443/", leads_to=PUBLIC, host="hooks.example.com")
    yield Call("not encrypted", "http://hooks.example.com/", leads_to=PUBLIC, host="hooks.example.com")
    yield Call("IPv6", "https://hooks.example.com/", [[OTHER, PUBLIC]], leads_to=OTHER, host="hooks.example.com")
    for text in "8.8.8.8 1.1.1.1 11.0.0.1 100.128.0.1 172.32.0.1 192.169.0.1 198.20.0.1 223.255.255.255 126.255.255.255".split():
        yield Call("an address", f"https://{text}/", leads_to=text, host=text)
    for text in ("2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::808:808", "::ffff:8.8.8.8"):
        whole = str(ip_address(text))
        yield Call("an address", f"https://[{text}]/", leads_to=whole, host=f"[{text}]")
    allow = {**OPEN, "WORKFLOWS_WEBHOOK_ALLOWLIST": "hooks.example.com, *.trusted.org,8.8.8.0/24"}
    for host in ("hooks.example.com", "a.trusted.org", "a.b.trusted.org"):
        yield Call("allowed", f"https://{host}/", environment=allow, leads_to=PUBLIC, host=host)
    yield Call("an allowed network", "https://dns.example/", [["8.8.8.8"]], allow, leads_to="8.8.8.8", host="dns.example")
    own = {**OPEN, "WORKFLOWS_WEBHOOK_ALLOWLIST": "a.example", "WORKFLOWS_WEBHOOK_ALLOWLIST_TEAM1": "b.example"}
    own |= {"WORKFLOWS_WEBHOOK_DENYLIST_team-2": "c.example"}
    yield Call("the tenant's own", "https://b.example/", environment=own, tenant="team1", leads_to=PUBLIC, host="b.example")
    yield Call("another tenant", "https://a.example/", environment=own, tenant="team3", leads_to=PUBLIC, host="a.example")
    yield Call("a tenant named exactly", "https://a.example/", environment=own, tenant="team-2", leads_to=PUBLIC, host="a.example")
    private = {**OPEN, "PERDURE_DIAL_PRIVATE": "10.1.0.0/16"}
    yield Call("a private network that is ours", "https://in.example/", [["10.1.2.3"]], private, leads_to="10.1.2.3", host="in.example")


def legitimate() -> list[Call]:
    """All that must go exactly where it says."""
    return list(_legitimate())
