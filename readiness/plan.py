"""The plan: every instance and every question of an audit, before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

from readiness.check import Check, Settled
from readiness.model import Cause, Judgement, Requirement, Target
from readiness.probe import Attempt, HostProbe, Probe
from readiness.site import Site

AnyCheck = Check[Any, *tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One check on one target; ``settled`` where the site file alone decides it."""

    check: AnyCheck
    target: Target
    needs: tuple[Probe[object], ...] = ()
    settled: Judgement | None = None

    @property
    def id(self) -> str:
        return f"{self.check.requirement.id}[{self.target.name}]"

    @property
    def probes(self) -> tuple[Probe[object], ...]:
        """The questions themselves, out of their attempts."""
        return tuple(need.probe if isinstance(need, Attempt) else need for need in self.needs)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that an audit will do; ``partial`` where ``--only`` or ``--skip`` left something out."""

    site: Site
    requirements: tuple[Requirement, ...]
    instances: tuple[Instance, ...]
    partial: bool

    @cached_property
    def probes(self) -> frozenset[Probe[object]]:
        """Every distinct question, each asked once."""
        return frozenset(probe for instance in self.instances for probe in instance.probes)

    @cached_property
    def scripts(self) -> dict[str, tuple[HostProbe[object], ...]]:
        """The host questions of each machine, in a stable order; they travel in one script."""
        found: dict[str, list[HostProbe[object]]] = {}
        for probe in sorted((p for p in self.probes if isinstance(p, HostProbe)), key=lambda p: p.key):
            found.setdefault(probe.vantage, []).append(probe)
        return {name: tuple(probes) for name, probes in sorted(found.items())}


def asked_by(requirement: Requirement, revision: str) -> bool:
    """Whether a revision of the page has this requirement."""
    return not requirement.revisions or revision in requirement.revisions


def plan(site: Site, pack: Iterable[type[AnyCheck]], *, only: Sequence[str] = (), skip: Sequence[str] = ()) -> Plan:
    """Expand a pack of checks over a site; ``only`` and ``skip`` are check ids or globs.

    A requirement that the site's revision of the page does not have is no part of the plan.

    Raises:
        ValueError: two instances have one id, a check has no target, or a pattern matches no check.
    """
    checks = [kind() for kind in pack]
    _demand_matches([check.requirement.id for check in checks], [*only, *skip])
    checks = [check for check in checks if asked_by(check.requirement, site.page.revision)]
    chosen = _chooser(only, skip)
    instances: list[Instance] = []
    partial = False
    for check in checks:
        selected = chosen(check.requirement.id)
        partial = partial or not selected
        expanded = [_instance(check, target, selected) for target in check.targets(site)]
        if not expanded:
            raise ValueError(f"{check.requirement.id} leaves no target, so its requirement would vanish")
        instances += expanded
    _demand_distinct(instances)
    return Plan(
        site=site,
        requirements=tuple(check.requirement for check in checks),
        instances=tuple(instances),
        partial=partial,
    )


def _instance(check: AnyCheck, target: Target | Settled, selected: bool) -> Instance:
    settled = target if isinstance(target, Settled) else None
    about = settled.target if settled is not None else target
    assert isinstance(about, Target)
    if not selected:
        return Instance(check=check, target=about, settled=_not_selected(check.requirement.id))
    if settled is not None:
        return Instance(check=check, target=about, settled=settled.judgement)
    return Instance(check=check, target=about, needs=check.needs(about))


def _not_selected(check: str) -> Judgement:
    return Judgement.unknown(
        "This run was told to leave it out.",
        Cause.NOT_SELECTED,
        "left out by --only or --skip",
        enable=f"Run the audit without --only and --skip, or with --only {check}.",
    )


def _chooser(only: Sequence[str], skip: Sequence[str]) -> Callable[[str], bool]:
    def chosen(check: str) -> bool:
        wanted = not only or any(fnmatchcase(check, pattern) for pattern in only)
        return wanted and not any(fnmatchcase(check, pattern) for pattern in skip)

    return chosen


def _demand_matches(ids: Sequence[str], patterns: Sequence[str]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(check, pattern) for check in ids):
            raise ValueError(f"no check matches '{pattern}'; `readiness checks` lists them")


def _demand_distinct(instances: Sequence[Instance]) -> None:
    seen: set[str] = set()
    for instance in instances:
        if instance.id in seen:
            raise ValueError(f"two findings would have the id {instance.id}")
        seen.add(instance.id)
