"""What an exchange in HTTP means for a row of the connectivity table."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta

from readiness import Evidence, Lane, Level
from readiness.probes.genesys_cloud import GenesysCloudHost, Interception
from readiness.probes.http import HttpAnswer, HttpRefusal, RefusalKind
from readiness.probes.monitoring import ElementAnswer
from readiness.probes.monitoring import Ending as HttpEnding
from readiness.probes.monitoring import Login as HttpLogin
from readiness.probes.registry import RegistryTalk
from readiness.probes.tls import Certificate, TlsTrouble
from readiness.site import EdgeTarget, Endpoint, Logging, Registry, Site
from readiness_checks.rows import Said, Use, certificate_evidence

SHORT_LIVED = timedelta(days=30)
"""A certificate of no longer life than this is renewed as a matter of course, by a device that issues its own."""


def said_by_genesys_cloud(target: EdgeTarget, answer: GenesysCloudHost) -> Said:
    """Whether a host of Genesys Cloud answers the VM over verified TLS, by the direct way."""
    if isinstance(answer.direct, HttpRefusal):
        return _refusing(target, answer, answer.direct)
    private = " with the declared CA file" if answer.interception is Interception.INTERCEPTED else ""
    shown = answer.direct.certificate
    fleeting = _fleeting(answer, shown)
    said = Said(
        use=Use.USABLE,
        words=f"answers over TLS, verified{private}",
        proves="TLS was verified for the host's own name and an answer in HTTP came back through this very VM.",
        came_through=True,
        evidence=(
            Evidence(label="HTTPS", value=_status(answer.direct), level=Level.PROTOCOL, of=answer),
            *certificate_evidence(shown, answer),
            *((_life(fleeting, answer),) if fleeting is not None else ()),
        ),
        ends=shown.not_after if shown is not None else None,
    )
    return said if fleeting is not None else _ending(target, said, shown)


def _fleeting(answer: GenesysCloudHost, shown: Certificate | None) -> Certificate | None:
    """What was shown, where it is the short-lived certificate of a device on the way, whose end is no news."""
    if answer.interception is not Interception.INTERCEPTED or shown is None:
        return None
    return shown if shown.not_after - shown.not_before <= SHORT_LIVED else None


def _life(shown: Certificate, fact: object) -> Evidence:
    value = f"{(shown.not_after - shown.not_before).days} days in all, as the device on the way issues them"
    return Evidence(label="Life of the certificate", value=value, level=Level.PROTOCOL, of=fact)


def _ending(target: EdgeTarget, said: Said, shown: Certificate | None) -> Said:
    """What was said, with a warning where all is well and the certificate ends soon."""
    if said.use is not Use.USABLE or shown is None or not shown.ends_soon:
        return said
    words = f"shows a certificate that ends in {shown.left.days} days"
    renew = f"Renew the certificate of {target.peer}"
    return replace(said, use=Use.DOUBTFUL, words=words, lane=Lane.TLS, remedy=f"{renew}.", job=renew)


def _status(answer: HttpAnswer) -> str:
    return f"status {answer.status}, {answer.how}"


def _refusing(target: EdgeTarget, answer: GenesysCloudHost, refusal: HttpRefusal) -> Said:
    at, vm = target.peer, target.vm.name
    unreached = refusal.kind is RefusalKind.PATH
    evidence = (
        Evidence(
            label="HTTPS",
            value=f"{refusal.words}: {refusal.text}",
            level=refusal.level,
            of=answer,
        ),
        *certificate_evidence(answer.shown, answer),
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
        came_through=not answer.unreached,
        evidence=(
            Evidence(label="HTTP", value=f"{answer.words}{raw}", level=answer.level, of=answer),
            *certificate_evidence(shown, answer),
        ),
        lane=answer.lane,
        remedy=remedy,
        job=job,
        ends=verified.not_after if verified is not None else None,
    )
    return _ending(target, said, verified)


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
        case HttpEnding.UNREACHED if answer.unreached:
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
        if answer.unreached:
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


def said_by_registry(target: EdgeTarget, talk: RegistryTalk) -> Said:
    """Whether a container registry answers the VM at ``/v2/``; its images and its login are other rows' matter."""
    at, vm, door = target.peer, target.vm.name, talk.door
    if isinstance(door, HttpRefusal):
        return _registry_refusing(target, talk, door)
    known = talk.is_registry
    unwell = door.status >= 500 or door.status == 429 or 300 <= door.status < 400
    use = Use.USABLE if known else Use.DOUBTFUL if unwell else Use.UNUSABLE
    words = "answers as a registry" if known else f"answers in HTTP with status {door.status}, not as a registry does"
    said = Said(
        use=use,
        words=words,
        proves="A request for /v2/ went through this very VM, and only a registry answers it so."
        if known
        else "A request for /v2/ went through this very VM; a registry would have answered it with 200 or a challenge.",
        came_through=True,
        evidence=(
            Evidence(label="GET /v2/", value=_status(door), level=Level.PROTOCOL, of=talk),
            *certificate_evidence(door.certificate, talk),
        ),
        lane=Lane.SERVICE if door.status >= 500 else Lane.CONFIGURATION,
        remedy=""
        if known
        else f"Correct `registry.url` in the site file, or mend the registry. On {vm}:\n\n{_knock(target)}",
        job="" if known else f"Have the registry answer at {at}",
        ends=door.certificate.not_after if door.certificate is not None else None,
    )
    return _ending(target, said, door.certificate)


def _registry_refusing(target: EdgeTarget, talk: RegistryTalk, door: HttpRefusal) -> Said:
    at, vm, registry = target.peer, target.vm.name, target.site.registry
    unreached = door.kind is RefusalKind.PATH
    untrusted = door.tls is not None and door.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER
    without_ca = not isinstance(registry, Registry) or registry.ca_file is None
    use = Use.UNREACHED if unreached else Use.UNDECIDED if untrusted and without_ca else Use.UNUSABLE
    remedy = f"See what stands between {vm} and {at}. On {vm}:\n\n{_knock(target)}"
    job = f"Have the registry at {at} answer {vm}"
    if untrusted:
        remedy = "Name the certificate of the CA that issued it as `registry.ca_file` in the site file."
        job = f"Provide the CA of the registry at {at}"
    return Said(
        use=use,
        words=door.words,
        proves="The request found no way to the peer."
        if unreached
        else "The request went through this very VM, and TLS is judged by the public roots and the declared CA file.",
        came_through=not unreached,
        evidence=(
            Evidence(
                label="GET /v2/",
                value=f"{door.words}: {door.text}",
                level=door.level,
                of=talk,
            ),
            *certificate_evidence(door.tls.certificate if door.tls is not None else door.certificate, talk),
        ),
        lane=door.lane,
        remedy=remedy,
        job=job,
    )


def _knock(target: EdgeTarget) -> str:
    registry = target.site.registry
    url = registry.url if isinstance(registry, Registry) else f"https://{target.peer}"
    return f"    curl -sS -i --noproxy '*' {shlex.quote(f'{url}/v2/')}"
