"""The host keys that this machine's users have confirmed: OpenSSH's known_hosts files, read, matched, added to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh

PORT = 22

_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_BY_TYPE = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


def label(host: str, port: int, *, alias: str | None = None) -> str:
    """How known_hosts files name a server: ``host``, ``[host]:port`` off port 22, or its ``HostKeyAlias``."""
    if alias:
        return alias
    return host.lower() if port == PORT else f"[{host.lower()}]:{port}"


def algorithms(*kinds: str) -> tuple[str, ...]:
    """What to ask a server for, so that it shows a key of these kinds where it has one, else any other."""
    first = (name for kind in kinds for name in _BY_TYPE.get(kind, (kind,)))
    return tuple(dict.fromkeys((*first, *_ALGORITHMS)))


def fingerprint(key: asyncssh.SSHKey) -> str:
    """``SHA256:...``, as ``ssh-keygen -l`` prints it."""
    return key.get_fingerprint()


@dataclass(frozen=True)
class Known:
    """What the files hold for one server.

    ``keys`` are confirmed under its own name, ``portless`` under its name without the port (which counts only while
    there is none under the full one, as in OpenSSH); ``files`` are those that ``keys`` stand in.
    """

    keys: tuple[asyncssh.SSHKey, ...] = ()
    portless: tuple[asyncssh.SSHKey, ...] = ()
    authorities: tuple[asyncssh.SSHKey, ...] = ()
    revoked: tuple[asyncssh.SSHKey, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def trusted(self) -> tuple[asyncssh.SSHKey, ...]:
        return self.keys or self.portless

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What to ask the server for: first what it is known by, then the rest, so that a change shows as one."""
        certified = tuple(f"{name}-cert-v01@openssh.com" for name in _ALGORITHMS) if self.authorities else ()
        return (*certified, *algorithms(*(key.get_algorithm() for key in self.trusted)))


@dataclass(frozen=True)
class KnownHosts:
    """Some known_hosts files, read; ``trouble`` says of a file why it could not be."""

    files: tuple[tuple[Path, asyncssh.SSHKnownHosts], ...]
    trouble: str = ""

    def of(self, host: str, port: int, *, alias: str | None = None) -> Known:
        """What they hold for a server."""
        name = label(host, port, alias=alias)
        keys: list[asyncssh.SSHKey] = []
        portless: list[asyncssh.SSHKey] = []
        authorities: list[asyncssh.SSHKey] = []
        revoked: list[asyncssh.SSHKey] = []
        holding: list[Path] = []
        for path, hosts in self.files:
            own = hosts.match(name, "", None)
            keys += own[0]
            authorities += own[1]
            revoked += own[2]
            if own[0]:
                holding.append(path)
            if name.startswith("["):
                bare = hosts.match(host.lower(), "", None)
                portless += bare[0]
                authorities += bare[1]
                revoked += bare[2]
        return Known(tuple(keys), tuple(portless), tuple(authorities), tuple(revoked), tuple(holding))


def read(paths: Sequence[Path]) -> KnownHosts:
    """Read some files, in this thread; lines that make no sense and files that are not there are passed over."""
    files: list[tuple[Path, asyncssh.SSHKnownHosts]] = []
    trouble = ""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as problem:
            trouble = f"{path} cannot be read: {problem.strerror}"
            continue
        hosts = asyncssh.SSHKnownHosts()
        for line in text.splitlines():
            try:
                hosts.load(line)
            except (ValueError, IndexError):
                continue
        files.append((path, hosts))
    return KnownHosts(tuple(files), trouble)


def line(name: str, key: asyncssh.SSHKey) -> str:
    """A known_hosts line for a server's ``label`` and key."""
    return f"{name} {' '.join(key.export_public_key('openssh').decode().split()[:2])}"


def append(path: Path, lines: Iterable[str]) -> int:
    """Add lines to a known_hosts file, those that stand there already left out; never removes one.

    The file is made with mode 0600, a missing folder with 0700.

    Returns:
        How many were added.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace") as file:
        before = file.read()
        present = set(before.splitlines())
        added = [entry for entry in dict.fromkeys(lines) if entry not in present]
        if added:
            start = "\n" if before and not before.endswith("\n") else ""
            file.write(start + "".join(f"{entry}\n" for entry in added))
    return len(added)
