"""What optional elements say of themselves: Prometheus, Grafana, Portainer, and the system that keeps the logs.

Nothing but GETs, of what their makers publish for health checks: https://prometheus.io/docs/prometheus/latest/management_api/,
https://grafana.com/docs/grafana/latest/developers/http_api/other/, https://docs.portainer.io/api/docs,
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-cluster-health,
https://docs.opensearch.org/latest/api-reference/cluster-api/cluster-health/,
https://grafana.com/docs/loki/latest/reference/loki-http-api/.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from readiness.model import Cause, Lane, Level, ProbeError
from readiness.probe import Probe
from readiness.probes.http import (
    BodyEnd,
    HttpAnswer,
    HttpRefusal,
    HttpResult,
    Json,
    RefusalKind,
    json_of,
    request,
    result_from_json,
)
from readiness.probes.tls import Certificate, one_line
from readiness.secret import Secret, SecretRef
from readiness.site import Logging, Prometheus, WebElement
from readiness.vantage import Limits, Vantages

ROUNDS = 5
"""Exchanges that a talk with one element may take one after the other."""

_MAX_BODY = 8 * 1024
_VERSION = re.compile(r"v?\d[\w.+~-]{0,60}")
_TITLE = re.compile(r"<title[^>]{0,100}>([^<]{1,200})", re.IGNORECASE)
_WANTS_TLS = re.compile(r"HTTP request (?:was sent )?to an? HTTPS (?:server|port)", re.IGNORECASE)
_PUSH = re.compile(r"/(?:loki/api/v1|api/prom)/push/?\Z")

READY, HEALTHY, BUILD = "/-/ready", "/-/healthy", "/api/v1/status/buildinfo"
HEALTH = "/api/health"
STATUS, OLD_STATUS = "/api/system/status", "/api/status"
ROOT, CLUSTER = "/", "/_cluster/health"
LOKI_READY, LOKI_BUILD = "/ready", "/loki/api/v1/status/buildinfo"


class Product(StrEnum):
    """What was recognised, as people write it."""

    PROMETHEUS = "Prometheus"
    GRAFANA = "Grafana"
    PORTAINER = "Portainer"
    ELASTICSEARCH = "Elasticsearch"
    OPENSEARCH = "OpenSearch"
    LOKI = "Loki"
    KIBANA = "Kibana"
    DASHBOARDS = "OpenSearch Dashboards"


class Ending(StrEnum):
    """What came of asking an element.

    ``WITHHELD``: it is the product, and does not tell whether it is well. ``LOOKALIKE``: it speaks the product's API
    and does not call itself by its name. ``MOVED``: it answers with a redirect, which is not followed. ``FAILING``:
    an error that is not the product's own word about its health, as of a balancer without a living server.
    ``UNREADABLE``: an answer that did not come whole, or compressed although that was not wanted.
    """

    WELL = "well"
    UNWELL = "unwell"
    WITHHELD = "withheld"
    LOOKALIKE = "lookalike"
    FOREIGN = "foreign"
    LOGIN_MISSING = "login_missing"
    LOGIN_REFUSED = "login_refused"
    FORBIDDEN = "forbidden"
    MOVED = "moved"
    OVERLOADED = "overloaded"
    FAILING = "failing"
    UNREADABLE = "unreadable"
    WANTS_TLS = "wants_tls"
    UNREACHED = "unreached"


class Login(StrEnum):
    """What became of the declared account.

    ``NOT_NEEDED``: everybody is let in, so that it proves nothing. ``UNTOLD``: neither accepted nor refused.
    """

    NONE = "none"
    NOT_NEEDED = "not_needed"
    UNTOLD = "untold"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Asker(StrEnum):
    """As whom a question was put: without credentials, or with the declared account."""

    ANYBODY = "anybody"
    ACCOUNT = "account"

    @property
    def words(self) -> str:
        return "without credentials" if self is Asker.ANYBODY else "as the declared account"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One GET; ``words`` is what came back, in one line."""

    path: str
    asker: Asker
    words: str


