"""The index of several sites' reports as types: the same shape as ``portfolio.schema.json``."""

from __future__ import annotations

from typing import Literal, TypedDict

from readiness_schemas.report import (
    BlockerDocument,
    CountsDocument,
    CoverageDocument,
    NoticeDocument,
    ScoreDocument,
    ToolDocument,
    VerdictWord,
)


class HostsDocument(TypedDict):
    """Machines that were to be logged in to, and those that were."""

    asked: int
    reached: int


class SinceDocument(TypedDict):
    """What became of a site's findings since its own baseline, as counts."""

    run_id: str
    started_at: str
    score: float | None
    verdict: VerdictWord
    fixed: int
    regressed: int
    new: int
    gone: int
    changed: int


class ResultDocument(TypedDict):
    """What one site's report says; ``report`` is its path from the index on, ``digest`` its own."""

    run_id: str
    started_at: str
    duration_s: float
    complete: bool
    scope: Literal["full", "partial"]
    verdict: VerdictWord
    score: ScoreDocument
    coverage: CoverageDocument
    counts: CountsDocument
    hosts: HostsDocument
    caveats: list[str]
    notices: list[NoticeDocument]
    blockers: list[BlockerDocument]
    earliest_ready: str | None
    baseline: SinceDocument | None
    report: str
    digest: str


class EntryDocument(TypedDict):
    """One site of the portfolio; without a ``result``, ``trouble`` says why there is no report."""

    name: str
    slug: str
    file: str
    environment: str
    change_ticket: str | None
    result: ResultDocument | None
    trouble: str | None


class SitesDocument(TypedDict):
    """How many sites there are, with which verdict, and how many have no report; the last five add up to ``all``."""

    all: int
    ready: int
    ready_with_exceptions: int
    not_ready: int
    not_proven: int
    no_report: int


class OwnerDocument(TypedDict):
    """What one owner has to do at all sites; ``ready_on`` is the latest date, ``None`` where a site gives none."""

    owner: str
    sites: int
    jobs: int
    ready_on: str | None


class TogetherDocument(TypedDict):
    """The run of all audits of one command; not ``complete`` where any was interrupted or has no report."""

    started_at: str
    finished_at: str
    duration_s: float
    auditor: str
    complete: bool


class PortfolioDocument(TypedDict):
    """All sites, the worst first, and their sums; ``verdict`` is the worst of them."""

    schema_version: str
    tool: ToolDocument
    run: TogetherDocument
    verdict: VerdictWord
    counts: SitesDocument
    score: ScoreDocument
    coverage: CoverageDocument
    findings: CountsDocument
    hosts: HostsDocument
    owners: list[OwnerDocument]
    earliest_ready: str | None
    sites: list[EntryDocument]
