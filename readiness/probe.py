"""A probe is one read-only question: all of its I/O in ``read``, all of its meaning in ``parse``.

Probes are frozen dataclasses, so equal probes are one question and a ``set`` of them is asked once each.
What ``read`` returns is kept in the report: ``parse`` must give the same fact from it, years later, offline.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from readiness.model import Cause, ProbeError, Unread
from readiness.secret import SecretRef
from readiness.vantage import Limits, Vantages

FactT_co = TypeVar("FactT_co", covariant=True)


class Probe(ABC, Generic[FactT_co]):
    """One question; subclasses are frozen dataclasses whose fields are all that tells two questions apart.

    ``method`` names the way it is asked, as evidence shows it: "exec prober", "INFO over SSH". ``streams`` says whether
    it may open byte streams, for which a machine gets a connection of its own.
    """

    method: ClassVar[str]
    streams: ClassVar[bool] = True

    @property
    @abstractmethod
    def vantages(self) -> tuple[str, ...]:
        """Names of the machines that it is asked from."""

    @property
    def streamed_from(self) -> tuple[str, ...]:
        """Those of its vantages from which it may open byte streams."""
        return self.vantages if self.streams else ()

    @abstractmethod
    def describe(self) -> str:
        """Say the question in one line, as ``readiness plan`` prints it; never a secret's value."""

    @abstractmethod
    async def read(self, vantages: Vantages) -> str:
        """Ask, and give back the answer as text: bad news is an answer too.

        Raises:
            ProbeError: there was no answer, for a reason that lies on our side of the question.
        """

    @abstractmethod
    def parse(self, response: str) -> FactT_co:
        """Understand a recorded answer; pure.

        Raises:
            ProbeError: with ``Cause.PARSE``, the answer makes no sense.
        """

    def limit(self, limits: Limits) -> float:
        """Seconds that ``read`` may take once its vantages are connected."""
        return limits.conversation + limits.connect

    @property
    def key(self) -> str:
        """The question as stable text, the same from run to run while the site names the same things.

        Of a file it has the name alone: where a site file lies makes no other question.
        """
        return _plain(self)

    @property
    def id(self) -> str:
        return "o-" + hashlib.sha256(self.key.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Attempt(Probe[FactT_co | Unread], Generic[FactT_co]):
    """A need whose fact may be missing: ``judge`` is then handed an ``Unread`` in its place.

    Without it, one unread fact makes the whole finding ``unknown``.
    """

    probe: Probe[FactT_co]

    @property
    def vantages(self) -> tuple[str, ...]:
        return self.probe.vantages

    def describe(self) -> str:
        return self.probe.describe()

    async def read(self, vantages: Vantages) -> str:
        raise TypeError("the probe inside an attempt is asked, never the attempt")

    def parse(self, response: str) -> FactT_co | Unread:
        return self.probe.parse(response)


@dataclass(frozen=True)
class HostProbe(Probe[FactT_co]):
    """A question to a machine itself: a section of POSIX shell and a pure parser of what it prints.

    All sections for one machine travel in one script and run side by side, each under its own ``seconds``.
    A section's standard error is joined to its output. ``privileged`` sections run by sudo where the site
    file allows that, else as the ordinary user.
    """

    vantage: str

    section: ClassVar[str]
    script: ClassVar[str]
    seconds: ClassVar[int] = 8
    streams: ClassVar[bool] = False
    privileged: ClassVar[bool] = False
    method: ClassVar[str] = "host script"

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        return f"read {self.section.replace('-', ' ')} on {self.vantage}"

    async def read(self, vantages: Vantages) -> str:
        raise TypeError("host questions are asked together, in one script for each machine")

    def parse(self, response: str) -> FactT_co:
        output, _, status = response.rpartition("\n[exit ")
        if not re.fullmatch(r"[0-9]{1,3}\]", status):
            raise ProbeError(Cause.PARSE, f"the {self.section} section ended without its status")
        return self.understand(output, int(status[:-1]))

    @abstractmethod
    def understand(self, output: str, status: int) -> FactT_co:
        """Understand what the section printed; ``status`` is its exit status."""

    @staticmethod
    def recorded(output: str, status: int) -> str:
        """The response that stands for this output and exit status."""
        return f"{output}\n[exit {status}]"


def _plain(value: object) -> str:
    match value:
        case Path():
            return value.name
        case SecretRef(file=Path() as file):
            return f"file:{file.name}"
        case tuple():
            return f"({', '.join(_plain(item) for item in value)})"
        case _ if is_dataclass(value) and type(value).__str__ is object.__str__:
            given = ", ".join(f"{field.name}={_plain(getattr(value, field.name))}" for field in fields(value))
            return f"{type(value).__name__}({given})"
        case _:
            return str(value)
