"""The report as one HTML file that loads nothing, runs no foreign text, and can be read without its script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment
from markupsafe import Markup
from readiness_schemas.report import ObservationDocument, ReportDocument

from readiness_reports import sheet, words
from readiness_reports.charts import clocks, sizing
from readiness_reports.cover import cover
from readiness_reports.outline import Outline
from readiness_reports.paths import ROLES, paths
from readiness_reports.points import points
from readiness_reports.rerun import drawn, steps
from readiness_reports.topology import topology

MOST_ANSWERS = 100
"""Recorded answers that the page repeats; the document has them all."""

ANSWER = 4000
"""Characters of one recorded answer that the page repeats."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A recorded answer behind a finding that failed; ``more`` says what was left out or went wrong."""

    id: str
    probe: str
    vantage: str
    method: str
    at: str
    took: str
    text: str
    more: str


def prepare() -> None:
    """Read the templates, which takes longer than drawing with them; ``render`` does it itself where nobody has."""
    environment = _environment()
    for name in environment.list_templates(extensions=["j2"]):
        environment.get_template(name)


def render(document: ReportDocument) -> str:
    """Draw a report that its schema accepts."""
    outline = Outline(document)
    found = paths(outline)
    drawings = topology(found) if found is not None else ()
    sizes, times = sizing(outline), clocks(outline)
    answers, said = _answers(document)
    approval, trend = cover(outline), drawn(document)
    style, script, page_style = sheet.own("report.css"), sheet.own("report.js"), _page_style(document)
    present = {
        "summary": "Summary",
        "connectivity": "Connectivity" if found is not None else "",
        "topology": "Topology" if drawings else "",
        "score": "Score",
        "rerun": "Changes" if approval.since is not None else "",
        "findings": "Findings",
        "sizing": "Sizing" if sizes is not None else "",
        "clocks": "Clocks" if times is not None else "",
        "machines": "Machines" if document["run"]["hosts"] else "",
        "observations": "Observations" if answers else "",
    }
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            document=document,
            cover=approval,
            sections=outline.sections,
            paths=found,
            drawings=drawings,
            points=points(outline),
            kept=steps(outline),
            trend=trend,
            counted_findings=_counted(outline),
            filters=tuple(_filters(outline)),
            owners=tuple(_owners(outline)),
            sizing=sizes,
            clocks=times,
            answers=answers,
            answers_said=said,
            contents=[(anchor, title) for anchor, title in present.items() if title],
            caveats=words.caveats(document),
            style=style,
            page_style=page_style,
            script=script,
            policy=sheet.policy(script, style, page_style),
        )
    )


def _counted(outline: Outline) -> str:
    document = outline.document
    return (
        f"{words.count(len(document['requirements']), 'requirement')} in the page's own order, "
        f"{words.count(len(document['findings']), 'finding')}."
    )


def _filters(outline: Outline) -> Iterator[tuple[str, str, int]]:
    """The choices above the findings: word, label, how many requirements have such a finding."""
    topics = [topic for section in outline.sections for topic in section.topics]
    yield "all", "all", len(topics)
    for kind in ("blocks", *words.WORST_FIRST[:5], "settled", "changed"):
        amount = sum(kind in topic.kinds.split() for topic in topics)
        if amount:
            yield kind, {"blocks": "blocking"}.get(kind, kind), amount


def _owners(outline: Outline) -> Iterator[tuple[str, str, int]]:
    topics = [topic.owners.split() for section in outline.sections for topic in section.topics]
    for word, label in words.OWNERS.items():
        amount = sum(word in owners for owners in topics)
        if amount:
            yield word, label, amount


def _answers(document: ReportDocument) -> tuple[Sequence[Answer], str]:
    """The answers behind what failed, in the order of the findings, and what they are in words."""
    behind = dict.fromkeys(
        piece["observation"]
        for finding in document["findings"]
        if finding["status"] == "fail"
        for piece in finding["evidence"]
    )
    by_id = {each["id"]: each for each in document["observations"]}
    wanted = [by_id[each] for each in behind if each in by_id]
    if not wanted:
        return (), ""
    said = "the one behind the failed findings" if len(wanted) == 1 else f"the {len(wanted)} behind the failed findings"
    if len(wanted) > MOST_ANSWERS:
        said = f"the first {MOST_ANSWERS} of the {len(wanted)} behind the failed findings"
    return [_answer(each) for each in wanted[:MOST_ANSWERS]], said


def _answer(seen: ObservationDocument) -> Answer:
    text = (seen["response"] or "").rstrip("\n")
    more = f"{len(text) - ANSWER} more characters in report.json." if len(text) > ANSWER else ""
    if seen["error"] is not None:
        more = f"No answer: {seen['error']['detail']}."
    return Answer(
        id=seen["id"],
        probe=seen["probe"],
        vantage=seen["vantage"],
        method=seen["method"],
        at=words.clock(seen["started_at"]),
        took=f"{words.seconds(seen['duration_s'])}, {words.count(seen['attempts'], 'attempt')}",
        text=text[:ANSWER],
        more=more,
    )


def _page_style(document: ReportDocument) -> Markup:
    """What every sheet of paper carries at its foot; nothing but letters, digits and hyphens may enter it."""
    run = document["run"]["id"]
    said = f"run {run}" if re.fullmatch("[A-Za-z0-9-]+", run) else "readiness report"
    caveats = words.caveats(document)
    if caveats:
        return Markup(f'@page {{ @bottom-left {{ content: "{said}: {", ".join(caveats)}"; color: #b01b1b; }} }}')  # noqa: S704
    return Markup(f'@page {{ @bottom-left {{ content: "{said}" }} }}')  # noqa: S704


@cache
def _environment() -> Environment:
    environment = sheet.new_environment()
    environment.globals.update(roles=ROLES, verdicts=words.VERDICTS, verdict_shapes=words.VERDICT_SHAPES)
    environment.filters.update(minute=words.minute, score=words.score)
    return environment
