"""A host of the site as a vantage, over SSH: one connection for its scripts, one for what may go wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Mapping
from typing import TypeVar

import asyncssh

from readiness.model import Cause, ProbeError
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import relay as relaying
from readiness.vantage import shell
from readiness.vantage.base import HostAccess, HostKey, PathClosed, PathVerdict, Stream
from readiness.vantage.host import Consent, Host
from readiness.vantage.known_hosts import fingerprint
from readiness.vantage.link import (
    Exchange,
    Exit,
    Forbidden,
    Link,
    Running,
    SessionRefused,
    Slots,
    in_turn,
    lost,
    readable,
)
from readiness.vantage.login import Account, Door, Lead, part
from readiness.vantage.together import error, seen
from readiness.vantage.tunnel import Channel, Forward, Near, Outcome, Relayed, Tunnelled, pair
from readiness.vantage.words import verdict

T = TypeVar("T")
ChannelT = TypeVar("ChannelT", bound=Channel)
SessionT = TypeVar("SessionT")

SESSIONS = 4
"""Commands that run at the same time over one connection; sshd's own default limit is 10."""

_WINDOW = 1 << 18
_CLOSED = "SSH connection closed"  # asyncssh's own words for a connection that is gone
_NOWHERE = ("127.0.0.1", 0)  # a connect that every kernel refuses at once
_RELAY_START = 5.0
_LAST_WORDS = 1.0


class SshVantage(Host):
    """A host over SSH, with at most two connections: the second is opened when something is dialled through it."""

    def __init__(
        self,
        access: HostAccess,
        *,
        door: Door,
        secrets: Mapping[SecretRef, Secret],
        redact: Redactor,
        consent: Consent,
    ) -> None:
        super().__init__(access.name, limits=door.limits, secrets=secrets, redact=redact, consent=consent)
        self._access = access
        self._account = Account(password=access.password, passphrase=access.passphrase)
        self._door = door
        self._exec = consent.exec
        self._links: dict[str, asyncio.Future[SshLink]] = {}
        self._lead: Lead | None = None

    async def host_key(self) -> HostKey | None:
        return (await self._link("control")).host_key

    async def _control(self) -> Link:
        return await self._link("control")

    async def _probing(self) -> Link:
        control = await self._link("control")
        probing = await self._link("probing")
        probing.witness = control
        return probing

    async def _link(self, purpose: str) -> SshLink:
        if self._lead is None:
            self._lead = Lead.new()
            self._begin("control", self._log_in(lead=self._lead))
        if "probing" not in self._links and (self._expects_streams or purpose == "probing"):
            # It shows no credential before the first is in: where one login is refused, a second counts against the
            # account.
            self._begin("probing", self._log_in(after=self._lead))
        try:
            return await asyncio.shield(self._links[purpose])
        except ProbeError as trouble:
            raise error(trouble.reason) from None

    def _begin(self, purpose: str, login: Coroutine[object, object, SshLink]) -> None:
        self._links[purpose] = asyncio.ensure_future(login)
        self._links[purpose].add_done_callback(seen)

    async def _log_in(self, *, lead: Lead | None = None, after: Lead | None = None) -> SshLink:
        well = False
        try:
            conn = await self._door.log_in(await self._door.route(self._access), self._account, lead=lead, after=after)
            well = True
        finally:
            if lead is not None:
                lead.end(well=well)
        lifetime = self.limits.ssh + self.limits.question  # no question waits longer
        return SshLink(conn, name=self.name, patience=self.limits.connect, lifetime=lifetime, talks=self._exec)

    async def close(self) -> None:
        await super().close()
        for link in self._links.values():
            link.cancel()
        links = await asyncio.gather(*self._links.values(), return_exceptions=True)
        await asyncio.gather(*(link.close() for link in links if isinstance(link, SshLink)))


