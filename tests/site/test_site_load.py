"""The site file: what loads, and what is told of each mistake."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from readiness.model import Owner
from readiness.secret import SecretRef
from readiness.site import (
    Absent,
    Bootstrap,
    ConfigDb,
    Endpoint,
    GenesysCloud,
    Prometheus,
    Redis,
    Registry,
    Role,
    Site,
    StatServer,
)
from readiness.site.load import Problem, SiteFileError, load_site, slug
from readiness.vantage import JumpAccess

FULL = """\
site: {name: ACME Berlin, change_ticket: CHG0031337, environment: production}   # production | lab
page: {revision: "2023-07-27"}
capacity: {agents: 1000, caps: 5}
ssh:
  user: exec
  port: 22
  identity_file: ~/.ssh/id_ed25519
  known_hosts: ~/.ssh/known_hosts
  jump_host: bastion.acme.example
  sudo: false
vms:
  - {name: excs-1, role: excs, host: 10.99.1.11, address: 10.10.1.11, port: 3640, ssh: {user: other}}
  - {name: exas-1, role: exas, host: 10.10.1.12}
  - {name: excp-1, role: excp, host: 10.10.1.13}
  - {name: excp-2, role: excp}
bootstrap: {name: boot, host: 10.10.1.10}
redis:
  host: redis.acme.example
  port: 6379
  username: exec
  password: {env: REDIS_PASSWORD}
  tls: {ca_file: acme-ca.pem}
  enterprise_api: {url: "https://redis.acme.example:9443", username: viewer, password: {env: RE_PASSWORD}}
registry:
  url: https://registry.acme.example/
  username: pull
  password: {file: secrets/registry}
  ca_file: acme-ca.pem
  images: ["exec/excs:100.0.1", "exec/exas:100.0.1", "exec/excp:100.0.1"]
config_db:
  {engine: postgresql, host: cfgdb.acme.example, port: 5432, database: genesys_cfg, schema: public, user: exec_ro,
   password: {command: [vault, read, cfgdb]}, tls: {mode: verify-full, ca_file: acme-ca.pem}}
stat_servers: {primary: {host: stat1.acme.example, port: 2060, version: 8.5.110.10}, backup: none}
sip_servers: [{host: sip1.acme.example, port: 8000}, {host: fd00::7}]
genesys_cloud:
  region: mypurecloud.de
  client_id: 00000000-0000-0000-0000-000000000000
  client_secret: {env: GC_CLIENT_SECRET}
  organization_id: 11111111-1111-1111-1111-111111111111
  role: EX Integration
  ca_file: acme-ca.pem
  proxy: "http://proxy:3128"
components: {excs: {port: 3640}, exas: {port: 4630}, excp: {port: 3650}}
logging: {url: "https://elastic.acme.example:9200", username: exec, password: {env: ELASTIC_PASSWORD}}
monitoring:
  prometheus: {host: 10.10.2.62, url: "http://10.10.2.62:9090", ssh: {user: exec}}
  grafana: {url: "https://grafana.acme.example"}
  portainer: {url: "https://portainer.acme.example"}
probing: {listeners: true, exec: true, sip_stat_connect: true, oauth_token: false}
limits: {ssh: 10, script: 20, connect: 2.5, conversation: 15}
report: {lead_times: {network: 10d, dba: 5d}, valid_for: {connectivity: 7d, clock: 24h}}
attestations:
  - {check: planning.limitations-reviewed, target: site, by: Jane Doe, date: 2026-11-20, reference: CHG0031337,
     expires: 2027-05-20}
waivers:
  - {check: vm.disk, target: excs-1, reason: LUN is extended in wave 2, approved_by: Change board,
     reference: CHG0031400, date: 2026-11-20, expires: 2026-12-31}
