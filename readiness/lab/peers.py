"""TCP peers of the lab: services that only accept, one that is the wrong service, and a TLS door before another."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from readiness.lab.network import LOOPBACK
from readiness.site import Endpoint

BACKLOG = 4096
"""Connections that wait to be accepted; where they do not fit, the kernel drops the next, and its client waits 1 s."""

HTTP_GREETING = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What a web server says to a client that does not speak HTTP."""


class Peer:
    """A listening socket on loopback, on a port of the system's choice; every connection dies with it."""

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Endpoint:
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, 0, ssl=self._tls, backlog=BACKLOG)
        return Endpoint(LOOPBACK, self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.current_task()
        assert talk is not None
        self._talks.add(talk)
        try:
            await self.talk(reader, writer)
        except* (OSError, asyncio.CancelledError):
            pass  # the client went away, or the lab did
        finally:
            self._talks.discard(talk)
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
