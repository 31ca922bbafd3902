"""What the machines heard of Redis, and the words and commands that every check of it shares."""

from __future__ import annotations

import shlex
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from readiness import Attempt, Cause, Check, Evidence, Judgement, Lane, Level, Needs, Owner, Settled, Unread
from readiness.probes.redis import AskRedis, Ending, RedisAnswer, RedisInfo, ServerRole
from readiness.probes.redis_enterprise import ApiEnding, AskRedisEnterprise, EnterpriseAnswer, EnterpriseDatabase, Match
from readiness.site import Absent, Redis, Role, ServiceTarget, Site

SECTION = "Redis Cache"
SOURCES = (Role.EXCS, Role.EXAS, Role.EXCP)
"""The roles whose rows name Redis, in the order in which they are asked."""

MONTH = timedelta(days=30)
UNDECIDED = (
    "No EXEC VM could talk to Redis, the account may not read what decides it, or a Sentinel or a replica answers"
    " where the master should."
)
UNASKABLE = "The site file says that there will be no Redis, or nothing that can be asked decides it."

_API = "GET /v1/bdbs"
DECLARE_API = (
    "Declare the cluster's REST API under `redis.enterprise_api` in the site file (a viewer's login will do), then run"
    " the audit again."
)
DECLARE_ITS_NAME = (
    "Declare as `redis.host` the name that the cluster itself gives the database's endpoint (GET /v1/bdbs,"
    " `endpoints`), then run the audit again."
)
_ENTERPRISE_SUFFIXES = (".redis-cloud.com", ".rlrcp.com", ".redislabs.com", ".redisenterprise.cache.azure.net")

Said = RedisAnswer | EnterpriseAnswer | Unread


@dataclass(frozen=True)
class Heard:
    """What the machines heard of one Redis, put in order.

    ``answer``: of the first that was told what the server is, else of the first that was told anything. ``api``: the
    cluster's own description, where the site file gives the way to it.
    """

    target: ServiceTarget[Redis]
    answer: RedisAnswer | None
    api: EnterpriseAnswer | None
    unread: tuple[Unread, ...]

    @staticmethod
    def of(target: ServiceTarget[Redis], facts: Sequence[Said]) -> Heard:
        answers = [fact for fact in facts if isinstance(fact, RedisAnswer)]
        telling = [answer for answer in answers if answer.info is not None]
        served = [answer for answer in answers if answer.ending is Ending.ANSWERED]
        return Heard(
            target=target,
            answer=next(iter((*telling, *served, *answers)), None),
            api=next((fact for fact in facts if isinstance(fact, EnterpriseAnswer)), None),
            unread=tuple(fact for fact in facts if isinstance(fact, Unread)),
        )

    @property
    def info(self) -> RedisInfo | None:
        return self.answer.info if self.answer is not None else None

    @property
    def database(self) -> EnterpriseDatabase | None:
        """The database at the declared endpoint; ``None`` where nothing but its port ties it to that."""
        return self.api.database if self.api is not None and self.api.match is not Match.PORT else None

    @property
    def namesake(self) -> EnterpriseDatabase | None:
        """A database of the cluster that shares the declared port and neither name nor address: perhaps another."""
        return self.api.database if self.api is not None and self.api.match is Match.PORT else None

    @property
    def by_shard(self) -> bool:
        """Whether INFO is, or may well be, that of a shard and not of the database."""
        return self.enterprise or self.namesake is not None

    @property
    def talked(self) -> bool:
        """Whether Redis was talked to at all, by its own protocol or by the API."""
        served = self.answer is not None and (self.answer.info is not None or self.answer.ending is Ending.ANSWERED)
        return served or self.database is not None

    @property
    def enterprise(self) -> bool:
        """Whether this is proven to be Redis Enterprise."""
        managed = self.answer is not None and self.answer.enterprise_managed
        return self.database is not None or managed or self.hosted

    @property
    def hosted(self) -> bool:
        """Whether Redis answers under a name that only Redis' own services have."""
        return self.talked and host_of(self.target).endswith(_ENTERPRISE_SUFFIXES)

    @property
    def elsewhere(self) -> str:
        """Why this endpoint is not the one that EXEC needs; empty where it is."""
        if self.answer is None or self.info is None:
            return ""
        if self.answer.sentinel:
            masters = ", ".join(self.info.masters) or "a master that it does not name"
            return f"a Sentinel answers there; it watches over {masters}"
        if self.info.role is ServerRole.REPLICA:
            return f"a replica answers there, which takes no writes; its master is {self.info.master or 'not named'}"
        return ""

    def told(self, label: str, value: str) -> Evidence:
        """What Redis itself said."""
        assert self.answer is not None
        return Evidence(label=label, value=value, level=self.answer.level, of=self.answer)

    def api_told(self, label: str, value: str) -> Evidence:
        """What the cluster's API said."""
        assert self.api is not None
        return Evidence(
            label=label,
            value=value,
            level=Level.AUTHENTICATED,
            of=self.api,
            vantage=self.api.vantage,
            method=_API if label != "Licence" else "GET /v1/license",
        )

    def api_trouble(self) -> Iterator[Evidence]:
        """Why the API that the site file names did not help, as evidence that decides nothing."""
        if self.namesake is not None:
            yield self.api_told(
                "Redis Enterprise API",
                f"of the cluster's databases {self.namesake.name}, number {self.namesake.uid}, shares the port alone,"
                " neither name nor address: it may be another, and is not judged",
            )
        if self.api is not None and self.api.ending is not ApiEnding.ANSWERED:
            yield Evidence(
                label="Redis Enterprise API",
                value=_api_words(self.api),
                level=Level.DECLARED if self.api.ending is ApiEnding.UNREACHED else Level.PROTOCOL,
                of=self.api,
                vantage=self.api.vantage,
            )


