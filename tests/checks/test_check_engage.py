"""engage.*: how facts are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from readiness_checks.engage import (
    ConfigDbRuns,
    CoreTarget,
    EngageVersions,
    Inventory,
    ReadOnlyAccount,
    SipServersRun,
    StatServersRun,
)

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Level, Outcome, Owner, Reason, Unread
from readiness.plan import AnyCheck
from readiness.probes import config_db as db
from readiness.probes.config_db import NEEDED, AppType, ConfigDbSession, ConfigDbTalk, ConfiguredServer, Table
from readiness.probes.names import Name, Names
from readiness.probes.postgres import PgEnding, PgRefusal
from readiness.probes.tcp import AddressPath, TcpPath
from readiness.probes.tls import Certificate, TlsFailure, TlsTrouble
from readiness.site import (
    Absent,
    Capacity,
    ConfigDb,
    Endpoint,
    Engine,
    Probing,
    Role,
    ServiceTarget,
    Site,
    StatServer,
    StatServers,
    Tls,
    Vm,
)
from readiness.vantage import Dialled, PathVerdict, Resolution
from tests.lab.engine import site

DB = ConfigDb(
    engine=Engine.POSTGRESQL,
    endpoint=Endpoint("db.example", 5432),
    database="genesys_cfg",
    user="exec_ro",
    tls=Tls(ca_file=Path("ca.pem")),
)
STAT1, STAT2, SIP1 = Endpoint("stat1.example", 2060), Endpoint("10.5.0.2", 2060), Endpoint("sip1", 8000)
UNREAD = Unread(reason=Reason(code=Cause.UNREACHABLE, detail="no answer to SSH"))


def vm(name: str, role: Role, host: str | None) -> Vm:
    return Vm(name=name, role=role, host=host, address=host, port=None)


def planned(**changes: object) -> Site:
    given: dict[str, object] = {
        "vms": (
            vm("excs-1", Role.EXCS, "10.0.0.1"),
            vm("exas-1", Role.EXAS, "10.0.0.2"),
            vm("excp-1", Role.EXCP, "10.0.0.3"),
            vm("excp-2", Role.EXCP, "10.0.0.4"),
        ),
        "config_db": DB,
        "stat_servers": StatServers(
            primary=StatServer(endpoint=STAT1, version="8.5.110.02"), backup=StatServer(endpoint=STAT2)
        ),
        "sip_servers": (StatServer(endpoint=SIP1),),
        "capacity": Capacity(agents=1000, caps=5),
    }
    return site(**(given | changes))


def table(name: str, *, readable: bool = True, writable: bool = False, owned: bool = False) -> Table:
    return Table(name=name, readable=readable, writable=writable, owned=owned, columns=frozenset())


def server(name: str, type_: AppType, version: str, host: str, **more: object) -> ConfiguredServer:
    given: dict[str, object] = {"enabled": True, "address": "", "port": None} | more
    return ConfiguredServer(name=name, type=type_, version=version, host=host, **given)  # type: ignore[arg-type]


SERVERS = (
    server("confserv", AppType.CONFIGURATION_SERVER, "8.5.101.12", "conf1"),
    server("Stat1", AppType.STAT_SERVER, "8.5.110.02", "STAT1"),
    server("Stat2", AppType.STAT_SERVER, "8.5.110.02", "stat2.other.example", address="10.5.0.2"),
    server("SIP1", AppType.T_SERVER, "8.1.102.59", "sip1.example"),
)


def inventory(**changes: object) -> db.Inventory:
    given: dict[str, object] = {
        "servers": SERVERS, "agents": 850, "virtual_queues": 12, "sip_switches": 1, "unread": {},
    }  # fmt: skip
    return db.Inventory(**(given | changes))  # type: ignore[arg-type]


def session(**changes: object) -> ConfigDbSession:
    given: dict[str, object] = {
        "spoken_from": "excs-1",
        "how": "SSH forwarding",
        "server_version": "15.8",
        "tls_version": "TLSv1.3",
        "certificate": None,
        "account": "exec_ro",
        "superuser": False,
        "in_recovery": False,
        "schema": "genesys",
        "tables": {name: table(name) for name in NEEDED},
        "elsewhere": (),
        "inventory": inventory(),
    }
    return ConfigDbSession(**(given | changes))  # type: ignore[arg-type]


def talk(result: ConfigDbSession | PgRefusal | None = None) -> ConfigDbTalk:
    return ConfigDbTalk(spoken_from="excs-1", result=result or session(), passed_by={})


def refusal(ending: PgEnding, code: str = "", **more: object) -> ConfigDbTalk:
    return talk(PgRefusal(ending=ending, text="its own words", code=code, **more))  # type: ignore[arg-type]


def tls(trouble: TlsTrouble) -> ConfigDbTalk:
    return refusal(PgEnding.TLS, tls=TlsFailure(trouble=trouble, text="its own words"))


# -- the Config DB


def config_db(fact: ConfigDbTalk, **changes: object) -> Judgement:
    (target,) = ConfigDbRuns().targets(planned(config_db=replace(DB, **changes)))  # type: ignore[arg-type]
    assert isinstance(target, ServiceTarget)
    return ConfigDbRuns().judge(target, fact)


def some(*hidden: str, missing: Sequence[str] = ()) -> ConfigDbTalk:
    held = {name: table(name, readable=name not in hidden) for name in NEEDED if name not in missing}
    return talk(session(tables=held))


def uncatalogued(why: str) -> ConfigDbTalk:
    return talk(session(schema=None, tables={}, inventory=inventory(servers=None, unread={"catalogue": why})))


@pytest.mark.parametrize(
    ("fact", "outcome", "lane", "code"),
    [
        (talk(), Outcome.MET, None, None),
        (talk(session(in_recovery=True)), Outcome.MET, None, None),
        (some(missing=["cfg_locale"]), Outcome.UNKNOWN, Lane.CONFIGURATION, Cause.NOT_OBSERVED),
        (some("cfg_dn"), Outcome.WEAK, Lane.AUTH, None),
        (some(*NEEDED), Outcome.MISSED, Lane.AUTH, None),
        (
            some("cfg_person", missing=[name for name in NEEDED if name != "cfg_person"]),
            Outcome.MISSED,
            Lane.AUTH,
            None,
        ),
        (talk(session(schema=None, tables={})), Outcome.MISSED, Lane.CONFIGURATION, None),
        (uncatalogued("42501 permission denied for table pg_class"), Outcome.UNKNOWN, Lane.PROBE, Cause.PERMISSION),
        (uncatalogued("57014 canceled"), Outcome.UNKNOWN, Lane.PROBE, Cause.NOT_OBSERVED),
        (talk(session(tables={"cfg_other": table("cfg_other")})), Outcome.MISSED, Lane.CONFIGURATION, None),
        (refusal(PgEnding.REFUSED, "28P01"), Outcome.MISSED, Lane.AUTH, None),
        (refusal(PgEnding.REFUSED, "28000"), Outcome.MISSED, Lane.AUTH, None),
        (refusal(PgEnding.REFUSED, "42501"), Outcome.MISSED, Lane.AUTH, None),
        (refusal(PgEnding.REFUSED, "3D000"), Outcome.MISSED, Lane.CONFIGURATION, None),
        (refusal(PgEnding.REFUSED, "53300"), Outcome.UNKNOWN, Lane.SERVICE, Cause.OVERLOAD),
        (refusal(PgEnding.REFUSED, "57P03"), Outcome.UNKNOWN, Lane.SERVICE, Cause.OVERLOAD),
        (refusal(PgEnding.PATH, verdict=PathVerdict.REFUSED), Outcome.MISSED, Lane.SERVICE, None),
        (refusal(PgEnding.PATH, verdict=PathVerdict.TIMEOUT), Outcome.UNKNOWN, Lane.FIREWALL, Cause.BLOCKED),
        (refusal(PgEnding.PATH), Outcome.UNKNOWN, Lane.DNS, Cause.BLOCKED),
        (refusal(PgEnding.NOT_POSTGRES), Outcome.MISSED, Lane.SERVICE, None),
        (refusal(PgEnding.SILENT), Outcome.MISSED, Lane.SERVICE, None),
        (refusal(PgEnding.NO_TLS), Outcome.MISSED, Lane.TLS, None),
        (refusal(PgEnding.IMPOSTOR), Outcome.MISSED, Lane.AUTH, None),
        (refusal(PgEnding.LOGIN_MISSING), Outcome.UNKNOWN, Lane.AUTH, Cause.UNDECLARED),
        (refusal(PgEnding.UNSUPPORTED), Outcome.UNKNOWN, Lane.AUTH, Cause.UNSUPPORTED),
        (tls(TlsTrouble.WRONG_NAME), Outcome.MISSED, Lane.TLS, None),
        (tls(TlsTrouble.UNTRUSTED_ISSUER), Outcome.MISSED, Lane.TLS, None),
    ],
)
def test_a_config_db_is_proven_by_a_session(
    fact: ConfigDbTalk, outcome: Outcome, lane: Lane | None, code: Cause | None
) -> None:
    """Readable tables pass, absent or unseen ones are unknown; refusals are told apart by the database's own word."""
    judgement = config_db(fact)
    assert (judgement.outcome, judgement.lane) == (outcome, lane), judgement
    assert (judgement.reason.code if judgement.reason else None) is code
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.remedy
        assert judgement.job


