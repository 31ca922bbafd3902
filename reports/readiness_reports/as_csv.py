"""The findings as a table for spreadsheets, one row each; no cell is ever taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

from readiness_schemas.report import FindingDocument, ReportDocument

from readiness_reports import words
from readiness_reports.outline import Outline

COLUMNS = (
    "id",
    "check",
    "section",
    "requirement",
    "target",
    "target_kind",
    "source",
    "host",
    "port",
    "status",
    "standing",
    "blocks",
    "obligation",
    "origin",
    "level",
    "owner",
    "lane",
    "summary",
    "expected",
    "observed",
    "reasoning",
    "evidence",
    "remedy",
    "reason",
    "reason_detail",
    "blocked_by",
    "valid_until",
    "attested_by",
    "waived_by",
    "waived_until",
    "change",
)
"""The first row. ``standing`` is what the status amounts to with statements and waivers laid beside it."""


def render(document: ReportDocument) -> str:
    """Draw the findings of a report that its schema accepts: RFC 4180, every cell quoted."""
    outline = Outline(document)
    text = {each["id"]: (each["section"], each["text"]) for each in document["requirements"]}
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for finding in document["findings"]:
        section, requirement = text.get(finding["check"], ("", ""))
        cells = dict(_cells(outline, finding), section=section, requirement=requirement)
        writer.writerow([inert(cells[column]) for column in COLUMNS])
    return out.getvalue()


def _cells(outline: Outline, finding: FindingDocument) -> Iterator[tuple[str, str]]:
    weighed = outline.weighed[finding["id"]]
    target, reason = finding["target"], finding["reason"]
    port = target["port"]
    yield from (
        ("id", finding["id"]),
        ("check", finding["check"]),
        ("target", target["name"]),
        ("target_kind", target["kind"]),
        ("source", target["source"] or ""),
        ("host", target["host"] or ""),
        ("port", "" if port is None else str(port)),
        ("status", finding["status"]),
        ("standing", weighed.standing.value),
        ("blocks", "yes" if weighed.blocks else "no"),
        ("obligation", finding["obligation"]),
        ("origin", finding["origin"]),
        ("level", finding["level"]),
        ("owner", finding["owner"]),
        ("lane", finding["lane"] or ""),
        ("summary", finding["summary"]),
        ("expected", finding["expected"]),
        ("observed", finding["observed"]),
        ("reasoning", finding["reasoning"]),
        ("evidence", "\n".join(_evidence(finding))),
        ("remedy", finding["remedy"]),
        ("reason", "" if reason is None else reason["code"]),
        ("reason_detail", "" if reason is None else reason["detail"]),
        ("blocked_by", "" if reason is None else reason["by"] or ""),
        ("valid_until", finding["valid_until"] or ""),
        ("attested_by", "" if weighed.attestation is None else weighed.attestation["by"]),
        ("waived_by", "" if weighed.waiver is None else weighed.waiver["approved_by"]),
        ("waived_until", "" if weighed.waiver is None else weighed.waiver["expires"]),
        ("change", finding["change"] or ""),
    )


def _evidence(finding: FindingDocument) -> Iterator[str]:
    for piece in finding["evidence"]:
        yield f"{piece['label']}: {piece['value']} ({piece['vantage']}, {piece['method']}, {piece['level']})"


_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20\u2212]|[\t\r\n]")


def inert(text: str) -> str:
    """A cell that a spreadsheet takes for text: what would begin a formula gets an apostrophe before it."""
    shown = words.plain(text)
    return f"'{shown}" if _FORMULA.match(shown) else shown