"""

HEAD = "site: {name: x}\n"

KNOWN = ("planning.limitations-reviewed", "vm.disk", "vm.memory")


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "site.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "acme-ca.pem").touch()
    return file


def loaded(folder: Path, text: str | bytes) -> Site:
    return load_site(write(folder, text), known_checks=lambda: KNOWN)


def problems(folder: Path, text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(SiteFileError) as caught:
        loaded(folder, text)
    return caught.value.problems


def only(folder: Path, text: str | bytes) -> Problem:
    found = problems(folder, text)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


class TestAWholeFile:
    """A file that uses every key."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        return loaded(tmp_path, FULL)

    def test_its_head(self, site: Site, tmp_path: Path) -> None:
        """The name gives the slug, the bytes the digest, and the declared document is JSON."""
        assert (site.name, site.slug, site.change_ticket) == ("ACME Berlin", "acme-berlin", "CHG0031337")
        assert site.digest == hashlib.sha256((tmp_path / "site.yaml").read_bytes()).hexdigest()
        assert json.loads(json.dumps(site.declared)) == site.declared

    def test_its_machines(self, site: Site) -> None:
        """A VM's address defaults to its host and its port to its component's; one without host is not built."""
        excs, exas, _, excp = site.vms
        assert (excs.host, excs.address, excs.port) == ("10.99.1.11", "10.10.1.11", 3640)
        assert (exas.role, exas.address, exas.port) == (Role.EXAS, "10.10.1.12", 4630)
        assert (excp.built, excp.address, excp.port) == (False, None, 3650)
        assert site.bootstrap == Bootstrap(name="boot", host="10.10.1.10")

    def test_how_they_are_reached(self, site: Site, tmp_path: Path) -> None:
        """Each built host has its access, the defaults under its own settings, Prometheus among them."""
        by_name = {access.name: access for access in site.access}
        assert list(by_name) == ["excs-1", "exas-1", "excp-1", "boot", "prometheus"]
        excs = by_name["excs-1"]
        assert (excs.user, excs.port, excs.jump) == ("other", 22, JumpAccess(host="bastion.acme.example"))
        assert excs.identity_file == Path("~/.ssh/id_ed25519").expanduser()
        assert by_name["exas-1"].user == "exec"
        assert by_name["prometheus"].host == "10.10.2.62"

    def test_its_services(self, site: Site, tmp_path: Path) -> None:
        """Services carry endpoints, files relative to the site file, and versions as written."""
        assert isinstance(site.redis, Redis)
        assert site.redis.endpoint == Endpoint("redis.acme.example", 6379)
        assert site.redis.tls is not None
        assert site.redis.tls.ca_file == tmp_path / "acme-ca.pem"
        assert isinstance(site.registry, Registry)
        assert (site.registry.url, site.registry.endpoint.port) == ("https://registry.acme.example", 443)
        assert isinstance(site.config_db, ConfigDb)
        assert site.config_db.password == SecretRef(command=("vault", "read", "cfgdb"))
        assert isinstance(site.stat_servers.primary, StatServer)
        assert site.stat_servers.primary.version == "8.5.110.10"
        assert site.stat_servers.backup is Absent.NONE
        assert not isinstance(site.sip_servers, Absent)
        assert [str(server.endpoint) for server in site.sip_servers] == ["sip1.acme.example:8000", "[fd00::7]:8000"]
        assert isinstance(site.genesys_cloud, GenesysCloud)
        assert site.genesys_cloud.api == Endpoint("api.mypurecloud.de", 443)
        assert isinstance(site.monitoring.prometheus, Prometheus)
        assert site.monitoring.prometheus.ssh

    def test_its_settings(self, site: Site) -> None:
        """Times, limits and consent keep their meaning."""
        assert site.report.lead_times == {Owner.NETWORK: 10, Owner.DBA: 5}
        assert site.report.valid_for == {"connectivity": timedelta(days=7), "clock": timedelta(hours=24)}
        assert (site.limits.connect, site.probing.oauth_token, site.probing.exec) == (2.5, False, True)
        assert site.attestations[0].expires == date(2027, 5, 20)
        assert site.waivers[0].target == "excs-1"

    def test_its_secrets_stay_references(self, site: Site, tmp_path: Path) -> None:
        """The declared document holds references, and the site lists each with its users."""
        declared = json.dumps(site.declared)
        assert '{"env": "REDIS_PASSWORD"}' in declared
        assert site.secrets[SecretRef(env="REDIS_PASSWORD")] == ("exec",)
        assert SecretRef(file=tmp_path / "secrets/registry") in site.secrets


