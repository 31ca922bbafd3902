"""What Genesys Cloud says: of its hosts from every VM, and of the EX organisation in one conversation.

Nothing but a token request and GETs is ever sent (https://developer.genesys.cloud/platform/api). The token is a
secret like the one it was asked with; neither is recorded.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from readiness.model import Cause, ProbeError, Reason
from readiness.probe import Probe
from readiness.probes.genesys_cloud_api import (
    CLIENT,
    FULL_SUBJECT,
    ORGANIZATION,
    ROLE,
    SUBJECT,
    TOKEN,
    Account,
    Calls,
    TokenReply,
    account_of,
    demanded,
    list_of,
    object_of,
    result_or_reason,
    token_reply,
    unread,
)
from readiness.probes.http import (
    HttpAnswer,
    HttpConnection,
    HttpRefusal,
    HttpResult,
    Json,
    connect,
    json_of,
    request,
    result_from_json,
)
from readiness.probes.tls import Certificate, TlsTrouble
from readiness.secret import Secret, SecretRef
from readiness.site import Endpoint, GenesysCloud
from readiness.vantage import Limits, Vantages

HEAD_START = 1.0
"""Seconds that a VM has to reach the login before the next one tries as well."""

_MAX_LOOKUPS = 10
_MAX_BODY = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,8192}\Z")


class Interception(StrEnum):
    """Whether somebody opens TLS on the way, decided on the public roots alone."""

    NONE = "none"
    INTERCEPTED = "intercepted"
    UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class GenesysCloudHost:
    """How one host of Genesys Cloud answers a VM.

    ``direct`` is the page's path, verified on the public roots or the site's ``ca_file``; ``proxied`` the same by the
    site's proxy, ``None`` where it has none. ``shown`` is the certificate that decided about ``interception``, where
    it was seen.
    """

    vantage: str
    endpoint: Endpoint
    direct: HttpResult
    proxied: HttpResult | Reason | None
    interception: Interception
    shown: Certificate | None

    @property
    def issuer(self) -> str:
        """Who issued the certificate that was shown; empty where none was seen."""
        return self.shown.issuer if self.shown is not None else ""


@dataclass(frozen=True, kw_only=True)
class AskGenesysCloudHost(Probe[GenesysCloudHost]):
    """Ask one host of Genesys Cloud from one VM for any answer in HTTP over verified TLS.

    It is asked on the public roots first; only where its issuer is none of them, once more with ``ca_file``.
    """

    method: ClassVar[str] = "HTTPS request"

    vantage: str
    endpoint: Endpoint
    ca_file: Path | None
    proxy: str | None

    @staticmethod
    def of(vantage: str, endpoint: Endpoint, cloud: GenesysCloud) -> AskGenesysCloudHost:
        """The question about one of the hosts that a site declares."""
        return AskGenesysCloudHost(vantage=vantage, endpoint=endpoint, ca_file=cloud.ca_file, proxy=cloud.proxy)

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        proxied = f", also by {self.proxy}" if self.proxy is not None else ""
        return f"ask {self.endpoint} over HTTPS from {self.vantage}{proxied}"

    def limit(self, limits: Limits) -> float:
        return 2 * (2 * limits.connect + limits.conversation)

    async def read(self, vantages: Vantages) -> str:
        direct, proxied = await asyncio.gather(self._direct(vantages), self._proxied(vantages), return_exceptions=True)
        for result in (direct, proxied):
            if isinstance(result, BaseException):
                raise result
        assert not isinstance(direct, BaseException)
        return json.dumps({**direct, "proxied": proxied})

    async def _direct(self, vantages: Vantages) -> dict[str, object]:
        public = await self._ask(vantages, ca_file=None, proxy=None)
        trusted = None
        if self.ca_file is not None and _is_foreign(public):
            trusted = (await self._ask(vantages, ca_file=self.ca_file, proxy=None)).as_json()
        return {"public": public.as_json(), "trusted": trusted}

    async def _proxied(self, vantages: Vantages) -> dict[str, object] | None:
        if self.proxy is None:
            return None
        try:
            return (await self._ask(vantages, ca_file=self.ca_file, proxy=self.proxy)).as_json()
        except ProbeError as error:
            return unread(error.reason)

    async def _ask(self, vantages: Vantages, *, ca_file: Path | None, proxy: str | None) -> HttpResult:
        url = f"https://{self.endpoint}/"
        return await request(vantages, self.vantage, "HEAD", url, ca_file=ca_file, max_body=1024, proxy=proxy)

    def parse(self, response: str) -> GenesysCloudHost:
        recorded = object_of(json_of(response))
        public = result_from_json(recorded.get("public"))
        trusted, proxied = recorded.get("trusted"), recorded.get("proxied")
        direct = result_from_json(trusted) if trusted is not None else public
        return GenesysCloudHost(
            vantage=self.vantage,
            endpoint=self.endpoint,
            direct=direct,
            proxied=result_or_reason(proxied) if proxied is not None else None,
            interception=_interception(public),
            shown=_shown(direct) or _shown(public),
        )


def _is_foreign(result: HttpResult) -> bool:
    """Whether TLS failed for nothing but an issuer that is no public one."""
    return (
        isinstance(result, HttpRefusal) and result.tls is not None and result.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER
    )


def _interception(public: HttpResult) -> Interception:
    if public.certificate is not None:
        return Interception.NONE
    return Interception.INTERCEPTED if _is_foreign(public) else Interception.UNSEEN


def _shown(result: HttpResult) -> Certificate | None:
    if result.certificate is None and isinstance(result, HttpRefusal) and result.tls is not None:
        return result.tls.certificate
    return result.certificate


class Route(StrEnum):
    """By which way the conversation went: as the page has it, or by the site's proxy."""

    DIRECT = "direct"
    PROXY = "proxy"


