"""HTTP through a vantage: bounded, verified, and bad news as a value."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from readiness.lab.https import Answer, Asked, Handler, HangUp, HttpsServer, Raw, Reply, Silence
from readiness.model import Cause, Lane, ProbeError
from readiness.probes.http import (
    BodyEnd,
    HttpAnswer,
    HttpConnection,
    HttpRefusal,
    HttpResult,
    RefusalKind,
    connect,
    date_of,
    json_of,
    request,
    result_from_json,
)
from readiness.probes.tls import TlsTrouble
from readiness.secret import Redactor, Secret
from readiness.vantage import Limits, PathVerdict, Vantages
from readiness.vantage.host import Consent
from readiness.vantage.local import LocalVantage
from tests.lab.mapped import Authority, Mapped, Talk, free_port, gathered, listening

HOST = "svc.test"
URL = f"https://{HOST}/"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.found(tmp_path_factory.mktemp("ca"))


@asynccontextmanager
async def served(handler: Handler, tls: ssl.SSLContext | None) -> AsyncIterator[tuple[HttpsServer, Mapped]]:
    async with HttpsServer(handler, tls=tls) as server:
        yield server, Mapped("excs-1", {HOST: server.port})


async def asked(
    authority: Authority, answer: Answer, *, conversation: float = 4.0, max_body: int = 256 * 1024
) -> HttpResult:
    """What one GET brings from a server that gives this answer."""
    async with served(lambda _: answer, authority.serving(HOST)) as (_, machine):
        vantages = gathered(machine, conversation=conversation)
        return await request(vantages, "excs-1", "GET", URL, ca_file=authority.ca_file, max_body=max_body)


async def test_an_answer_carries_all_that_evidence_needs(authority: Authority) -> None:
    """Status, headers, body, certificate, Date, carrier and times of a good answer are all there, and recorded."""
    reply = Reply(headers=(("Date", "Mon, 23 Nov 2026 09:14:13 GMT"), ("X-Kind", "Test")), body="grüße".encode())
    result = await asked(authority, reply)
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.body, result.body_end) == (200, "grüße", BodyEnd.WHOLE)
    assert result.header("x-kind") == "Test"
    assert result.date == datetime(2026, 11, 23, 9, 14, 13, tzinfo=UTC)
    assert result.certificate is not None
    assert result.certificate.names == (HOST,)
    assert result.how == "direct"
    assert result.timing.answer_s == pytest.approx(result.answered_at - result.sent_at)
    again = result_from_json(json.loads(json.dumps(result.as_json())))
    assert isinstance(again, HttpAnswer)
    assert (again.status, again.headers, again.body, again.certificate) == (
        result.status,
        result.headers,
        result.body,
        result.certificate,
    )


async def test_a_question_says_what_it_should_and_no_more(authority: Authority) -> None:
    """Host, identity encoding, Basic credentials and the form arrive as given; no cookie is ever sent back."""
    async with served(lambda _: Reply(headers=(("Set-Cookie", "session=abc"),)), authority.serving(HOST)) as (
        server,
        m,
    ):
        for _ in range(2):
            result = await request(
                gathered(m),
                "excs-1",
                "POST",
                URL + "oauth/token?a=b c".replace(" ", "%20"),
                ca_file=authority.ca_file,
                basic=("id", Secret("s3cret:with colon")),
                form=(("grant_type", "client_credentials"), ("x", "a&b")),
            )
    assert isinstance(result, HttpAnswer)
    assert result.header("set-cookie") is None
    heard = server.asked[1]
    assert (heard.method, heard.host, heard.path, heard.query) == ("POST", HOST, "/oauth/token", (("a", "b c"),))
    assert heard.form == {"grant_type": "client_credentials", "x": "a&b"}
    assert base64.b64decode(heard.header("authorization").removeprefix("Basic ")) == b"id:s3cret:with colon"
    assert heard.header("accept-encoding") == "identity"
    assert heard.header("cookie") == ""


async def test_a_redirect_is_an_answer(authority: Authority) -> None:
    """A redirect is reported and not followed, so that credentials go nowhere else."""
    there = Reply(status=302, headers=(("Location", f"https://{HOST}/elsewhere"),))
    async with served(lambda _: there, authority.serving(HOST)) as (server, machine):
        result = await request(
            gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file, bearer=Secret("token-1234")
        )
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.header("location")) == (302, f"https://{HOST}/elsewhere")
    assert [seen.path for seen in server.asked] == ["/"]


async def test_the_environment_has_no_say(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxy variables of the auditor's shell change nothing."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(await asked(authority, Reply()), HttpAnswer)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_large_body_arrives_whole_when_it_fits(authority: Authority, scheme: str) -> None:
    """A body of many reads is put together without loss, with and without TLS."""
    body = bytes(range(97, 123)) * 40_000
    async with served(lambda _: Reply(body=body), authority.serving(HOST) if scheme == "https" else None) as (_, m):
        url = f"{scheme}://{HOST}/"
        result = await request(gathered(m), "excs-1", "GET", url, ca_file=authority.ca_file, max_body=len(body))
    assert isinstance(result, HttpAnswer)
    assert result.body_end is BodyEnd.WHOLE
    assert result.body.encode() == body


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "end", "length"),
    [
        (Reply(body=b"x" * 5000), BodyEnd.TOO_LONG, 1000),
        (Raw(CHUNKED, again=b"4\r\nspam\r\n"), BodyEnd.TOO_LONG, 1000),
        (Raw(CHUNKED, again=b"1;" + b"x" * 100_000), BodyEnd.TOO_LONG, 0),
        (Raw(OK + b"Content-Length: 99999999999\r\n\r\nabc"), BodyEnd.CUT_OFF, 3),
        (Raw(CHUNKED + b"5\r\nab"), BodyEnd.CUT_OFF, 2),
        (Raw(OK + b"\r\nuntil the end"), BodyEnd.WHOLE, 13),
        (Raw(CHUNKED + b"3\r\nabc\r\n0\r\n" + b"X-T: y\r\n" * 20_000), BodyEnd.TOO_LONG, 3),
        (Raw(CHUNKED + b"zz\r\n"), BodyEnd.CUT_OFF, 0),
    ],
    ids=["long", "endless chunks", "endless extension", "short", "half a chunk", "no length", "trailers", "no chunk"],
)
async def test_a_body_is_kept_within_bounds(authority: Authority, answer: Answer, end: BodyEnd, length: int) -> None:
    """Whatever length a peer claims or sends, at most the bound is kept, and the answer says how its body ended."""
    result = await asked(authority, answer, max_body=1000)
    assert isinstance(result, HttpAnswer)
    assert (result.body_end, len(result.body)) == (end, length)


async def test_a_body_that_drips_is_cut_at_the_limit(authority: Authority) -> None:
    """A body that does not end in time leaves its head and what came so far."""
    answer = Raw(OK + b"Content-Length: 9\r\n\r\nabc")
    async with listening(_saying_then_waiting(answer.said), tls=authority.serving(HOST)) as port:
        vantages = gathered(Mapped("excs-1", {HOST: port}), conversation=0.8)
        result = await request(vantages, "excs-1", "GET", URL, ca_file=authority.ca_file)
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.body, result.body_end) == (200, "abc", BodyEnd.TOO_SLOW)


async def test_a_compressed_body_is_never_unpacked(authority: Authority) -> None:
    """A body that comes compressed against our wish is dropped, bomb or not."""
    packed = zlib.compress(b"\0" * 10_000_000)
    result = await asked(authority, Reply(headers=(("Content-Encoding", "deflate"),), body=packed))
    assert isinstance(result, HttpAnswer)
    assert (result.body, result.body_end) == ("", BodyEnd.ENCODED)
    with pytest.raises(ProbeError):
        _ = result.json


def _saying_then_waiting(words: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(words)
        await reader.read()

    return talk


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (HangUp(), RefusalKind.CLOSED, "closed without a word"),
        (Raw(b"HTTP/1.1 200 OK\r\nX-Half: "), RefusalKind.CLOSED, "in the middle"),
        (Raw(b"HTTP/1.1"), RefusalKind.CLOSED, "in the middle"),
        (Raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"), RefusalKind.NOT_HTTP, "SSH-2.0-OpenSSH_9.2p1"),
        (Raw(b"-ERR unknown command\r\n"), RefusalKind.NOT_HTTP, "-ERR unknown command"),
        (Raw(b"\x00\x01\x02\x03\x1b[31m"), RefusalKind.NOT_HTTP, "begins with"),
        (Raw(b"HTTP/9.9 what\r\n\r\n"), RefusalKind.NOT_HTTP, "HTTP/9.9"),
        (Raw(b"HTTP/1.1 2000 OK\r\n\r\n"), RefusalKind.NOT_HTTP, "2000"),
        (Raw(OK, again=b"X-Endless: " + b"y" * 5000 + b"\r\n"), RefusalKind.TOO_LONG, "no end"),
        (Raw(OK + b"X: ", again=b"y" * 5000), RefusalKind.TOO_LONG, "no end"),
        (Raw(b"", again=b"HTTP/1.1 102 Processing\r\n\r\n"), RefusalKind.TOO_LONG, "interim"),
    ],
)
async def test_what_is_no_answer_is_told_apart(
    authority: Authority, answer: Answer, kind: RefusalKind, text: str
) -> None:
    """Closed, not HTTP and endless are different refusals, each with the peer's own words made harmless."""
    result = await asked(authority, answer)
    assert isinstance(result, HttpRefusal)
    assert (result.kind, result.lane) == (kind, Lane.SERVICE)
    assert text in result.text
    assert result.text.isprintable()
    assert result.certificate is not None
    assert result_from_json(json.loads(json.dumps(result.as_json()))) == result


