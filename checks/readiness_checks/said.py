"""What a conversation with Redis or with the Config DB means for its row of the connectivity table."""

from __future__ import annotations

from readiness import Evidence, Lane, Level
from readiness.probes.config_db import ConfigDbSession, ConfigDbTalk
from readiness.probes.postgres import PgEnding, PgRefusal
from readiness.probes.redis import Ending, Login, RedisAnswer, ServerRole
from readiness.probes.tls import TlsTrouble
from readiness.site import ConfigDb, EdgeTarget, Redis, Site, Tls
from readiness_checks.rows import Said, Use, certificate_evidence


def said_by_redis(target: EdgeTarget, answer: RedisAnswer) -> Said:
    """Whether Redis serves the VM with the login and the TLS that the site declares."""
    use, words, lane = _redis_use(target.site, answer)
    remedy, job = _redis_remedy(target, answer)
    secured = f", {answer.tls_version}" if answer.tls_version else ""
    raw = f": {answer.text}" if answer.text else ""
    shown = answer.tls_failure.certificate if answer.tls_failure is not None else answer.certificate
    return Said(
        use=use,
        words=words,
        proves=_redis_proves(answer),
        came_through=not answer.unreached,
        evidence=(
            Evidence(label="Redis", value=f"{answer.words}{secured}{raw}", level=answer.level, of=answer),
            *certificate_evidence(shown, answer),
        ),
        lane=lane,
        remedy=remedy,
        job=job,
        ends=answer.certificate.not_after if answer.certificate is not None else None,
    )


def _redis_use(site: Site, answer: RedisAnswer) -> tuple[Use, str, Lane]:
    lane = answer.lane or Lane.SERVICE
    match answer.ending:
        case Ending.ANSWERED if answer.sentinel:
            return Use.DOUBTFUL, "is a Sentinel, which knows the master and is not it", Lane.CONFIGURATION
        case Ending.ANSWERED if _is_replica(answer):
            return Use.DOUBTFUL, f"is a replica of {_master(answer)}, which takes no writes", Lane.CONFIGURATION
        case Ending.ANSWERED | Ending.LOGIN_MISSING if answer.certificate is not None and answer.certificate.ends_soon:
            return Use.DOUBTFUL, f"shows a certificate that ends in {answer.certificate.left.days} days", Lane.TLS
        case Ending.ANSWERED if answer.login is Login.ACCEPTED:
            return Use.USABLE, "takes the declared login and answers PING", lane
        case Ending.ANSWERED:
            return Use.USABLE, "answers PING", lane
        case Ending.NO_NAME | Ending.NO_PATH:
            return Use.UNREACHED, answer.words, lane
        case Ending.LOADING:
            return Use.DOUBTFUL, answer.words, lane
        case Ending.LOGIN_MISSING:
            return Use.USABLE, "answers as Redis and asks for a login; none is declared", lane
        case Ending.TLS if _untrusted(answer) and _tls(site).ca_file is None:
            return Use.UNDECIDED, answer.words, lane
        case Ending.TLS if _demanding(answer) and _tls(site).cert_file is None:
            return Use.UNDECIDED, f"{answer.words}, and none is declared", lane
        case _:
            return Use.UNUSABLE, answer.words, lane


def _is_replica(answer: RedisAnswer) -> bool:
    return answer.info is not None and answer.info.role is ServerRole.REPLICA


def _master(answer: RedisAnswer) -> str:
    named = answer.info.master if answer.info is not None else None
    return named or "a master that it does not name"


def _untrusted(answer: RedisAnswer) -> bool:
    return answer.tls_failure is not None and answer.tls_failure.trouble is TlsTrouble.UNTRUSTED_ISSUER


def _demanding(answer: RedisAnswer) -> bool:
    return answer.tls_failure is not None and answer.tls_failure.trouble is TlsTrouble.WANTS_CERTIFICATE


def _tls(site: Site) -> Tls:
    """The TLS that the site declares for Redis; without a file of any kind where it declares none."""
    return site.redis.tls or Tls() if isinstance(site.redis, Redis) else Tls()


