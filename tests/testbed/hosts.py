"""Hosts of the testbed: namespaces with an /etc, a /run, processes and facts of their own, and a real sshd each."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.segments import Namespace
from tests.lab.sshd import find_sshd, make_key

USER, UID = "exec", 54321
HOME = Path("/home/exec")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/bin:/bin"

# The host ends when its standard input does, which is when those who made it are gone.
_INIT = """\
set -e
hostname "$2"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" /etc
rm -f /etc/ssh/ssh_host_*
cp -a "$1/files/." /etc/
mount --bind "$1/run" /run
mount --bind "$1/sbin" /usr/local/sbin
mount -t tmpfs -o mode=755 tmpfs /home
mkdir "$3"
chown "$4:$4" "$3"
mount --bind "$1/boot_id" /proc/sys/kernel/random/boot_id
mount --bind "$1/meminfo" /proc/meminfo
mount --bind "$1/online" /sys/devices/system/cpu/online
mount --bind "$1/memory" /sys/devices/system/memory
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
mkdir /sys/fs/cgroup/devices
mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices 2>/dev/null || mount -t cgroup2 cgroup2 /sys/fs/cgroup
touch "$1/up"
exec 3<&0
cat <&3 >/dev/null &
wait "$!"
"""

_START = 10.0


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a host shows of itself: logical processors, blocks of 128 MiB of memory, bytes of its only disk."""

    processors: int = 2
    blocks: int = 64
    disk: int = 107_374_182_400


@dataclass
class Host:
    """One running host; its ``folder`` holds what was put in the place of the real machine's own."""

    name: str
    address: str
    namespace: str
    folder: Path
    pid: int
    process: subprocess.Popen[bytes]
    lines: tuple[str, ...] = ()
    extra: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def inside(self) -> list[str]:
        """The words before a command that carry it into this host."""
        return ["nsenter", "-t", str(self.pid), "-m", "-u", "-n", "-p", "-i", "--"]

    @property
    def host_key(self) -> str:
        """The public host key, as known_hosts wants it."""
        kind, key = (self.folder / "files/ssh/ssh_host_ed25519_key.pub").read_text().split()[:2]
        return f"{kind} {key}"

    def run(self, script: str, *, check: bool = True) -> str:
        """Carry out a shell script there, as root."""
        done = subprocess.run(
            [*self.inside, "sh", "-c", script], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.name}: {script!r} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start_sshd(self, *lines: str) -> None:
        """Start sshd with these lines of configuration before ours; it is up when this returns."""
        self.stop_sshd()
        self.lines = lines
        config = self.folder / "run/sshd_config"
        config.write_text(
            "\n".join(
                [
                    *lines,
                    "Port 22",
                    f"ListenAddress {self.address}",
                    "HostKey /etc/ssh/ssh_host_ed25519_key",
                    "PidFile /run/sshd.pid",
                    f"AllowUsers {USER}",
                    "AuthorizedKeysFile /run/authorized_keys",
                    "UsePAM no",
                    "UseDNS no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "MaxStartups 100",
                    f"SetEnv PATH={PATH}",
                    "",
                ]
            )
        )
        self.run(f"{find_sshd()} -f /run/sshd_config -E /run/sshd.log")

    def stop_sshd(self) -> None:
        """Stop the sshd that listens, and all that it began."""
        self.run(
            "[ -e /run/sshd.pid ] || exit 0; read -r listener </run/sshd.pid; kill $listener || :; rm -f /run/sshd.pid;"
            'for at in /proc/[0-9]*; do [ "$(cat $at/comm 2>/dev/null)" = sshd ] && kill -9 ${at#/proc/}; done; :'
        )

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file there, its folders too."""
        place = shlex.quote(path)
        subprocess.run(
            [*self.inside, "sh", "-c", f"mkdir -p \"$(dirname {place})\" && cat >{place} && chmod {mode:o} {place}"],
            input=text, text=True, check=True, capture_output=True,
        )  # fmt: skip

    def read(self, path: str) -> str | None:
        """A file's text there, ``None`` where there is no file."""
        place = shlex.quote(path)
        if self.run(f"[ -e {place} ] && echo yes || :") == "":
            return None
        return self.run(f"cat {place}")

    def tool(self, name: str, script: str) -> None:
        """Put a program in front of all others of that name."""
        path = self.folder / "sbin" / name
        path.write_text(script)
        path.chmod(0o755)

    def start_docker(self) -> None:
        """Start this host's own engine; it answers the account when this returns."""
        self.run(
            f"dockerd -s vfs --data-root {self.folder}/docker --exec-root /run/docker -p /run/docker.pid"
            f" -H unix:///run/docker.sock -G {UID} >/run/docker.log 2>&1 &"
        )
        self._until("docker -H unix:///run/docker.sock version >/dev/null 2>&1", "/run/docker.log")

    def stop_docker(self) -> None:
        """Stop the engine; its socket is gone with it."""
        self.run("kill $(cat /run/docker.pid)")
        self._until("[ ! -e /run/docker.pid ]", "/run/docker.log")
        self.run("rm -f /run/docker.sock")

    def stop_chronyd(self) -> None:
        """Stop the time service."""
        pid = self.run("cat /run/chronyd.pid; kill $(cat /run/chronyd.pid)").strip()
        self._until(f"! grep -q . /proc/{pid}/cmdline 2>/dev/null", "/run/chronyd.log")
        self.run("rm -f /run/chronyd.pid")

    def start_chronyd(self) -> None:
        """Start the time service; it has set itself by its server when this returns."""
        self.run("chronyd -x -f /etc/chrony/chrony.conf")
        self._until("chronyc -n tracking | grep -q 'Leap status *: Normal'", "/run/chronyd.log")

    def start_prometheus(self) -> None:
        """Start a Prometheus that scrapes nothing."""
        self.write("/run/prometheus.yml", "global: {scrape_interval: 60s}\n")
        self.run(
            f"prometheus --config.file=/run/prometheus.yml --storage.tsdb.path=/run/prometheus"
            f" --web.listen-address={self.address}:9090 >/run/prometheus.log 2>&1 & echo $! >/run/prometheus.pid"
        )
        self._until(f"curl -sf http://{self.address}:9090/-/ready >/dev/null", "/run/prometheus.log")

    def _until(self, met: str, log: str) -> None:
        if self.run(f"for i in $(seq 300); do {met} && exit; sleep 0.1; done; echo late") == "late\n":
            raise TimeoutError(f"{self.name}: {self.read(log)}")

    @contextmanager
    def hidden(self, *programs: str) -> Iterator[None]:
        """Take programs away from everybody on this host."""
        folders = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin")
        pattern = " ".join(f"{folder}/{name}" for folder in folders for name in programs)
        empty = self.folder / "run/no-program"
        empty.write_text("")
        covered = self.run(
            f"for at in {pattern}; do [ -e $at ] && real=$(readlink -f $at)"
            " && mount --bind /run/no-program $real && echo $real; done; :"
        ).split()
        try:
            yield
        finally:
            self.run(f"umount {' '.join(covered)}")

    def hardware(self, shown: Hardware) -> None:
        """Show other processors, memory and disks from now on."""
        (self.folder / "online").write_text(f"0-{shown.processors - 1}\n" if shown.processors > 1 else "0\n")
        total = shown.blocks * (128 << 20)
        (self.folder / "meminfo").write_text(
            f"MemTotal:       {int(total * 0.96) >> 10} kB\nMemFree:        {total >> 11} kB\n"
            f"MemAvailable:   {total >> 11} kB\n"
        )
        memory = self.folder / "memory"
        for old in memory.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        (memory / "block_size_bytes").write_text("8000000\n")
        for block in range(shown.blocks):
            (memory / f"memory{block}").mkdir()
            (memory / f"memory{block}/state").write_text("online\n")
        disk = (
            '{"blockdevices":[{"name":"sda","kname":"sda","type":"disk","size":'
            f'{shown.disk},"rm":false,"mountpoint":"/"}}]}}'
        )
        self.tool("lsblk", f"#!/bin/sh\necho '{disk}'\n")

    def stop(self) -> None:
        """End every process of the host."""
        for process in self.extra:
            process.kill()
            process.wait()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


