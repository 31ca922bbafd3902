"""The words and the evidence of a conversation with Genesys Cloud, whichever requirement it is about."""

from __future__ import annotations

from collections.abc import Iterable

from readiness import Cause, Evidence, Judgement, Lane, Level
from readiness.probes.genesys_cloud import Conversation, LoginUnreached, Route, Try
from readiness.probes.genesys_cloud_api import OAuthClient, TokenOutcome, Told
from readiness.probes.http import HttpRefusal
from readiness.site import GenesysCloud, ServiceTarget

CloudTarget = ServiceTarget[GenesysCloud]

OAUTH = "Admin > Integrations > OAuth (in the newer menu: IT and Integrations > OAuth)"
"""Where an administrator of Genesys Cloud finds the clients."""


def login_unreached(target: CloudTarget, heard: LoginUnreached) -> Judgement:
    """Unknown, because of the finding about the path of the first VM that heard bad news."""
    first = next(tried for tried in heard.tries if isinstance(tried.missed, HttpRefusal))
    assert isinstance(first.missed, HttpRefusal)
    login = target.service.login
    return Judgement.blocked(
        f"connectivity.genesys-cloud[{first.vantage}->{login}]",
        "No EXEC VM reaches the login of Genesys Cloud, so nothing could be asked there.",
        detail="; ".join(f"from {tried.vantage} {_heard(login.host, tried)}" for tried in heard.tries),
        lane=first.missed.lane,
        evidence=tuple(
            Evidence(
                label=f"{login.host}, {'directly' if tried.route is Route.DIRECT else 'by the proxy'}",
                value=_heard("it", tried),
                level=Level.TCP,
                vantage=tried.vantage,
                of=heard,
            )
            for tried in heard.tries
        ),
    )


def _heard(host: str, tried: Try) -> str:
    if isinstance(tried.missed, HttpRefusal):
        said = f" ({tried.missed.text})" if tried.missed.text else ""
        return f"{host} {tried.missed.words}{said}"
    return f"nothing could be asked: {tried.missed.detail}" if tried.missed is not None else "it was called off"


LANES = {
    Cause.AUTH: Lane.AUTH,
    Cause.PERMISSION: Lane.AUTH,
    Cause.OVERLOAD: Lane.SERVICE,
    Cause.UNREACHABLE: Lane.SERVICE,
    Cause.PARSE: Lane.SERVICE,
    Cause.UNSUPPORTED: Lane.SERVICE,
}
"""What kind of trouble an unanswered call is; every other cause is the audit's own."""


def not_told(target: CloudTarget, talk: Conversation, told: Told[object], summary: str) -> Judgement:
    """Unknown, because one call of the API brought nothing; where its path is closed, because of that finding."""
    reason = told.reason
    assert reason is not None
    evidence = (*token_evidence(talk), *correlation(talk, told))
    if told.refusal is not None and talk.route is Route.DIRECT:
        return Judgement.blocked(
            f"connectivity.genesys-cloud[{talk.spoken_from}->{target.service.api}]",
            summary,
            detail=reason.detail,
            lane=told.refusal.lane,
            evidence=evidence,
        )
    return Judgement.unknown(
        summary,
        reason.code,
        reason.detail,
        enable=reason.enable,
        by=reason.by,
        lane=LANES.get(reason.code, Lane.PROBE),
        evidence=evidence,
    )


def said(talk: Conversation) -> str:
    """What the login answered to the token request, in its own words."""
    token = talk.token
    words = f"{token.error}: {token.description}" if token.description else token.error
    return f"status {token.status}, {words}"


def seen(talk: Conversation, label: str, value: str, call: str) -> Evidence:
    """One value that a call with the token brought."""
    return Evidence(label=label, value=value, level=Level.AUTHENTICATED, vantage=talk.spoken_from, method=call, of=talk)


def token_evidence(talk: Conversation) -> tuple[Evidence, ...]:
    """What became of the token request."""
    token, call = talk.token, "POST oauth/token"
    granted = token.outcome is TokenOutcome.GRANTED
    value = "granted" if granted else said(talk) if token.error else f"none (status {token.status or 'unknown'})"
    level = Level.AUTHENTICATED if granted else Level.PROTOCOL
    found = [
        Evidence(
            label="Token by Client Credentials",
            value=value,
            level=level,
            vantage=talk.spoken_from,
            method=call,
            of=talk,
        )
    ]
    if not granted and token.correlation_id:
        found.append(_correlation(talk, token.correlation_id, call))
    return tuple(found)


def client_evidence(talk: Conversation, client: OAuthClient, told: Told[OAuthClient]) -> Iterable[Evidence]:
    """What Genesys Cloud says of the client itself."""
    for label, value in (
        ("OAuth client", client.name or client.id),
        ("Grant type", client.grant_type),
        ("State", client.state),
        ("To be deleted at", client.deletion_text),
    ):
        if value:
            yield seen(talk, label, value, told.call)
    yield from correlation(talk, told)


def correlation(talk: Conversation, told: Told[object]) -> tuple[Evidence, ...]:
    """The id under which Genesys Cloud's support finds the call."""
    return (_correlation(talk, told.correlation_id, told.call),) if told.correlation_id else ()


def _correlation(talk: Conversation, id: str, call: str) -> Evidence:
    return Evidence(
        label="Correlation id", value=id, level=Level.PROTOCOL, vantage=talk.spoken_from, method=call, of=talk
    )


def ticket(told: Told[object]) -> str:
    """The same id as a remedy mentions it."""
    return f" (correlation id {told.correlation_id})" if told.correlation_id else ""


def detour(talk: Conversation) -> str:
    """What reasoning has to add where the conversation went by the proxy."""
    if talk.route is Route.DIRECT:
        return ""
    return (
        " This was asked through the site's proxy, since no VM reaches the login directly; EXEC's own use of a proxy is"
        " not documented."
    )


def prove(target: CloudTarget) -> str:
    """How to see that a remedy worked."""
    return f"Then prove it: readiness audit {target.site.path.name} --only 'genesys-cloud.*'"
