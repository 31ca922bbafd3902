"""The network segment that the lab's machines share, as ``ip`` and the kernel's own files show it on each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface


@dataclass(frozen=True, kw_only=True)
class Card:
    """A machine's network card on the segment; ``address`` with its prefix length."""

    device: str
    address: IPv4Interface
    mac: str


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one machine sees: its own card, its neighbours' and the gateway that everything else is behind."""

    own: Card
    others: Sequence[Card]
    gateway: IPv4Address

    @property
    def command(self) -> str:
        """A program that answers as ip(8) does, for what an audit asks of it."""
        device, own, network = self.own.device, self.own.address.ip, self.own.address.network
        there = "\n".join(
            f'  {card.address.ip}) echo "$4 dev {device} lladdr {card.mac} REACHABLE" ;;' for card in self.others
        )
        near = f"{network.network_address.exploded.rpartition('.')[0]}.*"
        return f"""\
#!/bin/sh
case $* in
'-o addr show')
  while read -r line; do printf '%s\\\\       valid_lft forever preferred_lft forever\\n' "$line"; done <<'LIST'
1: lo    inet 127.0.0.1/8 scope host lo
2: {device}    inet {self.own.address} brd {network.broadcast_address} scope global {device}
3: docker0    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
LIST
  ;;
'route get '*)
  case $3 in
  {own}) printf 'local %s dev lo src {own} uid 1000 \\n    cache <local> \\n' "$3" ;;
  {near}) printf '%s dev {device} src {own} uid 1000 \\n    cache \\n' "$3" ;;
  *) printf '%s via {self.gateway} dev {device} src {own} uid 1000 \\n    cache \\n' "$3" ;;
  esac
  ;;
'neigh show to '*)
  case $4 in
{there}
  {near}) echo "$4 dev {device} FAILED" ;;
  esac
  ;;
*)
  echo "Object \\"$1\\" is unknown, try \\"ip help\\"." >&2
  exit 255
  ;;
esac
"""

    @property
    def files(self) -> Mapping[str, str]:
        """What stands below ``sys/class/net`` and ``proc/net``, by path."""
        device, network = self.own.device, self.own.address.network
        neighbours = (
            f"{c.address.ip!s:<16} 0x1         0x2         {c.mac}     *        {device}\n" for c in self.others
        )
        routes = (
            (device, "00000000", _little_endian(self.gateway), "0003", "00000000"),
            (device, _little_endian(network.network_address), "00000000", "0001", _little_endian(network.netmask)),
        )
        return {
            "sys/class/net/lo/address": "00:00:00:00:00:00\n",
            f"sys/class/net/{device}/address": f"{self.own.mac}\n",
            "sys/class/net/docker0/address": "02:42:8f:1c:0b:5a\n",
            "proc/net/arp": "IP address       HW type     Flags       HW address            Mask     Device\n"
            + "".join(neighbours),
            "proc/net/route": "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
            + "".join(
                f"{name}\t{to}\t{via}\t{flags}\t0\t0\t100\t{mask}\t0\t0\t0\n" for name, to, via, flags, mask in routes
            ),
        }  # fmt: skip


def _little_endian(address: IPv4Address) -> str:
    return address.packed[::-1].hex().upper()
