"""A PostgreSQL session that only reads, spoken from a machine of the site.

The frontend/backend protocol 3.0 (https://www.postgresql.org/docs/current/protocol.html) is spoken here and not by
libpq: libpq wants an address of its own to connect to, which would open a port on the auditor's machine, and of a
refused login it gives a translated sentence where the server sends a code. The bytes leave from the vantage, TLS and
the protocol are the auditor's, and what a server sends is bounded. The password is never sent in clear without TLS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import ssl
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from readiness.model import Cause, Lane, ProbeError
from readiness.probes.tcp import spoken
from readiness.probes.tls import (
    Certificate,
    TlsFailed,
    TlsFailure,
    failure_of,
    one_line,
    start_tls,
    version_of,
)
from readiness.secret import Secret
from readiness.site import Endpoint, Tls
from readiness.vantage import PathClosed, PathVerdict, Stream, Vantages

MAX_SESSION = 4 * 1024 * 1024
"""Bytes that a server may send in one session."""

MAX_MESSAGE = 1024 * 1024
MAX_ITERATIONS = 1_000_000

_PROTOCOL = 196608
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


class PgEnding(StrEnum):
    """At which step a session ended before it could be used.

    ``REFUSED``: the server said no in its own protocol, with a code. ``NO_TLS``: it has no TLS where the site wants
    it. ``LOGIN_MISSING``: it asks for a password and none is declared. ``UNSUPPORTED``: it asks for a login that is
    not spoken here. ``IMPOSTOR``: it could not prove that it knows the password.
    """

    PATH = "path"
    TLS = "tls"
    NO_TLS = "no_tls"
    REFUSED = "refused"
    LOGIN_MISSING = "login_missing"
    UNSUPPORTED = "unsupported"
    IMPOSTOR = "impostor"
    NOT_POSTGRES = "not_postgres"
    SILENT = "silent"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class PgRefusal:
    """Why there is no session; bad news, never trouble of our own.

    ``code`` is the server's SQLSTATE (``REFUSED``). ``verdict`` belongs to ``PATH``, where ``None`` means that the
    name did not resolve on the vantage; ``tls`` to ``TLS``. ``text`` is the peer's or the network's own word.
    """

    ending: PgEnding
    text: str
    code: str = ""
    verdict: PathVerdict | None = None
    tls: TlsFailure | None = None
    how: str = ""

    @property
    def lane(self) -> Lane:
        """What kind of trouble it is."""
        match self.ending:
            case PgEnding.PATH:
                return _PATH_LANES[self.verdict]
            case PgEnding.TLS | PgEnding.NO_TLS:
                return Lane.TLS
            case PgEnding.REFUSED:
                return Lane.AUTH if self.code[:2] in ("28", "42") else Lane.CONFIGURATION
            case PgEnding.LOGIN_MISSING | PgEnding.IMPOSTOR | PgEnding.UNSUPPORTED:
                return Lane.AUTH
            case _:
                return Lane.SERVICE

    def as_json(self) -> dict[str, object]:
        """The form in which an observation keeps it."""
        return {
            "ending": self.ending.value,
            "text": self.text,
            "code": self.code,
            "verdict": self.verdict.value if self.verdict is not None else None,
            "tls": self.tls.as_json() if self.tls is not None else None,
            "how": self.how,
        }

    @staticmethod
    def from_json(recorded: Any) -> PgRefusal:
        """Read what ``as_json`` wrote.

        Raises:
            ProbeError: it is not that.
        """
        try:
            verdict, tls = recorded["verdict"], recorded["tls"]
            return PgRefusal(
                ending=PgEnding(recorded["ending"]),
                text=str(recorded["text"]),
                code=str(recorded["code"]),
                verdict=PathVerdict(verdict) if verdict is not None else None,
                tls=TlsFailure.from_json(tls) if tls is not None else None,
                how=str(recorded["how"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded refusal makes no sense: {error}") from None


_PATH_LANES = {
    None: Lane.DNS,
    PathVerdict.OPEN: Lane.SERVICE,
    PathVerdict.REFUSED: Lane.SERVICE,
    PathVerdict.TIMEOUT: Lane.FIREWALL,
    PathVerdict.NO_ROUTE: Lane.ROUTE,
    PathVerdict.NET_UNREACHABLE: Lane.ROUTE,
    PathVerdict.DENIED: Lane.FIREWALL,
    PathVerdict.OTHER: Lane.FIREWALL,
}


class PgFailed(Exception):
    """Raised where a session ends; carries the refusal."""

    def __init__(self, refusal: PgRefusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class PgError(Exception):
    """The server would not answer a query; ``code`` is its SQLSTATE."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


