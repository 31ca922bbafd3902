"""The report as a ticket's comment: what a person reads there, and where the whole of it is to be found."""

from __future__ import annotations

import re
from collections.abc import Iterator

from readiness_schemas.report import FindingDocument, ReportDocument

from readiness_reports import rerun, words
from readiness_reports.cover import lead
from readiness_reports.outline import Outline, subject
from readiness_reports.standing import Standing

MOST = 60
"""Findings that one comment tells of; trackers cut longer comments off."""

OBSERVED = 120
"""Characters of an observed value that stand in the table of changes."""

TOLD = {
    Standing.BROKEN: "Failed",
    Standing.UNDECIDED: "Not determined",
    Standing.REMARK: "With a remark",
    Standing.ACCEPTED: "Accepted risks",
    Standing.STATED: "Stated by a person",
}
"""The chapters of the list, by standing; what passed or does not apply is only counted."""


def render(document: ReportDocument) -> str:
    """Draw a report that its schema accepts as GitHub-flavoured Markdown."""
    outline = Outline(document)
    parts = (_head(outline), _blockers(document), _changes(outline), _findings(outline), _foot(document))
    return "\n".join(line for part in parts for line in part) + "\n"


def _head(outline: Outline) -> Iterator[str]:
    document = outline.document
    site, run, coverage, score = document["site"], document["run"], document["coverage"], document["score"]
    ticket = f", {prose(site['change_ticket'])}" if site["change_ticket"] else ""
    yield f"# {words.VERDICTS[document['verdict']]}: {prose(site['name'])}{ticket}"
    yield ""
    yield lead(outline)
    yield ""
    for caveat in words.caveats(document):
        yield f"> **{words.sentence(caveat)}.**"
    if document["notices"] and words.caveats(document):
        yield ">"
    for notice in document["notices"]:
        yield f"> - **{notice['kind'].replace('_', ' ')}:** {prose(notice['text'])}"
    if document["notices"] or words.caveats(document):
        yield ""
    rest = [f"{coverage[key]} {words_}" for key, words_ in _REST if coverage[key]]  # type: ignore[literal-required]
    settled = f" ({', '.join(rest)})" if rest else ""
    yield f"- **Coverage:** {coverage['proven']} of {coverage['applicable']} requirements proven{settled}"
    if score["value"] is None:
        yield "- **Score:** none, nothing that counts applies"
    else:
        earned, possible = words.number(score["earned"]), words.number(score["possible"])
        yield f"- **Score:** {words.score(score['value'])} of 100 ({earned} of {possible} points)"
    if document["earliest_ready"] is not None:
        yield f"- **Earliest ready:** {words.long_day(document['earliest_ready'])}"
    page = document["page"]
    yield f"- **Judged by:** {prose(page['title'])}, revision {prose(page['revision'])}"
    yield f"- **Audited:** {words.minute(run['started_at'])} by {code(run['auditor'])}, run {code(run['id'])}"
    counts = document["counts"]
    tally = ", ".join(f"{counts[word]} {word}" for word in words.WORST_FIRST if counts[word])
    yield f"- **Findings:** {tally or 'none'}"
    baseline = document["baseline"]
    if baseline is not None:
        kinds = ("regressed", "fixed", "new", "gone", "changed")
        changes = [f"{len(baseline[kind])} {kind}" for kind in kinds if baseline[kind]]  # type: ignore[literal-required]
        yield f"- **Since {words.day(baseline['started_at'])}:** {', '.join(changes) or 'no change'}"
    past = rerun.trend(document)
    if past:
        yield f"- **Scores of this site's runs:** {past}"


_REST = (("attested", "attested"), ("waived", "waived"), ("unproven", "not proven"))


def _blockers(document: ReportDocument) -> Iterator[str]:
    if not document["blockers"]:
        return
    yield ""
    yield "## What blocks sign-off"
    yield ""
    for group in document["blockers"]:
        when = words.lead_time(group)
        if group["ready_on"] is not None:
            when = f"{words.day(group['ready_on'])}, {when}"
        yield f"- **{words.OWNERS[group['owner']]}** ({when})"
        for job in group["jobs"]:
            checks = list(dict.fromkeys(each.partition("[")[0] for each in job["findings"]))
            more = f" and {len(checks) - 4} more" if len(checks) > 4 else ""
            yield f"  - `{job['status']}` {prose(job['text'])} ({', '.join(map(code, checks[:4]))}{more})"


