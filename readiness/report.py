"""Judge what a run gathered and draw up its report document."""

from __future__ import annotations

import logging
import math
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal, cast

from readiness_schemas.report import (
    AttestationDocument,
    BaselineDocument,
    BeforeDocument,
    BlockerDocument,
    CountsDocument,
    EvidenceDocument,
    FindingDocument,
    JobDocument,
    NoticeDocument,
    ObservationDocument,
    PastRunDocument,
    ReasonDocument,
    ReportDocument,
    RequirementDocument,
    RunDocument,
    SiteDocument,
    StatusWord,
    StepDocument,
    StepWord,
    VantageDocument,
    WaiverDocument,
)

from readiness import __version__
from readiness.compare import Comparison, Kind, Side, Step, compare_runs
from readiness.gather import Gathered, Reading, sound
from readiness.model import (
    Attestation,
    Cause,
    Evidence,
    Finding,
    Judgement,
    Level,
    Obligation,
    Outcome,
    Owner,
    Reason,
    Requirement,
    Status,
    Unread,
    Waiver,
    owner_of,
    status_of,
)
from readiness.overlay import Notice, overlay
from readiness.plan import Instance, Plan
from readiness.probe import Attempt, Probe
from readiness.score import OPEN, counted, coverage, score, standing, verdict
from readiness.site import Absent, Site
from readiness.vantage import AUDITOR

SCHEMA_VERSION = "1.0"

USUAL_LEAD_TIMES: Mapping[Owner, int] = {
    Owner.NETWORK: 10,
    Owner.DBA: 5,
    Owner.VIRTUALISATION: 5,
    Owner.GENESYS_CLOUD: 3,
    Owner.ENGAGE: 5,
    Owner.DEPLOYER: 2,
}
"""Working days that such work takes in most organisations; what the site file says goes before."""

LONGEST_HISTORY = 24
"""Earlier runs that a report remembers."""

log = logging.getLogger("readiness")


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one run brought, whether just now or read back from its record; times in UTC."""

    started_at: datetime
    finished_at: datetime
    auditor: str
    gathered: Gathered
    rejudged_from: str | None = None

    @property
    def id(self) -> str:
        return f"{self.started_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def assemble(
    plan: Plan, run: Run, *, notices: Sequence[Notice] = (), baseline: ReportDocument | None = None
) -> ReportDocument:
    """Judge every instance of the plan by what was gathered and draw up the report document."""
    site = plan.site
    judged = [judge(instance, run.gathered.readings, at=run.started_at, site=site) for instance in plan.instances]
    findings, said = overlay(judged, site.attestations, site.waivers, at=run.started_at)
    of: dict[str, list[Finding]] = {requirement.id: [] for requirement in plan.requirements}
    for finding in findings:
        of[finding.requirement.id].append(finding)
    standings = [standing(requirement, of[requirement.id]) for requirement in plan.requirements]
    complete = run.gathered.ended == "complete"
    points = score(standings)
    covered = coverage([(requirement, of[requirement.id]) for requirement in plan.requirements])
    told = [_finding(finding) for finding in findings]
    observations = _observations(run.gathered.readings.values())
    compared, history = None, list[PastRunDocument]()
    if baseline is not None:
        comparison = compare_runs(Side(baseline["findings"], baseline["observations"]), Side(told, observations))
        _mark_changes(told, comparison)
        compared = _compared(comparison, baseline)
        history = _history(baseline)
        said = (*said, *_rebuilt(comparison, baseline))
    blockers = _blockers(findings, site, run.started_at.date())
    earliest = _earliest(blockers)
    document = ReportDocument(
        schema_version=SCHEMA_VERSION,
        tool={"name": "readiness", "version": __version__},
        page={"title": site.page.title, "revision": site.page.revision, "source": site.page.source},
        site=_site(site),
        run=_run(plan, run, complete=complete),
        verdict=verdict(findings, whole=complete and not plan.partial).value,
        score={"value": points.value, "earned": points.earned, "possible": points.possible},
        coverage={
            "applicable": covered.applicable,
            "proven": covered.proven,
            "attested": covered.attested,
            "waived": covered.waived,
            "unproven": covered.unproven,
        },
        counts=_counts(findings),
        requirements=[
            RequirementDocument(
                id=each.requirement.id,
                section=each.requirement.section,
                text=each.requirement.text,
                obligation=each.requirement.obligation.value,
                origin=each.requirement.origin.value,
                status=_word(each.status),
                weight=round(float(each.weight), 4),
                earned=round(float(each.earned), 4),
            )
            for each in standings
        ],
        findings=told,
        observations=observations,
        blockers=blockers,
        earliest_ready=earliest,
        notices=[
            NoticeDocument(kind=notice.kind, text=notice.text) for notice in (*_incomplete(plan, run), *notices, *said)
        ],
        baseline=compared,
        history=history,
    )
    return cast(ReportDocument, _writable(document))


def _writable(part: object) -> object:
    """The same with nothing in it that a file cannot hold: a fact may repeat what a peer's JSON held."""
    match part:
        case str():
            return sound(part)
        case dict():
            return {key: _writable(value) for key, value in part.items()}
        case list():
            return [_writable(value) for value in part]
        case int() if abs(part) > _EXACT:
            return float(part)
        case _:
            return part


