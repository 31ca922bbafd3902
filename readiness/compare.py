"""Compare a run with an earlier one: what was fixed, what regressed, what is new or gone, and on which machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from readiness_schemas.report import FindingDocument, ObservationDocument

from readiness.model import ProbeError
from readiness.probes.linux import Identity, ReadIdentity


class Change(StrEnum):
    """What became of one finding since the baseline."""

    NEW = "new"
    FIXED = "fixed"
    REGRESSED = "regressed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Seen:
    """What matters of a finding for comparing it: its status word, and the value that was observed.

    ``settled``: "attested" or "waived" where a person's word covers it. ``left_out``: that run was told to leave the
    check out, so it says nothing.
    """

    status: str
    observed: str
    settled: str = ""
    left_out: bool = False

    @property
    def good(self) -> bool:
        return self.status in _GOOD

    def like(self, other: Seen) -> bool:
        """Whether nothing moved that is worth a line: durations differ from run to run and are no change."""
        same = (self.status, self.settled) == (other.status, other.settled)
        return same and _timeless(self.observed) == _timeless(other.observed)

    @staticmethod
    def of(finding: FindingDocument) -> Seen:
        reason = finding["reason"]
        covered = (
            "attested" if finding["attestation"] is not None else "waived" if finding["waiver"] is not None else ""
        )
        return Seen(
            status=finding["status"],
            observed=finding["observed"],
            settled=covered,
            left_out=reason is not None and reason["code"] == "not_selected",
        )


_GOOD = frozenset({"pass", "skip"})
_BADNESS = {"pass": 0, "skip": 0, "warn": 1, "manual": 2, "unknown": 3, "fail": 4}
_DURATION = re.compile(r"(?:[-+±]?\s?\d+(?:\.\d+)?\s?(?:[mµ]?s|min|h|seconds?|minutes?|hours?|days?)\b\s*)+")


def _timeless(observed: str) -> str:
    """What was observed, with one word in the place of each duration: "31 h 7 min" counts as "12 min" does."""
    return _DURATION.sub(" so long ", observed)


def change(before: Seen | None, after: Seen) -> Change:
    """Say what became of one finding.

    A step towards the better that is not yet a pass is ``changed``. What an attestation or a waiver covered and
    nothing covers any more has regressed, even if it is as it was.
    """
    if before is None:
        return Change.NEW
    if not before.good and after.good:
        return Change.FIXED
    if _BADNESS[after.status] > _BADNESS[before.status]:
        return Change.REGRESSED
    if before.settled and not after.settled and not after.good and before.status == after.status:
        return Change.REGRESSED
    return Change.UNCHANGED if before.like(after) else Change.CHANGED


def compare(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> tuple[dict[str, Change], Sequence[str]]:
    """The change of every finding of ``after`` by id, and the ids that are gone, in the baseline's order."""
    changes = {finding: change(before.get(finding), seen) for finding, seen in after.items()}
    return changes, tuple(finding for finding in before if finding not in after)


class Continuity(StrEnum):
    """Whether a machine is the one that it was.

    ``RESTARTED``: the same installation under a newly started kernel. ``UNTOLD``: a run did not learn enough of it.
    """

    SAME = "same"
    RESTARTED = "restarted"
    REBUILT = "rebuilt"
    UNTOLD = "untold"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One machine in both runs; ``why`` is a clause that says what told its continuity."""

    name: str
    continuity: Continuity
    why: str


def continuity(before: Identity | None, after: Identity | None) -> tuple[Continuity, str]:
    """Tell whether two identities are one machine's, and what tells it.

    The boot id is one per running kernel, so an equal one proves the same machine. A changed machine-id, or SSH host
    keys of which none is left, is another installation; cloning copies them, so equal ones prove little more than
    that nobody installed it anew.
    """
    if before is None or after is None:
        return Continuity.UNTOLD, "its identity was not read in both runs"
    if before.boot_id == after.boot_id:
        return Continuity.SAME, "its kernel has run all the time"
    changed = []
    if before.machine_id and after.machine_id and before.machine_id != after.machine_id:
        changed.append("its machine-id changed")
    if before.host_keys and after.host_keys and not set(before.host_keys) & set(after.host_keys):
        changed.append("all its SSH host keys changed")
    if changed:
        return Continuity.REBUILT, " and ".join(changed)
    if (before.machine_id and after.machine_id) or (before.host_keys and after.host_keys):
        return Continuity.RESTARTED, "its kernel was started anew"
    return Continuity.UNTOLD, "it showed neither machine-id nor host keys in both runs"


class Kind(StrEnum):
    """Where a finding stands in a comparison, what matters most first; every finding of either run has one kind."""

    REGRESSED = "regressed"
    FIXED = "fixed"
    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"
    STILL_OPEN = "still_open"
    UNCHANGED = "unchanged"
    LEFT_OUT = "left_out"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One finding in both runs; ``None`` where a run does not have it.

    ``change`` is ``None`` for what is gone or was left out of a run. ``rebuilt`` names the machines that it is about
    and that are not the ones they were.
    """

    id: str
    before: Seen | None
    after: Seen | None
    change: Change | None
    rebuilt: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        if self.after is None:
            return Kind.GONE
        if self.change is None:
            return Kind.LEFT_OUT
        if self.change is Change.UNCHANGED and not self.after.good and not self.after.settled:
            return Kind.STILL_OPEN
        return Kind(self.change.value)


