"""The rows of the connectivity table: which edges there are, and what becomes of each kind of answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readiness_checks import connectivity
from readiness_checks.called_rows import CalledRow, CallTarget
from readiness_checks.connectivity import (
    ExasReachable,
    ExcpReachable,
    ExcsReachable,
    ReachesBackupStatServer,
    ReachesConfigDb,
    ReachesExcsApi,
    ReachesGenesysCloud,
    ReachesLogging,
    ReachesPrimaryStatServer,
    ReachesRedis,
    ReachesRegistry,
    ReachesSipServers,
)
from readiness_checks.rows import Row, SilentRow, SpokenRow

from readiness.check import Settled
from readiness.model import (
    Cause,
    Judgement,
    Lane,
    Level,
    Obligation,
    Origin,
    Outcome,
    Owner,
    Reason,
    Status,
    Target,
    TargetKind,
    Unread,
    owner_of,
)
from readiness.plan import AnyCheck, plan
from readiness.probe import Attempt
from readiness.probes.config_db import ConfigDbSession, ConfigDbTalk, Inventory, ReadConfigDb
from readiness.probes.genesys_cloud import AskGenesysCloudHost, GenesysCloudHost, Interception
from readiness.probes.http import BodyEnd, HttpAnswer, HttpRefusal, RefusalKind, Timing
from readiness.probes.linux.network import Listener, Listeners
from readiness.probes.listener import Call, CallPort, Echo, Held, NotHeld, Obstacle, PortProof
from readiness.probes.postgres import PgEnding, PgRefusal
from readiness.probes.redis import AskRedis, Ending, Login, Mode, Nameless, Product, RedisAnswer, RedisInfo, ServerRole
from readiness.probes.registry import AskRegistry, RegistryTalk, Scheme
from readiness.probes.registry import Login as RegistryLogin
from readiness.probes.tcp import AddressPath, DialTcp, PathState, TcpPath, control_port
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.secret import SecretRef
from readiness.site import (
    Absent,
    ConfigDb,
    EdgeTarget,
    Endpoint,
    Engine,
    GenesysCloud,
    Logging,
    Monitoring,
    Probing,
    Prometheus,
    Redis,
    Registry,
    Role,
    Site,
    StatServer,
    StatServers,
    Tls,
    Vm,
)
from readiness.vantage import Dialled, PathVerdict, Resolution
from tests.lab.engine import site as bare_site

OUTBOUND: tuple[type[AnyCheck], ...] = (
    ReachesConfigDb,
    ReachesPrimaryStatServer,
    ReachesBackupStatServer,
    ReachesSipServers,
    ReachesRedis,
    ReachesLogging,
    ReachesGenesysCloud,
    ReachesRegistry,
)
INBOUND: tuple[type[AnyCheck], ...] = (ReachesExcsApi, ExcsReachable, ExasReachable, ExcpReachable)
ROWS = (
    "config-db",
    "stat-server-primary",
    "stat-server-backup",
    "sip-server",
    "excs-api",
    "excs-inbound",
    "exas-inbound",
    "excp-inbound",
    "redis",
    "logging",
    "genesys-cloud",
    "registry",
)
SILENT = (ReachesPrimaryStatServer, ReachesBackupStatServer, ReachesSipServers)

VMS = (
    Vm(name="excs-1", role=Role.EXCS, host="10.99.1.11", address="10.10.1.11", port=3640),
    Vm(name="exas-1", role=Role.EXAS, host="10.10.1.12", address="10.10.1.12", port=None),
    Vm(name="excp-1", role=Role.EXCP, host="10.10.1.13", address="10.10.1.13", port=None),
    Vm(name="excp-2", role=Role.EXCP, host="10.10.1.14", address="10.10.1.14", port=None),
)
REDIS = Redis(endpoint=Endpoint("redis.acme.example", 6379), username="exec", password=SecretRef(env="REDIS_PASSWORD"))
CLOUD = GenesysCloud(
    region="mypurecloud.de",
    client_id=None,
    client_secret=None,
    organization_id=None,
    role="EX Integration",
    ca_file=None,
    proxy=None,
    login=Endpoint("login.mypurecloud.de", 443),
    api=Endpoint("api.mypurecloud.de", 443),
)


def whole(**changes: object) -> Site:
    """A site that declares everything."""
    declared: dict[str, object] = {
        "vms": VMS,
        "redis": REDIS,
        "registry": Registry(url="https://registry.acme.example", endpoint=Endpoint("registry.acme.example", 443)),
        "config_db": ConfigDb(engine=Engine.POSTGRESQL, endpoint=Endpoint("cfgdb.acme.example", 5432)),
        "stat_servers": StatServers(
            primary=StatServer(endpoint=Endpoint("stat1.acme.example", 2060)),
            backup=StatServer(endpoint=Endpoint("stat2.acme.example", 2060)),
        ),
        "sip_servers": (
            StatServer(endpoint=Endpoint("sip1.acme.example", 8000)),
            StatServer(endpoint=Endpoint("fd00::8", 8000)),
        ),
        "genesys_cloud": CLOUD,
        "logging": Logging(
            url="https://elastic.acme.example:9200",
            endpoint=Endpoint("elastic.acme.example", 9200),
            username=None,
            password=None,
            ca_file=None,
        ),
        "monitoring": Monitoring(
            prometheus=Prometheus(host="10.10.2.62", url=None, ca_file=None, username=None, password=None, ssh=True),
            grafana=Absent.UNDECLARED,
            portainer=Absent.UNDECLARED,
        ),
    }
    return bare_site(**declared | changes)


def names(check: type[AnyCheck], site: Site) -> list[str]:
    return [about(one).name for one in check().targets(site)]


def about(one: object) -> Target:
    found = one.target if isinstance(one, Settled) else one
    assert isinstance(found, Target)
    return found


def settled(check: type[AnyCheck], site: Site) -> dict[str, Judgement]:
    return {one.target.name: one.judgement for one in check().targets(site) if isinstance(one, Settled)}


# ---- which edges there are ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (ReachesConfigDb, ["excs-1->cfgdb.acme.example:5432"]),
        (ReachesPrimaryStatServer, ["exas-1->stat1.acme.example:2060"]),
        (ReachesBackupStatServer, ["exas-1->stat2.acme.example:2060"]),
        (
            ReachesSipServers,
            [
                "excp-1->sip1.acme.example:8000",
                "excp-1->[fd00::8]:8000",
                "excp-2->sip1.acme.example:8000",
                "excp-2->[fd00::8]:8000",
            ],
        ),
        (ReachesRedis, [f"{vm.name}->redis.acme.example:6379" for vm in VMS]),
        (ReachesLogging, [f"{vm.name}->elastic.acme.example:9200" for vm in VMS]),
        (ReachesRegistry, [f"{vm.name}->registry.acme.example:443" for vm in VMS]),
        (
            ReachesGenesysCloud,
            [f"{vm.name}->{host}.mypurecloud.de:443" for vm in VMS for host in ("login", "api")],
        ),
        (ReachesExcsApi, ["exas-1->excs-1:3640", "excp-1->excs-1:3640", "excp-2->excs-1:3640"]),
        (
            ExcsReachable,
            ["exas-1->excs-1:3640", "excp-1->excs-1:3640", "excp-2->excs-1:3640", "prometheus->excs-1:3640"],
        ),
        (ExasReachable, ["prometheus->exas-1:3630"]),
        (ExcpReachable, ["prometheus->excp-1:3650", "prometheus->excp-2:3650"]),
    ],
)
def test_each_row_has_the_edges_of_the_page(check: type[AnyCheck], expected: list[str]) -> None:
    """VMs stand by their names, other peers as declared, IPv6 in brackets; each with its source, host and port."""
    site = whole()
    assert names(check, site) == expected
    for target in map(about, check().targets(site)):
        assert target.kind is TargetKind.EDGE
        assert target.source == target.name.partition("->")[0]
        assert target.name.endswith(f":{target.port}")
        assert target.host


def test_the_ids_of_a_whole_site_are_distinct_and_complete() -> None:
    """The twelve rows of the contract expand without a clash, whatever the two Stat Servers share."""
    one = StatServer(endpoint=Endpoint("stat.acme.example", 2060))
    site = whole(stat_servers=StatServers(primary=one, backup=one), sip_servers=(one, one))
    found = plan(site, OUTBOUND + INBOUND)
    assert {requirement.id for requirement in found.requirements} == {f"connectivity.{row}" for row in ROWS}
    assert len(found.instances) == len({instance.id for instance in found.instances})


@pytest.mark.parametrize(
    ("check", "key"),
    [
        (ReachesConfigDb, "config_db"),
        (ReachesPrimaryStatServer, "stat_servers.primary"),
        (ReachesBackupStatServer, "stat_servers.backup"),
        (ReachesSipServers, "sip_servers"),
        (ReachesRedis, "redis"),
        (ReachesGenesysCloud, "genesys_cloud"),
        (ReachesRegistry, "registry"),
    ],
)
def test_a_mandatory_peer_that_is_missing_leaves_its_row_open(check: type[AnyCheck], key: str) -> None:
    """Left out is unknown and undeclared; ``none`` is a matter for a person. Either way the row stays in the report."""
    changed: dict[str, object] = {key: Absent.UNDECLARED}
    none: dict[str, object] = {key: Absent.NONE}
    if key.startswith("stat_servers"):
        changed = {"stat_servers": StatServers(primary=Absent.UNDECLARED, backup=Absent.UNDECLARED)}
        none = {"stat_servers": StatServers(primary=Absent.NONE, backup=Absent.NONE)}
    (judgement,) = settled(check, whole(**changed)).values()
    assert names(check, whole(**changed)) == [key]
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED
    (judgement,) = settled(check, whole(**none)).values()
    assert judgement.outcome is Outcome.MANUAL
    assert judgement.remedy


def test_no_sip_server_in_the_list_is_none_declared() -> None:
    """An empty list is not a proof that all SIP Servers are reached."""
    assert names(ReachesSipServers, whole(sip_servers=())) == ["sip_servers"]


@pytest.mark.parametrize("why", list(Absent))
def test_logging_that_is_not_planned_is_skipped(why: Absent) -> None:
    """An optional element that the site does not plan says so and weighs nothing."""
    (judgement,) = settled(ReachesLogging, whole(logging=why)).values()
    assert judgement.outcome is Outcome.SKIP
    assert ReachesLogging.requirement.obligation is Obligation.OPTIONAL


def test_prometheus_that_is_not_planned_is_skipped_edge_by_edge() -> None:
    """The rows for EXAS and EXCP then are skipped whole; that of EXCS still has its components."""
    none = Monitoring(prometheus=Absent.UNDECLARED, grafana=Absent.UNDECLARED, portainer=Absent.UNDECLARED)
    site = whole(monitoring=none)
    assert {one.outcome for one in settled(ExasReachable, site).values()} == {Outcome.SKIP}
    assert {one.outcome for one in settled(ExcpReachable, site).values()} == {Outcome.SKIP}
    assert list(settled(ExcsReachable, site)) == ["prometheus->excs-1:3640"]


def test_a_vm_that_is_not_built_is_undeclared_on_its_own_edges() -> None:
    """Its edges keep their ids, so that the report before and after it is built can be compared."""
    vms = (*VMS[:3], replace(VMS[3], host=None))
    site = whole(vms=vms)
    for check in (ReachesRedis, ReachesSipServers, ReachesGenesysCloud, ReachesExcsApi, ExcpReachable):
        assert names(check, site) == names(check, whole())
        open_ = settled(check, site)
        assert open_
        assert all("excp-2" in name for name in open_)
        assert {one.reason.code for one in open_.values() if one.reason} == {Cause.UNDECLARED}


@pytest.mark.parametrize("check", OUTBOUND + INBOUND)
def test_a_site_without_the_vms_of_a_row_keeps_the_row(check: type[AnyCheck]) -> None:
    """No VM of a role is a gap in the site file, not a row that passes for want of edges."""
    (judgement,) = settled(check, whole(vms=())).values()
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED


def test_a_row_without_its_callers_keeps_the_row() -> None:
    """EXCS is there and nobody who calls it: the role that is missing is named."""
    (judgement,) = settled(ReachesExcsApi, whole(vms=whole().vms_of(Role.EXCS))).values()
    assert judgement.reason is not None
    assert (judgement.reason.code, "role: exas" in judgement.reason.detail) == (Cause.UNDECLARED, True)


def test_connecting_to_engage_can_be_refused_by_the_customer() -> None:
    """The switch for Stat and SIP Servers leaves their rows unknown, with its own name in the reason."""
    site = whole(probing=Probing(sip_stat_connect=False))
    for check in SILENT:
        for judgement in settled(check, site).values():
            assert judgement.reason is not None
            assert judgement.reason.code is Cause.UNSUPPORTED
            assert "probing.sip_stat_connect" in judgement.reason.detail
            assert "probing.sip_stat_connect" in judgement.reason.enable
        assert len(settled(check, site)) == len(names(check, site))
    assert settled(ReachesRedis, site) == {}


def test_what_is_asked_of_whom() -> None:
    """Rows of silent services listen and check a port that should be closed; the others say nothing on TCP."""
    site = whole()
    stat = ReachesPrimaryStatServer()
    (edge,) = stat.targets(site)
    assert isinstance(edge, EdgeTarget)
    assert stat.needs(edge) == (DialTcp("exas-1", "stat1.acme.example", 2060, linger=1.0, control=True),)
    db = ReachesConfigDb()
    (edge,) = db.targets(site)
    assert isinstance(edge, EdgeTarget)
    assert isinstance(site.config_db, ConfigDb)
    dial = DialTcp("excs-1", "cfgdb.acme.example", 5432)
    assert db.needs(edge) == (Attempt(dial), Attempt(ReadConfigDb.of(site.config_db, ("excs-1",))))
    oracle = whole(config_db=replace(site.config_db, engine=Engine.ORACLE))
    (edge,) = db.targets(oracle)
    assert isinstance(edge, EdgeTarget)
    assert db.needs(edge) == (dial,), "of another RDBMS a connect decides"
    registry = ReachesRegistry()
    edge = registry.targets(site)[0]
    assert isinstance(edge, EdgeTarget)
    knock = AskRegistry(
        asked_from=("excs-1",),
        url="https://registry.acme.example",
        username=None,
        password=None,
        ca_file=None,
        images=(),
    )
    assert registry.needs(edge) == (Attempt(DialTcp("excs-1", "registry.acme.example", 443)), Attempt(knock))
    redis = ReachesRedis()
    edge = redis.targets(site)[2]
    assert isinstance(edge, EdgeTarget)
    assert redis.needs(edge) == (
        Attempt(DialTcp("excp-1", "redis.acme.example", 6379)),
        Attempt(AskRedis.of("excp-1", REDIS)),
    )
    cloud = ReachesGenesysCloud()
    edge = cloud.targets(site)[1]
    assert isinstance(edge, EdgeTarget)
    assert cloud.needs(edge) == (
        Attempt(DialTcp("excs-1", "api.mypurecloud.de", 443)),
        Attempt(AskGenesysCloudHost.of("excs-1", CLOUD.api, CLOUD)),
    )


@pytest.mark.parametrize("check", OUTBOUND + INBOUND)
def test_the_catalogue_entry_is_whole(check: type[AnyCheck]) -> None:
    """Every row explains itself: what is asked, how it is proven, each status that it can take, what to do."""
    requirement = check.requirement
    assert requirement.section == "Connectivity table"
    assert requirement.valid_for == timedelta(days=7)
    assert len(requirement.text) > 30
    assert len(requirement.proof) > 60
    assert len(requirement.remedy) > 20
    usual = {Status.PASS, Status.WARN, Status.UNKNOWN}
    assert usual <= set(requirement.outcomes)
    assert (Status.FAIL in requirement.outcomes) == (requirement.obligation is Obligation.MANDATORY)
    assert (Status.MANUAL in requirement.outcomes) == (check in OUTBOUND and check is not ReachesLogging)
    assert (Status.SKIP in requirement.outcomes) == (check in INBOUND or check is ReachesLogging)
    assert (requirement.origin is Origin.IMPLIED) == (requirement.id == "connectivity.registry")


# ---- what becomes of a path --------------------------------------------------------------------------------------


def dialled(verdict: str, **more: object) -> Dialled:
    attempt = Dialled(verdict=PathVerdict(verdict), ms=0.42, tool="python", source="10.10.1.11")
    return replace(attempt, **more)  # type: ignore[arg-type]


def at(*attempts: Dialled, address: str = "10.20.0.5", control: Dialled | None = None) -> AddressPath:
    return AddressPath(address=address, attempts=attempts, control=control)


def path(*tried: AddressPath, host: str = "cfgdb.acme.example", port: int = 5432, error: str = "") -> TcpPath:
    return TcpPath(
        vantage="excs-1",
        host=host,
        port=port,
        resolution=Resolution(name=host, addresses=tuple(one.address for one in tried), error=error),
        tried=tried,
        control_port=control_port(host, port),
    )


OPEN = (dialled("open"),) * 3
STATES: dict[str, tuple[TcpPath, Outcome, Lane | None, str]] = {
    "open": (path(at(*OPEN)), Outcome.MET, None, "reaches"),
    "refused": (path(at(*(dialled("refused"),) * 3)), Outcome.MISSED, Lane.SERVICE, "refused"),
    "filtered": (
        path(at(*(dialled("timeout", ms=5000.0),) * 3)),
        Outcome.MISSED,
        Lane.FIREWALL,
        "nothing answers",
    ),
    "rejected on the way": (
        path(at(*(dialled("no_route", icmp="3/13@10.10.1.1"),) * 3)),
        Outcome.MISSED,
        Lane.FIREWALL,
        "a firewall on the way rejects",
    ),
    "rejected by the peer": (
        path(at(*(dialled("refused", icmp="3/3@10.20.0.5"),) * 3)),
        Outcome.MISSED,
        Lane.FIREWALL,
        "the firewall of that host rejects",
    ),
    "absent": (
        path(at(*(dialled("no_route", icmp="3/1@10.10.1.11"),) * 3)),
        Outcome.MISSED,
        Lane.ROUTE,
        "nobody on the VM's network",
    ),
    "no route": (path(at(*(dialled("no_route"),) * 3)), Outcome.MISSED, Lane.ROUTE, "no route leads to it"),
    "net unreachable": (
        path(at(*(dialled("net_unreachable"),) * 3)),
        Outcome.MISSED,
        Lane.ROUTE,
        "no route leads to its network",
    ),
    "denied": (path(at(*(dialled("denied"),) * 3)), Outcome.MISSED, Lane.FIREWALL, "rules on excs-1 itself"),
    "dns": (path(error="Name or service not known (EAI_NONAME)"), Outcome.MISSED, Lane.DNS, "does not resolve"),
    "unstable": (
        path(at(dialled("open"), dialled("timeout", ms=5000.0), dialled("open"))),
        Outcome.WEAK,
        Lane.ROUTE,
        "2 of 3 connects opened",
    ),
    "mixed": (
        path(at(*OPEN), at(*(dialled("timeout", ms=5000.0),) * 3, address="10.20.0.6")),
        Outcome.WEAK,
        Lane.FIREWALL,
        "by some of its addresses only",
    ),
    "unclear": (path(at(*(dialled("other", raw="EMFILE"),) * 3)), Outcome.UNKNOWN, Lane.PROBE, "could not be told"),
}


def db_edge() -> EdgeTarget:
    edge = ReachesConfigDb().targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    return edge


@pytest.mark.parametrize("name", list(STATES))
def test_each_state_of_a_path_has_its_outcome_its_lane_and_its_words(name: str) -> None:
    """Open meets; what is refused, silent, rejected, without a route or a name misses; what disagrees warns."""
    found, outcome, lane, words = STATES[name]
    judgement = ReachesConfigDb().judge(db_edge(), found)
    assert judgement.outcome is outcome
    assert judgement.lane is lane
    assert words in judgement.summary
    assert judgement.observed == found.observed
    assert "excs-1" in judgement.expected


@pytest.mark.parametrize("name", [name for name in STATES if name not in ("open", "unclear")])
def test_every_trouble_is_explained_and_has_a_remedy_for_this_very_edge(name: str) -> None:
    """Reasoning with its caveat, a job for one person, and commands that name the source and the destination."""
    found = STATES[name][0]
    judgement = ReachesConfigDb().judge(db_edge(), found)
    assert "host process path" in judgement.reasoning
    assert judgement.job
    assert "\n\n    " in judgement.remedy, "a remedy has a command"
    assert "cfgdb.acme.example" in judgement.remedy or "10.20.0.5" in judgement.remedy
    if name != "dns":
        assert "5432" in judgement.remedy
    if judgement.lane is Lane.FIREWALL and name != "denied":
        assert "10.10.1.11" in judgement.remedy
    assert judgement.evidence


def test_a_firewall_request_names_what_failed_and_not_what_works() -> None:
    """Of a name with two addresses only the silent one is to be opened."""
    judgement = ReachesConfigDb().judge(db_edge(), STATES["mixed"][0])
    assert "10.10.1.11 (excs-1)  ->  10.20.0.6  port 5432" in judgement.remedy
    assert "->  10.20.0.5" not in judgement.remedy


def test_a_firewall_request_names_the_source_of_the_same_family() -> None:
    """What left from an IPv6 address is no source of a rule about IPv4."""
    four = at(*(replace(dialled("timeout", ms=5000.0), source="10.10.1.11"),) * 3, address="10.20.0.6")
    six = at(*(replace(dialled("timeout", ms=5000.0), source="fd00::11"),) * 3, address="fd00::6")
    remedy = ReachesConfigDb().judge(db_edge(), path(four, six)).remedy
    assert "TCP  10.10.1.11 (excs-1)  ->  10.20.0.6  port 5432" in remedy
    assert "TCP  fd00::11 (excs-1)  ->  fd00::6  port 5432" in remedy


def test_a_closed_port_beside_a_silent_one_shows_that_the_host_is_up() -> None:
    """Where the control port refuses and the service's is silent, it is a filter and not a dead host."""
    silence = (dialled("timeout", ms=5000.0),) * 3
    found = path(at(*silence, control=dialled("refused")), host="stat1.acme.example", port=2060)
    assert "the host is up" in ReachesPrimaryStatServer().judge(stat_edge(), found).reasoning
    found = path(at(*silence, control=dialled("timeout")), host="stat1.acme.example", port=2060)
    assert "a host that is down" in ReachesPrimaryStatServer().judge(stat_edge(), found).reasoning


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("refused", Owner.DBA),
        ("filtered", Owner.NETWORK),
        ("rejected on the way", Owner.NETWORK),
        ("rejected by the peer", Owner.DBA),
        ("denied", Owner.DEPLOYER),
        ("no route", Owner.NETWORK),
        ("dns", Owner.NETWORK),
        ("mixed", Owner.NETWORK),
        ("unclear", Owner.DEPLOYER),
    ],
)
def test_the_owner_is_who_can_mend_it(name: str, owner: Owner) -> None:
    """A firewall on a host is mended by those who run that host, one on the way by the network team."""
    judgement = ReachesConfigDb().judge(db_edge(), STATES[name][0])
    assert (judgement.owner or owner_of(judgement.lane, ReachesConfigDb.requirement.owner)) is owner