_EXACT = 2**53 - 1
"""The largest integer that JSON's readers agree on (RFC 8785)."""


def judge(instance: Instance, readings: Mapping[Probe[object], Reading], *, at: datetime, site: Site) -> Finding:
    """Make the finding of one instance; a crash of its check is an ``unknown`` that says so."""
    read = [readings[probe] for probe in instance.probes]
    requirement = instance.check.requirement
    judgement = _explained(_judged(instance, [reading.fact for reading in read]), requirement)
    starts = [reading.observation.started_at for reading in read]
    ends = [reading.observation.started_at + timedelta(seconds=reading.observation.duration_s) for reading in read]
    started_at = min(starts, default=at)
    evidence = tuple(_completed(piece, instance.probes, read, at=started_at) for piece in judgement.evidence)
    status = status_of(judgement.outcome, instance.target.obligation or requirement.obligation)
    return Finding(
        id=instance.id,
        requirement=requirement,
        target=instance.target,
        status=status,
        judgement=replace(judgement, evidence=evidence),
        level=max((piece.level for piece in evidence), default=Level.DECLARED),
        owner=judgement.owner or owner_of(judgement.lane, requirement.owner),
        started_at=started_at,
        duration_s=max(((end - started_at).total_seconds() for end in ends), default=0.0),
        valid_until=_valid_until(status, judgement, requirement, started_at, site),
    )


def _judged(instance: Instance, facts: Sequence[object]) -> Judgement:
    for need, fact in zip(instance.needs, facts, strict=True):
        if isinstance(fact, Unread) and not isinstance(need, Attempt):
            return _unread(need, fact)
    try:
        return _grounded(instance.settled or instance.check.judge(instance.target, *facts))
    except Exception as error:
        log.debug("crash while judging %s", instance.id, exc_info=error)
        return Judgement.unknown(
            "The auditor's own code failed while judging this.",
            Cause.CRASH,
            f"{type(error).__name__}: {str(error)[:300]}",
            enable="This is a defect of readiness: report it with the finding's id.",
        )


def _grounded(judgement: Judgement) -> Judgement:
    """Let nothing pass or fail without evidence, whatever a check says."""
    if judgement.outcome in {Outcome.MET, Outcome.MISSED} and not judgement.evidence:
        raise ValueError("the check drew a conclusion without evidence")
    return judgement


def _explained(judgement: Judgement, requirement: Requirement) -> Judgement:
    """What a check left unsaid about something open: what was asked for, and why nothing follows."""
    if judgement.outcome is Outcome.SKIP:
        return judgement
    why = judgement.reasoning
    if not why and judgement.reason is not None:
        why = _WHY_OPEN.get(judgement.reason.code, "Nothing was seen that decides it, for or against.")
    return replace(judgement, expected=judgement.expected or requirement.text, reasoning=why)


_WHY_OPEN = {
    Cause.BLOCKED: "It hangs on another finding: before that one is settled, nothing follows about this.",
    Cause.UNDECLARED: "What the site file leaves open was not looked at, so nothing follows about it.",
    Cause.NOT_SELECTED: "It was left out on purpose, so nothing follows about it.",
    Cause.NOT_BUILT: "It was not looked at, so nothing follows about it.",
}


