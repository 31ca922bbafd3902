"""The nouns of an audit: what is required, what was seen, what was concluded.

Everything here is immutable and needs nothing but the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date as Day  # noqa: N812 (two fields below are named date)
from datetime import datetime, timedelta
from enum import Enum, IntEnum, StrEnum


class Status(StrEnum):
    """What became of one finding, the worst first."""

    FAIL = "fail"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    WARN = "warn"
    PASS = "pass"  # noqa: S105 (a status, not a password)
    SKIP = "skip"


class Obligation(StrEnum):
    """How strongly the page asks for something."""

    MANDATORY = "mandatory"
    RECOMMENDED = "recommended"
    OPTIONAL = "optional"


class Origin(StrEnum):
    """Where a requirement comes from: the page's words, what they imply, or experience beyond them."""

    PAGE = "page"
    IMPLIED = "implied"
    BEYOND = "beyond"


class Level(IntEnum):
    """How much a piece of evidence proves; a higher level includes the lower ones."""

    DECLARED = 0
    TCP = 1
    PROTOCOL = 2
    AUTHENTICATED = 3

    @property
    def word(self) -> str:
        return self.name.lower()


class Lane(StrEnum):
    """What kind of trouble stands behind a finding."""

    DNS = "dns"
    ROUTE = "route"
    FIREWALL = "firewall"
    SERVICE = "service"
    TLS = "tls"
    AUTH = "auth"
    CAPACITY = "capacity"
    VERSION = "version"
    CONFIGURATION = "configuration"
    TIME = "time"
    PROBE = "probe"


class Owner(StrEnum):
    """Who usually mends it."""

    NETWORK = "network"
    DBA = "dba"
    VIRTUALISATION = "virtualisation"
    GENESYS_CLOUD = "genesys_cloud"
    ENGAGE = "engage"
    DEPLOYER = "deployer"


class Cause(StrEnum):
    """Why something could not be determined."""

    UNREACHABLE = "unreachable"
    AUTH = "auth"
    HOST_KEY = "host_key"
    PERMISSION = "permission"
    TOOL_MISSING = "tool_missing"
    TIMEOUT = "timeout"
    PARSE = "parse"
    UNSUPPORTED = "unsupported"
    OVERLOAD = "overload"
    CANCELLED = "cancelled"
    CRASH = "crash"
    BLOCKED = "blocked"
    UNDECLARED = "undeclared"
    NOT_SELECTED = "not_selected"
    NOT_OBSERVED = "not_observed"
    NOT_BUILT = "not_built"


class Verdict(StrEnum):
    READY = "ready"
    READY_WITH_EXCEPTIONS = "ready_with_exceptions"
    NOT_READY = "not_ready"
    NOT_PROVEN = "not_proven"


class TargetKind(StrEnum):
    SITE = "site"
    VM = "vm"
    SERVICE = "service"
    EDGE = "edge"


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a finding is ``unknown``.

    ``enable`` says what would make it known; ``by`` is the id of the finding that stands in the way.
    """

    code: Cause
    detail: str
    enable: str = ""
    by: str | None = None


class ProbeError(Exception):
    """A question got no answer, so nothing that depends on it can be known; carries the reason."""

    def __init__(self, code: Cause, detail: str, *, enable: str = "", by: str | None = None) -> None:
        super().__init__(detail)
        self.reason = Reason(code=code, detail=detail, enable=enable, by=by)


@dataclass(frozen=True, kw_only=True)
class Unread:
    """Stands where a fact would be when its question got no answer."""

    reason: Reason


@dataclass(frozen=True, kw_only=True)
class Target:
    """What one instance of a check is about; ``name`` is what stands in brackets in the finding's id.

    ``obligation`` is given where it differs from the requirement's: an edge of an optional element.
    """

    kind: TargetKind
    name: str
    source: str | None = None
    host: str | None = None
    port: int | None = None
    obligation: Obligation | None = None


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One thing the page asks for, in our words, with all that the catalogue says about it.

    ``outcomes`` explains each status its findings can take; ``proof`` says how it is proven and ``remedy``
    what to do in general, with ``<placeholders>`` where a finding names the host and the value. ``revisions`` are
    those of the page that ask for it, none meaning all.
    """

    id: str
    section: str
    text: str
    proof: str
    outcomes: Mapping[Status, str]
    remedy: str
    owner: Owner
    valid_for: timedelta
    obligation: Obligation = Obligation.MANDATORY
    origin: Origin = Origin.PAGE
    revisions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One observed value as a report shows it.

    ``of`` is the fact that it was read from: the engine completes vantage, method, time and observation from
    it. What is left ``None`` is filled in that way; what is given stands.
    """

    label: str
    value: str
    level: Level
    of: object = field(default=None, compare=False, repr=False)
    vantage: str | None = None
    method: str | None = None
    at: datetime | None = None
    observation: str | None = None


class Outcome(Enum):
    """What a check concluded, before the obligation decides how much a miss weighs."""

    MET = "met"
    WEAK = "weak"
    MISSED = "missed"
    UNKNOWN = "unknown"
    MANUAL = "manual"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What ``judge`` concludes about one target from its facts.

    ``summary`` is one line that a manager understands; ``reasoning`` says why this evidence decides it.
    ``valid_until`` shortens the requirement's own validity (a certificate's end).
    ``job`` is the line under "what blocks sign-off": what one person has to do, without the why.
    ``figures`` are the numbers behind it that a report may draw, named with their unit: ``usable_bytes``, ``age_s``.
    """

    outcome: Outcome
    summary: str
    expected: str = ""
    observed: str = ""
    reasoning: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    job: str = ""
    lane: Lane | None = None
    owner: Owner | None = None
    reason: Reason | None = None
    valid_until: datetime | None = None
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)

    @staticmethod
    def met(summary: str, *, expected: str, observed: str, **rest: object) -> Judgement:
        return _judgement(Outcome.MET, summary, expected=expected, observed=observed, **rest)

    @staticmethod
    def missed(summary: str, *, expected: str, observed: str, remedy: str, lane: Lane, **rest: object) -> Judgement:
        return _judgement(
            Outcome.MISSED, summary, expected=expected, observed=observed, remedy=remedy, lane=lane, **rest
        )

    @staticmethod
    def weak(summary: str, *, expected: str, observed: str, remedy: str, lane: Lane, **rest: object) -> Judgement:
        """A warning at any obligation: the evidence neither meets nor clearly violates the requirement."""
        return _judgement(Outcome.WEAK, summary, expected=expected, observed=observed, remedy=remedy, lane=lane, **rest)

    @staticmethod
    def unknown(
        summary: str, code: Cause, detail: str, *, enable: str, by: str | None = None, **rest: object
    ) -> Judgement:
        reason = Reason(code=code, detail=detail, enable=enable, by=by)
        rest.setdefault("lane", Lane.PROBE)
        rest.setdefault("remedy", enable)
        return _judgement(Outcome.UNKNOWN, summary, reason=reason, **rest)

    @staticmethod
    def blocked(by: str, summary: str, *, detail: str, **rest: object) -> Judgement:
        """Unknown because of another finding; ``by`` is that finding's id."""
        return Judgement.unknown(
            summary, Cause.BLOCKED, detail, enable=f"Settle {by} first, then run the audit again.", by=by, **rest
        )

    @staticmethod
    def manual(summary: str, *, expected: str, remedy: str, **rest: object) -> Judgement:
        """Nothing can probe it: a person has to look and attest."""
        return _judgement(Outcome.MANUAL, summary, expected=expected, remedy=remedy, **rest)

    @staticmethod
    def skip(why: str) -> Judgement:
        """It does not apply; ``why`` says so."""
        return Judgement(outcome=Outcome.SKIP, summary=why)

    @staticmethod
    def undeclared(key: str, *, what: str) -> Judgement:
        """The site file does not name it; ``key`` is the key to fill in."""
        return Judgement.unknown(
            f"The site file names no {what}, so nothing could be looked at.",
            Cause.UNDECLARED,
            f"`{key}` is not in the site file",
            enable=f"Declare `{key}` in the site file (`readiness init` shows the form) and run the audit again.",
            lane=Lane.CONFIGURATION,
            owner=Owner.DEPLOYER,
        )

    @staticmethod
    def not_built() -> Judgement:
        return Judgement.unknown(
            "This release cannot examine this requirement yet.",
            Cause.NOT_BUILT,
            "the check is not built in this release",
            enable="Examine it by hand and keep the proof with the ticket; a later release will probe it.",
        )


