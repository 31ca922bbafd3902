"""A real PostgreSQL over TLS with the tables of a Genesys configuration, and accounts of every kind."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.lab.mapped import Authority, free_port

_HOMES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_BIN = Path(found).parent if (found := shutil.which("initdb")) else next(iter(_HOMES), None)

needs_postgres = pytest.mark.skipif(_BIN is None, reason="needs the programs of a PostgreSQL server")

OWNER_PASSWORD = "owner-secret"
READER_PASSWORD = "reader-secret"

_HBA = """\
local    all      all                        trust
hostssl  refused  all      127.0.0.1/32      reject
hostssl  all      no_way   127.0.0.1/32      reject
host     all      clear    127.0.0.1/32      password
host     all      hashed   127.0.0.1/32      md5
hostssl  all      all      127.0.0.1/32      scram-sha-256
hostnossl genesys_cfg plain 127.0.0.1/32     scram-sha-256
"""
_SETUP = f"""\
CREATE ROLE exec_ro LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE partly LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE writer LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE nothing LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE clear LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE plain LOGIN PASSWORD '{READER_PASSWORD}';
CREATE ROLE no_way LOGIN PASSWORD '{READER_PASSWORD}';
SET password_encryption = 'md5';
CREATE ROLE hashed LOGIN PASSWORD '{READER_PASSWORD}';
"""
_TABLES = """\
CREATE SCHEMA genesys;
CREATE TABLE genesys.cfg_application (dbid int, name text, type int, version text, state int, is_server int,
  password text);
CREATE TABLE genesys.cfg_server (app_dbid int, host_dbid int);
CREATE TABLE genesys.cfg_host (dbid int, name text, ip_address text, lca_port text);
CREATE TABLE genesys.cfg_switch (dbid int, type int, name text);
CREATE TABLE genesys.cfg_dn (dbid int, switch_dbid int, type int, number_ text);
CREATE TABLE genesys.cfg_person (dbid int, user_name text, employee_id text, is_agent int, state int);
CREATE TABLE genesys.cfg_flex_prop (object_dbid int, object_type int, prop_name text, prop_value text, parent_dbid int);
CREATE TABLE genesys.cfg_app_option (object_dbid int, section text, opt text, val text);
CREATE TABLE genesys.cfg_locale (lc_type int, lc_subtype int, lc_value text);
CREATE SCHEMA staging;
CREATE TABLE staging.cfg_application (dbid int);
INSERT INTO genesys.cfg_host VALUES (1, 'stat1.acme.example', '10.5.0.1', '4999'), (2, 'sip1', '10.5.0.2', '4999'),
  (3, 'conf1', '10.5.0.3', '4999');
INSERT INTO genesys.cfg_application VALUES
  (1, 'confserv', 21, '8.5.101.12', 1, 2, 'app-secret'), (2, 'StatServer', 2, '8.5.110.02', 1, 2, NULL),
  (3, 'SIP_Server', 1, '8.1.102.59', 1, 2, NULL), (4, 'StatServer_old', 2, '8.1.000.10', 2, 2, NULL),
  (5, 'URS', 15, '8.1.400.10', 1, 2, NULL);
INSERT INTO genesys.cfg_server VALUES (1, 3), (2, 1), (3, 2), (4, 1);
INSERT INTO genesys.cfg_switch VALUES (1, 43, 'SIP_Switch'), (2, 7, 'Meridian');
INSERT INTO genesys.cfg_locale VALUES (1, 43, 'SIP Switch'), (1, 7, 'Nortel Meridian'), (2, 43, 'SIP nonsense');
INSERT INTO genesys.cfg_dn SELECT n, 1, CASE WHEN n <= 12 THEN 5 ELSE 1 END, n::text FROM generate_series(1, 40) n;
INSERT INTO genesys.cfg_person SELECT n, 'user' || n, n::text, CASE WHEN n <= 900 THEN 2 ELSE 1 END,
  CASE WHEN n <= 850 THEN 1 ELSE 2 END FROM generate_series(1, 1000) n;
GRANT USAGE ON SCHEMA genesys TO exec_ro, partly, writer, clear, hashed, plain;
GRANT SELECT ON ALL TABLES IN SCHEMA genesys TO exec_ro, writer, clear, hashed, plain;
GRANT SELECT ON genesys.cfg_application, genesys.cfg_person TO partly;
GRANT INSERT, DELETE ON genesys.cfg_person TO writer;
"""


@dataclass(frozen=True)
class PostgresServer:
    """A running server; ``genesys_cfg`` holds the tables, ``empty`` none, ``refused`` lets nobody in."""

    port: int
    socket: Path
    authority: Authority

    def run(self, sql: str, *, database: str = "genesys_cfg") -> None:
        with psycopg.connect(
            host=str(self.socket), port=self.port, user="owner", dbname=database, autocommit=True
        ) as connection:
            connection.execute(sql)  # type: ignore[arg-type]


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Make a cluster of its own, serve it on a free port of loopback, and remove it."""
    assert _BIN is not None
    folder = Path(tempfile.mkdtemp(prefix="readiness-pg-", dir="/tmp"))
    try:
        authority = Authority.found(folder)
        pair = authority.ca.issue_cert("db.example", "127.0.0.1")
        (folder / "server.crt").write_bytes(b"".join(pem.bytes() for pem in pair.cert_chain_pems))
        (folder / "server.key").write_bytes(pair.private_key_pem.bytes())
        (folder / "pw").write_text(OWNER_PASSWORD)
        _own(folder)
        data, port = folder / "data", free_port()
        _as_nobody(
            _BIN / "initdb", "-D", data, "-U", "owner", "-A", "scram-sha-256", f"--pwfile={folder / 'pw'}", "-N",
            "-E", "UTF8", "--no-locale",
        )  # fmt: skip
        (data / "pg_hba.conf").write_text(_HBA)
        settings = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": folder / "server.crt", "ssl_key_file": folder / "server.key", "max_connections": "20",
            "logging_collector": "off", "lc_messages": "C",
        }  # fmt: skip
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(_command(_BIN / "postgres", "-D", data, *words), stdout=log, stderr=log)
        try:
            server = PostgresServer(port, folder, authority)
            _wait(server)
            server.run(_SETUP, database="postgres")
            for database in ("genesys_cfg", "empty", "refused"):
                server.run(f"CREATE DATABASE {database}", database="postgres")
            server.run("REVOKE CONNECT ON DATABASE empty FROM PUBLIC; GRANT CONNECT ON DATABASE empty TO exec_ro")
            server.run(_TABLES)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: PostgresServer) -> None:
    for _ in range(200):
        try:
            server.run("SELECT 1", database="postgres")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("PostgreSQL does not start")


def _own(folder: Path) -> None:
    """A server refuses to run as root, and a key that others can read."""
    (folder / "server.key").chmod(0o600)
    folder.chmod(0o755)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        for path in (folder, *folder.iterdir()):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _command(*words: object) -> list[str]:
    drop = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    return [*drop, *map(str, words)]


def _as_nobody(*words: object) -> None:
    subprocess.run(_command(*words), check=True, capture_output=True, cwd="/")
