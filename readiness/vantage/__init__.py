"""Where questions are asked from: the auditor's own machine, or a host of the site over SSH."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from readiness.vantage.base import (
    AUDITOR,
    Completed,
    Dial,
    Dialled,
    HostAccess,
    HostKey,
    JumpAccess,
    Limits,
    PathClosed,
    PathVerdict,
    Resolution,
    Stream,
    Vantage,
    Vantages,
)

if TYPE_CHECKING:
    from readiness.vantage.local import LocalVantage
    from readiness.vantage.opening import open_vantages
    from readiness.vantage.ssh import SshVantage
    from readiness.vantage.turns import Turns

__all__ = [
    "AUDITOR",
    "Completed",
    "Dial",
    "Dialled",
    "HostAccess",
    "HostKey",
    "JumpAccess",
    "Limits",
    "LocalVantage",
    "PathClosed",
    "PathVerdict",
    "Resolution",
    "SshVantage",
    "Stream",
    "Turns",
    "Vantage",
    "Vantages",
    "open_vantages",
]

_HOMES = {
    "LocalVantage": "local",
    "SshVantage": "ssh",
    "Turns": "turns",
    "open_vantages": "opening",
}


def __getattr__(name: str) -> object:
    """Import what speaks SSH when it is first used: a site file is loaded and planned without it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'readiness.vantage' has no attribute {name!r}")
    return getattr(import_module(f"readiness.vantage.{_HOMES[name]}"), name)
