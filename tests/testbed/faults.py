"""The catalogue of faults: what is wrong, and the findings that must say so; every other finding stays as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from readiness.lab.genesys_cloud import REPORTING, api_error, rate_limited
from tests.lab.elements import GRAFANA_WITHOUT_DATABASE, PORTAINER_UNFINISHED, answering, as_page
from tests.testbed import harms
from tests.testbed.bed import (
    ADDRESSES,
    API,
    CONFIG_DB,
    LOGIN,
    LOGS,
    NAMES,
    PROM,
    REDIS,
    REGISTRY,
    SIPS,
    STATS,
    VMS,
)
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

    ``lost``: a machine of which nothing is learnt, and the reason that all its findings give. ``gone``: names whose
    findings are not planned any more.
    """

    name: str
    harm: Harm
    changes: Mapping[str, Says] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    lost: tuple[str, str] | None = None
    gone: tuple[str, ...] = ()

    @property
    def touches(self) -> frozenset[str]:
        """What of the testbed it meddles with."""
        return self.harm.touches

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
KINDS = {
    "drop": (("DROP",), "firewall"),
    "port-unreachable": (("REJECT",), "firewall"),
    "admin-prohibited": (("REJECT", "--reject-with", "icmp-admin-prohibited"), "firewall"),
    "reset": (("REJECT", "--reject-with", "tcp-reset"), "service"),
    "host-unreachable": (("REJECT", "--reject-with", "icmp-host-unreachable"), "route"),
    "net-unreachable": (("REJECT", "--reject-with", "icmp-net-unreachable"), "route"),
}

EVERY = tuple(KINDS)
USUAL = ("drop", "port-unreachable", "admin-prohibited", "reset")


