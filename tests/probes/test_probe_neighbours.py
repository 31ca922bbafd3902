"""Neighbours: routes, neighbour tables and hardware addresses, as machines print them."""

from __future__ import annotations

import asyncio
import json
from ipaddress import ip_address

import pytest
from readiness_checks.network import OneSegment, PairTarget, _pairs

from readiness.model import Cause, Outcome, ProbeError
from readiness.probes.neighbours import Neighbour, Neighbours, ReadNeighbours
from readiness.site import Role, Vm
from readiness.vantage import Limits, Vantages
from tests.lab.engine import site
from tests.lab.segments import needs_namespaces, segments

MAC = "ea:30:fd:f0:69:ab"
OWN = (
    f"=== macs\neth1 {MAC}\nlo 00:00:00:00:00:00\ndocker0 02:42:7b:d0:37:27\nbr-85cce8d25988 02:42:11:11:11:11\n--- 0\n"
)
HELD = "=== held\n1: lo    inet 127.0.0.1/8 scope host lo\n2: eth1    inet 10.40.0.1/24 scope global eth1\n--- 0\n"
ARP = """=== arp
IP address       HW type     Flags       HW address            Mask     Device
10.40.0.254      0x1         0x2         9a:cc:da:57:4d:73     *        eth1
10.40.0.4        0x1         0x0         00:00:00:00:00:00     *        eth1
10.40.0.2        0x1         0x2         EA:30:FD:F0:69:AB     *        eth1
--- 0
"""
ROUTES = """=== routes
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth1	00000000	FE00280A	0003	0	0	0	00000000	0	0	0
eth1	0000280A	00000000	0001	0	0	0	00FFFFFF	0	0	0
--- 0
"""


def told(address: str, output: str) -> Neighbour:
    response = json.dumps({"peers": [{"name": "x", "addresses": [address], "error": ""}], "output": output})
    (neighbour,) = ReadNeighbours("a", ("x",)).parse(response).peers["x"].neighbours
    return neighbour


def by_ip(address: str, route: str, neigh: str = "", *, held: str = HELD, status: int = 0) -> Neighbour:
    return told(
        address, f"{OWN}{held}=== route {address}\n{route}\n--- {status}\n=== neigh {address}\n{neigh}\n--- 0\n"
    )


@pytest.mark.parametrize(
    ("route", "neigh", "gateway", "mac", "asked"),
    [
        # iproute2 6.1 (Debian 12), as network namespaces print it
        (
            "10.40.0.2 dev eth1 src 10.40.0.1 uid 0 \n    cache ",
            f"10.40.0.2 dev eth1 lladdr {MAC} REACHABLE ",
            None,
            MAC,
            True,
        ),
        # iproute2 4.11 (RHEL 7) knows no uid
        ("10.40.0.2 dev eth1 src 10.40.0.1 \n    cache ", f"10.40.0.2 dev eth1 lladdr {MAC} STALE", None, MAC, True),
        (
            "10.40.0.2 dev eth1 src 10.40.0.1 \n    cache ",
            f"10.40.0.2 dev eth1 lladdr {MAC} used 0/0/0 probes 1 DELAY",
            None,
            MAC,
            True,
        ),
        ("10.40.0.2 dev eth1 src 10.40.0.1 uid 0", "10.40.0.2 dev eth1 FAILED ", None, "", True),
        ("10.40.0.2 dev eth1 src 10.40.0.1 uid 0", "10.40.0.2 dev eth1  INCOMPLETE", None, "", True),
        ("10.40.0.2 dev eth1 src 10.40.0.1 uid 0", f"10.40.0.2 dev eth1 lladdr {MAC} FAILED", None, "", True),
        ("10.40.0.2 dev eth1 src 10.40.0.1 uid 0", "", None, "", False),
        ("10.40.0.2 dev eth1 src 10.40.0.1 uid 0", f"10.40.0.22 dev eth1 lladdr {MAC} REACHABLE", None, "", False),
        ("10.40.0.2 via 10.40.0.254 dev eth1 src 10.40.0.1 uid 0", "", "10.40.0.254", "", False),
    ],
)
def test_ip_tells_route_and_neighbour(route: str, neigh: str, gateway: str | None, mac: str, asked: bool) -> None:
    """What ip-route and ip-neighbour print is understood, whatever their release."""
    found = by_ip("10.40.0.2", route, neigh)
    assert (found.gateway, found.mac, found.asked) == (ip_address(gateway) if gateway else None, mac, asked)
    assert (found.device, found.unrouted, found.itself, found.fabric) == ("eth1", False, False, False)


@pytest.mark.parametrize(
    ("route", "status"),
    [
        ("RTNETLINK answers: Network is unreachable", 2),
        ("RTNETLINK answers: No route to host", 2),
        ("unreachable 10.40.0.2 from 10.40.0.1", 0),
        ("prohibit 10.40.0.2", 0),
    ],
)
def test_no_route_is_bad_news_and_no_error(route: str, status: int) -> None:
    """A machine without a route says so; that is a fact about it."""
    assert by_ip("10.40.0.2", route, status=status).unrouted


def test_the_machines_own_address_is_told_apart() -> None:
    """A connect to it would never leave the machine."""
    assert by_ip("10.40.0.1", "local 10.40.0.1 dev lo src 10.40.0.1 uid 0").itself