@dataclass(frozen=True, kw_only=True)
class ElementAnswer:
    """What an element answered one machine.

    ``sought`` names what should be there. ``version`` and ``condition`` are its own words, empty where it gave none;
    ``said`` are those of whatever answered. ``refusal`` belongs to ``UNREACHED``. ``certificate`` is the verified one.
    """

    vantage: str
    url: str
    sought: str
    ending: Ending
    login: Login
    product: Product | None
    version: str
    condition: str
    said: str
    calls: tuple[Call, ...]
    refusal: HttpRefusal | None
    certificate: Certificate | None

    @property
    def unreached(self) -> bool:
        """Whether the talk found no way to the element."""
        return self.refusal is not None and self.refusal.kind is RefusalKind.PATH

    @property
    def level(self) -> Level:
        """How much the talk proves about the path."""
        if self.refusal is not None:
            return self.refusal.level
        return Level.AUTHENTICATED if self.login is Login.ACCEPTED else Level.PROTOCOL

    @property
    def lane(self) -> Lane:
        """What kind of trouble it is, where it is one."""
        return self.refusal.lane if self.refusal is not None else _LANES[self.ending]

    @property
    def name(self) -> str:
        """The product and its version as far as it gave them."""
        return " ".join(part for part in (self.product or "", self.version) if part)

    @property
    def words(self) -> str:
        """The ending as a clause that follows the element's name: "refuses the declared account"."""
        match self.ending:
            case Ending.UNREACHED if self.refusal is not None:
                return self.refusal.words
            case Ending.WELL:
                return f"answers as {self.name}: {self.condition}"
            case Ending.UNWELL:
                return f"answers as {self.name} and is not well: {self.condition}"
            case Ending.WITHHELD:
                return f"answers as {self.name} and does not tell whether it is well"
            case Ending.FOREIGN if self.product is not None:
                return f"is {self.product}, not {self.sought}"
            case Ending.FOREIGN:
                return f"answers in HTTP, but not as {self.sought} does"
            case Ending.LOOKALIKE:
                return f"speaks the API of {self.sought} and does not call itself by that name"
            case Ending.MOVED:
                return f"sends its clients on to {self.said}"
            case _:
                return _WORDS[self.ending]


_WORDS = {
    Ending.LOGIN_MISSING: "demands an account, and none is declared",
    Ending.LOGIN_REFUSED: "refuses the declared account",
    Ending.FORBIDDEN: "forbids the question",
    Ending.OVERLOADED: "is asked too often",
    Ending.FAILING: "answers with an error",
    Ending.UNREADABLE: "gives an answer that cannot be read",
    Ending.WANTS_TLS: "wants TLS, while the declared URL begins with http",
    Ending.UNREACHED: "is not reached",
}
_LANES = {
    Ending.WELL: Lane.SERVICE,
    Ending.UNWELL: Lane.SERVICE,
    Ending.WITHHELD: Lane.AUTH,
    Ending.LOOKALIKE: Lane.CONFIGURATION,
    Ending.FOREIGN: Lane.CONFIGURATION,
    Ending.LOGIN_MISSING: Lane.AUTH,
    Ending.LOGIN_REFUSED: Lane.AUTH,
    Ending.FORBIDDEN: Lane.AUTH,
    Ending.MOVED: Lane.CONFIGURATION,
    Ending.OVERLOADED: Lane.SERVICE,
    Ending.FAILING: Lane.SERVICE,
    Ending.UNREADABLE: Lane.SERVICE,
    Ending.WANTS_TLS: Lane.CONFIGURATION,
    Ending.UNREACHED: Lane.FIREWALL,
}


class Health(StrEnum):
    """What a product says of its own health."""

    WELL = "well"
    UNWELL = "unwell"
    UNTOLD = "untold"


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """What the answers of a talk show; ``health`` is ``None`` where they do not even show the product at work."""

    product: Product | None = None
    version: str = ""
    health: Health | None = None
    condition: str = ""
    lookalike: bool = False


