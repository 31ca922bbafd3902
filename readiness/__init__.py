"""Proves or disproves that a planned site is ready for Genesys EX Engage Connector (EXEC).

What a check's author needs is exported here: a pack of checks imports ``readiness``, ``readiness.site`` and
``readiness.probes``, and nothing else of this package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from readiness.check import Check, Needs, Settled, Unbuilt
    from readiness.model import (
        Cause,
        Evidence,
        Judgement,
        Lane,
        Level,
        Obligation,
        Origin,
        Owner,
        ProbeError,
        Reason,
        Requirement,
        Status,
        Target,
        TargetKind,
        Unread,
    )
    from readiness.probe import Attempt, HostProbe, Probe

__version__ = "1.0.0.dev0"

__all__ = [
    "Attempt",
    "Cause",
    "Check",
    "Evidence",
    "HostProbe",
    "Judgement",
    "Lane",
    "Level",
    "Needs",
    "Obligation",
    "Origin",
    "Owner",
    "Probe",
    "ProbeError",
    "Reason",
    "Requirement",
    "Settled",
    "Status",
    "Target",
    "TargetKind",
    "Unbuilt",
    "Unread",
]

_HOMES = {
    "readiness.check": {"Check", "Needs", "Settled", "Unbuilt"},
    "readiness.probe": {"Attempt", "HostProbe", "Probe"},
}


def __getattr__(name: str) -> object:
    """Import a name from its module when it is first used, so that the command line starts without them."""
    if name not in __all__:
        raise AttributeError(f"module 'readiness' has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "readiness.model")
    return getattr(import_module(home), name)
