"""Several sites' reports added up: what the index of a portfolio says, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import cast

from readiness_schemas.portfolio import (
    EntryDocument,
    HostsDocument,
    OwnerDocument,
    PortfolioDocument,
    ResultDocument,
    SinceDocument,
    SitesDocument,
    TogetherDocument,
)
from readiness_schemas.report import (
    BlockerDocument,
    CountsDocument,
    CoverageDocument,
    ReportDocument,
    ToolDocument,
    VerdictWord,
)

from readiness_reports import words

SCHEMA_VERSION = "1.0"

WORST_FIRST: tuple[VerdictWord, ...] = ("not_ready", "not_proven", "ready_with_exceptions", "ready")


def result(document: ReportDocument, report: str) -> ResultDocument:
    """What the index says of one sealed report; ``report`` is the way from the index to it, as a relative URL."""
    run, baseline = document["run"], document["baseline"]
    return ResultDocument(
        run_id=run["id"],
        started_at=run["started_at"],
        duration_s=run["duration_s"],
        complete=run["complete"],
        scope=run["scope"],
        verdict=document["verdict"],
        score=document["score"],
        coverage=document["coverage"],
        counts=document["counts"],
        hosts={"asked": len(run["hosts"]), "reached": sum(host["reached"] for host in run["hosts"])},
        caveats=list(words.caveats(document)),
        notices=document["notices"],
        blockers=document["blockers"],
        earliest_ready=document["earliest_ready"],
        baseline=None
        if baseline is None
        else SinceDocument(
            run_id=baseline["run_id"],
            started_at=baseline["started_at"],
            score=baseline["score"],
            verdict=baseline["verdict"],
            fixed=len(baseline["fixed"]),
            regressed=len(baseline["regressed"]),
            new=len(baseline["new"]),
            gone=len(baseline["gone"]),
            changed=len(baseline["changed"]),
        ),
        report=report,
        digest=document["digest"],
    )


def portfolio(
    entries: Iterable[EntryDocument], *, tool: ToolDocument, auditor: str, started_at: datetime, finished_at: datetime
) -> PortfolioDocument:
    """Add up what was found at all sites, and put the worst first; there is at least one."""
    sites = sorted(entries, key=_order)
    results = [entry["result"] for entry in sites if entry["result"] is not None]
    verdicts = [each["verdict"] for each in results]
    missing = len(sites) - len(results)
    earned = round(sum(each["score"]["earned"] for each in results), 4)
    possible = round(sum(each["score"]["possible"] for each in results), 4)
    return PortfolioDocument(
        schema_version=SCHEMA_VERSION,
        tool=tool,
        run=TogetherDocument(
            started_at=_stamp(started_at),
            finished_at=_stamp(finished_at),
            duration_s=round((finished_at - started_at).total_seconds(), 3),
            auditor=auditor,
            complete=not missing and all(each["complete"] for each in results),
        ),
        verdict=_worst(verdicts, missing),
        counts=SitesDocument(
            all=len(sites),
            ready=verdicts.count("ready"),
            ready_with_exceptions=verdicts.count("ready_with_exceptions"),
            not_ready=verdicts.count("not_ready"),
            not_proven=verdicts.count("not_proven"),
            no_report=missing,
        ),
        score={
            "value": int(1000 * earned / possible + 1e-9) / 10 if possible else None,
            "earned": earned,
            "possible": possible,
        },
        coverage=_coverage(results),
        findings=_findings(results),
        hosts=HostsDocument(
            asked=sum(each["hosts"]["asked"] for each in results),
            reached=sum(each["hosts"]["reached"] for each in results),
        ),
        owners=_owners([group for each in results for group in each["blockers"]]),
        earliest_ready=_earliest(results) if not missing else None,
        sites=sites,
    )


def _order(entry: EntryDocument) -> tuple[int, float, str, str]:
    """Those without a report first, then by verdict, by score, by name."""
    found = entry["result"]
    if found is None:
        return (-1, 0.0, entry["name"], entry["slug"])
    score = found["score"]["value"]
    return (WORST_FIRST.index(found["verdict"]), -1.0 if score is None else score, entry["name"], entry["slug"])


def _worst(verdicts: Sequence[VerdictWord], missing: int) -> VerdictWord:
    """A site without a report is not proven."""
    given = {*verdicts, *(("not_proven",) if missing or not verdicts else ())}
    return next(word for word in WORST_FIRST if word in given)


def _coverage(results: Sequence[ResultDocument]) -> CoverageDocument:
    return {
        "applicable": sum(each["coverage"]["applicable"] for each in results),
        "proven": sum(each["coverage"]["proven"] for each in results),
        "attested": sum(each["coverage"]["attested"] for each in results),
        "waived": sum(each["coverage"]["waived"] for each in results),
        "unproven": sum(each["coverage"]["unproven"] for each in results),
    }


def _findings(results: Sequence[ResultDocument]) -> CountsDocument:
    names = (*words.WORST_FIRST, "attested", "waived")
    return cast(
        "CountsDocument",
        {name: sum(each["counts"][name] for each in results) for name in names},  # type: ignore[literal-required]
    )


def _owners(groups: Sequence[BlockerDocument]) -> list[OwnerDocument]:
    """Each owner once, the latest date first; one group is what one site has for one owner."""
    found: dict[str, list[BlockerDocument]] = {}
    for group in groups:
        found.setdefault(group["owner"], []).append(group)
    owners = [
        OwnerDocument(
            owner=owner,
            sites=len(those),
            jobs=sum(len(group["jobs"]) for group in those),
            ready_on=_latest([group["ready_on"] for group in those]),
        )
        for owner, those in found.items()
    ]
    return sorted(owners, key=lambda each: each["ready_on"] or "9", reverse=True)


def _earliest(results: Sequence[ResultDocument]) -> str | None:
    """The day on which the last blocked site can be ready; open where one of them is."""
    return _latest([each["earliest_ready"] for each in results if each["blockers"]])


def _latest(dates: Sequence[str | None]) -> str | None:
    known = [each for each in dates if each is not None]
    return max(known) if known and len(known) == len(dates) else None


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