def test_the_evidence_shows_all_that_was_seen() -> None:
    """Addresses, counts, times, the source and the sender of the ICMP message, and how it was dialled."""
    found = path(at(*(dialled("no_route", icmp="3/13@10.10.1.1", ms=1.5),) * 3))
    evidence = ReachesConfigDb().judge(db_edge(), found).evidence
    text = " | ".join(f"{one.label}: {one.value}" for one in evidence)
    assert "10.20.0.5" in text
    assert "all 3 connects" in text
    assert "1.50 ms" in text
    assert "ICMP 3/13" in text
    assert "10.10.1.1" in text
    assert "cfgdb.acme.example on excs-1: 10.20.0.5" in text
    assert "Source address: 10.10.1.11" in text
    assert {one.label: one.method for one in evidence if one.method != "exec prober (python)"} == {
        "cfgdb.acme.example on excs-1": "getent ahosts"
    }
    assert {one.of for one in evidence} == {found}
    assert max(one.level for one in evidence) is Level.TCP


def test_a_source_that_is_not_the_declared_address_is_pointed_out() -> None:
    """Firewall rules are made for declared addresses; traffic that leaves from another one misses them."""
    found = path(at(*(dialled("open", source="10.99.1.11"),) * 3))
    evidence = ReachesConfigDb().judge(db_edge(), found).evidence
    assert any("declares 10.10.1.11" in one.value for one in evidence)


