"""Real sshd's on loopback, as whoever runs the tests: one folder, one port and one configuration each."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from readiness.vantage import HostAccess
from tests.lab.sockets import swallowing

LOOPBACK = "127.0.0.1"
_START = 5.0


def find_sshd() -> str:
    """The path of sshd, which must be absolute; skips the test where there is none."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None or shutil.which("ssh-keygen") is None:
        pytest.skip("needs sshd and ssh-keygen (package openssh-server)")
    return found


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind((LOOPBACK, 0))
        port: int = trial.getsockname()[1]
        return port


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "readiness-test", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    return path


black_hole = swallowing


@dataclass(frozen=True)
class Served:
    """What one connection to an sshd had of it: sessions in all, and at a time."""

    sessions: int
    at_once: int


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """One running sshd. ``key`` logs in; ``known_hosts`` confirms it; ``home`` is the account's home there."""

    name: str
    port: int
    folder: Path
    key: Path
    known_hosts: Path
    log: Path
    user: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def label(self) -> str:
        return f"[{LOOPBACK}]:{self.port}"

    def access(self, **other: object) -> HostAccess:
        """How to reach it; ``other`` fields replace ours."""
        fields: dict[str, object] = {
            "name": self.name,
            "host": LOOPBACK,
            "port": self.port,
            "user": self.user,
            "identity_file": self.key,
            "known_hosts": self.known_hosts,
        }
        return HostAccess(**{**fields, **other})  # type: ignore[arg-type]

    def said(self, words: str) -> int:
        """How often its log says something."""
        return self.log.read_text(errors="replace").count(words)

    def served(self, *, since: int = 0) -> tuple[Served, ...]:
        """The connections that its log tells of after so many bytes, in their order."""
        log = self.log.read_bytes()[since:].decode(errors="replace")
        running = {port: [0] for port in re.findall(r"^Connection from \S+ port (\d+)", log, re.MULTILINE)}
        for word, port in re.findall(r"^(Starting|Close) session: .* port (\d+) id \d+", log, re.MULTILINE):
            running[port].append(running[port][-1] + (1 if word == "Starting" else -1))
        return tuple(
            Served(sum(after > before for before, after in pairwise(counts)), max(counts))
            for counts in running.values()
        )


@dataclass(frozen=True, kw_only=True)
class Account:
    """An account with a password, and what sudo lets it do.

    ``sudoers`` is its line there without the name, ``defaults`` a setting for all.
    """

    name: str
    password: str
    sudoers: str = ""
    defaults: str = ""
    uid: int = 54321

    def around(self, command: list[str], folder: Path) -> list[str]:
        """The command in a mount namespace whose /etc has this account."""
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0:
            pytest.skip("needs root and mount namespaces, to have an account of its own")
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "-stdin"], input=self.password, text=True, capture_output=True, check=True
        ).stdout.strip()
        files = {
            "/etc/passwd": f"{self.name}:x:{self.uid}:{self.uid}::{folder / 'home'}:/bin/bash\n",
            "/etc/group": f"{self.name}:x:{self.uid}:\n",
            "/etc/shadow": f"{self.name}:{hashed}:19000:0:99999:7:::\n",
            "/etc/sudoers": (f"Defaults {self.defaults}\n" if self.defaults else "")
            + (f"{self.name} {self.sudoers}\n" if self.sudoers else ""),
        }
        binds = []
        for path, line in files.items():
            if not Path(path).exists():
                continue
            mine = folder / f"etc-{Path(path).name}"
            mine.write_text(line if path == "/etc/sudoers" else Path(path).read_text() + line)
            mine.chmod(Path(path).stat().st_mode & 0o777)
            binds.append(f"mount --bind {mine} {path}")
        os.chown(folder / "home", self.uid, self.uid)
        return ["unshare", "-m", "sh", "-ec", f'{"; ".join(binds)}; exec "$@"', "sh", *command]


