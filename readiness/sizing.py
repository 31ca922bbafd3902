"""How much memory Redis needs for a planned load, read out of the one point that the page documents.

The page names one size for one load. Whatever the true rule is, as long as it is linear and neither agents nor calls
ever free memory, the need lies between that size scaled by the slower of the two loads and scaled by the faster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from readiness.site.page import GB, Page


@dataclass(frozen=True, kw_only=True)
class Load:
    """A load: agents, and call arrivals a second (CAPS)."""

    agents: int
    caps: float

    def __str__(self) -> str:
        return f"{self.agents} agents and {self.caps:g} CAPS"


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a planned load needs, in bytes.

    ``documented`` bytes carry the load ``at``. ``lower`` and ``upper`` bound the need for ``planned``. ``least`` is
    what no database may fall short of, ``recommended`` what leaves no doubt: neither is ever under ``documented``,
    since the page gives no smaller figure.
    """

    planned: Load
    documented: int
    at: Load
    lower: int
    upper: int

    @property
    def least(self) -> int:
        return max(self.documented, self.lower)

    @property
    def recommended(self) -> int:
        return max(self.documented, self.upper)

    @property
    def extrapolated(self) -> bool:
        """Whether the page's own point does not answer it."""
        return self.planned != self.at

    def headroom(self, memory: int) -> int:
        """Bytes above what is recommended; negative where ``memory`` falls short of it."""
        return memory - self.recommended

    def carried(self, memory: int) -> Load:
        """The load that ``memory`` bytes carry without doubt: up to so many agents, and up to so many CAPS."""
        scale = Fraction(memory, self.documented)
        return Load(agents=math.floor(scale * self.at.agents), caps=math.floor(scale * _exact(self.at.caps) * 10) / 10)

    def reasoning(self) -> str:
        """Say in a few sentences how the bounds come about."""
        point = f"The page gives one figure: {in_gb(self.documented)} for {self.at}."
        if not self.extrapolated:
            return f"{point} The planned load is exactly that one."
        scales = (
            f"The planned load has {_times(self.planned.agents, self.at.agents, 'agents')} "
            f"and {_times(self.planned.caps, self.at.caps, 'calls')}."
        )
        if self.lower == self.upper:
            bounds = f"Both grow alike, so a linear rule through that point needs {in_gb(self.upper)}."
        else:
            bounds = (
                f"A linear rule through that point needs at least {in_gb(self.lower)} and at most "
                f"{in_gb(self.upper)}, depending on how much of the memory belongs to agents and how much to calls."
            )
        floor = (
            f" No size under {in_gb(self.documented)} is documented, so nothing smaller is accepted."
            if self.lower < self.documented
            else ""
        )
        return f"{point} {scales} {bounds}{floor} This is an extrapolation from one point, not a vendor's figure."

    def explain(self) -> str:
        """The whole answer as lines of text, for a person who asks before there is a Redis."""
        carried = self.carried(self.recommended)
        lines = [
            f"Plan {in_gb(self.recommended)} of usable Redis memory for {self.planned} ({self.recommended} bytes).",
            "",
            self.reasoning(),
            "",
            f"Below {in_gb(self.least)} the audit fails the database.",
        ]
        if self.least < self.recommended:
            lines.append(
                f"From {in_gb(self.least)} up to {in_gb(self.recommended)} it warns: the page does not decide it."
            )
        lines += [
            f"From {in_gb(self.recommended)} it passes, and carries up to {carried}.",
            "Usable memory is what keys may fill: Redis Enterprise counts replicas into a database's memory size, "
            f"so with replication its limit is {in_gb(2 * self.recommended)}.",
        ]
        return "\n".join(lines)


class NoFigure(ValueError):
    """The page's revision names no memory for Redis."""


def redis_memory(page: Page, agents: int, caps: float) -> Need:
    """Bound the Redis memory that a load needs.

    Raises:
        NoFigure: this revision of the page names none.
        ValueError: the load is negative or not finite.
    """
    if page.redis_memory is None:
        raise NoFigure(f"revision {page.revision} of the page names no memory for Redis")
    if agents < 0 or not math.isfinite(caps) or caps < 0:
        raise ValueError(f"{agents} agents and {caps:g} CAPS are no load")
    by_agents = Fraction(agents, page.redis_agents)
    by_calls = _exact(caps) / _exact(page.redis_caps)
    return Need(
        planned=Load(agents=agents, caps=caps),
        documented=page.redis_memory,
        at=Load(agents=page.redis_agents, caps=page.redis_caps),
        lower=math.ceil(page.redis_memory * min(by_agents, by_calls)),
        upper=math.ceil(page.redis_memory * max(by_agents, by_calls)),
    )


def in_gb(size: int) -> str:
    """Bytes in decimal GB as people write them: "2 GB", "6.4 GB", "512 MB"; never rounded up to a size it is not."""
    if 0 < abs(size) < GB:
        return f"{_cut(size, GB // 1000)} MB"
    return f"{_cut(size, GB)} GB"


def _cut(size: int, unit: int) -> str:
    """Two decimals, cut towards zero, so that what falls short of a limit by a byte does not print as the limit."""
    hundredths = abs(size) * 100 // unit
    text = f"{hundredths // 100}.{hundredths % 100:02d}".rstrip("0").rstrip(".")
    return f"-{text}" if size < 0 else text


def _times(planned: float, documented: float, what: str) -> str:
    ratio = float(_exact(planned) / _exact(documented))
    return f"as many {what}" if ratio == 1 else f"{ratio:.3g} times the {what}"


def _exact(number: float) -> Fraction:
    """The decimal number that was written, not its nearest binary neighbour."""
    return Fraction(str(number))
