"""A stand-in that speaks Redis' protocol, for servers that cannot be installed and machines that have no Redis.

It answers the few commands that an audit says from plain values; what it is not told it does not know, and it says so
in the words of the real server. The protocol is RESP2, https://redis.io/docs/latest/develop/reference/protocol-spec/.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from readiness.lab.peers import Peer

_MAX_ARGUMENTS = 16
_MAX_ARGUMENT = 4096

Reply = str | int | Sequence["Reply"] | None


@dataclass
class Answers:
    """What the stand-in says; changes count from the next command on.

    ``info``: the sections of INFO, each a map of fields. ``users``: passwords by user name; without any, nobody has
    to log in, and the default user has none. ``config``: what CONFIG GET knows, ``None`` where the command is unknown,
    as with managed services. ``modules``: name and path of each, as HELLO lists them. ``errors``: an error line for a
    command, instead of its answer; ``first``: an error line for every command.
    """

    info: Mapping[str, Mapping[str, str | int]]
    users: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] | None = None
    modules: Sequence[tuple[str, str]] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    first: str = ""

    def fields(self) -> dict[str, str]:
        return {name: str(value) for section in self.info.values() for name, value in section.items()}


def redis_info(
    version: str = "6.2.14", *, maxmemory: int = 0, policy: str = "noeviction", **more: str | int
) -> dict[str, dict[str, str | int]]:
    """INFO of an ordinary Redis that is a master; ``more`` replaces or adds fields of its Server section."""
    return {
        "Server": {"redis_version": version, "redis_mode": "standalone", "os": "Linux", **more},
        "Clients": {"connected_clients": 1, "maxclients": 10000},
        "Memory": {
            "used_memory": 1048576,
            "total_system_memory": 16_000_000_000,
            "maxmemory": maxmemory,
            "maxmemory_policy": policy,
        },
        "Persistence": {
            "loading": 0,
            "rdb_last_save_time": 1_790_000_000,
            "rdb_last_bgsave_status": "ok",
            "aof_enabled": 0,
            "aof_last_write_status": "ok",
        },
        "Stats": {"evicted_keys": 0},
        "Replication": {"role": "master", "connected_slaves": 0},
        "Cluster": {"cluster_enabled": 0},
        "Keyspace": {},
    }


class RespServer(Peer):
    """Serves ``answers`` on a port of loopback; an async context that gives its endpoint."""

    def __init__(self, answers: Answers, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls=tls)
        self.answers = answers

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self.answers)
        while (words := await _command(reader)) is not None:
            writer.write(session.answer(words))
            await writer.drain()


class _Session:
    """One client: who it is, and what it is told."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._known = not answers.users

    def answer(self, words: list[str]) -> bytes:
        if not words:
            return b""
        name = words[0].upper()
        error = self._answers.first or self._answers.errors.get(name)
        if error:
            return _error(error)
        if name == "AUTH":
            return self._auth(words[1:])
        if name == "HELLO" and not self._known:
            return _error("NOAUTH HELLO must be called with the client already authenticated")
        if not self._known:
            return _error("NOAUTH Authentication required.")
        match name:
            case "PING":
                return b"+PONG\r\n"
            case "HELLO":
                return _encoded(self._hello())
            case "INFO":
                return _encoded(self._info())
            case "DBSIZE":
                return _encoded(0)
            case "CONFIG" if self._answers.config is not None and len(words) == 3:
                found = self._answers.config.get(words[2])
                return _encoded([words[2], found] if found is not None else [])
            case "CLUSTER":
                return _error("ERR This instance has cluster support disabled")
        shown = " ".join(f"`{word}`," for word in words[1:])
        return _error(f"ERR unknown command `{words[0]}`, with args beginning with: {shown}")

    def _auth(self, words: list[str]) -> bytes:
        if not 1 <= len(words) <= 2:
            return _error("ERR wrong number of arguments for 'auth' command")
        if not self._answers.users and len(words) == 1:
            return _error(
                "ERR AUTH <password> called without any password configured for the default user. "
                "Are you sure your configuration is correct?"
            )
        user, password = words if len(words) == 2 else ("default", words[0])
        if self._answers.users.get(user) != password:
            return _error("WRONGPASS invalid username-password pair or user is disabled.")
        self._known = True
        return b"+OK\r\n"

    def _hello(self) -> Reply:
        fields = self._answers.fields()
        modules: list[Reply] = [["name", name, "ver", 1, "path", path] for name, path in self._answers.modules]
        return [
            "server", "redis",
            "version", fields.get("redis_version", ""),
            "proto", 2,
            "id", 1,
            "mode", fields.get("redis_mode", "standalone"),
            "role", fields.get("role", "master"),
            "modules", modules,
        ]  # fmt: skip

    def _info(self) -> str:
        sections = (
            f"# {title}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in section.items())
            for title, section in self._answers.info.items()
        )
        return "\r\n".join(sections)


async def _command(reader: asyncio.StreamReader) -> list[str] | None:
    """The next command's words, an inline one included; ``None`` where the client is gone or talks nonsense."""
    try:
        head = (await reader.readuntil(b"\n")).strip()
        if not head.startswith(b"*"):
            return [word.decode("utf-8", "replace") for word in head.split()]
        words = []
        for _ in range(min(int(head[1:]), _MAX_ARGUMENTS)):
            size = int((await reader.readuntil(b"\n"))[1:])
            if not 0 <= size <= _MAX_ARGUMENT:
                return None
            words.append((await reader.readexactly(size + 2))[:-2].decode("utf-8", "replace"))
        return words
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        return None


def _error(line: str) -> bytes:
    return f"-{line}\r\n".encode()


def _encoded(reply: Reply) -> bytes:
    if reply is None:
        return b"$-1\r\n"
    if isinstance(reply, int):
        return f":{reply}\r\n".encode()
    if isinstance(reply, str):
        raw = reply.encode()
        return b"$%d\r\n%s\r\n" % (len(raw), raw)
    return b"*%d\r\n" % len(reply) + b"".join(_encoded(item) for item in reply)