def test_an_unknown_authority_fails_only_where_one_is_declared() -> None:
    """Without `ca_file` nobody has said which authority is meant."""
    judgement = config_db(tls(TlsTrouble.UNTRUSTED_ISSUER), tls=Tls())
    assert (judgement.outcome, judgement.owner) == (Outcome.UNKNOWN, Owner.DEPLOYER)


def test_the_remedy_for_pg_hba_is_the_line_itself() -> None:
    """It names database, account and the address of the VM that was refused."""
    remedy = config_db(refusal(PgEnding.REFUSED, "28000")).remedy
    assert "hostssl  genesys_cfg  exec_ro  10.0.0.1/32  scram-sha-256" in remedy


def test_the_evidence_of_a_session_shows_how_it_was_secured() -> None:
    """TLS and its certificate, or that there was none; tables as far as they can be read; a replica as such."""
    shown = {piece.label: piece for piece in config_db(talk(session(in_recovery=True))).evidence}
    assert "TLSv1.3" in shown["PostgreSQL session"].value
    assert shown["PostgreSQL session"].level is Level.AUTHENTICATED
    assert "Replica" in shown
    assert "Certificate" not in shown
    certificate = Certificate(
        subject="CN=cfgdb.example",
        issuer="CN=ACME CA",
        names=("cfgdb.example",),
        not_before=datetime(2026, 1, 1, tzinfo=UTC),
        not_after=datetime(2027, 11, 23, tzinfo=UTC),
        fingerprint="00",
        seen_at=datetime(2026, 11, 23, tzinfo=UTC),
    )
    shown = {piece.label: piece for piece in config_db(talk(session(tls_version="", certificate=certificate))).evidence}
    assert "without TLS" in shown["PostgreSQL session"].value
    assert "Replica" not in shown
    assert shown["Certificate"].value == "CN=cfgdb.example, issued by CN=ACME CA, until 2027-11-23"
    assert shown["Certificate"].level is Level.PROTOCOL


