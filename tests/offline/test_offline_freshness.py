"""What of a report is stale by a date, and what has to be done about it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from readiness_reports import as_json
from readiness_schemas.report import ReportDocument

from readiness.freshness import end_of, freshness
from tests.lab.offline import NOON, SITE, Connects, by_id, call, report_of, site_file, written

SIP = "connectivity.sip-server[excp-1->sip1.acme.example:8000]"
LIMITATIONS = "planning.limitations-reviewed[site]"
WAIVED = "connectivity.sip-server[excp-2->sip1.acme.example:8000]"


@pytest.fixture
def document(tmp_path: Path) -> ReportDocument:
    """A report whose paths are open, but for one that is waived."""
    return report_of(site_file(tmp_path), Connects((("excp-2", "sip1.acme.example", "timeout"),)))


@pytest.mark.parametrize(
    ("after", "stale"),
    [(timedelta(days=6, hours=23), False), (timedelta(days=7), False), (timedelta(days=7, seconds=2), True)],
)
def test_a_path_counts_for_seven_days(document: ReportDocument, after: timedelta, stale: bool) -> None:
    """Up to its last moment it is fresh, from then on it is stale."""
    found = freshness(document, NOON + after)
    assert (SIP in {each.finding for each in found.stale}) is stale
    assert found.fresh is not stale


def test_a_path_counts_for_as_long_as_the_site_says(tmp_path: Path) -> None:
    """`report.valid_for` of the site file decides, not the catalogue."""
    path = site_file(tmp_path, SITE + "report: {valid_for: {connectivity: 2d}}\n")
    found = freshness(report_of(path, Connects()), NOON + timedelta(days=3))
    assert {each.lasted for each in found.stale if each.check == "connectivity.redis"} == {timedelta(days=2)}


def test_words_with_an_end_lapse_after_their_day(document: ReportDocument) -> None:
    """They count to the end of their last day, UTC, and not a moment longer."""
    assert by_id(document)[WAIVED]["waiver"] is not None
    on_the_day = freshness(document, end_of(date(2026, 12, 20)))
    assert [(each.kind, each.check) for each in on_the_day.lapsed] == [("attestation", "planning.limitations-reviewed")]
    assert on_the_day.lapsed[0].findings == (LIMITATIONS,)
    next_day = freshness(document, datetime(2026, 12, 21, 0, 0, tzinfo=UTC))
    assert {each.kind for each in next_day.lapsed} == {"attestation", "waiver"}
    assert next(each for each in next_day.lapsed if each.kind == "waiver").findings == (WAIVED,)


def test_what_ends_by_itself_is_told_apart(document: ReportDocument) -> None:
    """A proof that a certificate's end cut short is not mended by looking again."""
    by_id(document)[SIP]["valid_until"] = "2026-11-25T00:00:00.000Z"
    usual = {"connectivity.sip-server": timedelta(days=7)}
    found = freshness(document, NOON + timedelta(days=3), usual=usual)
    assert [(each.finding, each.ends_itself) for each in found.stale] == [(SIP, True)]
    assert found.audit_from is None
    assert not freshness(document, NOON + timedelta(days=3)).stale[0].ends_itself


def test_an_audit_has_to_be_late_enough_for_its_shortest_proof(document: ReportDocument) -> None:
    """To last until a moment, a proof of seven days is made at most seven days before it."""
    at = NOON + timedelta(days=30)
    assert freshness(document, at).audit_from == at - timedelta(days=7)


def test_advice_alone_makes_nothing_stale(document: ReportDocument) -> None:
    """What lies beyond the page is named and does not count."""
    for finding in document["findings"]:
        if finding["id"] != SIP:
            finding["valid_until"] = None
    by_id(document)[SIP]["origin"] = "beyond"
    found = freshness(document, NOON + timedelta(days=8))
    assert [each.counts for each in found.stale] == [False]
    assert found.fresh


def test_what_never_was_proven_is_named_and_is_not_stale(document: ReportDocument) -> None:
    """Open findings block at any time; a waived or attested one does not."""
    found = freshness(document, NOON)
    assert found.fresh
    assert "vm.kernel[excs-1]" in found.never_proven
    assert not {WAIVED, LIMITATIONS} & set(found.never_proven)


