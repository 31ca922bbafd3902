"""Optional elements asked for real: a true Prometheus, and stand-ins that answer as the others document."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from readiness.lab.elasticsearch import Elasticsearch, Flavour
from readiness.lab.https import Handler, HangUp, HttpsServer, Raw, Silence
from readiness.model import Cause, Lane, Level, ProbeError
from readiness.probe import Probe
from readiness.probes.http import RefusalKind
from readiness.probes.monitoring import (
    AskElement,
    Asker,
    AskGrafana,
    AskLogging,
    AskPortainer,
    AskPrometheus,
    ElementAnswer,
    Ending,
    Login,
    Product,
)
from readiness.probes.tls import TlsTrouble
from readiness.secret import SecretRef
from readiness.site import Endpoint, Logging, Prometheus, WebElement
from readiness.vantage import Limits, PathVerdict
from tests.lab import elements
from tests.lab.elements import PROMETHEUS, answering, as_json, as_page, as_text, behind_a_login, prometheus
from tests.lab.mapped import Authority, Mapped, gathered

NAME = "element.example"
USER, CANARY = "exec", "c4nary-Of-Metrics"
BCRYPT = "$2b$04$xJzVMwIxGiXRgfY6K6XXIuOwyJ72fyeMlIzqtpunlIpXweSnI5rU2"
SECRET = SecretRef(env="ELEMENT_PASSWORD")

needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="needs prometheus (apt-get install prometheus)")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("ca"), "ACME CA")


def probe(
    kind: type[AskElement], *, url: str = f"http://{NAME}", account: bool = False, ca_file: Path | None = None
) -> AskElement:
    return kind(
        vantage="boot",
        url=url,
        username=USER if account else None,
        password=SECRET if account else None,
        ca_file=ca_file,
    )


async def answered(
    question: AskElement, leads: int | PathVerdict | None, *, password: str = CANARY, conversation: float = 4.0
) -> ElementAnswer:
    """Ask, and check on the way that the record holds no secret and gives the same fact again."""
    machine = Mapped("boot", {NAME: leads} if leads is not None else {})
    response = await question.read(gathered(machine, conversation=conversation, secrets={SECRET: password}))
    assert password not in response
    answer = question.parse(response)
    assert question.parse(json.dumps(json.loads(response))) == answer
    return answer


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[HttpsServer]:
    async with HttpsServer(handler, tls=None) as server:
        yield server


async def heard(question: AskElement, handler: Handler, **how: object) -> ElementAnswer:
    async with serving(handler) as server:
        return await answered(question, server.port, **how)  # type: ignore[arg-type]


# -- Prometheus, for real ----------------------------------------------------------------------------------------


@needs_prometheus
@pytest.mark.server
async def test_a_real_prometheus_is_ready_and_tells_its_version(tmp_path: Path) -> None:
    """It names itself at its readiness page and gives its version; two questions are enough."""
    async with prometheus(tmp_path) as port:
        answer = await answered(probe(AskPrometheus), port)
    assert (answer.ending, answer.product, answer.login) == (Ending.WELL, Product.PROMETHEUS, Login.NONE)
    assert answer.version[0].isdigit()
    assert [call.path for call in answer.calls] == ["/-/ready", "/api/v1/status/buildinfo"]
    assert answer.level is Level.PROTOCOL


@needs_prometheus
@pytest.mark.server
async def test_a_real_prometheus_behind_its_own_tls_and_login(tmp_path: Path, authority: Authority) -> None:
    """Its web configuration: verified TLS, the account let in, a wrong one and none refused, plain HTTP turned away."""
    leaf = authority.ca.issue_cert(NAME)
    leaf.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "leaf.pem"))
    config = (
        f"tls_server_config: {{cert_file: leaf.pem, key_file: leaf.pem}}\nbasic_auth_users: {{{USER}: '{BCRYPT}'}}\n"
    )
    secure = probe(AskPrometheus, url=f"https://{NAME}", account=True, ca_file=authority.ca_file)
    async with prometheus(tmp_path, web_config=config) as port:
        let_in = await answered(secure, port)
        wrong = await answered(secure, port, password="c4nary-Of-Old")
        nobody = await answered(replace(secure, username=None, password=None), port)
        plain = await answered(probe(AskPrometheus), port)
        distrusted = await answered(replace(secure, ca_file=None), port)
    assert (let_in.ending, let_in.login, let_in.level) == (Ending.WELL, Login.ACCEPTED, Level.AUTHENTICATED)
    assert let_in.certificate is not None
    assert (wrong.ending, wrong.login) == (Ending.LOGIN_REFUSED, Login.REFUSED)
    assert [call.path for call in wrong.calls] == ["/-/ready", "/-/ready"]
    assert nobody.ending is Ending.LOGIN_MISSING
    assert plain.ending is Ending.WANTS_TLS
    assert [call.path for call in plain.calls] == ["/-/ready"]
    assert distrusted.refusal is not None
    assert distrusted.refusal.tls is not None
    assert distrusted.refusal.tls.trouble is TlsTrouble.UNTRUSTED_ISSUER


# -- each product by its own word ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "handler", "ending", "product", "version", "condition"),
    [
        (AskPrometheus, elements.PROMETHEUS_READY, Ending.WELL, Product.PROMETHEUS, "2.53.2", "ready"),
        (AskPrometheus, elements.PROMETHEUS_STARTING, Ending.UNWELL, Product.PROMETHEUS, "", "lives and is not ready"),
        (AskPrometheus, elements.THANOS, Ending.LOOKALIKE, None, "2.53.2", ""),
        (AskPrometheus, elements.ALERTMANAGER, Ending.FOREIGN, None, "", ""),
        (AskPrometheus, elements.GRAFANA, Ending.FOREIGN, Product.GRAFANA, "", ""),
        (AskGrafana, elements.GRAFANA, Ending.WELL, Product.GRAFANA, "10.2.3", "database is ok"),
        (AskGrafana, elements.GRAFANA_SECRETIVE, Ending.WELL, Product.GRAFANA, "", "database is ok"),
        (AskGrafana, elements.GRAFANA_WITHOUT_DATABASE, Ending.UNWELL, Product.GRAFANA, "10.2.3", "failing"),
        (AskGrafana, elements.PORTAINER, Ending.FOREIGN, Product.PORTAINER, "", ""),
        (AskPortainer, elements.PORTAINER, Ending.WELL, Product.PORTAINER, "2.21.4", "status"),
        (AskPortainer, elements.PORTAINER_OLD, Ending.WELL, Product.PORTAINER, "2.11.1", "status"),
        (AskPortainer, elements.PORTAINER_UNFINISHED, Ending.UNWELL, Product.PORTAINER, "2.21.4", "locked itself"),
        (AskPortainer, elements.GRAFANA, Ending.FOREIGN, Product.GRAFANA, "", ""),
        (AskLogging, elements.LOKI, Ending.WELL, Product.LOKI, "2.9.7", "ready"),
        (AskLogging, elements.LOKI_OF_TENANTS, Ending.WELL, Product.LOKI, "2.9.7", "ready"),
        (AskLogging, elements.LOKI_STARTING, Ending.UNWELL, Product.LOKI, "2.9.7", "Ingester not ready"),
        (AskLogging, elements.LOKI_GATEWAY, Ending.WITHHELD, Product.LOKI, "3.1.1", "not shown"),
        (AskLogging, elements.TEMPO, Ending.FOREIGN, None, "", ""),
        (AskLogging, elements.KIBANA, Ending.FOREIGN, Product.KIBANA, "", ""),
        (AskLogging, elements.DASHBOARDS, Ending.FOREIGN, Product.DASHBOARDS, "", ""),
        (AskLogging, elements.GRAYLOG, Ending.FOREIGN, None, "", ""),
    ],
)
async def test_products_are_told_apart(
    kind: type[AskElement], handler: Handler, ending: Ending, product: Product | None, version: str, condition: str
) -> None:
    """Only the product's own words make it that product, and its own word on its health decides how it is."""
    answer = await heard(probe(kind), handler)
    assert (answer.ending, answer.product, answer.version) == (ending, product, version)
    assert condition in answer.condition
    assert answer.words
    assert "None" not in answer.words


