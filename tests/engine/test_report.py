"""Readings become findings and a report document, by the rules and without loss."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from readiness_reports import as_json
from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.gather import Gathered, Reading, fact_of
from readiness.model import (
    Attestation,
    Cause,
    Evidence,
    Judgement,
    Lane,
    Level,
    Obligation,
    Observation,
    Owner,
    Reason,
    Status,
    Target,
    Waiver,
    owner_of,
)
from readiness.plan import AnyCheck, plan
from readiness.probe import Probe
from readiness.report import LONGEST_HISTORY, USUAL_LEAD_TIMES, Run, assemble
from readiness.site import ReportSettings, Site
from tests.lab.engine import NOON, Say, Speaks, Word, requirement, site


def reading(probe: Probe[object], response: str | None, error: Reason | None = None) -> Reading:
    observation = Observation(
        id=probe.id,
        probe=probe.key,
        vantage=", ".join(probe.vantages),
        method=probe.method,
        started_at=NOON + timedelta(seconds=1),
        duration_s=0.25,
        attempts=1,
        response=response,
        error=error,
    )
    return Reading(observation, fact_of(probe, observation))


def report(
    answers: Mapping[str, str | Reason],
    *,
    of: Site | None = None,
    pack: tuple[type[AnyCheck], ...] = (Speaks,),
    ended: str = "complete",
    baseline: ReportDocument | None = None,
    only: tuple[str, ...] = (),
) -> ReportDocument:
    planned = plan(of or site(), pack, only=only)
    readings = {}
    for probe in planned.probes:
        answer = answers.get(probe.vantages[0], "yes")
        readings[probe] = reading(probe, answer) if isinstance(answer, str) else reading(probe, None, answer)
    gathered = Gathered(readings, {name: None for p in planned.probes for name in p.vantages}, ended)  # type: ignore[arg-type]
    run = Run(started_at=NOON, finished_at=NOON + timedelta(seconds=2), auditor="me@here", gathered=gathered)
    document = assemble(planned, run, baseline=baseline)
    as_json.seal_digest(document)
    as_json.validate(document)
    return document


def by_id(document: ReportDocument) -> dict[str, FindingDocument]:
    return {finding["id"]: finding for finding in document["findings"]}


def test_a_site_that_meets_all_is_ready() -> None:
    """All passes: ready, a full score, full coverage, nothing that blocks."""
    document = report({})
    assert document["verdict"] == "ready"
    assert document["score"] == {"value": 100.0, "earned": 10.0, "possible": 10.0}
    assert document["coverage"] == {"applicable": 1, "proven": 1, "attested": 0, "waived": 0, "unproven": 0}
    assert document["blockers"] == []
    assert document["run"]["vantages"] == ["auditor", "excs-1", "exas-1"]


def test_evidence_is_completed_from_its_observation() -> None:
    """Vantage, method, time and observation come from the question that brought the fact."""
    document = report({})
    (piece,) = by_id(document)["test.speaks[excs-1]"]["evidence"]
    assert piece == {
        "label": "Said",
        "value": "yes",
        "vantage": "excs-1",
        "method": "asking",
        "level": "protocol",
        "at": "2026-11-23T12:00:01.000Z",
        "observation": Say("excs-1", "yes").id,
    }


def test_a_miss_fails_and_blocks() -> None:
    """A mandatory miss: not ready, half the points, one job for its owner."""
    document = report({"exas-1": "no"})
    assert document["verdict"] == "not_ready"
    assert by_id(document)["test.speaks[exas-1]"]["status"] == "fail"
    assert document["score"]["value"] == 50.0
    assert document["blockers"] == [
        {
            "owner": "virtualisation",
            "lead_time": "5d",
            "lead_time_from": "usual",
            "ready_on": "2026-11-30",
            "jobs": [{"text": "It did not say yes.", "status": "fail", "findings": ["test.speaks[exas-1]"]}],
        }
    ]
    assert document["earliest_ready"] == "2026-11-30"


@pytest.mark.parametrize("obligation", [Obligation.RECOMMENDED, Obligation.OPTIONAL])
def test_a_miss_of_what_is_not_mandatory_warns(obligation: Obligation) -> None:
    """The obligation alone decides how much a miss weighs."""

    class Softly(Speaks):
        requirement = requirement("test.softly", obligation=obligation)

    document = report({"exas-1": "no"}, pack=(Softly,))
    assert by_id(document)["test.softly[exas-1]"]["status"] == "warn"
    assert document["verdict"] == "ready_with_exceptions"


def test_an_unread_fact_makes_its_finding_unknown_and_never_a_fail() -> None:
    """The reason travels into the finding; the other finding is judged."""
    lost = Reason(code=Cause.UNREACHABLE, detail="no answer on port 22", enable="Start sshd.")
    document = report({"excs-1": lost})
    finding = by_id(document)["test.speaks[excs-1]"]
    assert finding["status"] == "unknown"
    assert finding["reason"] == {
        "code": "unreachable",
        "detail": "no answer on port 22",
        "enable": "Start sshd.",
        "by": None,
    }
    assert finding["owner"] == "deployer"
    assert by_id(document)["test.speaks[exas-1]"]["status"] == "pass"
    assert document["verdict"] == "not_proven"


def test_whatever_is_open_says_what_was_asked_for_and_why() -> None:
    """A check may be short about what it could not look at; the report is not."""
    lost = Reason(code=Cause.UNREACHABLE, detail="no answer on port 22")

    class LeftOut(Speaks):
        requirement = requirement("test.left-out")

    document = report({"excs-1": lost}, pack=(Speaks, LeftOut), only=("test.speaks",))
    left_open = [finding for finding in document["findings"] if finding["status"] == "unknown"]
    assert {finding["reason"]["code"] for finding in left_open if finding["reason"]} == {"unreachable", "not_selected"}
    assert all(finding["expected"] and finding["reasoning"] for finding in left_open)


def test_foreign_words_end_a_sentence_once() -> None:
    """A daemon's own question mark is not followed by our full stop."""
    lost = Reason(code=Cause.UNSUPPORTED, detail="Is the docker daemon running?", enable="Start it.")
    finding = by_id(report({"excs-1": lost}))["test.speaks[excs-1]"]
    assert finding["summary"] == "Not determined: Is the docker daemon running."


