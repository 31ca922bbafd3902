"""The Engage Config DB, read with EXEC's own account: what the account may, and what is configured.

Tables and columns are looked up in the catalogue of the database (https://www.postgresql.org/docs/current/catalogs.html)
before they are asked for: what this release of Genesys does not have stays unread, with the reason. Of persons nothing
is read but their number.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, TypeVar

from readiness.model import Cause, ProbeError
from readiness.probe import Probe
from readiness.probes.http import Json, json_of
from readiness.probes.postgres import (
    Login,
    PgEnding,
    PgError,
    PgFailed,
    PgRefusal,
    PgSession,
    open_session,
)
from readiness.probes.postgres import Row as PgRow
from readiness.probes.tls import Certificate, one_line
from readiness.secret import SecretRef
from readiness.site import ConfigDb, Endpoint, Tls
from readiness.vantage import Limits, Vantages

NEEDED = (
    "cfg_application",
    "cfg_server",
    "cfg_host",
    "cfg_switch",
    "cfg_dn",
    "cfg_person",
    "cfg_flex_prop",
    "cfg_app_option",
    "cfg_locale",
)
"""Tables that are known to hold what EXEC reads."""

MOST_SERVERS = 2000
MOST_TABLES = 500
_STATE_ENABLED = "1"


class AppType(IntEnum):
    """The codes of ``cfg_application.type`` that matter here."""

    T_SERVER = 1
    STAT_SERVER = 2
    CONFIGURATION_SERVER = 21


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the account may do with one table; ``columns`` are all that it has."""

    name: str
    readable: bool
    writable: bool
    owned: bool
    columns: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class ConfiguredServer:
    """An Application object: a server as it is configured, which is not always the program that runs.

    ``host`` and ``address`` are those of its Host object; ``port`` is ``None`` where the table has none.
    """

    name: str
    type: AppType
    version: str
    enabled: bool
    host: str
    address: str
    port: int | None


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """What is configured; a number or list is ``None`` where it could not be read, ``unread`` says why."""

    servers: tuple[ConfiguredServer, ...] | None
    agents: int | None
    virtual_queues: int | None
    sip_switches: int | None
    unread: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ConfigDbSession:
    """An account's session with the Config DB.

    ``schema`` is the one whose tables were read; ``tables`` are the cfg_ tables in it, by name. ``elsewhere`` are
    other schemas with such tables. ``tls_version`` is empty without TLS.
    """

    spoken_from: str
    how: str
    server_version: str
    tls_version: str
    certificate: Certificate | None
    account: str
    superuser: bool
    in_recovery: bool | None
    schema: str | None
    tables: Mapping[str, Table]
    elsewhere: tuple[str, ...]
    inventory: Inventory


