"""What can be done to the testbed and undone: each harm is a context in which the testbed is worse."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from readiness.lab.genesys_cloud import Fault, GenesysCloudState
from readiness.lab.https import Answer, Handler, HttpsServer
from readiness.lab.redis_enterprise import Cluster, User, database
from readiness.lab.resp import Answers, RespServer, redis_info
from tests.testbed import bed as places
from tests.testbed.bed import SYSTEMCTL, Testbed, docker
from tests.testbed.hosts import HOME, USER, Hardware
from tests.testbed.rooms import Door, Room, Talk, relay, silent
from tests.testbed.services import Redis

_BEHIND = {
    places.NAMES[host][0]: service
    for host, service in {places.REDIS: "redis", places.REGISTRY: "registry", places.CONFIG_DB: "config_db"}.items()
}
"""What a filter hides of a service, nobody sees: by its address."""

_SERVICES = ("redis", "registry", "config_db", "cloud", "logs", "grafana", "portainer", "prometheus", "enterprise")


@dataclass(frozen=True)
class _Harm:
    kind: Callable[..., AbstractContextManager[None]]
    words: tuple[object, ...]
    settings: tuple[tuple[str, object], ...]

    def __call__(self, bed: Testbed) -> AbstractContextManager[None]:
        return self.kind(bed, *self.words, **dict(self.settings))

    @property
    def touches(self) -> frozenset[str]:
        """What it meddles with; two harms of the same thing are no two things that are wrong."""
        name, first = self.kind.__name__, str(self.words[0]) if self.words else ""
        if name == "together":
            return frozenset().union(*(harm.touches for harm in self.words if isinstance(harm, _Harm)))
        if name in ("rule", "told", "route"):
            return frozenset(_BEHIND[word] for word in map(str, self.words) if word in _BEHIND)
        if name in ("same_boot_id", "same_machine_id"):
            return frozenset(map(str, self.words))
        if name == "declared":
            return frozenset({"site file"})
        if name == "capacity":
            return frozenset({"site file", "redis", "config_db"})
        service = {"hba": "config_db", "sql": "config_db", "image_gone": "registry", "image_for": "registry"}.get(name)
        if service is None and name.startswith(_SERVICES):
            service = next(one for one in _SERVICES if name.startswith(one))
        return frozenset({service or first.replace("-db", "_db").replace("oauth-client", "cloud")})

    def __repr__(self) -> str:
        said = [*map(repr, self.words), *(f"{key}={value!r}" for key, value in self.settings)]
        return f"{self.kind.__name__}({', '.join(said)})"


Harm = _Harm


def _harm(kind: Callable[..., Iterator[None]]) -> Callable[..., Harm]:
    made = contextmanager(kind)

    def harm(*words: object, **settings: object) -> Harm:
        return _Harm(made, words, tuple(settings.items()))

    return harm


@_harm
def together(bed: Testbed, *harms: Harm) -> Iterator[None]:
    """Several at once."""
    with ExitStack() as done:
        for harm in harms:
            done.enter_context(harm(bed))
        yield


# ------------------------------------------------------------------------------------------------------- the network
@_harm
def rule(bed: Testbed, machine: str, chain: str, *words: str) -> Iterator[None]:
    """A rule of a machine's packet filter."""
    bed.netns(machine, "iptables", "-w", "-I", chain, *words)
    try:
        yield
    finally:
        bed.netns(machine, "iptables", "-w", "-D", chain, *words)


@_harm
def unplugged(bed: Testbed, machine: str) -> Iterator[None]:
    """A machine that is gone from its segment."""
    namespace = bed.net.machines[machine].namespace
    (card,) = [
        line.split(":")[1].split("@")[0].strip()
        for line in _output(namespace, "ip", "-o", "link", "show", "type", "veth").splitlines()
    ]
    routes = _output(namespace, "ip", "route", "show", "default").split()
    bed.netns(machine, "ip", "link", "set", card, "down")
    for other in ("router", *places.HOSTS):  # it has been gone for so long that nobody remembers it
        bed.netns(other, "ip", "neigh", "flush", "all")
    try:
        yield
    finally:
        bed.netns(machine, "ip", "link", "set", card, "up")
        bed.netns(machine, "ip", "route", "add", *routes[:3])
        bed.netns("router", "ip", "neigh", "flush", "all")


