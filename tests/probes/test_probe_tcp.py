"""TCP paths: what a record means, and that real peers leave the record that it should."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, Lane, ProbeError
from readiness.probes.tcp import (
    AddressPath,
    DialTcp,
    Icmp,
    Latency,
    MeasureLatency,
    PathState,
    TcpPath,
    control_port,
    percentile,
    shown_ms,
    spoken,
    state_of,
)
from readiness.secret import Redactor
from readiness.vantage import (
    Completed,
    Dial,
    Dialled,
    Limits,
    PathVerdict,
    Resolution,
    Stream,
    Vantage,
    Vantages,
)
from readiness.vantage.host import Consent
from readiness.vantage.local import LocalVantage
from tests.lab.sockets import LOOPBACK, closed, greet, hang_up, serving, silent, swallowing

VM = "excs-1"


def dialled(verdict: str, *, ms: float | None = 0.4, icmp: str = "", **more: object) -> Dialled:
    return replace(
        Dialled(verdict=PathVerdict(verdict), ms=ms, tool="python", source="10.0.0.11", icmp=icmp),
        **more,  # type: ignore[arg-type]
    )


def path(*tried: AddressPath, host: str = "peer.example", error: str = "", port: int = 6379) -> TcpPath:
    addresses = tuple(one.address for one in tried)
    resolution = Resolution(name=host, addresses=addresses, error=error)
    return TcpPath(vantage=VM, host=host, port=port, resolution=resolution, tried=tried)


def at(address: str, *attempts: Dialled, control: Dialled | None = None) -> AddressPath:
    return AddressPath(address=address, attempts=attempts, control=control)


OPEN, REFUSED, SILENT = dialled("open"), dialled("refused"), dialled("timeout", ms=5000.4)


@pytest.mark.parametrize(
    ("attempt", "state"),
    [
        (dialled("open"), PathState.OPEN),
        (dialled("refused"), PathState.REFUSED),
        (dialled("refused", icmp="3/3@10.0.0.5"), PathState.REJECTED),
        (dialled("refused", icmp="3/3@10.0.0.1"), PathState.REJECTED),
        (dialled("no_route", icmp="3/13@10.0.0.1"), PathState.REJECTED),
        (dialled("no_route", icmp="3/10@10.0.0.1"), PathState.REJECTED),
        (dialled("net_unreachable", icmp="3/9@10.0.0.1"), PathState.REJECTED),
        (dialled("no_route", icmp="3/1@10.0.0.1"), PathState.NO_ROUTE),
        (dialled("no_route"), PathState.NO_ROUTE),
        (dialled("net_unreachable", icmp="3/0@10.0.0.1"), PathState.NET_UNREACHABLE),
        (dialled("net_unreachable"), PathState.NET_UNREACHABLE),
        (dialled("denied"), PathState.DENIED),
        (dialled("denied", icmp="1/1@fd00::1"), PathState.REJECTED),
        (dialled("refused", icmp="1/4@fd00::5"), PathState.REJECTED),
        (dialled("no_route", icmp="1/3@fd00::1"), PathState.NO_ROUTE),
        (dialled("timeout"), PathState.FILTERED),
        (dialled("other"), PathState.UNCLEAR),
        (dialled("other", icmp="3/2@10.0.0.1"), PathState.REJECTED),
    ],
)
def test_one_attempt_says_who_has_to_act(attempt: Dialled, state: PathState) -> None:
    """The ICMP message tells a firewall's refusal from the host's own, which share an errno."""
    assert state_of(attempt) is state


@pytest.mark.parametrize(
    ("attempts", "state"),
    [
        ([OPEN, OPEN, OPEN], PathState.OPEN),
        ([REFUSED] * 3, PathState.REFUSED),
        ([SILENT] * 3, PathState.FILTERED),
        ([OPEN, SILENT, OPEN], PathState.UNSTABLE),
        ([REFUSED, OPEN, REFUSED], PathState.UNSTABLE),
        ([SILENT, REFUSED, SILENT], PathState.REFUSED),
        ([dialled("no_route"), SILENT, SILENT], PathState.NO_ROUTE),
        ([dialled("refused", icmp="3/3@10.0.0.1"), SILENT, REFUSED], PathState.REJECTED),
        ([dialled("other"), SILENT, SILENT], PathState.UNCLEAR),
        ([dialled("other"), REFUSED], PathState.REFUSED),
    ],
)
def test_attempts_together(attempts: list[Dialled], state: PathState) -> None:
    """Attempts that disagree about open make a path unstable; of pure failures the one that says most decides.

    Silence counts only when every attempt was silent.
    """
    assert at("10.0.0.5", *attempts).state is state


@pytest.mark.parametrize(
    ("tried", "state", "lane"),
    [
        ([at("10.0.0.5", OPEN), at("10.0.0.6", OPEN)], PathState.OPEN, Lane.SERVICE),
        ([at("10.0.0.5", OPEN), at("10.0.0.6", SILENT)], PathState.MIXED, Lane.FIREWALL),
        ([at("10.0.0.5", REFUSED), at("10.0.0.6", OPEN)], PathState.MIXED, Lane.SERVICE),
        ([at("10.0.0.5", SILENT), at("10.0.0.6", SILENT)], PathState.FILTERED, Lane.FIREWALL),
        ([at("10.0.0.5", SILENT), at("10.0.0.6", REFUSED)], PathState.REFUSED, Lane.SERVICE),
        ([at("10.0.0.5", OPEN, SILENT), at("10.0.0.6", SILENT)], PathState.UNSTABLE, Lane.ROUTE),
        ([at("10.0.0.5", OPEN), at("10.0.0.6", dialled("other"))], PathState.UNCLEAR, Lane.PROBE),
        ([at("10.0.0.5", dialled("net_unreachable"))], PathState.NET_UNREACHABLE, Lane.ROUTE),
        ([], PathState.DNS, Lane.DNS),
    ],
)
def test_addresses_together(tried: list[AddressPath], state: PathState, lane: Lane) -> None:
    """Of a name with several addresses all must open, some is mixed, none is what failed."""
    found = path(*tried, error="Name or service not known")
    assert found.state is state
    assert found.lane is lane
    assert found.observed


def test_a_family_without_a_route_is_shown_and_not_judged() -> None:
    """A VM without IPv6 is not blamed for the IPv6 address of a name that it reaches by IPv4."""
    found = path(at("fd00::5", dialled("net_unreachable", ms=0.01)), at("10.0.0.5", OPEN))
    assert found.state is PathState.OPEN
    assert [one.address for one in found.judged] == ["10.0.0.5"]
    assert [one.address for one in found.aside] == ["fd00::5"]


def test_an_unrouted_address_counts_where_its_family_has_a_route() -> None:
    """One IPv4 address without a route beside another that opens is a finding."""
    found = path(at("10.9.9.9", dialled("net_unreachable")), at("10.0.0.5", OPEN))
    assert found.state is PathState.MIXED


def test_a_router_that_knows_no_way_is_judged_in_any_family() -> None:
    """An ICMP message proves that the packet left the machine, so the family has a route."""
    found = path(at("fd00::5", dialled("net_unreachable", icmp="1/0@fd00::1")), at("10.0.0.5", OPEN))
    assert found.state is PathState.MIXED


def test_an_absent_host_is_told_from_one_behind_a_router() -> None:
    """ICMP host-unreachable from the machine's own address means that its own segment gave no answer."""
    assert at("10.0.0.5", dialled("no_route", icmp="3/1@10.0.0.11")).absent
    assert not at("10.0.0.5", dialled("no_route", icmp="3/1@10.0.0.1")).absent
    assert not at("10.0.0.5", dialled("no_route")).absent


