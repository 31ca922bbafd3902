"""TLS as probes use it: whom to trust, one verified handshake, and in so many words why it failed.

The certificate is judged by the auditor: the public roots of certifi, plus the ``ca_file`` that the site file names
for that one service. The machine that the bytes leave from has no say in it.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from readiness.model import Cause, ProbeError
from readiness.vantage import PathClosed, Stream, Vantage

if TYPE_CHECKING:
    from cryptography import x509

SOON = timedelta(days=30)
"""A certificate that ends within this time is worth a warning."""


def one_line(text: str, limit: int = 200) -> str:
    """Make foreign text fit for a report: one line, no control characters, at most ``limit`` characters."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * limit]).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate as a peer showed it.

    ``subject`` and ``issuer`` by RFC 4514; ``names`` are its DNS names and addresses; times in UTC;
    ``fingerprint`` is the SHA-256 of the DER form in hex; ``seen_at`` is when the peer showed it.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    seen_at: datetime

    @staticmethod
    def of(der: bytes, *, seen_at: datetime) -> Certificate:
        """Read a certificate in DER form.

        Raises:
            ProbeError: it is none that X.509 would know.
        """
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            parsed = x509.load_der_x509_certificate(der)
            return Certificate(
                subject=one_line(parsed.subject.rfc4514_string()),
                issuer=one_line(parsed.issuer.rfc4514_string()),
                names=_names(parsed),
                not_before=parsed.not_valid_before_utc,
                not_after=parsed.not_valid_after_utc,
                fingerprint=parsed.fingerprint(SHA256()).hex(),
                seen_at=seen_at,
            )
        except (ValueError, TypeError, OverflowError) as error:
            raise ProbeError(Cause.PARSE, f"the peer's certificate cannot be read: {one_line(str(error))}") from None

    @property
    def left(self) -> timedelta:
        """Time between being seen and its end; negative where it had ended."""
        return self.not_after - self.seen_at

    @property
    def ends_soon(self) -> bool:
        return self.left <= SOON

    def as_json(self) -> dict[str, object]:
        """The form in which an observation keeps it."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "fingerprint": self.fingerprint,
            "seen_at": self.seen_at.isoformat(),
        }

    @staticmethod
    def from_json(recorded: Any) -> Certificate:
        """Read what ``as_json`` wrote.

        Raises:
            ProbeError: it is not that.
        """
        try:
            return Certificate(
                subject=str(recorded["subject"]),
                issuer=str(recorded["issuer"]),
                names=tuple(str(name) for name in recorded["names"]),
                not_before=datetime.fromisoformat(str(recorded["not_before"])),
                not_after=datetime.fromisoformat(str(recorded["not_after"])),
                fingerprint=str(recorded["fingerprint"]),
                seen_at=datetime.fromisoformat(str(recorded["seen_at"])),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded certificate makes no sense: {error}") from None


class TlsTrouble(StrEnum):
    """Why a handshake did not end in a connection that can be trusted."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NAME = "wrong_name"
    UNTRUSTED_ISSUER = "untrusted_issuer"
    BAD_CERTIFICATE = "bad_certificate"
    WANTS_CERTIFICATE = "wants_certificate"
    PLAINTEXT = "plaintext"
    HANDSHAKE = "handshake"
    CLOSED = "closed"
    SILENT = "silent"

    @property
    def about_certificate(self) -> bool:
        """Whether the peer speaks TLS and it is its certificate that does not do."""
        return self in _ABOUT_CERTIFICATE


_ABOUT_CERTIFICATE = frozenset(
    {
        TlsTrouble.EXPIRED,
        TlsTrouble.NOT_YET_VALID,
        TlsTrouble.WRONG_NAME,
        TlsTrouble.UNTRUSTED_ISSUER,
        TlsTrouble.BAD_CERTIFICATE,
    }
)


