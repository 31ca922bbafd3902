"""A check decides one requirement: three pure methods, called in the order they stand here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, TypeVarTuple

from readiness.model import Judgement, Requirement, Target, TargetKind
from readiness.probe import Probe
from readiness.site import Absent, Site, Vm

TargetT = TypeVar("TargetT", bound=Target)
FactTs = TypeVarTuple("FactTs")

Needs = tuple[Probe[object], ...]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A target whose judgement follows from the site file alone: nothing is asked, ``judge`` is not called."""

    target: Target
    judgement: Judgement

    @staticmethod
    def absent(key: str, why: Absent, *, what: str, expected: str, remedy: str) -> Settled:
        """The one target of a mandatory element that the site does not have; ``key`` is its key in the site file."""
        target = Target(kind=TargetKind.SERVICE, name=key)
        if why is Absent.UNDECLARED:
            return Settled(target=target, judgement=Judgement.undeclared(key, what=what))
        return Settled(
            target=target,
            judgement=Judgement.manual(
                f"The site file says that there is no {what}, so a person has to say what takes its place.",
                expected=expected,
                remedy=remedy,
            ),
        )

    @staticmethod
    def unplanned(key: str, *, what: str) -> Settled:
        """The one target of an optional element that the site does not plan."""
        target = Target(kind=TargetKind.SERVICE, name=key)
        return Settled(target=target, judgement=Judgement.skip(f"The site plans no {what}, which is optional."))

    @staticmethod
    def unbuilt(vm: Vm) -> Settled:
        """A VM that is planned and has no ``host`` yet."""
        target = Target(kind=TargetKind.VM, name=vm.name)
        return Settled(target=target, judgement=Judgement.undeclared(f"host of {vm.name}", what=f"host for {vm.name}"))

    @staticmethod
    def without_vms() -> Settled:
        """The one target of a check of every VM where the site file names none."""
        target = Target(kind=TargetKind.VM, name="vms")
        return Settled(target=target, judgement=Judgement.undeclared("vms", what="VMs"))


class Check(ABC, Generic[TargetT, *FactTs]):
    """Decides ``requirement`` for each of its targets; no I/O, no clock, no state.

    A check leaves at least one target, whatever the site declares: what does not apply is ``Settled`` as a
    skip, what is not declared as undeclared.
    """

    requirement: ClassVar[Requirement]

    @abstractmethod
    def targets(self, site: Site) -> Sequence[TargetT | Settled]:
        """What there is to judge on this site, in the file's order."""

    @abstractmethod
    def needs(self, target: TargetT) -> Needs:
        """The questions whose facts ``judge`` is handed, in this order; ``Attempt(probe)`` may stay unread."""

    @abstractmethod
    def judge(self, target: TargetT, *facts: *FactTs) -> Judgement:
        """Conclude from the facts."""


class Unbuilt(Check[Target]):
    """A requirement that the catalogue names and no check examines yet: always ``unknown``, ``not_built``."""

    def needs(self, target: Target) -> Needs:
        return ()

    def judge(self, target: Target) -> Judgement:
        return Judgement.not_built()
