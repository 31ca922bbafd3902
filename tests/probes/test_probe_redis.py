"""The conversation with Redis: what real servers, clones, managed services and hostile peers make of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
import redis.asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.lab.resp import Answers, RespServer, redis_info
from readiness.model import Cause, Lane, Level, ProbeError
from readiness.probes.redis import (
    AskRedis,
    Ending,
    Login,
    Mode,
    Nameless,
    Product,
    RedisAnswer,
    RedisInfo,
    ServerRole,
)
from readiness.probes.tls import TlsTrouble
from readiness.secret import Redactor, Secret, SecretRef
from readiness.site import Endpoint, Tls
from readiness.vantage import Completed, HostAccess, Limits, PathVerdict, Stream, Vantages, open_vantages
from tests.lab.redis_servers import (
    LOOPBACK,
    DirectStream,
    Handler,
    Here,
    Papers,
    free_port,
    listener,
    redis_7,
    redis_62,
    redis_server,
    saying,
    silent,
    vantages,
)

PASSWORD = SecretRef(env="REDIS_PASSWORD")
WRONG = SecretRef(env="WRONG_PASSWORD")
LOADING = "LOADING Redis is loading the dataset in memory"
MASTERDOWN = "MASTERDOWN Link with MASTER is down"
DENIED = "DENIED Redis is running in protected mode"
SECRETS = {PASSWORD: "s3cret", WRONG: "not-it"}


def question(
    port: int,
    *,
    host: str = LOOPBACK,
    username: str | None = None,
    password: SecretRef | None = None,
    tls: Tls | None = None,
) -> AskRedis:
    return AskRedis(vantage="excs-1", endpoint=Endpoint(host, port), username=username, password=password, tls=tls)


async def ask(probe: AskRedis, *, connect: float = 2.0, conversation: float = 3.0) -> RedisAnswer:
    """Ask, and prove on the way that nothing secret was recorded and that the record alone gives the fact."""
    recorded = await probe.read(vantages(connect=connect, conversation=conversation, secrets=SECRETS))
    assert not any(value in recorded for value in SECRETS.values())
    answer = probe.parse(recorded)
    assert probe.parse(json.dumps(json.loads(recorded))) == answer
    assert len(answer.text) <= 400
    return answer


def info_of(answer: RedisAnswer) -> RedisInfo:
    assert answer.info is not None
    return answer.info


# ---- real servers -----------------------------------------------------------------------------------------------


@pytest.mark.server
async def test_an_open_redis_6_says_all_that_the_checks_need(tmp_path: Path) -> None:
    """Redis 6.2 without a password answers PING before any login, and INFO gives version, mode, sizes and keys."""
    options = ("maxmemory 2000000000", "maxmemory-policy volatile-lru", "appendonly yes")
    async with redis_server(redis_62(), tmp_path, *options) as port:
        async with redis.asyncio.Redis(host=LOOPBACK, port=port) as client:
            await client.set("somebody:else", "1")
        answer = await ask(question(port))
    assert answer.ending is Ending.ANSWERED
    assert (answer.nameless, answer.login, answer.level) == (Nameless.OPEN, Login.UNDECLARED, Level.PROTOCOL)
    assert not answer.encrypted
    info = info_of(answer)
    assert (info.product, info.numbers) == (Product.REDIS, (6, 2, 14))
    assert (info.mode, info.in_cluster_mode, info.role) == (Mode.STANDALONE, False, ServerRole.MASTER)
    assert (info.maxmemory, info.maxmemory_from, info.maxmemory_policy) == (2_000_000_000, "INFO", "volatile-lru")
    assert (info.keys, info.evicted_keys, info.connected_replicas) == (1, 0, 0)
    assert (info.aof_enabled, info.aof_last_write_ok, info.rdb_last_save_ok) == (True, True, True)
    assert info.used_memory
    assert info.total_system_memory
    assert info.maxclients
    assert answer.lane is None


@pytest.mark.server
@pytest.mark.parametrize(
    ("password", "ending", "login"),
    [
        (PASSWORD, Ending.ANSWERED, Login.ACCEPTED),
        (WRONG, Ending.LOGIN_REFUSED, Login.REFUSED),
        (None, Ending.LOGIN_MISSING, Login.UNDECLARED),
    ],
)
@pytest.mark.parametrize("binary", [redis_62, redis_7])
async def test_a_password_is_right_wrong_or_missing(
    tmp_path: Path, binary: object, password: SecretRef | None, ending: Ending, login: Login
) -> None:
    """The three outcomes of requirepass are told apart, and nobody is served without a login."""
    assert callable(binary)
    async with redis_server(binary(), tmp_path, "requirepass s3cret") as port:
        answer = await ask(question(port, password=password))
    assert (answer.ending, answer.login, answer.nameless) == (ending, login, Nameless.REFUSED)
    assert answer.spoke_redis
    assert (answer.info is not None) is (ending is Ending.ANSWERED)
    if ending is not Ending.ANSWERED:
        assert answer.lane is Lane.AUTH
        assert answer.level is Level.PROTOCOL
    else:
        assert answer.level is Level.AUTHENTICATED


@pytest.mark.server
async def test_a_password_that_nobody_asks_for_is_refused_and_info_still_read(tmp_path: Path) -> None:
    """A server without a password refuses the declared one: the login is wrong, the version is known all the same."""
    async with redis_server(redis_62(), tmp_path) as port:
        answer = await ask(question(port, password=PASSWORD))
    assert (answer.ending, answer.nameless) == (Ending.LOGIN_REFUSED, Nameless.OPEN)
    assert "without any password configured" in answer.text
    assert info_of(answer).numbers == (6, 2, 14)


@pytest.mark.server
@pytest.mark.parametrize(
    ("rights", "ending", "reads_info", "info_refusal"),
    [
        ("+@all", Ending.ANSWERED, True, ""),
        ("+@all -config", Ending.ANSWERED, True, ""),
        ("+@all -@dangerous", Ending.ANSWERED, False, "NOPERM"),
        ("+@all -ping", Ending.FORBIDDEN, True, ""),
    ],
)
async def test_the_rights_of_an_acl_user(
    tmp_path: Path, rights: str, ending: Ending, reads_info: bool, info_refusal: str
) -> None:
    """A named user logs in; what it may not do is said with the server's own code."""
    users = ("user default off", f"user exec on >s3cret ~* &* {rights}")
    async with redis_server(redis_62(), tmp_path, *users) as port:
        answer = await ask(question(port, username="exec", password=PASSWORD))
        refused = await ask(question(port, username="somebody", password=PASSWORD))
    assert (answer.ending, answer.login) == (ending, Login.ACCEPTED)
    assert (answer.info is not None) is reads_info
    assert answer.info_refusal.startswith(info_refusal)
    assert refused.ending is Ending.LOGIN_REFUSED


