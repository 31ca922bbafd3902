"""The host key of an SSH server, proven by a key exchange over a stream: nobody logs in, nothing is shown to it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from enum import StrEnum

import asyncssh

from readiness.vantage.base import HostKey, Stream
from readiness.vantage.known_hosts import algorithms, fingerprint
from readiness.vantage.link import readable

_HEARD = 255
"""Bytes of a server's first words that are kept; RFC 4253, section 4.2, allows its version no more."""

_MOST_WORDS = 8 << 10
_MOST_EXCHANGED = 256 << 10


class ExchangeEnd(StrEnum):
    """How far it went.

    ``KEY``: the server proved that it holds the key. ``SILENT``: it had not said its SSH version when the time was up;
    ``CLOSED``: nor when it hung up; ``FOREIGN``: nor among far more than goes before one. ``STALLED``: it said its
    version, and time was up before the exchange was over; ``FAILED``: the exchange went wrong.
    """

    KEY = "key"
    SILENT = "silent"
    CLOSED = "closed"
    FOREIGN = "foreign"
    STALLED = "stalled"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What came of it.

    ``heard``: the first of what the server said, at most 255 bytes. ``version``: its SSH version line, empty where it
    said none. ``key`` with ``ExchangeEnd.KEY`` alone; ``text`` says what went wrong.
    """

    end: ExchangeEnd
    heard: bytes = b""
    version: bytes = b""
    key: HostKey | None = None
    text: str = ""


async def exchange_keys(stream: Stream, *, kind: str | None, limit: float) -> Exchanged:
    """Exchange keys with the SSH server at the end of a stream, and hang up before any login (RFC 4253, section 7).

    ``kind``: the kind of host key to ask for first, as in ``HostKey``. ``limit``: seconds for all of it.
    """
    words = _Words(stream)
    try:
        async with asyncio.timeout(limit):
            ended = await words.listen()
            if ended is not None:
                return Exchanged(end=ended, heard=words.heard)
            key = await _exchange(stream, words.rest, kind)
    except TimeoutError:
        end = ExchangeEnd.STALLED if words.version else ExchangeEnd.SILENT
        return Exchanged(end=end, heard=words.heard, version=words.version, text=f"nothing more within {limit:g} s")
    except (asyncssh.Error, OSError, ValueError) as problem:
        end = ExchangeEnd.FAILED if words.version else ExchangeEnd.CLOSED
        return Exchanged(end=end, heard=words.heard, version=words.version, text=readable(str(problem)))
    if key is None:
        text = "the exchange ended without a host key"
        return Exchanged(end=ExchangeEnd.FAILED, heard=words.heard, version=words.version, text=text)
    shown = HostKey(key.get_algorithm(), fingerprint(key))
    return Exchanged(end=ExchangeEnd.KEY, heard=words.heard, version=words.version, key=shown)


class _Words:
    """What a server says before the exchange begins; ``rest`` is its version line and all that came behind it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._said = b""
        self.version = b""
        self.rest = b""

    @property
    def heard(self) -> bytes:
        return self._said[:_HEARD]

    async def listen(self) -> ExchangeEnd | None:
        """Wait for the version line; says what came instead, if something did."""
        while not self._found():
            if len(self._said) >= _MOST_WORDS:
                return ExchangeEnd.FOREIGN
            data = await self._stream.reader.read(_MOST_WORDS - len(self._said))
            if not data:
                return ExchangeEnd.CLOSED
            self._said += data
        return None

    def _found(self) -> bool:
        """Whether the version line is there whole; other lines may stand before it."""
        at = 0 if self._said.startswith(b"SSH-") else self._said.find(b"\nSSH-") + 1
        if at == 0 and not self._said.startswith(b"SSH-"):
            return False
        self.rest = self._said[at:]
        line, end, _ = self.rest.partition(b"\n")
        if not end:
            return False
        self.version = line.rstrip(b"\r")[:_HEARD]
        return True


async def _exchange(stream: Stream, begun: bytes, kind: str | None) -> asyncssh.SSHKey | None:
    # The library wants a socket of its own, and a stream may have none: what passes between the two is handed on.
    theirs, ours = socket.socketpair()
    theirs.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=ours)
    writer.write(begun)
    handing = [
        asyncio.create_task(_hand_on(stream.reader, writer, most=_MOST_EXCHANGED)),
        asyncio.create_task(_hand_on(reader, stream.writer, most=_MOST_EXCHANGED)),
    ]
    try:
        # No key, no agent, no file of this machine's user: there is nothing that could be offered.
        options = asyncssh.SSHClientConnectionOptions(config=None, client_keys=None, agent_path=None, username="nobody")
        return await asyncssh.get_server_host_key(
            "peer",  # what it calls a peer whose socket has no address; never looked up
            sock=theirs,
            options=options,
            config=None,
            server_host_key_algs=algorithms(*((kind,) if kind is not None else ())),
        )
    finally:
        for task in handing:
            task.cancel()
        await asyncio.gather(*handing, return_exceptions=True)
        theirs.close()
        writer.close()


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, most: int) -> None:
    """Hand on what one side says until it ends, or has said too much for an exchange of keys."""
    left = most
    try:
        while left > 0 and (data := await reader.read(min(left, 65536))):
            left -= len(data)
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