@dataclass(frozen=True, kw_only=True)
class Path:
    """A row of the connectivity table as a packet filter sees it; ``behind`` is what cannot be learnt then.

    ``shut`` replaces it where the filter resets, which is what a host without the service does; ``silent`` where it
    drops. ``held``: our own listener waits at the port, so that a reset can only be a filter's. ``kinds``: in
    which ways it is tried.
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
    kinds: tuple[str, ...] = USUAL

    @property
    def finding(self) -> str:
        return f"{self.row}[{self.source}->{self.peer}]"

    def name(self, kind: str) -> str:
        row = self.row.rpartition(".")[2]
        return f"{row}-{kind}-{self.source}" + (f"-to-{self.peer.partition(':')[0]}" if self.source == PROM else "")

    def blocked(self, *target: str) -> Harm:
        return harms.rule(
            self.machine, self.chain, "-s", ADDRESSES[self.source], "-d", self.address, "-p", "tcp",
            "--dport", str(self.port), "-j", *target,
        )  # fmt: skip


PATHS = (
    Path(row="connectivity.config-db", source="excs-1", peer=CONFIG_DB_AT, address=NAMES[CONFIG_DB][0], port=5432,
         behind=ENGAGE_UNREAD | {f"engage.config-db[{CONFIG_DB_AT}]": BLOCKED},
         shut={f"engage.config-db[{CONFIG_DB_AT}]": fail("service")}, kinds=EVERY),
    Path(row="connectivity.stat-server-primary", source="exas-1", peer=STATS_AT[0], address=NAMES[STATS[0]][0],
         port=2060, behind={f"engage.stat-server[{STATS_AT[0]}]": BLOCKED},
         shut={f"engage.stat-server[{STATS_AT[0]}]": fail("service")}),
    Path(row="connectivity.stat-server-backup", source="exas-1", peer=STATS_AT[1], address=NAMES[STATS[1]][0],
         port=2060, behind={f"engage.stat-server[{STATS_AT[1]}]": BLOCKED},
         shut={f"engage.stat-server[{STATS_AT[1]}]": fail("service")}),
    Path(row="connectivity.sip-server", source="excp-2", peer=SIPS_AT[1], address=NAMES[SIPS[1]][0], port=8000,
         kinds=EVERY),
    Path(row="connectivity.redis", source="excp-1", peer=REDIS_AT, address=NAMES[REDIS][0], port=6379,
         behind={"redis.latency[excp-1]": BLOCKED}),
    Path(row="connectivity.logging", source="exas-1", peer=LOGS_AT, address=NAMES[LOGS][0], port=9200, status="warn"),
    Path(row="connectivity.genesys-cloud", source="exas-1", peer=LOGIN_AT, address=NAMES[LOGIN][0], port=443),
    Path(row="connectivity.genesys-cloud", source="excp-2", peer=API_AT, address=NAMES[API][0], port=443,
         behind={"vm.clock-offset[excp-2]": BLOCKED}),
    Path(row="connectivity.registry", source="excp-2", peer=REGISTRY_AT, address=NAMES[REGISTRY][0], port=443,
         behind={"registry.trusted-by-vms[excp-2]": BLOCKED}),
    Path(row="connectivity.excs-api", source="exas-1", peer="excs-1:3640", address=ADDRESSES["excs-1"], port=3640,
         machine="excs-1", chain="INPUT", behind={"connectivity.excs-inbound[exas-1->excs-1:3640]": fail("firewall")},
         silent={"network.interconnect[exas-1->excs-1]": fail("firewall")}, held=True, kinds=EVERY),
    Path(row="connectivity.excs-inbound", source=PROM, peer="excs-1:3640", address=ADDRESSES["excs-1"], port=3640,
         machine="excs-1", chain="INPUT", held=True, status="warn", kinds=("drop", "reset")),
    Path(row="connectivity.exas-inbound", source=PROM, peer="exas-1:3630", address=ADDRESSES["exas-1"], port=3630,
         machine="exas-1", chain="INPUT", held=True, status="warn", kinds=("drop", "port-unreachable")),
    Path(row="connectivity.excp-inbound", source=PROM, peer="excp-1:3650", address=ADDRESSES["excp-1"], port=3650,
         machine="excp-1", chain="INPUT", held=True, status="warn", kinds=("drop", "reset")),
    Path(row="connectivity.excp-inbound", source=PROM, peer="excp-2:3650", address=ADDRESSES["excp-2"], port=3650,
         held=True, status="warn", kinds=("drop",)),
    Path(row="connectivity.sip-server", source="excp-1", peer=SIPS_AT[0], address=NAMES[SIPS[0]][0], port=8000,
         kinds=("drop",)),
    Path(row="connectivity.excs-api", source="excp-2", peer="excs-1:3640", address=ADDRESSES["excs-1"], port=3640,
         machine="excs-1", chain="INPUT", behind={"connectivity.excs-inbound[excp-2->excs-1:3640]": fail("firewall")},
         silent={"network.interconnect[excp-2->excs-1]": fail("firewall")}, held=True,
         kinds=("drop",)),
    Path(row="bootstrap.ssh", source="boot-1", peer="exas-1:22", address=ADDRESSES["exas-1"], port=22,
         machine="exas-1", chain="INPUT"),
)  # fmt: skip


def _paths() -> Iterator[Fault]:
    for path in PATHS:
        for kind, (target, lane) in KINDS.items():
            if kind not in path.kinds:
                continue
            lane = "firewall" if path.held and lane == "service" else lane
            behind = {**path.behind, **(path.shut if kind == "reset" else path.silent if kind == "drop" else {})}
            if path.held and lane == "route":  # the same words come back for all that lie behind
                behind = {finding: fail(lane) for finding in (*path.behind, *path.silent)}
            yield Fault(
                name=path.name(kind),
                harm=path.blocked(*target),
                changes={path.finding: Says(path.status, lane), **behind},
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
        harm=harms.unplugged("sip-b"),
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

_EXCP_1_DEAF = (
    each("network.name-resolution", fail("dns"), "excp-1")
    | {"network.docker-overlap[excp-1]": BLOCKED, "redis.latency[excp-1]": BLOCKED}
    | {"registry.trusted-by-vms[excp-1]": BLOCKED, "vm.clock-offset[excp-1]": BLOCKED}
    | edges("connectivity.redis", fail("dns"), REDIS_AT, "excp-1")
    | edges("connectivity.registry", fail("dns"), REGISTRY_AT, "excp-1")
    | edges("connectivity.logging", warn("dns"), LOGS_AT, "excp-1")
    | edges("connectivity.genesys-cloud", fail("dns"), LOGIN_AT, "excp-1")
    | edges("connectivity.genesys-cloud", fail("dns"), API_AT, "excp-1")
    | edges("connectivity.sip-server", fail("dns"), SIPS_AT[0], "excp-1")
    | edges("connectivity.sip-server", fail("dns"), SIPS_AT[1], "excp-1")
)

NETWORK = (
    *NETWORK,
    *(
        Fault(name=f"dns-all-{answer}-excp-1", harm=harms.told("excp-1", "*", answer), changes=_EXCP_1_DEAF)
        for answer in ("servfail", "silence")
    ),
    Fault(
        name="one-of-two-addresses-is-dead",
        harm=harms.told("excp-2", SIPS[1], (*NAMES[SIPS[1]], "10.20.50.99")),
        changes={f"connectivity.sip-server[excp-2->{SIPS_AT[1]}]": warn("route")}
        | each("network.name-resolution", warn("dns"), "excp-1", "excp-2"),
    ),
    Fault(
        name="gateway-between-excs-1-and-excp-2",
        harm=harms.route("excs-1", f"{ADDRESSES['excp-2']}/32", "via", "10.20.30.1"),
        changes={"network.segment[excs-1,excp-2]": warn("route")},
        also=("connectivity.*",),
    ),
    Fault(
        name="docker-holds-the-addresses-of-redis",
        harm=harms.engine("excp-1", subnet="10.20.40.0/24"),
        changes={
            "network.docker-overlap[excp-1]": warn("route"),
            f"redis.outside-docker[{REDIS_AT}]": fail("configuration"),
        },
    ),
    Fault(name="port-taken-on-loopback-excp-1", harm=harms.port_taken("excp-1", 3650, "127.0.0.1"),
          changes={"vm.ports-free[excp-1]": warn("service")}, also=("connectivity.*", "network.*")),
    Fault(name="near-other-port-dropped", also=("connectivity.*", "network.*"),
          harm=harms.rule("router", "FORWARD", "-p", "tcp", "--dport", "8001", "-j", "DROP")),
    Fault(name="near-docker-network-beside", harm=harms.engine("exas-1", subnet="10.20.64.0/20"),
          also=("network.docker-overlap", "redis.outside-docker")),
)  # fmt: skip

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

_SIP_B_ODD = {f"connectivity.sip-server[{vm}->{SIPS_AT[1]}]": fail("service") for vm in ("excp-1", "excp-2")} | {
    f"engage.sip-server[{SIPS_AT[1]}]": fail("service")
}

PEERS = (
    *PEERS,
    *(
        Fault(name=f"sip-b-is-{what}", harm=harms.answered_by("sip-b", saying(words)), changes=_SIP_B_ODD)
        for what, words in {
            "smtp": b"220 mail.example ESMTP Postfix\r\n",
            "redis": b"-ERR unknown command\r\n",
            "mysql": b"J\0\0\0\n5.7.44\0\x08\0\0\0abcdefgh\0\xff\xff\x08\x02\0\xff\xc1\x15\0\0\0\0\0\0\0\0\0\0",
        }.items()
    ),
    Fault(name="sip-b-refused", harm=harms.shut("sip-b"), changes=_SIP_B_ODD),
    Fault(name="near-sip-b-hears-all", harm=harms.answered_by("sip-b", silent), also=("engage.*", "connectivity.*")),
    Fault(
        name="config-db-silent",
        harm=harms.config_db_instead(silent),
        changes=config_db_down("service"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-is-mysql",
        harm=harms.config_db_instead(saying(b"J\0\0\0\n5.7.44\0\x08\0\0\0abcdefgh\0\xff\xff\x08\x02\0\xff\xc1\x15\0")),
        changes=config_db_down("service"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="registry-is-a-web-site",
        harm=harms.registry_instead(answering({}, as_page("Welcome to nginx!", status=404))),
        changes={f"registry.reachable[{REGISTRY_AT}]": fail("configuration")}
        | each("registry.images", BLOCKED, *IMAGES)
        | edges("connectivity.registry", fail("configuration"), REGISTRY_AT),
        also=("registry.*", "connectivity.registry"),
    ),
    Fault(
        name="cloud-overloaded",
        harm=harms.cloud_answers("login", rate_limited(60)),
        changes=dict.fromkeys(CLOUD_UNASKED, unknown("overload")),
        also=("genesys-cloud.*", "connectivity.genesys-cloud"),
    ),
    Fault(
        name="cloud-out-of-order",
        harm=harms.cloud_answers("login", api_error(503, "service.unavailable", "try again later")),
        changes=dict.fromkeys(CLOUD_UNASKED, unknown("unreachable")),
        also=("genesys-cloud.*", "connectivity.genesys-cloud"),
    ),
    Fault(
        name="prometheus-stopped",
        harm=harms.prometheus_stopped(),
        changes={"optional.prometheus[10.20.40.62:9090]": warn("service")},
        also=("connectivity.*",),
    ),
    Fault(
        name="grafana-stopped",
        harm=harms.watch_stopped("grafana"),
        changes={"optional.grafana[10.20.40.63:3000]": warn("service")},
    ),
    Fault(
        name="grafana-without-database",
        harm=harms.watch_says("grafana", GRAFANA_WITHOUT_DATABASE),
        changes={"optional.grafana[10.20.40.63:3000]": warn("service")},
    ),
    Fault(
        name="portainer-stopped",
        harm=harms.watch_stopped("portainer"),
        changes={"optional.container-monitoring[10.20.40.63:9000]": warn("service")},
    ),
    Fault(
        name="portainer-never-set-up",
        harm=harms.watch_says("portainer", PORTAINER_UNFINISHED),
        changes={"optional.container-monitoring[10.20.40.63:9000]": warn("service")},
    ),
    Fault(
        name="portainer-is-a-web-site",
        harm=harms.watch_says("portainer", answering({}, as_page("Welcome to nginx!"))),
        changes={"optional.container-monitoring[10.20.40.63:9000]": warn("configuration")},
    ),
    Fault(name="logs-red", harm=harms.logs_are("red"), changes={f"optional.logging[{LOGS_AT}]": warn("service")},
          also=("connectivity.logging",)),
    Fault(name="near-logs-yellow", harm=harms.logs_are("yellow"), also=("optional.*", "connectivity.logging")),
)  # fmt: skip

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

RIGHTS = (
    *RIGHTS,
    Fault(
        name="config-db-may-not-connect",
        harm=harms.sql(
            "REVOKE CONNECT ON DATABASE genesys_cfg FROM PUBLIC", "GRANT CONNECT ON DATABASE genesys_cfg TO PUBLIC"
        ),
        changes=config_db_down("auth"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-of-another-name",
        harm=harms.declared("database: genesys_cfg", "database: genesys_config"),
        changes=config_db_down("configuration"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-locked-account",
        harm=harms.sql("ALTER ROLE exec_ro NOLOGIN", "ALTER ROLE exec_ro LOGIN"),
        changes=config_db_down("auth"),
        also=("engage.*", "connectivity.config-db"),
    ),
    Fault(
        name="config-db-is-superuser",
        harm=harms.sql("ALTER ROLE exec_ro SUPERUSER", "ALTER ROLE exec_ro NOSUPERUSER"),
        changes={f"engage.read-only-account[{CONFIG_DB_AT}]": warn("configuration")},
        also=("connectivity.config-db",),
    ),
    Fault(
        name="organization-inactive",
        harm=harms.cloud(organization_state="suspended"),
        changes={f"genesys-cloud.organization[{LOGIN_AT}]": fail("service")},
        also=("genesys-cloud.*",),
    ),
    Fault(
        name="oauth-ends-soon",
        harm=harms.cloud(date_to_delete=datetime.now(UTC) + timedelta(days=10)),
        changes={f"genesys-cloud.oauth-client[{LOGIN_AT}]": warn("configuration")},
        also=("genesys-cloud.*",),
    ),
)

# ------------------------------------------------------------------------------------------------- Redis, registry
_ENTERPRISE = {f"redis.{check}[{REDIS_AT}]": Says("pass") for check in ("edition", "resiliency", "data-protection")}


def _version(name: str, version: str) -> Harm:
    """Another configured version of an application."""
    usual = {"sip_harbour_a": "8.1.102.59", "stat_exec_p": "8.5.110.02", "confserv_p": "8.5.101.42"}[name]
    set_to = "UPDATE cfg_application SET version = '{}' WHERE name = '{}'"
    return harms.sql(set_to.format(version, name), set_to.format(usual, name))


SERVICES = (
    *(
        Fault(
            name=f"redis-{version}",
            harm=harms.redis_says(version),
            changes={f"redis.version[{REDIS_AT}]": fail("version")},
            also=("connectivity.redis",),
        )
        for version in ("5.0.14", "7.0.0", "60.0.0")
    ),
    *(
        Fault(name=f"near-redis-{version}", harm=harms.redis_says(version), also=("redis.*", "connectivity.redis"))
        for version in ("6.0.0", "6.2.999")
    ),
    Fault(
        name="redis-is-valkey",
        harm=harms.redis_says("7.2.4", server_name="valkey", valkey_version="8.0.1"),
        changes={f"redis.{check}[{REDIS_AT}]": fail("version") for check in ("version", "edition")},
        also=("connectivity.redis",),
    ),
    Fault(
        name="redis-is-dragonfly-that-says-6",
        harm=harms.redis_says("6.2.11", dragonfly_version="df-v1.21.2"),
        changes={f"redis.edition[{REDIS_AT}]": fail("version"), f"redis.version[{REDIS_AT}]": warn("version")},
        also=("connectivity.redis",),
    ),
    Fault(
        name="redis-sentinel",
        harm=harms.redis_sentinel(),
        changes={f"redis.{check}[{REDIS_AT}]": unknown("unsupported") for check in _BY_INFO}
        | edges("connectivity.redis", warn("configuration"), REDIS_AT),
        also=("redis.*", "connectivity.redis"),
    ),
    Fault(
        name="redis-with-replica",
        harm=harms.redis_with_replica(),
        changes={f"redis.resiliency[{REDIS_AT}]": PASS},
        also=("connectivity.redis",),
    ),
    Fault(name="redis-is-enterprise", harm=harms.enterprise(), changes=_ENTERPRISE, also=("connectivity.redis",)),
    Fault(
        name="redis-enterprise-oss-cluster",
        harm=harms.enterprise(oss_cluster=True),
        changes=_ENTERPRISE | {f"redis.cluster-mode[{REDIS_AT}]": fail("configuration")},
    ),
    Fault(
        name="redis-enterprise-licence-over",
        harm=harms.enterprise(expired=True),
        changes=_ENTERPRISE | {f"redis.edition[{REDIS_AT}]": warn("configuration")},
    ),
    Fault(
        name="redis-enterprise-half-of-it-usable",
        harm=harms.enterprise(memory_size=5_999_999_998),
        changes=_ENTERPRISE | {f"redis.memory[{REDIS_AT}]": fail("capacity")},
    ),
    Fault(
        name="redis-enterprise-without-replication",
        harm=harms.enterprise(replication=False),
        changes={id: says for id, says in _ENTERPRISE.items() if "resiliency" not in id},
    ),
    Fault(
        name="redis-enterprise-without-backup",
        harm=harms.enterprise(backup=False, backup_status="", last_backup_time=None),
        changes={id: says for id, says in _ENTERPRISE.items() if "data-protection" not in id},
    ),
    Fault(
        name="near-two-gigabytes-exactly",
        harm=harms.together(
            harms.sql(
                "UPDATE cfg_person SET state = 2 WHERE dbid BETWEEN 10990 AND 11486",
                "UPDATE cfg_person SET state = 1 WHERE dbid BETWEEN 10990 AND 11486",
            ),
            harms.capacity(1000, 5),
            harms.redis_set("maxmemory", "2000000000"),
        ),
        also=("redis.*", "engage.*"),
    ),
    Fault(
        name="more-agents-than-declared",
        harm=harms.capacity(1400, 8),
        changes={f"engage.inventory[{CONFIG_DB_AT}]": warn("capacity")},
        also=("redis.*",),
    ),
    Fault(
        name="sip-server-8.0",
        harm=_version("sip_harbour_a", "8.0.400.90"),
        changes={f"engage.version[{SIPS_AT[0]}]": fail("version")},
    ),
    Fault(
        name="sip-server-8.5",
        harm=_version("sip_harbour_a", "8.5.000.01"),
        changes={f"engage.version[{SIPS_AT[0]}]": PASS},
    ),
    Fault(
        name="stat-server-8.1",
        harm=_version("stat_exec_p", "8.1.200.55"),
        changes={f"engage.version[{STATS_AT[0]}]": fail("version")},
    ),
    Fault(name="near-stat-server-8.5.0", harm=_version("stat_exec_p", "8.5.000.00"), also=("engage.*",)),
    Fault(
        name="stat-server-disabled",
        harm=harms.sql(
            "UPDATE cfg_application SET state = 2 WHERE name = 'stat_exec_p'",
            "UPDATE cfg_application SET state = 1 WHERE name = 'stat_exec_p'",
        ),
        changes={_STAT_A_RUNS: warn("configuration"), f"engage.inventory[{CONFIG_DB_AT}]": warn("configuration")},
    ),
    Fault(
        name="config-server-8.1",
        harm=_version("confserv_p", "8.1.300.25"),
        changes={f"engage.version[{CONFIG_DB_AT}]": fail("version")},
    ),
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
        changes={f"redis.{check}[{REDIS_AT}]": unknown("unsupported") for check in _BY_INFO}
        | edges("connectivity.redis", warn("configuration"), REDIS_AT),
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


_PODMAN = """\
#!/bin/sh
[ "$1" = --version ] && echo 'podman version 4.9.4' && exit
echo 'Error: looking up compose provider failed' >&2
exit 125
"""


def _uname(release: str, machine: str = "x86_64") -> str:
    return _OLD_KERNEL.format(release=release, machine=machine)


MACHINES = (
    Fault(
        name="docker-19",
        harm=harms.engine("excp-1", version="19.03.15"),
        changes={"vm.docker[excp-1]": fail("version")},
    ),
    Fault(name="near-docker-20", harm=harms.engine("excp-1", version="20.0.0"), also=("vm.*",)),
    Fault(
        name="docker-absent",
        harm=harms.no_engine("exas-1"),
        changes={
            "vm.docker[exas-1]": fail("version"),
            "vm.compose[exas-1]": fail("service"),
            "network.docker-overlap[exas-1]": BLOCKED,  # its bridge is still there
        },
        also=("vm.*", "network.docker-overlap", "registry.*"),
    ),
    Fault(
        name="docker-denied",
        harm=harms.engine_denied("exas-1"),
        changes={
            "vm.docker[exas-1]": unknown("permission"),
            "network.docker-overlap[exas-1]": unknown("permission"),
        },
    ),
    Fault(
        name="docker-hangs",
        harm=harms.engine_hangs("exas-1"),
        changes={
            "vm.docker[exas-1]": unknown("timeout"),
            "network.docker-overlap[exas-1]": unknown("timeout"),
            f"redis.outside-docker[{REDIS_AT}]": unknown("timeout"),
        },
    ),
    Fault(
        name="docker-stopped",
        harm=harms.engine_stopped("exas-1"),
        changes={"vm.docker[exas-1]": fail("service"), "network.docker-overlap[exas-1]": BLOCKED},
    ),
    Fault(
        name="docker-client-only",
        harm=harms.no_engine("exas-1", client=True),
        changes={"vm.docker[exas-1]": fail("service"), "network.docker-overlap[exas-1]": BLOCKED},
    ),
    Fault(
        name="docker-is-podman",
        harm=harms.tool("excp-2", "docker", _PODMAN),
        changes={"vm.docker[excp-2]": fail("configuration"), "network.docker-overlap[excp-2]": BLOCKED},
    ),
    Fault(
        name="compose-absent",
        harm=harms.without_tool("excs-1", "docker-compose"),
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
        # The images are there for 64-bit machines alone, so not for every VM that is to run them.
        changes={"vm.os[excp-2]": fail("configuration")} | each("registry.images", fail("configuration"), *IMAGES),
        also=("registry.*",),
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
        name="memory-7.9",
        harm=harms.hardware("exas-1", blocks=59),
        changes={"vm.memory[exas-1]": warn("capacity")},
    ),
    Fault(
        name="clock-never-set",
        harm=harms.clock_never_set("exas-1"),
        changes={"vm.time-sync[exas-1]": unknown("not_observed")},
    ),
    Fault(
        name="three-vms",
        harm=harms.declared("  - {name: excp-2, role: excp, host: 10.20.30.14}\n", ""),
        changes={"vm.roles[site]": fail("capacity")},
        gone=("excp-2",),
        also=("*",),
    ),
    Fault(
        name="vm-not-built",
        harm=harms.declared("role: excp, host: 10.20.30.14}", "role: excp}"),
        changes={
            "vm.roles[site]": unknown("undeclared"),
            "vm.one-component-each[site]": unknown("undeclared"),
            f"redis.outside-docker[{REDIS_AT}]": unknown("undeclared"),
        },
        lost=("excp-2", "undeclared"),
        also=("*",),
    ),
    Fault(
        name="bootstrap-is-no-linux",
        harm=harms.tool("boot-1", "uname", "#!/bin/sh\necho 'FreeBSD 13.2-RELEASE amd64'\n"),
        changes={"bootstrap.os[boot-1]": fail("configuration")},
    ),
    Fault(
        name="bootstrap-docker-19",
        harm=harms.engine("boot-1", version="19.03.15"),
        changes={"bootstrap.docker[boot-1]": fail("version")},
    ),
    Fault(name="near-bootstrap-docker-20", harm=harms.engine("boot-1", version="20.0.0"), also=("bootstrap.*",)),
    Fault(
        name="bootstrap-python-3.8",
        harm=harms.tool("boot-1", "python3", "#!/bin/sh\nprintf '3.8.20\\n23.0.1\\n'\n"),
        changes={"bootstrap.python[boot-1]": warn("version")},
    ),
    Fault(
        name="near-bootstrap-python-3.9",
        harm=harms.tool("boot-1", "python3", "#!/bin/sh\nprintf '3.9.0\\n20.2.3\\n'\n"),
        also=("bootstrap.*",),
    ),
    Fault(
        name="bootstrap-no-python",
        harm=harms.hidden("boot-1", "python3*", "pip3*", "pip"),
        changes={
            "bootstrap.python[boot-1]": fail("version"),
            "bootstrap.pip[boot-1]": fail("configuration"),
        },
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
    Fault(
        name="near-no-forwarding-no-python",
        also=("*",),
        harm=harms.together(harms.sshd("exas-1", "DisableForwarding yes"), harms.hidden("exas-1", "python3")),
    ),
    Fault(
        name="near-max-sessions-1-no-forwarding",
        also=("*",),
        harm=harms.sshd("excs-1", "MaxSessions 1", "AllowTcpForwarding no"),
    ),
    Fault(
        name="near-ssh-banner",
        also=("*",),
        harm=harms.together(
            harms.file("exas-1", "/run/banner", "*** Authorised use only \033[5m*** \xe9\n"),
            harms.sshd("exas-1", "Banner /run/banner"),
        ),
    ),
    Fault(name="near-no-python", harm=harms.hidden("excp-1", "python3"), also=("*",)),
    Fault(name="no-python-no-perl", harm=harms.hidden("excp-1", "python3", "perl"), also=("*",)),
    Fault(name="near-noisy-bash", harm=harms.noisy_bash("excs-1"), also=("*",)),
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
        harm=harms.unplugged("excp-2"),
        changes={
            "bootstrap.ssh[boot-1->excp-2:22]": fail("route"),
            "connectivity.excp-inbound[prometheus->excp-2:3650]": warn("route"),
        }
        | {
            f"redis.outside-docker[{REDIS_AT}]": unknown("unreachable"),
            "vm.one-component-each[site]": unknown("unreachable"),
        },
        lost=("excp-2", "unreachable"),
        also=("*",),
    ),
)

_EXCP_2_LOST = ("vm.one-component-each[site]", f"redis.outside-docker[{REDIS_AT}]")

SSH = (
    *SSH,
    Fault(
        name="ssh-key-unknown",
        harm=harms.no_key("excp-2"),
        changes={finding: unknown("auth") for finding in _EXCP_2_LOST} | {"bootstrap.ssh[boot-1->excp-2:22]": BLOCKED},
        lost=("excp-2", "auth"),
        also=("*",),
    ),
    Fault(
        name="ssh-hangs-after-accept",
        harm=harms.hangs_after_accept("excp-2"),
        changes={finding: unknown("timeout") for finding in _EXCP_2_LOST}
        | {"bootstrap.ssh[boot-1->excp-2:22]": fail("service")},
        lost=("excp-2", "timeout"),
        also=("*",),
    ),
    Fault(
        name="bootstrap-down",
        harm=harms.sshd_down("boot-1"),
        changes={
            "optional.grafana[10.20.40.63:3000]": unknown("unreachable"),
            "optional.container-monitoring[10.20.40.63:9000]": unknown("unreachable"),
        },
        lost=("boot-1", "unreachable"),
        also=("*",),
    ),
    Fault(
        name="prometheus-host-down",
        harm=harms.sshd_down(PROM),
        changes={"optional.prometheus[10.20.40.62:9090]": unknown("unreachable")},
        lost=("[prometheus->", "unreachable"),
        also=("*",),
    ),
)

FAULTS = (*_paths(), *NETWORK, *PEERS, *_tls(), *RIGHTS, *SERVICES, *MACHINES, *SSH)

UNCHANGED = {
    "planning.limitations-reviewed": "nothing can probe it: a person attests it, and its status stays",
    "redis.dba-owned": "nothing can probe it: a person attests it, and its status stays",
    "redis.scalability": "nothing can probe it: a person attests it, and its status stays",
}
"""Checks that no fault of the catalogue can change, and why."""