@pytest.mark.server
async def test_cluster_mode_shows_even_on_a_lone_node(tmp_path: Path) -> None:
    """A node with cluster-enabled yes says so in INFO, whatever becomes of its cluster."""
    async with redis_server(redis_7(), tmp_path, "cluster-enabled yes") as port:
        info = info_of(await ask(question(port)))
    assert (info.mode, info.cluster_enabled, info.in_cluster_mode) == (Mode.CLUSTER, True, True)
    assert info.numbers == (7, 0, 15)


@pytest.mark.server
async def test_a_replica_and_its_master_know_of_each_other(tmp_path: Path) -> None:
    """A replica names its master, a master lists its replica as online; a lost master shows as a link that is down."""
    async with (
        redis_server(redis_62(), tmp_path) as master,
        redis_server(redis_62(), tmp_path, f"replicaof {LOOPBACK} {master}") as replica,
    ):
        async with asyncio.timeout(10):
            while not (seen := info_of(await ask(question(master)))).online_replicas:
                pass
        follower = info_of(await ask(question(replica)))
    assert (seen.role, seen.connected_replicas, len(seen.replicas)) == (ServerRole.MASTER, 1, 1)
    assert (follower.role, follower.master, follower.master_link_up) == (
        ServerRole.REPLICA,
        f"{LOOPBACK}:{master}",
        True,
    )


