"""What a conversation with a peer means for its row of the connectivity table."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

from readiness import Evidence, Lane, Level
from readiness.probes.genesys_cloud import GenesysCloudHost, Interception
from readiness.probes.http import HttpAnswer, HttpRefusal, RefusalKind
from readiness.probes.monitoring import ElementAnswer
from readiness.probes.monitoring import Ending as HttpEnding
from readiness.probes.monitoring import Login as HttpLogin
from readiness.probes.redis import Ending, Login, RedisAnswer
from readiness.probes.tls import Certificate, TlsTrouble
from readiness.site import EdgeTarget, Endpoint, Logging, Redis, Site
from readiness_checks.rows import Said, Use


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
        came_through=answer.level > Level.DECLARED,
        evidence=(
            Evidence(label="Redis", value=f"{answer.words}{secured}{raw}", level=answer.level, of=answer),
            *_certificate(shown, answer),
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
        case Ending.ANSWERED if answer.certificate is not None and answer.certificate.ends_soon:
            return Use.DOUBTFUL, f"shows a certificate that ends in {answer.certificate.left.days} days", Lane.TLS
        case Ending.ANSWERED if answer.login is Login.ACCEPTED:
            return Use.USABLE, "takes the declared login and answers PING", lane
        case Ending.ANSWERED:
            return Use.USABLE, "answers PING", lane
        case Ending.NO_NAME | Ending.NO_PATH:
            return Use.UNREACHED, answer.words, lane
        case Ending.LOADING:
            return Use.DOUBTFUL, answer.words, lane
        case Ending.TLS if _untrusted(answer) and isinstance(site.redis, Redis):
            ca = site.redis.tls.ca_file if site.redis.tls is not None else None
            return (Use.UNUSABLE if ca is not None else Use.UNDECIDED), answer.words, lane
        case _:
            return Use.UNUSABLE, answer.words, lane


def _untrusted(answer: RedisAnswer) -> bool:
    return answer.tls_failure is not None and answer.tls_failure.trouble is TlsTrouble.UNTRUSTED_ISSUER


def _redis_proves(answer: RedisAnswer) -> str:
    match answer.ending:
        case Ending.ANSWERED if answer.login is Login.ACCEPTED:
            return "The declared login and PING went through this very VM, which is more than an open port."
        case Ending.ANSWERED:
            return "PING went through this very VM and was answered; the site file declares no login to try."
        case Ending.NO_NAME | Ending.NO_PATH:
            return "The conversation found no way to the peer."
        case Ending.LOGIN_MISSING | Ending.LOGIN_REFUSED | Ending.FORBIDDEN:
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
        case Ending.ANSWERED if answer.certificate is not None and answer.certificate.ends_soon:
            return f"Renew the certificate of Redis at {at}.", f"Renew the certificate of Redis at {at}"
        case Ending.ANSWERED:
            return "", ""
        case Ending.LOGIN_MISSING:
            return "Declare `redis.username` and `redis.password` as EXEC will use them.", f"Declare the login of {at}"
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
        case Ending.TLS if _untrusted(answer):
            return (
                "Name the certificate of the CA that issued it as `redis.tls.ca_file` in the site file.",
                f"Provide the CA of Redis at {at}",
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


def _certificate(shown: Certificate | None, fact: object) -> Iterator[Evidence]:
    if shown is not None:
        value = f"{shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d}"
        yield Evidence(label="Certificate", value=value, level=Level.PROTOCOL, of=fact)


def said_by_genesys_cloud(target: EdgeTarget, answer: GenesysCloudHost) -> Said:
    """Whether a host of Genesys Cloud answers the VM over verified TLS, by the direct way."""
    if isinstance(answer.direct, HttpRefusal):
        return _refusing(target, answer, answer.direct)
    private = " with the declared CA file" if answer.interception is Interception.INTERCEPTED else ""
    return Said(
        use=Use.USABLE,
        words=f"answers over TLS, verified{private}",
        proves="TLS was verified for the host's own name and an answer in HTTP came back through this very VM.",
        came_through=True,
        evidence=(
            Evidence(label="HTTPS", value=_status(answer.direct), level=Level.PROTOCOL, of=answer),
            *_certificate(answer.direct.certificate, answer),
        ),
        ends=answer.direct.certificate.not_after if answer.direct.certificate is not None else None,
    )


def _status(answer: HttpAnswer) -> str:
    return f"status {answer.status}, {answer.how}"


def _refusing(target: EdgeTarget, answer: GenesysCloudHost, refusal: HttpRefusal) -> Said:
    at, vm = target.peer, target.vm.name
    unreached = refusal.kind is RefusalKind.PATH
    evidence = (
        Evidence(
            label="HTTPS",
            value=f"{refusal.words}: {refusal.text}",
            level=Level.TCP if not unreached else Level.DECLARED,
            of=answer,
        ),
        *_certificate(answer.shown, answer),
    )
    if isinstance(answer.proxied, HttpAnswer):
        return Said(
            use=Use.DETOUR,
            words="answers by the declared proxy only",
            proves=f"Directly it {refusal.words}; by the proxy it answers. The page knows the direct way alone, and "
            "whether EXEC can use a proxy is documented nowhere.",
            came_through=True,
            evidence=(
                Evidence(label="By the proxy", value=_status(answer.proxied), level=Level.PROTOCOL, of=answer),
                *evidence,
            ),
            lane=refusal.lane,
            remedy=f"Open the direct way from {vm} to {at}, or have Genesys confirm that EXEC can use the proxy.",
            job=f"Let {vm} through to {at} without the proxy",
        )
    if refusal.lane is Lane.TLS:
        remedy = (
            "Have the device that opens TLS on the way let these hosts through, or name its CA as "
            f"`genesys_cloud.ca_file`. What it shows, on {vm}:\n\n"
            f"    openssl s_client -connect {at} -servername {at.host} </dev/null | openssl x509 -noout -issuer -dates"
        )
        job = f"Leave TLS to {at.host} untouched"
    else:
        remedy = (
            f"See what stands between {vm} and {at}, a proxy or a firewall that inspects. On {vm}:\n\n    {_curl(at)}"
        )
        job = f"Let {vm} through to {at}"
    return Said(
        use=Use.UNREACHED if unreached else Use.UNUSABLE,
        words=refusal.words,
        proves="The request found no way to the peer."
        if unreached
        else "The request went through this very VM, and TLS is judged by the public roots and the declared CA file.",
        came_through=not unreached,
        evidence=evidence,
        lane=refusal.lane,
        remedy=remedy,
        job=job,
    )


def _curl(at: Endpoint) -> str:
    return f"curl -sS -o /dev/null -w '%{{http_code}}\\n' --noproxy '*' https://{at.host}/"


def said_by_logging(target: EdgeTarget, answer: ElementAnswer) -> Said:
    """Whether the declared URL of the log system answers the VM; how the system is, is not this row's matter."""
    use, words = _logging_use(target.site, answer)
    remedy, job = _logging_remedy(target, answer) if use is not Use.USABLE else ("", "")
    verified = answer.certificate
    shown = verified
    if answer.refusal is not None and answer.refusal.tls is not None:
        shown = answer.refusal.tls.certificate
    raw = f": {answer.said}" if answer.said else ""
    said = Said(
        use=use,
        words=words,
        proves=_logging_proves(answer),
        came_through=answer.level > Level.DECLARED,
        evidence=(
            Evidence(label="HTTP", value=f"{answer.words}{raw}", level=answer.level, of=answer),
            *_certificate(shown, answer),
        ),
        lane=answer.lane,
        remedy=remedy,
        job=job,
        ends=verified.not_after if verified is not None else None,
    )
    if use is not Use.USABLE or verified is None or not verified.ends_soon:
        return said
    words, renew = (
        f"shows a certificate that ends in {verified.left.days} days",
        f"Renew the certificate of {target.peer}",
    )
    return replace(said, use=Use.DOUBTFUL, words=words, lane=Lane.TLS, remedy=f"{renew}.", job=renew)


