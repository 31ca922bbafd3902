"""The REST API of a Redis Enterprise cluster: what it says of itself, its licence and the declared database.

Only GET, by basic authentication as a viewer, and of each object only the fields that are judged: a database object
holds passwords, a licence its key. Objects as documented at
https://redis.io/docs/latest/operate/rs/references/rest-api/.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar

from readiness.model import Cause, ProbeError
from readiness.probe import Probe
from readiness.probes.http import BodyEnd, HttpAnswer, HttpRefusal, json_of, request
from readiness.probes.tls import SOON, one_line
from readiness.secret import Secret
from readiness.site import Endpoint, EnterpriseApi
from readiness.vantage import Limits, Vantages

_DATABASE = (
    "uid",
    "name",
    "type",
    "port",
    "status",
    "version",
    "redis_version",
    "memory_size",
    "replication",
    "oss_cluster",
    "sharding",
    "shards_count",
    "shards_placement",
    "rack_aware",
    "crdt",
    "data_persistence",
    "backup",
    "backup_interval",
    "backup_status",
    "backup_failure_reason",
    "last_backup_time",
    "eviction_policy",
    "tls_mode",
    "default_user",
    "endpoints",
)
_LICENCE = ("cluster_name", "owner", "expired", "activation_date", "expiration_date", "shards_limit", "features")
_NODE = ("uid", "status", "software_version", "rack_id", "supported_database_versions")
_CLUSTER = ("name", "rack_aware", "created_time")
_MAX_BODY = 2 * 1024 * 1024


class ApiEnding(StrEnum):
    """What came of asking the API."""

    ANSWERED = "answered"
    UNREACHED = "unreached"
    LOGIN_REFUSED = "login_refused"
    FORBIDDEN = "forbidden"
    FAILING = "failing"
    NOT_THE_API = "not_the_api"
    NO_DATABASE = "no_database"


class Match(StrEnum):
    """By what the declared endpoint was found among the cluster's databases."""

    NAME = "name"
    ADDRESS = "address"
    PORT = "port"


@dataclass(frozen=True, kw_only=True)
class EnterpriseDatabase:
    """One database of the cluster as ``/v1/bdbs`` describes it; ``None`` where it does not say.

    ``version`` is the full Redis version, ``redis_version`` the line that was chosen for it. ``memory_size`` in bytes
    counts replicas too; 0 means no limit. Times in UTC.
    """

    uid: int
    name: str
    status: str
    version: str
    redis_version: str
    memory_size: int | None
    replication: bool | None
    oss_cluster: bool | None
    sharding: bool | None
    shards_count: int | None
    shards_placement: str
    rack_aware: bool | None
    crdt: bool | None
    data_persistence: str
    backup: bool | None
    backup_interval: timedelta | None
    backup_status: str
    backup_failure_reason: str
    last_backup: datetime | None
    eviction_policy: str
    tls_mode: str
    default_user: bool | None
    endpoints: tuple[str, ...]

    @property
    def usable_memory(self) -> int | None:
        """Bytes that keys may fill: half of ``memory_size`` where everything is stored twice."""
        return self.memory_size // 2 if self.memory_size is not None and self.replication else self.memory_size


@dataclass(frozen=True, kw_only=True)
class Licence:
    """The cluster's licence; ``expires`` in UTC."""

    expired: bool | None
    expires: datetime | None
    owner: str
    shards_limit: int | None

    def ends_soon(self, seen_at: datetime) -> bool:
        return self.expires is not None and self.expires - seen_at <= SOON


@dataclass(frozen=True, kw_only=True)
class EnterpriseNode:
    """One node of the cluster; ``database_versions`` are the Redis lines that it can run."""

    uid: int
    status: str
    software_version: str
    rack: str
    database_versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EnterpriseAnswer:
    """What the API said of the declared endpoint, asked from ``vantage``.

    ``text`` explains every ending but ``ANSWERED``. ``database`` is there with ``ANSWERED`` alone. ``licence`` and
    ``nodes`` may be missing for want of rights.
    """

    vantage: str
    url: str
    ending: ApiEnding
    text: str
    seen_at: datetime
    cluster: str
    licence: Licence | None
    nodes: tuple[EnterpriseNode, ...]
    database: EnterpriseDatabase | None
    match: Match | None

    @property
    def software_version(self) -> str:
        """The version of Redis Software; the lowest where the nodes differ, empty where it is not known."""
        return min((n.software_version for n in self.nodes if n.software_version), key=_by_number, default="")

    @property
    def offers(self) -> tuple[str, ...]:
        """The Redis lines that every node can run."""
        if not self.nodes:
            return ()
        common = set(self.nodes[0].database_versions).intersection(*(n.database_versions for n in self.nodes))
        return tuple(sorted(common, key=_by_number))


