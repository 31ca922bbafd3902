"""The catalogue of faults: what is wrong, and the findings that must say so; every other finding stays as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from readiness.lab.genesys_cloud import REPORTING
from tests.testbed import harms
from tests.testbed.bed import ADDRESSES, API, CONFIG_DB, LOGIN, LOGS, NAMES, REDIS, REGISTRY, SIPS, STATS, VMS
from tests.testbed.harms import Harm, Shown
from tests.testbed.rooms import hanging_up, saying, silent


@dataclass(frozen=True)
class Says:
    """What a finding must say: its status, the lane of a violation, the reason of an unknown; empty says nothing."""

    status: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong; ``changes`` by finding, ``also`` names checks to audit beside the changed ones.

    ``lost``: a machine of which nothing is learnt, and the reason that all its findings give. ``daily``: small and
    telling enough to be tried with every change of the product.
    """

    name: str
    harm: Harm
    changes: Mapping[str, Says] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    lost: tuple[str, str] | None = None
    daily: bool = True

    @property
    def only(self) -> tuple[str, ...]:
        """The checks of every section in which something changes, for a quicker audit."""
        sections = {finding.partition(".")[0] + ".*" for finding in self.changes}
        return tuple(sorted({*sections, *self.also}))

    def wanted(self, finding: str, usual: str) -> Says | None:
        """What a finding whose status is ``usual`` must say now; ``None`` where it must not change."""
        if finding in self.changes:
            return self.changes[finding]
        if self.lost is not None and self.lost[0] in finding and usual not in ("skip", "manual"):
            return unknown(self.lost[1])
        return None


def fail(lane: str) -> Says:
    return Says("fail", lane)


def warn(lane: str = "") -> Says:
    return Says("warn", lane)


def unknown(reason: str) -> Says:
    return Says("unknown", reason)


PASS = Says("pass")
BLOCKED = unknown("blocked")

REDIS_AT, REGISTRY_AT, CONFIG_DB_AT, LOGS_AT = f"{REDIS}:6379", f"{REGISTRY}:443", f"{CONFIG_DB}:5432", f"{LOGS}:9200"
LOGIN_AT, API_AT = f"{LOGIN}:443", f"{API}:443"
STATS_AT = tuple(f"{host}:2060" for host in STATS)
SIPS_AT = tuple(f"{host}:8000" for host in SIPS)
IMAGES = ("exec/excs:100.0.1", "exec/exas:100.0.1", "exec/excp:100.0.1")


def each(check: str, says: Says, *targets: str) -> dict[str, Says]:
    return {f"{check}[{target}]": says for target in targets}


def edges(row: str, says: Says, peer: str, *sources: str) -> dict[str, Says]:
    return each(row, says, *(f"{source}->{peer}" for source in sources or VMS))


_BY_INFO = ("version", "edition", "cluster-mode", "memory", "resiliency", "data-protection", "security", "eviction")
REDIS_UNREAD = {f"redis.{check}[{REDIS_AT}]": BLOCKED for check in _BY_INFO}
ENGAGE_UNREAD = {
    f"engage.{check}[{CONFIG_DB_AT}]": BLOCKED for check in ("version", "inventory", "read-only-account")
} | each("engage.version", Says("manual"), *STATS_AT, *SIPS_AT)
CLOUD_UNASKED = {f"genesys-cloud.{check}[{LOGIN_AT}]": BLOCKED for check in ("organization", "oauth-client", "role")}
UNTIMED = each("vm.clock-offset", BLOCKED, *VMS)


def redis_down(lane: str) -> dict[str, Says]:
    """The row fails from every VM, and nothing is read of it."""
    return REDIS_UNREAD | edges("connectivity.redis", fail(lane), REDIS_AT)


def registry_down(lane: str, trust: Says) -> dict[str, Says]:
    return (
        {f"registry.reachable[{REGISTRY_AT}]": fail(lane)}
        | each("registry.images", BLOCKED, *IMAGES)
        | each("registry.trusted-by-vms", trust, *VMS)
        | edges("connectivity.registry", fail(lane), REGISTRY_AT)
    )


