"""A stand-in of PostgreSQL for an Engage Config DB: its protocol, its login, its refusals, and tables to read.

The frontend/backend protocol 3.0 is spoken as far as simple queries
(https://www.postgresql.org/docs/current/protocol-flow.html), with TLS and SCRAM-SHA-256 (RFC 5802, RFC 7677). Queries
really run, in SQLite, with as much of PostgreSQL's catalogue and functions as looking up tables and rights needs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import secrets
import sqlite3
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from readiness.lab.peers import Peer

ITERATIONS = 4096
"""Rounds of SCRAM's hash, PostgreSQL's default."""

MAX_MESSAGE = 64 * 1024
"""Bytes that a client may send at once."""

_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_PROTOCOL_3 = 196608
_TEXT_OID = 25

Value = str | int | None


@dataclass(frozen=True, kw_only=True)
class PgTable:
    """One table; ``writable``: the accounts may change it as well as read it, ``readable``: they may read it."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[Value, ...]] = ()
    readable: bool = True
    writable: bool = False


@dataclass
class PgState:
    """One database and who may use it; changes of anything but ``tables`` count from the next session on.

    ``users``: passwords by name. ``barred``: users that pg_hba.conf has no line for. ``in_recovery``: it is a standby.
    """

    database: str
    tables: Mapping[str, PgTable]
    schema: str = "public"
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    barred: frozenset[str] = frozenset()
    superusers: frozenset[str] = frozenset()
    in_recovery: bool = False
    server_version: str = "15.8"