def test_a_name_is_enough(tmp_path: Path) -> None:
    """A site without elements loads, and each element says that it is undeclared."""
    site = loaded(tmp_path, "site: {name: x}")
    assert site.vms == ()
    assert {site.bootstrap, site.redis, site.registry, site.config_db, site.sip_servers, site.genesys_cloud} == {
        Absent.UNDECLARED
    }
    assert site.stat_servers.primary is Absent.UNDECLARED
    assert site.monitoring.grafana is Absent.UNDECLARED
    assert site.page.revision == "2023-07-27"
    assert (site.capacity.agents, site.capacity.caps) == (1000, 5)
    assert site.ports == {Role.EXCS: 3640, Role.EXAS: 3630, Role.EXCP: 3650}


@pytest.mark.parametrize(
    "element",
    [
        "bootstrap",
        "redis",
        "registry",
        "config_db",
        "stat_servers",
        "sip_servers",
        "genesys_cloud",
        "logging",
        "monitoring",
    ],
)
def test_none_is_kept_apart_from_undeclared(tmp_path: Path, element: str) -> None:
    """Every element can be declared as none, and a section of several is then none throughout."""
    site = loaded(tmp_path, f"site: {{name: x}}\n{element}: none")
    found = getattr(site, element)
    assert {found} == {Absent.NONE} if isinstance(found, Absent) else set(vars(found).values()) == {Absent.NONE}


def told(tmp_path: Path, text: str, line: int, column: int, where: str, nearest: str | None) -> None:
    problem = only(tmp_path, text)
    found = (problem.line, problem.column, problem.where, problem.nearest)
    assert found == (line, column, where, nearest), str(problem)
    assert problem.message
    assert str(problem).startswith(f"{tmp_path}/site.yaml:{line}:{column}: ")


@pytest.mark.parametrize(
    ("text", "line", "column", "where", "nearest"),
    [
        ("site: {}", 1, 1, "site", None),
        ("capacity: {}", 1, 1, "", None),
        ("site: {name: x, environment: prod}", 1, 30, "site.environment", "production"),
        ("site: {name: [x]}", 1, 14, "site.name", None),
        ("site: {name: ''}", 1, 14, "site.name", None),
        ("site: {name: ~}", 1, 14, "site.name", None),
        ("site:\n  name:\nvms: []", 2, 3, "site.name", None),
        ("site: {name: <name>}", 1, 14, "site.name", None),
        ("site: {name: !!str x}", 1, 14, "site.name", None),
        ("site: {name: \"a\\ud800\"}", 1, 14, "site.name", None),
        ("site: {name: \"a\\eb\"}", 1, 14, "site.name", None),
        ("site: {name: \"a\\nb\"}", 1, 14, "site.name", None),
        ("", 1, 1, "", None),
        ("# nothing yet\n", 1, 1, "", None),
        ("- a", 1, 1, "", None),
        ("ACME Berlin", 1, 1, "", None),
    ],
)  # fmt: skip
def test_a_mistake_in_a_whole_file_is_told_with_its_place(
    tmp_path: Path, text: str, line: int, column: int, where: str, nearest: str | None
) -> None:
    """Each of these files has one problem, told with its line and column, its key, and the nearest word."""
    told(tmp_path, text, line, column, where, nearest)