@pytest.mark.server
async def test_a_sentinel_names_the_master_that_it_watches(tmp_path: Path) -> None:
    """A Sentinel answers as Redis does; its mode gives it away, and INFO gives the master's address."""
    async with redis_server(redis_62(), tmp_path) as master:
        watch = (f"sentinel monitor main {LOOPBACK} {master} 1",)
        async with redis_server(redis_62(), tmp_path, sentinel=watch) as port:
            answer = await ask(question(port))
    assert answer.sentinel
    assert info_of(answer).masters == (f"{LOOPBACK}:{master}",)


@pytest.mark.server
async def test_a_full_server_says_that_it_is_full(tmp_path: Path) -> None:
    """With no connection left the server says so unasked and hangs up: capacity, not the path."""
    async with (
        redis_server(redis_62(), tmp_path, "maxclients 1") as port,
        redis.asyncio.Redis(host=LOOPBACK, port=port, retry_on_error=[redis.ConnectionError]) as client,
    ):
        await client.ping()
        answers = [await ask(question(port)) for _ in range(5)]
    assert {answer.ending for answer in answers} == {Ending.FULL}
    assert answers[0].lane is Lane.CAPACITY


def own_address() -> str:
    """An address of this machine that is not loopback; skips where there is none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        address = str(probe.getsockname()[0])
        if not address.startswith("127."):
            return address
    pytest.skip("this machine has no address but loopback")


@pytest.mark.server
async def test_protected_mode_turns_away_who_comes_from_outside(tmp_path: Path) -> None:
    """A server in protected mode says DENIED to every client that is not on its own machine."""
    address = own_address()
    options = (f"bind {LOOPBACK} {address}", "protected-mode yes")
    async with redis_server(redis_7(), tmp_path, *options) as port:
        answers = [await ask(question(port, host=address)) for _ in range(5)]
    assert {answer.ending for answer in answers} == {Ending.PROTECTED}
    assert "protected mode" in answers[0].text
    assert answers[0].lane is Lane.CONFIGURATION


# ---- TLS --------------------------------------------------------------------------------------------------------


@pytest.mark.server
async def test_tls_is_verified_for_the_declared_name(tmp_path: Path) -> None:
    """Over TLS with the site's CA the certificate is verified and kept, and the password goes through it."""
    papers = Papers.issue(tmp_path)
    pem = papers.ending("redis.test", days=20)
    options = ("tls-auth-clients no", "requirepass s3cret")
    async with redis_server(redis_7(), tmp_path, *options, tls=(pem, papers.ca_file)) as port:
        secured = Tls(ca_file=papers.ca_file)
        answer = await ask(question(port, host="redis.test", password=PASSWORD, tls=secured))
        named = await ask(question(port, password=PASSWORD, tls=Tls(ca_file=papers.ca_file, server_name="redis.test")))
    assert (answer.ending, answer.tls_version, answer.encrypted) == (Ending.ANSWERED, "TLSv1.3", True)
    assert answer.certificate is not None
    assert answer.certificate.ends_soon
    assert named.ending is Ending.ANSWERED


@pytest.mark.server
async def test_a_real_vantage_carries_the_conversation(tmp_path: Path) -> None:
    """The auditor's own machine as the product makes it a vantage: TLS, login, and the reason of a closed port."""
    papers = Papers.issue(tmp_path)
    pem, here = papers.certificate("redis.test"), HostAccess(name="excs-1", host=LOOPBACK, local=True)
    ready = await open_vantages(
        [here], limits=Limits(connect=2, conversation=3), secrets={PASSWORD: Secret("s3cret")}, redact=Redactor()
    )
    options = ("tls-auth-clients no", "requirepass s3cret")
    try:
        async with redis_server(redis_7(), tmp_path, *options, tls=(pem, papers.ca_file)) as port:
            secured = Tls(ca_file=papers.ca_file, server_name="redis.test")
            probe = question(port, password=PASSWORD, tls=secured)
            answer = probe.parse(await probe.read(ready))
        closed = probe.parse(await probe.read(ready))
    finally:
        await ready.close()
    assert (answer.ending, answer.login, answer.how) == (Ending.ANSWERED, Login.ACCEPTED, "direct")
    assert (closed.ending, closed.verdict) == (Ending.NO_PATH, PathVerdict.REFUSED)