def _output(namespace: str, *words: str) -> str:
    return subprocess.run(["ip", "netns", "exec", namespace, *words], check=True, capture_output=True, text=True).stdout


@_harm
def told(bed: Testbed, machine: str, name: str, answer: tuple[str, ...] | str) -> Iterator[None]:
    """Another answer of the name server, for one machine alone."""
    key = (places.ADDRESSES[machine], name)
    bed.names.twisted[key] = answer
    try:
        yield
    finally:
        del bed.names.twisted[key]


@_harm
def route(bed: Testbed, machine: str, *words: str) -> Iterator[None]:
    """A route of a machine's own."""
    bed.netns(machine, "ip", "route", "add", *words)
    try:
        yield
    finally:
        bed.netns(machine, "ip", "route", "del", *words)


# -------------------------------------------------------------------------------------------------------- the peers
@_harm
def shut(bed: Testbed, door: str) -> Iterator[None]:
    """Nobody listens there."""
    bed.doors[door].close()
    try:
        yield
    finally:
        bed.doors[door].open()


@_harm
def answered_by(bed: Testbed, door: str, talk: Talk) -> Iterator[None]:
    """Somebody else answers there, in clear."""
    place = bed.doors[door]
    usual, tls = place.talk, place.tls
    place.become(talk=talk)
    try:
        yield
    finally:
        place.become(talk=usual, tls=tls)


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A certificate that a server shows; ``name`` where it is not the server's own, ``None`` for none at all."""

    days: int = 90
    stranger: bool = False
    name: str = ""
    tls: bool = True

    def pem(self, bed: Testbed, *names: str) -> Path:
        return bed.papers.certificate(*((self.name,) if self.name else names), days=self.days, stranger=self.stranger)


@_harm
def redis_shows(bed: Testbed, shown: Shown) -> Iterator[None]:
    door = bed.doors["redis"]
    usual = door.tls
    names = (shown.name or places.REDIS,)
    door.become(tls=bed.papers.context(*names, days=shown.days, stranger=shown.stranger) if shown.tls else None)
    try:
        yield
    finally:
        door.become(tls=usual)


@_harm
def registry_shows(bed: Testbed, shown: Shown) -> Iterator[None]:
    registry = bed.registry
    registry.stop()
    registry.start(shown.pem(bed, places.REGISTRY, "127.0.0.1") if shown.tls else None)
    try:
        yield
    finally:
        registry.stop()
        registry.start(bed.papers.certificate(places.REGISTRY, "127.0.0.1"))


@_harm
def config_db_shows(bed: Testbed, shown: Shown) -> Iterator[None]:
    server = bed.config_db
    server.stop()
    server.show(shown.pem(bed, places.CONFIG_DB))
    server.start(tls=shown.tls)
    try:
        yield
    finally:
        server.stop()
        server.show(bed.papers.certificate(places.CONFIG_DB))
        server.start()


@_harm
def cloud_shows(bed: Testbed, shown: Shown) -> Iterator[None]:
    server, room = bed.cloud_server.server, bed.rooms["cloud"]
    names = (shown.name,) if shown.name else (places.LOGIN, places.API)
    usual = server._tls
    room.do(server.close())
    server._tls = bed.papers.context(*names, days=shown.days, stranger=shown.stranger) if shown.tls else None
    room.do(server.start())
    try:
        yield
    finally:
        room.do(server.close())
        server._tls = usual
        room.do(server.start())