@dataclass(frozen=True, kw_only=True)
class AskRedisEnterprise(Probe[EnterpriseAnswer]):
    """Ask the API from the first of ``candidates`` that reaches it."""

    candidates: tuple[str, ...]
    api: EnterpriseApi
    endpoint: Endpoint

    method: ClassVar[str] = "GET /v1/bdbs, /v1/license, /v1/nodes"

    @property
    def vantages(self) -> tuple[str, ...]:
        return self.candidates

    def describe(self) -> str:
        return (
            f"ask the Redis Enterprise API at {self.api.url} for the database at {self.endpoint}, "
            f"from the first of {', '.join(self.candidates)} that reaches it"
        )

    @property
    def key(self) -> str:
        """Without the paths of files, which differ from one auditor's machine to the next."""
        asked = ", ".join(self.candidates)
        return f"AskRedisEnterprise(candidates=({asked}), api={self.api.url}, endpoint={self.endpoint})"

    def limit(self, limits: Limits) -> float:
        return (len(self.candidates) + 2) * (limits.connect + limits.conversation)

    async def read(self, vantages: Vantages) -> str:
        credentials = None
        if self.api.password is not None:
            credentials = (self.api.username or "", vantages.secret(self.api.password))
        tried: list[dict[str, object]] = []
        errors: list[ProbeError] = []
        for vantage in self.candidates:
            caller = _Caller(self, vantages, vantage, credentials)
            try:
                databases = await caller.get("/v1/bdbs", _DATABASE)
            except ProbeError as error:
                errors.append(error)
                continue
            if databases["refused"] is None:
                return await self._rest(caller, databases, tried)
            tried.append({"vantage": vantage, **databases})
        if not tried:
            raise errors[0]
        return json.dumps({"vantage": tried[0]["vantage"], "tried": tried, "bdbs": None}, ensure_ascii=False)

    async def _rest(self, caller: _Caller, databases: _Call, tried: Sequence[object]) -> str:
        cluster = licence = nodes = None
        if databases["status"] == 200:  # a refused login is not tried again
            cluster, licence, nodes = await asyncio.gather(
                caller.get_if_possible("/v1/cluster", _CLUSTER),
                caller.get_if_possible("/v1/license", _LICENCE),
                caller.get_if_possible("/v1/nodes", _NODE),
            )
        return json.dumps(
            {
                "vantage": caller.vantage,
                "tried": tried,
                "bdbs": databases,
                "cluster": cluster,
                "license": licence,
                "nodes": nodes,
                "addresses": await caller.addresses(self.endpoint.host),
                "seen_at": datetime.now(UTC).isoformat(),
            },
            ensure_ascii=False,
        )

    def parse(self, response: str) -> EnterpriseAnswer:
        try:
            return _Reading(self, json.loads(response)).answer()
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded answers make no sense: {one_line(str(error))}") from None


_Call = dict[str, Any]
"""One GET as it is kept: ``status``, the whitelisted ``value``, what else was ``said``, or why it was ``refused``."""


@dataclass(frozen=True)
class _Caller:
    """Asks the API from one machine."""

    probe: AskRedisEnterprise
    vantages: Vantages
    vantage: str
    credentials: tuple[str, Secret] | None

    async def get(self, path: str, fields: Sequence[str]) -> _Call:
        query = f"?fields={','.join(fields)}" if path == "/v1/bdbs" else ""
        answer = await request(
            self.vantages,
            self.vantage,
            "GET",
            self.probe.api.url.rstrip("/") + path + query,
            ca_file=self.probe.api.ca_file,
            basic=self.credentials,
            headers=(("Accept", "application/json"),),
            max_body=_MAX_BODY,
        )
        if isinstance(answer, HttpRefusal):
            return {"status": None, "value": None, "said": "", "refused": f"{answer.words} ({answer.text})"}
        value = _value(answer, fields)
        said = "" if value is not None else _said(answer)
        return {"status": answer.status, "value": value, "said": said, "refused": None}

    async def get_if_possible(self, path: str, fields: Sequence[str]) -> _Call:
        """As ``get``, where an error costs this answer alone."""
        try:
            return await self.get(path, fields)
        except ProbeError as error:
            return {"status": None, "value": None, "said": "", "refused": error.reason.detail}

    async def addresses(self, host: str) -> tuple[str, ...]:
        """The endpoint's addresses, so that it is found among the databases by these too."""
        try:
            return (await self.vantages[self.vantage].resolve(host)).addresses
        except ProbeError:
            return ()


