"""The approver's page: the verdict in words, the facts, what blocks sign-off, what was accepted, what changed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from readiness_schemas.report import JobDocument, StatusWord

from readiness_reports import words
from readiness_reports.outline import Link, Outline, subject

LOUD = frozenset({"expired", "refused", "incomplete", "secret", "rejudged", "assumed", "rebuilt"})
"""Kinds of notices that limit what the report is worth; the others call for attention."""

SOME = 8
"""How many changes of one kind are shown before the rest is only counted."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Something said aloud under the verdict."""

    text: str
    status: StatusWord


@dataclass(frozen=True, kw_only=True)
class Fact:
    label: str
    value: str
    moment: str = ""
    bad: bool = False


@dataclass(frozen=True, kw_only=True)
class Figure:
    label: str
    value: str
    unit: str
    note: str
    link: Link | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing that a person has to do; ``late`` where paper has no room for it."""

    text: str
    status: StatusWord
    links: tuple[Link, ...]
    late: bool


@dataclass(frozen=True, kw_only=True)
class Group:
    owner: str
    when: str
    jobs: tuple[Job, ...]
    late: bool


@dataclass(frozen=True, kw_only=True)
class Risk:
    """A waiver or a statement that is in effect, with the findings that it covers."""

    text: str
    reason: str
    by: str
    links: tuple[Link, ...]
    end: str
    alarming: bool
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What became of one finding; ``late`` where paper has no room for it."""

    word: str
    link: Link
    check: str
    loud: bool
    late: bool = False


@dataclass(frozen=True, kw_only=True)
class Since:
    """What became of the findings since the baseline."""

    title: str
    tally: str
    before: str
    changes: tuple[Change, ...]
    more: str
    hidden: int = 0


@dataclass(frozen=True, kw_only=True)
class Cover:
    """All that stands on the first page."""

    title: str
    verdict: str
    shape: StatusWord
    lead: str
    date: str
    alarms: tuple[Alarm, ...]
    facts: tuple[Fact, ...]
    figures: tuple[Figure, ...]
    groups: tuple[Group, ...]
    jobs: str
    hidden_jobs: int
    nothing_blocks: str
    risks: tuple[Risk, ...]
    hidden_risks: int
    since: Since | None
    for_signing: bool


SHEET = 31.0
"""Lines between the figures and the signatures of the first sheet of paper."""

LEAST = 9.0
"""Lines of it that are kept for the jobs, and for risks and changes, however many the others are."""


def cover(outline: Outline) -> Cover:
    document = outline.document
    total = sum(len(group["jobs"]) for group in document["blockers"])
    ids = {each for group in document["blockers"] for job in group["jobs"] for each in job["findings"]}
    settled = len({each.partition("[")[0] for each in ids})
    settle = "settles" if total == 1 else "settle"
    jobs = f"{words.count(total, 'job')} {settle} {words.count(settled, 'requirement')}" if total else ""
    earliest = document["earliest_ready"]
    alarms, risks, since = tuple(_alarms(outline)), list(_risks(outline)), _since(outline)
    changes = () if since is None else since.changes
    beside = bool(risks) and since is not None
    room = SHEET - sum(_lines(alarm.text, 62) for alarm in alarms)
    grouped = [[_job_lines(job) for job in group["jobs"]] for group in document["blockers"]]
    sizes = [size for group in grouped for size in group]
    owners = sum(max(0.0, 2 - sum(group)) + 0.5 for group in grouped)
    risk_sizes = [_risk_lines(risk, 48 if beside else 105) for risk in risks]
    change_sizes = [_lines(change.link.text, 42 if beside else 95) + 0.3 for change in changes]
    below = min(max(sum(risk_sizes), sum(change_sizes) + 2), max(LEAST, room - sum(sizes) - owners))
    fitting = _fitting(sizes, max(LEAST, room - below - owners))
    some = _fitting(risk_sizes, below)
    if since is not None:
        those = _fitting(change_sizes, below - 2)
        since = replace(
            since,
            changes=tuple(replace(change, late=index >= those) for index, change in enumerate(changes)),
            hidden=len(changes) - those,
        )
    return Cover(
        title=document["site"]["name"],
        verdict=words.VERDICTS[document["verdict"]],
        shape=words.VERDICT_SHAPES[document["verdict"]],
        lead=lead(outline),
        date="" if earliest is None else words.long_day(earliest),
        alarms=alarms,
        facts=tuple(_facts(outline)),
        figures=tuple(_figures(outline)),
        groups=tuple(_groups(outline, fitting)),
        jobs=jobs,
        hidden_jobs=total - fitting,
        nothing_blocks=_nothing_blocks(outline),
        risks=tuple(replace(risk, late=index >= some) for index, risk in enumerate(risks)),
        hidden_risks=len(risks) - some,
        since=since,
        for_signing=document["run"]["rejudged_from"] is None,
    )