def _unread(need: Probe[object], fact: Unread) -> Judgement:
    reason = fact.reason
    enable = reason.enable or "Mend what the reason names and run the audit again."
    return Judgement.unknown(
        f"Not determined: {reason.detail.rstrip('.?!')}.",
        reason.code,
        reason.detail,
        enable=enable,
        by=reason.by,
        observed=f"no answer to: {need.describe()}",
        evidence=(Evidence(label="No answer", value=reason.detail, level=Level.DECLARED, of=fact),),
        reasoning="The question got no answer, so the requirement is neither met nor violated as far as is known.",
    )


def _completed(
    piece: Evidence, probes: Sequence[Probe[object]], readings: Sequence[Reading], *, at: datetime
) -> Evidence:
    for probe, reading in zip(probes, readings, strict=True):
        if piece.of is not None and reading.fact is piece.of:
            seen = reading.observation
            return replace(
                piece,
                vantage=piece.vantage or seen.vantage,
                method=piece.method or probe.method,
                at=piece.at or seen.started_at,
                observation=piece.observation or seen.id,
            )
    return replace(piece, vantage=piece.vantage or AUDITOR, method=piece.method or "site file", at=piece.at or at)


def _valid_until(
    status: Status, judgement: Judgement, requirement: Requirement, at: datetime, site: Site
) -> datetime | None:
    if status in {Status.UNKNOWN, Status.MANUAL, Status.SKIP}:
        return None
    until = at + validity(requirement, site)
    return min(until, judgement.valid_until) if judgement.valid_until is not None else until


def validity(requirement: Requirement, site: Site) -> timedelta:
    """For how long a proof of a requirement counts on this site, if nothing that was seen ends sooner."""
    return site.report.valid_for.get(_kind(requirement.id), requirement.valid_for)


def _kind(check: str) -> str:
    if check in {"vm.time-sync", "vm.clock-offset"}:
        return "clock"
    return "connectivity" if check.startswith(("connectivity.", "network.")) else check


def _word(status: Status) -> StatusWord:
    return status.value


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _site(site: Site) -> SiteDocument:
    return SiteDocument(
        name=site.name,
        slug=site.slug,
        change_ticket=site.change_ticket,
        environment=site.environment.value,
        capacity={"agents": site.capacity.agents, "caps": float(site.capacity.caps)},
        digest=site.digest,
        declared=dict(site.declared),
    )


def _run(plan: Plan, run: Run, *, complete: bool) -> RunDocument:
    roles = {vm.name: vm.role.value for vm in plan.site.vms}
    if not isinstance(plan.site.bootstrap, Absent):
        roles[plan.site.bootstrap.name] = "bootstrap"
    hosts = {access.name: access.host for access in plan.site.access}
    reached = [name for name, reason in run.gathered.hosts.items() if reason is None]
    scope: Literal["full", "partial"] = "partial" if plan.partial else "full"
    return RunDocument(
        id=run.id,
        started_at=_stamp(run.started_at),
        finished_at=_stamp(run.finished_at),
        duration_s=round((run.finished_at - run.started_at).total_seconds(), 3),
        auditor=run.auditor,
        vantages=[AUDITOR, *(name for name in (*roles, *sorted(hosts.keys() - roles.keys())) if name in reached)],
        hosts=[
            VantageDocument(
                name=name,
                host=hosts.get(name, ""),
                role=roles.get(name, name),
                reached=reason is None,
                error=None if reason is None else reason.detail,
            )
            for name, reason in sorted(run.gathered.hosts.items(), key=lambda item: _order(item[0], roles))
            if name != AUDITOR
        ],
        complete=complete,
        scope=scope,
        rejudged_from=run.rejudged_from,
    )


def _order(name: str, roles: Mapping[str, str]) -> tuple[int, str]:
    return (list(roles).index(name) if name in roles else len(roles), name)


