"""What an account leaves on a machine: its processes, sockets and files, whoever started them and wherever they are."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_OPEN_TO_ALL = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock", "/dev/mqueue")
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6")
_LISTENS = "0A"
_TELLING = (
    ("iptables-save",),
    ("ip6tables-save",),
    ("nft", "list", "ruleset"),
    ("docker", "ps", "--all", "--quiet", "--no-trunc"),
    ("docker", "network", "ls", "--quiet", "--no-trunc"),
)


@dataclass(frozen=True, kw_only=True)
class Traces:
    """All that some accounts have at one moment.

    ``sockets`` are (account, local address, state); ``files`` their path, kind, size, time and content; ``settings``
    what the machine as a whole has: its users, its firewall, its containers.
    """

    processes: frozenset[str]
    sockets: frozenset[tuple[int, str, str]]
    files: frozenset[tuple[str, int, int, int, str]]
    settings: frozenset[tuple[str, str]] = frozenset()

    @property
    def alive(self) -> bool:
        return bool(self.processes or self.sockets)

    @property
    def listening(self) -> frozenset[str]:
        return frozenset(local for _, local, state in self.sockets if state == _LISTENS)


def traces(accounts: Collection[int], homes: Collection[Path], users: Collection[Path] = ()) -> Traces:
    """Those of these accounts, by their numbers; files are looked for in ``homes`` and wherever everybody may write.

    ``users``: the files that say which users there are.
    """
    return Traces(
        settings=frozenset(_settings(users)),
        processes=frozenset(_processes(accounts)),
        sockets=frozenset(_sockets(accounts)),
        files=frozenset(_files(accounts, homes)),
    )


def gone(
    accounts: Collection[int],
    homes: Collection[Path],
    users: Collection[Path] = (),
    *,
    within: float,
    but: str = "",
) -> tuple[Traces, float]:
    """Wait until nothing of theirs runs or listens; what there is then, and the seconds that it took.

    ``but`` programs whose name begins so, a shell of theirs that was never told anything, and sockets that do not
    listen.
    """
    began = time.monotonic()
    while time.monotonic() - began < within and (_alive(accounts, but)):
        time.sleep(0.02)
    took = time.monotonic() - began
    return traces(accounts, homes, users), took


def _alive(accounts: Collection[int], but: str) -> bool:
    parents = {path.parent.name: _parent(path.parent) for path in Path("/proc").glob("[0-9]*/status")} if but else {}
    for process in _processes(accounts):
        number, name, *command = process.split()
        untold = command == ["/bin/sh", "-s"] and number not in parents.values()
        if not but or not (name.startswith(but) or untold):
            return True
    return any(not but or state == _LISTENS for _, _, state in _sockets(accounts))


def _parent(process: Path) -> str:
    try:
        return (process / "stat").read_text().rpartition(") ")[2].split()[1]
    except OSError:
        return ""


def _settings(users: Collection[Path]) -> Iterator[tuple[str, str]]:
    for path in users:
        yield str(path), path.read_text()
    for command in _TELLING:
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        # Counters and times of day are no settings.
        said = re.sub(r"\[\d+:\d+\]|packets \d+ bytes \d+|^#.*$", "", done.stdout, flags=re.MULTILINE)
        yield " ".join(command), said


def _processes(accounts: Collection[int]) -> Iterator[str]:
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            command = (status.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if not fields.get("State", "Z").startswith("Z") and {int(uid) for uid in fields["Uid"].split()} & {*accounts}:
            yield f"{status.parent.name} {fields['Name']} {command}"


def _sockets(accounts: Collection[int]) -> Iterator[tuple[int, str, str]]:
    for table in _TABLES:
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            local, state, account, inode = fields[1], fields[3], int(fields[7]), fields[9]
            # A socket without an inode is no process's any more: the kernel waits for the other side to end (FIN_WAIT).
            if account in accounts and state != "06" and inode != "0":
                yield account, local, state


def _files(accounts: Collection[int], homes: Collection[Path]) -> Iterator[tuple[str, int, int, int, str]]:
    for home in homes:
        yield from (_described(path) for path in _below(home))
    for place in _OPEN_TO_ALL:
        for path in _below(Path(place), closed=frozenset(accounts)):
            try:
                if path.lstat().st_uid in accounts:
                    yield _described(path)
            except OSError:
                continue


def _below(folder: Path, *, closed: frozenset[int] | None = None) -> Iterator[Path]:
    """All below a folder; with ``closed``, not in folders where these accounts cannot make anything."""
    for parent, folders, files in os.walk(folder):
        if closed is not None:
            try:
                seen = Path(parent).stat()
            except OSError:
                continue
            if not seen.st_mode & stat.S_IWOTH and seen.st_uid not in closed:
                folders.clear()
                continue
        yield from (Path(parent, name) for name in (*folders, *files))


def _described(path: Path) -> tuple[str, int, int, int, str]:
    seen = path.lstat()
    text = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
    return str(path), seen.st_mode, seen.st_size, seen.st_mtime_ns, text