def test_a_closed_way_is_another_finding() -> None:
    """The row of the table stands in the way, by its id."""
    judgement = config_db(refusal(PgEnding.PATH, verdict=PathVerdict.TIMEOUT))
    assert judgement.reason is not None
    assert judgement.reason.by == "connectivity.config-db[excs-1->db.example:5432]"


@pytest.mark.parametrize("check", [ConfigDbRuns, Inventory, ReadOnlyAccount])
def test_another_engine_is_left_to_a_person(check: type[ConfigDbRuns]) -> None:
    """Nothing but PostgreSQL is read."""
    (target,) = check().targets(planned(config_db=replace(DB, engine=Engine.ORACLE)))
    assert isinstance(target, Settled)
    assert (target.judgement.outcome, target.target.name) == (Outcome.MANUAL, "db.example:5432")


# -- Stat Servers and SIP Servers


def path(
    *verdicts: PathVerdict, vm: str = "exas-1", banner: bytes = b"", closed: bool = False, proxy: bool = False
) -> TcpPath:
    attempts = tuple(
        Dialled(verdict=verdict, ms=1.0, tool="python", banner=banner, closed=closed, raw="") for verdict in verdicts
    )
    control = Dialled(verdict=PathVerdict.OPEN if proxy else PathVerdict.REFUSED, ms=1.0, tool="python")
    return TcpPath(
        vantage=vm,
        host="stat1.example",
        port=2060,
        resolution=Resolution(name="stat1.example", addresses=("10.5.0.1",)),
        tried=(AddressPath(address="10.5.0.1", attempts=attempts, control=control),),
        control_port=61000,
    )


