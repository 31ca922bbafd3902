"""How single values of a site file must be written: hosts, URLs, days, images and the like."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from readiness.site.declared import Endpoint

RESERVED = ("auditor", "prometheus", "site")
"""Names that no machine of a site can have, since findings and vantages use them already."""

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"{_COMPONENT}(?:/{_COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
)


class Misfit(ValueError):
    """A value that is not written as it must be; the text says what is wrong without repeating the value."""

    def __init__(self, message: str, *, expected: str = "", nearest: str | None = None) -> None:
        super().__init__(message)
        self.expected = expected
        self.nearest = nearest


def line(text: str) -> None:
    if any(unicodedata.category(char) in ("Cc", "Zl", "Zp") or char in _BIDI for char in text):
        raise Misfit("has a line break or an invisible sign in it")
    if not text.strip():
        raise Misfit("is empty")


def host(text: str) -> None:
    """A name by RFC 1123 (underscores allowed), or an IP address."""
    if "://" in text:
        raise Misfit("is a URL", expected="the host alone, without http://")
    if text.startswith("["):
        raise Misfit("stands in brackets", expected="the address alone, without brackets")
    if ":" in text:
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            if re.fullmatch(r"[^:]+:[0-9]+", text):
                raise Misfit("has a port behind it", expected="the host alone; the port has a key of its own") from None
            raise Misfit("is no IPv6 address and no host name") from None
        if "%" in text:
            raise Misfit("names a network interface", expected="an address that means the same on every machine")
        return
    if re.fullmatch(r"[0-9.]+", text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            raise Misfit("is no IPv4 address") from None
        return
    if not all(_LABEL.fullmatch(label) for label in text.removesuffix(".").split(".")):
        raise Misfit("is no host name")


def web_url(text: str) -> None:
    """An http or https URL with nothing secret in it."""
    parts = _split(text)
    if parts.query or parts.fragment:
        raise Misfit("has a query or a fragment", expected="a URL that ends with its path")


def web_origin(text: str) -> None:
    web_url(text)
    if _split(text).path not in ("", "/"):
        raise Misfit("has a path", expected="scheme, host and port alone")


def _split(text: str) -> SplitResult:
    if any(char.isspace() or unicodedata.category(char) == "Cc" for char in text):
        raise Misfit("has a space in it")
    if "\\" in text:
        raise Misfit("has a backslash in it")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Misfit("has no valid host and port") from None
    if parts.scheme not in ("http", "https"):
        raise Misfit("does not begin with http:// or https://")
    if "@" in parts.netloc:
        raise Misfit(
            "has a user or a password in it",
            expected="the URL alone; `username`, and `password: {env: NAME}`, are keys of their own",
        )
    if not parts.hostname or port == 0 or parts.netloc.endswith(":"):
        raise Misfit("has no valid host and port")
    host(parts.hostname)
    return parts


def endpoint_of(url: str) -> Endpoint:
    """The host and port of a URL that ``web_url`` accepts; 443 and 80 where it names no port."""
    parts = _split(url)
    return Endpoint(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))


def region(text: str) -> None:
    """A Genesys Cloud domain; which of them exist is not decided here."""
    if "://" in text:
        raise Misfit("is a URL", expected="the region's domain alone, without https://")
    for prefix in ("login.", "api.", "apps."):
        if text.lower().startswith(prefix):
            raise Misfit(f"begins with `{prefix}`", nearest=text[len(prefix) :])
    host(text)
    if ":" in text or re.fullmatch(r"[0-9.]+", text):
        raise Misfit("is an address", expected="the region's domain, such as mypurecloud.de")
    if "." not in text:
        raise Misfit("is no domain")


def day(text: str) -> date:
    """A calendar day; it counts to its end, UTC."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise Misfit("is not written as YYYY-MM-DD")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misfit("is no day of the calendar") from None


def span(text: str) -> timedelta:
    """Days (``7d``) or hours (``24h``)."""
    if not re.fullmatch(r"[1-9][0-9]{0,3}[dh]", text):
        raise Misfit("is no time")
    count = int(text[:-1])
    return timedelta(days=count) if text.endswith("d") else timedelta(hours=count)


def work_days(text: str) -> int:
    """Working days (``10d``)."""
    if not re.fullmatch(r"[0-9]{1,3}d", text):
        raise Misfit("is no number of working days")
    return int(text[:-1])


def hex_id(text: str) -> None:
    if not re.fullmatch(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}", text):
        raise Misfit("is no such id: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12")


def version(text: str) -> None:
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6}){1,5}", text):
        raise Misfit("is no version")


def image(text: str) -> None:
    """A repository with a tag, a digest or both, by the rules of the OCI distribution specification."""
    if not _IMAGE.fullmatch(text):
        if "://" in text:
            raise Misfit("is a URL", expected="the repository and its tag; the registry's URL is a key of its own")
        if _IMAGE.fullmatch(text.lower()):
            raise Misfit("has capitals in its repository", nearest=text.lower())
        raise Misfit("is no image")
    if ":" not in text and "@" not in text:
        raise Misfit("has neither tag nor digest", expected="an image such as exec/excs:100.0.1")


def machine_name(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text):
        raise Misfit("is no name for a machine")
    if text.lower() in RESERVED:
        raise Misfit(f"is a name with a meaning of its own ({', '.join(RESERVED)})", expected="another name")


def path(text: str, base: Path) -> Path:
    """The file that is meant, seen from the site file's folder."""
    line(text)
    try:
        return base / Path(text).expanduser()
    except RuntimeError:
        raise Misfit("begins with ~ and a user whose home folder is not known here") from None


def existing_file(text: str, base: Path) -> None:
    found = path(text, base)
    try:
        with found.open("rb"):
            pass
    except IsADirectoryError:
        raise Misfit(f"is a folder: {found}") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Misfit(f"cannot be read as {found}: {why}", expected="a file that is there") from None


def check_id(text: str, known: Collection[str] | None) -> None:
    """An id out of the catalogue; any where the catalogue is not at hand."""
    if known is None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*", text):
            raise Misfit("is no check's id")
    elif text not in known:
        raise Misfit("is no check's id", expected="an id that `readiness checks` lists", nearest=nearest(text, known))


def nearest(word: str, known: Collection[str]) -> str | None:
    """The known word that comes closest, if one comes close."""
    from difflib import get_close_matches

    folded = {other.lower(): other for other in known}
    begun = [
        other
        for other in folded
        if len(word) > 2 and (other.startswith(word.lower()) or word.lower().startswith(other))
    ]
    if len(begun) == 1:
        return folded[begun[0]]
    found = get_close_matches(word.lower()[:100], list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None
