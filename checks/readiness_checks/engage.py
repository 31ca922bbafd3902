"""Engage: Config DB, Stat Servers and SIP Servers are deployed, run, and have the versions that EXEC needs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address
from typing import ClassVar

from readiness import (
    Attempt,
    Cause,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Obligation,
    Origin,
    Owner,
    Requirement,
    Settled,
    Status,
    Target,
    Unread,
)
from readiness.probes.config_db import (
    NEEDED,
    AppType,
    ConfigDbSession,
    ConfigDbTalk,
    ConfiguredServer,
    ReadConfigDb,
)
from readiness.probes.names import Name, Names, ResolveNames
from readiness.probes.postgres import PgEnding, PgRefusal
from readiness.probes.tcp import DialTcp, PathState, TcpPath, spoken
from readiness.probes.tls import TlsTrouble
from readiness.site import Absent, ConfigDb, Element, Endpoint, Engine, Role, ServiceTarget, Site, StatServer

SECTION = "Engage Environment"

_CORE = (8, 5)
"""The version that the page asks of the core services."""

_SIP_LINE = (8, 1)
"""The version from which on SIP Server is of its current line, which has numbers of its own."""


# -- the Config DB ---------------------------------------------------------------------------------------------


class ConfigDbRuns(Check[ServiceTarget[ConfigDb], ConfigDbTalk, *tuple[TcpPath | Unread, ...]]):
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
            Status.UNKNOWN: (
                "The EXCS VM could not be asked, the path is closed, the database is not declared, its catalogue was"
                " not read, or some of the tables are absent."
            ),
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

    def needs(self, target: ServiceTarget[ConfigDb]) -> Needs:
        endpoint = target.service.endpoint
        dials = (Attempt(DialTcp(vm, endpoint.host, endpoint.port)) for vm in target.vantages)
        return (ReadConfigDb.of(target.service, target.vantages), *dials)

    def judge(self, target: ServiceTarget[ConfigDb], talk: ConfigDbTalk, *paths: TcpPath | Unread) -> Judgement:
        if isinstance(talk.result, PgRefusal):
            dialled = (path for path in paths if isinstance(path, TcpPath) and path.vantage == talk.spoken_from)
            return _refused(target, talk, talk.result, next(dialled, None))
        session = talk.result
        evidence = tuple(_session_evidence(session, talk))
        missing = [name for name in NEEDED if name not in session.tables]
        hidden = [name for name in NEEDED if name in session.tables and not session.tables[name].readable]
        account, at = session.account, target.name
        if session.schema is None or len(missing) == len(NEEDED):
            return self._bare(target, session, evidence)
        grant = _grant(session)
        if len(hidden) + len(missing) == len(NEEDED):
            return Judgement.missed(
                f"The account {account} may read nothing of the Config DB at {at}.",
                expected=_EXPECTED_DB,
                observed=f"no right to {_listed(hidden)}",
                evidence=evidence,
                lane=Lane.AUTH,
                reasoning=(
                    "The account logs in, and the database itself says that it may select from none of the tables."
                ),
                remedy=f"As the owner of the tables:\n\n    {grant}",
                job=f"Grant {account} the right to read the Config DB",
            )
        if hidden:
            return Judgement.weak(
                f"The account {account} may not read all of the Config DB at {at}.",
                expected=_EXPECTED_DB,
                observed=f"no right to {_listed(hidden)}",
                evidence=evidence,
                lane=Lane.AUTH,
                reasoning=(
                    "The account reads a Genesys configuration, but not all the tables that are known to hold what"
                    " EXEC needs. Which of them this release of EXEC asks for is not published."
                ),
                remedy=f"As the owner of the tables:\n\n    {grant}",
                job=f"Grant {account} the right to read {_listed(hidden)}",
            )
        if missing:
            return Judgement.unknown(
                f"The Config DB at {at} has no {_listed(missing)}, so whether EXEC finds all it needs is not known.",
                Cause.NOT_OBSERVED,
                f"the catalogue lists no {_listed(missing)} in schema {session.schema}",
                enable=(
                    "Ask Genesys whether this release keeps its configuration without, and attest it; or correct"
                    " `config_db.database` or `config_db.schema`. On the database host:\n\n"
                    f"    psql -d <database> -c '\\dt *.{missing[0]}'"
                ),
                observed=f"schema {session.schema} without {_listed(missing)}",
                reasoning=(
                    "The account reads all the others. Which tables a release has, and which of them EXEC asks for, is"
                    " not published: that one is absent neither meets the requirement nor violates it."
                ),
                lane=Lane.CONFIGURATION,
                evidence=evidence,
            )
        replica = " It is a replica, which is good enough to read from." if session.in_recovery else ""
        return Judgement.met(
            f"The Config DB at {at} lets {account} read the configuration.",
            expected=_EXPECTED_DB,
            observed=(
                f"PostgreSQL {session.server_version}, schema {session.schema}, {len(session.tables)} cfg_ tables"
            ),
            evidence=evidence,
            reasoning=(
                f"A real session from {session.spoken_from} was opened, and the database says that the account may"
                f" select from these tables.{replica}"
            ),
            valid_until=session.certificate.not_after if session.certificate is not None else None,
        )

    def _bare(
        self, target: ServiceTarget[ConfigDb], session: ConfigDbSession, evidence: tuple[Evidence, ...]
    ) -> Judgement:
        database, declared = target.service.database or session.account, target.service.schema
        untold = session.inventory.unread.get("catalogue")
        if untold is not None:
            return Judgement.unknown(
                f"Whether the Config DB at {target.name} holds a Genesys configuration could not be seen.",
                Cause.PERMISSION if untold.startswith("42501") else Cause.NOT_OBSERVED,
                f"the catalogue of the database was not read: {untold}",
                enable=(
                    f"Let the account {session.account} read the catalogue, and run the audit again:\n\n"
                    f"    GRANT USAGE ON SCHEMA pg_catalog TO {session.account};\n"
                    "    GRANT SELECT ON pg_catalog.pg_class, pg_catalog.pg_namespace, pg_catalog.pg_attribute TO"
                    f" {session.account};"
                ),
                observed="the catalogue was not read",
                reasoning="That tables were not seen does not say that they are not there.",
                owner=Owner.DBA,
                evidence=evidence,
            )
        elsewhere = f" Such tables are in {_listed(session.elsewhere)}." if session.elsewhere else ""
        where = f"schema {declared} of database {database}" if declared else f"database {database}"
        return Judgement.missed(
            f"The {where} at {target.name} holds no Genesys configuration.",
            expected=_EXPECTED_DB,
            observed=f"no cfg_ tables in {where}",
            evidence=evidence,
            lane=Lane.CONFIGURATION,
            owner=Owner.DEPLOYER,
            reasoning=(
                "The session was opened, and the catalogue of the database, which lists tables whatever an account may"
                f" do with them, has none of these.{elsewhere}"
            ),
            remedy=(
                "Correct `config_db.database` or `config_db.schema` in the site file. On the database host:\n\n"
                "    psql -l\n    psql -d <database> -c '\\dt *.cfg_application'"
            ),
            job=f"Find the database and schema of the Config DB at {target.name}",
        )


_EXPECTED_DB = "EXEC's account logs in from the EXCS VM and may read the tables of the configuration"


def _refused(
    target: ServiceTarget[ConfigDb], talk: ConfigDbTalk, refusal: PgRefusal, path: TcpPath | None
) -> Judgement:
    """What a session that was not opened says of the Config DB.

    ``path``: the connects of the machine that spoke, whose kernel tells a refusal from a firewall's rejection.
    """
    vm, at, service = talk.spoken_from, target.name, target.service
    evidence = (_db_evidence("PostgreSQL session", _refusal_words(refusal), _refusal_level(refusal), talk),)
    rejected = path is not None and path.state is PathState.REJECTED
    if refusal.ending is PgEnding.PATH and (rejected or refusal.lane is not Lane.SERVICE):
        return Judgement.blocked(
            f"connectivity.config-db[{vm}->{at}]",
            f"Whether the Config DB at {at} runs could not be seen: the way to it is closed.",
            detail=path.observed if path is not None and rejected else refusal.text or "the way to it is closed",
            evidence=(*evidence, *(_path_evidence([path]) if path is not None and rejected else ())),
            lane=path.lane if path is not None and rejected else refusal.lane,
        )
    if refusal.code in ("53300", "57P03"):
        return Judgement.unknown(
            f"The Config DB at {at} takes no sessions at the moment.",
            Cause.OVERLOAD,
            f"{refusal.code}: {refusal.text}",
            enable="Run the audit again when the database takes sessions (max_connections, start-up or recovery).",
            lane=Lane.SERVICE,
            owner=Owner.DBA,
            evidence=evidence,
        )
    untrusted = refusal.tls is not None and refusal.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER
    if untrusted and (service.tls is None or service.tls.ca_file is None):
        return Judgement.unknown(
            f"The Config DB at {at} shows a certificate from an authority that is not known here.",
            Cause.UNDECLARED,
            f"its issuer is no public authority: {refusal.text}",
            enable=(
                "Name the authority's certificate as `config_db.tls.ca_file` in the site file and run the audit again."
            ),
            lane=Lane.TLS,
            owner=Owner.DEPLOYER,
            evidence=evidence,
        )
    if refusal.ending is PgEnding.LOGIN_MISSING:
        return Judgement.unknown(
            f"The Config DB at {at} asks {service.user or 'the account'} for a password, and none is declared.",
            Cause.UNDECLARED,
            "`config_db.password` is not in the site file",
            enable="Declare `config_db.password: {env: NAME}` and run the audit again.",
            lane=Lane.AUTH,
            owner=Owner.DEPLOYER,
            evidence=evidence,
        )
    if refusal.ending is PgEnding.UNSUPPORTED:
        return Judgement.unknown(
            f"The Config DB at {at} asks for a login that this audit does not speak.",
            Cause.UNSUPPORTED,
            refusal.text,
            enable="Let the account log in by scram-sha-256 in pg_hba.conf, or attest a login of EXEC's account.",
            lane=Lane.AUTH,
            owner=Owner.DBA,
            evidence=evidence,
        )
    summary, remedy, job = _violation(target, vm, refusal)
    return Judgement.missed(
        summary,
        expected=_EXPECTED_DB,
        observed=f"from {vm}: {_refusal_words(refusal)}",
        evidence=evidence,
        lane=refusal.lane,
        reasoning=(
            "The server itself refused the session, with the code that stands for this reason."
            if refusal.code
            else f"This is what {vm} met, which was alive meanwhile."
        ),
        remedy=remedy,
        job=job,
    )


def _violation(target: ServiceTarget[ConfigDb], vm: str, refusal: PgRefusal) -> tuple[str, str, str]:
    """Summary, remedy and job of a refusal that violates the requirement."""
    service, at = target.service, target.name
    user, database = service.user or "postgres", service.database or service.user or "postgres"
    address = next((one.address for one in target.site.vms if one.name == vm and one.address), "<EXCS address>")
    match refusal.ending, refusal.code:
        case PgEnding.REFUSED, "28000":
            kind = "hostssl" if service.tls is not None and service.tls.mode != "disable" else "host"
            return (
                f"The Config DB at {at} does not let {user} in from {vm}.",
                (
                    "Add to pg_hba.conf above what refuses it, and reload:\n\n"
                    f"    {kind}  {database}  {user}  {address}/32  scram-sha-256\n"
                    "    SELECT pg_reload_conf();"
                ),
                f"Let {user} in from {address} in pg_hba.conf of {at}",
            )
        case PgEnding.REFUSED, "28P01":
            return (
                f"The Config DB at {at} refuses the password of {user}.",
                (
                    f"Set it anew, and correct the secret that the site file points to:\n\n    ALTER ROLE {user}"
                    " PASSWORD '<new>';"
                ),
                f"Give {user} a password that is known to the site file",
            )
        case PgEnding.REFUSED, "3D000":
            return (
                f"There is no database {database} at {at}.",
                "Correct `config_db.database` in the site file. On the database host:\n\n    psql -l",
                f"Find the name of the Config DB at {at}",
            )
        case PgEnding.REFUSED, "42501":
            return (
                f"The account {user} may not connect to database {database} at {at}.",
                f"As the owner of the database:\n\n    GRANT CONNECT ON DATABASE {database} TO {user};",
                f"Grant {user} the right to connect to {database}",
            )
        case PgEnding.NO_TLS, _:
            return (
                f"The Config DB at {at} has no TLS, which the site file asks for.",
                (
                    "Set up TLS in postgresql.conf, or correct `config_db.tls`:\n\n"
                    "    ssl = on\n    ssl_cert_file = 'server.crt'\n    ssl_key_file = 'server.key'"
                ),
                f"Give the Config DB at {at} TLS",
            )
        case PgEnding.TLS, _:
            return (
                f"The TLS of the Config DB at {at} does not stand up: {refusal.text}.",
                (
                    "Look at the certificate that it shows, and replace it or correct `config_db.tls`:\n\n"
                    f"    openssl s_client -starttls postgres -connect {at} </dev/null"
                    " | openssl x509 -noout -subject -issuer -dates -ext subjectAltName"
                ),
                f"Mend the certificate of the Config DB at {at}",
            )
        case PgEnding.PATH, _:
            return (
                f"Nothing listens for the Config DB at {at}.",
                (
                    "On the database host, see that PostgreSQL runs and on which addresses it listens:\n\n"
                    f"    ss -ltnp 'sport = :{target.port}'\n    SHOW listen_addresses;"
                ),
                f"Start the Config DB at {at}, or correct its host and port",
            )
        case PgEnding.SILENT | PgEnding.CLOSED, _:
            does = "never answers" if refusal.ending is PgEnding.SILENT else "hangs up at once"
            return (
                f"What listens for the Config DB at {at} accepts the connection and {does}.",
                (
                    "See who listens there and what its log says, and whether a load balancer or firewall accepts"
                    f" for it:\n\n    ss -ltnp 'sport = :{target.port}'"
                ),
                f"Make the Config DB at {at} answer {vm}",
            )
        case PgEnding.IMPOSTOR, _:
            return (
                f"What answers for the Config DB at {at} does not know the account's password.",
                (
                    "Find out who answers there before any password is shown to it; demand verify-full in"
                    " `config_db.tls`."
                ),
                f"Find out what answers at {at}",
            )
        case _:
            return (
                f"What answers at {at} is no PostgreSQL that takes a session: {refusal.text}.",
                (
                    "See who listens there, and correct host and port of `config_db`:\n\n    ss -ltnp 'sport ="
                    f" :{target.port}'"
                ),
                f"Correct host and port of the Config DB ({at})",
            )


def _refusal_words(refusal: PgRefusal) -> str:
    return f"{refusal.code} {refusal.text}".strip() or refusal.ending.value


def _refusal_level(refusal: PgRefusal) -> Level:
    if refusal.ending is PgEnding.PATH:
        return Level.DECLARED
    return Level.PROTOCOL if refusal.code else Level.TCP


def _grant(session: ConfigDbSession) -> str:
    schema, account = session.schema, session.account
    return (
        f"GRANT USAGE ON SCHEMA {schema} TO {account};\n    GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {account};"
    )


def _session_evidence(session: ConfigDbSession, talk: ConfigDbTalk) -> Iterator[Evidence]:
    secured = session.tls_version or "without TLS"
    version = f"PostgreSQL {session.server_version} as {session.account}, {secured}, {session.how}"
    yield _db_evidence("PostgreSQL session", version, Level.AUTHENTICATED, talk)
    if session.certificate is not None:
        shown = session.certificate
        value = f"{shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d}"
        yield _db_evidence("Certificate", value, Level.PROTOCOL, talk)
    known = [name for name in NEEDED if name in session.tables]
    readable = [name for name in known if session.tables[name].readable]
    held = f"{len(readable)} of {len(known)} known tables readable in schema {session.schema}" if known else "none"
    yield _db_evidence("Genesys tables", held, Level.AUTHENTICATED, talk)
    if session.in_recovery:
        yield _db_evidence("Replica", "pg_is_in_recovery() is true", Level.AUTHENTICATED, talk)


def _db_evidence(label: str, value: str, level: Level, talk: ConfigDbTalk) -> Evidence:
    return Evidence(label=label, value=value, level=level, vantage=talk.spoken_from, of=talk)


# -- Stat Servers and SIP Servers ------------------------------------------------------------------------------


ServerFact = TcpPath | ConfigDbTalk | Unread


class _ServerRuns(Check[ServiceTarget[StatServer], *tuple[ServerFact, ...]]):
    """A server whose protocol is not public: what its port shows, and what the Config DB knows of it.

    ``noun`` is its name, ``rows`` the ids of the connectivity rows that lead to it, ``type`` its Application type.
    """

    noun: ClassVar[str]
    key: ClassVar[str]
    type: ClassVar[AppType]

    @abstractmethod
    def row(self, target: ServiceTarget[StatServer]) -> str:
        """The connectivity row that leads to this server."""

    def needs(self, target: ServiceTarget[StatServer]) -> Needs:
        endpoint = target.service.endpoint
        dials = (Attempt(DialTcp(vm, endpoint.host, endpoint.port, linger=1.0, control=True)) for vm in target.vantages)
        return (*dials, *_config_db_needs(target.site))

    def judge(self, target: ServiceTarget[StatServer], *facts: ServerFact) -> Judgement:
        paths = [fact for fact in facts if isinstance(fact, TcpPath)]
        if not paths:
            reason = next(fact.reason for fact in facts if isinstance(fact, Unread))
            return Judgement.unknown(
                f"Whether the {self.noun} at {target.name} runs could not be seen from any VM.",
                reason.code,
                reason.detail,
                enable=reason.enable,
                by=reason.by,
            )
        session = next((talk.result for talk in facts if isinstance(talk, ConfigDbTalk)), None)
        talk = next((fact for fact in facts if isinstance(fact, ConfigDbTalk)), None)
        known = None
        if isinstance(session, ConfigDbSession) and session.inventory.servers is not None:
            known = _matching(session.inventory.servers, self.type, target.service.endpoint, _addresses(paths))
        evidence = (*_path_evidence(paths), *_record_evidence(known, talk, Level.DECLARED))
        opened = [path for path in paths if path.state is PathState.OPEN]
        silent = [path for path in opened if not (path.banner or path.hung_up or path.answers_everywhere)]
        if silent:
            return self._listens(target, silent[0], known, evidence)
        if opened:
            return self._odd(target, opened, evidence)
        return self._closed(target, paths, evidence)

    def _listens(
        self,
        target: ServiceTarget[StatServer],
        path: TcpPath,
        known: tuple[ConfiguredServer, ...] | None,
        evidence: tuple[Evidence, ...],
    ) -> Judgement:
        at, expected = target.name, _expected_server(self.noun)
        if known is not None and not any(server.enabled for server in known):
            what = f"only {_listed([server.name for server in known])}, which is disabled" if known else "none"
            return Judgement.weak(
                f"Something listens at {at}, but the Config DB has no enabled {self.noun} on that host.",
                expected=expected,
                observed=f"{path.observed}; configured there: {what}",
                evidence=evidence,
                lane=Lane.CONFIGURATION,
                owner=Owner.ENGAGE,
                reasoning=(
                    "The port accepts and stays silent, as this server does; who listens cannot be seen. The Config"
                    " DB's record of the host says otherwise."
                ),
                remedy=(
                    f"See in Genesys Administrator which host and port the {self.noun} has, and correct `{self.key}`"
                    " in the site file, or enable its Application object."
                ),
                job=f"Clear up which {self.noun} EXEC is to use ({at})",
            )
        record = (
            f"The Config DB has {_listed([server.name for server in known if server.enabled])} enabled on that host."
            if known
            else "The Config DB was not read, so its record could not be compared."
        )
        return Judgement.met(
            f"Something that behaves like the {self.noun} listens at {at}.",
            expected=expected,
            observed=path.observed,
            evidence=evidence,
            reasoning=(
                "It accepts and waits for its client to speak, as this server does, and no other service gave itself"
                f" away. Its protocol is not public, so who it is cannot be proven from outside. {record}"
            ),
        )

    def _odd(
        self, target: ServiceTarget[StatServer], opened: Sequence[TcpPath], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        at, path = target.name, opened[0]
        look = f"On {target.host}, see who has the port:\n\n    ss -ltnp 'sport = :{target.port}'"
        if path.banner:
            protocol = spoken(path.banner)
            conclude = Judgement.missed if protocol is not None else Judgement.weak
            return conclude(
                f"At {at} {protocol or 'something that speaks first'} answers in place of the {self.noun}.",
                expected=_expected_server(self.noun),
                observed=path.observed,
                evidence=evidence,
                lane=Lane.SERVICE,
                reasoning=f"A {self.noun} waits for its client to speak; what listens there does not.",
                remedy=f"Correct host and port in `{self.key}`. {look}",
                job=f"Correct host and port of the {self.noun} ({at})",
            )
        if path.answers_everywhere:
            return Judgement.unknown(
                f"Something answers for {target.host} on every port, so nothing is known of the {self.noun}.",
                Cause.UNSUPPORTED,
                f"port {path.control_port} of {target.host}, which should be closed, accepts connections too",
                enable=f"Attest by the log of Engage that the {self.noun} at {at} runs.",
                lane=Lane.FIREWALL,
                evidence=evidence,
            )
        return Judgement.weak(
            f"What listens at {at} hangs up at once.",
            expected=_expected_server(self.noun),
            observed=f"{path.observed}, and then closes the connection without a word",
            evidence=evidence,
            lane=Lane.SERVICE,
            reasoning=(
                f"A {self.noun} that is ready keeps a connection and waits. {path.vantage} saw it closed within a"
                " second."
            ),
            remedy=f"Look in its log for connections from {path.vantage}, and at its limit of clients. {look}",
            job=f"Find out why the {self.noun} at {at} hangs up",
        )

    def _closed(
        self, target: ServiceTarget[StatServer], paths: Sequence[TcpPath], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        at = target.name
        refused = next((path for path in paths if path.state is PathState.REFUSED), None)
        if refused is not None:
            return Judgement.missed(
                f"Nothing listens at {at}, where the {self.noun} should be.",
                expected=_expected_server(self.noun),
                observed=refused.observed,
                evidence=evidence,
                lane=Lane.SERVICE,
                reasoning=(
                    "The host, or a firewall that speaks for it, answers every connect with a refusal. That is what a"
                    " host says where no program listens."
                ),
                remedy=(
                    f"Start the {self.noun}, and see on {target.host} that it listens:\n\n"
                    f"    ss -ltn 'sport = :{target.port}'       # on Windows: netstat -an | findstr :{target.port}"
                ),
                job=f"Start the {self.noun} at {at}, or correct its host and port",
            )
        shaky = next((path for path in paths if path.state in (PathState.UNSTABLE, PathState.MIXED)), None)
        if shaky is not None:
            return Judgement.weak(
                f"The {self.noun} at {at} answers some connects and others not.",
                expected=_expected_server(self.noun),
                observed=shaky.observed,
                evidence=evidence,
                lane=shaky.lane,
                reasoning="Something listens there, and not every connect or address came through.",
                remedy=(
                    f"Settle {self.row(target)}[{shaky.vantage}->{at}] first; then see whether the server drops"
                    " clients."
                ),
                job=f"Make the {self.noun} at {at} answer every connect",
            )
        path = paths[0]
        return Judgement.blocked(
            f"{self.row(target)}[{path.vantage}->{at}]",
            f"Whether the {self.noun} at {at} runs could not be seen: the way to it is closed.",
            detail=path.observed,
            evidence=evidence,
            lane=path.lane,
        )


class StatServersRun(_ServerRuns):
    noun, key, type = "Stat Server", "stat_servers", AppType.STAT_SERVER
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
        return tuple(_withheld(target, self.noun) for target in _stat_servers(site))

    def row(self, target: ServiceTarget[StatServer]) -> str:
        primary = target.site.stat_servers.primary
        first = isinstance(primary, StatServer) and primary.endpoint == target.service.endpoint
        return "connectivity.stat-server-primary" if first else "connectivity.stat-server-backup"


class SipServersRun(_ServerRuns):
    noun, key, type = "SIP Server", "sip_servers", AppType.T_SERVER
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
        return tuple(_withheld(target, self.noun) for target in _sip_servers(site))

    def row(self, target: ServiceTarget[StatServer]) -> str:
        return "connectivity.sip-server"


def _expected_server(noun: str) -> str:
    return f"a {noun} that accepts connections and waits for its client to speak"


def _path_evidence(paths: Iterable[TcpPath]) -> Iterator[Evidence]:
    for path in paths:
        yield Evidence(
            label=f"TCP connect to port {path.port}",
            value=path.observed,
            level=Level.TCP,
            vantage=path.vantage,
            of=path,
        )
        if path.banner:
            said = path.banner.decode("ascii", "backslashreplace")[:80]
            yield Evidence(label="Greeting", value=said, level=Level.TCP, vantage=path.vantage, of=path)


def _record_evidence(
    known: tuple[ConfiguredServer, ...] | None, talk: ConfigDbTalk | None, level: Level
) -> Iterator[Evidence]:
    """What is on record; of the record itself it proves a session's worth, of the server that runs nothing."""
    if known is None or talk is None:
        return
    told = "; ".join(_record(server) for server in known) or "no such server on that host"
    yield _db_evidence("Configured in the Config DB", told, level, talk)


