"""Redis as the EXEC components meet it: one read-only conversation from one machine, and what it says of the server.

The first words are a PING without a login, so that nothing secret is said before something has answered as Redis
does. Then AUTH, PING, INFO and HELLO 2; CONFIG GET and CLUSTER INFO only for what INFO leaves open. The fields of INFO
are those of https://redis.io/docs/latest/commands/info/; all of them are optional, since clones and managed services
leave some out.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from readiness.model import Cause, Lane, Level, ProbeError
from readiness.probe import Probe
from readiness.probes.redis_record import MAX_HEARD, UNASKED, Broken, Exchange, Record, escaped, info_fields
from readiness.probes.tcp import spoken
from readiness.probes.tls import (
    Certificate,
    TlsFailed,
    TlsFailure,
    TlsTrouble,
    failure_of,
    one_line,
    peek,
    start_tls,
    version_of,
)
from readiness.secret import Secret, SecretRef
from readiness.site import Endpoint, Redis, Tls
from readiness.vantage import Limits, PathClosed, PathVerdict, Stream, Vantages

_MAYBE_PLAIN = frozenset({TlsTrouble.PLAINTEXT, TlsTrouble.SILENT, TlsTrouble.CLOSED})


class Ending(StrEnum):
    """How a conversation with Redis ended."""

    ANSWERED = "answered"
    NO_NAME = "no_name"
    NO_PATH = "no_path"
    TLS = "tls"
    NOT_TLS = "not_tls"
    WANTS_TLS = "wants_tls"
    LOGIN_MISSING = "login_missing"
    LOGIN_REFUSED = "login_refused"
    FORBIDDEN = "forbidden"
    PROTECTED = "protected"
    FULL = "full"
    LOADING = "loading"
    MASTER_DOWN = "master_down"
    REFUSES = "refuses"
    NOT_REDIS = "not_redis"
    SILENT = "silent"
    CLOSED = "closed"
    OVERLONG = "overlong"


class Nameless(StrEnum):
    """Whether a client is served that has not logged in."""

    OPEN = "open"
    REFUSED = "refused"
    UNSEEN = "unseen"


class Login(StrEnum):
    """What became of the declared credentials."""

    UNDECLARED = "undeclared"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNTRIED = "untried"


class Product(StrEnum):
    """What a server is, by the signs that it gives; all but ``REDIS`` only look like it."""

    REDIS = "Redis"
    KEYDB = "KeyDB"
    DRAGONFLY = "Dragonfly"
    VALKEY = "Valkey"
    GARNET = "Garnet"
    KVROCKS = "Kvrocks"
    OTHER = "another server that speaks the protocol of Redis"


class Mode(StrEnum):
    """``redis_mode`` as INFO gives it."""

    STANDALONE = "standalone"
    CLUSTER = "cluster"
    SENTINEL = "sentinel"


class ServerRole(StrEnum):
    """``role`` as INFO gives it."""

    MASTER = "master"
    REPLICA = "slave"
    SENTINEL = "sentinel"


@dataclass(frozen=True, kw_only=True)
class Replica:
    """One replica that a master lists."""

    address: str
    online: bool


@dataclass(frozen=True, kw_only=True)
class Keyspace:
    """One numbered database that holds keys."""

    index: int
    keys: int


@dataclass(frozen=True, kw_only=True)
class RedisInfo:
    """What INFO says, with what CONFIG GET and CLUSTER INFO add where it is silent; ``None`` is not said.

    Sizes in bytes; ``maxmemory`` 0 means no limit; ``maxmemory_from`` names the command that gave it. ``master`` is
    whom a replica follows, ``masters`` are whom a Sentinel watches. Times in UTC.
    """

    product: Product
    product_version: str
    version: str | None
    mode: Mode | None
    cluster_enabled: bool | None
    role: ServerRole | None
    master: str | None
    master_link_up: bool | None
    masters: tuple[str, ...]
    replicas: tuple[Replica, ...]
    connected_replicas: int | None
    maxmemory: int | None
    maxmemory_from: str
    maxmemory_policy: str | None
    used_memory: int | None
    total_system_memory: int | None
    evicted_keys: int | None
    rdb_last_save: datetime | None
    rdb_last_save_ok: bool | None
    aof_enabled: bool | None
    aof_last_write_ok: bool | None
    connected_clients: int | None
    maxclients: int | None
    keyspaces: tuple[Keyspace, ...]
    os: str | None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The parts of ``redis_version`` that are numbers: (6, 2, 14); empty where there are none."""
        found = re.match(r"\d{1,6}(?:\.\d{1,6})*", self.version or "")
        return tuple(int(part) for part in found[0].split(".")) if found else ()

    @property
    def in_cluster_mode(self) -> bool | None:
        if self.mode is Mode.CLUSTER or self.cluster_enabled:
            return True
        return False if self.mode is Mode.STANDALONE or self.cluster_enabled is False else None

    @property
    def keys(self) -> int:
        return sum(space.keys for space in self.keyspaces)

    @property
    def online_replicas(self) -> int:
        return sum(replica.online for replica in self.replicas)