def _counts(findings: Sequence[Finding]) -> CountsDocument:
    tally = Counter(finding.status for finding in findings)
    return {
        "pass": tally[Status.PASS],
        "warn": tally[Status.WARN],
        "fail": tally[Status.FAIL],
        "unknown": tally[Status.UNKNOWN],
        "manual": tally[Status.MANUAL],
        "skip": tally[Status.SKIP],
        "attested": sum(finding.attestation is not None for finding in findings),
        "waived": sum(finding.waiver is not None for finding in findings),
    }


def _finding(finding: Finding) -> FindingDocument:
    judgement = finding.judgement
    document = FindingDocument(
        id=finding.id,
        check=finding.requirement.id,
        target={
            "kind": finding.target.kind.value,
            "name": finding.target.name,
            "source": finding.target.source,
            "host": finding.target.host,
            "port": finding.target.port,
        },
        status=_word(finding.status),
        obligation=finding.obligation.value,
        origin=finding.requirement.origin.value,
        level=finding.level.word,
        summary=judgement.summary,
        expected=judgement.expected,
        observed=judgement.observed,
        reasoning=judgement.reasoning,
        evidence=[_evidence(piece) for piece in judgement.evidence],
        remedy=judgement.remedy,
        reason=None if judgement.reason is None else _reason(judgement.reason),
        lane=None if judgement.lane is None else judgement.lane.value,
        owner=finding.owner.value,
        started_at=_stamp(finding.started_at),
        duration_s=round(finding.duration_s, 3),
        valid_until=None if finding.valid_until is None else _stamp(finding.valid_until),
        attestation=None if finding.attestation is None else _attestation(finding.attestation),
        waiver=None if finding.waiver is None else _waiver(finding.waiver),
        change=None,
    )
    if judgement.figures:
        document["figures"] = {name: value for name, value in judgement.figures.items() if _is_number(value)}
    return document