@pytest.mark.parametrize(
    ("tried", "words"),
    [
        (at("10.0.0.5", OPEN, replace(OPEN, ms=12.3)), "10.0.0.5 accepts 2 connects (0.40 ms, 12 ms)"),
        (at("10.0.0.5", replace(OPEN, ms=None)), "10.0.0.5 accepts 1 connect"),
        (at("10.0.0.5", REFUSED, REFUSED, REFUSED), "10.0.0.5 refused all 3 connects"),
        (at("10.0.0.5", SILENT, SILENT, SILENT), "10.0.0.5 gave no answer to 3 connects of 5 s"),
        (at("10.0.0.5", OPEN, SILENT, SILENT), "10.0.0.5 accepted 1 of 3 connects; the others: no answer"),
        (
            at("10.0.0.5", dialled("refused", icmp="3/3@10.0.0.5")),
            "10.0.0.5 itself rejected the connect: ICMP 3/3 (port unreachable) from 10.0.0.5",
        ),
        (
            at("10.0.0.5", dialled("no_route", icmp="3/13@10.0.0.1")),
            "the connect to 10.0.0.5 rejected on the way: "
            "ICMP 3/13 (communication administratively prohibited) from 10.0.0.1",
        ),
    ],
)
def test_what_was_seen_is_said_in_a_few_words(tried: AddressPath, words: str) -> None:
    """Counts, times, the message and its sender stand in one line."""
    assert tried.observed == words