OPEN, REFUSED, TIMEOUT = PathVerdict.OPEN, PathVerdict.REFUSED, PathVerdict.TIMEOUT


@pytest.mark.parametrize(
    ("icmp", "outcome", "lane"),
    [("3/3@10.9.0.1", Outcome.UNKNOWN, Lane.FIREWALL), ("", Outcome.MISSED, Lane.SERVICE)],
)
def test_a_rejection_by_a_firewall_is_no_database_that_is_down(icmp: str, outcome: Outcome, lane: Lane) -> None:
    """To a tunnel both are "Connection refused"; the kernel of the VM has seen the ICMP message."""
    (target,) = ConfigDbRuns().targets(planned(config_db=DB))
    assert isinstance(target, ServiceTarget)
    refused = refusal(PgEnding.PATH, verdict=PathVerdict.REFUSED)
    seen = path(REFUSED, REFUSED, REFUSED, vm="excs-1")
    (tried,) = seen.tried
    attempts = tuple(replace(attempt, icmp=icmp) for attempt in tried.attempts)
    judged = ConfigDbRuns().judge(target, refused, replace(seen, tried=(replace(tried, attempts=attempts),)))
    assert (judged.outcome, judged.lane) == (outcome, lane)


def stat_server(*facts: TcpPath | ConfigDbTalk | Unread) -> Judgement:
    target = StatServersRun().targets(planned())[0]
    assert isinstance(target, ServiceTarget)
    return StatServersRun().judge(target, *facts)


@pytest.mark.parametrize(
    ("facts", "outcome", "lane", "said"),
    [
        ((path(OPEN, OPEN, OPEN), talk()), Outcome.MET, None, "has Stat1 enabled"),
        ((path(OPEN, OPEN, OPEN), UNREAD), Outcome.MET, None, "could not be compared"),
        ((path(OPEN, OPEN, OPEN), refusal(PgEnding.SILENT)), Outcome.MET, None, "could not be compared"),
        ((path(OPEN), talk(session(inventory=inventory(servers=())))), Outcome.WEAK, Lane.CONFIGURATION, "otherwise"),
        (
            (path(OPEN), talk(session(inventory=inventory(servers=(replace(SERVERS[1], enabled=False),))))),
            Outcome.WEAK,
            Lane.CONFIGURATION,
            "otherwise",
        ),
        ((path(OPEN, banner=b"SSH-2.0-OpenSSH_9.2\r\n"), talk()), Outcome.MISSED, Lane.SERVICE, "does not"),
        ((path(OPEN, banner=b"\x01\x02\x03 who knows"), talk()), Outcome.WEAK, Lane.SERVICE, "does not"),
        ((path(OPEN, closed=True), talk()), Outcome.WEAK, Lane.SERVICE, "closed within a second"),
        ((path(OPEN, proxy=True), talk()), Outcome.UNKNOWN, Lane.FIREWALL, ""),
        ((path(REFUSED, REFUSED), talk()), Outcome.MISSED, Lane.SERVICE, "no program listens"),
        ((path(TIMEOUT, TIMEOUT), talk()), Outcome.UNKNOWN, Lane.FIREWALL, ""),
        ((path(OPEN, TIMEOUT), talk()), Outcome.WEAK, Lane.ROUTE, "not every connect"),
        ((UNREAD, talk()), Outcome.UNKNOWN, Lane.PROBE, ""),
        # one machine that sees it is enough: the others have findings of their own in the table
        ((path(TIMEOUT, vm="exas-1"), path(OPEN, vm="exas-2"), talk()), Outcome.MET, None, "Stat1"),
    ],
)
def test_a_silent_listener_is_what_a_stat_server_shows(
    facts: tuple[TcpPath | ConfigDbTalk | Unread, ...], outcome: Outcome, lane: Lane | None, said: str
) -> None:
    """Silence after accept passes, a greeting of another protocol and a refusal fail, a closed way is unknown."""
    judgement = stat_server(*facts)
    assert (judgement.outcome, judgement.lane, said in judgement.reasoning) == (outcome, lane, True), judgement


