"""What a testbed could leave behind: namespaces, what runs in them, mounts, files, and the machine's own settings."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.testbed.bed import Testbed

_OURS = ("/etc", "/var/lib", "/home", "/var/run")
_PATIENCE = 5.0


@dataclass(frozen=True)
class Machine:
    """What belongs to this machine itself: names below its own folders, its accounts, mounts and packet filter."""

    names: frozenset[str]
    accounts: str
    filter: str

    @staticmethod
    def now() -> Machine:
        names = {str(path) for folder in _OURS for path in Path(folder).iterdir()}
        accounts = b"".join(Path(file).read_bytes() for file in ("/etc/passwd", "/etc/group"))
        rules = subprocess.run(["iptables-save"], check=False, capture_output=True, text=True).stdout
        return Machine(
            names=frozenset(names),
            accounts=hashlib.sha256(accounts).hexdigest(),
            filter="\n".join(line for line in rules.splitlines() if not line.startswith(("#", ":"))),
        )


@dataclass(frozen=True)
class Remains:
    """A testbed as it ran, to look for it when it is gone; ``spaces`` are the ids of its network namespaces."""

    folder: Path
    prefix: str
    spaces: frozenset[str]
    before: Machine

    @staticmethod
    def of(bed: Testbed, before: Machine) -> Remains:
        spaces = {
            f"net:[{Path('/run/netns', one.namespace).stat().st_ino}]" for one in bed.net.machines.values()
        }  # fmt: skip
        return Remains(folder=bed.folder, prefix=bed.net.prefix, spaces=frozenset(spaces), before=before)

    def found(self) -> list[str]:
        """All that is still there; a process that is ending gets a moment for it."""
        until = time.monotonic() + _PATIENCE
        while (left := [*self._left()]) and time.monotonic() < until:
            time.sleep(0.1)
        return left

    def _left(self) -> Iterator[str]:
        yield from (f"namespace {path.name}" for path in Path("/run/netns").glob(f"{self.prefix}*"))
        yield from (f"mount {line}" for line in _mounts() if str(self.folder) in line or self.prefix in line)
        if self.folder.exists():
            yield f"folder {self.folder}"
        for process in Path("/proc").glob("[0-9]*"):
            try:
                said = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                within = str((process / "ns/net").readlink()) in self.spaces
            except OSError:
                continue
            if within or str(self.folder) in said:
                yield f"process {process.name}: {said[:200]}"
        now = Machine.now()
        yield from (f"new on this machine: {name}" for name in now.names - self.before.names)
        if now.accounts != self.before.accounts:
            yield "accounts of this machine changed"
        if now.filter != self.before.filter:
            yield "the packet filter of this machine changed"


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()