def _logging_use(site: Site, answer: ElementAnswer) -> tuple[Use, str]:
    login = " and takes the declared account" if answer.login is HttpLogin.ACCEPTED else ""
    match answer.ending:
        case HttpEnding.WELL | HttpEnding.UNWELL | HttpEnding.WITHHELD:
            return Use.USABLE, f"answers as {answer.name}{login}"
        case HttpEnding.LOGIN_MISSING:
            return Use.USABLE, "answers; it demands an account, and none is declared"
        case HttpEnding.FOREIGN if answer.product is None:
            return Use.USABLE, f"answers in HTTP{login}"
        case HttpEnding.FORBIDDEN | HttpEnding.OVERLOADED | HttpEnding.UNREADABLE | HttpEnding.LOOKALIKE:
            return Use.USABLE, f"answers in HTTP; it {answer.words}"
        case HttpEnding.MOVED | HttpEnding.FAILING:
            return Use.DOUBTFUL, answer.words
        case HttpEnding.UNREACHED if answer.level is Level.DECLARED:
            return Use.UNREACHED, answer.words
        case HttpEnding.UNREACHED if _is_foreign_authority(answer):
            ca = site.logging.ca_file if isinstance(site.logging, Logging) else None
            return (Use.UNUSABLE if ca is not None else Use.UNDECIDED), answer.words
        case _:
            return Use.UNUSABLE, answer.words


