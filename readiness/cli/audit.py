"""``readiness audit``."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from readiness_reports import as_json, as_text
from readiness_schemas.report import ReportDocument

from readiness.cli.console import complain, console, load, pack
from readiness.cli.live import LiveView, PlainView, View
from readiness.cli.reports import FORMATS, prepare, write
from readiness.gather import Event, HostEvent
from readiness.plan import Plan
from readiness.plan import plan as make_plan
from readiness.site import Site

EXITS = {"ready": 0, "ready_with_exceptions": 0, "not_ready": 1, "not_proven": 3}
WORST_FIRST = (130, 4, 2, 1, 3, 0)
REPORTS = Path("readiness-reports")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, kw_only=True)
class Call:
    """The options of one ``readiness audit``."""

    out: str | None = None
    formats: str = "html,json"
    baseline: str = "auto"
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    timeout: float | None = None
    strict: bool = False


def run(files: Sequence[Path], call: Call) -> int:
    """Audit each site file in turn; the worst exit code of all."""
    formats = [word.strip() for word in call.formats.split(",") if word.strip()]
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        complain(f"--format: {', '.join(unknown) or 'nothing'} is not a format; there are {', '.join(FORMATS)}")
        return 2
    if call.out == "-" and (len(files) > 1 or formats != ["json"]):
        complain("--out - prints one report: give one site file and --format json")
        return 2
    sites = [load(file) for file in files]
    if any(site is None for site in sites):
        return 2
    codes = {one(site, call, formats, several=len(files) > 1) for site in sites if site is not None}
    return next(code for code in WORST_FIRST if code in codes)


def one(site: Site, call: Call, formats: Sequence[str], *, several: bool) -> int:
    """Audit one site, write its report and say what was found."""
    try:
        planned = make_plan(site, pack(), only=call.only, skip=call.skip)
    except ValueError as error:
        complain(f"{site.path}: {error}")
        return 2
    bare = call.out == "-"
    folder = None if bare else _folder(site, call.out, several=several)
    try:
        baseline = _baseline(call.baseline, site, folder)
    except as_json.ReportUnreadable as error:
        complain(f"--baseline: {error}")
        return 2
    document, interrupted = carry_out(
        planned, timeout=call.timeout, baseline=baseline, quiet=bare, formats=() if bare else formats
    )
    if folder is None:
        typer.echo(as_json.dumps(document), nl=False)
    else:
        written = write(document, formats, folder)
        as_text.paint(console(), as_text.lines(document))
        console().print()
        for path in written:
            console().print(f"Report: {path}", soft_wrap=True)
    if interrupted:
        return 130
    code = EXITS[document["verdict"]]
    return 1 if call.strict and document["verdict"] == "ready_with_exceptions" else code


def carry_out(
    planned: Plan,
    *,
    timeout: float | None = None,
    baseline: ReportDocument | None = None,
    quiet: bool = False,
    formats: Sequence[str] = (),
) -> tuple[ReportDocument, bool]:
    """Run one audit under a view; Ctrl-C ends it early. The document, and whether it was interrupted.

    ``formats`` are those that its report will be drawn in.
    """
    return asyncio.run(watched(planned, timeout=timeout, baseline=baseline, quiet=quiet, formats=formats))


async def watched(
    planned: Plan,
    *,
    timeout: float | None = None,
    baseline: ReportDocument | None = None,
    quiet: bool = False,
    formats: Sequence[str] = (),
) -> tuple[ReportDocument, bool]:
    """The same inside a running event loop."""
    from readiness.audit import audit

    stop = asyncio.Event()
    preparing: list[asyncio.Future[None]] = []

    def on_event(event: Event) -> None:
        if view is not None:
            view.on_event(event)
        if not preparing and isinstance(event, HostEvent) and event.state != "connecting":
            # From here on the machines have more to do than we.
            preparing.append(asyncio.get_running_loop().run_in_executor(None, prepare, formats))

    with _interrupting(stop), nullcontext() if quiet else _view(planned) as view:
        document = await audit(planned, deadline=timeout, stop=stop, baseline=baseline, on_event=on_event)
    await asyncio.gather(*preparing, return_exceptions=True)  # what went wrong there goes wrong again in drawing
    as_json.seal_digest(document)
    return document, stop.is_set()


def _view(planned: Plan) -> View:
    screen = console()
    return LiveView(screen, planned) if screen.is_terminal else PlainView(screen, planned)


@contextmanager
def _interrupting(stop: asyncio.Event) -> Iterator[None]:
    """Let the first Ctrl-C end the audit early, and the second one the process."""
    loop = asyncio.get_running_loop()

    def let_go() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)

    def interrupt() -> None:
        stop.set()
        let_go()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        let_go()


def _folder(site: Site, out: str | None, *, several: bool) -> Path:
    if out is not None:
        return Path(out) / site.slug if several else Path(out)
    return REPORTS / site.slug / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def _baseline(wanted: str, site: Site, folder: Path | None) -> ReportDocument | None:
    if wanted == "none" or (wanted == "auto" and folder is None):
        return None
    if wanted != "auto":
        return as_json.read(Path(wanted))
    assert folder is not None
    earlier = []
    for path in {*folder.glob("report.json"), *folder.parent.glob("*/report.json")}:
        try:
            document = as_json.read(path)
        except as_json.ReportUnreadable:
            continue
        run = document["run"]
        if document["site"]["slug"] == site.slug and run["complete"] and run["scope"] == "full":
            earlier.append(document)
    return max(earlier, key=lambda document: document["run"]["started_at"], default=None)