@dataclass(frozen=True, kw_only=True)
class Try:
    """One VM's way to the login: why it did not get there, or ``None`` where it did or was still on its way."""

    vantage: str
    route: Route
    missed: HttpRefusal | Reason | None


@dataclass(frozen=True, kw_only=True)
class LoginUnreached:
    """No VM got to the login, so nobody was asked anything; at least one heard bad news on its way."""

    tries: tuple[Try, ...]


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """One conversation with Genesys Cloud; ``account`` is ``None`` where no token was granted."""

    tries: tuple[Try, ...]
    spoken_from: str
    route: Route
    token: TokenReply
    account: Account | None


@dataclass(frozen=True, kw_only=True)
class AskGenesysCloud(Probe[Conversation | LoginUnreached]):
    """Ask Genesys Cloud what it knows of the OAuth client, from the first VM of ``order`` that reaches the login.

    One token is requested, once; a failed request is not repeated. With it tokens/me, authorization/subjects/me and
    organizations/me are read at the same time, then roles and the client where those left something open.
    """

    method: ClassVar[str] = "Genesys Cloud API"

    order: tuple[str, ...]
    login: Endpoint
    api: Endpoint
    client_id: str
    client_secret: SecretRef
    ca_file: Path | None
    proxy: str | None

    @staticmethod
    def of(order: tuple[str, ...], cloud: GenesysCloud) -> AskGenesysCloud:
        """The conversation that a site declares.

        Raises:
            ValueError: it names no OAuth client, or no secret.
        """
        if cloud.client_id is None or cloud.client_secret is None:
            raise ValueError("without an OAuth client and its secret there is nobody to ask as")
        return AskGenesysCloud(
            order=order,
            login=cloud.login,
            api=cloud.api,
            client_id=cloud.client_id,
            client_secret=cloud.client_secret,
            ca_file=cloud.ca_file,
            proxy=cloud.proxy,
        )

    @property
    def vantages(self) -> tuple[str, ...]:
        return self.order

    def describe(self) -> str:
        names = ", ".join(self.order)
        return (
            f"ask {self.login} for one token as OAuth client {self.client_id}, and {self.api} what it knows of it, "
            f"from the first that gets there of {names}"
        )

    def limit(self, limits: Limits) -> float:
        return 5 * (limits.connect + limits.conversation) + HEAD_START * len(self.order)

    async def read(self, vantages: Vantages) -> str:
        secret = vantages.secret(self.client_secret)
        tries: list[Try] = []
        route = Route.DIRECT
        found = await self._reach(vantages, route, tries)
        if found is None and self.proxy is not None:
            route = Route.PROXY
            found = await self._reach(vantages, route, tries)
        recorded: dict[str, object] = {"tries": [_try_as_json(tried) for tried in tries]}
        if found is None:
            _demand_news(tries)
            return json.dumps(recorded)
        name, connection = found
        recorded |= {"spoken_from": name, "route": route.value}
        async with connection:
            answer = await connection.ask(
                "POST",
                headers=(("Accept", "application/json"),),
                form=(("grant_type", "client_credentials"),),
                basic=(self.client_id, secret),
            )
        token = _token_in(answer)
        recorded |= {"token": _token_as_json(answer), "granted": token is not None}
        if token is not None:
            vantages.learn(token)
            proxy = self.proxy if route is Route.PROXY else None
            talk = _Talk(vantages, name, f"https://{self.api}/api/v2/", token, self.ca_file, proxy)
            await talk.hear_all(self.client_id)
            recorded["calls"] = talk.heard
        return vantages.redact(json.dumps(recorded))

    async def _reach(self, vantages: Vantages, route: Route, tries: list[Try]) -> tuple[str, HttpConnection] | None:
        """Race to the login: each VM gets a head start on the next and stays in the race."""
        url = f"https://{self.login}/oauth/token"
        proxy = self.proxy if route is Route.PROXY else None
        waiting = list(self.order)
        running: dict[str, asyncio.Task[HttpConnection | HttpRefusal]] = {}
        missed: dict[str, HttpRefusal | Reason] = {}
        try:
            while waiting or running:
                if waiting:
                    name = waiting.pop(0)
                    way = connect(vantages, name, url, ca_file=self.ca_file, proxy=proxy)
                    running[name] = asyncio.create_task(way)
                await asyncio.wait(
                    running.values(),
                    timeout=HEAD_START if waiting else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                for name in [name for name, task in running.items() if task.done()]:
                    try:
                        result: HttpConnection | HttpRefusal | Reason = running[name].result()
                    except ProbeError as error:
                        result = error.reason
                    del running[name]
                    if isinstance(result, HttpConnection):
                        return name, result
                    missed[name] = result
            return None
        finally:
            await _call_off(running.values())
            started = [name for name in self.order if name not in waiting]
            tries += [Try(vantage=name, route=route, missed=missed.get(name)) for name in started]

    def parse(self, response: str) -> Conversation | LoginUnreached:
        recorded = object_of(json_of(response))
        tries = tuple(_try_from_json(tried) for tried in list_of(recorded.get("tries")))
        if "spoken_from" not in recorded:
            if not any(isinstance(tried.missed, HttpRefusal) for tried in tries):
                raise ProbeError(Cause.PARSE, "the record says neither who spoke nor why nobody did")
            return LoginUnreached(tries=tries)
        granted = recorded.get("granted") is True
        token = token_reply(result_from_json(recorded.get("token")), str(self.login), granted=granted)
        return Conversation(
            tries=tries,
            spoken_from=str(recorded["spoken_from"]),
            route=_route(recorded.get("route")),
            token=token,
            account=account_of(Calls(object_of(recorded.get("calls")), str(self.api))) if granted else None,
        )


def _demand_news(tries: Sequence[Try]) -> None:
    """Bad news of one VM is a fact; where no VM could be asked at all there is none."""
    reasons = [(tried.vantage, tried.missed) for tried in tries if isinstance(tried.missed, Reason)]
    if len(reasons) == len(tries):
        why = "; ".join(dict.fromkeys(f"{name}: {reason.detail}" for name, reason in reasons))
        first = reasons[0][1]
        raise ProbeError(first.code, f"no VM could be asked ({why})", enable=first.enable, by=first.by)


async def _call_off(running: Iterable[asyncio.Task[HttpConnection | HttpRefusal]]) -> None:
    """Stop those that lost the race, and hang up where one of them came through after all."""
    tasks = list(running)
    for task in tasks:
        task.cancel()
    for late in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(late, HttpConnection):
            await late.close()


def _token_in(answer: HttpResult) -> Secret | None:
    if not isinstance(answer, HttpAnswer) or answer.status != 200:
        return None
    try:
        token = object_of(answer.json).get("access_token")
    except ProbeError:
        return None
    return Secret(token) if isinstance(token, str) and _TOKEN.match(token) else None


def _token_as_json(answer: HttpResult) -> dict[str, object]:
    """The answer without its body where that may hold a token."""
    recorded = answer.as_json()
    if isinstance(answer, HttpAnswer) and answer.status < 300:
        recorded["body"] = ""
    return recorded


@dataclass
class _Talk:
    """The calls that follow a token, all from one machine, within one limit; ``heard`` is their record."""

    vantages: Vantages
    vantage: str
    base: str
    token: Secret
    ca_file: Path | None
    proxy: str | None
    heard: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limits = self.vantages.limits
        self.ends = time.monotonic() + 2 * (limits.connect + limits.conversation) - limits.connect

    async def hear_all(self, client_id: str) -> None:
        await self._hear(TOKEN, ORGANIZATION, SUBJECT)
        account = account_of(Calls(self.heard, ""))
        more: list[str] = []
        client = account.client.value
        if client is None or client.grant_type is None or client.state is None:
            more += [CLIENT + client_id] if _ID.match(client_id) else []
        if not all(grant.is_told for grant in account.grants.value or ()):
            more.append(FULL_SUBJECT)
        await self._hear(*more)
        grants = account_of(Calls(self.heard, "")).grants.value or ()
        missing = [id for id in dict.fromkeys(grant.role_id for grant in grants if not grant.is_told) if _ID.match(id)]
        await self._hear(*(ROLE + role for role in missing[:_MAX_LOOKUPS]))

    async def _hear(self, *paths: str) -> None:
        for path, heard in zip(paths, await asyncio.gather(*map(self._get, paths)), strict=True):
            self.heard[path] = heard

    async def _get(self, path: str) -> dict[str, object]:
        try:
            answer = await self._ask(path)
            wait = answer.retry_after if isinstance(answer, HttpAnswer) and answer.status == 429 else None
            if wait is not None and wait < self._left:
                await asyncio.sleep(wait)
                answer = await self._ask(path)
        except ProbeError as error:
            return unread(error.reason)
        return answer.as_json()

    @property
    def _left(self) -> float:
        return self.ends - time.monotonic()

    async def _ask(self, path: str) -> HttpResult:
        left = min(self._left, self.vantages.limits.conversation)
        if left <= 0:
            raise ProbeError(
                Cause.TIMEOUT,
                "the calls before it took all the time that the conversation has",
                enable="Run the audit again, or raise `limits.conversation` in the site file.",
            )
        return await request(
            self.vantages,
            self.vantage,
            "GET",
            self.base + path,
            ca_file=self.ca_file,
            bearer=self.token,
            headers=(("Accept", "application/json"),),
            limit=left,
            max_body=_MAX_BODY,
            proxy=self.proxy,
        )


def _try_as_json(tried: Try) -> dict[str, object]:
    missed = tried.missed
    shown = unread(missed) if isinstance(missed, Reason) else missed.as_json() if missed is not None else None
    return {"vantage": tried.vantage, "route": tried.route.value, "missed": shown}


def _try_from_json(recorded: Json) -> Try:
    tried = object_of(recorded)
    shown = tried.get("missed")
    missed = result_or_reason(shown) if shown is not None else None
    if isinstance(missed, HttpAnswer):
        raise ProbeError(Cause.PARSE, "a recorded try makes no sense")
    return Try(vantage=demanded(tried, "vantage"), route=_route(tried.get("route")), missed=missed)


def _route(recorded: object) -> Route:
    try:
        return Route(str(recorded))
    except ValueError:
        raise ProbeError(Cause.PARSE, "a recorded route makes no sense") from None