@_harm
def logs_show(bed: Testbed, shown: Shown) -> Iterator[None]:
    server, room = bed.logs.server, bed.rooms["logs"]
    usual = server._tls
    room.do(server.close())
    server._tls = bed.papers.context(shown.name or places.LOGS, days=shown.days, stranger=shown.stranger)
    room.do(server.start())
    try:
        yield
    finally:
        room.do(server.close())
        server._tls = usual
        room.do(server.start())


@_harm
def stopped(bed: Testbed, service: str) -> Iterator[None]:
    """One of ``redis``, ``registry``, ``config_db``, ``cloud``, ``logs`` does not run."""
    if service == "cloud":
        room, server = bed.rooms["cloud"], bed.cloud_server.server
        room.do(server.close())
        try:
            yield
        finally:
            room.do(server.start())
        return
    if service == "registry":
        bed.registry.stop()
        try:
            yield
        finally:
            bed.registry.start(bed.papers.certificate(places.REGISTRY, "127.0.0.1"))
        return
    if service == "logs":
        room, logs = bed.rooms["logs"], bed.logs.server
        room.do(logs.close())
        try:
            yield
        finally:
            room.do(logs.start())
        return
    bed.config_db.stop()
    try:
        yield
    finally:
        bed.config_db.start()


@_harm
def registry_instead(bed: Testbed, handler: Handler) -> Iterator[None]:
    """Some web server has the registry's address and certificate."""
    bed.registry.stop()
    tls = bed.papers.context(places.REGISTRY)
    other = HttpsServer(handler, tls=tls, address="0.0.0.0", port=443)
    bed.rooms["registry"].do(other.start())
    try:
        yield
    finally:
        bed.rooms["registry"].do(other.close())
        bed.registry.start(bed.papers.certificate(places.REGISTRY, "127.0.0.1"))


@_harm
def config_db_instead(bed: Testbed, talk: Talk) -> Iterator[None]:
    """Some other server has the Config DB's address and port."""
    bed.config_db.stop()
    door = Door(bed.rooms["cfgdb"], bed.config_db.address, 5432, talk)
    door.open()
    try:
        yield
    finally:
        door.close()
        bed.config_db.start()


@_harm
def cloud_answers(bed: Testbed, path: str, answer: Answer) -> Iterator[None]:
    """Genesys Cloud answers this to a path, to every path of ``login`` or ``api``."""
    bed.cloud.faults[path] = Fault(answer)
    try:
        yield
    finally:
        del bed.cloud.faults[path]


@_harm
def logs_are(bed: Testbed, status: str) -> Iterator[None]:
    """The health of the log system's cluster."""
    usual, bed.logs.status = bed.logs.status, status
    try:
        yield
    finally:
        bed.logs.status = usual


@_harm
def watch_stopped(bed: Testbed, name: str) -> Iterator[None]:
    """``grafana`` or ``portainer`` does not run."""
    server: HttpsServer = getattr(bed, name)
    bed.rooms["watches"].do(server.close())
    try:
        yield
    finally:
        bed.rooms["watches"].do(server.start())


@_harm
def watch_says(bed: Testbed, name: str, handler: Handler) -> Iterator[None]:
    """Something else answers in place of ``grafana`` or ``portainer``."""
    server: HttpsServer = getattr(bed, name)
    usual, server._handler = server._handler, handler
    try:
        yield
    finally:
        server._handler = usual


@_harm
def prometheus_stopped(bed: Testbed) -> Iterator[None]:
    host = bed.prometheus
    host.run("kill -9 $(cat /run/prometheus.pid)")
    try:
        yield
    finally:
        host.start_prometheus()


# ------------------------------------------------------------------------------------------------------------- redis
@_harm
def redis_set(bed: Testbed, key: str, value: str) -> Iterator[None]:
    control = bed.redis.control
    usual = control.config_get(key)[key]
    control.config_set(key, value)
    try:
        yield
    finally:
        control.config_set(key, usual)