def _record(server: ConfiguredServer) -> str:
    state = "enabled" if server.enabled else "disabled"
    return f"{server.name} {server.version or 'without a version'} on {server.host or 'no host'}, {state}"


def _addresses(paths: Iterable[TcpPath]) -> frozenset[str]:
    return frozenset(address for path in paths for address in path.resolution.addresses)


def _matching(
    servers: Iterable[ConfiguredServer], type_: AppType, endpoint: Endpoint, addresses: frozenset[str]
) -> tuple[ConfiguredServer, ...]:
    """The servers of a type on the host of an endpoint; where ports are on record, those of its port alone."""
    found = tuple(server for server in servers if server.type is type_ and _is_at(server, endpoint.host, addresses))
    by_port = tuple(server for server in found if server.port == endpoint.port)
    return by_port or tuple(server for server in found if server.port is None) or found


def _is_at(server: ConfiguredServer, host: str, addresses: frozenset[str]) -> bool:
    ours, theirs = host.lower().removesuffix("."), server.host.lower().removesuffix(".")
    if ours == theirs or (server.address and server.address in addresses | {ours}) or theirs in addresses:
        return bool(theirs or server.address)
    if _is_address(ours) or _is_address(theirs) or ("." in ours and "." in theirs):
        return False
    return bool(theirs) and ours.partition(".")[0] == theirs.partition(".")[0]


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