@dataclass(frozen=True, kw_only=True)
class ConfigDbTalk:
    """What came of asking the Config DB, from ``spoken_from``; ``passed_by`` are machines that had no path to it."""

    spoken_from: str
    result: ConfigDbSession | PgRefusal
    passed_by: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class ReadConfigDb(Probe[ConfigDbTalk]):
    """Log in to the Config DB with EXEC's account and read its catalogue, its servers and its numbers."""

    method: ClassVar[str] = "PostgreSQL session"

    asked_from: tuple[str, ...]
    endpoint: Endpoint
    database: str
    schema: str | None
    user: str
    password: SecretRef | None
    tls: Tls | None

    @staticmethod
    def of(config_db: ConfigDb, asked_from: tuple[str, ...]) -> ReadConfigDb:
        """The session that a site declares; libpq's defaults where it leaves something out."""
        user = config_db.user or "postgres"
        return ReadConfigDb(
            asked_from=asked_from,
            endpoint=config_db.endpoint,
            database=config_db.database or user,
            schema=config_db.schema,
            user=user,
            password=config_db.password,
            tls=config_db.tls,
        )

    @property
    def vantages(self) -> tuple[str, ...]:
        return self.asked_from

    def describe(self) -> str:
        return (
            f"read the catalogue and the servers of database {self.database} at {self.endpoint} as {self.user}, from"
            f" the first of {', '.join(self.asked_from)}; read-only"
        )

    def limit(self, limits: Limits) -> float:
        return len(self.asked_from) * (limits.connect + limits.conversation) + 2 * limits.conversation

    async def read(self, vantages: Vantages) -> str:
        password = vantages.secret(self.password) if self.password is not None else None
        login = Login(user=self.user, database=self.database, password=password, tls=self.tls)
        passed_by: dict[str, str] = {}
        first: tuple[str, PgRefusal] | None = None
        trouble: ProbeError | None = None
        for vantage in self.asked_from:
            try:
                opened = await open_session(vantages, vantage, self.endpoint, login)
            except ProbeError as error:
                trouble = error
                passed_by[vantage] = error.reason.detail
                continue
            if isinstance(opened, PgSession):
                async with opened:
                    told = await _Reading(opened, self).all()
                return json.dumps({"from": vantage, "passed_by": passed_by, "session": told})
            first = first or (vantage, opened)
            if opened.ending not in (PgEnding.PATH, PgEnding.SILENT):
                first = (vantage, opened)
                break
            passed_by[vantage] = opened.text
        if first is None:
            raise trouble or ProbeError(
                Cause.UNDECLARED, "no EXCS VM is built that could ask", enable="Give the EXCS VM its `host`."
            )
        vantage, refusal = first
        passed_by.pop(vantage, None)
        return json.dumps({"from": vantage, "passed_by": passed_by, "refusal": refusal.as_json()})

    def parse(self, response: str) -> ConfigDbTalk:
        recorded = _object(json_of(response))
        vantage = str(recorded.get("from"))
        session = recorded.get("session")
        result = (
            _session(_object(session), vantage, self)
            if session is not None
            else PgRefusal.from_json(recorded.get("refusal"))
        )
        passed_by = {name: str(why) for name, why in _object(recorded.get("passed_by")).items()}
        return ConfigDbTalk(spoken_from=vantage, result=result, passed_by=passed_by)


# -- asking --------------------------------------------------------------------------------------------------

_CATALOGUE = r"""
SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'), pg_has_role(c.relowner, 'USAGE'),
       (SELECT string_agg(a.attname, ' ') FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND c.relname LIKE 'cfg\_%' ESCAPE '\'
ORDER BY 1, 2 LIMIT 5000
"""
_SELF = """
SELECT current_user, pg_is_in_recovery(),
       (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user), version()
"""


