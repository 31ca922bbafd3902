"""What the lab's machines say of themselves: recordings of real distributions, bent to be these very machines."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import asyncssh

from readiness.lab.site import Ailment, Conditions, Host
from readiness.lab.ssh_hosts import fresh_key

STALE = timedelta(days=3)
"""How long a clock with the ailment of that name has not been set."""

_FOLDER = Path(__file__).parent

# What the site's 100 GB disks become: the sizes of disk and partition in bytes, then df's blocks of 1 KiB.
_SMALL_DISK = {
    "107374182400": "42949672960",
    "105226698752": "40802189312",
    "104848384": "39833600",
    "94461952": "30396416",
    "10% /": "24% /",
}


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
        folder = _FOLDER / "recordings" / self.host.distribution
        found = {file.stem: file.read_text(encoding="utf-8") for file in folder.glob("*.txt")}
        ailments = {ailment for name, ailment in conditions.ailments if name == self.host.name}
        if Ailment.OLD_DOCKER in ailments:
            found["docker"] = (_FOLDER / "ailments" / "old-docker.txt").read_text(encoding="utf-8")
        if Ailment.SMALL_DISK in ailments:
            for section in ("disks", "docker"):
                found[section] = _replaced(found[section], _SMALL_DISK)
        found["identity"] = self._identified(found["identity"])
        idle = STALE if Ailment.STALE_CLOCK in ailments else timedelta()
        found["time-sync"] = _moved(found["time-sync"], now, idle=idle)
        return found

    def _identified(self, response: str) -> str:
        public = self.host_key.export_public_key("openssh").decode().strip()
        own = {
            "/proc/sys/kernel/random/boot_id": self.boot_id,
            "/etc/machine-id": self.machine_id,
            "/proc/sys/kernel/hostname": self.host.name,
            "/etc/ssh/ssh_host_ed25519_key.pub": public,
        }
        for part, text in own.items():
            response = _with_part(response, part, text)
        return response


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for old, new in words.items():
        text = text.replace(old, new)
    return text


def _with_part(response: str, part: str, text: str) -> str:
    """The same response with other words in one of its parts; a part that is not there stays so."""
    frame = re.compile(rf"(?<==== {re.escape(part)}\n)(?:(?!=== |--- ).*\n)*", re.MULTILINE)
    return frame.sub(lambda _: f"{text}\n", response, count=1)


_TRACKING = re.compile(r"(?<=^Ref time \(UTC\)  : )\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}$", re.MULTILINE)
_MESSAGE = re.compile(r"(?<=Timestamp=)\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC\b")


def _moved(response: str, now: datetime, *, idle: timedelta) -> str:
    """A time-sync recording as if it had been made now; ``idle`` more has passed since the clock was last set."""
    recorded = re.search(r"(?<=^=== date\n)\d+$", response, re.MULTILINE)
    assert recorded is not None
    shift = now - datetime.fromtimestamp(int(recorded[0]), UTC) - idle

    def tracking(found: re.Match[str]) -> str:
        when = datetime.strptime(found[0], "%a %b %d %H:%M:%S %Y") + shift
        return f"{when:%a %b} {when.day:2} {when:%H:%M:%S %Y}"

    def message(found: re.Match[str]) -> str:
        return f"{datetime.strptime(found[1], '%Y-%m-%d %H:%M:%S') + shift:%a %Y-%m-%d %H:%M:%S} UTC"

    touched = re.search(r"(?<=^=== synchronized\n)\d+$", response, re.MULTILINE)
    if touched is not None:
        moment = datetime.fromtimestamp(int(touched[0]), UTC) + shift
        response = _with_part(response, "synchronized", str(int(moment.timestamp())))
    response = _with_part(response, "date", str(int(now.timestamp())))
    return _MESSAGE.sub(message, _TRACKING.sub(tracking, response))