def test_an_unknown_icmp_code_is_still_a_refusal_by_somebody() -> None:
    """A code that no RFC names was sent on purpose; the sender is kept."""
    icmp = Icmp.of("3/250@10.0.0.1")
    assert icmp is not None
    assert icmp.state is PathState.REJECTED
    assert "10.0.0.1" in str(icmp)
    assert Icmp.of("") is None


def test_a_control_port_that_opens_shows_a_device_that_answers_for_everybody() -> None:
    """Only an open control beside an open port is a SYN proxy; a refused one is as it should be."""
    assert path(at("10.0.0.5", OPEN, control=OPEN)).answers_everywhere
    assert not path(at("10.0.0.5", OPEN, control=REFUSED)).answers_everywhere
    assert not path(at("10.0.0.5", OPEN)).answers_everywhere
    assert not path(at("10.0.0.5", OPEN)).controlled
    assert path(at("10.0.0.5", OPEN, control=SILENT)).controlled


def test_hanging_up_needs_somebody_who_looked() -> None:
    """A peer is said to hang up where every connection that was kept was closed."""
    bye, kept = replace(OPEN, closed=True), replace(OPEN, closed=False)
    assert path(at("10.0.0.5", bye, bye)).hung_up
    assert not path(at("10.0.0.5", bye, kept)).hung_up
    assert not path(at("10.0.0.5", OPEN)).hung_up
    assert not path(at("10.0.0.5", OPEN)).lingered