@_harm
def redis_acl(bed: Testbed, *words: str) -> Iterator[None]:
    """Other rights or another password of the account."""
    control = bed.redis.control
    control.execute_command("ACL", "SETUSER", "exec", *words)
    try:
        yield
    finally:
        control.execute_command(
            "ACL", "SETUSER", "exec", "reset", "on", f">{bed.redis.password}", "~*", "&*", "+@all"
        )  # fmt: skip


@_harm
def redis_open(bed: Testbed) -> Iterator[None]:
    """Anybody is served without a login."""
    control = bed.redis.control
    control.execute_command("ACL", "SETUSER", "default", "on", "nopass", "~*", "&*", "+@all")
    try:
        yield
    finally:
        control.execute_command("ACL", "SETUSER", "default", "reset")


@_harm
def redis_instead(bed: Testbed, binary: str, *options: str) -> Iterator[None]:
    """Another redis-server behind the same door; ``binary`` empty for the same program."""
    other = Redis(
        bed.rooms["redis"], bed.folder / f"redis-{time.monotonic_ns()}", binary or bed.redis.binary, 6390,
        bed.redis.password, options,
    )  # fmt: skip
    other.start()
    door = bed.doors["redis"]
    usual, tls = door.talk, door.tls
    door.become(talk=relay(6390), tls=tls)
    try:
        yield
    finally:
        door.become(talk=usual, tls=tls)
        other.stop()


@_harm
def redis_replica(bed: Testbed) -> Iterator[None]:
    """It became a replica of nobody that answers."""
    control = bed.redis.control
    control.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        yield
    finally:
        control.execute_command("REPLICAOF", "NO", "ONE")


@_harm
def redis_with_replica(bed: Testbed) -> Iterator[None]:
    """Another redis-server follows it."""
    main = bed.redis
    other = Redis(
        main.room, bed.folder / f"redis-{time.monotonic_ns()}", main.binary, 6391, main.password,
        (f"replicaof 127.0.0.1 {main.port}", "masteruser exec", f"masterauth {main.password}"),
    )  # fmt: skip
    other.start()
    while other.control.info("replication")["master_link_status"] != "up":
        time.sleep(0.05)
    try:
        yield
    finally:
        other.stop()


@_harm
def redis_says(bed: Testbed, version: str, **more: str) -> Iterator[None]:
    """A stand-in answers with this version and these fields, where no such server can be installed."""
    info = redis_info(version, maxmemory=4_000_000_000, **more)
    answers = Answers(info=info, users={"exec": bed.redis.password}, config={"maxmemory-policy": "noeviction"})
    door = bed.doors["redis"]
    usual, tls = door.talk, door.tls
    door.become(talk=RespServer(answers).talk, tls=tls)
    try:
        yield
    finally:
        door.become(talk=usual, tls=tls)


@_harm
def redis_sentinel(bed: Testbed) -> Iterator[None]:
    """A Sentinel answers in place of the database that it watches."""
    options = (f"sentinel monitor exec 127.0.0.1 {bed.redis.port} 1",)
    other = Redis(
        bed.rooms["redis"], bed.folder / f"redis-{time.monotonic_ns()}", bed.redis.binary, 6390, bed.redis.password,
        options, sentinel=True,
    )  # fmt: skip
    other.start()
    door = bed.doors["redis"]
    usual, tls = door.talk, door.tls
    door.become(talk=relay(6390), tls=tls)
    try:
        yield
    finally:
        door.become(talk=usual, tls=tls)
        other.stop()


ENTERPRISE_API = """\
  enterprise_api:
    url: https://redis.demo-harbour.example:9443
    username: viewer
    password: {file: secrets/redis-api}
    ca_file: ca.pem
"""