# -- versions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class CoreTarget(Target):
    """A core service whose version is asked; ``declared`` is the version in the site file, if there is one."""

    type: AppType
    endpoint: Endpoint
    declared: str | None
    vantages: tuple[str, ...]
    site: Site


VersionFact = ConfigDbTalk | Names | Unread


class EngageVersions(Check[CoreTarget, *tuple[VersionFact, ...]]):
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

    def targets(self, site: Site) -> Sequence[CoreTarget | Settled]:
        return tuple(
            one if isinstance(one, Settled) else self._target(one, type_, site)
            for type_, services in (
                (AppType.CONFIGURATION_SERVER, (_config_db(site),)),
                (AppType.STAT_SERVER, _stat_servers(site)),
                (AppType.T_SERVER, _sip_servers(site)),
            )
            for one in services
        )

    def _target(
        self, of: ServiceTarget[ConfigDb] | ServiceTarget[StatServer], type_: AppType, site: Site
    ) -> CoreTarget | Settled:
        service = of.service
        declared = service.version if isinstance(service, StatServer) else None
        target = CoreTarget(
            kind=of.kind,
            name=of.name,
            host=of.host,
            port=of.port,
            type=type_,
            endpoint=service.endpoint,
            declared=declared,
            vantages=of.vantages,
            site=site,
        )
        if _config_db_needs(site):
            return target
        other = isinstance(site.config_db, ConfigDb) and site.config_db.engine is not Engine.POSTGRESQL
        if declared is not None or other or site.config_db is Absent.NONE:
            return Settled(target=target, judgement=_by_hand(target, "the Config DB cannot be read by this audit"))
        if isinstance(site.config_db, ConfigDb):
            return Settled(target=target, judgement=_no_excs())
        return Settled(
            target=target, judgement=Judgement.undeclared("config_db", what="Config DB to read versions from")
        )

    def needs(self, target: CoreTarget) -> Needs:
        named = target.type is not AppType.CONFIGURATION_SERVER and not _is_address(target.endpoint.host)
        names = _name_needs(target.site).get(target.vantages[0]) if named and target.vantages else None
        return (*_config_db_needs(target.site), *((names,) if names is not None else ()))

    def judge(self, target: CoreTarget, *facts: VersionFact) -> Judgement:
        talk = next((fact for fact in facts if isinstance(fact, ConfigDbTalk)), None)
        session = talk.result if talk is not None else None
        servers = session.inventory.servers if isinstance(session, ConfigDbSession) else None
        if talk is None or servers is None:
            if target.declared is not None:
                return _by_hand(target, "the Config DB could not be read")
            return Judgement.blocked(
                f"engage.config-db[{_config_db_endpoint(target.site)}]",
                f"The version behind {target.name} could not be learnt, because the Config DB was not read.",
                detail="versions are read from the Config DB",
            )
        # The question that is shared asks for every server's name; this one's addresses alone are of its host.
        resolved = {name: one for fact in facts if isinstance(fact, Names) for name, one in fact.names.items()}
        known = (
            tuple(server for server in servers if server.type is target.type)
            if target.type is AppType.CONFIGURATION_SERVER
            else _matching(servers, target.type, target.endpoint, _resolved(resolved, target.endpoint))
        )
        known = tuple(server for server in known if server.enabled) or known
        evidence = tuple(_record_evidence(known, talk, Level.AUTHENTICATED))
        graded = {server: _grade(server) for server in known}
        grades = set(graded.values())
        if not known or Grade.UNREADABLE in grades:
            if target.declared is not None:
                return _by_hand(target, "the Config DB has no version on record", evidence)
            return Judgement.unknown(
                f"The Config DB has no version on record for {target.name}.",
                Cause.UNSUPPORTED,
                "; ".join(map(_record, known)) or f"no {_NOUNS[target.type]} is configured on {target.endpoint.host}",
                enable=(
                    "Set the version of its Application object, or declare `version` in the site file and attest it."
                ),
                lane=Lane.CONFIGURATION,
                owner=Owner.ENGAGE,
                evidence=evidence,
            )
        return self._graded(target, graded, evidence)

    def _graded(
        self, target: CoreTarget, graded: Mapping[ConfiguredServer, Grade], evidence: tuple[Evidence, ...]
    ) -> Judgement:
        observed = "; ".join(f"{server.name} {server.version}" for server in graded)
        caveat = "This is the configured version, which a program that was exchanged without its record may belie." + (
            f" The site file says {target.declared}." if target.declared is not None else ""
        )
        noun, expected = _NOUNS[target.type], _EXPECTED_VERSION
        grades = set(graded.values())
        if grades == {Grade.CURRENT}:
            return Judgement.met(
                f"{noun} behind {target.name} is of version {_listed(sorted({one.version for one in graded}))}.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                reasoning=caveat,
            )
        if grades == {Grade.OLD}:
            return Judgement.missed(
                f"{noun} behind {target.name} is older than the page asks for.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                lane=Lane.VERSION,
                reasoning=caveat,
                remedy=(
                    f"Upgrade {noun} to a current release. If the program is newer than its record, correct the"
                    " version of its Application object in Genesys Administrator."
                ),
                job=f"Upgrade {noun} behind {target.name}",
            )
        if Grade.OLD in grades:
            return Judgement.weak(
                f"Several {noun}s are configured behind {target.name}, and not all are current.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                lane=Lane.VERSION,
                reasoning=f"Which of them EXEC will meet there cannot be told. {caveat}",
                remedy=(
                    "See which of them listens on that port, and upgrade it if it is the old one; disable what is not"
                    " in use."
                ),
                job=f"Clear up which {noun} listens at {target.name}",
            )
        return Judgement.weak(
            f"{noun} behind {target.name} is of the 8.1 line, which is its current one.",
            expected=expected,
            observed=observed,
            evidence=evidence,
            lane=Lane.VERSION,
            reasoning=(
                "The page asks for 8.5 of the core services, but SIP Server's own numbers are 8.1.1 to this day:"
                f" taken by the letter no SIP Server would do. {caveat}"
            ),
            remedy=(
                "Confirm with Genesys that this release of SIP Server is supported with EXEC, and accept the warning by"
                " a waiver."
            ),
            job=f"Have Genesys confirm the release of SIP Server at {target.name}",
        )


