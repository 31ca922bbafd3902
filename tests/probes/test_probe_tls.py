"""TLS for probes: trust, one verified handshake, and the reason kept where it fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from readiness.model import Cause, ProbeError
from readiness.probes.tls import (
    Certificate,
    TlsFailed,
    TlsFailure,
    TlsTrouble,
    context,
    failure_of,
    one_line,
    peek,
    public_context,
    start_tls,
    version_of,
)
from readiness.vantage import Stream
from tests.lab.redis_servers import LOOPBACK, Handler, Here, Papers, free_port, listener, saying, silent


@asynccontextmanager
async def tls_peer(pem: Path, handler: Handler = silent, *, demand: Path | None = None) -> AsyncIterator[int]:
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(pem)
    if demand is not None:
        trust.verify_mode = ssl.CERT_REQUIRED
        trust.load_verify_locations(demand)
    async with listener(handler, ssl=trust) as port:
        yield port


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[Stream]:
    stream = await Here().stream(LOOPBACK, port, limit=2)
    try:
        yield stream
    finally:
        await stream.close()


async def handshake(port: int, host: str, ca_file: Path | None, *, limit: float = 2.0) -> Certificate:
    async with opened(port) as stream:
        return await start_tls(stream, host=host, ca_file=ca_file, limit=limit)


async def failure(port: int, host: str, ca_file: Path | None, *, limit: float = 2.0) -> TlsFailure:
    with pytest.raises(TlsFailed) as caught:
        await handshake(port, host, ca_file, limit=limit)
    return caught.value.failure


async def test_a_trusted_certificate_is_read_and_the_stream_speaks_tls(tmp_path: Path) -> None:
    """With the CA of the site file the handshake succeeds, and the certificate says whose it is and until when."""
    papers = Papers.issue(tmp_path)
    async with tls_peer(papers.ending("redis.test", "10.1.2.3", days=29)) as port, opened(port) as stream:
        shown = await start_tls(stream, host="redis.test", ca_file=papers.ca_file, limit=2)
        assert version_of(stream) == "TLSv1.3"
    assert shown.names == ("redis.test", "10.1.2.3")
    assert "Lab CA" in shown.issuer
    assert shown.ends_soon
    assert timedelta(days=28) < shown.left <= timedelta(days=30)
    assert Certificate.from_json(shown.as_json()) == shown


@pytest.mark.parametrize(
    ("names", "host", "trouble"),
    [
        (("redis.test",), "redis.test", None),
        (("*.lab.test",), "redis.lab.test", None),
        (("10.1.2.3",), "10.1.2.3", None),
        (("else.test",), "redis.test", TlsTrouble.WRONG_NAME),
        (("redis.test",), "10.1.2.3", TlsTrouble.WRONG_NAME),
    ],
)
async def test_the_name_is_the_one_that_the_site_file_gives(
    tmp_path: Path, names: tuple[str, ...], host: str, trouble: TlsTrouble | None
) -> None:
    """The name is verified, not the address that was dialled: wildcard and address certificates included."""
    papers = Papers.issue(tmp_path)
    async with tls_peer(papers.certificate(*names)) as port:
        if trouble is None:
            assert await handshake(port, host, papers.ca_file)
        else:
            assert (await failure(port, host, papers.ca_file)).trouble is trouble


async def test_time_and_issuer_of_a_certificate_are_told_apart(tmp_path: Path) -> None:
    """Expired, not yet valid and a foreign issuer are three troubles, all of them about the certificate."""
    papers, others = Papers.issue(tmp_path), Papers.issue(tmp_path, "Other CA")
    early = papers.certificate("redis.test", starts=datetime.now(UTC) + timedelta(days=2))
    found = []
    for pem, ca_file in (
        (papers.expired("redis.test"), papers.ca_file),
        (early, papers.ca_file),
        (papers.certificate("redis.test"), others.ca_file),
        (papers.certificate("redis.test"), None),
    ):
        async with tls_peer(pem) as port:
            found.append(await failure(port, "redis.test", ca_file))
    troubles = [seen.trouble for seen in found]
    assert troubles[:2] == [TlsTrouble.EXPIRED, TlsTrouble.NOT_YET_VALID]
    assert troubles[2:] == [TlsTrouble.UNTRUSTED_ISSUER, TlsTrouble.UNTRUSTED_ISSUER]
    assert all(trouble.about_certificate for trouble in troubles)
    assert found[0].text == "certificate has expired"
    assert TlsFailure.from_json(found[0].as_json()) == found[0]


@pytest.mark.parametrize(
    ("peer", "trouble"),
    [
        (saying(b"SSH-2.0-OpenSSH_9.2p1\r\n", then_close=False), TlsTrouble.PLAINTEXT),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), TlsTrouble.PLAINTEXT),
        (saying(b"-DENIED Redis is running in protected mode\r\n"), TlsTrouble.PLAINTEXT),
        (saying(b"\x15\x03\x03\x00\x02\x02\x28"), TlsTrouble.HANDSHAKE),
        (saying(b""), TlsTrouble.CLOSED),
        (silent, TlsTrouble.SILENT),
    ],
    ids=["ssh", "http", "redis", "alert", "closed", "silent"],
)
async def test_a_peer_that_does_not_speak_tls_is_named_for_what_it_does(peer: Handler, trouble: TlsTrouble) -> None:
    """Plain words, an alert, a hang-up and silence are told apart, and none is about the certificate."""
    async with listener(peer) as port:
        seen = await failure(port, "redis.test", None, limit=0.3)
    assert seen.trouble is trouble
    assert not seen.trouble.about_certificate
    assert len(seen.text) <= 200


async def test_a_client_certificate_that_is_missing_shows_on_the_first_read(tmp_path: Path) -> None:
    """TLS 1.3 ends our handshake before the peer misses our certificate, so its alert comes with the first bytes."""
    papers = Papers.issue(tmp_path)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(papers.certificate("redis.test"))
    trust.verify_mode = ssl.CERT_REQUIRED

    def serve(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        with accepted, pytest.raises(ssl.SSLError):
            trust.wrap_socket(accepted, server_side=True)

    with socket.create_server((LOOPBACK, 0)) as listening:
        served = asyncio.create_task(asyncio.to_thread(serve, listening))
        async with opened(listening.getsockname()[1]) as stream:
            await start_tls(stream, host="redis.test", ca_file=papers.ca_file, limit=2)
            with pytest.raises(ssl.SSLError) as caught:
                await stream.reader.read(1)
        await served
    assert failure_of(caught.value).trouble is TlsTrouble.WANTS_CERTIFICATE


async def test_a_client_certificate_is_shown_where_one_is_declared(tmp_path: Path) -> None:
    """With cert_file (its key inside) a peer that demands a certificate of its CA talks to us."""
    papers = Papers.issue(tmp_path)
    ours = papers.certificate("excs-1.test")

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+OK\r\n")
        await writer.drain()

    served = tls_peer(papers.certificate("redis.test"), greet, demand=papers.ca_file)
    async with served as port, opened(port) as stream:
        await start_tls(stream, host="redis.test", ca_file=papers.ca_file, cert_file=ours, limit=2)
        assert await stream.reader.readline() == b"+OK\r\n"


async def test_the_certificate_of_an_untrusted_peer_can_still_be_named(tmp_path: Path) -> None:
    """A second, unverified look reads who issued it and sends nothing; without TLS there is nothing to see."""
    papers = Papers.issue(tmp_path, "Unknown CA")
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())

    async with tls_peer(papers.certificate("else.test"), listen) as port:
        shown = await peek(Here(), LOOPBACK, port, server_name="redis.test", limit=2)
    assert shown is not None
    assert "Unknown CA" in shown.issuer
    assert b"".join(heard) == b""
    async with listener(silent) as port:
        assert await peek(Here(), LOOPBACK, port, server_name="redis.test", limit=0.2) is None
    assert await peek(Here(), LOOPBACK, free_port(), server_name="redis.test", limit=1) is None


PROTOCOL_VERSION = bytes.fromhex("15 0301 0002 02 46")
"""The fatal alert (RFC 5246, section 7.2.2) of a server that knows no version which we offer."""


def _short_key(papers: Path) -> ssl.SSLContext:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "short.lab.test")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("short.lab.test")]), critical=False)
    shown = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    papers.write_bytes(shown + key.private_bytes(*plain))
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.set_ciphers("ALL:@SECLEVEL=0")
    serving.load_cert_chain(papers)
    return serving


async def _older(stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await stream.read(1024)
    writer.write(PROTOCOL_VERSION)
    await writer.drain()
    await stream.read()


@pytest.mark.parametrize("age", ["TLS 1.1", "RSA of 1024 bits"])
async def test_what_the_auditors_own_openssl_refuses_is_no_verdict_on_the_peer(tmp_path: Path, age: str) -> None:
    """The components may speak with such a service: it is unknown, and what would enable it is said."""
    short = tmp_path / "short.pem"
    peer = listener(_older) if age == "TLS 1.1" else listener(silent, ssl=_short_key(short))
    async with peer as port:
        with pytest.raises(ProbeError) as caught:
            await handshake(port, "short.lab.test", short if short.exists() else None)
    assert caught.value.reason.code is Cause.UNSUPPORTED
    assert "older than the auditor's machine accepts" in caught.value.reason.detail


def test_trust_is_the_public_roots_and_the_service_s_own_ca(tmp_path: Path) -> None:
    """ca_file adds to certifi's roots for one context alone; equal files give the same context."""
    papers = Papers.issue(tmp_path)
    public, private = public_context(), context(papers.ca_file)
    assert private is context(papers.ca_file)
    assert public is public_context()
    assert len(private.get_ca_certs()) == len(public.get_ca_certs()) + 1
    assert len(public.get_ca_certs()) > 50
    assert public.verify_mode is ssl.CERT_REQUIRED
    assert public.check_hostname
    assert Path(certifi.where()).exists()


