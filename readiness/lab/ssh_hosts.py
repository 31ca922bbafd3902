"""The lab's machines seen from outside: SSH servers in this process, one for each VM and the bootstrap host."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

import asyncssh
from asyncssh.forward import SSHForwarder

from readiness.lab.network import LOOPBACK, Fate, Network, Route
from readiness.site import Endpoint

KERNEL_PATIENCE = 133.0
"""Seconds that a Linux kernel retries a SYN before it gives up."""

Execute = Callable[[asyncssh.SSHServerProcess[bytes]], Awaitable[int]]
"""Carries out one command of a client and gives back its exit status."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who may log in: one user with one key."""

    user: str
    key: asyncssh.SSHKey


class SshHost:
    """One machine's sshd, on an address of its own where the system has one, on a port of the system's choice.

    ``forwarding`` is sshd's ``AllowTcpForwarding``. Closing it ends every connection.
    """

    def __init__(
        self,
        name: str,
        *,
        address: str,
        account: Account,
        network: Network,
        execute: Execute,
        key: asyncssh.SSHKey,
        forwarding: bool = True,
    ) -> None:
        self.name = name
        self.account = account
        self.network = network
        self.forwarding = forwarding
        self._address = address
        self._execute = execute
        self._key = key
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._doors: set[_Door] = set()
        self._commands: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> SshHost:
        self._acceptor = await asyncssh.listen(
            self._address,
            0,
            server_factory=lambda: _Door(self, self._doors),
            server_host_keys=[self._key],
            process_factory=self._begin,
            encoding=None,
            allow_scp=False,
            agent_forwarding=False,
            login_timeout=10,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for command in self._commands:
            command.cancel()
        await asyncio.gather(*self._commands, return_exceptions=True)
        for door in tuple(self._doors):
            await door.shut()
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

    @property
    def endpoint(self) -> Endpoint:
        """Where the server listens; known once it is entered."""
        assert self._acceptor is not None
        return Endpoint(self._address, self._acceptor.get_port())

    @property
    def known_hosts_line(self) -> str:
        """The server's line for a known_hosts file."""
        public = self._key.export_public_key("openssh").decode().split()
        return f"[{self.endpoint.host}]:{self.endpoint.port} {public[0]} {public[1]}\n"

    def _begin(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = asyncio.get_running_loop().create_task(self._carry_out(process))
        self._commands.add(command)
        command.add_done_callback(self._commands.discard)

    async def _carry_out(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        status = 255
        try:
            status = await self._execute(process)
        except* (OSError, asyncssh.Error, asyncio.CancelledError):
            pass  # the client went away, or the lab did
        finally:
            with contextlib.suppress(OSError, asyncssh.Error):
                process.exit(status)


class _Door(asyncssh.SSHServer):
    def __init__(self, host: SshHost, doors: set[_Door]) -> None:
        self._host = host
        self._doors = doors
        self._conn: asyncssh.SSHServerConnection | None = None
        self._gone = asyncio.Event()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        self._doors.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._doors.discard(self)

    async def shut(self) -> None:
        if self._conn is not None:
            self._conn.abort()
            await self._conn.wait_closed()

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        account = self._host.account
        return username == account.user and key.public_data == account.key.public_data

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        if not self._host.forwarding:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, "open failed")
        return self._forward(dest_host, dest_port)

    async def _forward(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        addresses = self._host.network.resolve(self._host.name, host)
        if not addresses:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Name or service not known")
        last = errno.ECONNREFUSED
        for address in addresses:
            route = self._host.network.route(self._host.name, Endpoint(address, port))
            if route.fate is Fate.DROPPED:
                await self._wait_in_vain()
                last = errno.ETIMEDOUT
            elif route.fate is Fate.REFUSED:
                last = errno.ECONNREFUSED
            else:
                try:
                    return await self._bridge(route)
                except ConnectionRefusedError:
                    last = errno.ECONNREFUSED
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, _WORDS[last])

    async def _bridge(self, route: Route) -> asyncssh.SSHTCPSession[bytes]:
        """Connect to a route's real socket; whoever listens there can learn which machine called."""
        loop = asyncio.get_running_loop()
        caller = socket.socket()
        caller.setblocking(False)
        try:
            if route.listener:
                caller.bind((LOOPBACK, 0))
                self._host.network.announce(self._host.name, caller.getsockname()[1])
            await loop.sock_connect(caller, (route.real.host, route.real.port))
            _, peer = await loop.create_connection(SSHForwarder, sock=caller)
        except BaseException:
            caller.close()
            raise
        return cast(asyncssh.SSHTCPSession[bytes], SSHForwarder(peer))

    async def _wait_in_vain(self) -> None:
        """Take as long as a kernel takes for a SYN that nobody answers, or until the client has gone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KERNEL_PATIENCE):
                await self._gone.wait()


_WORDS = {errno.ECONNREFUSED: "Connection refused", errno.ETIMEDOUT: "Connection timed out"}
"""glibc's texts, which sshd passes on; macOS words the second one differently."""


def host_address(index: int) -> str:
    """A loopback address for one machine: 127.0.10.x where the system has those, else 127.0.0.1."""
    address = f"127.0.10.{index}"
    with socket.socket() as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return LOOPBACK
    return address


def fresh_key(comment: str) -> asyncssh.SSHKey:
    """A new key of the kind that OpenSSH makes by default."""
    return asyncssh.generate_private_key("ssh-ed25519", comment=comment)
