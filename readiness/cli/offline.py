"""The commands that read reports and reach nothing: ``compare``, ``status`` and ``firewall``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from readiness.cli.console import complain, console, load, pack

if TYPE_CHECKING:
    from readiness_schemas.report import ReportDocument


def compare(old: Path, new: Path, format: str) -> int:
    """Say what differs between two reports; 1 where something regressed."""
    from readiness_reports.as_text import paint

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
    from readiness_reports import as_json

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
    from readiness_reports import as_json

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
    from readiness_reports.as_text import paint

    from readiness.cli import staleness
    from readiness.freshness import freshness

    moment = _moment(at)
    if moment is None:
        complain(f"--at {at}: this is no date; write 2026-12-07, or a moment such as 2026-12-07T18:00Z")
        return 2
    document = read(report)
    if document is None:
        return 2
    found = freshness(document, moment, usual=_usual(document, report))
    if format == "json":
        typer.echo(json.dumps(staleness.as_document(document, found), indent=2))
    else:
        paint(console(), staleness.as_lines(document, found))
    return 0 if found.fresh else 3


def _moment(text: str | None) -> datetime | None:
    """The moment that is meant, a day to its end; times without a zone are UTC."""
    from readiness.freshness import end_of

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