@dataclass
class Heard:
    """The answers of one talk in their order, by path and asker."""

    results: dict[tuple[str, Asker], HttpResult] = field(default_factory=dict)

    def __contains__(self, path: str) -> bool:
        return any(known == path for known, _ in self.results)

    def of(self, path: str) -> HttpResult | None:
        """What came back for a path, from the declared account where that was tried."""
        return self.results.get((path, Asker.ACCOUNT), self.results.get((path, Asker.ANYBODY)))

    def answer(self, path: str) -> HttpAnswer | None:
        """The answer to a path, if one came."""
        found = self.of(path)
        return found if isinstance(found, HttpAnswer) else None

    @property
    def answers(self) -> Iterator[HttpAnswer]:
        return (result for result in self.results.values() if isinstance(result, HttpAnswer))

    @property
    def locked(self) -> bool:
        """Whether something was not told to everybody."""
        return any(
            asker is Asker.ANYBODY and isinstance(result, HttpAnswer) and is_locked(result)
            for (_, asker), result in self.results.items()
        )

    @property
    def turned_away(self) -> bool:
        """Whether the declared account was refused."""
        return any(
            asker is Asker.ACCOUNT and isinstance(result, HttpAnswer) and result.status == 401 and is_locked(result)
            for (_, asker), result in self.results.items()
        )

    @property
    def let_in(self) -> bool:
        """Whether the declared account opened what was closed to others; a right that it lacks does not count."""
        for (path, asker), result in self.results.items():
            before = self.results.get((path, Asker.ANYBODY))
            if asker is Asker.ANYBODY or not isinstance(result, HttpAnswer) or not isinstance(before, HttpAnswer):
                continue
            if is_locked(before) and (result.status < 300 or (before.status == 401 and result.status in (403, 404))):
                return True
        return False

    def recorded(self) -> str:
        return json.dumps(
            [
                {"path": path, "asker": asker.value, "result": result.as_json()}
                for (path, asker), result in self.results.items()
            ]
        )

    @staticmethod
    def read(response: str) -> Heard:
        """Read what ``recorded`` wrote.

        Raises:
            ProbeError: it is not that, or nothing was heard.
        """
        calls = json_of(response)
        if not isinstance(calls, list) or not calls:
            raise ProbeError(Cause.PARSE, "the recorded talk is empty or none")
        heard = Heard()
        for call in map(_object, calls):
            try:
                asker = Asker(str(call.get("asker")))
            except ValueError:
                raise ProbeError(Cause.PARSE, "the recorded talk does not say who asked") from None
            heard.results[str(call.get("path")), asker] = result_from_json(call.get("result"))
        return heard