def test_a_server_that_hangs_up_is_seen_to() -> None:
    """What was observed says more than that connects were accepted."""
    observed = stat_server(path(OPEN, OPEN, OPEN, closed=True), talk()).observed
    assert "accepts 3 connects" in observed
    assert observed.endswith("closes the connection without a word")


def test_a_record_proves_nothing_of_the_server_that_runs() -> None:
    """The Config DB was read by a session, but of the Stat Server itself no more than TCP is proven."""
    judgement = stat_server(path(OPEN), talk())
    assert "Configured in the Config DB" in {one.label for one in judgement.evidence}
    assert max(one.level for one in judgement.evidence) is Level.TCP


def test_a_closed_way_points_at_its_row() -> None:
    """Primary, backup and SIP Server each have a row of their own."""
    by = stat_server(path(TIMEOUT), talk()).reason
    assert by is not None
    assert by.by == "connectivity.stat-server-primary[exas-1->stat1.example:2060]"
    backup = StatServersRun().targets(planned())[1]
    (sip,) = SipServersRun().targets(planned())
    assert isinstance(backup, ServiceTarget)
    assert isinstance(sip, ServiceTarget)
    assert StatServersRun().row(backup) == "connectivity.stat-server-backup"
    assert SipServersRun().row(sip) == "connectivity.sip-server"


def test_sip_servers_are_dialled_from_every_excp_vm() -> None:
    """Two EXCP, two dials, and the Config DB's record beside them."""
    (sip,) = SipServersRun().targets(planned())
    assert isinstance(sip, ServiceTarget)
    asked = [str(need) for need in SipServersRun().needs(sip)]
    assert len(asked) == 3
    assert "excp-1" in asked[0]
    assert "excp-2" in asked[1]


@pytest.mark.parametrize("check", [StatServersRun, SipServersRun])
def test_without_consent_nobody_is_dialled(check: type[StatServersRun]) -> None:
    """The switch that stands in the way is named."""
    targets = check().targets(planned(probing=Probing(sip_stat_connect=False)))
    for target in targets:
        assert isinstance(target, Settled)
        assert target.judgement.reason is not None
        assert (target.judgement.reason.code, "sip_stat_connect" in target.judgement.reason.detail) == (
            Cause.UNSUPPORTED,
            True,
        )


# -- versions


def version(index: int, *facts: ConfigDbTalk | Names | Unread, **changes: object) -> Judgement:
    target = EngageVersions().targets(planned(**changes))[index]
    assert isinstance(target, CoreTarget), target
    return EngageVersions().judge(target, *facts)


def holding(*servers: ConfiguredServer) -> ConfigDbTalk:
    return talk(session(inventory=inventory(servers=servers)))


def confserv(version: str) -> ConfigDbTalk:
    return holding(server("confserv", AppType.CONFIGURATION_SERVER, version, "conf1"))


