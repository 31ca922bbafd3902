"""The report as an operator reads it in a terminal: the verdict, what blocks, what is worth reading, how to mend it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from readiness_schemas.report import FindingDocument, ReportDocument
from rich.console import Console
from rich.text import Text

from readiness_reports import rerun, words
from readiness_reports.cover import lead
from readiness_reports.outline import Outline
from readiness_reports.words import clean

MARKS = {"pass": "✓", "warn": "!", "fail": "✗", "unknown": "?", "manual": "✎", "skip": "–"}
STYLES = {
    "pass": "green",
    "warn": "yellow",
    "fail": "bold red",
    "unknown": "magenta",
    "manual": "cyan",
    "skip": "dim",
}
VERDICT_STYLES = {
    "ready": "bold green",
    "ready_with_exceptions": "bold yellow",
    "not_ready": "bold red",
    "not_proven": "bold magenta",
}
STEPS = 20
"""Findings of one kind of change that a terminal shows."""

ORDER = ("fail", "unknown", "manual", "warn")


@dataclass(frozen=True)
class Line:
    """One line of text, ``indent`` columns in; where it is wrapped, what follows stands ``hang`` columns further in.

    ``whole`` is never wrapped, so that a command can be copied as it is.
    """

    text: Text
    indent: int = 0
    hang: int = 0
    whole: bool = False


def paint(console: Console, lines: Iterable[Line]) -> None:
    """Print lines: wrapped to a terminal's width, as they are anywhere else."""
    if not console.is_terminal:
        console.file.write("".join(f"{' ' * line.indent}{line.text.plain}\n" for line in lines))
        console.file.flush()
        return
    for line in lines:
        if line.whole:
            console.print(Text(" " * line.indent) + line.text, soft_wrap=True)
            continue
        width = max(console.width - line.indent - line.hang, 20)
        first, *rest = line.text.wrap(console, width + line.hang) or [Text()]
        console.print(Text(" " * line.indent) + first, soft_wrap=True)
        if rest:
            left = line.text[len(first.plain) :].copy()
            left = left[len(left.plain) - len(left.plain.lstrip()) :]
            for row in left.wrap(console, width):
                console.print(Text(" " * (line.indent + line.hang)) + row, soft_wrap=True)


def lines(document: ReportDocument, *, details: bool = True) -> Iterator[Line]:
    """The whole page, line by line; ``details`` off ends it after what blocks sign-off."""
    yield from head(document)
    yield from changes(document)
    yield from blockers(document)
    if details:
        yield from findings(document)


def head(document: ReportDocument) -> Iterator[Line]:
    """Verdict, coverage and score, and whatever must be said aloud."""
    said, style = words.VERDICTS[document["verdict"]], VERDICT_STYLES[document["verdict"]]
    site, covered, score = document["site"], document["coverage"], document["score"]
    facts = [site["name"], site["change_ticket"], f"page of {document['page']['revision']}"]
    yield Line(Text())
    yield Line(Text.assemble((said, style), "  ", (clean(" · ".join(fact for fact in facts if fact)), "dim")))
    yield _indented(Text(f"{lead(Outline(document))} {words.count(document['counts']['pass'], 'finding')} passed."))
    value = "not available" if score["value"] is None else f"{score['value']:g} of 100"
    earned = "" if score["value"] is None else f" ({score['earned']:g} of {score['possible']:g} points)"
    parts = [f"{covered[key]} {how}" for key, how in _COVERED if covered[key]]  # type: ignore[literal-required]
    yield _indented(
        Text.assemble(
            "Coverage ",
            (f"{covered['proven']} of {covered['applicable']}", "bold"),
            " requirements proven" + (f", {', '.join(parts)}" if parts else ""),
            ".  Score ",
            (value, "bold"),
            earned,
            ".",
        )
    )
    for notice in document["notices"]:
        yield _indented(Text(clean(notice["text"]), style="bold red"))


_COVERED = (("attested", "attested"), ("waived", "waived"), ("unproven", "not proven"))


def changes(document: ReportDocument) -> Iterator[Line]:
    """What became of the findings since the baseline, one by one, and the scores of the runs before."""
    baseline = document["baseline"]
    if baseline is None:
        return
    counts = [
        f"{len(baseline[kind])} {kind}" for kind in ("fixed", "regressed", "changed", "new", "gone") if baseline[kind]
    ]
    verdict, score = words.VERDICTS[baseline["verdict"]], words.score(baseline["score"])
    yield _indented(
        Text.assemble(
            f"Since {words.minute(baseline['started_at'])} ({verdict}, score {score}): ",
            (words.joined(counts) or "nothing changed", "bold"),
            ".",
        )
    )
    past = rerun.trend(document)
    if past:
        yield _indented(Text(f"Scores of this site's runs: {past}.", style="dim"))
    for kept in rerun.steps(Outline(document)):
        if kept.kind == "still_open":
            continue
        style = "bold red" if kept.kind == "regressed" else ""
        for step in kept.steps[:STEPS]:
            was = "not there" if step.before is None else step.before.status
            now = "not there" if step.after is None else step.after.status
            text = Text.assemble((f"{kept.word:<14}", style), clean(step.finding), (f"  {was} -> {now}", "dim"))
            yield Line(text, indent=4, hang=14)
        more = len(kept.steps) - len(kept.steps[:STEPS]) + kept.more
        if more:
            yield _indented(Text(f"{kept.word:<14}{more} more, in the report", style="dim"), 4)


