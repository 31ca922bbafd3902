"""What is concluded about Redis, from literal facts and from real servers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from readiness_checks.redis import (
    RedisClusterModeOff,
    RedisDataProtected,
    RedisEnterpriseEdition,
    RedisMemorySuffices,
    RedisOwnedByDbas,
    RedisResilient,
    RedisScalable,
    RedisVersion6,
)
from readiness_checks.redis_beyond import RedisNear, RedisNeverEvicts, RedisSecured
from readiness_checks.redis_heard import RedisCheck
from readiness_checks.redis_place import RedisOutsideDocker

from readiness.check import Settled
from readiness.lab.resp import Answers, RespServer, redis_info
from readiness.model import (
    Cause,
    Judgement,
    Lane,
    Obligation,
    Origin,
    Outcome,
    Owner,
    Reason,
    Status,
    Unread,
    status_of,
)
from readiness.plan import AnyCheck
from readiness.probe import Attempt
from readiness.probes.docker_networks import DockerNetwork, DockerNetworks
from readiness.probes.linux import Interface, Interfaces
from readiness.probes.names import Name, Names
from readiness.probes.redis import (
    AskRedis,
    Ending,
    Keyspace,
    Login,
    Mode,
    Nameless,
    Product,
    RedisAnswer,
    RedisInfo,
    Replica,
    ServerRole,
)
from readiness.probes.redis_enterprise import (
    ApiEnding,
    AskRedisEnterprise,
    EnterpriseAnswer,
    EnterpriseDatabase,
    EnterpriseNode,
    Licence,
    Match,
)
from readiness.probes.tcp import Latency, MeasureLatency
from readiness.probes.tls import Certificate
from readiness.secret import SecretRef
from readiness.site import (
    PAGES,
    Absent,
    Capacity,
    Endpoint,
    EnterpriseApi,
    Environment,
    Redis,
    Role,
    ServiceTarget,
    Site,
    Tls,
    Vm,
    VmTarget,
)
from readiness.vantage import PathVerdict
from tests.lab.engine import site
from tests.lab.redis_servers import LOOPBACK, redis_7, redis_62, redis_server, vantages

NOW = datetime(2026, 11, 23, 9, 14, tzinfo=UTC)
GB = 1_000_000_000
AT = Endpoint("redis.acme.example", 6379)
REDIS = Redis(endpoint=AT, username="exec", password=SecretRef(env="REDIS_PASSWORD"), tls=Tls(ca_file=Path("ca.pem")))
API = EnterpriseApi(url="https://redis.acme.example:9443", username="viewer", password=None, ca_file=Path("ca.pem"))
VMS = tuple(
    Vm(name=name, role=role, host=name, address=name, port=None)
    for name, role in (("excp-1", Role.EXCP), ("excp-2", Role.EXCP), ("excs-1", Role.EXCS), ("exas-1", Role.EXAS))
)
SAID = (
    RedisVersion6,
    RedisEnterpriseEdition,
    RedisClusterModeOff,
    RedisMemorySuffices,
    RedisResilient,
    RedisDataProtected,
    RedisSecured,
    RedisNeverEvicts,
)
ALL = (*SAID, RedisScalable, RedisOwnedByDbas, RedisOutsideDocker, RedisNear)

CERTIFICATE = Certificate(
    subject="CN=redis.acme.example",
    issuer="CN=ACME CA",
    names=("redis.acme.example",),
    not_before=NOW - timedelta(days=100),
    not_after=NOW + timedelta(days=265),
    fingerprint="00" * 32,
    seen_at=NOW,
)
INFO = RedisInfo(
    product=Product.REDIS,
    product_version="6.2.14",
    version="6.2.14",
    mode=Mode.STANDALONE,
    cluster_enabled=False,
    role=ServerRole.MASTER,
    master=None,
    master_link_up=None,
    masters=(),
    replicas=(),
    connected_replicas=0,
    maxmemory=2 * GB,
    maxmemory_from="INFO",
    maxmemory_policy="noeviction",
    used_memory=1_000_000,
    total_system_memory=16 * GB,
    evicted_keys=0,
    rdb_last_save=NOW,
    rdb_last_save_ok=True,
    aof_enabled=True,
    aof_last_write_ok=True,
    connected_clients=3,
    maxclients=10000,
    keyspaces=(),
    os="Linux",
)
ANSWER = RedisAnswer(
    vantage="excs-1",
    endpoint=AT,
    ending=Ending.ANSWERED,
    text="PONG",
    how="SSH forwarding",
    verdict=None,
    tls_version="TLSv1.3",
    certificate=CERTIFICATE,
    tls_failure=None,
    nameless=Nameless.REFUSED,
    login=Login.ACCEPTED,
    username="exec",
    protocol="",
    modules=(),
    info=INFO,
    info_refusal="",
    config_refusal="",
)
DATABASE = EnterpriseDatabase(
    uid=7,
    name="exec",
    status="active",
    version="6.2.13",
    redis_version="6.2",
    memory_size=2 * GB,
    replication=False,
    oss_cluster=False,
    sharding=False,
    shards_count=1,
    shards_placement="dense",
    rack_aware=False,
    crdt=False,
    data_persistence="aof",
    backup=True,
    backup_interval=timedelta(days=1),
    backup_status="succeeded",
    backup_failure_reason="",
    last_backup=NOW - timedelta(hours=8),
    eviction_policy="noeviction",
    tls_mode="enabled",
    default_user=False,
    endpoints=(str(AT),),
)
CLUSTER = EnterpriseAnswer(
    vantage="exas-1",
    url=API.url,
    ending=ApiEnding.ANSWERED,
    text="",
    seen_at=NOW,
    cluster="cluster.acme.example",
    licence=Licence(expired=False, expires=NOW + timedelta(days=300), owner="ACME", shards_limit=8),
    nodes=tuple(
        EnterpriseNode(uid=uid, status="active", software_version="7.4.6-22", rack="", database_versions=("6.2", "7.2"))
        for uid in (1, 2, 3)
    ),
    database=DATABASE,
    match=Match.NAME,
)
UNREAD = Unread(reason=Reason(code=Cause.UNREACHABLE, detail="excs-1 cannot be reached by SSH"))
REFUSED = replace(
    ANSWER,
    ending=Ending.NO_PATH,
    text="Connection refused",
    verdict=PathVerdict.REFUSED,
    certificate=None,
    tls_version="",
    nameless=Nameless.UNSEEN,
    login=Login.UNTRIED,
    info=None,
)


def info(**changes: object) -> RedisAnswer:
    return replace(ANSWER, info=replace(INFO, **changes))  # type: ignore[arg-type]


def api(answer: EnterpriseAnswer = CLUSTER, **changes: object) -> EnterpriseAnswer:
    return replace(answer, database=replace(DATABASE, **changes))  # type: ignore[arg-type]


def planned(redis: Redis | Absent = REDIS, *, agents: int = 1000, caps: float = 5, **changes: object) -> Site:
    capacity = Capacity(agents=agents, caps=caps)
    return site(**{"vms": VMS, "redis": redis, "capacity": capacity, "environment": Environment.PRODUCTION} | changes)


def judged(check: type[AnyCheck], *facts: object, on: Site | None = None) -> Judgement:
    """Judge, and prove that the judgement says all that a report needs."""
    made = check()
    target = made.targets(on or planned())[0]
    assert not isinstance(target, Settled), target
    judgement = made.judge(target, *facts)
    assert_well_said(check, judgement, facts)
    return judgement


def assert_well_said(check: type[AnyCheck], judgement: Judgement, facts: Sequence[object]) -> None:
    status = status_of(judgement.outcome, check.requirement.obligation)
    assert status in check.requirement.outcomes, status
    assert judgement.summary.endswith(".")
    assert "\n" not in judgement.summary + judgement.job
    assert "None" not in f"{judgement.summary}{judgement.observed}{judgement.expected}{judgement.reasoning}"
    assert all(piece.of in facts for piece in judgement.evidence)
    assert all(piece.value and piece.label for piece in judgement.evidence)
    if judgement.outcome in (Outcome.MISSED, Outcome.WEAK, Outcome.MANUAL):
        assert judgement.remedy
        assert judgement.job
        assert judgement.lane is not None
    if judgement.outcome in (Outcome.MISSED, Outcome.WEAK, Outcome.MET):
        assert judgement.evidence
        assert judgement.expected
        assert judgement.observed
    if judgement.outcome is Outcome.UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable
    else:
        assert judgement.reasoning


# ---- the catalogue and the targets ------------------------------------------------------------------------------


def test_every_id_of_the_contract_is_here_with_its_words() -> None:
    """All twelve ids are built, each explained whole; the three beyond the page are advice."""
    requirements = {check.requirement.id: check.requirement for check in ALL}
    page = "version edition cluster-mode memory resiliency data-protection scalability dba-owned outside-docker"
    assert set(requirements) == {f"redis.{name}" for name in (*page.split(), "security", "eviction", "latency")}
    for name, requirement in requirements.items():
        beyond = name in ("redis.security", "redis.eviction", "redis.latency")
        assert (requirement.origin is Origin.BEYOND) is beyond
        assert (requirement.obligation is Obligation.OPTIONAL) is beyond
        assert requirement.section == "Redis Cache"
        assert requirement.outcomes[Status.MANUAL]
        assert requirement.outcomes[Status.UNKNOWN]
        assert Status.FAIL not in requirement.outcomes or not beyond


@pytest.mark.parametrize("check", ALL)
@pytest.mark.parametrize(("why", "outcome"), [(Absent.UNDECLARED, Outcome.UNKNOWN), (Absent.NONE, Outcome.MANUAL)])
def test_a_site_without_redis_leaves_one_target_named_redis(
    check: type[AnyCheck], why: Absent, outcome: Outcome
) -> None:
    """Undeclared is unknown, `none` is for a person; nothing is asked either way."""
    found = check().targets(planned(why))  # type: ignore[arg-type]
    assert [each.target.name for each in found if isinstance(each, Settled)] == ["redis"]
    assert [each.judgement.outcome for each in found if isinstance(each, Settled)] == [outcome]


@pytest.mark.parametrize("check", SAID)
def test_every_vm_asks_in_the_order_of_the_page_and_none_must(check: type[AnyCheck]) -> None:
    """EXCS first, then EXAS, then EXCP; each question may stay unanswered; the API is asked where it is declared."""
    target = check().targets(planned(replace(REDIS, enterprise_api=API)))[0]
    needs = check().needs(target)
    assert target.name == "redis.acme.example:6379"
    assert all(isinstance(need, Attempt) for need in needs)
    probes = [need.probe for need in needs if isinstance(need, Attempt)]
    assert [p.vantage for p in probes if isinstance(p, AskRedis)] == ["excs-1", "exas-1", "excp-1", "excp-2"]
    assert [p.candidates for p in probes if isinstance(p, AskRedisEnterprise)] == [
        ("excs-1", "exas-1", "excp-1", "excp-2")
    ]
    assert len(check().needs(check().targets(planned())[0])) == 4


def test_checks_share_one_conversation_with_the_row_of_the_table() -> None:
    """All that Redis is asked from one VM is one question, whichever check needs it."""
    made = planned()
    needs = [check().needs(check().targets(made)[0]) for check in SAID]
    assert len({need for each in needs for need in each}) == 4
    assert Attempt(AskRedis.of("excs-1", REDIS)) in needs[0]


def test_without_a_vm_nothing_is_asked() -> None:
    """Where no VM is built yet, the finding says so and asks for one."""
    unbuilt = tuple(replace(vm, host=None) for vm in VMS)
    for check in SAID:
        judgement = judged(check, on=planned(vms=unbuilt))
        assert judgement.reason is not None
        assert judgement.reason.code is Cause.UNDECLARED


# ---- what keeps it from being judged ----------------------------------------------------------------------------


@pytest.mark.parametrize("check", SAID)
def test_when_no_machine_talks_to_redis_the_row_of_the_first_is_named(check: type[AnyCheck]) -> None:
    """Unknown, blocked by the connectivity finding of the first VM: nothing is concluded from silence."""
    for facts in ((REFUSED,) * 4, (UNREAD,) * 4, (UNREAD, REFUSED, UNREAD, REFUSED)):
        judgement = judged(check, *facts)
        assert judgement.outcome is Outcome.UNKNOWN
        assert judgement.reason is not None
        assert judgement.reason.code is Cause.BLOCKED
        assert judgement.reason.by == "connectivity.redis[excs-1->redis.acme.example:6379]"


@pytest.mark.parametrize("check", SAID)
def test_the_first_machine_that_could_talk_decides(check: type[AnyCheck]) -> None:
    """One VM that reaches Redis is enough, and the evidence is that VM's."""
    heard = replace(ANSWER, vantage="excp-1")
    judgement = judged(check, REFUSED, UNREAD, heard, REFUSED)
    assert judgement.outcome is not Outcome.UNKNOWN
    assert {id(piece.of) for piece in judgement.evidence} <= {id(heard)}


