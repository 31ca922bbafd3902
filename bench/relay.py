"""A relay that stands before a server and delays what passes, as a long way would."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

LOOPBACK = "127.0.0.1"


@dataclass
class Passage:
    """One connection through a relay: ``turns`` counts how often the client spoke and the server then answered."""

    opened: float
    closed: float = 0.0
    turns: int = 0
    up: int = 0
    down: int = 0
    _client_spoke: bool = field(default=False, repr=False)

    def went_up(self, size: int) -> None:
        self.up += size
        self._client_spoke = True

    def came_down(self, size: int) -> None:
        self.down += size
        if self._client_spoke:
            self._client_spoke = False
            self.turns += 1


@dataclass
class Relay:
    """A listening relay: its ``port``, and every connection that passed it."""

    port: int
    passages: list[Passage] = field(default_factory=list)


@contextlib.asynccontextmanager
async def delayed(host: str, port: int, round_trip: float) -> AsyncIterator[Relay]:
    """Relay to ``host`` and ``port``; every byte travels half a ``round_trip`` (seconds), a connect a whole one.

    The kernel answers the client's connect at once, so the first bytes wait for the round trip that it would take.
    """
    relay = Relay(0)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await _pass(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            running.discard(task)

    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        passage = Passage(now())
        relay.passages.append(passage)
        connected = now() + round_trip
        await asyncio.sleep(1.5 * round_trip)
        far_reader, far_writer = await asyncio.open_connection(host, port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, far_writer, round_trip / 2, connected, passage, up=True))
                group.create_task(_carry(far_reader, writer, round_trip / 2, connected, passage, up=False))
        finally:
            passage.closed = now()
            far_writer.close()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _carry(
    source: asyncio.StreamReader,
    sink: asyncio.StreamWriter,
    delay: float,
    connected: float,
    passage: Passage,
    *,
    up: bool,
) -> None:
    """Hand on what one side says, each piece when its time has come, and its end after that."""
    now = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def take() -> None:
        while True:
            try:
                data = await source.read(65536)
            except OSError:
                data = b""
            due = max(now(), connected if up else 0.0) + delay
            if data and up:
                passage.went_up(len(data))
            under_way.put_nowait((due, data))
            if not data:
                return

    async def give() -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(due - now())
            try:
                if not data:
                    sink.write_eof()
                    return
                if not up:
                    passage.came_down(len(data))
                sink.write(data)
                await sink.drain()
            except OSError:
                return

    async with asyncio.TaskGroup() as group:
        group.create_task(take())
        group.create_task(give())
