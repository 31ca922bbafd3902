"""Lay attestations and waivers over findings; the status under them never changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Literal

from readiness.model import Attestation, Cause, Finding, Status, Waiver

ATTESTABLE = frozenset({Status.MANUAL, Status.UNKNOWN})
WAIVABLE = frozenset({Status.FAIL, Status.WARN, Status.UNKNOWN, Status.MANUAL})
SOON = timedelta(days=30)


@dataclass(frozen=True)
class Notice:
    """Something that the reader must be told aloud."""

    kind: Literal[
        "expired",
        "not_yet",
        "unmatched",
        "unneeded",
        "refused",
        "expiring",
        "secret",
        "incomplete",
        "rejudged",
        "assumed",
        "rebuilt",
    ]
    text: str


def overlay(
    findings: Sequence[Finding],
    attestations: Sequence[Attestation],
    waivers: Sequence[Waiver],
    *,
    at: datetime,
) -> tuple[tuple[Finding, ...], tuple[Notice, ...]]:
    """Settle what may be settled at the time ``at`` and say aloud whatever could not be used.

    An attestation settles ``manual`` and ``unknown``; a waiver covers ``fail``, ``warn``, ``unknown`` and ``manual``.
    Neither touches a requirement that this release cannot examine.
    """
    today = at.astimezone(UTC).date()
    notices: list[Notice] = []
    settled = list(findings)
    for attestation in attestations:
        entry = _Entry(
            words=f"The attestation of {attestation.check} for {attestation.target} by {attestation.by}",
            check=attestation.check,
            target=attestation.target,
            globs=False,
            since=attestation.date,
            until=attestation.expires,
            statuses=ATTESTABLE,
        )
        for index in entry.usable(settled, today, notices):
            settled[index] = replace(settled[index], attestation=attestation)
    for waiver in waivers:
        entry = _Entry(
            words=f"The waiver of {waiver.check} for {waiver.target} ({waiver.reference})",
            check=waiver.check,
            target=waiver.target,
            globs=True,
            since=waiver.date,
            until=waiver.expires,
            statuses=WAIVABLE,
        )
        for index in entry.usable(settled, today, notices):
            settled[index] = replace(settled[index], waiver=waiver)
    return tuple(settled), tuple(notices)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    words: str
    check: str
    target: str
    globs: bool
    since: date
    until: date | None
    statuses: frozenset[Status]

    def concerns(self, finding: Finding) -> bool:
        name = finding.target.name
        return finding.requirement.id == self.check and (
            name == self.target or (self.globs and fnmatchcase(name, self.target))
        )

    def usable(self, findings: Sequence[Finding], today: date, notices: list[Notice]) -> list[int]:
        """Where it counts, as indexes; a notice wherever it does not."""
        concerned = [index for index, finding in enumerate(findings) if self.concerns(finding)]
        fitting = [index for index in concerned if findings[index].status in self.statuses]
        built = [index for index in fitting if not _unbuilt(findings[index])]
        if self.until is not None and self.until < today:
            notices.append(Notice("expired", f"{self.words} expired on {self.until} and counts for nothing."))
            return []
        if self.since > today:
            notices.append(
                Notice("not_yet", f"{self.words} is dated {self.since}, after this run, and does not count.")
            )
            return []
        if not concerned:
            notices.append(Notice("unmatched", f"{self.words} matches no finding of this site."))
        elif not fitting:
            seen = ", ".join(sorted({findings[index].status for index in concerned}))
            notices.append(Notice("unneeded", f"{self.words} settles nothing: what it names is {seen}."))
        elif not built:
            why = (
                "this run was told to leave that requirement out"
                if any(_left_out(findings[index]) for index in fitting)
                else "this release does not examine that requirement"
            )
            notices.append(Notice("refused", f"{self.words} cannot be used: {why}."))
        elif self.until is not None and self.until - today <= SOON:
            notices.append(Notice("expiring", f"{self.words} expires on {self.until}."))
        return built


def _left_out(finding: Finding) -> bool:
    reason = finding.judgement.reason
    return reason is not None and reason.code is Cause.NOT_SELECTED


def _unbuilt(finding: Finding) -> bool:
    reason = finding.judgement.reason
    return reason is not None and reason.code in {Cause.NOT_BUILT, Cause.NOT_SELECTED}
