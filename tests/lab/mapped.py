"""A vantage whose names lead to ports of this machine, and papers for what serves there."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from readiness.model import Cause, ProbeError
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import (
    Completed,
    Dial,
    Dialled,
    Limits,
    PathClosed,
    PathVerdict,
    Resolution,
    Stream,
    Vantage,
    Vantages,
)

LOOPBACK = "127.0.0.1"


class Plain(Stream):
    """A connection of this process; ``closed`` tells whether it was let go."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.how = "direct"
        self.closed = False

    async def close(self) -> None:
        self.closed = True
        self.writer.transport.abort()


@dataclass
class Mapped(Vantage):
    """Names lead to loopback ports; a name without a port does not resolve, a verdict in its place closes the path.

    ``held``: streams wait for it before they open. ``lost``: the machine does not answer any more.
    """

    name: str
    ports: Mapping[str, int | PathVerdict] = field(default_factory=dict)
    held: asyncio.Event | None = None
    lost: bool = False
    clock: Callable[[], str] = lambda: f"{datetime.now(UTC).timestamp():.9f}"
    streams: list[Plain] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    can_sudo: bool = False

    async def connect(self) -> None:
        if self.lost:
            raise ProbeError(Cause.UNREACHABLE, f"{self.name} does not answer", enable="Start it.")

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        await self.connect()
        self.ran.append(script)
        said = f"clock {self.clock()}\n" if "date" in script else ""
        return Completed(status=0, out=said.encode(), err=b"")

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=(LOOPBACK,))

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        raise NotImplementedError

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        await self.connect()
        if self.held is not None:
            await self.held.wait()
        leads = self.ports.get(host, self.ports.get(f"{host}:{port}"))
        if leads is None:
            raise PathClosed(None, "Name or service not known")
        if isinstance(leads, PathVerdict):
            raise PathClosed(leads, f"said {leads.value}")
        try:
            async with asyncio.timeout(limit):
                stream = Plain(*await asyncio.open_connection(LOOPBACK, leads))
        except ConnectionRefusedError:
            raise PathClosed(PathVerdict.REFUSED, "Connection refused") from None
        self.streams.append(stream)
        return stream

    async def close(self) -> None:
        pass


def gathered(*machines: Mapped, conversation: float = 4.0, secrets: Mapping[SecretRef, str] | None = None) -> Vantages:
    """These machines as the vantages of a run, with short limits and the secrets known to the redactor."""
    redact = Redactor()
    known = {ref: Secret(value) for ref, value in (secrets or {}).items()}
    for secret in known.values():
        redact.learn(secret)
    limits = Limits(connect=1.0, conversation=conversation)
    return Vantages(machines, limits=limits, secrets=known, redact=redact)


@dataclass(frozen=True)
class Authority:
    """A private CA and what it signs; ``ca_file`` holds its certificate."""

    ca: trustme.CA
    ca_file: Path

    @staticmethod
    def found(folder: Path, name: str = "Lab CA") -> Authority:
        ca = trustme.CA(organization_name=name)
        path = folder / f"{name.replace(' ', '-').lower()}.pem"
        ca.cert_pem.write_to_path(str(path))
        return Authority(ca, path)

    def serving(self, *names: str, days: int = 90) -> ssl.SSLContext:
        """A server's context with a certificate for these names that ends in ``days``."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ends = datetime.now(UTC) + timedelta(days=days)
        begins = min(datetime.now(UTC), ends) - timedelta(days=30)
        self.ca.issue_cert(*names, not_before=begins, not_after=ends).configure_cert(context)
        return context


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server in this process that speaks as it is told; gives its port."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                await talk(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(guarded, LOOPBACK, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def free_port() -> int:
    """A port of loopback where nothing listens."""
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        return port
