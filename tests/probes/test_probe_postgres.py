"""PostgreSQL sessions: against a real server, and against what is none."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from readiness.model import Lane
from readiness.probes.postgres import Login, PgEnding, PgError, PgFailed, PgRefusal, PgSession, open_session
from readiness.probes.tls import TlsTrouble
from readiness.secret import Secret
from readiness.site import Endpoint, Tls
from readiness.vantage import PathVerdict
from tests.lab.mapped import Authority, Mapped, Talk, free_port, gathered, listening
from tests.lab.postgres_server import READER_PASSWORD, PostgresServer, needs_postgres, postgres_server

DB = Endpoint("db.example", 5432)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def login(
    user: str = "exec_ro",
    *,
    database: str = "genesys_cfg",
    password: str | None = READER_PASSWORD,
    tls: Tls | None = None,
) -> Login:
    return Login(user=user, database=database, password=Secret(password) if password is not None else None, tls=tls)


def verified(server: PostgresServer, **more: object) -> Tls:
    return Tls(ca_file=server.authority.ca_file, **more)  # type: ignore[arg-type]


async def opened(port: int, account: Login, *, at: Endpoint = DB, conversation: float = 4.0) -> PgSession | PgRefusal:
    vantages = gathered(Mapped("excs-1", {at.host: port}), conversation=conversation)
    return await open_session(vantages, "excs-1", at, account)


async def refusal(port: int, account: Login, *, at: Endpoint = DB, conversation: float = 4.0) -> PgRefusal:
    result = await opened(port, account, at=at, conversation=conversation)
    assert isinstance(result, PgRefusal)
    assert PgRefusal.from_json(result.as_json()) == result
    return result


async def talked(port: int, account: Login, sql: str) -> tuple[tuple[str | None, ...], ...]:
    session = await opened(port, account)
    assert isinstance(session, PgSession), session
    async with session:
        return await session.query(sql)


@needs_postgres
@pytest.mark.server
class TestARealServer:
    """PostgreSQL over TLS."""

    async def test_a_verified_session_reads(self, server: PostgresServer) -> None:
        """SCRAM over verified TLS: rows with NULLs and umlauts come back, and the server tells of itself."""
        session = await opened(server.port, login(tls=verified(server)))
        assert isinstance(session, PgSession)
        async with session:
            assert await session.query("SELECT 1, NULL, 'Köln', ''") == (("1", None, "Köln", ""),)
            assert session.tls_version.startswith("TLSv1.")
            assert session.certificate is not None
            assert session.parameters["server_version"]
            assert session.parameters["is_superuser"] == "off"

    async def test_nothing_can_be_written(self, server: PostgresServer) -> None:
        """The session is read-only, whatever the account may do."""
        session = await opened(server.port, login("writer", tls=verified(server)))
        assert isinstance(session, PgSession)
        async with session:
            with pytest.raises(PgError) as caught:
                await session.query("DELETE FROM genesys.cfg_person")
            assert caught.value.code == "25006"
            assert await session.query("SELECT count(*) FROM genesys.cfg_person") == (("1000",),)

    @pytest.mark.parametrize("mode", ["prefer", "require", "verify-ca", "verify-full"])
    async def test_every_mode_of_libpq_logs_in(self, server: PostgresServer, mode: str) -> None:
        """The right authority satisfies all of them."""
        assert await talked(server.port, login(tls=verified(server, mode=mode)), "SELECT 1") == (("1",),)

    async def test_tls_is_used_where_nothing_is_declared(self, server: PostgresServer) -> None:
        """A server that wants TLS gets it, unverified."""
        assert await talked(server.port, login(), "SELECT 1") == (("1",),)

    @pytest.mark.parametrize(("user", "tls"), [("plain", Tls(mode="disable")), ("hashed", None), ("clear", None)])
    async def test_other_logins_work_too(self, server: PostgresServer, user: str, tls: Tls | None) -> None:
        """SCRAM without TLS, MD5, and a clear password inside TLS."""
        assert await talked(server.port, login(user, tls=tls), "SELECT current_user") == ((user,),)

    async def test_no_password_is_sent_in_clear(self, server: PostgresServer) -> None:
        """Without TLS a server that asks for it does not get it."""
        refused = await refusal(server.port, login("clear", tls=Tls(mode="disable")))
        assert (refused.ending, "it was not sent" in refused.text) == (PgEnding.UNSUPPORTED, True)

    @pytest.mark.parametrize(
        ("account", "code", "lane"),
        [
            (login(password="wrong"), "28P01", Lane.AUTH),
            (login("nobody_there"), "28P01", Lane.AUTH),
            (login("no_way"), "28000", Lane.AUTH),
            (login(tls=Tls(mode="disable")), "28000", Lane.AUTH),
            (login(database="refused"), "28000", Lane.AUTH),
            (login(database="no_such_db"), "3D000", Lane.CONFIGURATION),
            (login("nothing", database="empty"), "42501", Lane.AUTH),
        ],
    )
    async def test_refusals_are_told_by_their_code(
        self, server: PostgresServer, account: Login, code: str, lane: Lane
    ) -> None:
        """Wrong password, pg_hba, missing database, missing right: SQLSTATE tells, in any language."""
        refused = await refusal(server.port, account)
        assert (refused.ending, refused.code, refused.lane) == (PgEnding.REFUSED, code, lane)
        assert READER_PASSWORD not in refused.text

    async def test_a_missing_password_is_told(self, server: PostgresServer) -> None:
        """A server that asks, and nothing to say."""
        assert (await refusal(server.port, login(password=None))).ending is PgEnding.LOGIN_MISSING

    async def test_another_name_and_another_authority_are_told(self, server: PostgresServer, tmp_path: Path) -> None:
        """verify-full looks at the name, verify-ca at the issuer."""
        other = Endpoint("elsewhere.example", 5432)
        wrong_name = await refusal(server.port, login(tls=verified(server)), at=other)
        assert wrong_name.tls is not None
        assert wrong_name.tls.trouble is TlsTrouble.WRONG_NAME
        assert isinstance(
            await opened(server.port, login(tls=verified(server, server_name="db.example")), at=other), PgSession
        )
        stranger = Authority.found(tmp_path, "Stranger")
        for mode in ("verify-ca", "verify-full"):
            refused = await refusal(server.port, login(tls=Tls(ca_file=stranger.ca_file, mode=mode)))
            assert refused.tls is not None
            assert (refused.tls.trouble, refused.lane) == (TlsTrouble.UNTRUSTED_ISSUER, Lane.TLS)

    async def test_a_query_that_is_refused_leaves_the_session(self, server: PostgresServer) -> None:
        """One refused question costs itself alone."""
        session = await opened(server.port, login("nothing", tls=verified(server)))
        assert isinstance(session, PgSession)
        async with session:
            with pytest.raises(PgError) as caught:
                await session.query("SELECT 1 FROM genesys.cfg_person")
            assert caught.value.code == "42501"
            assert await session.query("SELECT 2") == (("2",),)

    async def test_a_query_that_takes_too_long_is_ended_by_the_server(self, server: PostgresServer) -> None:
        """The statement's own limit leaves nothing running there."""
        session = await opened(server.port, login(tls=verified(server)), conversation=0.8)
        assert isinstance(session, PgSession)
        async with session:
            with pytest.raises((PgError, PgFailed)):
                await session.query("SELECT pg_sleep(30)")