async def test_silence_counts_from_a_vantage_that_is_alive(authority: Authority) -> None:
    """A peer that never answers is a refusal when the same way still opens afterwards, and is closed again."""
    async with served(lambda _: Silence(), authority.serving(HOST)) as (_, machine):
        vantages = gathered(machine, conversation=0.6)
        result = await request(vantages, "excs-1", "GET", URL, ca_file=authority.ca_file)
    assert isinstance(result, HttpRefusal)
    assert result.kind is RefusalKind.SILENT
    assert [stream.closed for stream in machine.streams] == [True, True]
    assert machine.ran == []


async def test_a_path_that_stays_silent_counts_from_a_machine_that_runs_a_command() -> None:
    """Where no stream opens at all, it is a command that shows the machine to be alive."""
    machine = Mapped("excs-1", {HOST: PathVerdict.TIMEOUT})
    result = await request(gathered(machine), "excs-1", "GET", URL)
    assert isinstance(result, HttpRefusal)
    assert machine.ran == [":\n"]


async def test_a_connection_that_ends_with_its_machine_is_no_news(authority: Authority) -> None:
    """A stream that is cut because its carrier died is not a peer that hung up."""

    def dies(_: Asked) -> Answer:
        machine.lost = True
        return HangUp()

    async with served(dies, authority.serving(HOST)) as (_, machine):
        with pytest.raises(ProbeError) as caught:
            await request(gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file)
    assert caught.value.reason.code is Cause.UNREACHABLE