class _Reading:
    """The questions of one session; a question that is refused costs itself alone."""

    def __init__(self, session: PgSession, probe: ReadConfigDb) -> None:
        self._session = session
        self._probe = probe
        self._unread: dict[str, str] = {}

    async def all(self) -> dict[str, object]:
        itself, catalogue = await asyncio.gather(self._ask("itself", _SELF), self._ask("catalogue", _CATALOGUE))
        tables = _tables(catalogue or [])
        schema = self._probe.schema or _likely(tables)
        ours = tables.get(schema or "", {})
        session = self._session
        servers, agents, virtual_queues, sip_switches = await asyncio.gather(
            self._servers(schema, ours),
            self._count(schema, ours, "cfg_person", {"is_agent": "2", "state": _STATE_ENABLED}),
            self._count(schema, ours, "cfg_dn", {"type": "5"}),
            self._sip_switches(schema, ours),
        )
        return {
            "how": session.how,
            "server_version": session.parameters.get("server_version", ""),
            "tls_version": session.tls_version,
            "certificate": session.certificate.as_json() if session.certificate is not None else None,
            "itself": [list(row) for row in itself or []],
            "schema": schema,
            "tables": {name: _kept(ours[name]) for name in _worth_keeping(ours)},
            "elsewhere": sorted(other for other in tables if other != schema)[:20],
            "servers": servers,
            "agents": agents,
            "virtual_queues": virtual_queues,
            "sip_switches": sip_switches,
            "unread": self._unread,
        }

    async def _ask(self, what: str, sql: str) -> list[list[str | None]] | None:
        try:
            return [list(row) for row in await self._session.query(sql)]
        except PgError as error:
            self._unread[what] = f"{error.code} {error.text}".strip()
        except PgFailed as failed:
            self._unread[what] = f"the session ended: {failed.refusal.text}"
        return None

    def _lacks(self, what: str, tables: Mapping[str, Table], name: str, columns: Sequence[str]) -> bool:
        """Whether a table or a column is not there, or not readable; the reason is kept."""
        table = tables.get(name)
        if table is None:
            self._unread[what] = f"there is no table {name}"
        elif not table.readable:
            self._unread[what] = f"the account may not read {name}"
        elif not set(columns) <= table.columns:
            missing = ", ".join(sorted(set(columns) - table.columns))
            self._unread[what] = f"{name} has no column {missing}"
        else:
            return False
        return True

    async def _servers(self, schema: str | None, tables: Mapping[str, Table]) -> list[list[str | None]] | None:
        what = "servers"
        if schema is None or self._lacks(what, tables, "cfg_application", ("dbid", "name", "type", "version", "state")):
            return None
        at = _quoted(schema)
        hosts, joins = ("NULL", "NULL", "NULL"), ""
        placed = not self._lacks("hosts", tables, "cfg_server", ("app_dbid", "host_dbid"))
        if placed and not self._lacks("hosts", tables, "cfg_host", ("dbid", "name")):
            port = 's."port"' if "port" in tables["cfg_server"].columns else "NULL"
            address = 'h."ip_address"' if "ip_address" in tables["cfg_host"].columns else "NULL"
            hosts = ('h."name"', address, port)
            joins = (
                f' LEFT JOIN {at}."cfg_server" s ON s."app_dbid" = a."dbid"'
                f' LEFT JOIN {at}."cfg_host" h ON h."dbid" = s."host_dbid"'
            )
        types = ", ".join(str(kind.value) for kind in AppType)
        return await self._ask(
            what,
            f'SELECT a."name", a."type", a."version", a."state", {", ".join(hosts)}'  # noqa: S608 (names of the catalogue, quoted)
            f' FROM {at}."cfg_application" a{joins} WHERE a."type" IN ({types}) ORDER BY 1 LIMIT {MOST_SERVERS}',
        )

    async def _count(
        self, schema: str | None, tables: Mapping[str, Table], name: str, values: Mapping[str, str]
    ) -> str | None:
        what = "agents" if name == "cfg_person" else "virtual_queues"
        if schema is None or self._lacks(what, tables, name, tuple(values)):
            return None
        held = " AND ".join(f'"{column}" = {value}' for column, value in values.items())
        sql = f'SELECT count(*) FROM {_quoted(schema)}."{name}" WHERE {held}'  # noqa: S608 (names of the catalogue, quoted)
        return _single(await self._ask(what, sql))

    async def _sip_switches(self, schema: str | None, tables: Mapping[str, Table]) -> str | None:
        what = "sip_switches"
        if schema is None or self._lacks(what, tables, "cfg_switch", ("type",)):
            return None
        if self._lacks(what, tables, "cfg_locale", ("lc_type", "lc_subtype", "lc_value")):
            return None
        at = _quoted(schema)
        named = f'SELECT l."lc_subtype" FROM {at}."cfg_locale" l'  # noqa: S608 (names of the catalogue, quoted)
        sip = """l."lc_type" = 1 AND upper(l."lc_value") LIKE '%SIP%'"""
        sql = f'SELECT count(*) FROM {at}."cfg_switch" w WHERE w."type" IN ({named} WHERE {sip})'  # noqa: S608
        return _single(await self._ask(what, sql))


def _tables(rows: Sequence[Sequence[str | None]]) -> dict[str, dict[str, Table]]:
    found: dict[str, dict[str, Table]] = {}
    for row in rows:
        schema, name, readable, writable, owned, columns = (*row, *[None] * 6)[:6]
        if schema is not None and name is not None:
            found.setdefault(schema, {})[name] = Table(
                name=name,
                readable=readable == "t",
                writable=writable == "t",
                owned=owned == "t",
                columns=frozenset((columns or "").split()),
            )
    return found


