"""Recorded observations judged again: the same rules give the same verdict, other ones say aloud what they are."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import timedelta
from pathlib import Path

import pytest
from readiness_reports import as_json
from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.cli.audit import baseline_of
from readiness.model import Status, Unread
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.probes.tcp import DialTcp
from readiness.rejudge import Assumption, Record, Unassumable, assumption, plan_again, rejudge
from readiness.site import Endpoint
from readiness.site.load import load_declared, load_site
from readiness.site.problems import SiteFileError
from readiness.site.recorded import Setting, Unsettable, setting
from tests.lab.offline import (
    NOON,
    SITE,
    Connects,
    Machines,
    by_id,
    call,
    first_of,
    report_of,
    site_file,
    written,
)

SIP = "connectivity.sip-server[excp-1->sip1.acme.example:8000]"
STAT = "connectivity.stat-server-primary[exas-1->stat1.acme.example:2060]"
ANSWERS = first_of(Connects((("exas-1", "stat1.acme.example", "timeout"),)), Machines({}))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> ReportDocument:
    return report_of(site_file(tmp_path_factory.mktemp("site")), ANSWERS)


@pytest.fixture
def recorded(original: ReportDocument) -> ReportDocument:
    return deepcopy(original)


def again(document: ReportDocument, *settings: str, assume: tuple[str, ...] = ()) -> ReportDocument:
    site = load_declared(document["site"], path=Path("report.json"), settings=[setting(text) for text in settings])
    assumptions = [assumption(text) for text in assume]
    judged = rejudge(document, plan_again(document, site, load_packs()), assumptions=assumptions)
    return as_json.seal_digest(judged)


def without_moment(finding: FindingDocument) -> dict[str, object]:
    """A finding less what rounding to milliseconds may move."""
    return {key: value for key, value in finding.items() if key not in {"duration_s", "valid_until"}}


# -- the golden rule -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("skip", "ended"), [((), "complete"), (("vm.*",), "complete"), ((), "interrupted")])
def test_an_unchanged_record_is_judged_as_it_was(tmp_path: Path, skip: tuple[str, ...], ended: str) -> None:
    """Statuses, evidence, verdict, score, coverage and blockers are the same, of partial and broken-off runs too."""
    document = report_of(site_file(tmp_path), ANSWERS, skip=skip, ended=ended)
    judged = again(document)
    as_json.validate(judged)
    assert [without_moment(f) for f in judged["findings"]] == [without_moment(f) for f in document["findings"]]
    for key in ("verdict", "score", "coverage", "counts", "requirements", "blockers", "earliest_ready", "observations"):
        assert judged[key] == document[key], key  # type: ignore[literal-required]
    assert judged["site"] == document["site"]
    assert judged["run"]["complete"] is document["run"]["complete"]
    assert judged["run"]["scope"] == document["run"]["scope"]
    assert judged["run"]["rejudged_from"] == document["run"]["id"]


def test_it_says_aloud_that_it_is_never_for_sign_off(recorded: ReportDocument) -> None:
    """The first notice names the run, and a report judged again twice still names the run that was recorded."""
    judged = again(recorded)
    assert judged["notices"][0]["kind"] == "rejudged"
    assert "never for sign-off" in judged["notices"][0]["text"]
    assert again(judged)["run"]["rejudged_from"] == recorded["run"]["id"]


def test_the_recorded_times_decide(tmp_path: Path) -> None:
    """What was attested and waived at the run is so still, though its day has long passed by now."""
    document = report_of(site_file(tmp_path), ANSWERS, at=NOON - timedelta(days=365))
    assert by_id(document)["planning.limitations-reviewed[site]"]["attestation"] is None
    word = "{check: planning.limitations-reviewed, target: site, by: Jane, date: 2025-11-01, expires: 2025-12-01}"
    judged = again(document, f"attestations=[{word}]")
    assert by_id(judged)["planning.limitations-reviewed[site]"]["attestation"] is not None
    assert judged["run"]["started_at"] == document["run"]["started_at"]


# -- the record ----------------------------------------------------------------------------------------------------


def test_a_question_is_found_though_its_files_lie_elsewhere_now(tmp_path: Path) -> None:
    """The folder of a certificate is no part of a question; its name, its host and its machine are."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    first = load_site(site_file(tmp_path / "one"), files=False)
    second = load_site(site_file(tmp_path / "two"), files=False)
    document = report_of(first.path, lambda probe: "an answer")
    record = Record(document)
    probes = plan(second, load_packs()).probes
    moved = [probe for probe in probes if "acme-ca.pem" in probe.key]
    assert moved
    for probe in moved:
        assert record.reading(probe).observation.response == "an answer", probe.key
    other = load_site(site_file(tmp_path / "two", SITE.replace("acme-ca.pem", "other-ca.pem")), files=False)
    unknown = [probe for probe in plan(other, load_packs()).probes if "other-ca.pem" in probe.key]
    assert all(isinstance(record.reading(probe).fact, Unread) for probe in unknown)


