"""Reports as files: ``readiness render``, and what ``readiness audit`` leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import typer
from readiness_reports import as_json
from readiness_schemas.portfolio import PortfolioDocument
from readiness_schemas.report import ReportDocument

from readiness.cli.console import complain

FORMATS = {"html": "report.html", "json": "report.json", "md": "report.md", "junit": "report.xml", "csv": "report.csv"}


def prepare(formats: Sequence[str]) -> None:
    """Load what draws these formats and prints their gist, so that it is at hand when there is something to draw."""
    if formats:
        import_module("readiness_reports.as_text")
    if "html" in formats:
        from readiness_reports import as_html

        as_html.prepare()


def write(document: ReportDocument, formats: Sequence[str], folder: Path) -> list[Path]:
    """Write ``report.json`` and the formats asked for into ``folder``; each file appears whole or not at all."""
    text = as_json.dumps(document)
    as_json.validate(document)
    paths = []
    for name in dict.fromkeys(("json", *formats)):
        path = folder / FORMATS[name]
        as_json.write(path, text if name == "json" else drawn(document, name))
        paths.append(path)
    return paths


def write_index(index: PortfolioDocument, folder: Path) -> list[Path]:
    """Write the index of a portfolio into ``folder``, as JSON and as HTML."""
    from readiness_reports import as_portfolio_html

    texts = {"index.json": as_json.text_of(index), "index.html": as_portfolio_html.render(index)}
    for name, text in texts.items():
        as_json.write(folder / name, text)
    return [folder / name for name in texts]


def drawn(document: ReportDocument, name: str) -> str:
    """The report in one format other than JSON."""
    if name == "html":
        from readiness_reports import as_html

        return as_html.render(document)
    if name == "md":
        from readiness_reports import as_markdown

        return as_markdown.render(document)
    if name == "junit":
        from readiness_reports import as_junit

        return as_junit.render(document)
    from readiness_reports import as_csv

    return as_csv.render(document)


def render(report: Path, name: str, out: Path | None) -> int:
    """Draw a report again in another format."""
    try:
        document = as_json.read(report)
    except as_json.ReportUnreadable as error:
        complain(str(error))
        return 2
    text = drawn(document, name)
    if out is None:
        typer.echo(text, nl=False)
    else:
        as_json.write(out, text)
    return 0