@dataclass(frozen=True, kw_only=True)
class TlsFailure:
    """A handshake that failed; ``text`` is the raw reason, ``certificate`` what the peer showed, where it was seen."""

    trouble: TlsTrouble
    text: str
    certificate: Certificate | None = None

    def as_json(self) -> dict[str, object]:
        """The form in which an observation keeps it."""
        shown = self.certificate.as_json() if self.certificate is not None else None
        return {"trouble": self.trouble.value, "text": self.text, "certificate": shown}

    @staticmethod
    def from_json(recorded: Any) -> TlsFailure:
        """Read what ``as_json`` wrote.

        Raises:
            ProbeError: it is not that.
        """
        try:
            shown = recorded["certificate"]
            return TlsFailure(
                trouble=TlsTrouble(recorded["trouble"]),
                text=str(recorded["text"]),
                certificate=Certificate.from_json(shown) if shown is not None else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded handshake makes no sense: {error}") from None


class TlsFailed(Exception):
    """Raised where a handshake failed; carries the failure."""

    def __init__(self, failure: TlsFailure) -> None:
        super().__init__(failure.text)
        self.failure = failure


def context(
    ca_file: Path | None = None, *, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Trust the public roots and ``ca_file``; show ``cert_file`` where the peer asks for a certificate.

    A ``key_file`` of ``None`` means that the key lies in ``cert_file``. Built once for the same files.

    Raises:
        ProbeError: a file cannot be read, or holds no certificate or no fitting key.
    """
    files = tuple(_stamped(path) for path in (ca_file, cert_file, key_file))
    return _context(*files)


def public_context() -> ssl.SSLContext:
    """Trust the public roots alone."""
    return context(None)


async def start_tls(
    stream: Stream,
    *,
    host: str,
    limit: float,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
) -> Certificate:
    """Turn an open stream into TLS, verified for ``host``, within ``limit`` seconds.

    Raises:
        TlsFailed: the peer does not speak TLS, or is not who it should be.
        ProbeError: the trusted certificates cannot be read here.
    """
    trust = context(ca_file, cert_file=cert_file, key_file=key_file)
    try:
        async with asyncio.timeout(limit):
            await stream.writer.start_tls(trust, server_hostname=host)
    except (OSError, ValueError) as error:
        raise TlsFailed(failure_of(error)) from None
    return _shown(stream)


async def peek(vantage: Vantage, host: str, port: int, *, server_name: str, limit: float) -> Certificate | None:
    """Look at the certificate that a peer shows, whatever it is worth, over a connection of its own.

    Nothing is verified, so nothing is sent: the connection is dropped when the certificate is read. ``None`` where
    there is no path or no handshake within ``limit`` seconds each.

    Raises:
        ProbeError: the vantage cannot be asked.
    """
    try:
        stream = await vantage.stream(host, port, limit=limit)
    except PathClosed:
        return None
    try:
        async with asyncio.timeout(limit):
            await stream.writer.start_tls(_unverified(), server_hostname=server_name)
        return _shown(stream)
    except (OSError, ValueError, ProbeError):
        return None
    finally:
        await stream.close()


def version_of(stream: Stream) -> str:
    """The protocol version that a stream in TLS speaks ("TLSv1.3"); empty where it does not."""
    spoken = stream.writer.get_extra_info("ssl_object")
    return (spoken.version() or "") if isinstance(spoken, ssl.SSLObject | ssl.SSLSocket) else ""


def failure_of(error: BaseException) -> TlsFailure:
    """Classify what a handshake raised.

    Raises:
        ProbeError: the OpenSSL of the auditor's machine refused the peer for its age, which is no word of the site's
            own components.
    """
    if isinstance(error, ssl.SSLError) and _too_old_for_us(error):
        raise ProbeError(
            Cause.UNSUPPORTED,
            f"the peer's TLS is older than the auditor's machine accepts: {_text(error)}",
            enable="Have the service speak TLS 1.2 or later with keys of 2048 bits (RSA) and SHA-256 signatures; "
            f"what it speaks now, `openssl s_client` of an older machine tells (here is {ssl.OPENSSL_VERSION}).",
        )
    return TlsFailure(trouble=_trouble(error), text=_text(error))


_VERIFY_CODES = {
    9: TlsTrouble.NOT_YET_VALID,
    10: TlsTrouble.EXPIRED,
    62: TlsTrouble.WRONG_NAME,
    64: TlsTrouble.WRONG_NAME,
    **dict.fromkeys((2, 18, 19, 20, 21, 24), TlsTrouble.UNTRUSTED_ISSUER),
}
"""OpenSSL's X509_V_ERR numbers; every other one is about the certificate itself."""

_TOO_WEAK = frozenset({66, 67, 68})
"""X509_V_ERR_EE_KEY_TOO_SMALL, _CA_KEY_TOO_SMALL and _CA_MD_TOO_WEAK: what OpenSSL's security level refuses."""

_TOO_OLD = frozenset(
    {
        "UNSUPPORTED_PROTOCOL",
        "TLSV1_ALERT_PROTOCOL_VERSION",
        "DH_KEY_TOO_SMALL",
        "EE_KEY_TOO_SMALL",
        "CA_KEY_TOO_SMALL",
        "CA_MD_TOO_WEAK",
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    }
)


def _too_old_for_us(error: ssl.SSLError) -> bool:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_code in _TOO_WEAK
    return error.reason in _TOO_OLD


_PLAINTEXT = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})
_WANTS_CERTIFICATE = frozenset(
    {"TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA", "SSLV3_ALERT_BAD_CERTIFICATE"}
)


