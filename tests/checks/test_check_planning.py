"""planning.*: what only a person can vouch for."""

from __future__ import annotations

from readiness_checks.planning import LimitationsReviewed

from readiness.model import Outcome
from tests.lab.engine import site


def test_the_review_is_left_to_a_person_and_asks_no_machine() -> None:
    """It is manual on every site, and the remedy is the attestation to paste, with this site's ticket."""
    check = LimitationsReviewed()
    (target,) = check.targets(site(change_ticket="CHG0031337"))
    judgement = check.judge(target)
    assert (target.name, check.needs(target), judgement.outcome) == ("site", (), Outcome.MANUAL)
    pasted = judgement.remedy.splitlines()[-1].strip()
    assert pasted.startswith("- {check: planning.limitations-reviewed, target: site, ")
    assert pasted.endswith("reference: CHG0031337}")


def test_without_a_ticket_its_place_is_held() -> None:
    """The line can be pasted and filled in."""
    check = LimitationsReviewed()
    (target,) = check.targets(site(change_ticket=None))
    assert check.judge(target).remedy.endswith("reference: <ticket>}")