@pytest.mark.parametrize(
    ("text", "line", "column", "where", "nearest"),
    [
        # unknown and duplicate keys stand where the key stands
        ("redsi: {host: r}", 2, 1, "redsi", "redis"),
        ("redis:\n  host: r\n  prot: 1", 4, 3, "redis.prot", "port"),
        ("config_db: {host: r, username: u}", 2, 22, "config_db.username", "user"),
        ("vms:\n- {name: a, role: excs, Host: h}", 3, 25, "vms[0].Host", "host"),
        ("frobnicate: 1", 2, 1, "frobnicate", None),
        ("redis:\n  host: a\n  host: b", 4, 3, "redis.host", None),
        ("site: {name: y}", 2, 1, "site", None),
        # missing keys stand where their section begins
        ("redis: {port: 1}", 2, 1, "redis", None),
        ("vms:\n- {name: a}", 3, 3, "vms[0]", None),
        # values
        ("page: {revision: 2023-07-28}", 2, 18, "page.revision", "2023-07-27"),
        ("vms:\n- {name: a, role: exsc}", 3, 19, "vms[0].role", "excs"),
        ("capacity: {agents: many}", 2, 20, "capacity.agents", None),
        ("capacity: {agents: 1.5}", 2, 20, "capacity.agents", None),
        ("capacity: {agents: 0}", 2, 20, "capacity.agents", None),
        ("capacity: {caps: .inf}", 2, 18, "capacity.caps", None),
        ("capacity: {caps: 0}", 2, 18, "capacity.caps", None),
        ("redis: {host: r, port: 0}", 2, 24, "redis.port", None),
        ("redis: {host: r, port: 65536}", 2, 24, "redis.port", None),
        ("limits: {ssh: 0}", 2, 15, "limits.ssh", None),
        ("limits: {connect: 999999}", 2, 19, "limits.connect", None),
        ("probing: {exec: no}", 2, 17, "probing.exec", "false"),
        ("ssh: {sudo: 'on'}", 2, 13, "ssh.sudo", "true"),
        ("redis: nine", 2, 8, "redis", "none"),
        ("redis: [a]", 2, 8, "redis", None),
        ("vms: {name: a}", 2, 6, "vms", None),
        ("vms: [a]", 2, 7, "vms[0]", None),
        ("sip_servers: []", 2, 14, "sip_servers", None),
        ("redis:\n  # host: r\nvms: []", 2, 1, "redis", None),
        # hosts
        ("redis: {host: 'redis:6379'}", 2, 15, "redis.host", None),
        ("redis: {host: 'http://redis'}", 2, 15, "redis.host", None),
        ("redis: {host: 10.0.0.256}", 2, 15, "redis.host", None),
        ("redis: {host: '[fd00::1]'}", 2, 15, "redis.host", None),
        ("redis: {host: fe80::1%eth0}", 2, 15, "redis.host", None),
        ("redis: {host: re dis}", 2, 15, "redis.host", None),
        ("redis: {host: -redis}", 2, 15, "redis.host", None),
        # URLs, regions, ids
        ("registry: {url: registry.example}", 2, 17, "registry.url", None),
        ("registry: {url: https://registry.example/v2}", 2, 17, "registry.url", None),
        ("logging: {url: https://h:99999}", 2, 16, "logging.url", None),
        ("logging: {url: https:///x}", 2, 16, "logging.url", None),
        ("genesys_cloud: {region: https://mypurecloud.de}", 2, 25, "genesys_cloud.region", None),
        ("genesys_cloud: {region: login.mypurecloud.de}", 2, 25, "genesys_cloud.region", "mypurecloud.de"),
        ("genesys_cloud: {region: frankfurt}", 2, 25, "genesys_cloud.region", None),
        ("genesys_cloud: {region: a.de, organization_id: acme}", 2, 48, "genesys_cloud.organization_id", None),
        ("stat_servers: {primary: {host: h, version: v8.5}}", 2, 44, "stat_servers.primary.version", None),
        # images
        ("registry: {url: https://r.x, images: [exec/excs]}", 2, 39, "registry.images[0]", None),
        ("registry: {url: https://r.x, images: ['Exec/excs:1']}", 2, 39, "registry.images[0]", "exec/excs:1"),
        ("registry: {url: https://r.x, images: ['r.x/excs:1']}", 2, 39, "registry.images[0]", "excs:1"),
        ("registry: {url: https://r.x, images: ['a:1', 'a:1']}", 2, 46, "registry.images[1]", None),
        # names and roles
        ("vms:\n- {name: Auditor, role: excs}", 3, 10, "vms[0].name", None),
        ("vms:\n- {name: prometheus, role: excs}", 3, 10, "vms[0].name", None),
        ("vms:\n- {name: 'a b', role: excs}", 3, 10, "vms[0].name", None),
        ("vms:\n- {name: a, role: excs}\n- {name: A, role: exas}", 4, 10, "vms[1].name", None),
        ("vms:\n- {name: a, role: excs}\nbootstrap: {name: a, host: h}", 4, 19, "bootstrap.name", None),
        ("vms:\n- {name: a, role: exrp}", 3, 19, "vms[0].role", None),
        ("bootstrap: {local: true, host: h}", 2, 32, "bootstrap.host", None),
        # between keys
        ("redis: {host: r, tls: {cert_file: acme-ca.pem}}", 2, 35, "redis.tls.cert_file", None),
        ("redis: {host: r, tls: {ca_file: lost.pem}}", 2, 33, "redis.tls.ca_file", None),
        ("redis: {host: r, tls: {ca_file: .}}", 2, 33, "redis.tls.ca_file", None),
        ("monitoring: {prometheus: {ssh: {}}}", 2, 26, "monitoring.prometheus", None),
        ("stat_servers: {primary: {host: s}, backup: {host: S}}", 2, 44, "stat_servers.backup", None),
        ("sip_servers: [{host: s}, {host: s, port: 8000}]", 2, 26, "sip_servers[1]", None),
        # days, times, checks
        ("report: {lead_times: {dba: 5}}", 2, 28, "report.lead_times.dba", None),
        ("report: {lead_times: {dbas: 5d}}", 2, 23, "report.lead_times.dbas", "dba"),
        ("report: {valid_for: {clock: 24}}", 2, 29, "report.valid_for.clock", None),
        (
            "waivers: [{check: vm.dsk, reason: r, approved_by: b, date: 2026-01-01, expires: 2026-02-01}]",
            2, 19, "waivers[0].check", "vm.disk",
        ),
        (
            "waivers: [{check: vm.disk, reason: r, approved_by: b, date: 2026-02-30, expires: 2026-03-01}]",
            2, 61, "waivers[0].date", None,
        ),
        (
            "waivers: [{check: vm.disk, reason: r, approved_by: b, date: 2026-02-02, expires: 2026-02-01}]",
            2, 82, "waivers[0].expires", None,
        ),
        ("waivers: [{check: vm.disk, reason: r, approved_by: b, date: 2026-02-02}]", 2, 11, "waivers[0]", None),
        ("attestations: [{check: vm.disk, target: a, by: b, date: 20.11.2026}]", 2, 57, "attestations[0].date", None),
        # YAML that is refused
        ("ssh: &all {user: u}", 2, 6, "ssh", None),
        ("ssh: *all", 2, 6, "ssh", None),
        ("---\nsite: {name: y}", 2, 1, "", None),
        ("? {a: b}\n: c", 2, 3, "", None),
        ("redis: a: b", 2, 9, "", None),
    ],
)  # fmt: skip
def test_a_mistake_under_a_sound_head_is_told_with_its_place(
    tmp_path: Path, text: str, line: int, column: int, where: str, nearest: str | None
) -> None:
    """The same below a first line that names the site."""
    told(tmp_path, f"site: {{name: x}}\n{text}", line, column, where, nearest)