def _value(answer: HttpAnswer, fields: Iterable[str]) -> object:
    """The judged fields of an object or of a list of them; ``None`` where the answer is neither."""
    if answer.status != 200 or answer.body_end is not BodyEnd.WHOLE:
        return None
    try:
        value = json_of(answer.body)
    except ProbeError:
        return None
    wanted = frozenset(fields)

    def kept(item: Mapping[str, object]) -> dict[str, object]:
        return {name: item[name] for name in item if name in wanted}

    if isinstance(value, dict):
        return kept(value)
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return [kept(item) for item in value if isinstance(item, dict)]
    return None


def _said(answer: HttpAnswer) -> str:
    """The API's own words for an error: a JSON object with ``description`` or ``message``, or nothing at all."""
    if answer.status == 200:
        return "the answer is not JSON as the API writes it"
    try:
        value = json_of(answer.body)
    except ProbeError:
        return ""
    words = [value.get(name) for name in ("error_code", "description", "message")] if isinstance(value, dict) else []
    return one_line(": ".join(word for word in words if isinstance(word, str)))


class _Reading:
    """Understands a record."""

    def __init__(self, probe: AskRedisEnterprise, record: Mapping[str, Any]) -> None:
        self._probe = probe
        self._record = record

    def answer(self) -> EnterpriseAnswer:
        databases = self._record["bdbs"]
        if databases is None:
            first = self._record["tried"][0]
            return self._ended(ApiEnding.UNREACHED, str(first["refused"]))
        if databases["value"] is None:
            return self._ended(*self._refused(databases))
        found = [_database(item) for item in databases["value"] if item.get("type", "redis") == "redis"]
        database, match = self._matching(found, databases["value"])
        if database is None:
            listed = ", ".join(f"{d.name} ({', '.join(d.endpoints) or 'no endpoint'})" for d in found[:5])
            return self._ended(ApiEnding.NO_DATABASE, one_line(f"the cluster's databases are: {listed or 'none'}", 400))
        return self._ended(ApiEnding.ANSWERED, "", database, match)

    def _ended(
        self, ending: ApiEnding, text: str, database: EnterpriseDatabase | None = None, match: Match | None = None
    ) -> EnterpriseAnswer:
        cluster, licence, nodes = (self._kept(name) for name in ("cluster", "license", "nodes"))
        seen_at = self._record.get("seen_at")
        return EnterpriseAnswer(
            vantage=str(self._record["vantage"]),
            url=self._probe.api.url,
            ending=ending,
            text=text,
            seen_at=datetime.fromisoformat(seen_at) if seen_at else datetime.fromtimestamp(0, UTC),
            cluster=_text(cluster, "name") if isinstance(cluster, dict) else "",
            licence=_licence(licence) if isinstance(licence, dict) else None,
            nodes=tuple(_node(node) for node in nodes) if isinstance(nodes, list) else (),
            database=database,
            match=match,
        )

    def _kept(self, name: str) -> Any:
        call = self._record.get(name)
        return call["value"] if call is not None else None

    @staticmethod
    def _refused(call: _Call) -> tuple[ApiEnding, str]:
        status, said = int(call["status"]), str(call["said"])
        text = f"status {status}" + (f": {said}" if said else "")
        if status == 401:
            return ApiEnding.LOGIN_REFUSED, text
        if status == 403:
            return ApiEnding.FORBIDDEN, text
        return (ApiEnding.FAILING if status >= 500 else ApiEnding.NOT_THE_API), text

    def _matching(
        self, databases: Sequence[EnterpriseDatabase], items: Sequence[Mapping[str, Any]]
    ) -> tuple[EnterpriseDatabase | None, Match | None]:
        """Find the declared endpoint: by name and port, by address and port, or by a port that only one uses."""
        host, port = self._probe.endpoint.host.rstrip(".").lower(), self._probe.endpoint.port
        addresses = {host, *(str(address) for address in self._record.get("addresses") or ())}
        by_uid = {_whole(item, "uid"): item for item in items}
        at_port = [d for d in databases if port in _ports(by_uid[d.uid])]
        for match, has in (
            (Match.NAME, lambda d: host in _names(by_uid[d.uid])),
            (Match.ADDRESS, lambda d: addresses & _addresses(by_uid[d.uid])),
        ):
            fitting = [d for d in at_port if has(d)]
            if len(fitting) == 1:
                return fitting[0], match
        return (at_port[0], Match.PORT) if len(at_port) == 1 else (None, None)


