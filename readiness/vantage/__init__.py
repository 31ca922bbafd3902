"""Where questions are asked from: the auditor's own machine, or a host of the site over SSH."""

from readiness.vantage.base import (
    AUDITOR,
    Completed,
    Dial,
    Dialled,
    HostAccess,
    JumpAccess,
    Limits,
    PathClosed,
    PathVerdict,
    Resolution,
    Stream,
    Vantage,
    Vantages,
)

__all__ = [
    "AUDITOR",
    "Completed",
    "Dial",
    "Dialled",
    "HostAccess",
    "JumpAccess",
    "Limits",
    "PathClosed",
    "PathVerdict",
    "Resolution",
    "Stream",
    "Vantage",
    "Vantages",
]
