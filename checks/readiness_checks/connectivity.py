"""The page's connectivity table, one class for each of its rows, and the row that its text implies."""

from __future__ import annotations

from dataclasses import replace

from readiness import Obligation, Origin, Owner, Probe, Requirement
from readiness.probes.config_db import ConfigDbTalk, ReadConfigDb
from readiness.probes.genesys_cloud import AskGenesysCloudHost, GenesysCloudHost
from readiness.probes.monitoring import AskLogging, ElementAnswer
from readiness.probes.redis import AskRedis, RedisAnswer
from readiness.probes.registry import AskRegistry, RegistryTalk
from readiness.site import (
    Absent,
    ConfigDb,
    EdgeTarget,
    Endpoint,
    Engine,
    GenesysCloud,
    Logging,
    Redis,
    Registry,
    Role,
    Site,
)
from readiness_checks.called_rows import CALLED_PROOF, CalledRow
from readiness_checks.rows import (
    COMPONENTS,
    PROOF,
    SECTION,
    VALID_FOR,
    Said,
    SilentRow,
    SpokenRow,
    outcomes,
)
from readiness_checks.said import said_by_config_db, said_by_redis
from readiness_checks.said_http import said_by_genesys_cloud, said_by_logging, said_by_registry

LISTENING = (
    f"{PROOF} The connections stay open for a second and listen; nothing is sent. One more connect goes to a port of "
    "the same host that should be closed."
)


