"""How long an audit takes at the worst: never longer than ``readiness plan`` prints, whatever hangs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.lab import hostile_hosts
from tests.lab.command_line import Ended, audit
from tests.lab.ground import VMS, Ground, bounded, busy, ground, reason_of
from tests.lab.sockets import swallowing
from tests.lab.tempers import LOOPBACK

__all__ = ["ground"]

BY_DEFAULT = 45.0
"""Seconds that an audit may take where the site file names no limits."""


@contextlib.contextmanager
def dead_name_server(folder: Path) -> Iterator[tuple[str, ...]]:
    """A name server that hears and never answers; yields a command that runs another with it alone to ask."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.9.53", 53))
        (folder / "resolv.conf").write_text("nameserver 127.0.9.53\n")
        (folder / "nsswitch.conf").write_text("hosts: files dns\n")
        script = "".join(f"mount --bind {folder / name} /etc/{name} && " for name in ("resolv.conf", "nsswitch.conf"))
        yield ("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{script}exec "$@"', "sh")


async def hosts_of(ground: Ground, name: str) -> Ground:
    """The same ground in a folder of its own."""
    folder = ground.folder / name
    folder.mkdir()
    shutil.copy(ground.folder / "key", folder / "key")
    return replace(ground, folder=folder)


def told(ended: Ended, check: str) -> set[tuple[str, str | None]]:
    """What was found of a check: statuses, and reasons where there are any."""
    return {(each["status"], reason_of(each)) for each in ended.findings.values() if each["check"] == check}


async def one_dead_host(ground: Ground) -> Ended:
    """A VM whose SSH port swallows every SYN."""
    hosts = {name: await ground.host(name) for name in VMS if name != "excp-2"}
    dead = ground.entered.enter_context(swallowing())
    ports = {name: host.port for name, host in hosts.items()} | {"excp-2": dead}
    rest = f"redis: {{host: {LOOPBACK}, port: {dead}}}\n"
    ended = await audit(ground.site(ports, tuple(hosts.values()), "{}", rest))
    for name in VMS:
        kernel = ended.findings[f"vm.kernel[{name}]"]
        assert (kernel["status"], reason_of(kernel)) == (
            ("unknown", "unreachable") if name == "excp-2" else ("pass", None)
        )
    return ended


async def black_holes(ground: Ground, rows: int) -> Ended:
    """So many peers that swallow every SYN: as many failed rows of each of two VMs."""
    hosts = {name: await ground.host(name) for name in VMS}
    holes = [ground.entered.enter_context(swallowing()) for _ in range(rows)]
    rest = "sip_servers: [" + ", ".join(f"{{host: {LOOPBACK}, port: {port}}}" for port in holes) + "]\n"
    ports = {name: host.port for name, host in hosts.items()}
    ended = await audit(ground.site(ports, tuple(hosts.values()), "{}", rest))
    found = [each for each in ended.findings.values() if each["check"] == "connectivity.sip-server"]
    assert {(each["status"], each["lane"]) for each in found} == {("fail", "firewall")}
    assert len(found) == 2 * rows
    return ended


NAMED = (
    "redis: {host: redis.hostile.example, port: 6379}\n"
    "stat_servers: {primary: {host: stat.hostile.example, port: 2060}, "
    "backup: {host: stat2.hostile.example, port: 2060}}\n"
    "genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, "
    "organization_id: 11111111-1111-1111-1111-111111111111}\n"
    'registry: {url: "https://registry.hostile.example", images: ["exec/excs:1"]}\n'
    "config_db: {engine: postgresql, host: db.hostile.example, port: 5432, database: cfg, user: exec}\n"
    'logging: {url: "https://logs.hostile.example:9200"}\n'
)


async def hanging(ground: Ground, *tools: str) -> Ended:
    """Tools of every VM hang and ignore SIGTERM; a service of every kind has a name, and a row has none."""
    hosts = {name: await ground.host(name) for name in VMS}
    for host in hosts.values():
        hostile_hosts.hanging(host, *tools)
        host.tool("id", "#!/bin/sh\necho 1000\n")
    hole = ground.entered.enter_context(swallowing())
    rest = NAMED + f"sip_servers: [{{host: {LOOPBACK}, port: {hole}}}]\n"
    ports = {name: host.port for name, host in hosts.items()}
    ended = await audit(ground.site(ports, tuple(hosts.values()), "{}", rest))
    assert told(ended, "vm.kernel") == {("pass", None)}
    assert told(ended, "connectivity.sip-server") == {("fail", None)}
    if "getent" in tools:
        for check in ("network.name-resolution", "connectivity.redis", "connectivity.genesys-cloud"):
            assert told(ended, check) == {("unknown", "timeout")}
    if "sudo" in tools:
        assert told(ended, "vm.docker") == {("unknown", "timeout")}
    return ended


async def all_behind_dead_names(ground: Ground) -> Ended:
    """The auditor's own name server never answers, and every VM is named, but for one."""
    hosts = {name: await ground.host(name) for name in VMS}
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), "{}", "")
    text = path.read_text()
    for name in ("excs-1", "exas-1", "excp-1"):
        text = text.replace(f"role: {name[:4]}, host: {LOOPBACK}", f"role: {name[:4]}, host: {name}.hostile.example", 1)
    path.write_text(text)
    with dead_name_server(ground.folder) as inside:
        ended = await audit(path, inside=inside)
    assert {reason_of(ended.findings[f"vm.kernel[{name}]"]) for name in ("excs-1", "exas-1", "excp-1")} == {
        "unreachable"
    }
    assert ended.findings["vm.kernel[excp-2]"]["status"] == "pass"
    return ended


async def test_nothing_that_hangs_makes_an_audit_longer_than_planned(ground: Ground) -> None:
    """With the default limits: a dead host, twenty black holes, hanging resolvers, a hanging sudo, and all at once."""
    harms = {
        "one dead host": one_dead_host,
        "one black-holed row": lambda ground: black_holes(ground, 1),
        "twenty black-holed rows": lambda ground: black_holes(ground, 20),
        "a hanging resolver on each VM": lambda ground: hanging(ground, "getent"),
        "a hanging sudo on each VM": lambda ground: hanging(ground, "sudo"),
        "resolver, sudo, docker and df": lambda ground: hanging(ground, "getent", "sudo", "docker", "df"),
    }
    if os.geteuid() == 0 and shutil.which("unshare") is not None:
        harms["a hanging resolver of the auditor"] = all_behind_dead_names
    grounds = [await hosts_of(ground, f"{number}") for number in range(len(harms))]
    at_once = asyncio.Semaphore(2)

    async def in_turn(harm: Callable[[Ground], Awaitable[Ended]], ground: Ground) -> Ended:
        async with at_once:
            return await harm(ground)

    ended = await _all(map(in_turn, harms.values(), grounds))
    for name, each in zip(harms, ended, strict=True):
        print(f"{name:<34}", end="")
        bounded(each)
        assert each.bound <= BY_DEFAULT
    one, twenty = (ended[list(harms).index(name)] for name in ("one black-holed row", "twenty black-holed rows"))
    assert twenty.whole < one.whole + 2.0 + busy(one, twenty)


async def _all(works: Iterable[Awaitable[Ended]]) -> list[Ended]:
    """All of them to their end, before the first trouble is told."""
    done = await asyncio.gather(*works, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in done if not isinstance(outcome, BaseException)]