def _fitting(sizes: Sequence[float], room: float) -> int:
    """How many of these, from the first on, fit in so many lines; at least one, if there is any."""
    used = 0.0
    for index, size in enumerate(sizes):
        used += size
        if used > room and index > 0:
            return index
    return len(sizes)


def _lines(text: str, width: int) -> float:
    return max(1.0, math.ceil(len(text) / width))


def _job_lines(job: JobDocument) -> float:
    checks = list(dict.fromkeys(each.partition("[")[0] for each in job["findings"]))
    return max(_lines(job["text"], 64), 0.8 * _lines(", ".join(checks[:5]), 36))


def _risk_lines(risk: Risk, width: int) -> float:
    said = f"{risk.text} {risk.reason} {risk.by}; {', '.join(link.text for link in risk.links)} {risk.end}"
    return _lines(said, width) + 0.3


def lead(outline: Outline) -> str:
    """The verdict as a sentence or two, without the date."""
    document = outline.document
    missed = [check for check in outline.blocking if _has(outline, check, "fail")]
    open_ = len(outline.blocking) - len(missed)
    match document["verdict"]:
        case "not_ready":
            more = f", and {words.spelled(open_)} more {_is(open_)} not proven" if open_ else ""
            return f"{_mandatory(len(missed))} not met{more}."
        case "not_proven" if open_:
            return f"Nothing mandatory was found broken, but {_lower(_mandatory(open_))} not proven yet."
        case "not_proven":
            return "What was looked at stands, but this run did not look at everything, so the whole is not proven."
        case "ready_with_exceptions":
            return (
                f"Every mandatory requirement is met or settled, with exceptions: {words.joined(_exceptions(outline))}."
            )
        case _:
            coverage = document["coverage"]
            stated = f", {coverage['attested']} by a person's statement" if coverage["attested"] else ""
            return (
                "Every requirement of the page that applies to this site is met: "
                f"{coverage['proven']} by evidence from this run{stated}."
            )


def _mandatory(amount: int) -> str:
    noun = "requirement is" if amount == 1 else "requirements are"
    return words.sentence(f"{words.spelled(amount)} mandatory {noun}")


def _is(amount: int) -> str:
    return "is" if amount == 1 else "are"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _has(outline: Outline, check: str, status: str) -> bool:
    return any(each["status"] == status and outline.weighed[each["id"]].blocks for each in outline.of[check])


def _exceptions(outline: Outline) -> list[str]:
    relevant = [each for each in outline.document["findings"] if each["origin"] != "beyond"]
    waived = sum(outline.weighed[each["id"]].waiver is not None for each in relevant)
    free = [each for each in relevant if outline.weighed[each["id"]].waiver is None]
    counts = [
        (sum(each["status"] == "warn" for each in free), "warning"),
        (sum(each["status"] == "unknown" for each in free), "unknown finding"),
        (waived, "accepted risk"),
    ]
    return [words.count(amount, noun) for amount, noun in counts if amount] or ["exceptions"]


def _alarms(outline: Outline) -> Iterator[Alarm]:
    document = outline.document
    run = document["run"]
    if run["rejudged_from"] is not None:
        yield Alarm(
            text=f"Judged again from what run {run['rejudged_from']} recorded: not for sign-off.", status="fail"
        )
    said = {notice["kind"] for notice in document["notices"]}
    if not run["complete"] and "incomplete" not in said:
        yield Alarm(text="The run ended early: what it had not reached is unknown.", status="fail")
    if run["scope"] == "partial" and "incomplete" not in said:
        yield Alarm(text="The run left requirements out on request: it cannot prove the site ready.", status="fail")
    for notice in sorted(document["notices"], key=lambda each: each["kind"] not in LOUD):
        yield Alarm(text=notice["text"], status="fail" if notice["kind"] in LOUD else "warn")