@pytest.mark.parametrize(
    ("banner", "protocol"),
    [
        (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "SSH"),
        (b"SSH-1.99-Cisco-1.25\n", "SSH"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
        (b"<html><body>", "HTTP"),
        (b"220 mail.example ESMTP Postfix\r\n", "SMTP"),
        (b"220-mail.example ready\r\n", "SMTP"),
        (b"220 (vsFTPd 3.0.5)\r\n", "FTP"),
        (b"-DENIED Redis is running in protected mode\r\n", "Redis"),
        (b"-ERR max number of clients reached\r\n", "Redis"),
        (b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08", "MySQL"),
        (b"\x5b\x00\x00\x00\x0a5.5.5-10.6.16-MariaDB\x00", "MySQL"),
        (b"\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this MySQL server", "MySQL"),
        (b"+OK POP3 ready\r\n", "POP3"),
        (b"* OK IMAP4rev1\r\n", "IMAP"),
        (b"RFB 003.008\n", "VNC"),
        (b"\xff\xfd\x18\xff\xfd\x20", "Telnet"),
        (b"", None),
        (b"hello", None),
        (b"2200 customers", None),
        (b"\x00\x00\x00\x10\x00\x0a", None),
    ],
)
def test_a_banner_names_its_protocol(banner: bytes, protocol: str | None) -> None:
    """The greetings of common services are known; anything else is nobody's."""
    assert spoken(banner) == protocol


def test_the_control_port_is_stable_and_out_of_the_way() -> None:
    """The same host and port always get the same control port, above Linux's ephemeral range."""
    ports = {control_port(f"host{number}.example", 2060) for number in range(500)}
    assert control_port("stat1.example", 2060) == control_port("STAT1.example", 2060)
    assert min(ports) >= 61000
    assert max(ports) <= 65535
    assert len(ports) > 300


@pytest.mark.parametrize(
    ("samples", "p50", "p99"),
    [
        ([1.0], 1.0, 1.0),
        ([3.0, 1.0, 2.0], 2.0, 2.98),
        ([float(n) for n in range(1, 101)], 50.5, 99.01),
        ([0.4] * 49 + [5.01], 0.4, 2.7511),
    ],
)
def test_percentiles_are_interpolated(samples: list[float], p50: float, p99: float) -> None:
    """The figures are NumPy's and the spreadsheet's; of fifty samples a single slow one does not make the p99."""
    latency = Latency(vantage=VM, address="10.0.0.5", port=1, samples_ms=tuple(samples), failed=0)
    assert (latency.p50, latency.p99) == (pytest.approx(p50), pytest.approx(p99))
    with pytest.raises(ValueError):
        percentile([], 50)


@pytest.mark.parametrize(("ms", "words"), [(0.123, "0.12 ms"), (9.99, "9.99 ms"), (12.6, "13 ms"), (5001.0, "5.0 s")])
def test_durations_are_written_for_readers(ms: float, words: str) -> None:
    """No more figures than mean something."""
    assert shown_ms(ms) == words


# ---- the probes ------------------------------------------------------------------------------------------------


class Scripted(Vantage):
    """A machine whose answers are given; it keeps what was dialled."""

    can_sudo = False

    def __init__(
        self,
        addresses: tuple[str, ...] = ("10.0.0.5",),
        *,
        answers: Mapping[tuple[str, int], tuple[Dialled, ...] | ProbeError] | None = None,
        usual: tuple[Dialled, ...] = (OPEN, OPEN, OPEN),
        error: str = "",
    ) -> None:
        self.name = VM
        self.addresses = addresses
        self.answers = dict(answers or {})
        self.usual = usual
        self.error = error
        self.dials: list[Dial] = []

    async def connect(self) -> None: ...

    async def close(self) -> None: ...

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        raise AssertionError("a dial runs no script of its own")

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        raise AssertionError("a dial opens no stream")

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=self.addresses, error=self.error)

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        self.dials.append(dial)
        answer = self.answers.get((dial.address, dial.port), self.usual[: dial.attempts])
        if isinstance(answer, ProbeError):
            raise answer
        return answer


def vantages(vantage: Vantage, **limits: float) -> Vantages:
    return Vantages([vantage], limits=Limits(**limits))


async def test_every_address_is_dialled_and_the_record_gives_the_fact_back() -> None:
    """The fact is a function of the record: every address, every attempt, in the resolver's order."""
    control = control_port("stat.example", 2060)
    vantage = Scripted(
        ("10.0.0.5", "10.0.0.6"),
        answers={
            ("10.0.0.5", 2060): (replace(OPEN, banner=b"\x00\xffhi", closed=False), SILENT, OPEN),
            ("10.0.0.5", control): (REFUSED,),
            ("10.0.0.6", 2060): (dialled("no_route", icmp="3/1@10.0.0.1", raw="EHOSTUNREACH"),) * 3,
            ("10.0.0.6", control): ProbeError(Cause.TIMEOUT, "no news"),
        },
    )
    probe = DialTcp(VM, "stat.example", 2060, linger=1, control=True)
    found = probe.parse(await probe.read(vantages(vantage, connect=4)))
    assert found.resolution.addresses == ("10.0.0.5", "10.0.0.6")
    assert found.tried[0].attempts == (replace(OPEN, banner=b"\x00\xffhi", closed=False), SILENT, OPEN)
    assert found.tried[0].control == REFUSED
    assert found.tried[1].control is None
    assert found.tried[1].icmp is not None
    assert found.control_port == control
    assert found.banner == b"\x00\xffhi"
    assert found.sources == ("10.0.0.11",)
    assert found.method == "exec prober (python)"
    assert {dial.attempts for dial in vantage.dials} == {3, 1}
    assert {dial.limit for dial in vantage.dials} == {4}
    assert {dial.linger for dial in vantage.dials if dial.attempts == 3} == {1}


async def test_a_name_that_does_not_resolve_is_an_answer() -> None:
    """The resolver's own no is bad news, not the lack of any."""
    vantage = Scripted((), error="Name or service not known (EAI_NONAME)")
    probe = DialTcp(VM, "gone.example", 443)
    found = probe.parse(await probe.read(vantages(vantage)))
    assert found.state is PathState.DNS
    assert "EAI_NONAME" in found.observed
    assert vantage.dials == []


async def test_a_dial_without_news_is_no_verdict() -> None:
    """Where the prober itself failed the question is unread, whatever the other addresses said."""
    vantage = Scripted(("10.0.0.5", "10.0.0.6"), answers={("10.0.0.6", 443): ProbeError(Cause.CRASH, "broke off")})
    with pytest.raises(ProbeError) as caught:
        await DialTcp(VM, "peer.example", 443).read(vantages(vantage))
    assert caught.value.reason.code is Cause.CRASH


async def test_a_name_with_very_many_addresses_is_dialled_in_part() -> None:
    """Sixteen addresses are dialled and the rest are named."""
    addresses = tuple(f"10.0.0.{number}" for number in range(1, 21))
    vantage = Scripted(addresses)
    probe = DialTcp(VM, "many.example", 443)
    found = probe.parse(await probe.read(vantages(vantage)))
    assert len(found.tried) == 16
    assert found.undialled == addresses[16:]
    assert "4 further addresses" in found.observed


@pytest.mark.parametrize(("loopback", "known"), [("refused", True), ("open", True), ("timeout", False)])
async def test_silence_by_forwarding_counts_from_a_machine_that_proves_itself(loopback: str, known: bool) -> None:
    """An SSH server that answers for nothing at all may be the one that is gone."""
    forwarded = replace(SILENT, tool="SSH forwarding", source="", ms=None)
    proof = (LOOPBACK, control_port(VM, 443))
    vantage = Scripted(
        answers={("10.0.0.5", 443): (forwarded,) * 3, proof: (replace(forwarded, verdict=PathVerdict(loopback)),)}
    )
    probe = DialTcp(VM, "peer.example", 443)
    if known:
        found = probe.parse(await probe.read(vantages(vantage)))
        assert found.state is PathState.FILTERED
        assert found.method == "SSH forwarding"
        return
    with pytest.raises(ProbeError) as caught:
        await probe.read(vantages(vantage))
    assert caught.value.reason.code is Cause.TIMEOUT


async def test_silence_by_the_prober_needs_no_further_proof() -> None:
    """The prober's own words came from the machine, which is all the proof there can be."""
    vantage = Scripted(usual=(SILENT,) * 3)
    await DialTcp(VM, "peer.example", 443).read(vantages(vantage))
    assert [dial.address for dial in vantage.dials] == ["10.0.0.5"]


def test_equal_questions_are_one_and_describe_themselves() -> None:
    """A plan shows what will be done, the bytes that are not sent included."""
    assert DialTcp(VM, "a", 1) == DialTcp(VM, "a", 1)
    assert len({DialTcp(VM, "a", 1), DialTcp(VM, "a", 1), DialTcp(VM, "a", 2)}) == 2
    text = DialTcp(VM, "stat.example", 2060, linger=1, control=True).describe()
    assert "stat.example:2060" in text
    assert "send nothing" in text
    assert str(control_port("stat.example", 2060)) in text
    assert DialTcp(VM, "fd00::5", 1).describe().endswith("[fd00::5]:1")
    assert DialTcp(VM, "a", 1).vantages == MeasureLatency(VM, "a", 1).vantages == (VM,)
    assert "50 connects" in MeasureLatency(VM, "a", 1).describe()
    assert DialTcp(VM, "a", 1).limit(Limits()) > 5 + 2
    assert MeasureLatency(VM, "a", 1).limit(Limits()) > 3 * 5


async def test_latency_is_measured_on_the_first_address_that_opens() -> None:
    """A dead first address does not spoil the figure."""
    vantage = Scripted(
        ("10.0.0.5", "10.0.0.6"),
        answers={
            ("10.0.0.5", 6379): (REFUSED,),
            ("10.0.0.6", 6379): (replace(OPEN, ms=1.0), replace(OPEN, ms=3.0), REFUSED, replace(OPEN, ms=2.0)),
        },
    )
    probe = MeasureLatency(VM, "redis.example", 6379, connects=4)
    found = probe.parse(await probe.read(vantages(vantage)))
    assert isinstance(found, Latency)
    assert found.address == "10.0.0.6"
    assert found.samples_ms == (1.0, 3.0, 2.0)
    assert found.failed == 1
    assert (found.p50, found.p99) == (2.0, pytest.approx(2.98))
    assert found.batches == ((1.0, 3.0, 2.0),)
    assert {dial.spacing for dial in vantage.dials} == {0}
    assert len(vantage.dials) == 2


async def test_a_slow_batch_is_measured_again() -> None:
    """Above the limit as many connects are made once more, at the same address, and all of them count."""
    vantage = Scripted(usual=(replace(OPEN, ms=1.0), replace(OPEN, ms=9.0), REFUSED))
    probe = MeasureLatency(VM, "redis.example", 6379, connects=3)
    found = probe.parse(await probe.read(vantages(vantage)))
    assert isinstance(found, Latency)
    assert [dial.address for dial in vantage.dials] == ["10.0.0.5", "10.0.0.5"]
    assert found.batches == ((1.0, 9.0), (1.0, 9.0))
    assert found.samples_ms == (1.0, 9.0, 1.0, 9.0)
    assert found.failed == 2
    calm = replace(probe, slow_ms=9.0)
    assert len(vantage.dials) == 2
    await calm.read(vantages(vantage))
    assert len(vantage.dials) == 3


async def test_a_closed_port_has_no_latency_and_says_so() -> None:
    """Where nothing opened the fact is the path itself."""
    probe = MeasureLatency(VM, "redis.example", 6379)
    found = probe.parse(await probe.read(vantages(Scripted(usual=(REFUSED,)))))
    assert isinstance(found, TcpPath)
    assert found.state is PathState.REFUSED


async def test_a_tool_that_tells_no_time_gives_no_figure() -> None:
    """A connect that nobody timed is not a latency of zero."""
    untimed = replace(OPEN, ms=None, tool="nc")
    probe = MeasureLatency(VM, "redis.example", 6379)
    response = await probe.read(vantages(Scripted(usual=(untimed,))))
    with pytest.raises(ProbeError) as caught:
        probe.parse(response)
    assert caught.value.reason.code is Cause.TOOL_MISSING


GOOD = {
    "addresses": ["10.0.0.5"],
    "error": "",
    "control_port": 61000,
    "tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open", "ms": 1.0, "tool": "python"}]}],
}


