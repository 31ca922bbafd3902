"""Verdict, coverage and score follow their rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from readiness.model import Attestation, Finding, Obligation, Origin, Status, Verdict, Waiver, worst
from readiness.score import coverage, score, standing, verdict
from tests.lab.engine import NOON, finding, requirement

PASS, WARN, FAIL, UNKNOWN, MANUAL, SKIP = (
    Status.PASS,
    Status.WARN,
    Status.FAIL,
    Status.UNKNOWN,
    Status.MANUAL,
    Status.SKIP,
)
ATTESTATION = Attestation(check="vm.kernel", target="excs-1", by="Jane", date=NOON.date(), reference="CHG1")
WAIVER = Waiver(
    check="vm.kernel", reason="later", approved_by="Board", reference="CHG2", date=NOON.date(), expires=NOON.date()
)
RECOMMENDED = requirement("vm.disk", obligation=Obligation.RECOMMENDED)
OPTIONAL = requirement("optional.grafana", obligation=Obligation.OPTIONAL)
BEYOND = requirement("vm.ports-free", obligation=Obligation.OPTIONAL, origin=Origin.BEYOND)


def attested(status: Status) -> Finding:
    return replace(finding(status), attestation=ATTESTATION)


def waived(status: Status) -> Finding:
    return replace(finding(status), waiver=WAIVER)


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ({PASS, WARN, MANUAL, UNKNOWN, FAIL, SKIP}, FAIL),
        ({PASS, WARN, MANUAL, UNKNOWN, SKIP}, UNKNOWN),
        ({PASS, WARN, MANUAL, SKIP}, MANUAL),
        ({PASS, WARN, SKIP}, WARN),
        ({PASS, SKIP}, PASS),
        ({SKIP}, SKIP),
    ],
)
def test_a_requirement_takes_the_worst_status_of_its_findings(statuses: set[Status], expected: Status) -> None:
    """fail, unknown, manual, warn, pass, and skip only if all are."""
    assert worst(frozenset(statuses)) is expected


def test_a_requirement_without_findings_is_an_error_and_not_a_pass() -> None:
    """Nothing found is never a status."""
    with pytest.raises(ValueError, match="without findings"):
        worst(frozenset())


@pytest.mark.parametrize(
    ("findings", "whole", "expected"),
    [
        ([finding(PASS)], True, Verdict.READY),
        ([finding(PASS), finding(SKIP)], True, Verdict.READY),
        ([attested(MANUAL)], True, Verdict.READY),
        ([attested(UNKNOWN)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([finding(WARN)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([waived(FAIL)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([waived(UNKNOWN)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([finding(WARN, check=RECOMMENDED)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([finding(UNKNOWN, check=RECOMMENDED)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([finding(UNKNOWN, check=OPTIONAL)], True, Verdict.READY_WITH_EXCEPTIONS),
        ([finding(PASS)], False, Verdict.NOT_PROVEN),
        ([finding(UNKNOWN)], True, Verdict.NOT_PROVEN),
        ([finding(MANUAL)], True, Verdict.NOT_PROVEN),
        ([finding(FAIL)], True, Verdict.NOT_READY),
        ([finding(FAIL), finding(UNKNOWN)], False, Verdict.NOT_READY),
        ([waived(FAIL)], False, Verdict.NOT_PROVEN),
        ([finding(PASS), finding(WARN, check=BEYOND)], True, Verdict.READY),
        ([finding(PASS), finding(UNKNOWN, check=BEYOND)], True, Verdict.READY),
    ],
)
def test_the_verdict_follows_the_rules(findings: list[Finding], whole: bool, expected: Verdict) -> None:
    """A mandatory miss decides, then what is open, then exceptions; what lies beyond the page never counts."""
    assert verdict(findings, whole=whole) is expected


@pytest.mark.parametrize(
    ("findings", "kind"),
    [
        ([finding(PASS), finding(FAIL)], "proven"),
        ([finding(PASS), waived(FAIL)], "proven"),
        ([attested(MANUAL), finding(PASS)], "attested"),
        ([attested(MANUAL), waived(UNKNOWN)], "waived"),
        ([attested(MANUAL), waived(UNKNOWN), finding(UNKNOWN)], "unproven"),
        ([finding(MANUAL)], "unproven"),
    ],
)
def test_coverage_counts_each_requirement_once(findings: list[Finding], kind: str) -> None:
    """Unproven before waived before attested before proven; a failure is proven too."""
    covered = coverage([(requirement(), findings)])
    assert covered.applicable == 1
    assert {name: getattr(covered, name) for name in ("proven", "attested", "waived", "unproven")} == {
        name: int(name == kind) for name in ("proven", "attested", "waived", "unproven")
    }


def test_what_does_not_apply_or_lies_beyond_is_not_covered() -> None:
    """Skipped requirements and those beyond the page leave the coverage."""
    covered = coverage([(requirement(), [finding(SKIP)]), (BEYOND, [finding(UNKNOWN, check=BEYOND)])])
    assert covered.applicable == 0


def test_the_score_shares_a_requirements_weight_among_the_findings_that_apply() -> None:
    """10, 3 and 1 points; pass and attested earn all, a warning half, a waiver nothing; skips leave both sums."""
    standings = [
        standing(requirement(), [finding(PASS), finding(FAIL), finding(SKIP)]),
        standing(requirement("vm.os"), [attested(MANUAL), waived(FAIL), finding(WARN), finding(PASS)]),
        standing(RECOMMENDED, [finding(WARN, check=RECOMMENDED)]),
        standing(OPTIONAL, [finding(SKIP, check=OPTIONAL)]),
        standing(BEYOND, [finding(WARN, check=BEYOND)]),
    ]
    points = score(standings)
    assert (points.earned, points.possible) == (5 + 6.25 + 1.5, 23)
    assert points.value == 55.4


def test_the_score_is_rounded_down() -> None:
    """Two thirds of the points are 66.6, not 66.7, and full points are 100 without a rounding loss."""
    thirds = standing(requirement(), [finding(PASS), finding(PASS), finding(FAIL)])
    assert score([thirds]).value == 66.6
    sevenths = [standing(requirement(f"a.b{n}"), [finding(PASS)] * 7) for n in range(7)]
    assert score(sevenths).value == 100.0


def test_nothing_that_applies_has_no_score() -> None:
    """An empty score is null, neither 0 nor 100."""
    assert score([standing(requirement(), [finding(SKIP)])]).value is None