def test_what_was_never_asked_is_not_observed(recorded: ReportDocument) -> None:
    """Another port is another question: unknown, with the question named, and in the report's observations."""
    judged = again(recorded, "sip_servers[0].port=8001")
    as_json.validate(judged)
    finding = by_id(judged)[SIP.replace(":8000", ":8001")]
    assert finding["status"] == "unknown"
    assert finding["reason"] is not None
    assert finding["reason"]["code"] == "not_observed"
    unasked = [seen for seen in judged["observations"] if seen["attempts"] == 0]
    assert {seen["error"]["code"] for seen in unasked if seen["error"]} == {"not_observed"}
    assert any("sip1.acme.example" in seen["probe"] for seen in unasked)


def test_a_hostile_record_costs_its_own_findings_only(recorded: ReportDocument) -> None:
    """An answer that makes no sense is unknown, parse; the rest is judged as ever."""
    for seen in recorded["observations"]:
        if seen["probe"] == DialTcp("excp-1", "sip1.acme.example", 8000, linger=1.0, control=True).key:
            seen["response"] = '{"tried": "\\u0000"'
    judged = by_id(again(recorded))
    assert judged[SIP]["reason"] is not None
    assert judged[SIP]["reason"]["code"] == "parse"
    assert judged[STAT]["status"] == "fail"


# -- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("capacity.agents=3000", ("capacity", "agents")),
        ("sip_servers[1].port=8001", ("sip_servers", 1, "port")),
        ("vms[excs-1].host=10.0.0.1", ("vms", "excs-1", "host")),
        ("page.revision = recording", ("page", "revision")),
    ],
)
def test_a_setting_is_a_way_and_a_value(text: str, path: tuple[str | int, ...]) -> None:
    """Keys, positions and names of list entries lead to the place."""
    assert setting(text).path == path


@pytest.mark.parametrize(
    "text", ["agents", "=3", ".a=1", "a..b=1", "a[]=1", "[0]=1", "a b=1", "a.b=", "a=&x y", "a=[", ""]
)
def test_what_is_no_setting_is_refused(text: str) -> None:
    """With a sentence, never a traceback."""
    with pytest.raises(Unsettable):
        setting(text)


@pytest.mark.parametrize(
    "settings",
    [
        ["capacity.agents=many"],
        ["capacity.agnts=3"],
        ["redis.password=hunter2"],
        ["page.revision=2020-01-01"],
        ["vms[nobody].host=10.0.0.1"],
        ["site.name.first=3"],
        ["sip_servers[7].port=1"],
        ["vms[excs-1].name=exas-1"],
    ],
)
def test_settings_are_held_to_the_schema_and_its_rules(recorded: ReportDocument, settings: list[str]) -> None:
    """A wrong type, an unknown key, a literal secret, a name that is taken: all refused, no secret repeated."""
    with pytest.raises((SiteFileError, Unsettable)) as caught:
        again(recorded, *settings)
    assert "hunter2" not in str(caught.value)


def test_a_setting_changes_the_site_and_its_digest(recorded: ReportDocument) -> None:
    """The report shows the supposed capacity and page, and no longer claims the recorded file's digest."""
    judged = again(recorded, "capacity.agents=3000", "capacity.caps=7.5", "page.revision=recording", "redis=none")
    assert judged["site"]["capacity"] == {"agents": 3000, "caps": 7.5}
    assert judged["page"]["revision"] == "recording"
    assert judged["site"]["declared"]["redis"] == "none"
    assert judged["site"]["digest"] != recorded["site"]["digest"]
    roles = by_id(judged)["vm.roles[site]"]
    assert roles["status"] == "fail"
    assert "EXRP" in roles["observed"] + roles["summary"]


def test_a_recorded_site_is_understood_without_its_files(recorded: ReportDocument) -> None:
    """Certificates need not be there, and stay as the site file wrote them."""
    site = load_declared(recorded["site"], path=Path("/nowhere/report.json"))
    assert dict(site.declared) == recorded["site"]["declared"]
    assert site.digest == recorded["site"]["digest"]
    assert not isinstance(site.redis, str)
    assert site.redis.endpoint == Endpoint("redis.acme.example", 6379)
    assert site.redis.tls is not None
    assert site.redis.tls.ca_file == Path("acme-ca.pem")