@pytest.mark.parametrize("kind", [AskPrometheus, AskGrafana, AskPortainer, AskLogging])
@pytest.mark.parametrize(
    ("handler", "ending", "lane", "said"),
    [
        (elements.GATEWAY_WITHOUT_SERVICE, Ending.FAILING, Lane.SERVICE, "502 Bad Gateway"),
        (elements.TLS_ALONE, Ending.WANTS_TLS, Lane.CONFIGURATION, "HTTPS server"),
        (elements.SSO, Ending.MOVED, Lane.CONFIGURATION, "sso.acme.example"),
        (elements.BUSY, Ending.OVERLOADED, Lane.SERVICE, "Too Many"),
        (elements.CLOSED_TO_ALL, Ending.FORBIDDEN, Lane.AUTH, "403 Forbidden"),
        (answering({}), Ending.FOREIGN, Lane.CONFIGURATION, "404 page not found"),
        (answering({}, as_json([1, 2])), Ending.FOREIGN, Lane.CONFIGURATION, ""),
        (
            answering({}, Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")),
            Ending.UNREADABLE,
            Lane.SERVICE,
            "",
        ),
        (
            answering({}, Raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b")),
            Ending.UNREADABLE,
            Lane.SERVICE,
            "",
        ),
        (behind_a_login(answering({}), user="x", password="y"), Ending.LOGIN_MISSING, Lane.AUTH, "401"),
    ],
)
async def test_whatever_else_answers_is_named(
    kind: type[AskElement], handler: Handler, ending: Ending, lane: Lane, said: str
) -> None:
    """A proxy, a login page, a busy or foreign server is neither the product nor silence."""
    answer = await heard(probe(kind), handler)
    assert (answer.ending, answer.lane, answer.product) == (ending, lane, None)
    assert said in answer.said
    assert answer.level is Level.PROTOCOL


async def test_a_busy_server_is_asked_once() -> None:
    """What says that it is asked too often is left alone."""
    async with serving(elements.BUSY) as server:
        await answered(probe(AskPrometheus), server.port)
    assert len(server.asked) == 1


# -- the way there ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leads", "verdict"), [(PathVerdict.TIMEOUT, PathVerdict.TIMEOUT), (None, None), (1, PathVerdict.REFUSED)]
)
async def test_a_closed_path_is_bad_news(leads: int | PathVerdict | None, verdict: PathVerdict | None) -> None:
    """Nothing is known of the element then, and the network's own word is kept."""
    answer = await answered(probe(AskGrafana), leads)
    assert answer.refusal is not None
    assert (answer.ending, answer.refusal.kind, answer.refusal.verdict) == (
        Ending.UNREACHED,
        RefusalKind.PATH,
        verdict,
    )
    assert answer.level is (Level.DECLARED if verdict is None else Level.TCP)
    assert len(answer.calls) == 1


@pytest.mark.parametrize(
    ("reply", "kind"), [(Silence(), RefusalKind.SILENT), (HangUp(), RefusalKind.CLOSED), (Raw(b"SSH-2.0-x\r\n"), None)]
)
async def test_a_peer_without_an_answer_is_bad_news(reply: object, kind: RefusalKind | None) -> None:
    """Silence, a closed connection and another protocol are kept apart, and asked once."""
    async with serving(answering({}, reply)) as server:  # type: ignore[arg-type]
        answer = await answered(probe(AskPrometheus), server.port, conversation=1.0)
    assert answer.refusal is not None
    assert answer.refusal.kind is (kind or RefusalKind.NOT_HTTP)
    assert answer.level is Level.TCP
    assert len(server.asked) == 1


async def test_a_machine_that_is_lost_is_no_news() -> None:
    """Trouble on our side of the question is never a fact about the element."""
    with pytest.raises(ProbeError) as caught:
        await probe(AskGrafana).read(gathered(Mapped("boot", lost=True)))
    assert caught.value.reason.code is Cause.UNREACHABLE


async def test_a_secret_that_cannot_be_read_is_no_news() -> None:
    """Without the declared secret the question cannot be put as it is declared."""
    async with serving(elements.GRAFANA) as server:
        with pytest.raises(ProbeError) as caught:
            await probe(AskGrafana, account=True).read(gathered(Mapped("boot", {NAME: server.port})))
    assert caught.value.reason.code is Cause.AUTH


# -- accounts --------------------------------------------------------------------------------------------------------


async def test_an_account_is_shown_only_where_it_is_demanded() -> None:
    """Prometheus, Grafana and Portainer that tell everybody never see the declared account."""
    async with serving(elements.GRAFANA) as server:
        answer = await answered(probe(AskGrafana, account=True), server.port)
    assert (answer.ending, answer.login) == (Ending.WELL, Login.NOT_NEEDED)
    assert [asked.header("authorization") for asked in server.asked] == [""]


async def test_a_login_before_the_element_takes_the_account() -> None:
    """Once something was closed to everybody, the rest is asked with the account at once."""
    guarded = behind_a_login(elements.PROMETHEUS_READY, user=USER, password=CANARY)
    async with serving(guarded) as server:
        answer = await answered(probe(AskPrometheus, account=True), server.port)
    assert (answer.ending, answer.login, answer.level) == (Ending.WELL, Login.ACCEPTED, Level.AUTHENTICATED)
    assert [(call.path, call.asker) for call in answer.calls] == [
        ("/-/ready", Asker.ANYBODY),
        ("/-/ready", Asker.ACCOUNT),
        ("/api/v1/status/buildinfo", Asker.ACCOUNT),
    ]


async def test_a_path_before_the_address_is_kept() -> None:
    """An element behind a proxy has a path of its own, with or without a slash at its end."""
    under = answering({"/grafana/api/health": as_json({"database": "ok", "version": "11.0.0"})})
    for url in (f"http://{NAME}/grafana", f"http://{NAME}/grafana/"):
        assert (await heard(probe(AskGrafana, url=url), under)).ending is Ending.WELL


# -- Elasticsearch, OpenSearch and Loki --------------------------------------------------------------------------------


@asynccontextmanager
async def searching(**how: object) -> AsyncIterator[Elasticsearch]:
    async with Elasticsearch(users={USER: CANARY}, tls=None, **how) as search:  # type: ignore[arg-type]
        yield search


@pytest.mark.parametrize(
    ("flavour", "product", "version"),
    [
        (Flavour.ELASTICSEARCH, Product.ELASTICSEARCH, "8.15.3"),
        (Flavour.OPENSEARCH, Product.OPENSEARCH, "2.17.1"),
    ],
)
@pytest.mark.parametrize(
    ("status", "ending", "condition"),
    [
        ("green", Ending.WELL, "its cluster logs with 3 nodes is green"),
        ("yellow", Ending.WELL, "its cluster logs with 3 nodes is yellow (every shard is there once"),
        ("red", Ending.UNWELL, "its cluster logs with 3 nodes is red (shards are missing"),
        ("", Ending.UNWELL, "status 503: master_not_discovered_exception"),
    ],
)
async def test_a_search_engine_is_as_well_as_its_cluster(
    flavour: Flavour, product: Product, version: str, status: str, ending: Ending, condition: str
) -> None:
    """Green and yellow take logs, red and a cluster without a master do not."""
    async with searching(flavour=flavour, status=status) as search:
        answer = await answered(probe(AskLogging, account=True), search.server.port)
    assert (answer.ending, answer.product, answer.version) == (ending, product, version)
    assert condition in answer.condition
    assert (answer.login, answer.level) == (Login.ACCEPTED, Level.AUTHENTICATED)


@pytest.mark.parametrize("flavour", list(Flavour))
async def test_a_search_engine_is_known_by_the_way_it_refuses(flavour: Flavour) -> None:
    """No account, a wrong one and one without the right to look are three things, and none of them another product."""
    async with searching(flavour=flavour, writers={USER}) as search:
        port = search.server.port
        nobody = await answered(probe(AskLogging), port)
        wrong = await answered(probe(AskLogging, account=True), port, password="c4nary-Of-Old")
        writer = await answered(probe(AskLogging, account=True), port)
    expected = Product[flavour.name]
    assert {one.product for one in (nobody, wrong, writer)} == {expected}
    assert (nobody.ending, nobody.login) == (Ending.LOGIN_MISSING, Login.NONE)
    assert (wrong.ending, wrong.login) == (Ending.LOGIN_REFUSED, Login.REFUSED)
    assert (writer.ending, writer.login) == (Ending.WITHHELD, Login.ACCEPTED)
    assert writer.level is Level.AUTHENTICATED


async def test_an_open_search_engine_proves_nothing_of_an_account() -> None:
    """Where everybody is let in the account is shown all the same, and counts for nothing."""
    async with Elasticsearch(users={}, tls=None) as search:
        answer = await answered(probe(AskLogging, account=True), search.server.port)
    assert (answer.ending, answer.login, answer.level) == (Ending.WELL, Login.NOT_NEEDED, Level.PROTOCOL)
    assert answer.version == "8.15.3"


async def test_an_open_page_that_refuses_the_account_tells_so() -> None:
    """A log agent logs in: what lets strangers in and turns the account away would fail it."""
    page = as_json({"cluster_name": "c", "version": {"number": "7.17.0"}, "tagline": "You Know, for Search"})

    def moody(asked):  # type: ignore[no-untyped-def]
        return page if not asked.header("authorization") else as_text("Unauthorized", status=401)

    answer = await heard(probe(AskLogging, account=True), moody)
    assert (answer.ending, answer.login) == (Ending.LOGIN_REFUSED, Login.REFUSED)
    assert (answer.product, answer.version) == (Product.ELASTICSEARCH, "7.17.0")


async def test_a_cluster_that_never_tells_its_health_is_not_well() -> None:
    """Its front page answers and its health does not, as when it waits for a master."""
    page = as_json({"cluster_name": "c", "version": {"number": "7.17.0"}, "tagline": "You Know, for Search"})
    waiting = answering({"/": page, "/_cluster/health": Silence()})
    answer = await heard(probe(AskLogging), waiting, conversation=1.0)
    assert (answer.ending, answer.product) == (Ending.UNWELL, Product.ELASTICSEARCH)
    assert "never answers" in answer.condition


async def test_loki_behind_a_login_takes_the_account() -> None:
    """The gateway before Loki wants HTTP Basic for everything, its front page too."""
    guarded = behind_a_login(elements.LOKI, user=USER, password=CANARY, realm="Loki")
    let_in = await heard(probe(AskLogging, account=True), guarded)
    nobody = await heard(probe(AskLogging), guarded)
    assert (let_in.ending, let_in.product, let_in.login) == (Ending.WELL, Product.LOKI, Login.ACCEPTED)
    assert (nobody.ending, nobody.product) == (Ending.LOGIN_MISSING, None)


@pytest.mark.parametrize("path", ["/loki/api/v1/push", "/api/prom/push", "/"])
async def test_the_address_for_pushing_leads_to_loki_itself(path: str) -> None:
    """People declare what stands in their log agent's configuration."""
    answer = await heard(probe(AskLogging, url=f"http://{NAME}{path}"), elements.LOKI)
    assert (answer.ending, answer.product) == (Ending.WELL, Product.LOKI)


# -- hostility, and the record ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [AskPrometheus, AskGrafana, AskPortainer, AskLogging])
async def test_what_a_stranger_says_is_cut_and_kept_on_one_line(kind: type[AskElement]) -> None:
    """Escapes, long words and huge pages end up as short plain text."""
    evil = as_page("\x1b[31mGrafana\nx" + "y" * 5000) if kind is not AskGrafana else as_text("\x1b]0;" + "z" * 50_000)
    answer = await heard(probe(kind), answering({}, evil))
    for text in (answer.said, answer.words, answer.condition, answer.version, *(c.words for c in answer.calls)):
        assert len(text) < 400
        assert text.isprintable()


_SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20)


