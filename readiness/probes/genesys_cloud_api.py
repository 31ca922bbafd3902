"""What the answers of Genesys Cloud mean: the token's reply, the client, its organisation and its roles.

Everything here is pure. A call that brought nothing keeps why, and nothing stands for what was not told
(https://developer.genesys.cloud/platform/api, models TokenInfo, OrgOAuthClient, AuthzSubject, Organization).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Generic, TypeVar

from readiness.model import Cause, ProbeError, Reason
from readiness.probes.http import BodyEnd, HttpAnswer, HttpRefusal, HttpResult, Json, json_of, result_from_json
from readiness.probes.tls import one_line

TOKEN = "tokens/me"  # noqa: S105 (a path, not a token)
ORGANIZATION = "organizations/me"
SUBJECT = "authorization/subjects/me"
FULL_SUBJECT = "authorization/subjects/me?includeFullRoles=true"
CLIENT = "oauth/clients/"
ROLE = "authorization/roles/"
"""Paths under /api/v2/; the last two want an id."""

ValueT = TypeVar("ValueT")
ValueT_co = TypeVar("ValueT_co", covariant=True)


class TokenOutcome(StrEnum):
    """What became of the token request.

    ``REFUSED``: the login does not know the client, or not this secret of it. ``WRONG_GRANT``: it knows the client,
    which may not ask by client credentials.
    """

    GRANTED = "granted"
    REFUSED = "refused"
    WRONG_GRANT = "wrong_grant"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class TokenReply:
    """What the login said to the one token request.

    ``error`` and ``description`` as it said them; ``at`` is its own clock, UTC, ``None`` where it gave none;
    ``reason`` belongs to ``UNKNOWN``.
    """

    outcome: TokenOutcome
    status: int | None
    error: str
    description: str
    correlation_id: str
    at: datetime | None
    reason: Reason | None


@dataclass(frozen=True, kw_only=True)
class Told(Generic[ValueT_co]):
    """What one call of the API brought: a value, or why there is none.

    ``call`` names it as evidence does ("GET tokens/me"); ``refusal`` is kept where there was no answer in HTTP.
    """

    call: str
    value: ValueT_co | None
    reason: Reason | None
    refusal: HttpRefusal | None = None
    correlation_id: str = ""


@dataclass(frozen=True, kw_only=True)
class OAuthClient:
    """The OAuth client as Genesys Cloud describes it; what it does not tell is ``None``.

    ``deletion``: when it will be deleted, UTC; ``deletion_text`` the same as said, for it may be unreadable.
    """

    id: str | None
    name: str | None
    grant_type: str | None
    state: str | None
    deletion: datetime | None
    deletion_text: str

    @property
    def by_client_credentials(self) -> bool | None:
        """Whether its grant type is Client Credentials; ``None`` where that is not told."""
        if self.grant_type is None:
            return None
        return re.sub(r"[^a-z]", "", self.grant_type.lower()) == "clientcredentials"


@dataclass(frozen=True, kw_only=True)
class Organization:
    """An organisation; ``state`` is ``None`` where only its reference was seen."""

    id: str
    name: str
    state: str | None


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Permissions of a role: actions on an entity of a domain; ``conditional`` where they hold in some cases only."""

    domain: str
    entity: str
    actions: tuple[str, ...]
    conditional: bool

    def covers(self, permission: str) -> bool:
        """Whether it grants ``domain:entity:action`` in every case; case is ignored, ``*`` stands for all."""
        domain, entity, action = permission.lower().split(":")
        return (
            not self.conditional
            and self.domain.lower() in (domain, "*")
            and self.entity.lower() in (entity, "*")
            and any(granted.lower() in (action, "*") for granted in self.actions)
        )


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A role that the client holds in a division; what could not be read is ``None``."""

    role_id: str
    role_name: str | None
    policies: tuple[Policy, ...] | None
    division_id: str
    division_name: str | None
    home: bool | None

    @property
    def is_told(self) -> bool:
        return self.role_name is not None and self.policies is not None


@dataclass(frozen=True, kw_only=True)
class Account:
    """What the token's owner may know of itself without any permission.

    ``reference`` is the organisation as the token names it, ``None`` where it does not.
    """

    client: Told[OAuthClient]
    organization: Told[Organization]
    reference: Organization | None
    grants: Told[tuple[Grant, ...]]


@dataclass(frozen=True)
class Calls:
    """The recorded calls, read one by one."""

    calls: Mapping[str, Json] | Mapping[str, object]
    api: str

    def __contains__(self, path: str) -> bool:
        return path in self.calls

    def told(self, path: str, understand: Callable[[Json], ValueT]) -> Told[ValueT]:
        """Understand one call; where that cannot be, say why."""
        call = f"GET {path.partition('?')[0]}"
        result = result_or_reason(self.calls.get(path))
        if isinstance(result, Reason):
            return Told(call=call, value=None, reason=result)
        if isinstance(result, HttpRefusal):
            return Told(call=call, value=None, reason=_refused(self.api, result), refusal=result)
        said = _ApiError.of(result)
        if result.status != 200:
            return Told(call=call, value=None, reason=_unanswered(self.api, call, result, said), correlation_id=said.id)
        try:
            return Told(call=call, value=understand(result.json), reason=None, correlation_id=said.id)
        except ProbeError as error:
            reason = Reason(
                code=Cause.PARSE,
                detail=f"the answer of {self.api} to {call} makes no sense: {error.reason.detail}",
                enable="Run the audit again; if it stays so, show Genesys Cloud support the correlation id.",
            )
            return Told(call=call, value=None, reason=reason, correlation_id=said.id)

    def each(self, prefix: str) -> Iterator[str]:
        """The paths that were called under a prefix."""
        return (path for path in self.calls if path.startswith(prefix))


@dataclass(frozen=True)
class _ApiError:
    """What an answer says in the API's own words: code, message and the id that support asks for."""

    code: str
    message: str
    id: str

    @staticmethod
    def of(answer: HttpAnswer) -> _ApiError:
        body: Mapping[str, Json] = {}
        if answer.status >= 400 and answer.body_end is BodyEnd.WHOLE:
            try:
                body = object_of(json_of(answer.body))
            except ProbeError:
                body = {}
        context = answer.header("inin-correlation-id") or text_of(body, "contextId") or ""
        return _ApiError(text_of(body, "code") or "", text_of(body, "message") or "", one_line(context, 80))


