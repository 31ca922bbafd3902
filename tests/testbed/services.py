"""The testbed's services: a real Redis, PostgreSQL and registry, each in its place, that can be made worse."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
import httpx
import psycopg
import redis
import trustme

from readiness.lab.engage import tables
from readiness.lab.postgres import PgTable
from tests.lab.mapped import Authority
from tests.lab.oci_registry import PASSWORD as PUSH_PASSWORD
from tests.lab.oci_registry import OciRegistry
from tests.testbed.rooms import Room

_START = 15.0


@dataclass(frozen=True, kw_only=True)
class Papers:
    """What a server shows: certificates of our CA, or of another; written as PEM for programs."""

    folder: Path
    ours: Authority
    theirs: Authority

    @staticmethod
    def issue(folder: Path) -> Papers:
        folder.mkdir()
        return Papers(
            folder=folder,
            ours=Authority.found(folder, "Testbed CA"),
            theirs=Authority.found(folder, "Somebody Else's CA"),
        )

    def certificate(self, *names: str, days: int = 90, stranger: bool = False) -> Path:
        """A certificate and its key for these names in one PEM file, ending in ``days``."""
        ends = datetime.now(UTC) + timedelta(days=days, hours=1)
        begins = min(datetime.now(UTC), ends) - timedelta(days=30)
        authority: trustme.CA = (self.theirs if stranger else self.ours).ca
        issued = authority.issue_cert(*names, not_before=begins, not_after=ends)
        path = self.folder / f"{names[0]}.{days}.{stranger}.pem"
        issued.private_key_and_cert_chain_pem.write_to_path(str(path))
        return path

    def context(self, *names: str, days: int = 90, stranger: bool = False) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate(*names, days=days, stranger=stranger))
        return context


@dataclass
class Redis:
    """One redis-server on a port of its room's loopback; ``control`` speaks to it as its owner."""

    room: Room
    folder: Path
    binary: str
    port: int
    password: str
    options: tuple[str, ...] = ()
    sentinel: bool = False
    _process: subprocess.Popen[bytes] | None = None

    @property
    def control(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.folder / "s"), username="owner", password="any")

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"
        memory = () if self.sentinel else ('save ""', "maxmemory 4000000000")
        config.write_text(
            "\n".join(
                [
                    f"port {self.port}", "bind 127.0.0.1", f"unixsocket {self.folder / 's'}", "daemonize no",
                    f"dir {self.folder}", "protected-mode no", *memory,
                    "user owner on nopass ~* &* +@all",
                    "user default off",
                    f"user exec on >{self.password} ~* &* +@all",
                    *self.options, "",
                ]
            )
        )  # fmt: skip
        self._process = self.room.spawn(
            self.binary, config, *(["--sentinel"] if self.sentinel else []), log=self.folder / "log"
        )
        _until(lambda: self.control.ping(), self.folder / "log", redis.ConnectionError)

    def stop(self) -> None:
        _end(self._process)