@pytest.mark.parametrize(
    "text",
    [
        "site: {name: no, change_ticket: 0815}",
        "site: {name: 8.10}",
        "site: {name: \"null\"}",
        "site: {name: ACME — Köln & Söhne}",
        "site: {name: \"#1: x\"}",
        "\ufeffsite: {name: x}",
        "%YAML 1.2\n---\nsite: {name: x}\n...\n",
        "site:\r\n  name: x\r\n",
        "{\"site\": {\"name\": \"x\"}}",
        HEAD + "vms: []",
        HEAD + "redis: {host: redis_1.internal., port: '6379'}",
        HEAD + "redis: {host: '::1'}",
        HEAD + "redis: {host: 10.0.0.255, tls: false}",
        HEAD + "redis: {host: r, tls: True}",
        HEAD + "redis: {host: r, password: {env: _P1}}",
        HEAD + "redis: {host: r, password: {command: [op, read, 'op://vault/redis']}}",
        HEAD + "ssh: {sudo: {password: {env: S}}, jump_host: {host: b, port: 2222, user: u}}",
        HEAD + "registry: {url: 'HTTPS://Registry.Example:5000/', images: ['a/b/c__d:1.0_x']}",
        HEAD + f"registry: {{url: https://r.x, images: ['a@sha256:{64 * 'a'}']}}",
        HEAD + "registry: {url: http://10.0.0.1:5000}",
        HEAD + "logging: {url: 'https://[fd00::1]:9200/prefix/'}",
        HEAD + "genesys_cloud: {region: apne3.pure.cloud}",
        HEAD + "page: {revision: recording}\nvms: [{name: a, role: exrp}]\ncomponents: {exrp: {port: 4000}}",
        HEAD + "vms: [{name: a, role: excs, host: h}, {name: b, role: excs, host: h}]",
        HEAD + "bootstrap: {local: true}",
        HEAD + "monitoring: {prometheus: {url: 'http://p:9090'}, grafana: none}",
        HEAD + "stat_servers: {primary: {host: s}, backup: {host: s, port: 2061}}",
        HEAD + "stat_servers: {primary: {host: s, version: 8.10}}",
        HEAD + "capacity: {agents: 250, caps: 0.5}",
        HEAD + "attestations: [{check: vm.disk, target: a, by: b, date: 2028-02-29}]",
        HEAD + "waivers: [{check: vm.disk, target: 'ex*', reason: a b, approved_by: b, "
        "date: 2026-01-01, expires: 2026-01-01}]",
        HEAD + "waivers:\n- check: vm.disk\n  approved_by: b\n  date: 2026-01-01\n  expires: 2026-01-01\n"
        "  reason: |\n    two\n    lines\n",
    ],
)  # fmt: skip
def test_what_looks_odd_and_is_right_loads(tmp_path: Path, text: str) -> None:
    """Near misses of the rules above are accepted."""
    loaded(tmp_path, text)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("no", "no"),
        ("8.10", "8.10"),
        ("0815", "0815"),
        ("1e3", "1e3"),
        ("2026-11-20", "2026-11-20"),
        ("0x1F", "0x1F"),
        ("'~'", "~"),
    ],
)
def test_scalars_are_kept_as_written(tmp_path: Path, written: str, kept: str) -> None:
    """A text key takes no part in YAML's guessing of types."""
    assert loaded(tmp_path, f"site: {{name: {written}}}").name == kept