@_harm
def enterprise(bed: Testbed, *, expired: bool = False, **settings: object) -> Iterator[None]:
    """The database is one of Redis Enterprise, whose REST API tells of it; the site file names the API."""
    its = {
        "memory_size": 8_000_000_000, "replication": True, "tls_mode": "enabled", "default_user": False,
        "eviction_policy": "noeviction", "backup": True, "backup_status": "idle",
        "last_backup_time": f"{datetime.now(UTC) - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}",
        "data_persistence": "aof", **settings,
    }  # fmt: skip
    cluster = Cluster(
        {"viewer": User(bed.secrets["redis-api"])},
        [database(host=places.REDIS, port=6379, **its)],  # type: ignore[arg-type]
        expired=expired,
    )
    tls = bed.papers.context(places.REDIS)
    api = HttpsServer(cluster, tls=tls, address=places.NAMES[places.REDIS][0], port=9443)
    room = bed.rooms["redis"]
    room.do(api.start())
    edit = ("registry:\n", f"{ENTERPRISE_API}registry:\n")
    bed.edits.append(edit)
    bed.write_site()
    try:
        yield
    finally:
        bed.edits.remove(edit)
        bed.write_site()
        room.do(api.close())


@_harm
def capacity(bed: Testbed, agents: int, caps: int) -> Iterator[None]:
    """Another size of the contact centre in the site file."""
    usual = bed.agents, bed.caps
    bed.agents, bed.caps = agents, caps
    bed.write_site()
    try:
        yield
    finally:
        bed.agents, bed.caps = usual
        bed.write_site()


@_harm
def declared(bed: Testbed, text: str, instead: str) -> Iterator[None]:
    """Other words in the site file."""
    bed.edits.append((text, instead))
    bed.write_site()
    try:
        yield
    finally:
        bed.edits.remove((text, instead))
        bed.write_site()


@_harm
def secret(bed: Testbed, name: str, value: str) -> Iterator[None]:
    """A wrong secret beside the site file."""
    file = bed.folder / "site/secrets" / name
    file.write_text(value)
    try:
        yield
    finally:
        file.write_text(bed.secrets[name])


# --------------------------------------------------------------------------------------------------------- database
@_harm
def hba(bed: Testbed, *lines: str) -> Iterator[None]:
    """Lines of pg_hba.conf before the usual ones."""
    bed.config_db.let_in(*lines)
    bed.config_db.reload()
    try:
        yield
    finally:
        bed.config_db.let_in()
        bed.config_db.reload()


@_harm
def sql(bed: Testbed, change: str, back: str) -> Iterator[None]:
    bed.config_db.run(change)
    try:
        yield
    finally:
        bed.config_db.run(back)


# --------------------------------------------------------------------------------------------------------- registry
@_harm
def image_gone(bed: Testbed, image: str) -> Iterator[None]:
    bed.registry.remove(image)
    try:
        yield
    finally:
        bed.registry.push(image)


@_harm
def image_for(bed: Testbed, image: str, architecture: str) -> Iterator[None]:
    """An image for another machine type alone."""
    bed.registry.push(image, architecture)
    try:
        yield
    finally:
        bed.registry.push(image)


# ---------------------------------------------------------------------------------------------------- Genesys Cloud
@_harm
def cloud(bed: Testbed, **settings: object) -> Iterator[None]:
    """Another state of the organisation or its client."""
    state: GenesysCloudState = bed.cloud
    usual = {key: getattr(state, key) for key in settings}
    for key, value in settings.items():
        setattr(state, key, value)
    try:
        yield
    finally:
        for key, value in usual.items():
            setattr(state, key, value)


# --------------------------------------------------------------------------------------------------------- the hosts
@_harm
def sshd(bed: Testbed, machine: str, *lines: str) -> Iterator[None]:
    """Other lines of a host's sshd_config."""
    bed.hosts[machine].start_sshd(*lines)
    try:
        yield
    finally:
        bed.hosts[machine].start_sshd()


@_harm
def sshd_down(bed: Testbed, machine: str) -> Iterator[None]:
    bed.hosts[machine].stop_sshd()
    try:
        yield
    finally:
        bed.hosts[machine].start_sshd()