@pytest.mark.server
async def test_each_fault_of_a_certificate_is_named_with_the_certificate(tmp_path: Path) -> None:
    """Wrong name, foreign CA and an expired certificate are told apart; the certificate is shown, no secret sent."""
    papers, others = Papers.issue(tmp_path), Papers.issue(tmp_path, "Other CA")
    found = []
    for pem, ca_file in (
        (papers.certificate("else.test"), papers.ca_file),
        (papers.certificate("redis.test"), others.ca_file),
        (papers.expired("redis.test"), papers.ca_file),
    ):
        async with redis_server(redis_7(), tmp_path, "tls-auth-clients no", tls=(pem, papers.ca_file)) as port:
            found.append(await ask(question(port, host="redis.test", password=PASSWORD, tls=Tls(ca_file=ca_file))))
    failures = [answer.tls_failure for answer in found]
    assert [failure.trouble for failure in failures if failure] == [
        TlsTrouble.WRONG_NAME,
        TlsTrouble.UNTRUSTED_ISSUER,
        TlsTrouble.EXPIRED,
    ]
    assert all(failure and failure.certificate and "Lab CA" in failure.certificate.issuer for failure in failures)
    assert {answer.lane for answer in found} == {Lane.TLS}
    assert {answer.login for answer in found} == {Login.UNTRIED}


@pytest.mark.server
async def test_a_server_that_wants_our_certificate(tmp_path: Path) -> None:
    """With tls-auth-clients yes a client without certificate is turned away, one with the right certificate served."""
    papers = Papers.issue(tmp_path)
    pem = papers.certificate("redis.test")
    async with redis_server(redis_7(), tmp_path, "tls-auth-clients yes", tls=(pem, papers.ca_file)) as port:
        bare = await ask(question(port, host="redis.test", tls=Tls(ca_file=papers.ca_file)))
        ours = Tls(ca_file=papers.ca_file, cert_file=papers.certificate("excs-1.test"))
        shown = await ask(question(port, host="redis.test", tls=ours))
    assert bare.ending is Ending.TLS
    assert bare.tls_failure is not None
    assert bare.tls_failure.trouble is TlsTrouble.WANTS_CERTIFICATE
    assert "client certificate" in bare.words
    assert shown.ending is Ending.ANSWERED


@pytest.mark.server
async def test_tls_declared_and_spoken_must_agree(tmp_path: Path) -> None:
    """TLS towards a plain server and plain words towards a TLS server are both named for what they are."""
    papers = Papers.issue(tmp_path)
    async with redis_server(redis_62(), tmp_path, "requirepass s3cret") as port:
        plain = await ask(question(port, password=PASSWORD, tls=Tls(ca_file=papers.ca_file)), conversation=0.4)
    pem = papers.certificate("redis.test")
    async with redis_server(redis_7(), tmp_path, "tls-auth-clients no", tls=(pem, papers.ca_file)) as port:
        secured = await ask(question(port, host="redis.test", password=PASSWORD))
    assert plain.ending is Ending.NOT_TLS
    assert secured.ending is Ending.WANTS_TLS
    assert {plain.login, secured.login} == {Login.UNTRIED}
    assert {plain.lane, secured.lane} == {Lane.TLS}


async def test_a_ca_file_that_is_missing_is_our_own_trouble(tmp_path: Path) -> None:
    """Without the CA that the site file names nothing is known of the server: no fact, a reason."""
    async with listener(silent) as port:
        with pytest.raises(ProbeError) as caught:
            await ask(question(port, tls=Tls(ca_file=tmp_path / "gone.pem")))
    assert caught.value.reason.code is Cause.PERMISSION


# ---- clones and managed services --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def stand_in(answers: Answers) -> AsyncIterator[int]:
    async with RespServer(answers) as endpoint:
        yield endpoint.port