async def test_silence_of_a_dead_vantage_is_no_news(authority: Authority) -> None:
    """When the machine is gone too, silence says nothing about the peer."""

    def dies(_: Asked) -> Answer:
        machine.lost = True
        return Silence()

    async with served(dies, authority.serving(HOST)) as (_, machine):
        with pytest.raises(ProbeError) as caught:
            await request(gathered(machine, conversation=0.6), "excs-1", "GET", URL, ca_file=authority.ca_file)
    assert caught.value.reason.code is Cause.UNREACHABLE
    assert all(stream.closed for stream in machine.streams)


@pytest.mark.parametrize(
    ("leads", "verdict", "lane"),
    [
        (None, None, Lane.DNS),
        (PathVerdict.REFUSED, PathVerdict.REFUSED, Lane.SERVICE),
        (PathVerdict.TIMEOUT, PathVerdict.TIMEOUT, Lane.FIREWALL),
        (PathVerdict.NO_ROUTE, PathVerdict.NO_ROUTE, Lane.ROUTE),
        (PathVerdict.NET_UNREACHABLE, PathVerdict.NET_UNREACHABLE, Lane.ROUTE),
        (PathVerdict.DENIED, PathVerdict.DENIED, Lane.FIREWALL),
    ],
)
async def test_a_closed_path_keeps_its_reason(
    leads: PathVerdict | None, verdict: PathVerdict | None, lane: Lane
) -> None:
    """What the network said is in the refusal, in its lane."""
    machine = Mapped("excs-1", {HOST: leads} if leads is not None else {})
    result = await request(gathered(machine), "excs-1", "GET", URL)
    assert isinstance(result, HttpRefusal)
    assert (result.kind, result.verdict, result.lane) == (RefusalKind.PATH, verdict, lane)
    assert result.words
    assert result_from_json(json.loads(json.dumps(result.as_json()))) == result


