"""``readiness plan`` and ``checks``: what is known before anything is touched."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import typer
from readiness_reports import words
from readiness_reports.outline import passages
from readiness_reports.words import clean

from readiness.cli.console import complain, console, load, pack
from readiness.gather import longest
from readiness.model import Requirement, Status
from readiness.plan import Plan, asked_by
from readiness.plan import plan as make_plan
from readiness.probe import HostProbe
from readiness.site.page import PAGES

ALL = "all"
"""What stands for every revision of the page."""


@dataclass(frozen=True)
class Row:
    """One thing an audit would do: where from, what, and the findings that it serves."""

    kind: str
    vantage: str
    what: str
    serves: tuple[str, ...]


def plan(file: Path, format: str, only: Sequence[str], skip: Sequence[str]) -> int:
    """Print what an audit of this site would do."""
    site = load(file)
    if site is None:
        return 2
    try:
        planned = make_plan(site, pack(), only=only, skip=skip)
    except ValueError as error:
        complain(f"{file}: {error}")
        return 2
    rows = list(_rows(planned))
    match format:
        case "json":
            typer.echo(json.dumps(_document(planned, rows), indent=2, ensure_ascii=False))
        case "csv":
            _table_of(rows).csv()
        case "md":
            _table_of(rows).markdown()
        case _:
            _print_plan(planned, rows)
    return 0


def _rows(planned: Plan) -> Iterable[Row]:
    serves: dict[object, list[str]] = {}
    for instance in planned.instances:
        for probe in instance.probes:
            serves.setdefault(probe, []).append(instance.id)
    asked = {name for probe in planned.probes for name in probe.vantages}
    for access in planned.site.access:
        if access.name in asked:
            how = "no SSH: the auditor's own machine" if access.local else _ssh(access.host, access.port, access.user)
            yield Row("connection", access.name, how, ())
    for name, probes in planned.scripts.items():
        sections = ", ".join(probe.section for probe in probes)
        found = sorted({finding for probe in probes for finding in serves[probe]})
        yield Row("script", name, f"one script, read-only: {sections}", tuple(found))
    questions = [probe for probe in planned.probes if not isinstance(probe, HostProbe)]
    for probe in sorted(questions, key=lambda probe: (probe.vantages, probe.describe())):
        yield Row("question", ", ".join(probe.vantages), probe.describe(), tuple(sorted(serves[probe])))


def _ssh(host: str, port: int | None, user: str | None) -> str:
    return f"SSH to {user + '@' if user else ''}{host}{f':{port}' if port else ''}, at most two connections"


def _document(planned: Plan, rows: Sequence[Row]) -> dict[str, object]:
    from readiness.host_script import compose

    return {
        "site": planned.site.name,
        "page": planned.site.page.revision,
        "longest_s": longest(planned),
        "findings": [
            {
                "id": instance.id,
                "check": instance.check.requirement.id,
                "asks": [probe.describe() for probe in instance.probes],
                "settled": None if instance.settled is None else instance.settled.summary,
            }
            for instance in planned.instances
        ],
        "steps": [
            {"kind": row.kind, "vantage": row.vantage, "what": row.what, "serves": list(row.serves)} for row in rows
        ],
        "scripts": {name: compose(probes, token="0" * 24) for name, probes in planned.scripts.items()},
    }


def _print_plan(planned: Plan, rows: Sequence[Row]) -> None:
    from rich.text import Text

    screen = console()
    asked = sum(instance.settled is None for instance in planned.instances)
    screen.print(
        f"{clean(planned.site.name)}: {len(planned.requirements)} requirements, {len(planned.instances)} findings; "
        f"{asked} of them need answers from {len(planned.probes)} questions. Nothing has been touched.",
    )
    titles = {"connection": "Connections", "script": "On each machine", "question": "Questions to the network"}
    for kind, title in titles.items():
        screen.print()
        screen.print(Text(title, style="bold"))
        for row in rows:
            if row.kind == kind:
                screen.print(Text.assemble(("  " + clean(row.vantage), "cyan"), "  ", clean(row.what)), soft_wrap=True)
    screen.print()
    screen.print(
        f"The audit ends after {longest(planned):g} s at the latest. "
        "`--format json` shows every script and finding in full."
    )


@dataclass(frozen=True)
class _Table:
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def csv(self) -> None:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([_inert(cell) for cell in row] for row in self.rows)
        typer.echo(out.getvalue(), nl=False)

    def markdown(self) -> None:
        typer.echo("| " + " | ".join(self.columns) + " |")
        typer.echo("|" + " --- |" * len(self.columns))
        for row in self.rows:
            typer.echo("| " + " | ".join(clean(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |")


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell


def _table_of(rows: Sequence[Row]) -> _Table:
    return _Table(
        ("kind", "vantage", "what", "findings"),
        [(row.kind, row.vantage, row.what, " ".join(row.serves)) for row in rows],
    )


def checks(wanted: str | None, format: str, revision: str) -> int:
    """Print what a revision of the page asks for, or one entry of the catalogue whole; ``all`` is every revision."""
    catalogue = {check.requirement.id: check.requirement for check in pack()}
    if wanted is not None and wanted not in catalogue:
        near = get_close_matches(wanted, catalogue, n=1)
        complain(
            f"there is no check {wanted}"
            + (f"; did you mean {near[0]}?" if near else "; `readiness checks` lists them")
        )
        return 2
    asked = [each for each in catalogue.values() if revision == ALL or asked_by(each, revision)]
    chosen = asked if wanted is None else [catalogue[wanted]]
    match format:
        case "json":
            entries = [_entry(requirement) for requirement in chosen]
            typer.echo(json.dumps(entries if wanted is None else entries[0], indent=2, ensure_ascii=False))
        case "md":
            typer.echo(page_of_checks(chosen) if wanted is None else markdown_entry(chosen[0]), nl=False)
        case _ if wanted is None:
            _print_catalogue(chosen)
        case _:
            _print_entry(chosen[0])
    return 0


def _entry(requirement: Requirement) -> Mapping[str, object]:
    return {
        "id": requirement.id,
        "section": requirement.section,
        "text": requirement.text,
        "obligation": requirement.obligation.value,
        "origin": requirement.origin.value,
        "owner": requirement.owner.value,
        "valid_for_s": int(requirement.valid_for.total_seconds()),
        "revisions": list(requirement.revisions) or list(PAGES),
        "proof": requirement.proof,
        "outcomes": {status.value: meaning for status, meaning in requirement.outcomes.items()},
        "remedy": requirement.remedy,
    }


def _print_catalogue(requirements: Sequence[Requirement]) -> None:
    from rich.text import Text

    section = ""
    for requirement in requirements:
        if requirement.section != section:
            section = requirement.section
            console().print(Text(f"\n{section}", style="bold"))
        kind = requirement.obligation.value if requirement.origin.value != "beyond" else "beyond the page"
        console().print(
            Text.assemble((f"  {requirement.id:<32}", "cyan"), (f"{kind:<16}", "dim"), requirement.text), soft_wrap=True
        )


def _print_entry(requirement: Requirement) -> None:
    from readiness_reports.as_text import MARKS, STYLES, Line, paint
    from rich.text import Text

    days = requirement.valid_for.total_seconds() / 86400
    only = f"; only in the page's revision {words.joined(requirement.revisions)}" if requirement.revisions else ""
    rows = (
        ("origin", f"{requirement.origin.value}, {requirement.obligation.value}{only}"),
        ("owner", words.OWNERS[requirement.owner.value]),
        ("good for", words.count(int(days), "day") if days >= 2 else f"{days * 24:g} hours"),
        ("proof", requirement.proof),
        ("to do", requirement.remedy),
    )
    lines = [
        Line(Text.assemble((requirement.id, "bold"), (f"  {requirement.section}", "dim"))),
        Line(Text(requirement.text), indent=2),
        *(
            Line(Text.assemble((f"{label if row == 0 else '':<10}", "dim"), text), indent=2, hang=10)
            for label, paragraph in rows
            for row, text in enumerate(paragraph.splitlines())
        ),
        Line(Text("what its statuses mean", style="dim"), indent=2),
    ]
    for status in Status:
        if status in requirement.outcomes:
            mark = (f"{MARKS[status.value]} {status.value:<8}", STYLES[status.value])
            lines.append(Line(Text.assemble(mark, requirement.outcomes[status]), indent=4, hang=10))
    paint(console(), lines)


def page_of_checks(requirements: Sequence[Requirement]) -> str:
    """The whole catalogue as one page of Markdown, by the sections of the vendor's page."""
    parts = [
        "# Every check, explained",
        "",
        "Made by `readiness checks --revision all --format md`; `readiness checks ID` prints one entry in a terminal.",
        "",
    ]
    section = ""
    for requirement in requirements:
        if requirement.section != section:
            section = requirement.section
            parts += [f"## {section}", ""]
        parts.append(markdown_entry(requirement))
    return "\n".join(parts)


def markdown_entry(requirement: Requirement) -> str:
    """One check as a section of Markdown, as ``docs/checks.md`` holds it."""
    asked = f"{requirement.obligation.value.capitalize()}, origin: {requirement.origin.value}"
    if requirement.revisions:
        asked += f"; only in the page's revision {words.joined(requirement.revisions)}"
    lines = [
        f"### {requirement.id}",
        "",
        _quoted(requirement.text),
        "",
        f"*{asked}; usually mended by: {words.OWNERS[requirement.owner.value]}.*",
        "",
        f"**Proof.** {_quoted(requirement.proof)}",
        "",
        *(
            f"- `{status.value}`: {_quoted(requirement.outcomes[status])}"
            for status in Status
            if status in requirement.outcomes
        ),
        "",
        "**Remedy.**",
        "",
    ]
    for passage in passages(requirement.remedy):
        if passage.commands:
            lines += ["```text", passage.commands.rstrip(), "```", ""]
        else:
            lines += [_quoted("`".join(passage.parts)), ""]
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """Prose for Markdown: placeholders in angle brackets stay text; what stands in backticks is left as it is."""
    parts = text.split("`")
    return "`".join(part if index % 2 else part.replace("<", "&lt;") for index, part in enumerate(parts))
