"""Redis beyond the page: what an expert looks at before two EXCP depend on it in every call."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from readiness import (
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
)
from readiness.probes.redis import Ending, Login, Nameless, RedisAnswer
from readiness.probes.tcp import Latency, MeasureLatency, TcpPath, percentile, shown_ms
from readiness.site import Absent, EdgeTarget, Redis, ServiceTarget, Site, VmTarget
from readiness_checks.redis_heard import (
    MONTH,
    SECTION,
    SOURCES,
    UNASKABLE,
    UNDECIDED,
    Heard,
    RedisCheck,
    absent,
    blocked,
    cli,
    curl,
    unsaid,
)


class RedisSecured(RedisCheck):
    requirement = Requirement(
        id="redis.security",
        section=SECTION,
        text="Redis asks for a login, encrypts what it says, and holds no keys of others.",
        proof=(
            "From an EXEC VM Redis is greeted by PING before any login; then TLS, the login and the number of keys are"
            " looked at. EXEC's OAuth secret and its ID mapping are kept in this database in clear."
        ),
        outcomes={
            Status.PASS: "A client without a login is refused, TLS was verified, and the database is empty so far.",
            Status.WARN: "Anybody is served, words travel in clear, it holds keys already, or a certificate ends soon.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
        },
        remedy=(
            "Give EXEC an ACL user of its own, switch the default user off, serve TLS, and keep the database for EXEC"
            " alone; then declare `redis.username`, `redis.password` and `redis.tls`."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        answer = heard.answer
        if answer is None or not answer.spoke_redis:
            return blocked(heard)
        faults = list(_faults(target, heard, answer))
        evidence = tuple(_protection(heard, answer))
        expected = "login demanded, TLS verified, no keys of others"
        observed = "; ".join(
            f"{piece.label}: {piece.value if piece.label != _KEYS or piece.value == 'none' else 'some'}"
            for piece in evidence
        )
        ends = answer.certificate.not_after if answer.certificate is not None else None
        if faults:
            return Judgement.missed(
                f"Redis at {target.name} is not well protected: {', '.join(fault.words for fault in faults)}.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                reasoning="EXEC keeps its OAuth secret and the ID mapping in Redis. Whoever reads along or logs in"
                " there can act as EXEC in Genesys Cloud.",
                remedy="\n\n".join(fault.remedy for fault in faults),
                job=f"Protect Redis at {target.name}: {', '.join(fault.words for fault in faults)}",
                lane=faults[0].lane,
                valid_until=ends,
            )
        if answer.nameless is not Nameless.REFUSED:
            return _unseen(heard, answer, evidence)
        if heard.info is None:
            return unsaid(heard, "whether others keep keys in it")
        return Judgement.met(
            f"Redis at {target.name} demands a login and speaks TLS.",
            expected=expected,
            observed=observed,
            evidence=evidence,
            reasoning="A client without a login was turned away, the certificate was verified for the declared name,"
            " and the database holds no keys yet.",
            valid_until=ends,
        )


def _unseen(heard: Heard, answer: RedisAnswer, evidence: tuple[Evidence, ...]) -> Judgement:
    """Redis spoke, but not to the client that came without a login."""
    if answer.info is None and answer.ending is not Ending.ANSWERED:
        return blocked(heard)
    return Judgement.unknown(
        f"Whether Redis at {heard.target.name} demands a login was not seen.",
        Cause.NOT_OBSERVED,
        "what it answered a client without a login neither served it nor turned it away for want of one",
        enable="Ask it as a client without a login, and attest what it answers (NOAUTH is a demand, PONG an open"
        f" door):\n{_nameless_ping(heard.target)}",
        observed="a client without a login: not seen",
        evidence=evidence,
        reasoning="Redis lets the declared account in; what it does with a client that has none, no answer told.",
        owner=Owner.DBA,
    )


def _nameless_ping(target: ServiceTarget[Redis]) -> str:
    endpoint = target.service.endpoint
    tls = " --tls" if target.service.tls is not None else ""
    return f"redis-cli -h {shlex.quote(endpoint.host)} -p {endpoint.port}{tls} PING"


@dataclass(frozen=True)
class _Fault:
    words: str
    lane: Lane
    remedy: str


def _faults(target: ServiceTarget[Redis], heard: Heard, answer: RedisAnswer) -> Iterator[_Fault]:
    redis = target.service
    if answer.nameless is Nameless.OPEN:
        rights = ("~*", "&*", "+@all", "-@dangerous", "+info")
        grant = cli(target, "ACL", "SETUSER", redis.username or "exec", "on", "><password>", *rights, admin=True)
        yield _Fault(
            "anybody is served without a login",
            Lane.AUTH,
            f"Give EXEC a user of its own and switch the default user off, in this order:\n{grant}\n"
            f"{cli(target, 'ACL', 'SETUSER', 'default', 'off', admin=True)}\n"
            "Then declare `redis.username` and `redis.password` in the site file. In Redis Enterprise: set"
            " `default_user` to false for the database and give a role with an ACL to EXEC's user.",
        )
    if not answer.encrypted:
        yield _Fault(
            "what is said travels in clear",
            Lane.TLS,
            "Have Redis serve TLS (redis.conf: tls-port, tls-cert-file, tls-key-file; Redis Enterprise: `tls_mode`"
            " enabled for the database), then declare `redis.tls` with its `ca_file` in the site file.",
        )
    elif answer.certificate is not None and answer.certificate.ends_soon:
        yield _Fault(
            f"its certificate ends on {answer.certificate.not_after:%Y-%m-%d}",
            Lane.TLS,
            f"Renew the certificate of {target.name} before {answer.certificate.not_after:%Y-%m-%d}.",
        )
    if heard.info is not None and heard.info.keys:
        yield _Fault(
            f"it already holds {heard.info.keys} keys",
            Lane.CONFIGURATION,
            "Find out whose keys these are, and give EXEC a database of its own if they are not its own from an earlier"
            f" deployment:\n{cli(target, 'INFO', 'keyspace')}\n{cli(target, '--scan', '--count', '100')} | head",
        )


_KEYS = "Keys"
"""The label of what moves with every call; a reader of two runs is told only whether there are any."""


def _protection(heard: Heard, answer: RedisAnswer) -> Iterator[Evidence]:
    nameless = {
        Nameless.OPEN: "answered PING",
        Nameless.REFUSED: "refused",
        Nameless.UNSEEN: "not seen",
    }[answer.nameless]
    yield heard.told("Client without a login", nameless)
    if answer.certificate is not None:
        until = f"until {answer.certificate.not_after:%Y-%m-%d}"
        yield heard.told("TLS", f"{answer.tls_version}, issued by {answer.certificate.issuer}, {until}")
    else:
        yield heard.told("TLS", "none")
    if answer.login is Login.ACCEPTED:
        yield heard.told("Login", f"as {answer.username or 'the default user'}")
    if heard.info is not None:
        keys = ", ".join(f"db{space.index}: {space.keys}" for space in heard.info.keyspaces[:8])
        yield heard.told(_KEYS, keys or "none")
    if heard.database is not None and heard.database.tls_mode:
        default = {True: "on", False: "off", None: "not said"}[heard.database.default_user]
        yield heard.api_told("Database", f"tls_mode {heard.database.tls_mode}, default user {default}")


class RedisNeverEvicts(RedisCheck):
    requirement = Requirement(
        id="redis.eviction",
        section=SECTION,
        text="Redis never drops keys to make room.",
        proof="By `maxmemory_policy` of INFO or CONFIG GET, or by `eviction_policy` of the cluster's REST API.",
        outcomes={
            Status.PASS: "The policy is noeviction.",
            Status.WARN: "Another policy lets Redis drop keys when its memory is full.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
        },
        remedy=(
            "Redis Enterprise: set `eviction_policy` of the database to noeviction (its default is volatile-lru). Open"
            " source Redis: CONFIG SET maxmemory-policy noeviction, and the same in redis.conf."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        info, database = heard.info, heard.database
        if database is not None and database.eviction_policy:
            policy, evidence = database.eviction_policy, [heard.api_told("eviction_policy", database.eviction_policy)]
        elif info is not None and info.maxmemory_policy:
            policy, evidence = info.maxmemory_policy, [heard.told("maxmemory_policy", info.maxmemory_policy)]
        else:
            return unsaid(heard, "what it does when its memory is full")
        dropped = info.evicted_keys if info is not None else None
        if dropped is not None:
            evidence.append(heard.told("Keys dropped so far", str(dropped)))
        evidence += heard.api_trouble()
        if policy == "noeviction":
            return Judgement.met(
                f"Redis at {target.name} refuses writes rather than drop keys.",
                expected="noeviction",
                observed=policy,
                evidence=tuple(evidence),
                reasoning="With this policy a full memory shows as an error at once, and no mapping is lost unseen.",
            )
        which = "keys that carry an expiry" if policy.startswith("volatile-") else "any keys"
        return Judgement.missed(
            f"When its memory is full, Redis at {target.name} drops {which} ({policy}).",
            expected="noeviction",
            observed=f"{policy}{', keys dropped already' if dropped else ''}",
            evidence=tuple(evidence),
            reasoning="EXEC looks users, queues and calls up in Redis. A mapping that was dropped to make room is"
            " missed without any error; that the page does not ask for a policy makes this advice.",
            remedy=self._remedy(heard),
            job=f"Set the policy of Redis at {target.name} to noeviction",
            lane=Lane.CONFIGURATION,
        )

    @staticmethod
    def _remedy(heard: Heard) -> str:
        if heard.database is not None:
            return "Make writes fail loudly instead:\n" + curl(
                heard, f"bdbs/{heard.database.uid}", '{"eviction_policy": "noeviction"}'
            )
        if heard.enterprise:
            return (
                "Make writes fail loudly instead: have the cluster's administrator set `eviction_policy` of this"
                " database to noeviction, in the console or by the REST API."
            )
        return (
            "Make writes fail loudly instead:\n"
            + cli(heard.target, "CONFIG", "SET", "maxmemory-policy", "noeviction", admin=True)
            + "\n"
            + cli(heard.target, "CONFIG", "REWRITE", admin=True)
        )


LATENCY_LIMIT_MS = 5.0


class RedisNear(Check[VmTarget, Latency | TcpPath]):
    requirement = Requirement(
        id="redis.latency",
        section=SECTION,
        text="Redis is within 5 ms of each EXEC VM, in 99 of 100 connects.",
        proof=(
            "A process on the VM opens 50 connections to Redis one after the other and times each; where their 99th"
            " percentile is above 5 ms, it opens 50 more and all 100 count. That is one round trip; every call that"
            " two EXCP see costs them several."
        ),
        outcomes={
            Status.PASS: "The 99th percentile of the connect times is at most 5 ms.",
            Status.WARN: "It is more than 5 ms, or some connects failed.",
            Status.UNKNOWN: "The VM does not reach Redis, could not be asked, or has no tool that times a connect.",
            Status.MANUAL: "The site file says that there will be no Redis.",
        },
        remedy=(
            "Bring Redis and the EXEC VMs into one data centre, and take what inspects or relays the packets off the"
            " way between them."
        ),
        owner=Owner.NETWORK,
        valid_for=timedelta(days=7),
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        if isinstance(site.redis, Absent):
            return (absent(site.redis),)
        vms = site.vms_of(*SOURCES)
        if not vms:
            return (Settled.without_vms(),)
        return tuple(VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm) for vm in vms)

    def needs(self, target: VmTarget) -> Needs:
        assert isinstance(target.site.redis, Redis)
        endpoint = target.site.redis.endpoint
        return (MeasureLatency(target.vm.name, endpoint.host, endpoint.port, slow_ms=LATENCY_LIMIT_MS),)

    def judge(self, target: VmTarget, fact: Latency | TcpPath) -> Judgement:
        assert isinstance(target.site.redis, Redis)
        endpoint = target.site.redis.endpoint
        if isinstance(fact, TcpPath):
            edge = EdgeTarget.of(target.vm, endpoint, target.site)
            level = Level.TCP if fact.tried else Level.DECLARED
            return Judgement.blocked(
                f"connectivity.redis[{edge.name}]",
                f"Not measured: {target.name} does not reach Redis at {endpoint}.",
                detail=fact.observed,
                observed=fact.observed,
                evidence=(Evidence(label="Connects", value=fact.observed, level=level, of=fact),),
                lane=fact.lane,
            )
        asked = len(fact.samples_ms) + fact.failed
        observed = f"p99 {shown_ms(fact.p99)}, median {shown_ms(fact.p50)}"
        counted = f"{observed}, of {len(fact.samples_ms)} connects"
        evidence = [Evidence(label="Connect time", value=counted, level=Level.TCP, of=fact)]
        if fact.again:
            apart = "; ".join(f"p99 {shown_ms(percentile(one, 99))} of {len(one)}" for one in fact.batches)
            evidence.append(Evidence(label="First and second batch", value=apart, level=Level.TCP, of=fact))
        if fact.failed:
            failed = f"{fact.failed} of {asked}"
            evidence.append(Evidence(label="Failed connects", value=failed, level=Level.TCP, of=fact))
        figures = {"p50_ms": fact.p50, "p99_ms": fact.p99}
        expected = f"99 of 100 connects within {LATENCY_LIMIT_MS:g} ms"
        look = f"mtr -T -P {endpoint.port} -r -c 50 {shlex.quote(endpoint.host)}"
        if fact.p99 > LATENCY_LIMIT_MS:
            return Judgement.missed(
                f"From {target.name}, Redis is {shown_ms(fact.p99)} away at the 99th percentile.",
                expected=expected,
                observed=observed,
                evidence=tuple(evidence),
                reasoning="Redis lies in the path of every call: two EXCP compare what they see through it. The page"
                " names no limit; more than 5 ms is more than one data centre needs.",
                remedy=f"See on {target.name} where the time is lost:\n{look}",
                job=f"Shorten the way from {target.name} to Redis at {endpoint}",
                lane=Lane.ROUTE,
                figures=figures,
            )
        if fact.failed:
            return Judgement.weak(
                f"From {target.name}, {fact.failed} of {asked} connects to Redis failed.",
                expected=expected,
                observed=f"{observed}; some connects failed",
                evidence=tuple(evidence),
                reasoning="Those that came through were fast, but a path that loses connects is not a steady one.",
                remedy=f"See on {target.name} where packets are lost:\n{look}",
                job=f"Steady the way from {target.name} to Redis at {endpoint}",
                lane=Lane.ROUTE,
                figures=figures,
            )
        return Judgement.met(
            f"From {target.name}, Redis is {shown_ms(fact.p99)} away at the 99th percentile.",
            expected=expected,
            observed=observed,
            evidence=tuple(evidence),
            reasoning="A connect takes one round trip, so its time is the distance to Redis as this VM has it.",
            figures=figures,
        )
