"""The commands and their options; what is heavy is imported by the command that uses it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from readiness import __version__

app = typer.Typer(
    name="readiness",
    help="Proves or disproves, before anything is deployed, that a site is ready for Genesys EX Engage Connector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class TableFormat(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MD = "md"


class Revision(StrEnum):
    """The revisions of the vendor's page, and all of them together."""

    FIRST = "2023-07-10"
    CURRENT = "2023-07-27"
    RECORDING = "recording"
    ALL = "all"


class CatalogueFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    MD = "md"


class ComparisonFormat(StrEnum):
    TABLE = "table"
    JSON = "json"
    MD = "md"


class StatusFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


class RequestFormat(StrEnum):
    CSV = "csv"
    MD = "md"
    JSON = "json"


class ReportFormat(StrEnum):
    HTML = "html"
    MD = "md"
    JUNIT = "junit"
    CSV = "csv"


class SchemaName(StrEnum):
    SITE = "site"
    REPORT = "report"
    PORTFOLIO = "portfolio"


SiteFile = Annotated[Path, typer.Argument(metavar="FILE", help="The site file.", show_default=False)]
ReportFile = Annotated[Path, typer.Argument(metavar="REPORT.json", help="A report.", show_default=False)]
Only = Annotated[list[str] | None, typer.Option("--only", metavar="ID", help="Only these checks; ids or globs.")]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="ID", help="Not these checks; ids or globs.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"readiness {__version__}")
        raise typer.Exit


@app.callback()
def readiness(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Prove a planned site ready for EXEC."""


@app.command(short_help="Audit an embedded site, mend its faults, audit it again.")
def demo(
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where before/ and after/ go.")] = None,
) -> None:
    """Audit an embedded site with faults in it, mend them, audit again; needs no network and no root."""
    from readiness.cli.demo import run

    raise typer.Exit(run(out or Path("demo")))


@app.command(short_help="Write a commented site file.")
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write.")] = Path("site.yaml"),
) -> None:
    """Write a commented site file with blanks to fill in."""
    from readiness.cli.site import init

    raise typer.Exit(init(file))


@app.command(short_help="Find every mistake in a site file.")
def validate(file: SiteFile) -> None:
    """Check a site file: every problem with its line, its column and what was expected."""
    from readiness.cli.site import validate

    raise typer.Exit(validate(file))


@app.command(short_help="Show the hosts' keys, to be confirmed once.")
def hostkeys(
    file: SiteFile,
    write: Annotated[bool, typer.Option("--write", help="Add the unknown ones to the known_hosts file.")] = False,
) -> None:
    """Show every host's key fingerprint, to be confirmed once before the first audit."""
    from readiness.cli.site import hostkeys

    raise typer.Exit(hostkeys(file, write=write))


@app.command(short_help="Show what an audit would do; touches nothing.")
def plan(
    file: SiteFile,
    format: Annotated[TableFormat, typer.Option("--format", help="How to print it.")] = TableFormat.TABLE,
    only: Only = None,
    skip: Skip = None,
) -> None:
    """Print every check, connection and script that an audit would make; touches nothing."""
    from readiness.cli.catalogue import plan

    raise typer.Exit(plan(file, format.value, only or [], skip or []))


@app.command(short_help="Redis memory for so many agents and calls.")
def size(
    agents: Annotated[int, typer.Option("--agents", min=0, help="Agents of the contact centre.", show_default=False)],
    caps: Annotated[float, typer.Option("--caps", min=0, help="Call arrivals a second.", show_default=False)],
) -> None:
    """Print the Redis memory that so many agents and calls need, with the reasoning."""
    from readiness.cli.size import size

    raise typer.Exit(size(agents, caps))


@app.command(short_help="Audit a site and write its report.")
def audit(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One or more site files.")],
    out: Annotated[
        str | None, typer.Option("--out", metavar="DIR", help="Where the report goes; - prints the JSON alone.")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", metavar="LIST", help="html, json, md, junit, csv; comma separated.")
    ] = "html,json",
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="FILE|auto|none", help="The earlier report to compare with.")
    ] = "auto",
    only: Only = None,
    skip: Skip = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="S", min=1, help="Seconds for the whole audit of a site.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 when ready only with exceptions.")] = False,
    at_once: Annotated[
        int, typer.Option("--at-once", metavar="N", min=1, help="Of several sites, how many at the same time.")
    ] = 6,
) -> None:
    """Audit the planned site from the machines that will run EXEC, and write a scored report.

    Exits 0 when ready (or ready with exceptions), 1 when not ready, 2 for a wrong call or site file, 3 when not
    proven, 4 when the auditor itself failed, 130 when interrupted. Several site files are audited at the same time:
    each gets a report of its own, all together an index, and the worst exit code counts.
    """
    from readiness.cli.audit import Call, run

    call = Call(
        out=out,
        formats=format,
        baseline=baseline,
        only=only or [],
        skip=skip or [],
        timeout=timeout,
        strict=strict,
        at_once=at_once,
    )
    raise typer.Exit(run(files, call))


