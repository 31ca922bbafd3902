"""What the answer of an optional element comes to, and the words for it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from readiness import Cause, Evidence, Judgement, Lane, Level, Owner
from readiness.probes.http import HttpRefusal, RefusalKind
from readiness.probes.monitoring import CLUSTER, LOKI_READY, Asker, ElementAnswer, Ending, Login, Product
from readiness.probes.tcp import PathVerdict
from readiness.probes.tls import TlsTrouble
from readiness.site import Logging, Prometheus, ServiceTarget, WebElement

AnyTarget: TypeAlias = ServiceTarget[Prometheus] | ServiceTarget[WebElement] | ServiceTarget[Logging]


@dataclass(frozen=True, kw_only=True)
class Sought:
    """An element as sentences name it.

    ``key`` is its key in the site file. ``path`` is what a person asks by hand, ``look`` the commands by which its
    own host shows how it is. ``has_row``: the connectivity table has the machines that ask reach it, so that a closed
    path is a miss; otherwise it says nothing of the element. ``beside`` is what even a pass leaves open. ``like`` are
    others that speak its API, ``instead`` others that may do its work and are not known here.
    """

    name: str
    key: str
    expected: str
    path: str
    look: str
    has_row: bool
    beside: str
    like: str = ""
    instead: str = ""


def judged(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> Judgement:
    """Conclude from what the element answered one machine."""
    if answer.refusal is not None:
        return _unreached(sought, target, answer, answer.refusal)
    if answer.ending is Ending.WELL:
        return _well(sought, target, answer)
    if answer.ending in _UNDECIDED:
        return _undecided(sought, target, answer)
    return _amiss(sought, target, answer)


def _well(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> Judgement:
    shown = answer.certificate
    evidence = tuple(_evidence(answer))
    observed = f"{answer.name}: {answer.condition}"
    if shown is not None and shown.ends_soon:
        return Judgement.weak(
            f"{answer.name} at {target.name} is well, and its certificate ends on {shown.not_after:%Y-%m-%d}.",
            expected=f"{sought.expected}, with a certificate that lasts",
            observed=f"{observed}; certificate until {shown.not_after:%Y-%m-%d}",
            evidence=evidence,
            lane=Lane.TLS,
            reasoning="The certificate ends within 30 days; after that, clients that verify it stop.",
            remedy=f"Renew the certificate of {target.name} and see that it is served:\n\n    {_look_at(target)}",
            job=f"Renew the certificate of {target.name}",
            valid_until=shown.not_after,
        )
    return Judgement.met(
        f"{answer.name} at {target.name} is there: {answer.condition}.",
        expected=sought.expected,
        observed=observed,
        evidence=evidence,
        reasoning=" ".join(_why_well(sought, answer)),
        valid_until=shown.not_after if shown is not None else None,
    )


def _why_well(sought: Sought, answer: ElementAnswer) -> Iterator[str]:
    secured = "over verified TLS" if answer.certificate is not None else "in plain HTTP"
    yield f"It was asked from {answer.vantage} {secured}, named itself, and told of its health."
    if answer.login is Login.ACCEPTED:
        yield "It turned strangers away and let the declared account in."
    elif answer.login is Login.NOT_NEEDED:
        yield "It tells this to everybody, so the declared account proves nothing."
    yield sought.beside


_UNDECIDED = {
    Ending.WITHHELD: Cause.PERMISSION,
    Ending.LOGIN_MISSING: Cause.UNDECLARED,
    Ending.FORBIDDEN: Cause.PERMISSION,
    Ending.MOVED: Cause.UNSUPPORTED,
    Ending.OVERLOADED: Cause.OVERLOAD,
    Ending.UNREADABLE: Cause.PARSE,
}


def _undecided(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> Judgement:
    enable = {
        Ending.WITHHELD: _to_be_told(target, answer),
        Ending.LOGIN_MISSING: f"Declare `{sought.key}.username` and `{sought.key}.password`",
        Ending.FORBIDDEN: f"Have {target.name} answer {answer.vantage} at {sought.path}",
        Ending.MOVED: f"Declare the URL where {sought.name} itself answers, without a page for logging in before it",
        Ending.OVERLOADED: "Wait until it takes requests again",
        Ending.UNREADABLE: "See what cuts its answers short or packs them",
    }[answer.ending]
    telling = f" ({answer.said})" if answer.said and answer.ending is not Ending.MOVED else ""
    tail = "" if answer.ending is Ending.WITHHELD else ", so whether it is well is not known"
    return Judgement.unknown(
        f"{_begun(sought.name)} at {target.name} {answer.words}{tail}.",
        _UNDECIDED[answer.ending],
        f"{target.name} {answer.words}{telling}",
        enable=(
            f"{enable}, and run the audit again; or attest that it is there and well. To see what {answer.vantage}"
            f" hears:\n\n    {_by_hand(sought, target, answer)}"
        ),
        expected=sought.expected,
        observed=f"it {answer.words}{telling}",
        reasoning="Something answered, which is no sign of trouble; what it answered does not show how it is.",
        evidence=tuple(_evidence(answer)),
        lane=answer.lane,
        owner=Owner.DEPLOYER,
    )


def _to_be_told(target: AnyTarget, answer: ElementAnswer) -> str:
    if answer.login is Login.ACCEPTED and answer.product in (Product.ELASTICSEARCH, Product.OPENSEARCH):
        return f"Give the account {_account(target)} the cluster privilege `monitor`, which lets it read the health"
    return f"Have what stands before {target.name} pass on the question for its health"


def _amiss(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> Judgement:
    may_do = answer.ending is Ending.FOREIGN and answer.product is None and sought.instead
    conclude = Judgement.weak if may_do or answer.ending is Ending.LOOKALIKE else Judgement.missed
    words = _WORDS[answer.ending](sought, target, answer)
    telling = f" ({answer.said})" if answer.said and answer.ending is not Ending.UNWELL else ""
    return conclude(
        f"{_begun(sought.name)} at {target.name} {answer.words}.",
        expected=sought.expected,
        observed=f"from {answer.vantage}: it {answer.words}{telling}",
        evidence=tuple(_evidence(answer)),
        reasoning=words.reasoning,
        remedy=words.remedy,
        job=words.job,
        lane=answer.lane,
    )


@dataclass(frozen=True, kw_only=True)
class _Words:
    reasoning: str
    remedy: str
    job: str


def _unwell(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    return _Words(
        reasoning="The element itself says so, and it is the one that is looked for.",
        remedy=(
            f"See on {target.host} what it lacks:\n\n    {sought.look}\n\n"
            f"Then ask again from {answer.vantage}:\n\n    {_by_hand(sought, target, answer)}"
        ),
        job=f"Mend {answer.product or sought.name} at {target.name}: {answer.condition}",
    )


def _foreign(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    may_be = f" It may be another that does the same work, such as {sought.instead}." if sought.instead else ""
    return _Words(
        reasoning=f"It answered over HTTP, and not one answer is that of {answer.sought}."
        + (may_be if answer.product is None else " The answers are those of another product."),
        remedy=(
            f"Correct `{sought.key}` in the site file: scheme, host, port, and the path before {sought.path} where it"
            f" has one. Ask it from {answer.vantage}:\n\n    {_by_hand(sought, target, answer)}"
        ),
        job=f"Correct the URL of {sought.name} ({target.name})",
    )


def _lookalike(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    return _Words(
        reasoning=(
            f"It gives a version in the way of {sought.name}, and not the words by which {sought.name} says that it is"
            f" ready. {sought.like} do so, and a proxy that hides them; some of these collect nothing themselves."
        ),
        remedy=(
            f"Make sure that it will collect the metrics of EXEC's ports, or declare the {sought.name} that does:\n\n"
            f"    {_by_hand(sought, target, answer)}"
        ),
        job=f"Confirm that {target.name} collects the metrics of EXEC",
    )


def _login_refused(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    return _Words(
        reasoning="It answered, and with status 401 to the very account that the site file declares for it.",
        remedy=(
            f"Correct the account {_account(target)} there, or `{sought.key}.username` and `{sought.key}.password` in"
            f" the site file. Try it from {answer.vantage}, curl asks for the password:\n\n"
            f"    {_by_hand(sought, target, answer)}"
        ),
        job=f"Have {target.name} accept the account {_account(target)}",
    )


def _failing(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    return _Words(
        reasoning=(
            "An error of this kind comes from a service that cannot serve, or from a proxy with no living service"
            " behind it; either way nobody can use the element."
        ),
        remedy=(
            f"See on {target.host}, and on what stands before it, why:\n\n    {sought.look}\n\n"
            f"Then ask again from {answer.vantage}:\n\n    {_by_hand(sought, target, answer)}"
        ),
        job=f"Have {sought.name} at {target.name} answer without an error",
    )


def _needs_tls(sought: Sought, _: AnyTarget, answer: ElementAnswer) -> _Words:
    https = answer.url.replace("http://", "https://", 1)
    return _Words(
        reasoning="It says itself that it was asked in plain HTTP on a port that speaks TLS.",
        remedy=(
            f"Declare `url: {https}` for `{sought.key}`, with `ca_file` where an authority of your own signs for it."
        ),
        job=f"Declare {https} as the URL of {sought.name}",
    )


_WORDS = {
    Ending.UNWELL: _unwell,
    Ending.FOREIGN: _foreign,
    Ending.LOOKALIKE: _lookalike,
    Ending.LOGIN_REFUSED: _login_refused,
    Ending.FAILING: _failing,
    Ending.WANTS_TLS: _needs_tls,
}


def _unreached(sought: Sought, target: AnyTarget, answer: ElementAnswer, refusal: HttpRefusal) -> Judgement:
    trouble = refusal.tls.trouble if refusal.tls is not None else None
    no_way = is_path_closed(answer) and refusal.verdict is not PathVerdict.REFUSED
    if no_way and not sought.has_row:
        return _no_way(sought, target, answer, refusal)
    if trouble is TlsTrouble.UNTRUSTED_ISSUER and target.service.ca_file is None:
        return _unknown_authority(sought, target, answer, refusal)
    at = f"{sought.name} at {target.name}"
    closed = is_path_closed(answer)
    if no_way:
        words = _row_closed(sought, target, answer)
    elif trouble is not None and trouble.about_certificate:
        words = _Words(
            reasoning="The handshake was judged by the public roots and the declared CA file.",
            remedy=f"Look at the certificate that is served, and renew or replace it:\n\n    {_look_at(target)}",
            job=f"Mend the certificate of {target.name}",
        )
    else:
        words = _down(sought, target, answer, refusal)
    return Judgement.missed(
        f"{answer.vantage} does not reach {at}: it {refusal.words}." if closed else f"{_begun(at)} {refusal.words}.",
        expected=sought.expected,
        observed=_met(answer, refusal),
        evidence=tuple(_evidence(answer)),
        reasoning=words.reasoning,
        remedy=words.remedy,
        job=words.job,
        lane=refusal.lane,
    )


def _no_way(sought: Sought, target: AnyTarget, answer: ElementAnswer, refusal: HttpRefusal) -> Judgement:
    vantage = answer.vantage
    return Judgement.unknown(
        f"{vantage} has no way to {sought.name} at {target.name}, so nothing is known of it.",
        Cause.UNREACHABLE,
        f"{target.name} {_met(answer, refusal)}",
        enable=(
            f"Open the way from {vantage} to {target.name} and run the audit again:\n\n"
            f"    {_by_hand(sought, target, answer)}\n\nOr attest that it is there and well."
        ),
        expected=sought.expected,
        observed=_met(answer, refusal),
        reasoning=f"The page asks for no path from {vantage} to it, so that a closed one is no fault of either.",
        evidence=tuple(_evidence(answer)),
        lane=refusal.lane,
    )


def _unknown_authority(sought: Sought, target: AnyTarget, answer: ElementAnswer, refusal: HttpRefusal) -> Judgement:
    return Judgement.unknown(
        f"{_begun(sought.name)} at {target.name} shows a certificate from an authority that is not known here.",
        Cause.UNDECLARED,
        f"its issuer is no public authority: {refusal.text}",
        enable=f"Name that authority's certificate as `{sought.key}.ca_file` and run the audit again.",
        expected=sought.expected,
        observed=_met(answer, refusal),
        reasoning="Whether its clients know the authority, the audit cannot see; nothing was asked over such TLS.",
        evidence=tuple(_evidence(answer)),
        lane=Lane.TLS,
        owner=Owner.DEPLOYER,
    )


def _row_closed(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> _Words:
    vantage = answer.vantage
    return _Words(
        reasoning=(
            f"{vantage} was alive and asked meanwhile. The connectivity table has the VMs reach it, so a closed path is"
            " a miss."
        ),
        remedy=(
            f"Open the way as the finding connectivity.{sought.key}[{vantage}->{target.name}] has it. Then ask again"
            f" from {vantage}:\n\n    {_by_hand(sought, target, answer)}"
        ),
        job=f"Let {vantage} through to {sought.name} at {target.name}",
    )


def _down(sought: Sought, target: AnyTarget, answer: ElementAnswer, refusal: HttpRefusal) -> _Words:
    closed = is_path_closed(answer)
    meaning = " A refusal says that nothing listens there, unless a firewall speaks in its name." if closed else ""
    plain = refusal.kind is RefusalKind.CLOSED and answer.url.startswith("http://")
    https = f"\n\nWhere its port speaks TLS, declare `{sought.key}` with https." if plain else ""
    return _Words(
        reasoning=f"{answer.vantage} was alive and asked meanwhile.{meaning}",
        remedy=(
            f"See on {target.host} whether it runs and who listens on its port:\n\n"
            f"    {sought.look}\n    ss -ltnp 'sport = :{target.port}'\n\n"
            f"Then ask again from {answer.vantage}:\n\n    {_by_hand(sought, target, answer)}{https}"
        ),
        job=f"Have {sought.name} at {target.name} answer {answer.vantage}",
    )


def _met(answer: ElementAnswer, refusal: HttpRefusal) -> str:
    raw = f" ({refusal.text})" if refusal.text else ""
    return f"{refusal.words}{raw}, from {answer.vantage}"


def is_path_closed(answer: ElementAnswer) -> bool:
    """Whether no connection came about at all."""
    return answer.refusal is not None and answer.refusal.kind is RefusalKind.PATH


def _evidence(answer: ElementAnswer) -> Iterator[Evidence]:
    for label, value in (("Product", answer.name), ("Health", answer.condition), ("Account", _LOGINS[answer.login])):
        if value:
            yield _piece(label, value, answer, answer.level)
    open_level = min(answer.level, Level.PROTOCOL)
    for call in answer.calls:
        level = answer.level if call.asker is Asker.ACCOUNT else open_level
        yield _piece(f"GET {call.path}, {call.asker.words}", call.words, answer, level)
    refusal = answer.refusal
    shown = refusal.tls.certificate if refusal is not None and refusal.tls is not None else answer.certificate
    if shown is not None:
        value = f"{shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d}"
        yield _piece("Certificate", value, answer, Level.PROTOCOL)


def _piece(label: str, value: str, answer: ElementAnswer, level: Level) -> Evidence:
    return Evidence(label=label, value=value, level=level, vantage=answer.vantage, of=answer)


_LOGINS = {
    Login.NONE: "",
    Login.NOT_NEEDED: "declared, and everybody is let in without",
    Login.UNTOLD: "declared, and neither accepted nor refused",
    Login.ACCEPTED: "accepted",
    Login.REFUSED: "refused",
}


def _account(target: AnyTarget) -> str:
    return target.service.username or "that the site file will declare"


def _by_hand(sought: Sought, target: AnyTarget, answer: ElementAnswer) -> str:
    """The question as a person types it; curl asks for the password, which is named nowhere."""
    tried = answer.login in (Login.ACCEPTED, Login.REFUSED) and target.service.username
    user = f"-u {shlex.quote(target.service.username)} " if tried and target.service.username else ""
    path = _HEALTH_PATHS.get(answer.product, sought.path) if answer.product is not None else sought.path
    return f"curl -sS -i {user}{shlex.quote(answer.url.rstrip('/') + path)}"


_HEALTH_PATHS = {Product.ELASTICSEARCH: CLUSTER, Product.OPENSEARCH: CLUSTER, Product.LOKI: LOKI_READY}


def _look_at(target: AnyTarget) -> str:
    return (
        f"openssl s_client -connect {target.name} -servername {target.host} </dev/null"
        " | openssl x509 -noout -subject -issuer -dates -ext subjectAltName"
    )


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]
