"""The index of a portfolio as an operator reads it in a terminal: a line for each site, and the sums."""

from __future__ import annotations

from collections.abc import Iterator

from readiness_schemas.portfolio import EntryDocument, PortfolioDocument, ResultDocument
from rich.console import Console
from rich.text import Text

from readiness_reports import words
from readiness_reports.as_text import MARKS, STYLES, VERDICT_STYLES, Line, paint
from readiness_reports.words import clean


def said(entry: EntryDocument) -> str:
    """What came of one site, in a line: its verdict, score, what blocks it, what must be known of it, its report."""
    found = entry["result"]
    if found is None:
        return entry["trouble"] or "no report"
    parts = [
        words.VERDICTS[found["verdict"]],
        f"score {words.score(found['score']['value'])}",
        f"{found['coverage']['proven']} of {found['coverage']['applicable']} proven",
        blocked(found),
        changed(found),
        *found["caveats"],
    ]
    return ", ".join(part for part in parts if part)


def blocked(found: ResultDocument) -> str:
    """What blocks a site, and until when: ``3 jobs, earliest ready 7 Dec 2026``."""
    jobs = sum(len(group["jobs"]) for group in found["blockers"])
    if not jobs:
        return ""
    ready = found["earliest_ready"]
    return words.count(jobs, "job") + ("" if ready is None else f", earliest ready {words.day(ready)}")


def changed(found: ResultDocument) -> str:
    """What became of a site's findings since its baseline: ``2 fixed, 1 regressed``."""
    since = found["baseline"]
    if since is None:
        return ""
    counts = [(since["fixed"], "fixed"), (since["regressed"], "regressed")]
    return ", ".join(f"{amount} {word}" for amount, word in counts if amount)


def paint_row(console: Console, entry: EntryDocument) -> None:
    """Print one site's line."""
    found = entry["result"]
    shape = "fail" if found is None else words.VERDICT_SHAPES[found["verdict"]]
    name = Text.assemble((f"{MARKS[shape]} ", STYLES[shape]), (clean(entry["slug"]), "bold"), f"  {clean(said(entry))}")
    paint(console, [Line(name, hang=4)])


def lines(document: PortfolioDocument) -> Iterator[Line]:
    """The sums, as the last words of a run."""
    verdict, counts, covered = document["verdict"], document["counts"], document["coverage"]
    yield Line(Text())
    yield Line(
        Text.assemble(
            (words.VERDICTS[verdict], VERDICT_STYLES[verdict]),
            ("  " + words.count(counts["all"], "site"), "dim"),
        )
    )
    yield Line(Text(f"{words.sentence(tally(document))}."), indent=2)
    score = document["score"]
    points = "" if score["value"] is None else f"  Score {score['value']:g} of 100 over all sites."
    yield Line(Text(f"Coverage {covered['proven']} of {covered['applicable']} requirements proven.{points}"), indent=2)
    for entry in document["sites"]:
        if entry["result"] is None:
            yield Line(Text(f"{clean(entry['slug'])}: {clean(entry['trouble'] or '')}", style="bold red"), indent=2)


def tally(document: PortfolioDocument) -> str:
    """How many sites have which verdict, the worst first: ``2 not ready, 1 ready``."""
    counts = document["counts"]
    kinds = [
        (counts["no_report"], "without a report"),
        (counts["not_ready"], "not ready"),
        (counts["not_proven"], "not proven"),
        (counts["ready_with_exceptions"], "ready with exceptions"),
        (counts["ready"], "ready"),
    ]
    return ", ".join(f"{amount} {word}" for amount, word in kinds if amount)