def test_a_changed_ca_file_is_read_again(tmp_path: Path) -> None:
    """A file that was replaced between two audits of one process is not served from memory."""
    first, second = Papers.issue(tmp_path, "First CA"), Papers.issue(tmp_path, "Second Certificate Authority")
    shared = tmp_path / "ca.pem"
    shared.write_bytes(first.ca_file.read_bytes())
    before = context(shared)
    shared.write_bytes(second.ca_file.read_bytes() + first.ca_file.read_bytes())
    assert context(shared) is not before


@pytest.mark.parametrize("content", ["", "no certificate at all", None])
def test_a_ca_file_that_does_not_serve_is_our_own_trouble(tmp_path: Path, content: str | None) -> None:
    """A CA file that is missing, empty or no PEM is no verdict on the peer: the question stays unanswered."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ProbeError) as caught:
        context(path)
    assert caught.value.reason.code is (Cause.PERMISSION if content is None else Cause.PARSE)
    assert "ca.pem" in caught.value.reason.detail
    assert caught.value.reason.enable


def test_a_client_key_that_does_not_fit_is_our_own_trouble(tmp_path: Path) -> None:
    """A certificate without its key, or a key behind a passphrase, is told; nobody is asked on the terminal."""
    papers = Papers.issue(tmp_path)
    with pytest.raises(ProbeError) as caught:
        context(cert_file=papers.ca_file)
    assert caught.value.reason.code is Cause.PARSE


def test_bytes_that_are_no_certificate_are_told() -> None:
    """Bytes that X.509 does not know raise our own error, not cryptography's."""
    with pytest.raises(ProbeError):
        Certificate.of(b"\x30\x03\x02\x01\x01", seen_at=datetime.now(UTC))
    with pytest.raises(ProbeError):
        Certificate.from_json({"subject": "CN=x"})
    with pytest.raises(ProbeError):
        TlsFailure.from_json(["no", "record"])


def test_foreign_text_is_one_short_line() -> None:
    """Control characters and line ends become blanks, and the length is bounded."""
    assert one_line("a\x1b[31m\r\nb\tc\x00d") == "a [31m b c d"
    assert one_line("x" * 5000, 10) == "x" * 9 + "…"