def _refused(host: str, refusal: HttpRefusal) -> Reason:
    return Reason(
        code=Cause.UNREACHABLE,
        detail=f"{host} {refusal.words}" + (f" ({refusal.text})" if refusal.text else ""),
        enable=f"Open the way to {host}, then run the audit again.",
    )


def _unanswered(host: str, call: str, answer: HttpAnswer, said: _ApiError) -> Reason:
    words = " ".join(word for word in (said.code, said.message) if word)
    detail = f"{host} answers {call} with status {answer.status}" + (f": {words}" if words else "")
    match answer.status:
        case 401:
            return Reason(
                code=Cause.AUTH,
                detail=detail,
                enable="Run the audit again; if it stays so, show Genesys Cloud support the correlation id.",
            )
        case 403:
            return Reason(
                code=Cause.PERMISSION,
                detail=detail,
                enable="Give the OAuth client a role with the permission that the answer names, "
                "or have the addresses that the VMs leave from allowed where the answer is about those.",
            )
        case 429:
            return _overload(detail, answer)
        case status if status >= 500:
            return Reason(
                code=Cause.UNREACHABLE,
                detail=detail,
                enable="Look at https://status.mypurecloud.com, then run the audit again.",
            )
        case status if 300 <= status < 400:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=f"{detail}, a redirect, which is never followed with credentials",
                enable="Find out who redirects calls of the API on the way from the VM.",
            )
        case _:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=detail,
                enable="Check in Genesys Cloud by hand, and report the call: the API may have changed.",
            )


def _overload(detail: str, answer: HttpAnswer) -> Reason:
    after = answer.retry_after
    when = f"in {after:g} s" if after is not None else "in some minutes"
    return Reason(code=Cause.OVERLOAD, detail=detail, enable=f"Run the audit again {when}: its rate limit is used up.")


