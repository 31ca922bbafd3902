"""Attestations and waivers settle what they may, never change a status, and are loud where they fail to."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from readiness.model import Attestation, Cause, Status, Waiver
from readiness.overlay import overlay
from tests.lab.engine import NOON, finding, requirement

TODAY = NOON.date()


def attestation(*, target: str = "excs-1", since: date = TODAY, expires: date | None = None) -> Attestation:
    return Attestation(check="vm.kernel", target=target, by="Jane Doe", date=since, reference="CHG1", expires=expires)


def waiver(*, target: str = "*", since: date = TODAY, expires: date = TODAY + timedelta(days=90)) -> Waiver:
    return Waiver(
        check="vm.kernel",
        target=target,
        reason="next wave",
        approved_by="Board",
        reference="CHG2",
        date=since,
        expires=expires,
    )


@pytest.mark.parametrize(
    ("status", "settles"),
    [
        (Status.MANUAL, True),
        (Status.UNKNOWN, True),
        (Status.FAIL, False),
        (Status.WARN, False),
        (Status.PASS, False),
        (Status.SKIP, False),
    ],
)
def test_an_attestation_settles_manual_and_unknown_only(status: Status, settles: bool) -> None:
    """A person's word never stands against evidence; the status stays what was observed."""
    (settled,), notices = overlay([finding(status)], [attestation()], [], at=NOON)
    assert settled.status is status
    assert (settled.attestation is not None) is settles
    assert [notice.kind for notice in notices] == ([] if settles else ["unneeded"])


@pytest.mark.parametrize(
    ("status", "settles"),
    [
        (Status.FAIL, True),
        (Status.WARN, True),
        (Status.UNKNOWN, True),
        (Status.MANUAL, True),
        (Status.PASS, False),
        (Status.SKIP, False),
    ],
)
def test_a_waiver_covers_whatever_is_not_good(status: Status, settles: bool) -> None:
    """It covers a miss without hiding it, and says that it is not needed where nothing is missed."""
    (settled,), notices = overlay([finding(status)], [], [waiver()], at=NOON)
    assert settled.status is status
    assert (settled.waiver is not None) is settles
    assert [notice.kind for notice in notices] == ([] if settles else ["unneeded"])


@pytest.mark.parametrize(
    ("cause", "why"),
    [(Cause.NOT_BUILT, "this release does not examine"), (Cause.NOT_SELECTED, "this run was told to leave")],
)
def test_what_was_not_examined_cannot_be_signed_away(cause: Cause, why: str) -> None:
    """Neither an attestation nor a waiver settles a requirement that this run did not look at, and both say why."""
    (settled,), notices = overlay([finding(Status.UNKNOWN, cause=cause)], [attestation()], [waiver()], at=NOON)
    assert not settled.settled
    assert [notice.kind for notice in notices] == ["refused", "refused"]
    assert all(why in notice.text for notice in notices)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        (attestation(expires=TODAY - timedelta(days=1)), "expired"),
        (attestation(since=TODAY + timedelta(days=1)), "not_yet"),
        (attestation(target="nobody"), "unmatched"),
        (attestation(target="excs-*"), "unmatched"),
    ],
)
def test_an_attestation_that_does_not_count_is_said_aloud(entry: Attestation, kind: str) -> None:
    """Expired, not yet valid, or for nobody (an attestation names its target exactly)."""
    (settled,), notices = overlay([finding(Status.MANUAL)], [entry], [], at=NOON)
    assert settled.attestation is None
    assert [notice.kind for notice in notices] == [kind]


def test_a_date_counts_to_the_end_of_its_day() -> None:
    """What expires today still holds in the evening, and is warned about."""
    late = NOON.replace(hour=23, minute=59)
    (settled,), notices = overlay([finding(Status.FAIL)], [], [waiver(expires=TODAY)], at=late)
    assert settled.waiver is not None
    assert [notice.kind for notice in notices] == ["expiring"]


@pytest.mark.parametrize(("days", "kinds"), [(29, ["expiring"]), (30, ["expiring"]), (31, [])])
def test_thirty_days_before_its_end_it_is_announced(days: int, kinds: list[str]) -> None:
    """Time enough to have it signed again."""
    (settled,), notices = overlay([finding(Status.FAIL)], [], [waiver(expires=TODAY + timedelta(days=days))], at=NOON)
    assert settled.waiver is not None
    assert [notice.kind for notice in notices] == kinds


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [("excs-1", {"excs-1"}), ("ex*-1", {"excs-1", "exas-1"}), ("*", {"excs-1", "exas-1", "[::1]:6379"})],
)
def test_a_waiver_names_targets_exactly_or_by_glob(pattern: str, covered: set[str]) -> None:
    """Left out it covers all, also a target whose name looks like a pattern itself."""
    findings = [finding(Status.FAIL, name=name) for name in ("excs-1", "exas-1", "[::1]:6379")]
    settled, _ = overlay(findings, [], [waiver(target=pattern)], at=NOON)
    assert {each.target.name for each in settled if each.waiver} == covered


def test_a_target_that_looks_like_a_pattern_is_matched_exactly() -> None:
    """The brackets of an IPv6 address are its name, not a set of characters."""
    settled, _ = overlay([finding(Status.FAIL, name="[::1]:6379")], [], [waiver(target="[::1]:6379")], at=NOON)
    assert settled[0].waiver is not None


def test_a_waiver_of_another_check_covers_nothing() -> None:
    """It names one check; the others keep their findings bare."""
    other = finding(Status.FAIL, check=requirement("vm.os"))
    (settled,), notices = overlay([other], [], [waiver()], at=NOON)
    assert settled.waiver is None
    assert [notice.kind for notice in notices] == ["unmatched"]
