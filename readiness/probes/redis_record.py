"""What is kept of a conversation with Redis: every exchange as it may be shown, and how it broke off."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble, one_line
from readiness.vantage import PathVerdict

MAX_HEARD = 256
"""Bytes that are kept of what a peer said before it was understood, or unasked."""

UNASKED = ""
"""What was sent where a peer spoke first."""

_TLS_ALERT = b"\x15"


class Broken(StrEnum):
    """How a connection ended before its time."""

    SILENT = "silent"
    CLOSED = "closed"
    TLS = "tls"
    NOT_REDIS = "not_redis"
    OVERLONG = "overlong"


@dataclass(frozen=True)
class Exchange:
    """A command as it may be shown, and the reply: its value, or the server's error line; unasked without a command."""

    sent: str
    reply: Any = None
    error: str | None = None


@dataclass
class Record:
    """All that was heard, in the form that an observation keeps."""

    how: str = ""
    path: tuple[PathVerdict | None, str] | None = None
    tls_version: str = ""
    certificate: Certificate | None = None
    tls_failure: TlsFailure | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    broken: tuple[Broken, str] | None = None
    heard: bytes = b""
    plainly: bytes = b""
    behind_tls: bool = False

    @property
    def unheard(self) -> bool:
        """Whether it is silence that would be reported."""
        if self.path is not None:
            return self.path[0] in (PathVerdict.TIMEOUT, PathVerdict.OTHER)
        if self.tls_failure is not None:
            return self.tls_failure.trouble in (TlsTrouble.SILENT, TlsTrouble.CLOSED) and not self.plainly
        return self.broken is not None and self.broken[0] in (Broken.SILENT, Broken.CLOSED) and not self.behind_tls

    @property
    def unexplained(self) -> bool:
        """Whether the peer hung up, or said what is no Redis, before anything was exchanged."""
        return not self.exchanges and self.broken is not None and self.heard[:1] in (b"", _TLS_ALERT)

    @property
    def hung_up(self) -> bool:
        return self.broken is not None and self.broken[0] is Broken.CLOSED

    def text(self) -> str:
        return json.dumps(
            {
                "how": self.how,
                "path": [self.path[0].value if self.path[0] else None, self.path[1]] if self.path else None,
                "tls_version": self.tls_version,
                "certificate": self.certificate.as_json() if self.certificate else None,
                "tls_failure": self.tls_failure.as_json() if self.tls_failure else None,
                "exchanges": [
                    {"sent": e.sent, "error": e.error} if e.error is not None else {"sent": e.sent, "reply": e.reply}
                    for e in self.exchanges
                ],
                "broken": [self.broken[0].value, self.broken[1]] if self.broken else None,
                "heard": self.heard.decode("latin-1"),
                "plainly": self.plainly.decode("latin-1"),
                "behind_tls": self.behind_tls,
            },
            ensure_ascii=False,
        )

    @staticmethod
    def of(text: str) -> Record:
        read = json.loads(text)
        path, broken = read["path"], read["broken"]
        return Record(
            how=str(read["how"]),
            path=(PathVerdict(path[0]) if path[0] else None, str(path[1])) if path else None,
            tls_version=str(read["tls_version"]),
            certificate=Certificate.from_json(read["certificate"]) if read["certificate"] else None,
            tls_failure=TlsFailure.from_json(read["tls_failure"]) if read["tls_failure"] else None,
            exchanges=[Exchange(str(e["sent"]), e.get("reply"), e.get("error")) for e in read["exchanges"]],
            broken=(Broken(broken[0]), str(broken[1])) if broken else None,
            heard=str(read["heard"]).encode("latin-1"),
            plainly=str(read["plainly"]).encode("latin-1"),
            behind_tls=bool(read["behind_tls"]),
        )


def escaped(heard: bytes) -> str:
    """Bytes as one line, what is no text written as escapes."""
    return one_line(heard.decode("utf-8", "backslashreplace"), MAX_HEARD)


def info_fields(text: object) -> dict[str, str]:
    """The ``field:value`` lines of INFO."""
    lines = text.splitlines() if isinstance(text, str) else []
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name.strip().lower(): one_line(value) for name, colon, value in pairs if colon}