def _is_number(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _evidence(piece: Evidence) -> EvidenceDocument:
    assert piece.at is not None
    return EvidenceDocument(
        label=piece.label,
        value=piece.value,
        vantage=piece.vantage or AUDITOR,
        method=piece.method or "",
        level=piece.level.word,
        at=_stamp(piece.at),
        observation=piece.observation,
    )


def _reason(reason: Reason) -> ReasonDocument:
    return ReasonDocument(code=reason.code.value, detail=reason.detail, enable=reason.enable, by=reason.by)


def _attestation(attestation: Attestation) -> AttestationDocument:
    return AttestationDocument(
        check=attestation.check,
        target=attestation.target,
        by=attestation.by,
        date=attestation.date.isoformat(),
        reference=attestation.reference,
        expires=None if attestation.expires is None else attestation.expires.isoformat(),
    )


def _waiver(waiver: Waiver) -> WaiverDocument:
    return WaiverDocument(
        check=waiver.check,
        target=waiver.target,
        reason=waiver.reason,
        approved_by=waiver.approved_by,
        reference=waiver.reference,
        date=waiver.date.isoformat(),
        expires=waiver.expires.isoformat(),
    )


def _observations(readings: Iterable[Reading]) -> list[ObservationDocument]:
    return [
        ObservationDocument(
            id=seen.id,
            probe=seen.probe,
            vantage=seen.vantage,
            method=seen.method,
            started_at=_stamp(seen.started_at),
            duration_s=round(seen.duration_s, 3),
            attempts=seen.attempts,
            response=seen.response,
            error=None if seen.error is None else _reason(seen.error),
        )
        for seen in sorted((reading.observation for reading in readings), key=lambda seen: seen.probe)
    ]


def _incomplete(plan: Plan, run: Run) -> tuple[Notice, ...]:
    said: list[Notice] = []
    if run.gathered.ended == "interrupted":
        said.append(Notice("incomplete", "The run was interrupted: what had not been answered by then is unknown."))
    if run.gathered.ended == "deadline":
        said.append(Notice("incomplete", "The run met its own deadline: what was not answered by then is unknown."))
    if plan.partial:
        said.append(Notice("incomplete", "The run was told to leave checks out, so it cannot prove the site ready."))
    return tuple(said)


def _mark_changes(findings: Sequence[FindingDocument], comparison: Comparison) -> None:
    changes = {step.id: step.change for step in comparison.steps}
    for finding in findings:
        change = changes[finding["id"]]
        finding["change"] = None if change is None else change.value


def _compared(comparison: Comparison, baseline: ReportDocument) -> BaselineDocument:
    def those(kind: Kind) -> list[str]:
        return [step.id for step in comparison.of(kind)]

    return BaselineDocument(
        run_id=baseline["run"]["id"],
        started_at=baseline["run"]["started_at"],
        score=baseline["score"]["value"],
        verdict=baseline["verdict"],
        fixed=those(Kind.FIXED),
        regressed=those(Kind.REGRESSED),
        new=those(Kind.NEW),
        gone=those(Kind.GONE),
        changed=those(Kind.CHANGED),
        steps=[_step(step) for kind in _TOLD for step in comparison.of(kind)],
    )


_TOLD = (Kind.REGRESSED, Kind.FIXED, Kind.NEW, Kind.GONE, Kind.CHANGED, Kind.STILL_OPEN)


def _step(step: Step) -> StepDocument:
    before = step.before
    return StepDocument(
        finding=step.id,
        kind=cast(StepWord, step.kind.value),
        before=None
        if before is None
        else BeforeDocument(status=cast(StatusWord, before.status), observed=before.observed, settled=before.settled),
    )


def _history(baseline: ReportDocument) -> list[PastRunDocument]:
    """The runs before this one: those that the baseline remembers, and the baseline itself."""
    last = PastRunDocument(
        run_id=baseline["run"]["id"],
        started_at=baseline["run"]["started_at"],
        revision=baseline["page"]["revision"],
        verdict=baseline["verdict"],
        score=baseline["score"]["value"],
        proven=baseline["coverage"]["proven"],
        applicable=baseline["coverage"]["applicable"],
    )
    return [*baseline.get("history", []), last][-LONGEST_HISTORY:]


def _rebuilt(comparison: Comparison, baseline: ReportDocument) -> tuple[Notice, ...]:
    since = baseline["run"]["started_at"][:10]
    return tuple(
        Notice(
            "rebuilt",
            f"{machine.name} is not the machine that it was in the run of {since}: {machine.why}. "
            "What passed there before counts for nothing; its findings stand on this run alone.",
        )
        for machine in comparison.rebuilt
    )


def _blockers(findings: Sequence[Finding], site: Site, today: date) -> list[BlockerDocument]:
    blocking = {finding.id: finding for finding in findings if _blocks(finding)}
    jobs: dict[Owner, dict[str, JobDocument]] = {}
    for finding in blocking.values():
        root = _root(finding, blocking)
        text = root.judgement.job or root.judgement.summary
        job = jobs.setdefault(root.owner, {}).setdefault(
            text, JobDocument(text=text, status=_word(root.status), findings=[])
        )
        job["findings"].append(finding.id)
    groups: list[BlockerDocument] = []
    for owner in Owner:
        if owner in jobs:
            agreed = site.report.lead_times.get(owner)
            days = USUAL_LEAD_TIMES[owner] if agreed is None else agreed
            groups.append(
                BlockerDocument(
                    owner=owner.value,
                    lead_time=f"{days}d",
                    lead_time_from="usual" if agreed is None else "site",
                    ready_on=_working_days(today, days).isoformat(),
                    jobs=sorted(jobs[owner].values(), key=lambda job: job["status"]),
                )
            )
    return sorted(groups, key=lambda group: group["ready_on"] or "", reverse=True)


def _blocks(finding: Finding) -> bool:
    if not counted(finding.requirement) or finding.obligation is not Obligation.MANDATORY:
        return False
    return (finding.status is Status.FAIL and finding.waiver is None) or (
        finding.status in OPEN and not finding.settled
    )


def _root(finding: Finding, blocking: Mapping[str, Finding]) -> Finding:
    """The finding that stands behind this one, as far as it blocks too."""
    seen = {finding.id}
    while (reason := finding.judgement.reason) is not None and reason.by is not None:
        if reason.by in seen or reason.by not in blocking:
            break
        finding = blocking[reason.by]
        seen.add(finding.id)
    return finding


def _working_days(start: date, days: int) -> date:
    """The day on which so many working days (Monday to Friday) have passed since ``start``."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day


def _earliest(blockers: Sequence[BlockerDocument]) -> str | None:
    return max((group["ready_on"] for group in blockers if group["ready_on"] is not None), default=None)
