"""Judge a report's recorded observations again, offline: by another site file, with settings, under assumptions.

A report made so says aloud what was changed for it, and is never for sign-off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from typing import Literal

from readiness_schemas.report import ObservationDocument, ObservationErrorDocument, ReportDocument

from readiness.gather import Gathered, Reading, fact_of
from readiness.model import (
    Cause,
    Evidence,
    Finding,
    Judgement,
    Level,
    Obligation,
    Observation,
    Outcome,
    Reason,
    Status,
)
from readiness.overlay import Notice
from readiness.plan import AnyCheck, Instance, Plan
from readiness.plan import plan as make_plan
from readiness.probe import Probe
from readiness.report import Run, assemble, judge
from readiness.site import Site
from readiness.vantage import AUDITOR

_OUTCOMES: Mapping[Status, Outcome] = {
    Status.PASS: Outcome.MET,
    Status.WARN: Outcome.WEAK,
    Status.FAIL: Outcome.MISSED,
    Status.UNKNOWN: Outcome.UNKNOWN,
    Status.MANUAL: Outcome.MANUAL,
    Status.SKIP: Outcome.SKIP,
}


class Unassumable(ValueError):
    """An assumption that cannot be made, with the reason as a sentence."""


@dataclass(frozen=True)
class Assumption:
    """A status to reckon with; ``finding`` is an id, in which ``*`` stands for anything."""

    finding: str
    status: Status

    def concerns(self, finding: str) -> bool:
        parts = (re.escape(part) for part in self.finding.split("*"))
        return re.fullmatch(".*".join(parts), finding) is not None


def assumption(text: str) -> Assumption:
    """Read ``vm.memory[excs-1]=pass``.

    Raises:
        Unassumable: it is not written so.
    """
    finding, equals, word = text.rpartition("=")
    if not equals or not finding.strip():
        raise Unassumable(f"'{text}' is no assumption: write FINDING=STATUS, such as vm.memory[excs-1]=pass")
    try:
        return Assumption(finding.strip(), Status(word.strip()))
    except ValueError:
        known = ", ".join(status.value for status in Status)
        raise Unassumable(f"'{word.strip()}' is no status; there are {known}") from None


class Record:
    """What a report has recorded, to be had by the questions of a plan."""

    def __init__(self, document: ReportDocument) -> None:
        self._at = datetime.fromisoformat(document["run"]["started_at"])
        self._by_key = {seen["probe"]: seen for seen in document["observations"]}

    def readings(self, probes: Iterable[Probe[object]]) -> Mapping[Probe[object], Reading]:
        """One reading for each question; those that were never asked are unread, ``not_observed``."""
        return {probe: self.reading(probe) for probe in probes}

    def reading(self, probe: Probe[object]) -> Reading:
        seen = self._by_key.get(probe.key)
        observation = _unobserved(probe, self._at) if seen is None else _observation(seen)
        return Reading(observation, fact_of(probe, observation))


def _observation(seen: ObservationDocument) -> Observation:
    return Observation(
        id=seen["id"],
        probe=seen["probe"],
        vantage=seen["vantage"],
        method=seen["method"],
        started_at=datetime.fromisoformat(seen["started_at"]),
        duration_s=seen["duration_s"],
        attempts=seen["attempts"],
        response=seen["response"],
        error=None if seen["error"] is None else _reason(seen["error"]),
    )


def _reason(error: ObservationErrorDocument) -> Reason:
    return Reason(code=Cause(error["code"]), detail=error["detail"], enable=error["enable"], by=error["by"])


def _unobserved(probe: Probe[object], at: datetime) -> Observation:
    return Observation(
        id=probe.id,
        probe=probe.key,
        vantage=", ".join(probe.vantages),
        method=probe.method,
        started_at=at,
        duration_s=0.0,
        attempts=0,
        response=None,
        error=Reason(
            code=Cause.NOT_OBSERVED,
            detail=f"the record holds no answer to: {probe.describe()}",
            enable="Run the audit with that site file: a record can only answer what was asked.",
        ),
    )


def plan_again(document: ReportDocument, site: Site, pack: Iterable[type[AnyCheck]]) -> Plan:
    """The plan of a recorded run over a site; what that run was told to leave out stays left out."""
    checks = tuple(pack)
    told: dict[str, bool] = {}
    for finding in document["findings"]:
        reason = finding["reason"]
        left_out = reason is not None and reason["code"] == Cause.NOT_SELECTED
        told[finding["check"]] = told.get(finding["check"], True) and left_out
    known = {check.requirement.id for check in checks}
    return make_plan(site, checks, skip=[check for check, left_out in told.items() if left_out and check in known])


def rejudge(
    document: ReportDocument,
    plan: Plan,
    *,
    assumptions: Sequence[Assumption] = (),
    notices: Sequence[Notice] = (),
) -> ReportDocument:
    """Judge what a report recorded by a plan, with the recorded times; gives back a report without its digest.

    ``notices`` say what else was changed for it.

    Raises:
        Unassumable: an assumption names no finding, or a status that the finding cannot have.
    """
    run = document["run"]
    readings = Record(document).readings(plan.probes)
    at = datetime.fromisoformat(run["started_at"])
    supposed, assumed = suppose(plan, assumptions, readings, at=at)
    again = Run(
        started_at=at,
        finished_at=datetime.fromisoformat(run["finished_at"]),
        auditor=run["auditor"],
        gathered=Gathered(readings, _hosts(document, plan), _ended(document)),
        rejudged_from=run["rejudged_from"] or run["id"],
    )
    kept = (Notice("secret", notice["text"]) for notice in document["notices"] if notice["kind"] == "secret")
    aloud = Notice(
        "rejudged",
        f"Nothing was asked for this report: it judges again what run {again.rejudged_from} recorded. It shows what "
        "would follow, and is never for sign-off.",
    )
    return assemble(supposed, again, notices=(aloud, *notices, *assumed, *kept))


def suppose(
    plan: Plan, assumptions: Sequence[Assumption], readings: Mapping[Probe[object], Reading], *, at: datetime
) -> tuple[Plan, tuple[Notice, ...]]:
    """The same plan with each assumed status settled, and what has to be said aloud of it.

    Raises:
        Unassumable: an assumption names no finding, or a status that the finding cannot have.
    """
    wanted = _wanted(plan, assumptions)
    instances: list[Instance] = []
    moved: dict[tuple[Assumption, Status], list[str]] = {}
    for instance in plan.instances:
        assumed = wanted.get(instance.id)
        if assumed is not None:
            judged = judge(instance, readings, at=at, site=plan.site)
            moved.setdefault((assumed, judged.status), []).append(instance.id)
            if judged.status is not assumed.status:
                instance = replace(instance, needs=(), settled=_assumed(judged, assumed.status, at))
        instances.append(instance)
    notices = tuple(_aloud(assumed, status, ids) for (assumed, status), ids in moved.items())
    return replace(plan, instances=tuple(instances)), notices


def _aloud(assumed: Assumption, judged: Status, ids: Sequence[str]) -> Notice:
    what = ids[0] if len(ids) == 1 else f"{assumed.finding} ({len(ids)} findings)"
    if judged is assumed.status:
        return Notice("assumed", f"Nothing had to be assumed of {what}: by the record it is {judged}.")
    return Notice("assumed", f"Assumed, not proven: {what} is {assumed.status}; the record says {judged}.")


def _wanted(plan: Plan, assumptions: Sequence[Assumption]) -> Mapping[str, Assumption]:
    wanted: dict[str, Assumption] = {}
    for each in assumptions:
        found = [instance for instance in plan.instances if each.concerns(instance.id)]
        if not found:
            near = get_close_matches(each.finding, [instance.id for instance in plan.instances], n=1)
            raise Unassumable(f"there is no finding {each.finding}" + (f"; did you mean {near[0]}?" if near else ""))
        for instance in found:
            obligation = instance.target.obligation or instance.check.requirement.obligation
            if each.status is Status.FAIL and obligation is not Obligation.MANDATORY:
                raise Unassumable(f"{instance.id} is {obligation}: it can be warn at the worst, never fail")
            wanted[instance.id] = each
    return wanted


def _assumed(judged: Finding, status: Status, at: datetime) -> Judgement:
    was = judged.judgement
    reason = Reason(
        code=Cause.NOT_OBSERVED,
        detail="it was assumed to be unknown",
        enable="Judge the record again without this assumption.",
    )
    return Judgement(
        outcome=_OUTCOMES[status],
        summary=f"Assumed, not proven: {status}. The record says {judged.status}: {was.summary}",
        expected=was.expected,
        observed=f"by the record: {was.observed}" if was.observed else "",
        reasoning="Somebody wanted to see what follows if this were so. No evidence says it is: what was recorded "
        f"makes it {judged.status}.",
        evidence=(
            Evidence(label="Assumption", value=f"{judged.id}={status}", level=Level.DECLARED, method="--assume", at=at),
        ),
        remedy=was.remedy,
        job=was.job,
        lane=was.lane,
        owner=judged.owner,
        reason=reason if status is Status.UNKNOWN else None,
        valid_until=at,
    )


def _hosts(document: ReportDocument, plan: Plan) -> Mapping[str, Reason | None]:
    hosts: dict[str, Reason | None] = {
        host["name"]: None if host["reached"] else Reason(code=Cause.UNREACHABLE, detail=host["error"] or "not reached")
        for host in document["run"]["hosts"]
    }
    for name in {name for probe in plan.probes for name in probe.vantages} - {AUDITOR}:
        hosts.setdefault(name, Reason(code=Cause.NOT_OBSERVED, detail="the record knows no such machine"))
    return hosts


def _ended(document: ReportDocument) -> Literal["complete", "deadline", "interrupted"]:
    if document["run"]["complete"]:
        return "complete"
    said = (notice["text"] for notice in document["notices"] if notice["kind"] == "incomplete")
    return "deadline" if any("deadline" in text for text in said) else "interrupted"


def shown(value: object) -> str:
    """A value of a site file as one short line: text as it is, the rest as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:77]}..."
