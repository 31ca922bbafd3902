"""The report document as types: the same shape as ``report.schema.json``, for code that writes or draws it."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

StatusWord = Literal["pass", "warn", "fail", "unknown", "manual", "skip"]
VerdictWord = Literal["ready", "ready_with_exceptions", "not_ready", "not_proven"]
ChangeWord = Literal["new", "fixed", "regressed", "changed", "unchanged"]
StepWord = Literal["regressed", "fixed", "new", "gone", "changed", "still_open"]


class ToolDocument(TypedDict):
    name: str
    version: str


class PageDocument(TypedDict):
    title: str
    revision: str
    source: str


class CapacityDocument(TypedDict):
    agents: int
    caps: float


class SiteDocument(TypedDict):
    name: str
    slug: str
    change_ticket: str | None
    environment: str
    capacity: CapacityDocument
    digest: str
    declared: dict[str, object]


class VantageDocument(TypedDict):
    """How one machine was reached; ``error`` says why it was not."""

    name: str
    host: str
    role: str
    reached: bool
    error: str | None


class RunDocument(TypedDict):
    id: str
    started_at: str
    finished_at: str
    duration_s: float
    auditor: str
    vantages: list[str]
    hosts: list[VantageDocument]
    complete: bool
    scope: Literal["full", "partial"]
    rejudged_from: str | None


class ScoreDocument(TypedDict):
    value: float | None
    earned: float
    possible: float


class CoverageDocument(TypedDict):
    applicable: int
    proven: int
    attested: int
    waived: int
    unproven: int


CountsDocument = TypedDict(
    "CountsDocument",
    {
        "pass": int,
        "warn": int,
        "fail": int,
        "unknown": int,
        "manual": int,
        "skip": int,
        "attested": int,
        "waived": int,
    },
)


class RequirementDocument(TypedDict):
    """``weight`` and ``earned`` are its part of the score; both 0 where it does not count."""

    id: str
    section: str
    text: str
    obligation: str
    origin: str
    status: StatusWord
    weight: float
    earned: float


class TargetDocument(TypedDict):
    kind: Literal["site", "vm", "service", "edge"]
    name: str
    source: str | None
    host: str | None
    port: int | None


class EvidenceDocument(TypedDict):
    label: str
    value: str
    vantage: str
    method: str
    level: str
    at: str
    observation: str | None


class ReasonDocument(TypedDict):
    code: str
    detail: str
    enable: str
    by: str | None


class AttestationDocument(TypedDict):
    check: str
    target: str
    by: str
    date: str
    reference: str
    expires: str | None


class WaiverDocument(TypedDict):
    check: str
    target: str
    reason: str
    approved_by: str
    reference: str
    date: str
    expires: str


class FindingDocument(TypedDict):
    """``figures``: the numbers behind it that can be drawn, named with their unit (``usable_bytes``, ``age_s``)."""

    id: str
    check: str
    target: TargetDocument
    status: StatusWord
    obligation: str
    origin: str
    level: str
    summary: str
    expected: str
    observed: str
    reasoning: str
    evidence: list[EvidenceDocument]
    remedy: str
    reason: ReasonDocument | None
    lane: str | None
    owner: str
    started_at: str
    duration_s: float
    valid_until: str | None
    attestation: AttestationDocument | None
    waiver: WaiverDocument | None
    change: ChangeWord | None
    figures: NotRequired[dict[str, float]]


class ObservationErrorDocument(TypedDict):
    code: str
    detail: str
    enable: str
    by: str | None


class ObservationDocument(TypedDict):
    id: str
    probe: str
    vantage: str
    method: str
    started_at: str
    duration_s: float
    attempts: int
    response: str | None
    error: ObservationErrorDocument | None


class JobDocument(TypedDict):
    text: str
    status: StatusWord
    findings: list[str]


class BlockerDocument(TypedDict):
    """``lead_time`` in working days ("10d"), and whether the site file sets it or it is the usual one."""

    owner: str
    lead_time: str | None
    lead_time_from: NotRequired[Literal["site", "usual"]]
    ready_on: str | None
    jobs: list[JobDocument]


class BeforeDocument(TypedDict):
    """What the baseline said of a finding; ``settled`` is "attested" or "waived" where a person's word covered it."""

    status: StatusWord
    observed: str
    settled: str


class StepDocument(TypedDict):
    """A finding that is not as it was, or still open; ``before`` is ``None`` for what the baseline did not have."""

    finding: str
    kind: StepWord
    before: BeforeDocument | None


class BaselineDocument(TypedDict):
    run_id: str
    started_at: str
    score: float | None
    verdict: VerdictWord
    fixed: list[str]
    regressed: list[str]
    new: list[str]
    gone: list[str]
    changed: list[str]
    steps: NotRequired[list[StepDocument]]


class PastRunDocument(TypedDict):
    """An earlier run of the site, as its own report told it: a point of the trend."""

    run_id: str
    started_at: str
    revision: str
    verdict: VerdictWord
    score: float | None
    proven: int
    applicable: int


class NoticeDocument(TypedDict):
    """Something the reader must be told aloud: an expired waiver, an attestation that matches nothing."""

    kind: str
    text: str


class ReportDocument(TypedDict):
    schema_version: str
    tool: ToolDocument
    page: PageDocument
    site: SiteDocument
    run: RunDocument
    verdict: VerdictWord
    score: ScoreDocument
    coverage: CoverageDocument
    counts: CountsDocument
    requirements: list[RequirementDocument]
    findings: list[FindingDocument]
    observations: list[ObservationDocument]
    blockers: list[BlockerDocument]
    earliest_ready: str | None
    notices: list[NoticeDocument]
    baseline: BaselineDocument | None
    history: NotRequired[list[PastRunDocument]]
    digest: NotRequired[str]
