"""What the lab's machines say of themselves: recordings of real distributions, bent to be these very machines."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

import asyncssh

from readiness.lab.site import Conditions, Host
from readiness.lab.ssh_hosts import fresh_key

RECORDINGS = Path(__file__).with_name("recordings")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One machine's own facts; what no two machines share is made when it is."""

    host: Host
    boot_id: str
    machine_id: str
    host_key: asyncssh.SSHKey

    @classmethod
    def of(cls, host: Host) -> Self:
        return cls(
            host=host,
            boot_id=str(uuid.uuid4()),
            machine_id=uuid.uuid4().hex,
            host_key=fresh_key(f"root@{host.name}"),
        )

    def responses(self, conditions: Conditions, now: datetime) -> Mapping[str, str]:
        """Each section's recorded response, as this machine would give it now."""
        return {}