@app.command(short_help="Draw a report again from its JSON.")
def render(
    report: ReportFile,
    format: Annotated[ReportFormat, typer.Option("--format", help="What to draw.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; else standard output.")] = None,
) -> None:
    """Draw a report again from its JSON."""
    from readiness.cli.reports import render

    raise typer.Exit(render(report, format.value, out))


@app.command(short_help="What differs between two reports.")
def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="The earlier report.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", help="The later report.", show_default=False)],
    format: Annotated[ComparisonFormat, typer.Option("--format", help="How to print it.")] = ComparisonFormat.TABLE,
) -> None:
    """Say what was fixed, what regressed, what is new, gone, changed or still open; exits 1 when something regressed.

    A VM that was rebuilt in between is named: what passed on it before counts for nothing.
    """
    from readiness.cli.offline import compare

    raise typer.Exit(compare(old, new, format.value))


@app.command(short_help="What of a report is stale by a date.")
def status(
    report: ReportFile,
    at: Annotated[
        str | None, typer.Option("--at", metavar="DATE", help="A day (to its end, UTC) or a moment; else now.")
    ] = None,
    format: Annotated[StatusFormat, typer.Option("--format", help="How to print it.")] = StatusFormat.TABLE,
) -> None:
    """Say what of a report is stale by then and must be proven again; exits 3 when something is."""
    from readiness.cli.offline import status

    raise typer.Exit(status(report, at, format.value))


@app.command(short_help="Judge a report's observations again, offline.")
def rejudge(
    report: ReportFile,
    site: Annotated[
        Path | None, typer.Option("--site", metavar="FILE", help="Another site file than the recorded one.")
    ] = None,
    set: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value of the site: capacity.agents=3000.")
    ] = None,
    assume: Annotated[
        list[str] | None, typer.Option("--assume", metavar="FINDING=STATUS", help="Such as 'vm.memory[excs-1]=pass'.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where the what-if goes, as JSON and HTML.")
    ] = None,
) -> None:
    """Judge what a report recorded by other figures, and print what would still block; never for sign-off.

    Nothing is asked: what the record does not hold is unknown. Exits as an audit with that verdict would.
    """
    from readiness.cli.what_if import Hypothesis, rejudge

    hypothesis = Hypothesis(site=site, settings=set or [], assumptions=assume or [], out=out)
    raise typer.Exit(rejudge(report, hypothesis))


@app.command(short_help="The connectivity table as a firewall request.")
def firewall(
    file: SiteFile,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="REPORT.json", help="Only what this report saw blocked.")
    ] = None,
    format: Annotated[RequestFormat, typer.Option("--format", help="How to print it.")] = RequestFormat.MD,
) -> None:
    """Print the connectivity table as a firewall request, merged by source group, destination and port.

    With a report, only the connections that it saw blocked on the way, from the addresses that it saw; those that
    were blocked in the run before and are no more are marked fulfilled.
    """
    from readiness.cli.offline import firewall

    raise typer.Exit(firewall(file, report, format.value))


@app.command(short_help="Seal every file of a report with an SSH key.")
def sign(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A report's folder.", show_default=False)],
    key: Annotated[Path, typer.Option("--key", metavar="KEY", help="Your private SSH key.", show_default=False)],
    identity: Annotated[
        str | None, typer.Option("--identity", metavar="NAME", help="Who signs; else the key's comment.")
    ] = None,
) -> None:
    """Write a manifest of every file's SHA-256, and its signature, which `ssh-keygen -Y verify` understands too."""
    from readiness.cli.sealing import sign

    raise typer.Exit(sign(folder, key, identity))


@app.command(short_help="Check that a report is as it was sealed.")
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A sealed report's folder.", show_default=False)],
    allowed_signers: Annotated[
        Path | None, typer.Option("--allowed-signers", metavar="FILE", help="Who may sign, as ssh-keygen(1) has it.")
    ] = None,
) -> None:
    """Name whatever was changed, is missing or is not covered since a report was sealed.

    Exits 0 when an allowed signer sealed it, 3 when it is intact but the signer was not checked, 1 otherwise.
    """
    from readiness.cli.sealing import verify

    raise typer.Exit(verify(folder, allowed_signers))


@app.command(short_help="The catalogue of checks; with an id, one explained.")
def checks(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One check, explained.")] = None,
    format: Annotated[CatalogueFormat, typer.Option("--format", help="How to print it.")] = CatalogueFormat.TABLE,
    revision: Annotated[
        Revision, typer.Option("--revision", help="The revision of the page whose checks are listed.")
    ] = Revision.CURRENT,
) -> None:
    """The catalogue of checks; with an id, what it requires, how it is proven and what its statuses mean."""
    from readiness.cli.catalogue import checks

    raise typer.Exit(checks(id, format.value, revision.value))


@app.command(short_help="Print a JSON Schema.")
def schema(
    name: Annotated[SchemaName, typer.Argument(metavar="site|report|portfolio", help="Which one.", show_default=False)],
) -> None:
    """Print a JSON Schema, for editors and scripts."""
    import json

    from readiness_schemas import load

    typer.echo(json.dumps(load(name.value), indent=2))