@_harm
def no_key(bed: Testbed, machine: str) -> Iterator[None]:
    """The audit's key is not known there."""
    file = bed.hosts[machine].folder / "run/authorized_keys"
    usual = file.read_text()
    file.write_text("")
    try:
        yield
    finally:
        file.write_text(usual)


@_harm
def hangs_after_accept(bed: Testbed, machine: str) -> Iterator[None]:
    """What listens for SSH accepts and never says a word, as a host does that has run out of memory."""
    host = bed.hosts[machine]
    host.stop_sshd()
    place = bed.net.machines[machine]
    room = Room(place)
    door = Door(room, host.address, 22, silent)
    door.open()
    try:
        yield
    finally:
        door.close()
        room.close()
        host.start_sshd()


@_harm
def new_host_key(bed: Testbed, machine: str) -> Iterator[None]:
    """The host was made anew: it shows another key than the confirmed one."""
    host = bed.hosts[machine]
    place = "/etc/ssh/ssh_host_ed25519_key"
    host.run(f"mkdir /run/kept; mv {place} {place}.pub /run/kept; ssh-keygen -q -t ed25519 -N '' -f {place}")
    host.start_sshd()
    try:
        yield
    finally:
        host.run("mv -f /run/kept/* /etc/ssh/; rmdir /run/kept")
        host.start_sshd()


@_harm
def noisy_bash(bed: Testbed, machine: str) -> Iterator[None]:
    """The account's shell is a bash whose .bashrc talks, to both of its outputs, in no encoding."""
    host = bed.hosts[machine]
    rc = f"{HOME}/.bashrc"
    host.run(f"sed -i '/^{USER}:/s,:/bin/sh$,:/bin/bash,' /etc/passwd")
    host.write(rc, "echo 'Welcome!'; printf '\\377\\033[2J\\r=== motd\\n--- 0\\n'; echo 'all is logged' >&2; cd /\n")
    try:
        yield
    finally:
        host.run(f"rm {rc}; sed -i '/^{USER}:/s,:/bin/bash$,:/bin/sh,' /etc/passwd")


@_harm
def hidden(bed: Testbed, machine: str, *programs: str) -> Iterator[None]:
    with bed.hosts[machine].hidden(*programs):
        yield


@_harm
def file(bed: Testbed, machine: str, path: str, text: str | None) -> Iterator[None]:
    """Another text of a file, or none."""
    host = bed.hosts[machine]
    usual = host.read(path)
    if text is None:
        host.run(f"rm -f {path}")
    else:
        host.write(path, text)
    try:
        yield
    finally:
        if usual is None:
            host.run(f"rm -f {path}")
        else:
            host.write(path, usual)


@_harm
def tool(bed: Testbed, machine: str, name: str, script: str) -> Iterator[None]:
    """Another program of that name in front of the real one."""
    host = bed.hosts[machine]
    place = host.folder / "sbin" / name
    usual = place.read_text() if place.exists() else None
    host.tool(name, script)
    try:
        yield
    finally:
        if usual is None:
            place.unlink()
        else:
            host.tool(name, usual)


@_harm
def engine(bed: Testbed, machine: str, **settings: str) -> Iterator[None]:
    """A Docker engine of another version or with other networks than the real one."""
    host = bed.hosts[machine]
    host.tool("docker", docker(**settings))
    try:
        yield
    finally:
        (host.folder / "sbin/docker").unlink()


_GONE = "#!/bin/sh\nprintf 'LoadState=not-found\\nActiveState=inactive\\nSubState=dead\\n'\n"
_DEAD = SYSTEMCTL.replace("active", "inactive").replace("running", "dead")


@_harm
def no_engine(bed: Testbed, machine: str, *, client: bool = False) -> Iterator[None]:
    """A host on which Docker was never installed, or only its client."""
    host = bed.hosts[machine]
    host.tool("systemctl", _GONE)
    host.stop_docker()
    try:
        with host.hidden(*(() if client else ("docker", "docker-compose")), "dockerd"):
            yield
    finally:
        host.start_docker()
        host.tool("systemctl", SYSTEMCTL)