Row = tuple[str | None, ...]


@dataclass(frozen=True, kw_only=True)
class Login:
    """Whom to log in as; ``tls`` of ``None`` means that TLS is used where the server has it, and not verified."""

    user: str
    database: str
    password: Secret | None
    tls: Tls | None


@dataclass
class PgSession:
    """An open session; an async context that says goodbye at its end.

    ``parameters`` are what the server reported of itself (``server_version``, ``is_superuser``, ...).
    """

    stream: Stream
    how: str
    certificate: Certificate | None
    tls_version: str
    parameters: Mapping[str, str]
    limit: float
    _wire: _Wire = field(repr=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._wire.send(b"X", b"")
        finally:
            await self.stream.close()

    async def query(self, sql: str) -> tuple[Row, ...]:
        """Ask one query within ``limit`` seconds; values come as the server writes them, ``None`` for NULL.

        Queries asked together travel together: the server answers them one after the other, each within its seconds.

        Raises:
            PgError: the server refuses it; the session goes on.
            PgFailed: the session ended.
        """
        try:
            return await self._wire.query(sql, limit=self.limit)
        except TimeoutError:
            # What comes later would be taken for the answer to the next question.
            await self.stream.close()
            raise PgFailed(PgRefusal(ending=PgEnding.SILENT, text="a query got no answer in time")) from None


async def open_session(
    vantages: Vantages, vantage: str, endpoint: Endpoint, login: Login, *, limit: float | None = None
) -> PgSession | PgRefusal:
    """Log in from a vantage, over a connection of its own; every transaction of the session is read-only.

    ``limit`` is seconds for all that follows the connect, by default those of a conversation.

    Raises:
        ProbeError: the vantage cannot be asked, or does not prove itself alive while the peer is silent.
    """
    try:
        stream = await vantages[vantage].stream(endpoint.host, endpoint.port, limit=vantages.limits.connect)
    except PathClosed as closed:
        text = vantages.redact(one_line(closed.text))
        refusal = PgRefusal(ending=PgEnding.PATH, text=text, verdict=closed.verdict)
        return await _proven(vantages, vantage, refusal)
    wire = _Wire(stream)
    try:
        async with asyncio.timeout(limit or vantages.limits.conversation - _proof(vantages)):
            certificate = await _secured(stream, endpoint, login.tls)
            parameters = await wire.log_in(login, encrypted=bool(version_of(stream)))
            await asyncio.gather(
                wire.query("SET default_transaction_read_only = on"),
                wire.query(f"SET statement_timeout = {int(vantages.limits.conversation * 1000)}"),
            )
    except PgFailed as failed:
        await stream.close()
        return await _proven(vantages, vantage, _told(failed.refusal, stream, vantages))
    except TimeoutError:
        await stream.close()
        silent = PgRefusal(ending=PgEnding.SILENT, text="no answer in time", how=stream.how)
        return await _proven(vantages, vantage, silent)
    except PgError as error:
        await stream.close()
        refusal = PgRefusal(ending=PgEnding.REFUSED, text=error.text, code=error.code)
        return _told(refusal, stream, vantages)
    except BaseException:
        await stream.close()
        raise
    return PgSession(
        stream=stream,
        how=stream.how,
        certificate=certificate,
        tls_version=version_of(stream),
        parameters=parameters,
        limit=vantages.limits.conversation,
        _wire=wire,
    )


def _told(refusal: PgRefusal, stream: Stream, vantages: Vantages) -> PgRefusal:
    return PgRefusal(
        ending=refusal.ending,
        text=vantages.redact(refusal.text),
        code=refusal.code,
        verdict=refusal.verdict,
        tls=refusal.tls,
        how=stream.how,
    )


async def _proven(vantages: Vantages, vantage: str, refusal: PgRefusal) -> PgRefusal:
    """Let silence count only where the machine that heard it answers meanwhile."""
    unsure = refusal.ending in (PgEnding.SILENT, PgEnding.CLOSED) or refusal.verdict in (
        PathVerdict.TIMEOUT,
        PathVerdict.OTHER,
    )
    if unsure:
        await vantages[vantage].run(":\n", limit=_proof(vantages))
    return refusal


def _proof(vantages: Vantages) -> float:
    """Seconds kept back from a conversation to see whether the vantage is alive."""
    return min(3.0, vantages.limits.conversation / 4)


# -- TLS -----------------------------------------------------------------------------------------------------


async def _secured(stream: Stream, endpoint: Endpoint, tls: Tls | None) -> Certificate | None:
    """Turn the stream into TLS as libpq's ``sslmode`` of that name would (libpq, section 34.19)."""
    mode = tls.mode if tls is not None else "prefer"
    if mode in ("disable", "allow"):
        return None
    stream.writer.write(_SSL_REQUEST)
    answer = await _some(stream)
    if answer == b"N":
        if mode == "prefer":
            return None
        raise PgFailed(PgRefusal(ending=PgEnding.NO_TLS, text="the server has no TLS to offer"))
    if answer != b"S":
        raise PgFailed(_introduced(answer))
    tls = tls or Tls(mode=mode)
    host = tls.server_name or endpoint.host
    try:
        if mode == "verify-full":
            # No limit of its own: the caller's covers it.
            return await start_tls(
                stream, host=host, limit=60, ca_file=tls.ca_file, cert_file=tls.cert_file, key_file=tls.key_file
            )
        await stream.writer.start_tls(_lenient(tls, verify=mode == "verify-ca"), server_hostname=host)
    except TlsFailed as failed:
        raise PgFailed(PgRefusal(ending=PgEnding.TLS, text=failed.failure.text, tls=failed.failure)) from None
    except (OSError, ValueError) as error:
        if isinstance(error, TimeoutError):
            raise
        failure = failure_of(error)
        raise PgFailed(PgRefusal(ending=PgEnding.TLS, text=failure.text, tls=failure)) from None
    shown = stream.writer.get_extra_info("ssl_object")
    der = shown.getpeercert(binary_form=True) if isinstance(shown, ssl.SSLObject) else None
    return Certificate.of(der, seen_at=datetime.now(UTC)) if der else None


def _lenient(tls: Tls, *, verify: bool) -> ssl.SSLContext:
    """What libpq does short of ``verify-full``: no name, and below ``verify-ca`` no issuer either."""
    import certifi

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.verify_mode = ssl.CERT_REQUIRED if verify else ssl.CERT_NONE
    try:
        if verify:
            trust.load_verify_locations(certifi.where())
            if tls.ca_file is not None:
                trust.load_verify_locations(tls.ca_file)
        if tls.cert_file is not None:
            trust.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except OSError as error:
        raise ProbeError(
            Cause.PARSE,
            f"the certificates of the site file cannot be used: {one_line(error.strerror or str(error))}",
            enable="Give ca_file, cert_file and key_file in PEM form, the key without a passphrase.",
        ) from None
    return trust


# -- the protocol --------------------------------------------------------------------------------------------


async def _some(stream: Stream) -> bytes:
    """What the peer says first; more than one byte here is more than a server may say before TLS."""
    try:
        data = await stream.reader.read(256)
    except ConnectionError as error:
        raise PgFailed(PgRefusal(ending=PgEnding.CLOSED, text=one_line(error.strerror or str(error)))) from None
    if not data:
        raise PgFailed(PgRefusal(ending=PgEnding.CLOSED, text="closed without a word"))
    return data


def _introduced(began: bytes) -> PgRefusal:
    protocol = spoken(began)
    said = one_line(began.decode("ascii", "backslashreplace"), 80)
    text = f"it speaks {protocol}" if protocol is not None else f"it begins with: {said}"
    return PgRefusal(ending=PgEnding.NOT_POSTGRES, text=text)


class _Wire:
    """Messages to and from a server, within bounds."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._heard = 0
        self._begun = False
        self._turn = asyncio.Lock()

    def send(self, kind: bytes, body: bytes) -> None:
        self._stream.writer.write(kind + struct.pack("!I", len(body) + 4) + body)

    async def receive(self) -> tuple[bytes, bytes]:
        try:
            head = await self._stream.reader.readexactly(5)
            kind, length = head[:1], struct.unpack("!I", head[1:])[0] - 4
            if not self._begun and kind not in b"REN":
                raise PgFailed(_introduced(head + await self._stream.reader.read(200)))
            self._begun = True
            self._heard += length
            if not 0 <= length <= MAX_MESSAGE or self._heard > MAX_SESSION:
                raise PgFailed(PgRefusal(ending=PgEnding.NOT_POSTGRES, text=f"a message of {length} bytes"))
            return kind, await self._stream.reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            if error.partial and not self._begun:
                raise PgFailed(_introduced(error.partial)) from None
            raise PgFailed(PgRefusal(ending=PgEnding.CLOSED, text="closed in the middle of the session")) from None
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            if isinstance(error, ssl.SSLError):  # an alert that came after the handshake: no client certificate
                failure = failure_of(error)
                raise PgFailed(PgRefusal(ending=PgEnding.TLS, text=failure.text, tls=failure)) from None
            text = one_line(error.strerror or str(error))
            raise PgFailed(PgRefusal(ending=PgEnding.CLOSED, text=text)) from None

    async def log_in(self, login: Login, *, encrypted: bool) -> Mapping[str, str]:
        """Start up, prove who we are, and wait until the server is ready; gives what it reports of itself."""
        asked = {
            "user": login.user,
            "database": login.database,
            "application_name": "readiness",
            "client_encoding": "UTF8",
        }
        body = b"".join(_text(key) + _text(value) for key, value in asked.items()) + b"\0"
        self._stream.writer.write(struct.pack("!II", len(body) + 8, _PROTOCOL) + body)
        proof: _Scram | None = None
        parameters: dict[str, str] = {}
        while True:
            kind, said = await self.receive()
            match kind:
                case b"R":
                    proof = await self._authenticate(said, login, proof, encrypted=encrypted)
                case b"E":
                    error = _error(said)
                    raise PgFailed(PgRefusal(ending=PgEnding.REFUSED, text=error.text, code=error.code))
                case b"S":
                    key, value, *_ = (*said.split(b"\0"), b"", b"")
                    parameters[_readable(key, 64)] = _readable(value, 200)
                case b"Z":
                    return parameters

    async def _authenticate(self, said: bytes, login: Login, proof: _Scram | None, *, encrypted: bool) -> _Scram | None:
        """One step of the login, by the number that the server asks for."""
        asked = struct.unpack("!I", said[:4])[0] if len(said) >= 4 else -1
        rest = said[4:]
        if asked == 0:
            if proof is not None and not proof.satisfied:
                raise PgFailed(PgRefusal(ending=PgEnding.IMPOSTOR, text="it skipped its own half of the login"))
            return proof
        if asked not in (3, 5, 10, 11, 12):
            name = {2: "Kerberos", 7: "GSSAPI", 9: "SSPI"}.get(asked, f"number {asked}")
            raise PgFailed(PgRefusal(ending=PgEnding.UNSUPPORTED, text=f"it asks for a login by {name}"))
        if login.password is None:
            raise PgFailed(PgRefusal(ending=PgEnding.LOGIN_MISSING, text="it asks for a password"))
        password = login.password.reveal()
        if asked == 3:
            if not encrypted:
                text = "it asks for the password in clear, and the connection has no TLS: it was not sent"
                raise PgFailed(PgRefusal(ending=PgEnding.UNSUPPORTED, text=text))
            self.send(b"p", _text(password))
        elif asked == 5:
            inner = hashlib.md5((password + login.user).encode(), usedforsecurity=False).hexdigest()
            outer = hashlib.md5(inner.encode() + rest[:4], usedforsecurity=False).hexdigest()
            self.send(b"p", _text(f"md5{outer}"))
        elif asked == 10:
            if b"SCRAM-SHA-256" not in rest.split(b"\0"):
                offered = _readable(rest, 100)
                raise PgFailed(PgRefusal(ending=PgEnding.UNSUPPORTED, text=f"it asks for a login by {offered}"))
            proof = _Scram(password)
            first = proof.first()
            self.send(b"p", _text("SCRAM-SHA-256") + struct.pack("!I", len(first)) + first)
        elif proof is None:
            raise PgFailed(PgRefusal(ending=PgEnding.NOT_POSTGRES, text="its login is out of step"))
        elif asked == 11:
            self.send(b"p", await asyncio.to_thread(proof.final, rest))
        else:
            proof.verify(rest)
        return proof

    async def query(self, sql: str, *, limit: float | None = None) -> tuple[Row, ...]:
        """Send a query at once and take its answer in turn, within ``limit`` seconds of that."""
        self.send(b"Q", _text(sql))
        try:
            async with self._turn, asyncio.timeout(limit):
                return await self._rows()
        except asyncio.CancelledError:
            self._stream.writer.close()  # its answer would be taken for that of the next
            raise

    async def _rows(self) -> tuple[Row, ...]:
        rows: list[Row] = []
        refused: PgError | None = None
        while True:
            kind, said = await self.receive()
            match kind:
                case b"D":
                    rows.append(_row(said))
                case b"E":
                    refused = _error(said)
                case b"Z":
                    if refused is not None:
                        raise refused
                    return tuple(rows)


def _text(value: str) -> bytes:
    # A NUL would end the string early and let what follows be read as another field.
    return value.replace("\0", "").encode() + b"\0"


def _readable(raw: bytes, limit: int) -> str:
    return one_line(raw.decode("utf-8", "replace"), limit)


def _row(said: bytes) -> Row:
    values: list[str | None] = []
    try:
        (count,) = struct.unpack_from("!H", said)
        at = 2
        for _ in range(count):
            (length,) = struct.unpack_from("!i", said, at)
            at += 4
            if length < 0:
                values.append(None)
                continue
            values.append(said[at : at + length].decode("utf-8", "replace"))
            at += length
    except struct.error:
        raise PgFailed(PgRefusal(ending=PgEnding.NOT_POSTGRES, text="a row breaks off")) from None
    return tuple(values)


def _error(said: bytes) -> PgError:
    fields = {part[:1]: part[1:] for part in said.split(b"\0") if part}
    code = _readable(fields.get(b"C", b""), 5)
    return PgError(code, _readable(fields.get(b"M", b"no reason given"), 300))


class _Scram:
    """The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password: str) -> None:
        # What SASLprep (RFC 4013) does to a password that needs it.
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = base64.b64encode(secrets.token_bytes(18)).decode()
        self._bare = f"n=,r={self._nonce}"
        self._signature = b""
        self.satisfied = False

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, challenge: bytes) -> bytes:
        """Answer the server's challenge.

        Raises:
            PgFailed: it is none, or would cost more than any honest one.
        """
        fields = _fields(challenge)
        try:
            nonce, salt, count = fields["r"], base64.b64decode(fields["s"], validate=True), int(fields["i"])
        except (KeyError, ValueError):
            raise PgFailed(PgRefusal(ending=PgEnding.NOT_POSTGRES, text="its challenge makes no sense")) from None
        if not nonce.startswith(self._nonce) or not 0 < count <= MAX_ITERATIONS:
            raise PgFailed(PgRefusal(ending=PgEnding.IMPOSTOR, text="its challenge is not meant for us"))
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, count)
        unproven = f"c=biws,r={nonce}"
        signed = b",".join((self._bare.encode(), challenge, unproven.encode()))
        client = _hmac(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(client, _hmac(hashlib.sha256(client).digest(), signed), strict=True))
        self._signature = _hmac(_hmac(salted, b"Server Key"), signed)
        return f"{unproven},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, outcome: bytes) -> None:
        """See that the server knows the password too.

        Raises:
            PgFailed: it does not.
        """
        told = _fields(outcome).get("v", "")
        try:
            signature = base64.b64decode(told, validate=True)
        except ValueError:
            signature = b""
        self.satisfied = bool(self._signature) and hmac.compare_digest(signature, self._signature)
        if not self.satisfied:
            raise PgFailed(PgRefusal(ending=PgEnding.IMPOSTOR, text="it could not prove that it knows the password"))


def _fields(message: bytes) -> Mapping[str, str]:
    parts: Sequence[str] = message.decode("ascii", "replace").split(",")
    return {part[:1]: part[2:] for part in parts if part[1:2] == "="}


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