@pytest.mark.parametrize(
    ("info", "product", "version"),
    [
        (redis_info("6.2.14"), Product.REDIS, "6.2.14"),
        (redis_info("6.3.4", executable="/usr/bin/keydb-server"), Product.KEYDB, ""),
        ({**redis_info("6.3.4"), "KeyDB": {"mvcc_depth": 0}}, Product.KEYDB, ""),
        (redis_info("6.2.11", dragonfly_version="df-v1.21.2"), Product.DRAGONFLY, "df-v1.21.2"),
        (redis_info("7.2.4", server_name="valkey", valkey_version="8.0.1"), Product.VALKEY, "8.0.1"),
        (redis_info("7.2.4", server_name="valkey"), Product.VALKEY, ""),
        (redis_info("6.2.0", garnet_version="1.0.44"), Product.GARNET, "1.0.44"),
        (redis_info("6.0.0", kvrocks_version="2.9.0"), Product.KVROCKS, "2.9.0"),
        (redis_info("7.0.0", redict_version="7.3.0"), Product.OTHER, "7.3.0"),
        (redis_info("6.2.6", server_name="tair"), Product.OTHER, ""),
    ],
)
async def test_clones_are_known_by_their_own_signs(
    info: dict[str, dict[str, str | int]], product: Product, version: str
) -> None:
    """What reports a redis_version of 6 need not be Redis: fields, program and section titles tell."""
    async with stand_in(Answers(info)) as port:
        found = info_of(await ask(question(port)))
    assert (found.product, found.product_version) == (product, version)


async def test_a_managed_service_that_hides_config_leaves_it_unread() -> None:
    """Where INFO leaves the limit out and CONFIG is unknown, the limit is not known: none is assumed."""
    answers = Answers({"Server": {"redis_version": "6.2.13"}, "Memory": {"used_memory": 1}})
    async with stand_in(answers) as port:
        answer = await ask(question(port))
    info = info_of(answer)
    assert answer.ending is Ending.ANSWERED
    assert (info.maxmemory, info.maxmemory_policy) == (None, None)
    assert answer.config_refusal.startswith("ERR unknown command `CONFIG`")
    assert (info.mode, info.in_cluster_mode) == (None, False)


async def test_config_fills_what_info_leaves_open() -> None:
    """CONFIG GET is asked only for what INFO does not say, and the fact tells where the figure is from."""
    answers = Answers(
        {"Server": {"redis_version": "6.2.13", "redis_mode": "standalone"}},
        config={"maxmemory": "3000000000", "maxmemory-policy": "noeviction"},
    )
    async with stand_in(answers) as port:
        info = info_of(await ask(question(port)))
    assert (info.maxmemory, info.maxmemory_from, info.maxmemory_policy) == (3_000_000_000, "CONFIG GET", "noeviction")


async def test_redis_enterprise_shows_in_the_paths_of_its_modules() -> None:
    """A module with the path /enterprise-managed is proof of Redis Enterprise; other modules are not."""
    for path, managed in (("/enterprise-managed", True), ("/opt/redis/search.so", False)):
        async with stand_in(Answers(redis_info("6.2.13"), modules=[("search", path)])) as port:
            assert (await ask(question(port))).enterprise_managed is managed


@pytest.mark.parametrize(
    ("answers", "ending", "lane"),
    [
        (Answers(redis_info(), errors={"PING": LOADING}), Ending.LOADING, Lane.SERVICE),
        (Answers(redis_info(), errors={"PING": MASTERDOWN}), Ending.MASTER_DOWN, Lane.SERVICE),
        (Answers(redis_info(), first="ERR max number of clients reached"), Ending.FULL, Lane.CAPACITY),
        (Answers(redis_info(), first=DENIED), Ending.PROTECTED, Lane.CONFIGURATION),
        (Answers(redis_info(), errors={"PING": "ERR something else"}), Ending.REFUSES, Lane.SERVICE),
    ],
)  # fmt: skip
async def test_a_server_that_is_not_ready_says_why(answers: Answers, ending: Ending, lane: Lane) -> None:
    """Each early refusal keeps its own meaning, and INFO is read where the server still gives it."""
    async with stand_in(answers) as port:
        answer = await ask(question(port))
    assert (answer.ending, answer.lane) == (ending, lane)
    assert (answer.info is not None) is not bool(answers.first)