@pytest.mark.parametrize("answer", ["crash", "bomb", "gibberish"])
def test_a_crash_is_one_unknown(answer: str) -> None:
    """A bug in a check or a parser, or nonsense from a machine, costs one finding."""
    document = report({"excs-1": answer})
    found = by_id(document)
    assert found["test.speaks[excs-1]"]["status"] == "unknown"
    assert found["test.speaks[exas-1]"]["status"] == "pass"


@pytest.mark.parametrize("ended", ["interrupted", "deadline"])
def test_an_incomplete_run_proves_nothing(ended: str) -> None:
    """All answers may be good: a run that was cut off is not proven, and says so."""
    document = report({}, ended=ended)
    assert document["verdict"] == "not_proven"
    assert document["run"]["complete"] is False
    assert [notice["kind"] for notice in document["notices"]] == ["incomplete"]


def test_a_partial_run_proves_nothing() -> None:
    """What was left out is in the report as unknown, not selected."""

    class Also(Speaks):
        requirement = requirement("other.also")

    document = report({}, pack=(Speaks, Also), only=("test.speaks",))
    assert document["run"]["scope"] == "partial"
    assert document["verdict"] == "not_proven"
    reason = by_id(document)["other.also[excs-1]"]["reason"]
    assert reason is not None
    assert reason["code"] == "not_selected"


def test_lead_times_give_the_earliest_date() -> None:
    """Ten working days from Monday, 23 November end on Monday, 7 December."""
    settings = ReportSettings(lead_times={Owner.VIRTUALISATION: 10})
    document = report({"exas-1": "no"}, of=site(report=settings))
    assert document["blockers"][0]["ready_on"] == "2026-12-07"
    assert document["blockers"][0]["lead_time"] == "10d"
    assert document["blockers"][0]["lead_time_from"] == "site"
    assert document["earliest_ready"] == "2026-12-07"


