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
from readiness.vantage.host_keys import HostKeys, KeyState, OfferedKey, append_known_hosts, host_keys
from readiness.vantage.local import LocalVantage
from readiness.vantage.opening import open_vantages
from readiness.vantage.ssh import SshVantage

__all__ = [
    "AUDITOR",
    "Completed",
    "Dial",
    "Dialled",
    "HostAccess",
    "HostKeys",
    "JumpAccess",
    "KeyState",
    "Limits",
    "LocalVantage",
    "OfferedKey",
    "PathClosed",
    "PathVerdict",
    "Resolution",
    "SshVantage",
    "Stream",
    "Vantage",
    "Vantages",
    "append_known_hosts",
    "host_keys",
    "open_vantages",
]
