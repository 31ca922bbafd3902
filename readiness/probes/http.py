"""HTTP as probes use it: one bounded exchange from a vantage, with bad news as a value.

The bytes leave from the vantage, TLS and HTTP are spoken by the auditor. A redirect is an answer and is never
followed, cookies are dropped, nothing is unpacked, the environment's proxy settings play no part. What a peer sends
is cut at fixed sizes, and what it does not send in time is told apart from what it refuses (RFC 9110, RFC 9112).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import re
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from readiness.model import Cause, Lane, Level, ProbeError
from readiness.probes.tls import (
    Certificate,
    TlsFailed,
    TlsFailure,
    TlsTrouble,
    failure_of,
    one_line,
    peek,
    start_tls,
)
from readiness.secret import Secret
from readiness.vantage import PathClosed, PathVerdict, Stream, Vantages

if TYPE_CHECKING:
    import h11

MAX_BODY = 256 * 1024
"""Bytes of a body that are kept unless the caller says otherwise."""

_MAX_HEAD = 64 * 1024
_MAX_HEADERS = 100
_MAX_VALUE = 4096
_MAX_INTERIM = 16
_CHUNK = 32 * 1024

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class BodyEnd(StrEnum):
    """How the body of an answer ended; only a ``whole`` one says what the peer meant to say."""

    WHOLE = "whole"
    TOO_LONG = "too_long"
    CUT_OFF = "cut_off"
    TOO_SLOW = "too_slow"
    ENCODED = "encoded"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds that each step took: the path to the peer, its TLS handshake, and request to answer's head."""

    connect_s: float
    tls_s: float
    answer_s: float


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An answer in HTTP, whatever its status.

    ``headers``: names in lower case, in the peer's order, without cookies. ``body``: decoded as UTF-8, what cannot be
    decoded replaced; empty where it came compressed against our wish (``ENCODED``). ``how`` names what carried the
    bytes. ``sent_at`` and ``answered_at`` are the auditor's monotonic clock when the request left and when the
    answer's head was there: only their differences mean anything.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    body_end: BodyEnd
    certificate: Certificate | None
    how: str
    timing: Timing
    sent_at: float
    answered_at: float

    def header(self, name: str) -> str | None:
        """The first value of a header, or ``None``."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    @property
    def date(self) -> datetime | None:
        """The peer's clock when it made the answer, UTC, to the second; ``None`` where it gave no readable Date."""
        return date_of(self.header("date") or "")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the peer asks to be left alone; ``None`` where it does not say so in seconds."""
        said = (self.header("retry-after") or "").strip()
        return float(said) if said.isascii() and said.isdigit() and len(said) < 8 else None

    @property
    def json(self) -> Json:
        """The body as JSON.

        Raises:
            ProbeError: it is not whole, or not JSON.
        """
        if self.body_end is not BodyEnd.WHOLE:
            raise ProbeError(Cause.PARSE, f"the answer's body is not whole: {self.body_end.value.replace('_', ' ')}")
        return json_of(self.body)

    def as_json(self) -> dict[str, object]:
        """The form in which an observation keeps it."""
        return {
            "status": self.status,
            "headers": [list(pair) for pair in self.headers],
            "body": self.body,
            "body_end": self.body_end.value,
            "certificate": self.certificate.as_json() if self.certificate is not None else None,
            "how": self.how,
            "connect_s": round(self.timing.connect_s, 4),
            "tls_s": round(self.timing.tls_s, 4),
            "answer_s": round(self.timing.answer_s, 4),
            "sent_at": round(self.sent_at, 4),
            "answered_at": round(self.answered_at, 4),
        }


class RefusalKind(StrEnum):
    """At which step an exchange ended without an answer."""

    PATH = "path"
    PROXY = "proxy"
    TLS = "tls"
    SILENT = "silent"
    CLOSED = "closed"
    NOT_HTTP = "not_http"
    TOO_LONG = "too_long"


@dataclass(frozen=True, kw_only=True)
class HttpRefusal:
    """Why there is no answer in HTTP: bad news from the network or the peer, never trouble of our own.

    ``text`` is the raw reason. ``verdict`` belongs to ``PATH``, where ``None`` means that the name did not resolve on
    the vantage; ``tls`` to ``TLS``, with the certificate that was shown where it is about that; ``status`` is what
    a proxy answered (``PROXY``); ``certificate`` is the verified one where TLS came about; ``how`` names what
    carried the bytes.
    """

    kind: RefusalKind
    text: str
    verdict: PathVerdict | None = None
    tls: TlsFailure | None = None
    status: int | None = None
    certificate: Certificate | None = None
    how: str = ""

    @property
    def words(self) -> str:
        """The refusal as a clause that follows the peer's name: "refuses the connection"."""
        match self.kind:
            case RefusalKind.PATH:
                return _PATH_WORDS[self.verdict]
            case RefusalKind.PROXY:
                return f"is not reached: {self.text}"
            case RefusalKind.TLS:
                return _TLS_WORDS[self.tls.trouble] if self.tls is not None else "fails in TLS"
            case RefusalKind.SILENT:
                return "accepts the connection and never answers"
            case RefusalKind.CLOSED:
                return "accepts the connection and closes it without an answer"
            case RefusalKind.NOT_HTTP:
                return "answers, but not in HTTP"
            case RefusalKind.TOO_LONG:
                return "answers with a head that does not end"

    @property
    def level(self) -> Level:
        """How much it proves about the path: TCP where a connect to the peer itself was tried."""
        nameless = self.kind is RefusalKind.PATH and self.verdict is None
        return Level.DECLARED if nameless or self.kind is RefusalKind.PROXY else Level.TCP

    @property
    def lane(self) -> Lane:
        """What kind of trouble it is."""
        if self.kind is RefusalKind.PATH:
            return _PATH_LANES[self.verdict]
        if self.kind is RefusalKind.TLS and self.tls is not None:
            return Lane.SERVICE if self.tls.trouble in _TLS_SERVICE else Lane.TLS
        return Lane.SERVICE

    def as_json(self) -> dict[str, object]:
        """The form in which an observation keeps it."""
        return {
            "refused": self.kind.value,
            "text": self.text,
            "verdict": self.verdict.value if self.verdict is not None else None,
            "tls": self.tls.as_json() if self.tls is not None else None,
            "status": self.status,
            "certificate": self.certificate.as_json() if self.certificate is not None else None,
            "how": self.how,
        }