@dataclass(frozen=True, kw_only=True)
class RedisAnswer:
    """How one machine's conversation with the declared endpoint went.

    ``text``: the peer's or the network's own words, one line. ``how`` names what carried the bytes. ``verdict``
    belongs to ``NO_PATH``. ``certificate`` is the verified one; ``tls_failure`` belongs to ``TLS``. ``tls_version`` is
    empty without TLS. ``info`` is ``None`` where INFO was not read, ``info_refusal`` and ``config_refusal`` say why the
    server would not tell. ``protocol`` names what a ``NOT_REDIS`` peer speaks, where it can be told. ``modules`` as
    HELLO lists them, each its name and its path.

    INFO may have been read although the conversation did not end well: a server that is loading, or one that refuses
    the declared password and asks for none, still says what it is.
    """

    vantage: str
    endpoint: Endpoint
    ending: Ending
    text: str
    how: str
    verdict: PathVerdict | None
    tls_version: str
    certificate: Certificate | None
    tls_failure: TlsFailure | None
    nameless: Nameless
    login: Login
    username: str | None
    protocol: str
    modules: tuple[str, ...]
    info: RedisInfo | None
    info_refusal: str
    config_refusal: str

    @property
    def encrypted(self) -> bool:
        return self.certificate is not None

    @property
    def enterprise_managed(self) -> bool:
        """Whether HELLO lists a module with the path by which Redis Enterprise makes itself known."""
        return any("enterprise-managed" in module for module in self.modules)

    @property
    def sentinel(self) -> bool:
        return self.info is not None and Mode.SENTINEL is self.info.mode

    @property
    def unreached(self) -> bool:
        """Whether the conversation found no way to the peer."""
        return self.ending in (Ending.NO_NAME, Ending.NO_PATH)

    @property
    def level(self) -> Level:
        """How much the conversation proves about the path; a connect that failed was one all the same."""
        if self.ending is Ending.NO_NAME:
            return Level.DECLARED
        if self.login is Login.ACCEPTED:
            return Level.AUTHENTICATED
        return Level.PROTOCOL if self.spoke_redis else Level.TCP

    @property
    def spoke_redis(self) -> bool:
        """Whether something answered as Redis does."""
        return self.ending not in _WITHOUT_REDIS or self.nameless is not Nameless.UNSEEN

    @property
    def lane(self) -> Lane | None:
        """What kind of trouble it is; ``None`` where there is none."""
        if self.ending is Ending.NO_PATH:
            return _PATH_LANES.get(self.verdict or PathVerdict.OTHER, Lane.FIREWALL)
        if self.ending is Ending.TLS and self.tls_failure is not None:
            silent = self.tls_failure.trouble in (TlsTrouble.SILENT, TlsTrouble.CLOSED, TlsTrouble.PLAINTEXT)
            return Lane.SERVICE if silent else Lane.TLS
        return _LANES[self.ending]

    @property
    def words(self) -> str:
        """The ending as a clause that follows the endpoint's name: "refuses the declared login"."""
        if self.ending is Ending.NO_PATH:
            return _PATH_WORDS.get(self.verdict or PathVerdict.OTHER, "cannot be reached")
        if self.ending is Ending.TLS and self.tls_failure is not None:
            return _TLS_WORDS[self.tls_failure.trouble]
        if self.ending is Ending.NOT_REDIS and self.protocol:
            return f"speaks {self.protocol}, not Redis"
        if self.ending in (Ending.SILENT, Ending.CLOSED) and self.nameless is not Nameless.UNSEEN:
            return "breaks off the conversation"
        return _WORDS[self.ending]