def _redis_proves(answer: RedisAnswer) -> str:
    match answer.ending:
        case Ending.ANSWERED if _is_replica(answer):
            return "Its own INFO says so, through this very VM. EXEC writes to Redis, and a replica refuses writes."
        case Ending.ANSWERED if answer.login is Login.ACCEPTED:
            return "The declared login and PING went through this very VM, which is more than an open port."
        case Ending.ANSWERED:
            return "PING went through this very VM and was answered; the site file declares no login to try."
        case Ending.NO_NAME | Ending.NO_PATH:
            return "The conversation found no way to the peer."
        case Ending.LOGIN_MISSING:
            return "Redis answered through this very VM; with which login EXEC will come, the site file does not say."
        case Ending.LOGIN_REFUSED | Ending.FORBIDDEN:
            return "The way is open and Redis answers; with the login as declared EXEC could not use it all the same."
        case Ending.TLS:
            return "The handshake went through the VM and was judged by the public roots and the declared CA file."
        case Ending.NOT_TLS | Ending.WANTS_TLS:
            return "Both sides must agree on TLS: EXEC configured as the site file says would not get a word through."
        case Ending.SILENT | Ending.CLOSED:
            return "Something accepted the connection and never spoke, while the VM proved itself alive."
        case Ending.NOT_REDIS | Ending.OVERLONG:
            return "Something accepted the connection, and what it says is not the protocol of Redis."
        case _:
            return "The way is open and Redis answers, in its own words that it does not serve this client now."


def _redis_remedy(target: EdgeTarget, answer: RedisAnswer) -> tuple[str, str]:
    """What to do, and the line under what blocks sign-off; both empty where all is well."""
    at, vm = target.peer, target.vm.name
    match answer.ending:
        case Ending.ANSWERED if answer.sentinel:
            return (
                f"Declare the master endpoint as `redis`: {', '.join(answer.info.masters) if answer.info else ''}",
                f"Declare the master of Redis instead of the Sentinel at {at}",
            )
        case Ending.ANSWERED if _is_replica(answer):
            return (
                f"Declare as `redis` the endpoint by which the master is reached, now {_master(answer)}; better a name"
                " that follows the master when it changes. On the replica:\n\n"
                f"    redis-cli -h {at.host} -p {at.port} INFO replication",
                f"Declare the master of Redis instead of the replica at {at}",
            )
        case Ending.ANSWERED | Ending.LOGIN_MISSING if answer.certificate is not None and answer.certificate.ends_soon:
            return f"Renew the certificate of Redis at {at}.", f"Renew the certificate of Redis at {at}"
        case Ending.ANSWERED:
            return "", ""
        case Ending.LOGIN_REFUSED | Ending.FORBIDDEN:
            user = answer.username or "default"
            return (
                f"Compare the user and password of the site file with the server's. On the server:\n\n"
                f"    redis-cli ACL GETUSER {user}",
                f"Have Redis at {at} accept the login that EXEC will use",
            )
        case Ending.NOT_TLS | Ending.WANTS_TLS:
            return (
                "Agree on TLS with those who run Redis, and set or remove `redis.tls` in the site file accordingly.",
                f"Agree on TLS for Redis at {at}",
            )
        case Ending.TLS if _untrusted(answer) and (ca := _tls(target.site).ca_file) is not None:
            return (
                f"{ca.name} is not the authority that issued it: name the right one as `redis.tls.ca_file` in the site"
                " file, or have Redis show a certificate of this one. Who issued it:\n\n"
                f"    openssl s_client -connect {at} -showcerts </dev/null | grep -E ' s:| i:'",
                f"Bring the certificate of Redis at {at} and the declared CA together",
            )
        case Ending.TLS if _untrusted(answer):
            return (
                "Name the certificate of the CA that issued it as `redis.tls.ca_file` in the site file.",
                f"Provide the CA of Redis at {at}",
            )
        case Ending.TLS if _demanding(answer):
            return (
                "Have a client certificate issued that Redis accepts, and declare it as `redis.tls.cert_file` and"
                " `redis.tls.key_file` in the site file; or have Redis do without (tls-auth-clients no).",
                f"Provide a client certificate for Redis at {at}",
            )
        case Ending.TLS:
            return (
                "Look at the certificate that Redis shows, and have it mended:\n\n"
                f"    openssl s_client -connect {at} </dev/null | openssl x509 -noout -text | grep -E 'Not|DNS|Issuer'",
                f"Mend the TLS of Redis at {at}",
            )
        case Ending.NOT_REDIS | Ending.SILENT | Ending.CLOSED | Ending.OVERLONG:
            return (
                f"See who listens there, and whether host and port are those of Redis. On {at.host}:\n\n"
                f"    ss -ltnp 'sport = :{at.port}'",
                f"Have Redis answer at {at}",
            )
        case Ending.NO_NAME | Ending.NO_PATH:
            return (
                f"Try the way from {vm} by hand:\n\n    timeout 5 bash -c '</dev/tcp/{at.host}/{at.port}' && echo open",
                f"Let {vm} through to Redis at {at}",
            )
        case _:
            return (
                f"Look at the server's own state:\n\n    redis-cli -h {at.host} -p {at.port} INFO",
                f"Have Redis at {at} serve clients: it {answer.words}",
            )


