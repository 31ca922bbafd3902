"""Trying faults on testbeds side by side: what each brought, beside what it should have brought."""

from __future__ import annotations

import json
import os
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from pathlib import Path

from readiness_schemas.report import FindingDocument

from tests.testbed.bed import Testbed, testbed
from tests.testbed.faults import FAULTS, Fault, Says
from tests.testbed.remains import Machine, Remains

BEDS = int(os.environ.get("READINESS_BEDS", "3"))
"""Testbeds side by side; they share nothing but the machine."""

NOISE = frozenset({"redis.latency"})
"""Checks that measure time: on a busy machine they warn by right, and that is counted apart."""

SOUND = {
    "redis.edition": "warn", "genesys-cloud.tls-interception": "warn", "engage.version": "warn",
}  # fmt: skip
"""What a sound testbed still says: no Redis Enterprise, a private CA before Genesys Cloud, SIP Server 8.1."""


class Extent(StrEnum):
    """How much is tried: each fault by the sections that it is about, each by a whole audit, or pairs of them."""

    SECTIONS = "sections"
    WHOLE = "all"
    PAIRS = "pairs"


@dataclass(frozen=True)
class Trial:
    """Faults that are there at the same time: one, or a pair that has nothing to do with each other."""

    faults: tuple[Fault, ...]

    @property
    def name(self) -> str:
        return " + ".join(fault.name for fault in self.faults)

    @property
    def at(self) -> tuple[int, ...]:
        """Where in the catalogue."""
        return tuple(FAULTS.index(fault) for fault in self.faults)

    @property
    def only(self) -> tuple[str, ...]:
        return tuple(sorted({section for fault in self.faults for section in fault.only}))

    @property
    def changes(self) -> Mapping[str, Says]:
        return {finding: says for fault in self.faults for finding, says in fault.changes.items()}

    def wanted(self, finding: FindingDocument, usual: str) -> Says | None:
        for fault in self.faults:
            says = fault.wanted(finding["id"], usual)
            if says is not None:
                return says
        return None


@dataclass(frozen=True, kw_only=True)
class Saw:
    """What one finding said under a trial, and usually; ``wanted`` is what it should have said, if anything else."""

    id: str
    usual: str
    status: str
    why: str
    summary: str
    wanted: Says | None

    @property
    def check(self) -> str:
        return self.id.partition("[")[0]

    @property
    def section(self) -> str:
        return self.id.partition(".")[0]

    @property
    def as_it_must(self) -> bool:
        if self.wanted is None:
            return self.status == self.usual
        return self.wanted in (Says(self.status), Says(self.status, self.why))

    def __str__(self) -> str:
        wanted = f", wanted {self.wanted.status} {self.wanted.why}".rstrip() if self.wanted is not None else ""
        return f"{self.id}: {self.usual} -> {self.status} {self.why} ({self.summary}){wanted}"


@dataclass
class Tried:
    """What one trial brought: findings that said what they must, that did not, and that should have kept quiet.

    ``unsteady``: what was so in a first audit and not in a second one of the same trial, on a machine that is busy
    with all of this. ``kept``: how many findings said what they usually say, by section.
    """

    trial: Trial
    detected: list[Saw] = field(default_factory=list)
    missed: list[Saw] = field(default_factory=list)
    false_alarms: list[Saw] = field(default_factory=list)
    noise: list[Saw] = field(default_factory=list)
    unsteady: list[Saw] = field(default_factory=list)
    kept: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def wrong(self) -> list[Saw]:
        return [*self.missed, *self.false_alarms]


@dataclass
class Run:
    """All trials of one run; ``amiss`` is what sound testbeds said before and after, ``built`` how long each took to be
    up, ``left`` what was still there when they were gone.
    """

    extent: Extent
    seed: int = 0
    tried: list[Tried] = field(default_factory=list)
    amiss: list[str] = field(default_factory=list)
    built: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    findings: int = 0
    checks: frozenset[str] = frozenset()
    seconds: float = 0.0
    cpu: float = 0.0


def code(finding: FindingDocument) -> str:
    """The lane of a violation, the reason of an unknown."""
    if finding["status"] == "unknown":
        return finding["reason"]["code"] if finding["reason"] else ""
    return finding["lane"] or ""


def compare(trial: Trial, usual: Mapping[str, FindingDocument], found: Mapping[str, FindingDocument]) -> Tried:
    tried = Tried(trial)
    for id, finding in found.items():
        if finding["status"] == "unknown" and code(finding) == "not_selected":
            continue
        before = usual[id]["status"] if id in usual else "absent"
        saw = Saw(
            id=id, usual=before, status=finding["status"], why=code(finding), summary=finding["summary"],
            wanted=trial.wanted(finding, before),
        )  # fmt: skip
        if saw.wanted is not None:
            (tried.detected if saw.as_it_must else tried.missed).append(saw)
        elif saw.as_it_must:
            tried.kept[saw.section] += 1
        else:
            quiet = saw.check in NOISE and {saw.status, before} == {"pass", "warn"}
            (tried.noise if quiet else tried.false_alarms).append(saw)
    gone = [name for fault in trial.faults for name in fault.gone]
    for id, says in trial.changes.items():
        if id not in found:
            tried.missed.append(Saw(id=id, usual="", status="absent", why="", summary="", wanted=says))
    for id in usual:
        if id not in found and id not in trial.changes and not any(name in id for name in gone):
            tried.missed.append(Saw(id=id, usual=usual[id]["status"], status="absent", why="", summary="", wanted=None))
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