class ReachesConfigDb(SpokenRow[ConfigDbTalk]):
    peer, key, sources = "the Config DB", "config_db", (Role.EXCS,)
    requirement = Requirement(
        id="connectivity.config-db",
        section=SECTION,
        text="EXCS connects to the Engage Config DB on the port where its RDBMS listens (PostgreSQL: 5432).",
        proof=f"{PROOF} Then a session of PostgreSQL is opened through the VM, with the TLS and the account that the "
        "site declares. To another RDBMS only the connects are made.",
        outcomes=outcomes(
            "the Config DB",
            **{
                "pass": "every connect came through, and PostgreSQL answered, in a session where it can be had",
                "warn": "some connects or addresses answer, the server takes no sessions at the moment, or its "
                "certificate ends within 30 days",
                "fail": "no connect came through, no PostgreSQL answers there, or it turns the session away",
            },
        ),
        remedy="Open TCP <EXCS> -> <Config DB>:<port>, have the RDBMS listen there, and let EXCS in by pg_hba.conf.",
        owner=Owner.DBA,
        valid_for=VALID_FOR,
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        return site.config_db if isinstance(site.config_db, Absent) else (site.config_db.endpoint,)

    def question(self, target: EdgeTarget) -> Probe[ConfigDbTalk] | None:
        service = target.site.config_db
        assert isinstance(service, ConfigDb)
        return ReadConfigDb.of(service, (target.vm.name,)) if service.engine is Engine.POSTGRESQL else None

    def heard(self, target: EdgeTarget, answer: ConfigDbTalk) -> Said:
        return said_by_config_db(target, answer)


def _silent(check: str, *, text: str, peer: str, remedy: str) -> Requirement:
    """A row whose peer says nothing of itself."""
    return Requirement(
        id=check,
        section=SECTION,
        text=text,
        proof=LISTENING,
        outcomes=outcomes(
            peer,
            warn=f"{peer} answers some connects or some addresses only, hangs up at once, or something speaks unasked",
            unknown="the VM could not be asked, connecting is not agreed to, or a device accepts for every port",
        ),
        remedy=remedy,
        owner=Owner.ENGAGE,
        valid_for=VALID_FOR,
    )


class ReachesPrimaryStatServer(SilentRow):
    peer, key, sources = "the primary Stat Server", "stat_servers.primary", (Role.EXAS,)
    requirement = _silent(
        "connectivity.stat-server-primary",
        text="EXAS connects to the primary Stat Server of Engage (2060 unless configured otherwise) for agent states.",
        peer=peer,
        remedy="Open TCP <EXAS> -> <primary Stat Server>:<port>.",
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        server = site.stat_servers.primary
        return server if isinstance(server, Absent) else (server.endpoint,)


class ReachesBackupStatServer(SilentRow):
    peer, key, sources = "the backup Stat Server", "stat_servers.backup", (Role.EXAS,)
    requirement = _silent(
        "connectivity.stat-server-backup",
        text="EXAS connects to the backup Stat Server of Engage (2060 unless configured otherwise) for agent states.",
        peer=peer,
        remedy="Open TCP <EXAS> -> <backup Stat Server>:<port>; in warm standby it listens like the primary.",
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        server = site.stat_servers.backup
        return server if isinstance(server, Absent) else (server.endpoint,)


class ReachesSipServers(SilentRow):
    peer, key, sources = "the SIP Server", "sip_servers", (Role.EXCP,)
    requirement = _silent(
        "connectivity.sip-server",
        text="Each EXCP connects to every SIP Server of Engage (8000 unless configured otherwise) for its call events.",
        peer=peer,
        remedy="Open TCP <EXCP> -> <SIP Server>:<port>, from every EXCP to every SIP Server, the backups included.",
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        servers = site.sip_servers
        if isinstance(servers, Absent):
            return servers
        return tuple(server.endpoint for server in servers) or Absent.UNDECLARED


class ReachesRedis(SpokenRow[RedisAnswer]):
    peer, key, sources = "Redis", "redis", COMPONENTS
    requirement = Requirement(
        id="connectivity.redis",
        section=SECTION,
        text="EXCS, EXAS and EXCP each connect to Redis (6379 unless configured otherwise), for the ID mapping.",
        proof=f"{PROOF} Then Redis is asked through the VM: TLS as declared, the declared login, PING.",
        outcomes=outcomes(
            "Redis",
            **{
                "pass": "every connect came through, and Redis took the declared login and answered PING, or asked for "
                "a login where none is declared",
                "warn": "some connects or addresses answer, Redis is still loading, a Sentinel or a replica answers "
                "in its place, or its certificate ends within 30 days",
                "fail": "no connect came through, no Redis answers there, or it refuses TLS or the login as declared",
            },
        ),
        remedy="Open TCP <VM> -> <Redis>:<port>, and give the audit the login that EXEC will use.",
        owner=Owner.DBA,
        valid_for=VALID_FOR,
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        return site.redis if isinstance(site.redis, Absent) else (site.redis.endpoint,)

    def question(self, target: EdgeTarget) -> Probe[RedisAnswer]:
        assert isinstance(target.site.redis, Redis)
        return AskRedis.of(target.vm.name, target.site.redis)

    def heard(self, target: EdgeTarget, answer: RedisAnswer) -> Said:
        return said_by_redis(target, answer)


class ReachesLogging(SpokenRow[ElementAnswer]):
    peer, key, sources = "the logging solution", "logging", COMPONENTS
    optional = True
    requirement = Requirement(
        id="connectivity.logging",
        section=SECTION,
        text="Where central logging is planned, each VM's log agent uploads to it (9200 unless configured otherwise).",
        proof=f"{PROOF} Then the declared URL is asked through the VM, its TLS verified, and again with the declared "
        "account. Nothing is stored.",
        outcomes=outcomes(
            "the logging solution",
            **{
                "pass": "every connect came through and it answered in HTTP, to the declared account if it wants one",
                "fail": "",
                "manual": "",
                "warn": "some or all connects failed, it does not answer as declared, its TLS does not do, it refuses "
                "the declared account, or it is another product; logging is optional, so it is never more than this",
                "unknown": "the VM could not be asked, or its certificate comes from an authority that is not declared",
                "skip": "the site plans no central logging",
            },
        ),
        remedy="Open TCP <VM> -> <logging>:<port>, and give the audit the account that the log agents will use.",
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        obligation=Obligation.OPTIONAL,
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        return site.logging if isinstance(site.logging, Absent) else (site.logging.endpoint,)

    def question(self, target: EdgeTarget) -> Probe[ElementAnswer]:
        assert isinstance(target.site.logging, Logging)
        return AskLogging.of(target.vm.name, target.site.logging)

    def heard(self, target: EdgeTarget, answer: ElementAnswer) -> Said:
        return said_by_logging(target, answer)


class ReachesGenesysCloud(SpokenRow[GenesysCloudHost]):
    peer, key, sources = "Genesys Cloud", "genesys_cloud", COMPONENTS
    requirement = Requirement(
        id="connectivity.genesys-cloud",
        section=SECTION,
        text="EXCS, EXAS and EXCP each call the Genesys Cloud API over HTTPS on port 443.",
        proof=f"{PROOF} Then an HTTPS request goes through the VM to the login and the API host, its TLS verified.",
        outcomes=outcomes(
            "Genesys Cloud",
            **{
                "pass": "every connect came through, TLS was verified, and the host answered in HTTP",
                "warn": "some connects or addresses answer, Genesys Cloud answers by the declared proxy only, or its "
                "certificate ends within 30 days",
                "fail": "no connect came through, TLS could not be verified, or what answers does not speak HTTP",
            },
        ),
        remedy="Open TCP <VM> -> login.<region> and api.<region>, port 443, by name; their addresses change.",
        owner=Owner.NETWORK,
        valid_for=VALID_FOR,
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        cloud = site.genesys_cloud
        return cloud if isinstance(cloud, Absent) else (cloud.login, cloud.api)

    def question(self, target: EdgeTarget) -> Probe[GenesysCloudHost]:
        assert isinstance(target.site.genesys_cloud, GenesysCloud)
        return AskGenesysCloudHost.of(target.vm.name, target.peer, target.site.genesys_cloud)

    def heard(self, target: EdgeTarget, answer: GenesysCloudHost) -> Said:
        return said_by_genesys_cloud(target, answer)


class ReachesRegistry(SpokenRow[RegistryTalk]):
    peer, key, sources = "the container registry", "registry", COMPONENTS
    requirement = Requirement(
        id="connectivity.registry",
        section=SECTION,
        text="Each EXEC VM connects to the container registry that its compose file pulls from.",
        proof=f"{PROOF} Then /v2/ is asked for through the VM, without an account.",
        outcomes=outcomes(
            "the container registry",
            **{
                "pass": "every connect came through, and a registry answered at /v2/",
                "warn": "some connects or addresses answer, the registry is not well, or its certificate ends within "
                "30 days",
                "fail": "no connect came through, its TLS does not do, or what answers is no registry",
            },
        ),
        remedy="Open TCP <VM> -> <registry>:<port>.",
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
        origin=Origin.IMPLIED,
    )

    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        return site.registry if isinstance(site.registry, Absent) else (site.registry.endpoint,)

    def question(self, target: EdgeTarget) -> Probe[RegistryTalk]:
        registry = target.site.registry
        assert isinstance(registry, Registry)
        knock = replace(registry, username=None, password=None, images=())
        return AskRegistry.of(knock, (target.vm.name,))

    def heard(self, target: EdgeTarget, answer: RegistryTalk) -> Said:
        return said_by_registry(target, answer)


def _inbound(check: str, *, text: str, peer: str, remedy: str) -> Requirement:
    return Requirement(
        id=check,
        section=SECTION,
        text=text,
        proof=CALLED_PROOF,
        outcomes=outcomes(
            peer,
            manual="",
            skip="the site plans no Prometheus",
            **{
                "pass": f"{peer} itself answered with the nonce of this run, or the service that is there accepts",
                "fail": f"the calls did not come through to {peer}, or something else answers at its address",
                "unknown": "nothing could listen there, so that a refusal proves nothing, or the source was not asked",
            },
        ),
        remedy=remedy,
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
    )


class ReachesExcsApi(CalledRow):
    role, sources, scraped = Role.EXCS, (Role.EXAS, Role.EXCP), False
    requirement = _inbound(
        "connectivity.excs-api",
        text="EXAS and EXCP call the REST API of EXCS (3640 unless configured otherwise).",
        peer="EXCS",
        remedy="Open TCP <EXAS, EXCP> -> <EXCS>:<port>, on the host firewall of EXCS as well.",
    )


class ExcsReachable(CalledRow):
    role, sources, scraped = Role.EXCS, (Role.EXAS, Role.EXCP), True
    requirement = _inbound(
        "connectivity.excs-inbound",
        text="EXCS lets EXAS, EXCP and Prometheus in on its port (3640 unless configured otherwise).",
        peer="EXCS",
        remedy="Admit EXAS, EXCP and Prometheus to <EXCS>:<port> in its host firewall.",
    )


class ExasReachable(CalledRow):
    role, sources, scraped = Role.EXAS, (), True
    requirement = _inbound(
        "connectivity.exas-inbound",
        text="EXAS lets Prometheus in on its port (3630 unless configured otherwise) to collect metrics.",
        peer="EXAS",
        remedy="Admit Prometheus to <EXAS>:<port> in its host firewall.",
    )


class ExcpReachable(CalledRow):
    role, sources, scraped = Role.EXCP, (), True
    requirement = _inbound(
        "connectivity.excp-inbound",
        text="EXCP lets Prometheus in on its port (3650 unless configured otherwise) to collect metrics.",
        peer="EXCP",
        remedy="Admit Prometheus to <EXCP>:<port> in its host firewall.",
    )
