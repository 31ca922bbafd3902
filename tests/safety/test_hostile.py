"""Whole audits among hosts and peers that mean harm: bounded in time and memory, complete, and never fooled."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from xml.etree import ElementTree

from tests.lab import hostile_hosts, tempers
from tests.lab.command_line import Ended, audit
from tests.lab.ground import FAIR, HOSTS, SECRET, SHORT, VMS, Ground, bounded, ground, reason_of, services
from tests.lab.ssh_peers import Obey
from tests.lab.tempers import LOOPBACK, Temper

__all__ = ["ground"]


def concluded(ended: Ended) -> dict[str, str]:
    """What passed, failed or warned, the site file's own word apart."""
    return {
        id: each["status"]
        for id, each in ended.findings.items()
        if each["status"] in ("pass", "fail", "warn") and each["check"] != "vm.roles"
    }


FLOODS: Mapping[str, Temper] = {
    "redis": tempers.REDIS_NESTED,
    "enterprise": tempers.HTTP_BODY,
    "registry": tempers.bomb(),
    "database": tempers.POSTGRES_NOTICES,
    "stat-1": tempers.BANNER,
    "stat-2": tempers.BANNER,
    "sip": tempers.BANNER,
    "proxy": tempers.BANNER,
    "logging": tempers.nested(),
    "prometheus": tempers.HTTP_DRIP,
    "grafana": tempers.HTTP_HEAD,
    "portainer": tempers.HTTP_INTERIM,
}


async def test_services_without_end(ground: Ground) -> None:
    """Endless, nested, swollen and dripping answers cost their own findings alone, and none of them passes."""
    hosts = {name: await ground.host(name) for name in HOSTS}
    ports = {name: await ground.peer(temper) for name, temper in FLOODS.items()}
    rest = services(ports | {"ssh": hosts["prometheus"].port})
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), FAIR, rest)
    ended = await audit(path, environment={"CANARY": SECRET})
    bounded(ended)
    served = {f"{LOOPBACK}:{port}" for name, port in ports.items() if name != "proxy"}
    passed = {
        id: each["summary"]
        for id, each in ended.findings.items()
        if each["status"] == "pass" and any(peer in id for peer in served) and each["check"] != "connectivity.logging"
    }
    assert not passed
    for name in VMS:
        assert ended.findings[f"vm.kernel[{name}]"]["status"] == "pass"
    assert all(SECRET not in path.read_text() for path in ended.folder.iterdir())


async def test_hosts_that_flood_hang_echo_and_forge(ground: Ground) -> None:
    """Nothing that such a machine says is believed: its findings are unknown, within the printed bound."""
    obeys: Mapping[str, Obey] = {
        "excs-1": hostile_hosts.floods,
        "exas-1": hostile_hosts.rages,
        "excp-1": hostile_hosts.echoes,
        "excp-2": hostile_hosts.forges,
        "boot": hostile_hosts.hangs,
        "prometheus": hostile_hosts.slams,
    }
    hosts = {name: await ground.host(name, obey) for name, obey in obeys.items()}
    rest = (
        "redis: {host: redis.hostile.example, port: 6379, password: {env: CANARY}}\n"
        f"sip_servers: [{{host: {LOOPBACK}, port: {await ground.peer(hostile_hosts.stalls())}}}]\n"
        "genesys_cloud: {region: mypurecloud.de, client_id: 00000000-0000-0000-0000-000000000000, "
        "client_secret: {env: CANARY}}\n"
        f"monitoring: {{prometheus: {{host: {LOOPBACK}, ssh: {{port: {hosts['prometheus'].port}}}}}}}\n"
    )
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), SHORT, rest)
    ended = await audit(path, environment={"CANARY": SECRET})
    bounded(ended)
    # The one thing that none of them has a say in: each proves its confirmed host key to the bootstrap VM.
    proven = {f"bootstrap.ssh[boot->{name}:{hosts[name].port}]": "pass" for name in VMS}
    assert concluded(ended).items() <= proven.items()