def token_reply(answer: HttpResult, host: str, *, granted: bool) -> TokenReply:
    """Understand the login's answer; ``granted`` says whether it held a token, which is not in the record."""
    if isinstance(answer, HttpRefusal):
        reason = _refused(host, answer)
        return TokenReply(
            outcome=TokenOutcome.UNKNOWN,
            status=None,
            error="",
            description="",
            correlation_id="",
            at=None,
            reason=reason,
        )
    try:
        body: Mapping[str, Json] = object_of(answer.json)
    except ProbeError:
        body = {}
    error = text_of(body, "error") or ""
    reply = TokenReply(
        outcome=TokenOutcome.UNKNOWN,
        status=answer.status,
        error=error,
        description=text_of(body, "error_description") or text_of(body, "description") or "",
        correlation_id=one_line(answer.header("inin-correlation-id") or "", 80),
        at=answer.date,
        reason=None,
    )
    if granted:
        return replace(reply, outcome=TokenOutcome.GRANTED)
    if answer.status in (400, 401) and error == "invalid_client":
        return replace(reply, outcome=TokenOutcome.REFUSED)
    if answer.status in (400, 401) and error == "unauthorized_client":
        return replace(reply, outcome=TokenOutcome.WRONG_GRANT)
    return replace(reply, reason=_no_token(host, answer, reply))


def _no_token(host: str, answer: HttpAnswer, reply: TokenReply) -> Reason:
    if answer.status == 200:
        return Reason(
            code=Cause.PARSE,
            detail=f"{host} answers the token request, but not with a token",
            enable="Find out what answers in the place of Genesys Cloud's login.",
        )
    words = " ".join(word for word in (reply.error, reply.description) if word)
    return _unanswered(host, "POST oauth/token", answer, _ApiError(words, "", reply.correlation_id))


def account_of(heard: Calls) -> Account:
    """Put together what the calls told of the client."""
    token = heard.told(TOKEN, object_of)
    client: Told[OAuthClient] = heard.told(TOKEN, _client_in_token)
    for path in heard.each(CLIENT):
        looked_up = heard.told(path, _client)
        if looked_up.value is not None or client.value is None:
            client = looked_up
    reference = None
    if token.value is not None:
        named = token.value.get("organization") or token.value.get("homeOrganization")
        reference = _reference(named)
    return Account(
        client=client,
        organization=heard.told(ORGANIZATION, _organization),
        reference=reference,
        grants=_all_grants(heard),
    )


def _all_grants(heard: Calls) -> Told[tuple[Grant, ...]]:
    told = heard.told(SUBJECT, _grants)
    if FULL_SUBJECT in heard:
        full = heard.told(FULL_SUBJECT, _grants)
        told = full if full.value is not None else told
    by_token = heard.told(TOKEN, _role_divisions)
    if told.value is None:
        if by_token.value is None:
            return told
        told = Told(call=by_token.call, value=(), reason=None, correlation_id=by_token.correlation_id)
    known = {(grant.role_id, grant.division_id) for grant in told.value or ()}
    grants = [*(told.value or ()), *(g for g in by_token.value or () if (g.role_id, g.division_id) not in known)]
    roles = {grant.role_id: (grant.role_name, grant.policies) for grant in told.value or ()}
    for path in heard.each(ROLE):
        role = heard.told(path, _role).value
        name, policies = roles.get(path.removeprefix(ROLE), (None, None))
        if role is not None:
            name, policies = name or role[0], policies if policies is not None else role[1]
        roles[path.removeprefix(ROLE)] = (name, policies)
    return replace(told, value=tuple(_with_role(grant, *roles.get(grant.role_id, (None, None))) for grant in grants))


def _with_role(grant: Grant, name: str | None, policies: tuple[Policy, ...] | None) -> Grant:
    return replace(
        grant,
        role_name=grant.role_name if grant.role_name is not None else name,
        policies=grant.policies if grant.policies is not None else policies,
    )


def _client_in_token(value: Json) -> OAuthClient:
    token = object_of(value)
    client = token.get("OAuthClient", token.get("oauthClient", token.get("oAuthClient")))
    if client is None:
        raise ProbeError(Cause.PARSE, "the token's record names no OAuth client")
    return _client(client)


def _client(value: Json) -> OAuthClient:
    client = object_of(value)
    until = text_of(client, "dateToDelete") or ""
    return OAuthClient(
        id=text_of(client, "id"),
        name=text_of(client, "name"),
        grant_type=text_of(client, "authorizedGrantType"),
        state=text_of(client, "state"),
        deletion=_moment(until),
        deletion_text=until,
    )


