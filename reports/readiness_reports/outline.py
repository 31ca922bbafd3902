"""A report in the page's order: sections, requirements, findings, with equal passes told once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from readiness_schemas.report import EvidenceDocument, FindingDocument, ReportDocument, RequirementDocument, StatusWord

from readiness_reports import words
from readiness_reports.standing import Weighed, weigh

FIRST = 20
"""How many findings of one requirement that did not pass are told before the rest is folded."""

LONG = 200
"""Characters of evidence, reasoning and remedy that are worth telling only once."""

LEVELS = ("declared", "tcp", "protocol", "authenticated")

FIXED_ANCHORS = (
    "summary",
    "connectivity",
    "topology",
    "score",
    "findings",
    "sizing",
    "clocks",
    "machines",
    "observations",
)


@dataclass(frozen=True, kw_only=True)
class Link:
    """A place in the same document; ``anchor`` is empty where there is none to go to."""

    text: str
    anchor: str = ""
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of evidence; ``head`` stands once over ``span`` rows, 0 where a row above has it.

    ``level`` counts from 1 (declared) to 4 (authenticated); ``at`` is a time of day, UTC.
    """

    head: str
    span: int
    label: str
    value: str
    vantage: str
    method: str
    level: int
    level_word: str
    at: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a remedy: prose in parts, every second of which is code, or a block of commands."""

    parts: tuple[str, ...] = ()
    commands: str = ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One finding that is told in full; ``like`` is an earlier one with the same evidence and remedy.

    ``alone``: its requirement has no other, so its status and its notes stand beside the requirement already.
    """

    anchor: str
    id: str
    status: StatusWord
    summary: str
    target: str
    kinds: str
    owner: str
    meta: tuple[str, ...]
    notes: tuple[str, ...]
    alone: bool
    attestation: str
    waiver: str
    waiver_end: str
    expected: str
    observed: str
    rows: tuple[Row, ...]
    reason: str
    blocked_by: Link | None
    reasoning: str
    remedy: tuple[Passage, ...]
    like: Link | None


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One requirement with all that was found about it; ``kinds`` are the words a reader filters by."""

    anchor: str
    id: str
    text: str
    origin: str
    obligation: str
    status: StatusWord
    kinds: str
    owners: str
    notes: tuple[str, ...]
    open: bool
    quiet: bool
    told: tuple[Told, ...]
    rest: tuple[Told, ...]
    passes: tuple[Row, ...]
    because: tuple[str, ...]
    skips: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    anchor: str
    title: str
    short: str
    tally: str
    marks: tuple[StatusWord, ...]
    topics: tuple[Topic, ...]


class Outline:
    """One document, read once; everything a format draws is asked of it."""

    def __init__(self, document: ReportDocument) -> None:
        self.document = document
        self.at = document["run"]["started_at"]
        self.findings = {finding["id"]: finding for finding in document["findings"]}
        self.weighed = {finding["id"]: weigh(finding, document) for finding in document["findings"]}
        self.of: dict[str, list[FindingDocument]] = {each["id"]: [] for each in document["requirements"]}
        for finding in document["findings"]:
            self.of.setdefault(finding["check"], []).append(finding)
        anchors = Anchors(FIXED_ANCHORS)
        self.topic_anchors = {check: anchors.take(check) for check in self.of}
        self.anchors = {
            finding["id"]: self.topic_anchors[finding["check"]]
            if finding["status"] in {"pass", "skip"}
            else anchors.take(f"{finding['check']}-{finding['target']['name']}")
            for finding in document["findings"]
        }
        self._section_anchors = anchors

    def link(self, finding_id: str, text: str | None = None) -> Link:
        """Where a finding is told; plain text where this report has no such finding."""
        finding = self.findings.get(finding_id)
        shown = words.arrow(finding_id) if text is None else text
        if finding is None:
            return Link(text=shown)
        return Link(text=shown, anchor=self.anchors[finding_id], title=finding["summary"])

    def links(self, finding_ids: Iterable[str], limit: int = 4) -> tuple[Link, ...]:
        """One link for each check that is named, at most ``limit``, then how many more there are."""
        by_check: dict[str, str] = {}
        for finding_id in finding_ids:
            by_check.setdefault(finding_id.partition("[")[0], finding_id)
        shown = [self.link(finding_id, check) for check, finding_id in by_check.items()]
        if len(shown) > limit + 1:
            return (*shown[:limit], Link(text=f"and {len(shown) - limit} more"))
        return tuple(shown)

    @cached_property
    def blocking(self) -> tuple[str, ...]:
        """The checks with a finding that blocks sign-off, in the page's order."""
        return tuple(
            check for check, found in self.of.items() if any(self.weighed[each["id"]].blocks for each in found)
        )

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        by_title: dict[str, list[RequirementDocument]] = {}
        for requirement in self.document["requirements"]:
            by_title.setdefault(requirement["section"], []).append(requirement)
        told_before: dict[object, str] = {}
        return tuple(self._section(title, rows, told_before) for title, rows in by_title.items())

    def _section(self, title: str, rows: Sequence[RequirementDocument], told_before: dict[object, str]) -> Section:
        short = words.short_section(rows[0]["id"], title)
        return Section(
            anchor=self._section_anchors.take(f"section-{short}"),
            title=title,
            short=short,
            tally=words.tally([each["status"] for each in rows]),
            marks=tuple(each["status"] for each in rows if counted(each)),
            topics=tuple(self._topic(each, told_before) for each in rows),
        )

    def _topic(self, requirement: RequirementDocument, told_before: dict[object, str]) -> Topic:
        found = self.of[requirement["id"]]
        loud = [each for each in found if each["status"] not in {"pass", "skip"}]
        loud.sort(key=lambda each: words.WORST_FIRST.index(each["status"]))
        told = [self._told(each, told_before) for each in loud]
        weighed = [self.weighed[each["id"]] for each in found]
        attested = any(each.attestation is not None for each in weighed)
        waived = any(each.waiver is not None for each in weighed)
        changes = {each["change"] for each in found}
        settled = bool(loud) and all(
            each["status"] in {"manual", "unknown"} and self.weighed[each["id"]].attestation is not None
            for each in loud
        )
        kinds = {each["status"] for each in found} | {
            kind
            for kind, is_so in (
                ("blocks", any(each.blocks for each in weighed)),
                ("settled", attested or waived),
                ("changed", bool(changes & {"fixed", "regressed", "changed"})),
            )
            if is_so
        }
        passes = [each for each in found if each["status"] == "pass"]
        skips: dict[str, list[str]] = {}
        for each in found:
            if each["status"] == "skip":
                skips.setdefault(each["summary"], []).append(words.arrow(each["target"]["name"]))
        notes = [word for word, is_so in (("attested", attested), ("waived", waived)) if is_so]
        return Topic(
            anchor=self.topic_anchors[requirement["id"]],
            id=requirement["id"],
            text=requirement["text"],
            origin=words.ORIGINS.get(requirement["origin"], ""),
            obligation=requirement["obligation"],
            status=requirement["status"],
            kinds=" ".join(sorted(kinds)),
            owners=" ".join(dict.fromkeys(each["owner"] for each in loud)),
            notes=(*notes, *(word for word in ("regressed", "fixed", "changed") if word in changes)),
            open=bool(loud) and not settled,
            quiet=requirement["status"] in {"pass", "skip"},
            told=tuple(told[:FIRST]),
            rest=tuple(told[FIRST:]),
            passes=merged(passes),
            because=tuple(dict.fromkeys(each["reasoning"] for each in passes if each["reasoning"])),
            skips=tuple((text, ", ".join(names)) for text, names in skips.items()),
        )

    def _told(self, finding: FindingDocument, told_before: dict[object, str]) -> Told:
        weighed = self.weighed[finding["id"]]
        anchor = self.anchors[finding["id"]]
        reason = finding["reason"]
        by = reason["by"] if reason is not None else None
        remedy = finding["remedy"]
        if reason is not None and not remedy:
            remedy = reason["enable"]
        if by is not None and reason is not None and remedy == reason["enable"]:
            remedy = ""
        why = "" if reason is None or by is not None else reason["detail"]
        detail = (finding["reasoning"], remedy, why, *(piece["value"] for piece in finding["evidence"]))
        size = sum(map(len, detail))
        like = finding["id"]
        if size > LONG:
            like = told_before.setdefault(detail, finding["id"])
        elif size > LONG // 4:  # worth a reference within its own requirement, not across the page
            like = told_before.setdefault((finding["check"], *detail), finding["id"])
        repeated = like != finding["id"]
        kinds: list[str] = [finding["status"]]
        kinds += ["blocks"] if weighed.blocks else []
        kinds += ["settled"] if weighed.attestation is not None or weighed.waiver is not None else []
        kinds += ["changed"] if finding["change"] in {"fixed", "regressed", "changed"} else []
        change = finding["change"]
        alone = len(self.of[finding["check"]]) == 1
        return Told(
            anchor=anchor,
            id=finding["id"],
            status=finding["status"],
            summary=finding["summary"],
            target=words.arrow(finding["target"]["name"]),
            kinds=" ".join(kinds),
            owner=finding["owner"],
            meta=tuple(_meta(finding)),
            notes=(change,) if change is not None and change != "unchanged" and not alone else (),
            alone=alone,
            attestation=_attestation(weighed),
            waiver="" if weighed.waiver is None else _waiver(weighed),
            waiver_end="" if weighed.waiver is None else self.ends(weighed.waiver["expires"]),
            expected=finding["expected"],
            observed=finding["observed"],
            rows=() if repeated else tuple(_row(piece, piece["label"], 1, label="") for piece in finding["evidence"]),
            reason="" if repeated else why,
            blocked_by=None if by is None else self.link(by),
            reasoning="" if repeated else finding["reasoning"],
            remedy=() if repeated else tuple(passages(remedy)),
            like=self.link(like) if repeated else None,
        )

    def ends(self, expires: str) -> str:
        """When something ends, and how far that is from the audit: ``ends 4 Dec 2026, in 11 days``."""
        left = words.days_between(self.at, expires)
        if left is None or left < 0:
            return f"ended {words.day(expires)}"
        when = "with this day" if left == 0 else f"in {words.count(left, 'day')}"
        return f"ends {words.day(expires)}, {when}"


