"""A stand-in of Genesys Cloud: the login and the API of one region, as far as an audit asks them.

It answers as the published platform API does, errors, correlation ids and rate limits included. Which of the two
hosts is asked follows from the Host header, so that both share one port. What it holds is a plain dataclass that a
test or the demo changes while it serves.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import ssl
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import Self

from readiness.lab.https import Answer, Asked, HttpsServer, Reply

HOME = "00000000-aaaa-4aaa-8aaa-000000000001"
"""The id of the Home division."""

INJECTION = (
    ("conversation", "conversation", ("inject",)),
    ("presence", "userPresence", ("inject",)),
    ("routing", "routingstatus", ("inject",)),
)
"""The permissions by which conversations, presence and routing status are written."""


@dataclass(frozen=True, kw_only=True)
class RoleGrant:
    """A role that the client holds in a division; ``policies`` are (domain, entity, actions)."""

    name: str
    id: str
    policies: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    division: str = "Home"
    division_id: str = HOME


EX_INTEGRATION = RoleGrant(
    name="EX Integration",
    id="5c1e9a52-7d41-4b3c-9a55-2f6f0d1b8e01",
    policies=(*INJECTION, ("directory", "user", ("view",))),
)
"""The role that the page asks for, with some of what it may hold."""

REPORTING = RoleGrant(
    name="Reporting API",
    id="9b7d3c10-51aa-4c0e-8d5e-6a1f2b3c4d5e",
    policies=(("analytics", "conversationDetail", ("view",)), ("routing", "queue", ("view",))),
)
"""A role that is of no use to EXEC."""


@dataclass
class Fault:
    """What is answered instead, and how many times; ``None`` for good."""

    answer: Answer
    times: int | None = None


@dataclass
class GenesysCloudState:
    """An organisation, its OAuth client and what is wrong today.

    ``client_permissions``: what lets the client read more than itself (``authorization:role:view``,
    ``oauth:client:view``). ``grant_detail``: whether subjects/me tells names and policies always, only when asked by
    ``includeFullRoles``, or never. ``clock_offset``: how far its clock is ahead. ``faults`` by path; ``login`` and
    ``api`` stand for every path of that host.
    """

    region: str = "mypurecloud.de"
    client_id: str = "3f0c2f7e-5a39-4d0a-9c4b-7d1c7a3a9b11"
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    client_name: str = "exec-acme-berlin"
    grant_type: str = "CLIENT_CREDENTIALS"
    client_state: str = "active"
    date_to_delete: datetime | None = None
    organization_id: str = "7a6b1c55-90de-4f7b-8f0e-1c2d3e4f5a6b"
    organization_name: str = "ACME EX Berlin"
    organization_state: str = "active"
    roles: tuple[RoleGrant, ...] = (EX_INTEGRATION,)
    client_permissions: frozenset[str] = frozenset()
    grant_detail: str = "always"
    client_in_token: bool = True
    refusal_status: int = 400
    clock_offset: timedelta = timedelta()
    faults: dict[str, Fault] = field(default_factory=dict)


class GenesysCloud:
    """Serves one state over HTTPS; an async context.

    ``tls``: a server context that shows a certificate for ``login.<region>`` and ``api.<region>``. ``tokens`` are
    those that it issued, random in every run; ``calls`` counts requests by host kind and path ("login /oauth/token").
    """

    def __init__(
        self, state: GenesysCloudState, *, tls: ssl.SSLContext, address: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.state = state
        self.server = HttpsServer(self._answer, tls=tls, address=address, port=port)
        self.tokens: list[str] = []
        self.calls: Counter[str] = Counter()

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def hosts(self) -> tuple[str, str]:
        """The names that lead here: login and api."""
        return f"login.{self.state.region}", f"api.{self.state.region}"

    async def start(self) -> None:
        await self.server.start()

    async def close(self) -> None:
        await self.server.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _answer(self, asked: Asked) -> Answer:
        kind = {self.hosts[0]: "login", self.hosts[1]: "api"}.get(asked.host.lower(), "")
        self.calls[f"{kind} {asked.path}"] += 1
        for key in (asked.path, kind):
            fault = self.state.faults.get(key)
            if fault is not None and fault.times != 0:
                fault.times = fault.times - 1 if fault.times is not None else None
                return self._dated(fault.answer)
        if kind == "login":
            return self._dated(self._login(asked))
        if kind == "api":
            return self._dated(self._api(asked))
        return self._dated(Reply(status=421, body=b"misdirected request"))

    def _dated(self, answer: Answer) -> Answer:
        if not isinstance(answer, Reply) or any(name.lower() == "date" for name, _ in answer.headers):
            return answer
        now = datetime.now(UTC) + self.state.clock_offset
        date = ("Date", format_datetime(now, usegmt=True))
        return Reply(status=answer.status, headers=(date, *answer.headers), body=answer.body)

    def _login(self, asked: Asked) -> Answer:
        if asked.path != "/oauth/token":
            page = b"<!doctype html><title>Genesys Cloud</title>"
            return Reply(headers=(("Content-Type", "text/html; charset=utf-8"), _correlation()), body=page)
        if asked.method != "POST":
            return oauth_error(405, "invalid_request", "method not allowed")
        if not asked.header("content-type").startswith("application/x-www-form-urlencoded"):
            return oauth_error(400, "invalid_request", "unsupported content type")
        if not self._known(asked) or self.state.client_state != "active":
            return oauth_error(self.state.refusal_status, "invalid_client", "authentication failed")
        if asked.form.get("grant_type") != "client_credentials":
            return oauth_error(400, "unsupported_grant_type", "grant type not supported")
        if self.state.grant_type.replace("-", "_").upper() != "CLIENT_CREDENTIALS":
            return oauth_error(400, "unauthorized_client", "client is not authorized for this grant type")
        self.tokens.append(secrets.token_urlsafe(64))
        return _json(200, {"access_token": self.tokens[-1], "token_type": "bearer", "expires_in": 86399})

    def _known(self, asked: Asked) -> bool:
        scheme, _, given = asked.header("authorization").partition(" ")
        try:
            user, _, password = base64.b64decode(given, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        known = user == self.state.client_id and secrets.compare_digest(password, self.state.client_secret)
        return scheme.lower() == "basic" and known

    def _api(self, asked: Asked) -> Answer:
        if asked.method != "GET":
            return api_error(405, "method.not.allowed", "HTTP 405 Method Not Allowed")
        scheme, _, token = asked.header("authorization").partition(" ")
        if scheme.lower() != "bearer" or not token:
            said = "No authentication bearer token specified in authorization header."
            return api_error(401, "authentication.required", said)
        if token not in self.tokens or self.state.client_state == "disabled":
            return api_error(401, "bad.credentials", "Invalid login credentials.")
        match asked.path.strip("/").split("/")[2:]:
            case ["date"]:
                now = datetime.now(UTC) + self.state.clock_offset
                return self._told({"currentDate": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"})
            case ["tokens", "me"]:
                return self._told(self._token_info())
            case ["organizations", "me"]:
                return self._told(self._organization())
            case ["authorization", "subjects", "me"]:
                return self._told(self._subject(full=dict(asked.query).get("includeFullRoles") == "true"))
            case ["authorization", "roles", role]:
                return self._guarded("authorization:role:view", self._role(role))
            case ["oauth", "clients", client]:
                return self._guarded("oauth:client:view", self._client() if client == self.state.client_id else None)
            case _:
                return api_error(404, "not.found", "The requested resource was not found.")

    def _told(self, value: object) -> Reply:
        spent = ("inin-ratelimit-count", str(len(self.server.asked)))
        return _json(200, value, spent, ("inin-ratelimit-allowed", "300"), ("inin-ratelimit-reset", "61"))

    def _guarded(self, permission: str, value: object) -> Answer:
        if permission not in self.state.client_permissions:
            said = "Unable to perform the requested action. You must have at least one of the following permissions "
            return api_error(403, "missing.any.permissions", f"{said}assigned: [{permission}]")
        if value is None:
            return api_error(404, "not.found", "The requested resource was not found.")
        return self._told(value)

    def _token_info(self) -> dict[str, object]:
        organization = {"id": self.state.organization_id, "name": self.state.organization_name}
        info: dict[str, object] = {"organization": organization, "homeOrganization": organization}
        if self.state.client_in_token:
            info["OAuthClient"] = {**self._client(), "organization": organization}
        return info

    def _client(self) -> dict[str, object]:
        client: dict[str, object] = {
            "id": self.state.client_id,
            "name": self.state.client_name,
            "authorizedGrantType": self.state.grant_type,
            "scope": [],
            "roleDivisions": [{"roleId": role.id, "divisionId": role.division_id} for role in self.state.roles],
            "state": self.state.client_state,
        }
        if self.state.date_to_delete is not None:
            client["dateToDelete"] = f"{self.state.date_to_delete.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}"
        return client

    def _organization(self) -> dict[str, object]:
        return {
            "id": self.state.organization_id,
            "name": self.state.organization_name,
            "thirdPartyOrgName": self.state.organization_name.lower().replace(" ", "-"),
            "version": 12,
            "state": self.state.organization_state,
            "productPlatform": "PureCloud",
            "selfUri": f"/api/v2/organizations/{self.state.organization_id}",
        }

    def _subject(self, *, full: bool) -> dict[str, object]:
        told = self.state.grant_detail == "always" or (self.state.grant_detail == "asked" and full)
        grants: list[dict[str, object]] = []
        for role in self.state.roles:
            shown: dict[str, object] = {"id": role.id, "selfUri": f"/api/v2/authorization/roles/{role.id}"}
            if told:
                shown |= {"name": role.name, "policies": [_policy(*policy) for policy in role.policies]}
            division = {"id": role.division_id, "name": role.division, "homeDivision": role.division_id == HOME}
            grants.append({"subjectId": self.state.client_id, "division": division, "role": shown})
        return {"id": self.state.client_id, "name": self.state.client_name, "grants": grants, "version": 1}

    def _role(self, id: str) -> dict[str, object] | None:
        role = next((role for role in self.state.roles if role.id == id), None)
        if role is None:
            return None
        policies = [
            {"domain": domain, "entityName": entity, "actionSet": list(actions), "allowConditions": False}
            for domain, entity, actions in role.policies
        ]
        return {"id": role.id, "name": role.name, "permissions": [], "permissionPolicies": policies, "base": False}


def oauth_error(status: int, error: str, description: str) -> Reply:
    """An error of the login, in the form of RFC 6749 with Genesys Cloud's additions."""
    return _json(status, {"error": error, "description": description, "error_description": description})