def test_every_owner_has_a_usual_lead_time() -> None:
    """Whoever a job falls to, the report can say when the site may be ready."""
    assert set(USUAL_LEAD_TIMES) == set(Owner)
    assert all(days > 0 for days in USUAL_LEAD_TIMES.values())


def test_a_rerun_remembers_the_runs_before_it() -> None:
    """The baseline's history is carried on, with the baseline as its last entry, and no longer than the limit."""
    first = report({"exas-1": "no"})
    assert first["history"] == []
    second = report({}, baseline=first)
    third = report({}, baseline=second)
    assert [(run["run_id"], run["verdict"], run["score"]) for run in third["history"]] == [
        (first["run"]["id"], "not_ready", 50.0),
        (second["run"]["id"], "ready", 100.0),
    ]
    last = third
    for _ in range(LONGEST_HISTORY + 3):
        last = report({}, baseline=last)
    assert len(last["history"]) == LONGEST_HISTORY
    assert first["run"]["id"] not in {run["run_id"] for run in last["history"]}


def test_a_rerun_keeps_what_the_baseline_said() -> None:
    """Each step has the status and the value of before; what is unchanged and good is no step."""
    document = report({"exas-1": "no"}, baseline=report({"excs-1": "no", "exas-1": "yes"}))
    assert document["baseline"] is not None
    steps = {step["finding"]: step for step in document["baseline"]["steps"]}
    assert {
        finding: (step["kind"], step["before"] and step["before"]["status"]) for finding, step in steps.items()
    } == {
        "test.speaks[exas-1]": ("regressed", "pass"),
        "test.speaks[excs-1]": ("fixed", "fail"),
    }


def test_a_blocked_finding_joins_the_job_of_what_blocks_it() -> None:
    """One job settles both, and is shown once."""

    class Depends(Speaks):
        requirement = requirement("test.depends")

        def judge(self, target: Target, word: Word) -> Judgement:
            return Judgement.blocked(f"test.speaks[{target.name}]", "It cannot speak.", detail="nothing was said")

    document = report({"exas-1": "no"}, pack=(Speaks, Depends))
    jobs = {job["text"]: job["findings"] for group in document["blockers"] for job in group["jobs"]}
    assert jobs["It did not say yes."] == ["test.speaks[exas-1]", "test.depends[exas-1]"]


def test_signed_findings_leave_the_blockers_and_stay_visible() -> None:
    """A waiver takes a failure out of the way and changes neither its status nor the score."""
    waiver = Waiver(
        check="test.speaks",
        target="exas-1",
        reason="wave 2",
        approved_by="Board",
        reference="CHG2",
        date=NOON.date(),
        expires=NOON.date() + timedelta(days=60),
    )
    document = report({"exas-1": "no"}, of=site(waivers=(waiver,)))
    finding = by_id(document)["test.speaks[exas-1]"]
    assert finding["status"] == "fail"
    assert finding["waiver"] is not None
    assert document["blockers"] == []
    assert document["verdict"] == "ready_with_exceptions"
    assert document["score"]["value"] == 50.0
    assert document["counts"]["waived"] == 1


def test_an_unused_attestation_is_said_aloud() -> None:
    """What a person signed and no finding needs is a notice."""
    attestation = Attestation(check="test.speaks", target="excs-9", by="Jane", date=NOON.date(), reference="CHG3")
    document = report({}, of=site(attestations=(attestation,)))
    assert [notice["kind"] for notice in document["notices"]] == ["unmatched"]


