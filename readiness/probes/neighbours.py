"""Whether a machine sees another next to it: its route there, and whose hardware address answered.

The signs are those of a single broadcast domain: no gateway on the way, and an answer to ARP (RFC 826) or neighbour
discovery (RFC 4861) with a hardware address that the other machine owns. ip-route(8) and ip-neighbour(8) tell both to
any user; without them, proc(5) does for IPv4.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_interface
from typing import ClassVar, TypeAlias

from readiness.host_script import Part, parts
from readiness.model import Cause, ProbeError
from readiness.probe import Probe
from readiness.vantage import Dial, Limits, Resolution, Vantage, Vantages

Address: TypeAlias = IPv4Address | IPv6Address

MOST_ADDRESSES = 4
"""Addresses of one peer that are looked at."""

FABRIC_MACS = frozenset({"12:34:56:78:9a:bc"})
"""Hardware addresses that stand for no machine: Azure's fabric answers every ARP question with this one."""

ANY_PORT = 9
"""The port that peers are contacted on (discard): a refusal from there is as good an answer as any."""

_NOT_A_LAN = re.compile(
    r"lo|docker.*|br-[0-9a-f]{12}|veth.*|virbr.*|cni.*|cali.*|flannel.*|podman.*|tun\d*|wg\d*|dummy\d*"
)


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """How the machine gets to one address of a peer.

    ``gateway``: the first hop, ``None`` where the address is on the link. ``itself``: the address is the machine's
    own. ``device`` is the interface it leaves by. ``mac`` is the hardware address that answered for it, empty where
    none did; ``asked`` is whether the machine has looked for it at all. ``narrow``: the machine's own address there
    stands alone (/32, /128), as in clouds that route everything. ``unrouted``: the machine has no route to it.
    """

    address: Address
    gateway: Address | None = None
    itself: bool = False
    device: str = ""
    mac: str = ""
    asked: bool = False
    narrow: bool = False
    unrouted: bool = False

    @property
    def fabric(self) -> bool:
        """Whether a cloud's fabric stands in the way of seeing anything."""
        return self.mac in FABRIC_MACS or (self.narrow and self.gateway is not None)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A peer as declared, and each address that it resolves to on the machine; ``error`` where it does not."""

    name: str
    neighbours: tuple[Neighbour, ...]
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """What ``vantage`` knows of its peers; ``macs`` are those of its own network cards."""

    vantage: str
    macs: frozenset[str]
    addresses: frozenset[Address]
    peers: Mapping[str, Peer]


@dataclass(frozen=True)
class ReadNeighbours(Probe[Neighbours]):
    """Contact every peer once, so that it must be looked for on the link, then read routes and neighbour tables.

    ``peers`` are their addresses as the site file has them. Any answer will do, and none too: what counts is the
    neighbour table afterwards.
    """

    vantage: str
    peers: tuple[str, ...]

    method: ClassVar[str] = "ip route, ip neigh"
    streams: ClassVar[bool] = False

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        return f"contact {', '.join(self.peers)} from {self.vantage} and read its neighbour table"

    def limit(self, limits: Limits) -> float:
        return limits.conversation + limits.connect + 2 * limits.script

    async def read(self, vantages: Vantages) -> str:
        vantage, limits = vantages[self.vantage], vantages.limits
        answers = await asyncio.gather(*(vantage.resolve(peer) for peer in self.peers))
        found = {answer.name: _addresses(answer) for answer in answers}
        dials = [
            Dial(address=str(address), port=ANY_PORT, attempts=1, limit=min(limits.connect, 3.5))
            for addresses in found.values()
            for address in addresses
        ]
        await asyncio.gather(*(_contact(vantage, dial) for dial in dials))
        asked = sorted({str(address) for addresses in found.values() for address in addresses})
        done = await vantage.run(_script(asked), limit=limits.script)
        return json.dumps(
            {
                "peers": [
                    {"name": peer, "addresses": [str(one) for one in _addresses(answer)], "error": answer.error}
                    for peer, answer in zip(self.peers, answers, strict=True)
                ],
                "output": done.out.decode(errors="replace"),
            }
        )

    def parse(self, response: str) -> Neighbours:
        try:
            recorded = json.loads(response)
            output = str(recorded["output"])
            peers = [
                (str(peer["name"]), [ip_address(str(text)) for text in peer["addresses"]], str(peer["error"]))
                for peer in recorded["peers"]
            ]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ProbeError(Cause.PARSE, "the recorded neighbours make no sense") from None
        machine = _Machine(parts(output))
        return Neighbours(
            vantage=self.vantage,
            macs=machine.macs,
            addresses=frozenset(held for held, _, _ in machine.held),
            peers={
                name: Peer(name=name, neighbours=tuple(machine.neighbour(one) for one in addresses), error=error)
                for name, addresses, error in peers
            },
        )


async def _contact(vantage: Vantage, dial: Dial) -> None:
    try:
        await vantage.dial(dial)
    except ProbeError:
        return  # the neighbour table, not the connect, is what is asked for


def _addresses(answer: Resolution) -> tuple[Address, ...]:
    found: list[Address] = []
    for text in answer.addresses:
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if not address.is_loopback and address not in found:
            found.append(address)
    return tuple(found[:MOST_ADDRESSES])


def _script(addresses: Iterable[str]) -> str:
    """POSIX shell that prints parts as ``host_script.parts`` reads them; the addresses are literals."""
    lines = [
        "LC_ALL=C; export LC_ALL; PATH=$PATH:/usr/sbin:/sbin",
        (
            'ask() { echo "=== $1"; shift; if command -v "$1" >/dev/null 2>&1; then "$@" 2>&1; echo "--- $?";'
            " else echo '--- missing'; fi; }"
        ),
        'macs() { for card in /sys/class/net/*; do read -r mac <"$card/address" && echo "${card##*/} $mac"; done; }',
        'table() { while read -r line; do echo "$line"; done <"$1"; }',
        "ask macs macs",
        "ask held ip -o addr show",
        "ask arp table /proc/net/arp",
        "ask routes table /proc/net/route",
    ]
    for address in addresses:
        lines.append(f"ask 'route {address}' ip route get {address}")
        lines.append(f"ask 'neigh {address}' ip neigh show to {address}")
    return "\n".join(lines) + "\n"


class _Machine:
    """What the script printed, understood for one address after the other."""

    def __init__(self, found: Mapping[str, Part]) -> None:
        self._found = found
        self.macs = frozenset(self._own_macs())
        self.held = tuple(self._own_addresses())

    def neighbour(self, address: Address) -> Neighbour:
        route = self._found.get(f"route {address}")
        first = next(iter(route.text.splitlines()), "") if route is not None else ""
        if re.match(r"RTNETLINK answers|unreachable |prohibit |blackhole |ip: .*unreachable", first):
            return Neighbour(address=address, unrouted=True)
        if route is not None and route.answered:
            via = re.search(r"\bvia (?:inet6? )?(\S+)", first)
            device = re.search(r"\bdev (\S+)", first)
            mac, asked = self._neighbour_entry(address)
            return Neighbour(
                address=address,
                gateway=_address(via[1]) if via else None,
                itself=first.startswith("local ") or any(held == address for held, _, _ in self.held),
                device=device[1] if device else "",
                mac=mac,
                asked=asked,
                narrow=self._is_narrow(device[1] if device else "", address.version),
            )
        if route is not None and route.status is not None:
            said = " ".join(route.text.split())[:160]
            raise ProbeError(Cause.UNSUPPORTED, f"the machine does not tell its route to {address}: {said}")
        if isinstance(address, IPv4Address):
            return self._by_tables(address)
        raise ProbeError(
            Cause.TOOL_MISSING,
            "the machine has no ip command to show its routes with",
            enable="Install iproute2 (on Red Hat: iproute) on that machine, then run the audit again.",
        )

    def _neighbour_entry(self, address: Address) -> tuple[str, bool]:
        shown = self._found.get(f"neigh {address}")
        if shown is None or not shown.answered:
            return "", False
        for line in shown.text.splitlines():
            if line.split(" ", 1)[0] == str(address):
                mac = re.search(r"\blladdr ([0-9a-f:]{17})\b", line)
                usable = mac is not None and not re.search(r"\b(FAILED|INCOMPLETE)\b", line)
                return (mac[1] if mac and usable else ""), True
        return "", False

    def _by_tables(self, address: IPv4Address) -> Neighbour:
        routes = self._found.get("routes")
        if routes is None or not routes.answered:
            raise ProbeError(Cause.PARSE, "neither ip nor /proc/net/route shows the machine's routes")
        best: tuple[int, str, IPv4Address] | None = None
        for line in routes.text.splitlines():
            fields = line.split()
            if len(fields) < 8 or not all(re.fullmatch(r"[0-9A-F]{8}", fields[at]) for at in (1, 2, 7)):
                continue
            mask = bin(int(fields[7], 16)).count("1")
            network = IPv4Network((_little_endian(fields[1]), mask), strict=False)
            if address in network and (best is None or mask > best[0]):
                best = (mask, fields[0], _little_endian(fields[2]))
        if best is None:
            return Neighbour(address=address, unrouted=True)
        _, device, gateway = best
        mac, asked = self._arp_entry(address)
        return Neighbour(
            address=address, gateway=gateway if int(gateway) else None, device=device, mac=mac, asked=asked
        )

    def _arp_entry(self, address: IPv4Address) -> tuple[str, bool]:
        arp = self._found.get("arp")
        for line in arp.text.splitlines() if arp is not None else ():
            fields = line.split()
            if len(fields) >= 6 and fields[0] == str(address):
                complete = fields[2] != "0x0" and fields[3] != "00:00:00:00:00:00"
                return (fields[3].lower() if complete else ""), True
        return "", False

    def _own_macs(self) -> Iterator[str]:
        shown = self._found.get("macs")
        for line in shown.text.splitlines() if shown is not None else ():
            name, _, mac = line.partition(" ")
            if not _NOT_A_LAN.fullmatch(name) and re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", mac):
                yield mac

    def _own_addresses(self) -> Iterator[tuple[Address, int, str]]:
        shown = self._found.get("held")
        for line in shown.text.splitlines() if shown is not None and shown.answered else ():
            row = re.match(r"\d+: (\S+?)(?:@\S+)?\s+inet6? (\S+)", line)
            if row:
                try:
                    held = ip_interface(row[2])
                except ValueError:
                    continue
                yield held.ip, held.network.prefixlen, row[1]

    def _is_narrow(self, device: str, version: int) -> bool:
        """Whether every address on this interface stands alone."""
        lengths = [
            length
            for held, length, name in self.held
            if name == device and held.version == version and not held.is_link_local
        ]
        return bool(lengths) and all(length == (32 if version == 4 else 128) for length in lengths)


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def _little_endian(text: str) -> IPv4Address:
    return IPv4Address(bytes.fromhex(text)[::-1])
