"""The index of a portfolio as one HTML file that loads nothing, in the look of the reports that it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment
from markupsafe import Markup
from readiness_schemas.portfolio import EntryDocument, PortfolioDocument, ResultDocument
from readiness_schemas.report import BlockerDocument, JobDocument, StatusWord

from readiness_reports import sheet, words
from readiness_reports.cover import LOUD, Alarm, Fact, Figure

JOBS = 3
"""Jobs of one owner that a site's row tells; its report has them all."""

NAMED = 5
"""Sites that a sentence names before it only counts the rest."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Who has to do what; ``more`` counts the jobs that are told in the site's report alone."""

    name: str
    when: str
    jobs: tuple[JobDocument, ...]
    more: int


@dataclass(frozen=True, kw_only=True)
class Row:
    """One site: ``kind`` is the word that a reader filters by, ``missing`` whether it has no report."""

    anchor: str
    name: str
    kind: str
    shape: StatusWord
    verdict: str
    missing: bool
    report: str
    about: tuple[str, ...]
    score: str
    coverage: str
    since: str
    worse: bool
    alarms: tuple[Alarm, ...]
    owners: tuple[Owner, ...]
    nothing: str


@dataclass(frozen=True, kw_only=True)
class Sum:
    """What one owner has to do everywhere."""

    name: str
    when: str
    said: str


def render(document: PortfolioDocument) -> str:
    """Draw the index of several reports."""
    style, more, script = sheet.own("report.css"), sheet.own("portfolio.css"), sheet.own("portfolio.js")
    page_style = _page_style(document)
    return (
        _environment()
        .get_template("portfolio.html.j2")
        .render(
            document=document,
            verdict=words.VERDICTS[document["verdict"]],
            shape_of_all=words.VERDICT_SHAPES[document["verdict"]],
            lead=_lead(document),
            alarms=tuple(_alarms(document)),
            facts=tuple(_facts(document)),
            figures=tuple(_figures(document)),
            kinds=tuple(_kinds(document)),
            owners=tuple(_owners(document)),
            rows=tuple(_row(entry, number) for number, entry in enumerate(document["sites"], 1)),
            style=style,
            more_style=more,
            page_style=page_style,
            script=script,
            policy=sheet.policy(script, style, more, page_style),
        )
    )


@cache
def _environment() -> Environment:
    return sheet.new_environment()


def _lead(document: PortfolioDocument) -> str:
    counts = document["counts"]
    parts = [
        (counts["not_ready"], "not ready"),
        (counts["not_proven"], "not proven"),
        (counts["no_report"], "without a report"),
        (counts["ready_with_exceptions"], "ready with exceptions"),
        (counts["ready"], "ready"),
    ]
    told = words.joined(
        f"{words.spelled(amount)} {'is' if amount == 1 else 'are'} {word}" for amount, word in parts if amount
    )
    return words.sentence(f"{told}.")


def _kinds(document: PortfolioDocument) -> Iterator[tuple[str, str, StatusWord, int]]:
    """The choices above the sites: word, label, shape, how many there are."""
    counts = document["counts"]
    if counts["no_report"]:
        yield "no_report", "No report", "fail", counts["no_report"]
    amounts = {
        "not_ready": counts["not_ready"],
        "not_proven": counts["not_proven"],
        "ready_with_exceptions": counts["ready_with_exceptions"],
        "ready": counts["ready"],
    }
    for verdict, shape in sorted(words.VERDICT_SHAPES.items(), key=lambda item: list(amounts).index(item[0])):
        if amounts[verdict]:
            yield verdict, words.VERDICTS[verdict], shape, amounts[verdict]


def _alarms(document: PortfolioDocument) -> Iterator[Alarm]:
    missing = [entry["name"] for entry in document["sites"] if entry["result"] is None]
    if missing:
        yield Alarm(text=f"No report of {_named(missing)}: nothing is known there.", status="fail")
    caveats: dict[str, list[str]] = {}
    for entry in document["sites"]:
        for caveat in entry["result"]["caveats"] if entry["result"] is not None else ():
            caveats.setdefault(caveat, []).append(entry["name"])
    for caveat, names in caveats.items():
        yield Alarm(text=f"{words.sentence(caveat)}: {_named(names)}.", status="fail")


def _named(names: Sequence[str]) -> str:
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more sites"
    return words.joined(names)


def _facts(document: PortfolioDocument) -> Iterator[Fact]:
    run, hosts = document["run"], document["hosts"]
    yield Fact(label="Sites", value=str(document["counts"]["all"]))
    yield Fact(label="Audited by", value=f"{run['auditor']}, {document['tool']['name']} {document['tool']['version']}")
    yield Fact(
        label="Audited at",
        value=f"{words.minute(run['started_at'])}, in {words.seconds(run['duration_s'])}",
        moment=run["started_at"],
    )
    reached = f"{hosts['reached']} of {words.count(hosts['asked'], 'machine')}"
    yield Fact(label="Reached", value=reached, bad=hosts["reached"] < hosts["asked"])


