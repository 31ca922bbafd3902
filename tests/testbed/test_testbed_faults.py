"""The auditor against the testbed: a sound site has no alarm, and every single fault is found where it is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest
from readiness_schemas.report import FindingDocument

from tests.testbed import table
from tests.testbed.bed import missing
from tests.testbed.faults import FAULTS, UNCHANGED, Fault, fail, unknown
from tests.testbed.trial import BEDS, Extent, Trial, compare, conflict, pairs, run, singles

WANTED = os.environ.get("READINESS_FAULTS", "")
"""``sections``: every fault, audited by the sections that it is about. ``all``: every fault, by a whole audit.
``pairs``: READINESS_PAIRS random pairs by READINESS_SEED. READINESS_ONLY narrows each to faults with that in their
name, READINESS_RESULTS names a file for the table."""

SEED = int(os.environ.get("READINESS_SEED", "1"))
PAIRS = int(os.environ.get("READINESS_PAIRS", "40"))
ONLY = os.environ.get("READINESS_ONLY", "")
RESULTS = os.environ.get("READINESS_RESULTS", "")


def trials(extent: Extent) -> list[Trial]:
    chosen = [fault for fault in FAULTS if ONLY in fault.name]
    return pairs(chosen, PAIRS, SEED) if extent is Extent.PAIRS else singles(chosen)


@pytest.mark.root
@pytest.mark.server
@pytest.mark.timeout(5400)
@pytest.mark.skipif(not WANTED, reason="takes minutes: set READINESS_FAULTS to sections, all or pairs")
@pytest.mark.skipif(bool(missing()), reason=missing() or "-")
def test_every_fault_is_detected_in_its_lane_and_nothing_else_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """The confusion table has no miss and no false alarm, before the faults, under each, and after all of them."""
    extent = Extent(WANTED)
    with capsys.disabled():
        print(f"\n{table.HEAD}", flush=True)
        done = run(trials(extent), extent, seed=SEED, tell=lambda row: print(row, flush=True))
        print(f"\n{table.as_text(done)}", flush=True)
    if RESULTS:
        Path(RESULTS).write_text(table.as_markdown(done, _command(extent)))
    assert max(done.built) < 60
    assert not done.left, "\n".join(done.left)
    assert not done.amiss, "\n".join(done.amiss)
    assert not [str(saw) for one in done.tried for saw in one.wrong]
    if extent is not Extent.PAIRS and not ONLY:
        assert table.unchanged(done).keys() == UNCHANGED.keys(), "which checks no fault changes, and why, is said amiss"


def _command(extent: Extent) -> str:
    seed = f" READINESS_SEED={SEED} READINESS_PAIRS={PAIRS}" if extent is Extent.PAIRS else ""
    return f"READINESS_FAULTS={extent}{seed} READINESS_BEDS={BEDS} .venv/bin/python -m pytest tests/testbed -s"


def test_the_catalogue_names_every_fault_once() -> None:
    """A fault's name is its own, and every fault says what changes or what is looked at in vain."""
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 100
    assert all(fault.only for fault in FAULTS)


def finding(id: str, status: str, why: str = "") -> FindingDocument:
    reason = {"code": why} if status == "unknown" else None
    said = {"id": id, "status": status, "lane": None if reason else why, "reason": reason, "summary": "as it is"}
    return cast(FindingDocument, said)


def test_the_table_knows_a_miss_and_a_false_alarm() -> None:
    """A status, a lane or a reason that is not the wanted one is a miss; so is a finding that is not there any more.

    Whatever else changed is a false alarm, but for a check that measures time.
    """
    fault = Fault(
        name="any",
        harm=FAULTS[0].harm,
        changes={
            "vm.os[a]": fail("version"),
            "vm.kernel[a]": fail("version"),
            "vm.docker[a]": unknown("timeout"),
            "vm.gone[a]": fail("version"),
        },
    )
    usual = {id: finding(id, "pass") for id in (*fault.changes, "vm.cpu[a]", "vm.disk[a]", "redis.latency[a]")}
    found = [
        finding("vm.os[a]", "fail", "version"),
        finding("vm.kernel[a]", "fail", "capacity"),
        finding("vm.docker[a]", "unknown", "permission"),
        finding("vm.cpu[a]", "warn", "capacity"),
        finding("vm.disk[a]", "pass"),
        finding("redis.latency[a]", "warn", "route"),
    ]
    tried = compare(Trial((fault,)), usual, {one["id"]: one for one in found})
    assert [saw.id for saw in tried.detected] == ["vm.os[a]"]
    assert [saw.id for saw in tried.missed] == ["vm.kernel[a]", "vm.docker[a]", "vm.gone[a]"]
    assert [saw.id for saw in tried.false_alarms] == ["vm.cpu[a]"]
    assert [saw.id for saw in tried.noise] == ["redis.latency[a]"]
    assert tried.kept == {"vm": 1}


def test_pairs_by_a_seed_are_the_same_each_time_and_never_meddle_with_each_other() -> None:
    """Equal seeds choose equal pairs, other seeds others; no pair changes a finding twice."""
    chosen = pairs(FAULTS, 50, seed=7)
    assert chosen == pairs(FAULTS, 50, seed=7) != pairs(FAULTS, 50, seed=8)
    assert len({trial.name for trial in chosen}) == 50
    assert not any(conflict(*trial.faults) for trial in chosen)
    assert all(not one.changes.keys() & other.changes.keys() for one, other in (trial.faults for trial in chosen))