async def test_a_server_before_6_is_asked_with_the_password_alone() -> None:
    """Redis 5 knows no user names: the password alone is tried once, and the version can be judged."""

    async def redis_5(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            match words:
                case ["AUTH", _, _]:
                    writer.write(b"-ERR wrong number of arguments for 'auth' command\r\n")
                case ["AUTH", "s3cret"]:
                    writer.write(b"+OK\r\n")
                case ["PING"]:
                    writer.write(b"+PONG\r\n")
                case ["INFO"]:
                    writer.write(b"$23\r\nredis_version:5.0.14\r\n\r\n\r\n")
                case _:
                    writer.write(b"-ERR unknown command `HELLO`, with args beginning with: `2`, \r\n")

    async with listener(redis_5) as port:
        answer = await ask(question(port, username="exec", password=PASSWORD))
    assert answer.ending is Ending.ANSWERED
    assert info_of(answer).numbers == (5, 0, 14)


# ---- paths, wrong services, hostile peers -----------------------------------------------------------------------


async def test_a_closed_port_and_a_name_that_does_not_resolve() -> None:
    """The path's own refusal is kept as it is: no service there, or no such name."""
    refused = await ask(question(free_port()))
    assert (refused.ending, refused.verdict, refused.lane) == (Ending.NO_PATH, PathVerdict.REFUSED, Lane.SERVICE)
    assert refused.level is Level.TCP
    nameless = await ask(question(6379, host="redis.invalid"))
    assert (nameless.ending, nameless.lane, nameless.level) == (Ending.NO_NAME, Lane.DNS, Level.DECLARED)


@pytest.mark.parametrize(
    ("peer", "ending", "protocol"),
    [
        (saying(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n"), Ending.NOT_REDIS, "HTTP"),
        (saying(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", then_close=False), Ending.NOT_REDIS, "SSH"),
        (saying(b"J\x00\x00\x00\x0a8.0.36\x00mysql_native_password\x00", then_close=False), Ending.NOT_REDIS, "MySQL"),
        (saying(b"ERROR\r\n", then_close=False), Ending.NOT_REDIS, "memcached"),
        (saying(b"\x00\x01\x02\x1b[2J", then_close=False), Ending.NOT_REDIS, ""),
        (saying(b""), Ending.CLOSED, ""),
        (silent, Ending.SILENT, ""),
        (saying(b"+PONG", then_close=False), Ending.SILENT, ""),
        (saying(b"$99999999999\r\n", then_close=False), Ending.OVERLONG, ""),
        (saying(b"+" + b"x" * 200_000, then_close=False), Ending.OVERLONG, ""),
        (saying(b"*1\r\n" * 100_000, then_close=False), Ending.NOT_REDIS, ""),
        (saying(b"*999999999\r\n" + b":1\r\n" * 300_000, then_close=False), Ending.OVERLONG, ""),
        (saying(b"$-7\r\n", then_close=False), Ending.NOT_REDIS, ""),
        (saying(b":" + b"9" * 9000 + b"\r\n", then_close=False), Ending.NOT_REDIS, ""),
        (saying(b"*x\r\n", then_close=False), Ending.NOT_REDIS, ""),
    ],
    ids=[
        "http", "ssh", "mysql", "memcached", "noise", "closed", "silent", "half a line", "endless bulk", "endless line",
        "deep", "many", "negative bulk", "huge number", "bad count",
    ],
)  # fmt: skip
async def test_a_peer_that_is_no_redis_never_hears_the_password(peer: Handler, ending: Ending, protocol: str) -> None:
    """Wrong services and hostile ones end the conversation within bounds, named where they give themselves away."""
    async with listener(peer) as port:
        # Time is up for the silent ones alone: the others are known by what they say, however slowly that is read.
        patience = 0.4 if ending is Ending.SILENT else 20.0
        answer = await ask(question(port, password=PASSWORD), connect=0.3, conversation=patience)
    assert (answer.ending, answer.protocol) == (ending, protocol)
    assert answer.login is Login.UNTRIED
    assert answer.level is Level.TCP
    assert answer.lane is Lane.SERVICE
    assert "\x1b" not in answer.text


class Canned(Here):
    """A machine from which every connection hears the same bytes, and then nothing more."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        ours, theirs = socket.socketpair()
        theirs.sendall(self.said)
        theirs.shutdown(socket.SHUT_WR)
        stream = DirectStream(*await asyncio.open_connection(sock=ours))
        self.kept = theirs
        return stream


@given(
    said=st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"+PONG\r\n", b"-NOAUTH x\r\n", b"+OK\r\n", b"*2\r\n", b"$3\r\nabc\r\n", b":1\r\n"]),
            st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$20\r\nmaxmemory:-5\r\nrole:\r\n\r\n"]),
            st.integers(-9, 9**9).map(lambda size: b"$%d\r\n" % size),
        ),
        max_size=12,
    ).map(b"".join)
)
@settings(max_examples=120, deadline=None)
def test_whatever_is_said_ends_in_a_fact(said: bytes) -> None:
    """No bytes of a peer crash the conversation or its reading: every one of them ends as a fact."""

    async def heard() -> RedisAnswer:
        ready = Vantages([Canned(said)], limits=Limits(connect=0.2, conversation=0.2), secrets={PASSWORD: Secret("s")})
        probe = question(6379, password=PASSWORD)
        return probe.parse(await probe.read(ready))

    assert asyncio.run(heard()).words


async def test_an_echo_of_the_password_is_redacted_before_it_is_cut() -> None:
    """A server that repeats what it did not understand puts no part of the password into the record."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"+PONG\r\n")
        await reader.read(4096)
        writer.write(b"-ERR " + b"x" * 392 + b"s3cret, what is that\r\n")
        await reader.read()

    ready = vantages(conversation=0.3, secrets=SECRETS)
    ready.redact = Redactor()
    ready.redact.learn(Secret("s3cret"))
    async with listener(echo) as port:
        recorded = await question(port, password=PASSWORD).read(ready)
    assert "s3c" not in recorded
    assert "x" * 390 in recorded


async def test_silence_heard_by_a_machine_that_is_gone_is_no_news() -> None:
    """A peer's silence counts only while the machine that listens answers on its control connection."""

    class Dying(Here):
        async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
            raise ProbeError(Cause.UNREACHABLE, "the connection to the machine is gone")

    for peer in (silent, saying(b"")):
        async with listener(peer) as port:
            with pytest.raises(ProbeError) as caught:
                await question(port).read(Vantages([Dying()], limits=Limits(connect=0.3, conversation=0.2)))
        assert caught.value.reason.code is Cause.UNREACHABLE


async def test_a_secret_that_cannot_be_had_stops_the_question() -> None:
    """Without the declared password nothing is asked: the reason names where it should have come from."""
    with pytest.raises(ProbeError) as caught:
        await question(free_port(), password=PASSWORD).read(vantages())
    assert "REDIS_PASSWORD" in caught.value.reason.detail


@pytest.mark.parametrize("recorded", ["", "[]", "{}", '{"how": 1}', "null", '"x"'])
def test_a_record_that_makes_no_sense_is_told(recorded: str) -> None:
    """A record that is no conversation raises our own error."""
    with pytest.raises(ProbeError) as caught:
        question(6379).parse(recorded)
    assert caught.value.reason.code is Cause.PARSE


def test_equal_questions_are_one_and_say_no_secret() -> None:
    """Two checks that need the conversation from one machine share it; its line in the plan names no secret."""
    first = question(6379, username="exec", password=PASSWORD, tls=Tls())
    assert {first, question(6379, username="exec", password=PASSWORD, tls=Tls())} == {first}
    assert first.describe() == f"ask Redis at {LOOPBACK}:6379 over TLS from excs-1: PING, AUTH as exec, INFO, HELLO"
    elsewhere = question(6379, username="exec", password=SecretRef(file=Path("/b/pw")), tls=Tls(ca_file=Path("/b/ca")))
    assert first.id == elsewhere.id
