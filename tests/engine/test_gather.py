"""Every question is asked once, nothing that goes wrong goes further than its own reading."""

from __future__ import annotations

import asyncio

import pytest

from readiness.check import Check, Needs, Settled
from readiness.gather import Event, HostEvent, ProbeEvent, gather
from readiness.model import Cause, Judgement, ProbeError, Target, TargetKind, Unread
from readiness.plan import Plan, plan
from readiness.probe import Attempt, HostProbe
from readiness.secret import Redactor, Secret
from readiness.site import Site
from readiness.vantage import Limits, Vantages
from tests.lab.engine import FakeVantage, HostWord, Say, Speaks, Word, requirement, site


def vantages(*fakes: FakeVantage, limits: Limits | None = None, redact: Redactor | None = None) -> Vantages:
    return Vantages(fakes, limits=limits or Limits(), redact=redact)


def planned() -> Plan:
    return plan(site(), [Speaks])


def fact(gathered: object, probe: Say) -> object:
    return gathered.readings[probe].fact  # type: ignore[attr-defined]


async def test_two_checks_with_one_question_ask_it_once() -> None:
    """Equal probes are one question."""

    class Again(Speaks):
        requirement = requirement("test.again")

    fakes = [FakeVantage("excs-1"), FakeVantage("exas-1")]
    gathered = await gather(plan(site(), [Speaks, Again]), vantages(*fakes))
    assert [fake.asked for fake in fakes] == [["yes"], ["yes"]]
    assert fact(gathered, Say("excs-1", "yes")) == Word("yes")


async def test_a_dead_machine_costs_its_own_readings_only() -> None:
    """Its questions are unread with the reason of the connection; the other machine's are read."""
    down = FakeVantage("excs-1", down=ProbeError(Cause.UNREACHABLE, "no answer on port 22"))
    gathered = await gather(planned(), vantages(down, FakeVantage("exas-1")))
    lost = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(lost, Unread)
    assert lost.reason.code is Cause.UNREACHABLE
    assert down.asked == []
    assert fact(gathered, Say("exas-1", "yes")) == Word("yes")
    assert gathered.hosts["exas-1"] is None
    assert gathered.hosts["excs-1"] == lost.reason


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (RuntimeError("a probe's bug"), Cause.CRASH),
        (ProbeError(Cause.TOOL_MISSING, "no tool"), Cause.TOOL_MISSING),
        (TimeoutError("inner"), Cause.TIMEOUT),
        ("gibberish", Cause.PARSE),
        ("bomb", Cause.CRASH),
    ],
)
async def test_trouble_is_an_unread_fact_with_its_reason(answer: str | Exception, cause: Cause) -> None:
    """A crash, a missing tool, a time-out and nonsense each leave one unread fact and nothing else."""
    gathered = await gather(planned(), vantages(FakeVantage("excs-1", lambda _: answer), FakeVantage("exas-1")))
    unread = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.code is cause
    assert fact(gathered, Say("exas-1", "yes")) == Word("yes")


async def test_a_hanging_answer_ends_at_the_probes_own_limit() -> None:
    """No question outlives its limit, and the others do not wait for it."""
    limits = Limits(conversation=0.05, connect=0.05)
    gathered = await gather(
        planned(), vantages(FakeVantage("excs-1", lambda _: "hang"), FakeVantage("exas-1"), limits=limits)
    )
    unread = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.code is Cause.TIMEOUT
    assert gathered.ended == "complete"


async def test_a_machine_that_finds_no_time_for_its_script_is_not_waited_for() -> None:
    """Whatever a script waits for, a free session or sudo, it ends within the bound that the plan prints."""

    class Reads(Speaks):
        def needs(self, target: Target) -> Needs:
            probe: HostProbe[Word] = HostWord(target.name)
            return (probe,)

    limits = Limits(script=0.05, conversation=0.02, connect=0.02)
    hung = [FakeVantage(name, lambda _: "hang") for name in ("excs-1", "exas-1")]
    async with asyncio.timeout(5):
        gathered = await gather(plan(site(), [Reads]), vantages(*hung, limits=limits))
    assert gathered.ended == "complete"
    for reading in gathered.readings.values():
        assert isinstance(reading.fact, Unread)
        assert reading.fact.reason.code is Cause.TIMEOUT


async def test_the_deadline_ends_the_asking_and_keeps_what_was_found() -> None:
    """What was answered stands; the rest is a time-out of the auditor."""
    gathered = await gather(
        planned(), vantages(FakeVantage("excs-1", lambda _: "hang"), FakeVantage("exas-1")), deadline=0.1
    )
    assert gathered.ended == "deadline"
    unread = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.code is Cause.TIMEOUT
    assert fact(gathered, Say("exas-1", "yes")) == Word("yes")


