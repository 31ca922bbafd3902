"""Redis Cache: the database that EXEC keeps its ID mapping in, and that two EXCP meet in for every call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from readiness import Cause, Check, Evidence, Judgement, Lane, Needs, Owner, Requirement, Settled, Status
from readiness.probes.redis import Product, RedisInfo, ServerRole
from readiness.site import Absent, Redis, ServiceTarget, Site
from readiness.sizing import Need, in_gb, redis_memory
from readiness_checks.redis_heard import (
    DECLARE_API,
    DECLARE_ITS_NAME,
    MONTH,
    SECTION,
    SOURCES,
    UNASKABLE,
    UNDECIDED,
    Heard,
    RedisCheck,
    Said,
    absent,
    attested,
    cli,
    curl,
    host_of,
    unsaid,
)

_MANAGED_SUFFIXES = {
    ".cache.amazonaws.com": "Amazon ElastiCache",
    ".amazonaws.com": "an AWS service",
    ".redis.cache.windows.net": "Azure Cache for Redis",
    ".redis.azure.net": "Azure Managed Redis",
}


class RedisVersion6(RedisCheck):
    requirement = Requirement(
        id="redis.version",
        section=SECTION,
        text="The Redis database runs version 6.x.",
        proof=(
            "From an EXEC VM, Redis is asked for INFO over the declared login and TLS, and `redis_version` is compared"
            " part by part. The version of the cluster software around a Redis Enterprise database does not count."
        ),
        outcomes={
            Status.PASS: "The database reports 6.0, 6.2 or another 6.x.",
            Status.WARN: "Another product answers that reports a 6.x version only to be compatible.",
            Status.FAIL: "The database reports a version that is not 6.x.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
        },
        remedy=(
            "Create a database of version 6.2 and declare it: a database cannot be downgraded. Redis Software clusters"
            " of version 7 and 8 still offer 6.2, but give a new database a later version unless 6.2 is asked for:\n"
            'curl -u <admin> -X POST -H "Content-Type: application/json" -d \'{"name": "exec", "redis_version": "6.2",'
            ' "memory_size": <bytes>, "port": <port>}\' https://<cluster>:9443/v1/bdbs'
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        info, database = heard.info, heard.database
        expected = "a Redis database of version 6.x"
        if info is not None and info.numbers:
            version, numbers = info.version or "", info.numbers
            evidence = [heard.told("redis_version", version)]
        elif database is not None and (database.version or database.redis_version)[:1].isdigit():
            version = database.version or database.redis_version
            numbers = tuple(int(part) for part in version.split("-")[0].split(".") if part.isdigit())
            evidence = [heard.api_told("Database version", version)]
        else:
            return unsaid(heard, "its version")
        evidence += _software(heard)
        if info is not None and info.product is not Product.REDIS:
            return self._clone(target, heard, version, tuple(evidence), like_6=numbers[0] == 6)
        if numbers[0] == 6:
            return Judgement.met(
                f"Redis at {target.name} runs version {version}.",
                expected=expected,
                observed=version,
                evidence=tuple(evidence),
                reasoning="The page names 6.x, and the first number of the version that the database reports is 6.",
            )
        return Judgement.missed(
            f"Redis at {target.name} runs version {version}; EXEC supports 6.x.",
            expected=expected,
            observed=version,
            evidence=tuple(evidence),
            reasoning="The page names 6.x. The database reports its own version, and its first number is"
            f" {numbers[0]}.",
            remedy=_version_remedy(heard, numbers[0]),
            job=f"Provide a Redis database of version 6.2 in place of {version} at {target.name}",
            lane=Lane.VERSION,
        )

    @staticmethod
    def _clone(
        target: ServiceTarget[Redis], heard: Heard, version: str, evidence: tuple[Evidence, ...], *, like_6: bool
    ) -> Judgement:
        assert heard.info is not None
        product = _product(heard.info)
        told = (*evidence, heard.told("Product", product))
        observed, expected = f"{product}, which reports redis_version {version}", "a Redis database of version 6.x"
        remedy = _version_remedy(heard, 0)
        job = f"Provide a Redis Enterprise database of version 6.2 in place of {heard.info.product} at {target.name}"
        if like_6:
            return Judgement.weak(
                f"{target.name} reports Redis {version}, but is {heard.info.product.value}.",
                expected=expected,
                observed=observed,
                evidence=told,
                reasoning="A clone reports the version of Redis that it wants to be compatible with. That number meets"
                " the page's words; that it is no Redis is judged by redis.edition.",
                remedy=remedy,
                job=job,
                lane=Lane.VERSION,
            )
        return Judgement.missed(
            f"{target.name} is {heard.info.product.value} and does not even report a Redis of 6.x.",
            expected=expected,
            observed=observed,
            evidence=told,
            reasoning="The page names 6.x. Neither the product nor the version that it reports is that.",
            remedy=remedy,
            job=job,
            lane=Lane.VERSION,
        )


def _software(heard: Heard) -> Iterator[Evidence]:
    if heard.api is not None and heard.api.software_version:
        offers = f"; its nodes can run databases of {', '.join(heard.api.offers)}" if heard.api.offers else ""
        yield heard.api_told("Cluster software", f"Redis Software {heard.api.software_version}{offers}")


def _version_remedy(heard: Heard, major: int) -> str:
    at = heard.target.name
    if heard.enterprise:
        size = (
            heard.database.memory_size if heard.database is not None and heard.database.memory_size else 2_000_000_000
        )
        body = f'{{"name": "exec", "redis_version": "6.2", "memory_size": {size}}}'
        offers = heard.api.offers if heard.api is not None else ()
        if offers and not any(version.startswith("6.") for version in offers):
            return (
                f"This cluster's nodes can run databases of {', '.join(offers)} only. Ask the DBA team for a cluster"
                " that offers 6.2, and declare a database of that version there."
            )
        return (
            "Create a database of version 6.2 on the cluster and declare its endpoint: an existing database cannot be"
            " taken back to an earlier version. Beware of the default: clusters of Redis Software 7 and 8 still offer"
            " 6.2, but a new database gets a later version unless 6.2 is asked for.\n"
            + curl(heard, "bdbs", body, "POST")
        )
    upgrade = "upgraded to" if 0 < major < 6 else "replaced by"
    return (
        f"Have {at} {upgrade} a Redis Enterprise database of version 6.2, and declare its endpoint as `redis` in the"
        " site file. Redis Software 7 and 8 offer 6.2 too, yet not as their default: it has to be chosen. Then prove"
        " it:\n" + cli(heard.target, "INFO", "server")
    )


class RedisEnterpriseEdition(RedisCheck):
    requirement = Requirement(
        id="redis.edition",
        section=SECTION,
        text="The database is Redis Enterprise.",
        proof=(
            "By the cluster's REST API where the site file gives it (database and licence), by a module path that only"
            " Redis Enterprise announces, or by a host name of Redis' own cloud services. Clones are known by the"
            " fields of INFO that are theirs alone."
        ),
        outcomes={
            Status.PASS: "One of these signs proves Redis Enterprise.",
            Status.WARN: "It is Redis, but nothing proves the Enterprise edition; or its licence is over or nearly so.",
            Status.FAIL: "Another product answers: KeyDB, Dragonfly, Valkey, Garnet, Kvrocks or the like.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
        },
        remedy=(
            "Declare the cluster's REST API as `redis.enterprise_api` (url, username, password, ca_file; the role"
            " db_viewer will do). Where Redis is not Enterprise, have the DBA team provide an Enterprise database."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        info = heard.info
        expected = "Redis Enterprise"
        if info is not None and info.product is not Product.REDIS:
            product = _product(info)
            return Judgement.missed(
                f"{target.name} is {info.product.value}, not Redis Enterprise.",
                expected=expected,
                observed=f"{product}, which reports redis_version {info.version}",
                evidence=(heard.told("Product", product), *heard.api_trouble()),
                reasoning="EXEC supports Redis Enterprise. INFO carries fields that only this other product writes,"
                " whatever version of Redis it claims to be compatible with.",
                remedy="Have the DBA team provide a Redis Enterprise database of version 6.2, and declare its endpoint"
                " as `redis` in the site file.",
                job=f"Replace {info.product.value} at {target.name} by Redis Enterprise",
                lane=Lane.VERSION,
            )
        if heard.enterprise:
            return self._proven(target, heard)
        if info is None and heard.answer is not None and not heard.answer.modules:
            return unsaid(heard, "what it is")
        managed = next((name for suffix, name in _MANAGED_SUFFIXES.items() if host_of(target).endswith(suffix)), "")
        shown = f"Redis as a service of {managed}" if managed else "Redis that does not show its edition"
        return Judgement.weak(
            f"{target.name} is Redis; that it is Redis Enterprise is not proven.",
            expected=expected,
            observed=shown,
            evidence=(
                heard.told("HELLO and INFO", "nothing that only Redis Enterprise says"),
                *([heard.told("Host name", f"belongs to {managed}")] if managed else []),
                *heard.api_trouble(),
            ),
            reasoning=(
                ""
                if heard.namesake is None
                else "The cluster whose API answers has a database at that port, but nothing ties it to this endpoint. "
            )
            + "Redis Enterprise need not show itself to a client, so its absence from INFO is no proof against"
            " it; nothing speaks for it either.",
            remedy=(
                "If it is Redis Enterprise, let the audit see it: declare `redis.enterprise_api` in the site file with"
                " the cluster's URL (port 9443) and a user of the role db_viewer. If it is not, have the DBA team"
                " provide an Enterprise database."
                if heard.namesake is None
                else DECLARE_ITS_NAME
            ),
            job=f"Show that Redis at {target.name} is the Enterprise edition, or replace it",
            lane=Lane.CONFIGURATION,
        )

    def _proven(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        api, database = heard.api, heard.database
        evidence: list[Evidence] = []
        signs: list[str] = []
        if database is not None and api is not None:
            signs.append("Only Redis Enterprise has this REST API, and it knows the database at this endpoint.")
            evidence.append(heard.api_told("Database", f"{database.name}, number {database.uid} of {api.cluster}"))
            evidence += _software(heard)
        if heard.answer is not None and heard.answer.enterprise_managed:
            signs.append("Only Redis Enterprise announces its modules under that path.")
            evidence.append(heard.told("HELLO", f"modules: {', '.join(heard.answer.modules)}"))
        if heard.hosted and heard.answer is not None:
            signs.append("Names of that domain lead to Redis' own cloud services, which are Enterprise.")
            evidence.append(heard.told("Host name", f"{host_of(target)} belongs to Redis' own services"))
        evidence += heard.api_trouble()
        version = api.software_version if api is not None else ""
        observed = f"Redis Enterprise{f', Redis Software {version}' if version else ''}"
        reasoning = " ".join(signs)
        licence = api.licence if api is not None else None
        if api is not None and licence is not None:
            until = f"until {licence.expires:%Y-%m-%d}" if licence.expires is not None else "without an end"
            evidence.append(heard.api_told("Licence", f"{'expired' if licence.expired else 'valid'}, {until}"))
            if licence.expired or licence.ends_soon(api.seen_at):
                ended = "has expired" if licence.expired else "ends within 30 days"
                return Judgement.weak(
                    f"{target.name} is Redis Enterprise, but its licence {ended}.",
                    expected="Redis Enterprise with a licence that lasts",
                    observed=f"{observed}, licence {until}",
                    evidence=tuple(evidence),
                    reasoning=f"{reasoning} Without a valid licence the cluster keeps serving, but nothing in it can be"
                    " changed or repaired.",
                    remedy="Install the new licence key as an administrator:\n"
                    + curl(heard, "license", '{"license": "<key>"}'),
                    job=f"Renew the licence of the Redis cluster behind {target.name}",
                    lane=Lane.CONFIGURATION,
                    valid_until=licence.expires,
                )
        return Judgement.met(
            f"{target.name} is Redis Enterprise.",
            expected="Redis Enterprise",
            observed=observed,
            evidence=tuple(evidence),
            reasoning=reasoning,
            valid_until=licence.expires if licence is not None else None,
        )


def _product(info: RedisInfo) -> str:
    return f"{info.product.value} {info.product_version}".rstrip()


class RedisClusterModeOff(RedisCheck):
    requirement = Requirement(
        id="redis.cluster-mode",
        section=SECTION,
        text="Redis Cluster mode is off.",
        proof="By `redis_mode` and `cluster_enabled` of INFO, and by `oss_cluster` of the cluster's REST API.",
        outcomes={
            Status.PASS: "The database runs standalone, and the OSS Cluster API is off where the REST API tells.",
            Status.WARN: "The database is sharded behind Redis Enterprise's proxy, which the page does not speak of.",
            Status.FAIL: "Redis Cluster mode, or the OSS Cluster API of Redis Enterprise, is on.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
        },
        remedy=(
            "Redis Enterprise: turn the OSS Cluster API off for the database (`oss_cluster` false). Open source Redis:"
            " give EXEC a database of its own that runs with `cluster-enabled no`."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        info, database = heard.info, heard.database
        by_info = info.in_cluster_mode if info is not None else None
        by_api = database.oss_cluster if database is not None else None
        evidence: list[Evidence] = []
        if info is not None and by_info is not None:
            said = f"redis_mode {info.mode.value}" if info.mode is not None else f"cluster_enabled {by_info:d}"
            evidence.append(heard.told("INFO", said))
        shards = database.shards_count if database is not None else None
        if database is not None and by_api is not None:
            count = f", {shards} shard{'s' if shards != 1 else ''}" if shards is not None else ""
            evidence.append(heard.api_told("Database", f"oss_cluster {str(by_api).lower()}{count}"))
        evidence += heard.api_trouble()
        expected = "Redis Cluster mode off"
        if by_info or by_api:
            return Judgement.missed(
                f"Redis at {target.name} runs in Cluster mode, which EXEC does not support.",
                expected=expected,
                observed="; ".join(piece.value for piece in evidence),
                evidence=tuple(evidence),
                reasoning="In Cluster mode a client is sent from node to node for its keys; the page rules this mode"
                " out.",
                remedy=self._remedy(heard),
                job=f"Give EXEC a Redis database without Cluster mode instead of {target.name}",
                lane=Lane.CONFIGURATION,
            )
        if by_info is None and by_api is None:
            return unsaid(heard, "whether Cluster mode is on")
        if database is not None and database.sharding and shards is not None and shards > 1:
            return Judgement.weak(
                f"Redis at {target.name} is one endpoint, but keeps its keys in {shards} shards.",
                expected=expected,
                observed=f"Cluster mode off, {shards} shards behind the proxy",
                evidence=tuple(evidence),
                reasoning="To a client this is not Cluster mode. Commands on several keys can fail across shards all"
                " the same, and the page does not say whether EXEC uses any.",
                remedy="Ask Genesys whether EXEC runs on a sharded database, or have one of a single shard created: the"
                " number of shards cannot be lowered later.",
                job=f"Settle with Genesys whether {shards} shards at {target.name} are supported",
                lane=Lane.CONFIGURATION,
            )
        return Judgement.met(
            f"Redis at {target.name} does not run in Cluster mode.",
            expected=expected,
            observed="; ".join(piece.value for piece in evidence),
            evidence=tuple(evidence),
            reasoning="The server says so itself."
            + ("" if by_api is not None else " How many shards may stand behind a proxy, a client cannot see."),
        )

    @staticmethod
    def _remedy(heard: Heard) -> str:
        if heard.database is not None:
            return "Turn the OSS Cluster API off for this database:\n" + curl(
                heard, f"bdbs/{heard.database.uid}", '{"oss_cluster": false}'
            )
        return (
            "Give EXEC a database that runs standalone: in its redis.conf\ncluster-enabled no\nA running cluster cannot"
            " be turned into one; create the database anew and declare its endpoint. In Redis Enterprise, turn the OSS"
            " Cluster API off for the database. Then prove it:\n" + cli(heard.target, "INFO", "cluster")
        )


class RedisMemorySuffices(RedisCheck):
    requirement = Requirement(
        id="redis.memory",
        section=SECTION,
        text="Redis has the memory that the planned agents and calls need: 2 GB for 1000 agents and 5 CAPS.",
        proof=(
            "By `maxmemory` of INFO or CONFIG GET, or by the database's memory size in the REST API, halved where"
            " replicas are counted in. For other loads the documented point is scaled: `readiness size` shows how."
        ),
        outcomes={
            Status.PASS: "The limit is at least the upper bound of the need.",
            Status.WARN: "The limit lies between the two bounds, or there is no limit and the host is large enough.",
            Status.FAIL: "The limit, or without one the whole host, is under the lower bound or under 2 GB.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: UNASKABLE,
            Status.SKIP: "This revision of the page names no memory for Redis.",
        },
        remedy=(
            "Redis Enterprise: raise `memory_size` of the database, twice the usable size where it is replicated. Open"
            " source Redis: CONFIG SET maxmemory <bytes>, and the same in redis.conf. Lower `capacity` in the site file"
            " if it is planned too high."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Redis] | Settled]:
        found = super().targets(site)
        if site.page.redis_memory is not None:
            return found
        why = f"Revision {site.page.revision} of the page names no memory for Redis."
        return [
            each if isinstance(each, Settled) else Settled(target=each, judgement=Judgement.skip(why)) for each in found
        ]

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        need = redis_memory(target.site.page, target.site.capacity.agents, target.site.capacity.caps)
        found = _limit(heard)
        if found is None:
            return self._unread(heard)
        evidence = (*found.evidence, *self._used(heard), *heard.api_trouble())
        expected = (
            f"at least {in_gb(need.recommended)} of usable memory for {need.planned}"
            f" (bounds {in_gb(need.lower)} and {in_gb(need.upper)})"
        )
        if found.usable == 0:
            return self._unlimited(heard, need, found, evidence, expected)
        size, carried = in_gb(found.usable), need.carried(found.usable)
        figures = _figures(need, found)
        # Under the smallest size that is documented, the rule says nothing that would be accepted.
        observed = f"{found.words}; carries up to {carried}" if found.usable >= need.documented else found.words
        if found.usable < need.least:
            return Judgement.missed(
                f"Redis can use {size}; {need.planned} need at least {in_gb(need.least)}.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                reasoning=f"{need.reasoning()} {size} is less than "
                + (
                    "the least that any such rule allows."
                    if found.usable < need.lower
                    else f"the documented {in_gb(need.documented)}."
                ),
                remedy=_memory_remedy(heard, need),
                job=f"Raise the usable Redis memory at {target.name} from {size} to {in_gb(need.recommended)}",
                lane=Lane.CAPACITY,
                figures=figures,
            )
        if found.usable < need.recommended:
            return Judgement.weak(
                f"Redis can use {size}; whether that carries {need.planned}, the page does not decide.",
                expected=expected,
                observed=observed,
                evidence=evidence,
                reasoning=f"{need.reasoning()} {size} lies between the bounds.",
                remedy=_memory_remedy(heard, need),
                job=f"Raise the usable Redis memory at {target.name} from {size} to {in_gb(need.recommended)}",
                lane=Lane.CAPACITY,
                figures=figures,
            )
        return Judgement.met(
            f"Redis can use {size}, enough for {need.planned}.",
            expected=expected,
            observed=f"{observed}; headroom {in_gb(need.headroom(found.usable))}",
            evidence=evidence,
            reasoning=f"{need.reasoning()} {size} is not less than the recommended {in_gb(need.recommended)}.",
            figures=figures,
        )

    @staticmethod
    def _unread(heard: Heard) -> Judgement:
        if not heard.by_shard or heard.info is None:
            return unsaid(heard, "its memory limit")
        if not heard.enterprise:
            return Judgement.unknown(
                f"How much memory Redis at {heard.target.name} may use is not known: the cluster lists it by no name.",
                Cause.NOT_OBSERVED,
                "a database of the cluster shares the declared port alone, so its figures may be another's, and INFO"
                " may be that of one shard",
                enable=DECLARE_ITS_NAME,
                observed="a database of the cluster at this port, under another name and address",
                evidence=tuple(heard.api_trouble()),
                reasoning="Neither figure is proven to be that of the declared endpoint, so neither a pass nor a"
                " failure follows from it.",
                owner=Owner.DBA,
            )
        return Judgement.unknown(
            f"How much memory the database at {heard.target.name} may use, only its cluster can say.",
            Cause.UNSUPPORTED,
            "the INFO of Redis Enterprise is that of one shard, not of the database",
            enable=DECLARE_API,
            observed="Redis Enterprise, without an answer of its REST API",
            evidence=(heard.told("INFO", "that of one shard"), *heard.api_trouble()),
            reasoning="A limit in INFO is not the database's there, so neither a pass nor a failure follows from it.",
            owner=Owner.DBA,
        )

    @staticmethod
    def _used(heard: Heard) -> Iterator[Evidence]:
        if heard.info is not None and heard.info.used_memory is not None:
            yield heard.told("Used now", in_gb(heard.info.used_memory))

    @staticmethod
    def _unlimited(heard: Heard, need: Need, found: _Limit, evidence: tuple[Evidence, ...], expected: str) -> Judgement:
        host, at = found.host, heard.target.name
        figures = _figures(need, found)
        if host is not None and host < need.least:
            return Judgement.missed(
                f"Redis has no memory limit, and its whole host has {in_gb(host)}; {need.planned} need at least"
                f" {in_gb(need.least)}.",
                expected=expected,
                observed=found.words,
                evidence=evidence,
                reasoning=f"{need.reasoning()} Without a limit Redis can take no more than its host has, and that is"
                " less.",
                remedy=f"Move Redis to a host with more memory than {in_gb(need.recommended)}, and give it a limit"
                " there:\n" + _memory_remedy(heard, need),
                job=f"Give Redis at {at} a host and a limit for {in_gb(need.recommended)}",
                lane=Lane.CAPACITY,
                figures=figures,
            )
        return Judgement.weak(
            "Redis has no memory limit: nothing keeps memory free for EXEC, and nothing stops Redis from growing.",
            expected=expected,
            observed=found.words,
            evidence=evidence,
            reasoning=f"{need.reasoning()} `maxmemory 0` means no limit: the host's memory is shared with whatever else"
            " runs there, and the system ends Redis when it is used up.",
            remedy=_memory_remedy(heard, need),
            job=f"Set a memory limit of {in_gb(need.recommended)} for Redis at {at}",
            lane=Lane.CAPACITY,
            figures=figures,
        )


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """Bytes that keys may fill, 0 without a limit, and of the host where that is known."""

    usable: int
    host: int | None
    words: str
    evidence: tuple[Evidence, ...]


def _limit(heard: Heard) -> _Limit | None:
    database, info = heard.database, heard.info
    if database is not None and database.memory_size is not None and database.usable_memory is not None:
        replicated = " counted twice for its replicas" if database.replication else ""
        value = f"memory_size {database.memory_size} bytes ({in_gb(database.memory_size)}){replicated}"
        words = f"{in_gb(database.usable_memory)} usable" if database.memory_size else "no limit set"
        told = (heard.api_told("Database", value),)
        return _Limit(usable=database.usable_memory, host=None, words=words, evidence=told)
    if heard.by_shard or info is None or info.maxmemory is None:
        # The INFO of Redis Enterprise is that of a shard, not of the database.
        return None
    host, limit = info.total_system_memory, info.maxmemory
    evidence = [heard.told(f"maxmemory ({info.maxmemory_from})", f"{limit} bytes ({in_gb(limit)})")]
    if host is not None:
        evidence.append(heard.told("Host memory", f"{host} bytes ({in_gb(host)})"))
    if limit == 0:
        words = f"no limit set{f' on a host of {in_gb(host)}' if host is not None else ''}"
        return _Limit(usable=0, host=host, words=words, evidence=tuple(evidence))
    if host is not None and host < limit:
        words = f"{in_gb(host)}, all that its host has (the limit is {in_gb(limit)})"
        return _Limit(usable=host, host=host, words=words, evidence=tuple(evidence))
    return _Limit(usable=limit, host=host, words=f"{in_gb(limit)} usable", evidence=tuple(evidence))


def _figures(need: Need, found: _Limit) -> dict[str, float]:
    figures: dict[str, float] = {
        "usable_bytes": found.usable,
        "lower_bytes": need.lower,
        "upper_bytes": need.upper,
        "least_bytes": need.least,
        "recommended_bytes": need.recommended,
        "documented_bytes": need.documented,
        "documented_agents": need.at.agents,
        "documented_caps": need.at.caps,
    }
    return figures if found.host is None else figures | {"host_bytes": found.host}


def _memory_remedy(heard: Heard, need: Need) -> str:
    size, database = need.recommended, heard.database
    if database is not None:
        twice = (
            f" The database is replicated, so {in_gb(size)} usable are {in_gb(2 * size)} of memory_size."
            if (database.replication)
            else ""
        )
        body = f'{{"memory_size": {2 * size if database.replication else size}}}'
        return f"Set the database's memory size.{twice}\n" + curl(heard, f"bdbs/{database.uid}", body)
    return (
        f"Set the limit to {in_gb(size)}, and write it into the configuration so that it outlives a restart (where"
        f" CONFIG is switched off: `maxmemory {size}` in redis.conf, then a restart):\n"
        + cli(heard.target, "CONFIG", "SET", "maxmemory", str(size), admin=True)
        + "\n"
        + cli(heard.target, "CONFIG", "REWRITE", admin=True)
    )


class RedisScalable(RedisCheck):
    requirement = Requirement(
        id="redis.scalability",
        section=SECTION,
        text="The customer's DBA team has set Redis up so that it can grow with the load.",
        proof=(
            "By a person: how a database would be grown shows in nothing that it says. What it shows of its size and"
            " connections is listed for whoever attests."
        ),
        outcomes={
            Status.MANUAL: "Nothing can probe it; an attestation in the site file settles it.",
            Status.UNKNOWN: "The site file does not say whether there is a Redis.",
        },
        remedy=(
            "Have the DBA team say in writing how Redis is grown when agents or calls do, and add to `attestations`:\n"
            "- {check: redis.scalability, target: <host:port>, by: <name>, date: <YYYY-MM-DD>, reference: <ticket>}"
        ),
        owner=Owner.DBA,
        valid_for=timedelta(days=180),
    )

    def judge(self, target: ServiceTarget[Redis], *facts: Said) -> Judgement:
        return self.conclude(target, Heard.of(target, facts))

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        evidence: list[Evidence] = []
        observed: list[str] = []
        info, database = heard.info, heard.database
        if info is not None and info.maxclients is not None:
            evidence.append(heard.told("Connections", f"{info.connected_clients} of at most {info.maxclients}"))
            observed.append(f"at most {info.maxclients} connections")
        if database is not None and database.shards_count is not None:
            shards = f"{database.shards_count}, placed {database.shards_placement or 'as nothing says'}"
            evidence.append(heard.api_told("Shards", shards))
            observed.append(f"shards: {shards}")
        return attested(
            self.requirement.id,
            target,
            "Nobody has stated yet how Redis grows with the load.",
            expected="a DBA team that knows how to grow this Redis when agents or calls do",
            what="how this Redis is grown when agents or calls do",
            observed="; ".join(observed),
            why="Figures of today do not say how they can be raised.",
            evidence=tuple(evidence),
        )


class RedisResilient(RedisCheck):
    requirement = Requirement(
        id="redis.resiliency",
        section=SECTION,
        text="Redis outlives the loss of one of its machines.",
        proof=(
            "By `replication` of the database in the cluster's REST API, or by a replica that the master's INFO lists"
            " as online. Without either, by a person."
        ),
        outcomes={
            Status.PASS: "The database is replicated within its cluster, or a replica is online.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: "No replica shows; whoever runs Redis can say how it outlives a loss.",
        },
        remedy=(
            "Redis Enterprise: turn replication on, with twice the memory size. Open source Redis: run a replica and"
            " Sentinels, and let EXEC's endpoint follow the master. Or attest what else protects it."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        info, database = heard.info, heard.database
        expected = "a replica that takes over when the master is lost"
        evidence: list[Evidence] = []
        if database is not None and database.replication is not None:
            nodes = (
                f" on a cluster of {len(heard.api.nodes)} nodes" if heard.api is not None and heard.api.nodes else ""
            )
            state = "on" if database.replication else "off"
            evidence.append(heard.api_told("Database", f"replication {state}{nodes}"))
        # The INFO of Redis Enterprise is that of a shard: whom that lists is no replica of the database.
        master = info is not None and info.role is ServerRole.MASTER and not heard.by_shard
        if info is not None and master:
            listed = ", ".join(f"{r.address} {'online' if r.online else 'not online'}" for r in info.replicas[:8])
            evidence.append(heard.told("Replicas", listed or "none"))
        observed = "; ".join(f"{piece.label.lower()}: {piece.value}" for piece in evidence)
        evidence += heard.api_trouble()
        if database is not None and database.replication:
            return Judgement.met(
                f"Redis at {target.name} is replicated within its cluster.",
                expected=expected,
                observed=observed,
                evidence=tuple(evidence),
                reasoning="With replication on, the cluster keeps every shard twice, on different nodes, and fails over"
                " by itself.",
            )
        if info is not None and master and info.online_replicas:
            count = "a replica" if info.online_replicas == 1 else f"{info.online_replicas} replicas"
            return Judgement.met(
                f"Redis at {target.name} has {count} online.",
                expected=expected,
                observed=observed,
                evidence=tuple(evidence),
                reasoning="The master lists a replica that follows it. Whether something promotes the replica and moves"
                " the endpoint when the master is lost, a client cannot see.",
            )
        return attested(
            self.requirement.id,
            target,
            f"Nothing shows how Redis at {target.name} outlives the loss of its machine.",
            expected=expected,
            what="how this Redis outlives the loss of one machine",
            observed=observed,
            why="A single server can be protected by means that a client does not see.",
            evidence=tuple(evidence),
            also=_resiliency_remedy(heard),
        )


def _resiliency_remedy(heard: Heard) -> str:
    if heard.database is not None and heard.database.memory_size:
        body = f'{{"replication": true, "memory_size": {2 * heard.database.memory_size}}}'
        return "Turn replication on; memory_size counts replicas, so it doubles:\n" + curl(
            heard, f"bdbs/{heard.database.uid}", body
        )
    return ""


class RedisDataProtected(RedisCheck):
    requirement = Requirement(
        id="redis.data-protection",
        section=SECTION,
        text="The data of Redis is backed up.",
        proof=(
            "By `backup_status` and `last_backup_time` of the database in the cluster's REST API. Persistence on the"
            " server's own disk is shown, and is no backup. Without the API, by a person."
        ),
        outcomes={
            Status.PASS: "Backups are on, and the last one that succeeded is as recent as the interval promises.",
            Status.WARN: "Backups are on, but the last attempt failed or the last success is too old.",
            Status.UNKNOWN: UNDECIDED,
            Status.MANUAL: "No backup shows; whoever runs Redis can say how its data is protected.",
        },
        remedy=(
            "Redis Enterprise: set a backup location and interval for the database. Elsewhere: back the RDB or AOF file"
            " up to another machine. Then attest it with a reference."
        ),
        owner=Owner.DBA,
        valid_for=timedelta(days=7),
    )

    def conclude(self, target: ServiceTarget[Redis], heard: Heard) -> Judgement:
        database, api = heard.database, heard.api
        evidence = [*self._backup(heard), *self._persistence(heard), *heard.api_trouble()]
        expected = "regular backups, the last of which succeeded"
        seen = database is not None and database.backup and database.backup_status and database.last_backup is not None
        if database is None or api is None or not seen or database.last_backup is None:
            return attested(
                self.requirement.id,
                target,
                f"Nothing shows how the data of Redis at {target.name} is backed up.",
                expected=expected,
                what="how the data of this Redis is backed up and how it is restored",
                observed=self._kept(heard),
                why="What Redis writes to its own disk outlives a restart, not the loss of that disk, and copies that"
                " are made of it elsewhere do not show.",
                evidence=tuple(evidence),
            )
        age = api.seen_at - database.last_backup
        late = database.backup_interval is not None and age > 2 * database.backup_interval
        observed = f"backups on, the last one {database.backup_status}"
        if database.backup_status == "failed" or late:
            trouble = (
                f"the last attempt failed ({database.backup_failure_reason or 'no reason given'})"
                if database.backup_status == "failed"
                else f"the last one that succeeded is {age.days} days old"
            )
            observed += "" if database.backup_status == "failed" else f", {age.days} days old"
            return Judgement.weak(
                f"Redis at {target.name} is set to be backed up, but {trouble}.",
                expected=expected,
                observed=observed,
                evidence=tuple(evidence),
                reasoning="A backup exists, so the requirement is not broken; a job that fails or has fallen silent"
                " does not keep it met.",
                remedy="Read why the job stopped, mend that, and let it run:\n"
                + curl(
                    heard,
                    f"bdbs/{database.uid}?fields=backup_status,backup_failure_reason,last_backup_time,backup_interval",
                ),
                job=f"Mend the backup of Redis at {target.name}",
                lane=Lane.SERVICE,
            )
        return Judgement.met(
            f"Redis at {target.name} is backed up.",
            expected=expected,
            observed=observed,
            evidence=tuple(evidence),
            reasoning=(
                "The cluster reports a backup that succeeded, no older than its interval allows."
                if database.backup_interval is not None
                else "The cluster reports a backup that succeeded. At which interval it does so, it does not say."
            )
            + " Whether it can be restored shows only when it is tried.",
        )

    @staticmethod
    def _kept(heard: Heard) -> str:
        """What is known of its protection without the times, which move by themselves."""
        info, database, known = heard.info, heard.database, list[str]()
        if database is not None:
            known.append(f"backup: {'on' if database.backup else 'off'}")
            known.append(f"persistence: {database.data_persistence or 'not said'}")
        elif info is not None and not heard.by_shard:
            if info.aof_enabled is not None:
                known.append(f"append-only file: {'on' if info.aof_enabled else 'off'}")
            if info.rdb_last_save_ok is False:
                known.append("snapshot: last attempt failed")
        return "; ".join(known)

    @staticmethod
    def _backup(heard: Heard) -> Iterator[Evidence]:
        database = heard.database
        if database is not None:
            last = f"{database.last_backup:%Y-%m-%d %H:%M} UTC" if database.last_backup is not None else "never"
            status = f", status {database.backup_status}" if database.backup_status else ""
            yield heard.api_told("Backup", f"{'on' if database.backup else 'off'}, last {last}{status}")
            yield heard.api_told("Persistence", database.data_persistence or "not said")

    @staticmethod
    def _persistence(heard: Heard) -> Iterator[Evidence]:
        info = heard.info
        if info is None or heard.by_shard:
            return
        if info.aof_enabled is not None:
            broken = ", last write failed" if info.aof_last_write_ok is False else ""
            yield heard.told("Append-only file", f"{'on' if info.aof_enabled else 'off'}{broken}")
        if info.rdb_last_save is not None:
            broken = ", last attempt failed" if info.rdb_last_save_ok is False else ""
            yield heard.told("Snapshot", f"last (or start) {info.rdb_last_save:%Y-%m-%d %H:%M} UTC{broken}")


class RedisOwnedByDbas(Check[ServiceTarget[Redis]]):
    requirement = Requirement(
        id="redis.dba-owned",
        section=SECTION,
        text="The customer's DBA team runs this Redis; Genesys neither deploys nor operates databases.",
        proof="By a person: who operates a database shows in no answer that it gives.",
        outcomes={
            Status.MANUAL: "Nothing can probe it; an attestation in the site file settles it.",
            Status.UNKNOWN: "The site file does not say whether there is a Redis.",
        },
        remedy=(
            "Have the DBA team confirm that it runs this Redis, and add to `attestations` in the site file:\n"
            "- {check: redis.dba-owned, target: <host:port>, by: <name>, date: <YYYY-MM-DD>, reference: <ticket>}"
        ),
        owner=Owner.DBA,
        valid_for=timedelta(days=180),
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Redis] | Settled]:
        if isinstance(site.redis, Absent):
            return (absent(site.redis),)
        return (ServiceTarget.of(site.redis.endpoint, site.redis, site.vms_of(*SOURCES), site),)

    def needs(self, target: ServiceTarget[Redis]) -> Needs:
        return ()

    def judge(self, target: ServiceTarget[Redis]) -> Judgement:
        return attested(
            self.requirement.id,
            target,
            "Nobody has stated yet that the DBA team runs this Redis.",
            expected="a DBA team of the customer that runs this Redis",
            what="who runs this Redis",
            why="Who operates a database shows in no answer that it gives.",
        )
