"""TCP peers that mean harm: endless, deeply nested, swollen, echoing, poisonous. Each serves one port of loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import html
import json
import re
import ssl
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path
from urllib.parse import quote, quote_plus

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = "127.0.0.1"

Temper = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

POISON = (
    '=HYPERLINK("http://evil.example","x")\x1b]0;owned\x07\x1b[31m\x9b2J<script>alert(1)</script>'
    "\"'><img src=x onerror=alert(1)>]]>\u202e|`$(id)`\r\n@SUM(1)\ud800\ufffe\u2028%s{0}&lt;"
)
"""A formula, terminal escapes, markup, a torn surrogate, bidirectional text, line ends of every kind."""

BOMB = 64 << 20
"""Bytes that the decompression bomb unpacks to."""


@contextlib.asynccontextmanager
async def serving(temper: Temper, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A peer of this temper; yields its port."""
    at_work: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        try:
            await temper(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass  # the client went away, or the peer did
        finally:
            at_work.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accepted, LOOPBACK, 0, backlog=64, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


def saying(pieces: Callable[[], Iterator[bytes]], *, after: int = 1, pause: float = 0.0) -> Temper:
    """Says these pieces one after another once it has heard ``after`` bytes."""

    async def temper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after:
            await reader.read(65536)
        for piece in pieces():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        await reader.read()

    return temper


def endless(piece: bytes, *, first: bytes = b"", after: int = 1, pause: float = 0.0) -> Temper:
    """Says ``first``, then the same for ever."""

    def pieces() -> Iterator[bytes]:
        yield first
        yield from repeat(piece)

    return saying(pieces, after=after, pause=pause)


HTTP_BODY = endless(
    b"10000\r\n" + b"x" * 65536 + b"\r\n", first=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
)
HTTP_HEAD = endless(b"X-More: " + b"y" * 4096 + b"\r\n", first=b"HTTP/1.1 200 OK\r\n")
HTTP_INTERIM = endless(b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
HTTP_DRIP = endless(b"z", first=b"HTTP/1.1 200 OK\r\nX-Drip: ", pause=0.05)
BANNER = endless(b"220 welcome to the machine\r\n" * 2000, after=0)
REDIS_NESTED = endless(b"*1\r\n" * 10_000)
REDIS_BULK = endless(b"a" * 65536, first=b"$536870912\r\n")
POSTGRES_NOTICES = endless((b"N" + struct.pack("!I", 4 + 60_000) + b"n" * 60_000), first=b"N")


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> Temper:
    """Answers every request with the same."""

    async def temper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode("utf-8", "surrogatepass") + body)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    return temper


def bomb() -> Temper:
    """A small body that unpacks to ``BOMB`` bytes."""
    packer = zlib.compressobj(wbits=31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(BOMB >> 20)) + packer.flush()
    return http(packed, headers="Content-Encoding: gzip\r\nContent-Type: application/json\r\n")


def nested(depth: int = 1_000_000) -> Temper:
    """JSON of so many levels."""
    return http(b'{"version":' + b"[" * depth, headers="Content-Type: application/json\r\n")


def poisoned_json(*keys: str) -> Temper:
    """A JSON object whose values are poison, numbers without sense, and itself again."""
    value: dict[str, object] = dict.fromkeys(keys, POISON)
    value |= {"number_of_nodes": 10**400, "errors": [{"code": POISON, "message": POISON}], "data": dict(value)}
    return http(json.dumps(value).replace('"code"', '"code": NaN, "at": 1e999, "code"').encode())


def redirect(to: str, *, status: str = "307 Temporary Redirect") -> Temper:
    return http(b"", status=status, headers=f"Location: {to}\r\n")


def recording(temper: Temper, heard: list[bytes]) -> Temper:
    """The same, keeping what its clients said first."""

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        heard.append(first)
        again = asyncio.StreamReader(limit=1 << 20)
        again.feed_data(first)
        again.feed_eof()
        await temper(again, writer)

    return kept


def poisoned_papers(folder: Path) -> ssl.SSLContext:
    """What a server shows whose certificate, signed by itself, has poison for its subject and its names."""
    key = ec.generate_private_key(ec.SECP256R1())
    words = POISON.replace("\ud800", "")
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, words[:40]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, words[40:90]),
        ]
    )
    now = datetime.now(UTC)
    names = [x509.DNSName("=1+1\x1b[31m<script>alert(1)</script>"), x509.DNSName("x\r\n*.evil.example")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    papers = folder / "poisoned.pem"
    plain = serialization.NoEncryption()
    papers.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers)
    return context


async def echo_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An HTTP server that says all that it is told again: as it came, decoded, and quoted in every way."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    told = head + (await reader.readexactly(int(length[1])) if length else b"")
    for encoded in re.findall(rb"(?i)basic ([A-Za-z0-9+/=]+)", head):
        told += b"\n" + base64.b64decode(encoded)
    text = told.decode("utf-8", "replace")
    forms = [text, html.escape(text), quote(text), quote_plus(text), quote(text).lower(), repr(text), json.dumps(text)]
    shown = " ".join(text.splitlines()[-1:])
    body = json.dumps(
        {
            "errors": [{"code": form, "message": form} for form in forms],
            "error": {"type": shown, "reason": html.escape(shown)},
            **dict.fromkeys(("message", "version", "Version", "database", "description", "error_code"), shown),
        }
    )
    status, safe = "401 No" if len(head) % 2 else "200 OK", quote(shown)
    headers = f"X-Heard: {safe}\r\nWWW-Authenticate: Basic realm={safe}\r\nLocation: /{safe}\r\n"
    writer.write(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    await writer.drain()
    await reader.read()


async def echo_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A Redis that knows no command and says in its error what it was told, as old ones do."""
    while data := await reader.read(65536):
        words = re.findall(rb"\$\d+\r\n(.*?)\r\n(?=\$|$)", data, re.DOTALL)
        said = b", ".join(b"`" + word.replace(b"\r\n", b"  ") + b"`" for word in words)
        writer.write(b"-ERR " + b"x" * 360 + b" unknown command, with args beginning with: " + said + b"\r\n")
        await writer.drain()


def tunnel_to(inner: Temper, tls: ssl.SSLContext) -> Temper:
    """An HTTP proxy behind which whoever is asked for is this one, over TLS."""

    async def temper(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        await writer.start_tls(tls)
        await inner(reader, writer)

    return temper