@pytest.mark.parametrize("check", SAID)
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"mode": Mode.SENTINEL, "masters": ("10.1.1.5:6379",)}, "10.1.1.5:6379"),
        ({"role": ServerRole.REPLICA, "master": "10.1.1.5:6379"}, "10.1.1.5:6379"),
    ],
    ids=["sentinel", "replica"],
)
def test_a_sentinel_or_a_replica_is_the_wrong_endpoint(
    check: type[AnyCheck], changes: dict[str, object], named: str
) -> None:
    """What they say need not be true of the master: unknown, with the master's address in the text."""
    judgement = judged(check, info(**changes))
    assert judgement.outcome is Outcome.UNKNOWN
    assert named in judgement.summary
    assert judgement.owner is Owner.DEPLOYER
    assert "master" in judgement.remedy


@pytest.mark.parametrize("check", [RedisVersion6, RedisClusterModeOff, RedisMemorySuffices, RedisNeverEvicts])
def test_an_account_that_may_not_read_info_leaves_it_unknown(check: type[AnyCheck]) -> None:
    """NOPERM is no violation: unknown for want of permission, with the command that grants it."""
    judgement = judged(check, replace(ANSWER, info=None, info_refusal="NOPERM this user has no permissions"))
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.PERMISSION
    assert "ACL SETUSER exec +info" in judgement.remedy
    assert "--tls --cacert ca.pem --user ADMIN --askpass" in judgement.remedy