def sip(version: str) -> ConfigDbTalk:
    return holding(server("SIP1", AppType.T_SERVER, version, "sip1.example"))


@pytest.mark.parametrize(
    ("index", "fact", "outcome"),
    [
        (0, confserv("8.5.101.12"), Outcome.MET),
        (0, confserv("8.5"), Outcome.MET),
        (0, confserv("9.0.000.01"), Outcome.MET),
        (0, confserv("8.10.000.01"), Outcome.MET),
        (0, confserv("8.1.400.47"), Outcome.MISSED),
        (0, confserv("7.6.000.01"), Outcome.MISSED),
        (0, confserv(""), Outcome.UNKNOWN),
        (0, confserv("unknown"), Outcome.UNKNOWN),
        (0, holding(), Outcome.UNKNOWN),
        (0, UNREAD, Outcome.UNKNOWN),
        (1, talk(), Outcome.MET),
        (2, talk(), Outcome.MET),
        (2, holding(server("Stat2", AppType.STAT_SERVER, "8.1.200.03", "h", address="10.5.0.2")), Outcome.MISSED),
        # of the same host, only what is enabled counts
        (
            2,
            holding(SERVERS[2], server("old", AppType.STAT_SERVER, "8.0.0", "h", address="10.5.0.2", enabled=False)),
            Outcome.MET,
        ),
        (2, holding(SERVERS[2], server("old", AppType.STAT_SERVER, "8.0.0", "h", address="10.5.0.2")), Outcome.WEAK),
        # where ports are on record, the one on our port is meant
        (
            2,
            holding(
                replace(SERVERS[2], port=2060),
                server("old", AppType.STAT_SERVER, "8.0.0", "h", address="10.5.0.2", port=2061),
            ),
            Outcome.MET,
        ),
        (2, holding(), Outcome.UNKNOWN),
        (3, sip("8.1.102.59"), Outcome.WEAK),
        (3, sip("8.1.000.00"), Outcome.WEAK),
        (3, sip("8.5.100.01"), Outcome.MET),
        (3, sip("8.0.400.01"), Outcome.MISSED),
        (3, sip("7.6.000.01"), Outcome.MISSED),
    ],
)
def test_versions_compare_part_by_part(index: int, fact: ConfigDbTalk | Unread, outcome: Outcome) -> None:
    """8.5 and later pass, 8.10 too; SIP Server's own 8.1 line warns; the record of another host does not count."""
    judgement = version(index, fact)
    assert judgement.outcome is outcome, judgement
    if outcome in (Outcome.MISSED, Outcome.WEAK):
        assert judgement.lane is Lane.VERSION


@pytest.mark.parametrize("fact", [UNREAD, holding(), refusal(PgEnding.SILENT)])
def test_a_version_that_is_only_declared_is_left_to_a_person(fact: ConfigDbTalk | Unread) -> None:
    """The site file's word proves nothing, and an attestation can settle it."""
    judgement = version(1, fact)
    assert (judgement.outcome, "8.5.110.02" in judgement.observed) == (Outcome.MANUAL, True)


def test_a_host_is_found_by_its_address() -> None:
    """The name in the Config DB may be another; what the declared name resolves to decides."""
    fact = holding(server("Stat1", AppType.STAT_SERVER, "8.5.110.02", "other-name", address="10.5.0.1"))
    resolved = Names(
        vantage="exas-1",
        names={"stat1.example": Name(name="stat1.example", addresses=(ip_address("10.5.0.1"),))},
    )
    assert version(1, fact).outcome is Outcome.MANUAL
    assert version(1, fact, resolved).outcome is Outcome.MET