@_harm
def engine_stopped(bed: Testbed, machine: str) -> Iterator[None]:
    """An engine that is installed and does not run."""
    host = bed.hosts[machine]
    host.tool("systemctl", _DEAD)
    host.stop_docker()
    try:
        yield
    finally:
        host.start_docker()
        host.tool("systemctl", SYSTEMCTL)


@_harm
def engine_hangs(bed: Testbed, machine: str) -> Iterator[None]:
    """An engine that accepts and never answers."""
    host = bed.hosts[machine]
    host.run("kill -STOP $(cat /run/docker.pid)")
    try:
        yield
    finally:
        host.run("kill -CONT $(cat /run/docker.pid)")


@_harm
def engine_denied(bed: Testbed, machine: str) -> Iterator[None]:
    """The audit's account is not of the group that owns the engine's socket."""
    host = bed.hosts[machine]
    host.run("chgrp 0 /run/docker.sock")
    try:
        yield
    finally:
        host.run("chgrp exec /run/docker.sock")


@_harm
def without_tool(bed: Testbed, machine: str, name: str) -> Iterator[None]:
    """A program of the host's own is gone."""
    host = bed.hosts[machine]
    place = host.folder / "sbin" / name
    usual = place.read_text()
    place.unlink()
    try:
        yield
    finally:
        host.tool(name, usual)


@_harm
def hardware(bed: Testbed, machine: str, **settings: int) -> Iterator[None]:
    host = bed.hosts[machine]
    host.hardware(replace(Hardware(), **settings))
    try:
        yield
    finally:
        host.hardware(Hardware())


@_harm
def same_boot_id(bed: Testbed, machine: str, other: str) -> Iterator[None]:
    """Two names of one running kernel."""
    file = bed.hosts[machine].folder / "boot_id"
    usual = file.read_text()
    file.write_text((bed.hosts[other].folder / "boot_id").read_text())
    try:
        yield
    finally:
        file.write_text(usual)


@_harm
def same_machine_id(bed: Testbed, machine: str, other: str) -> Iterator[None]:
    """A clone that was never made its own."""
    host = bed.hosts[machine]
    usual = host.read("/etc/machine-id") or ""
    host.write("/etc/machine-id", bed.hosts[other].read("/etc/machine-id") or "")
    try:
        yield
    finally:
        host.write("/etc/machine-id", usual)


@_harm
def no_chronyd(bed: Testbed, machine: str) -> Iterator[None]:
    """The time service of a host is stopped."""
    host = bed.hosts[machine]
    host.stop_chronyd()
    try:
        yield
    finally:
        host.start_chronyd()


@_harm
def clock_never_set(bed: Testbed, machine: str) -> Iterator[None]:
    """The time service runs and has never heard its server."""
    host = bed.hosts[machine]
    usual = host.read("/etc/chrony/chrony.conf") or ""
    host.write("/etc/chrony/chrony.conf", usual.replace(places.DNS, "10.20.60.99"))
    host.stop_chronyd()
    host.run("chronyd -x -f /etc/chrony/chrony.conf")
    try:
        yield
    finally:
        host.stop_chronyd()
        host.write("/etc/chrony/chrony.conf", usual)
        host.start_chronyd()


@_harm
def port_taken(bed: Testbed, machine: str, port: int, address: str = "0.0.0.0") -> Iterator[None]:
    """Some program of the host already listens there."""
    host = bed.hosts[machine]
    script = (
        f"import socket\ns=socket.socket()\ns.setsockopt(1,2,1)\ns.bind(('{address}',{port}))\ns.listen()\n"
        "print('up',flush=True)\nheld=[]\nwhile 1: held.append(s.accept())"
    )
    process = subprocess.Popen([*host.inside, "python3", "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield
    finally:
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split() or [str(process.pid)]
        subprocess.run(["kill", "-9", child], check=False)
        process.kill()
        process.wait()
        process.stdout.close()