# ---- redis.version ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("6.0.20", Outcome.MET),
        ("6.2.14", Outcome.MET),
        ("6", Outcome.MET),
        ("5.0.14", Outcome.MISSED),
        ("7.0.15", Outcome.MISSED),
        ("7.4.6", Outcome.MISSED),
        ("16.2", Outcome.MISSED),
        ("60.1", Outcome.MISSED),
        (None, Outcome.UNKNOWN),
        ("unstable", Outcome.UNKNOWN),
    ],
)
def test_the_version_is_compared_by_its_first_number(version: str | None, outcome: Outcome) -> None:
    """6.x passes, everything else that is a version fails, and no version decides nothing."""
    judgement = judged(RedisVersion6, info(version=version))
    assert judgement.outcome is outcome
    if outcome is Outcome.MISSED:
        assert judgement.lane is Lane.VERSION
        assert "6.2" in judgement.remedy


def test_the_default_of_newer_clusters_is_named_as_a_trap() -> None:
    """On Redis Software 7 and 8 version 6.2 is there but not the default: the remedy asks for it by name."""
    judgement = judged(
        RedisVersion6, info(version="7.2.4"), api(version="7.2.4", redis_version="7.2"), on=planned(with_api())
    )
    assert judgement.outcome is Outcome.MISSED
    assert "default" in judgement.remedy
    assert '"redis_version": "6.2"' in judgement.remedy
    assert "curl --cacert ca.pem -u ADMIN -X POST" in judgement.remedy
    old = replace(CLUSTER, nodes=tuple(replace(node, database_versions=("7.2", "7.4")) for node in CLUSTER.nodes))
    assert "7.2, 7.4 only" in judged(RedisVersion6, info(version="7.2.4"), old, on=planned(with_api())).remedy


def test_the_version_comes_from_the_api_where_info_is_closed() -> None:
    """With the API the version is known although the account may not run INFO."""
    closed = replace(ANSWER, info=None, info_refusal="NOPERM")
    assert judged(RedisVersion6, closed, api(), on=planned(with_api())).outcome is Outcome.MET
    assert judged(RedisVersion6, UNREAD, api(version="7.2.4"), on=planned(with_api())).outcome is Outcome.MISSED


@pytest.mark.parametrize(("version", "outcome"), [("6.2.11", Outcome.WEAK), ("7.2.4", Outcome.MISSED)])
def test_a_clone_s_version_is_a_claim(version: str, outcome: Outcome) -> None:
    """A clone that reports 6.x neither meets nor breaks the words; one that reports another version breaks them."""
    judgement = judged(RedisVersion6, info(product=Product.DRAGONFLY, product_version="df-v1.21", version=version))
    assert judgement.outcome is outcome
    assert "Dragonfly" in judgement.summary


# ---- redis.edition ----------------------------------------------------------------------------------------------


def with_api(**changes: object) -> Redis:
    return replace(REDIS, enterprise_api=API, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "host", "outcome"),
    [
        ((ANSWER,), "redis.acme.example", Outcome.WEAK),
        ((ANSWER,), "master.abc.euc1.cache.amazonaws.com", Outcome.WEAK),
        ((ANSWER,), "redis-12000.c1.eu-west-1-1.ec2.cloud.redislabs.com", Outcome.MET),
        ((ANSWER,), "x.westeurope.redisenterprise.cache.azure.net.", Outcome.MET),
        ((ANSWER,), "notredislabs.com", Outcome.WEAK),
        ((replace(ANSWER, modules=("search /enterprise-managed",)),), "redis.acme.example", Outcome.MET),
        ((replace(ANSWER, modules=("search /opt/search.so",)),), "redis.acme.example", Outcome.WEAK),
        ((replace(ANSWER, info=None, info_refusal="NOPERM"),), "redis.acme.example", Outcome.UNKNOWN),
        ((ANSWER, CLUSTER), "redis.acme.example", Outcome.MET),
        ((UNREAD, CLUSTER), "redis.acme.example", Outcome.MET),
        ((info(product=Product.KEYDB), CLUSTER), "redis.acme.example", Outcome.MISSED),
        *(
            ((info(product=product),), "redis.acme.example", Outcome.MISSED)
            for product in Product
            if product != "Redis"
        ),
    ],
)
def test_the_edition_is_proven_open_or_another_product(facts: tuple[object, ...], host: str, outcome: Outcome) -> None:
    """Enterprise passes on proof alone, plain Redis warns, and what is no Redis fails."""
    redis = replace(REDIS, endpoint=Endpoint(host, 6379), enterprise_api=API if CLUSTER in facts else None)
    assert judged(RedisEnterpriseEdition, *facts, on=planned(redis)).outcome is outcome


