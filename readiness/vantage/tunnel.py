"""Byte streams through an SSH connection, with asyncio's own reader and writer at our end.

One SSH channel is tied to one end of a socket pair; the other end gives the reader and the writer, so that
``writer.start_tls`` works and nothing listens on this machine. Both directions close on their own, and whoever reads
slowly slows the sender down.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import cast

import asyncssh

from readiness.vantage import relay
from readiness.vantage.base import Stream

_PARTING = 1.0
_KEPT = 16 << 10

Channel = asyncssh.SSHTCPChannel[bytes] | asyncssh.SSHClientChannel[bytes]


class Tunnelled(Stream):
    """A stream whose far end is an SSH channel, or a socket of this machine; ``how`` says what carries it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, how: str, near: Near | None = None
    ) -> None:
        self.reader = reader
        self.writer = writer
        self.how = how
        self._near = near

    async def close(self) -> None:
        self.writer.close()
        try:
            async with asyncio.timeout(_PARTING):  # a peer that never answers TLS's farewell would hold us for long
                await self.writer.wait_closed()
        except (OSError, TimeoutError):
            self.writer.transport.abort()
        finally:
            if self._near is not None:
                self._near.let_go()


class Near(asyncio.Protocol):
    """Our socket's other end: what the writer wrote goes to the channel, what the channel says to the reader."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._channel: Channel | None = None
        self._over = False
        self._drained = False
        self._full = False
        self._released = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()

    def join(self, channel: Channel) -> None:
        """Let the bytes flow."""
        self._channel = channel
        if self._over or self._transport is None:
            channel.abort()
            return
        self._transport.resume_reading()
        if self._full:  # the peer's first words came before we knew their channel
            channel.pause_reading()

    def say(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def no_more(self) -> None:
        """The peer closed its direction."""
        if self._transport is not None and not self._over and self._transport.can_write_eof():
            self._transport.write_eof()

    def over(self) -> None:
        """The channel is gone."""
        if self._transport is not None:
            self._transport.close()

    def hold(self) -> None:
        """The channel takes no more for now."""
        if self._transport is not None and not self._over:
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._transport is not None and not self._over:
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write(data)

    def eof_received(self) -> bool:
        self._drained = True
        if self._channel is not None and not self._channel.is_closing():
            self._channel.write_eof()
        return not (self._released or self._hung_up())

    def _hung_up(self) -> bool:
        """Whether our socket was closed whole, which reads like one closed direction."""
        assert self._transport is not None
        found = select.poll()
        found.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return any(events & select.POLLHUP for _, events in found.poll(0))

    def let_go(self) -> None:
        """Close the channel once all that was written has gone into it."""
        self._released = True
        if self._transport is not None and (self._drained or self._channel is None):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        if self._channel is not None:
            self._channel.close()

    def pause_writing(self) -> None:
        self._full = True
        if self._channel is not None:
            self._channel.pause_reading()

    def resume_writing(self) -> None:
        self._full = False
        if self._channel is not None:
            self._channel.resume_reading()


class Forward(asyncssh.SSHTCPSession[bytes]):
    """The SSH server's own connection to the peer."""

    def __init__(self, near: Near) -> None:
        self._near = near

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._near.say(data)

    def eof_received(self) -> bool:
        self._near.no_more()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.over()

    def pause_writing(self) -> None:
        self._near.hold()

    def resume_writing(self) -> None:
        self._near.go_on()


Outcome = relay.Opened | relay.Closed | relay.Toolless


class Relayed(asyncssh.SSHClientSession[bytes]):
    """A relay program's input and output; ``outcome`` is what it said of its connect, ``None`` if it said nothing."""

    def __init__(self, near: Near, token: str, *, gone: Callable[[], None]) -> None:
        self._near = near
        self._token = token
        self._gone = gone
        self._flows = False
        self._heard = bytearray()
        self._errors = bytearray()
        self._tool = ""
        self.outcome: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()

    @property
    def said(self) -> bytes:
        """What came instead of a stream."""
        return bytes(self._errors + b"\n" + self._heard)

    @property
    def errors(self) -> bytes:
        """What a tool said on standard error once it was at work; nothing where none was."""
        return bytes(self._errors) if self._tool else b""

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype is not None:
            self._listen(data)
        elif self._flows:
            self._near.say(data)
        else:
            self._heard += data
            self._look()

    def _look(self) -> None:
        while b"\n" in self._heard and not self._flows:
            line, _, rest = bytes(self._heard).partition(b"\n")
            self._heard = bytearray(rest)
            match relay.understand(line, self._token):
                case relay.Listen(tool):
                    self._tool = tool  # its errors, not its output, say what became of the connect
                    self._flow()
                case relay.Opened() as opened:
                    self._flow()
                    self._decide(opened)
                case relay.Closed() | relay.Toolless() as outcome:
                    self._decide(outcome)
        if len(self._heard) > _KEPT and not self._flows:
            del self._heard[:-_KEPT]

    def _listen(self, data: bytes) -> None:
        self._errors += data
        for line in bytes(self._errors).split(b"\n") if not self.outcome.done() else ():
            match relay.understand(line, self._token):
                case relay.Opened() as opened:
                    self._decide(opened)
        if len(self._errors) > _KEPT:
            del self._errors[:-_KEPT]

    def _decide(self, outcome: Outcome | None) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _flow(self) -> None:
        self._flows = True
        if self._heard:
            self._near.say(bytes(self._heard))
            self._heard.clear()

    def eof_received(self) -> bool:
        self._near.no_more()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._decide(None)
        self._near.over()
        self._gone()

    def pause_writing(self) -> None:
        self._near.hold()

    def resume_writing(self) -> None:
        self._near.go_on()


async def pair() -> tuple[socket.socket, Near]:
    """A socket for asyncio's streams, and the end of it that a channel is tied to."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    try:
        _, near = await asyncio.get_running_loop().create_connection(Near, sock=theirs)
    except BaseException:
        ours.close()
        theirs.close()
        raise
    return ours, near