def test_a_source_needs_an_address_to_be_compared_with() -> None:
    """A VM that is declared by its name has no address that a rule was made for; the source is shown alone."""
    named = whole(vms=(replace(whole().vms[0], address="excs-1.acme.example"), *whole().vms[1:]))
    edge = next(one for one in ReachesConfigDb().targets(named) if isinstance(one, EdgeTarget))
    assert edge.vm.address == "excs-1.acme.example"
    found = path(at(*(dialled("open", source="10.99.1.11"),) * 3))
    shown = {piece.label: piece.value for piece in ReachesConfigDb().judge(edge, found, unread()).evidence}
    assert shown["Source address"] == "10.99.1.11"


def test_a_peer_that_is_an_address_needs_no_line_about_its_name() -> None:
    """What was not resolved is not shown as if it were."""
    literal = path(at(*(dialled("open"),) * 3), host="10.20.0.5")
    labels = [piece.label for piece in ReachesConfigDb().judge(db_edge(), literal, unread()).evidence]
    assert "10.20.0.5 on excs-1" not in labels
    assert labels[0] == "TCP connect to 10.20.0.5 port 5432"


def test_without_an_icmp_message_a_firewall_stays_possible() -> None:
    """A router's word that the host is not there names its sender; without one, others may have said it."""
    told = ReachesConfigDb().judge(db_edge(), path(at(*(dialled("no_route", icmp="3/1@10.10.1.1"),) * 3)), unread())
    untold = ReachesConfigDb().judge(db_edge(), path(at(*(dialled("no_route"),) * 3)), unread())
    assert "so a firewall that answers this way is possible too" in untold.reasoning
    assert "so a firewall that answers this way is possible too" not in told.reasoning


def test_a_failed_name_is_no_evidence_above_declared() -> None:
    """Nothing was connected to, so nothing is proven about TCP."""
    judgement = ReachesConfigDb().judge(db_edge(), STATES["dns"][0])
    assert max(one.level for one in judgement.evidence) is Level.DECLARED
    assert "EAI_NONAME" in judgement.observed


# ---- services that say nothing -----------------------------------------------------------------------------------


def stat_edge() -> EdgeTarget:
    edge = ReachesPrimaryStatServer().targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    return edge


def stat(banner: bytes = b"", closed: bool | None = False, control: str | None = "refused") -> TcpPath:
    attempt = dialled("open", banner=banner, closed=closed)
    check = None if control is None else dialled(control)
    return path(at(*(attempt,) * 3, control=check), host="stat1.acme.example", port=2060)


@pytest.mark.parametrize(
    ("found", "outcome", "words"),
    [
        (stat(), Outcome.MET, "reaches"),
        (stat(control="timeout"), Outcome.MET, "reaches"),
        (stat(control=None, closed=None), Outcome.MET, "reaches"),
        (stat(banner=b"HTTP/1.1 400 Bad Request\r\n"), Outcome.MISSED, "HTTP answers"),
        (stat(banner=b"SSH-2.0-OpenSSH_9.2\r\n"), Outcome.MISSED, "SSH answers"),
        (stat(banner=b"220 mail ESMTP\r\n"), Outcome.MISSED, "SMTP answers"),
        (stat(banner=b"-ERR max number of clients reached\r\n"), Outcome.MISSED, "Redis answers"),
        (stat(banner=b"\x4a\x00\x00\x00\x0a8.0.36\x00"), Outcome.MISSED, "MySQL answers"),
        (stat(banner=b"SSH-2.0-OpenSSH_9.2\r\n", control="open"), Outcome.MISSED, "SSH answers"),
        (stat(banner=b"\x00\x01\x02"), Outcome.WEAK, "speaks unasked"),
        (stat(closed=True), Outcome.WEAK, "hangs up at once"),
        (stat(control="open"), Outcome.UNKNOWN, "answers for stat1.acme.example on any port"),
        (stat(closed=True, control="open"), Outcome.UNKNOWN, "answers for"),
    ],
)
def test_a_silent_service_is_told_from_the_wrong_one(found: TcpPath, outcome: Outcome, words: str) -> None:
    """Silence agrees with a Stat Server; a known greeting is the wrong service; a device that answers for every
    port leaves the row unknown; hanging up at once warns."""
    judgement = ReachesPrimaryStatServer().judge(stat_edge(), found)
    assert judgement.outcome is outcome
    assert words in judgement.summary
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.lane is Lane.SERVICE
        assert judgement.remedy
        assert judgement.job
    if outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable


def test_what_an_open_silent_port_proves_is_said_exactly() -> None:
    """The reasoning claims a closed control port only where one was tried, and silence only where somebody listened."""
    row = ReachesPrimaryStatServer()
    assert "should be closed was not" in row.judge(stat_edge(), stat()).reasoning
    assert "stayed silent" in row.judge(stat_edge(), stat()).reasoning
    unseen = row.judge(stat_edge(), stat(control=None, closed=None)).reasoning
    assert "should be closed" not in unseen
    assert "stayed silent" not in unseen


@pytest.mark.parametrize("name", [name for name in STATES if name != "open"])
def test_a_silent_services_path_is_judged_like_any_other(name: str) -> None:
    """Refused, silent, rejected and the rest mean the same for a Stat Server as for a database."""
    found, outcome, lane, _ = STATES[name]
    judgement = ReachesBackupStatServer().judge(stat_edge(), found)
    assert judgement.outcome is outcome
    assert judgement.lane is lane


def test_a_hostile_greeting_is_shown_harmlessly() -> None:
    """Escapes and control characters of a peer never reach a terminal or a page as they are."""
    judgement = ReachesPrimaryStatServer().judge(stat_edge(), stat(banner=b"\x1b[2J<script>\r\n" + b"A" * 200))
    text = judgement.observed + "".join(one.value for one in judgement.evidence)
    assert text.isprintable()
    assert len(judgement.observed) < 200


# ---- services that answer ----------------------------------------------------------------------------------------


SEEN = datetime(2026, 11, 23, 12, tzinfo=UTC)


def certificate(days: int = 300) -> Certificate:
    return Certificate(
        subject="CN=redis.acme.example",
        issuer="CN=ACME CA",
        names=("redis.acme.example",),
        not_before=SEEN - timedelta(days=60),
        not_after=SEEN + timedelta(days=days),
        fingerprint="ab" * 32,
        seen_at=SEEN,
    )


def redis_edge(site: Site | None = None) -> EdgeTarget:
    edge = ReachesRedis().targets(site or whole())[0]
    assert isinstance(edge, EdgeTarget)
    return edge


def answer(ending: Ending = Ending.ANSWERED, **more: object) -> RedisAnswer:
    usual = RedisAnswer(
        vantage="excs-1",
        endpoint=REDIS.endpoint,
        ending=ending,
        text="PONG" if ending is Ending.ANSWERED else "its own words",
        how="SSH forwarding",
        verdict=None,
        tls_version="",
        certificate=None,
        tls_failure=None,
        nameless=Nameless.REFUSED if ending is Ending.ANSWERED else Nameless.UNSEEN,
        login=Login.ACCEPTED if ending is Ending.ANSWERED else Login.UNTRIED,
        username="exec",
        protocol="",
        modules=(),
        info=None,
        info_refusal="",
        config_refusal="",
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def unread(code: Cause = Cause.TIMEOUT, detail: str = "no answer from excs-1") -> Unread:
    return Unread(reason=Reason(code=code, detail=detail, enable="Try again."))


def tls(trouble: TlsTrouble) -> TlsFailure:
    return TlsFailure(trouble=trouble, text="its own words", certificate=certificate())


REDIS_OPEN = path(at(*OPEN), host="redis.acme.example", port=6379)
REDIS_SHUT = path(at(*(dialled("refused"),) * 3), host="redis.acme.example", port=6379)
REDIS_UNCLEAR = path(at(dialled("other")), host="redis.acme.example", port=6379)
REDIS_UNSTABLE = path(at(dialled("open"), dialled("timeout")), host="redis.acme.example", port=6379)
SHUT_TOO = answer(Ending.NO_PATH, verdict=PathVerdict.REFUSED, text="Connection refused")


@pytest.mark.parametrize(
    ("seen", "said", "outcome", "lane", "level", "words"),
    [
        (REDIS_OPEN, answer(), Outcome.MET, None, Level.AUTHENTICATED, "takes the declared login"),
        (REDIS_OPEN, answer(login=Login.UNDECLARED), Outcome.MET, None, Level.PROTOCOL, "answers PING"),
        (REDIS_OPEN, unread(), Outcome.MET, None, Level.TCP, "reaches Redis"),
        (REDIS_OPEN, answer(Ending.LOGIN_REFUSED), Outcome.MISSED, Lane.AUTH, Level.PROTOCOL, "login"),
        (REDIS_OPEN, answer(Ending.LOGIN_MISSING), Outcome.MET, None, Level.PROTOCOL, "none is declared"),
        (REDIS_OPEN, answer(Ending.FORBIDDEN), Outcome.MISSED, Lane.AUTH, Level.PROTOCOL, "PING"),
        (REDIS_OPEN, answer(Ending.NOT_REDIS, protocol="HTTP"), Outcome.MISSED, Lane.SERVICE, Level.TCP, "HTTP"),
        (REDIS_OPEN, answer(Ending.SILENT), Outcome.MISSED, Lane.SERVICE, Level.TCP, "never answers"),
        (REDIS_OPEN, answer(Ending.CLOSED), Outcome.MISSED, Lane.SERVICE, Level.TCP, "closes"),
        (REDIS_OPEN, answer(Ending.NOT_TLS), Outcome.MISSED, Lane.TLS, Level.PROTOCOL, "without TLS"),
        (REDIS_OPEN, answer(Ending.WANTS_TLS), Outcome.MISSED, Lane.TLS, Level.TCP, "speaks TLS"),
        (REDIS_OPEN, answer(Ending.FULL), Outcome.MISSED, Lane.CAPACITY, Level.PROTOCOL, "no connection left"),
        (REDIS_OPEN, answer(Ending.LOADING), Outcome.WEAK, Lane.SERVICE, Level.PROTOCOL, "loading"),
        (
            REDIS_OPEN,
            answer(Ending.TLS, tls_failure=tls(TlsTrouble.EXPIRED)),
            Outcome.MISSED,
            Lane.TLS,
            Level.PROTOCOL,
            "expired",
        ),
        (
            REDIS_OPEN,
            answer(Ending.TLS, tls_failure=tls(TlsTrouble.UNTRUSTED_ISSUER)),
            Outcome.UNKNOWN,
            Lane.TLS,
            Level.PROTOCOL,
            "not trusted",
        ),
        (
            REDIS_OPEN,
            answer(certificate=certificate(days=12), tls_version="TLSv1.3"),
            Outcome.WEAK,
            Lane.TLS,
            Level.AUTHENTICATED,
            "ends in 12 days",
        ),
        (
            REDIS_OPEN,
            answer(Ending.LOGIN_MISSING, certificate=certificate(days=12), tls_version="TLSv1.3"),
            Outcome.WEAK,
            Lane.TLS,
            Level.PROTOCOL,
            "ends in 12 days",
        ),
        (REDIS_OPEN, SHUT_TOO, Outcome.WEAK, Lane.ROUTE, Level.TCP, "at one moment and not at another"),
        (REDIS_SHUT, SHUT_TOO, Outcome.MISSED, Lane.SERVICE, Level.TCP, "refused"),
        (REDIS_SHUT, unread(), Outcome.MISSED, Lane.SERVICE, Level.TCP, "refused"),
        (REDIS_SHUT, answer(), Outcome.WEAK, Lane.ROUTE, Level.AUTHENTICATED, "at one moment and not at another"),
        (REDIS_UNSTABLE, answer(), Outcome.WEAK, Lane.ROUTE, Level.TCP, "only at times"),
        (REDIS_UNCLEAR, answer(), Outcome.MET, None, Level.AUTHENTICATED, "takes the declared login"),
        (REDIS_UNCLEAR, unread(), Outcome.UNKNOWN, Lane.PROBE, Level.TCP, "could not be told"),
        (unread(), answer(), Outcome.MET, None, Level.AUTHENTICATED, "takes the declared login"),
        (unread(), SHUT_TOO, Outcome.MISSED, Lane.SERVICE, Level.TCP, "refuses the connection"),
        (unread(), answer(Ending.NO_NAME), Outcome.MISSED, Lane.DNS, Level.DECLARED, "does not resolve"),
        (unread(), unread(), Outcome.UNKNOWN, Lane.PROBE, Level.DECLARED, "could not be determined"),
    ],
)
def test_redis_is_judged_by_its_path_and_by_its_words(
    seen: TcpPath | Unread, said: RedisAnswer | Unread, outcome: Outcome, lane: Lane | None, level: Level, words: str
) -> None:
    """The way first, then what was said; whatever is missing of the two, the other decides as far as it can."""
    judgement = ReachesRedis().judge(redis_edge(), seen, said)
    assert judgement.outcome is outcome
    if lane is not None:
        assert judgement.lane is lane
    assert max(one.level for one in judgement.evidence) is level
    assert words in judgement.summary
    assert judgement.reasoning
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job
    if outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable


def test_an_untrusted_issuer_fails_where_the_site_names_a_ca() -> None:
    """With a declared CA file the certificate should have verified; without one nobody said whom to trust."""
    declared = replace(REDIS, tls=Tls(ca_file=Path("acme-ca.pem")))
    said = answer(Ending.TLS, tls_failure=tls(TlsTrouble.UNTRUSTED_ISSUER))
    assert ReachesRedis().judge(redis_edge(whole(redis=declared)), REDIS_OPEN, said).outcome is Outcome.MISSED


def test_a_client_certificate_that_nobody_declared_is_no_fault_of_redis() -> None:
    """Which certificate EXEC will show, the site file does not say; one that is declared and refused fails."""
    said = answer(Ending.TLS, tls_failure=TlsFailure(trouble=TlsTrouble.WANTS_CERTIFICATE, text="certificate required"))
    undeclared = replace(REDIS, tls=Tls(ca_file=Path("acme-ca.pem")))
    judgement = ReachesRedis().judge(redis_edge(whole(redis=undeclared)), REDIS_OPEN, said)
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.owner) == (Cause.UNDECLARED, Owner.DEPLOYER)
    assert "redis.tls.cert_file" in judgement.remedy
    declared = replace(REDIS, tls=Tls(ca_file=Path("acme-ca.pem"), cert_file=Path("a.pem"), key_file=Path("a.key")))
    assert ReachesRedis().judge(redis_edge(whole(redis=declared)), REDIS_OPEN, said).outcome is Outcome.MISSED


