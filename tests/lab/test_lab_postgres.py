"""The PostgreSQL stand-in, asked by libpq: its login, its refusals, its catalogue and its rights."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from readiness.lab.authority import Authority
from readiness.lab.engage import AGENTS, VIRTUAL_QUEUES, tables
from readiness.lab.postgres import PgServer, PgState, PgTable
from readiness.site import Endpoint

HOST = "cfgdb.example"


@dataclass
class Running:
    state: PgState
    endpoint: Endpoint
    ca_file: Path

    async def ask(self, *questions: str, **options: str) -> list[list[tuple[str | None, ...]] | str]:
        """The rows of each question, or the SQLSTATE of its refusal; libpq's simple query protocol, in a thread."""
        return await asyncio.to_thread(self._ask, questions, options)

    def _ask(self, questions: Sequence[str], options: dict[str, str]) -> list[list[tuple[str | None, ...]] | str]:
        given = {
            "user": "exec_ro",
            "password": "pässword",
            "dbname": "genesys_cfg",
            "sslmode": "verify-full",
            **options,
        }
        answers: list[list[tuple[str | None, ...]] | str] = []
        with psycopg.connect(
            host=HOST, hostaddr=self.endpoint.host, port=self.endpoint.port, sslrootcert=str(self.ca_file), **given
        ) as connection:
            for question in questions:
                found = connection.pgconn.exec_(question.encode())
                if found.error_message:
                    answers.append((found.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode())
                    continue
                values = [[found.get_value(row, at) for at in range(found.nfields)] for row in range(found.ntuples)]
                answers.append([tuple(v.decode() if v is not None else None for v in row) for row in values])
        return answers


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    authority = Authority("test")
    authority.write(tmp_path / "ca.pem")
    held = {
        **tables("example"),
        "cfg_secret": PgTable(columns=("dbid",), rows=((1,),), readable=False),
        "cfg_scratch": PgTable(columns=("dbid",), writable=True),
    }
    users = {"exec_ro": "pässword", "owner": "other", "barred": "x"}
    state = PgState(
        database="genesys_cfg",
        tables=held,
        users=users,
        superusers=frozenset({"owner"}),
        barred=frozenset({"barred"}),
    )
    async with PgServer(state, tls=authority.server(HOST)) as endpoint:
        yield Running(state, endpoint, tmp_path / "ca.pem")


async def test_libpq_logs_in_and_reads(running: Running) -> None:
    """libpq verifies the certificate, both sides prove the password by SCRAM, and rows come back as text."""
    (itself, agents, queues) = await running.ask(
        "SELECT current_user, pg_is_in_recovery(), NULL",
        "SELECT count(*) FROM public.cfg_person WHERE is_agent = 2 AND state = 1",
        "SELECT count(*) FROM cfg_dn WHERE type = 5",
    )
    assert itself == [("exec_ro", "f", None)]
    assert agents == [(str(AGENTS),)]
    assert queues == [(str(VIRTUAL_QUEUES),)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "exec_ro"'),
        ({"user": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"dbname": "other"}, 'database "other" does not exist'),
        ({"user": "barred", "password": "x"}, 'no pg_hba.conf entry for host .* user "barred", .*, SSL encryption'),
        ({"sslmode": "disable"}, 'no pg_hba.conf entry for host .* user "exec_ro", .*, no encryption'),
    ],
)
async def test_a_login_is_refused_in_the_servers_words(running: Running, options: dict[str, str], said: str) -> None:
    """Each refusal is the one that PostgreSQL gives, and comes before any row."""
    with pytest.raises(psycopg.OperationalError, match=said):
        await running.ask("SELECT 1", **options)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT dbid FROM cfg_secret", "42501"),
        ("SELECT dbid FROM cfg_colour", "42P01"),
        ("SELECT colour FROM cfg_host", "42703"),
        ("SELECT FROM WHERE", "42601"),
        ("INSERT INTO cfg_host VALUES (1)", "25006"),
        ("DROP TABLE cfg_host", "25006"),
    ],
)
async def test_a_query_is_refused_and_the_session_goes_on(running: Running, sql: str, code: str) -> None:
    """A refused query has its SQLSTATE, and the next one is answered."""
    assert await running.ask(sql, "SELECT 1") == [code, [("1",)]]


async def test_rights_are_those_of_the_user(running: Running) -> None:
    """The catalogue tells each user its own rights; a superuser reads what is hidden from others."""
    rights = (
        "SELECT c.relname, has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'INSERT')"
        " FROM pg_catalog.pg_class c WHERE c.relname IN ('cfg_host', 'cfg_secret', 'cfg_scratch') ORDER BY 1"
    )
    (seen,) = await running.ask(rights)
    assert seen == [("cfg_host", "t", "f"), ("cfg_scratch", "t", "t"), ("cfg_secret", "f", "f")]
    (owned, secret) = await running.ask(rights, "SELECT dbid FROM cfg_secret", user="owner", password="other")
    assert {row[1:] for row in owned} == {("t", "t")}
    assert secret == [("1",)]


async def test_without_tls_it_says_so(running: Running) -> None:
    """A server without TLS answers the wish for it with no, and lets in who does without."""
    async with PgServer(running.state) as endpoint:
        plain = Running(running.state, endpoint, running.ca_file)
        assert await plain.ask("SELECT 1", sslmode="prefer") == [[("1",)]]
        with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
            await plain.ask("SELECT 1")


async def test_nonsense_ends_the_session_alone(running: Running) -> None:
    """What is no message of the protocol ends its connection; the next client is served."""
    reader, writer = await asyncio.open_connection(running.endpoint.host, running.endpoint.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reader.read()
    writer.close()
    assert await running.ask("SELECT 1") == [[("1",)]]