def singles(faults: Iterable[Fault]) -> list[Trial]:
    return [Trial((fault,)) for fault in faults]


def pairs(faults: Sequence[Fault], count: int, seed: int) -> list[Trial]:
    """Random pairs by seed; those that change the same finding, or meddle with the same thing, are passed over."""
    able = [pair for pair in combinations(faults, 2) if not conflict(*pair)]
    chosen = random.Random(seed).sample(able, min(count, len(able)))
    return [Trial(pair) for pair in chosen]


def conflict(one: Fault, other: Fault) -> bool:
    """Whether two faults cannot be told apart: then what both together bring is no union of what each brings."""
    if one.changes.keys() & other.changes.keys() or one.touches & other.touches:
        return True
    for lost, kept in ((one, other), (other, one)):
        if lost.lost and (
            kept.lost or lost.lost[0] in kept.touches or any(lost.lost[0] in finding for finding in kept.changes)
        ):
            return True
        if any(name in finding for name in lost.gone for finding in kept.changes):
            return True
    return False


def run(trials: Iterable[Trial], extent: Extent, *, seed: int = 0, tell: Callable[[str], None] = print) -> Run:
    """Carry out trials one at a time on each of several testbeds; ``tell`` hears of each as it ends."""
    waiting: queue.SimpleQueue[Trial] = queue.SimpleQueue()
    for trial in trials:
        waiting.put(trial)
    done = Run(extent, seed)
    ready = threading.Barrier(BEDS)
    began, cpu, before = time.monotonic(), _cpu(), Machine.now()
    remains: list[Remains] = []

    def work() -> None:
        with testbed() as bed:
            remains.append(Remains.of(bed, before))
            try:
                done.built.append(bed.built)
                bed.settle()
                ready.wait(300)
                usual = steady(bed)
                done.findings, done.checks = len(usual), frozenset(one["check"] for one in usual.values())
                done.amiss += sound(usual.values())
                while not done.amiss:  # without a sound site nothing is learnt
                    try:
                        trial = waiting.get_nowait()
                    except queue.Empty:
                        break
                    one = attempt(bed, trial, usual, whole=extent is Extent.WHOLE)
                    done.tried.append(one)
                    tell(line(one))
                done.amiss += [f"afterwards {said}" for said in sound(steady(bed).values())]
            except BaseException:
                ready.abort()
                while not waiting.empty():
                    waiting.get()
                raise

    with ThreadPoolExecutor(BEDS) as pool:
        running = [pool.submit(work) for _ in range(BEDS)]
        try:
            for one in running:
                one.result()
        except KeyboardInterrupt:
            while not waiting.empty():
                waiting.get()
            raise
    done.left = [found for one in remains for found in one.found()]
    done.seconds, done.cpu = time.monotonic() - began, _cpu() - cpu
    return done


def attempt(bed: Testbed, trial: Trial, usual: Mapping[str, FindingDocument], *, whole: bool) -> Tried:
    """Carry out one trial; where it did not bring what it should, ask once more before it is undone."""
    began = time.monotonic()
    only = () if whole else trial.only
    with ExitStack() as harmed:
        for fault in trial.faults:
            harmed.enter_context(fault.harm(bed))
        found = bed.audit(*only)
        one = compare(trial, usual, found)
        if one.wrong:
            _keep(trial, "first", found)
            found = bed.audit(*only)
            first, one = one, compare(trial, usual, found)
            still = {saw.id for saw in one.wrong}
            one.unsteady = [saw for saw in first.wrong if saw.id not in still]
        if one.wrong:
            _keep(trial, "second", found)
    one.seconds = time.monotonic() - began
    return one


def line(one: Tried) -> str:
    """One row of the confusion table, and every finding that is not as it should be."""
    row = (
        f"{one.trial.name:48} {len(one.detected):8}  {len(one.missed):6}  {len(one.false_alarms):12}  "
        f"{one.kept.total():4}  {len(one.unsteady):8}  {one.seconds:7.1f}"
    )
    odd = {
        "missed": one.missed, "false alarm": one.false_alarms, "unsteady": one.unsteady, "noise": one.noise,
    }  # fmt: skip
    return "\n".join([row, *(f"    {kind}: {saw}" for kind, every in odd.items() for saw in every)])


def _keep(trial: Trial, when: str, found: Mapping[str, FindingDocument]) -> None:
    folder = os.environ.get("READINESS_KEEP")
    if folder:
        Path(folder, f"{trial.name}-{when}.json").write_text(json.dumps(found, indent=1))


def _cpu() -> float:
    """Seconds of all processors since the machine started, by all that runs on it."""
    busy = Path("/proc/stat").read_text().splitlines()[0].split()
    return sum(int(ticks) for at, ticks in enumerate(busy[1:9]) if at not in (3, 4)) / os.sysconf("SC_CLK_TCK")
