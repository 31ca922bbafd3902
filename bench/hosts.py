"""Real sshd's on loopback that stand for the hosts of a site, each with a home, a key and a log of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
_START = 10.0

# Stands for an engine that nobody wants started by a benchmark; every peer meets the same one.
_DOCKER = """\
#!/bin/sh
[ "$1" = -H ] && shift 2
case "$*" in
--version) echo 'Docker version 20.10.24, build 297e128' ;;
'version --format {{json .}}')
  echo '{"Client":{"Version":"20.10.24","Os":"linux","Arch":"amd64"},\
"Server":{"Version":"20.10.24","ApiVersion":"1.41","Os":"linux","Arch":"amd64"}}' ;;
version*) echo '20.10.24' ;;
info*) echo / ;;
'compose version') echo 'Docker Compose version v2.17.2' ;;
*) exit 1 ;;
esac
"""


@dataclass(frozen=True, kw_only=True)
class BenchHost:
    """One running sshd; ``log`` is its own."""

    name: str
    port: int
    log: Path


@dataclass(frozen=True, kw_only=True)
class Hosts:
    """Some sshd's behind one key: ``config`` is an ssh_config for the peers that use ssh or read its file."""

    folder: Path
    user: str
    key: Path
    known_hosts: Path
    config: Path
    all: Sequence[BenchHost]

    def first(self, count: int) -> Sequence[BenchHost]:
        return self.all[:count]


@contextmanager
def hosts(folder: Path, count: int) -> Iterator[Hosts]:
    """Start so many sshd's, and stop them at the end."""
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if sshd is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None:
        raise SystemExit("The bench needs sshd, ssh and ssh-keygen (Debian: sudo apt-get install openssh-server).")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    programs = folder / "bin"
    programs.mkdir()
    (programs / "docker").write_text(_DOCKER)
    (programs / "docker").chmod(0o755)
    key = _key(folder / "client_key")
    running: list[subprocess.Popen[bytes]] = []
    started = []
    try:
        for number in range(1, count + 1):
            host, process = _start(sshd, folder, f"host-{number}", key, programs)
            started.append(host)
            running.append(process)
        for host, process in zip(started, running, strict=True):
            _await(host, process)
        user = getpass.getuser()
        known = folder / "known_hosts"
        config = folder / "ssh_config"
        known.write_text("".join(_known(folder, host) for host in started))
        config.write_text("".join(_stanza(host, user, key, known) for host in started))
        yield Hosts(folder=folder, user=user, key=key, known_hosts=known, config=config, all=tuple(started))
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait()


def _key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", str(path)], check=True)
    return path


def _start(sshd: str, folder: Path, name: str, key: Path, programs: Path) -> tuple[BenchHost, subprocess.Popen[bytes]]:
    home = folder / name
    home.mkdir()
    host_key, log, config = _key(home / "host_key"), home / "log", home / "sshd_config"
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
    # A home without start-up files: what a login shell reads there would be counted against every peer.
    config.write_text(
        f"Port {port}\nListenAddress {LOOPBACK}\nHostKey {host_key}\nPidFile none\n"
        f"AuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nLogLevel VERBOSE\nMaxStartups 100:30:200\n"
        f'SetEnv HOME="{home}" PATH="{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n'
        "Subsystem sftp internal-sftp\n"
    )
    log.touch()
    process = subprocess.Popen(
        [sshd, "-D", "-f", str(config), "-E", str(log)], stdin=subprocess.DEVNULL, start_new_session=True
    )
    return BenchHost(name=name, port=port, log=log), process


def _await(host: BenchHost, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START
    while "Server listening" not in host.log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"sshd did not start: {host.log.read_text(errors='replace')}")
        time.sleep(0.01)


def _known(folder: Path, host: BenchHost) -> str:
    kind, key = (folder / host.name / "host_key.pub").read_text().split()[:2]
    return f"[{LOOPBACK}]:{host.port} {kind} {key}\n"


def _stanza(host: BenchHost, user: str, key: Path, known: Path) -> str:
    return (
        f"Host {host.name}\n  HostName {LOOPBACK}\n  Port {host.port}\n  User {user}\n  IdentityFile {key}\n"
        f"  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {known}\n  StrictHostKeyChecking yes\n"
        "  BatchMode yes\n  LogLevel ERROR\n"
    )
