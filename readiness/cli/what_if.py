"""``readiness rejudge``: what would follow if the site, the page or a finding were otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from readiness_reports import as_json, as_text, words
from readiness_reports.as_text import MARKS, STYLES, Line, paint
from readiness_reports.words import clean
from readiness_schemas.report import ReportDocument
from rich.text import Text

from readiness import __version__
from readiness.cli.console import complain, console, known_checks, pack
from readiness.cli.offline import read

if TYPE_CHECKING:
    from readiness.overlay import Notice
    from readiness.site import Site
    from readiness.site.recorded import Setting


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """The options of one ``readiness rejudge``."""

    site: Path | None = None
    settings: Sequence[str] = ()
    assumptions: Sequence[str] = ()
    out: Path | None = None


def rejudge(report: Path, hypothesis: Hypothesis) -> int:
    """Judge a report's observations again and say what would block; exits as an audit with that verdict would."""
    from readiness.cli.audit import EXITS
    from readiness.cli.reports import write
    from readiness.rejudge import Unassumable, assumption, plan_again
    from readiness.rejudge import rejudge as judge_again
    from readiness.site.problems import SiteFileError
    from readiness.site.recorded import setting

    recorded = read(report)
    if recorded is None:
        return 2
    try:
        settings = [setting(text) for text in hypothesis.settings]
        assumptions = [assumption(text) for text in hypothesis.assumptions]
        site = _supposed_site(recorded, report, hypothesis.site, settings)
        planned = plan_again(recorded, site, pack())
    except SiteFileError as error:
        for problem in error.problems:
            complain(str(problem))
        return 2
    except ValueError as error:
        complain(str(error))
        return 2
    notices = _said_of(recorded, site, hypothesis.site, settings)
    try:
        document = judge_again(recorded, planned, assumptions=assumptions, notices=notices)
    except Unassumable as error:
        complain(str(error))
        return 2
    as_json.seal_digest(document)
    if hypothesis.out is not None and (trouble := _in_the_way(hypothesis.out)) is not None:
        complain(trouble)
        return 2
    paint(console(), as_text.lines(document, details=False))
    paint(console(), _effects(recorded, document))
    if hypothesis.out is not None:
        console().print()
        for path in write(document, ("html",), hypothesis.out):
            console().print(f"What-if: {path}", soft_wrap=True)
    return EXITS[document["verdict"]]


def _supposed_site(recorded: ReportDocument, report: Path, file: Path | None, settings: Sequence[Setting]) -> Site:
    from readiness.site.load import load_declared, load_site

    if file is None:
        return load_declared(recorded["site"], path=report, settings=settings)
    return load_site(file, known_checks=known_checks, files=False, settings=settings)


def _said_of(recorded: ReportDocument, site: Site, file: Path | None, settings: Sequence[Setting]) -> Sequence[Notice]:
    """What has to be said aloud of another site file, of settings, and of another release."""
    from readiness.overlay import Notice
    from readiness.rejudge import shown
    from readiness.site.recorded import recorded_value

    said: list[Notice] = []
    made, now = recorded["tool"]["version"], __version__
    if made != now:
        said.append(
            Notice("rejudged", f"It was recorded by readiness {made} and is judged by {now}, whose rules may differ.")
        )
    if file is not None and (settings or site.digest != recorded["site"]["digest"]):
        whose = "" if site.slug == recorded["site"]["slug"] else f", which is that of another site ({site.name})"
        said.append(Notice("assumed", f"It is judged by the site file {file.name}{whose}, not by the recorded one."))
    for each in settings:
        before, after = (
            recorded_value(recorded["site"]["declared"], each.path),
            recorded_value(site.declared, each.path),
        )
        was = "the record leaves it out" if before is None else f"the record says {shown(before)}"
        said.append(Notice("assumed", f"Set for this what-if: {each.key} is {shown(after)}; {was}."))
    return said


def _in_the_way(out: Path) -> str | None:
    """Why nothing may be written there: a what-if never takes a report's place."""
    for name in ("report.json", "manifest.json"):
        path = out / name
        if not path.exists():
            continue
        try:
            what_if = name == "report.json" and as_json.read(path)["run"]["rejudged_from"] is not None
        except as_json.ReportUnreadable:
            what_if = False
        if not what_if:
            return (
                f"--out {out}: {path} is there already, and a what-if never takes a report's place; name another folder"
            )
    return None


def _effects(before: ReportDocument, after: ReportDocument) -> Iterator[Line]:
    """What the what-if changes: the verdict, and each finding whose status moved."""
    was = {finding["id"]: finding["status"] for finding in before["findings"]}
    moved = [finding for finding in after["findings"] if was.get(finding["id"]) != finding["status"]]
    still = {finding["id"] for finding in after["findings"]}
    gone = [finding for finding in was if finding not in still]
    yield Line(Text())
    yield Line(Text("What the what-if changes" if moved or gone else "The what-if changes no finding", style="bold"))
    for finding in moved:
        then, now = was.get(finding["id"], "absent"), finding["status"]
        mark = (f"{MARKS[now]} ", STYLES[now])
        line = Text.assemble(
            mark, f"{clean(finding['id'])}  ", (then, STYLES.get(then, "dim")), " -> ", (now, STYLES[now])
        )
        yield Line(line, indent=2, hang=2)
    for name in gone:
        yield Line(Text(f"{clean(name)}  no longer asked for", style="dim"), indent=4)
    verdicts = [words.VERDICTS[document["verdict"]] for document in (before, after)]
    values = [words.score(document["score"]["value"]) for document in (before, after)]
    yield Line(
        Text(f"Recorded: {verdicts[0]}, score {values[0]}.  What if: {verdicts[1]}, score {values[1]}."), indent=2
    )