def _database(item: Mapping[str, Any]) -> EnterpriseDatabase:
    interval = _whole(item, "backup_interval")
    return EnterpriseDatabase(
        uid=_whole(item, "uid") or 0,
        name=_text(item, "name"),
        status=_text(item, "status"),
        version=_text(item, "version"),
        redis_version=_text(item, "redis_version"),
        memory_size=_whole(item, "memory_size"),
        replication=_truth(item, "replication"),
        oss_cluster=_truth(item, "oss_cluster"),
        sharding=_truth(item, "sharding"),
        shards_count=_whole(item, "shards_count"),
        shards_placement=_text(item, "shards_placement"),
        rack_aware=_truth(item, "rack_aware"),
        crdt=_truth(item, "crdt"),
        data_persistence=_text(item, "data_persistence"),
        backup=_truth(item, "backup"),
        backup_interval=timedelta(seconds=interval) if interval and interval < 10**9 else None,
        backup_status=_text(item, "backup_status"),
        backup_failure_reason=_text(item, "backup_failure_reason"),
        last_backup=_time(item, "last_backup_time"),
        eviction_policy=_text(item, "eviction_policy"),
        tls_mode=_text(item, "tls_mode"),
        default_user=_truth(item, "default_user"),
        endpoints=tuple(sorted(f"{name}:{port}" for port in _ports(item) for name in sorted(_names(item))))[:8],
    )


def _licence(item: Mapping[str, Any]) -> Licence:
    return Licence(
        expired=_truth(item, "expired"),
        expires=_time(item, "expiration_date"),
        owner=_text(item, "owner"),
        shards_limit=_whole(item, "shards_limit"),
    )


def _node(item: Mapping[str, Any]) -> EnterpriseNode:
    offered = item.get("supported_database_versions")
    versions = [
        _text(version, "version")
        for version in (offered if isinstance(offered, list) else ())
        if isinstance(version, dict) and _text(version, "db_type") == "redis"
    ]
    return EnterpriseNode(
        uid=_whole(item, "uid") or 0,
        status=_text(item, "status"),
        software_version=_text(item, "software_version"),
        rack=_text(item, "rack_id"),
        database_versions=tuple(version for version in versions if version),
    )


def _endpoints(item: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = item.get("endpoints")
    return [endpoint for endpoint in listed if isinstance(endpoint, dict)] if isinstance(listed, list) else []


def _ports(item: Mapping[str, Any]) -> set[int]:
    found = {_whole(endpoint, "port") for endpoint in _endpoints(item)} | {_whole(item, "port")}
    return {port for port in found if port}


def _names(item: Mapping[str, Any]) -> set[str]:
    names = {_text(endpoint, "dns_name").rstrip(".").lower() for endpoint in _endpoints(item)}
    return {name for name in names if name}


def _addresses(item: Mapping[str, Any]) -> set[str]:
    listed = [endpoint.get("addr") for endpoint in _endpoints(item)]
    return {one_line(address) for some in listed if isinstance(some, list) for address in some if address}


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return one_line(value) if isinstance(value, str) else ""


def _whole(item: Mapping[str, Any], name: str) -> int | None:
    value = item.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _truth(item: Mapping[str, Any], name: str) -> bool | None:
    value = item.get(name)
    return value if isinstance(value, bool) else None


def _time(item: Mapping[str, Any], name: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(_text(item, name))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _by_number(version: str) -> tuple[int, ...]:
    parts = version.replace("-", ".").split(".")
    return tuple(int(part) if part.isdigit() else 0 for part in parts)