@dataclass(frozen=True, kw_only=True)
class AskElement(Probe[ElementAnswer]):
    """Ask one element what it is and how it is, from one machine.

    Nobody's questions come first; what is closed to everybody is asked once more as the declared account.
    """

    method: ClassVar[str] = "HTTP request"
    sought: ClassVar[str]
    door: ClassVar[str]
    """The path that is asked first: without an answer to it nothing else is asked."""

    vantage: str
    url: str
    username: str | None
    password: SecretRef | None
    ca_file: Path | None

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        account = f" as {self.username}" if self.username is not None else ""
        return f"ask {self.url} for {self.sought}'s health{account} from {self.vantage}"

    def limit(self, limits: Limits) -> float:
        return ROUNDS * (2 * limits.connect + limits.conversation)

    @abstractmethod
    def next(self, heard: Heard) -> str | None:
        """The path to ask after what was heard, or ``None`` where enough is known."""

    @abstractmethod
    def portray(self, heard: Heard) -> Portrait:
        """Put together what the answers show of the product."""

    async def read(self, vantages: Vantages) -> str:
        heard = Heard()
        path: str | None = self.door
        while path is not None:
            await self._ask(vantages, path, heard)
            door = heard.answer(self.door)
            path = self.next(heard) if door is not None and not heard.turned_away and not _is_final(door) else None
        return heard.recorded()

    async def _ask(self, vantages: Vantages, path: str, heard: Heard) -> None:
        account = self._account(vantages)
        if account is None or not heard.locked:
            result = await self._get(vantages, path, None)
            heard.results[path, Asker.ANYBODY] = result
            if account is None or not isinstance(result, HttpAnswer) or not (is_locked(result) or self._tries(path)):
                return
        heard.results[path, Asker.ACCOUNT] = await self._get(vantages, path, account)

    def _tries(self, path: str) -> bool:
        """Whether the account is tried at a path that everybody may ask for."""
        return False

    def _account(self, vantages: Vantages) -> tuple[str, Secret] | None:
        if self.username is None or self.password is None:
            return None
        return self.username, vantages.secret(self.password)

    async def _get(self, vantages: Vantages, path: str, account: tuple[str, Secret] | None) -> HttpResult:
        return await request(
            vantages,
            self.vantage,
            "GET",
            self._base + path,
            ca_file=self.ca_file,
            basic=account,
            headers=(("Accept", "application/json, text/plain;q=0.9, */*;q=0.5"),),
            max_body=_MAX_BODY,
        )

    @property
    def _base(self) -> str:
        return self.url.rstrip("/")

    def parse(self, response: str) -> ElementAnswer:
        heard = Heard.read(response)
        door = heard.of(self.door)
        if door is None:
            raise ProbeError(Cause.PARSE, "the recorded talk did not begin at the door")
        shown = self.portray(heard)
        product = shown.product or next(filter(None, map(_recognised, heard.answers)), None)
        telling = heard.answer(ROOT) if heard.answer(ROOT) is not None and shown.product is None else None
        return ElementAnswer(
            vantage=self.vantage,
            url=self.url,
            sought=self.sought,
            ending=_ending(heard, door, shown, product),
            login=self._login(heard),
            product=product,
            version=shown.version,
            condition=shown.condition,
            said=_said(telling or door),
            calls=tuple(
                Call(path=path, asker=asker, words=_outcome(result)) for (path, asker), result in heard.results.items()
            ),
            refusal=door if isinstance(door, HttpRefusal) else None,
            certificate=door.certificate,
        )

    def _login(self, heard: Heard) -> Login:
        if self.username is None or self.password is None:
            return Login.NONE
        if heard.turned_away:
            return Login.REFUSED
        if heard.let_in:
            return Login.ACCEPTED
        return Login.UNTOLD if heard.locked or heard.answer(self.door) is None else Login.NOT_NEEDED


def is_locked(answer: HttpAnswer) -> bool:
    """Whether an answer asks for credentials, or for better ones; a tenant that Loki wants to be told is none."""
    return answer.status in (401, 403) and answer.body.strip() != "no org id"


def _is_final(door: HttpAnswer) -> bool:
    """Whether an answer says that it is no use, or not welcome, to ask on."""
    return door.status == 429 or _wants_tls(door)


def _wants_tls(answer: HttpAnswer) -> bool:
    return answer.status == 400 and _WANTS_TLS.search(answer.body) is not None


def _ending(heard: Heard, door: HttpResult, shown: Portrait, product: Product | None) -> Ending:
    if isinstance(door, HttpRefusal):
        return Ending.UNREACHED
    if heard.turned_away:
        return Ending.LOGIN_REFUSED
    if shown.health is not None:
        return _HEALTH[shown.health]
    if shown.lookalike:
        return Ending.LOOKALIKE
    if product is not None and product is not shown.product:
        return Ending.FOREIGN
    match door.status:
        case 401 if is_locked(door):
            return Ending.LOGIN_MISSING
        case 403 if shown.product is not None and heard.let_in:
            return Ending.WITHHELD
        case 403:
            return Ending.FORBIDDEN
        case 429:
            return Ending.OVERLOADED
        case 400 if _wants_tls(door):
            return Ending.WANTS_TLS
        case status if 300 <= status < 400 and door.header("location"):
            return Ending.MOVED
        case status if status >= 500:
            return Ending.FAILING
        case _ if door.body_end in (BodyEnd.CUT_OFF, BodyEnd.TOO_SLOW, BodyEnd.ENCODED):
            return Ending.UNREADABLE
        case _:
            return Ending.FOREIGN


_HEALTH = {Health.WELL: Ending.WELL, Health.UNWELL: Ending.UNWELL, Health.UNTOLD: Ending.WITHHELD}