@pytest.mark.parametrize(
    ("licence", "outcome"),
    [
        (None, Outcome.MET),
        (Licence(expired=False, expires=NOW + timedelta(days=31), owner="", shards_limit=None), Outcome.MET),
        (Licence(expired=False, expires=NOW + timedelta(days=30), owner="", shards_limit=None), Outcome.WEAK),
        (Licence(expired=True, expires=NOW - timedelta(days=1), owner="", shards_limit=None), Outcome.WEAK),
    ],
)
def test_a_licence_that_ends_within_30_days_warns(licence: Licence | None, outcome: Outcome) -> None:
    """The licence's end shortens the finding, and warns when it is near or past."""
    judgement = judged(RedisEnterpriseEdition, ANSWER, replace(CLUSTER, licence=licence), on=planned(with_api()))
    assert judgement.outcome is outcome
    assert judgement.valid_until == (licence.expires if licence is not None else None)


@pytest.mark.parametrize("ending", [ending for ending in ApiEnding if ending is not ApiEnding.ANSWERED])
def test_an_api_that_does_not_help_is_shown_and_proves_nothing(ending: ApiEnding) -> None:
    """Whatever the API's trouble, the finding stays what Redis itself says, with the trouble beside it."""
    silent = replace(CLUSTER, ending=ending, text="status 500", database=None, match=None, licence=None, nodes=())
    judgement = judged(RedisEnterpriseEdition, ANSWER, silent, on=planned(with_api()))
    assert judgement.outcome is Outcome.WEAK
    assert any(piece.label == "Redis Enterprise API" for piece in judgement.evidence)


BY_PORT = replace(CLUSTER, match=Match.PORT)


@pytest.mark.parametrize(
    ("check", "facts", "outcome"),
    [
        (RedisEnterpriseEdition, (ANSWER, BY_PORT), Outcome.WEAK),
        (RedisMemorySuffices, (ANSWER, BY_PORT), Outcome.UNKNOWN),
        (RedisDataProtected, (ANSWER, BY_PORT), Outcome.MANUAL),
        (RedisResilient, (ANSWER, BY_PORT), Outcome.MANUAL),
        (RedisEnterpriseEdition, (UNREAD, BY_PORT), Outcome.UNKNOWN),
        (RedisMemorySuffices, (UNREAD, BY_PORT), Outcome.UNKNOWN),
    ],
)
def test_a_database_that_shares_the_port_alone_decides_nothing(
    check: type[AnyCheck], facts: tuple[object, ...], outcome: Outcome
) -> None:
    """It may be another database: neither its figures nor an INFO that may be a shard's pass or fail; it is shown."""
    judgement = judged(check, *facts, on=planned(with_api()))
    assert judgement.outcome is outcome
    assert any("the port alone" in piece.value for piece in judgement.evidence)
    if check in (RedisEnterpriseEdition, RedisMemorySuffices) and ANSWER in facts:
        assert "the name that the cluster itself gives" in judgement.remedy


# ---- redis.cluster-mode -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ((ANSWER,), Outcome.MET),
        ((info(mode=None, cluster_enabled=False),), Outcome.MET),
        ((info(mode=Mode.CLUSTER, cluster_enabled=True),), Outcome.MISSED),
        ((info(mode=Mode.STANDALONE, cluster_enabled=True),), Outcome.MISSED),
        ((info(mode=None, cluster_enabled=None),), Outcome.UNKNOWN),
        ((ANSWER, api()), Outcome.MET),
        ((ANSWER, api(oss_cluster=True)), Outcome.MISSED),
        ((ANSWER, api(sharding=True, shards_count=2)), Outcome.WEAK),
        ((ANSWER, api(sharding=True, shards_count=1)), Outcome.MET),
        ((info(mode=None, cluster_enabled=None), api(oss_cluster=None)), Outcome.UNKNOWN),
        ((UNREAD, api()), Outcome.MET),
    ],
)
def test_cluster_mode_is_off_on_or_not_said(facts: tuple[object, ...], outcome: Outcome) -> None:
    """INFO or the API may rule it out; either may prove it; several shards behind a proxy warn."""
    judgement = judged(RedisClusterModeOff, *facts, on=planned(with_api()))
    assert judgement.outcome is outcome
    if outcome is Outcome.MISSED and len(facts) == 2:
        assert '{"oss_cluster": false}' in judgement.remedy


# ---- redis.memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "caps", "maxmemory", "outcome"),
    [
        (1000, 5, 2 * GB, Outcome.MET),
        (1000, 5, 2 * GB - 1, Outcome.MISSED),
        (1000, 5, 2_147_483_648, Outcome.MET),
        (500, 5, 2 * GB, Outcome.MET),
        (500, 5, 2 * GB - 1, Outcome.MISSED),
        (500, 2.5, 1 * GB, Outcome.MISSED),
        (3000, 15, 6 * GB, Outcome.MET),
        (3000, 15, 6 * GB - 1, Outcome.MISSED),
        (3000, 15, 2 * GB, Outcome.MISSED),
        (3000, 5, 6 * GB, Outcome.MET),
        (3000, 5, 6 * GB - 1, Outcome.WEAK),
        (3000, 5, 2 * GB, Outcome.WEAK),
        (3000, 5, 2 * GB - 1, Outcome.MISSED),
        (1000, 15, 4 * GB, Outcome.WEAK),
    ],
)
def test_memory_is_judged_by_both_bounds(agents: int, caps: float, maxmemory: int, outcome: Outcome) -> None:
    """Under the lower bound or 2 GB fails, between the bounds warns, from the upper bound passes, to the byte."""
    judgement = judged(RedisMemorySuffices, info(maxmemory=maxmemory), on=planned(agents=agents, caps=caps))
    assert judgement.outcome is outcome
    assert "bounds" in judgement.expected
    assert ("carries up to" in judgement.observed) is (maxmemory >= 2 * GB)
    if outcome is not Outcome.MET:
        assert judgement.lane is Lane.CAPACITY
        assert "CONFIG SET maxmemory" in judgement.remedy
    if (agents, caps) != (1000, 5):
        assert "extrapolation" in judgement.reasoning


@pytest.mark.parametrize(
    ("host", "outcome"),
    [(6 * GB, Outcome.WEAK), (6 * GB - 1, Outcome.MISSED), (16 * GB, Outcome.WEAK), (None, Outcome.WEAK)],
)
def test_no_limit_is_judged_by_the_host(host: int | None, outcome: Outcome) -> None:
    """Without a limit a host under the lower bound fails; any other warns, since nothing keeps the memory free."""
    silent = info(maxmemory=0, total_system_memory=host)
    assert judged(RedisMemorySuffices, silent, on=planned(agents=3000, caps=15)).outcome is outcome


