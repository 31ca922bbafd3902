"""Ask every question of a plan, all at once, and keep what came back."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

from readiness.host_script import compose, split
from readiness.model import Cause, Observation, ProbeError, Reason, Unread
from readiness.plan import Plan
from readiness.probe import HostProbe, Probe
from readiness.secret import FETCHING
from readiness.vantage import Limits, Vantages

log = logging.getLogger("readiness")

AFTERWARDS = 3.0
"""Seconds that are kept for what comes after the asking: parting from the machines, judging, drawing the report."""

_LETTING_GO = 1.0


@dataclass(frozen=True)
class HostEvent:
    """A machine changed state; ``detail`` says why it is lost."""

    name: str
    state: Literal["connecting", "ready", "lost"]
    detail: str = ""


@dataclass(frozen=True)
class ProbeEvent:
    """A question was asked or answered; ``reason`` where it got no answer."""

    probe: Probe[object]
    state: Literal["asked", "answered"]
    reason: Reason | None = None


Event = HostEvent | ProbeEvent


def unwatched(event: Event) -> None:
    """Watch nothing."""


def sound(text: str) -> str:
    """The same text with halves of surrogate pairs replaced, which a peer's JSON may hold and no file can."""
    return _SURROGATES.sub("\ufffd", text)


_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Reading:
    """What one question brought: its record, and the fact or why there is none."""

    observation: Observation
    fact: object


@dataclass(frozen=True)
class Gathered:
    """All readings of a run; ``ended`` says how the asking ended.

    ``hosts`` holds for every machine that was asked from why it could not be, or ``None``.
    """

    readings: Mapping[Probe[object], Reading]
    hosts: Mapping[str, Reason | None]
    ended: Literal["complete", "deadline", "interrupted"]