def blockers(document: ReportDocument) -> Iterator[Line]:
    """What blocks sign-off, by the people who can mend it; unbuilt checks are one line."""
    built = {finding["id"] for finding in document["findings"] if not _unbuilt(finding)}
    groups = [
        (group, [job for job in group["jobs"] if any(each in built for each in job["findings"])])
        for group in document["blockers"]
    ]
    if any(jobs for _, jobs in groups):
        yield Line(Text())
        yield Line(Text("What blocks sign-off", style="bold"))
    for group, jobs in groups:
        if not jobs:
            continue
        when = ""
        if group["ready_on"] is not None:
            when = f"  {words.lead_time(group)}, {words.weekday(group['ready_on'])} at the earliest"
        yield _indented(Text.assemble((words.OWNERS.get(group["owner"], group["owner"]), "bold"), (when, "dim")))
        for job in jobs:
            settles = len(job["findings"])
            also = f"  (settles {settles} findings)" if settles > 1 else ""
            yield _mark(job["status"], Text.assemble(clean(job["text"]), (also, "dim")), 4)
    unbuilt = sorted({finding["check"] for finding in document["findings"] if _unbuilt(finding)})
    if unbuilt:
        yield Line(Text())
        yield Line(Text(f"Not examined by this release, to be looked at by hand ({len(unbuilt)})", style="bold"))
        yield _indented(Text(", ".join(unbuilt), style="dim"))


def _unbuilt(finding: FindingDocument) -> bool:
    return finding["reason"] is not None and finding["reason"]["code"] == "not_built"


def findings(document: ReportDocument) -> Iterator[Line]:
    """Every finding that is worth reading, the worst first; those with one cause are told once."""
    reading = [
        finding
        for finding in document["findings"]
        if finding["status"] in ORDER and not (_unbuilt(finding) or _left_out(finding) or finding["attestation"])
    ]
    reading.sort(key=lambda finding: ORDER.index(finding["status"]))
    for status, group in groupby(reading, key=lambda finding: finding["status"]):
        for alike in _alike(list(group)):
            yield Line(Text())
            yield from _finding(status, alike)


def _left_out(finding: FindingDocument) -> bool:
    return finding["reason"] is not None and finding["reason"]["code"] == "not_selected"


def _alike(found: Sequence[FindingDocument]) -> Iterable[list[FindingDocument]]:
    """Unknowns with one reason belong together; everything else stands alone."""
    groups: dict[tuple[str, ...], list[FindingDocument]] = {}
    for finding in found:
        reason = finding["reason"]
        key = (reason["code"], reason["detail"]) if reason is not None else (finding["id"],)
        groups.setdefault(key, []).append(finding)
    return groups.values()


def _finding(status: str, alike: Sequence[FindingDocument]) -> Iterator[Line]:
    first = alike[0]
    title = Text.assemble((clean(first["id"]), "bold"))
    if len(alike) > 1:
        title.append(f" and {len(alike) - 1} more with the same cause", style="dim")
    for word, settled in (("attested", first["attestation"]), ("waived", first["waiver"])):
        if settled is not None:
            title.append(f"  [{word}, {clean(settled['reference'])}]", style="cyan")
    if first["change"] in {"regressed", "new"}:
        title.append(f"  [{first['change']}]", style="bold red" if first["change"] == "regressed" else "dim")
    yield _mark(status, title)
    yield _indented(Text(clean(first["summary"])), 4)
    for label, value in (("expected", first["expected"]), ("observed", first["observed"])):
        if value:
            yield from _labelled(label, value)
    for piece in first["evidence"][:3]:
        source = f"  ({piece['vantage']}, {piece['method']}, {piece['level']})"
        yield from _labelled("evidence", f"{piece['label']}: {piece['value']}{source}")
    if first["reasoning"]:
        yield from _labelled("because", first["reasoning"])
    if len(alike) > 1:
        yield from _labelled("also", ", ".join(finding["id"] for finding in alike[1:]))
    if first["remedy"]:
        yield from _labelled("to do", first["remedy"], whole=True)


def _labelled(label: str, value: str, *, whole: bool = False) -> Iterator[Line]:
    for index, row in enumerate(clean(value).splitlines() or [""]):
        name = (f"{label if index == 0 else '':<9}", "dim")
        yield Line(Text.assemble(name, (row, "" if whole else "dim")), indent=4, hang=9, whole=whole)


def _mark(status: str, text: Text, indent: int = 0) -> Line:
    return Line(Text.assemble((f"{MARKS[status]} {status:<8}", STYLES[status]), text), indent=indent, hang=10)


def _indented(text: Text, by: int = 2) -> Line:
    return Line(text, indent=by)