class Grade(Enum):
    """A configured version against what the page asks for."""

    CURRENT = "current"
    OWN_LINE = "own_line"
    OLD = "old"
    UNREADABLE = "unreadable"


_EXPECTED_VERSION = "8.5 or later, as configured"
_NOUNS = {
    AppType.CONFIGURATION_SERVER: "Configuration Server",
    AppType.STAT_SERVER: "Stat Server",
    AppType.T_SERVER: "SIP Server",
}


def _grade(server: ConfiguredServer) -> Grade:
    parts = server.version.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        return Grade.UNREADABLE
    version = tuple(int(part) for part in parts)
    if version >= _CORE:
        return Grade.CURRENT
    return Grade.OWN_LINE if server.type is AppType.T_SERVER and version >= _SIP_LINE else Grade.OLD


def _by_hand(target: CoreTarget, why: str, evidence: tuple[Evidence, ...] = ()) -> Judgement:
    noun = _NOUNS[target.type]
    said = f"declared as {target.declared}" if target.declared is not None else "not declared"
    return Judgement.manual(
        f"The version of {noun} behind {target.name} has to be confirmed by a person.",
        expected=_EXPECTED_VERSION,
        observed=said,
        evidence=evidence,
        reasoning=f"It is {said}, and {why}. What is only declared proves nothing.",
        remedy=(
            f"Look at the running {noun} (its log begins with its version) and attest it:\n\n    - {{check:"
            f" engage.version, target: '{target.name}', by: <name>, date: <YYYY-MM-DD>, reference: <ticket>}}"
        ),
        job=f"Confirm the version of {noun} at {target.name}",
    )