@dataclass(frozen=True, kw_only=True)
class AskPrometheus(AskElement):
    """Ask Prometheus whether it is ready, and for its version; where it is not ready, whether it lives."""

    sought: ClassVar[str] = "Prometheus"
    door: ClassVar[str] = READY

    @staticmethod
    def of(vantage: str, prometheus: Prometheus) -> AskPrometheus:
        """The question about the Prometheus of a site.

        Raises:
            ValueError: its URL is not declared.
        """
        if prometheus.url is None:
            raise ValueError("a Prometheus without a URL cannot be asked")
        return AskPrometheus(
            vantage=vantage,
            url=prometheus.url,
            username=prometheus.username,
            password=prometheus.password,
            ca_file=prometheus.ca_file,
        )

    def next(self, heard: Heard) -> str | None:
        if BUILD not in heard:
            return BUILD
        if not _is_ready_prometheus(heard) and HEALTHY not in heard:
            return HEALTHY
        return ROOT if ROOT not in heard and self.portray(heard).product is None else None

    def portray(self, heard: Heard) -> Portrait:
        version = _version(_object(_object(heard.answer(BUILD)).get("data")).get("version"))
        if _is_ready_prometheus(heard):
            return Portrait(
                product=Product.PROMETHEUS, version=version, health=Health.WELL, condition="it says that it is ready"
            )
        healthy, door = heard.answer(HEALTHY), heard.answer(READY)
        if healthy is not None and healthy.status == 200 and "prometheus" in healthy.body.lower():
            condition = f"it lives and is not ready ({_outcome(door)})" if door is not None else "it lives"
            health = Health.UNWELL if door is not None and door.status >= 500 else Health.UNTOLD
            return Portrait(product=Product.PROMETHEUS, version=version, health=health, condition=condition)
        return Portrait(version=version, lookalike=bool(version))


def _is_ready_prometheus(heard: Heard) -> bool:
    answer = heard.answer(READY)
    return answer is not None and answer.status == 200 and "prometheus" in answer.body.lower() and not _title(answer)


@dataclass(frozen=True, kw_only=True)
class AskGrafana(AskElement):
    """Ask Grafana for its health, which includes that of its database."""

    sought: ClassVar[str] = "Grafana"
    door: ClassVar[str] = HEALTH

    @staticmethod
    def of(vantage: str, grafana: WebElement) -> AskGrafana:
        """The question about the Grafana of a site."""
        return AskGrafana(
            vantage=vantage,
            url=grafana.url,
            username=grafana.username,
            password=grafana.password,
            ca_file=grafana.ca_file,
        )

    def next(self, heard: Heard) -> str | None:
        return ROOT if ROOT not in heard and self.portray(heard).product is None else None

    def portray(self, heard: Heard) -> Portrait:
        health = _object(heard.answer(HEALTH))
        database = health.get("database")
        if not isinstance(database, str):
            return Portrait()
        return Portrait(
            product=Product.GRAFANA,
            version=_version(health.get("version")),
            health=Health.WELL if database == "ok" else Health.UNWELL,
            condition=f"its database is {one_line(database, 40)}",
        )


@dataclass(frozen=True, kw_only=True)
class AskPortainer(AskElement):
    """Ask Portainer for its status, where older releases had it as well."""

    sought: ClassVar[str] = "Portainer"
    door: ClassVar[str] = STATUS

    @staticmethod
    def of(vantage: str, portainer: WebElement) -> AskPortainer:
        """The question about the Portainer of a site."""
        return AskPortainer(
            vantage=vantage,
            url=portainer.url,
            username=portainer.username,
            password=portainer.password,
            ca_file=portainer.ca_file,
        )

    def next(self, heard: Heard) -> str | None:
        if OLD_STATUS not in heard and not _portainer_version(heard.answer(STATUS)):
            return OLD_STATUS
        return ROOT if ROOT not in heard and self.portray(heard).product is None else None

    def portray(self, heard: Heard) -> Portrait:
        version = _portainer_version(heard.answer(STATUS)) or _portainer_version(heard.answer(OLD_STATUS))
        if any((answer.header("redirect-reason") or "").lower() == "admininittimeout" for answer in heard.answers):
            return Portrait(
                product=Product.PORTAINER,
                version=version,
                health=Health.UNWELL,
                condition="nobody made its administrator in time, so it has locked itself",
            )
        if not version:
            return Portrait()
        return Portrait(
            product=Product.PORTAINER, version=version, health=Health.WELL, condition="it answers with its status"
        )