def _facts(outline: Outline) -> Iterator[Fact]:
    document = outline.document
    site, run, page = document["site"], document["run"], document["page"]
    capacity = site["capacity"]
    load = f"{words.count(capacity['agents'], 'agent')}, {words.number(capacity['caps'])} CAPS"
    yield Fact(label="Change ticket", value=site["change_ticket"] or "none named")
    yield Fact(label="Site", value=f"{site['environment']}, {load}")
    yield Fact(label="Judged by", value=f"{page['title']}, revision {page['revision']}")
    yield Fact(label="Audited by", value=f"{run['auditor']}, {document['tool']['name']} {document['tool']['version']}")
    yield Fact(
        label="Audited at",
        value=f"{words.minute(run['started_at'])}, in {words.seconds(run['duration_s'])}",
        moment=run["started_at"],
    )
    yield Fact(label="Seen from", value=", ".join(run["vantages"]))
    lost = [host["name"] for host in run["hosts"] if not host["reached"]]
    if lost:
        yield Fact(label="Not reached", value=", ".join(lost), bad=True)
    holds = _holds(outline)
    if holds:
        yield Fact(label="Evidence holds", value=holds)


def _holds(outline: Outline) -> str:
    ends: dict[str, list[str]] = {}
    for section in outline.sections:
        dates = [
            finding["valid_until"][:10]
            for topic in section.topics
            for finding in outline.of[topic.id]
            if finding["valid_until"] is not None and finding["status"] in {"pass", "warn"}
        ]
        if dates:
            ends.setdefault(min(dates), []).append(section.short)
    if not ends:
        return ""
    first, *later = sorted(ends)
    said = f"{', '.join(ends[first])} until {words.day(first)}"
    return said if not later else f"{said}; all else until {words.day(later[0])} or longer"


def _figures(outline: Outline) -> Iterator[Figure]:
    document = outline.document
    coverage, score, baseline = document["coverage"], document["score"], document["baseline"]
    rest = [
        f"{coverage['attested']} attested" if coverage["attested"] else "",
        f"{coverage['waived']} waived" if coverage["waived"] else "",
        f"{coverage['unproven']} not proven" if coverage["unproven"] else "",
    ]
    yield Figure(
        label="Coverage",
        value=str(coverage["proven"]),
        unit=f"of {words.count(coverage['applicable'], 'requirement')} proven",
        note=", ".join(part for part in rest if part) or "none left open",
    )
    before = ""
    if baseline is not None and baseline["score"] is not None:
        before = f"{words.score(baseline['score'])} on {words.short_day(baseline['started_at'])}"
    yield Figure(
        label="Score",
        value=words.score(score["value"]),
        unit="of 100",
        note=before,
        link=Link(text=f"{words.number(score['earned'])} of {words.number(score['possible'])} points", anchor="score"),
    )
    yield _third(outline)


def _third(outline: Outline) -> Figure:
    document = outline.document
    earliest = document["earliest_ready"]
    if earliest is not None:
        deciding = [group for group in document["blockers"] if group["ready_on"] == earliest]
        who = words.joined(words.OWNERS[group["owner"]] for group in deciding)
        lead_time = words.lead_time(deciding[0]) if deciding else ""
        return Figure(
            label="Earliest ready",
            value=words.day(earliest),
            unit="",
            note=f"decided by {who}, {lead_time}" if who else "",
        )
    if document["blockers"]:
        silent = [words.OWNERS[group["owner"]] for group in document["blockers"] if group["ready_on"] is None]
        return Figure(
            label="Earliest ready",
            value="open",
            unit="",
            note=f"the site file has no lead time for {words.joined(silent)}",
        )
    ends = sorted(
        each["valid_until"]
        for each in document["findings"]
        if each["valid_until"] is not None and each["origin"] != "beyond" and each["status"] in {"pass", "warn"}
    )
    if not ends:
        return Figure(label="Evidence holds", value="open", unit="", note="no finding says how long")
    first = next(each for each in document["findings"] if each["valid_until"] == ends[0])
    return Figure(
        label="Evidence holds until",
        value=words.day(ends[0]),
        unit="",
        note=f"then {first['check']} must be proven again",
    )


def _groups(outline: Outline, late_from: int) -> Iterator[Group]:
    shown = 0
    for group in sorted(outline.document["blockers"], key=lambda each: each["ready_on"] or "9", reverse=True):
        jobs = []
        for job in group["jobs"]:
            jobs.append(
                Job(
                    text=job["text"],
                    status=job["status"],
                    links=outline.links(job["findings"]),
                    late=shown >= late_from,
                )
            )
            shown += 1
        when = words.lead_time(group)
        if group["ready_on"] is not None:
            when = f"{words.weekday(group['ready_on'])}, {when}"
        yield Group(owner=words.OWNERS[group["owner"]], when=when, jobs=tuple(jobs), late=all(job.late for job in jobs))