class SshdLab:
    """Starts sshd's that share one client key and one known_hosts file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sshd = find_sshd()
        self.key = make_key(folder / "client_key")
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.touch(mode=0o600)
        self._running: list[subprocess.Popen[bytes]] = []
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)

    def start(
        self,
        name: str,
        *lines: str,
        home: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        known: bool = True,
        account: Account | None = None,
    ) -> Sshd:
        """Start one more.

        Args:
            lines: of sshd_config, before ours (the first one counts).
            home: files in the account's home there.
            environment: variables of its sessions.
            known: whether its host key goes into the known_hosts file.
            account: exists on this server alone, in a mount namespace of its own; needs root.
        """
        folder = self.folder / name
        (folder / "home").mkdir(parents=True)
        for file, text in (home or {}).items():
            (folder / "home" / file).write_text(text)
        host_key = make_key(folder / "host_key")
        port, log = free_port(), folder / "log"
        variables = " ".join(
            f'{key}="{value}"' for key, value in {"HOME": str(folder / "home"), **(environment or {})}.items()
        )
        config = folder / "sshd_config"
        config.write_text(
            "\n".join(
                [
                    *lines,
                    f"Port {port}",
                    f"ListenAddress {LOOPBACK}",
                    f"HostKey {host_key}",
                    "PidFile none",
                    f"AuthorizedKeysFile {self.key}.pub",
                    "StrictModes no",
                    "UsePAM no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "LogLevel VERBOSE",
                    "PermitUserEnvironment no",
                    f"SetEnv {variables}",
                    "",
                ]
            )
        )
        log.touch()
        command = [self.sshd, "-D", "-f", str(config), "-E", str(log)]
        if account is not None:
            command = account.around(command, folder)
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        self._running.append(process)
        public = (folder / "host_key.pub").read_text().split()
        if known:
            with self.known_hosts.open("a") as file:
                file.write(f"[{LOOPBACK}]:{port} {public[0]} {public[1]}\n")
        server = Sshd(
            name=name,
            port=port,
            folder=folder,
            key=self.key,
            known_hosts=self.known_hosts,
            log=log,
            user=account.name if account is not None else getpass.getuser(),
        )
        _await(process, log)
        return server

    def reload(self, server: Sshd) -> None:
        """Have one read its files again."""
        process = next(process for process in self._running if str(server.folder) in " ".join(map(str, process.args)))
        process.send_signal(signal.SIGHUP)
        _await(process, server.log, listening=server.said("Server listening") + 1)

    @contextmanager
    def frozen(self, server: Sshd) -> Iterator[None]:
        """Stop it and all its connections, as a machine without air does, and let them go on after that."""
        processes = self._descendants(server)
        for process in processes:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                os.kill(process, signal.SIGCONT)

    def cut(self, server: Sshd) -> None:
        """End all its connections at once."""
        for process in self._descendants(server)[1:]:
            with suppress(ProcessLookupError):  # it went with its parent
                os.kill(process, signal.SIGKILL)

    def _descendants(self, server: Sshd) -> list[int]:
        """Its process and all that come of it."""
        root = next(process for process in self._running if str(server.folder) in " ".join(map(str, process.args)))
        found = [root.pid]
        for stat in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
            try:
                parent = int(stat.read_text().rpartition(") ")[2].split()[1])
            except OSError:
                continue
            if parent in found:
                found.append(int(stat.parent.name))
        return found

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait()


def _await(process: subprocess.Popen[bytes], log: Path, *, listening: int = 1) -> None:
    until = time.monotonic() + _START
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        if log.read_text(errors="replace").count("Server listening") >= listening:
            return
        time.sleep(0.01)
    pytest.fail(f"sshd did not start: {log.read_text(errors='replace')}")


@contextmanager
def sshd_lab(folder: Path) -> Iterator[SshdLab]:
    """A lab that is stopped at the end."""
    lab = SshdLab(folder)
    try:
        yield lab
    finally:
        lab.stop()
