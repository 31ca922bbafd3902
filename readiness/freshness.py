"""How long a report's proofs last: what is stale by a given moment and has to be proven again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from readiness_schemas.report import FindingDocument, ReportDocument

_PROVES = frozenset({"pass", "warn"})
_OPEN = frozenset({"unknown", "manual"})
_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class Stale:
    """One finding whose proof does not reach the moment.

    ``until``: its last moment, UTC; ``lasted``: for how long it counted. ``ends_itself``: it ends sooner than such
    proofs do, since something that was seen ends then (a certificate, a licence), so that looking again is not enough.
    ``counts``: the page asks for it; else it is advice.
    """

    finding: str
    check: str
    until: datetime
    lasted: timedelta
    ends_itself: bool
    counts: bool


@dataclass(frozen=True, kw_only=True)
class Lapsed:
    """A person's word that ends before the moment; ``until`` is its last day."""

    kind: Literal["attestation", "waiver"]
    check: str
    by: str
    reference: str
    until: date
    findings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """What a report is worth at a moment, UTC.

    ``never_proven`` are the findings that block sign-off at any time; ``worthless`` says why the whole report proves
    nothing by its nature, if it does not.
    """

    at: datetime
    stale: tuple[Stale, ...]
    lapsed: tuple[Lapsed, ...]
    never_proven: tuple[str, ...]
    worthless: tuple[str, ...]

    @property
    def fresh(self) -> bool:
        """Whether all that the page asks for and that was proven or settled still is, by a report that can prove."""
        return not self.worthless and not self.lapsed and not any(each.counts for each in self.stale)

    @property
    def audit_from(self) -> datetime | None:
        """From when on an audit's proofs reach the moment; ``None`` where none has to be made again."""
        return max((self.at - each.lasted for each in self.stale if not each.ends_itself), default=None)


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC: what is said of a day has to hold until its end."""
    return datetime.combine(day, time.max, tzinfo=UTC)


def freshness(document: ReportDocument, at: datetime, *, usual: Mapping[str, timedelta] | None = None) -> Freshness:
    """Say what of a report is stale at a moment.

    ``usual``: for how long a proof of each check counts, by its id; without it nothing is known to end by itself.
    """
    return Freshness(
        at=at.astimezone(UTC),
        stale=tuple(_stale(document, at, usual or {})),
        lapsed=tuple(_lapsed(document["findings"], at.astimezone(UTC).date())),
        never_proven=tuple(finding["id"] for finding in document["findings"] if _blocks(finding)),
        worthless=tuple(_worthless(document)),
    )


def _stale(document: ReportDocument, at: datetime, usual: Mapping[str, timedelta]) -> Iterator[Stale]:
    for finding in document["findings"]:
        if finding["status"] not in _PROVES or finding["valid_until"] is None:
            continue
        until = datetime.fromisoformat(finding["valid_until"])
        lasted = until - datetime.fromisoformat(finding["started_at"])
        if until < at:
            yield Stale(
                finding=finding["id"],
                check=finding["check"],
                until=until,
                lasted=lasted,
                ends_itself=lasted + _ROUNDING < usual.get(finding["check"], lasted),
                counts=finding["origin"] != "beyond",
            )


def _lapsed(findings: Sequence[FindingDocument], day: date) -> Iterator[Lapsed]:
    covered: dict[_Word, list[str]] = {}
    for finding in findings:
        for word in _words(finding):
            if word.until < day:
                covered.setdefault(word, []).append(finding["id"])
    for word, ids in covered.items():
        yield Lapsed(
            kind=word.kind,
            check=word.check,
            by=word.by,
            reference=word.reference,
            until=word.until,
            findings=tuple(ids),
        )


@dataclass(frozen=True)
class _Word:
    kind: Literal["attestation", "waiver"]
    check: str
    by: str
    reference: str
    until: date


def _words(finding: FindingDocument) -> Iterator[_Word]:
    """The statements with an end that cover a finding."""
    attestation, waiver = finding["attestation"], finding["waiver"]
    if attestation is not None and attestation["expires"] is not None:
        until = date.fromisoformat(attestation["expires"])
        yield _Word("attestation", finding["check"], attestation["by"], attestation["reference"], until)
    if waiver is not None:
        until = date.fromisoformat(waiver["expires"])
        yield _Word("waiver", finding["check"], waiver["approved_by"], waiver["reference"], until)


def _blocks(finding: FindingDocument) -> bool:
    if finding["origin"] == "beyond" or finding["obligation"] != "mandatory" or finding["waiver"] is not None:
        return False
    return finding["status"] == "fail" or (finding["status"] in _OPEN and finding["attestation"] is None)


def _worthless(document: ReportDocument) -> Iterator[str]:
    run = document["run"]
    if run["rejudged_from"] is not None:
        yield "it was judged again from a record, which is never for sign-off"
    if not run["complete"]:
        yield "the run ended before everything was asked"
    if run["scope"] == "partial":
        yield "the run left checks out on request"