def _is_foreign_authority(answer: ElementAnswer) -> bool:
    tls = answer.refusal.tls if answer.refusal is not None else None
    return tls is not None and tls.trouble is TlsTrouble.UNTRUSTED_ISSUER


def _logging_proves(answer: ElementAnswer) -> str:
    if answer.ending is HttpEnding.UNREACHED:
        if answer.level is Level.DECLARED:
            return "The request found no way to the peer."
        return "The request went through this very VM; TLS is judged by the public roots and the declared CA file."
    if answer.login is HttpLogin.ACCEPTED:
        return "A request with the declared account went through this very VM, and strangers were turned away."
    if answer.login is HttpLogin.REFUSED:
        return "The way is open, and a log agent with the declared account would be turned away."
    open_door = " It lets everybody in, so the declared account proves nothing."
    return "A request went through this very VM and was answered in HTTP." + (
        open_door if answer.login is HttpLogin.NOT_NEEDED else ""
    )


def _logging_remedy(target: EdgeTarget, answer: ElementAnswer) -> tuple[str, str]:
    """What to do, and the line under what blocks sign-off."""
    at, vm = target.peer, target.vm.name
    by_hand = f"\n\n    curl -sS -i --noproxy '*' {shlex.quote(answer.url)}"
    match answer.ending:
        case HttpEnding.LOGIN_REFUSED:
            return (
                f"Correct the account at {at}, or `logging.username` and `logging.password` in the site file. On {vm}:"
                f"{by_hand}",
                f"Have {at} accept the account of the log agents",
            )
        case HttpEnding.UNREACHED if _is_foreign_authority(answer):
            return (
                "Name the certificate of the CA that issued it as `logging.ca_file` in the site file.",
                f"Provide the CA of {at}",
            )
        case HttpEnding.UNREACHED if answer.lane is Lane.TLS:
            return (
                "Look at the certificate that is shown, and have it mended:\n\n"
                f"    openssl s_client -connect {at} </dev/null | openssl x509 -noout -text | grep -E 'Not|DNS|Issuer'",
                f"Mend the TLS of {at}",
            )
        case HttpEnding.FOREIGN | HttpEnding.MOVED | HttpEnding.WANTS_TLS:
            return (
                f"Declare as `logging.url` where the log agents will upload to. What answers now, on {vm}:{by_hand}",
                f"Correct the URL of the log system ({at})",
            )
        case _:
            return (
                f"See on {at.host} who listens there and why it does not answer:\n\n    ss -ltnp 'sport = :{at.port}'"
                f"\n\nThen ask again on {vm}:{by_hand}",
                f"Have the log system answer at {at}",
            )
