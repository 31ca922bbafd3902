"""The Config DB, read from a real PostgreSQL with the tables of a Genesys configuration."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from readiness.model import Cause, ProbeError
from readiness.probes.config_db import NEEDED, AppType, ConfigDbSession, ConfigDbTalk, ReadConfigDb
from readiness.probes.postgres import PgEnding, PgRefusal
from readiness.secret import SecretRef
from readiness.site import ConfigDb, Endpoint, Engine, Tls
from readiness.vantage import PathVerdict
from tests.lab.mapped import Mapped, gathered
from tests.lab.postgres_server import READER_PASSWORD, PostgresServer, needs_postgres, postgres_server

PASS = SecretRef(env="CFGDB_PASSWORD")
DB = Endpoint("db.example", 5432)


def question(server: PostgresServer | None = None, user: str = "exec_ro", **changes: object) -> ReadConfigDb:
    tls = Tls(ca_file=server.authority.ca_file) if server is not None else None
    declared = ConfigDb(
        engine=Engine.POSTGRESQL, endpoint=DB, database="genesys_cfg", user=user, password=PASS, tls=tls
    )
    return ReadConfigDb.of(replace(declared, **changes), ("excs-1",))  # type: ignore[arg-type]


async def talk(probe: ReadConfigDb, *machines: Mapped) -> tuple[ConfigDbTalk, str]:
    vantages = gathered(*machines, secrets={PASS: READER_PASSWORD})
    response = await probe.read(vantages)
    assert vantages.redact(response) == response, "a secret was recorded"
    assert probe.parse(json.dumps(json.loads(response))) == probe.parse(response)
    return probe.parse(response), response


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@needs_postgres
@pytest.mark.server
class TestARealConfigDb:
    async def read(self, server: PostgresServer, user: str = "exec_ro", **changes: object) -> ConfigDbSession:
        found, _ = await talk(question(server, user, **changes), Mapped("excs-1", {"db.example": server.port}))
        assert isinstance(found.result, ConfigDbSession), found.result
        return found.result

    async def test_servers_and_numbers_are_read(self, server: PostgresServer) -> None:
        """Configured servers with versions, states and hosts; enabled agents; Virtual Queues; SIP switches."""
        session = await self.read(server)
        assert (session.schema, session.elsewhere, session.account) == ("genesys", ("staging",), "exec_ro")
        assert (session.superuser, session.in_recovery) == (False, False)
        assert session.tls_version.startswith("TLSv1.")
        inventory = session.inventory
        assert inventory.unread == {}
        assert (inventory.agents, inventory.virtual_queues, inventory.sip_switches) == (850, 12, 1)
        assert inventory.servers is not None
        assert {
            (server.name, server.type, server.version, server.enabled, server.host, server.address)
            for server in inventory.servers
        } == {
            ("confserv", AppType.CONFIGURATION_SERVER, "8.5.101.12", True, "conf1", "10.5.0.3"),
            ("StatServer", AppType.STAT_SERVER, "8.5.110.02", True, "stat1.acme.example", "10.5.0.1"),
            ("SIP_Server", AppType.T_SERVER, "8.1.102.59", True, "sip1", "10.5.0.2"),
            ("StatServer_old", AppType.STAT_SERVER, "8.1.000.10", False, "stat1.acme.example", "10.5.0.1"),
        }

    async def test_rights_are_read_and_not_tried(self, server: PostgresServer) -> None:
        """Readable, writable and owned are the database's own words."""
        reader, writer = await self.read(server), await self.read(server, "writer")
        assert set(NEEDED) <= reader.tables.keys()
        assert all(table.readable and not table.writable and not table.owned for table in reader.tables.values())
        assert {name for name, table in writer.tables.items() if table.writable} == {"cfg_person"}

    async def test_what_may_not_be_read_says_so(self, server: PostgresServer) -> None:
        """A table without a right costs the questions that need it, each with the reason."""
        session = await self.read(server, "partly")
        assert (session.inventory.agents, session.inventory.virtual_queues) == (850, None)
        assert session.inventory.unread["virtual_queues"] == "the account may not read cfg_dn"
        assert session.inventory.servers is not None
        assert {server.host for server in session.inventory.servers} == {""}
        assert session.inventory.unread["hosts"] == "the account may not read cfg_server"

    async def test_an_account_without_rights_sees_the_tables_all_the_same(self, server: PostgresServer) -> None:
        """Absent and forbidden are told apart."""
        session = await self.read(server, "nothing")
        assert set(NEEDED) <= session.tables.keys()
        assert not any(table.readable for table in session.tables.values())
        assert session.inventory.servers is None

    async def test_the_owner_is_known_as_such(self, server: PostgresServer) -> None:
        """A superuser owns everything."""
        server.run("ALTER ROLE writer SUPERUSER")
        try:
            session = await self.read(server, "writer")
        finally:
            server.run("ALTER ROLE writer NOSUPERUSER")
        assert session.superuser
        assert all(table.owned and table.writable for table in session.tables.values())

    async def test_a_declared_schema_is_the_one(self, server: PostgresServer) -> None:
        """Where the site file names a schema, no other is looked at, and what it lacks is said."""
        session = await self.read(server, schema="staging")
        assert (session.schema, list(session.tables)) == ("staging", ["cfg_application"])
        assert session.inventory.servers is None
        assert session.inventory.unread["agents"] == "there is no table cfg_person"

    async def test_an_empty_database_has_no_schema(self, server: PostgresServer) -> None:
        """Nothing there is a fact, not an error."""
        session = await self.read(server, database="empty")
        assert (session.schema, dict(session.tables), session.inventory.servers) == (None, {}, None)

    async def test_an_older_release_leaves_gaps(self, server: PostgresServer) -> None:
        """A column that is not there is named; one of another type refuses its own question alone."""
        server.run("ALTER TABLE genesys.cfg_dn RENAME COLUMN type TO kind")
        server.run("ALTER TABLE genesys.cfg_person ALTER COLUMN state TYPE text")
        server.run("ALTER TABLE genesys.cfg_server ADD COLUMN port text; UPDATE genesys.cfg_server SET port = '2060'")
        try:
            session = await self.read(server)
        finally:
            server.run("ALTER TABLE genesys.cfg_dn RENAME COLUMN kind TO type")
            server.run("ALTER TABLE genesys.cfg_person ALTER COLUMN state TYPE int USING state::int")
            server.run("ALTER TABLE genesys.cfg_server DROP COLUMN port")
        assert session.inventory.unread["virtual_queues"] == "cfg_dn has no column type"
        assert session.inventory.unread["agents"].startswith("42883")
        assert session.inventory.servers is not None
        assert {one.port for one in session.inventory.servers} == {2060}

    async def test_secrets_in_the_tables_are_not_asked_for(self, server: PostgresServer) -> None:
        """Neither a password of an Application object nor a person's name comes out."""
        _, response = await talk(question(server), Mapped("excs-1", {"db.example": server.port}))
        assert "app-secret" not in response
        assert "user1" not in response

    async def test_a_refusal_is_a_fact(self, server: PostgresServer) -> None:
        """A wrong database is told with its code and from where it was asked."""
        found, _ = await talk(question(server, database="gone"), Mapped("excs-1", {"db.example": server.port}))
        assert isinstance(found.result, PgRefusal)
        assert (found.spoken_from, found.result.code) == ("excs-1", "3D000")

    async def test_a_second_machine_speaks_where_the_first_has_no_path(self, server: PostgresServer) -> None:
        """Machines without a path are passed by."""
        probe = replace(question(server), asked_from=("excs-1", "excs-2"))
        found, _ = await talk(
            probe,
            Mapped("excs-1", {"db.example": PathVerdict.TIMEOUT}),
            Mapped("excs-2", {"db.example": server.port}),
        )
        assert (found.spoken_from, list(found.passed_by)) == ("excs-2", ["excs-1"])