def _likely(tables: Mapping[str, Mapping[str, Table]]) -> str | None:
    """The schema that holds most of what is needed; of equals the first by name."""
    held = {schema: len(set(NEEDED) & ours.keys()) for schema, ours in tables.items()}
    return max(held, key=lambda schema: held[schema]) if held and max(held.values()) else None


def _worth_keeping(tables: Mapping[str, Table]) -> list[str]:
    """What is needed, and of the others as many as a report can bear."""
    needed = [name for name in NEEDED if name in tables]
    return needed + sorted(tables.keys() - set(needed))[:MOST_TABLES]


def _kept(table: Table) -> list[object]:
    columns = sorted(table.columns) if table.name in NEEDED else []
    return [table.readable, table.writable, table.owned, columns]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _single(rows: Sequence[Sequence[str | None]] | None) -> str | None:
    return rows[0][0] if rows and rows[0] else None


# -- understanding -------------------------------------------------------------------------------------------


def _session(told: Mapping[str, Json], vantage: str, probe: ReadConfigDb) -> ConfigDbSession:
    itself = [_texts(row) for row in _list(told.get("itself"))]
    first: PgRow = itself[0] if itself else ()
    account, recovery, superuser = (*first, None, None, None)[:3]
    shown, schema = told.get("certificate"), told.get("schema")
    return ConfigDbSession(
        spoken_from=vantage,
        how=str(told.get("how")),
        server_version=str(told.get("server_version")),
        tls_version=str(told.get("tls_version")),
        certificate=Certificate.from_json(shown) if shown is not None else None,
        account=account or probe.user,
        superuser=superuser == "t",
        in_recovery={"t": True, "f": False}.get(recovery or ""),
        schema=schema if isinstance(schema, str) else None,
        tables={name: _table(name, _list(table)) for name, table in _object(told.get("tables")).items()},
        elsewhere=tuple(str(other) for other in _list(told.get("elsewhere"))),
        inventory=Inventory(
            servers=_optional(told.get("servers"), _servers),
            agents=_optional(told.get("agents"), _number),
            virtual_queues=_optional(told.get("virtual_queues"), _number),
            sip_switches=_optional(told.get("sip_switches"), _number),
            unread={what: one_line(str(why)) for what, why in _object(told.get("unread")).items()},
        ),
    )


def _table(name: str, told: Sequence[Json]) -> Table:
    if len(told) != 4:
        raise _nonsense()
    return Table(
        name=name,
        readable=told[0] is True,
        writable=told[1] is True,
        owned=told[2] is True,
        columns=frozenset(str(column) for column in _list(told[3])),
    )


def _servers(told: Json) -> tuple[ConfiguredServer, ...]:
    return tuple(_server(_texts(row)) for row in _list(told))


def _server(row: PgRow) -> ConfiguredServer:
    name, kind, version, state, host, address, port = (*row, *[None] * 7)[:7]
    try:
        type_ = AppType(int(kind or ""))
    except ValueError:
        raise _nonsense() from None
    return ConfiguredServer(
        name=one_line(name or "", 100),
        type=type_,
        version=one_line(version or "", 40),
        enabled=state == _STATE_ENABLED,
        host=one_line(host or "", 253),
        address=one_line(address or "", 64),
        port=int(port) if port is not None and port.isdecimal() and len(port) < 6 else None,
    )


ValueT = TypeVar("ValueT")


def _optional(told: Json, understand: Callable[[Json], ValueT]) -> ValueT | None:
    return understand(told) if told is not None else None


def _number(told: Json) -> int:
    if not isinstance(told, str) or not told.isdecimal() or len(told) > 12:
        raise _nonsense()
    return int(told)


def _texts(told: Json) -> tuple[str | None, ...]:
    return tuple(value if isinstance(value, str) else None for value in _list(told))


def _object(told: Json) -> dict[str, Json]:
    if not isinstance(told, dict):
        raise _nonsense()
    return told


def _list(told: Json) -> list[Json]:
    if not isinstance(told, list):
        raise _nonsense()
    return told


def _nonsense() -> ProbeError:
    return ProbeError(Cause.PARSE, "the recorded session with the Config DB makes no sense")