def config_db_down(lane: str) -> dict[str, Says]:
    return ENGAGE_UNREAD | {
        f"connectivity.config-db[excs-1->{CONFIG_DB_AT}]": fail(lane),
        f"engage.config-db[{CONFIG_DB_AT}]": fail(lane),
    }


def cloud_down(lane: str) -> dict[str, Says]:
    rows = edges("connectivity.genesys-cloud", fail(lane), LOGIN_AT) | edges(
        "connectivity.genesys-cloud", fail(lane), API_AT
    )
    return CLOUD_UNASKED | UNTIMED | rows


def logs_down(lane: str) -> dict[str, Says]:
    return edges("connectivity.logging", warn(lane), LOGS_AT) | {f"optional.logging[{LOGS_AT}]": warn(lane)}


UNINTERCEPTED = {f"genesys-cloud.tls-interception[{LOGIN_AT}]": BLOCKED}


# ----------------------------------------------------------------------------------- every row, by DROP and REJECT
@dataclass(frozen=True, kw_only=True)
class Path:
    """A row of the connectivity table as a packet filter sees it; ``behind`` is what cannot be learnt then.

    ``shut`` replaces it where the filter resets, which is what a host without the service does; ``silent`` where it
    drops. ``held``: our own listener waits at the port, so that a reset can only be a filter's.
    """

    row: str
    source: str
    peer: str
    address: str
    port: int
    machine: str = "router"
    chain: str = "FORWARD"
    behind: Mapping[str, Says] = field(default_factory=dict)
    shut: Mapping[str, Says] = field(default_factory=dict)
    silent: Mapping[str, Says] = field(default_factory=dict)
    held: bool = False
    status: str = "fail"

    @property
    def finding(self) -> str:
        return f"{self.row}[{self.source}->{self.peer}]"

    def blocked(self, *target: str) -> Harm:
        return harms.rule(
            self.machine, self.chain, "-s", ADDRESSES[self.source], "-d", self.address, "-p", "tcp",
            "--dport", str(self.port), "-j", *target,
        )  # fmt: skip


PATHS = (
    Path(row="connectivity.config-db", source="excs-1", peer=CONFIG_DB_AT, address=NAMES[CONFIG_DB][0], port=5432,
         behind=ENGAGE_UNREAD | {f"engage.config-db[{CONFIG_DB_AT}]": BLOCKED},
         shut={f"engage.config-db[{CONFIG_DB_AT}]": fail("service")}),
    Path(row="connectivity.stat-server-primary", source="exas-1", peer=STATS_AT[0], address=NAMES[STATS[0]][0],
         port=2060, behind={f"engage.stat-server[{STATS_AT[0]}]": BLOCKED},
         shut={f"engage.stat-server[{STATS_AT[0]}]": fail("service")}),
    Path(row="connectivity.stat-server-backup", source="exas-1", peer=STATS_AT[1], address=NAMES[STATS[1]][0],
         port=2060, behind={f"engage.stat-server[{STATS_AT[1]}]": BLOCKED},
         shut={f"engage.stat-server[{STATS_AT[1]}]": fail("service")}),
    Path(row="connectivity.sip-server", source="excp-2", peer=SIPS_AT[1], address=NAMES[SIPS[1]][0], port=8000),
    Path(row="connectivity.redis", source="excp-1", peer=REDIS_AT, address=NAMES[REDIS][0], port=6379,
         behind={"redis.latency[excp-1]": BLOCKED}),
    Path(row="connectivity.logging", source="exas-1", peer=LOGS_AT, address=NAMES[LOGS][0], port=9200, status="warn"),
    Path(row="connectivity.genesys-cloud", source="exas-1", peer=LOGIN_AT, address=NAMES[LOGIN][0], port=443),
    Path(row="connectivity.genesys-cloud", source="excp-2", peer=API_AT, address=NAMES[API][0], port=443),
    Path(row="connectivity.registry", source="excp-2", peer=REGISTRY_AT, address=NAMES[REGISTRY][0], port=443,
         behind={"registry.trusted-by-vms[excp-2]": BLOCKED},
         silent={"registry.trusted-by-vms[excp-2]": unknown("timeout")}),
    Path(row="connectivity.excs-api", source="exas-1", peer="excs-1:3640", address=ADDRESSES["excs-1"], port=3640,
         machine="excs-1", chain="INPUT", behind={"connectivity.excs-inbound[exas-1->excs-1:3640]": fail("firewall")},
         held=True),
    Path(row="bootstrap.ssh", source="boot-1", peer="exas-1:22", address=ADDRESSES["exas-1"], port=22,
         machine="exas-1", chain="INPUT"),
)  # fmt: skip

