"""Compare a run with an earlier one: what was fixed, what regressed, what is new or gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """What became of one finding since the baseline."""

    NEW = "new"
    FIXED = "fixed"
    REGRESSED = "regressed"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Seen:
    """What matters of a finding for comparing it: its status word, and the value that was observed."""

    status: str
    observed: str


_GOOD = frozenset({"pass", "skip"})
_BADNESS = {"pass": 0, "skip": 0, "warn": 1, "manual": 2, "unknown": 3, "fail": 4}


def change(before: Seen | None, after: Seen) -> Change:
    """Say what became of one finding; a step towards the better that is not yet a pass is ``changed``."""
    if before is None:
        return Change.NEW
    if before.status not in _GOOD and after.status in _GOOD:
        return Change.FIXED
    if _BADNESS[after.status] > _BADNESS[before.status]:
        return Change.REGRESSED
    return Change.UNCHANGED if before == after else Change.CHANGED


def compare(before: Mapping[str, Seen], after: Mapping[str, Seen]) -> tuple[dict[str, Change], Sequence[str]]:
    """The change of every finding of ``after`` by id, and the ids that are gone, in the baseline's order."""
    changes = {finding: change(before.get(finding), seen) for finding, seen in after.items()}
    return changes, tuple(finding for finding in before if finding not in after)