def api_error(status: int, code: str, message: str, *extra: tuple[str, str]) -> Reply:
    """An error of the API; its correlation id stands in a header and as ``contextId``."""
    correlation = str(uuid.uuid4())
    body = {
        "message": message,
        "code": code,
        "status": status,
        "contextId": correlation,
        "details": [],
        "errors": [],
    }
    return _json(status, body, ("ININ-Correlation-Id", correlation), *extra)


def rate_limited(retry_after: int) -> Reply:
    """The API's answer to too many requests; ``retry_after`` in seconds."""
    said = f"Rate limit exceeded the maximum. Retry the request in [{retry_after}] seconds"
    return api_error(
        429,
        "too.many.requests.retry.after",
        said,
        ("Retry-After", str(retry_after)),
        ("inin-ratelimit-count", "301"),
        ("inin-ratelimit-allowed", "300"),
        ("inin-ratelimit-reset", str(retry_after)),
    )


def _policy(domain: str, entity: str, actions: tuple[str, ...]) -> Mapping[str, object]:
    return {"domain": domain, "entityName": entity, "actions": list(actions)}


def _correlation() -> tuple[str, str]:
    return ("ININ-Correlation-Id", str(uuid.uuid4()))


def _json(status: int, value: object, *headers: tuple[str, str]) -> Reply:
    named = any(name.lower() == "inin-correlation-id" for name, _ in headers)
    return Reply(
        status=status,
        headers=(
            ("Content-Type", "application/json"),
            ("Cache-Control", "no-cache, no-store, must-revalidate"),
            *(() if named else (_correlation(),)),
            *headers,
        ),
        body=json.dumps(value).encode(),
    )