async def test_hosts_that_never_let_anybody_in(ground: Ground) -> None:
    """Endless banners and lines, drips, garbage, silence, and a connection cut in the middle: unknown, in time."""
    cut = await ground.host("prometheus", hostile_hosts.cuts)
    ports = {
        "excs-1": await ground.peer(hostile_hosts.BANNER),
        "exas-1": await ground.peer(hostile_hosts.LINE),
        "excp-1": await ground.peer(hostile_hosts.DRIP),
        "excp-2": await ground.peer(hostile_hosts.GARBAGE),
        "boot": await ground.peer(hostile_hosts.stalls(b"SSH-2.0-OpenSSH_9.2p1\r\n")),
    }
    rest = (
        f"sip_servers: [{{host: {LOOPBACK}, port: {await ground.peer(hostile_hosts.stalls())}}}]\n"
        f"monitoring: {{prometheus: {{host: {LOOPBACK}, ssh: {{port: {cut.port}}}}}}}\n"
    )
    ended = await audit(ground.site(ports, (cut,), SHORT, rest))
    bounded(ended)
    assert concluded(ended) == {}
    reached = {host["name"] for host in ended.document["run"]["hosts"] if host["reached"]}
    assert reached <= {"prometheus"}


async def test_what_hangs_on_a_host_costs_its_own_findings(ground: Ground) -> None:
    """A hanging resolver and a hanging sudo: the audit ends in time, and what does not need them is judged."""
    hosts = {name: await ground.host(name) for name in HOSTS}
    for name in VMS:
        hostile_hosts.hanging(hosts[name], "getent", "sudo")
        hosts[name].tool("id", "#!/bin/sh\necho 1000\n")
    sip = await ground.peer(hostile_hosts.stalls())
    rest = (
        "redis: {host: redis.hostile.example, port: 6379, password: {env: CANARY}}\n"
        f"sip_servers: [{{host: {LOOPBACK}, port: {sip}}}]\n"
    )
    limits = "{ssh: 4, script: 6, connect: 1, conversation: 2}"
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), limits, rest)
    ended = await audit(path, environment={"CANARY": SECRET})
    bounded(ended)
    for name in VMS:
        assert ended.findings[f"vm.kernel[{name}]"]["status"] == "pass"
        for finding in (f"connectivity.redis[{name}->redis.hostile.example:6379]", f"network.name-resolution[{name}]"):
            assert (ended.findings[finding]["status"], reason_of(ended.findings[finding])) == ("unknown", "timeout")
        docker = ended.findings[f"vm.docker[{name}]"]
        assert (docker["status"], reason_of(docker)) == ("unknown", "timeout")
    for name in ("excp-1", "excp-2"):
        assert ended.findings[f"connectivity.sip-server[{name}->{LOOPBACK}:{sip}]"]["status"] == "pass"


POISONOUS: Mapping[str, Temper] = {
    "redis": tempers.saying(
        lambda: iter(
            [f"-ERR {tempers.POISON.splitlines()[0]} `AUTH` `{SECRET}`\r\n".encode("utf-8", "surrogatepass")] * 9
        ),
        pause=0.05,
    ),
    "enterprise": tempers.poisoned_json("version", "name", "redis_version", "error_code", "description", "message"),
    "registry": tempers.http(
        b'{"errors": [{"code": "\\ud800<script>", "message": "\\u001b]0;x\\u0007=cmd"}]}',
        status="401 =1+1",
        headers='WWW-Authenticate: Bearer realm="https://evil.example/<script>",service="\x9b2J"\r\n',
    ),
    "database": tempers.endless(
        b"", first=b"E\x00\x00\x00\x40SFATAL\0C28P01\0M=1+1 \x1b[31m<script>alert(1)</script>\xff\0\0"
    ),
    "stat-1": tempers.endless(b"", first=tempers.POISON.encode("utf-8", "surrogatepass"), after=0),
    "stat-2": tempers.endless(b"", first=b"\x1b[2J\xff\xfe\x00" * 20, after=0),
    "sip": tempers.endless(b"", first=b"HTTP/1.1 200 <script>alert(1)</script>\r\n=cmd|x\x1b[31m", after=0),
    "proxy": tempers.http(b"", status="407 <script>\x1b[31m"),
    "logging": tempers.poisoned_json("version", "cluster_name", "status", "tagline", "error"),
    "prometheus": tempers.poisoned_json("version", "status"),
    "grafana": tempers.poisoned_json("version", "database"),
    "portainer": tempers.poisoned_json("Version", "message"),
}


