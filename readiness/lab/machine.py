"""The lab's machines seen from inside: what a command finds there when SSH carries it out.

Commands really run, under this machine's own ``sh``, with three differences. What a host script asks of the machine
itself is answered from the machine's recorded facts; names come from the lab's name service; and Python's sockets
live in the lab's network. Other tools that could reach a network are hidden, so that nothing leaves loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import stat
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import asyncssh

from readiness.lab.network import Network
from readiness.lab.segment import Segment

_HIDDEN = (
    "perl", "bash", "ncat", "nc", "socat", "wget", "busybox", "gawk", "telnet", "openssl", "ssh", "ssh-keyscan",
    "python", "python2",
)  # fmt: skip
"""Tools that the lab's machines do not have, for theirs would know the real network."""

_GETENT = """\
#!/bin/sh
case $1 in ahosts|ahostsv4|hosts) ;; *) exit 2;; esac
found=2
while read -r name address; do
  if [ "$name" = "$2" ]; then
    printf '%s STREAM %s\\n%s DGRAM\\n%s RAW\\n' "$address" "$name" "$address" "$address"
    found=0
  fi
done <"$READINESS_LAB_NAMES"
exit "$found"
"""

_FOLDER = Path(__file__).parent

_PYTHON = f"""\
#!/bin/sh
exec {shlex.quote(sys.executable)} -E -S -s {shlex.quote(str(_FOLDER / "machine_python.py"))} "$@"
"""

_CURL = f"""\
#!/bin/sh
exec python3 {shlex.quote(str(_FOLDER / "machine_curl.py"))} "$@"
"""

_DOCKER = """\
#!/bin/sh
case $* in
'info --format {{json .RegistryConfig}}')
  printf '%s' '{"AllowNondistributableArtifactsCIDRs":[],"AllowNondistributableArtifactsHostnames":[],'
  printf '%s' '"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{"docker.io":{"Name":"docker.io",'
  echo '"Mirrors":[],"Secure":true,"Official":true}},"Mirrors":[]}'
  ;;
*)
  echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2
  exit 1
  ;;
esac
"""

_HIDING = """\
#!/bin/sh
echo "sh: ${0##*/}: not found" >&2
exit 127
"""

_SECTIONS = b"section() {\n"
"""Where a host script begins to say what its sections ask."""

_OWN_FILES = (b"/sys/class/net", b"/proc/net/", b"/etc/docker")
"""Where scripts would read of the real machine and its network; this machine's folder has the like."""

_NEEDLES = (_SECTIONS, *_OWN_FILES)
_NEEDLE = re.compile(b"|".join(map(re.escape, _NEEDLES)))

Recorded = Callable[[], Mapping[str, str]]
"""Gives what a machine's sections print now: a recorded response for each section."""


class Unprepared(Exception):
    """This system cannot hold a lab; the text says why and what to do."""


class Machine:
    """One VM or the bootstrap host, in a folder of its own; call it to carry out an SSH client's command.

    ``store``: the certificates of the authorities that the machine trusts.
    """

    def __init__(
        self, name: str, folder: Path, *, network: Network, segment: Segment, store: Path, recorded: Recorded
    ) -> None:
        self.name = name
        self._folder = folder
        self._network = network
        self._segment = segment
        self._store = store
        self._recorded = recorded
        self._home = folder / "home"
        self._bin = folder / "bin"
        self._routes = folder / "routes.json"
        self._names = folder / "names"

    def install(self) -> None:
        """Lay out the machine's folder.

        Raises:
            Unprepared: programs cannot be started from there.
        """
        self._home.mkdir(mode=0o700, parents=True)
        self._bin.mkdir(mode=0o700)
        for path, text in self._segment.files.items():
            file = self._folder / path
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        tools = {
            "getent": _GETENT,
            "ip": self._segment.command,
            "python3": _PYTHON,
            "curl": _CURL,
            "docker": _DOCKER,
        } | dict.fromkeys(_HIDDEN, _HIDING)
        for name, text in tools.items():
            tool = self._bin / name
            tool.write_text(text, encoding="utf-8")
            tool.chmod(stat.S_IRWXU)
        if os.statvfs(self._bin).f_flag & getattr(os, "ST_NOEXEC", 0):
            raise Unprepared(f"{self._folder} lies on a file system that is mounted noexec: set TMPDIR to another one")
        self.heed()

    def heed(self) -> None:
        """Take over the network's names and rules as they are now."""
        table = self._network.table(self.name)
        _replace(self._routes, json.dumps(table.as_json()))
        _replace(
            self._names,
            "".join(f"{name} {address}\n" for name, addresses in table.names.items() for address in addresses),
        )

    async def __call__(self, process: asyncssh.SSHServerProcess[bytes]) -> int:
        command = process.command
        if command is None:
            process.stderr.write(b"This account is for the audit's commands only.\n")
            return 1
        return await self._run(command, process)

    def _answers(self) -> bytes:
        """A shell function that prints what was recorded here, in the place of the one that would ask."""
        cases = "\n".join(f"{section}) {_printing(response)};;" for section, response in self._recorded().items())
        missing = "*) echo 'sh: not found'; return 127;;"
        return f"section() {{\ncase $1 in\n{cases}\n{missing}\nesac\n}}\nunasked() {{\n".encode()

    async def _run(self, command: str, client: asyncssh.SSHServerProcess[bytes]) -> int:
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", command,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            cwd=self._home, env=self._environment(), start_new_session=True,
        )  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        feeding = asyncio.create_task(self._feed(client.stdin, child.stdin, raw=not command.endswith("sh -s")))
        try:
            await asyncio.gather(_pass_on(child.stdout, client.stdout), _pass_on(child.stderr, client.stderr))
            status = await child.wait()
        finally:
            feeding.cancel()
            _end(child)
            await asyncio.gather(feeding, child.wait(), return_exceptions=True)
        return status if status >= 0 else 128 - status

    async def _feed(self, client: asyncssh.SSHReader[bytes], stdin: asyncio.StreamWriter, *, raw: bool) -> None:
        """Hand on what the client sends as it comes; a script, which is not ``raw``, is brought into this machine."""
        held = b""
        with contextlib.suppress(OSError):
            while data := await client.read(65536):
                held += data
                keep = 0 if raw else max(_overlap(held, needle) for needle in _NEEDLES)
                whole, held = held[: len(held) - keep], held[len(held) - keep :]
                stdin.write(whole if raw else _NEEDLE.sub(self._here, whole))
                await stdin.drain()
            stdin.write(held)
            stdin.close()

    def _here(self, found: re.Match[bytes]) -> bytes:
        return self._answers() if found[0] == _SECTIONS else str(self._folder).encode() + found[0]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self._home),
            "USER": "exec",
            "LOGNAME": "exec",
            "SHELL": "/bin/sh",
            "LANG": "C.UTF-8",
            "READINESS_LAB_ROUTES": str(self._routes),
            "READINESS_LAB_NAMES": str(self._names),
            "READINESS_LAB_STORE": str(self._store),
        }


def _printing(response: str) -> str:
    """Shell text that prints a recorded response's output and ends with its status."""
    output, _, status = response.rpartition("\n[exit ")
    return f"printf '%s' {shlex.quote(output)}; return {int(status.strip().rstrip(']'))}"


def _overlap(text: bytes, sought: bytes) -> int:
    """How many bytes at the end of ``text`` may be the beginning of ``sought``."""
    return next((size for size in range(min(len(text), len(sought) - 1), 0, -1) if sought.startswith(text[-size:])), 0)


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
