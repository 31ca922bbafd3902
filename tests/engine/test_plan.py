"""The plan exists before anything is touched, and loses nothing."""

from __future__ import annotations

import pytest

from readiness.check import Settled
from readiness.model import Cause, Judgement, Target, TargetKind
from readiness.plan import plan
from readiness.probe import Attempt
from readiness.site import Site
from tests.lab.engine import HostWord, Say, Speaks, requirement, site


class Also(Speaks):
    requirement = requirement("other.also")


def test_every_check_becomes_one_instance_for_each_target() -> None:
    """Ids are check[target], in the pack's and the file's order."""
    planned = plan(site(), [Speaks, Also])
    assert [instance.id for instance in planned.instances] == [
        "test.speaks[excs-1]",
        "test.speaks[exas-1]",
        "other.also[excs-1]",
        "other.also[exas-1]",
    ]
    assert planned.probes == {Say("excs-1", "yes"), Say("exas-1", "yes")}
    assert not planned.partial


@pytest.mark.parametrize(
    ("only", "skip", "left_out"),
    [
        (["test.*"], [], "other.also"),
        ([], ["other.also"], "other.also"),
        (["*"], ["test.speaks"], "test.speaks"),
    ],
)
def test_what_is_left_out_stays_in_the_plan(only: list[str], skip: list[str], left_out: str) -> None:
    """It is settled as unknown, not selected, asks nothing, and the run is partial."""
    planned = plan(site(), [Speaks, Also], only=only, skip=skip)
    assert planned.partial
    assert len(planned.instances) == 4
    for instance in planned.instances:
        settled = instance.settled
        reason = settled.reason.code if settled is not None and settled.reason is not None else None
        assert (reason is Cause.NOT_SELECTED) is (instance.check.requirement.id == left_out)
        assert bool(instance.probes) is (instance.check.requirement.id != left_out)


def test_a_pattern_that_matches_no_check_is_an_error() -> None:
    """A typing mistake in --only must not make an empty audit."""
    with pytest.raises(ValueError, match="no check matches 'tset"):
        plan(site(), [Speaks], only=["tset.*"])


def test_a_check_without_a_target_is_an_error() -> None:
    """No requirement can vanish silently."""

    class Silent(Speaks):
        def targets(self, site: Site) -> list[Target | Settled]:
            return []

    with pytest.raises(ValueError, match="would vanish"):
        plan(site(), [Silent])


def test_two_findings_of_one_id_are_an_error() -> None:
    """An id names one finding."""
    with pytest.raises(ValueError, match=r"test\.speaks\[excs-1\]"):
        plan(site(), [Speaks, Speaks])


def test_a_settled_target_asks_nothing() -> None:
    """What the site file decides alone needs no probe."""

    class Skips(Speaks):
        def targets(self, site: Site) -> list[Target | Settled]:
            about = Target(kind=TargetKind.SITE, name="site")
            return [Settled(target=about, judgement=Judgement.skip("it is not planned"))]

    planned = plan(site(), [Skips])
    assert planned.probes == frozenset()
    assert planned.instances[0].settled == Judgement.skip("it is not planned")


def test_a_questions_key_is_stable_and_tells_questions_apart() -> None:
    """The key depends on nothing but the question, so that a recorded answer is found again."""
    assert Say("excs-1", "yes").key == "Say(vantage=excs-1, what=yes)"
    assert Say("excs-1", "yes").id == Say("excs-1", "yes").id != Say("exas-1", "yes").id


def test_an_attempt_is_the_same_question_as_its_probe() -> None:
    """Asking tolerantly and strictly asks once."""

    class Tolerant(Speaks):
        requirement = requirement("test.tolerant")

        def needs(self, target: Target) -> tuple[Attempt[object], ...]:
            return (Attempt(Say(target.name, "yes")),)

    assert plan(site(), [Speaks, Tolerant]).probes == {Say("excs-1", "yes"), Say("exas-1", "yes")}


def test_host_questions_are_listed_by_machine() -> None:
    """The plan shows each machine's sections before any script is sent."""

    class Reads(Speaks):
        def needs(self, target: Target) -> tuple[HostWord, ...]:
            return (HostWord(target.name),)

    assert plan(site(), [Reads]).scripts == {
        "excs-1": (HostWord("excs-1"),),
        "exas-1": (HostWord("exas-1"),),
    }
