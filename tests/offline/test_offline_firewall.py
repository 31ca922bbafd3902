"""The connectivity table as a firewall request: what is asked for, from where, and what a run has seen of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from readiness_reports import as_json

from readiness.cli.request import as_csv
from readiness.firewall import Direction, Line, Request, State, request, request_of_blocked
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site
from tests.lab.offline import NOON, SITE, Answer, Connects, call, report_of, site_file, written

BLOCKED = Connects((("excp-1", "sip1.acme.example", "timeout"), ("excp-2", "sip1.acme.example", "timeout")))
COLUMNS = 13


def requested(path: Path) -> Request:
    return request(plan(load_site(path, files=False), load_packs()))


def line_to(found: Request, destination: str, port: int, group: str | None = None) -> Line:
    lines = [
        line
        for line in found.lines
        if (line.destination.name, line.port) == (destination, port) and group in (None, line.source_group)
    ]
    assert len(lines) == 1, lines
    return lines[0]


def test_one_line_for_a_group_a_destination_and_a_port(tmp_path: Path) -> None:
    """The four VMs that need Redis are one line, each with its address as declared."""
    line = line_to(requested(site_file(tmp_path)), "redis.acme.example", 6379)
    assert line.source_group == "EXCS, EXAS, EXCP"
    assert [(source.name, source.address) for source in line.sources] == [
        ("excs-1", "10.10.1.11"),
        ("exas-1", "10.10.1.12"),
        ("excp-1", "10.10.1.13"),
        ("excp-2", "10.10.1.14"),
    ]
    assert (line.protocol, line.service, line.direction, line.state) == (
        "TCP",
        "Redis over TLS",
        Direction.OUTBOUND,
        State.REQUESTED,
    )


def test_every_row_of_the_table_has_its_line(tmp_path: Path) -> None:
    """Database, Stat and SIP Servers, both hosts of Genesys Cloud, the registry, and EXCS's own API."""
    found = requested(site_file(tmp_path))
    services = {(line.destination.name, line.port): line.service for line in found.lines}
    assert services[("cfgdb.acme.example", 5432)] == "PostgreSQL over TLS"
    assert services[("stat1.acme.example", 2060)] == services[("stat2.acme.example", 2060)] == "Stat Server"
    assert services[("sip1.acme.example", 8000)] == "T-Library"
    assert services[("login.mypurecloud.de", 443)] == services[("api.mypurecloud.de", 443)] == "HTTPS"
    assert services[("registry.acme.example", 443)] == "HTTPS"
    api = line_to(found, "excs-1", 3640)
    assert [source.name for source in api.sources] == ["exas-1", "excp-1", "excp-2"]
    assert (api.destination.address, api.direction) == ("10.10.1.11", Direction.INTERNAL)
    assert len(api.purposes) == 2


def test_what_the_site_does_not_plan_has_no_line(tmp_path: Path) -> None:
    """No Prometheus, no line from it; declared, it has one to each component's own port."""
    bare = requested(site_file(tmp_path))
    assert not [line for line in bare.lines if line.source_group == "Prometheus" or line.port == 9200]
    path = site_file(
        tmp_path,
        SITE + "monitoring: {prometheus: {host: 10.10.2.62}}\nlogging: {url: 'https://elastic.acme.example:9200'}\n",
    )
    found = requested(path)
    scraped = {line.destination.name: line for line in found.lines if line.source_group == "Prometheus"}
    assert {name: line.port for name, line in scraped.items()} == {
        "excs-1": 3640,
        "exas-1": 3630,
        "excp-1": 3650,
        "excp-2": 3650,
    }
    assert scraped["exas-1"].direction is Direction.INBOUND
    assert scraped["exas-1"].sources[0].address == "10.10.2.62"
    assert len(line_to(found, "elastic.acme.example", 9200).sources) == 4


def test_ssh_of_bootstrap_and_of_the_audit_have_lines(tmp_path: Path) -> None:
    """The bootstrap VM's as the page implies it, the audit's own as what it is; a jump host is passed through."""
    path = site_file(tmp_path, SITE.replace("ssh: {user: exec}", "ssh: {user: exec, jump_host: bastion.acme.example}"))
    ssh = [line for line in requested(path).lines if line.service == "SSH"]
    assert {line.destination.name for line in ssh if line.source_group == "Bootstrap VM"} == {
        "excs-1",
        "exas-1",
        "excp-1",
        "excp-2",
    }
    auditor = [line for line in ssh if line.source_group == "Auditor"]
    assert [(line.destination.name, line.port) for line in auditor] == [("bastion.acme.example", 22)]
    assert "only while auditing" in auditor[0].purposes[0]
    assert len([line for line in ssh if line.source_group == "Jump host"]) == 5