def boot(machine: Namespace, address: str, folder: Path, *, etc: dict[str, str]) -> Host:
    """Start a host in a network namespace; ``etc`` are files below its /etc."""
    name = machine.name
    for below in ("etc", "work", "files/ssh", "run/sshd", "sbin", "memory"):
        (folder / below).mkdir(parents=True)
    make_key(folder / "files/ssh/ssh_host_ed25519_key")
    passwd, group = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    files = {
        "hostname": f"{name}\n",
        "hosts": f"127.0.0.1 localhost\n{address} {name}\n",
        "machine-id": f"{os.urandom(16).hex()}\n",
        "passwd": f"{passwd}{USER}:x:{UID}:{UID}::{HOME}:/bin/sh\n",
        "group": f"{group}{USER}:x:{UID}:\n",
        **etc,
    }
    for path, text in files.items():
        place = folder / "files" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    digits = os.urandom(16).hex()
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    (folder / "boot_id").write_text("-".join(parts) + "\n")
    for empty in ("online", "meminfo"):
        (folder / empty).touch()
    process = subprocess.Popen(
        [
            "ip", "netns", "exec", machine.namespace,
            "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
            "sh", "-c", _INIT, "init", str(folder), name, str(HOME), str(UID),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=(folder / "init.log").open("wb"),
    )  # fmt: skip
    until = time.monotonic() + _START
    while not (folder / "up").exists():
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{name} does not start: {(folder / 'init.log').read_text()}")
        time.sleep(0.01)
    (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    host = Host(
        name=name, address=address, namespace=machine.namespace, folder=folder, pid=int(pid), process=process
    )  # fmt: skip
    host.hardware(Hardware())
    return host