def test_each_server_is_judged_by_its_own_application() -> None:
    """One question resolves every declared name; an application on another server's address is not this one's."""
    servers = (
        server("sip_a", AppType.T_SERVER, "8.5.100.01", "one", address="10.6.0.1"),
        server("sip_b", AppType.T_SERVER, "8.0.400.01", "two", address="10.6.0.2"),
    )
    resolved = Names(
        vantage="excp-1",
        names={
            name: Name(name=name, addresses=(ip_address(address),))
            for name, address in (("sip-a.example", "10.6.0.1"), ("sip-b.example", "10.6.0.2"))
        },
    )
    declared = tuple(StatServer(endpoint=Endpoint(f"sip-{one}.example", 8000)) for one in "ab")
    first, second = (version(index, holding(*servers), resolved, sip_servers=declared) for index in (3, 4))
    assert (first.outcome, first.observed) == (Outcome.MET, "sip_a 8.5.100.01")
    assert (second.outcome, second.observed) == (Outcome.MISSED, "sip_b 8.0.400.01")


def test_two_domains_with_one_short_name_are_two_hosts() -> None:
    """A short name matches only where the other side has no domain."""
    fact = holding(server("Stat1", AppType.STAT_SERVER, "8.0.0", "stat1.elsewhere.example"))
    assert version(1, fact).outcome is Outcome.MANUAL


@pytest.mark.parametrize(
    ("config_db", "outcomes"),
    [
        (replace(DB, engine=Engine.MSSQL), [Outcome.MANUAL] * 4),
        (Absent.NONE, [Outcome.MANUAL] * 4),
        (Absent.UNDECLARED, [Outcome.UNKNOWN, Outcome.MANUAL, Outcome.UNKNOWN, Outcome.UNKNOWN]),
    ],
)
def test_without_a_config_db_to_read_nothing_is_judged(config_db: ConfigDb | Absent, outcomes: list[Outcome]) -> None:
    """Declared versions are for a person, the rest says what is missing."""
    targets = EngageVersions().targets(planned(config_db=config_db))
    assert [target.judgement.outcome for target in targets if isinstance(target, Settled)] == outcomes


UNBUILT = tuple(
    vm(name, role, None) for name, role in (("excs-1", Role.EXCS), ("exas-1", Role.EXAS), ("excp-1", Role.EXCP))
)


@pytest.mark.parametrize(
    ("check", "key", "names"),
    [
        (ConfigDbRuns, "config_db", ["config_db"]),
        (SipServersRun, "sip_servers", ["sip_servers"]),
        (StatServersRun, "stat_servers", ["stat_servers.primary", "stat_servers.backup"]),
    ],
)
@pytest.mark.parametrize(("absent", "outcome"), [(Absent.UNDECLARED, Outcome.UNKNOWN), (Absent.NONE, Outcome.MANUAL)])
def test_a_server_that_is_not_declared_keeps_its_row(
    check: type[AnyCheck], key: str, names: list[str], absent: Absent, outcome: Outcome
) -> None:
    """Undeclared is unknown, none is for a person; a planned VM that nobody can ask from is undeclared too."""
    declared = StatServers(primary=absent, backup=absent) if key == "stat_servers" else absent
    settled = [one for one in check().targets(planned(**{key: declared})) if isinstance(one, Settled)]
    assert [(one.target.name, one.judgement.outcome) for one in settled] == [(name, outcome) for name in names]
    for one in check().targets(planned(vms=UNBUILT)):
        assert isinstance(one, Settled)
        assert one.judgement.reason is not None
        assert (one.judgement.outcome, one.judgement.reason.code) == (Outcome.UNKNOWN, Cause.UNDECLARED)
        assert "role: " in one.judgement.reason.detail


def test_versions_wait_for_an_excs_vm_that_can_ask() -> None:
    """A declared version is for a person; what only the Config DB knows needs a machine that reads it."""
    targets = EngageVersions().targets(planned(vms=UNBUILT))
    assert [one.judgement.outcome for one in targets if isinstance(one, Settled)] == [
        Outcome.UNKNOWN,
        Outcome.MANUAL,
        Outcome.UNKNOWN,
        Outcome.UNKNOWN,
    ]