def test_later_settings_win_and_numbers_keep_their_form() -> None:
    """The same key twice leaves the last value; text stays text."""
    site = load_declared(
        {"declared": {"site": {"name": "8.10"}}, "digest": "0" * 64},  # type: ignore[typeddict-item]
        path=Path("report.json"),
        settings=[setting("capacity.agents=1"), setting("capacity.agents=2"), setting("site.change_ticket=8.10")],
    )
    assert (site.name, site.capacity.agents, site.change_ticket) == ("8.10", 2, "8.10")
    assert isinstance(setting("a=1"), Setting)


# -- assumptions ---------------------------------------------------------------------------------------------------


def test_an_assumption_is_shown_as_one(recorded: ReportDocument) -> None:
    """The status follows it; summary, reasoning, evidence and a notice all say that it was assumed, and by which."""
    judged = again(recorded, assume=(f"{STAT}=pass",))
    finding = by_id(judged)[STAT]
    assert finding["status"] == "pass"
    assert finding["level"] == "declared"
    assert finding["summary"].startswith("Assumed, not proven: pass. The record says fail")
    assert "makes it fail" in finding["reasoning"]
    assert [piece["label"] for piece in finding["evidence"]] == ["Assumption"]
    assert f"Assumed, not proven: {STAT} is pass; the record says fail." in [n["text"] for n in judged["notices"]]
    assert judged["counts"]["pass"] == recorded["counts"]["pass"] + 1


def test_an_assumed_pass_is_stale_from_the_start(recorded: ReportDocument) -> None:
    """Nothing was proven, so it counts for no time at all."""
    finding = by_id(again(recorded, assume=(f"{STAT}=pass",)))[STAT]
    assert finding["valid_until"] == recorded["run"]["started_at"]


@pytest.mark.parametrize("status", ["pass", "warn", "fail", "unknown", "manual", "skip"])
def test_every_status_can_be_assumed_of_a_mandatory_finding(recorded: ReportDocument, status: str) -> None:
    """The document stays valid whatever is assumed."""
    judged = again(recorded, assume=(f"vm.kernel[excs-1]={status}",))
    as_json.validate(judged)
    assert by_id(judged)["vm.kernel[excs-1]"]["status"] == status


def test_a_star_stands_for_anything(recorded: ReportDocument) -> None:
    """One assumption for many findings is told once, with their number; brackets are only brackets."""
    judged = again(recorded, assume=("vm.kernel[*]=pass",))
    assert {by_id(judged)[f"vm.kernel[{vm}]"]["status"] for vm in ("excs-1", "exas-1", "excp-1", "excp-2")} == {"pass"}
    said = [notice["text"] for notice in judged["notices"] if notice["kind"] == "assumed"]
    assert said == ["Assumed, not proven: vm.kernel[*] (4 findings) is pass; the record says unknown."]
    assert not Assumption("vm.kernel[excs-1]", Status.PASS).concerns("vm.kernele")


def test_what_is_so_already_needs_no_assumption(recorded: ReportDocument) -> None:
    """The finding keeps its evidence, and the notice says that nothing had to be assumed."""
    judged = again(recorded, assume=(f"{SIP}=pass",))
    assert by_id(judged)[SIP]["evidence"] == by_id(recorded)[SIP]["evidence"]
    assert any(notice["text"].startswith("Nothing had to be assumed of") for notice in judged["notices"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("vm.kernel[excs-1]", "no assumption"),
        ("=pass", "no assumption"),
        ("vm.kernel[excs-1]=good", "no status"),
        ("vm.kernl[excs-1]=pass", "did you mean vm.kernel[excs-1]?"),
        ("vm.disk[excs-1]=fail", "warn at the worst"),
    ],
)
def test_what_cannot_be_assumed_is_refused(recorded: ReportDocument, text: str, said: str) -> None:
    """With a sentence that says why."""
    with pytest.raises(Unassumable) as caught:
        again(recorded, assume=(text,))
    assert said in str(caught.value)


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_prints_what_still_blocks_and_what_changes(recorded: ReportDocument, tmp_path: Path) -> None:
    """Blockers merged by cause, the verdict then and now; it exits as an audit with that verdict would."""
    path = written(recorded, tmp_path / "r")
    done = call("rejudge", path, "--assume", f"{STAT}=pass", "--set", "capacity.agents=3000")
    assert done.exit_code == 3, done.output
    text = done.stdout
    assert "never for sign-off" in text
    assert "Set for this what-if: capacity.agents is 3000; the record says 1000." in text
    assert "What blocks sign-off" in text
    assert f"{STAT}  fail -> pass" in text
    assert "Recorded: Not ready" in text
    assert "What if: Not proven" in text