async def test_tls_failures_name_the_certificate_that_was_shown(authority: Authority, tmp_path: Path) -> None:
    """Wrong name, expired and foreign issuer are told apart, and the certificate in question is in the refusal."""
    other = Authority.found(tmp_path, "Other CA")
    for context, trouble in (
        (authority.serving("somebody-else.test"), TlsTrouble.WRONG_NAME),
        (authority.serving(HOST, days=-2), TlsTrouble.EXPIRED),
        (other.serving(HOST), TlsTrouble.UNTRUSTED_ISSUER),
    ):
        async with served(lambda _: Reply(), context) as (server, machine):
            result = await request(gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file)
        assert isinstance(result, HttpRefusal)
        assert result.kind is RefusalKind.TLS
        assert result.lane is Lane.TLS
        assert result.tls is not None
        assert result.tls.trouble is trouble
        assert result.tls.certificate is not None
        assert server.asked == []
        assert all(stream.closed for stream in machine.streams)
        assert result_from_json(json.loads(json.dumps(result.as_json()))) == result


async def test_http_where_tls_is_spoken_and_the_other_way_round(authority: Authority) -> None:
    """TLS to a plain server and plain HTTP to a TLS server are each named for what they are."""
    async with served(lambda _: Reply(), None) as (_, machine):
        plain = await request(gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file)
    assert isinstance(plain, HttpRefusal)
    assert plain.words == "does not speak TLS"
    async with served(lambda _: Reply(), authority.serving(HOST)) as (_, machine):
        wrapped = await request(gathered(machine), "excs-1", "GET", f"http://{HOST}/")
    assert isinstance(wrapped, HttpRefusal)
    assert wrapped.kind in (RefusalKind.NOT_HTTP, RefusalKind.CLOSED)