# -- beyond the page ---------------------------------------------------------------------------------------------


class Inventory(Check[ServiceTarget[ConfigDb], *tuple[VersionFact, ...]]):
    requirement = Requirement(
        id="engage.inventory",
        section=SECTION,
        text="The Config DB fits the plan: no more agents than planned for, and every declared server is configured.",
        proof=(
            "Enabled agents, Stat Servers, SIP Servers and Virtual Queues are counted in the Config DB and compared"
            " with the site file."
        ),
        outcomes={
            Status.PASS: "No more agents than planned for, and every declared server is configured on its host.",
            Status.WARN: "More agents than planned for, or a declared server that the Config DB does not know.",
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

    def needs(self, target: ServiceTarget[ConfigDb]) -> Needs:
        return (ReadConfigDb.of(target.service, target.vantages), *_name_needs(target.site).values())

    def judge(self, target: ServiceTarget[ConfigDb], *facts: VersionFact) -> Judgement:
        talk = facts[0]
        assert isinstance(talk, ConfigDbTalk)
        if isinstance(talk.result, PgRefusal):
            return _unopened(target, "what is configured")
        inventory, site = talk.result.inventory, target.site
        names = {name: one for fact in facts if isinstance(fact, Names) for name, one in fact.names.items()}
        evidence = tuple(_inventory_evidence(talk.result, talk))
        planned = site.capacity.agents
        if inventory.agents is not None and inventory.agents > planned:
            return Judgement.missed(
                f"The Config DB has {inventory.agents} enabled agents, more than the {planned} planned for.",
                expected=f"at most {planned} enabled agents, and every declared server configured",
                observed=f"{inventory.agents} enabled agents",
                evidence=evidence,
                lane=Lane.CAPACITY,
                owner=Owner.DEPLOYER,
                reasoning=(
                    "EXEC asks for two statistics of every agent, and Redis is sized by agents: the plan is too small."
                ),
                remedy=(
                    f"Set `capacity.agents: {inventory.agents}` in the site file and size Redis anew, or disable"
                    f" agents that are not in use:\n\n    readiness size --agents {inventory.agents} --caps"
                    f" {site.capacity.caps:g}"
                ),
                job=f"Plan for {inventory.agents} agents, or disable those who left",
            )
        strangers = [
            f"{_NOUNS[type_]} {endpoint}"
            for _, type_, endpoint in _declared_servers(site)
            if inventory.servers is not None
            and not any(
                server.enabled for server in _matching(inventory.servers, type_, endpoint, _resolved(names, endpoint))
            )
        ]
        if strangers:
            return Judgement.missed(
                f"The Config DB has no enabled server for {_listed(strangers)}.",
                expected=f"at most {planned} enabled agents, and every declared server configured",
                observed=f"not configured: {_listed(strangers)}",
                evidence=evidence,
                lane=Lane.CONFIGURATION,
                reasoning="No enabled Application object of that type is on a host of that name or address.",
                remedy=(
                    "Correct `stat_servers` and `sip_servers` in the site file, or configure the server on its host."
                ),
                job="Bring the declared servers and the Config DB into line",
            )
        if inventory.agents is None or inventory.servers is None:
            why = "; ".join(f"{what}: {reason}" for what, reason in inventory.unread.items())
            return Judgement.unknown(
                "What the Config DB knows could be read in part only.",
                Cause.PERMISSION if "may not read" in why else Cause.UNSUPPORTED,
                why or "the tables are not there",
                enable=f"Let the account read them:\n\n    {_grant(talk.result)}",
                owner=Owner.DBA,
                evidence=evidence,
            )
        return Judgement.met(
            f"The Config DB has {inventory.agents} enabled agents, and every declared server.",
            expected=f"at most {planned} enabled agents, and every declared server configured",
            observed=f"{inventory.agents} enabled agents",
            evidence=evidence,
            reasoning=(
                "Counted and compared in the Config DB itself, by the names and addresses of the servers' hosts."
            ),
        )


class ReadOnlyAccount(Check[ServiceTarget[ConfigDb], ConfigDbTalk]):
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

    def needs(self, target: ServiceTarget[ConfigDb]) -> Needs:
        return (ReadConfigDb.of(target.service, target.vantages),)

    def judge(self, target: ServiceTarget[ConfigDb], talk: ConfigDbTalk) -> Judgement:
        if isinstance(talk.result, PgRefusal):
            return _unopened(target, "what the account may do")
        session, account = talk.result, talk.result.account
        if not session.tables:
            return Judgement.blocked(
                f"engage.config-db[{target.name}]",
                f"What {account} may do with the configuration could not be seen: its tables were not found.",
                detail="there are no cfg_ tables to ask about",
            )
        written = [table.name for table in session.tables.values() if table.writable]
        owned = [table.name for table in session.tables.values() if table.owned]
        how = _power(session, written, owned)
        evidence = (
            _db_evidence("Rights to the cfg_ tables", how or "SELECT alone", Level.AUTHENTICATED, talk),
            _db_evidence("Superuser", "yes" if session.superuser else "no", Level.AUTHENTICATED, talk),
        )
        if how is not None:
            return Judgement.missed(
                f"The account {account} can write to the Config DB.",
                expected="an account that may read the tables and nothing else",
                observed=how,
                evidence=evidence,
                lane=Lane.CONFIGURATION,
                reasoning=(
                    "The database itself says so; nothing was tried. EXCS only reads, and an account that can write"
                    " makes every machine that knows its password a way into the configuration."
                ),
                remedy=(
                    "As a superuser, better make an account for EXEC alone:\n\n"
                    "    CREATE ROLE exec_ro LOGIN PASSWORD '<new>';\n"
                    f"    GRANT USAGE ON SCHEMA {session.schema} TO exec_ro;\n"
                    f"    GRANT SELECT ON ALL TABLES IN SCHEMA {session.schema} TO exec_ro;"
                ),
                job="Give EXEC an account that can only read the Config DB",
            )
        return Judgement.met(
            f"The account {account} can only read the Config DB.",
            expected="an account that may read the tables and nothing else",
            observed=f"no right to write to any of {len(session.tables)} tables",
            evidence=evidence,
            reasoning="The database itself was asked what the account may do; no write was tried.",
        )


def _power(session: ConfigDbSession, written: Sequence[str], owned: Sequence[str]) -> str | None:
    """How the account could write, ``None`` where it could not."""
    if session.superuser:
        return "superuser"
    if owned:
        return f"owner of {_some(owned)}"
    return f"may write to {_some(written)}" if written else None


def _inventory_evidence(session: ConfigDbSession, talk: ConfigDbTalk) -> Iterator[Evidence]:
    inventory = session.inventory
    for label, number in (
        ("Enabled agents", inventory.agents),
        ("Virtual Queues", inventory.virtual_queues),
        ("SIP switches", inventory.sip_switches),
    ):
        if number is not None:
            yield _db_evidence(label, str(number), Level.AUTHENTICATED, talk)
    for type_ in AppType if inventory.servers is not None else ():
        held = [server for server in inventory.servers or () if server.type is type_ and server.enabled]
        label = "T-Servers, SIP Servers among them" if type_ is AppType.T_SERVER else f"{_NOUNS[type_]}s"
        names = [f"{server.name} ({server.host or server.address or 'no host'})" for server in held]
        yield _db_evidence(label, _some(names) if names else "none", Level.AUTHENTICATED, talk)
    for what, why in inventory.unread.items():
        yield _db_evidence(f"Not read: {what.replace('_', ' ')}", why, Level.AUTHENTICATED, talk)


def _declared_servers(site: Site) -> Iterator[tuple[str | None, AppType, Endpoint]]:
    """Every declared server with a VM that can resolve its name."""
    for targets, type_ in ((_stat_servers(site), AppType.STAT_SERVER), (_sip_servers(site), AppType.T_SERVER)):
        for target in targets:
            if not isinstance(target, Settled):
                yield next(iter(target.vantages), None), type_, target.service.endpoint


def _name_needs(site: Site) -> Mapping[str, Attempt[Names]]:
    """What the declared servers' names resolve to, asked once on a VM that uses them."""
    asked: dict[str, list[str]] = {}
    for vm, _, endpoint in _declared_servers(site):
        if vm is not None and not _is_address(endpoint.host):
            asked.setdefault(vm, []).append(endpoint.host)
    return {vm: Attempt(ResolveNames(vm, tuple(dict.fromkeys(hosts)))) for vm, hosts in asked.items()}


def _resolved(names: Mapping[str, object], endpoint: Endpoint) -> frozenset[str]:
    found = names.get(endpoint.host)
    return frozenset(str(address) for address in found.addresses) if isinstance(found, Name) else frozenset()


def _unopened(target: ServiceTarget[ConfigDb], what: str) -> Judgement:
    return Judgement.blocked(
        f"engage.config-db[{target.name}]",
        f"The Config DB at {target.name} was not read, so {what} is not known.",
        detail="there was no session",
    )


def _some(words: Sequence[str]) -> str:
    return _listed(words) if len(words) <= 6 else f"{', '.join(words[:5])} and {len(words) - 5} more"


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


# -- targets -----------------------------------------------------------------------------------------------------


def _config_db(site: Site) -> ServiceTarget[ConfigDb] | Settled:
    config_db = site.config_db
    if isinstance(config_db, Absent):
        return Settled.absent(
            "config_db",
            config_db,
            what="Config DB",
            expected="an Engage Config DB that EXCS can read",
            remedy="EXCS works on the Config DB alone: declare `config_db`, or attest what takes its place.",
        )
    target = ServiceTarget.of(config_db.endpoint, config_db, site.vms_of(Role.EXCS), site)
    if config_db.engine is not Engine.POSTGRESQL:
        return Settled(target=target, judgement=_other_engine(target))
    if not target.vantages:
        return Settled(target=target, judgement=_no_excs())
    return target


def _no_excs() -> Judgement:
    return Judgement.undeclared("vms (role: excs)", what="EXCS VM that could ask")


def _other_engine(target: ServiceTarget[ConfigDb]) -> Judgement:
    engine = target.service.engine.value
    return Judgement.manual(
        f"The Config DB at {target.name} is of {engine}: a person has to confirm it.",
        expected="a Config DB that EXCS can read",
        observed=f"declared as {engine}",
        reasoning=(
            "EXEC's use of a Config DB in anything but PostgreSQL is not documented, so this audit tests the way to"
            " it alone (connectivity.config-db)."
        ),
        remedy=(
            f"Confirm with Genesys that EXCS can read a Config DB in {engine}, look at its account and its content"
            " with your own tools, and attest the result."
        ),
        job=f"Have Genesys confirm a Config DB in {engine}",
    )


def _config_db_endpoint(site: Site) -> str:
    return str(site.config_db.endpoint) if isinstance(site.config_db, ConfigDb) else "config_db"


def _config_db_needs(site: Site) -> Needs:
    """The session with the Config DB, where the site has one that can be had."""
    target = _config_db(site)
    return () if isinstance(target, Settled) else (Attempt(ReadConfigDb.of(target.service, target.vantages)),)


def _stat_servers(site: Site) -> Sequence[ServiceTarget[StatServer] | Settled]:
    pair = (("stat_servers.primary", site.stat_servers.primary), ("stat_servers.backup", site.stat_servers.backup))
    return tuple(_stat_server(key, server, site) for key, server in pair)


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


def _withheld(target: ServiceTarget[StatServer] | Settled, noun: str) -> ServiceTarget[StatServer] | Settled:
    """Settle a server that no VM can dial, or that the site file does not let anyone dial."""
    if isinstance(target, Settled):
        return target
    if not target.site.probing.sip_stat_connect:
        judgement = Judgement.unknown(
            f"The site file does not let the audit connect to the {noun} at {target.name}.",
            Cause.UNSUPPORTED,
            "`probing.sip_stat_connect` is false in the site file",
            enable="Set `probing.sip_stat_connect: true` in the site file once the owners of Engage agree.",
            lane=Lane.CONFIGURATION,
        )
        return Settled(target=target, judgement=judgement)
    if not target.vantages:
        role = "exas" if noun == "Stat Server" else "excp"
        judgement = Judgement.undeclared(f"vms (role: {role})", what=f"{role.upper()} VM that could ask")
        return Settled(target=target, judgement=judgement)
    return target