def test_a_limit_above_the_host_s_memory_is_no_memory() -> None:
    """A limit that the host cannot hold counts as what the host has."""
    judgement = judged(RedisMemorySuffices, info(maxmemory=6 * GB, total_system_memory=GB))
    assert judgement.outcome is Outcome.MISSED
    assert "all that its host has" in judgement.observed


def test_a_limit_that_cannot_be_read_is_unknown() -> None:
    """Managed services refuse CONFIG: no failure follows from that, and the finding says what would help."""
    hidden = replace(info(maxmemory=None), config_refusal="ERR unknown command `CONFIG`")
    judgement = judged(RedisMemorySuffices, hidden)
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.PERMISSION
    assert "enterprise_api" in judgement.remedy


@pytest.mark.parametrize(
    ("changes", "outcome", "size"),
    [
        ({"memory_size": 2 * GB}, Outcome.MET, ""),
        ({"memory_size": 4 * GB, "replication": True}, Outcome.MET, ""),
        ({"memory_size": 4 * GB - 2, "replication": True}, Outcome.MISSED, '{"memory_size": 4000000000}'),
        ({"memory_size": 1 * GB}, Outcome.MISSED, '{"memory_size": 2000000000}'),
        ({"memory_size": 0}, Outcome.WEAK, '{"memory_size": 2000000000}'),
        ({"memory_size": None}, Outcome.UNKNOWN, ""),
    ],
)
def test_the_api_s_memory_counts_replicas(changes: dict[str, object], outcome: Outcome, size: str) -> None:
    """memory_size is halved where everything is stored twice, and the remedy doubles it again."""
    hidden = info(maxmemory=None, total_system_memory=None)
    judgement = judged(RedisMemorySuffices, hidden, api(**changes), on=planned(with_api()))
    assert judgement.outcome is outcome
    if size:
        assert f"-d '{size}' https://redis.acme.example:9443/v1/bdbs/7" in judgement.remedy


def test_a_shard_s_info_is_not_the_database_s() -> None:
    """Redis Enterprise without its API: a limit in INFO is that of a shard, so nothing follows from it."""
    managed = replace(ANSWER, modules=("search /enterprise-managed",))
    judgement = judged(RedisMemorySuffices, managed)
    assert judgement.outcome is Outcome.UNKNOWN
    assert "enterprise_api" in judgement.remedy


def test_the_first_revision_names_no_memory() -> None:
    """A revision without a figure leaves a skip that says so."""
    found = RedisMemorySuffices().targets(planned(page=PAGES["2023-07-10"]))
    assert [each.judgement.outcome for each in found if isinstance(each, Settled)] == [Outcome.SKIP]
    assert RedisVersion6().targets(planned(page=PAGES["2023-07-10"]))[0].name == str(AT)


# ---- redis.resiliency, data-protection, scalability, dba-owned --------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ((ANSWER,), Outcome.MANUAL),
        ((info(replicas=(Replica(address="10.1.1.6:6379", online=True),)),), Outcome.MET),
        ((info(replicas=(Replica(address="10.1.1.6:6379", online=False),)),), Outcome.MANUAL),
        ((ANSWER, api(replication=True)), Outcome.MET),
        ((ANSWER, api(replication=False)), Outcome.MANUAL),
        ((UNREAD, api(replication=True)), Outcome.MET),
        ((info(replicas=(Replica(address="10.1.1.6:6379", online=True),)), api(replication=False)), Outcome.MANUAL),
    ],
)
def test_resiliency_shows_in_replication_or_not_at_all(facts: tuple[object, ...], outcome: Outcome) -> None:
    """Replication or an online replica passes; its absence is for a person to explain, never a failure."""
    assert judged(RedisResilient, *facts, on=planned(with_api())).outcome is outcome


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ((ANSWER,), Outcome.MANUAL),
        ((ANSWER, api()), Outcome.MET),
        ((ANSWER, api(backup=False)), Outcome.MANUAL),
        ((ANSWER, api(last_backup=None)), Outcome.MANUAL),
        ((ANSWER, api(backup_status="exporting")), Outcome.MET),
        ((ANSWER, api(backup_status="failed", backup_failure_reason="no-permission")), Outcome.WEAK),
        ((ANSWER, api(last_backup=NOW - timedelta(days=2))), Outcome.MET),
        ((ANSWER, api(last_backup=NOW - timedelta(days=9))), Outcome.WEAK),
        ((ANSWER, api(last_backup=NOW - timedelta(days=9), backup_interval=timedelta(days=7))), Outcome.MET),
        ((ANSWER, api(backup_status="")), Outcome.MANUAL),
        ((ANSWER, api(backup_interval=None)), Outcome.MET),
    ],
)
def test_backups_show_in_the_api_or_not_at_all(facts: tuple[object, ...], outcome: Outcome) -> None:
    """Only a backup that the cluster reports passes; persistence is shown and proves none; a silent job warns."""
    judgement = judged(RedisDataProtected, *facts, on=planned(with_api()))
    assert judgement.outcome is outcome
    if len(facts) == 1:
        assert "append-only file: on" in judgement.observed


@pytest.mark.parametrize(
    ("changes", "observed", "labels"),
    [
        ({}, "append-only file: on", ["Append-only file", "Snapshot"]),
        ({"aof_enabled": False}, "append-only file: off", ["Append-only file", "Snapshot"]),
        ({"aof_enabled": None}, "", ["Snapshot"]),
        ({"rdb_last_save": None}, "append-only file: on", ["Append-only file"]),
        (
            {"rdb_last_save_ok": False},
            "append-only file: on; snapshot: last attempt failed",
            ["Append-only file", "Snapshot"],
        ),
    ],
)
def test_persistence_is_shown_as_far_as_it_is_told(
    changes: dict[str, object], observed: str, labels: list[str]
) -> None:
    """Each of the two kinds shows where INFO speaks of it; neither is a backup."""
    judgement = judged(RedisDataProtected, info(**changes))
    assert judgement.outcome is Outcome.MANUAL
    assert observed in judgement.observed
    assert [piece.label for piece in judgement.evidence if piece.label in ("Append-only file", "Snapshot")] == labels


