"""The commands that read reports and reach nothing: ``compare``, ``status`` and ``firewall``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import typer
from readiness_reports import as_json, words
from readiness_reports.as_text import Line, paint
from readiness_reports.words import clean
from readiness_schemas.report import ReportDocument
from rich.text import Text

from readiness.cli.console import complain, console, load, pack
from readiness.freshness import Freshness, Lapsed, Stale, end_of, freshness


def compare(old: Path, new: Path, format: str) -> int:
    """Say what differs between two reports; 1 where something regressed."""
    from readiness.cli import comparison

    before, after = read(old), read(new)
    if before is None or after is None:
        return 2
    compared = comparison.Compared(before, after)
    match format:
        case "json":
            typer.echo(comparison.as_json(compared), nl=False)
        case "md":
            typer.echo(comparison.as_markdown(compared), nl=False)
        case _:
            paint(console(), comparison.as_lines(compared))
    return 1 if compared.regressed else 0


def read(report: Path) -> ReportDocument | None:
    """Read a report, or say why it cannot be used and give back nothing."""
    try:
        return as_json.read(report)
    except as_json.ReportUnreadable as error:
        complain(f"{report}: {error}" if str(report) not in str(error) else str(error))
        return None


def firewall(file: Path, report: Path | None, format: str) -> int:
    """Print the connectivity table as a firewall request; with a report only what is blocked on the way."""
    from readiness.cli import request as shown
    from readiness.firewall import request, request_of_blocked
    from readiness.plan import plan

    site = load(file)
    if site is None:
        return 2
    try:
        planned = plan(site, pack())
    except ValueError as error:
        complain(f"{file}: {error}")
        return 2
    if report is None:
        wanted = request(planned)
    else:
        document = read(report)
        if document is None:
            return 2
        if document["site"]["slug"] != site.slug:
            complain(f"{report} is of {document['site']['name']}, and {file} describes {site.name}")
            return 2
        wanted = request_of_blocked(planned, document, _earlier(report, document))
    match format:
        case "json":
            typer.echo(shown.as_json(wanted, site), nl=False)
        case "csv":
            typer.echo(shown.as_csv(wanted), nl=False)
        case _:
            typer.echo(shown.as_markdown(wanted, site), nl=False)
    return 0


def _earlier(report: Path, document: ReportDocument) -> ReportDocument | None:
    """The report that this one was compared with, where it still lies beside it."""
    if document["baseline"] is None:
        return None
    for path in sorted(report.absolute().parent.parent.glob("*/report.json")):
        try:
            found = as_json.read(path)
        except as_json.ReportUnreadable:
            continue
        if found["run"]["id"] == document["baseline"]["run_id"]:
            return found
    return None


def status(report: Path, at: str | None, format: str) -> int:
    """Say what of a report is stale at a moment; 3 where something is."""
    moment = _moment(at)
    if moment is None:
        complain(f"--at {at}: this is no date; write 2026-12-07, or a moment such as 2026-12-07T18:00Z")
        return 2
    document = read(report)
    if document is None:
        return 2
    found = freshness(document, moment, usual=_usual(document, report))
    if format == "json":
        typer.echo(json.dumps(_freshness_document(document, found), indent=2))
    else:
        paint(console(), _freshness_lines(document, found))
    return 0 if found.fresh else 3


def _moment(text: str | None) -> datetime | None:
    """The moment that is meant, a day to its end; times without a zone are UTC."""
    if text is None:
        return datetime.now(UTC)
    try:
        return end_of(date.fromisoformat(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _usual(document: ReportDocument, report: Path) -> Mapping[str, timedelta]:
    """For how long a proof of each check counts on this site; empty where its site file is not understood any more."""
    from readiness.report import validity
    from readiness.site.load import load_declared
    from readiness.site.problems import SiteFileError
    from readiness.site.recorded import Unsettable

    try:
        site = load_declared(document["site"], path=report)
    except (SiteFileError, Unsettable):
        return {}
    return {check.requirement.id: validity(check.requirement, site) for check in pack()}


def _freshness_document(document: ReportDocument, found: Freshness) -> Mapping[str, object]:
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


def _freshness_lines(document: ReportDocument, found: Freshness) -> Iterator[Line]:
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
