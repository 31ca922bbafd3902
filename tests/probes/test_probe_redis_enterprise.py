"""The REST API of Redis Enterprise: what is asked, what is kept, and which database is meant."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from readiness.lab.https import Answer, Asked, HttpsServer, Raw, Reply
from readiness.lab.redis_enterprise import Cluster, User, database, node
from readiness.model import Cause, ProbeError
from readiness.probes.redis_enterprise import ApiEnding, AskRedisEnterprise, EnterpriseAnswer, Match
from readiness.secret import Secret, SecretRef
from readiness.site import Endpoint, EnterpriseApi
from readiness.vantage import Limits, Vantages
from tests.lab.redis_servers import Here, Papers, free_port

PASSWORD, WRONG = SecretRef(env="RE_PASSWORD"), SecretRef(env="RE_WRONG")
USERS = {"viewer": User("v1ewer"), "nobody": User("v1ewer", role="none")}
REDIS = Endpoint("redis.lab.test", 12000)


def cluster(*databases: dict[str, object]) -> Cluster:
    listed = list(databases) or [database(host="redis.lab.test", port=12000, memory_size=4_000_000_000)]
    return Cluster(users=USERS, databases=listed)


class Stage:
    """A server of the API, and the question about it."""

    def __init__(self, server: HttpsServer, papers: Papers) -> None:
        self.server = server
        self.papers = papers

    async def ask(
        self,
        *,
        username: str = "viewer",
        password: SecretRef = PASSWORD,
        endpoint: Endpoint = REDIS,
        candidates: tuple[str, ...] = ("excs-1",),
    ) -> EnterpriseAnswer:
        api = EnterpriseApi(
            url=f"https://api.test:{self.server.port}",
            username=username,
            password=password,
            ca_file=self.papers.ca_file,
        )
        probe = AskRedisEnterprise(candidates=candidates, api=api, endpoint=endpoint)
        vantages = Vantages(
            [Here("excs-1"), Here("gone", lost=True)],
            limits=Limits(connect=1, conversation=2),
            secrets={PASSWORD: Secret("v1ewer"), WRONG: Secret("wr0ng")},
        )
        recorded = await probe.read(vantages)
        assert "never-read" not in recorded
        assert "v1ewer" not in recorded
        answer = probe.parse(recorded)
        assert probe.parse(json.dumps(json.loads(recorded))) == answer
        return answer


@asynccontextmanager
async def serving(handler: object, folder: Path) -> AsyncIterator[Stage]:
    papers = Papers.issue(folder)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(papers.certificate("api.test"))
    assert callable(handler)
    async with HttpsServer(handler, tls=trust) as server:
        yield Stage(server, papers)


async def test_the_declared_database_is_read_whole(tmp_path: Path) -> None:
    """Version, sizes, replication, backup, licence and nodes come out of four GETs by a viewer."""
    made = cluster(
        database(
            1,
            host="redis.lab.test",
            port=12000,
            memory_size=4_000_000_000,
            replication=True,
            backup=True,
            backup_interval=86400,
            backup_status="succeeded",
            last_backup_time="2026-11-22T01:00:03Z",
            data_persistence="aof",
        ),
        database(2, host="other.lab.test", port=12001, memory_size=1),
    )
    async with serving(made, tmp_path) as stage:
        answer = await stage.ask()
        asked = stage.server.asked
    assert answer.ending is ApiEnding.ANSWERED
    found = answer.database
    assert found is not None
    assert (found.uid, found.version, found.redis_version) == (1, "6.2.13", "6.2")
    assert (found.memory_size, found.usable_memory) == (4_000_000_000, 2_000_000_000)
    assert (found.replication, found.oss_cluster, found.shards_count) == (True, False, 1)
    assert (found.backup, found.backup_interval, found.backup_status) == (True, timedelta(days=1), "succeeded")
    assert found.last_backup == datetime(2026, 11, 22, 1, 0, 3, tzinfo=UTC)
    assert (found.eviction_policy, found.tls_mode, found.default_user) == ("volatile-lru", "disabled", True)
    assert answer.match is Match.NAME
    assert answer.licence is not None
    assert (answer.licence.expired, answer.licence.expires) == (False, datetime(2030, 6, 30, tzinfo=UTC))
    assert not answer.licence.ends_soon(answer.seen_at)
    assert (answer.software_version, answer.offers) == ("7.4.6-22", ("6.0", "6.2", "7.2"))
    assert len(answer.nodes) == 3
    assert {request.method for request in asked} == {"GET"}
    assert sorted(request.path for request in asked) == ["/v1/bdbs", "/v1/cluster", "/v1/license", "/v1/nodes"]
    assert "authentication_redis_pass" not in dict(asked[0].query)["fields"]


@pytest.mark.parametrize(
    ("databases", "endpoint", "uid", "match"),
    [
        ([("redis.lab.test", 12000), ("redis.lab.test", 12001)], REDIS, 1, Match.NAME),
        ([("REDIS.lab.test.", 12000), ("other.lab.test", 12000)], REDIS, 1, Match.NAME),
        ([("internal.lab.test", 12000), ("other.lab.test", 12001)], REDIS, 1, Match.PORT),
        ([("internal.lab.test", 12000), ("other.lab.test", 12000)], REDIS, None, None),
        ([("internal.lab.test", 12001)], REDIS, None, None),
    ],
)
async def test_the_declared_endpoint_is_found_among_the_databases(
    tmp_path: Path, databases: list[tuple[str, int]], endpoint: Endpoint, uid: int | None, match: Match | None
) -> None:
    """By name and port, else by a port that only one database uses; a choice is never guessed."""
    made = cluster(*(database(i, host=h, port=p, memory_size=1) for i, (h, p) in enumerate(databases, 1)))
    async with serving(made, tmp_path) as stage:
        answer = await stage.ask(endpoint=endpoint)
    if uid is None:
        assert answer.ending is ApiEnding.NO_DATABASE
        assert "internal.lab.test:1200" in answer.text
    else:
        assert answer.database is not None
        assert (answer.database.uid, answer.match) == (uid, match)


async def test_an_address_of_the_endpoint_s_name_finds_the_database_too(tmp_path: Path) -> None:
    """Where the site uses an alias, the address behind it decides between databases on one port."""
    alias = [{"dns_name": "a.lab.test", "addr": ["127.0.0.1"], "port": 12000}]
    other = [{"dns_name": "b.lab.test", "addr": ["10.9.9.9"], "port": 12000}]
    made = cluster(
        database(1, host="", port=12000, memory_size=1, endpoints=other),
        database(2, host="", port=12000, memory_size=1, endpoints=alias),
    )
    async with serving(made, tmp_path) as stage:
        answer = await stage.ask()
    assert answer.database is not None
    assert (answer.database.uid, answer.match) == (2, Match.ADDRESS)


@pytest.mark.parametrize(
    ("username", "password", "ending", "requests"),
    [
        ("viewer", WRONG, ApiEnding.LOGIN_REFUSED, 1),
        ("stranger", PASSWORD, ApiEnding.LOGIN_REFUSED, 1),
        ("nobody", PASSWORD, ApiEnding.FORBIDDEN, 1),
    ],
)
async def test_a_refused_login_is_told_and_not_tried_again(
    tmp_path: Path, username: str, password: SecretRef, ending: ApiEnding, requests: int
) -> None:
    """401 and 403 are told apart, and wrong credentials are sent exactly once, however many machines there are."""
    async with serving(cluster(), tmp_path) as stage:
        answer = await stage.ask(username=username, password=password, candidates=("excs-1", "excs-1"))
        assert len(stage.server.asked) == requests
    assert answer.ending is ending


@pytest.mark.parametrize(
    ("reply", "ending"),
    [
        (Reply(status=404, body=b"<html>not found"), ApiEnding.NOT_THE_API),
        (Reply(status=200, body=b"<html>welcome"), ApiEnding.NOT_THE_API),
        (Reply(status=200, body=b'"text"'), ApiEnding.NOT_THE_API),
        (Reply(status=503), ApiEnding.FAILING),
        (Reply(status=200, body=b"[" * 100_000), ApiEnding.NOT_THE_API),
        (Raw(b"SSH-2.0-OpenSSH_9.2\r\n"), ApiEnding.UNREACHED),
    ],
    ids=["404", "html", "text", "503", "deep", "ssh"],
)
async def test_what_is_not_the_api_is_told(tmp_path: Path, reply: Answer, ending: ApiEnding) -> None:
    """Another web server, a node that is down and another protocol are no databases."""

    def handler(asked: Asked) -> Answer:
        return reply

    async with serving(handler, tmp_path) as stage:
        assert (await stage.ask()).ending is ending


async def test_the_first_machine_that_reaches_it_is_the_one_that_asks(tmp_path: Path) -> None:
    """A machine that cannot be asked is passed over, and the fact names the one that was."""
    async with serving(cluster(), tmp_path) as stage:
        assert (await stage.ask(candidates=("gone", "excs-1"))).vantage == "excs-1"
        with pytest.raises(ProbeError) as caught:
            await stage.ask(candidates=("gone",))
    assert caught.value.reason.code is Cause.UNREACHABLE


async def test_a_closed_port_is_bad_news_not_an_error(tmp_path: Path) -> None:
    """Where no machine reaches the API, the fact says how it refused the first of them."""
    async with serving(cluster(), tmp_path) as stage:
        stage.server.port = free_port()
        answer = await stage.ask()
    assert answer.ending is ApiEnding.UNREACHED
    assert "refuses the connection" in answer.text


async def test_nodes_that_differ_count_by_the_oldest(tmp_path: Path) -> None:
    """The software version is the lowest, and only what every node can run is offered."""
    made = cluster()
    made.nodes = [node(1, software_version="7.22.0-95", versions=("6.2", "7.4")), node(2)]
    async with serving(made, tmp_path) as stage:
        answer = await stage.ask()
    assert (answer.software_version, answer.offers) == ("7.4.6-22", ("6.2",))


@pytest.mark.parametrize("recorded", ["", "[]", "{}", '{"bdbs": null, "tried": []}', '{"bdbs": {"value": [1]}}'])
def test_a_record_that_makes_no_sense_is_told(recorded: str) -> None:
    """A record that is no exchange raises our own error."""
    api = EnterpriseApi(url="https://api.test:9443", username=None, password=None, ca_file=None)
    with pytest.raises(ProbeError) as caught:
        AskRedisEnterprise(candidates=("excs-1",), api=api, endpoint=REDIS).parse(recorded)
    assert caught.value.reason.code is Cause.PARSE
