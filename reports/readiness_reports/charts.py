"""Sizes and clocks at a glance, as far as the findings brought figures: nothing is drawn that was not measured."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from readiness_schemas.report import FindingDocument, StatusWord

from readiness_reports import words
from readiness_reports.outline import Outline
from readiness_reports.paths import ends

GB = 1_000_000_000
HOUR = 3600.0

LEFT, RIGHT, TOP, BOTTOM = 46.0, 406.0, 12.0, 222.0
"""Edges of the field of the sizing chart, in the drawing's own units."""

NAMES, FULL, ROW = 92.0, 420.0, 26.0
"""Where the clocks' stems begin, where the drawing ends, and the height of a row."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    at: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Area:
    """What some memory carries: a rectangle from the origin up to so many agents and calls."""

    kind: str
    y: str
    width: str
    height: str
    text: str
    text_x: str
    text_y: str


@dataclass(frozen=True, kw_only=True)
class SizeChart:
    title: str
    across: tuple[Tick, ...]
    upwards: tuple[Tick, ...]
    areas: tuple[Area, ...]
    x: str
    y: str
    status: StatusWord


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One machine and what it has, as observed; empty where nothing was."""

    name: str
    cells: tuple[tuple[str, str], ...]
    status: StatusWord
    waived: bool


@dataclass(frozen=True, kw_only=True)
class Sizing:
    intro: str
    chart: SizeChart | None
    redis: tuple[tuple[str, str], ...]
    redis_status: StatusWord | None
    machines: tuple[Resource, ...]


@dataclass(frozen=True, kw_only=True)
class Stem:
    """One clock's age, drawn from nothing to where it is; ``beyond`` where it does not fit."""

    name: str
    title: str
    y: str
    text_y: str
    end: str
    mark_x: str
    mark_y: str
    status: StatusWord
    beyond: bool


@dataclass(frozen=True, kw_only=True)
class ClockChart:
    title: str
    height: str
    floor: str
    hours: tuple[Tick, ...]
    limit: str
    stems: tuple[Stem, ...]


@dataclass(frozen=True, kw_only=True)
class Clocks:
    chart: ClockChart | None
    machines: tuple[Resource, ...]


def sizing(outline: Outline) -> Sizing | None:
    """What the site has room for; ``None`` where no finding saw a size."""
    memory = next((each for each in outline.of.get("redis.memory", ()) if each["status"] in _SEEN), None)
    machines = _machines(outline, ("vm.cpu", "vm.memory", "vm.disk"))
    if memory is None and not machines:
        return None
    redis: tuple[tuple[str, str], ...] = ()
    intro = ""
    if memory is not None:
        told = (("Needed", memory["expected"]), ("There is", memory["observed"]))
        redis = tuple((label, text) for label, text in told if text)
        intro = memory["reasoning"]
    return Sizing(
        intro=intro,
        chart=None if memory is None else _size_chart(outline, memory),
        redis=redis,
        redis_status=None if memory is None else memory["status"],
        machines=machines,
    )


def clocks(outline: Outline) -> Clocks | None:
    """How old and how far off the machines' clocks are; ``None`` where no finding looked at one."""
    machines = _machines(outline, ("vm.time-sync", "vm.clock-offset"))
    return Clocks(chart=_clock_chart(outline), machines=machines) if machines else None


_SEEN = frozenset({"pass", "warn", "fail"})


def _machines(outline: Outline, checks: Sequence[str]) -> tuple[Resource, ...]:
    """The machines that any of these checks saw, each with what it observed there."""
    names: dict[str, dict[str, FindingDocument]] = {}
    for check in checks:
        for finding in outline.of.get(check, ()):
            if finding["target"]["kind"] == "vm" and finding["status"] != "skip":
                names.setdefault(finding["target"]["name"], {})[check] = finding
    found = []
    for name, by_check in names.items():
        if not any(each["status"] in _SEEN for each in by_check.values()):
            continue
        statuses = [each["status"] for each in by_check.values()]
        found.append(
            Resource(
                name=name,
                cells=tuple(_cell(by_check.get(check)) for check in checks),
                status=min(statuses, key=words.WORST_FIRST.index),
                waived=any(outline.weighed[each["id"]].waiver is not None for each in by_check.values()),
            )
        )
    return tuple(found)


def _cell(finding: FindingDocument | None) -> tuple[str, str]:
    """What was observed, and the class that colours it where it is not as it should be."""
    if finding is None:
        return "", ""
    if finding["status"] not in _SEEN:
        return finding["status"], finding["status"]
    shown = finding["observed"] or "; ".join(piece["value"] for piece in finding["evidence"][:1])
    return shown, "" if finding["status"] == "pass" else finding["status"]


