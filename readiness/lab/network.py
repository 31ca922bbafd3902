"""The lab's network: virtual addresses and names in front of real sockets on loopback.

Nothing here needs root. A port that refuses is a bound socket that does not listen; a packet that is dropped goes
to a listening socket whose queue is full, where the kernel really leaves a SYN without an answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from readiness.site import Endpoint

LOOPBACK = "127.0.0.1"

_LISTENERS = "listeners"
_CALLERS = "callers"


class Fate(StrEnum):
    """What becomes of a connect: it reaches a service, a closed port, or nothing at all."""

    SERVED = "served"
    REFUSED = "refused"
    DROPPED = "dropped"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the network does not let through, and what a resolver does not know.

    ``dropped``: pairs of a machine's name and an endpoint whose packets a firewall drops. ``nameless``: pairs of a
    machine's name and a DNS name that does not resolve there.
    """

    dropped: frozenset[tuple[str, Endpoint]] = frozenset()
    nameless: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where a connect ends: ``real`` is the loopback socket that behaves as ``fate`` says.

    ``listener``: a program on one of the lab's machines listens there, and wants to know who calls.
    """

    fate: Fate
    real: Endpoint
    listener: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """The network as one machine sees it.

    ``routes``: what is behind each virtual endpoint that is served somewhere. Any other port of a ``known`` address
    is ``closed``; every other address is a ``hole``, and so is what this machine's firewall has ``dropped``. ``board``
    is the folder in which machines leave word of their listeners and of who calls them.
    """

    address: str
    names: Mapping[str, tuple[str, ...]]
    routes: Mapping[Endpoint, Endpoint]
    dropped: frozenset[Endpoint]
    known: frozenset[str]
    closed: Endpoint
    hole: Endpoint
    board: Path

    def as_json(self) -> dict[str, object]:
        """The form that ``machine_python`` reads."""
        return {
            "address": self.address,
            "names": {name: list(addresses) for name, addresses in self.names.items()},
            "routes": {
                f"{virtual.host} {virtual.port}": [real.host, real.port] for virtual, real in self.routes.items()
            },
            "dropped": [f"{virtual.host} {virtual.port}" for virtual in self.dropped],
            "known": sorted(self.known),
            "closed": [self.closed.host, self.closed.port],
            "hole": [self.hole.host, self.hole.port],
            "board": str(self.board),
        }


@dataclass
class Network:
    """Knows every virtual machine, name and service of one lab.

    ``names`` maps a DNS name to its virtual addresses, ``hosts`` a machine's name to its virtual address. An address
    that nobody holds answers like an address behind a router that drops: not at all. Loopback is each machine's own.
    ``board`` is a folder of this network's own.
    """

    names: Mapping[str, tuple[str, ...]]
    hosts: Mapping[str, str]
    board: Path
    rules: Rules = field(default_factory=Rules)
    _served: dict[Endpoint, Endpoint] = field(default_factory=dict)
    _closed: socket.socket | None = None
    _hole: BlackHole | None = None

    async def __aenter__(self) -> Network:
        for folder in (_LISTENERS, _CALLERS):
            (self.board / folder).mkdir(mode=0o700, parents=True)
        self._closed = socket.socket()
        self._closed.bind((LOOPBACK, 0))
        self._hole = await BlackHole.dig()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._closed is not None:
            self._closed.close()
        if self._hole is not None:
            self._hole.close()

    def serve(self, virtual: Endpoint, real: Endpoint) -> None:
        """Put the service at ``real`` behind a virtual address."""
        self._served[virtual] = real

    def resolve(self, machine: str, name: str) -> tuple[str, ...]:
        """The addresses that a machine's resolver gives for a name, none where it knows none."""
        if is_address(name):
            return (name,)
        plain = name.lower().rstrip(".")
        return () if (machine, plain) in self.rules.nameless else self.names.get(plain, ())

    def route(self, machine: str, virtual: Endpoint) -> Route:
        """Say where a connect from a machine to a virtual address and port ends."""
        assert self._closed is not None
        assert self._hole is not None
        if (machine, virtual) in self.rules.dropped:
            return Route(fate=Fate.DROPPED, real=self._hole.endpoint)
        if virtual in self._served:
            return Route(fate=Fate.SERVED, real=self._served[virtual])
        listener = self._listener(virtual)
        if listener is not None:
            return Route(fate=Fate.SERVED, real=listener, listener=True)
        if virtual.host in self._known:
            return Route(fate=Fate.REFUSED, real=Endpoint(LOOPBACK, self._closed.getsockname()[1]))
        return Route(fate=Fate.DROPPED, real=self._hole.endpoint)

    def announce(self, machine: str, port: int) -> None:
        """Leave word that the loopback port ``port`` calls from a machine."""
        (self.board / _CALLERS / str(port)).write_text(self.hosts[machine], encoding="ascii")

    def _listener(self, virtual: Endpoint) -> Endpoint | None:
        """The socket of a program that listens on a virtual address, or did so until it ended."""
        try:
            port = (self.board / _LISTENERS / f"{virtual.host} {virtual.port}").read_text(encoding="ascii")
        except OSError:
            return None
        return Endpoint(LOOPBACK, int(port)) if port else None

    def table(self, machine: str) -> Table:
        """All that one machine's own programs need to know of the network."""
        assert self._closed is not None
        assert self._hole is not None
        known = frozenset(self._known)
        return Table(
            address=self.hosts[machine],
            names={name: found for name in self.names if (found := self.resolve(machine, name))},
            routes={virtual: self.route(machine, virtual).real for virtual in self._served},
            dropped=frozenset(virtual for name, virtual in self.rules.dropped if name == machine),
            known=known,
            closed=Endpoint(LOOPBACK, self._closed.getsockname()[1]),
            hole=self._hole.endpoint,
            board=self.board,
        )

    @property
    def _known(self) -> set[str]:
        return {LOOPBACK, *self.hosts.values(), *(virtual.host for virtual in self._served)}


class BlackHole:
    """A port of this machine that answers no SYN: its accept queue is full and nobody empties it."""

    def __init__(self, listener: socket.socket, fillers: tuple[socket.socket, ...]) -> None:
        self._listener = listener
        self._fillers = fillers
        self.endpoint = Endpoint(LOOPBACK, listener.getsockname()[1])

    @staticmethod
    async def dig(*, patience: float = 0.05, at_most: int = 256) -> BlackHole:
        """Fill the queue of a new listener until a connect hangs for ``patience`` seconds.

        Raises:
            OSError: ``at_most`` connects all succeeded, so this system cannot drop packets without root.
        """
        listener = socket.socket()
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        fillers: list[socket.socket] = []
        for _ in range(at_most):
            filler = socket.socket()
            filler.setblocking(False)
            fillers.append(filler)
            try:
                async with asyncio.timeout(patience):
                    await asyncio.get_running_loop().sock_connect(filler, listener.getsockname())
            except TimeoutError:
                return BlackHole(listener, tuple(fillers))
        for opened in (*fillers, listener):
            opened.close()
        raise OSError("this system's accept queue never fills")

    def close(self) -> None:
        for opened in (*self._fillers, self._listener):
            opened.close()


def is_address(text: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
