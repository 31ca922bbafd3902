"""The testbed: Demo Harbour's five machines and its services as real hosts on two segments behind a router."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from readiness_schemas.report import FindingDocument, ReportDocument

from readiness.lab import site as harbour
from readiness.lab.elasticsearch import Elasticsearch
from readiness.lab.genesys_cloud import GenesysCloud, GenesysCloudState
from readiness.lab.https import Handler, HttpsServer
from readiness.lab.redis_server import find_program
from tests.lab.elements import GRAFANA, PORTAINER
from tests.lab.segments import Segments, segments
from tests.lab.sshd import make_key
from tests.testbed.hosts import Host, boot
from tests.testbed.rooms import Door, NameServer, Room, TimeServer, datagrams, relay, silent
from tests.testbed.services import ConfigDb, ImageRegistry, Papers, Redis

NAMES = {**harbour.NAMES}
VMS = ("excs-1", "exas-1", "excp-1", "excp-2")
BOOT = "boot-1"
HOSTS = (*VMS, BOOT)
PROM = "prometheus"
WATCHES = "10.20.40.63"
ADDRESSES = {host.name: host.address for host in harbour.HOSTS} | {PROM: "10.20.40.62"}
AUDITOR = "10.20.60.10"
DNS = "10.20.60.53"
CLOUD = "10.20.60.1"
REDIS, REGISTRY = harbour.REDIS_HOST, harbour.REGISTRY_HOST
CONFIG_DB, LOGS = harbour.CONFIG_DB_HOST, harbour.LOGGING_HOST
STATS, SIPS = harbour.STAT_HOSTS, harbour.SIP_HOSTS
LOGIN, API = harbour.LOGIN_HOST, harbour.API_HOST
_ROOT = Path(__file__).parents[2]
_SOURCES = ":".join(str(_ROOT / part) for part in ("", "checks", "schemas", "reports"))
SECRETS = ("redis", "redis-api", "registry", "config-db", "logging", "oauth-client")

PROGRAMS = (
    "ip", "iptables", "nsenter", "unshare", "setpriv", "curl", "sshd", "redis-server", "docker-registry", "initdb",
    "chronyd", "dockerd", "docker", "prometheus",
)  # fmt: skip

_SITE = """\
site: {{name: Testbed, environment: production}}
capacity: {{agents: {agents}, caps: {caps}}}
ssh: {{user: exec, identity_file: id_ed25519, known_hosts: known_hosts}}
vms:
  - {{name: excs-1, role: excs, host: 10.20.30.11}}
  - {{name: exas-1, role: exas, host: 10.20.30.12}}
  - {{name: excp-1, role: excp, host: 10.20.30.13}}
  - {{name: excp-2, role: excp, host: 10.20.30.14}}
bootstrap: {{name: boot-1, host: 10.20.30.10}}
redis:
  host: redis.demo-harbour.example
  port: 6379
  username: exec
  password: {{file: secrets/redis}}
  tls: {{ca_file: ca.pem}}
registry:
  url: https://registry.demo-harbour.example
  username: pull
  password: {{file: secrets/registry}}
  ca_file: ca.pem
  images: ["exec/excs:100.0.1", "exec/exas:100.0.1", "exec/excp:100.0.1"]
config_db:
  engine: postgresql
  host: cfgdb.demo-harbour.example
  port: 5432
  database: genesys_cfg
  schema: public
  user: exec_ro
  password: {{file: secrets/config-db}}
  tls: {{mode: verify-full, ca_file: ca.pem}}
stat_servers:
  primary: {{host: stat-a.demo-harbour.example, port: 2060, version: 8.5.110.02}}
  backup: {{host: stat-b.demo-harbour.example, port: 2060, version: 8.5.110.02}}
sip_servers:
  - {{host: sip-a.demo-harbour.example, port: 8000, version: 8.1.102.59}}
  - {{host: sip-b.demo-harbour.example, port: 8000, version: 8.1.102.59}}
genesys_cloud:
  region: mypurecloud.de
  client_id: {client_id}
  client_secret: {{file: secrets/oauth-client}}
  organization_id: {organization_id}
  role: EX Integration
  ca_file: ca.pem
logging:
  url: https://logs.demo-harbour.example:9200
  username: exec
  password: {{file: secrets/logging}}
  ca_file: ca.pem
monitoring:
  prometheus: {{host: 10.20.40.62, url: "http://10.20.40.62:9090", ssh: {{user: exec}}}}
  grafana: {{url: "http://10.20.40.63:3000"}}
  portainer: {{url: "http://10.20.40.63:9000"}}