def test_memory_in_use_is_shown_where_it_is_told() -> None:
    """How full the database is decides nothing, and is no figure where INFO has none."""
    for used, shown in ((500_000_000, ["500 MB"]), (None, [])):
        judgement = judged(RedisMemorySuffices, info(maxmemory=2 * GB, used_memory=used))
        assert [piece.value for piece in judgement.evidence if piece.label == "Used now"] == shown


def test_a_login_that_nobody_declared_is_asked_for() -> None:
    """Redis is there and asks who comes: what is missing is a line of the site file, not a path."""
    asking = replace(
        ANSWER, ending=Ending.LOGIN_MISSING, text="NOAUTH Authentication required.", login=Login.UNDECLARED, info=None
    )
    for check in SAID:
        judgement = judged(check, asking)
        assert judgement.reason is not None
        assert (judgement.outcome, judgement.reason.code) == (Outcome.UNKNOWN, Cause.UNDECLARED)
        assert "redis.password" in judgement.remedy


def test_what_moves_by_itself_is_evidence_and_no_observation() -> None:
    """Keys, connections, times and counts differ from run to run: two runs of one database observe the same."""
    later = info(
        used_memory=9_000_000,
        connected_clients=17,
        keyspaces=(Keyspace(index=0, keys=512),),
        rdb_last_save=NOW + timedelta(hours=3),
        evicted_keys=9,
        maxmemory_policy="allkeys-lru",
    )
    before = info(
        keyspaces=(Keyspace(index=0, keys=3), Keyspace(index=4, keys=1)), evicted_keys=4, maxmemory_policy="allkeys-lru"
    )
    for check in (*SAID, RedisScalable):
        for more in ((), (CLUSTER,), (api(last_backup=NOW - timedelta(hours=1)),)):
            first = judged(check, before, *more, on=planned(with_api()))
            assert judged(check, later, *more, on=planned(with_api())).observed == first.observed
    backed_up = judged(RedisDataProtected, ANSWER, CLUSTER, on=planned(with_api()))
    newer = judged(RedisDataProtected, ANSWER, api(last_backup=NOW - timedelta(hours=1)), on=planned(with_api()))
    assert backed_up.observed == newer.observed