def test_the_shortest_good_record_is_understood() -> None:
    """What is empty is left out of a record and read back as empty."""
    found = DialTcp(VM, "peer.example", 443).parse(json.dumps(GOOD))
    assert found.state is PathState.OPEN
    assert found.tried[0].attempts[0] == Dialled(verdict=PathVerdict.OPEN, ms=1.0, tool="python")


@pytest.mark.parametrize(
    "damage",
    [
        {"addresses": None},
        {"addresses": [1]},
        {"addresses": []},
        {"error": 5},
        {"control_port": "61000"},
        {"control_port": 70000},
        {"control_port": True},
        {"tried": []},
        {"tried": {}},
        {"tried": [1]},
        {"tried": [{"address": "10.0.0.5", "attempts": []}]},
        {"tried": [{"address": "10.0.0.9", "attempts": [{"verdict": "open"}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "ajar"}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open", "ms": "1"}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open", "ms": -1}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open", "closed": 1}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open", "banner": "x" * 300}]}]},
        {"tried": [{"address": "10.0.0.5", "attempts": [{"verdict": "open"}], "control": []}]},
    ],
    ids=str,
)
def test_a_damaged_record_is_no_news(damage: dict[str, object]) -> None:
    """A record that makes no sense is a parse error and never a verdict."""
    with pytest.raises(ProbeError) as caught:
        DialTcp(VM, "peer.example", 443).parse(json.dumps(GOOD | damage))
    assert caught.value.reason.code is Cause.PARSE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["addresses", "error", "tried", "address", "attempts", "verdict", "ms", "icmp", "control"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_any_record_is_survived(text: str) -> None:
    """Whatever stands in a report, reading it gives a fact or a parse error."""
    for probe in (DialTcp(VM, "peer.example", 443), MeasureLatency(VM, "peer.example", 443)):
        found: object
        try:
            found = probe.parse(text)
        except ProbeError as error:
            found = error.reason.code
        assert isinstance(found, TcpPath | Latency) or found in (Cause.PARSE, Cause.TOOL_MISSING)
        if isinstance(found, TcpPath):
            assert found.observed
            assert found.lane in Lane


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["10.0.0.5", "10.0.0.6", "fd00::5"]),
            st.lists(
                st.builds(
                    dialled,
                    st.sampled_from([verdict.value for verdict in PathVerdict]),
                    icmp=st.sampled_from(["", "3/3@10.0.0.5", "3/1@10.0.0.11", "1/1@fd00::1", "3/77@10.0.0.1"]),
                ),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=3,
        unique_by=lambda one: one[0],
    )
)
def test_every_path_has_one_state_and_words(tried: list[tuple[str, list[Dialled]]]) -> None:
    """The classification is total, and open only where every judged attempt opened."""
    found = path(*(at(address, *attempts) for address, attempts in tried), error="no")
    assert found.observed
    opened = [attempt.verdict is PathVerdict.OPEN for one in found.judged for attempt in one.attempts]
    assert (found.state is PathState.OPEN) == (bool(opened) and all(opened))
    if found.state in (PathState.UNSTABLE, PathState.MIXED):
        assert any(opened)
    elif found.state not in (PathState.OPEN, PathState.UNCLEAR):
        assert not any(opened)


