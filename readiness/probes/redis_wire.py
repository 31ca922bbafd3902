"""The words of a conversation with Redis on the wire, read by redis-py's parser within bounds of our own."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import Any

from redis._parsers import _AsyncRESP2Parser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from readiness.model import Cause, ProbeError
from readiness.probes.redis_record import MAX_HEARD, Broken, Exchange, Record, escaped, info_fields
from readiness.probes.tls import failure_of, one_line
from readiness.secret import Redactor, Secret
from readiness.vantage import Stream

MAX_CONVERSATION = 512 * 1024
"""Bytes that a peer may say in one conversation."""

_MAX_LINE = 64 * 1024
_MAX_KEPT = 64 * 1024


class _BrokenOff(Exception):
    """The conversation cannot go on; carries why and the words for it."""

    def __init__(self, why: Broken, text: str) -> None:
        super().__init__(text)
        self.why = why
        self.text = text


@dataclass(frozen=True)
class Credentials:
    """A declared login; ``secret`` of ``None`` is none."""

    username: str | None
    secret: Secret | None


async def talk(stream: Stream, record: Record, login: Credentials, redact: Redactor) -> None:
    """Say the words one after another until the peer has said all or breaks off; ``record`` keeps what is heard.

    Raises:
        ProbeError: the credentials cannot be written as Redis reads them.
    """
    meter = _Meter(stream.reader)
    connection = _VantageConnection(stream, meter)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await _Talk(connection, record, redact).go(login)
    except _BrokenOff as broken:
        record.broken = (broken.why, broken.text)
    except InvalidResponse as error:
        record.broken = (Broken.NOT_REDIS, one_line(redact(str(error))))
    except RedisError as error:
        record.broken = (Broken.CLOSED, one_line(redact(str(error))))
    except UnicodeEncodeError:
        raise ProbeError(
            Cause.AUTH,
            "the declared user name or password cannot be written in UTF-8",
            enable="Declare a user name and a password in UTF-8.",
        ) from None
    except (ValueError, TypeError, RecursionError):
        record.broken = (Broken.NOT_REDIS, "the reply is no RESP")
    finally:
        record.heard = meter.heard
        await connection.disconnect(nowait=True)


class _Talk:
    """The words of one conversation."""

    def __init__(self, connection: _VantageConnection, record: Record, redact: Redactor) -> None:
        self._connection = connection
        self._record = record
        self._redact = redact

    async def go(self, login: Credentials) -> None:
        first = await self._say("PING")
        if first.error is None and first.reply != "PONG":
            self._record.exchanges.clear()
            raise _BrokenOff(Broken.NOT_REDIS, one_line(f"answers PING with {first.reply!r}"))
        if login.secret is not None:
            await self._log_in(login.username, login.secret)
            await self._say("PING")
        said = await self._say("INFO")
        await self._say("HELLO", "2")
        fields = info_fields(said.reply)
        if fields and "maxmemory" not in fields:
            await self._say("CONFIG", "GET", "maxmemory")
            await self._say("CONFIG", "GET", "maxmemory-policy")
        if fields and "redis_mode" not in fields and "cluster_enabled" not in fields:
            await self._say("CLUSTER", "INFO")

    async def _log_in(self, username: str | None, secret: Secret) -> None:
        password = secret.reveal()
        words = (username, password) if username is not None else (password,)
        shown = f"AUTH {username} ***" if username is not None else "AUTH ***"
        answered = await self._say("AUTH", *words, shown=shown)
        if username is not None and "wrong number of arguments" in (answered.error or "").lower():
            # Redis before 6 knows no users: the password alone is what it understands.
            await self._say("AUTH", password, shown="AUTH ***")

    async def _say(self, *words: str, shown: str = "") -> Exchange:
        shown = shown or " ".join(words)
        try:
            await self._connection.send_command(*words, check_health=False)
            reply = await self._connection.read_response(disable_decoding=True)
        except _ErrorReply as error:
            # Redacted before it is cut: a server may echo what it did not understand, half a password included.
            exchange = Exchange(shown, error=one_line(self._redact(error.line), 400))
        else:
            exchange = Exchange(shown, reply=_plain(reply, self._redact))
        self._record.exchanges.append(exchange)
        return exchange


def _plain(reply: Any, redact: Redactor) -> Any:
    """A reply as JSON knows it, text decoded and cut."""
    if isinstance(reply, bytes):
        return redact(reply.decode("utf-8", "replace"))[:_MAX_KEPT]
    if isinstance(reply, list):
        return [_plain(item, redact) for item in reply[:256]]
    return reply if isinstance(reply, int) else None


class _ErrorReply(ResponseError):
    """An error reply with its line as the server wrote it, code included."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


class _Parser(_AsyncRESP2Parser):
    """redis-py's parser of RESP2, made to leave error lines as they are."""

    @classmethod
    def parse_error(cls, response: str) -> ResponseError:
        return _ErrorReply(response)


class _VantageConnection(AbstractConnection):
    """redis-py's connection over a stream that is open already, without its own handshake and clocks."""

    def __init__(self, stream: Stream, meter: _Meter) -> None:
        self._stream = stream
        self._meter = meter
        super().__init__(
            protocol=2,
            parser_class=_Parser,
            redis_connect_func=_greet_nobody,
            socket_timeout=None,
            encoding="utf-8",
            driver_info=None,  # which nobody is told, and finding it out takes longer than the conversation
        )

    async def _connect(self) -> None:
        # The meter is what the parser reads from: it needs readline and readexactly of a stream reader.
        self._reader = self._meter  # type: ignore[assignment]
        self._writer = self._stream.writer

    def _host_error(self) -> str:
        return "the peer"

    def repr_pieces(self) -> list[tuple[str, object]]:
        return [("how", self._stream.how)]


async def _greet_nobody(connection: AbstractConnection) -> None:
    connection._parser.on_connect(connection)  # type: ignore[no-untyped-call]


class _Meter:
    """A stream reader that hears a bounded number of bytes and remembers the first of them."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._buffer = bytearray()
        self._first = bytearray()
        self._left = MAX_CONVERSATION

    @property
    def heard(self) -> bytes:
        """The first bytes of all."""
        return bytes(self._first)

    async def readline(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > _MAX_LINE:
                raise _BrokenOff(Broken.OVERLONG, f"a line of more than {_MAX_LINE} bytes")
            await self._more()
        return self._take(end + 1)

    async def readexactly(self, count: int) -> bytes:
        if count < 0:
            raise ValueError("a reply of negative length")
        if count > self._left + len(self._buffer):
            raise _BrokenOff(Broken.OVERLONG, f"a reply of {count} bytes")
        while len(self._buffer) < count:
            await self._more()
        return self._take(count)

    def at_eof(self) -> bool:
        return False

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def _more(self) -> None:
        try:
            chunk = await self._reader.read(16 * 1024)
        except ssl.SSLError as error:
            raise _BrokenOff(Broken.TLS, failure_of(error).text) from None
        except OSError as error:
            raise _BrokenOff(Broken.CLOSED, one_line(error.strerror or str(error))) from None
        if not chunk:
            raise _BrokenOff(Broken.CLOSED, "the connection was closed")
        self._left -= len(chunk)
        self._buffer += chunk
        self._first += chunk[: MAX_HEARD - len(self._first)]
        if self._left < 0:
            raise _BrokenOff(Broken.OVERLONG, f"more than {MAX_CONVERSATION} bytes")
        if self.heard[:1] not in (b"+", b"-", b":", b"$", b"*"):
            raise _BrokenOff(Broken.NOT_REDIS, escaped(self.heard))
