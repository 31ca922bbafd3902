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
from readiness_reports import as_json
from readiness_schemas.report import ReportDocument

from readiness.cli.console import complain, console, load, on_a_terminal, pack
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
    at_once: int = 1


def run(files: Sequence[Path], call: Call) -> int:
    """Audit one site, or several at the same time; several give the worst exit code of all."""
    formats = [word.strip() for word in call.formats.split(",") if word.strip()]
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        complain(f"--format: {', '.join(unknown) or 'nothing'} is not a format; there are {', '.join(FORMATS)}")
        return 2
    if call.out == "-" and (len(files) > 1 or formats != ["json"]):
        complain("--out - prints one report: give one site file and --format json")
        return 2
    if len(files) > 1 and call.baseline not in {"auto", "none"}:
        complain("--baseline FILE is one site's report: give one site file, or compare each with its own (auto)")
        return 2
    sites = [load(file) for file in files]
    plans = [planned(site, call) for site in sites if site is not None]
    if len(files) == 1 and plans and plans[0] is not None:
        return one(plans[0], call, formats)
    whole = [plan for plan in plans if plan is not None]
    if len(whole) < len(files) or not _distinct(whole):
        return 2
    from readiness.cli.portfolio import several

    return several(whole, call, formats)


def planned(site: Site, call: Call) -> Plan | None:
    """The plan of a site's audit, or nothing where the options fit no check, which is said."""
    try:
        return make_plan(site, pack(), only=call.only, skip=call.skip)
    except ValueError as error:
        complain(f"{site.path}: {error}")
        return None


def _distinct(plans: Sequence[Plan]) -> bool:
    """Whether no two site files would share a folder and a history; what does is named."""
    files: dict[str, list[str]] = {}
    for plan in plans:
        files.setdefault(plan.site.slug, []).append(str(plan.site.path))
    shared = {slug: those for slug, those in files.items() if len(those) > 1}
    for slug, those in shared.items():
        complain(f"{', '.join(those)}: their reports would all go to {slug}; give every site a name of its own")
    return not shared


def one(planned: Plan, call: Call, formats: Sequence[str]) -> int:
    """Audit one site, write its report and say what was found."""
    site = planned.site
    bare = call.out == "-"
    folder = None if bare else Path(call.out) if call.out is not None else own_folder(site, datetime.now(UTC))
    try:
        baseline = baseline_of(call.baseline, site, folder)
    except as_json.ReportUnreadable as error:
        complain(f"--baseline: {error}")
        return 2
    document, interrupted = carry_out(
        planned, timeout=call.timeout, baseline=baseline, quiet=bare, formats=() if bare else formats
    )
    if folder is None:
        typer.echo(as_json.dumps(document), nl=False)
    else:
        from readiness_reports import as_text

        written = write(document, formats, folder)
        as_text.paint(console(), as_text.lines(document))
        console().print()
        for path in written:
            console().print(f"Report: {path}", soft_wrap=True)
    return 130 if interrupted else code_of(document, call)


def code_of(document: ReportDocument, call: Call) -> int:
    """The exit code that a report's verdict stands for."""
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

    with interrupting(stop), nullcontext() if quiet else _view(planned) as view:
        document = await audit(planned, deadline=timeout, stop=stop, baseline=baseline, on_event=on_event)
    await asyncio.gather(*preparing, return_exceptions=True)  # what went wrong there goes wrong again in drawing
    as_json.seal_digest(document)
    return document, stop.is_set()


def _view(planned: Plan) -> View:
    return LiveView(console(), planned) if on_a_terminal() else PlainView(planned)


@contextmanager
def interrupting(stop: asyncio.Event) -> Iterator[None]:
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


def own_folder(site: Site, at: datetime, *, under: Path = REPORTS) -> Path:
    """Where a site's report of that time goes, if nobody says where."""
    return under / site.slug / stamp(at)


def stamp(at: datetime) -> str:
    """A moment as the name of a folder."""
    return f"{at:%Y%m%dT%H%M%SZ}"


def baseline_of(wanted: str, site: Site, folder: Path | None, *, alone: bool = True) -> ReportDocument | None:
    """The report to compare with; ``folder`` is where the new one will be.

    ``alone``: the folders beside it may hold earlier reports of this site, not those of other sites.

    Raises:
        ReportUnreadable: the one that was asked for cannot be used.
    """
    if wanted == "none" or (wanted == "auto" and folder is None):
        return None
    if wanted != "auto":
        given = as_json.read(Path(wanted))
        if given["run"]["rejudged_from"] is not None:
            raise as_json.ReportUnreadable(f"{wanted} is a what-if: it shows what would follow, not what was found")
        return given
    assert folder is not None
    beside = folder.parent.glob("*/report.json") if alone else ()
    earlier = [
        (told.started_at, path)
        for path in {folder / FORMATS["json"], *beside}
        if (told := as_json.glance(path)) is not None and told.slug == site.slug and told.whole
    ]
    for _, path in sorted(earlier, reverse=True):
        try:
            return as_json.read(path)
        except as_json.ReportUnreadable:
            continue
    return None