def _judgement(outcome: Outcome, summary: str, **fields: object) -> Judgement:
    return Judgement(outcome=outcome, summary=summary, **fields)  # type: ignore[arg-type]


def status_of(outcome: Outcome, obligation: Obligation) -> Status:
    """Map a conclusion to a status: the one place where a miss becomes ``fail`` or ``warn``."""
    match outcome:
        case Outcome.MET:
            return Status.PASS
        case Outcome.WEAK:
            return Status.WARN
        case Outcome.MISSED:
            return Status.FAIL if obligation is Obligation.MANDATORY else Status.WARN
        case Outcome.UNKNOWN:
            return Status.UNKNOWN
        case Outcome.MANUAL:
            return Status.MANUAL
        case Outcome.SKIP:
            return Status.SKIP


def owner_of(lane: Lane | None, usual: Owner) -> Owner:
    """Say who mends trouble of this lane where a requirement's ``usual`` owner is known."""
    match lane:
        case Lane.DNS | Lane.ROUTE | Lane.FIREWALL:
            return Owner.NETWORK
        case Lane.PROBE:
            return Owner.DEPLOYER
        case _:
            return usual


WORST_FIRST = tuple(Status)


def worst(statuses: frozenset[Status]) -> Status:
    """The worst of some findings: fail, unknown, manual, warn, pass; ``skip`` only if all are.

    Raises:
        ValueError: there are none.
    """
    for status in WORST_FIRST:
        if status in statuses:
            return status
    raise ValueError("a requirement without findings has no status")


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """A person's signed-off statement about one target; ``expires`` counts to the end of its day, UTC."""

    check: str
    target: str
    by: str
    date: Day
    reference: str
    expires: Day | None = None


@dataclass(frozen=True, kw_only=True)
class Waiver:
    """An accepted risk; ``target`` is a name or a glob, ``expires`` counts to the end of its day, UTC."""

    check: str
    reason: str
    approved_by: str
    reference: str
    date: Day
    expires: Day
    target: str = "*"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One question's recorded answer, secrets removed; ``response`` is ``None`` where ``error`` says why."""

    id: str
    probe: str
    vantage: str
    method: str
    started_at: datetime
    duration_s: float
    attempts: int
    response: str | None
    error: Reason | None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One instance's outcome; ``status`` is as observed, whatever is attested or waived."""

    id: str
    requirement: Requirement
    target: Target
    status: Status
    judgement: Judgement
    level: Level
    owner: Owner
    started_at: datetime
    duration_s: float
    valid_until: datetime | None
    attestation: Attestation | None = None
    waiver: Waiver | None = None
    change: str | None = None

    @property
    def obligation(self) -> Obligation:
        """How strongly the page asks for it of this target."""
        return self.target.obligation or self.requirement.obligation

    @property
    def settled(self) -> bool:
        """Whether an attestation or a waiver covers what the probes left open."""
        return self.attestation is not None or self.waiver is not None