async def gather(
    plan: Plan,
    vantages: Vantages,
    *,
    deadline: float | None = None,
    stop: asyncio.Event | None = None,
    on_event: Callable[[Event], None] = unwatched,
) -> Gathered:
    """Ask every probe of the plan once; nothing that goes wrong here goes further than its own reading.

    ``deadline``: seconds for all of it. ``stop``: set it to end early, keeping what was found.
    """
    asking = _Asking(plan, vantages, on_event)
    work = asyncio.create_task(asking.everything())
    stopped = asyncio.create_task((stop or asyncio.Event()).wait())
    try:
        await asyncio.wait({work, stopped}, timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
        ended: Literal["complete", "deadline", "interrupted"] = "complete"
        if not work.done():
            ended = "interrupted" if stopped.done() else "deadline"
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.wait((work, stopped), timeout=_LETTING_GO)
    return asking.gathered(ended, deadline)


@dataclass(frozen=True)
class _Answer:
    started_at: datetime
    duration: float
    response: str | None = None
    reason: Reason | None = None


@dataclass
class _Asking:
    plan: Plan
    vantages: Vantages
    on_event: Callable[[Event], None]
    answers: dict[Probe[object], _Answer] = field(default_factory=dict)
    asked_at: dict[Probe[object], tuple[datetime, float]] = field(default_factory=dict)
    hosts: dict[str, Reason | None] = field(default_factory=dict)

    async def everything(self) -> None:
        names = sorted({name for probe in self.plan.probes for name in probe.vantages})
        abroad = {name for probe in self.plan.probes for name in probe.streamed_from}
        for name in abroad & set(self.vantages):
            self.vantages[name].expect_streams()
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(self._connect(name))
            for name, probes in self.plan.scripts.items():
                for privileged in (False, True):
                    chosen = tuple(p for p in probes if self._by_sudo(name, p) is privileged)
                    if chosen:
                        group.create_task(self._ask_host(name, chosen, privileged=privileged))
            for probe in self.plan.probes:
                if not isinstance(probe, HostProbe):
                    group.create_task(self._ask(probe))

    def _by_sudo(self, name: str, probe: HostProbe[object]) -> bool:
        return probe.privileged and name in set(self.vantages) and self.vantages[name].can_sudo

    async def _connect(self, name: str) -> None:
        self.on_event(HostEvent(name, "connecting"))
        reason = await self._caught(self._reach(name))
        reason = self._fitted(reason) if reason is not None else None
        self.hosts[name] = reason
        self.on_event(HostEvent(name, "lost" if reason else "ready", reason.detail if reason else ""))

    async def _reach(self, name: str) -> None:
        await self.vantages[name].connect()

    async def _ask(self, probe: Probe[object]) -> None:
        async def read() -> None:
            limit = limit_of(probe, self.vantages.limits)
            if len(probe.vantages) == 1:
                await self._reach(probe.vantages[0])
            else:
                limit += self.vantages.limits.ssh
            self._begin(probe)
            async with asyncio.timeout(limit) as clock:
                try:
                    response = await probe.read(self.vantages)
                except TimeoutError as error:
                    if clock.expired():
                        raise
                    raise ProbeError(Cause.TIMEOUT, str(error) or "a step of the question took too long") from error
            self._answer(probe, response=response)

        self._begin(probe)
        self.on_event(ProbeEvent(probe, "asked"))
        reason = await self._caught(read(), what=probe.describe(), limit=limit_of(probe, self.vantages.limits))
        if reason is not None:
            self._answer(probe, reason=reason)

    async def _ask_host(self, name: str, probes: tuple[HostProbe[object], ...], *, privileged: bool) -> None:
        limits = self.vantages.limits
        limit = script_limit_of(limits)

        async def read() -> None:
            await self._reach(name)
            token = secrets.token_hex(12)
            for probe in probes:
                self._begin(probe)
            script = compose(probes, token=token)
            async with asyncio.timeout(limit):
                done = await self.vantages[name].run(script, limit=limits.script, privileged=privileged)
            sections = split(done.out, token)
            for probe in probes:
                match sections.get(probe.section):
                    case str(response):
                        self._answer(probe, response=response)
                    case Reason() as reason:
                        self._answer(probe, reason=reason)
                    case None:
                        self._answer(
                            probe,
                            reason=_no_section(name, probe, self.vantages.redact(done.err.decode(errors="replace"))),
                        )

        for probe in probes:
            self._begin(probe)
            self.on_event(ProbeEvent(probe, "asked"))
        reason = await self._caught(read(), what=f"the host script on {name}", limit=limit)
        for probe in probes:
            if reason is not None and probe not in self.answers:
                self._answer(probe, reason=reason)

    def _begin(self, probe: Probe[object]) -> None:
        self.asked_at[probe] = (datetime.now(UTC), time.monotonic())

    def _answer(self, probe: Probe[object], *, response: str | None = None, reason: Reason | None = None) -> None:
        started_at, since = self.asked_at[probe]
        response = self._fit(response) if response is not None else None
        reason = self._fitted(reason) if reason is not None else None
        self.answers[probe] = _Answer(started_at, time.monotonic() - since, response, reason)
        self.on_event(ProbeEvent(probe, "answered", reason))

    def _fit(self, text: str) -> str:
        """The same without secrets, and such as a file can hold."""
        return sound(self.vantages.redact(text))

    def _fitted(self, reason: Reason) -> Reason:
        return replace(reason, detail=self._fit(reason.detail), enable=self._fit(reason.enable))

    async def _caught(
        self, work: Coroutine[object, object, None], *, what: str = "", limit: float = 0.0
    ) -> Reason | None:
        try:
            await work
        except ProbeError as error:
            return error.reason
        except TimeoutError:
            return Reason(
                code=Cause.TIMEOUT,
                detail=f"no answer within {limit:g} s: {what}",
                enable="Run the audit again; where the machine is slow, raise `limits` in the site file.",
            )
        except Exception as error:  # noqa: BLE001 (logged as text, since it may hold a secret)
            log.debug("crash while asking: %s\n%s", what, self._fit("".join(traceback.format_exception(error))))
            return Reason(
                code=Cause.CRASH,
                detail=f"the auditor's own code failed: {type(error).__name__}: {self._fit(str(error))[:300]}",
                enable="This is a defect of readiness: report it with the question's name.",
            )
        return None

    def gathered(self, ended: Literal["complete", "deadline", "interrupted"], deadline: float | None) -> Gathered:
        for probe in self.plan.probes:
            if probe not in self.answers:
                if probe not in self.asked_at:
                    self._begin(probe)
                self._answer(probe, reason=_unfinished(ended, deadline))
        for name in {name for probe in self.plan.probes for name in probe.vantages}:
            self.hosts.setdefault(name, _unfinished(ended, deadline))
        readings = {probe: _reading(probe, answer) for probe, answer in self.answers.items()}
        return Gathered(readings, self.hosts, ended)


def limit_of(probe: Probe[object], limits: Limits) -> float:
    """Seconds that a question is given once its machine is connected: its own limit, and never more than any may."""
    return min(probe.limit(limits), limits.question)


def script_limit_of(limits: Limits) -> float:
    """Seconds that a machine's script is given once the machine is connected, with sudo and the wait for a session."""
    return max(limits.script, limits.question)


def longest(plan: Plan) -> float:
    """Seconds after which an audit ends at the latest: the longest chain of named limits.

    A jump host has to be logged in to before the host behind it, and a secret's command to end before any login.
    """
    limits = plan.site.limits
    fetching = FETCHING if any(ref.command is not None for ref in plan.site.secrets) else 0.0
    logins = 2 if any(access.jump is not None for access in plan.site.access) else 1
    asked = [limit_of(probe, limits) for probe in plan.probes if not isinstance(probe, HostProbe)]
    asking = max([script_limit_of(limits) if plan.scripts else 0.0, *asked])
    return fetching + logins * limits.ssh + asking + AFTERWARDS


def _reading(probe: Probe[object], answer: _Answer) -> Reading:
    observation = Observation(
        id=probe.id,
        probe=probe.key,
        vantage=", ".join(probe.vantages),
        method=probe.method,
        started_at=answer.started_at,
        duration_s=answer.duration,
        attempts=1,
        response=answer.response,
        error=answer.reason,
    )
    return Reading(observation, fact_of(probe, observation))


def fact_of(probe: Probe[object], observation: Observation) -> object:
    """The fact that a recorded answer holds, or an ``Unread`` with the reason; pure."""
    if observation.error is not None:
        return Unread(reason=observation.error)
    try:
        return probe.parse(observation.response or "")
    except ProbeError as error:
        return Unread(reason=error.reason)
    except Exception as error:
        log.debug("crash while parsing: %s", probe.key, exc_info=error)
        return Unread(
            reason=Reason(
                code=Cause.CRASH,
                detail=f"the answer could not be understood: {type(error).__name__}: {str(error)[:300]}",
                enable="This is a defect of readiness: report it with the recorded answer.",
            )
        )


def _no_section(name: str, probe: HostProbe[object], errors: str) -> Reason:
    said = errors.strip()[:200]
    return Reason(
        code=Cause.PARSE,
        detail=f"{name} gave no answer to the {probe.section} section" + (f"; its shell said: {said}" if said else ""),
        enable=f"Log in to {name} as the audit's user and check that `sh -c 'echo ok'` prints ok.",
    )


def _unfinished(ended: str, deadline: float | None) -> Reason:
    if ended == "interrupted":
        return Reason(
            code=Cause.CANCELLED, detail="the run was interrupted before the answer came", enable="Run the audit again."
        )
    return Reason(
        code=Cause.TIMEOUT,
        detail=f"the audit's own deadline of {deadline:.3g} s came first" if deadline else "the run ended first",
        enable="Run the audit again with a longer --timeout.",
    )
