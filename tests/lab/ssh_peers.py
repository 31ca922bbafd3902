"""SSH servers in this process whose commands really run, or which do to their clients whatever a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import stat
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from asyncssh.forward import SSHForwarder

LOOPBACK = "127.0.0.1"
_PARTING = 3.0

_SUDO = """\
#!/bin/sh
case $1 in -n) echo 'sudo: a password is required' >&2; exit 1;; esac
prompt=$4; shift 4
printf %s "$prompt" >&2
IFS= read -r given
IFS= read -r right <SECRET
[ "$given" = "$right" ] && exec "$@"
echo 'Sorry, try again.' >&2
printf %s "$prompt" >&2
read -r given
echo 'sudo: 1 incorrect password attempt' >&2
exit 1
"""
"""What sudo does with ``-n``, and with ``-S -k -p PROMPT COMMAND...``."""

Obey = Callable[["SshPeer", asyncssh.SSHServerProcess[bytes]], Awaitable[int]]
"""Carries out one command of a client and gives back its exit status."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """Who may log in: by a password or by a key."""

    user: str
    password: str | None = field(default=None, repr=False)
    key: asyncssh.SSHKey | None = None


class SshPeer:
    """One server on loopback; an async context.

    ``commands`` and ``heard`` are what its clients asked it to run, and what they fed to that. ``tools`` is a folder
    in front of the PATH of what it runs, ``home`` the home.
    """

    def __init__(self, name: str, folder: Path, login: Login, *, obey: Obey | None = None) -> None:
        self.name = name
        self.login = login
        self.folder = folder / name
        self.home = self.folder / "home"
        self.tools = self.folder / "tools"
        self.commands: list[str] = []
        self.heard: list[bytearray] = []
        self.port = 0
        self._obey = obey or run
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._at_work: set[asyncio.Task[None]] = set()
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.home.mkdir(parents=True)
        self.tools.mkdir()

    def tool(self, name: str, text: str) -> None:
        """Put a program in front of the PATH."""
        path = self.tools / name
        path.write_text(text)
        path.chmod(stat.S_IRWXU)

    def sudo(self, password: str) -> None:
        """Have a sudo that wants this password."""
        kept = self.folder / "sudo-password"
        kept.write_text(password + "\n")
        self.tool("sudo", _SUDO.replace("SECRET", shlex.quote(str(kept))))

    async def __aenter__(self) -> SshPeer:
        self._acceptor = await asyncssh.listen(
            LOOPBACK,
            0,
            server_factory=lambda: _Door(self),
            server_host_keys=[self._key],
            process_factory=self._begin,
            encoding=None,
            login_timeout=10,
        )
        self.port = self._acceptor.get_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)
        for connection in tuple(self.connections):
            connection.abort()
        assert self._acceptor is not None
        self._acceptor.close()

    @property
    def known_hosts_line(self) -> str:
        public = self._key.export_public_key("openssh").decode().split()
        return f"[{LOOPBACK}]:{self.port} {public[0]} {public[1]}\n"

    def _begin(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        task = asyncio.get_running_loop().create_task(self._carry_out(process))
        self._at_work.add(task)
        task.add_done_callback(self._at_work.discard)

    async def _carry_out(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        status = 255
        self.commands.append(process.command or "")
        try:
            status = await self._obey(self, process)
        except (OSError, asyncssh.Error):
            pass  # the client went away
        finally:
            with contextlib.suppress(OSError, asyncssh.Error):
                process.exit(status)


class _Door(asyncssh.SSHServer):
    def __init__(self, peer: SshPeer) -> None:
        self._peer = peer
        self._conn: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._peer.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._conn is not None:
            self._peer.connections.discard(self._conn)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._peer.login.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        login = self._peer.login
        return username == login.user and secrets.compare_digest(password.encode(), (login.password or "").encode())

    def public_key_auth_supported(self) -> bool:
        return self._peer.login.key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        login = self._peer.login
        return username == login.user and login.key is not None and key.public_data == login.key.public_data

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        return self._forward(dest_host, dest_port)

    async def _forward(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        try:
            _, forwarder = await asyncio.get_running_loop().create_connection(SSHForwarder, host, port)
        except OSError as error:
            words = os.strerror(error.errno or 0)
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, words) from None
        return SSHForwarder(forwarder)  # type: ignore[return-value]


async def run(peer: SshPeer, process: asyncssh.SSHServerProcess[bytes]) -> int:
    """Run the command under this machine's own ``sh``, as sshd does."""
    heard = bytearray()
    peer.heard.append(heard)
    child = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        process.command or "",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=peer.home,
        env={"PATH": f"{peer.tools}:/usr/local/bin:/usr/bin:/bin", "HOME": str(peer.home), "USER": peer.login.user},
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    feeding = asyncio.create_task(_feed(process.stdin, child.stdin, heard))
    try:
        await asyncio.gather(_pass_on(child.stdout, process.stdout), _pass_on(child.stderr, process.stderr))
        return await child.wait()
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)  # closes its input, at which a script ends itself
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await child.wait()
        _end_session(child.pid)


def _end_session(leader: int) -> None:
    """End what is left of a session, whatever group it put itself into."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((process / "stat").read_text().rpartition(") ")[2].split()[3]) == leader:
                os.kill(int(process.name), signal.SIGKILL)


async def _feed(client: asyncssh.SSHReader[bytes], stdin: asyncio.StreamWriter, heard: bytearray) -> None:
    try:
        while data := await client.read(65536):
            heard += data
            stdin.write(data)
            await stdin.drain()
    except (OSError, asyncssh.Error):
        pass  # the client or the command has gone
    finally:
        stdin.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncssh.SSHWriter[bytes]) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