def said_by_config_db(target: EdgeTarget, talk: ConfigDbTalk) -> Said:
    """Whether the Config DB takes a session from the VM, as far as the way and the server's own word go."""
    if isinstance(talk.result, ConfigDbSession):
        return _session(target, talk, talk.result)
    refusal = talk.result
    code = f"{refusal.code} " if refusal.code else ""
    shown = refusal.tls.certificate if refusal.tls is not None else None
    remedy, job = _db_remedy(target, refusal)
    level = Level.PROTOCOL if refusal.ending in _SPOKE_POSTGRES else Level.TCP
    unreached = refusal.ending is PgEnding.PATH
    return Said(
        use=_db_use(target.site, refusal),
        words=_db_words(refusal),
        proves=_db_proves(refusal),
        came_through=not unreached,
        evidence=(
            Evidence(
                label="PostgreSQL",
                value=f"{code}{refusal.text}",
                level=Level.DECLARED if unreached and refusal.verdict is None else level,
                of=talk,
            ),
            *certificate_evidence(shown, talk),
        ),
        lane=refusal.lane,
        remedy=remedy,
        job=job,
    )


def _session(target: EdgeTarget, talk: ConfigDbTalk, session: ConfigDbSession) -> Said:
    secured, shown = session.tls_version or "without TLS", session.certificate
    ending = shown is not None and shown.ends_soon
    return Said(
        use=Use.DOUBTFUL if ending else Use.USABLE,
        words=f"shows a certificate that ends in {shown.left.days} days"
        if ending and shown is not None
        else f"takes a session of {session.account}",
        proves="A session of EXEC's account was opened through this very VM, which is more than an open port.",
        came_through=True,
        evidence=(
            Evidence(
                label="PostgreSQL",
                value=f"session of {session.account}, PostgreSQL {session.server_version}, {secured}, {session.how}",
                level=Level.AUTHENTICATED,
                of=talk,
            ),
            *certificate_evidence(shown, talk),
        ),
        lane=Lane.TLS,
        remedy=f"Renew the certificate of the Config DB at {target.peer}." if ending else "",
        job=f"Renew the certificate of the Config DB at {target.peer}" if ending else "",
        ends=shown.not_after if shown is not None else None,
    )


_SPOKE_POSTGRES = frozenset(
    {PgEnding.REFUSED, PgEnding.LOGIN_MISSING, PgEnding.UNSUPPORTED, PgEnding.IMPOSTOR, PgEnding.NO_TLS}
)
_NOT_NOW = ("53300", "57P03")
"""SQLSTATE of too many connections, and of a server that starts up or recovers (PostgreSQL, appendix A)."""


def _db_use(site: Site, refusal: PgRefusal) -> Use:
    service = site.config_db
    without_ca = not isinstance(service, ConfigDb) or service.tls is None or service.tls.ca_file is None
    match refusal.ending:
        case PgEnding.PATH:
            return Use.UNREACHED
        case PgEnding.LOGIN_MISSING | PgEnding.UNSUPPORTED:
            return Use.USABLE
        case PgEnding.REFUSED if refusal.code in _NOT_NOW:
            return Use.DOUBTFUL
        case PgEnding.TLS if refusal.tls is not None and refusal.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER:
            return Use.UNDECIDED if without_ca else Use.UNUSABLE
        case _:
            return Use.UNUSABLE


