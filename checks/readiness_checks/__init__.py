"""The vendor's Prerequisites page as checks, one module for each of its sections, in the page's order."""

from __future__ import annotations

from readiness.plan import AnyCheck
from readiness_checks.planning import LimitationsReviewed

PACK: tuple[type[AnyCheck], ...] = (
    # Before anything else
    LimitationsReviewed,
)
"""Every check of this pack. What is not named here does not exist for an audit."""