def _role_divisions(value: Json) -> tuple[Grant, ...]:
    token = object_of(value)
    client = object_of(token.get("OAuthClient", token.get("oauthClient", token.get("oAuthClient"))))
    found = []
    for item in list_of(client.get("roleDivisions")):
        pair = object_of(item)
        found.append(
            Grant(
                role_id=demanded(pair, "roleId"),
                role_name=None,
                policies=None,
                division_id=text_of(pair, "divisionId") or "",
                division_name=None,
                home=None,
            )
        )
    return tuple(found)


def _organization(value: Json) -> Organization:
    organization = object_of(value)
    return Organization(
        id=demanded(organization, "id"),
        name=text_of(organization, "name") or "",
        state=text_of(organization, "state"),
    )


def _reference(value: Json) -> Organization | None:
    try:
        return replace(_organization(value), state=None)
    except ProbeError:
        return None


def _grants(value: Json) -> tuple[Grant, ...]:
    return tuple(_grant(item) for item in list_of(object_of(value).get("grants")))


def _grant(value: Json) -> Grant:
    grant = object_of(value)
    role = object_of(grant.get("role"))
    shown = grant.get("division")
    division = object_of(shown) if shown is not None else {}
    home = division.get("homeDivision")
    policies = role.get("policies")
    return Grant(
        role_id=demanded(role, "id"),
        role_name=text_of(role, "name"),
        policies=_policies(policies) if policies is not None else None,
        division_id=text_of(division, "id") or "",
        division_name=text_of(division, "name"),
        home=home if isinstance(home, bool) else None,
    )


def _role(value: Json) -> tuple[str | None, tuple[Policy, ...] | None]:
    role = object_of(value)
    policies = role.get("permissionPolicies")
    return text_of(role, "name"), _policies(policies) if policies is not None else None


def _policies(value: Json) -> tuple[Policy, ...]:
    found = []
    for item in list_of(value):
        policy = object_of(item)
        actions = policy.get("actions", policy.get("actionSet"))
        found.append(
            Policy(
                domain=text_of(policy, "domain") or "",
                entity=text_of(policy, "entityName") or "",
                actions=tuple(action for action in list_of(actions) if isinstance(action, str)) if actions else (),
                conditional=any(policy.get(key) for key in ("condition", "resourceCondition", "resourceConditionNode")),
            )
        )
    return tuple(found)


def object_of(value: object) -> Mapping[str, Json]:
    """A JSON object, or a ``ProbeError``."""
    if not isinstance(value, dict):
        raise ProbeError(Cause.PARSE, "an object was expected")
    return value


def list_of(value: object) -> Sequence[Json]:
    """A JSON list, or a ``ProbeError``."""
    if not isinstance(value, list):
        raise ProbeError(Cause.PARSE, "a list was expected")
    return value


def text_of(value: Mapping[str, Json], key: str) -> str | None:
    """A text of an object, fit for a report; ``None`` where there is none."""
    said = value.get(key)
    return one_line(said) if isinstance(said, str) and said.strip() else None


def demanded(value: Mapping[str, Json], key: str) -> str:
    """A text of an object, or a ``ProbeError``."""
    said = text_of(value, key)
    if said is None:
        raise ProbeError(Cause.PARSE, f"it has no {key}")
    return said


def _moment(text: str) -> datetime | None:
    try:
        said = datetime.fromisoformat(text)
        return said.replace(tzinfo=UTC) if said.tzinfo is None else said.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def unread(reason: Reason) -> dict[str, object]:
    """The form in which an observation keeps why a step brought nothing."""
    return {"unread": reason.code.value, "detail": reason.detail, "enable": reason.enable, "by": reason.by}


def result_or_reason(recorded: object) -> HttpResult | Reason:
    """Read what ``as_json`` of a result, or ``unread``, wrote.

    Raises:
        ProbeError: it is neither.
    """
    if isinstance(recorded, dict) and "unread" in recorded:
        by = recorded.get("by")
        try:
            return Reason(
                code=Cause(recorded["unread"]),
                detail=str(recorded.get("detail")),
                enable=str(recorded.get("enable")),
                by=str(by) if by is not None else None,
            )
        except ValueError as error:
            raise ProbeError(Cause.PARSE, f"the recorded reason makes no sense: {error}") from None
    return result_from_json(recorded)