@dataclass
class ConfigDb:
    """A PostgreSQL with the tables of an Engage configuration."""

    room: Room
    folder: Path
    address: str
    papers: Papers
    password: str
    hba: tuple[str, ...] = ()
    _process: subprocess.Popen[bytes] | None = None

    def make(self, domain: str) -> None:
        """Initialise the cluster, start it and fill it."""
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self._own(self.folder)
        program = _program("initdb")
        subprocess.run(
            ["runuser", "-u", "nobody", "--", program, "-D", str(self.folder / "data"), "-U", "owner", "-A", "trust",
             "-N", "-E", "UTF8", "--no-locale"],
            check=True, capture_output=True, cwd="/",
        )  # fmt: skip
        self.show(self.papers.certificate("cfgdb.demo-harbour.example"))
        self.let_in()
        self.start()
        self.run("CREATE ROLE exec_ro LOGIN PASSWORD '" + self.password + "'", database="postgres")
        self.run("CREATE DATABASE genesys_cfg", database="postgres")
        with self._session("genesys_cfg") as session, session.cursor() as cursor:
            for name, table in tables(domain).items():
                columns = ", ".join(f"{column} {_type(table, at)}" for at, column in enumerate(table.columns))
                cursor.execute(f"CREATE TABLE {name} ({columns})")
                with cursor.copy(f"COPY {name} FROM STDIN") as copy:
                    for row in table.rows:
                        copy.write_row(row)
        self.run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO exec_ro")

    def let_in(self, *first: str) -> None:
        """Write pg_hba.conf with these lines before ours."""
        lines = ["local all all trust", *first, "hostssl all all 10.20.0.0/16 scram-sha-256"]
        (self.folder / "data/pg_hba.conf").write_text("\n".join([*lines, ""]))

    def show(self, pem: Path) -> None:
        """Use another certificate from the next start or reload on."""
        for name in ("server.crt", "server.key"):
            shutil.copy(pem, self.folder / name)
            (self.folder / name).chmod(0o600)
            self._own(self.folder / name)

    def reload(self) -> None:
        self.run("SELECT pg_reload_conf()", database="postgres")
        time.sleep(0.1)  # the postmaster reads its files some time after it said it would

    def start(self, *, tls: bool = True) -> None:
        settings = {
            "listen_addresses": self.address, "port": 5432, "unix_socket_directories": self.folder, "fsync": "off",
            "ssl": "on" if tls else "off", "ssl_cert_file": self.folder / "server.crt",
            "ssl_key_file": self.folder / "server.key", "logging_collector": "off", "lc_messages": "C",
        }  # fmt: skip
        words = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self._process = self.room.spawn(
            "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", _program("postgres"),
            "-D", self.folder / "data", *words, log=self.folder.parent / "postgres.log",
            cwd=Path("/"),
        )  # fmt: skip
        _until(
            lambda: self.run("SELECT 1", database="postgres"),
            self.folder.parent / "postgres.log", psycopg.OperationalError,
        )  # fmt: skip

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(2)
            self._process.wait(20)

    def run(self, sql: str, *, database: str = "genesys_cfg") -> None:
        with self._session(database) as session:
            session.execute(sql)  # type: ignore[call-overload]

    def _session(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.folder), port=5432, user="owner", dbname=database, autocommit=True)

    def _own(self, path: Path) -> None:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _type(table: PgTable, at: int) -> str:
    if not table.rows:
        return "int" if table.columns[at].endswith(("dbid", "type")) else "text"
    return "int" if isinstance(table.rows[0][at], int) else "text"


@dataclass
class ImageRegistry:
    """A docker-registry over TLS with one account."""

    room: Room
    folder: Path
    host: str
    address: str
    papers: Papers
    user: str
    password: str
    _process: subprocess.Popen[bytes] | None = None

    def make(self, images: Sequence[str]) -> None:
        self.folder.mkdir()
        lines = (
            f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b'2b')).decode()}\n"
            for user, password in ((self.user, self.password), ("push", PUSH_PASSWORD))
        )
        (self.folder / "htpasswd").write_text("".join(lines))
        self.start(self.papers.certificate(self.host, "127.0.0.1"))
        for image in images:
            self.push(image)

    def push(self, image: str, *architectures: str) -> None:
        repository, _, tag = image.rpartition(":")
        registry = _Pushing(443, self.papers.ours, self.password)
        self.room.do(registry.push(repository, tag, *(architectures or ("amd64",))))

    def remove(self, image: str) -> None:
        """Forget a tag, as somebody who cleans up does."""
        repository, _, tag = image.rpartition(":")
        shutil.rmtree(self._tag(repository, tag))

    def _tag(self, repository: str, tag: str) -> Path:
        return self.folder / "data/docker/registry/v2/repositories" / repository / "_manifests/tags" / tag

    def start(self, pem: Path | None, *, users: bool = True) -> None:
        """Serve over TLS with this certificate, or in clear without one."""
        tls = {"tls": {"certificate": str(pem), "key": str(pem)}} if pem else {}
        settings = {
            "version": 0.1,
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.folder / "data")}},
            "http": {"addr": "0.0.0.0:443", **tls},
            "auth": {"htpasswd": {"realm": "testbed", "path": str(self.folder / "htpasswd")}},
        }
        (self.folder / "registry.yml").write_text(json.dumps(settings))
        self._process = self.room.spawn(
            "docker-registry", "serve", self.folder / "registry.yml", log=self.folder / "log"
        )
        _until(lambda: self.room.do(_connect(443)), self.folder / "log", OSError)

    def stop(self) -> None:
        _end(self._process)


@dataclass(frozen=True)
class _Pushing(OciRegistry):
    password: str

    @property
    def log_in(self) -> httpx.AsyncClient:
        trust = ssl.create_default_context(cafile=str(self.authority.ca_file))
        return httpx.AsyncClient(base_url=self.url, verify=trust, auth=("pull", self.password), trust_env=False)


async def _connect(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


def _program(name: str) -> str:
    found = shutil.which(name) or next(map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        raise FileNotFoundError(name)
    return found


def _until(up, log: Path, *not_yet: type[BaseException]) -> None:  # type: ignore[no-untyped-def]
    limit = time.monotonic() + _START
    while True:
        with contextlib.suppress(*not_yet):
            up()
            return
        if time.monotonic() > limit:
            raise TimeoutError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.terminate()
        process.wait(20)
