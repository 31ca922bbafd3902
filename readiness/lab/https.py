"""A small server of HTTP/1.1, with or without TLS, for stand-ins of services that cannot be installed.

It is bounded in everything that a client could make grow, keeps what it was asked, and can misbehave on demand.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

_MAX_BODY = 1024 * 1024
_MAX_KEPT = 1000
_MAX_CONNECTIONS = 100
_MAX_FLOOD = 64 * 1024 * 1024
_IDLE = 15.0
_PARTING = 0.5
_NONSENSE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request: ``host`` is the Host header without its port, ``path`` is decoded, header names in lower case.

    What may hold a credential is not printed.
    """

    method: str
    host: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str:
        """The first value of a header; empty where there is none."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    @property
    def form(self) -> dict[str, str]:
        """The body as an HTML form's fields."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A well-formed answer; its length is added, and its body left out where the request was a HEAD."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Silence:
    """Read the request and never answer it."""


@dataclass(frozen=True)
class HangUp:
    """Close the connection instead of an answer."""


@dataclass(frozen=True)
class Raw:
    """Say these bytes as they are, then ``again`` until the client goes, then close."""

    said: bytes
    again: bytes = b""


Answer: TypeAlias = Reply | Silence | HangUp | Raw
Handler: TypeAlias = Callable[[Asked], Answer]


class HttpsServer:
    """Serves one handler on one port of one address; an async context.

    ``port`` 0 takes a free one. Without ``tls`` it speaks plain HTTP. ``asked`` keeps the requests in their order.
    """

    def __init__(
        self, handler: Handler, *, tls: ssl.SSLContext | None, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.address = address
        self.port = port
        self.asked: list[Asked] = []
        self._handler = handler
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address or the port cannot be had.
        """
        self._server = await asyncio.start_server(
            self._accept, self.address, self.port, ssl=self._tls, ssl_handshake_timeout=_IDLE if self._tls else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every connection; never raises."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._busy) >= _MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._busy.add(task)
        try:
            with contextlib.suppress(OSError, h11.LocalProtocolError):
                await self._serve(reader, writer)
        finally:
            self._busy.discard(task)
            await _part(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = h11.Connection(h11.SERVER)
        while True:
            try:
                async with asyncio.timeout(_IDLE):
                    asked = await _request(wire, reader)
            except h11.RemoteProtocolError:
                await _raw(writer, Raw(_NONSENSE))
                return
            if asked is None:
                return
            if len(self.asked) < _MAX_KEPT:
                self.asked.append(asked)
            match self._handler(asked):
                case Reply() as reply:
                    await _reply(wire, writer, asked, reply)
                case Raw() as raw:
                    await _raw(writer, raw)
                    return
                case Silence():
                    await reader.read()
                    return
                case HangUp():
                    return
            if wire.our_state is not h11.DONE or wire.their_state is not h11.DONE:
                return
            wire.start_next_cycle()


async def _part(writer: asyncio.StreamWriter) -> None:
    """Close as TLS wants it, and for certain."""
    try:
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_PARTING):
                await writer.wait_closed()
    finally:
        writer.transport.abort()


async def _request(wire: h11.Connection, reader: asyncio.StreamReader) -> Asked | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(16 * 1024))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _asked(head, bytes(body))
        else:
            return None


def _asked(head: h11.Request, body: bytes) -> Asked:
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    host = next((value for name, value in headers if name == "host"), "")
    target = urlsplit(head.target.decode("latin-1"))
    return Asked(
        method=head.method.decode("latin-1"),
        host=host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host,
        path=unquote(target.path),
        query=tuple(parse_qsl(target.query, keep_blank_values=True)),
        headers=headers,
        body=body,
    )


async def _reply(wire: h11.Connection, writer: asyncio.StreamWriter, asked: Asked, reply: Reply) -> None:
    headers = [*reply.headers, ("Content-Length", str(len(reply.body)))]
    sent = wire.send(h11.Response(status_code=reply.status, headers=headers)) or b""
    if asked.method != "HEAD":
        sent += wire.send(h11.Data(data=reply.body)) or b""
    sent += wire.send(h11.EndOfMessage()) or b""
    writer.write(sent)
    await writer.drain()


async def _raw(writer: asyncio.StreamWriter, raw: Raw) -> None:
    writer.write(raw.said)
    await writer.drain()
    said = 0
    while raw.again and said < _MAX_FLOOD:
        writer.write(raw.again)
        await writer.drain()
        await asyncio.sleep(0)
        said += len(raw.again)
