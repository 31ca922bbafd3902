"""Which addresses a machine holds, and on which ports something listens there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import ClassVar

from readiness.host_script import parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.vantage.listener import PROCESS


@dataclass(frozen=True, kw_only=True)
class Interface:
    """A network interface; ``kind`` is the kernel's word for a virtual one ("bridge", "veth"), else empty.

    ``addresses`` carry their prefix length.
    """

    name: str
    mac: str
    kind: str
    up: bool
    addresses: tuple[IPv4Interface | IPv6Interface, ...]


@dataclass(frozen=True)
class Interfaces:
    interfaces: tuple[Interface, ...]

    def holder_of(self, address: str) -> Interface | None:
        """The interface that holds this address, loopback included."""
        try:
            wanted = ip_address(address)
        except ValueError:
            return None
        for interface in self.interfaces:
            if any(held.ip == wanted for held in interface.addresses):
                return interface
        return None


@dataclass(frozen=True)
class ReadInterfaces(HostProbe[Interfaces]):
    """Ask ip-address(8) for the interfaces; releases without JSON are asked for one line an address."""

    method: ClassVar[str] = "ip addr"
    section: ClassVar[str] = "interfaces"
    script: ClassVar[str] = """
ask 'ip -j' ip -j -d addr show || ask 'ip -o' ip -o addr show
"""

    def understand(self, output: str, status: int) -> Interfaces:
        found = parts(output)
        for name, understood in (("ip -j", _from_json), ("ip -o", _from_lines)):
            part = found.get(name)
            if part is not None and part.answered:
                return Interfaces(tuple(understood(part.text)))
        raise ProbeError(
            Cause.TOOL_MISSING,
            "the ip command does not show the interfaces",
            enable="Install iproute2 (on Red Hat: iproute) on that machine, then run the audit again.",
        )


def _from_json(text: str) -> Iterator[Interface]:
    try:
        links: object = json.loads(text)
    except (ValueError, RecursionError):
        links = None
    if not isinstance(links, list):
        raise ProbeError(Cause.PARSE, f"ip printed what is no JSON list: {text[:120]!r}")
    for link in links:
        if not isinstance(link, dict) or not isinstance(link.get("ifname"), str):
            continue
        info, flags, held = link.get("linkinfo"), link.get("flags"), link.get("addr_info")
        addresses = (
            _address(f"{address.get('local')}/{address.get('prefixlen')}")
            for address in (held if isinstance(held, list) else ())
            if isinstance(address, dict)
        )
        yield Interface(
            name=link["ifname"],
            mac=_text(link, "address"),
            kind=_text(info, "info_kind") if isinstance(info, dict) else "",
            up=isinstance(flags, list) and "UP" in flags,
            addresses=tuple(address for address in addresses if address is not None),
        )


def _from_lines(text: str) -> Iterator[Interface]:
    held: dict[str, list[IPv4Interface | IPv6Interface]] = {}
    for line in text.splitlines():
        row = re.match(r"\d+: (\S+?)(?:@\S+)?\s+inet6? (\S+)", line)
        address = _address(row[2]) if row else None
        if row and address is not None:
            held.setdefault(row[1], []).append(address)
    for name, addresses in held.items():
        yield Interface(name=name, mac="", kind="", up=True, addresses=tuple(addresses))


def _address(text: str) -> IPv4Interface | IPv6Interface | None:
    try:
        return ip_interface(text)
    except ValueError:
        return None


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A TCP socket that waits for connections.

    ``address`` as shown, ``*`` for all of both families. ``process`` and ``pid`` are known to root and to the
    process's own user only.
    """

    address: str
    port: int
    process: str = ""
    pid: int | None = None


@dataclass(frozen=True)
class Listeners:
    listeners: tuple[Listener, ...]

    def on(self, port: int) -> tuple[Listener, ...]:
        return tuple(listener for listener in self.listeners if listener.port == port)


@dataclass(frozen=True)
class ReadListeners(HostProbe[Listeners]):
    """Ask ss(8) for the listening TCP sockets; root is told whose they are. Without ss, proc_net_tcp(5).

    The audit's own listener, which another question may be holding a port with, is left out: by the name of its
    process, or by its command line where a tool keeps its own name. ss looks for processes before it looks for
    sockets, so that it knows no process of a listener that starts in between: what counts was there twice.
    """

    method: ClassVar[str] = "ss -ltnp"
    section: ClassVar[str] = "listeners"
    privileged: ClassVar[bool] = True
    script: ClassVar[str] = """
if ask ss ss -l -t -n -p; then
  ask 'ss again' ss -l -t -n -p
  ask ours grep -l -s -e READINESS_NONCE -e 'eval .answer_text' /proc/[0-9]*/cmdline
else
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ -r "$table" ] || continue
    echo "=== $table"
    while read -r slot local remote state rest; do
      case $state in 0A) echo "$slot $local $remote $state ${rest%% *}" ;; esac
    done <"$table"
    echo '--- 0'
  done
fi
"""

    def understand(self, output: str, status: int) -> Listeners:
        found = parts(output)
        shown = found.get("ss")
        if shown is not None and shown.answered:
            ours = re.findall(
                r"^/proc/(\d{1,10})/cmdline$", found["ours"].text if "ours" in found else "", re.MULTILINE
            )
            seen = tuple(_from_ss(shown.text, frozenset(map(int, ours))))
            again = found.get("ss again")
            if again is None or not again.answered:
                return Listeners(seen)
            stayed = {(one.address, one.port) for one in _from_ss(again.text, frozenset(map(int, ours)))}
            return Listeners(tuple(one for one in seen if (one.address, one.port) in stayed))
        tables = [found[name].text for name in ("/proc/net/tcp", "/proc/net/tcp6") if name in found]
        if not tables:
            raise ProbeError(
                Cause.TOOL_MISSING,
                "neither ss nor /proc/net/tcp shows what listens",
                enable="Install iproute2 (on Red Hat: iproute) on that machine, then run the audit again.",
            )
        return Listeners(tuple(listener for table in tables for listener in _from_table(table)))


def _from_ss(text: str, ours: frozenset[int]) -> Iterator[Listener]:
    for line in text.splitlines():
        row = re.match(r"LISTEN\s+\d+\s+\d+\s+(\S+):(\d{1,5})\s+\S+(.*)", line)
        if not row:
            continue
        holder = re.search(r'\(\("(.*?)",pid=(\d{1,10})', row[3])
        if holder and (holder[1] == PROCESS or int(holder[2]) in ours):
            continue
        yield Listener(
            address=row[1].strip("[]"),
            port=int(row[2]),
            process=holder[1] if holder else "",
            pid=int(holder[2]) if holder else None,
        )


def _from_table(text: str) -> Iterator[Listener]:
    for line in text.splitlines():
        row = re.match(r"\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ", line)
        if row:
            yield Listener(address=_of_hex(row[1]), port=int(row[2], 16))


def _of_hex(text: str) -> str:
    """An address of proc_net_tcp(5): words of 32 bits in the machine's byte order, taken as little-endian."""
    words = (bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    return str(ip_address(b"".join(words)))
