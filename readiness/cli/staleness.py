"""A report's freshness as ``readiness status`` says it: a document for scripts, lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from readiness_reports import words
from readiness_reports.as_text import Line
from readiness_reports.words import clean
from readiness_schemas.report import ReportDocument
from rich.text import Text

from readiness.freshness import Freshness, Lapsed, Stale


def as_document(document: ReportDocument, found: Freshness) -> Mapping[str, object]:
    """What is stale, as JSON."""
    return {
        "run_id": document["run"]["id"],
        "at": _stamp(found.at),
        "fresh": found.fresh,
        "stale": [
            {
                "id": each.finding,
                "check": each.check,
                "valid_until": _stamp(each.until),
                "ends_itself": each.ends_itself,
                "counts": each.counts,
            }
            for each in found.stale
        ],
        "lapsed": [
            {
                "kind": each.kind,
                "check": each.check,
                "by": each.by,
                "reference": each.reference,
                "expires": each.until.isoformat(),
                "findings": list(each.findings),
            }
            for each in found.lapsed
        ],
        "never_proven": list(found.never_proven),
        "worthless": list(found.worthless),
        "audit_from": None if found.audit_from is None else _stamp(found.audit_from),
    }


def as_lines(document: ReportDocument, found: Freshness) -> Iterator[Line]:
    """What is stale and what has to be proven again, for a terminal."""
    run, site = document["run"], document["site"]
    at = words.minute(_stamp(found.at))
    yield Line(Text.assemble((clean(site["name"]), "bold"), (f"  audited {words.minute(run['started_at'])}", "dim")))
    counting = [each for each in found.stale if each.counts]
    if counting or found.lapsed:
        what = [
            words.count(number, noun)
            for number, noun in (
                (len(counting), "proof"),
                (sum(each.kind == "attestation" for each in found.lapsed), "attestation"),
                (sum(each.kind == "waiver" for each in found.lapsed), "waiver"),
            )
            if number
        ]
        yield Line(Text(f"Stale at {at}: {words.joined(what)}.", style="bold red"), indent=2)
    else:
        yield Line(Text(f"Nothing that the page asks for and that this run proved is stale at {at}."), indent=2)
    for reason in found.worthless:
        yield Line(Text(f"This report proves nothing for sign-off: {reason}.", style="bold red"), indent=2)
    yield from _stale_lines("To be proven again", [each for each in counting if not each.ends_itself])
    yield from _stale_lines(
        "Ends by itself, so renew it first and then prove it again", [each for each in counting if each.ends_itself]
    )
    yield from _lapsed_lines(found.lapsed)
    yield from _stale_lines("Stale advice, beyond the page", [each for each in found.stale if not each.counts])
    if found.never_proven:
        yield from _title(f"Not proven at any time ({len(found.never_proven)})")
        yield Line(Text(clean(", ".join(_by_check(found.never_proven))), style="dim"), indent=2, hang=2)
    if found.audit_from is not None and (counting or found.lapsed):
        begin = "Any audit from now on" if found.audit_from <= datetime.now(UTC) else "An audit from "
        begin += "" if found.audit_from <= datetime.now(UTC) else f"{words.minute(_stamp(found.audit_from))} on"
        yield Line(Text())
        yield Line(Text(f"{begin} proves what lasts until then."))


def _by_check(findings: Sequence[str]) -> Iterator[str]:
    """Ids as one line tells them: several of one check are counted."""
    for check, group in groupby(findings, key=lambda finding: finding.partition("[")[0]):
        alike = list(group)
        yield alike[0] if len(alike) == 1 else f"{check} ({len(alike)})"


def _title(text: str) -> Iterator[Line]:
    yield Line(Text())
    yield Line(Text(text, style="bold"))


def _stale_lines(title: str, stale: Sequence[Stale]) -> Iterator[Line]:
    if not stale:
        return
    yield from _title(f"{title} ({len(stale)})")
    for check, group in groupby(stale, key=lambda each: each.check):
        alike = list(group)
        first = min(alike, key=lambda each: each.until)
        head = alike[0].finding if len(alike) == 1 else f"{check}, {len(alike)} findings"
        until = f"until {words.minute(_stamp(first.until))}, for {_span(first.lasted)}"
        yield Line(Text.assemble(clean(head), ("  " + until, "dim")), indent=2, hang=2)


def _lapsed_lines(lapsed: Sequence[Lapsed]) -> Iterator[Line]:
    if not lapsed:
        return
    yield from _title(f"No longer covered by anybody's word ({len(lapsed)})")
    for each in lapsed:
        word = f"{each.kind} by {each.by}" + (f" ({each.reference})" if each.reference else "")
        text = f"{', '.join(each.findings)}: {word} ends with {words.day(each.until.isoformat())}"
        yield Line(Text(clean(text)), indent=2, hang=2)


def _span(lasted: timedelta) -> str:
    hours = lasted.total_seconds() / 3600
    return f"{hours / 24:.3g} days" if hours > 48 else f"{hours:.3g} hours"


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
