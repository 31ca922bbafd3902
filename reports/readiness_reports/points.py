"""The score taken apart: which points each section earned, and to what it lost the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from readiness_schemas.report import RequirementDocument

from readiness_reports import words
from readiness_reports.outline import Outline
from readiness_reports.standing import Standing

BAR = 200.0
"""Length of the longest bar, in the drawing's own units."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of a bar: where it begins and how long it is."""

    kind: str
    start: str
    length: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points of one section or of all: earned, possible, and what each cause cost (empty where nothing)."""

    title: str
    earned: str
    possible: str
    failed: str
    open: str
    weak: str
    bar: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Share:
    """How one requirement's points came about."""

    check: str
    anchor: str
    weight: str
    earned: str
    how: str


@dataclass(frozen=True, kw_only=True)
class Points:
    arithmetic: str
    uncounted: str
    lines: tuple[Line, ...]
    total: Line
    shares: tuple[Share, ...]


@dataclass(frozen=True, kw_only=True)
class _Sums:
    earned: float
    possible: float
    failed: float
    open: float
    weak: float


def points(outline: Outline) -> Points:
    document = outline.document
    counting = [each for each in document["requirements"] if each["weight"] > 0]
    by_section: dict[str, list[RequirementDocument]] = {}
    for requirement in counting:
        by_section.setdefault(requirement["section"], []).append(requirement)
    sums = {title: _add(_sums(outline, each) for each in rows) for title, rows in by_section.items()}
    longest = max((each.possible for each in sums.values()), default=1.0)
    return Points(
        arithmetic=_arithmetic(outline, counting),
        uncounted=_uncounted(document["requirements"]),
        lines=tuple(_line(title, each, BAR / longest) for title, each in sums.items()),
        total=_line("All sections", _add(sums.values()), 0),
        shares=tuple(
            Share(
                check=each["id"],
                anchor=outline.topic_anchors[each["id"]],
                weight=words.number(each["weight"]),
                earned=words.number(each["earned"]),
                how=_how(outline, each),
            )
            for each in counting
        ),
    )


def _arithmetic(outline: Outline, counting: Sequence[RequirementDocument]) -> str:
    score = outline.document["score"]
    if score["value"] is None:
        return "Nothing that counts applies to this site, so there is no score."
    groups: dict[tuple[str, float], int] = {}
    for each in counting:
        key = (each["obligation"], each["weight"])
        groups[key] = groups.get(key, 0) + 1
    terms = [
        f"{amount} {obligation} × {words.number(weight)}"
        for (obligation, weight), amount in sorted(groups.items(), key=lambda item: -item[0][1])
    ]
    makes = "make" if len(terms) > 1 else "makes"
    possible, earned = words.number(score["possible"]), words.number(score["earned"])
    return (
        f"{words.joined(terms)} {makes} {possible} points; {earned} of them are earned, "
        f"which is {words.score(score['value'])} of 100, rounded down."
    )


def _uncounted(requirements: Iterable[RequirementDocument]) -> str:
    given = [each for each in requirements if each["weight"] == 0]
    beyond = sum(each["origin"] == "beyond" for each in given)
    idle = len(given) - beyond
    parts = [f"{beyond} beyond the page"] if beyond else []
    parts += [f"{idle} that {'does' if idle == 1 else 'do'} not apply"] if idle else []
    return f"Not counted: {words.joined(parts)}." if parts else ""


def _sums(outline: Outline, requirement: RequirementDocument) -> _Sums:
    """One requirement's points; its findings share its weight equally, those that do not apply left out."""
    applying = [each for each in outline.of[requirement["id"]] if each["status"] != "skip"]
    share = requirement["weight"] / max(1, len(applying))
    statuses = [
        "earned" if outline.weighed[each["id"]].standing is Standing.STATED else each["status"] for each in applying
    ]
    return _Sums(
        earned=requirement["earned"],
        possible=requirement["weight"],
        failed=share * statuses.count("fail"),
        open=share * (statuses.count("unknown") + statuses.count("manual")),
        weak=share * statuses.count("warn") / 2,
    )


def _add(given: Iterable[_Sums]) -> _Sums:
    rows = list(given)
    return _Sums(
        earned=sum(each.earned for each in rows),
        possible=sum(each.possible for each in rows),
        failed=sum(each.failed for each in rows),
        open=sum(each.open for each in rows),
        weak=sum(each.weak for each in rows),
    )


def _line(title: str, sums: _Sums, scale: float) -> Line:
    return Line(
        title=title,
        earned=words.number(sums.earned),
        possible=words.number(sums.possible),
        failed=_or_nothing(sums.failed),
        open=_or_nothing(sums.open),
        weak=_or_nothing(sums.weak),
        bar=_bar(sums, scale) if scale else (),
    )


def _bar(sums: _Sums, scale: float) -> tuple[Piece, ...]:
    found = []
    start = 0.0
    for kind, amount in (("got", sums.earned), ("lost", sums.failed), ("open", sums.open), ("weak", sums.weak)):
        length = amount * scale
        if length > 0.05:
            outlined = kind in {"open", "weak"} and length > 1
            found.append(
                Piece(
                    kind=kind,
                    start=words.number(start + 0.5 if outlined else start),
                    length=words.number(length - 1 if outlined else length),
                )
            )
        start += length
    return tuple(found)


def _or_nothing(amount: float) -> str:
    return words.number(amount) if amount > 0.004 else ""


def _how(outline: Outline, requirement: RequirementDocument) -> str:
    applying = [each for each in outline.of[requirement["id"]] if each["status"] != "skip"]
    stated = sum(outline.weighed[each["id"]].standing is Standing.STATED for each in applying)
    terms = []
    for status, worth in (("pass", "1"), ("warn", "½"), ("fail", "0"), ("unknown", "0"), ("manual", "0")):
        amount = sum(
            each["status"] == status and outline.weighed[each["id"]].standing is not Standing.STATED
            for each in applying
        )
        terms += [f"{amount} {status} × {worth}"] if amount else []
    terms += [f"{stated} attested × 1"] if stated else []
    return f"{words.number(requirement['weight'])} × ({' + '.join(terms)}) ÷ {len(applying)}"