class Anchors:
    """Hands out ids of ``[A-Za-z0-9.-]`` only, each once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._next: dict[str, int] = {}

    def take(self, text: str) -> str:
        base = re.sub("[^A-Za-z0-9.]+", "-", text)[:120].strip("-.") or "x"
        number = self._next.get(base, 1)
        anchor = base if number == 1 else f"{base}.{number}"
        while anchor in self._taken:
            number += 1
            anchor = f"{base}.{number}"
        self._next[base] = number + 1
        self._taken.add(anchor)
        return anchor


def path_of(finding: FindingDocument) -> tuple[str, str] | None:
    """The source and the peer of a finding about a path; ``None`` where it is about anything else."""
    target = finding["target"]
    source, arrow, peer = target["name"].partition("->")
    if target["kind"] != "edge" or not arrow:
        return None
    return target["source"] or source, peer


def subject(finding: FindingDocument) -> str:
    """What a finding is about, where its summary may not say so: ``exas-1: its summary``."""
    target = finding["target"]
    way = path_of(finding)
    about = way[0] if way is not None else target["name"] if target["kind"] in {"vm", "edge"} else ""
    return f"{about}: {finding['summary']}" if about and about not in finding["summary"] else finding["summary"]


def counted(requirement: RequirementDocument) -> bool:
    """Whether verdict, coverage and score speak of it."""
    return requirement["origin"] != "beyond" and requirement["status"] != "skip"


def merged(passes: Sequence[FindingDocument]) -> tuple[Row, ...]:
    """The evidence of passes; those with equal evidence share their rows and are named together."""
    groups: dict[object, list[FindingDocument]] = {}
    for finding in passes:
        looks = tuple(
            (piece["label"], piece["value"], piece["method"], piece["level"]) for piece in finding["evidence"]
        )
        remote = tuple(
            piece["vantage"] in {finding["target"]["name"], finding["target"]["source"]} or piece["vantage"]
            for piece in finding["evidence"]
        )
        groups.setdefault((looks, remote, finding["change"] == "fixed"), []).append(finding)
    return tuple(row for alike in groups.values() for head, some in named(alike) for row in _rows(head, some))


def named(alike: Sequence[FindingDocument]) -> Iterator[tuple[str, Sequence[FindingDocument]]]:
    """Name findings together: ``a, b``, and edges by their common ends, ``a, b → c:1, d:1``."""
    sources: dict[str, list[FindingDocument]] = {}
    others: list[FindingDocument] = []
    for finding in alike:
        way = path_of(finding)
        if way is None:
            others.append(finding)
        else:
            sources.setdefault(way[1], []).append(finding)
    if others:
        mark = "; " if any("," in finding["target"]["name"] for finding in others) else ", "
        yield mark.join(finding["target"]["name"] for finding in others), others
    peers: dict[tuple[str, ...], list[str]] = {}
    for peer, some in sources.items():
        peers.setdefault(tuple(finding["target"]["source"] or "" for finding in some), []).append(peer)
    for names, ends in peers.items():
        yield f"{', '.join(names)} → {', '.join(ends)}", [finding for end in ends for finding in sources[end]]


def _rows(head: str, some: Sequence[FindingDocument]) -> Iterator[Row]:
    first = some[0]
    notes = ("fixed",) if first["change"] == "fixed" else ()
    if not first["evidence"]:
        return
    for index, piece in enumerate(first["evidence"]):
        vantages = {finding["evidence"][index]["vantage"] for finding in some}
        yield _row(
            piece,
            head if index == 0 else "",
            len(first["evidence"]) if index == 0 else 0,
            label=piece["label"],
            vantage=piece["vantage"] if len(vantages) == 1 else "each",
            at=min(finding["evidence"][index]["at"] for finding in some),
            notes=notes if index == 0 else (),
        )


def _row(
    piece: EvidenceDocument,
    head: str,
    span: int,
    *,
    label: str,
    vantage: str | None = None,
    at: str | None = None,
    notes: tuple[str, ...] = (),
) -> Row:
    return Row(
        head=head,
        span=span,
        label=label,
        value=piece["value"],
        vantage=vantage or piece["vantage"],
        method=piece["method"],
        level=LEVELS.index(piece["level"]) + 1,
        level_word=piece["level"],
        at=words.clock(at or piece["at"]),
        notes=notes,
    )


def _meta(finding: FindingDocument) -> Iterator[str]:
    owner = words.OWNERS.get(finding["owner"], finding["owner"])
    yield owner if finding["lane"] is None else f"{owner}, {words.lane(finding['lane'])}"
    if finding["reason"] is not None:
        yield words.CAUSES.get(finding["reason"]["code"], finding["reason"]["code"])
    if finding["valid_until"] is not None:
        yield f"holds until {words.day(finding['valid_until'])}"


def _attestation(weighed: Weighed) -> str:
    given = weighed.attestation
    if given is None:
        return ""
    until = "" if given["expires"] is None else f", until {words.day(given['expires'])}"
    reference = f", {given['reference']}" if given["reference"] else ""
    return f"Stated by {given['by']} on {words.day(given['date'])}{reference}{until}."


def _waiver(weighed: Weighed) -> str:
    given = weighed.waiver
    assert given is not None
    reference = f", {given['reference']}" if given["reference"] else ""
    return (
        f"{given['reason'].rstrip('.')}. Accepted by {given['approved_by']} on {words.day(given['date'])}{reference}."
    )


_FENCE = re.compile(r"^\s*```")
_COMMAND = re.compile(r"^(?:\t| {2,}|\$ )")


def passages(text: str) -> Iterator[Passage]:
    """Split a remedy into prose and commands; backticks mark code within prose.

    Commands are the lines in a fence, those that are indented or follow a ``$``, and those right under a line of prose
    that ends in a colon, up to the next line that ends a sentence.
    """
    prose: list[str] = []
    commands: list[str] = []
    fenced = announced = False

    def ended(commanded: bool) -> Iterator[Passage]:
        if commanded and any(commands):
            yield Passage(commands=_dedented(commands))
        elif not commanded and prose:
            said = "\n".join(prose)
            yield Passage(parts=tuple(said.split("`")) if said.count("`") % 2 == 0 else (said,))
        (commands if commanded else prose).clear()

    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.strip()
        if _FENCE.match(line):
            yield from ended(fenced)
            fenced, announced = not fenced, False
        elif fenced:
            commands.append(line)
        elif bare and (_COMMAND.match(line) or (announced and not bare.endswith((".", ":")))):
            yield from ended(False)
            commands.append(line.removeprefix("$ "))
        elif bare:
            yield from ended(True)
            prose.append(bare)
            announced = bare.endswith(":")
        else:
            announced = False
            if commands:
                commands.append("")
            yield from ended(False)
    yield from ended(False)
    yield from ended(True)


def _dedented(lines: Sequence[str]) -> str:
    given = [line.expandtabs(4).rstrip() for line in lines]
    margin = min((len(line) - len(line.lstrip()) for line in given if line), default=0)
    return "\n".join(line[margin:] for line in given).strip("\n")
