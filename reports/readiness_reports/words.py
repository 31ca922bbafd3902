"""The wording that every format shares: labels, dates, counts, and foreign text made safe to look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType

from readiness_schemas.report import BlockerDocument, ReportDocument, StatusWord, VerdictWord

WORST_FIRST: tuple[StatusWord, ...] = ("fail", "unknown", "manual", "warn", "pass", "skip")

VERDICTS: Mapping[VerdictWord, str] = MappingProxyType(
    {
        "ready": "Ready",
        "ready_with_exceptions": "Ready with exceptions",
        "not_ready": "Not ready",
        "not_proven": "Not proven",
    }
)

VERDICT_SHAPES: Mapping[VerdictWord, StatusWord] = MappingProxyType(
    {"ready": "pass", "ready_with_exceptions": "warn", "not_ready": "fail", "not_proven": "unknown"}
)

MEANINGS: Mapping[StatusWord, str] = MappingProxyType(
    {
        "pass": "proven in this run",
        "warn": "works, with a remark",
        "fail": "proven not to hold",
        "unknown": "could not be determined",
        "manual": "a person must say",
        "skip": "does not apply",
    }
)

OWNERS: Mapping[str, str] = MappingProxyType(
    {
        "network": "Network",
        "dba": "DBA",
        "virtualisation": "Virtualisation",
        "genesys_cloud": "Genesys Cloud admin",
        "engage": "Engage",
        "deployer": "Deployer",
    }
)

LANES: Mapping[str, str] = MappingProxyType({"dns": "DNS", "tls": "TLS", "auth": "login and rights"})

CAUSES: Mapping[str, str] = MappingProxyType(
    {
        "unreachable": "the machine was not reached",
        "auth": "the login was refused",
        "host_key": "the host key is not the known one",
        "permission": "the account may not look",
        "tool_missing": "a tool is missing",
        "timeout": "no answer in time",
        "parse": "the answer made no sense",
        "unsupported": "not possible or not allowed here",
        "overload": "the service asked to wait",
        "cancelled": "the run ended first",
        "crash": "a defect of the auditor",
        "blocked": "another finding stands in the way",
        "undeclared": "the site file does not name it",
        "not_selected": "left out of this run",
        "not_observed": "nothing was recorded about it",
        "not_built": "this release cannot examine it",
    }
)

ORIGINS: Mapping[str, str] = MappingProxyType({"implied": "implied by the page", "beyond": "beyond the page"})

SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "planning": "Planning",
        "redis": "Redis",
        "registry": "Registry",
        "vm": "VMs",
        "network": "Network",
        "connectivity": "Connectivity",
        "bootstrap": "Bootstrap",
        "genesys-cloud": "Cloud",
        "engage": "Engage",
        "optional": "Optional",
        "recording": "Recording",
    }
)
"""Short names of the page's sections, by the first part of their checks' ids."""

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SMALL = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def short_section(check: str, section: str) -> str:
    """A section's short name; ``check`` is the id of any of its requirements."""
    return SECTIONS.get(check.partition(".")[0], section)


def lane(word: str) -> str:
    return LANES.get(word, word)


def day(text: str) -> str:
    """``2026-12-07``, or a moment on that day, as ``7 Dec 2026``."""
    when = _date(text)
    return text if when is None else f"{when.day} {_MONTHS[when.month - 1][:3]} {when.year}"


def short_day(text: str) -> str:
    """``2026-12-07``, or a moment on that day, as ``7 Dec``."""
    when = _date(text)
    return text if when is None else f"{when.day} {_MONTHS[when.month - 1][:3]}"


def weekday(text: str) -> str:
    """``2026-12-07`` as ``Mon 7 Dec``."""
    when = _date(text)
    return text if when is None else f"{_WEEKDAYS[when.weekday()][:3]} {when.day} {_MONTHS[when.month - 1][:3]}"


def long_day(text: str) -> str:
    """``2026-12-07`` as ``Monday, 7 December 2026``."""
    when = _date(text)
    if when is None:
        return text
    return f"{_WEEKDAYS[when.weekday()]}, {when.day} {_MONTHS[when.month - 1]} {when.year}"


def minute(text: str) -> str:
    """A moment as ``23 Nov 2026, 09:14 UTC``."""
    return f"{day(text)}, {text[11:16]} UTC"


def clock(text: str) -> str:
    """A moment's time of day, ``09:14:07``."""
    return text[11:19]


def days_between(start: str, end: str) -> int | None:
    """Whole days from one day or moment to another, negative where ``end`` lies before ``start``."""
    first, last = _date(start), _date(end)
    return None if first is None or last is None else (last - first).days


def lead_time(group: BlockerDocument) -> str:
    """How long an owner's work takes: ``10 working days``, ``usually 10 working days``."""
    if group["lead_time"] is None:
        return "no lead time in the site file"
    days = count(int(group["lead_time"][:-1]), "working day")
    return f"usually {days}" if group.get("lead_time_from") == "usual" else days


def seconds(amount: float) -> str:
    """A duration in seconds, as exact as a reader needs it."""
    if amount < 10:
        return f"{amount:.3g} s"
    if amount < 120:
        return f"{amount:.1f} s"
    return f"{int(amount // 60)} min {int(amount % 60)} s"


def number(amount: float) -> str:
    """``328.42``, ``10``: at most two decimals and no idle zeros."""
    return f"{amount:.2f}".rstrip("0").rstrip(".")


def score(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f}"


def spelled(amount: int) -> str:
    """Small counts as words, as prose has them."""
    return _SMALL[amount] if 0 <= amount < len(_SMALL) else str(amount)


def count(amount: int, noun: str, plural: str | None = None) -> str:
    """``1 job``, ``3 jobs``."""
    return f"{amount} {noun if amount == 1 else plural or noun + 's'}"


def sentence(text: str) -> str:
    """``text`` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def joined(parts: Iterable[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    given = list(parts)
    if len(given) < 2:
        return "".join(given)
    return f"{', '.join(given[:-1])} {last} {given[-1]}"


def tally(statuses: Sequence[str]) -> str:
    """``1 fail, 2 unknown, 5 pass``, the worst first."""
    return ", ".join(f"{statuses.count(word)} {word}" for word in WORST_FIRST if word in statuses)


def arrow(name: str) -> str:
    """A target's name as people read it: ``excs-1 → redis:6379``."""
    return name.replace("->", " → ")


def caveats(document: ReportDocument) -> tuple[str, ...]:
    """What limits the worth of the whole report, each as a few words."""
    run = document["run"]
    found = []
    if run["rejudged_from"] is not None:
        found.append("judged again from a record, not for sign-off")
    if not run["complete"]:
        found.append("incomplete run")
    if run["scope"] == "partial":
        found.append("partial run")
    if any(notice["kind"] == "expired" for notice in document["notices"]):
        found.append("expired waiver or statement")
    return tuple(found)


UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that act without being seen: controls, direction marks, fillers, halves of surrogate pairs."""


def plain(text: str) -> str:
    """Foreign text made safe to look at: what acts unseen (escapes, direction marks) is shown, never obeyed."""
    if text.isascii() and text.isprintable():
        return text
    return UNSEEN.sub(_shown, text.replace("\r\n", "\n"))


def clean(text: str) -> str:
    """Text that cannot steer a terminal: what acts unseen (escapes, direction marks) is shown, never obeyed."""
    return plain(text).expandtabs(4)


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"⟨U+{code:04X}⟩"


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