_PATH_WORDS = {
    None: "does not resolve there",
    PathVerdict.OPEN: "cannot be reached",
    PathVerdict.REFUSED: "refuses the connection",
    PathVerdict.TIMEOUT: "does not answer the connection attempt",
    PathVerdict.NO_ROUTE: "cannot be reached: no route to the host",
    PathVerdict.NET_UNREACHABLE: "cannot be reached: no route to its network",
    PathVerdict.DENIED: "cannot be reached: the connection is denied on the machine itself",
    PathVerdict.OTHER: "cannot be reached",
}
_PATH_LANES = {
    None: Lane.DNS,
    PathVerdict.OPEN: Lane.FIREWALL,
    PathVerdict.REFUSED: Lane.SERVICE,
    PathVerdict.TIMEOUT: Lane.FIREWALL,
    PathVerdict.NO_ROUTE: Lane.ROUTE,
    PathVerdict.NET_UNREACHABLE: Lane.ROUTE,
    PathVerdict.DENIED: Lane.FIREWALL,
    PathVerdict.OTHER: Lane.FIREWALL,
}
_TLS_WORDS = {
    TlsTrouble.EXPIRED: "shows a certificate that has expired",
    TlsTrouble.NOT_YET_VALID: "shows a certificate that is not valid yet",
    TlsTrouble.WRONG_NAME: "shows a certificate that is made out to another name",
    TlsTrouble.UNTRUSTED_ISSUER: "shows a certificate from an issuer that is not trusted",
    TlsTrouble.BAD_CERTIFICATE: "shows a certificate that cannot be accepted",
    TlsTrouble.WANTS_CERTIFICATE: "demands a client certificate",
    TlsTrouble.PLAINTEXT: "does not speak TLS",
    TlsTrouble.HANDSHAKE: "breaks off the TLS handshake",
    TlsTrouble.CLOSED: "closes the connection during the TLS handshake",
    TlsTrouble.SILENT: "accepts the connection and never answers the TLS handshake",
}
_TLS_SERVICE = frozenset({TlsTrouble.PLAINTEXT, TlsTrouble.CLOSED, TlsTrouble.SILENT})