def _portainer_version(answer: HttpAnswer | None) -> str:
    return _version(_object(answer).get("Version")) if answer is not None and answer.status == 200 else ""


@dataclass(frozen=True, kw_only=True)
class AskLogging(AskElement):
    """Ask the log system what it is: Elasticsearch and OpenSearch for their cluster's health, Loki whether it is ready.

    The declared account is tried at the first page even where everybody may see that: a log agent will use it.
    """

    sought: ClassVar[str] = "a log system that is known here"
    door: ClassVar[str] = ROOT

    @staticmethod
    def of(vantage: str, logging: Logging) -> AskLogging:
        """The question about the log system of a site."""
        return AskLogging(
            vantage=vantage,
            url=logging.url,
            username=logging.username,
            password=logging.password,
            ca_file=logging.ca_file,
        )

    def describe(self) -> str:
        account = f" as {self.username}" if self.username is not None else ""
        return f"ask {self.url} which log system it is and how it is{account}, from {self.vantage}"

    @property
    def _base(self) -> str:
        return _PUSH.sub("", self.url).rstrip("/")

    def _tries(self, path: str) -> bool:
        return path == ROOT

    def next(self, heard: Heard) -> str | None:
        if self._searches(heard) is not None:
            root = heard.answer(ROOT)
            return CLUSTER if CLUSTER not in heard and root is not None and not is_locked(root) else None
        if any(_recognised(answer) is not None for answer in heard.answers):
            return None
        if LOKI_BUILD not in heard:
            return LOKI_BUILD
        return LOKI_READY if LOKI_READY not in heard and _loki(heard).product is not None else None

    def portray(self, heard: Heard) -> Portrait:
        product = self._searches(heard)
        return _search_cluster(heard, product) if product is not None else _loki(heard)

    @staticmethod
    def _searches(heard: Heard) -> Product | None:
        return next(filter(None, map(_search_engine, heard.answers)), None)


def _search_cluster(heard: Heard, product: Product) -> Portrait:
    versions = (_version(_object(_object(answer).get("version")).get("number")) for answer in heard.answers)
    version = next(filter(None, versions), "")
    health = heard.of(CLUSTER)
    if health is None:
        return Portrait(product=product, version=version)
    if isinstance(health, HttpRefusal):
        condition = f"asked for its cluster's health it {health.words}"
        return Portrait(product=product, version=version, health=Health.UNWELL, condition=condition)
    told = _object(health)
    status, name, nodes = told.get("status"), told.get("cluster_name"), told.get("number_of_nodes")
    if health.status == 200 and isinstance(status, str) and status.lower() in _COLOURS:
        named = f" {one_line(name, 80)}" if isinstance(name, str) else ""
        counted = f" with {nodes} node{'s' * (nodes != 1)}" if isinstance(nodes, int) else ""
        meaning = _COLOUR_MEANING.get(status.lower(), "")
        condition = f"its cluster{named}{counted} is {status.lower()}{meaning}"
        return Portrait(product=product, version=version, health=_COLOURS[status.lower()], condition=condition)
    if health.status >= 500 or health.status == 408:
        condition = f"its cluster's health is {_outcome(health)}"
        return Portrait(product=product, version=version, health=Health.UNWELL, condition=condition)
    condition = f"its cluster's health is not shown ({_outcome(health)})"
    return Portrait(product=product, version=version, health=Health.UNTOLD, condition=condition)


_COLOUR_MEANING = {
    "yellow": " (every shard is there once, copies are missing)",
    "red": " (shards are missing, and what belongs there is turned away)",
}
_COLOURS = {"green": Health.WELL, "yellow": Health.WELL, "red": Health.UNWELL}


