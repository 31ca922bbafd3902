"""Packs of checks: each entry point of the group names one explicit tuple of check classes, nothing is scanned."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from readiness.check import Check
from readiness.plan import AnyCheck

GROUP = "readiness.packs"
"""The entry point group in which an installed package announces a pack."""

FIRST = "prerequisites"
"""The pack that comes with readiness: the vendor's page in its own order."""


class PackError(Exception):
    """An installed pack cannot be used; the text names it and says why."""


def load_packs() -> tuple[type[AnyCheck], ...]:
    """Every check of every installed pack: ours first, in the page's order, then others by their packs' names.

    Raises:
        PackError: there is no pack, one cannot be imported or is no tuple of checks, or an id comes twice.
    """
    found = sorted(entry_points(group=GROUP), key=lambda point: (point.name != FIRST, point.name))
    if not found:
        raise PackError(f"no pack of checks is installed (entry point group {GROUP}): install readiness again")
    checks: list[type[AnyCheck]] = []
    owners: dict[str, str] = {}
    for point in found:
        for check in _load(point):
            taken = owners.setdefault(check.requirement.id, point.name)
            if taken != point.name or check in checks:
                raise PackError(f"the check {check.requirement.id} of pack {point.name} comes twice; first in {taken}")
            checks.append(check)
    return tuple(checks)


def _load(point: EntryPoint) -> tuple[type[AnyCheck], ...]:
    try:
        pack: object = point.load()
    except (ImportError, AttributeError) as error:
        raise PackError(f"the pack {point.name} ({point.value}) cannot be imported: {error}") from error
    if not isinstance(pack, tuple) or not all(isinstance(check, type) and issubclass(check, Check) for check in pack):
        raise PackError(f"the pack {point.name} ({point.value}) is no tuple of check classes")
    return pack