def _figures(document: PortfolioDocument) -> Iterator[Figure]:
    coverage, score = document["coverage"], document["score"]
    rest = [
        f"{coverage['attested']} attested" if coverage["attested"] else "",
        f"{coverage['waived']} waived" if coverage["waived"] else "",
        f"{coverage['unproven']} not proven" if coverage["unproven"] else "",
    ]
    yield Figure(
        label="Coverage, all sites",
        value=str(coverage["proven"]),
        unit=f"of {words.count(coverage['applicable'], 'requirement')} proven",
        note=", ".join(part for part in rest if part) or "none left open",
    )
    yield Figure(
        label="Score, all sites",
        value=words.score(score["value"]),
        unit="of 100",
        note=f"{words.number(score['earned'])} of {words.number(score['possible'])} points",
    )
    earliest = document["earliest_ready"]
    jobs = sum(owner["jobs"] for owner in document["owners"])
    if not jobs:
        yield Figure(label="Earliest ready", value="now" if document["run"]["complete"] else "open", unit="", note="")
    elif earliest is None:
        note = "a site's lead times, or its report, are missing"
        yield Figure(label="All ready at the earliest", value="open", unit="", note=note)
    else:
        late = [
            entry["name"]
            for entry in document["sites"]
            if entry["result"] is not None and entry["result"]["earliest_ready"] == earliest
        ]
        yield Figure(
            label="All ready at the earliest", value=words.day(earliest), unit="", note=f"decided by {_named(late)}"
        )


def _owners(document: PortfolioDocument) -> Iterator[Sum]:
    for owner in document["owners"]:
        ready = owner["ready_on"]
        yield Sum(
            name=words.OWNERS.get(owner["owner"], owner["owner"]),
            when="no date: lead times are missing" if ready is None else f"{words.weekday(ready)} at the earliest",
            said=f"{words.count(owner['jobs'], 'job')} at {words.count(owner['sites'], 'site')}",
        )


def _row(entry: EntryDocument, number: int) -> Row:
    found = entry["result"]
    about = [entry["environment"], *([entry["change_ticket"]] if entry["change_ticket"] else []), entry["file"]]
    if found is None:
        return Row(
            anchor=f"site-{number}",
            name=entry["name"],
            kind="no_report",
            shape="fail",
            verdict="No report",
            missing=True,
            report="",
            about=tuple(about),
            score="",
            coverage="",
            since="",
            worse=False,
            alarms=(Alarm(text=entry["trouble"] or "It left no report.", status="fail"),),
            owners=(),
            nothing="",
        )
    reached, asked = found["hosts"]["reached"], found["hosts"]["asked"]
    if reached < asked:
        about.append(f"{reached} of {words.count(asked, 'machine')} reached")
    covered = found["coverage"]
    since, worse = _since(found)
    return Row(
        anchor=f"site-{number}",
        name=entry["name"],
        kind=found["verdict"],
        shape=words.VERDICT_SHAPES[found["verdict"]],
        verdict=words.VERDICTS[found["verdict"]],
        missing=False,
        report=found["report"],
        about=tuple(about),
        score=words.score(found["score"]["value"]),
        coverage=f"{covered['proven']} of {covered['applicable']}",
        since=since,
        worse=worse,
        alarms=tuple(_site_alarms(found)),
        owners=tuple(_owner(group) for group in found["blockers"]),
        nothing=_nothing(found),
    )


def _since(found: ResultDocument) -> tuple[str, bool]:
    """What became of a site since its baseline, and whether anything got worse."""
    then = found["baseline"]
    if then is None:
        return "first report", False
    tally = [(then["fixed"], "fixed"), (then["regressed"], "regressed"), (then["changed"], "changed")]
    tally += [(then["new"], "new"), (then["gone"], "gone")]
    said = ", ".join(f"{amount} {word}" for amount, word in tally if amount) or "nothing changed"
    before, now = then["score"], found["score"]["value"]
    if before is not None and now is not None and before != now:
        said = f"{said}; score {now - before:+.1f}".replace("-", "\u2212")
    return f"{said} since {words.short_day(then['started_at'])}", then["regressed"] > 0


def _site_alarms(found: ResultDocument) -> Iterator[Alarm]:
    said = [notice for notice in found["notices"] if notice["kind"] in LOUD]
    kinds = {notice["kind"] for notice in said}
    for caveat in found["caveats"]:
        if "incomplete" not in kinds and "expired" not in caveat:
            yield Alarm(text=f"{words.sentence(caveat)}.", status="fail")
    for notice in said:
        yield Alarm(text=notice["text"], status="fail")


def _owner(group: BlockerDocument) -> Owner:
    when = words.lead_time(group)
    if group["ready_on"] is not None:
        when = f"{words.weekday(group['ready_on'])}, {when}"
    jobs = group["jobs"]
    shown = len(jobs) if len(jobs) <= JOBS + 1 else JOBS
    return Owner(
        name=words.OWNERS.get(group["owner"], group["owner"]),
        when=when,
        jobs=tuple(jobs[:shown]),
        more=len(jobs) - shown,
    )


def _nothing(found: ResultDocument) -> str:
    if found["blockers"]:
        return ""
    match found["verdict"]:
        case "ready":
            return "Nothing blocks sign-off."
        case "ready_with_exceptions":
            return "Nothing blocks sign-off, once its exceptions are accepted."
        case _:
            return "No finding blocks it, but the run was not whole."


def _page_style(document: PortfolioDocument) -> Markup:
    """What every sheet of paper carries at its foot: a date of our own making, and no foreign text."""
    said = f"portfolio, {words.minute(document['run']['started_at'])}"
    said = "".join(character for character in said if character.isalnum() or character in " ,:")
    if any(entry["result"] is None or entry["result"]["caveats"] for entry in document["sites"]):
        return Markup(f'@page {{ @bottom-left {{ content: "{said}: with reservations"; color: #b01b1b; }} }}')  # noqa: S704
    return Markup(f'@page {{ @bottom-left {{ content: "{said}" }} }}')  # noqa: S704