@pytest.mark.parametrize(
    ("verdict", "lane"),
    [(PathVerdict.REFUSED, Lane.SERVICE), (PathVerdict.TIMEOUT, Lane.FIREWALL), (PathVerdict.NO_ROUTE, Lane.ROUTE)],
)
async def test_a_closed_path_keeps_its_reason(verdict: PathVerdict, lane: Lane) -> None:
    """What the network said is what is told."""
    vantages = gathered(Mapped("excs-1", {"db.example": verdict}))
    refused = await open_session(vantages, "excs-1", DB, login())
    assert isinstance(refused, PgRefusal)
    assert (refused.ending, refused.verdict, refused.lane) == (PgEnding.PATH, verdict, lane)


async def test_a_name_that_does_not_resolve_is_dns() -> None:
    """No name, no path."""
    refused = await open_session(gathered(Mapped("excs-1")), "excs-1", DB, login())
    assert isinstance(refused, PgRefusal)
    assert (refused.ending, refused.lane) == (PgEnding.PATH, Lane.DNS)


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def saying(*answers: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
        await reader.read(4096)

    return talk


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


SASL = message(b"R", struct.pack("!I", 10) + b"SCRAM-SHA-256\0\0")


@pytest.mark.parametrize(
    ("talk", "tls", "ending", "said"),
    [
        (silent, None, PgEnding.SILENT, "no answer"),
        (hangs_up, None, PgEnding.CLOSED, ""),
        (saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None, PgEnding.NOT_POSTGRES, "HTTP"),
        (saying(b"SSH-2.0-OpenSSH_9.2p1\r\n"), Tls(mode="disable"), PgEnding.NOT_POSTGRES, "SSH"),
        (saying(b"N"), Tls(), PgEnding.NO_TLS, "no TLS"),
        # more than one byte before TLS could be somebody's words put in front of the server's
        (saying(b"SS"), Tls(), PgEnding.NOT_POSTGRES, "begins with"),
        (saying(b"N", message(b"R", struct.pack("!I", 7))), None, PgEnding.UNSUPPORTED, "GSSAPI"),
        (
            saying(b"N", message(b"R", struct.pack("!I", 10) + b"OAUTHBEARER\0\0")),
            None,
            PgEnding.UNSUPPORTED,
            "OAUTHBEARER",
        ),
        (
            saying(b"N", message(b"E", b"SFATAL\0C53300\0Mzu viele Verbindungen\0\0")),
            None,
            PgEnding.REFUSED,
            "zu viele",
        ),
        (saying(b"N", b"R\x7f\xff\xff\xff"), None, PgEnding.NOT_POSTGRES, "bytes"),
        (saying(b"N", b"R\0\0\0\1"), None, PgEnding.NOT_POSTGRES, "bytes"),
        (saying(b"N", SASL, message(b"R", struct.pack("!I", 0))), None, PgEnding.IMPOSTOR, "skipped"),
        (
            saying(b"N", SASL, message(b"R", struct.pack("!I", 11) + b"r=other,s=AAAA,i=4096")),
            None,
            PgEnding.IMPOSTOR,
            "not meant",
        ),
        (
            saying(b"N", SASL, message(b"R", struct.pack("!I", 11) + b"nonsense")),
            None,
            PgEnding.NOT_POSTGRES,
            "no sense",
        ),
        (saying(b"N", SASL, message(b"R", struct.pack("!I", 12) + b"v=AAAA")), None, PgEnding.IMPOSTOR, "prove"),
        (saying(b"N", message(b"R", struct.pack("!I", 12) + b"v=AAAA")), None, PgEnding.NOT_POSTGRES, "out of step"),
    ],
)
async def test_what_is_no_postgresql_is_told_apart(talk: Talk, tls: Tls | None, ending: PgEnding, said: str) -> None:
    """Silence, other protocols, servers without TLS, and servers that cheat."""
    async with listening(talk) as port:
        refused = await refusal(port, login(tls=tls), conversation=1.2)
    assert (refused.ending, said in refused.text) == (ending, True), refused


async def test_a_closed_port_is_refused() -> None:
    """A real reset."""
    assert (await refusal(free_port(), login())).verdict is PathVerdict.REFUSED