async def test_no_path_is_bad_news() -> None:
    """The network's word stands."""
    found, _ = await talk(question(), Mapped("excs-1", {"db.example": PathVerdict.REFUSED}))
    assert isinstance(found.result, PgRefusal)
    assert (found.result.ending, found.passed_by) == (PgEnding.PATH, {})


async def test_no_machine_is_no_news() -> None:
    """A lost machine is trouble of our own."""
    with pytest.raises(ProbeError) as caught:
        await talk(question(), Mapped("excs-1", lost=True))
    assert caught.value.reason.code is Cause.UNREACHABLE


@pytest.mark.parametrize(
    "response",
    [
        "",
        "{}",
        '{"from": "a", "passed_by": {}, "refusal": {}}',
        '{"from": "a", "passed_by": {}, "session": {}}',
        (
            '{"from": "a", "passed_by": {}, "session": {"itself": [], "tables": {"x": []}, "elsewhere": [], "unread":'
            " {}}}"
        ),
        (
            '{"from": "a", "passed_by": {}, "session": {"itself": [], "tables": {}, "elsewhere": [], "unread": {},'
            ' "agents": "x"}}'
        ),
        (
            '{"from": "a", "passed_by": {}, "session": {"itself": [], "tables": {}, "elsewhere": [], "unread": {},'
            ' "servers": [["a", "9"]]}}'
        ),
    ],
)
def test_a_recording_that_is_none_is_an_error(response: str) -> None:
    """Whatever stands in a report does not crash the parser."""
    with pytest.raises(ProbeError) as caught:
        question().parse(response)
    assert caught.value.reason.code is Cause.PARSE