_WITHOUT_REDIS = frozenset(
    {
        Ending.NO_NAME,
        Ending.NO_PATH,
        Ending.TLS,
        Ending.WANTS_TLS,
        Ending.NOT_REDIS,
        Ending.SILENT,
        Ending.CLOSED,
        Ending.OVERLONG,
    }
)
_LANES: Mapping[Ending, Lane | None] = {
    Ending.ANSWERED: None,
    Ending.NO_NAME: Lane.DNS,
    Ending.TLS: Lane.TLS,
    Ending.NOT_TLS: Lane.TLS,
    Ending.WANTS_TLS: Lane.TLS,
    Ending.LOGIN_MISSING: Lane.AUTH,
    Ending.LOGIN_REFUSED: Lane.AUTH,
    Ending.FORBIDDEN: Lane.AUTH,
    Ending.PROTECTED: Lane.CONFIGURATION,
    Ending.FULL: Lane.CAPACITY,
    Ending.LOADING: Lane.SERVICE,
    Ending.MASTER_DOWN: Lane.SERVICE,
    Ending.REFUSES: Lane.SERVICE,
    Ending.NOT_REDIS: Lane.SERVICE,
    Ending.SILENT: Lane.SERVICE,
    Ending.CLOSED: Lane.SERVICE,
    Ending.OVERLONG: Lane.SERVICE,
}
_PATH_LANES = {
    PathVerdict.REFUSED: Lane.SERVICE,
    PathVerdict.NO_ROUTE: Lane.ROUTE,
    PathVerdict.NET_UNREACHABLE: Lane.ROUTE,
}
_PATH_WORDS = {
    PathVerdict.REFUSED: "refuses the connection",
    PathVerdict.TIMEOUT: "does not answer the connection attempt",
    PathVerdict.NO_ROUTE: "cannot be reached: no route to the host",
    PathVerdict.NET_UNREACHABLE: "cannot be reached: no route to its network",
    PathVerdict.DENIED: "cannot be reached: the machine itself denies the connection",
}
_TLS_WORDS = {
    TlsTrouble.EXPIRED: "shows a certificate that has expired",
    TlsTrouble.NOT_YET_VALID: "shows a certificate that is not valid yet",
    TlsTrouble.WRONG_NAME: "shows a certificate that is made out to another name",
    TlsTrouble.UNTRUSTED_ISSUER: "shows a certificate from an issuer that is not trusted",
    TlsTrouble.BAD_CERTIFICATE: "shows a certificate that cannot be accepted",
    TlsTrouble.WANTS_CERTIFICATE: "demands a client certificate",
    TlsTrouble.PLAINTEXT: "does not speak TLS",
    TlsTrouble.HANDSHAKE: "breaks off the TLS handshake",
    TlsTrouble.CLOSED: "closes the connection during the TLS handshake",
    TlsTrouble.SILENT: "accepts the connection and never answers the TLS handshake",
}
_WORDS = {
    Ending.ANSWERED: "answers PING",
    Ending.NO_NAME: "has a name that does not resolve there",
    Ending.TLS: "fails in TLS",
    Ending.NOT_TLS: "speaks Redis without TLS, although the site file declares TLS",
    Ending.WANTS_TLS: "speaks TLS, although the site file declares none",
    Ending.LOGIN_MISSING: "asks for a login, and the site file declares none",
    Ending.LOGIN_REFUSED: "refuses the declared login",
    Ending.FORBIDDEN: "accepts the login, but the account may not even PING",
    Ending.PROTECTED: "is in protected mode and turns away every client from outside",
    Ending.FULL: "has no connection left: its maximum number of clients is reached",
    Ending.LOADING: "is still loading its data",
    Ending.MASTER_DOWN: "is a replica that has lost its master",
    Ending.REFUSES: "answers as Redis, but refuses PING",
    Ending.NOT_REDIS: "does not speak Redis",
    Ending.SILENT: "accepts the connection and never answers",
    Ending.CLOSED: "accepts the connection and closes it without an answer",
    Ending.OVERLONG: "answers with more than any Redis would say",
}


