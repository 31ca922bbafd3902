"""What the words of an SSH server, a tool or a kernel say about one TCP connect."""

from __future__ import annotations

import errno
import re

from readiness.vantage.base import PathVerdict

_WORDS: tuple[tuple[str, PathVerdict | None], ...] = (
    ("refused", PathVerdict.REFUSED),
    ("reset by peer", PathVerdict.REFUSED),
    ("no route", PathVerdict.NO_ROUTE),
    ("host is unreachable", PathVerdict.NO_ROUTE),
    ("host unreachable", PathVerdict.NO_ROUTE),
    ("host is down", PathVerdict.NO_ROUTE),
    ("network is unreachable", PathVerdict.NET_UNREACHABLE),
    ("network unreachable", PathVerdict.NET_UNREACHABLE),
    ("network is down", PathVerdict.NET_UNREACHABLE),
    ("name or service not known", None),
    ("name resolution", None),
    ("name does not resolve", None),
    ("no address associated", None),
    ("timed out", PathVerdict.TIMEOUT),
    ("permission denied", PathVerdict.DENIED),
    ("not permitted", PathVerdict.DENIED),
)

VERDICTS = {
    errno.ECONNREFUSED: PathVerdict.REFUSED,
    errno.ECONNRESET: PathVerdict.REFUSED,
    errno.ETIMEDOUT: PathVerdict.TIMEOUT,
    errno.EHOSTUNREACH: PathVerdict.NO_ROUTE,
    errno.EHOSTDOWN: PathVerdict.NO_ROUTE,
    errno.ENETUNREACH: PathVerdict.NET_UNREACHABLE,
    errno.ENETDOWN: PathVerdict.NET_UNREACHABLE,
    errno.EACCES: PathVerdict.DENIED,
    errno.EPERM: PathVerdict.DENIED,
}
"""By the error number of this machine's own connect(2)."""


def verdict(text: str) -> PathVerdict | None:
    """The verdict in a C library's words, glibc's or another's; ``None`` where they speak of a name.

    ``[Errno N]``, as Python words an error, counts by this machine's numbers.
    """
    low = text.lower()
    for words, found in _WORDS:
        if words in low:
            return found
    number = re.search(r"\[errno (\d+)\]", low)
    return VERDICTS.get(int(number[1]), PathVerdict.OTHER) if number else PathVerdict.OTHER