HttpResult: TypeAlias = HttpAnswer | HttpRefusal


def result_from_json(recorded: Any) -> HttpResult:
    """Read what ``as_json`` of an answer or of a refusal wrote.

    Raises:
        ProbeError: it is neither.
    """
    try:
        shown = recorded["certificate"]
        certificate = Certificate.from_json(shown) if shown is not None else None
        if "refused" in recorded:
            verdict, tls, status = recorded["verdict"], recorded["tls"], recorded["status"]
            return HttpRefusal(
                kind=RefusalKind(recorded["refused"]),
                text=str(recorded["text"]),
                verdict=PathVerdict(verdict) if verdict is not None else None,
                tls=TlsFailure.from_json(tls) if tls is not None else None,
                status=int(status) if status is not None else None,
                certificate=certificate,
                how=str(recorded["how"]),
            )
        return HttpAnswer(
            status=int(recorded["status"]),
            headers=tuple((str(name), str(value)) for name, value in recorded["headers"]),
            body=str(recorded["body"]),
            body_end=BodyEnd(recorded["body_end"]),
            certificate=certificate,
            how=str(recorded["how"]),
            timing=Timing(
                connect_s=float(recorded["connect_s"]),
                tls_s=float(recorded["tls_s"]),
                answer_s=float(recorded["answer_s"]),
            ),
            sent_at=float(recorded["sent_at"]),
            answered_at=float(recorded["answered_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProbeError(Cause.PARSE, f"the recorded exchange makes no sense: {error}") from None


def date_of(text: str) -> datetime | None:
    """Read an HTTP date (RFC 9110, section 5.6.7) as UTC; ``None`` where it is none."""
    try:
        said = parsedate_to_datetime(text)
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def json_of(text: str) -> Json:
    """Read JSON text that a stranger wrote.

    Raises:
        ProbeError: it is not JSON, or nested or sized beyond all sense.
    """
    try:
        value: Json = json.loads(text)
    except (ValueError, RecursionError):
        raise ProbeError(Cause.PARSE, "the answer is not JSON") from None
    return value


async def request(
    vantages: Vantages,
    vantage: str,
    method: str,
    url: str,
    *,
    ca_file: Path | None = None,
    basic: tuple[str, Secret] | None = None,
    bearer: Secret | None = None,
    headers: Sequence[tuple[str, str]] = (),
    form: Sequence[tuple[str, str]] | None = None,
    body: bytes | None = None,
    limit: float | None = None,
    max_body: int = MAX_BODY,
    proxy: str | None = None,
) -> HttpResult:
    """Ask once from a vantage, over a connection of its own that is closed afterwards.

    TLS is verified for the name in ``url`` on the public roots and ``ca_file``. The connect has its own limit of the
    site file; ``limit`` is seconds for the handshake and the answer together, by default those of a conversation.
    ``proxy``: a URL such as ``http://proxy:3128`` that is asked to CONNECT.

    Raises:
        ProbeError: the vantage cannot be asked, or does not prove itself alive while the peer is silent; a file of
            certificates cannot be read here; the URL or the credentials cannot be written as HTTP.
    """
    question = _Question.of(vantages, method, basic, bearer, headers, form, body)
    opened = await _open(vantages, vantage, url, ca_file, limit, proxy)
    if isinstance(opened, HttpRefusal):
        return opened
    connection, clock = opened
    async with connection:
        return await connection._ask(question, clock, max_body)


async def connect(
    vantages: Vantages,
    vantage: str,
    url: str,
    *,
    ca_file: Path | None = None,
    limit: float | None = None,
    proxy: str | None = None,
) -> HttpConnection | HttpRefusal:
    """Open a verified connection from a vantage, ready for one question.

    ``limit`` is seconds for the handshake alone; the other arguments and the errors are those of ``request``.
    """
    opened = await _open(vantages, vantage, url, ca_file, limit, proxy)
    return opened if isinstance(opened, HttpRefusal) else opened[0]


class HttpConnection:
    """A verified connection that carries one question; an async context that closes itself.

    ``certificate`` is the peer's, verified; ``None`` without TLS. ``how`` names what carries the bytes.
    """

    def __init__(
        self,
        vantages: Vantages,
        vantage: str,
        address: _Address,
        stream: Stream,
        *,
        first: _Address,
        connect_s: float,
    ) -> None:
        self.certificate: Certificate | None = None
        self.how = stream.how
        self._vantages = vantages
        self._vantage = vantage
        self._address = address
        self._stream = stream
        self._first = first
        self._connect_s = connect_s
        self._tls_s = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; never raises."""
        await self._stream.close()

    async def ask(
        self,
        method: str,
        *,
        basic: tuple[str, Secret] | None = None,
        bearer: Secret | None = None,
        headers: Sequence[tuple[str, str]] = (),
        form: Sequence[tuple[str, str]] | None = None,
        body: bytes | None = None,
        limit: float | None = None,
        max_body: int = MAX_BODY,
    ) -> HttpResult:
        """Ask the one question of the URL that it was opened for.

        ``limit`` is seconds for the answer; the other arguments and the errors are those of ``request``.
        """
        question = _Question.of(self._vantages, method, basic, bearer, headers, form, body)
        return await self._ask(question, _Clock.of(self._vantages, limit), max_body)

    async def _ask(self, question: _Question, clock: _Clock, max_body: int) -> HttpResult:
        request = question.written(self._address)
        sent_at = time.monotonic()
        heard = _Hearing(max_body)
        await heard.listen(self._stream, request, question.body, clock.left)
        if heard.answer is None:
            return await _proven(self._vantages, self._vantage, self._first, self._unanswered(heard))
        redact = self._vantages.redact
        encoded = _is_encoded(heard.answer)
        return HttpAnswer(
            status=heard.answer.status_code,
            headers=tuple((name, redact(value)) for name, value in _kept(heard.answer)),
            body="" if encoded else redact(heard.body.decode("utf-8", "replace")),
            body_end=BodyEnd.ENCODED if encoded else heard.end,
            certificate=self.certificate,
            how=self.how,
            timing=Timing(connect_s=self._connect_s, tls_s=self._tls_s, answer_s=heard.answered_at - sent_at),
            sent_at=sent_at,
            answered_at=heard.answered_at,
        )

    async def _tunnel(self, clock: _Clock) -> HttpRefusal | None:
        """Have a proxy connect to the peer."""
        name = f"{self._address.bracketed}:{self._address.port}"
        heard = _Hearing(0)
        await heard.listen(self._stream, _written("CONNECT", name, [("Host", name)]), b"", clock.left)
        self.how = f"{self.how}, HTTP proxy"
        if heard.answer is None:
            return _by_proxy(self._unanswered(heard))
        status = heard.answer.status_code
        if 200 <= status < 300:
            return None
        said = f"the proxy answers CONNECT with status {status}"
        return HttpRefusal(kind=RefusalKind.PROXY, text=said, status=status, how=self.how)

    async def _secure(self, ca_file: Path | None, clock: _Clock, *, peekable: bool) -> HttpRefusal | None:
        """Turn the stream into TLS, verified for the peer's name."""
        began = time.monotonic()
        host, port = self._address.host, self._address.port
        try:
            self.certificate = await start_tls(self._stream, host=host, limit=clock.left, ca_file=ca_file)
        except TlsFailed as failed:
            failure = failed.failure
        else:
            self._tls_s = time.monotonic() - began
            return None
        if failure.trouble.about_certificate and failure.certificate is None and peekable:
            limit = min(self._vantages.limits.connect, clock.left)
            shown = await peek(self._vantages[self._vantage], host, port, server_name=host, limit=limit)
            failure = replace(failure, certificate=shown)
        return HttpRefusal(kind=RefusalKind.TLS, text=failure.text, tls=failure, how=self.how)

    def _unanswered(self, heard: _Hearing) -> HttpRefusal:
        return HttpRefusal(
            kind=heard.kind,
            text=self._vantages.redact(heard.text),
            tls=heard.tls,
            certificate=self.certificate,
            how=self.how,
        )


async def _open(
    vantages: Vantages, vantage: str, url: str, ca_file: Path | None, limit: float | None, proxy: str | None
) -> tuple[HttpConnection, _Clock] | HttpRefusal:
    address = _Address.of(url)
    through = _Address.of(proxy) if proxy is not None else None
    first = through or address
    began = time.monotonic()
    try:
        stream = await vantages[vantage].stream(first.host, first.port, limit=vantages.limits.connect)
    except PathClosed as closed:
        text = vantages.redact(one_line(closed.text))
        refusal = HttpRefusal(kind=RefusalKind.PATH, text=text, verdict=closed.verdict)
        return await _proven(vantages, vantage, first, refusal if through is None else _by_proxy(refusal))
    connection = HttpConnection(vantages, vantage, address, stream, first=first, connect_s=time.monotonic() - began)
    clock = _Clock.of(vantages, limit)
    bad: HttpRefusal | None = None
    try:
        if through is not None:
            bad = await connection._tunnel(clock)
        if bad is None and address.tls:
            bad = await connection._secure(ca_file, clock, peekable=through is None)
    except BaseException:
        await connection.close()
        raise
    if bad is None:
        return connection, clock
    await connection.close()
    return await _proven(vantages, vantage, first, bad)


def _by_proxy(refusal: HttpRefusal) -> HttpRefusal:
    text = f"the proxy {refusal.words}" + (f" ({refusal.text})" if refusal.text else "")
    return HttpRefusal(kind=RefusalKind.PROXY, text=text, verdict=refusal.verdict, how=refusal.how)


async def _proven(vantages: Vantages, vantage: str, first: _Address, refusal: HttpRefusal) -> HttpRefusal:
    """Let silence count only where what carried it is alive: it opens another stream, or else runs a command."""
    if not _may_be_ours(refusal):
        return refusal
    limit = _proof(vantages) / 2
    if refusal.kind is not RefusalKind.PATH:
        try:
            stream = await vantages[vantage].stream(first.host, first.port, limit=limit)
        except PathClosed as closed:
            if closed.verdict is not PathVerdict.TIMEOUT:
                return refusal
        else:
            await stream.close()
            return refusal
    await vantages[vantage].run(":\n", limit=limit)
    return refusal


def _may_be_ours(refusal: HttpRefusal) -> bool:
    match refusal.kind:
        case RefusalKind.PATH:
            return refusal.verdict in (PathVerdict.TIMEOUT, PathVerdict.OTHER)
        case RefusalKind.TLS:
            return refusal.tls is not None and refusal.tls.trouble in (TlsTrouble.SILENT, TlsTrouble.CLOSED)
        case RefusalKind.PROXY:
            return refusal.status is None
        case RefusalKind.SILENT | RefusalKind.CLOSED:
            return True
        case RefusalKind.NOT_HTTP | RefusalKind.TOO_LONG:
            return False


def _proof(vantages: Vantages) -> float:
    """Seconds kept back from a conversation to see whether the vantage is alive."""
    return min(4.0, vantages.limits.conversation / 4)


@dataclass(frozen=True)
class _Clock:
    """What is left of a limit, less what the proof of life may take."""

    ends: float

    @staticmethod
    def of(vantages: Vantages, limit: float | None) -> _Clock:
        whole = vantages.limits.conversation - _proof(vantages) if limit is None else limit
        return _Clock(time.monotonic() + whole)

    @property
    def left(self) -> float:
        return max(0.05, self.ends - time.monotonic())


_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?\Z")
_PATH_SAFE = "/%:@!$&'()*+,;=-._~"


@dataclass(frozen=True, kw_only=True)
class _Address:
    """Where a URL leads."""

    tls: bool
    host: str
    port: int
    target: str

    @staticmethod
    def of(url: str) -> _Address:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _unusable("its host or port makes no sense") from None
        if parts.scheme not in ("http", "https"):
            raise _unusable("it starts with neither http:// nor https://")
        if "@" in parts.netloc:
            raise _unusable("it carries a user name; credentials have keys of their own")
        if any(c.isspace() or not c.isprintable() for c in url) or len(url) > 8192:
            raise _unusable("it holds blanks or control characters, or is too long")
        if not _HOST.match(host) and not _is_ipv6(host):
            raise _unusable("its host is no host name")
        query = f"?{quote(parts.query, safe=_PATH_SAFE + '?')}" if parts.query else ""
        return _Address(
            tls=parts.scheme == "https",
            host=host,
            port=port or (443 if parts.scheme == "https" else 80),
            target=quote(parts.path or "/", safe=_PATH_SAFE) + query,
        )

    @property
    def bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def authority(self) -> str:
        return self.bracketed if self.port == (443 if self.tls else 80) else f"{self.bracketed}:{self.port}"


def _is_ipv6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False


def _unusable(why: str) -> ProbeError:
    return ProbeError(
        Cause.PARSE, f"the URL cannot be asked: {why}", enable="Correct the URL: https://host[:port], nothing else."
    )


@dataclass(frozen=True, kw_only=True)
class _Question:
    """What is asked, before it is known of whom; never shown, for it may hold a secret."""

    method: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __repr__(self) -> str:
        return f"_Question({self.method})"

    @staticmethod
    def of(
        vantages: Vantages,
        method: str,
        basic: tuple[str, Secret] | None,
        bearer: Secret | None,
        headers: Sequence[tuple[str, str]],
        form: Sequence[tuple[str, str]] | None,
        body: bytes | None,
    ) -> _Question:
        fields = [("Accept-Encoding", "identity"), ("User-Agent", "readiness"), ("Connection", "close"), *headers]
        if form is not None:
            body = urlencode(list(form)).encode()
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
        if basic is not None:
            vantages.redact.learn(basic[1], users=(basic[0],))
            fields.append(("Authorization", _basic(*basic)))
        if bearer is not None:
            vantages.learn(bearer)
            fields.append(("Authorization", f"Bearer {bearer.reveal()}"))
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        return _Question(method=method, headers=tuple(fields), body=body or b"")

    def written(self, address: _Address) -> h11.Request:
        return _written(self.method, address.target, [("Host", address.authority), *self.headers])


def _basic(user: str, password: Secret) -> str:
    if ":" in user:
        raise ProbeError(Cause.UNSUPPORTED, "a user name with a colon cannot be sent by HTTP Basic (RFC 7617)")
    return "Basic " + base64.b64encode(f"{user}:{password.reveal()}".encode()).decode()


def _written(method: str, target: str, headers: Sequence[tuple[str, str]]) -> h11.Request:
    import h11

    try:
        return h11.Request(method=method, target=target, headers=list(headers))
    except (h11.LocalProtocolError, UnicodeEncodeError):
        # The library's own words would quote the header, which may be a credential.
        raise ProbeError(
            Cause.UNSUPPORTED, "the request holds characters that HTTP does not allow in a header"
        ) from None


class _Hearing:
    """Writes a request and listens to what comes back, within bounds; ``answer`` stays ``None`` where none came."""

    def __init__(self, max_body: int) -> None:
        self.answer: h11.Response | None = None
        self.answered_at = 0.0
        self.body = bytearray()
        self.end = BodyEnd.CUT_OFF
        self.kind = RefusalKind.CLOSED
        self.text = "closed without a word"
        self.tls: TlsFailure | None = None
        self._max_body = max_body
        self._began = b""

    async def listen(self, stream: Stream, request: h11.Request, content: bytes, limit: float) -> None:
        import h11

        try:
            async with asyncio.timeout(limit):
                await self._exchange(stream, request, content)
        except TimeoutError:
            self.end = BodyEnd.TOO_SLOW
            self._refuse(RefusalKind.SILENT, f"no answer within {limit:.1f} s")
        except ssl.SSLError as error:
            failure = failure_of(error)
            if failure.trouble is TlsTrouble.CLOSED:
                self._refuse(RefusalKind.CLOSED, failure.text)
            else:
                self._refuse(RefusalKind.TLS, failure.text)
                self.tls = failure
        except OSError as error:
            self._refuse(RefusalKind.CLOSED, one_line(error.strerror or str(error)))
        except h11.RemoteProtocolError as error:
            self._garbled(error)

    async def _exchange(self, stream: Stream, request: h11.Request, content: bytes) -> None:
        import h11

        wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        out = [wire.send(request), wire.send(h11.Data(data=content)) if content else b"", wire.send(h11.EndOfMessage())]
        stream.writer.write(b"".join(part or b"" for part in out))
        with contextlib.suppress(ConnectionError):  # a peer may answer before it has heard all, then hang up
            await stream.writer.drain()
        taken = interim = 0
        while True:
            event = wire.next_event()
            if event is h11.NEED_DATA:
                data = await stream.reader.read(_CHUNK)
                await asyncio.sleep(0)  # a reader with a full buffer never yields, and the limit could not fall
                taken += len(data)
                if self.answer is None and not self._is_http(data):
                    return
                if taken > 2 * (_MAX_HEAD + self._max_body):
                    self.end = BodyEnd.TOO_LONG
                    self._refuse(RefusalKind.TOO_LONG, f"more than {taken} bytes and no end")
                    return
                wire.receive_data(data)
            elif isinstance(event, h11.InformationalResponse):
                interim += 1
                if interim > _MAX_INTERIM:
                    self._refuse(RefusalKind.TOO_LONG, f"{interim} interim answers and no final one")
                    return
            elif isinstance(event, h11.Response):
                self.answer, self.answered_at = event, time.monotonic()
                if request.method == b"CONNECT":
                    return
            elif isinstance(event, h11.Data):
                room = self._max_body - len(self.body)
                self.body += event.data[:room]
                if len(event.data) > room:
                    self.end = BodyEnd.TOO_LONG
                    return
            elif isinstance(event, h11.EndOfMessage):
                self.end = BodyEnd.WHOLE
                return
            else:
                return

    def _is_http(self, data: bytes) -> bool:
        """Whether what came so far can be an answer in HTTP; it need not wait for a line that never ends."""
        if not data and not self._began:
            self._refuse(RefusalKind.CLOSED, "closed without a word")
            return False
        self._began = (self._began + data)[:200]
        if self._began[:5] == b"HTTP/"[: len(self._began)]:
            return True
        self._refuse(RefusalKind.NOT_HTTP, _introduced(self._began))
        return False

    def _garbled(self, error: h11.RemoteProtocolError) -> None:
        if error.error_status_hint == 431:
            self.end = BodyEnd.TOO_LONG
            self._refuse(RefusalKind.TOO_LONG, f"more than {_MAX_HEAD} bytes and no end")
        elif "closed connection" in str(error):
            self._refuse(RefusalKind.CLOSED, "closed in the middle of the answer")
        else:
            self._refuse(RefusalKind.NOT_HTTP, _introduced(self._began))

    def _refuse(self, kind: RefusalKind, text: str) -> None:
        self.kind, self.text = kind, text


def _introduced(began: bytes) -> str:
    if began[:2] in (b"\x15\x03", b"\x16\x03"):
        return "it speaks TLS"
    said = one_line(began.decode("ascii", "backslashreplace"), 80)
    return f"it begins with: {said}" if said else "it begins with control characters"


def _is_encoded(answer: h11.Response) -> bool:
    return any(
        name == b"content-encoding" and value.strip().lower() not in (b"", b"identity")
        for name, value in answer.headers
    )


def _kept(answer: h11.Response) -> list[tuple[str, str]]:
    kept = [
        (one_line(name.decode("latin-1"), 100), one_line(value.decode("latin-1"), _MAX_VALUE))
        for name, value in answer.headers
        if name not in (b"set-cookie", b"set-cookie2")
    ]
    return kept[:_MAX_HEADERS]
