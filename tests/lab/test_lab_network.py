"""The lab's network: served, refused and dropped, by machine, and what its peers do."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from readiness.lab.network import Fate, Network, Rules
from readiness.lab.peers import HTTP_GREETING, Door, Peer, WrongService
from readiness.site import Endpoint

STAT = Endpoint("10.20.50.21", 2060)
NAMES = {"stat.example": ("10.20.50.21",), "pair.example": ("10.20.50.21", "10.20.50.22")}
HOSTS = {"excs-1": "10.20.30.11", "exas-1": "10.20.30.12"}


async def connect(endpoint: Endpoint, *, limit: float = 0.5) -> str:
    try:
        async with asyncio.timeout(limit):
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except TimeoutError:
        return "dropped"
    except ConnectionRefusedError:
        return "refused"
    writer.close()
    return "served"


@pytest.mark.parametrize(
    ("machine", "virtual", "fate"),
    [
        ("exas-1", STAT, Fate.SERVED),
        ("excs-1", STAT, Fate.DROPPED),
        ("exas-1", Endpoint(STAT.host, 2061), Fate.REFUSED),
        ("exas-1", Endpoint(HOSTS["excs-1"], 3640), Fate.REFUSED),
        ("exas-1", Endpoint("10.99.99.99", 2060), Fate.DROPPED),
    ],
)
async def test_a_route_ends_as_it_says(tmp_path: Path, machine: str, virtual: Endpoint, fate: Fate) -> None:
    """A connect to a route's real socket does what its fate says: the kernel itself refuses or drops."""
    rules = Rules(dropped=frozenset({("excs-1", STAT)}))
    async with Network(names=NAMES, hosts=HOSTS, board=tmp_path, rules=rules) as network, Peer() as peer:
        network.serve(STAT, peer)
        route = network.route(machine, virtual)
        assert (route.fate, await connect(route.real)) == (fate, fate.value)


async def test_nothing_of_a_network_outlives_it(tmp_path: Path) -> None:
    """Once the network is left, its black hole and its peers refuse."""
    async with Network(names={}, hosts=HOSTS, board=tmp_path) as network, Peer() as peer:
        hole = network.route("excs-1", STAT).real
        _, held = await asyncio.open_connection(peer.host, peer.port)
    assert [await connect(hole), await connect(peer)] == ["refused", "refused"]
    held.close()


@pytest.mark.parametrize(
    ("machine", "name", "addresses"),
    [
        ("excs-1", "pair.example", ("10.20.50.21", "10.20.50.22")),
        ("excs-1", "PAIR.example.", ("10.20.50.21", "10.20.50.22")),
        ("excs-1", "stat.example", ()),
        ("exas-1", "stat.example", ("10.20.50.21",)),
        ("exas-1", "nobody.example", ()),
        ("exas-1", "10.1.2.3", ("10.1.2.3",)),
        ("exas-1", "fd00::1", ("fd00::1",)),
    ],
)
def test_names_resolve_per_machine(machine: str, name: str, addresses: tuple[str, ...]) -> None:
    """A name can be unknown on one machine alone; letters' case and a final dot do not matter."""
    rules = Rules(nameless=frozenset({("excs-1", "stat.example")}))
    network = Network(names=NAMES, hosts=HOSTS, board=Path(), rules=rules)
    assert network.resolve(machine, name) == addresses


async def test_a_silent_peer_says_nothing() -> None:
    """A Stat Server's stand-in accepts, swallows what it is sent and keeps the connection."""
    async with Peer() as peer:
        reader, writer = await asyncio.open_connection(peer.host, peer.port)
        writer.write(b"anybody there?\n")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await reader.read(1)
        writer.close()


async def test_the_wrong_service_says_what_it_is() -> None:
    """The peer that stands for a wrong service speaks HTTP unasked and hangs up."""
    async with WrongService() as peer:
        reader, writer = await asyncio.open_connection(peer.host, peer.port)
        assert await reader.read() == HTTP_GREETING
        writer.close()


async def test_a_door_carries_both_ways_under_tls(tmp_path: Path) -> None:
    """What stands behind a door sees plain bytes, its client sees verified TLS, and both ends close together."""
    authority = trustme.CA()
    serving, asking = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("redis.example").configure_cert(serving)
    authority.configure_trust(asking)

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
        writer.close()

    path = tmp_path / "inner.sock"
    async with await asyncio.start_unix_server(shout, path), Door(path, tls=serving) as door:
        reader, writer = await asyncio.open_connection(
            door.host, door.port, ssl=asking, server_hostname="redis.example"
        )
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        writer.close()
