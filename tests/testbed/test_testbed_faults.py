"""The auditor against the testbed: a sound site has no alarm, and every single fault is found where it is."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from readiness_schemas.report import FindingDocument

from tests.testbed.bed import Testbed, missing, testbed
from tests.testbed.faults import FAULTS, Fault, Says

WANTED = os.environ.get("READINESS_FAULTS", "")
"""``daily`` tries the daily faults by the sections that they are about, ``all`` every fault by a whole audit."""

EVERYTHING = WANTED == "all"

pytestmark = [
    pytest.mark.root,
    pytest.mark.server,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not WANTED, reason="takes minutes: set READINESS_FAULTS=daily or READINESS_FAULTS=all"),
    pytest.mark.skipif(bool(missing()), reason=missing() or "-"),
]

BEDS = 3
"""Testbeds side by side; they share nothing but the machine."""

NOISE = frozenset({"redis.latency"})
"""Checks that measure time: on a busy machine they warn by right, and that is counted apart."""

SOUND = {
    "redis.edition": "warn", "genesys-cloud.tls-interception": "warn", "engage.version": "warn",
}  # fmt: skip
"""What a sound testbed still says: no Redis Enterprise, a private CA before Genesys Cloud, SIP Server 8.1."""


@dataclass
class Tried:
    """What one fault brought: findings that said what they must, that did not, and that should have kept quiet.

    ``unsteady``: what was so in a first audit and not in a second one of the same fault, on a machine that is busy
    with all of this.
    """

    fault: Fault
    detected: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    false_alarms: list[str] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    unsteady: list[str] = field(default_factory=list)
    kept: int = 0
    seconds: float = 0.0


def code(finding: FindingDocument) -> str:
    """The lane of a violation, the reason of an unknown."""
    if finding["status"] == "unknown":
        return finding["reason"]["code"] if finding["reason"] else ""
    return finding["lane"] or ""


def compare(fault: Fault, usual: Mapping[str, FindingDocument], found: Mapping[str, FindingDocument]) -> Tried:
    tried = Tried(fault)
    for id, finding in found.items():
        if finding["status"] == "unknown" and code(finding) == "not_selected":
            continue
        before, wanted = usual[id]["status"], fault.wanted(id, usual[id]["status"])
        said = f"{id}: {finding['status']} {code(finding)} ({finding['summary']})"
        if wanted is None and finding["status"] == before:
            tried.kept += 1
        elif wanted is None:
            quiet = id.partition("[")[0] in NOISE and {finding["status"], before} == {"pass", "warn"}
            (tried.noise if quiet else tried.false_alarms).append(f"{before} -> {said}")
        elif wanted == Says(finding["status"], code(finding) if wanted.why else ""):
            tried.detected.append(said)
        else:
            tried.missed.append(f"{said}, wanted {wanted.status} {wanted.why}")
    for id in fault.changes:
        if id not in found:
            tried.missed.append(f"{id}: no such finding")
    return tried


def sound(found: Iterable[FindingDocument]) -> list[str]:
    """What a sound testbed should not have said."""
    return [
        f"{one['id']}: {one['status']} {one['summary']}"
        for one in found
        if one["status"] not in ("pass", "skip", "manual", SOUND.get(one["check"]))
        and one["check"] not in NOISE
    ]  # fmt: skip


def steady(bed: Testbed) -> Mapping[str, FindingDocument]:
    """An audit of a testbed without a fault; another one where the first was not sound."""
    found = bed.audit()
    return bed.audit() if sound(found.values()) else found


def try_all(faults: Iterable[Fault]) -> tuple[list[Tried], list[str]]:
    """Try faults one at a time on each of several testbeds; what was found, and what sound testbeds said amiss."""
    waiting: queue.SimpleQueue[Fault] = queue.SimpleQueue()
    for fault in faults:
        waiting.put(fault)
    tried: list[Tried] = []
    amiss: list[str] = []
    ready = threading.Barrier(BEDS)

    def work() -> None:
        with testbed() as bed:
            bed.settle()
            ready.wait()
            usual = steady(bed)
            amiss.extend(sound(usual.values()))
            while True:
                try:
                    fault = waiting.get_nowait()
                except queue.Empty:
                    break
                began = time.monotonic()
                only = () if EVERYTHING else fault.only
                with fault.harm(bed):
                    one = compare(fault, usual, bed.audit(*only))
                    if one.missed or one.false_alarms:
                        first, one = one, compare(fault, usual, bed.audit(*only))
                        kept = {*one.missed, *one.false_alarms}
                        one.unsteady = [said for said in (*first.missed, *first.false_alarms) if said not in kept]
                one.seconds = time.monotonic() - began
                tried.append(one)
            amiss.extend(f"afterwards {said}" for said in sound(steady(bed).values()))

    with ThreadPoolExecutor(BEDS) as pool:
        for running in [pool.submit(work) for _ in range(BEDS)]:
            running.result()
    return tried, amiss


def table(tried: list[Tried]) -> str:
    """The confusion table, and every line that is not as it should be."""
    lines = [f"{'fault':44} detected  missed  false alarms  kept  seconds"]
    for one in sorted(tried, key=lambda one: FAULTS.index(one.fault)):
        lines.append(
            f"{one.fault.name:44} {len(one.detected):8}  {len(one.missed):6}  {len(one.false_alarms):12}  {one.kept:4}"
            f"  {one.seconds:7.1f}"
        )
        lines += [f"    missed: {said}" for said in one.missed]
        lines += [f"    false alarm: {said}" for said in one.false_alarms]
        lines += [f"    unsteady: {said}" for said in one.unsteady]
        lines += [f"    noise: {said}" for said in one.noise]
    sums = (sum(len(getattr(one, kind)) for one in tried) for kind in ("detected", "missed", "false_alarms"))
    lines.append("{:44} {:8}  {:6}  {:12}  {:4}".format(f"{len(tried)} faults", *sums, sum(one.kept for one in tried)))
    return "\n".join(lines)


@pytest.mark.timeout(3600 if EVERYTHING else 420)
def test_every_fault_is_detected_in_its_lane_and_nothing_else_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """The confusion table has no miss and no false alarm, before the faults, under each, and after all of them."""
    began = time.monotonic()
    tried, amiss = try_all(fault for fault in FAULTS if EVERYTHING or fault.daily)
    with capsys.disabled():
        print(f"\n{table(tried)}\n{time.monotonic() - began:.0f} s on {BEDS} testbeds")
    assert not amiss, "\n".join(amiss)
    assert not [said for one in tried for said in (*one.missed, *one.false_alarms)]


def test_the_catalogue_names_every_fault_once() -> None:
    """A fault's name is its own, and every fault says what changes or what is looked at in vain."""
    names = [fault.name for fault in FAULTS]
    assert len(names) == len(set(names)) >= 100
    assert all(fault.only for fault in FAULTS)