KINDS = {
    "drop": (("DROP",), "firewall"),
    "port-unreachable": (("REJECT",), "firewall"),
    "admin-prohibited": (("REJECT", "--reject-with", "icmp-admin-prohibited"), "firewall"),
    "reset": (("REJECT", "--reject-with", "tcp-reset"), "service"),
}


def _paths() -> Iterator[Fault]:
    for path in PATHS:
        for kind, (target, lane) in KINDS.items():
            lane = "firewall" if path.held else lane
            behind = {**path.behind, **(path.shut if kind == "reset" else path.silent if kind == "drop" else {})}
            yield Fault(
                name=f"{path.row.rpartition('.')[2]}-{kind}-{path.source}",
                harm=path.blocked(*target),
                changes={path.finding: Says(path.status, lane), **behind},
                also=("engage.*", "redis.*", "registry.*") if kind == "drop" else (),
                daily=kind == "drop" or path.row in ("connectivity.config-db", "connectivity.sip-server"),
            )


# ---------------------------------------------------------------------------------------------- names and networks
_STAT_B_GONE = {
    f"connectivity.stat-server-backup[exas-1->{STATS_AT[1]}]": fail("dns"),
    "network.name-resolution[exas-1]": fail("dns"),
    "network.docker-overlap[exas-1]": BLOCKED,
    f"engage.stat-server[{STATS_AT[1]}]": BLOCKED,
}

NETWORK = (
    *(
        Fault(name=f"dns-{answer}-exas-1", harm=harms.told("exas-1", STATS[1], answer), changes=_STAT_B_GONE)
        for answer in ("nxdomain", "servfail", "silence")
    ),
    Fault(
        name="dns-other-address-excp-2",
        harm=harms.told("excp-2", SIPS[0], NAMES[SIPS[1]]),
        changes=each("network.name-resolution", fail("dns"), "excp-1", "excp-2"),
        also=("connectivity.*",),
    ),
    Fault(
        name="dead-sip-server",
        harm=harms.together(harms.patience(5), harms.unplugged("sip-b")),
        changes={
            **each("connectivity.sip-server", fail("route"), *(f"{vm}->{SIPS_AT[1]}" for vm in ("excp-1", "excp-2"))),
            f"engage.sip-server[{SIPS_AT[1]}]": BLOCKED,
        },
    ),
    Fault(
        name="no-route-to-stat-a",
        harm=harms.route("exas-1", "unreachable", f"{NAMES[STATS[0]][0]}/32"),
        changes={
            f"connectivity.stat-server-primary[exas-1->{STATS_AT[0]}]": fail("route"),
            f"engage.stat-server[{STATS_AT[0]}]": BLOCKED,
        },
    ),
    Fault(
        name="host-firewall-excp-2-from-excs-1",
        harm=harms.rule("excp-2", "INPUT", "-s", ADDRESSES["excs-1"], "-p", "tcp", "--syn", "-j", "DROP"),
        changes={"network.interconnect[excs-1->excp-2]": warn("firewall")},
        also=("network.*", "connectivity.excs-*"),
    ),
    Fault(
        name="docker-overlap-exas-1",
        harm=harms.engine("exas-1", subnet="10.20.50.0/24"),
        changes={"network.docker-overlap[exas-1]": warn("route")},
    ),
    Fault(
        name="port-taken-excs-1",
        harm=harms.port_taken("excs-1", 3640),
        changes={"vm.ports-free[excs-1]": warn("service")},
        also=("connectivity.*", "network.*"),
    ),
    Fault(name="near-other-port-taken", harm=harms.port_taken("excs-1", 3641), also=("vm.*", "connectivity.excs-*")),
    Fault(
        name="near-other-source-dropped",
        harm=harms.rule("excs-1", "INPUT", "-s", ADDRESSES["boot-1"], "-p", "tcp", "--dport", "3640", "-j", "DROP"),
        also=("connectivity.excs-*", "network.*"),
    ),
    Fault(
        name="near-ping-dropped",
        harm=harms.rule("router", "FORWARD", "-p", "icmp", "--icmp-type", "echo-request", "-j", "DROP"),
        also=("connectivity.*", "network.*"),
    ),
)