async def test_an_interrupt_keeps_what_was_found() -> None:
    """After Ctrl-C the unanswered is unknown, cancelled, and every planned probe has a reading."""
    stop = asyncio.Event()

    def watch(event: Event) -> None:
        if isinstance(event, ProbeEvent) and event.state == "answered":
            stop.set()

    whole = planned()
    gathered = await gather(
        whole,
        vantages(FakeVantage("excs-1", lambda _: "hang"), FakeVantage("exas-1")),
        stop=stop,
        on_event=watch,
    )
    assert gathered.ended == "interrupted"
    unread = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.code is Cause.CANCELLED
    assert set(gathered.readings) == whole.probes


async def test_secrets_are_gone_before_anything_sees_the_answer() -> None:
    """Both the recorded answer and a reason's text carry the mask instead."""
    redact = Redactor()
    redact.learn(Secret("hunter2!x"))
    said = FakeVantage("excs-1", lambda _: "the password is hunter2!x")
    lost = FakeVantage("exas-1", lambda _: ProbeError(Cause.AUTH, "refused hunter2!x"))
    gathered = await gather(planned(), vantages(said, lost, redact=redact))
    assert fact(gathered, Say("excs-1", "yes")) == Word("the password is ***")
    unread = fact(gathered, Say("exas-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.detail == "refused ***"


async def test_a_crash_tells_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    """What our own code trips over may hold a secret: neither the reading, the machine's state nor the log does."""
    redact = Redactor()
    redact.learn(Secret("hunter2!x"))
    heard: list[Event] = []
    said = FakeVantage("excs-1", lambda _: RuntimeError("x" * 295 + "hunter2!x"))
    lost = FakeVantage("exas-1", down=ProbeError(Cause.AUTH, "refused hunter2!x", enable="not hunter2!x"))
    with caplog.at_level("DEBUG"):
        gathered = await gather(planned(), vantages(said, lost, redact=redact), on_event=heard.append)
    assert "crash while asking" in caplog.text
    assert "RuntimeError" in caplog.text
    crashed = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(crashed, Unread)
    assert crashed.reason.detail.endswith("x***")
    for text in (caplog.text, repr(heard), repr(gathered.hosts), repr(gathered.readings)):
        assert "hunt" not in text


async def test_torn_text_is_mended_before_it_is_understood() -> None:
    """Half a surrogate pair never reaches the record."""

    class SayTorn(Say):
        async def read(self, vantages: Vantages) -> str:
            return "torn \ud800"

    class Torn(Speaks):
        def needs(self, target: Target) -> Needs:
            return (SayTorn(target.name, "yes"),)

    gathered = await gather(plan(site(), [Torn]), vantages(FakeVantage("excs-1"), FakeVantage("exas-1")))
    assert {reading.fact for reading in gathered.readings.values()} == {Word("torn \ufffd")}


async def test_all_host_questions_of_a_machine_travel_in_one_script() -> None:
    """Two checks that read the host send one script, in which each section stands once."""

    class Reads(Check[Target, Word]):
        requirement = requirement("test.reads")

        def targets(self, site: Site) -> list[Target | Settled]:
            return [Target(kind=TargetKind.VM, name="excs-1")]

        def needs(self, target: Target) -> Needs:
            probe: HostProbe[Word] = HostWord(target.name)
            return (Attempt(probe),)

        def judge(self, target: Target, word: Word | Unread) -> Judgement:
            return Judgement.skip(str(word))

    class ReadsToo(Reads):
        requirement = requirement("test.reads-too")

    fake = FakeVantage("excs-1", lambda _: "noise only")
    gathered = await gather(plan(site(), [Reads, ReadsToo]), vantages(fake))
    assert len(fake.asked) == 1
    (reading,) = gathered.readings.values()
    assert isinstance(reading.fact, Unread)
    assert reading.fact.reason.code is Cause.PARSE


async def test_progress_is_told_for_every_machine_and_question() -> None:
    """A view hears of each machine and of each question's end."""
    heard: list[Event] = []
    await gather(planned(), vantages(FakeVantage("excs-1"), FakeVantage("exas-1")), on_event=heard.append)
    assert {(event.name, event.state) for event in heard if isinstance(event, HostEvent)} == {
        (name, state) for name in ("excs-1", "exas-1") for state in ("connecting", "ready")
    }
    assert sum(isinstance(event, ProbeEvent) and event.state == "answered" for event in heard) == 2


async def test_a_vm_without_a_host_is_undeclared_and_not_a_crash() -> None:
    """A question to a machine that the site file gives no host is unread, undeclared."""
    gathered = await gather(planned(), vantages(FakeVantage("exas-1")))
    unread = fact(gathered, Say("excs-1", "yes"))
    assert isinstance(unread, Unread)
    assert unread.reason.code is Cause.UNDECLARED
