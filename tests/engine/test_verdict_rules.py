"""What becomes of a conclusion: its status, who mends it, and what it weighs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from readiness.check import Settled, Unbuilt
from readiness.model import Cause, Lane, Obligation, Outcome, Owner, Status, Target, owner_of, status_of
from readiness.score import WEIGHTS, score, standing
from readiness.site import Site
from tests.lab.engine import finding, requirement, site, target

MANDATORY, RECOMMENDED, OPTIONAL = Obligation.MANDATORY, Obligation.RECOMMENDED, Obligation.OPTIONAL


@pytest.mark.parametrize(
    ("outcome", "mandatory", "otherwise"),
    [
        (Outcome.MET, Status.PASS, Status.PASS),
        (Outcome.WEAK, Status.WARN, Status.WARN),
        (Outcome.MISSED, Status.FAIL, Status.WARN),
        (Outcome.UNKNOWN, Status.UNKNOWN, Status.UNKNOWN),
        (Outcome.MANUAL, Status.MANUAL, Status.MANUAL),
        (Outcome.SKIP, Status.SKIP, Status.SKIP),
    ],
)
def test_only_a_miss_is_weighed_by_its_obligation(outcome: Outcome, mandatory: Status, otherwise: Status) -> None:
    """A miss fails where the page demands and warns where it recommends; nothing else depends on that."""
    assert status_of(outcome, MANDATORY) is mandatory
    assert status_of(outcome, RECOMMENDED) is otherwise
    assert status_of(outcome, OPTIONAL) is otherwise


@pytest.mark.parametrize("usual", list(Owner))
def test_the_lane_says_who_mends_it(usual: Owner) -> None:
    """Names, routes and firewalls are the network's, our own trouble is the deployer's, the rest is as usual."""
    for lane in Lane:
        if lane in (Lane.DNS, Lane.ROUTE, Lane.FIREWALL):
            assert owner_of(lane, usual) is Owner.NETWORK
        elif lane is Lane.PROBE:
            assert owner_of(lane, usual) is Owner.DEPLOYER
        else:
            assert owner_of(lane, usual) is usual
    assert owner_of(None, usual) is usual


def test_requirements_weigh_ten_three_and_one() -> None:
    """Mandatory, recommended, optional."""
    assert WEIGHTS == {MANDATORY: 10, RECOMMENDED: 3, OPTIONAL: 1}


def test_points_are_told_to_two_decimals() -> None:
    """A third of ten points is 3.33; the value is cut, never rounded up."""
    third = [finding(Status.PASS), finding(Status.FAIL), finding(Status.FAIL)]
    told = score([standing(requirement("vm.kernel"), third)])
    assert (told.value, told.earned, told.possible) == (33.3, 3.33, 10.0)
    two = [finding(Status.PASS), finding(Status.PASS), finding(Status.FAIL)]
    assert score([standing(requirement("vm.kernel"), two)]).value == 66.6


class NotYet(Unbuilt):
    requirement = requirement("vm.kernel")

    def targets(self, site: Site) -> Sequence[Target | Settled]:
        return (target(),)


def test_a_requirement_that_nothing_examines_yet_is_unknown() -> None:
    """It asks no machine, passes nothing, and says that a later release will."""
    (only,) = NotYet().targets(site())
    assert isinstance(only, Target)
    assert NotYet().needs(only) == ()
    judgement = NotYet().judge(only)
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.NOT_BUILT