def _trouble(error: BaseException) -> TlsTrouble:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, TlsTrouble.BAD_CERTIFICATE)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TlsTrouble.CLOSED
    if isinstance(error, ssl.SSLError):
        if error.reason in _PLAINTEXT:
            return TlsTrouble.PLAINTEXT
        return TlsTrouble.WANTS_CERTIFICATE if error.reason in _WANTS_CERTIFICATE else TlsTrouble.HANDSHAKE
    if isinstance(error, TimeoutError):
        return TlsTrouble.SILENT
    if isinstance(error, ConnectionError | EOFError):
        return TlsTrouble.CLOSED
    return TlsTrouble.HANDSHAKE


def _text(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_message:
        return one_line(error.verify_message)
    if isinstance(error, ssl.SSLError) and error.reason:
        return one_line(error.reason.replace("_", " ").lower())
    if isinstance(error, TimeoutError):
        return "no answer to the TLS handshake"
    if isinstance(error, ConnectionError | EOFError):
        return "the connection was closed during the TLS handshake"
    return one_line(str(error)) or type(error).__name__


def _shown(stream: Stream) -> Certificate:
    spoken = stream.writer.get_extra_info("ssl_object")
    der = spoken.getpeercert(binary_form=True) if isinstance(spoken, ssl.SSLObject | ssl.SSLSocket) else None
    if not der:
        raise ProbeError(Cause.PARSE, "the peer completed the TLS handshake without a certificate")
    return Certificate.of(der, seen_at=datetime.now(UTC))


def _names(parsed: x509.Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    found = [one_line(name) for name in names.get_values_for_type(x509.DNSName)]
    found += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    return tuple(found[:50])


_Stamped = tuple[Path, int, int] | None


def _stamped(path: Path | None) -> _Stamped:
    """A file with its time and size, so that a changed file is read again."""
    if path is None:
        return None
    try:
        stat = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    return (path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=64)
def _context(ca_file: _Stamped, cert_file: _Stamped, key_file: _Stamped) -> ssl.SSLContext:
    import certifi

    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.minimum_version = ssl.TLSVersion.TLSv1_2
    trust.load_verify_locations(certifi.where())
    if ca_file is not None:
        try:
            trust.load_verify_locations(ca_file[0])
        except ssl.SSLError:
            raise ProbeError(
                Cause.PARSE,
                f"{ca_file[0]} holds no certificate in PEM form",
                enable=f"Put the CA's certificate into {ca_file[0]} in PEM form.",
            ) from None
        except OSError as error:
            raise _unreadable(ca_file[0], error) from None
    if cert_file is not None:
        try:
            # An empty password keeps OpenSSL from asking for one on the terminal.
            trust.load_cert_chain(cert_file[0], key_file[0] if key_file is not None else None, password="")
        except ssl.SSLError as error:
            raise ProbeError(
                Cause.PARSE,
                f"{cert_file[0]} cannot be used as client certificate: {one_line(error.reason or str(error))}",
                enable="Give cert_file and key_file as a fitting pair in PEM form, the key without a passphrase.",
            ) from None
        except OSError as error:
            raise _unreadable(cert_file[0], error) from None
    return trust


@lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    """Only for ``peek``, which sends nothing."""
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    return blind


def _unreadable(path: Path, error: OSError) -> ProbeError:
    return ProbeError(
        Cause.PERMISSION,
        f"{path} cannot be read: {error.strerror or type(error).__name__}",
        enable=f"Make {path} readable for the user who runs the audit.",
    )
