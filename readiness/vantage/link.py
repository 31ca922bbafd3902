"""One way to a machine: starting a command there, following what it says, opening a path through it."""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from readiness.model import Cause, ProbeError
from readiness.vantage.base import Stream

T = TypeVar("T")

MAX_OUT = 1 << 20
"""Bytes of a command's output that are kept; one more ends it."""

MAX_ERR = 64 << 10
"""Bytes of a command's errors that are kept; one more ends it."""

_MAX_LINE = 64 << 10
_MAX_NOISE = 1 << 20
_KEPT_NOISE = 4 << 10
_PATIENT = 5


def readable(raw: bytes | str, *, limit: int = 200) -> str:
    """What a machine said, fit for a report: one line, printable characters only, at most ``limit`` of them."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    words = "".join(character if character.isprintable() else " " for character in text).split()
    line = " ".join(words)
    return line if len(line) <= limit else line[: limit - 1] + "…"


@dataclass(frozen=True)
class Exit:
    """How a command ended: by itself, by a signal, or (neither) with the connection that carried it."""

    status: int | None = None
    signal: str = ""


class Exchange:
    """What one command says until it has ended, bounded in size.

    Its own words begin after a line that is the ``token`` alone, on each of the two outputs: what stands before is
    noise of the login. Whoever carries the command calls ``received``, ``exited`` and ``closed``.
    """

    def __init__(self, token: str, *, on_line: Callable[[bytes], None] | None = None) -> None:
        self._mark = token.encode()
        self._on_line = on_line
        self._begun = [False, False]
        self._noise = [bytearray(), bytearray()]
        self._said = [bytearray(), bytearray()]
        self._heard = [0, 0]
        self._line = bytearray()
        self._watched: dict[tuple[bytes, int, int], asyncio.Future[None]] = {}
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.exit = Exit()
        self.overflow = ""

    @property
    def begun(self) -> bool:
        """Whether the command itself has said something, the login shell aside."""
        return self._begun[0]

    @property
    def out(self) -> bytes:
        return bytes(self._said[0])

    @property
    def err(self) -> bytes:
        return bytes(self._said[1])

    @property
    def noise(self) -> bytes:
        """The first of what came before the command's own words, errors first."""
        return bytes(self._noise[1][:_KEPT_NOISE] + b"\n" + self._noise[0][:_KEPT_NOISE])

    def received(self, data: bytes, *, error: bool = False) -> None:
        """Take in what came on standard output, or on standard error."""
        which = int(error)
        if self._finished.done():
            return
        self._heard[which] += len(data)
        if self._begun[which]:
            self._keep(which, data)
        else:
            self._listen(which, data)
        if self._heard[which] > _MAX_NOISE + MAX_OUT:
            self._overflowed("more than it should have")

    def _listen(self, which: int, data: bytes) -> None:
        noise = self._noise[which]
        noise += data
        for (mark, where, times), seen in self._watched.items():
            if where == which and noise.count(mark) >= times and not seen.done():
                seen.set_result(None)
        line = self._mark + b"\n"
        at = 0 if noise.startswith(line) else noise.find(b"\n" + line) + 1
        if at or noise.startswith(line):
            own = bytes(noise[at + len(line) :])
            del noise[at:]
            self._begun[which] = True
            self._keep(which, own)
        elif len(noise) > _MAX_NOISE:
            self._overflowed("without end before the script began")

    def _keep(self, which: int, data: bytes) -> None:
        said, most = self._said[which], (MAX_OUT, MAX_ERR)[which]
        if len(said) + len(data) > most:
            data = data[: most - len(said)]
            self._overflowed(f"more than {most >> 10} KiB {('of output', 'of errors')[which]}")
        said += data
        if which == 0 and self._on_line is not None:
            self._line += data
            *lines, rest = self._line.split(b"\n")
            self._line = bytearray(rest)
            for line in lines:
                self._on_line(bytes(line))
            if len(self._line) > _MAX_LINE:
                self._on_line(bytes(self._line))
                self._line.clear()

    def _overflowed(self, what: str) -> None:
        self.overflow = self.overflow or what
        self._finish()

    def exited(self, exit: Exit) -> None:
        """Note how it ended; more output may still come."""
        self.exit = exit

    def closed(self) -> None:
        """Nothing more will come."""
        if self._line and self._on_line is not None and not self._finished.done():
            self._on_line(bytes(self._line))
            self._line.clear()
        self._finish()

    def _finish(self) -> None:
        if not self._finished.done():
            self._finished.set_result(None)

    async def finished(self) -> None:
        """Wait until nothing more comes, or too much came."""
        await asyncio.shield(self._finished)

    async def first_of(self, *marks: tuple[bytes, bool, int]) -> int | None:
        """Wait for one of some words before the command's own begin.

        Args:
            marks: each a word, whether it comes as an error, and how many times it must have come.

        Returns:
            Which of them came, the first of those given; ``None`` where the command ended without.
        """
        loop = asyncio.get_running_loop()
        watched = {(mark, int(error), times): loop.create_future() for mark, error, times in marks}
        for (mark, where, times), seen in watched.items():
            if self._noise[where].count(mark) >= times:
                seen.set_result(None)
        self._watched = watched
        try:
            await asyncio.wait({*watched.values(), self._finished}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watched = {}
        return next((index for index, seen in enumerate(watched.values()) if seen.done()), None)


class Running(ABC):
    """A command that was started."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send to its standard input; never waits."""

    @abstractmethod
    def end(self) -> None:
        """Let go of it: its standard input closes, and what it still says is not read; never raises."""


class SessionRefused(Exception):
    """The machine takes no further command on this connection; ``others``: beside those that run now."""

    def __init__(self, *, others: bool) -> None:
        super().__init__("no further session")
        self.others = others


class Forbidden(Exception):
    """The machine's SSH server does not forward to there."""


class Slots:
    """How many commands may run at the same time over one connection; learns when a server allows fewer.

    ``used``: whether a session was ever opened.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self.used = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Wait for a free slot, first come first served."""
        if self._busy < self._most and not self._waiting:
            self._busy += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            else:
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        self._busy -= 1
        while self._waiting and self._busy < self._most:
            turn = self._waiting.popleft()
            if not turn.done():
                self._busy += 1
                turn.set_result(None)

    def refused(self) -> SessionRefused:
        """Learn from a refusal how many the server allows; gives the slot back."""
        others = self._busy - 1
        self._most = max(1, min(self._most, others))
        self.give_back()
        return SessionRefused(others=others > 0)


async def in_turn(slots: Slots, work: Callable[[], Awaitable[T]], *, name: str) -> T:
    """Do what needs a session once there is a slot, again where the machine was not ready for one more.

    A refusal beside other sessions waits for one of them to end. One without others is tried again after a moment,
    once; a few times where sessions ran before, since a busy server frees the place of one that has ended late.

    Raises:
        ProbeError: it stays refused while nothing else runs.
    """
    alone = 0
    while alone < (_PATIENT if slots.used else 2):
        await slots.take()
        try:
            return await work()
        except SessionRefused as refusal:
            if not refusal.others:
                await asyncio.sleep(random.uniform(0.1, 0.2) * 2**alone)  # noqa: S311 (jitter)
                alone += 1
    raise ProbeError(
        Cause.OVERLOAD,
        f"{name} opens no further session on its SSH connection",
        enable="Raise `MaxSessions` in the sshd_config of the machine (its default is 10).",
    )


class Link(ABC):
    """One way to a machine.

    ``slots`` are its sessions. Whoever takes a slot hands it to ``start``, which gives it back once the session is
    gone for good. ``how`` names what carries a path that ``open`` opened.
    """

    slots: Slots
    how: str

    @abstractmethod
    async def start(self, command: str, exchange: Exchange) -> Running:
        """Start a command in a slot that the caller took.

        Raises:
            SessionRefused: not now; the slot is given back.
            ProbeError: the connection is lost, or no command may run; the slot is given back.
        """

    @abstractmethod
    async def open(self, address: str, port: int, *, limit: float) -> Stream:
        """Open a path through the machine to a numeric address.

        Raises:
            PathClosed: the network or the peer said no, or nothing within ``limit`` seconds while the machine answered.
            Forbidden: the machine's SSH server does not forward there.
            ProbeError: the connection is lost.
        """

    @abstractmethod
    async def relay(self, address: str, port: int, *, limit: float) -> Stream:
        """Open a path by a program that the machine runs, its standard input and output being the stream.

        Raises:
            PathClosed: the network or the peer said no, or nothing within ``limit`` seconds.
            ProbeError: with ``Cause.TOOL_MISSING`` where nothing there can relay.
        """


def lost(host: str) -> ProbeError:
    """The connection broke while it was needed."""
    return ProbeError(
        Cause.UNREACHABLE,
        f"the SSH connection to {host} was lost",
        enable=f"Find out what cut the connection to {host} (a restart, a firewall's idle limit), then run the audit "
        "again.",
    )