def _nothing_blocks(outline: Outline) -> str:
    document = outline.document
    if document["blockers"]:
        return ""
    match document["verdict"]:
        case "ready":
            return "Nothing. Deployment can begin while the evidence holds."
        case "ready_with_exceptions":
            return "Nothing, once the exceptions below are accepted by whoever signs."
        case _ if outline.blocking:
            return (
                f"{words.count(len(outline.blocking), 'requirement')}, told under Findings; this report names no jobs."
            )
        case _:
            return "No finding does; but the run was not whole. Run the audit again without leaving anything out."


def _risks(outline: Outline) -> Iterator[Risk]:
    waived: dict[tuple[str, ...], list[str]] = {}
    stated: dict[tuple[str, ...], list[str]] = {}
    for finding in outline.document["findings"]:
        weighed = outline.weighed[finding["id"]]
        waiver, attestation = weighed.waiver, weighed.attestation
        if waiver is not None:
            key = (waiver["check"], waiver["reason"], waiver["approved_by"], waiver["reference"], waiver["expires"])
            waived.setdefault(key, []).append(finding["id"])
        if attestation is not None:
            given = (attestation["by"], attestation["date"], attestation["reference"], attestation["expires"] or "")
            stated.setdefault((attestation["check"], *given), []).append(finding["id"])
    earliest = outline.document["earliest_ready"]
    for (_, reason, approver, reference, expires), covered in sorted(waived.items(), key=lambda item: item[0][4]):
        early = earliest is not None and expires < earliest
        left = words.days_between(outline.at, expires)
        yield Risk(
            text=_covered(outline, covered),
            reason=reason,
            by=", ".join(part for part in (f"Accepted by {approver}", reference) if part),
            links=outline.links(covered),
            end=words.sentence(outline.ends(expires)) + (": before the earliest ready date" if early else ""),
            alarming=early or (left is not None and left <= 30),
        )
    for (check, by, date, reference, expires), covered in stated.items():
        text = next((each["text"] for each in outline.document["requirements"] if each["id"] == check), check)
        yield Risk(
            text=text,
            reason="",
            by=", ".join(part for part in (f"Stated by {by} on {words.day(date)}", reference) if part),
            links=outline.links(covered),
            end=words.sentence(outline.ends(expires)) if expires else "",
            alarming=False,
        )


def _covered(outline: Outline, finding_ids: list[str]) -> str:
    first = outline.findings[finding_ids[0]]
    text = subject(first)
    return text if len(finding_ids) == 1 else f"{text} And {words.count(len(finding_ids) - 1, 'finding')} more."


def _since(outline: Outline) -> Since | None:
    baseline = outline.document["baseline"]
    if baseline is None:
        return None
    kinds = (
        ("regressed", baseline["regressed"]),
        ("fixed", baseline["fixed"]),
        ("new", [each for each in baseline["new"] if _told(outline, each)]),
        ("changed", [each for each in baseline["changed"] if _told(outline, each)]),
        ("gone", baseline["gone"]),
    )
    then = baseline["started_at"]
    changes: list[Change] = []
    cut: list[str] = []
    for word, ids in kinds:
        for finding_id in ids[:SOME]:
            finding = outline.findings.get(finding_id)
            changes.append(
                Change(
                    word=word,
                    link=outline.link(finding_id, None if finding is None else subject(finding)),
                    check="" if finding is None else finding["check"],
                    loud=word == "regressed",
                )
            )
        if len(ids) > SOME:
            cut.append(f"{len(ids) - SOME} more {word}")
    tally = [f"{len(baseline['fixed'])} fixed", f"{len(baseline['regressed'])} regressed"]
    tally += [f"{len(baseline[word])} {word}" for word in ("changed", "new", "gone") if baseline[word]]
    before = f"{words.VERDICTS[baseline['verdict']]} then"
    if baseline["score"] is not None:
        before = f"{before}, with a score of {words.score(baseline['score'])}"
    return Since(
        title=f"Since {words.minute(then) if then[:10] == outline.at[:10] else words.day(then)}",
        tally=", ".join(tally),
        before=f"{before}; run {baseline['run_id']}.",
        changes=tuple(changes),
        more=f"And {words.joined(cut)}." if cut else "",
    )


def _told(outline: Outline, finding_id: str) -> bool:
    """Whether a change is worth a line of its own: what passes now is only counted."""
    finding = outline.findings.get(finding_id)
    return finding is not None and finding["status"] not in {"pass", "skip"}
