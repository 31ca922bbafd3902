"""Small parts for engine tests: a site without a file, requirements, probes that answer from memory, a fake machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from readiness.check import Check, Needs, Settled
from readiness.model import (
    Cause,
    Evidence,
    Finding,
    Judgement,
    Lane,
    Level,
    Obligation,
    Origin,
    Outcome,
    Owner,
    ProbeError,
    Requirement,
    Status,
    Target,
    TargetKind,
)
from readiness.probe import HostProbe, Probe
from readiness.site import (
    PAGES,
    Absent,
    Capacity,
    Environment,
    Monitoring,
    Probing,
    ReportSettings,
    Role,
    Site,
    StatServers,
    Vm,
)
from readiness.vantage import Completed, Dial, Dialled, Limits, Resolution, Stream, Vantage, Vantages

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def site(**changes: object) -> Site:
    """A site with two VMs and nothing else."""
    bare = Site(
        name="Test",
        slug="test",
        change_ticket="CHG1",
        environment=Environment.PRODUCTION,
        page=PAGES["2023-07-27"],
        capacity=Capacity(),
        vms=(
            Vm(name="excs-1", role=Role.EXCS, host="10.0.0.1", address="10.0.0.1", port=None),
            Vm(name="exas-1", role=Role.EXAS, host="10.0.0.2", address="10.0.0.2", port=None),
        ),
        bootstrap=Absent.UNDECLARED,
        redis=Absent.UNDECLARED,
        registry=Absent.UNDECLARED,
        config_db=Absent.UNDECLARED,
        stat_servers=StatServers(primary=Absent.UNDECLARED, backup=Absent.UNDECLARED),
        sip_servers=Absent.UNDECLARED,
        genesys_cloud=Absent.UNDECLARED,
        logging=Absent.UNDECLARED,
        monitoring=Monitoring(prometheus=Absent.UNDECLARED, grafana=Absent.UNDECLARED, portainer=Absent.UNDECLARED),
        ports={Role.EXCS: 3640, Role.EXAS: 3630, Role.EXCP: 3650},
        probing=Probing(),
        limits=Limits(),
        report=ReportSettings(),
        attestations=(),
        waivers=(),
        access=(),
        path=Path("site.yaml"),
        digest="0" * 64,
        declared={"site": {"name": "Test"}},
    )
    return replace(bare, **changes)  # type: ignore[arg-type]


def requirement(
    id: str = "vm.kernel",
    *,
    obligation: Obligation = Obligation.MANDATORY,
    origin: Origin = Origin.PAGE,
    owner: Owner = Owner.VIRTUALISATION,
) -> Requirement:
    return Requirement(
        id=id,
        section="Virtual Machines",
        text="It is so.",
        proof="It is looked at.",
        outcomes={Status.PASS: "so", Status.FAIL: "not so"},
        remedy="Make it so.",
        owner=owner,
        valid_for=timedelta(days=30),
        obligation=obligation,
        origin=origin,
    )


def target(name: str = "excs-1") -> Target:
    return Target(kind=TargetKind.VM, name=name)


def finding(
    status: Status = Status.PASS,
    *,
    check: Requirement | None = None,
    name: str = "excs-1",
    cause: Cause | None = None,
    job: str = "",
    by: str | None = None,
    lane: Lane | None = None,
    owner: Owner = Owner.VIRTUALISATION,
) -> Finding:
    """A finding of that status, without the trouble of judging."""
    outcome = {
        Status.PASS: Outcome.MET,
        Status.WARN: Outcome.WEAK,
        Status.FAIL: Outcome.MISSED,
        Status.UNKNOWN: Outcome.UNKNOWN,
        Status.MANUAL: Outcome.MANUAL,
        Status.SKIP: Outcome.SKIP,
    }[status]
    judgement = Judgement(outcome=outcome, summary=f"{status.value} here", job=job, lane=lane)
    if status is Status.UNKNOWN:
        judgement = Judgement.unknown("unknown here", cause or Cause.TIMEOUT, "why", enable="do", by=by, job=job)
    wanted = check or requirement()
    return Finding(
        id=f"{wanted.id}[{name}]",
        requirement=wanted,
        target=target(name),
        status=status,
        judgement=judgement,
        level=Level.DECLARED,
        owner=owner,
        started_at=NOON,
        duration_s=0.0,
        valid_until=None,
    )


@dataclass(frozen=True)
class Word:
    """The fact that a machine said something."""

    text: str


@dataclass(frozen=True)
class Say(Probe[Word]):
    """A question that a fake machine answers through ``run``."""

    method = "asking"
    vantage: str
    what: str

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        return f"ask {self.vantage} for {self.what}"

    async def read(self, vantages: Vantages) -> str:
        done = await vantages[self.vantage].run(self.what, limit=1)
        return done.out.decode()

    def parse(self, response: str) -> Word:
        if response == "gibberish":
            raise ProbeError(Cause.PARSE, "it makes no sense")
        if response == "bomb":
            raise RuntimeError("a parser's bug")
        return Word(response)


@dataclass(frozen=True)
class HostWord(HostProbe[Word]):
    section = "word"
    script = "echo word"

    def understand(self, output: str, status: int) -> Word:
        return Word(f"{output.strip()} {status}")


class Speaks(Check[Target, Word]):
    """Met when each VM says ``yes``."""

    requirement = requirement("test.speaks")

    def targets(self, site: Site) -> Sequence[Target | Settled]:
        return [Target(kind=TargetKind.VM, name=vm.name) for vm in site.vms]

    def needs(self, target: Target) -> Needs:
        return (Say(target.name, "yes"),)

    def judge(self, target: Target, word: Word) -> Judgement:
        if word.text == "crash":
            raise RuntimeError("a check's bug")
        evidence = (Evidence(label="Said", value=word.text, level=Level.PROTOCOL, of=word),)
        if word.text == "yes":
            return Judgement.met("It said yes.", expected="yes", observed=word.text, evidence=evidence)
        return Judgement.missed(
            "It did not say yes.",
            expected="yes",
            observed=word.text,
            remedy="Make it say yes.",
            lane=Lane.SERVICE,
            evidence=evidence,
        )


class FakeVantage(Vantage):
    """A machine that answers every script by a function, counts what it is asked, and can be down or hang."""

    can_sudo = False

    def __init__(
        self,
        name: str,
        answer: Callable[[str], str | Exception] = lambda script: script,
        *,
        down: Exception | None = None,
    ) -> None:
        self.name = name
        self.asked: list[str] = []
        self.closed = False
        self._answer = answer
        self._down = down

    async def connect(self) -> None:
        if self._down is not None:
            raise self._down

    async def run(self, script: str, *, limit: float, privileged: bool = False) -> Completed:
        self.asked.append(script)
        answer = self._answer(script)
        if isinstance(answer, Exception):
            raise answer
        if answer == "hang":
            await asyncio.Event().wait()
        return Completed(status=0, out=answer.encode(), err=b"")

    async def resolve(self, name: str) -> Resolution:
        return Resolution(name=name, addresses=("10.0.0.9",))

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        raise ProbeError(Cause.UNSUPPORTED, "a fake machine dials nobody")

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        raise ProbeError(Cause.UNSUPPORTED, "a fake machine streams nothing")

    async def close(self) -> None:
        self.closed = True