def test_clouds_that_route_everything_are_told_apart() -> None:
    """A lone address with a gateway, and the hardware address that Azure gives for all, prove nothing."""
    lone = HELD.replace("10.40.0.1/24", "10.40.0.1/32")
    assert by_ip("10.40.0.2", "10.40.0.2 via 10.40.0.254 dev eth1 src 10.40.0.1", held=lone).fabric
    assert by_ip("10.40.0.2", "10.40.0.2 dev eth1", "10.40.0.2 dev eth1 lladdr 12:34:56:78:9a:bc REACHABLE").fabric
    assert not by_ip("10.40.0.2", "10.40.0.2 via 10.40.0.254 dev eth1 src 10.40.0.1").fabric


def test_ipv6_neighbours_are_read_too() -> None:
    """Neighbour discovery counts as ARP does."""
    found = by_ip(
        "fd10::12",
        "fd10::12 dev eth1 proto kernel src fd10::11 metric 256 pref medium",
        f"fd10::12 dev eth1 lladdr {MAC} router REACHABLE",
    )
    assert (found.mac, found.gateway) == (MAC, None)


@pytest.mark.parametrize(
    ("address", "gateway", "mac", "asked"),
    [
        ("10.40.0.2", None, MAC, True),
        ("10.40.0.4", None, "", True),
        ("10.40.0.5", None, "", False),
        ("10.41.0.3", "10.40.0.254", "", False),
    ],
)
def test_without_ip_the_kernels_tables_do(address: str, gateway: str | None, mac: str, asked: bool) -> None:
    """/proc/net/route and /proc/net/arp tell the same for IPv4; the longest prefix wins."""
    found = told(address, f"{OWN}{ARP}{ROUTES}=== route {address}\n--- missing\n=== neigh {address}\n--- missing\n")
    assert (found.gateway, found.mac, found.asked) == (ip_address(gateway) if gateway else None, mac, asked)


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("=== route fd10::12\n--- missing\n", Cause.TOOL_MISSING),
        ('=== route fd10::12\nOption "get" is unknown\n--- 255\n', Cause.UNSUPPORTED),
        ("", Cause.TOOL_MISSING),
    ],
)
def test_what_cannot_be_told_is_an_error(output: str, code: Cause) -> None:
    """No news is no value."""
    with pytest.raises(ProbeError) as caught:
        told("fd10::12", OWN + output)
    assert caught.value.reason.code is code


@pytest.mark.parametrize(
    "response",
    [
        "",
        "[]",
        "{}",
        '{"peers": 1, "output": ""}',
        '{"peers": [{"name": "x", "addresses": ["y"], "error": ""}], "output": ""}',
    ],
)
def test_a_recording_that_is_none_is_an_error(response: str) -> None:
    """Whatever stands in a report does not crash the parser."""
    with pytest.raises(ProbeError):
        ReadNeighbours("a", ("x",)).parse(response)


def test_bridges_of_containers_are_no_cards_of_the_machine() -> None:
    """An answer from such a hardware address would not come from the segment."""
    response = json.dumps({"peers": [], "output": OWN + HELD})
    found = ReadNeighbours("a", ()).parse(response)
    assert found.macs == {MAC}
    assert ip_address("10.40.0.1") in found.addresses


@needs_namespaces
@pytest.mark.root
async def test_real_segments_are_told_apart() -> None:
    """On real interfaces: one segment, a router, a router that answers for others, two segments that look alike."""
    with segments() as lab:
        lab.switch("s1", ("a", "10.40.0.1/24"), ("b", "10.40.0.2/24"), ("r", "10.40.0.254/24"))
        lab.switch("s2", ("c", "10.41.0.3/24"), ("d", "10.40.0.4/24"), ("r", "10.41.0.254/24"))
        lab.switch("s3", ("e", "10.40.0.5/24"))
        lab.forward("r", proxy_arp=True)
        lab.route("a", "add", "default", "via", "10.40.0.254")
        lab.route("c", "add", "default", "via", "10.41.0.254")
        lab.route("d", "add", "10.40.0.1/32", "via", "10.41.0.254", "onlink", "dev", "eth5")
        lab.route("r", "add", "10.40.0.4/32", "dev", "eth6")
        vantages = Vantages(lab.machines.values(), limits=Limits(connect=3.5))
        hosts = {"a": "10.40.0.1", "b": "10.40.0.2", "c": "10.41.0.3", "d": "10.40.0.4", "e": "10.40.0.5"}

        async def seen(name: str) -> Neighbours:
            probe = ReadNeighbours(name, tuple(host for other, host in hosts.items() if other != name))
            return probe.parse(await probe.read(vantages))

        facts = dict(zip(hosts, await asyncio.gather(*map(seen, hosts)), strict=True))

    def judged(one: str, other: str) -> tuple[Outcome, str]:
        vms = [Vm(name=name, role=Role.EXCP, host=hosts[name], address=hosts[name], port=None) for name in (one, other)]
        (target,) = _pairs(site(), [(vms[0], vms[1])], ",")
        assert isinstance(target, PairTarget)
        judgement = OneSegment().judge(target, facts[one], facts[other])
        return judgement.outcome, judgement.reasoning

    assert judged("a", "b")[0] is Outcome.MET
    routed = judged("a", "c")
    assert (routed[0], "gateway 10.40.0.254" in routed[1]) == (Outcome.MISSED, True)
    proxied = judged("b", "d")
    assert (proxied[0], "proxy ARP" in proxied[1]) == (Outcome.MISSED, True)
    alike = judged("b", "e")
    assert (alike[0], "look alike" in alike[1]) == (Outcome.MISSED, True)