def test_a_what_if_and_a_partial_run_prove_nothing(tmp_path: Path) -> None:
    """They say so, whatever their dates are."""
    document = report_of(site_file(tmp_path), skip=["vm.*"], ended="interrupted")
    document["run"]["rejudged_from"] = "20261123T120000Z-abcdef"
    found = freshness(document, NOON)
    assert len(found.worthless) == 3
    assert not found.stale
    assert not found.fresh


@pytest.mark.parametrize(
    ("at", "code"),
    [
        ("2026-11-23", 0),
        ("2026-11-30", 3),
        ("2026-11-30T12:00:00Z", 0),
        ("2026-11-30T12:30:00+01:00", 0),
        ("2026-11-30T12:00:05", 3),
        ("next monday", 2),
    ],
)
def test_status_exits_3_when_something_is_stale(document: ReportDocument, tmp_path: Path, at: str, code: int) -> None:
    """A day counts to its end; a moment without a zone is UTC; anything else is no date."""
    done = call("status", written(document, tmp_path / "r"), "--at", at)
    assert done.exit_code == code, done.output


def test_status_says_what_must_be_proven_again(document: ReportDocument, tmp_path: Path) -> None:
    """Checks with their number of findings and their last moment, lapsing words, and from when an audit would do."""
    text = call("status", written(document, tmp_path / "r"), "--at", "2026-12-31").stdout
    assert "connectivity.redis, 4 findings  until 30 Nov 2026, 12:00 UTC, for 7 days" in text
    assert "waiver by Change board (CHG2) ends with 20 Dec 2026" in text
    assert "An audit from 24 Dec 2026, 23:59 UTC on" in text
    assert "Not proven at any time" in text


def test_status_speaks_to_scripts(document: ReportDocument, tmp_path: Path) -> None:
    """The JSON has every stale finding with its moment."""
    document_ = json.loads(
        call("status", written(document, tmp_path / "r"), "--at", "2026-12-31", "--format", "json").stdout
    )
    assert document_["fresh"] is False
    stale = {each["id"]: each["valid_until"] for each in document_["stale"]}
    assert stale[SIP] == "2026-11-30T12:00:01Z"


def test_status_reads_a_report_whose_site_file_it_does_not_understand(tmp_path: Path, document: ReportDocument) -> None:
    """What an older or newer release declared does not stop it."""
    document["site"]["declared"]["unheard_of"] = True
    path = written(as_json.seal_digest(document), tmp_path / "r")
    assert call("status", path, "--at", "2026-11-24").exit_code == 0


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({}, True),
        ({"status": "fail"}, True),
        ({"status": "manual"}, True),
        ({"status": "warn"}, False),
        ({"status": "pass"}, False),
        ({"origin": "beyond"}, False),
        ({"obligation": "optional"}, False),
        ({"obligation": "recommended"}, False),
        ({"waiver": {"expires": "2027-01-01", "approved_by": "Board", "reference": "CHG2"}}, False),
        ({"attestation": {"expires": None, "by": "Jane", "reference": "CHG1"}}, False),
        ({"status": "fail", "attestation": {"expires": None, "by": "Jane", "reference": "CHG1"}}, True),
    ],
)
def test_what_blocks_at_any_time(document: ReportDocument, changes: dict[str, object], blocks: bool) -> None:
    """A mandatory finding of the page that failed or is open, unless somebody has taken it upon himself."""
    kernel = by_id(document)["vm.kernel[excs-1]"]
    assert kernel["status"] == "unknown"
    kernel.update(changes)  # type: ignore[typeddict-item]
    assert ("vm.kernel[excs-1]" in freshness(document, NOON).never_proven) is blocks


def test_a_proof_holds_up_to_its_last_moment(document: ReportDocument) -> None:
    """At that very moment it is fresh, and a second of rounding makes no certificate's end of it."""
    last = datetime.fromisoformat(by_id(document)[SIP]["valid_until"] or "")
    assert SIP not in {each.finding for each in freshness(document, last).stale}
    later = freshness(document, last + timedelta(microseconds=1), usual={"connectivity.sip-server": timedelta(days=7)})
    assert [each.ends_itself for each in later.stale if each.finding == SIP] == [False]