@dataclass(frozen=True)
class Side:
    """One run, as far as it is compared."""

    findings: Sequence[FindingDocument]
    observations: Sequence[ObservationDocument]

    @cached_property
    def seen(self) -> Mapping[str, Seen]:
        return {finding["id"]: Seen.of(finding) for finding in self.findings}

    @cached_property
    def identities(self) -> Mapping[str, Identity]:
        """Every machine of which the run learned who it is."""
        found: dict[str, Identity] = {}
        for seen in self.observations:
            probe = ReadIdentity(seen["vantage"])
            if seen["probe"] == probe.key and seen["response"] is not None:
                try:
                    found[seen["vantage"]] = probe.parse(seen["response"])
                except ProbeError:
                    continue
        return found

    @cached_property
    def asked(self) -> frozenset[str]:
        """Every machine that was asked who it is, whether it told or not."""
        probes = ((seen["vantage"], seen["probe"]) for seen in self.observations)
        return frozenset(name for name, probe in probes if probe == ReadIdentity(name).key)


@dataclass(frozen=True)
class Comparison:
    """Two runs, finding by finding: those of the later run in its order, then those that are gone."""

    steps: tuple[Step, ...]
    machines: tuple[Machine, ...]

    @property
    def rebuilt(self) -> tuple[Machine, ...]:
        return tuple(machine for machine in self.machines if machine.continuity is Continuity.REBUILT)

    def of(self, kind: Kind) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.kind is kind)


def compare_runs(before: Side, after: Side) -> Comparison:
    """Compare two runs of a site.

    What passed on a machine that was rebuilt since counts for nothing: such a finding is not unchanged but new,
    standing on the later run alone. That it fails now is a regression all the same: the site was better before.
    """
    machines = tuple(_machines(before, after))
    rebuilt = frozenset(machine.name for machine in machines if machine.continuity is Continuity.REBUILT)
    steps = [_step(finding, before.seen.get(finding["id"]), rebuilt) for finding in after.findings]
    gone = [
        Step(id=finding, before=seen, after=None, change=None)
        for finding, seen in before.seen.items()
        if finding not in after.seen
    ]
    return Comparison((*steps, *gone), machines)


def _machines(before: Side, after: Side) -> Iterator[Machine]:
    for name in sorted(before.asked & after.asked):
        found, why = continuity(before.identities.get(name), after.identities.get(name))
        yield Machine(name=name, continuity=found, why=why)


def _step(finding: FindingDocument, before: Seen | None, rebuilt: frozenset[str]) -> Step:
    after = Seen.of(finding)
    moved = tuple(sorted(_about(finding) & rebuilt))
    if after.left_out or (before is not None and before.left_out):
        return Step(id=finding["id"], before=before, after=after, change=None, rebuilt=moved)
    found = change(before, after)
    if moved and before is not None and before.good and found is not Change.REGRESSED:
        found = Change.NEW
    return Step(id=finding["id"], before=before, after=after, change=found, rebuilt=moved)


def _about(finding: FindingDocument) -> frozenset[str]:
    """The machines that a finding speaks of: those its target names, for the site as a whole those that were asked."""
    target = finding["target"]
    if target["kind"] == "site":
        return frozenset(name for piece in finding["evidence"] for name in piece["vantage"].split(", "))
    if target["kind"] == "service":
        return frozenset()
    ends = [end for part in target["name"].split("->") for end in part.split(",")]
    return frozenset({target["source"] or "", *ends, *(end.rpartition(":")[0] for end in ends)}) - {""}