def _search_engine(answer: HttpAnswer) -> Product | None:
    """Which of the two search engines speaks, by its front page or by the way it turns strangers away."""
    told = _object(answer)
    version, tagline = _object(told.get("version")), told.get("tagline")
    realm = (answer.header("www-authenticate") or "").lower()
    if version.get("distribution") == "opensearch" or str(tagline).startswith("The OpenSearch Project"):
        return Product.OPENSEARCH
    if answer.header("x-elastic-product") == "Elasticsearch" or tagline == "You Know, for Search":
        return Product.ELASTICSEARCH
    if answer.status in (401, 403):
        if "opensearch security" in realm or "open distro security" in realm:
            return Product.OPENSEARCH
        if _object(told.get("error")).get("type") == "security_exception":
            return Product.OPENSEARCH if "no permissions for [" in _reason(told) else Product.ELASTICSEARCH
    return None


def _loki(heard: Heard) -> Portrait:
    build, ready = heard.answer(LOKI_BUILD), heard.of(LOKI_READY)
    told = _object(build)
    version = _version(told.get("version"))
    if build is None or build.status != 200 or not version or "revision" not in told:
        return Portrait()
    if isinstance(ready, HttpAnswer) and ready.status == 200 and ready.body.strip().lower() == "ready":
        return Portrait(product=Product.LOKI, version=version, health=Health.WELL, condition="it says that it is ready")
    if isinstance(ready, HttpAnswer) and ready.status >= 500:
        return Portrait(
            product=Product.LOKI,
            version=version,
            health=Health.UNWELL,
            condition=f"it is not ready ({_outcome(ready)})",
        )
    shown = f" ({_outcome(ready)})" if ready is not None else ""
    condition = f"whether it is ready is not shown{shown}"
    return Portrait(product=Product.LOKI, version=version, health=Health.UNTOLD, condition=condition)


def _recognised(answer: HttpAnswer) -> Product | None:
    """Which product of the neighbourhood an answer belongs to, by what only that one says."""
    if answer.header("kbn-name") is not None or answer.header("kbn-license-sig") is not None:
        return Product.KIBANA
    if answer.header("osd-name") is not None:
        return Product.DASHBOARDS
    if (search := _search_engine(answer)) is not None:
        return search
    title = _title(answer)
    return next((product for start, product in _TITLES if title.startswith(start)), None)


_TITLES = (
    ("Grafana", Product.GRAFANA),
    ("Portainer", Product.PORTAINER),
    ("Prometheus", Product.PROMETHEUS),
    ("Kibana", Product.KIBANA),
    ("OpenSearch Dashboards", Product.DASHBOARDS),
)


def _title(answer: HttpAnswer) -> str:
    found = _TITLE.search(answer.body)
    return one_line(found.group(1), 80) if found is not None else ""


def _said(result: HttpResult) -> str:
    """What answered, in its own words; for a redirect, where it leads."""
    if isinstance(result, HttpRefusal):
        return result.text
    location = result.header("location")
    if 300 <= result.status < 400 and location:
        return one_line(location, 160)
    return _own_words(result)


def _outcome(result: HttpResult) -> str:
    """What came back for a question, in one line: its status and its own words."""
    if isinstance(result, HttpRefusal):
        return f"{result.words} ({result.text})" if result.text else result.words
    words = _own_words(result)
    return f"status {result.status}" + (f": {words}" if words else "")


def _own_words(answer: HttpAnswer) -> str:
    """The sense of a body: a page's title, an error's reason, the first words of a plain text."""
    if title := _title(answer):
        return f"a page with the title {title!r}"
    told = _object(answer)
    if told:
        return _reason(told)
    text = answer.body.strip()
    return one_line(text, 120) if not text.startswith(("<", "{", "[")) else ""


def _reason(told: Mapping[str, Json]) -> str:
    error = told.get("error")
    inner = _object(error)
    for found in (inner.get("reason"), inner.get("type"), error, told.get("message"), told.get("Message")):
        if isinstance(found, str) and found.strip():
            return one_line(found, 160)
    return ""


def _object(value: HttpAnswer | Json) -> Mapping[str, Json]:
    """A JSON object, or an empty one where there is none."""
    if isinstance(value, HttpAnswer):
        try:
            value = value.json
        except ProbeError:
            return {}
    return value if isinstance(value, dict) else {}


def _version(value: Json) -> str:
    found = _VERSION.fullmatch(value) if isinstance(value, str) else None
    return found.group() if found is not None else ""