class SshLink(Link):
    """One SSH connection to a host.

    ``talks``: commands may run on it. ``witness`` is another connection to the same host: only where both answer is a
    silent peer's silence its own.
    """

    how = "SSH forwarding"

    def __init__(
        self,
        conn: asyncssh.SSHClientConnection,
        *,
        name: str,
        patience: float,
        lifetime: float,
        talks: bool,
    ) -> None:
        self.slots = Slots(SESSIONS)
        self._conn = conn
        self._name = name
        self._patience = patience
        self._lifetime = lifetime
        self._talks = talks
        self.witness: SshLink | None = None
        self._spoken = False
        self._work: set[asyncio.Task[object]] = set()
        self._relays: set[asyncssh.SSHClientChannel[bytes]] = set()
        self._asking: asyncio.Task[bool] | None = None

    @property
    def host_key(self) -> HostKey | None:
        """The host key, which was verified when the connection was made."""
        key = self._conn.get_server_host_key()
        return HostKey(key.get_algorithm(), fingerprint(key)) if key is not None else None

    # Commands

    async def start(self, command: str, exchange: Exchange) -> Running:
        self._spoken = True
        session = _Session(exchange, _Once(self.slots.give_back))
        await self._begin(session, command, session.release)
        return session

    async def _begin(
        self, session: asyncssh.SSHClientSession[bytes], command: str, release: _Once
    ) -> asyncssh.SSHClientChannel[bytes]:
        """Open a session; who gives up waiting leaves nothing half open."""
        opening = self._conn.create_session(lambda: session, command, encoding=None, window=_WINDOW)
        task = self._watched(opening)
        try:
            channel, _ = await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(lambda done: _drop(done, release))
            raise
        except asyncssh.ChannelOpenError as problem:
            if problem.reason == _CLOSED or self._conn.is_closed():
                release()
                raise lost(self._name) from None
            if problem.code in (asyncssh.OPEN_CONNECT_FAILED, asyncssh.OPEN_RESOURCE_SHORTAGE):
                release.used = True
                raise self.slots.refused() from None
            release()
            raise ProbeError(
                Cause.PERMISSION,
                f"the SSH server of {self._name} runs no commands for this account: {readable(problem.reason)}",
                enable="Allow the account a shell, or name another user under `ssh.user`.",
            ) from None
        except (asyncssh.Error, OSError):
            release()
            raise lost(self._name) from None
        self.slots.used = True
        return channel

    def _watched(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        task.add_done_callback(seen)
        return task

    # Paths

    async def open(self, address: str, port: int, *, limit: float) -> Stream:
        self._wake()
        ours, near = await pair()
        task = self._watched(self._conn.create_connection(lambda: Forward(near), address, port))
        try:
            async with asyncio.timeout(limit):
                channel, _ = await asyncio.shield(task)
        except TimeoutError:
            self._give_up(ours, near, task)
            raise await self._silence(limit) from None
        except asyncio.CancelledError:
            self._give_up(ours, near, task)
            raise
        except asyncssh.ChannelOpenError as problem:
            self._give_up(ours, near, task)
            raise self._refusal(problem) from None
        except (asyncssh.Error, OSError):
            self._give_up(ours, near, task)
            raise lost(self._name) from None
        return await self._stream(ours, near, channel, how=self.how)

    async def relay(self, address: str, port: int, *, limit: float) -> Stream:
        return await in_turn(self.slots, lambda: self._relay(address, port, limit), name=self._name)

    async def _relay(self, address: str, port: int, limit: float) -> Stream:
        self._spoken = True
        token = shell.token()
        release = _Once(self.slots.give_back)
        try:
            ours, near = await pair()
        except OSError:
            release()
            raise
        session = Relayed(near, token, gone=release)
        channel = None
        try:
            async with asyncio.timeout(limit + _RELAY_START) as clock:
                command = relaying.command(address, port, token=token, patience=limit, lifetime=self._lifetime)
                channel = await self._begin(session, command, release)
                outcome = await asyncio.shield(session.outcome)
            opened = self._relayed(outcome, session)
        except BaseException as problem:
            ours.close()
            near.over()
            if channel is not None:
                _end(channel)
            if isinstance(problem, TimeoutError) and clock.expired():
                raise ProbeError(
                    Cause.TIMEOUT,
                    f"the relay on {self._name} said nothing of its connect to {address} port {port}",
                    enable="Run the audit again; if it happens again, look at the load of the machine.",
                ) from None
            raise
        self._relays.add(channel)
        return await self._stream(ours, near, channel, how=f"exec relay ({opened.tool})")

    def _relayed(self, outcome: Outcome | None, session: Relayed) -> relaying.Opened:
        match outcome:
            case relaying.Opened():
                return outcome
            case relaying.Closed():
                raise PathClosed(outcome.verdict, readable(outcome.text))
            case relaying.Toolless():
                raise ProbeError(
                    Cause.TOOL_MISSING,
                    f"{self._name} has nothing to relay with (Python, Perl, ncat, socat, bash)",
                    enable="Install python3 or perl on the machine.",
                )
            case None if self._conn.is_closed():
                raise lost(self._name)
            case None:
                closed = relaying.complaint(session.errors)
                if closed is not None:
                    raise PathClosed(closed.verdict, readable(closed.text))
                raise ProbeError(
                    Cause.UNSUPPORTED,
                    f"no relay could be started on {self._name}; it said: {readable(session.said) or 'nothing'}",
                    enable="Look at the account's login shell, its start-up files and a `ForceCommand` of sshd.",
                )

    async def _stream(self, ours: socket.socket, near: Near, channel: Channel, *, how: str) -> Stream:
        near.join(channel)
        reader, writer = await asyncio.open_connection(sock=ours)
        return Tunnelled(reader, writer, how=how, near=near)

    def _give_up(
        self, ours: socket.socket, near: Near, task: asyncio.Task[tuple[asyncssh.SSHTCPChannel[bytes], SessionT]]
    ) -> None:
        """Leave a connect that is under way to itself: cancelled, its channel would stay for good."""
        ours.close()
        near.over()
        task.add_done_callback(_drop)

    def _refusal(self, problem: asyncssh.ChannelOpenError) -> Exception:
        if problem.reason == _CLOSED or self._conn.is_closed():
            return lost(self._name)
        match problem.code:
            case asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED | asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE:
                return Forbidden(problem.reason)
            case asyncssh.OPEN_CONNECT_FAILED:
                return PathClosed(verdict(problem.reason) or PathVerdict.OTHER, readable(problem.reason))
            case _:
                return ProbeError(
                    Cause.OVERLOAD,
                    f"the SSH server of {self._name} opens no further path: {readable(problem.reason)}",
                    enable="Run the audit again when the machine has less to do.",
                )

    async def _silence(self, limit: float) -> Exception:
        """Silence is evidence only while the machine itself answers."""
        links = (self, self.witness) if self.witness is not None else (self,)
        if all(await asyncio.gather(*(link.answers() for link in links))):
            return PathClosed(PathVerdict.TIMEOUT, f"no answer in {limit:g} s")
        return ProbeError(
            Cause.TIMEOUT,
            f"{self._name} itself stopped answering, so the silence of a peer proves nothing",
            enable=f"Look at the load of {self._name} and the path to it, then run the audit again.",
        )

    async def answers(self) -> bool:
        """Whether the machine answers on this connection now; asked by a connect to nowhere, which is refused there."""
        if self._asking is None or self._asking.done():
            self._asking = self._watched(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> bool:
        if self._conn.is_closed():
            return False
        task = self._watched(self._conn.create_connection(asyncssh.SSHTCPSession[bytes], *_NOWHERE))
        task.add_done_callback(_drop)
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(task)
        except asyncssh.ChannelOpenError as problem:
            return problem.reason != _CLOSED
        except (TimeoutError, OSError, asyncssh.Error):
            return False
        return True

    def _wake(self) -> None:
        """Run one command before forwarding: until then sshd leaves Nagle's algorithm on, 40 ms an exchange."""
        if self._talks and not self._spoken:
            self._spoken = True
            self._watched(self._say_something())

    async def _say_something(self) -> None:
        exchange = Exchange(shell.token())
        await self.slots.take()
        try:
            running = await self.start("exec true", exchange)
        except (SessionRefused, ProbeError):
            return
        try:
            async with asyncio.timeout(self._patience):
                await exchange.finished()
        except TimeoutError:
            pass
        finally:
            running.end()

    async def close(self) -> None:
        for channel in self._relays:
            _end(channel)
        await part(self._conn)
        for task in tuple(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)


class _Once:
    """Calls something the first time only."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self.used = False

    def __call__(self) -> None:
        if not self.used:
            self.used = True
            self._call()


class _Session(asyncssh.SSHClientSession[bytes], Running):
    """One command over SSH; its slot is free again once the server has closed the session."""

    def __init__(self, exchange: Exchange, release: _Once) -> None:
        self._exchange = exchange
        self.release = release
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        self._exchange.received(data, error=datatype is not None)

    def eof_received(self) -> bool:
        return True

    def exit_status_received(self, status: int) -> None:
        self._over(Exit(status=status))

    def exit_signal_received(self, signal: str, core_dumped: bool, msg: str, lang: str) -> None:
        self._over(Exit(signal=signal))

    def _over(self, how: Exit) -> None:
        """A command has ended, but what it left behind may hold its output open."""
        self._exchange.exited(how)
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._exchange.closed)

    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange.closed()
        self.release()

    def write(self, data: bytes) -> None:
        if self._channel is not None and not self._channel.is_closing():
            with contextlib.suppress(OSError):
                self._channel.write(data)

    def end(self) -> None:
        if self._channel is not None:
            self._channel.abort()


def _end(channel: asyncssh.SSHClientChannel[bytes]) -> None:
    """End a relay: its process too, where the server passes signals on."""
    if not channel.is_closing():
        with contextlib.suppress(OSError):
            channel.kill()
    channel.abort()


def _drop(done: asyncio.Future[tuple[ChannelT, SessionT]], release: Callable[[], None] | None = None) -> None:
    """Close a channel that opened after nobody waited for it any more."""
    if done.cancelled() or done.exception() is not None:
        if release is not None:
            release()
    else:
        done.result()[0].abort()
