"""Turns at SSH servers: how many logins are in hand at a time, at one server and in all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

AT_ONE_SERVER = 3
"""Logins that one SSH server has in hand at a time: by default it drops some when ten or more wait."""

IN_ALL = 64
"""Logins in hand at a time: their key exchanges share one processor, and each is on a clock of its own."""


class Turns:
    """Hands out turns, first come first served; runs that go on at the same time share one of these.

    Whoever waits for a busy server keeps nobody from another one. Waiting is not on any clock.
    """

    def __init__(self, *, at_one_server: int = AT_ONE_SERVER, in_all: int = IN_ALL) -> None:
        self._at_one_server = at_one_server
        self._servers: dict[tuple[str, ...], asyncio.Semaphore] = {}
        self._in_all = asyncio.Semaphore(in_all)

    @asynccontextmanager
    async def at(self, server: tuple[str, ...]) -> AsyncIterator[None]:
        """A turn at a server: entered around one handshake with it."""
        of_it = self._servers.setdefault(server, asyncio.Semaphore(self._at_one_server))
        async with of_it, self._in_all:
            yield