def test_evidence_ages_from_the_time_it_was_seen() -> None:
    """The requirement's validity, or the site file's for that kind, counts from the observation."""
    document = report({})
    assert by_id(document)["test.speaks[excs-1]"]["valid_until"] == "2026-12-23T12:00:01.000Z"
    settings = ReportSettings(valid_for={"clock": timedelta(hours=24)})

    class Clock(Speaks):
        requirement = requirement("vm.clock-offset")

    document = report({}, of=site(report=settings), pack=(Clock,))
    assert by_id(document)["vm.clock-offset[excs-1]"]["valid_until"] == "2026-11-24T12:00:01.000Z"


def test_a_rerun_says_what_changed() -> None:
    """Fixed, regressed, unchanged, gone and new, each by the finding's id."""
    before = report({"excs-1": "no"})
    before["findings"].append({**before["findings"][0], "id": "test.speaks[old]"})
    after = report({"exas-1": "no"}, baseline=before)
    assert after["baseline"] is not None
    assert after["baseline"]["fixed"] == ["test.speaks[excs-1]"]
    assert after["baseline"]["regressed"] == ["test.speaks[exas-1]"]
    assert after["baseline"]["gone"] == ["test.speaks[old]"]
    assert {finding["id"]: finding["change"] for finding in after["findings"]} == {
        "test.speaks[excs-1]": "fixed",
        "test.speaks[exas-1]": "regressed",
    }


def test_text_that_no_file_can_hold_is_mended() -> None:
    """Half a surrogate pair, as JSON may carry it, costs a sign and not the report; nor does a number beyond sense."""

    class Torn(Speaks):
        requirement = requirement("test.torn")

        def judge(self, target: Target, word: Word) -> Judgement:
            evidence = (Evidence(label="Said", value="\ud800", level=Level.TCP, of=word),)
            figures = {"huge": 10**19, "endless": float("inf"), "beyond": 10**400, "plain": 2}
            return Judgement.met("torn \udfff", expected="\ud83d", observed="", evidence=evidence, figures=figures)

    document = report({"excs-1": "torn"}, pack=(Torn,))
    finding = by_id(document)["test.torn[excs-1]"]
    assert (finding["summary"], finding["expected"]) == ("torn \ufffd", "\ufffd")
    assert finding["evidence"][0]["value"] == "\ufffd"
    assert finding["figures"] == {"huge": 1e19, "plain": 2}


def test_the_planned_set_is_the_reported_set() -> None:
    """Every instance of the plan is one finding, whatever happened to it."""
    lost = Reason(code=Cause.TIMEOUT, detail="late", enable="")
    document = report({"excs-1": lost, "exas-1": "crash"})
    assert [finding["id"] for finding in document["findings"]] == ["test.speaks[excs-1]", "test.speaks[exas-1]"]
    assert sum(document["counts"][status.value] for status in Status) == 2  # type: ignore[literal-required]


@pytest.mark.parametrize(
    ("lane", "owner"),
    [
        (Lane.FIREWALL, Owner.NETWORK),
        (Lane.ROUTE, Owner.NETWORK),
        (Lane.DNS, Owner.NETWORK),
        (Lane.PROBE, Owner.DEPLOYER),
        (Lane.VERSION, Owner.DBA),
        (None, Owner.DBA),
    ],
)
def test_a_lane_names_who_mends_it(lane: Lane | None, owner: Owner) -> None:
    """Trouble on the way is the network's, the auditor's own the deployer's, the rest the requirement's."""
    assert owner_of(lane, Owner.DBA) is owner


def test_a_digest_covers_the_whole_document(tmp_path: Path) -> None:
    """A report that was changed by hand is refused when it is read."""
    document = report({})
    path = tmp_path / "report.json"
    as_json.write(path, as_json.dumps(document))
    assert as_json.read(path) == document
    changed = replace_score(document)
    as_json.write(path, as_json.dumps(changed))
    with pytest.raises(as_json.ReportUnreadable):
        as_json.read(path)


def replace_score(document: ReportDocument) -> ReportDocument:
    changed = ReportDocument(**document)
    changed["score"] = {"value": 99.0, "earned": 9.9, "possible": 10.0}
    return changed
