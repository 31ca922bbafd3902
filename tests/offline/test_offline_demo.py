"""The offline commands on what a real audit of the embedded site brought: before its faults were mended, and after."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from readiness_reports import as_json
from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.audit import audit
from readiness.lab.demo import Lab
from readiness.lab.machine import Unprepared
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site
from tests.lab.offline import by_id, call, written

SIP = "connectivity.sip-server[excp-2->sip-b.demo-harbour.example:8000]"
MEMORY = "redis.memory[redis.demo-harbour.example:6379]"


@dataclass(frozen=True)
class Harbour:
    """Two reports of one site, as files, and the firewall requests that its site file and they make."""

    before: Path
    after: Path
    requests: tuple[dict[str, object], ...]


@pytest.fixture(scope="module")
def harbour(tmp_path_factory: pytest.TempPathFactory) -> Harbour:
    """Demo Harbour audited twice; its machines are gone when the tests begin."""
    folder = tmp_path_factory.mktemp("harbour")

    async def both() -> Harbour:
        async with Lab(folder) as lab:
            site = await asyncio.to_thread(load_site, lab.site_file)
            site = replace(site, limits=replace(site.limits, connect=1.5))
            before = as_json.seal_digest(await audit(plan(site, load_packs())))
            await lab.remediate()
            after = as_json.seal_digest(await audit(plan(site, load_packs()), baseline=before))
            paths = written(before, folder / "runs" / "before"), written(after, folder / "runs" / "after")
            requests = tuple(
                json.loads(call("firewall", lab.site_file, "--report", path, "--format", "json").stdout)
                for path in paths
            )
            return Harbour(*paths, requests)

    try:
        return asyncio.run(both())
    except Unprepared as error:
        pytest.skip(f"no lab here: {error}")


def shape(finding: FindingDocument) -> tuple[object, ...]:
    """A finding less what rounding and the place of the site file move."""
    return (
        finding["id"],
        finding["status"],
        finding["summary"],
        finding["observed"],
        finding["reason"],
        finding["level"],
    )


@pytest.mark.parametrize("which", ["before", "after"])
def test_a_real_record_is_judged_as_it_was(harbour: Harbour, tmp_path: Path, which: str) -> None:
    """Without the machines, without the site file and its certificates: the same statuses, verdict and score."""
    path = harbour.before if which == "before" else harbour.after
    document = as_json.read(path)
    done = call("rejudge", path, "--out", tmp_path / "again")
    judged = as_json.read(tmp_path / "again" / "report.json")
    assert [shape(finding) for finding in judged["findings"]] == [shape(finding) for finding in document["findings"]]
    for key in ("verdict", "score", "coverage", "counts", "requirements", "blockers"):
        assert judged[key] == document[key], key  # type: ignore[literal-required]
    assert "The what-if changes no finding" in done.stdout
    assert not [seen for seen in judged["observations"] if seen["error"] and seen["error"]["code"] == "not_observed"]


def test_another_capacity_is_another_verdict_on_redis(harbour: Harbour, tmp_path: Path) -> None:
    """2 GB are too little for the 1500 agents of the site, and enough for the page's 1000 at 5 CAPS."""
    assert by_id(as_json.read(harbour.before))[MEMORY]["status"] == "fail"
    done = call(
        *(
            "rejudge",
            harbour.before,
            "--set",
            "capacity.agents=1000",
            "--set",
            "capacity.caps=5",
            "--out",
            tmp_path / "w",
        )
    )
    assert by_id(as_json.read(tmp_path / "w" / "report.json"))[MEMORY]["status"] == "pass"
    assert f"{MEMORY}  fail -> pass" in done.stdout


def blocking(document: ReportDocument) -> list[str]:
    return [finding for group in document["blockers"] for job in group["jobs"] for finding in job["findings"]]


def test_a_what_if_turns_a_failing_site_ready_and_names_why(harbour: Harbour, tmp_path: Path) -> None:
    """With every blocker assumed away the site would be ready; one less, and that one is what still blocks."""
    document = as_json.read(harbour.before)
    assert document["verdict"] == "not_ready"
    blockers = blocking(document)
    assert SIP in blockers
    assume = [word for finding in blockers for word in ("--assume", f"{finding}=pass")]
    done = call("rejudge", harbour.before, *assume)
    assert done.exit_code == 0, done.output
    assert "What blocks sign-off" not in done.stdout
    less = [word for finding in blockers if finding != SIP for word in ("--assume", f"{finding}=pass")]
    done = call("rejudge", harbour.before, *less, "--out", tmp_path / "w")
    assert done.exit_code == 1
    assert blocking(as_json.read(tmp_path / "w" / "report.json")) == [SIP]
    assert "Let excp-2 through to the SIP Server" in done.stdout


def test_the_two_runs_compare(harbour: Harbour) -> None:
    """What was mended is fixed, with the value before and now, and the machines are the ones they were."""
    done = call("compare", harbour.before, harbour.after, "--format", "json")
    document = json.loads(done.stdout)
    fixed = {step["id"]: step for step in document["findings"]["fixed"]}
    assert {SIP, MEMORY} <= set(fixed)
    assert fixed[MEMORY]["before"]["status"] == "fail"
    assert {machine["continuity"] for machine in document["machines"]} == {"same"}
    assert len(document["machines"]) >= 4
    baseline = as_json.read(harbour.after)["baseline"]
    assert baseline is not None
    assert sorted(fixed) == sorted(baseline["fixed"])


def test_the_blocked_row_becomes_a_request_and_is_fulfilled(harbour: Harbour) -> None:
    """Before: one line, from the address that was seen; after: the same line, marked fulfilled; DNS trouble is none."""
    states = []
    for request in harbour.requests:
        lines = request["lines"]
        assert isinstance(lines, list)
        by_peer = {line["destination"]["name"]: line for line in lines}
        assert "stat-b.demo-harbour.example" not in by_peer
        line = by_peer["sip-b.demo-harbour.example"]
        assert line["port"] == 8000
        assert line["sources"] == [{"name": "excp-2", "address": "10.20.30.14", "seen": ["10.20.30.14"]}]
        states.append(line["state"])
    assert states == ["blocked", "fulfilled"]


def test_the_mended_site_goes_stale(harbour: Harbour) -> None:
    """Fresh at once, stale a month later."""
    assert call("status", harbour.after).exit_code == 0
    assert call("status", harbour.after, "--at", "2999-01-01").exit_code == 3