@dataclass(frozen=True, kw_only=True)
class AskRedis(Probe[RedisAnswer]):
    """Hold the conversation from one machine; ``tls`` of ``None`` is without TLS."""

    vantage: str
    endpoint: Endpoint
    username: str | None
    password: SecretRef | None
    tls: Tls | None

    method: ClassVar[str] = "AUTH, PING, INFO"

    @staticmethod
    def of(vantage: str, redis: Redis) -> AskRedis:
        return AskRedis(
            vantage=vantage,
            endpoint=redis.endpoint,
            username=redis.username,
            password=redis.password,
            tls=redis.tls,
        )

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        secured = " over TLS" if self.tls is not None else ""
        login = f", AUTH as {self.username or 'default'}" if self.password is not None else ""
        return f"ask Redis at {self.endpoint}{secured} from {self.vantage}: PING{login}, INFO, HELLO"

    @property
    def key(self) -> str:
        """Without the paths of files, which differ from one auditor's machine to the next."""
        secured = f"tls={self._name}" if self.tls is not None else "plain"
        return f"AskRedis(vantage={self.vantage}, endpoint={self.endpoint}, username={self.username}, {secured})"

    def limit(self, limits: Limits) -> float:
        return limits.conversation + 6 * limits.connect

    async def read(self, vantages: Vantages) -> str:
        secret = vantages.secret(self.password) if self.password is not None else None
        record = Record()
        await self._hear(vantages, record, secret)
        if record.unheard:
            # Silence is the peer's only while the machine that listens is known to be there.
            await vantages[self.vantage].run(":\n", limit=vantages.limits.connect)
        return record.text()

    async def _hear(self, vantages: Vantages, record: Record, secret: Secret | None) -> None:
        from readiness.probes.redis_wire import Credentials, talk

        limits = vantages.limits
        try:
            stream = await vantages[self.vantage].stream(self.endpoint.host, self.endpoint.port, limit=limits.connect)
        except PathClosed as closed:
            record.path = (closed.verdict, one_line(closed.text))
            return
        record.how = stream.how
        ends = asyncio.get_running_loop().time() + limits.conversation
        try:
            if self.tls is not None:
                record.certificate = await self._secure(stream, self.tls, limits.conversation)
                record.tls_version = version_of(stream)
            async with asyncio.timeout_at(ends):
                await talk(stream, record, Credentials(self.username, secret), vantages.redact)
        except TlsFailed as failed:
            record.tls_failure = failed.failure
        except TimeoutError:
            record.broken = (Broken.SILENT, f"no answer in {limits.conversation:g} s")
        finally:
            await stream.close()
        await self._look_again(vantages, record)

    async def _look_again(self, vantages: Vantages, record: Record) -> None:
        """Find out over a second connection what the first one could not tell; nothing secret goes over it."""
        failure = record.tls_failure
        if failure is not None and failure.trouble.about_certificate:
            shown = await self._peek(vantages)
            record.tls_failure = TlsFailure(trouble=failure.trouble, text=failure.text, certificate=shown)
        elif failure is not None and failure.trouble in _MAYBE_PLAIN:
            record.plainly = await self._ping_plainly(vantages)
        elif record.unexplained:
            if self.tls is None:
                record.behind_tls = await self._peek(vantages) is not None
            if record.hung_up and not record.behind_tls:
                await self._listen(vantages, record)

    async def _listen(self, vantages: Vantages, record: Record) -> None:
        """Hear what a peer says unasked that hung up on our first words.

        A server that turns a client away says why and closes at once; our PING can run into that close before its
        words were read.
        """
        limit = vantages.limits.connect
        try:
            stream = await vantages[self.vantage].stream(self.endpoint.host, self.endpoint.port, limit=limit)
        except PathClosed:
            return
        try:
            if self.tls is not None:
                await self._secure(stream, self.tls, limit)
            async with asyncio.timeout(limit):
                record.heard = await stream.reader.read(MAX_HEARD)
        except ssl.SSLError as error:
            record.broken = (Broken.TLS, failure_of(error).text)
        except (OSError, TlsFailed):
            pass  # nothing more is known than before
        finally:
            await stream.close()
        if record.heard[:1] == b"-":
            record.exchanges.append(Exchange(UNASKED, error=escaped(record.heard[1:])))

    async def _secure(self, stream: Stream, tls: Tls, limit: float) -> Certificate:
        return await start_tls(
            stream, host=self._name, limit=limit, ca_file=tls.ca_file, cert_file=tls.cert_file, key_file=tls.key_file
        )

    async def _peek(self, vantages: Vantages) -> Certificate | None:
        return await peek(
            vantages[self.vantage],
            self.endpoint.host,
            self.endpoint.port,
            server_name=self._name,
            limit=vantages.limits.connect,
        )

    async def _ping_plainly(self, vantages: Vantages) -> bytes:
        """What a peer that does not do TLS says to a bare PING; nothing where it says nothing."""
        limit = vantages.limits.connect
        try:
            stream = await vantages[self.vantage].stream(self.endpoint.host, self.endpoint.port, limit=limit)
        except PathClosed:
            return b""
        try:
            async with asyncio.timeout(limit):
                stream.writer.write(b"PING\r\n")
                await stream.writer.drain()
                return await stream.reader.read(MAX_HEARD)
        except OSError:
            return b""
        finally:
            await stream.close()

    @property
    def _name(self) -> str:
        return (self.tls.server_name if self.tls is not None else None) or self.endpoint.host

    def parse(self, response: str) -> RedisAnswer:
        try:
            return _Reading(self, Record.of(response)).answer()
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded conversation makes no sense: {one_line(str(error))}") from None