def _db_words(refusal: PgRefusal) -> str:
    match refusal.ending, refusal.code:
        case PgEnding.PATH, _:
            return "was not found by the session"
        case PgEnding.LOGIN_MISSING, _:
            return "answers as PostgreSQL and asks for a password; none is declared"
        case PgEnding.UNSUPPORTED, _:
            return "answers as PostgreSQL and asks for a login that this audit does not speak"
        case PgEnding.REFUSED, "28000":
            return "does not let this VM in: its pg_hba.conf has no entry for it"
        case PgEnding.REFUSED, "28P01":
            return "refuses the declared password"
        case PgEnding.REFUSED, "3D000":
            return "has no database of the declared name"
        case PgEnding.REFUSED, code if code in _NOT_NOW:
            return "takes no sessions at the moment"
        case PgEnding.REFUSED, _:
            return "refuses the session"
        case PgEnding.NO_TLS, _:
            return "has no TLS, which the site file asks for"
        case PgEnding.TLS, _:
            return "fails in TLS"
        case PgEnding.IMPOSTOR, _:
            return "does not know the account's password itself"
        case PgEnding.SILENT, _:
            return "accepts the connection and never answers"
        case PgEnding.CLOSED, _:
            return "accepts the connection and closes it without an answer"
        case _:
            return "does not speak PostgreSQL"


def _db_proves(refusal: PgRefusal) -> str:
    match refusal.ending:
        case PgEnding.PATH:
            return "The session found no way to the peer."
        case PgEnding.LOGIN_MISSING | PgEnding.UNSUPPORTED:
            return "PostgreSQL answered through this very VM; how it lets the account in is the matter of another row."
        case PgEnding.REFUSED | PgEnding.NO_TLS | PgEnding.IMPOSTOR:
            return "The way is open and PostgreSQL answers; it is the server that turns this session away."
        case PgEnding.TLS:
            return "The handshake went through the VM and was judged by the public roots and the declared CA file."
        case PgEnding.SILENT | PgEnding.CLOSED:
            return "Something accepted the connection and never spoke, while the VM proved itself alive."
        case _:
            return "Something accepted the connection, and what it says is not the protocol of PostgreSQL."


def _db_remedy(target: EdgeTarget, refusal: PgRefusal) -> tuple[str, str]:
    """What to do, and the line under what blocks sign-off."""
    service, at, vm = target.site.config_db, target.peer, target.vm
    assert isinstance(service, ConfigDb)
    user, database = service.user or "postgres", service.database or service.user or "postgres"
    look = f"    ss -ltnp 'sport = :{at.port}'"
    match refusal.ending, refusal.code:
        case PgEnding.REFUSED, "28000":
            kind = "hostssl" if service.tls is not None and service.tls.mode != "disable" else "host"
            return (
                "Add to pg_hba.conf above what refuses it, and reload:\n\n"
                f"    {kind}  {database}  {user}  {vm.address or '<address>'}/32  scram-sha-256\n"
                "    SELECT pg_reload_conf();",
                f"Let {user} in from {vm.address or vm.name} in pg_hba.conf of {at}",
            )
        case PgEnding.REFUSED, "28P01":
            return (
                "Set the password anew, or correct the secret that the site file points to:\n\n"
                f"    ALTER ROLE {user} PASSWORD '<new>';",
                f"Give {user} a password that is known to the site file",
            )
        case PgEnding.REFUSED, "3D000":
            return (
                "Correct `config_db.database` in the site file. On the database host:\n\n    psql -l",
                f"Find the name of the Config DB at {at}",
            )
        case PgEnding.REFUSED | PgEnding.IMPOSTOR, _:
            return (
                f"Look in the log of PostgreSQL for the session of {user}; the network is not in its way.",
                f"Have the Config DB at {at} take a session of {user}",
            )
        case PgEnding.NO_TLS | PgEnding.TLS, _:
            return (
                "Look at the certificate that it shows, and mend it or correct `config_db.tls`:\n\n"
                f"    openssl s_client -starttls postgres -connect {at} </dev/null | openssl x509 -noout -text",
                f"Mend the TLS of the Config DB at {at}",
            )
        case PgEnding.PATH, _:
            return (
                f"Try the way from {vm.name} by hand:\n\n"
                f"    timeout 5 bash -c '</dev/tcp/{at.host}/{at.port}' && echo open",
                f"Let {vm.name} through to the Config DB at {at}",
            )
        case _:
            return (
                f"See who listens there, and whether host and port are those of the Config DB:\n\n{look}",
                f"Correct host and port of the Config DB ({at})",
            )