SECRETS = "hunter2-Xy7"


@pytest.mark.parametrize(
    ("text", "line", "column", "where"),
    [
        (f"redis: {{host: r, password: {SECRETS}}}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: '{SECRETS}'}}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: [{SECRETS}]}}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: {{{SECRETS}: }}}}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: {{env: A, file: {SECRETS}}}}}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: {{env: {SECRETS}}}}}", 2, 34, "redis.password.env"),
        (f"redis: {{host: r, password: {{command: {SECRETS}}}}}", 2, 38, "redis.password.command"),
        (f"redis: {{host: r, password: !{SECRETS} }}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: &{SECRETS} }}", 2, 28, "redis.password"),
        (f"redis: {{host: r, password: *{SECRETS} }}", 2, 28, "redis.password"),
        (f"redis: {{host: r, pasword: {SECRETS}}}", 2, 18, "redis.pasword"),
        (f'redis: {{host: r, password: "\\x1b{SECRETS}"}}', 2, 28, "redis.password"),
        (f"ssh: {{sudo: {{password: {SECRETS}}}}}", 2, 24, "ssh.sudo.password"),
        (f"genesys_cloud: {{region: a.de, client_secret: {SECRETS}}}", 2, 46, "genesys_cloud.client_secret"),
        (f"vms: [{{name: a, role: excs, ssh: {{passphrase: {SECRETS}}}}}]", 2, 47, "vms[0].ssh.passphrase"),
        (f"logging: {{url: 'https://exec:{SECRETS}@h:9200'}}", 2, 16, "logging.url"),
        (f"genesys_cloud: {{region: a.de, proxy: 'http://u:{SECRETS}@p:3128'}}", 2, 38, "genesys_cloud.proxy"),
    ],
)
def test_a_literal_secret_is_refused_and_not_repeated(
    tmp_path: Path, text: str, line: int, column: int, where: str
) -> None:
    """A secret in the file is refused where it stands, with the way to write it, and is in no message."""
    problem = only(tmp_path, f"site: {{name: x}}\n{text}")
    assert (problem.line, problem.column, problem.where) == (line, column, where), str(problem)
    assert SECRETS not in repr(problem)
    assert "Xy7" not in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        f"redis: {{password: '{SECRETS}",
        f"redis: {{password: {SECRETS}: x}}",
        f"redis:\n  password: !{SECRETS}!x y",
        f"%TAG !{SECRETS}! a b\n",
        f'redis: {{password: "{SECRETS}\\q"}}',
        f"redis: {{password: @{SECRETS}}}",
    ],
)
def test_the_parser_repeats_no_secret(tmp_path: Path, text: str) -> None:
    """What YAML itself complains of is told without what the file says there."""
    for problem in problems(tmp_path, f"{text}"):
        assert SECRETS not in repr(problem)