# ---- what it means ----------------------------------------------------------------------------------------------


class _Reading:
    """Understands a record."""

    def __init__(self, probe: AskRedis, record: Record) -> None:
        self._probe = probe
        self._record = record

    def answer(self) -> RedisAnswer:
        ending, text = self._ending()
        info = self._said("INFO")
        return RedisAnswer(
            vantage=self._probe.vantage,
            endpoint=self._probe.endpoint,
            ending=ending,
            text=text,
            how=self._record.how,
            verdict=self._record.path[0] if self._record.path else None,
            tls_version=self._record.tls_version,
            certificate=self._record.certificate,
            tls_failure=self._tls_failure,
            nameless=self._nameless(),
            login=self._login(),
            username=self._probe.username,
            protocol=self._protocol(),
            modules=self._modules(),
            info=self._info(info.reply) if info is not None and isinstance(info.reply, str) else None,
            info_refusal=(info.error or "") if info is not None else "",
            config_refusal=(config.error or "") if (config := self._said("CONFIG GET maxmemory")) else "",
        )

    @property
    def _tls_failure(self) -> TlsFailure | None:
        record = self._record
        if record.tls_failure is None and record.broken is not None and record.broken[0] is Broken.TLS:
            # With TLS 1.3 a peer that misses our certificate says so after the handshake.
            return TlsFailure(trouble=TlsTrouble.WANTS_CERTIFICATE, text=record.broken[1])
        return record.tls_failure

    def _ending(self) -> tuple[Ending, str]:
        record = self._record
        if record.path is not None:
            return (Ending.NO_NAME if record.path[0] is None else Ending.NO_PATH), record.path[1]
        failure = self._tls_failure
        if failure is not None:
            if record.plainly[:1] in (b"+", b"-"):
                return Ending.NOT_TLS, escaped(record.plainly)
            if record.plainly and failure.trouble is TlsTrouble.PLAINTEXT:
                return Ending.NOT_REDIS, escaped(record.plainly)
            return Ending.TLS, failure.text
        if record.behind_tls:
            return Ending.WANTS_TLS, "a TLS handshake succeeds there"
        refusal = self._refusal()
        if refusal is not None:
            return refusal
        if self._pong:
            return Ending.ANSWERED, "PONG"
        why, text = record.broken or (Broken.CLOSED, "the connection was closed")
        return _BROKEN[why], text

    @property
    def _pong(self) -> bool:
        pings = self._pings
        return bool(pings) and pings[-1].error is None and self._login() is not Login.UNTRIED

    def _refusal(self) -> tuple[Ending, str] | None:
        """The error that ended it, the login's before the last PING's."""
        auth = self._auths
        if auth and auth[-1].error is not None:
            early = _turned_away(auth[-1].error)
            return (early or Ending.LOGIN_REFUSED), auth[-1].error
        pings = self._pings
        if not pings or pings[-1].error is None:
            return None
        error = pings[-1].error
        early = _turned_away(error)
        if early is not None:
            return early, error
        if not auth and self._probe.password is not None:
            return None
        code = error.split(" ", 1)[0].upper()
        if code == "NOAUTH":
            return (Ending.LOGIN_REFUSED if auth else Ending.LOGIN_MISSING), error
        return (Ending.FORBIDDEN if code == "NOPERM" else Ending.REFUSES), error

    @property
    def _pings(self) -> list[Exchange]:
        return [e for e in self._record.exchanges if e.sent in ("PING", UNASKED)]

    @property
    def _auths(self) -> list[Exchange]:
        return [e for e in self._record.exchanges if e.sent.startswith("AUTH ")]

    def _login(self) -> Login:
        if self._probe.password is None:
            return Login.UNDECLARED
        if not self._auths:
            return Login.UNTRIED
        return Login.ACCEPTED if self._auths[-1].error is None else Login.REFUSED

    def _nameless(self) -> Nameless:
        first = next(iter(self._record.exchanges), None)
        if first is None:
            return Nameless.UNSEEN
        if first.error is not None:
            asked = first.error.upper().startswith(("NOAUTH", "NOPERM", "ERR OPERATION NOT PERMITTED"))
            return Nameless.REFUSED if asked else Nameless.UNSEEN
        return Nameless.OPEN

    def _protocol(self) -> str:
        heard = self._record.plainly or self._record.heard
        return spoken(heard) or ("memcached" if heard.startswith(b"ERROR\r\n") else "")

    def _modules(self) -> tuple[str, ...]:
        hello = self._said("HELLO 2")
        listed = _pairs(hello.reply).get("modules") if hello is not None else None
        found = (_pairs(module) for module in listed) if isinstance(listed, list) else ()
        return tuple(one_line(f"{module.get('name', '')} {module.get('path', '')}") for module in found)

    def _said(self, command: str) -> Exchange | None:
        return next((e for e in reversed(self._record.exchanges) if e.sent == command), None)

    def _info(self, text: str) -> RedisInfo:
        fields = dict(info_fields(text))
        for command in ("CONFIG GET maxmemory", "CONFIG GET maxmemory-policy"):
            config = self._said(command)
            for key, value in _pairs(config.reply).items() if config is not None else ():
                fields.setdefault(key.replace("-", "_"), str(value))
        cluster = self._said("CLUSTER INFO")
        if cluster is not None and cluster.error is None:
            fields.setdefault("cluster_enabled", "1")
        elif cluster is not None and "cluster support disabled" in (cluster.error or "").lower():
            fields.setdefault("cluster_enabled", "0")
        return _info_of(fields, text, from_config="maxmemory" not in info_fields(text))


