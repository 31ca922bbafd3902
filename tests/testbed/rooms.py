"""Places of the testbed where services live: a network namespace, and an event loop of this process inside it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import random
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, cast

from tests.lab.segments import Namespace

T = TypeVar("T")
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_CLONE_NEWNET = 0x40000000
_PATIENCE = 20.0


class Room:
    """A thread whose sockets are a namespace's; everything awaited in it is served there."""

    def __init__(self, machine: Namespace) -> None:
        self.machine = machine
        self._loop = asyncio.new_event_loop()
        self._entered = threading.Event()
        self._trouble: OSError | None = None
        self._thread = threading.Thread(target=self._live, name=machine.namespace, daemon=True)
        self._thread.start()
        self._entered.wait()
        if self._trouble is not None:
            raise self._trouble

    def _live(self) -> None:
        try:
            enter(self.machine.namespace)
        except OSError as error:
            self._trouble = error
            return
        finally:
            self._entered.set()
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def do(self, work: Coroutine[object, object, T]) -> T:
        """Carry something out there and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE)

    def spawn(self, *argv: object, log: Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a program there."""
        with log.open("ab") as file:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.machine.namespace, *map(str, argv)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=cwd,
            )  # fmt: skip

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)


def enter(namespace: str) -> None:
    """Move the calling thread into a network namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        if libc.setns(handle, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    finally:
        os.close(handle)


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and never say a word, as Stat Server and SIP Server do."""
    while await reader.read(4096):
        pass


async def hanging_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and close at once."""


def saying(words: bytes) -> Talk:
    """Say something unasked, as a wrong service does, and wait."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await writer.drain()
        await silent(reader, writer)

    return talk


def relay(port: int) -> Talk:
    """Hand everything on to a port of the same namespace."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(65536):
                    sink.write(data)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pump(reader, back), pump(there, writer))
        finally:
            back.transport.abort()

    return talk


@dataclass
class Door:
    """A listening port of a room; who stands behind it and which certificate is shown can be changed."""

    room: Room
    address: str
    port: int
    talk: Talk
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self) -> None:
        self.room.do(self._open())

    def close(self) -> None:
        self.room.do(self._close())

    def become(self, *, talk: Talk | None = None, tls: ssl.SSLContext | None = None) -> None:
        """Open anew as somebody else."""
        self.close()
        self.talk = talk or self.talk
        self.tls = tls
        self.open()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._accepted, self.address, self.port, ssl=self.tls, backlog=512)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self.talk(reader, writer)
        finally:
            self._talks.discard(talk)
            writer.close()


class NameServer(asyncio.DatagramProtocol):
    """A DNS server that may tell every client something else.

    ``twisted``: by client's address and name what it hears instead: addresses, or one of ``nxdomain``, ``servfail``,
    ``silence``.
    """

    def __init__(self, names: Mapping[str, tuple[str, ...]]) -> None:
        self.names = {name.lower(): addresses for name, addresses in names.items()}
        self.twisted: dict[tuple[str, str], tuple[str, ...] | str] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        name, end = _name(data)
        kind = struct.unpack_from("!H", data, end)[0]
        told = self.twisted.get((addr[0], name), self.twisted.get((addr[0], "*"), self.names.get(name, "nxdomain")))
        if told == "silence" or self._transport is None:
            return
        addresses = [a for a in told if kind == 1] if isinstance(told, tuple) else []
        code = {"nxdomain": 3, "servfail": 2}.get(told, 0) if isinstance(told, str) else 0
        head = data[:2] + struct.pack("!HHHHH", 0x8580 | code, 1, len(addresses), 0, 0)
        answers = b"".join(
            b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton(address)
            for address in random.sample(addresses, len(addresses))
        )
        self._transport.sendto(head + data[12 : end + 4] + answers, addr)


def _name(data: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode("ascii", "replace"))
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


class TimeServer(asyncio.DatagramProtocol):
    """An NTP server (RFC 5905) that is right."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        now = struct.pack("!II", *_ntp())
        head = struct.pack("!BBbb", 0x24, 2, 4, -20) + struct.pack("!II", 0, 64) + b"\x0a\x00\x00\x01"
        self._transport.sendto(head + now + data[40:48] + now + struct.pack("!II", *_ntp()), addr)


def _ntp() -> tuple[int, int]:
    seconds = time.time() + 2_208_988_800
    return int(seconds), int(seconds % 1 * 2**32)


def datagrams(room: Room, protocol: asyncio.DatagramProtocol, address: str, port: int) -> None:
    """Serve a protocol over UDP."""

    async def listen() -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: protocol, local_addr=(address, port))

    room.do(listen())