# ------------------------------------------------------------------------------------------------------- the peers
_STAT_A = f"connectivity.stat-server-primary[exas-1->{STATS_AT[0]}]"
_STAT_A_RUNS = f"engage.stat-server[{STATS_AT[0]}]"

PEERS = (
    Fault(
        name="stat-a-refused",
        harm=harms.shut("stat-a"),
        changes={_STAT_A: fail("service"), _STAT_A_RUNS: fail("service")},
    ),
    Fault(
        name="stat-a-is-http",
        harm=harms.answered_by("stat-a", saying(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")),
        changes={_STAT_A: fail("service"), _STAT_A_RUNS: fail("service")},
    ),
    Fault(
        name="stat-a-is-ssh",
        harm=harms.answered_by("stat-a", saying(b"SSH-2.0-OpenSSH_9.2\r\n")),
        changes={_STAT_A: fail("service"), _STAT_A_RUNS: fail("service")},
    ),
    Fault(
        name="stat-a-hangs-up",
        harm=harms.answered_by("stat-a", hanging_up),
        changes={_STAT_A: warn("service"), _STAT_A_RUNS: warn("service")},
    ),
    Fault(
        name="redis-refused",
        harm=harms.shut("redis"),
        changes=redis_down("service") | each("redis.latency", BLOCKED, *VMS),
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(
        name="redis-silent",
        harm=harms.answered_by("redis", silent),
        changes=redis_down("service"),
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(
        name="redis-is-ssh",
        harm=harms.answered_by("redis", saying(b"SSH-2.0-OpenSSH_9.2\r\n")),
        changes=redis_down("service"),
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(
        name="registry-stopped",
        harm=harms.stopped("registry"),
        changes=registry_down("service", BLOCKED),
        also=("registry.*", "connectivity.registry"),
    ),
    Fault(
        name="config-db-stopped",
        harm=harms.stopped("config_db"),
        changes=config_db_down("service"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="cloud-stopped",
        harm=harms.stopped("cloud"),
        changes=cloud_down("service") | UNINTERCEPTED,
        also=("genesys-cloud.*", "connectivity.genesys-cloud", "vm.clock-offset"),
    ),
    Fault(
        name="logs-stopped",
        harm=harms.stopped("logs"),
        changes=logs_down("service"),
        also=("optional.*", "connectivity.logging"),
    ),
)

# ------------------------------------------------------------------------------------------------------------- TLS
_PAPERS = {
    "expired": Shown(days=-2),
    "wrong-name": Shown(name="somebody-else.example"),
    "other-ca": Shown(stranger=True),
    "ending": Shown(days=20),
    "plaintext": Shown(tls=False),
    "near-ending": Shown(days=31),
}
_SERVERS = {
    "redis": (harms.redis_shows, ("redis.*", "connectivity.redis")),
    "registry": (harms.registry_shows, ("registry.*", "connectivity.registry")),
    "config-db": (harms.config_db_shows, ("engage.*", "connectivity.config-db")),
    "cloud": (harms.cloud_shows, ("genesys-cloud.*", "connectivity.genesys-cloud", "vm.clock-offset")),
}


def _tls() -> Iterator[Fault]:
    for server, (harm, also) in _SERVERS.items():
        for kind, shown in _PAPERS.items():
            name = f"{server}-tls-{kind}"
            yield Fault(name=name, harm=harm(shown), changes=TLS_CHANGES.get(name, {}), also=also)
    yield Fault(
        name="logs-tls-expired", harm=harms.logs_show(Shown(days=-2)), also=("optional.*", "connectivity.logging"),
        changes=TLS_CHANGES.get("logs-tls-expired", {}),
    )  # fmt: skip


_REFUSED_PAPERS = ("expired", "wrong-name", "other-ca")
TLS_CHANGES: Mapping[str, Mapping[str, Says]] = (
    {f"redis-tls-{kind}": redis_down("tls") for kind in (*_REFUSED_PAPERS, "plaintext")}
    | {f"registry-tls-{kind}": registry_down("tls", fail("tls")) for kind in _REFUSED_PAPERS}
    | {f"config-db-tls-{kind}": config_db_down("tls") for kind in (*_REFUSED_PAPERS, "plaintext")}
    | {f"cloud-tls-{kind}": cloud_down("tls") for kind in _REFUSED_PAPERS}
    | {
        "redis-tls-ending": edges("connectivity.redis", warn("tls"), REDIS_AT)
        | {f"redis.security[{REDIS_AT}]": warn("tls")},
        "registry-tls-ending": edges("connectivity.registry", warn("tls"), REGISTRY_AT)
        | {f"registry.reachable[{REGISTRY_AT}]": warn("tls")},
        "cloud-tls-ending": edges("connectivity.genesys-cloud", warn("tls"), LOGIN_AT)
        | edges("connectivity.genesys-cloud", warn("tls"), API_AT),
        "registry-tls-plaintext": registry_down("service", BLOCKED),
        "config-db-tls-ending": {f"connectivity.config-db[excs-1->{CONFIG_DB_AT}]": warn("tls")},
        "cloud-tls-plaintext": cloud_down("service") | UNINTERCEPTED,
        "logs-tls-expired": logs_down("tls"),
    }
)
"""By fault; a certificate with more than 30 days left changes nothing."""

# ------------------------------------------------------------------------------------------- passwords and rights
RIGHTS = (
    Fault(
        name="redis-wrong-password",
        harm=harms.secret("redis", "wr0ng-c4nary"),
        changes=redis_down("auth"),
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(
        name="redis-without-info",
        harm=harms.redis_acl("-info"),
        changes={
            f"redis.{check}[{REDIS_AT}]": unknown("permission")
            for check in ("version", "edition", "cluster-mode", "memory", "security", "eviction")
        },
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(name="redis-without-login", harm=harms.redis_open(), changes={f"redis.security[{REDIS_AT}]": warn()}),
    Fault(
        name="registry-wrong-password",
        harm=harms.secret("registry", "wr0ng-c4nary"),
        changes={f"registry.reachable[{REGISTRY_AT}]": warn("auth")} | each("registry.images", fail("auth"), *IMAGES),
        also=("registry.*", "connectivity.registry"),
    ),
    Fault(
        name="config-db-wrong-password",
        harm=harms.secret("config-db", "wr0ng-c4nary"),
        changes=config_db_down("auth"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-hba-excs-1",
        harm=harms.hba(f"hostssl all all {ADDRESSES['excs-1']}/32 reject"),
        changes=config_db_down("auth"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="near-hba-excp-1",
        harm=harms.hba(f"hostssl all all {ADDRESSES['excp-1']}/32 reject"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-may-not-read-agents",
        harm=harms.sql("REVOKE SELECT ON cfg_person FROM exec_ro", "GRANT SELECT ON cfg_person TO exec_ro"),
        changes={
            f"engage.config-db[{CONFIG_DB_AT}]": warn("auth"),
            f"engage.inventory[{CONFIG_DB_AT}]": unknown("permission"),
        },
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-may-write",
        harm=harms.sql("GRANT INSERT ON cfg_person TO exec_ro", "REVOKE INSERT ON cfg_person FROM exec_ro"),
        changes={f"engage.read-only-account[{CONFIG_DB_AT}]": warn("configuration")},
    ),
    Fault(
        name="logs-wrong-password",
        harm=harms.secret("logging", "wr0ng-c4nary"),
        changes=logs_down("auth"),
        also=("optional.*", "connectivity.logging"),
    ),
    Fault(
        name="oauth-wrong-secret",
        harm=harms.secret("oauth-client", "wr0ng-c4nary"),
        changes=CLOUD_UNASKED | {f"genesys-cloud.oauth-client[{LOGIN_AT}]": fail("auth")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="oauth-no-role",
        harm=harms.cloud(roles=()),
        changes={f"genesys-cloud.role[{LOGIN_AT}]": fail("auth")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="oauth-other-role",
        harm=harms.cloud(roles=(REPORTING,)),
        changes={f"genesys-cloud.role[{LOGIN_AT}]": fail("auth")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="oauth-inactive",
        harm=harms.cloud(client_state="inactive"),
        changes=CLOUD_UNASKED | {f"genesys-cloud.oauth-client[{LOGIN_AT}]": fail("auth")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="oauth-code-grant",
        harm=harms.cloud(grant_type="CODE"),
        changes=CLOUD_UNASKED | {f"genesys-cloud.oauth-client[{LOGIN_AT}]": fail("configuration")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="other-organization",
        harm=harms.cloud(organization_id="99999999-9999-4999-8999-999999999999"),
        changes={f"genesys-cloud.organization[{LOGIN_AT}]": fail("configuration")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="clock-off",
        harm=harms.cloud(clock_offset=timedelta(seconds=30)),
        changes=each("vm.clock-offset", warn("time"), *VMS),
        also=("genesys-cloud.*",),
    ),
    Fault(name="near-clock-off", harm=harms.cloud(clock_offset=timedelta(seconds=1)), also=("vm.clock-offset",)),
)

# ------------------------------------------------------------------------------------------------- Redis, registry
SERVICES = (
    Fault(
        name="redis-7",
        harm=harms.redis_instead("redis-server"),
        changes={f"redis.version[{REDIS_AT}]": fail("version")},
    ),
    Fault(
        name="redis-cluster",
        harm=harms.redis_instead("", "cluster-enabled yes"),
        changes={f"redis.cluster-mode[{REDIS_AT}]": fail("configuration")},
    ),
    Fault(
        name="redis-replica",
        harm=harms.redis_replica(),
        changes={f"redis.{check}[{REDIS_AT}]": unknown("unsupported") for check in _BY_INFO},
    ),
    Fault(
        name="redis-evicts",
        harm=harms.redis_set("maxmemory-policy", "allkeys-lru"),
        changes={f"redis.eviction[{REDIS_AT}]": warn("configuration")},
    ),
    Fault(
        name="redis-memory-under-two",
        harm=harms.redis_set("maxmemory", "1999999999"),
        changes={f"redis.memory[{REDIS_AT}]": fail("capacity")},
    ),
    Fault(
        name="redis-memory-under-lower-bound",
        harm=harms.redis_set("maxmemory", "2999999999"),
        changes={f"redis.memory[{REDIS_AT}]": fail("capacity")},
    ),
    Fault(
        name="redis-memory-at-lower-bound",
        harm=harms.redis_set("maxmemory", "3000000000"),
        changes={f"redis.memory[{REDIS_AT}]": warn("capacity")},
    ),
    Fault(
        name="redis-memory-under-upper-bound",
        harm=harms.redis_set("maxmemory", "3199999999"),
        changes={f"redis.memory[{REDIS_AT}]": warn("capacity")},
    ),
    Fault(name="near-redis-memory-upper-bound", harm=harms.redis_set("maxmemory", "3200000000"), also=("redis.*",)),
    Fault(
        name="redis-memory-unlimited",
        harm=harms.redis_set("maxmemory", "0"),
        changes={f"redis.memory[{REDIS_AT}]": warn("capacity")},
    ),
    Fault(
        name="more-agents",
        harm=harms.capacity(3000, 15),
        changes={f"redis.memory[{REDIS_AT}]": fail("capacity")},
        also=("redis.*", "engage.*"),
    ),
    Fault(
        name="image-missing",
        harm=harms.image_gone(IMAGES[1]),
        changes={f"registry.images[{IMAGES[1]}]": fail("configuration")},
    ),
    Fault(
        name="image-for-arm",
        harm=harms.image_for(IMAGES[2], "arm64"),
        changes={f"registry.images[{IMAGES[2]}]": fail("configuration")},
    ),
    Fault(
        name="registry-untrusted-excp-1",
        harm=harms.file("excp-1", f"/etc/docker/certs.d/{REGISTRY}/ca.crt", None),
        changes={"registry.trusted-by-vms[excp-1]": fail("tls")},
        also=("connectivity.registry",),
    ),
)

# ---------------------------------------------------------------------------------------------------- the machines
_OLD_KERNEL = """\
#!/bin/sh
[ "$*" = "-s -r -m" ] && echo "Linux {release} {machine}" && exit
exec /usr/bin/uname "$@"
"""


def _uname(release: str, machine: str = "x86_64") -> str:
    return _OLD_KERNEL.format(release=release, machine=machine)


MACHINES = (
    Fault(
        name="docker-19",
        harm=harms.engine("excp-1", version="19.03.15"),
        changes={"vm.docker[excp-1]": fail("version")},
    ),
    Fault(name="near-docker-20", harm=harms.engine("excp-1", version="20.10.0"), also=("vm.*",)),
    Fault(
        name="docker-absent",
        harm=harms.no_engine("exas-1"),
        changes={
            "vm.docker[exas-1]": fail("version"),
            "vm.compose[exas-1]": fail("service"),
            "network.docker-overlap[exas-1]": unknown("tool_missing"),
        },
        also=("vm.*", "network.docker-overlap", "registry.*"),
    ),
    Fault(
        name="docker-denied",
        harm=harms.tool(
            "exas-1",
            "docker",
            "#!/bin/sh\ncase $* in *--version*) echo 'Docker version 24.0.7, build afdd53b';;\n"
            "'compose version') echo 'Docker Compose version v2.20.2';;\n"
            "*) echo 'permission denied while trying to connect to the Docker daemon socket at "
            "unix:///var/run/docker.sock' >&2; exit 1;; esac\n",
        ),
        changes={"vm.docker[exas-1]": unknown("permission"), "network.docker-overlap[exas-1]": unknown("permission")},
        also=("vm.*", "network.docker-overlap"),
    ),
    Fault(
        name="docker-hangs",
        harm=harms.tool(
            "exas-1",
            "docker",
            "#!/bin/sh\ncase $* in *--version*) echo 'Docker version 24.0.7, build afdd53b';;\n*) sleep 300;; esac\n",
        ),
        changes={"vm.docker[exas-1]": unknown("timeout"), "vm.compose[exas-1]": unknown("timeout")},
        also=("vm.*",),
    ),
    Fault(
        name="compose-absent",
        harm=harms.engine("excs-1", compose="echo \"docker: 'compose' is not a docker command.\" >&2; exit 1"),
        changes={"vm.compose[excs-1]": fail("service")},
    ),
    Fault(
        name="kernel-4.17",
        harm=harms.tool("excp-2", "uname", _uname("4.17.19-1-generic")),
        changes={"vm.kernel[excp-2]": fail("version")},
    ),
    Fault(
        name="kernel-4.9",
        harm=harms.tool("excp-2", "uname", _uname("4.9.0-8-amd64")),
        changes={"vm.kernel[excp-2]": fail("version")},
    ),
    Fault(name="near-kernel-4.18", harm=harms.tool("excp-2", "uname", _uname("4.18.0-80.el8.x86_64")), also=("vm.*",)),
    Fault(
        name="kernel-32-bit",
        harm=harms.tool("excp-2", "uname", _uname("5.10.0-8-686", "i686")),
        changes={"vm.os[excp-2]": fail("configuration")},
    ),
    Fault(
        name="one-processor", harm=harms.hardware("excs-1", processors=1), changes={"vm.cpu[excs-1]": warn("capacity")}
    ),
    Fault(
        name="four-gigabytes", harm=harms.hardware("excs-1", blocks=32), changes={"vm.memory[excs-1]": warn("capacity")}
    ),
    Fault(name="near-eight-gigabytes", harm=harms.hardware("excs-1", blocks=60), also=("vm.*",)),
    Fault(
        name="disk-79.9",
        harm=harms.hardware("excs-1", disk=79_900_000_000),
        changes={"vm.disk[excs-1]": warn("capacity")},
    ),
    Fault(name="near-disk-80", harm=harms.hardware("excs-1", disk=80_000_000_000), also=("vm.*",)),
    Fault(
        name="same-machine-twice",
        harm=harms.same_boot_id("excp-2", "excp-1"),
        changes={"vm.one-component-each[site]": fail("configuration")},
    ),
    Fault(
        name="cloned-machine",
        harm=harms.same_machine_id("excp-2", "excp-1"),
        changes={"vm.one-component-each[site]": warn("configuration")},
    ),
    Fault(name="chronyd-stopped", harm=harms.no_chronyd("exas-1"), changes={"vm.time-sync[exas-1]": fail("time")}),
    Fault(name="near-chronyd-stopped-excp-1", harm=harms.no_chronyd("excp-1"), also=("vm.*",)),
    Fault(
        name="bootstrap-docker-absent",
        harm=harms.no_engine("boot-1"),
        changes={"bootstrap.docker[boot-1]": fail("version")},
        also=("bootstrap.*",),
    ),
    Fault(
        name="bootstrap-no-pip",
        harm=harms.hidden("boot-1", "pip3", "pip"),
        changes={"bootstrap.pip[boot-1]": warn("configuration")},
        also=("bootstrap.*",),
    ),
    Fault(
        name="bootstrap-python-3.6",
        harm=harms.tool("boot-1", "python3", "#!/bin/sh\nprintf '3.6.8\\n9.0.3\\n'\n"),
        changes={"bootstrap.python[boot-1]": warn("version")},
        also=("bootstrap.*",),
    ),
)

# ------------------------------------------------------------------------------------------------------------- SSH
_NOISE = "#!/bin/sh\nprintf 'Welcome to %s\\n\\033[31mNOTICE\\033[0m  all is logged\\n' excp-1\n"

SSH = (
    Fault(name="near-no-forwarding", harm=harms.sshd("excs-1", "AllowTcpForwarding no"), also=("*",)),
    Fault(name="near-max-sessions-1", harm=harms.sshd("exas-1", "MaxSessions 1"), also=("*",)),
    Fault(name="near-max-startups-2", harm=harms.sshd("excp-1", "MaxStartups 2"), also=("*",)),
    Fault(name="near-no-python", harm=harms.hidden("excp-1", "python3"), also=("*",)),
    Fault(name="no-python-no-perl", harm=harms.hidden("excp-1", "python3", "perl"), also=("*",)),
    Fault(name="near-noisy-shell", harm=harms.file("excp-1", "/etc/ssh/sshrc", _NOISE), also=("*",)),
    Fault(
        name="host-key-changed",
        harm=harms.new_host_key("excp-2"),
        changes={"bootstrap.ssh[boot-1->excp-2:22]": BLOCKED}
        | {
            f"redis.outside-docker[{REDIS_AT}]": unknown("host_key"),
            "vm.one-component-each[site]": unknown("host_key"),
        },
        lost=("excp-2", "host_key"),
        also=("*",),
    ),
    Fault(
        name="sshd-down",
        harm=harms.sshd_down("excp-2"),
        changes={"bootstrap.ssh[boot-1->excp-2:22]": fail("service")}
        | {
            f"redis.outside-docker[{REDIS_AT}]": unknown("unreachable"),
            "vm.one-component-each[site]": unknown("unreachable"),
        },
        lost=("excp-2", "unreachable"),
        also=("*",),
    ),
    Fault(
        name="vm-gone",
        harm=harms.together(harms.patience(5), harms.unplugged("excp-2")),
        changes={"bootstrap.ssh[boot-1->excp-2:22]": fail("route")}
        | {
            f"redis.outside-docker[{REDIS_AT}]": unknown("unreachable"),
            "vm.one-component-each[site]": unknown("unreachable"),
        },
        lost=("excp-2", "unreachable"),
        also=("*",),
    ),
)

FAULTS = (*_paths(), *NETWORK, *PEERS, *_tls(), *RIGHTS, *SERVICES, *MACHINES, *SSH)