def _figures(finding: FindingDocument, *names: str) -> Sequence[float] | None:
    """These figures of a finding, if it has them all and they are numbers that can be drawn."""
    given: Mapping[str, float] = finding.get("figures") or {}
    found = [given.get(name, math.nan) for name in names]
    return found if all(0 <= number < 1e15 for number in found) else None


def _size_chart(outline: Outline, memory: FindingDocument) -> SizeChart | None:
    figures = _figures(
        memory,
        "usable_bytes",
        "recommended_bytes",
        "carried_agents",
        "carried_caps",
        "needed_agents",
        "needed_caps",
    )
    if figures is None:
        return None
    usable, needed, agents, caps, needed_agents, needed_caps = figures
    planned = outline.document["site"]["capacity"]
    widest, highest = max(planned["agents"], needed_agents), max(planned["caps"], needed_caps)
    if widest <= 0 or highest <= 0:
        return None
    across, upwards = _scale(1.3 * widest, _TENS), _scale(1.3 * highest, _TENS)
    right, top = across[-1], upwards[-1]

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(value, right) / right

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * min(value, top) / top

    def area(kind: str, wide: float, high: float, text: str) -> Area:
        fits = BOTTOM - y(high) >= 24 and x(wide) - LEFT >= 90
        return Area(
            kind=kind,
            y=_n(y(high)),
            width=_n(x(wide) - LEFT),
            height=_n(BOTTOM - y(high)),
            text=text,
            text_x=_n(LEFT + 8 if fits else x(wide) + 8),
            text_y=_n(y(high) + 18 if fits else BOTTOM - 8),
        )

    have, need = f"{_gb(usable)} there", f"{_gb(needed)} needed"
    enough = usable >= needed
    areas = [area("need", needed_agents, needed_caps, need), area("have", agents, caps, have)]
    if enough:
        areas = [area("have", agents, caps, have), area("need", needed_agents, needed_caps, "")]
    return SizeChart(
        title=f"{_gb(usable)} carry {agents:g} agents and {caps:g} CAPS; planned are {planned['agents']} agents and "
        f"{planned['caps']:g} CAPS, which need {_gb(needed)}.",
        across=tuple(Tick(at=_n(x(value)), text=f"{value:g}") for value in across),
        upwards=tuple(Tick(at=_n(y(value)), text=f"{value:g}") for value in upwards),
        areas=tuple(areas),
        x=_n(x(planned["agents"])),
        y=_n(y(planned["caps"])),
        status=memory["status"],
    )


def _clock_chart(outline: Outline) -> ClockChart | None:
    ages = [
        (finding, figures[0], figures[1])
        for finding in outline.of.get("vm.time-sync", ())
        if (figures := _figures(finding, "age_s", "limit_s")) is not None and figures[1] > 0
    ]
    if not ages:
        return None
    limit = max(each[2] for each in ages)
    oldest = max(each[1] for each in ages)
    hours = _scale(max(1.25 * limit, min(1.1 * oldest, 3 * limit)) / HOUR, _HOURS)

    def x(age: float) -> float:
        return NAMES + (FULL - 20 - NAMES) * min(1.0, age / HOUR / hours[-1])

    floor = ROW * len(ages) + 10
    return ClockChart(
        title=f"Age of the last clock sync; the limit is {limit / HOUR:g} h. "
        + " ".join(f"{finding['target']['name']}: {age / HOUR:.1f} h." for finding, age, _ in ages),
        height=_n(floor + 24),
        floor=_n(floor),
        hours=tuple(Tick(at=_n(x(value * HOUR)), text=f"{value:g} h") for value in hours),
        limit=_n(x(limit)),
        stems=tuple(_stems(ages, x, hours[-1] * HOUR)),
    )


def _stems(
    ages: Sequence[tuple[FindingDocument, float, float]], x: Callable[[float], float], longest: float
) -> Iterator[Stem]:
    for index, (finding, age, _) in enumerate(ages):
        y = ROW * index + 22
        name = finding["target"]["name"]
        yield Stem(
            name=ends(name, 12),
            title=name,
            y=_n(y),
            text_y=_n(y + 5),
            end=_n(x(age)),
            mark_x=_n(x(age) - 7),
            mark_y=_n(y - 7),
            status=finding["status"],
            beyond=age > longest,
        )


_TENS = tuple(factor * 10.0**power for power in range(-2, 15) for factor in (1, 2, 2.5, 5))
_HOURS = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336, *_TENS[20:])


def _scale(most: float, steps: Sequence[float]) -> list[float]:
    """At most five round steps from nothing to at least ``most``."""
    step = next(each for each in steps if each * 5 >= most * 0.999)
    return [step * number for number in range(math.ceil(most / step - 0.001) + 1)]


def _gb(size: float) -> str:
    return f"{size / GB:.2f}".rstrip("0").rstrip(".") + " GB"


def _n(amount: float) -> str:
    return f"{amount:.1f}".rstrip("0").rstrip(".")