@pytest.mark.parametrize(
    ("agents", "caps", "maxmemory", "why"),
    [
        (3000, 15, 2 * GB, "less than the least that any such rule allows"),
        (500, 2.5, GB + GB // 2, "1.5 GB is less than the documented 2 GB"),
    ],
)
def test_too_little_memory_is_explained_by_what_it_falls_short_of(
    agents: int, caps: float, maxmemory: int, why: str
) -> None:
    """A linear rule allows 1 GB for half the load; what it falls short of is the smallest documented size."""
    judgement = judged(RedisMemorySuffices, info(maxmemory=maxmemory), on=planned(agents=agents, caps=caps))
    assert judgement.outcome is Outcome.MISSED
    assert why in judgement.reasoning


@pytest.mark.parametrize("facts", [(ANSWER,), (UNREAD,), (ANSWER, CLUSTER), ()])
def test_what_only_people_know_is_left_to_them(facts: tuple[object, ...]) -> None:
    """Growth and ownership are manual whatever Redis says, with the attestation to paste."""
    for check, given in ((RedisScalable, facts), (RedisOwnedByDbas, ())):
        judgement = judged(check, *given)
        assert judgement.outcome is Outcome.MANUAL
        entry = f'- {{check: {check.requirement.id}, target: "redis.acme.example:6379"'
        assert entry in judgement.remedy
        assert "CHG1" in judgement.remedy
    (asked,) = RedisOwnedByDbas().targets(planned())
    assert isinstance(asked, ServiceTarget)
    assert RedisOwnedByDbas().needs(asked) == ()


# ---- redis.outside-docker ---------------------------------------------------------------------------------------


def names(*addresses: str, error: str = "") -> Names:
    found = Name(name=AT.host, addresses=tuple(map(ip_address, addresses)), error=error)
    return Names(vantage="excs-1", names={AT.host: found})


def holding(*addresses: str) -> Interfaces:
    held = tuple(map(ip_interface, ("127.0.0.1/8", *addresses)))
    return Interfaces((Interface(name="eth0", mac="", kind="", up=True, addresses=held),))


def docker(*subnets: str) -> DockerNetworks:
    found = tuple(DockerNetwork(name="exec_default", subnet=ip_network(subnet)) for subnet in subnets)
    return DockerNetworks(networks=found, pools=None, own=(), asked=True)


NO_DOCKER = Unread(reason=Reason(code=Cause.TOOL_MISSING, detail="there is no Docker on this machine"))
NO_RIGHT = Unread(reason=Reason(code=Cause.PERMISSION, detail="permission denied"))
OUTSIDE = (names("10.10.3.20"), holding("10.10.1.11/24"), docker("172.17.0.0/16"))


@pytest.mark.parametrize(
    ("vm", "outcome", "said"),
    [
        (OUTSIDE, Outcome.MET, "10.10.3.20"),
        ((names("10.10.1.11"), *OUTSIDE[1:]), Outcome.MISSED, "held by eth0 of excs-1"),
        ((names("127.0.0.1"), *OUTSIDE[1:]), Outcome.MISSED, "excs-1 itself"),
        ((names("172.17.0.5"), *OUTSIDE[1:]), Outcome.MISSED, "exec_default 172.17.0.0/16"),
        ((names("10.10.3.20", "172.17.0.5"), *OUTSIDE[1:]), Outcome.MISSED, "172.17.0.5 lies in"),
        ((names("10.10.3.20"), OUTSIDE[1], NO_DOCKER), Outcome.MET, "10.10.3.20"),
        ((names("10.10.3.20"), OUTSIDE[1], NO_RIGHT), Outcome.UNKNOWN, "10.10.3.20"),
        ((names("10.10.3.20"), UNREAD, OUTSIDE[2]), Outcome.UNKNOWN, "10.10.3.20"),
        ((names("172.17.0.5"), UNREAD, OUTSIDE[2]), Outcome.MISSED, "172.17.0.5"),
        ((names("10.10.3.20"), UNREAD, NO_DOCKER), Outcome.UNKNOWN, "10.10.3.20"),
        ((names(error="Name or service not known"), *OUTSIDE[1:]), Outcome.UNKNOWN, "no address"),
        ((UNREAD, *OUTSIDE[1:]), Outcome.UNKNOWN, "no address"),
    ],
)
def test_redis_runs_outside_the_hosts_or_in_them(vm: tuple[object, ...], outcome: Outcome, said: str) -> None:
    """An address of a VM or of its Docker network fails; all VMs must show theirs before it passes."""
    one = planned(vms=VMS[2:3])
    judgement = judged(RedisOutsideDocker, *vm, on=one)
    assert judgement.outcome is outcome
    assert said in judgement.observed


@pytest.mark.parametrize("declared", ["address", "host"])
def test_an_address_behind_nat_is_known_by_the_site_file(declared: str) -> None:
    """No interface holds a translated address; the site file says whose it is."""
    vm = replace(VMS[2], **{declared: "10.10.3.20"})
    judgement = judged(RedisOutsideDocker, *OUTSIDE, on=planned(vms=(vm,)))
    assert judgement.outcome is Outcome.MISSED
    assert judgement.observed == f"10.10.3.20 is declared as the address of {vm.name}"


def test_the_address_of_another_vm_counts_too() -> None:
    """Redis on the EXCP host is found although the name was resolved on EXCS."""
    other = (names("10.10.3.20"), holding("10.10.3.20/24"), docker())
    judgement = judged(RedisOutsideDocker, *OUTSIDE, *other, on=planned(vms=VMS[2:]))
    assert judgement.outcome is Outcome.MISSED
    assert "exas-1" in judgement.summary


def test_loopback_is_the_vm_that_resolved_it() -> None:
    """127.0.0.1 is another machine on each VM: only the one whose resolver gives it runs Redis itself."""
    for other in (UNREAD, names("10.10.3.20"), names(error="Name or service not known")):
        facts = (names("127.0.0.1"), *OUTSIDE[1:], other, *OUTSIDE[1:])
        judgement = judged(RedisOutsideDocker, *facts, on=planned(vms=VMS[2:]))
        assert judgement.outcome is Outcome.MISSED
        assert judgement.observed == f"127.0.0.1 is {VMS[2].name} itself"


def test_without_a_built_vm_no_place_can_be_seen() -> None:
    """Nobody is there to resolve the name."""
    judgement = judged(RedisOutsideDocker, on=planned(vms=(replace(VMS[2], host=None),)))
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED


def test_a_vm_that_is_not_built_leaves_it_open() -> None:
    """Redis could still come to run on the VM that nobody can look at yet."""
    vms = (VMS[2], replace(VMS[3], host=None))
    judgement = judged(RedisOutsideDocker, *OUTSIDE, on=planned(vms=vms))
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.UNDECLARED


def test_a_lab_may_run_redis_where_it_likes() -> None:
    """The page asks it of production deployments, so a lab skips it and says so."""
    found = RedisOutsideDocker().targets(planned(environment=Environment.LAB))
    assert [each.judgement.outcome for each in found if isinstance(each, Settled)] == [Outcome.SKIP]


def test_each_vm_is_asked_for_name_addresses_and_docker() -> None:
    """Three questions a VM, all of which may stay open."""
    target = RedisOutsideDocker().targets(planned())[0]
    assert isinstance(target, ServiceTarget)
    assert len(RedisOutsideDocker().needs(target)) == 12


# ---- beyond the page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "outcome", "lane", "said"),
    [
        (ANSWER, Outcome.MET, None, "refused"),
        (replace(ANSWER, nameless=Nameless.OPEN), Outcome.MISSED, Lane.AUTH, "without a login"),
        (replace(ANSWER, certificate=None), Outcome.MISSED, Lane.TLS, "in clear"),
        (info(keyspaces=(Keyspace(index=0, keys=12),)), Outcome.MISSED, Lane.CONFIGURATION, "12 keys"),
        (
            replace(ANSWER, certificate=replace(CERTIFICATE, not_after=NOW + timedelta(days=30))),
            Outcome.MISSED,
            Lane.TLS,
            "certificate ends",
        ),
        (replace(ANSWER, nameless=Nameless.UNSEEN), Outcome.UNKNOWN, None, ""),
        (replace(ANSWER, info=None, info_refusal="NOPERM"), Outcome.UNKNOWN, None, ""),
        (REFUSED, Outcome.UNKNOWN, None, ""),
        (replace(ANSWER, info=None, ending=Ending.LOGIN_REFUSED, nameless=Nameless.UNSEEN), Outcome.UNKNOWN, None, ""),
        (replace(ANSWER, info=None, info_refusal="NOPERM", certificate=None), Outcome.MISSED, Lane.TLS, "in clear"),
    ],
)
def test_security_names_every_fault(fact: RedisAnswer, outcome: Outcome, lane: Lane | None, said: str) -> None:
    """An open door, clear text, keys of others and a short certificate each show; it is advice and warns at most."""
    judgement = judged(RedisSecured, fact)
    assert judgement.outcome is outcome
    assert status_of(judgement.outcome, RedisSecured.requirement.obligation) is not Status.FAIL
    if outcome is not Outcome.UNKNOWN:
        assert judgement.lane is lane
        assert said in judgement.summary + judgement.observed


def test_a_login_that_was_not_seen_demanded_has_its_own_reason() -> None:
    """INFO and CONFIG have nothing to do with it: no client without a login was seen served or refused."""
    judgement = judged(RedisSecured, replace(ANSWER, nameless=Nameless.UNSEEN))
    assert judgement.reason is not None
    assert judgement.reason.code is Cause.NOT_OBSERVED
    assert "INFO" not in f"{judgement.summary}{judgement.reason.detail}{judgement.reason.enable}"
    assert judgement.reason.enable.endswith("PING")


@pytest.mark.parametrize(
    "fact", [UNREAD, REFUSED, replace(ANSWER, ending=Ending.LOADING, info=None, nameless=Nameless.UNSEEN)]
)
@pytest.mark.parametrize("check", [RedisSecured, RedisNeverEvicts])
def test_what_only_redis_itself_can_show_waits_for_it(check: type[AnyCheck], fact: object) -> None:
    """The cluster's API knows the database; what a stranger is told at the endpoint, it does not."""
    silent = api(eviction_policy="")
    judgement = judged(check, fact, silent, on=planned(with_api()))
    assert judgement.outcome is Outcome.UNKNOWN
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (
        Cause.BLOCKED,
        "connectivity.redis[excs-1->redis.acme.example:6379]",
    )