def _tunnelling(port: int, *, status: bytes = b"200 Connection established") -> Talk:
    """An HTTP proxy that connects to one port whatever it is asked."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(f"CONNECT {HOST}:443 HTTP/1.1".encode())
        writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
        if status.startswith(b"200"):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    return talk


async def test_a_proxy_is_asked_to_connect(authority: Authority) -> None:
    """Through a proxy TLS is still verified end to end, and the answer says that a proxy carried it."""
    async with (
        HttpsServer(lambda _: Reply(body=b"far"), tls=authority.serving(HOST)) as server,
        listening(_tunnelling(server.port)) as proxy,
    ):
        machine = Mapped("excs-1", {"proxy.test": proxy})
        result = await request(
            gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file, proxy="http://proxy.test:3128"
        )
    assert isinstance(result, HttpAnswer)
    assert (result.body, result.how) == ("far", "direct, HTTP proxy")


@pytest.mark.parametrize(
    ("proxied", "status", "text"),
    [(b"407 Proxy Authentication Required", 407, "status 407"), (b"", None, "not in HTTP")],
)
async def test_a_proxy_that_refuses_is_named(
    authority: Authority, proxied: bytes, status: int | None, text: str
) -> None:
    """What the proxy said is kept apart from what the peer would have said."""
    async with listening(_tunnelling(0, status=proxied) if proxied else _saying_then_waiting(b"SSH-2.0-x\r\n")) as port:
        machine = Mapped("excs-1", {"proxy.test": port})
        result = await request(
            gathered(machine), "excs-1", "GET", URL, ca_file=authority.ca_file, proxy="http://proxy.test:3128"
        )
    assert isinstance(result, HttpRefusal)
    assert (result.kind, result.status) == (RefusalKind.PROXY, status)
    assert text in result.text


async def test_a_refused_proxy_is_the_proxys_refusal() -> None:
    """A closed path to the proxy is not a closed path to the peer."""
    machine = Mapped("excs-1", {"proxy.test": free_port()})
    result = await request(gathered(machine), "excs-1", "GET", URL, proxy="http://proxy.test:3128")
    assert isinstance(result, HttpRefusal)
    assert (result.kind, result.verdict) == (RefusalKind.PROXY, PathVerdict.REFUSED)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://svc.test/",
        "https://user:hunter2@svc.test/",
        "https://svc.test:99999/",
        "https://svc.test/a b",
        "https://svc.test/\r\nX-Injected: 1",
        "https://[::1/",
        "https:///path",
        "https://sv%63.test/",
        "https://svc.test/" + "x" * 9000,
    ],
)
async def test_a_url_that_makes_no_sense_is_never_asked(url: str) -> None:
    """A URL from a stranger cannot inject a header or a host, and its credentials are not repeated."""
    machine = Mapped("excs-1", {HOST: PathVerdict.REFUSED})
    with pytest.raises(ProbeError) as caught:
        await request(gathered(machine), "excs-1", "GET", url)
    assert caught.value.reason.code is Cause.PARSE
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "secret", ["two\nlines-canary", "nul\0canary", "caf\N{LATIN SMALL LETTER E WITH ACUTE}-canary"]
)
async def test_a_credential_that_http_cannot_carry_is_not_quoted(secret: str) -> None:
    """The library would print the header that it refuses; the probe's own words do not."""
    async with listening(_saying_then_waiting(b"")) as port:
        machine = Mapped("excs-1", {HOST: port})
        with pytest.raises(ProbeError) as caught:
            await request(gathered(machine), "excs-1", "GET", f"http://{HOST}/", bearer=Secret(secret))
    assert "canary" not in repr(caught.value) + str(caught.value.reason)
    assert all(stream.closed for stream in machine.streams)


async def test_an_echoed_secret_is_redacted_in_every_form(authority: Authority) -> None:
    """What a peer echoes of a known secret, in its body or a header, never reaches the answer."""
    secret = 'can"ary-\\-5f3c'

    def echo(heard: Asked) -> Answer:
        given = heard.header("authorization")
        body = json.dumps({"you": secret, "sent": given}).encode()
        return Reply(headers=(("X-Echo", given),), body=body)

    async with served(echo, authority.serving(HOST)) as (_, machine):
        vantages = gathered(machine)
        vantages.redact.learn(Secret(secret), users=("id",))
        result = await request(vantages, "excs-1", "GET", URL, ca_file=authority.ca_file, basic=("id", Secret(secret)))
    shown = json.dumps(result.as_json()) + repr(result)
    assert secret not in shown
    assert json.dumps(secret)[1:-1] not in shown
    assert base64.b64encode(f"id:{secret}".encode()).decode() not in shown
    assert "***" in shown