def _nested(*keys: str) -> st.SearchStrategy[str]:
    """JSON of any shape that uses these keys, or no JSON at all."""
    shapes = st.recursive(
        _SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=6),
        max_leaves=20,
    )
    return shapes.map(json.dumps) | st.text(max_size=60)


@given(_nested("path", "asker", "result", "status", "body"))
@settings(max_examples=150, deadline=None)
def test_a_record_that_is_none_is_an_error(response: str) -> None:
    """Whatever stands in a report does not crash the parser."""
    with pytest.raises(ProbeError) as caught:
        probe(AskLogging).parse(response)
    assert caught.value.reason.code is Cause.PARSE


_KEYS = ("version", "number", "distribution", "tagline", "error", "type", "reason", "status", "cluster_name")
_MORE = ("number_of_nodes", "database", "Version", "data", "root_cause", "revision", "message")


@given(
    kind=st.sampled_from([AskPrometheus, AskGrafana, AskPortainer, AskLogging]),
    bodies=st.lists(_nested(*_KEYS, *_MORE), min_size=1, max_size=4),
    status=st.sampled_from([200, 204, 301, 400, 401, 403, 404, 408, 429, 500, 503]),
)
@settings(max_examples=200, deadline=None)
def test_any_answers_give_a_fact(kind: type[AskElement], bodies: list[str], status: int) -> None:
    """Nothing that a stranger answers crashes the parser, and nothing becomes well that did not say so."""
    paths = {
        AskPrometheus: ("/-/ready", "/api/v1/status/buildinfo", "/-/healthy", "/"),
        AskGrafana: ("/api/health", "/"),
        AskPortainer: ("/api/system/status", "/api/status", "/"),
        AskLogging: ("/", "/_cluster/health", "/loki/api/v1/status/buildinfo", "/ready"),
    }[kind]
    calls = [
        {"path": path, "asker": "anybody", "result": _recorded(body, status)}
        for path, body in zip(paths, bodies, strict=False)
    ]
    answer = probe(kind).parse(json.dumps(calls))
    assert answer.words
    if answer.ending is Ending.WELL:
        assert status == 200
        assert answer.product is not None


