"""Engage: Config DB, Stat Servers and SIP Servers are deployed, run, and have the versions that EXEC needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from readiness.check import Settled, Unbuilt
from readiness.model import Obligation, Origin, Owner, Requirement, Status
from readiness.site import Absent, ConfigDb, Element, Role, ServiceTarget, Site, StatServer

SECTION = "Engage Environment"


class ConfigDbRuns(Unbuilt):
    requirement = Requirement(
        id="engage.config-db",
        section=SECTION,
        text="The Engage Config DB is deployed and running, and EXEC's account can read it.",
        proof=(
            "From the EXCS VM the declared account opens a real PostgreSQL session and looks for the cfg_ tables it"
            " may read. Other engines are tested up to TCP, and a person confirms the rest."
        ),
        outcomes={
            Status.PASS: "The account logged in, and read the tables of a Genesys configuration.",
            Status.WARN: "It reads some of the tables that EXEC is known to need, but not all.",
            Status.FAIL: (
                "No database answers, it refuses the account or this VM, the database or its cfg_ tables are not"
                " there, or the account may not read them."
            ),
            Status.UNKNOWN: "The EXCS VM could not be asked, the path is closed, or the database is not declared.",
            Status.MANUAL: "The engine is not PostgreSQL, whose use a person confirms with Genesys.",
        },
        remedy=(
            "On the database host: add `hostssl <database> <account> <EXCS address>/32 scram-sha-256` to pg_hba.conf"
            " and reload; GRANT CONNECT ON DATABASE <database>, USAGE ON SCHEMA <schema> and SELECT ON ALL TABLES IN"
            " SCHEMA <schema> TO <account>."
        ),
        owner=Owner.DBA,
        valid_for=timedelta(days=30),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[ConfigDb] | Settled]:
        return (_config_db(site),)


class StatServersRun(Unbuilt):
    requirement = Requirement(
        id="engage.stat-server",
        section=SECTION,
        text="The primary and the backup Stat Server are deployed and running.",
        proof=(
            "From the EXAS VM each declared port is dialled: a listener that stays silent is what a Stat Server shows"
            " to strangers. The Config DB says whether an enabled Stat Server is configured on that host."
        ),
        outcomes={
            Status.PASS: (
                "Something that behaves like a Stat Server listens there; no other service gave itself away."
            ),
            Status.WARN: "It listens, but hangs up at once, or the Config DB knows no enabled Stat Server there.",
            Status.FAIL: "The host answers that nothing listens, or another kind of service introduced itself.",
            Status.UNKNOWN: "The way to it is closed, connecting is not consented to, or it is not declared.",
            Status.MANUAL: "The site declares that there is none.",
        },
        remedy=(
            "Start <server> in Genesys Administrator or Solution Control Interface and see on its host that it"
            " listens: ss -ltn 'sport = :<port>'. Correct `stat_servers` in the site file if it listens elsewhere."
        ),
        owner=Owner.ENGAGE,
        valid_for=timedelta(days=7),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[StatServer] | Settled]:
        pair = (
            ("stat_servers.primary", site.stat_servers.primary),
            ("stat_servers.backup", site.stat_servers.backup),
        )
        return tuple(_stat_server(key, server, site) for key, server in pair)


class SipServersRun(Unbuilt):
    requirement = Requirement(
        id="engage.sip-server",
        section=SECTION,
        text="Every SIP Server whose calls are to reach Genesys Cloud is deployed and running.",
        proof=(
            "From the EXCP VMs each declared T-Library port is dialled: a listener that stays silent is what a SIP"
            " Server shows to strangers. The Config DB says whether an enabled SIP Server is configured on that host."
        ),
        outcomes={
            Status.PASS: "Something that behaves like a SIP Server listens there; no other service gave itself away.",
            Status.WARN: "It listens, but hangs up at once, or the Config DB knows no enabled SIP Server there.",
            Status.FAIL: "The host answers that nothing listens, or another kind of service introduced itself.",
            Status.UNKNOWN: "The way to it is closed, connecting is not consented to, or none is declared.",
            Status.MANUAL: "The site declares that there is none.",
        },
        remedy=(
            "Start <server> in Genesys Administrator or Solution Control Interface and see on its host that it"
            " listens: ss -ltn 'sport = :<port>'. Correct `sip_servers` in the site file if it listens elsewhere."
        ),
        owner=Owner.ENGAGE,
        valid_for=timedelta(days=7),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[StatServer] | Settled]:
        return _sip_servers(site)


class EngageVersions(Unbuilt):
    requirement = Requirement(
        id="engage.version",
        section=SECTION,
        text="The Genesys core services behind EXEC are of version 8.5 or later.",
        proof=(
            "The versions that the Config DB has on record for its Configuration Server, Stat Servers and SIP Servers"
            " are compared part by part. A version that only the site file names is left to a person. The record may"
            " differ from the program that runs, which the report says."
        ),
        outcomes={
            Status.PASS: "The configured version is 8.5 or later.",
            Status.WARN: "A SIP Server of the 8.1.1 line: that is its current line, though the page says 8.5.",
            Status.FAIL: "The configured version is older than 8.5, for a SIP Server older than 8.1.",
            Status.UNKNOWN: "The Config DB was not read, has no version on record, or the service is not declared.",
            Status.MANUAL: "The version is only declared, or the Config DB is of another engine.",
        },
        remedy=(
            "Upgrade <service> to 8.5 or later. If the running program is newer than the record, correct the version"
            " of its Application object."
        ),
        owner=Owner.ENGAGE,
        valid_for=timedelta(days=90),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[ConfigDb] | ServiceTarget[StatServer] | Settled]:
        pair = (
            ("stat_servers.primary", site.stat_servers.primary),
            ("stat_servers.backup", site.stat_servers.backup),
        )
        return (_config_db(site), *(_stat_server(key, server, site) for key, server in pair), *_sip_servers(site))


class Inventory(Unbuilt):
    requirement = Requirement(
        id="engage.inventory",
        section=SECTION,
        text="What the Config DB knows fits the plan: as many agents as planned, and every server that is declared.",
        proof=(
            "Enabled agents, Stat Servers, SIP Servers and Virtual Queues are counted in the Config DB and compared"
            " with the site file."
        ),
        outcomes={
            Status.PASS: "No more agents than planned for, and the servers of both sides are the same.",
            Status.WARN: "More agents than planned for, or servers that only one side knows.",
            Status.UNKNOWN: "The Config DB was not read, or lacks the tables that this needs.",
            Status.MANUAL: "The Config DB is of another engine.",
        },
        remedy=(
            "Correct `capacity.agents`, `stat_servers` or `sip_servers` in the site file, or disable in Configuration"
            " Manager what is not in use, and size Redis for the agents that there are."
        ),
        owner=Owner.ENGAGE,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[ConfigDb] | Settled]:
        return (_config_db(site),)


class ReadOnlyAccount(Unbuilt):
    requirement = Requirement(
        id="engage.read-only-account",
        section=SECTION,
        text="EXEC's account in the Config DB can read and cannot write: the OAuth secret lies there in clear text.",
        proof=(
            "The database is asked what the account may do with the cfg_ tables, and whether it is a superuser or"
            " their owner. No write is ever tried."
        ),
        outcomes={
            Status.PASS: "The account may read the tables and nothing else.",
            Status.WARN: "The account may write at least one of them, owns them, or is a superuser.",
            Status.UNKNOWN: "The Config DB was not read.",
            Status.MANUAL: "The Config DB is of another engine.",
        },
        remedy=(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA <schema> FROM <account>; or better, make"
            " an account for EXEC alone: CREATE ROLE exec_ro LOGIN; GRANT USAGE ON SCHEMA <schema> TO exec_ro; GRANT"
            " SELECT ON ALL TABLES IN SCHEMA <schema> TO exec_ro;"
        ),
        owner=Owner.DBA,
        valid_for=timedelta(days=90),
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[ConfigDb] | Settled]:
        return (_config_db(site),)


def _config_db(site: Site) -> ServiceTarget[ConfigDb] | Settled:
    if isinstance(site.config_db, Absent):
        return Settled.absent(
            "config_db",
            site.config_db,
            what="Config DB",
            expected="an Engage Config DB that EXCS can read",
            remedy="EXCS works on the Config DB alone: declare `config_db`, or attest what takes its place.",
        )
    return ServiceTarget.of(site.config_db.endpoint, site.config_db, site.vms_of(Role.EXCS), site)


def _stat_server(key: str, server: Element[StatServer], site: Site) -> ServiceTarget[StatServer] | Settled:
    if isinstance(server, Absent):
        return Settled.absent(
            key,
            server,
            what=f"{key.partition('.')[2]} Stat Server",
            expected="a primary and a backup Stat Server",
            remedy=f"Say in an attestation why EXAS does without it, or declare `{key}`.",
        )
    return ServiceTarget.of(server.endpoint, server, site.vms_of(Role.EXAS), site)


def _sip_servers(site: Site) -> Sequence[ServiceTarget[StatServer] | Settled]:
    if isinstance(site.sip_servers, Absent):
        return (
            Settled.absent(
                "sip_servers",
                site.sip_servers,
                what="SIP Server",
                expected="the SIP Servers whose calls EXCP watches",
                remedy="EXCP works on SIP Servers alone: declare `sip_servers`, or attest what takes their place.",
            ),
        )
    return tuple(ServiceTarget.of(server.endpoint, server, site.vms_of(Role.EXCP), site) for server in site.sip_servers)