async def test_a_connection_can_be_opened_before_it_is_known_what_to_ask(authority: Authority) -> None:
    """An opened connection carries one question and closes itself."""
    async with served(lambda _: Reply(status=204), authority.serving(HOST)) as (server, machine):
        opened = await connect(gathered(machine), "excs-1", URL, ca_file=authority.ca_file)
        assert isinstance(opened, HttpConnection)
        assert server.asked == []
        async with opened:
            result = await opened.ask("HEAD")
    assert isinstance(result, HttpAnswer)
    assert (result.status, result.body_end) == (204, BodyEnd.WHOLE)
    assert machine.streams[0].closed


async def test_it_works_from_the_auditors_own_machine(authority: Authority) -> None:
    """The same exchange, its refusals and the proof of life work from a real vantage."""
    redact, limits = Redactor(), Limits(connect=2.0, conversation=1.2)
    here = LocalVantage("auditor", limits=limits, secrets={}, redact=redact, consent=Consent())
    vantages = Vantages([here], limits=limits, redact=redact)
    answers: dict[str, Answer] = {"/": Reply(body=b"x" * 200_000), "/hang": HangUp(), "/silent": Silence()}
    async with HttpsServer(lambda heard: answers[heard.path], tls=authority.serving("127.0.0.1")) as server:
        base = f"https://127.0.0.1:{server.port}"
        good, hung, silent = await asyncio.gather(
            *(request(vantages, "auditor", "GET", base + path, ca_file=authority.ca_file) for path in answers)
        )
    closed = await request(vantages, "auditor", "GET", f"https://127.0.0.1:{free_port()}/")
    await vantages.close()
    assert isinstance(good, HttpAnswer)
    assert (good.how, len(good.body), good.body_end) == ("direct", 200_000, BodyEnd.WHOLE)
    kinds = [(r.kind, r.verdict) for r in (hung, silent, closed) if isinstance(r, HttpRefusal)]
    assert kinds == [
        (RefusalKind.CLOSED, None),
        (RefusalKind.SILENT, None),
        (RefusalKind.PATH, PathVerdict.REFUSED),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 200_000, '{"a":' * 50_000, "1" * 100_000, "\ud800", "<html>"],
    ids=["empty", "half", "deep list", "deep object", "long number", "surrogate", "html"],
)
def test_hostile_json_is_no_json(text: str) -> None:
    """JSON bombs end as an answer that cannot be understood, not as a crash."""
    with pytest.raises(ProbeError) as caught:
        json_of(text)
    assert caught.value.reason.code is Cause.PARSE


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Mon, 23 Nov 2026 09:14:13 GMT", datetime(2026, 11, 23, 9, 14, 13, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 10:14:13 +0100", datetime(2026, 11, 23, 9, 14, 13, tzinfo=UTC)),
        ("Mon, 23 Nov 2026 09:14:13 -0000", datetime(2026, 11, 23, 9, 14, 13, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Mon, 99 Nov 2026 09:14:13 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
    ],
)
def test_an_http_date_is_read_as_utc(text: str, date: datetime | None) -> None:
    """Dates of every zone come out as UTC, nonsense as none."""
    assert date_of(text) == date


@pytest.mark.parametrize("recorded", [None, 1, [], {}, {"refused": "x"}, {"certificate": None, "status": "a"}])
def test_a_record_that_makes_no_sense_says_so(recorded: object) -> None:
    """A spoilt record is a parse error, never a crash."""
    with pytest.raises(ProbeError) as caught:
        result_from_json(recorded)
    assert caught.value.reason.code is Cause.PARSE
