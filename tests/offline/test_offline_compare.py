"""Two reports compared: by status, by value, by who vouches, and by the machines that they are about."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from readiness_schemas.report import ReportDocument

from readiness.compare import Change, Continuity, Kind, Seen, Side, change, compare_runs, continuity
from readiness.probes.linux import Identity
from tests.lab.offline import NOON, Connects, Machines, by_id, call, first_of, report_of, site_file, written

SIP = "connectivity.sip-server[excp-1->sip1.acme.example:8000]"
STAT = "connectivity.stat-server-primary[exas-1->stat1.acme.example:2060]"


def side(document: ReportDocument) -> Side:
    return Side(document["findings"], document["observations"])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (Seen("manual", "", "attested"), Seen("manual", ""), Change.REGRESSED),
        (Seen("fail", "x", "waived"), Seen("fail", "x"), Change.REGRESSED),
        (Seen("fail", "x", "waived"), Seen("pass", "y"), Change.FIXED),
        (Seen("manual", ""), Seen("manual", "", "attested"), Change.CHANGED),
        (Seen("pass", "p99 1.31 ms of 50 connects"), Seen("pass", "p99 2.48 ms of 50 connects"), Change.UNCHANGED),
        (Seen("pass", "offset -0.2 s"), Seen("pass", "offset +0.3 s"), Change.UNCHANGED),
        (Seen("pass", "6.2.14"), Seen("pass", "6.2.15"), Change.CHANGED),
    ],
)
def test_words_that_no_longer_cover_are_a_regression(before: Seen, after: Seen, expected: Change) -> None:
    """A statement or waiver that fell away regresses, one that came changes; a duration alone is no change."""
    assert change(before, after) is expected


OLD = Identity(boot_id="a", machine_id="m1", hostname="h", host_keys=("k1", "k2"))


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (Identity(boot_id="a", machine_id="m1", hostname="h", host_keys=("k1", "k2")), Continuity.SAME),
        (Identity(boot_id="a", machine_id="m2", hostname="h", host_keys=("k1", "k2")), Continuity.SAME),
        (Identity(boot_id="b", machine_id="m1", hostname="h", host_keys=("k1", "k3")), Continuity.RESTARTED),
        (Identity(boot_id="b", machine_id="m2", hostname="h", host_keys=("k1", "k2")), Continuity.REBUILT),
        (Identity(boot_id="b", machine_id="m1", hostname="h", host_keys=("k8", "k9")), Continuity.REBUILT),
        (Identity(boot_id="b", machine_id="", hostname="h", host_keys=("k1",)), Continuity.RESTARTED),
        (Identity(boot_id="b", machine_id="", hostname="h", host_keys=()), Continuity.UNTOLD),
        (None, Continuity.UNTOLD),
    ],
)
def test_a_machine_is_told_by_its_boot_id_machine_id_and_keys(after: Identity | None, expected: Continuity) -> None:
    """A running kernel proves the same machine; another machine-id or wholly other keys another one; else neither."""
    assert continuity(OLD, after)[0] is expected


def test_what_passed_on_a_rebuilt_machine_counts_for_nothing(tmp_path: Path) -> None:
    """Its passes are new, not unchanged; its failures regress all the same; other machines are not touched."""
    path = site_file(tmp_path)
    blocked = Connects((("exas-1", "stat2.acme.example", "timeout"),))
    before = report_of(path, first_of(Connects(), Machines({})))
    after = report_of(path, first_of(blocked, Machines({"exas-1": "another"}, boot=2)), at=NOON + timedelta(days=1))
    compared = compare_runs(side(before), side(after))
    assert [machine.name for machine in compared.rebuilt] == ["exas-1"]
    steps = {step.id: step for step in compared.steps}
    assert steps[STAT].kind is Kind.NEW
    assert steps[STAT].rebuilt == ("exas-1",)
    assert steps[STAT.replace("primary", "backup").replace("stat1", "stat2")].kind is Kind.REGRESSED
    assert steps[SIP].kind is Kind.UNCHANGED
    assert steps["vm.one-component-each[site]"].kind is Kind.NEW


def test_a_report_says_aloud_that_a_machine_was_rebuilt(tmp_path: Path) -> None:
    """The run that is compared with a baseline carries the notice and counts the old pass as new."""
    path = site_file(tmp_path)
    before = report_of(path, first_of(Connects(), Machines({})))
    again = first_of(Connects(), Machines({"excp-1": "another"}, boot=2))
    after = report_of(path, again, at=NOON + timedelta(days=1), baseline=before)
    said = [notice["text"] for notice in after["notices"] if notice["kind"] == "rebuilt"]
    assert len(said) == 1
    assert "excp-1" in said[0]
    assert "counts for nothing" in said[0]
    assert by_id(after)[SIP]["change"] == "new"
    assert by_id(after)[STAT]["change"] == "unchanged"
    assert after["baseline"] is not None
    assert SIP in after["baseline"]["new"]


def test_a_restart_is_no_rebuild(tmp_path: Path) -> None:
    """A new boot id alone discards nothing."""
    path = site_file(tmp_path)
    before = report_of(path, first_of(Connects(), Machines({})))
    after = report_of(path, first_of(Connects(), Machines({}, boot=2)), baseline=before)
    assert not [notice for notice in after["notices"] if notice["kind"] == "rebuilt"]
    compared = compare_runs(side(before), side(after))
    assert {machine.continuity for machine in compared.machines} == {Continuity.RESTARTED}
    assert by_id(after)[SIP]["change"] == "unchanged"


def test_what_a_run_left_out_is_not_compared(tmp_path: Path) -> None:
    """A partial run neither regresses nor fixes what it was told to leave out."""
    path = site_file(tmp_path)
    before = report_of(path, Connects())
    after = report_of(path, Connects(), skip=["connectivity.*"], baseline=before)
    assert by_id(after)[SIP]["change"] is None
    compared = compare_runs(side(before), side(after))
    assert SIP in {step.id for step in compared.of(Kind.LEFT_OUT)}
    assert not compared.of(Kind.REGRESSED)


def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two reports of which the later one lost a SIP Server and won a Stat Server."""
    path = site_file(tmp_path)
    before = report_of(path, Connects((("exas-1", "stat1.acme.example", "dns"),)))
    after = report_of(path, Connects((("excp-1", "sip1.acme.example", "timeout"),)), at=NOON + timedelta(hours=2))
    return written(before, tmp_path / "before"), written(after, tmp_path / "after")