_BROKEN = {
    Broken.SILENT: Ending.SILENT,
    Broken.CLOSED: Ending.CLOSED,
    Broken.TLS: Ending.TLS,
    Broken.NOT_REDIS: Ending.NOT_REDIS,
    Broken.OVERLONG: Ending.OVERLONG,
}


def _turned_away(error: str) -> Ending | None:
    """Errors that say the same whatever was asked."""
    code = error.split(" ", 1)[0].upper()
    if code == "DENIED":
        return Ending.PROTECTED
    if code == "LOADING":
        return Ending.LOADING
    if code == "MASTERDOWN":
        return Ending.MASTER_DOWN
    return Ending.FULL if "max number of clients" in error.lower() else None


def _pairs(reply: Any) -> dict[str, Any]:
    """A flat list of names and values as RESP2 writes a map."""
    if not isinstance(reply, list):
        return {}
    return {str(name): value for name, value in zip(reply[::2], reply[1::2], strict=False)}


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 20 else None


def _flag(text: str | None, *, yes: str = "1", no: str = "0") -> bool | None:
    return {yes: True, no: False}.get((text or "").lower())


def _time(text: str | None) -> datetime | None:
    seconds = _number(text)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, OSError, ValueError):
        return None


def _parts(value: str) -> dict[str, str]:
    """``ip=10.0.0.1,port=6379`` as INFO writes what has several parts."""
    return {name: text for name, equals, text in (part.partition("=") for part in value.split(",")) if equals}