def test_the_way_to_write_a_secret_is_said(tmp_path: Path) -> None:
    """The refusal of a literal names the key with its reference, ready to paste."""
    problem = only(tmp_path, "site: {name: x}\nredis: {host: r, password: abc}")
    assert "`password: {env: NAME}`" in problem.expected


def test_all_problems_are_told_at_once_in_the_files_order(tmp_path: Path) -> None:
    """One run tells of syntax, schema and rules between keys together."""
    found = problems(
        tmp_path,
        "site: {nam: x}\nredis: {host: a b, port: x, password: p}\n"
        "vms: [{name: a, role: exrp, role: excs}, {name: a}]\n",
    )
    assert [(problem.line, problem.where) for problem in found] == [
        (1, "site.nam"),
        (2, "redis.host"),
        (2, "redis.port"),
        (2, "redis.password"),
        (3, "vms[0].role"),
        (3, "vms[0].role"),
        (3, "vms[1]"),
        (3, "vms[1].name"),
    ]  # fmt: skip


def test_one_credential_replaces_the_defaults(tmp_path: Path) -> None:
    """A host with a password of its own is not tried with the default key, and keeps the other defaults."""
    site = loaded(
        tmp_path,
        "site: {name: x}\nssh: {user: u, identity_file: k, passphrase: {env: K}, jump_host: b, sudo: true}\n"
        "vms: [{name: a, role: excs, host: h, ssh: {password: {env: P}, jump_host: none, port: 2222}}]",
    )
    (access,) = site.access
    assert (access.identity_file, access.passphrase, access.password) == (None, None, SecretRef(env="P"))
    assert (access.user, access.jump, access.port, access.sudo) == ("u", None, 2222, True)