def _changes(outline: Outline) -> Iterator[str]:
    """What became of the findings since the baseline, as a table."""
    left = MOST
    kept = rerun.steps(outline)
    if not kept:
        return
    yield ""
    yield "## Since the last run"
    yield ""
    yield "| Change | Finding | Before | Now |"
    yield "| --- | --- | --- | --- |"
    for group in kept:
        for step in group.steps[: max(0, left)]:
            yield f"| {group.word} | {_cell(code(step.finding))} | {_state(step.before)} | {_state(step.after)} |"
        more = len(group.steps) - len(group.steps[: max(0, left)]) + group.more
        if more:
            yield f"| {group.word} | {more} more in the report | | |"
        left -= len(group.steps)


def _state(state: rerun.State | None) -> str:
    if state is None:
        return "not there"
    settled = f" ({state.settled})" if state.settled else ""
    observed = f": {prose(state.observed[:OBSERVED])}{'…' if len(state.observed) > OBSERVED else ''}"
    return f"`{state.status}`{settled}{observed if state.observed else ''}"


def _cell(text: str) -> str:
    """Code within a row of a table, where a bar would end the cell even within backticks."""
    return text.replace("|", "\\|")


def _findings(outline: Outline) -> Iterator[str]:
    left = MOST
    found = outline.document["findings"]
    for standing, title in TOLD.items():
        chapter = [each for each in found if outline.weighed[each["id"]].standing is standing]
        if not chapter:
            continue
        yield ""
        yield f"## {title} ({len(chapter)})"
        yield ""
        for finding in chapter[: max(0, left)]:
            yield _line(outline, finding)
        if len(chapter) > left:
            yield f"- {len(chapter) - max(0, left)} more in the report"
        left -= len(chapter)


def _line(outline: Outline, finding: FindingDocument) -> str:
    weighed = outline.weighed[finding["id"]]
    beside = [words.OWNERS[finding["owner"]]]
    if finding["reason"] is not None:
        by = finding["reason"]["by"]
        beside.append(f"blocked by {code(by)}" if by else words.CAUSES[finding["reason"]["code"]])
    if finding["origin"] in words.ORIGINS:
        beside.append(words.ORIGINS[finding["origin"]])
    if weighed.waiver is not None:
        beside.append(f"waived by {prose(weighed.waiver['approved_by'])}, {outline.ends(weighed.waiver['expires'])}")
    if weighed.attestation is not None:
        beside.append(f"attested by {prose(weighed.attestation['by'])} on {words.day(weighed.attestation['date'])}")
    if finding["change"] in {"new", "regressed"}:
        beside.append(f"**{finding['change']}**")
    return f"- `{finding['status']}` {code(finding['id'])} {prose(subject(finding))} ({'; '.join(beside)})"


def _foot(document: ReportDocument) -> Iterator[str]:
    yield ""
    yield "---"
    yield ""
    digest = document.get("digest")
    sealed = f", digest `sha256:{digest}`" if digest else ""
    tool = document["tool"]
    made = f"{prose(tool['name'])} {prose(tool['version'])}"
    yield f"Drawn from report.json by {made}, schema {code(document['schema_version'])}{sealed}."


_ACTIVE = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<=[@#])(?=\w)")


def prose(text: str) -> str:
    """Foreign text as words within a line: no markup, no link, no mention.

    It must not begin a line: what acts there alone (list marks, rules) is left as it is, for people to read.
    """
    flat = " ".join(words.plain(text).split())
    return _ADDRESS.sub("\u200b", _ACTIVE.sub(_escaped, flat))


def _escaped(match: re.Match[str]) -> str:
    sign = match[0]
    if sign in "<>&":
        return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}[sign]
    return f"\\{sign}"


def code(text: str) -> str:
    """Foreign text as code within a sentence, whatever backticks it holds."""
    flat = " ".join(words.plain(text).split()) or " "
    longest = max((len(run) for run in re.findall("`+", flat)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if longest else ""
    return f"{fence}{padding}{flat}{padding}{fence}"