def test_a_declared_authority_that_is_not_the_issuer_is_named() -> None:
    """Whoever declared a CA file is not told to declare one."""
    declared = replace(REDIS, tls=Tls(ca_file=Path("/etc/readiness/acme-ca.pem")))
    said = answer(Ending.TLS, tls_failure=tls(TlsTrouble.UNTRUSTED_ISSUER))
    judgement = ReachesRedis().judge(redis_edge(whole(redis=declared)), REDIS_OPEN, said)
    assert judgement.remedy.startswith("acme-ca.pem is not the authority that issued it")


@pytest.mark.parametrize(
    ("source", "warned"),
    [("10.10.1.11", False), ("10.99.1.11", True), ("fd00::11", False), ("", False), ("a host's name", False)],
)
def test_a_source_is_compared_with_the_declared_address_of_its_family(source: str, warned: bool) -> None:
    """What leaves for an IPv6 peer has no IPv4 address, whatever the site file declares for the VM."""
    found = path(at(*(replace(dialled("open"), source=source),) * 3))
    said = " ".join(piece.value for piece in ReachesConfigDb().judge(db_edge(), found, unread()).evidence)
    assert ("the site file declares 10.10.1.11" in said) is warned


@pytest.mark.parametrize("status", [429, 301, 503])
def test_a_registry_that_is_busy_or_moved_breaks_no_rule(status: int) -> None:
    """Overload, a fault of its own or a redirect is no proof that no registry is there."""
    edge = ReachesRegistry().targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    judgement = ReachesRegistry().judge(edge, REGISTRY_OPEN, knocked(https(status)))
    assert judgement.outcome is Outcome.WEAK