def _address(parts: Mapping[str, str]) -> str:
    host, port = parts.get("ip") or parts.get("address") or "", parts.get("port") or ""
    return str(Endpoint(host, int(port))) if port.isdigit() and host else host


def _info_of(fields: Mapping[str, str], text: str, *, from_config: bool) -> RedisInfo:
    product, product_version = _product(fields, text)
    mode = fields.get("redis_mode") or fields.get("server_mode") or ""
    role = fields.get("role") or ""
    link = fields.get("master_link_status")
    followed = {"ip": fields.get("master_host", ""), "port": fields.get("master_port", "")}
    return RedisInfo(
        product=product,
        product_version=product_version,
        version=fields.get("redis_version"),
        mode=Mode(mode) if mode in set(Mode) else None,
        cluster_enabled=_flag(fields.get("cluster_enabled")),
        role=ServerRole(role) if role in set(ServerRole) else None,
        master=_address(followed) or None,
        master_link_up=_flag(link, yes="up", no="down"),
        masters=tuple(_address(_parts(v)) for k, v in fields.items() if re.fullmatch(r"master\d+", k)),
        replicas=tuple(_replicas(v for k, v in fields.items() if re.fullmatch(r"slave\d+", k))),
        connected_replicas=_number(fields.get("connected_slaves")),
        maxmemory=_number(fields.get("maxmemory")),
        maxmemory_from="CONFIG GET" if from_config else "INFO",
        maxmemory_policy=fields.get("maxmemory_policy"),
        used_memory=_number(fields.get("used_memory")),
        total_system_memory=_number(fields.get("total_system_memory")),
        evicted_keys=_number(fields.get("evicted_keys")),
        rdb_last_save=_time(fields.get("rdb_last_save_time")),
        rdb_last_save_ok=_flag(fields.get("rdb_last_bgsave_status"), yes="ok", no="err"),
        aof_enabled=_flag(fields.get("aof_enabled")),
        aof_last_write_ok=_flag(fields.get("aof_last_write_status"), yes="ok", no="err"),
        connected_clients=_number(fields.get("connected_clients")),
        maxclients=_number(fields.get("maxclients")),
        keyspaces=tuple(
            Keyspace(index=int(k[2:]), keys=_number(_parts(v).get("keys")) or 0)
            for k, v in fields.items()
            if re.fullmatch(r"db\d{1,6}", k)
        ),
        os=fields.get("os"),
    )


def _replicas(lines: Iterable[str]) -> Iterable[Replica]:
    for line in lines:
        parts = _parts(line)
        yield Replica(address=_address(parts), online=parts.get("state") == "online")


_SIGNS: tuple[tuple[Product, str], ...] = (
    (Product.DRAGONFLY, "dragonfly_version"),
    (Product.VALKEY, "valkey_version"),
    (Product.GARNET, "garnet_version"),
    (Product.KVROCKS, "kvrocks_version"),
    (Product.KEYDB, "keydb_version"),
    (Product.KEYDB, "mvcc_depth"),
    (Product.OTHER, "pika_version"),
    (Product.OTHER, "redict_version"),
    (Product.OTHER, "upstash_version"),
    (Product.OTHER, "tendis_version"),
)
_NAMES = (Product.VALKEY, Product.KEYDB, Product.DRAGONFLY, Product.GARNET, Product.KVROCKS)


def _product(fields: Mapping[str, str], text: str) -> tuple[Product, str]:
    """Which server it is, and its own version where it says so."""
    for product, sign in _SIGNS:
        if sign in fields:
            return product, fields[sign] if sign.endswith("_version") else ""
    named = fields.get("server_name", "").lower()
    program = fields.get("executable", "").rsplit("/", 1)[-1].lower()
    for product in _NAMES:
        word = product.value.lower()
        if word in named or word in program or re.search(rf"^# {word}\s*$", text, re.IGNORECASE | re.MULTILINE):
            return product, ""
    if named and named != "redis":
        return Product.OTHER, ""
    return Product.REDIS, fields.get("redis_version", "")
