"""From findings to a verdict, a coverage and a score: the page alone counts, not what lies beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from readiness.model import Finding, Obligation, Origin, Requirement, Status, Verdict, worst

WEIGHTS = {Obligation.MANDATORY: 10, Obligation.RECOMMENDED: 3, Obligation.OPTIONAL: 1}
OPEN = frozenset({Status.UNKNOWN, Status.MANUAL})


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One requirement with its findings: its status, and its part of the score in points."""

    requirement: Requirement
    status: Status
    weight: Fraction
    earned: Fraction


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Requirements of the page that apply, each counted once."""

    applicable: int
    proven: int
    attested: int
    waived: int
    unproven: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """Points out of 100, rounded down to one decimal; ``value`` is ``None`` where nothing applies."""

    value: float | None
    earned: float
    possible: float


def counted(requirement: Requirement) -> bool:
    """Whether the verdict, the coverage and the score speak of it."""
    return requirement.origin is not Origin.BEYOND


def standing(requirement: Requirement, findings: Sequence[Finding]) -> Standing:
    """Judge one requirement; its weight is shared equally by those of its findings that apply.

    Raises:
        ValueError: it has no finding.
    """
    status = worst(frozenset(finding.status for finding in findings))
    applying = [finding for finding in findings if finding.status is not Status.SKIP]
    if not applying or not counted(requirement):
        return Standing(requirement=requirement, status=status, weight=Fraction(0), earned=Fraction(0))
    weight = Fraction(WEIGHTS[requirement.obligation])
    earned = sum((_worth(finding) for finding in applying), Fraction(0)) * weight / len(applying)
    return Standing(requirement=requirement, status=status, weight=weight, earned=earned)


def _worth(finding: Finding) -> Fraction:
    if finding.status is Status.PASS or finding.attestation is not None:
        return Fraction(1)
    return Fraction(1, 2) if finding.status is Status.WARN else Fraction(0)


def score(standings: Sequence[Standing]) -> Score:
    """Add up the points."""
    earned = sum((each.earned for each in standings), Fraction(0))
    possible = sum((each.weight for each in standings), Fraction(0))
    value = None if possible == 0 else int(earned * 1000 / possible) / 10
    return Score(value=value, earned=round(float(earned), 2), possible=float(possible))


def coverage(findings_of: Sequence[tuple[Requirement, Sequence[Finding]]]) -> Coverage:
    """Say of each requirement that applies how it was settled."""
    tally = {"proven": 0, "attested": 0, "waived": 0, "unproven": 0}
    for requirement, findings in findings_of:
        if counted(requirement) and any(finding.status is not Status.SKIP for finding in findings):
            tally[_settled_by(findings)] += 1
    return Coverage(applicable=sum(tally.values()), **tally)


def _settled_by(findings: Sequence[Finding]) -> str:
    left_open = [finding for finding in findings if finding.status in OPEN]
    if any(not finding.settled for finding in left_open):
        return "unproven"
    if any(finding.attestation is None for finding in left_open):
        return "waived"
    return "attested" if left_open else "proven"


def verdict(findings: Sequence[Finding], *, whole: bool) -> Verdict:
    """Decide; ``whole`` is false for a partial or incomplete run, which can disprove but not prove."""
    relevant = [finding for finding in findings if counted(finding.requirement)]
    mandatory = [finding for finding in relevant if finding.obligation is Obligation.MANDATORY]
    if any(finding.status is Status.FAIL and finding.waiver is None for finding in mandatory):
        return Verdict.NOT_READY
    if not whole or any(finding.status in OPEN and not finding.settled for finding in mandatory):
        return Verdict.NOT_PROVEN
    if any(finding.waiver is not None or not _clean(finding) for finding in relevant):
        return Verdict.READY_WITH_EXCEPTIONS
    return Verdict.READY


def _clean(finding: Finding) -> bool:
    attested = finding.status is Status.MANUAL and finding.attestation is not None
    return attested or finding.status in {Status.PASS, Status.SKIP}