def test_a_vm_that_is_not_built_yet_is_asked_for(tmp_path: Path) -> None:
    """Rules are ordered before machines; an address that is not known yet is said to be missing."""
    text = SITE.replace("role: excp, host: 10.10.1.14}", "role: excp, address: 10.10.1.14}")
    line = line_to(requested(site_file(tmp_path, text)), "sip1.acme.example", 8000)
    assert [source.address for source in line.sources] == ["10.10.1.13", "10.10.1.14"]
    found = requested(site_file(tmp_path, SITE.replace("role: excp, host: 10.10.1.14}", "role: excp}")))
    assert "excp-2 has no address in the site file yet." in found.notes
    assert line_to(found, "redis.acme.example", 6379).sources[-1].address is None


def test_what_the_site_file_leaves_out_is_named(tmp_path: Path) -> None:
    """A mandatory element that is not declared has no line, and the request says so instead of looking whole."""
    text = "\n".join(line for line in SITE.splitlines() if not line.startswith("config_db"))
    notes = requested(site_file(tmp_path, text)).notes
    assert any("connectivity.config-db has no line" in note for note in notes)


def test_dns_and_ntp_are_notes_and_no_lines(tmp_path: Path) -> None:
    """Nobody declared their servers, so none is invented."""
    found = requested(site_file(tmp_path))
    assert not {53, 123} & {line.port for line in found.lines}
    assert any("DNS" in note and "NTP" in note for note in found.notes)


def seen(path: Path, now: Answer, before: Answer | None = None) -> Request:
    earlier = None if before is None else report_of(path, before)
    document = report_of(path, now, at=NOON + timedelta(days=1), baseline=earlier)
    return request_of_blocked(plan(load_site(path, files=False), load_packs()), document, earlier)


def test_with_a_report_only_what_was_blocked_is_asked_for(tmp_path: Path) -> None:
    """Silence and rejection are; a refused port, a name that does not resolve and an open path are not."""
    path = site_file(tmp_path)
    found = seen(
        path,
        Connects(
            (
                ("excp-1", "sip1.acme.example", "timeout"),
                ("excs-1", "cfgdb.acme.example", "no_route"),
                ("exas-1", "stat1.acme.example", "refused"),
                ("exas-1", "stat2.acme.example", "dns"),
            )
        ),
    )
    assert [(line.state, line.destination.name, [s.name for s in line.sources]) for line in found.lines] == [
        (State.BLOCKED, "cfgdb.acme.example", ["excs-1"]),
        (State.BLOCKED, "sip1.acme.example", ["excp-1"]),
    ]
    assert found.lines[1].destination.seen == ("10.20.0.9",)
    assert "gave no answer" in found.lines[1].observed[0]


def test_a_blocked_inbound_row_is_asked_for(tmp_path: Path) -> None:
    """The call to a component's port names its source and its destination as an outbound connect does."""
    found = seen(site_file(tmp_path), Connects((("excp-2", "10.10.1.11", "timeout"),)))
    assert len(found.lines) == 1
    line = found.lines[0]
    assert (line.destination.name, line.destination.seen, line.port) == ("excs-1", ("10.10.1.11",), 3640)
    assert [(source.name, source.seen) for source in line.sources] == [("excp-2", ("10.10.1.14",))]
    assert line.direction is Direction.INTERNAL
    assert len(line.findings) == 2


def test_the_address_that_was_seen_counts(tmp_path: Path) -> None:
    """Behind NAT the rule has to name what the network sees, and a note says that the site file declares another."""
    path = site_file(tmp_path)
    found = seen(path, Connects(BLOCKED.verdicts, source="192.0.2.7"))
    assert found.lines[0].sources[0].seen == ("192.0.2.7",)
    assert any("192.0.2.7" in note and "declares 10.10.1.13" in note for note in found.notes)
    cells = next(iter(csv.DictReader(io.StringIO(as_csv(found)))))
    assert cells["source_addresses"] == "192.0.2.7, 192.0.2.7"


