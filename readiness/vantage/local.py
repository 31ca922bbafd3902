"""The auditor's own machine as a vantage: scripts in a shell of its own, paths straight from here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from typing import cast

from readiness.model import Cause, ProbeError
from readiness.vantage.base import PathClosed, PathVerdict, Stream
from readiness.vantage.host import Host
from readiness.vantage.link import Exchange, Exit, Link, Running, Slots
from readiness.vantage.tunnel import Tunnelled
from readiness.vantage.words import VERDICTS

_SLOTS = 8
_PARTING = 1.0
_LAST_WORDS = 0.5
"""Seconds that a command has to end by itself once its life line is cut."""


class LocalVantage(Host):
    """The auditor's own machine, or a host of the site that the auditor runs on."""

    _link: LocalLink | None = None

    async def _control(self) -> Link:
        if self._link is None:
            self._link = LocalLink(withheld=[ref.env for ref in self._secrets if ref.env is not None])
        return self._link

    async def _probing(self) -> Link:
        return await self._control()

    async def close(self) -> None:
        await super().close()
        if self._link is not None:
            await self._link.close()


class LocalLink(Link):
    """Runs commands as processes of this machine, each in a session of its own, so that it can be ended whole.

    ``withheld`` are variables of our own environment that no command gets to see: those that hold secrets.
    """

    how = "direct"

    def __init__(self, *, withheld: Iterable[str] = ()) -> None:
        self.slots = Slots(_SLOTS)
        self._withheld = frozenset(withheld)
        self._running: set[_Process] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self, command: str, exchange: Exchange) -> Running:
        loop = asyncio.get_running_loop()
        process = _Process(exchange, self)
        self._running.add(process)
        self._idle.clear()
        environment = {name: value for name, value in os.environ.items() if name not in self._withheld}
        try:
            await loop.subprocess_shell(lambda: process, command, start_new_session=True, env=environment)
        except OSError as problem:
            self.gone(process)
            raise ProbeError(
                Cause.OVERLOAD,
                f"no process could be started on this machine: {os.strerror(problem.errno or 0)}",
                enable="Look at the limits of this machine (`ulimit -a`) and run the audit again.",
            ) from None
        except asyncio.CancelledError:
            process.end()
            raise
        return process

    def gone(self, process: _Process) -> None:
        self._running.discard(process)
        if not self._running:
            self._idle.set()
        self.slots.give_back()

    async def open(self, address: str, port: int, *, limit: float) -> Stream:
        try:
            async with asyncio.timeout(limit) as clock:
                reader, writer = await asyncio.open_connection(address, port)
        except TimeoutError as problem:
            if not clock.expired():  # the kernel gave up first
                raise PathClosed(PathVerdict.TIMEOUT, str(problem) or "timed out") from None
            raise PathClosed(PathVerdict.TIMEOUT, f"no answer in {limit:g} s") from None
        except OSError as problem:
            text = os.strerror(problem.errno) if problem.errno is not None and problem.errno > 0 else str(problem)
            raise PathClosed(VERDICTS.get(problem.errno or 0, PathVerdict.OTHER), text) from None
        return Tunnelled(reader, writer, how=self.how)

    async def relay(self, address: str, port: int, *, limit: float) -> Stream:
        return await self.open(address, port, limit=limit)

    async def close(self) -> None:
        """End what still runs and wait until it is gone."""
        for process in tuple(self._running):
            process.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PARTING):
                await self._idle.wait()
        for process in tuple(self._running):
            process.kill()


class _Process(asyncio.SubprocessProtocol, Running):
    """One command; standard input is its life line, and its session is killed where that does not help."""

    def __init__(self, exchange: Exchange, link: LocalLink) -> None:
        self._exchange = exchange
        self._link = link
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)
        if self._ended:
            self.end()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._exchange.received(data, error=fd == 2)

    def process_exited(self) -> None:
        assert self._transport is not None
        status = self._transport.get_returncode()
        if status is not None and status < 0:
            self._exchange.exited(Exit(signal=signal.Signals(-status).name.removeprefix("SIG")))
        else:
            self._exchange.exited(Exit(status=status))
        asyncio.get_running_loop().call_later(_LAST_WORDS, self._exchange.closed)

    def connection_lost(self, exc: Exception | None) -> None:
        self._exchange.closed()
        self._link.gone(self)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            stdin = cast("asyncio.WriteTransport | None", self._transport.get_pipe_transport(0))
            if stdin is not None:
                stdin.write(data)

    def end(self) -> None:
        self._ended = True
        if self._transport is None:
            return
        for fd in (0, 1, 2):
            pipe = self._transport.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()
        asyncio.get_running_loop().call_later(_LAST_WORDS, self.kill)

    def kill(self) -> None:
        if self._transport is None or self._transport.get_returncode() is not None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
        self._transport.close()