class RedisCheck(Check[ServiceTarget[Redis], *tuple[Said, ...]]):
    """A requirement that is judged by what Redis and its cluster say."""

    def targets(self, site: Site) -> Sequence[ServiceTarget[Redis] | Settled]:
        if isinstance(site.redis, Absent):
            return (absent(site.redis),)
        return (ServiceTarget.of(site.redis.endpoint, site.redis, site.vms_of(*SOURCES), site),)

    def needs(self, target: ServiceTarget[Redis]) -> Needs:
        asked = tuple(Attempt(AskRedis.of(vm, target.service)) for vm in target.vantages)
        api = target.service.enterprise_api
        if api is None or not target.vantages:
            return asked
        return (
            *asked,
            Attempt(AskRedisEnterprise(candidates=target.vantages, api=api, endpoint=target.service.endpoint)),
        )

    def judge(self, target: ServiceTarget[Redis], *facts: Said) -> Judgement:
        judgement = self._judged(target, Heard.of(target, facts))
        return judgement if judgement.expected else replace(judgement, expected=self.requirement.text)

    def _judged(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        if not target.vantages:
            return no_vm()
        if heard.elsewhere:
            return _elsewhere(heard)
        if not heard.talked:
            return blocked(heard)
        return self.conclude(target, heard)

    @abstractmethod
    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        """Judge what a Redis said that was talked to, and that is the master."""


def absent(why: Absent) -> Settled:
    """The one target of every ``redis.*`` check where the site has no Redis."""
    return Settled.absent(
        "redis",
        why,
        what="Redis",
        expected="a Redis Enterprise 6.x database of the customer for EXEC",
        remedy="Declare `redis` in the site file once it is planned, or attest with a reference how EXEC does without.",
    )


# ---- what keeps every one of them from being judged --------------------------------------------------------------


def no_vm() -> Judgement:
    return Judgement.unknown(
        "No EXEC VM is built yet, so nothing could ask Redis from where EXEC will run.",
        Cause.UNDECLARED,
        "no EXCS, EXAS or EXCP VM has a `host` in the site file",
        enable="Give at least one EXEC VM its `host` in the site file and run the audit again.",
        lane=Lane.CONFIGURATION,
        owner=Owner.DEPLOYER,
    )


def _elsewhere(heard: Heard) -> Judgement:
    assert heard.answer is not None
    at = heard.target.name
    return Judgement.unknown(
        f"{at} is not the database that EXEC writes to: {heard.elsewhere}.",
        Cause.UNSUPPORTED,
        heard.elsewhere,
        enable="Declare the master's own endpoint as `redis.host` and `redis.port` in the site file, then run the"
        " audit again.",
        observed=heard.elsewhere,
        evidence=(heard.told("Role", heard.elsewhere),),
        reasoning="What a Sentinel or a replica says of itself need not be true of the master, so nothing is concluded"
        " from it.",
        lane=Lane.CONFIGURATION,
        owner=Owner.DEPLOYER,
        job=f"Declare the master of Redis instead of {at}",
    )


def blocked(heard: Heard) -> Judgement:
    """Nothing was heard that could decide: the row of the first VM says what stands in the way."""
    target, vm = heard.target, heard.target.vantages[0]
    by = f"connectivity.redis[{vm}->{target.name}]"
    trouble = tuple(heard.api_trouble())
    if heard.answer is None:
        why = heard.unread[0].reason.detail if heard.unread else "no machine gave an answer"
        return Judgement.blocked(
            by,
            f"Not determined: no EXEC VM could be asked about Redis at {target.name}.",
            detail=why,
            observed=why,
            evidence=trouble,
            reasoning="Without a word from Redis nothing is known of it, neither good nor bad.",
        )
    answer = heard.answer
    if answer.ending is Ending.LOGIN_MISSING:
        return Judgement.unknown(
            f"Redis at {target.name} says nothing without a login, and the site file declares none.",
            Cause.UNDECLARED,
            "`redis.password` is not in the site file",
            enable="Declare `redis.username` and `redis.password` as EXEC will use them, and run the audit again.",
            observed=answer.text,
            evidence=(heard.told("PING", answer.text), *trouble),
            reasoning="A refusal to talk to strangers says nothing about what a client with a login would be told.",
            lane=Lane.AUTH,
            owner=Owner.DEPLOYER,
        )
    return Judgement.blocked(
        by,
        f"Not determined: seen from {answer.vantage}, Redis at {target.name} {answer.words}.",
        detail=f"{answer.vantage}: {target.name} {answer.words}",
        observed=f"{answer.words} ({answer.text})" if answer.text else answer.words,
        evidence=(heard.told("Conversation", answer.text or answer.words), *trouble),
        reasoning="The conversation ended before Redis said what decides this. What stands in the way is judged as"
        " its own row of the connectivity table.",
        lane=answer.lane or Lane.PROBE,
    )


def unsaid(heard: Heard, what: str) -> Judgement:
    """Redis was talked to, and did not say this."""
    answer = heard.answer
    if answer is None or (answer.info is None and answer.ending is not Ending.ANSWERED):
        return blocked(heard)
    if answer.info is None:
        user = answer.username or "default"
        refusal = answer.info_refusal or "INFO was not answered"
        return Judgement.unknown(
            f"Redis at {heard.target.name} does not let the account {user} read {what}.",
            Cause.PERMISSION,
            f"INFO: {refusal}",
            enable="Let the account run INFO, then run the audit again. On the server:\n"
            + cli(heard.target, "ACL", "SETUSER", user, "+info", admin=True),
            observed=refusal,
            evidence=(heard.told("INFO", refusal), *heard.api_trouble()),
            reasoning="A refusal to tell says nothing about what would have been told.",
            lane=Lane.AUTH,
            owner=Owner.DBA,
        )
    refusal = answer.config_refusal
    api = heard.target.service.enterprise_api
    return Judgement.unknown(
        f"Redis at {heard.target.name} does not say {what}.",
        Cause.PERMISSION if refusal else Cause.UNSUPPORTED,
        f"INFO leaves it out{f', and CONFIG GET answers: {refusal}' if refusal else ''}",
        enable=DECLARE_API
        if api is None
        else DECLARE_ITS_NAME
        if heard.namesake is not None
        else "Make the Redis Enterprise API answer for this database, then run the audit again.",
        observed=f"not in INFO{f'; CONFIG GET: {refusal}' if refusal else ''}",
        evidence=(
            heard.told("INFO", f"without {what}"),
            *heard.api_trouble(),
        ),
        reasoning="Managed services leave some fields out and refuse CONFIG; that is no fault of the database, and no"
        " proof either.",
        lane=Lane.AUTH if refusal else Lane.PROBE,
        owner=Owner.DBA,
    )


def _api_words(api: EnterpriseAnswer) -> str:
    words = {
        ApiEnding.UNREACHED: "was not reached",
        ApiEnding.LOGIN_REFUSED: "refuses the declared login",
        ApiEnding.FORBIDDEN: "does not let this user see the databases",
        ApiEnding.FAILING: "answers with an error of its own",
        ApiEnding.NOT_THE_API: "is not what answers at that URL",
        ApiEnding.NO_DATABASE: "knows no database at this endpoint",
        ApiEnding.ANSWERED: "answered",
    }
    return words[api.ending] + (f" ({api.text})" if api.text else "")


# ---- commands ----------------------------------------------------------------------------------------------------


def host_of(target: ServiceTarget[Redis]) -> str:
    return target.service.endpoint.host.rstrip(".").lower()


def cli(target: ServiceTarget[Redis], *words: str, admin: bool = False) -> str:
    """A redis-cli line for this very endpoint; it asks for the password instead of showing it.

    ``admin``: for what EXEC's own account will not be allowed.
    """
    redis = target.service
    argv = ["redis-cli", "-h", redis.endpoint.host, "-p", str(redis.endpoint.port)]
    if redis.tls is not None:
        argv += ["--tls", *(["--cacert", str(redis.tls.ca_file)] if redis.tls.ca_file is not None else [])]
        argv += ["--sni", redis.tls.server_name] if redis.tls.server_name is not None else []
    if redis.username is not None:
        argv += ["--user", "ADMIN" if admin else redis.username]
    if redis.password is not None:
        argv.append("--askpass")
    return shlex.join([*argv, *words])


def curl(heard: Heard, path: str, body: str = "", method: str = "PUT") -> str:
    """A curl line for the cluster's API as an administrator; it asks for the password."""
    api = heard.target.service.enterprise_api
    url = api.url.rstrip("/") if api is not None else "https://<cluster>:9443"
    ca = ["--cacert", str(api.ca_file)] if api is not None and api.ca_file is not None else []
    argv = ["curl", *ca, "-u", "ADMIN"]
    argv += ["-X", method, "-H", "Content-Type: application/json", "-d", body] if body else []
    return shlex.join([*argv, f"{url}/v1/{path}"])


def attested(
    check: str,
    target: ServiceTarget[Redis],
    summary: str,
    *,
    expected: str,
    what: str,
    observed: str = "",
    evidence: tuple[Evidence, ...] = (),
    why: str = "What can be asked does not decide it.",
    also: str = "",
) -> Judgement:
    """Only a person can say ``what``; ``why`` nothing that was seen does.

    ``observed`` holds what stays as it is from run to run; what moves by itself is evidence alone.
    """
    reference = target.site.change_ticket or "<ticket>"
    entry = f'- {{check: {check}, target: "{target.name}", by: <name>, date: <YYYY-MM-DD>, reference: {reference}}}'
    return Judgement.manual(
        summary,
        expected=expected,
        observed=observed,
        evidence=evidence,
        reasoning=f"The page makes this the duty of the customer's DBA team. {why} A signed statement settles it.",
        remedy=f"{also}{chr(10) * 2 if also else ''}Have the DBA team state {what}, then add to `attestations` in the"
        f" site file:\n{entry}",
        job=f"State {what} ({target.name})",
        lane=Lane.CONFIGURATION,
    )