def _recorded(body: str, status: int) -> dict[str, object]:
    return {
        "status": status,
        "headers": [],
        "body": body,
        "body_end": "whole",
        "certificate": None,
        "how": "direct",
        "connect_s": 0.0,
        "tls_s": 0.0,
        "answer_s": 0.0,
        "sent_at": 0.0,
        "answered_at": 0.0,
    }


def test_a_question_is_the_same_from_run_to_run() -> None:
    """Its key names the reference of the secret and the file's own name, never a value or a folder."""
    first = probe(AskLogging, account=True, ca_file=Path("/srv/one/acme-ca.pem"))
    second = replace(first, ca_file=Path("/home/two/acme-ca.pem"))
    assert first.key == second.key
    assert "env:ELEMENT_PASSWORD" in first.key
    assert "one" not in first.key
    assert first.id != replace(first, vantage="excs-1").id


def test_questions_say_what_they_ask() -> None:
    """The plan shows the address, as whom, and from where."""
    logging = Logging(
        url="https://logs.example:9200",
        endpoint=Endpoint("logs.example", 9200),
        username=USER,
        password=SECRET,
        ca_file=None,
    )
    web = WebElement(
        url="https://g.example", endpoint=Endpoint("g.example", 443), username=None, password=None, ca_file=None
    )
    metrics = Prometheus(
        host="10.0.0.9", url="http://10.0.0.9:9090", ca_file=None, username=None, password=None, ssh=True
    )
    described = {
        AskLogging.of("excs-1", logging): ("https://logs.example:9200", "as exec", "excs-1"),
        AskGrafana.of("boot", web): ("https://g.example", "Grafana", "boot"),
        AskPortainer.of("auditor", web): ("https://g.example", "Portainer", "auditor"),
        AskPrometheus.of("prometheus", metrics): ("http://10.0.0.9:9090", "Prometheus", "prometheus"),
    }
    for question, words in described.items():
        assert isinstance(question, Probe)
        assert all(word in question.describe() for word in words)
        assert question.vantages == (question.vantage,)
        assert question.limit(Limits()) < 200
    with pytest.raises(ValueError, match="without a URL"):
        AskPrometheus.of("prometheus", replace(metrics, url=None))