def test_what_was_blocked_and_passes_now_is_fulfilled(tmp_path: Path) -> None:
    """On a rerun each source of a line is blocked still or fulfilled; what had another cause is neither."""
    path = site_file(tmp_path)
    before = Connects((*BLOCKED.verdicts, ("exas-1", "stat1.acme.example", "dns")))
    found = seen(path, Connects(BLOCKED.verdicts[1:]), before)
    assert [(line.state, [source.name for source in line.sources]) for line in found.lines] == [
        (State.FULFILLED, ["excp-1"]),
        (State.BLOCKED, ["excp-2"]),
    ]


def test_what_could_not_be_judged_is_said_and_not_asked_for(tmp_path: Path) -> None:
    """No answer from our own side is no block."""
    found = seen(site_file(tmp_path), lambda probe: None)
    assert not found.lines
    assert any("could not be judged" in note and "connectivity.redis (4)" in note for note in found.notes)


# -- the command ---------------------------------------------------------------------------------------------------


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site file whose certificate is there."""
    (tmp_path / "acme-ca.pem").write_text("-")
    return site_file(tmp_path)


def test_the_csv_is_a_table_without_formulas(site: Path) -> None:
    """Every row has all cells, quoted; what a spreadsheet would take for a formula is text."""
    done = call("firewall", site, "--format", "csv")
    assert done.exit_code == 0, done.output
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert {len(row) for row in rows} == {COLUMNS}
    assert rows[0][0] == "state"
    notes = [row[0] for row in rows if row[0].startswith("#")]
    assert notes
    assert rows[-len(notes) :] == [[note, *[""] * (COLUMNS - 1)] for note in notes]


@pytest.mark.parametrize("sign", ["=1+1", "@SUM(A1)", "+49", "-2", "\tx"])
def test_a_formula_in_a_value_stays_text(site: Path, sign: str) -> None:
    """Whatever a report's evidence says, the cell begins with an apostrophe."""
    found = requested(site)
    line = replace(found.lines[0], observed=(sign,))
    cells = next(iter(csv.DictReader(io.StringIO(as_csv(replace(found, lines=(line,)))))))
    assert cells["observed"].startswith("'")


def test_the_markdown_is_a_table_that_no_value_breaks(site: Path, tmp_path: Path) -> None:
    """Bars and markup in observed values stay in their cell."""
    document = report_of(site, BLOCKED)
    for finding in document["findings"]:
        finding["observed"] = "a | b <img src=x>\n| c |"
    done = call("firewall", site, "--report", written(as_json.seal_digest(document), tmp_path / "r"))
    assert done.exit_code == 0, done.output
    row = next(line for line in done.stdout.splitlines() if "sip1.acme.example" in line)
    assert row.replace("\\|", "").count("|") == 9
    assert "<img" not in done.stdout


def test_the_json_has_every_line(site: Path) -> None:
    """Sources with name and address, the findings that the line serves, the notes."""
    document = json.loads(call("firewall", site, "--format", "json").stdout)
    line = next(line for line in document["lines"] if line["port"] == 6379)
    assert line["sources"][0] == {"name": "excs-1", "address": "10.10.1.11", "seen": []}
    assert "connectivity.redis[excs-1->redis.acme.example:6379]" in line["findings"]
    assert document["site"] == "ACME Berlin"
    assert document["notes"]


def test_the_earlier_report_is_found_beside(site: Path, tmp_path: Path) -> None:
    """The run that a report was compared with tells what had been blocked; without it, what is called fixed counts."""
    before = report_of(site, BLOCKED)
    after = report_of(site, Connects(), at=NOON + timedelta(days=1), baseline=before)
    path = written(after, tmp_path / "runs" / "after")
    alone = json.loads(call("firewall", site, "--report", path, "--format", "json").stdout)
    written(before, tmp_path / "runs" / "before")
    beside = json.loads(call("firewall", site, "--report", path, "--format", "json").stdout)
    for document in (alone, beside):
        assert [(line["state"], line["port"]) for line in document["lines"]] == [("fulfilled", 8000)]


def test_a_report_of_another_site_is_refused(site: Path, tmp_path: Path) -> None:
    """Its findings would be mistaken for this site's."""
    (tmp_path / "rome").mkdir()
    other = site_file(tmp_path / "rome", SITE.replace("ACME Berlin", "ACME Rome"))
    done = call("firewall", site, "--report", written(report_of(other), tmp_path / "r"))
    assert done.exit_code == 2
    assert "ACME Rome" in done.stderr