# ---- from this machine, for real ---------------------------------------------------------------------------------


@pytest.fixture
async def here() -> AsyncIterator[Vantages]:
    limits = Limits(connect=1.0)
    vantage = LocalVantage(VM, limits=limits, secrets={}, redact=Redactor(), consent=Consent())
    found = Vantages([vantage], limits=limits)
    yield found
    await found.close()


async def test_real_peers_from_a_real_machine(here: Vantages) -> None:
    """Open, refused, silent, speaking and hanging up: the whole way from the shell script to the state."""
    with (
        serving(silent) as (quiet, _),
        serving(greet(b"SSH-2.0-OpenSSH_9.2p1\r\n")) as (ssh, _),
        serving(hang_up) as (bye, _),
        closed() as shut,
        swallowing() as hole,
    ):
        states = {}
        for name, port in {"quiet": quiet, "ssh": ssh, "bye": bye, "shut": shut, "hole": hole}.items():
            probe = DialTcp(VM, LOOPBACK, port, attempts=1, linger=0.3, control=True)
            states[name] = probe.parse(await probe.read(here))
    assert states["quiet"].state is PathState.OPEN
    assert states["quiet"].controlled
    assert not states["quiet"].answers_everywhere
    assert not states["quiet"].hung_up
    assert spoken(states["ssh"].banner) == "SSH"
    assert states["bye"].hung_up
    assert states["shut"].state is PathState.REFUSED
    assert states["hole"].state is PathState.FILTERED
    assert states["hole"].sources == (LOOPBACK,)


async def test_real_latency_from_a_real_machine(here: Vantages) -> None:
    """Fifty connects over loopback give a figure, in milliseconds and well under five."""
    with serving(silent) as (port, _):
        probe = MeasureLatency(VM, "localhost", port)
        found = probe.parse(await probe.read(here))
    assert isinstance(found, Latency)
    assert len(found.samples_ms) == 50
    assert 0 < found.p50 <= found.p99 < 1000