def test_the_password_to_set_is_left_to_the_reader() -> None:
    """The commands against an open door are quoted for a shell and carry a placeholder, no secret."""
    judgement = judged(RedisSecured, replace(ANSWER, nameless=Nameless.OPEN, certificate=None))
    assert "ACL SETUSER exec on '><password>'" in judgement.remedy
    assert "in clear" in judgement.summary


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ((ANSWER,), Outcome.MET),
        ((info(maxmemory_policy="volatile-lru"),), Outcome.MISSED),
        ((info(maxmemory_policy="allkeys-lfu", evicted_keys=5),), Outcome.MISSED),
        ((info(maxmemory_policy=None),), Outcome.UNKNOWN),
        ((info(maxmemory_policy="volatile-lru"), api(eviction_policy="noeviction")), Outcome.MET),
        ((ANSWER, api(eviction_policy="volatile-lru")), Outcome.MISSED),
        ((info(maxmemory_policy="volatile-lru", evicted_keys=None),), Outcome.MISSED),
        ((replace(info(maxmemory_policy="volatile-lru"), modules=("search /enterprise-managed",)),), Outcome.MISSED),
    ],
)
def test_only_noeviction_keeps_every_key(facts: tuple[object, ...], outcome: Outcome) -> None:
    """Any other policy may drop a mapping unseen; the cluster's own word goes before INFO's."""
    judgement = judged(RedisNeverEvicts, *facts, on=planned(with_api()))
    assert judgement.outcome is outcome
    if outcome is Outcome.MISSED:
        assert "noeviction" in judgement.remedy


def timed(*samples: float, failed: int = 0, again: int = 0) -> Latency:
    return Latency(vantage="excs-1", address="10.10.3.20", port=6379, samples_ms=samples, failed=failed, again=again)


@pytest.mark.parametrize(
    ("fact", "outcome"),
    [
        (timed(*[0.4] * 50), Outcome.MET),
        (timed(*[5.0] * 50), Outcome.MET),
        (timed(*[0.4] * 49, 5.01), Outcome.MET),
        (timed(*[0.4] * 99, 60.0, again=50), Outcome.MET),
        (timed(*[0.4] * 98, 60.0, 60.0, again=50), Outcome.MISSED),
        (timed(*[5.01] * 50), Outcome.MISSED),
        (timed(*[0.4] * 45, failed=5), Outcome.WEAK),
    ],
)
def test_latency_is_the_99th_percentile_of_connects(fact: Latency, outcome: Outcome) -> None:
    """5 ms pass, more warns, and connects that fail on the way warn too."""
    judgement = judged(RedisNear, fact)
    assert judgement.outcome is outcome
    assert "p99" in judgement.observed
    batches = [piece.value for piece in judgement.evidence if piece.label == "First and second batch"]
    assert len(batches) == bool(fact.again)
    assert all(value.startswith("p99 0.40 ms of 50; p99 ") for value in batches)


def test_latency_is_measured_on_each_vm() -> None:
    """One finding a VM; a VM without a host is undeclared; a path that does not open names its row."""
    vms = (*VMS[:3], replace(VMS[3], host=None))
    found = RedisNear().targets(planned(vms=vms))
    assert [each.target.name if isinstance(each, Settled) else each.name for each in found] == [
        "excs-1", "exas-1", "excp-1", "excp-2",
    ]  # fmt: skip
    first = found[0]
    assert isinstance(first, VmTarget)
    (without,) = RedisNear().targets(planned(vms=()))
    assert isinstance(without, Settled)
    assert (without.target.name, without.judgement.outcome) == ("vms", Outcome.UNKNOWN)
    assert RedisNear().needs(first) == (MeasureLatency("excs-1", AT.host, AT.port),)
    path = MeasureLatency("excs-1", AT.host, AT.port).parse(
        '{"addresses": [], "error": "Name or service not known", "tried": []}'
    )
    judgement = RedisNear().judge(first, path)
    assert judgement.reason is not None
    assert judgement.reason.by == "connectivity.redis[excs-1->redis.acme.example:6379]"


# ---- real servers -----------------------------------------------------------------------------------------------


async def findings(redis: Redis, **changes: object) -> dict[str, Status]:
    """Every check of Redis against a real server, asked by this process as the VM excs-1."""
    made = planned(redis, vms=(replace(VMS[2]),), **changes)
    told = {}
    for check in SAID:
        target = check().targets(made)[0]
        assert isinstance(target, ServiceTarget)
        facts = []
        for need in check().needs(target):
            assert isinstance(need, Attempt)
            facts.append(need.probe.parse(await need.probe.read(vantages())))
        judgement = check().judge(target, *facts)
        assert_well_said(check, judgement, facts)
        told[check.requirement.id] = status_of(judgement.outcome, check.requirement.obligation)
    return told


@pytest.mark.server
async def test_a_sound_redis_6_and_its_faults(tmp_path: Path) -> None:
    """Redis 6.2 of 2 GB passes for the documented load and fails for three times of it."""
    async with redis_server(redis_62(), tmp_path, "maxmemory 2000000000") as port:
        plain = Redis(endpoint=Endpoint(LOOPBACK, port))
        found = await findings(plain)
        large = await findings(plain, agents=3000, caps=15)
    assert found == {
        "redis.version": Status.PASS,
        "redis.edition": Status.WARN,
        "redis.cluster-mode": Status.PASS,
        "redis.memory": Status.PASS,
        "redis.resiliency": Status.MANUAL,
        "redis.data-protection": Status.MANUAL,
        "redis.security": Status.WARN,
        "redis.eviction": Status.PASS,
    }
    assert large["redis.memory"] is Status.FAIL


@pytest.mark.server
async def test_a_redis_7_in_cluster_mode(tmp_path: Path) -> None:
    """Version and Cluster mode fail each for itself; no limit warns."""
    async with redis_server(redis_7(), tmp_path, "cluster-enabled yes") as port:
        found = await findings(Redis(endpoint=Endpoint(LOOPBACK, port)))
    assert found["redis.version"] is Status.FAIL
    assert found["redis.cluster-mode"] is Status.FAIL
    assert found["redis.memory"] is Status.WARN


async def test_a_clone_on_the_wire() -> None:
    """KeyDB that reports 6.3 fails as an edition and warns as a version."""
    async with RespServer(Answers(redis_info("6.3.4", executable="/usr/bin/keydb-server"))) as endpoint:
        found = await findings(Redis(endpoint=endpoint))
    assert found["redis.edition"] is Status.FAIL
    assert found["redis.version"] is Status.WARN


def test_every_redis_check_that_listens_is_one_of_these() -> None:
    """A check that is added to the family is added to these tables."""
    assert set(RedisCheck.__subclasses__()) == {*SAID, RedisScalable}
