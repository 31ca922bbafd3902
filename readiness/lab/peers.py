"""TCP peers of the lab: services that only accept, one that is the wrong service, and a TLS door before another."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Coroutine
from pathlib import Path

from readiness.lab.network import LOOPBACK
from readiness.site import Endpoint

BACKLOG = 4096
"""Connections that wait to be accepted; where they do not fit, the kernel drops the next, and its client waits 1 s."""

PAUSE = 0.005
"""Seconds between two looks for new connections."""

HTTP_GREETING = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What a web server says to a client that does not speak HTTP."""


class Peer:
    """A listening socket on loopback, on a port of the system's choice; every connection dies with it.

    Connections are taken in every few milliseconds, not at the moment they come: to be woken by a connect would take
    the processor from whoever times that connect.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listener: socket.socket | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Endpoint:
        self._listener = socket.create_server((LOOPBACK, 0), backlog=BACKLOG)
        self._listener.setblocking(False)
        self._begin(self._take_in(self._listener))
        return Endpoint(LOOPBACK, self._listener.getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for work in self._work:
            work.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _take_in(self, listener: socket.socket) -> None:
        while True:
            with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                while True:
                    self._begin(self._welcome(listener.accept()[0]))
            await asyncio.sleep(PAUSE)

    async def _welcome(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, client, ssl=self._tls)
        except OSError:
            return  # the client went away, or speaks no TLS
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self.talk(reader, writer)
        except* OSError:
            pass  # the client went away
        finally:
            writer.close()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak to one client; the default accepts and stays silent, as Stat Server and SIP Server do."""
        while await reader.read(4096):
            pass


class WrongService(Peer):
    """A web server where something else was declared."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HTTP_GREETING)
        await writer.drain()


class Door(Peer):
    """Passes bytes on to a Unix socket, behind TLS where a context is given."""

    def __init__(self, behind: Path, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self._behind = behind

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self._behind))
        try:
            async with asyncio.TaskGroup() as both:
                inward = both.create_task(_pour(reader, inner_writer))
                await _pour(inner_reader, writer)
                inward.cancel()
        finally:
            inner_writer.close()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