def test_names_are_resolved_for_the_servers_that_are_declared() -> None:
    """A SIP Server without a Stat Server beside it is asked for all the same."""
    missing = StatServers(primary=Absent.NONE, backup=Absent.NONE)
    targets = [one for one in EngageVersions().targets(planned(stat_servers=missing)) if isinstance(one, CoreTarget)]
    assert any("sip1" in str(need) for need in EngageVersions().needs(targets[-1]))


# -- beyond the page


def stocked(**changes: object) -> Judgement:
    (target,) = Inventory().targets(planned())
    assert isinstance(target, ServiceTarget)
    return Inventory().judge(target, talk(session(inventory=inventory(**changes))))


@pytest.mark.parametrize(
    ("changes", "outcome", "lane"),
    [
        ({}, Outcome.MET, None),
        ({"agents": 1000}, Outcome.MET, None),
        ({"agents": 1001}, Outcome.MISSED, Lane.CAPACITY),
        ({"servers": SERVERS[:3]}, Outcome.MISSED, Lane.CONFIGURATION),
        ({"servers": (*SERVERS[:3], replace(SERVERS[3], enabled=False))}, Outcome.MISSED, Lane.CONFIGURATION),
        ({"agents": None, "unread": {"agents": "the account may not read cfg_person"}}, Outcome.UNKNOWN, Lane.PROBE),
        ({"servers": None, "unread": {"servers": "there is no table cfg_application"}}, Outcome.UNKNOWN, Lane.PROBE),
        ({"agents": 5000, "servers": None}, Outcome.MISSED, Lane.CAPACITY),
    ],
)
def test_the_config_db_is_compared_with_the_plan(
    changes: dict[str, object], outcome: Outcome, lane: Lane | None
) -> None:
    """More agents than planned, or a declared server that is not configured, is a miss; gaps are unknown."""
    judgement = stocked(**changes)
    assert (judgement.outcome, judgement.lane) == (outcome, lane), judgement


@pytest.mark.parametrize(
    ("changes", "outcome", "observed"),
    [
        ({}, Outcome.MET, "no right to write"),
        ({"superuser": True}, Outcome.MISSED, "superuser"),
        ({"tables": {"cfg_person": table("cfg_person", writable=True)}}, Outcome.MISSED, "may write to cfg_person"),
        ({"tables": {"cfg_person": table("cfg_person", owned=True)}}, Outcome.MISSED, "owner of cfg_person"),
        ({"tables": {"cfg_person": table("cfg_person", readable=False)}}, Outcome.MET, "no right to write"),
        ({"tables": {}}, Outcome.UNKNOWN, ""),
    ],
)
def test_an_account_that_can_write_is_told_by_the_database(
    changes: dict[str, object], outcome: Outcome, observed: str
) -> None:
    """Rights are read, never tried."""
    (target,) = ReadOnlyAccount().targets(planned())
    assert isinstance(target, ServiceTarget)
    judgement = ReadOnlyAccount().judge(target, talk(session(**changes)))
    assert (judgement.outcome, observed in judgement.observed) == (outcome, True), judgement


def test_what_was_not_opened_blocks_what_lies_in_it() -> None:
    """Inventory and rights point at the finding about the session."""
    for check in (Inventory(), ReadOnlyAccount()):
        (target,) = check.targets(planned())
        assert isinstance(target, ServiceTarget)
        reason = check.judge(target, refusal(PgEnding.REFUSED, "28P01")).reason
        assert reason is not None
        assert (reason.code, reason.by) == (Cause.BLOCKED, "engage.config-db[db.example:5432]")


def test_one_session_serves_them_all() -> None:
    """The Config DB is logged in to once in a run."""
    of = planned()
    probes = set()
    for check in (
        ConfigDbRuns(),
        StatServersRun(),
        SipServersRun(),
        EngageVersions(),
        Inventory(),
        ReadOnlyAccount(),
    ):
        for target in check.targets(of):
            for need in check.needs(target):  # type: ignore[arg-type]
                probe = getattr(need, "probe", need)
                if type(probe).__name__ == "ReadConfigDb":
                    probes.add(probe)
    assert len(probes) == 1
