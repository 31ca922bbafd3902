"""A firewall request as a spreadsheet, a ticket or a script reads it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping

from readiness_reports.as_csv import inert
from readiness_reports.as_markdown import prose

from readiness.firewall import End, Line, Request
from readiness.site import Site

COLUMNS = (
    "state",
    "direction",
    "source_group",
    "sources",
    "source_addresses",
    "destination",
    "destination_addresses",
    "protocol",
    "port",
    "service",
    "purpose",
    "observed",
    "findings",
)
"""The first row. Addresses are those that a run has seen, where there is one, else those of the site file."""


def as_csv(request: Request) -> str:
    """RFC 4180, every cell quoted and none of them a formula; notes follow as rows that begin with ``#``."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for line in request.lines:
        cells = _cells(line)
        writer.writerow([inert(cells[column]) for column in COLUMNS])
    for note in request.notes:
        writer.writerow([inert(f"# {note}"), *([""] * (len(COLUMNS) - 1))])
    return out.getvalue()


def as_json(request: Request, site: Site) -> str:
    """The whole request for a script."""
    document = {
        "site": site.name,
        "change_ticket": site.change_ticket,
        "lines": [_entry(line) for line in request.lines],
        "notes": list(request.notes),
    }
    return json.dumps(document, indent=2) + "\n"


def as_markdown(request: Request, site: Site) -> str:
    """The request as a ticket's text."""
    return "\n".join(_markdown(request, site)) + "\n"


def _markdown(request: Request, site: Site) -> Iterator[str]:
    ticket = f", {prose(site.change_ticket)}" if site.change_ticket else ""
    yield f"# Firewall request: {prose(site.name)}{ticket}"
    yield ""
    if request.lines:
        seen = any(line.observed for line in request.lines)
        heads = ["state", "from", "to", "protocol", "port", "service", "why", *(["seen"] if seen else [])]
        yield f"| {' | '.join(heads)} |"
        yield f"|{' --- |' * len(heads)}"
        for line in request.lines:
            sources = ", ".join(_shown(source) for source in line.sources)
            cells = [
                line.state.value,
                f"{line.source_group}: {sources}",
                _shown(line.destination),
                line.protocol,
                str(line.port),
                line.service,
                " ".join(line.purposes),
                *(["; ".join(line.observed)] if seen else []),
            ]
            yield f"| {' | '.join(prose(cell) for cell in cells)} |"
    else:
        yield "No connection is blocked on the way, as far as this report has seen."
    yield ""
    yield from (f"- {prose(note)}" for note in request.notes)


def _shown(end: End) -> str:
    """An end as people write it: its name and its address, where that says more."""
    addresses = _addresses(end)
    return end.name if not addresses or addresses == end.name else f"{end.name} ({addresses})"


def _addresses(end: End) -> str:
    """The addresses that count: those seen, else the declared one; empty where neither is known."""
    return ", ".join(end.seen) or end.address or ""


def _cells(line: Line) -> Mapping[str, str]:
    return {
        "state": line.state.value,
        "direction": line.direction.value,
        "source_group": line.source_group,
        "sources": ", ".join(source.name for source in line.sources),
        "source_addresses": ", ".join(filter(None, (_addresses(source) for source in line.sources))),
        "destination": line.destination.name,
        "destination_addresses": _addresses(line.destination),
        "protocol": line.protocol,
        "port": str(line.port),
        "service": line.service,
        "purpose": " ".join(line.purposes),
        "observed": "; ".join(line.observed),
        "findings": " ".join(line.findings),
    }


def _entry(line: Line) -> Mapping[str, object]:
    def end(one: End) -> Mapping[str, object]:
        return {"name": one.name, "address": one.address, "seen": list(one.seen)}

    return {
        "state": line.state.value,
        "direction": line.direction.value,
        "source_group": line.source_group,
        "sources": [end(source) for source in line.sources],
        "destination": end(line.destination),
        "protocol": line.protocol,
        "port": line.port,
        "service": line.service,
        "purposes": list(line.purposes),
        "observed": list(line.observed),
        "findings": list(line.findings),
    }
