"""This run beside the earlier ones: what became of each finding, before and after, and the trend of the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from readiness_schemas.report import PastRunDocument, ReportDocument, StatusWord, StepDocument, StepWord

from readiness_reports import words
from readiness_reports.outline import Link, Outline

KINDS: tuple[StepWord, ...] = ("regressed", "fixed", "new", "gone", "changed", "still_open")

TITLES: dict[StepWord, str] = {
    "regressed": "regressed",
    "fixed": "fixed",
    "new": "new",
    "gone": "gone",
    "changed": "changed value",
    "still_open": "still open",
}

MOST = 100
"""Findings of one kind that are told one by one; the rest are counted."""

VALUE = 300
"""Characters of an observed value that stand in a table."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What one run said of a finding; ``settled`` is "attested" or "waived"."""

    status: StatusWord
    observed: str
    settled: str


@dataclass(frozen=True, kw_only=True)
class Step:
    """One finding in both runs; ``None`` where a run, or the record of it, does not have it."""

    finding: str
    before: State | None
    after: State | None
    link: Link

    @property
    def same_value(self) -> bool:
        return self.before is not None and self.after is not None and self.before.observed == self.after.observed


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Steps of one kind, those that are told and how many are not."""

    kind: StepWord
    steps: tuple[Step, ...]
    more: int

    @property
    def word(self) -> str:
        return TITLES[self.kind]


def steps(outline: Outline) -> tuple[Kept, ...]:
    """What became of the findings since the baseline, what matters most first; nothing where there is none.

    A new finding that passes is no news to a reader, and is left out.
    """
    baseline = outline.document["baseline"]
    if baseline is None:
        return ()
    told = [step for step in _told(outline.document) if not _quiet(outline, step)]
    kept = []
    for kind in KINDS:
        those = [step for step in told if step["kind"] == kind]
        if those:
            shown = tuple(_step(outline, step) for step in those[:MOST])
            kept.append(Kept(kind=kind, steps=shown, more=len(those) - len(shown)))
    return tuple(kept)


def _told(document: ReportDocument) -> Sequence[StepDocument]:
    """The baseline's steps; of a report that keeps ids alone, those without what was before."""
    baseline = document["baseline"]
    assert baseline is not None
    if "steps" in baseline:
        return baseline["steps"]
    of: dict[StepWord, list[str]] = {kind: baseline[kind] for kind in KINDS if kind != "still_open"}
    return [StepDocument(finding=each, kind=kind, before=None) for kind, ids in of.items() for each in ids]


def _quiet(outline: Outline, step: StepDocument) -> bool:
    finding = outline.findings.get(step["finding"])
    return step["kind"] == "new" and finding is not None and finding["status"] in {"pass", "skip"}


def _step(outline: Outline, step: StepDocument) -> Step:
    before, finding = step["before"], outline.findings.get(step["finding"])
    after = None
    if finding is not None:
        settled = "attested" if finding["attestation"] else "waived" if finding["waiver"] else ""
        after = State(status=finding["status"], observed=_short(finding["observed"]), settled=settled)
    return Step(
        finding=step["finding"],
        before=None
        if before is None
        else State(status=before["status"], observed=_short(before["observed"]), settled=before["settled"]),
        after=after,
        link=outline.link(step["finding"]),
    )


def _short(value: str) -> str:
    return value if len(value) <= VALUE else f"{value[: VALUE - 1]}…"


def runs(document: ReportDocument) -> tuple[PastRunDocument, ...]:
    """The site's runs, oldest first, this one last; nothing where this is the first one that is known.

    A report that was judged again is no run, so it has no trend.
    """
    past = document.get("history", [])
    if document["run"]["rejudged_from"] is not None or not past:
        return ()
    now = PastRunDocument(
        run_id=document["run"]["id"],
        started_at=document["run"]["started_at"],
        revision=document["page"]["revision"],
        verdict=document["verdict"],
        score=document["score"]["value"],
        proven=document["coverage"]["proven"],
        applicable=document["coverage"]["applicable"],
    )
    return (*past, now)


def trend(document: ReportDocument) -> str:
    """The scores of the site's runs in a line: ``71.8 (16 Nov), 86.7 (20 Nov), 98.4 now``; empty for a first run."""
    found = runs(document)
    if not found:
        return ""
    *past, now = found
    skipped = f"{len(past) - 5} earlier, " if len(past) > 5 else ""
    said = ", ".join(f"{words.score(run['score'])} ({words.short_day(run['started_at'])})" for run in past[-5:])
    return f"{skipped}{said}, {words.score(now['score'])} now"


WIDTH, LEFT, RIGHT, TOP, BOTTOM = 460.0, 34.0, 436.0, 26.0, 126.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One run in the drawing; coordinates as SVG has them."""

    x: str
    y: str
    text: str
    shape: StatusWord
    day: str


@dataclass(frozen=True, kw_only=True)
class Trend:
    """The scores of the site's runs as a line; ``runs`` are the rows of the table beside it, the latest first."""

    title: str
    ticks: tuple[tuple[str, str], ...]
    line: str
    marks: tuple[Mark, ...]
    runs: tuple[PastRunDocument, ...]


def drawn(document: ReportDocument) -> Trend | None:
    """The trend as a drawing; ``None`` for a first run. A run without a score breaks the line."""
    found = runs(document)
    if not found:
        return None
    scores = [run["score"] for run in found if run["score"] is not None]
    floor = 10.0 * min(9, int(min(scores, default=0.0) // 10))
    step = (RIGHT - LEFT) / max(1, len(found) - 1)

    def y(score: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (score - floor) / (100 - floor)

    every = max(1, len(found) // 6)
    line, joined, marks = [], False, []
    for index, run in enumerate(found):
        score, at = run["score"], LEFT + step * index
        if score is None:
            joined = False
            continue
        line.append(f"{'L' if joined else 'M'}{_n(at)} {_n(y(score))}")
        joined = True
        labelled = (len(found) - 1 - index) % every == 0
        marks.append(
            Mark(
                x=_n(at),
                y=_n(y(score)),
                text=words.score(score) if labelled else "",
                shape=words.VERDICT_SHAPES[run["verdict"]],
                day=words.short_day(run["started_at"]) if labelled else "",
            )
        )
    middle = (floor + 100) / 2
    return Trend(
        title="Scores of this site's runs, oldest first: "
        + "; ".join(
            f"{words.day(run['started_at'])} {words.score(run['score'])}, {words.VERDICTS[run['verdict']]}"
            for run in found
        ),
        ticks=tuple((_n(y(value)), f"{value:g}") for value in (floor, middle, 100.0)),
        line=" ".join(line),
        marks=tuple(marks),
        runs=tuple(reversed(found)),
    )


def _n(amount: float) -> str:
    return f"{amount:.1f}".rstrip("0").rstrip(".")