def told(**more: object) -> RedisInfo:
    """INFO that says next to nothing."""
    info = RedisInfo(
        product=Product.REDIS,
        product_version="6.2.14",
        version="6.2.14",
        mode=None,
        cluster_enabled=None,
        role=None,
        master=None,
        master_link_up=None,
        masters=(),
        replicas=(),
        connected_replicas=None,
        maxmemory=None,
        maxmemory_from="INFO",
        maxmemory_policy=None,
        used_memory=None,
        total_system_memory=None,
        evicted_keys=None,
        rdb_last_save=None,
        rdb_last_save_ok=None,
        aof_enabled=None,
        aof_last_write_ok=None,
        connected_clients=None,
        maxclients=None,
        keyspaces=(),
        os=None,
    )
    return replace(info, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("said", ["nothing", "well", "badly"])
def test_a_name_with_more_addresses_than_are_dialled_does_not_pass(said: str) -> None:
    """A pass needs every address; with some untried the row warns, whatever the peer says, and worse news stays."""
    more = tuple(f"10.20.1.{number}" for number in range(4))
    seen = replace(REDIS_OPEN, resolution=replace(REDIS_OPEN.resolution, addresses=(*REDIS_OPEN.addresses, *more)))
    heard = {"nothing": unread(), "well": answer(), "badly": answer(Ending.LOGIN_REFUSED)}[said]
    judgement = ReachesRedis().judge(redis_edge(), seen, heard)
    assert judgement.outcome is (Outcome.MISSED if said == "badly" else Outcome.WEAK)
    if said != "badly":
        assert "not all of its addresses were tried: the first 1 of 5" in judgement.summary
        assert "4 further addresses not dialled" in judgement.observed
        assert "10.20.1.0" in judgement.remedy
        assert "every address" not in judgement.reasoning.lower()


def test_a_silent_service_with_more_addresses_than_are_dialled_does_not_pass() -> None:
    """The rows that a connect alone decides warn as well."""
    row = ReachesPrimaryStatServer()
    edge = row.targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    seen = replace(REDIS_OPEN, resolution=replace(REDIS_OPEN.resolution, addresses=(*REDIS_OPEN.addresses, "10.9.9.9")))
    assert row.judge(edge, seen).outcome is Outcome.WEAK


def test_a_certificate_of_the_registry_that_ends_soon_warns() -> None:
    """A registry that answers well warns too; one that is no registry keeps its own words."""
    edge = ReachesRegistry().targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    for status, outcome, lane in ((200, Outcome.WEAK, Lane.TLS), (404, Outcome.MISSED, Lane.CONFIGURATION)):
        door = https(status, shown=certificate(days=9))
        judgement = ReachesRegistry().judge(edge, REGISTRY_OPEN, knocked(door))
        assert (judgement.outcome, judgement.lane) == (outcome, lane)


def test_a_sentinel_is_not_the_database() -> None:
    """A Sentinel answers PING too; the master it names stands in the remedy."""
    info = told(mode=Mode.SENTINEL, masters=("10.20.0.9:6379",))
    judgement = ReachesRedis().judge(redis_edge(), REDIS_OPEN, answer(info=info))
    assert judgement.outcome is Outcome.WEAK
    assert "10.20.0.9:6379" in judgement.remedy


@pytest.mark.parametrize(
    ("role", "master", "outcome", "words"),
    [
        (ServerRole.REPLICA, "10.20.0.9:6379", Outcome.WEAK, "10.20.0.9:6379"),
        (ServerRole.REPLICA, None, Outcome.WEAK, "a master that it does not name"),
        (ServerRole.MASTER, None, Outcome.MET, ""),
        (None, None, Outcome.MET, ""),
    ],
)
def test_a_replica_takes_no_writes(role: ServerRole | None, master: str | None, outcome: Outcome, words: str) -> None:
    """A replica answers PING and refuses what EXEC writes; the master it follows is named."""
    said = answer(info=told(mode=Mode.STANDALONE, role=role, master=master))
    judgement = ReachesRedis().judge(redis_edge(), REDIS_OPEN, said)
    assert judgement.outcome is outcome
    assert words in judgement.remedy
    assert words in judgement.summary
    if outcome is Outcome.WEAK:
        assert judgement.lane is Lane.CONFIGURATION
        assert judgement.job == "Declare the master of Redis instead of the replica at redis.acme.example:6379"


def test_a_pass_ends_with_the_certificate() -> None:
    """What a certificate proves is not proven after its end."""
    shown = certificate(days=200)
    judgement = ReachesRedis().judge(redis_edge(), REDIS_OPEN, answer(certificate=shown, tls_version="TLSv1.3"))
    assert judgement.outcome is Outcome.MET
    assert judgement.valid_until == shown.not_after
    assert any("ACME CA" in one.value for one in judgement.evidence)


def cloud_edge(site: Site | None = None) -> EdgeTarget:
    edge = ReachesGenesysCloud().targets(site or whole())[0]
    assert isinstance(edge, EdgeTarget)
    return edge


def https(status: int = 404, *, shown: Certificate | None = None) -> HttpAnswer:
    return HttpAnswer(
        status=status,
        headers=(),
        body="",
        body_end=BodyEnd.WHOLE,
        certificate=shown or certificate(),
        how="SSH forwarding",
        timing=Timing(connect_s=0.01, tls_s=0.02, answer_s=0.03),
        sent_at=0,
        answered_at=0.03,
    )


def refusal(kind: RefusalKind, **more: object) -> HttpRefusal:
    return replace(HttpRefusal(kind=kind, text="its own words"), **more)  # type: ignore[arg-type]


def host(direct: HttpAnswer | HttpRefusal, proxied: HttpAnswer | HttpRefusal | None = None) -> GenesysCloudHost:
    return GenesysCloudHost(
        vantage="excs-1",
        endpoint=CLOUD.login,
        direct=direct,
        proxied=proxied,
        interception=Interception.NONE,
        shown=None,
    )


CLOUD_OPEN = path(at(*OPEN), host="login.mypurecloud.de", port=443)
CLOUD_SHUT = path(at(*(dialled("timeout", ms=5000.0),) * 3), host="login.mypurecloud.de", port=443)
NO_PATH = refusal(RefusalKind.PATH, verdict=PathVerdict.TIMEOUT)


@pytest.mark.parametrize(
    ("seen", "said", "outcome", "lane", "level"),
    [
        (CLOUD_OPEN, host(https()), Outcome.MET, None, Level.PROTOCOL),
        (CLOUD_OPEN, host(https(503)), Outcome.MET, None, Level.PROTOCOL),
        (CLOUD_OPEN, unread(), Outcome.MET, None, Level.TCP),
        (
            CLOUD_OPEN,
            host(refusal(RefusalKind.TLS, tls=tls(TlsTrouble.UNTRUSTED_ISSUER))),
            Outcome.MISSED,
            Lane.TLS,
            Level.TCP,
        ),
        (
            CLOUD_OPEN,
            host(refusal(RefusalKind.TLS, tls=tls(TlsTrouble.SILENT))),
            Outcome.MISSED,
            Lane.SERVICE,
            Level.TCP,
        ),
        (CLOUD_OPEN, host(refusal(RefusalKind.NOT_HTTP)), Outcome.MISSED, Lane.SERVICE, Level.TCP),
        (CLOUD_OPEN, host(refusal(RefusalKind.SILENT)), Outcome.MISSED, Lane.SERVICE, Level.TCP),
        (CLOUD_SHUT, host(NO_PATH), Outcome.MISSED, Lane.FIREWALL, Level.TCP),
        (CLOUD_SHUT, host(NO_PATH, https()), Outcome.WEAK, Lane.FIREWALL, Level.PROTOCOL),
        (CLOUD_SHUT, host(NO_PATH, NO_PATH), Outcome.MISSED, Lane.FIREWALL, Level.TCP),
        (CLOUD_OPEN, host(https(), NO_PATH), Outcome.MET, None, Level.PROTOCOL),
        (unread(), host(https()), Outcome.MET, None, Level.PROTOCOL),
        (unread(), host(NO_PATH), Outcome.MISSED, Lane.FIREWALL, Level.TCP),
        (unread(), host(refusal(RefusalKind.PATH)), Outcome.MISSED, Lane.DNS, Level.DECLARED),
        (unread(), unread(), Outcome.UNKNOWN, Lane.PROBE, Level.DECLARED),
    ],
)
def test_genesys_cloud_is_judged_by_its_path_its_tls_and_its_answer(
    seen: TcpPath | Unread, said: GenesysCloudHost | Unread, outcome: Outcome, lane: Lane | None, level: Level
) -> None:
    """Any HTTP status over verified TLS proves the row; a proxy that has to help warns; broken TLS fails."""
    judgement = ReachesGenesysCloud().judge(cloud_edge(), seen, said)
    assert judgement.outcome is outcome
    if lane is not None:
        assert judgement.lane is lane
    assert max(one.level for one in judgement.evidence) is level
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job
        assert "host process path" in judgement.reasoning


@pytest.mark.parametrize(
    ("interception", "lived", "left", "outcome"),
    [
        (Interception.NONE, 60, 31, Outcome.MET),
        (Interception.NONE, 60, 30, Outcome.WEAK),
        (Interception.NONE, 3, 5, Outcome.WEAK),
        (Interception.INTERCEPTED, 60, 5, Outcome.WEAK),
        (Interception.INTERCEPTED, 20, 11, Outcome.WEAK),
        (Interception.INTERCEPTED, 20, 10, Outcome.MET),
    ],
)
def test_a_certificate_of_genesys_cloud_that_ends_soon_warns(
    interception: Interception, lived: int, left: int, outcome: Outcome
) -> None:
    """Thirty days warn; what an intercepting device issues for no longer than that is only told."""
    shown = replace(certificate(days=left), not_before=SEEN - timedelta(days=lived))
    said = replace(host(https(shown=shown)), interception=interception)
    judgement = ReachesGenesysCloud().judge(cloud_edge(), CLOUD_OPEN, said)
    assert judgement.outcome is outcome
    assert judgement.valid_until == shown.not_after
    told = any(piece.label == "Life of the certificate" for piece in judgement.evidence)
    assert told is (outcome is Outcome.MET and left <= 30)
    if outcome is Outcome.WEAK:
        assert judgement.lane is Lane.TLS
        assert f"ends in {left} days" in judgement.summary
        assert judgement.remedy == f"Renew the certificate of {cloud_edge().peer}."


def session(shown: Certificate | None = None) -> ConfigDbSession:
    return ConfigDbSession(
        spoken_from="excs-1",
        how="SSH forwarding",
        server_version="15.4",
        tls_version="TLSv1.3" if shown else "",
        certificate=shown,
        account="exec_ro",
        superuser=False,
        in_recovery=False,
        schema="public",
        tables={},
        elsewhere=(),
        inventory=Inventory(
            servers=None,
            sip_switches=None,
            agents=None,
            virtual_queues=None,
            unread={},
        ),
    )


def db(ending: PgEnding, code: str = "", **more: object) -> ConfigDbTalk:
    refusal = replace(PgRefusal(ending=ending, text="its own words", code=code), **more)  # type: ignore[arg-type]
    return ConfigDbTalk(spoken_from="excs-1", result=refusal, passed_by={})


def talk(shown: Certificate | None = None) -> ConfigDbTalk:
    return ConfigDbTalk(spoken_from="excs-1", result=session(shown), passed_by={})


DB_OPEN = STATES["open"][0]
DB_SHUT = STATES["filtered"][0]
DB_NO_PATH = db(PgEnding.PATH, verdict=PathVerdict.TIMEOUT)


@pytest.mark.parametrize(
    ("seen", "said", "outcome", "lane", "level", "words"),
    [
        (DB_OPEN, talk(), Outcome.MET, None, Level.AUTHENTICATED, "takes a session of exec_ro"),
        (DB_OPEN, talk(certificate(days=9)), Outcome.WEAK, Lane.TLS, Level.AUTHENTICATED, "ends in 9 days"),
        (DB_OPEN, None, Outcome.MET, None, Level.TCP, "reaches the Config DB"),
        (DB_OPEN, unread(), Outcome.MET, None, Level.TCP, "reaches the Config DB"),
        (DB_OPEN, db(PgEnding.LOGIN_MISSING), Outcome.MET, None, Level.PROTOCOL, "asks for a password"),
        (DB_OPEN, db(PgEnding.UNSUPPORTED), Outcome.MET, None, Level.PROTOCOL, "does not speak"),
        (DB_OPEN, db(PgEnding.REFUSED, "28000"), Outcome.MISSED, Lane.AUTH, Level.PROTOCOL, "pg_hba.conf"),
        (DB_OPEN, db(PgEnding.REFUSED, "28P01"), Outcome.MISSED, Lane.AUTH, Level.PROTOCOL, "password"),
        (DB_OPEN, db(PgEnding.REFUSED, "3D000"), Outcome.MISSED, Lane.CONFIGURATION, Level.PROTOCOL, "no database"),
        (DB_OPEN, db(PgEnding.REFUSED, "XX000"), Outcome.MISSED, Lane.CONFIGURATION, Level.PROTOCOL, "refuses"),
        (DB_OPEN, db(PgEnding.REFUSED, "53300"), Outcome.WEAK, None, Level.PROTOCOL, "at the moment"),
        (DB_OPEN, db(PgEnding.NO_TLS), Outcome.MISSED, Lane.TLS, Level.PROTOCOL, "no TLS"),
        (DB_OPEN, db(PgEnding.IMPOSTOR), Outcome.MISSED, Lane.AUTH, Level.PROTOCOL, "does not know"),
        (DB_OPEN, db(PgEnding.NOT_POSTGRES), Outcome.MISSED, Lane.SERVICE, Level.TCP, "does not speak PostgreSQL"),
        (DB_OPEN, db(PgEnding.SILENT), Outcome.MISSED, Lane.SERVICE, Level.TCP, "never answers"),
        (DB_OPEN, db(PgEnding.CLOSED), Outcome.MISSED, Lane.SERVICE, Level.TCP, "closes it"),
        (
            DB_OPEN,
            db(PgEnding.TLS, tls=tls(TlsTrouble.EXPIRED)),
            Outcome.MISSED,
            Lane.TLS,
            Level.PROTOCOL,
            "fails in TLS",
        ),
        (
            DB_OPEN,
            db(PgEnding.TLS, tls=tls(TlsTrouble.UNTRUSTED_ISSUER)),
            Outcome.UNKNOWN,
            Lane.TLS,
            Level.PROTOCOL,
            "fails in TLS",
        ),
        (DB_SHUT, DB_NO_PATH, Outcome.MISSED, Lane.FIREWALL, Level.TCP, "nothing answers"),
        (DB_SHUT, talk(), Outcome.WEAK, Lane.ROUTE, Level.AUTHENTICATED, "at one moment and not at another"),
        (DB_OPEN, DB_NO_PATH, Outcome.WEAK, Lane.ROUTE, Level.TCP, "at one moment and not at another"),
        (unread(), DB_NO_PATH, Outcome.MISSED, Lane.FIREWALL, Level.TCP, "cannot use the Config DB"),
        (unread(), db(PgEnding.PATH), Outcome.MISSED, Lane.DNS, Level.DECLARED, "cannot use the Config DB"),
        (unread(), unread(), Outcome.UNKNOWN, Lane.PROBE, Level.DECLARED, "could not be determined"),
    ],
)
def test_the_config_db_is_judged_by_its_path_and_by_its_session(
    seen: TcpPath | Unread,
    said: ConfigDbTalk | Unread | None,
    outcome: Outcome,
    lane: Lane | None,
    level: Level,
    words: str,
) -> None:
    """What the network does and what PostgreSQL says are kept apart; a password that nobody declared is no fault."""
    judgement = ReachesConfigDb().judge(db_edge(), seen, said)
    assert judgement.outcome is outcome
    if lane is not None:
        assert judgement.lane is lane
    assert max(one.level for one in judgement.evidence) is level
    assert words in judgement.summary
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job


def test_a_refusal_by_pg_hba_is_mended_by_a_line_for_this_vm() -> None:
    """The line names database, account and the VM's own address."""
    site = whole(
        config_db=ConfigDb(
            engine=Engine.POSTGRESQL,
            endpoint=Endpoint("cfgdb.acme.example", 5432),
            database="genesys_cfg",
            user="exec_ro",
            tls=Tls(),
        )
    )
    edge = ReachesConfigDb().targets(site)[0]
    assert isinstance(edge, EdgeTarget)
    remedy = ReachesConfigDb().judge(edge, DB_OPEN, db(PgEnding.REFUSED, "28000")).remedy
    assert "hostssl  genesys_cfg  exec_ro  10.10.1.11/32  scram-sha-256" in remedy


def knocked(door: HttpAnswer | HttpRefusal, scheme: Scheme = Scheme.OTHER) -> RegistryTalk:
    return RegistryTalk(
        spoken_from="excs-1",
        door=door,
        scheme=scheme,
        login=RegistryLogin.NONE,
        login_said="",
        images={},
        passed_by={},
    )


REGISTRY_OPEN = path(at(*OPEN), host="registry.acme.example", port=443)
REGISTRY_SHUT = path(at(*(dialled("refused"),) * 3), host="registry.acme.example", port=443)


@pytest.mark.parametrize(
    ("seen", "said", "outcome", "lane", "level"),
    [
        (REGISTRY_OPEN, knocked(https(401), Scheme.BASIC), Outcome.MET, None, Level.PROTOCOL),
        (REGISTRY_OPEN, knocked(https(200)), Outcome.MET, None, Level.PROTOCOL),
        (REGISTRY_OPEN, unread(), Outcome.MET, None, Level.TCP),
        (REGISTRY_OPEN, knocked(https(404)), Outcome.MISSED, Lane.CONFIGURATION, Level.PROTOCOL),
        (REGISTRY_OPEN, knocked(https(503)), Outcome.WEAK, Lane.SERVICE, Level.PROTOCOL),
        (
            REGISTRY_OPEN,
            knocked(refusal(RefusalKind.TLS, tls=tls(TlsTrouble.UNTRUSTED_ISSUER))),
            Outcome.UNKNOWN,
            Lane.TLS,
            Level.PROTOCOL,
        ),
        (
            REGISTRY_OPEN,
            knocked(refusal(RefusalKind.TLS, tls=tls(TlsTrouble.EXPIRED))),
            Outcome.MISSED,
            Lane.TLS,
            Level.PROTOCOL,
        ),
        (REGISTRY_OPEN, knocked(refusal(RefusalKind.NOT_HTTP)), Outcome.MISSED, Lane.SERVICE, Level.TCP),
        (REGISTRY_SHUT, knocked(NO_PATH), Outcome.MISSED, Lane.SERVICE, Level.TCP),
        (REGISTRY_SHUT, knocked(https(200)), Outcome.WEAK, Lane.ROUTE, Level.PROTOCOL),
        (unread(), knocked(https(200)), Outcome.MET, None, Level.PROTOCOL),
        (unread(), unread(), Outcome.UNKNOWN, Lane.PROBE, Level.DECLARED),
    ],
)
def test_the_registry_is_judged_by_its_path_and_by_its_door(
    seen: TcpPath | Unread, said: RegistryTalk | Unread, outcome: Outcome, lane: Lane | None, level: Level
) -> None:
    """What only a registry answers at /v2/ proves the row; another web server does not."""
    edge = ReachesRegistry().targets(whole())[0]
    assert isinstance(edge, EdgeTarget)
    judgement = ReachesRegistry().judge(edge, seen, said)
    assert judgement.outcome is outcome
    if lane is not None:
        assert judgement.lane is lane
    assert max(one.level for one in judgement.evidence) is level
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job


# ---- connections to the VMs themselves ---------------------------------------------------------------------------


def call_edge(site: Site | None = None, *, check: type[CalledRow] = ReachesExcsApi) -> CallTarget:
    edge = check().targets(site or whole())[0]
    assert isinstance(edge, CallTarget)
    return edge


HELD = Held(address="10.10.1.11", port=3640, tool="python")
IN_USE = NotHeld(obstacle=Obstacle.IN_USE, text="Address already in use")
OTHERWISE = NotHeld(obstacle=Obstacle.OTHER, text="Cannot assign requested address")
FORBIDDEN = NotHeld(obstacle=Obstacle.PERMISSION, text="Permission denied")
LOST = Reason(code=Cause.UNREACHABLE, detail="the SSH connection to excs-1 was lost", enable="Mend the connection.")


def called(
    found: TcpPath | None,
    echo: Echo = Echo.UNSAID,
    *,
    held: Held | None = HELD,
    not_held: NotHeld | None = None,
    trouble: Reason | None = None,
    seen_as: str = "",
    heard: str = "",
    released: bool | None = True,
) -> PortProof:
    ours = echo is Echo.OURS
    call = Call(
        source="exas-1",
        path=found,
        trouble=None if found else unread().reason,
        word="word",
        echo=echo,
        heard=heard,
        seen_as=seen_as or ("10.10.1.12" if ours else ""),
        reached="10.10.1.11" if ours else "",
        reported=ours,
    )
    return PortProof(
        carrier="excs-1",
        address="10.10.1.11",
        port=3640,
        held=None if not_held else held,
        not_held=not_held,
        trouble=trouble,
        calls=(call,),
        released=released,
    )


def to_excs(*attempts: Dialled) -> TcpPath:
    return path(at(*attempts, address="10.10.1.11"), host="10.10.1.11", port=3640)


def caller(verdict: str, **more: object) -> Dialled:
    return dialled(verdict, **({"source": "10.10.1.12"} | more))


NO_LISTENERS = Listeners(())
BOUND = Listeners((Listener(address="0.0.0.0", port=3640, process="docker-proxy", pid=7),))


@pytest.mark.parametrize(
    ("echo", "said"),
    [
        (Echo.UNSAID, "could not carry a word"),
        (Echo.NOTHING, "answered nobody else meanwhile"),
        (Echo.UNHEARD, "did not show meanwhile that it was awake"),
    ],
)
def test_what_nobody_could_say_is_told_with_its_reason(echo: Echo, said: str) -> None:
    """An accepted connect whose other end is not known says why it is not, and accuses nobody."""
    judged = ReachesExcsApi().judge(call_edge(), called(to_excs(caller("open")), echo), NO_LISTENERS)
    assert judged.outcome is Outcome.UNKNOWN
    assert judged.reason is not None
    assert said in judged.reason.detail


@pytest.mark.parametrize(
    ("proof", "outcome", "lane", "words"),
    [
        (called(to_excs(caller("open")), Echo.OURS), Outcome.MET, None, "the path is proven"),
        (called(to_excs(caller("open")), not_held=IN_USE), Outcome.MET, None, "a service answers already"),
        (
            called(to_excs(caller("open", banner=b"SSH-2.0-x\r\n", closed=False)), not_held=IN_USE),
            Outcome.MISSED,
            Lane.CONFIGURATION,
            "SSH answers where the component will be",
        ),
        (called(to_excs(caller("open")), Echo.FOREIGN, heard="HTTP/1.1 400"), Outcome.MISSED, Lane.ROUTE, "not excs-1"),
        (called(to_excs(caller("open")), Echo.NOTHING), Outcome.UNKNOWN, None, "could not be proven"),
        (called(to_excs(caller("open")), Echo.UNHEARD), Outcome.UNKNOWN, None, "could not be proven"),
        (called(to_excs(caller("timeout", ms=5000.0))), Outcome.MISSED, Lane.FIREWALL, "nothing answers"),
        (called(to_excs(caller("refused"))), Outcome.MISSED, Lane.FIREWALL, "a filter resets"),
        (
            called(to_excs(caller("refused", icmp="3/3@10.10.1.11"))),
            Outcome.MISSED,
            Lane.FIREWALL,
            "the host firewall of excs-1 rejects",
        ),
        (
            called(to_excs(caller("no_route", icmp="3/13@10.10.1.1"))),
            Outcome.MISSED,
            Lane.FIREWALL,
            "a device on the way rejects",
        ),
        (called(to_excs(caller("no_route"))), Outcome.MISSED, Lane.ROUTE, "no route leads there"),
        (called(to_excs(caller("denied"))), Outcome.MISSED, Lane.FIREWALL, "rules on exas-1 itself"),
        (
            called(path(host="excs.example", port=3640, error="Name or service not known")),
            Outcome.MISSED,
            Lane.DNS,
            "does not resolve there",
        ),
        (
            called(to_excs(caller("refused")), held=None, trouble=LOST),
            Outcome.UNKNOWN,
            None,
            "plausible, not proven",
        ),
        (called(to_excs(caller("refused")), trouble=LOST), Outcome.UNKNOWN, None, "plausible, not proven"),
        *(
            (
                called(to_excs(caller("refused")), held=None, not_held=not_held),
                Outcome.UNKNOWN,
                None,
                "plausible, not proven",
            )
            for not_held in (None, OTHERWISE, FORBIDDEN)
        ),
        (called(to_excs(caller("timeout")), held=None, trouble=LOST), Outcome.MISSED, Lane.FIREWALL, "nothing answers"),
        (called(to_excs(caller("open"))), Outcome.UNKNOWN, None, "could not be proven"),
        (called(to_excs(caller("open"), caller("timeout")), Echo.OURS), Outcome.WEAK, Lane.ROUTE, "only at times"),
        (called(None), Outcome.UNKNOWN, None, "could not be determined"),
        (called(to_excs(caller("other"))), Outcome.UNKNOWN, None, "could not be told"),
    ],
)
def test_an_inbound_row_is_judged_by_who_waited_and_who_answered(
    proof: PortProof, outcome: Outcome, lane: Lane | None, words: str
) -> None:
    """Nonce or service meets; a call that fails although somebody waited, or that another machine answers, misses."""
    judgement = ReachesExcsApi().judge(call_edge(), proof, NO_LISTENERS)
    assert judgement.outcome is outcome
    assert words in judgement.summary
    if lane is not None:
        assert judgement.lane is lane
    if outcome is Outcome.MISSED:
        assert judgement.job
        assert "host process path" in judgement.reasoning
        assert "\n\n    " in judgement.remedy
    if outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable
    assert {one.vantage for one in judgement.evidence} <= {"exas-1", "excs-1"}


def test_a_proven_path_shows_both_sides() -> None:
    """What came back, how the machine sees its caller, and that the port was let go, each from where it was seen."""
    judgement = ReachesExcsApi().judge(call_edge(), called(to_excs(caller("open")), Echo.OURS), NO_LISTENERS)
    text = {one.label: one for one in judgement.evidence}
    assert text["Nonce and word"].level is Level.PROTOCOL
    assert "both ways" in text["Nonce and word"].value
    assert text["Port 3640"].vantage == "excs-1"
    assert "closed again afterwards" in text["Port 3640"].value
    assert "still open" in " ".join(
        one.value
        for one in ReachesExcsApi()
        .judge(call_edge(), called(to_excs(caller("open")), Echo.OURS, released=False), NO_LISTENERS)
        .evidence
    )


def test_translation_on_the_way_is_told() -> None:
    """An allow list has to name the address that the machine sees; an address that nobody has is pointed out."""
    judge = ReachesExcsApi().judge
    seen = judge(call_edge(), called(to_excs(caller("open")), Echo.OURS, seen_as="10.99.0.1"), NO_LISTENERS)
    assert seen.outcome is Outcome.MET
    assert "10.99.0.1" in seen.reasoning
    everywhere = replace(HELD, address="0.0.0.0")
    homeless = judge(call_edge(), called(to_excs(caller("open")), Echo.OURS, held=everywhere), NO_LISTENERS)
    assert "No interface of excs-1 has 10.10.1.11" in homeless.reasoning


def test_who_has_the_port_is_named() -> None:
    """A service that is there already is named as far as the machine tells."""
    judge = ReachesExcsApi().judge
    proof = called(to_excs(caller("open")), not_held=IN_USE)
    assert "docker-proxy" in judge(call_edge(), proof, BOUND).summary
    assert "already" in judge(call_edge(), proof, Unread(reason=LOST)).summary


def test_a_host_firewall_is_opened_for_the_address_that_it_sees() -> None:
    """The remedy names the caller's address as observed, for firewalld and for ufw."""
    proof = called(to_excs(caller("timeout", source="10.99.1.12")))
    remedy = ReachesExcsApi().judge(call_edge(), proof, NO_LISTENERS).remedy
    assert 'source address="10.99.1.12" port port="3640"' in remedy
    assert "ufw allow proto tcp from 10.99.1.12 to any port 3640" in remedy
    assert "--only connectivity.excs-api" in remedy


def test_one_question_serves_all_rows_of_a_port() -> None:
    """Both rows about EXCS ask the same question: two listeners on one port would lie to each other."""
    site = whole()
    api = ReachesExcsApi().needs(call_edge(site))
    inbound = ExcsReachable().needs(call_edge(site, check=ExcsReachable))
    assert api == inbound
    assert api[0] == CallPort("excs-1", "10.10.1.11", 3640, ("exas-1", "excp-1", "excp-2", "prometheus"))


def test_listening_can_be_refused_by_the_customer() -> None:
    """Without consent to listen the inbound rows are unknown, with the name of the switch."""
    site = whole(probing=Probing(listeners=False))
    for check in INBOUND:
        found = settled(check, site)
        assert len(found) == len(names(check, site))
        for judgement in found.values():
            assert judgement.reason is not None
            assert judgement.reason.code is Cause.UNSUPPORTED
            assert "probing.listeners" in judgement.reason.detail


def test_prometheus_without_ssh_is_a_gap_with_a_way_to_close_it() -> None:
    """Its edges are optional; without SSH to it they are unknown, and say how to prove them."""
    blind = Prometheus(host="10.10.2.62", url=None, ca_file=None, username=None, password=None, ssh=False)
    site = whole(monitoring=Monitoring(prometheus=blind, grafana=Absent.NONE, portainer=Absent.NONE))
    (judgement,) = settled(ExasReachable, site).values()
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED
    assert "10.10.1.12" in judgement.reason.enable
    obligations = {about(one).name: about(one).obligation for one in ExcsReachable().targets(whole())}
    assert obligations["prometheus->excs-1:3640"] is Obligation.OPTIONAL
    assert obligations["exas-1->excs-1:3640"] is None


@given(
    st.sampled_from(list(Echo)),
    st.lists(st.sampled_from([verdict.value for verdict in PathVerdict]), min_size=1, max_size=3),
    st.sampled_from(["", "3/3@10.10.1.11", "3/13@10.10.1.1"]),
    st.sampled_from(["held", "in use", "lost", "lapsed", "forbidden"]),
)
def test_an_inbound_row_never_passes_without_an_answer_and_never_fails_without_a_reason(
    echo: Echo, verdicts: list[str], icmp: str, how: str
) -> None:
    """Whatever the listener and the calls saw, the judgement is true to it and whole."""
    proof = called(
        to_excs(*(caller(verdict, icmp=icmp) for verdict in verdicts)),
        echo if how in ("held", "lapsed") else Echo.UNSAID,
        held=HELD if how in ("held", "lapsed") else None,
        not_held={"in use": IN_USE, "forbidden": NotHeld(obstacle=Obstacle.PERMISSION, text="no")}.get(how),
        trouble=LOST if how in ("lost", "lapsed") else None,
    )
    judgement = ReachesExcsApi().judge(call_edge(), proof, NO_LISTENERS)
    opened = [verdict == "open" for verdict in verdicts]
    assert judgement.evidence
    if judgement.outcome is Outcome.MET:
        assert all(opened) or echo is Echo.OURS
    if judgement.outcome is Outcome.MISSED:
        assert judgement.remedy
        assert not any(opened) or (all(opened) and how == "held")
    if judgement.outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable


# ---- every row, every state --------------------------------------------------------------------------------------


@given(
    st.sampled_from([ReachesConfigDb, ReachesPrimaryStatServer, ReachesSipServers, ReachesRegistry]),
    st.lists(
        st.tuples(
            st.sampled_from(["10.20.0.5", "10.20.0.6", "fd00::5"]),
            st.lists(
                st.builds(
                    dialled,
                    st.sampled_from([verdict.value for verdict in PathVerdict]),
                    icmp=st.sampled_from(["", "3/3@10.20.0.5", "3/1@10.10.1.11", "1/1@fd00::1", "3/10@10.10.1.1"]),
                    ms=st.none() | st.floats(0, 5000),
                    banner=st.binary(max_size=20),
                    closed=st.none() | st.booleans(),
                    source=st.sampled_from(["", "10.10.1.11", "fd00::11"]),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=3,
        unique_by=lambda one: one[0],
    ),
)
def test_no_answer_leaves_a_row_without_a_true_and_whole_judgement(
    check: type[SilentRow], tried: Sequence[tuple[str, Sequence[Dialled]]]
) -> None:
    """Met only where every judged connect opened, missed only where none did or the wrong service spoke."""
    edge = next(target for target in check().targets(whole()) if isinstance(target, EdgeTarget))
    found = path(*(at(*attempts, address=address) for address, attempts in tried), error="no")
    judgement = check().judge(edge, found)
    opened = [attempt.verdict is PathVerdict.OPEN for one in found.judged for attempt in one.attempts]
    assert judgement.summary.endswith(".")
    assert judgement.expected
    assert judgement.observed
    assert judgement.evidence
    if judgement.outcome is Outcome.MET:
        assert opened
        assert all(opened)
    elif judgement.outcome is Outcome.MISSED:
        assert not any(opened) or found.banner
        assert judgement.remedy
        assert judgement.job
        assert judgement.lane is not None
    elif judgement.outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None


def test_every_row_of_this_module_is_tested_here() -> None:
    """A row that is added to the module is added to these tables."""
    rows = {
        kind
        for kind in vars(connectivity).values()
        if isinstance(kind, type) and issubclass(kind, (Row, CalledRow)) and "requirement" in vars(kind)
    }
    assert rows == set(OUTBOUND + INBOUND)
    assert {kind for kind in rows if issubclass(kind, SilentRow)} == set(SILENT)
    assert {kind for kind in rows if issubclass(kind, SpokenRow)} == rows - set(SILENT) - set(INBOUND)
    assert PathState.OPEN.lane is Lane.SERVICE