def test_a_local_bootstrap_needs_no_ssh(tmp_path: Path) -> None:
    """The auditor's own machine becomes a vantage under the bootstrap VM's name."""
    (access,) = loaded(tmp_path, "site: {name: x}\nbootstrap: {local: true}").access
    assert (access.name, access.local) == ("bootstrap", True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ACME Berlin", "acme-berlin"), ("  Köln / 2 ", "koln-2"), ("../../etc", "etc"), ("a" * 90, "a" * 60)],
)
def test_a_slug_is_a_plain_folder_name(name: str, expected: str) -> None:
    """Slugs hold lower-case letters, digits and hyphens only."""
    assert slug(name) == expected


def test_a_name_without_latin_letters_has_a_slug_of_its_own() -> None:
    """Two such names do not share a folder."""
    assert slug("東京") != slug("大阪")
    assert slug("東京").startswith("site-")


def test_certificates_need_not_be_there_when_nothing_is_asked(tmp_path: Path) -> None:
    """A plan can be drawn on a machine that has no certificates."""
    file = write(tmp_path, "site: {name: x}\nlogging: {url: https://h, ca_file: lost.pem}")
    assert load_site(file, files=False).path == file


def test_any_id_is_taken_where_the_catalogue_is_unknown(tmp_path: Path) -> None:
    """Without the catalogue the form of an id is checked, not its existence."""
    file = write(
        tmp_path, "site: {name: x}\nattestations: [{check: acme.own-check, target: a, by: b, date: 2026-01-01}]"
    )
    assert load_site(file).attestations[0].check == "acme.own-check"


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, kind: str) -> None:
    """Trouble with the file itself is told like any other."""
    path = tmp_path if kind == "folder" else tmp_path / "no.yaml"
    with pytest.raises(SiteFileError) as caught:
        load_site(path)
    assert (caught.value.problems[0].line, str(caught.value).startswith(f"{path}: cannot be read")) == (0, True)


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    """More than 1 MiB is not parsed at all."""
    assert "larger than 1 MiB" in only(tmp_path, b"#" * (1 << 20) + b"#\n").message


def test_a_deep_file_is_refused(tmp_path: Path) -> None:
    """Nesting is bounded before it can hurt."""
    assert "nested" in only(tmp_path, "site: " + "[" * 5000).message


def test_a_wide_file_is_refused(tmp_path: Path) -> None:
    """The number of values is bounded."""
    assert "values" in only(tmp_path, "vms: [" + "a," * 30000 + "]").message


def test_bytes_that_are_not_utf8_are_placed(tmp_path: Path) -> None:
    """The first wrong byte is named by line and column."""
    problem = only(tmp_path, b"site: {name: x}\n# caf\xe9\n")
    assert (problem.line, problem.column) == (2, 6)


def refused(file: Path) -> tuple[Problem, ...]:
    try:
        load_site(file, known_checks=lambda: KNOWN)
    except SiteFileError as error:
        return error.problems
    return ()


signs = [*list("-:{}[]\"'\\|>#~,?\n\t\x00\x85\u2028\ud7ff"), "  ", "- ", ": ", "---", "<<", "&a ", "*a", "!!int "]
words = [
    "site: {name: x}",
    "redis:",
    "host: h",
    "port: 1",
    "vms",
    "password: {env: A}",
    "none",
    "%YAML 1.1",
    "\\U00110000",
]
pieces = st.one_of(st.sampled_from(signs), st.sampled_from(words))
anything = st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=25).map(lambda parts: "".join(parts).encode()))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=anything)
def test_any_bytes_load_or_are_refused(tmp_path: Path, data: bytes) -> None:
    """Whatever the file holds: a site, or problems with places; never another exception."""
    assert all(problem.line >= 1 and problem.column >= 1 for problem in refused(write(tmp_path, data)))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, len(FULL)), length=st.integers(0, 12), inserted=st.one_of(pieces, st.text(max_size=4)))
def test_a_damaged_file_loads_or_is_refused(tmp_path: Path, start: int, length: int, inserted: str) -> None:
    """A whole file with one place damaged behaves too."""
    damaged = (FULL[:start] + inserted + FULL[start + length :]).encode(errors="replace")
    assert all(problem.message for problem in refused(write(tmp_path, damaged)))
