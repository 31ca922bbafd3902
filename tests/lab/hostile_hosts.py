"""Machines that mean harm: what they do to whoever logs in, or even before that."""

from __future__ import annotations

import asyncio
import re

import asyncssh

from tests.lab.ssh_peers import SshPeer
from tests.lab.tempers import POISON, Temper, endless

_TOOLS = (
    "uname", "hostname", "nproc", "df", "docker", "docker-compose", "podman", "systemctl", "timedatectl", "chronyc",
    "ntpq", "ip", "ss", "lscpu", "free", "lsblk", "findmnt", "systemd-detect-virt", "python3", "pip", "pip3", "perl",
    "curl", "openssl", "getent", "date", "id", "ssh-keygen", "stat", "cat",
)  # fmt: skip
_PIECE = 1 << 16


def poisoned(peer: SshPeer) -> None:
    """Have every tool of a machine print poison and succeed."""
    text = POISON.encode("utf-8", "surrogatepass") + b"\xff\xfe\x00\n"
    (peer.folder / "poison").write_bytes(text)
    for name in _TOOLS:
        peer.tool(name, f"#!/bin/sh\nexec /bin/cat {peer.folder / 'poison'}\n")


def hanging(peer: SshPeer, *tools: str) -> None:
    """Have some tools of a machine never end, whoever asks them to."""
    for name in tools:
        peer.tool(name, "#!/bin/sh\ntrap '' TERM INT HUP\nwhile :; do sleep 600; done\n")


async def _said(process: asyncssh.SSHServerProcess[bytes]) -> None:
    await process.stdout.drain()
    await process.stderr.drain()
    await asyncio.sleep(0)
    if process.channel.is_closing():
        raise OSError("the client has gone")


async def floods(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Print without end."""
    while True:
        process.stdout.write(b"x" * _PIECE)
        await _said(process)


async def rages(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Print terminal escapes and what is no UTF-8 as errors, without end."""
    while True:
        process.stderr.write(b"\xff\xfe\x1b[2J\x00" * (_PIECE // 7))
        await _said(process)


async def hangs(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Read everything and do nothing."""
    while await process.stdin.read(_PIECE):
        pass
    return 0


async def slams(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """End at once, as if all were well."""
    return 0


async def cuts(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Hear the first words and cut the connection."""
    await process.stdin.read(_PIECE)
    for connection in tuple(peer.connections):
        connection.abort()
    return 0


async def echoes(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Say all that is said, on both outputs: our own script, its tokens and frames included."""
    while data := await process.stdin.read(_PIECE):
        process.stdout.write(data)
        process.stderr.write(data)
        await _said(process)
    return 0


async def forges(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Find the marks in what is said, and print frames under them that hold nothing but poison, without end."""
    script = b""
    while b"readiness_status" not in script and (data := await process.stdin.read(_PIECE)):
        script += data
    tokens = sorted(set(re.findall(rb"\b[0-9a-f]{24}\b", script)))
    sections = sorted(set(re.findall(rb"^([a-z][a-z0-9-]*)\)$", script, re.MULTILINE)))
    poison = POISON.encode("utf-8", "surrogatepass")
    for token in tokens:
        process.stdout.write(b"\n" + token + b"\n")
        process.stderr.write(b"\n" + token + b"\n")
    while script and tokens:
        for token in tokens:
            for section in sections or [b"nothing"]:
                frame = b"\n%s begin %s 8 %d\n%s\n%s end %s\n"
                body = poison + b"\n" + token + b" exit 0"
                process.stdout.write(frame % (token, section, len(body), body, token, section))
            process.stdout.write(b"\n" + token + b"\tfound\t\xff\t" + poison + b"\n")
        await _said(process)
    return 1


BANNER = endless(b"SSH is not here yet\r\n" * 500, after=0)
"""An SSH server that never comes to its version."""

LINE = endless(b"S" * 8192, after=0)
"""One line without end."""

DRIP = endless(b".", after=0, pause=0.05)
"""A byte now and then."""

GARBAGE = endless(bytes(range(256)) * 64, first=b"SSH-2.0-OpenSSH_9.2p1\r\n", after=0)
"""A version, then what is no packet."""


def stalls(said: bytes = b"") -> Temper:
    """Says this and no more."""
    return endless(b"", first=said, after=0, pause=1)