class _Markup(HTMLParser):
    """Collects what a browser would run."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_script = tag == "script"
        self.handlers += [f"{tag} {name}={value}" for name, value in attrs if name.startswith("on")]
        self.handlers += [f"{tag} {value}" for _, value in attrs if "javascript:" in (value or "").lower()]

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False


async def test_poison_is_shown_and_never_obeyed(ground: Ground) -> None:
    """Escapes, markup, formulas and torn text in everything that is read: no output obeys any of it."""
    hosts = {name: await ground.host(name) for name in HOSTS}
    for name in ("excp-2", "boot", "prometheus"):
        hostile_hosts.poisoned(hosts[name])
    ports = {name: await ground.peer(temper) for name, temper in POISONOUS.items()}
    papers = tempers.poisoned_papers(ground.folder)
    ports |= {name: await ground.peer(POISONOUS[name], tls=papers) for name in ("grafana", "registry")}
    rest = services(ports | {"ssh": hosts["prometheus"].port}, secure=("grafana", "registry"))
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), FAIR, rest)
    ended = await audit(path, environment={"CANARY": SECRET})
    bounded(ended)
    obeyed = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
    texts = {path.name: path.read_text(encoding="utf-8") for path in ended.folder.iterdir()}
    assert set(texts) == {"report.json", "report.html", "report.md", "report.xml", "report.csv"}
    for name, text in (*texts.items(), ("stdout", ended.out), ("stderr", ended.err)):
        if name != "report.csv":
            assert not obeyed.search(text), (name, obeyed.search(text))
        assert SECRET not in text, name
    assert "alert(1)" in texts["report.json"]
    commands = [each["remedy"] for each in ended.findings.values()]
    assert not any("$(id)" in remedy or "<script" in remedy for remedy in commands)
    markup = _Markup()
    markup.feed(texts["report.html"])
    assert not markup.handlers
    assert not any("alert(1)" in script or "<script" in script for script in markup.scripts)
    assert not re.search(r"<(script|img)\b", re.sub(r"`[^`]*`", "", texts["report.md"]))
    ElementTree.fromstring(texts["report.xml"])
    for row in csv.reader(io.StringIO(texts["report.csv"], newline="")):
        assert not any(re.match(r"[=+\-@\t\r\x00]", cell) for cell in row), row
        assert not any(obeyed.search(cell.replace("\n", "")) for cell in row), row


async def test_credentials_go_nowhere_else(ground: Ground) -> None:
    """Redirects and token realms to other hosts are told of, and nobody there is shown an account."""
    heard: list[bytes] = []
    elsewhere = await ground.peer(tempers.recording(tempers.http(b"{}"), heard))
    away = f"http://localhost:{elsewhere}/token"
    hosts = {name: await ground.host(name) for name in HOSTS}
    challenge = f'WWW-Authenticate: Bearer realm="{away}",service="r"\r\n'
    kinds = {
        name: await ground.peer(tempers.redirect(away))
        for name in ("enterprise", "logging", "prometheus", "grafana", "portainer", "proxy")
    }
    kinds["registry"] = await ground.peer(tempers.http(b"", status="401 No", headers=challenge))
    quiet = {
        name: await ground.peer(hostile_hosts.stalls()) for name in ("redis", "database", "stat-1", "stat-2", "sip")
    }
    rest = services(kinds | quiet | {"ssh": hosts["prometheus"].port})
    path = ground.site({name: host.port for name, host in hosts.items()}, tuple(hosts.values()), FAIR, rest)
    ended = await audit(path, environment={"CANARY": SECRET})
    bounded(ended)
    said = b"".join(heard).lower()
    assert b"authorization" not in said
    assert SECRET.lower().encode() not in said
    shown = [each for each in ended.findings.values() if each["check"] in ("registry.reachable", "registry.images")]
    assert all(each["status"] != "pass" for each in shown if each["check"] == "registry.images")
    assert any("another host" in str(each) for each in shown)
