"""A check decides one requirement: three pure methods, called in the order they stand here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar, TypeVarTuple

from readiness.model import Judgement, Requirement, Target
from readiness.probe import Probe
from readiness.site import Site

TargetT = TypeVar("TargetT", bound=Target)
FactTs = TypeVarTuple("FactTs")

Needs = tuple[Probe[object], ...]


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A target whose judgement follows from the site file alone: nothing is asked, ``judge`` is not called."""

    target: Target
    judgement: Judgement


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