"""

SYSTEMCTL = """\
#!/bin/sh
printf 'Id=docker.service\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n\\n'
printf 'Id=docker.socket\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\n'
"""
_DOCKER = """\
#!/bin/sh
# What a Docker engine of this version says, for versions and networks that the real one does not have.
[ "$1" = -H ] && shift 2
case "$*" in
--version) echo 'Docker version {version}, build {build}' ;;
'version --format {{{{json .}}}}')
  printf '{{"Client":{{"Version":"%s","ApiVersion":"1.43","Os":"linux","Arch":"amd64"}},' '{version}'
  printf '"Server":{{"Version":"%s","ApiVersion":"1.43","Os":"linux","Arch":"amd64"}}}}\\n' '{version}' ;;
'info --format {{{{.DockerRootDir}}}}') echo / ;;
'info --format {{{{json .RegistryConfig}}}}')
  printf '{{"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{{"docker.io":{{"Name":"docker.io",'
  printf '"Mirrors":[],"Secure":true,"Official":true}}}},"Mirrors":[]}}\\n' ;;
'info --format {{{{json .DefaultAddressPools}}}}') echo null ;;
'network ls -q --no-trunc') echo 1 ;;
'network inspect '*) echo 'bridge [{{"Subnet":"{subnet}","Gateway":"172.17.0.1"}}]' ;;
'compose version') {compose} ;;
*) echo "docker: '$1' is not a docker command." >&2; exit 1 ;;
esac
"""
COMPOSE = "echo 'Docker Compose version v2.20.2'"
COMPOSE_1 = "#!/bin/sh\necho 'docker-compose version 1.29.2, build unknown'\n"
CHRONY = f"server {DNS} iburst minpoll 2 maxpoll 4\ndriftfile /run/chrony.drift\npidfile /run/chronyd.pid\n"


def docker(*, version: str = "24.0.7", compose: str = COMPOSE, subnet: str = "172.17.0.0/16") -> str:
    """A docker command that answers as an engine of this version would."""
    return _DOCKER.format(version=version, build="afdd53b", compose=compose, subnet=subnet)


def missing() -> str:
    """Why no testbed can be had here; empty where it can."""
    if os.geteuid() != 0:
        return "needs root, to make hosts of namespaces"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    gone = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if gone:
        return f"needs {', '.join(gone)} on this machine"
    allowed = subprocess.run(["unshare", "--mount", "--net", "true"], check=False, capture_output=True).returncode == 0
    return "" if allowed else "needs the right to make namespaces and to mount (a privileged container, or a machine)"


@dataclass
class Testbed:
    """Everything that runs; a fault changes it and puts it right again."""

    __test__ = False

    folder: Path
    net: Segments
    secrets: Mapping[str, str]
    papers: Papers
    hosts: dict[str, Host] = field(default_factory=dict)
    rooms: dict[str, Room] = field(default_factory=dict)
    doors: dict[str, Door] = field(default_factory=dict)
    names: NameServer = field(default_factory=lambda: NameServer(NAMES))
    cloud: GenesysCloudState = field(default_factory=lambda: GenesysCloudState(region=harbour.REGION))
    redis: Redis = field(init=False)
    config_db: ConfigDb = field(init=False)
    registry: ImageRegistry = field(init=False)
    auditor: Host = field(init=False)
    prometheus: Host = field(init=False)
    grafana: HttpsServer = field(init=False)
    portainer: HttpsServer = field(init=False)
    built: float = 0.0
    agents: int = 1500
    caps: int = 8
    edits: list[tuple[str, str]] = field(default_factory=list)
    _worker: subprocess.Popen[str] | None = None

    # ------------------------------------------------------------------------------------------------- the auditor
    def audit(self, *only: str) -> dict[str, FindingDocument]:
        """Audit the site from the auditor's namespace; the findings by id."""
        return {finding["id"]: finding for finding in self.report(*only)["findings"]}

    def report(self, *only: str) -> ReportDocument:
        worker = self._worker
        assert worker is not None
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps({"site": str(self.folder / "site/site.yaml"), "only": only}) + "\n")
        worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise RuntimeError(f"the auditor ended: {(self.folder / 'auditor.log').read_text()[-3000:]}")
        told = json.loads(line)
        if "error" in told:
            raise RuntimeError(told["error"])
        document: ReportDocument = told["document"]
        return document

    def settle(self) -> None:
        """Wait until the clocks are set, which takes a time service some seconds."""
        for name in VMS:
            self.hosts[name].run("chronyc -n waitsync 200 0 0 0.1 >/dev/null")

    def write_site(self) -> None:
        folder = self.folder / "site"
        (folder / "secrets").mkdir(parents=True, exist_ok=True)
        (folder / "known_hosts").write_text(
            "".join(f"{host.address} {host.host_key}\n" for name, host in self.hosts.items())
        )
        shutil.copy(self.papers.ours.ca_file, folder / "ca.pem")
        text = _SITE.format(
            agents=self.agents, caps=self.caps, client_id=self.cloud.client_id,
            organization_id=self.cloud.organization_id,
        )  # fmt: skip
        for words, instead in self.edits:
            if words not in text:
                raise ValueError(f"the site file does not say {words!r}")
            text = text.replace(words, instead)
        (folder / "site.yaml").write_text(text)

    def write_secrets(self) -> None:
        for name, secret in self.secrets.items():
            file = self.folder / "site/secrets" / name
            file.write_text(secret)
            file.chmod(0o600)

    # ------------------------------------------------------------------------------------------------- the network
    def netns(self, name: str, *words: str) -> None:
        """Run a program in a machine's network namespace."""
        done = subprocess.run(
            ["ip", "netns", "exec", self.net.machines[name].namespace, *words],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {' '.join(words)}: {done.stderr.strip()}")

    def _wire(self) -> None:
        net = self.net
        places = {
            "redis": NAMES[REDIS], "registry": NAMES[REGISTRY], "logs": NAMES[LOGS], "cfgdb": NAMES[CONFIG_DB],
            "stat-a": NAMES[STATS[0]], "stat-b": NAMES[STATS[1]], "sip-a": NAMES[SIPS[0]], "sip-b": NAMES[SIPS[1]],
            "infra": (DNS,), "cloud": (CLOUD,), "auditor": (AUDITOR,), PROM: (ADDRESSES[PROM],), "watches": (WATCHES,),
        }  # fmt: skip
        net.switch("swa", ("router", "10.20.30.1/24"), *((name, f"{ADDRESSES[name]}/24") for name in HOSTS))
        net.switch("swb", ("router", "10.20.32.1/19"), *((name, f"{at[0]}/19") for name, at in places.items()))
        net.forward("router")
        for name in HOSTS:
            net.route(name, "add", "default", "via", "10.20.30.1")
        for name in places:
            net.route(name, "add", "default", "via", "10.20.32.1")
        net.route("router", "add", "198.51.100.0/24", "via", CLOUD)
        for name in (LOGIN, API):
            self.netns("cloud", "ip", "addr", "add", f"{NAMES[name][0]}/32", "dev", "lo")

    # ---------------------------------------------------------------------------------------------------- starting
    def start(self, running: ExitStack) -> None:
        self._wire()
        for name in (
            "redis",
            "registry",
            "logs",
            "cfgdb",
            "stat-a",
            "stat-b",
            "sip-a",
            "sip-b",
            "infra",
            "cloud",
            "watches",
        ):
            self.rooms[name] = Room(self.net.machines[name])
            running.callback(self.rooms[name].close)
        self.key = make_key(self.folder / "id_ed25519")
        with ThreadPoolExecutor(8) as pool:
            waiting = [
                *(pool.submit(self._boot, name, running) for name in HOSTS),
                pool.submit(self._boot_prometheus, running),
                pool.submit(self._start_redis, running),
                pool.submit(self._start_config_db, running),
                pool.submit(self._start_registry, running),
                pool.submit(self._start_small, running),
                pool.submit(self._start_auditor, running),
            ]
            for one in waiting:
                one.result()
        self.hosts = {name: self.hosts[name] for name in HOSTS} | {PROM: self.prometheus}
        self.write_site()
        self.write_secrets()
        shutil.copy(self.key, self.folder / "site/id_ed25519")

    def _boot(self, name: str, running: ExitStack) -> None:
        host = boot(
            self.net.machines[name], ADDRESSES[name], self.folder / name,
            etc={
                "resolv.conf": f"nameserver {DNS}\noptions timeout:3 attempts:1\n",
                "chrony/chrony.conf": CHRONY,
                f"docker/certs.d/{REGISTRY}/ca.crt": self.papers.ours.ca_file.read_text(),
            },
        )  # fmt: skip
        running.callback(host.stop)
        host.tool("docker-compose", COMPOSE_1)
        host.tool("systemctl", SYSTEMCTL)
        host.run("chmod 755 /etc/docker /etc/docker/certs.d; chronyd -x -f /etc/chrony/chrony.conf")
        shutil.copy(self.key.with_suffix(".pub"), host.folder / "run/authorized_keys")
        host.start_sshd()
        host.start_docker()
        self.hosts[name] = host

    def _boot_prometheus(self, running: ExitStack) -> None:
        """A host that is no VM of EXEC: it scrapes them, and the audit may ask from it."""
        host = boot(
            self.net.machines[PROM], ADDRESSES[PROM], self.folder / PROM,
            etc={"resolv.conf": f"nameserver {DNS}\noptions timeout:3 attempts:1\n"},
        )  # fmt: skip
        running.callback(host.stop)
        shutil.copy(self.key.with_suffix(".pub"), host.folder / "run/authorized_keys")
        host.start_sshd()
        host.start_prometheus()
        self.prometheus = host

    def _start_auditor(self, running: ExitStack) -> None:
        self.auditor = boot(
            self.net.machines["auditor"], AUDITOR, self.folder / "auditor",
            etc={"resolv.conf": f"nameserver {DNS}\noptions timeout:3 attempts:1\n"},
        )  # fmt: skip
        running.callback(self.auditor.stop)
        home = self.folder / "auditor/home"
        home.mkdir()
        self._worker = subprocess.Popen(
            [*self.auditor.inside, sys.executable, "-m", "tests.testbed.auditor"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=(self.folder / "auditor.log").open("wb"), text=True,
            cwd=_ROOT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home), "PYTHONPATH": _SOURCES},
        )  # fmt: skip
        running.callback(self._stop_worker)

    def _stop_worker(self) -> None:
        if self._worker is not None:
            self._worker.kill()
            self._worker.wait()

    def _start_redis(self, running: ExitStack) -> None:
        self.redis = Redis(
            self.rooms["redis"], self.folder / "redis", str(find_program().path), 6380, self.secrets["redis"],
        )  # fmt: skip
        running.callback(self._stop_redis)
        self.redis.start()
        self._door("redis", NAMES[REDIS][0], 6379, relay(6380), tls=self.papers.context(REDIS))

    def _stop_redis(self) -> None:
        self.redis.stop()

    def _start_config_db(self, running: ExitStack) -> None:
        self.config_db = ConfigDb(
            self.rooms["cfgdb"], self.folder / "cfgdb", NAMES[CONFIG_DB][0], self.papers, self.secrets["config-db"]
        )
        running.callback(self.config_db.stop)
        self.config_db.make(harbour.DOMAIN)

    def _start_registry(self, running: ExitStack) -> None:
        self.registry = ImageRegistry(
            self.rooms["registry"], self.folder / "registry", REGISTRY, NAMES[REGISTRY][0], self.papers, "pull",
            self.secrets["registry"],
        )  # fmt: skip
        running.callback(self.registry.stop)
        self.registry.make(harbour.IMAGES)

    def _start_small(self, running: ExitStack) -> None:
        infra = self.rooms["infra"]
        datagrams(infra, self.names, DNS, 53)
        datagrams(infra, TimeServer(), DNS, 123)
        for name, host, port in (
            ("stat-a", STATS[0], 2060), ("stat-b", STATS[1], 2060), ("sip-a", SIPS[0], 8000), ("sip-b", SIPS[1], 8000)
        ):  # fmt: skip
            self._door(name, NAMES[host][0], port, silent)
        self.cloud.client_secret = self.secrets["oauth-client"]
        cloud = GenesysCloud(self.cloud, tls=self.papers.context(LOGIN, API), address="0.0.0.0", port=443)
        self.cloud_server = cloud
        self.rooms["cloud"].do(cloud.start())
        logs = Elasticsearch(users={"exec": self.secrets["logging"]}, tls=self.papers.context(LOGS))
        logs.server.address, logs.server.port = "0.0.0.0", 9200
        self.logs = logs
        self.rooms["logs"].do(logs.server.start())
        self.grafana = self._watch(GRAFANA, 3000)
        self.portainer = self._watch(PORTAINER, 9000)

    def _watch(self, handler: Handler, port: int) -> HttpsServer:
        server = HttpsServer(handler, tls=None, address=WATCHES, port=port)
        self.rooms["watches"].do(server.start())
        return server

    def _door(self, name: str, address: str, port: int, talk, *, tls=None) -> None:  # type: ignore[no-untyped-def]
        door = Door(self.rooms[name], address, port, talk, tls)
        door.open()
        self.doors[name] = door


@contextmanager
def testbed() -> Iterator[Testbed]:
    """A testbed that is gone at the end."""
    folder = Path(tempfile.mkdtemp(prefix="rdbed-", dir="/tmp"))
    folder.chmod(0o755)
    began = time.monotonic()
    secrets = {name: f"c4nary-{name}-{os.urandom(8).hex()}" for name in SECRETS}
    try:
        with segments() as net, ExitStack() as running:
            bed = Testbed(folder, net, secrets, Papers.issue(folder / "papers"))
            bed.start(running)
            bed.built = time.monotonic() - began
            yield bed
    finally:
        shutil.rmtree(folder, ignore_errors=True)


testbed.__test__ = False  # type: ignore[attr-defined]