class _Refused(Exception):
    """What the server answers with an ErrorResponse; ``fatal`` ends the session."""

    def __init__(self, code: str, text: str, *, fatal: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.fatal = fatal


class PgServer(Peer):
    """Serves one state; an async context that gives its endpoint. ``tls`` is offered, and wanted, where it is given."""

    def __init__(self, state: PgState, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.state = state
        self._context = tls
        self._tables = _Tables(state)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = _Wire(reader, writer)
        try:
            asked = await self._greeted(wire)
            if asked is not None:
                user = await self._logged_in(wire, asked)
                await self._questions(wire, user)
        except _Refused as refused:
            wire.refuse(refused)
            await writer.drain()
        except (asyncio.IncompleteReadError, struct.error):
            return  # the client went away, or talks nonsense

    async def _greeted(self, wire: _Wire) -> Mapping[str, str] | None:
        """Everything before the login: a wish for encryption, then who wants what."""
        while True:
            code, body = await wire.opening()
            if code == _SSL_REQUEST:
                await wire.raw(b"N" if self._context is None else b"S")
                if self._context is not None:
                    await wire.encrypt(self._context)
            elif code == _GSS_REQUEST:
                await wire.raw(b"N")
            elif code == _PROTOCOL_3:
                words = [word.decode("utf-8", "replace") for word in body.split(b"\0")]
                return dict(zip(words[::2], words[1::2], strict=False))
            else:
                return None

    async def _logged_in(self, wire: _Wire, asked: Mapping[str, str]) -> str:
        user = asked.get("user", "")
        database = asked.get("database", user)
        if user in self.state.barred or (self._context is not None and not wire.encrypted):
            how = "SSL encryption" if wire.encrypted else "no encryption"
            line = f'no pg_hba.conf entry for host "10.20.30.11", user "{user}", database "{database}", {how}'
            raise _Refused("28000", line, fatal=True)
        await _scram(wire, user, self.state.users.get(user))
        if database != self.state.database:
            raise _Refused("3D000", f'database "{database}" does not exist', fatal=True)
        wire.send(b"R", struct.pack("!I", 0))
        told = {
            "server_version": self.state.server_version,
            "server_encoding": "UTF8",
            "client_encoding": "UTF8",
            "is_superuser": "on" if user in self.state.superusers else "off",
            "in_hot_standby": "on" if self.state.in_recovery else "off",
            "session_authorization": user,
            "standard_conforming_strings": "on",
        }
        for name, value in told.items():
            wire.send(b"S", _text(name) + _text(value))
        wire.send(b"K", struct.pack("!II", secrets.randbelow(1 << 31), secrets.randbelow(1 << 31)))
        await wire.ready()
        return user

    async def _questions(self, wire: _Wire, user: str) -> None:
        while True:
            kind, body = await wire.message()
            if kind == b"X":
                return
            try:
                if kind != b"Q":
                    raise _Refused("0A000", "the extended query protocol is not spoken here")
                self._answer(wire, user, body.rstrip(b"\0").decode("utf-8", "replace"))
            except _Refused as refused:
                wire.refuse(refused)
            await wire.ready()

    def _answer(self, wire: _Wire, user: str, sql: str) -> None:
        word = sql.split(None, 1)[0].upper() if sql.split() else ""
        if word == "SET":
            wire.send(b"C", _text("SET"))
        elif word == "SELECT":
            names, rows = self._tables.ask(user, sql)
            wire.send(b"T", struct.pack("!H", len(names)) + b"".join(_column(name) for name in names))
            for row in rows:
                wire.send(b"D", struct.pack("!H", len(row)) + b"".join(_value(value) for value in row))
            wire.send(b"C", _text(f"SELECT {len(rows)}"))
        elif not word:
            wire.send(b"I", b"")
        else:
            raise _Refused("25006", f"cannot execute {word} in a read-only transaction")


async def _scram(wire: _Wire, user: str, password: str | None) -> None:
    """Let a user prove the password, and prove that we know it; a user that does not exist fails no sooner."""
    wire.send(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")
    await wire.flush()
    kind, body = await wire.message()
    mechanism, _, rest = body.partition(b"\0")
    first = rest[4:].decode("utf-8", "replace")
    if kind != b"p" or mechanism != b"SCRAM-SHA-256" or not first.startswith(("n,", "y,")):
        raise _Refused("08P01", "malformed SCRAM message", fatal=True)
    bare = first.split(",", 2)[2]
    salt = secrets.token_bytes(16)
    nonce = _field(bare, "r") + base64.b64encode(secrets.token_bytes(18)).decode()
    challenge = f"r={nonce},s={base64.b64encode(salt).decode()},i={ITERATIONS}"
    wire.send(b"R", struct.pack("!I", 11) + challenge.encode())
    await wire.flush()
    _, body = await wire.message()
    unproven, _, proof = body.decode("ascii", "replace").rpartition(",p=")
    known = password if password is not None else secrets.token_hex()
    salted = await asyncio.to_thread(hashlib.pbkdf2_hmac, "sha256", known.encode(), salt, ITERATIONS)
    signed = f"{bare},{challenge},{unproven}".encode()
    client = _hmac(salted, b"Client Key")
    expected = _xor(client, _hmac(hashlib.sha256(client).digest(), signed))
    proven = hmac.compare_digest(base64.b64encode(expected).decode(), proof) and _field(unproven, "r") == nonce
    if password is None or not proven:
        raise _Refused("28P01", f'password authentication failed for user "{user}"', fatal=True)
    signature = base64.b64encode(_hmac(_hmac(salted, b"Server Key"), signed)).decode()
    wire.send(b"R", struct.pack("!I", 12) + f"v={signature}".encode())


class _Wire:
    """Messages from and to one client, within bounds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.encrypted = False

    async def opening(self) -> tuple[int, bytes]:
        """A message of the kind that has no type: its code and the rest."""
        length, code = struct.unpack("!II", await self._reader.readexactly(8))
        return code, await self._body(length - 8)

    async def message(self) -> tuple[bytes, bytes]:
        head = await self._reader.readexactly(5)
        return head[:1], await self._body(struct.unpack("!I", head[1:])[0] - 4)

    async def _body(self, length: int) -> bytes:
        if not 0 <= length <= MAX_MESSAGE:
            raise _Refused("08P01", "invalid message length", fatal=True)
        return await self._reader.readexactly(length)

    async def encrypt(self, context: ssl.SSLContext) -> None:
        await self._writer.start_tls(context)
        self.encrypted = True

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self.flush()

    def send(self, kind: bytes, body: bytes) -> None:
        self._writer.write(kind + struct.pack("!I", len(body) + 4) + body)

    def refuse(self, refused: _Refused) -> None:
        severity = "FATAL" if refused.fatal else "ERROR"
        fields = (("S", severity), ("V", severity), ("C", refused.code), ("M", refused.text))
        self.send(b"E", b"".join(key.encode() + _text(value) for key, value in fields) + b"\0")

    async def ready(self) -> None:
        self.send(b"Z", b"I")
        await self.flush()

    async def flush(self) -> None:
        await self._writer.drain()


_BOOLEAN = re.compile(r"\b(has_\w+_privilege|pg_has_role|pg_is_in_recovery|rolsuper)\b")
"""What a column's expression names where it holds a boolean, which SQLite does not tell from a number."""


class _Tables:
    """The state's tables and PostgreSQL's catalogue of them, in SQLite."""

    def __init__(self, state: PgState) -> None:
        self._state = state
        self._user = ""
        self._names: tuple[str, ...] = tuple(sorted(state.tables))
        self._db = sqlite3.connect(":memory:")
        for schema in (state.schema, "pg_catalog"):
            self._db.execute(f"ATTACH ':memory:' AS {_quoted(schema)}")
        self._fill()
        self._teach()
        self._db.execute("PRAGMA query_only = ON")
        self._db.set_authorizer(self._allowed)

    def ask(self, user: str, sql: str) -> tuple[list[str], list[list[str | None]]]:
        """Run one query as a user: the columns' names, and the rows as PostgreSQL writes them.

        Raises:
            _Refused: it is wrong, or the user may not.
        """
        self._user = user
        spoken = re.sub(r"::\w+", "", re.sub(r"\bcurrent_user\b(?!\s*\()", "current_user()", sql))
        try:
            cursor = self._db.execute(spoken)
            found = cursor.fetchall()
        except sqlite3.Error as error:
            raise _translated(error) from None
        expressions = [column[0] for column in cursor.description]
        names = [expression if expression.isidentifier() else "?column?" for expression in expressions]
        booleans = [_BOOLEAN.search(expression) is not None for expression in expressions]
        rows = [[_written(value, boolean) for value, boolean in zip(row, booleans, strict=True)] for row in found]
        return names, rows

    def _fill(self) -> None:
        db, schema = self._db, _quoted(self._state.schema)
        db.execute("CREATE TABLE pg_catalog.pg_namespace (oid, nspname)")
        db.execute("CREATE TABLE pg_catalog.pg_class (oid, relname, relnamespace, relkind, relowner)")
        db.execute("CREATE TABLE pg_catalog.pg_attribute (attrelid, attname, attnum, attisdropped)")
        db.execute("CREATE TABLE pg_catalog.pg_roles (rolname, rolsuper)")
        db.execute("INSERT INTO pg_catalog.pg_namespace VALUES (2200, ?)", (self._state.schema,))
        users = ((user, int(user in self._state.superusers)) for user in self._state.users)
        db.executemany("INSERT INTO pg_catalog.pg_roles VALUES (?, ?)", users)
        for oid, name in enumerate(self._names, 16384):
            table = self._state.tables[name]
            columns = ", ".join(map(_quoted, table.columns))
            db.execute(f"CREATE TABLE {schema}.{_quoted(name)} ({columns})")
            slots = ", ".join("?" * len(table.columns))
            db.executemany(f"INSERT INTO {schema}.{_quoted(name)} VALUES ({slots})", table.rows)
            db.execute("INSERT INTO pg_catalog.pg_class VALUES (?, ?, 2200, 'r', 10)", (oid, name))
            attributes = ((oid, column, number, 0) for number, column in enumerate(table.columns, 1))
            db.executemany("INSERT INTO pg_catalog.pg_attribute VALUES (?, ?, ?, ?)", attributes)
        db.commit()

    def _teach(self) -> None:
        state = self._state
        self._db.create_function("current_user", 0, lambda: self._user)
        self._db.create_function("version", 0, lambda: f"PostgreSQL {state.server_version} on x86_64-pc-linux-gnu")
        self._db.create_function("pg_is_in_recovery", 0, lambda: int(state.in_recovery))
        self._db.create_function("pg_has_role", 2, lambda _owner, _right: int(self._user in state.superusers))
        self._db.create_function("has_schema_privilege", 2, lambda _schema, _right: 1)
        self._db.create_function("has_table_privilege", 2, self._may)
        self._db.create_aggregate("string_agg", 2, _StringAgg)  # type: ignore[arg-type]

    def _may(self, oid: int, rights: str) -> int:
        table = self._state.tables[self._names[oid - 16384]]
        if self._user in self._state.superusers:
            return 1
        return int(table.readable if rights.upper() == "SELECT" else table.writable)

    def _allowed(
        self, action: int, first: str | None, _second: str | None, _schema: str | None, _by: str | None
    ) -> int:
        table = self._state.tables.get(first or "") if action == sqlite3.SQLITE_READ else None
        denied = table is not None and not table.readable and self._user not in self._state.superusers
        return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


class _StringAgg:
    """PostgreSQL's ``string_agg``, which older SQLite lacks."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._between = ""

    def step(self, text: str, between: str) -> None:
        self._texts.append(text)
        self._between = between

    def finalize(self) -> str:
        return self._between.join(self._texts)


def _translated(error: sqlite3.Error) -> _Refused:
    text = str(error)
    for said, code in (("no such table: ", "42P01"), ("no such column: ", "42703"), ("no such function: ", "42883")):
        if text.startswith(said):
            kind = said.split()[2].rstrip(":").replace("table", "relation")
            return _Refused(code, f'{kind} "{text.removeprefix(said)}" does not exist')
    prohibited = re.match(r"access to (?:\w+\.)?(\w+)\.\w+ is prohibited", text)
    if prohibited:
        return _Refused("42501", f"permission denied for table {prohibited[1]}")
    return _Refused("42601", text)


def _written(value: Value, boolean: bool) -> str | None:
    if value is None:
        return None
    return ("t" if value else "f") if boolean else str(value)


def _column(name: str) -> bytes:
    return _text(name) + struct.pack("!IHIhih", 0, 0, _TEXT_OID, -1, -1, 0)


def _value(value: str | None) -> bytes:
    if value is None:
        return struct.pack("!i", -1)
    raw = value.encode()
    return struct.pack("!i", len(raw)) + raw


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _field(message: str, key: str) -> str:
    return next((part[2:] for part in message.split(",") if part.startswith(f"{key}=")), "")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