def test_compare_exits_1_only_when_something_regressed(tmp_path: Path) -> None:
    """Forwards something regressed; the same report with itself did not."""
    old, new = pair(tmp_path)
    assert call("compare", old, new).exit_code == 1
    same = call("compare", old, old)
    assert same.exit_code == 0
    assert "Regressed" not in same.stdout


def test_the_table_shows_before_and_now(tmp_path: Path) -> None:
    """Each finding that moved stands under its kind, with both statuses and both values."""
    old, new = pair(tmp_path)
    text = call("compare", old, new).stdout
    regressed, _, fixed = text.partition("\nFixed (")
    assert f"{SIP}  pass -> fail" in regressed
    assert "now     10.20.0.9 gave no answer to 3 connects" in regressed
    assert f"{STAT}  fail -> pass" in fixed
    assert "Still open" in text


def test_the_json_has_every_finding_of_both_runs_once(tmp_path: Path) -> None:
    """The counts add up to all findings, and a script reads before and after of each."""
    old, new = pair(tmp_path)
    done = call("compare", old, new, "--format", "json")
    document = json.loads(done.stdout)
    everything = [each["id"] for kind in document["findings"].values() for each in kind]
    assert sorted(everything) == sorted(by_id(json.loads(new.read_text())))
    assert sum(document["counts"].values()) == len(everything)
    assert document["regressed"] is True
    moved = document["findings"]["regressed"][0]
    assert (moved["id"], moved["before"]["status"], moved["after"]["status"]) == (SIP, "pass", "fail")


def test_the_markdown_is_a_table_that_no_value_breaks(tmp_path: Path) -> None:
    """Bars, mentions and links of foreign text stay text within their cells."""
    path = site_file(tmp_path)
    document = report_of(path, Connects())
    hostile = report_of(path, Connects())
    by_id(hostile)[SIP].update(status="fail", observed="a | b \\| c <img src=x> @all https://evil.example\n# head")
    from readiness_reports import as_json

    old = written(document, tmp_path / "old")
    new = written(as_json.seal_digest(hostile), tmp_path / "new")
    text = call("compare", old, new, "--format", "md").stdout
    row = next(line for line in text.splitlines() if "connectivity.sip-server" in line)
    assert row.replace("\\\\", "").replace("\\|", "").count("|") == 4
    assert "<img" not in text
    assert "https://" not in text
    assert "\n# head" not in text


def test_caveats_are_said_aloud(tmp_path: Path) -> None:
    """The wrong order, another revision, another capacity and another site each have their sentence."""
    path = site_file(tmp_path)
    late = written(report_of(path, at=NOON + timedelta(days=1)), tmp_path / "late")
    other = site_file(
        tmp_path, path.read_text().replace("ACME Berlin", "ACME Rome").replace("agents: 1000", "agents: 9")
    )
    other.write_text(other.read_text() + "page: {revision: recording}\n")
    early = written(report_of(other), tmp_path / "early")
    text = call("compare", late, early).stdout
    for said in ("two sites", "earlier run", "two revisions", "two capacities"):
        assert said in text


def test_an_unusable_report_is_a_sentence(tmp_path: Path) -> None:
    """Exit 2, the file named, no traceback."""
    old = written(report_of(site_file(tmp_path)), tmp_path / "old")
    old_text = old.read_text()
    changed = tmp_path / "changed.json"
    changed.write_text(old_text.replace("ACME Berlin", "ACME Paris"))
    done = call("compare", old, changed)
    assert done.exit_code == 2
    assert "changed after it was written" in done.stderr
    assert "changed.json" in done.stderr
