"""What a finding amounts to once statements and accepted risks are laid beside it: one reading for all formats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum

from readiness_schemas.report import AttestationDocument, FindingDocument, ReportDocument, WaiverDocument


class Standing(Enum):
    """How a finding weighs for a reader who has to decide something."""

    PROVEN = "proven"
    REMARK = "remark"
    BROKEN = "broken"
    UNDECIDED = "undecided"
    STATED = "stated"
    ACCEPTED = "accepted"
    IDLE = "idle"


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A finding's standing, with the statement or the accepted risk that is in effect, and whether it blocks."""

    standing: Standing
    attestation: AttestationDocument | None
    waiver: WaiverDocument | None
    blocks: bool


def weigh(finding: FindingDocument, document: ReportDocument) -> Weighed:
    """Read one finding; a statement or a waiver counts for nothing past its day or over a status it may not cover."""
    at = document["run"]["started_at"]
    status = finding["status"]
    attestation, waiver = finding["attestation"], finding["waiver"]
    if attestation is not None and (status not in {"unknown", "manual"} or not in_effect(attestation["expires"], at)):
        attestation = None
    if waiver is not None and (status in {"pass", "skip"} or not in_effect(waiver["expires"], at)):
        waiver = None
    counts = finding["obligation"] == "mandatory" and finding["origin"] != "beyond"
    open_ = status in {"fail", "unknown", "manual"} and waiver is None and attestation is None
    return Weighed(
        standing=_standing(status, attestation, waiver),
        attestation=attestation,
        waiver=waiver,
        blocks=counts and open_,
    )


def in_effect(expires: str | None, at: str) -> bool:
    """Whether something that ends with the day ``expires`` still counts at the moment ``at``."""
    if expires is None:
        return True
    try:
        return date.fromisoformat(expires) >= date.fromisoformat(at[:10])
    except ValueError:
        return False


def _standing(status: str, attestation: AttestationDocument | None, waiver: WaiverDocument | None) -> Standing:
    if waiver is not None and attestation is None:
        return Standing.ACCEPTED
    if attestation is not None:
        return Standing.STATED
    match status:
        case "pass":
            return Standing.PROVEN
        case "warn":
            return Standing.REMARK
        case "fail":
            return Standing.BROKEN
        case "skip":
            return Standing.IDLE
        case _:
            return Standing.UNDECIDED
