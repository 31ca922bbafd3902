"""Two runs compared, finding by finding."""

from __future__ import annotations

import json
from typing import cast

import pytest
from readiness_schemas.report import FindingDocument, ObservationDocument

from readiness.compare import Change, Seen, Side, _about, change, compare
from readiness.probes.linux import ReadIdentity


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("fail", "pass", Change.FIXED),
        ("unknown", "pass", Change.FIXED),
        ("warn", "skip", Change.FIXED),
        ("pass", "fail", Change.REGRESSED),
        ("pass", "unknown", Change.REGRESSED),
        ("warn", "fail", Change.REGRESSED),
        ("skip", "warn", Change.REGRESSED),
        ("fail", "warn", Change.CHANGED),
        ("fail", "unknown", Change.CHANGED),
        ("pass", "skip", Change.CHANGED),
        ("pass", "pass", Change.UNCHANGED),
        ("fail", "fail", Change.UNCHANGED),
    ],
)
def test_a_step_is_named_by_where_it_leads(before: str, after: str, expected: Change) -> None:
    """Only a way into good is fixed, any way down regressed, other steps changed."""
    assert change(Seen(before, "x"), Seen(after, "x")) is expected


def test_another_value_at_the_same_status_is_a_change() -> None:
    """A version that moved within what is allowed is worth a line."""
    assert change(Seen("pass", "6.2.14"), Seen("pass", "6.2.15")) is Change.CHANGED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("chronyd: last set 12 min ago", "chronyd: last set 31 h 7 min ago"),
        ("10.0.0.5 accepts 3 connects (0.04 ms, 0.21 ms, 0.10 ms)", "10.0.0.5 accepts 3 connects (9 ms, 1.2 s, 10 ms)"),
        ("-0.3 s, ± 1.3 s", "+0.1 s, ± 1.1 s"),
        ("shows a certificate that ends in 12 days", "shows a certificate that ends in 1 day"),
    ],
)
def test_how_long_something_took_is_no_change(before: str, after: str) -> None:
    """A duration differs from run to run, whether it is told in one unit or in two."""
    assert change(Seen("pass", before), Seen("pass", after)) is Change.UNCHANGED


def test_new_and_gone_findings_are_named() -> None:
    """Targets come and go with the site file."""
    changes, gone = compare(
        {"a": Seen("pass", ""), "b": Seen("fail", "")}, {"b": Seen("fail", ""), "c": Seen("fail", "")}
    )
    assert changes == {"b": Change.UNCHANGED, "c": Change.NEW}
    assert gone == ("a",)


def test_an_identity_that_cannot_be_read_is_none() -> None:
    """What a hostile or broken machine said of itself makes no other machine of it, and hides no other's."""

    def seen(vantage: str, response: str | None) -> ObservationDocument:
        probe = ReadIdentity(vantage)
        return cast(ObservationDocument, {"probe": probe.key, "vantage": vantage, "response": response})

    whole = json.dumps({"output": "boot_id abc\nmachine_id def\nhostname a\n", "status": 0})
    strange = cast(ObservationDocument, {**seen("c", whole), "probe": "another"})
    unread = [seen("a", "nonsense"), seen("b", None), strange]
    assert Side((), unread).identities == {}
    assert set(Side((), [*unread, *unread]).identities) == set()


@pytest.mark.parametrize(
    ("target", "evidence", "machines"),
    [
        ({"kind": "vm", "name": "excs-1", "source": None}, [], {"excs-1"}),
        ({"kind": "edge", "name": "exas-1->excs-1:3640", "source": "exas-1"}, [], {"exas-1", "excs-1", "excs-1:3640"}),
        ({"kind": "edge", "name": "excs-1,exas-1", "source": None}, [], {"excs-1", "exas-1"}),
        (
            {"kind": "edge", "name": "exas-1->[fd00::1]:22", "source": "exas-1"},
            [],
            {"exas-1", "[fd00::1]", "[fd00::1]:22"},
        ),
        ({"kind": "service", "name": "excs-1:3640", "source": None}, [], set()),
        (
            {"kind": "site", "name": "site", "source": None},
            ["excs-1, exas-1", "excp-1"],
            {"excs-1", "exas-1", "excp-1"},
        ),
    ],
)
def test_a_finding_speaks_of_the_machines_of_its_target(
    target: dict[str, object], evidence: list[str], machines: set[str]
) -> None:
    """A rebuilt machine takes away what was proven on it: its own findings, its edges, and the site's as a whole."""
    for machine in ("excs-1", "exas-1", "excp-1"):
        finding = {
            **{"id": "x", "status": "pass", "observed": "", "reason": None, "attestation": None, "waiver": None},
            **{"target": target, "evidence": [{"vantage": vantage} for vantage in evidence]},
        }
        assert (machine in _about(cast(FindingDocument, finding))) is (machine in machines)