def test_everything_assumed_turns_a_failing_site_ready(recorded: ReportDocument, tmp_path: Path) -> None:
    """A what-if that ends well exits 0, and still never looks like a proof."""
    done = call("rejudge", written(recorded, tmp_path / "r"), "--assume", "*=pass", "--out", tmp_path / "what-if")
    assert done.exit_code == 0, done.output
    document = as_json.read(tmp_path / "what-if" / "report.json")
    assert document["verdict"] in {"ready", "ready_with_exceptions"}
    page = (tmp_path / "what-if" / "report.html").read_text()
    assert "not for sign-off" in page
    assert "Assumed, not proven" in page


def test_another_site_file_is_said_aloud(recorded: ReportDocument, tmp_path: Path) -> None:
    """Its waivers count, its secrets are not needed, and the notice names it."""
    path = written(recorded, tmp_path / "r")
    other = tmp_path / "other.yaml"
    waiver = (
        "{check: connectivity.stat-server-primary, reason: r, approved_by: B, date: 2026-11-01, expires: 2027-01-01}"
    )
    other.write_text(f"{SITE}  - {waiver}\n")
    done = call("rejudge", path, "--site", other, "--out", tmp_path / "w")
    document = as_json.read(tmp_path / "w" / "report.json")
    assert by_id(document)[STAT]["waiver"] is not None
    assert by_id(document)[STAT]["status"] == "fail"
    assert "judged by the site file other.yaml" in done.stdout
    same = call("rejudge", path, "--site", site_file(tmp_path))
    assert "judged by the site file" not in same.stdout


def test_a_what_if_never_takes_a_reports_place(recorded: ReportDocument, tmp_path: Path) -> None:
    """Into a folder with a real report nothing is written; an earlier what-if may be replaced."""
    path = written(recorded, tmp_path / "r")
    before = path.read_bytes()
    refused = call("rejudge", path, "--out", path.parent)
    assert refused.exit_code == 2
    assert "never takes a report's place" in refused.stderr
    assert path.read_bytes() == before
    for _ in range(2):
        assert call("rejudge", path, "--out", tmp_path / "w").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--set", "capacity.agents"],
        ["--set", "capacity.agents=many"],
        ["--set", "vms[nobody].host=1.2.3.4"],
        ["--assume", "vm.kernel[excs-1]=good"],
        ["--assume", "vm.nothing[x]=pass"],
        ["--site", "/no/such/site.yaml"],
    ],
)
def test_a_wrong_what_if_exits_2_and_says_why(recorded: ReportDocument, tmp_path: Path, arguments: list[str]) -> None:
    """Nothing is judged, nothing written, no traceback."""
    done = call("rejudge", written(recorded, tmp_path / "r"), *arguments)
    assert done.exit_code == 2
    assert done.stderr
    assert "Traceback" not in done.output
    assert not done.stdout


def test_a_report_that_declares_no_site_is_a_sentence(recorded: ReportDocument, tmp_path: Path) -> None:
    """A record of another release, or a forged one, is named with the key that is wrong."""
    recorded["site"]["declared"] = {"site": {"name": "x"}, "vms": [None], "gremlins": {}}
    done = call("rejudge", written(as_json.seal_digest(recorded), tmp_path / "r"))
    assert done.exit_code == 2
    assert "no site file can hold" in done.stderr
    recorded["site"]["declared"] = {"site": {"name": "x"}, "gremlins": {}}
    done = call("rejudge", written(as_json.seal_digest(recorded), tmp_path / "r"))
    assert "gremlins: there is no such key" in done.stderr
    assert json.loads((tmp_path / "r" / "report.json").read_text())["site"]["name"] == "ACME Berlin"


def test_a_what_if_is_nobodys_baseline(original: ReportDocument, tmp_path: Path) -> None:
    """What was only supposed is not compared with: refused where it is named, passed over where it lies about."""
    site = load_site(site_file(tmp_path), files=False)
    folder = tmp_path / "reports" / "later"
    supposed = tmp_path / "reports" / "supposed" / "report.json"
    as_json.write(supposed, as_json.dumps(again(original, assume=(f"{SIP}=fail",))))
    assert baseline_of("auto", site, folder) is None
    with pytest.raises(as_json.ReportUnreadable, match="is a what-if"):
        baseline_of(str(supposed), site, folder)
    as_json.write(tmp_path / "reports" / "earlier" / "report.json", as_json.dumps(as_json.seal_digest(original)))
    found = baseline_of("auto", site, folder)
    assert found is not None
    assert found["run"]["rejudged_from"] is None
