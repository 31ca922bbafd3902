"""Whether a component's port can be reached before the component is there: hold it, and call it from where it matters.

One question owns one port of one machine: who has it now, our listener on it, and every machine that calls it. Two
listeners on one port would lie to each other, and what is held must be let go before anybody else looks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import ip_address
from math import ceil
from typing import ClassVar

from readiness.model import Cause, ProbeError, Reason
from readiness.probe import Probe
from readiness.probes.tcp import START_UP, DialTcp, PathState, TcpPath, state_of
from readiness.site import Absent, Role, Site, Vm
from readiness.vantage import Dial, Limits, PathClosed, PathVerdict, Stream, Vantages
from readiness.vantage.listener import Called, Held, NotHeld, Obstacle, reply, script, understand

__all__ = ["Call", "CallPort", "Called", "Echo", "Held", "NotHeld", "Obstacle", "PortProof", "Reach"]

PROMETHEUS = "prometheus"
"""The vantage that is the Prometheus host, where the site gives SSH to it."""

HEARTBEAT = 4.0
"""Seconds without a sign of life from us after which a machine lets go of the port."""

_HEARD = 256
_REPORTS = 1.0
_LETTING_GO = (0.0, 0.3, 0.3)


class Echo(StrEnum):
    """What a caller heard after it said its word.

    ``OURS``: the nonce that only our listener knows. ``FOREIGN``: something else. ``NOTHING``: silence or an end.
    ``UNHEARD``: silence too, but the caller did not prove meanwhile that it was awake to hear. ``UNSAID``: no
    connection came about to say it on.
    """

    OURS = "ours"
    FOREIGN = "foreign"
    NOTHING = "nothing"
    UNHEARD = "unheard"
    UNSAID = "unsaid"


class Reach(StrEnum):
    """What became of one machine's calls.

    ``PROVEN``: the machine itself answered, with its nonce; nothing of EXEC is there yet. ``ANSWERED``: a service that
    is there already accepted. ``BLOCKED``: the call did not come through, although somebody waited for it or a
    refusal would have come back. ``ELSEWHERE``: something answered that is not the machine. ``PLAUSIBLE``: nobody
    waited there, and a refusal came back. ``UNVERIFIED``: accepted, but by whom could not be asked or was not told.
    ``UNSTABLE``: some calls came through. ``UNASKED``: the caller gave no news.
    """

    PROVEN = "proven"
    ANSWERED = "answered"
    BLOCKED = "blocked"
    ELSEWHERE = "elsewhere"
    PLAUSIBLE = "plausible"
    UNVERIFIED = "unverified"
    UNSTABLE = "unstable"
    UNASKED = "unasked"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One machine's calls to the port.

    ``path`` are its connects, ``None`` with the ``trouble`` where there was no news. ``heard`` is what came back for
    its ``word``; ``seen_as`` its address and ``reached`` the port's, as the machine that was called sees them.
    ``reported``: the listener told of that very word.
    """

    source: str
    path: TcpPath | None
    trouble: Reason | None
    word: str
    echo: Echo
    heard: str
    seen_as: str
    reached: str
    reported: bool

    @property
    def proven(self) -> bool:
        """Whether nonce or word came through."""
        return self.echo is Echo.OURS or self.reported

    @property
    def translated(self) -> bool:
        """Whether the machine saw another address than the one that the caller left from (NAT on the way)."""
        sources = self.path.sources if self.path is not None else ()
        return bool(self.seen_as and sources and self.seen_as not in sources)


@dataclass(frozen=True, kw_only=True)
class PortProof:
    """A port of a machine, who held it during the calls, and how each call went.

    ``held`` is our listener, else ``not_held`` or ``trouble`` say why there was none; with both ``held`` and
    ``trouble`` it ended before the calls did. ``released``: afterwards the port was closed again; ``None`` where
    nobody looked.
    """

    carrier: str
    address: str
    port: int
    held: Held | None
    not_held: NotHeld | None
    trouble: Reason | None
    calls: tuple[Call, ...]
    released: bool | None

    @cached_property
    def _by_source(self) -> Mapping[str, Call]:
        return {call.source: call for call in self.calls}

    def call(self, source: str) -> Call:
        """The calls of one machine.

        Raises:
            KeyError: it was not among the callers.
        """
        return self._by_source[source]

    @property
    def in_use(self) -> bool:
        """Whether somebody else had the port."""
        return self.not_held is not None and self.not_held.obstacle is Obstacle.IN_USE

    @property
    def waited(self) -> bool:
        """Whether our listener had the port for as long as the calls took."""
        return self.held is not None and self.trouble is None

    @property
    def homeless(self) -> bool:
        """Whether no interface of the machine has the declared address, so that it must be translated on the way."""
        return self.held is not None and self.held.everywhere and bool(_literal(self.address))

    def _is_another(self, call: Call) -> bool:
        """Whether an accepted call that was not proven met somebody else.

        Silence says so only where our listener answered another caller meanwhile; else it may have been slow itself.
        """
        if not self.waited:
            return False
        answering = any(other.proven for other in self.calls)
        return call.echo is Echo.FOREIGN or (call.echo is Echo.NOTHING and answering)

    def _left_before(self, call: Call) -> bool:
        """Whether our listener ended before the calls did, which is all that their refusals need tell."""
        failed = [attempt for tried in call.path.tried for attempt in tried.failed] if call.path is not None else []
        ended = self.held is not None and self.trouble is not None
        return ended and all(state_of(attempt) is PathState.REFUSED for attempt in failed)

    def reach(self, source: str) -> Reach:
        """What became of the calls of one machine."""
        call = self.call(source)
        proven = call.proven
        state = call.path.state if call.path is not None else PathState.UNCLEAR
        match state:
            case PathState.UNCLEAR:
                return Reach.PROVEN if proven else Reach.UNASKED
            case PathState.UNSTABLE if not proven and self._left_before(call):
                return Reach.PLAUSIBLE
            case PathState.UNSTABLE | PathState.MIXED:
                return Reach.UNSTABLE
            case PathState.OPEN if proven:
                return Reach.PROVEN
            case PathState.OPEN if self.held is None:
                return Reach.ANSWERED
            case PathState.OPEN:
                return Reach.ELSEWHERE if self._is_another(call) else Reach.UNVERIFIED
            case _ if proven:
                return Reach.UNSTABLE
            case PathState.REFUSED if not self.waited and not self.in_use:
                return Reach.PLAUSIBLE
            case _:
                return Reach.BLOCKED


@dataclass(frozen=True)
class CallPort(Probe[PortProof]):
    """Hold a port of one machine for a few seconds and call it from others; what is there already is left alone.

    ``address`` is what the others use. Each caller connects as ``DialTcp`` does, and once more to say a word of its
    own: only the listener knows the nonce that answers, only the caller the word that the listener then reports.
    """

    carrier: str
    address: str
    port: int
    sources: tuple[str, ...]

    method: ClassVar[str] = "listener, nonce"

    @staticmethod
    def of(carrier: Vm, site: Site) -> CallPort:
        """The question about a VM's component port, the same for every check that needs any of its answers."""
        sources = [vm.name for vm in site.vms_of() if vm.built and vm.name != carrier.name]
        prometheus = site.monitoring.prometheus
        if not isinstance(prometheus, Absent) and prometheus.ssh:
            sources.append(PROMETHEUS)
        return CallPort(carrier.name, carrier.address or carrier.name, port_of(carrier, site), tuple(sources))

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.carrier, *self.sources)

    def describe(self) -> str:
        callers = ", ".join(self.sources) or "nowhere"
        return (
            f"hold port {self.port} on {self.carrier} for a few seconds, where it is free, and call it from {callers}"
        )

    def limit(self, limits: Limits) -> float:
        dial = DialTcp(self.carrier, self.address, self.port, linger=1).limit(limits)
        return limits.script + dial + limits.connect + _REPORTS + START_UP

    async def read(self, vantages: Vantages) -> str:
        nonce = secrets.token_hex(12)
        words = {source: secrets.token_hex(8) for source in self.sources}
        async with _Holding(vantages, self, nonce) as holding:
            await holding.settled()
            calls = await asyncio.gather(
                *(self._call(vantages, source, words[source], held=holding.held is not None) for source in self.sources)
            )
            await holding.reported([call.word for call in calls if call.said.heard])
            trouble = holding.trouble
        released = await self._released(vantages, holding.held)
        return _json(
            {
                "nonce": nonce,
                "held": _fields(holding.held, "address", "port", "tool"),
                "not_held": _fields(holding.not_held, "obstacle", "text"),
                "trouble": _reason_json(trouble),
                "calls": [call.as_json() for call in calls],
                "called": [_fields(one, "peer", "local", "word") for one in holding.called],
                "released": released,
            }
        )

    async def _call(self, vantages: Vantages, source: str, word: str, *, held: bool) -> _Record:
        dial = DialTcp(source, self.address, self.port, linger=0 if held else 1)
        path, said = await asyncio.gather(_caught(dial.read(vantages)), self._said(vantages, source, word, held=held))
        return _Record(source=source, word=word, path=path, said=said)

    async def _said(self, vantages: Vantages, source: str, word: str, *, held: bool) -> _Said:
        """Say a word and listen for one line.

        Half of the time may pass in silence. In the other half the caller has to show that it, and this auditor, are
        awake: on a machine that is too busy, an answer may lie there unread.
        """
        if not held:
            return _Said(said=False)
        limit = vantages.limits.connect
        try:
            stream = await vantages[source].stream(self.address, self.port, limit=limit)
        except (PathClosed, ProbeError):
            return _Said(said=False)
        listening = asyncio.create_task(_exchange(stream, word))
        try:
            await asyncio.wait((listening,), timeout=limit / 2)
            awake = listening.done() or await _awake(vantages, source, limit / 2, listening)
            return _Said(said=True, awake=awake, heard=listening.result() if listening.done() else "")
        finally:
            listening.cancel()
            await stream.close()

    async def _released(self, vantages: Vantages, held: Held | None) -> bool | None:
        """Whether the port is closed again, asked of the machine itself; a port that is not gets a moment for it."""
        if held is None:
            return None
        address = "127.0.0.1" if held.everywhere else held.address
        dial = Dial(address=address, port=self.port, attempts=1, limit=vantages.limits.connect)
        released = None
        for moment in _LETTING_GO:
            await asyncio.sleep(moment)
            try:
                made = await vantages[self.carrier].dial(dial)
            except ProbeError:
                return None
            released = made[-1].verdict is not PathVerdict.OPEN if made else None
            if released is not False:
                break
        return released

    def parse(self, response: str) -> PortProof:
        try:
            return self._parse(json.loads(response))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded calls make no sense: {str(error)[:100]}") from None

    def _parse(self, recorded: Mapping[str, object]) -> PortProof:
        nonce = _plain(recorded["nonce"])
        called = tuple(_called(one) for one in _listed(recorded["called"]))
        return PortProof(
            carrier=self.carrier,
            address=self.address,
            port=self.port,
            held=_held(recorded["held"]),
            not_held=_not_held(recorded["not_held"]),
            trouble=_reason(recorded["trouble"]),
            calls=tuple(self._parse_call(one, nonce, called) for one in _listed(recorded["calls"])),
            released=_truth(recorded["released"]),
        )

    def _parse_call(self, recorded: Mapping[str, object], nonce: str, called: Sequence[Called]) -> Call:
        source, word, heard = (_text(recorded[key]) for key in ("source", "word", "heard"))
        if source not in self.sources:
            raise ValueError("a machine called that was not asked to")
        said = reply(nonce, _plain(word)).fullmatch(heard.encode("latin-1", "replace"))
        path = recorded["path"]
        silence = Echo.NOTHING if recorded.get("awake", True) else Echo.UNHEARD
        echo = Echo.OURS if said else Echo.FOREIGN if heard else silence if recorded["said"] else Echo.UNSAID
        return Call(
            source=source,
            path=DialTcp(source, self.address, self.port).parse(path) if isinstance(path, str) else None,
            trouble=None if isinstance(path, str) else _reason(path),
            word=word,
            echo=echo,
            heard="".join(character for character in heard if character.isprintable())[:100],
            seen_as=_numeric(said[1].decode("ascii")) if said else "",
            reached=_numeric(said[2].decode("ascii")) if said else "",
            reported=any(one.word == word for one in called),
        )


def port_of(vm: Vm, site: Site) -> int:
    """The port of the component that a VM carries."""
    if vm.port is not None:
        return vm.port
    return site.ports.get(vm.role, _DEFAULT_PORTS.get(vm.role, 0))


_DEFAULT_PORTS = {Role.EXCS: 3640, Role.EXAS: 3630, Role.EXCP: 3650}


class _Holding:
    """The time for which the port is held: entered it starts to hold, left it lets go and waits until that is done."""

    def __init__(self, vantages: Vantages, question: CallPort, nonce: str) -> None:
        self.held: Held | None = None
        self.not_held: NotHeld | None = None
        self.trouble: Reason | None = None
        self.called: list[Called] = []
        self._vantages = vantages
        self._question = question
        self._nonce = nonce
        self._token = secrets.token_hex(12)
        self._clock: asyncio.Timeout | None = None
        self._known = asyncio.Event()
        self._news = asyncio.Event()

    async def __aenter__(self) -> _Holding:
        self._task = asyncio.create_task(self._hold())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.result()

    async def settled(self) -> None:
        """Wait until the port is held, or known not to be."""
        await self._known.wait()

    async def reported(self, words: Sequence[str]) -> None:
        """Wait a moment for the listener's own account of callers who were answered."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_REPORTS):
                while not set(words) <= {one.word for one in self.called}:
                    self._news.clear()
                    await self._news.wait()

    async def _hold(self) -> None:
        asked, limits = self._question, self._vantages.limits
        seconds = ceil(DialTcp("", "", asked.port, linger=1).limit(limits))
        text = script(_literal(asked.address), asked.port, nonce=self._nonce, token=self._token, seconds=seconds)
        try:
            async with asyncio.timeout(limits.script) as self._clock:
                await self._vantages[asked.carrier].run(
                    text, limit=seconds + START_UP, on_line=self._on_line, beat=HEARTBEAT
                )
        except ProbeError as error:
            self.trouble = self.trouble or error.reason
        except TimeoutError:
            self.trouble = Reason(
                code=Cause.TIMEOUT,
                detail=f"{asked.carrier} did not say within {limits.script:g} s whether it holds port {asked.port}",
                enable=f"Look at the load of {asked.carrier}, or raise `limits.script` in the site file.",
            )
        else:
            if self.not_held is None and self.trouble is None:
                self.trouble = Reason(
                    code=Cause.CRASH,
                    detail=f"the listener on port {asked.port} of {asked.carrier} ended before its time",
                    enable=f"Look at the limits of the account on {asked.carrier} (`ulimit -a`), then run again.",
                )
        finally:
            self._known.set()

    def _on_line(self, line: bytes) -> None:
        match understand(line, self._token):
            case Held() as held if self.held is None:
                self.held = held
                if self._clock is not None:
                    self._clock.reschedule(None)
                self._known.set()
            case NotHeld() as not_held:
                self.not_held = not_held
                self._known.set()
            case Called() as called if len(self.called) < 256:
                self.called.append(called)
                self._news.set()
            case Reason() as reason:
                self.trouble = reason
                self._known.set()


@dataclass(frozen=True, kw_only=True)
class _Said:
    """Whether a word could be said, what came back, and whether the caller was ``awake`` to hear it."""

    said: bool
    awake: bool = True
    heard: str = ""


@dataclass(frozen=True, kw_only=True)
class _Record:
    """One machine's calls as an observation keeps them; ``path`` records its connects, or why there are none."""

    source: str
    word: str
    path: str | Reason
    said: _Said

    def as_json(self) -> dict[str, object]:
        return {
            "source": self.source,
            "word": self.word,
            "path": self.path if isinstance(self.path, str) else _reason_json(self.path),
            "said": self.said.said,
            "awake": self.said.awake,
            "heard": self.said.heard,
        }


async def _caught(reading: Awaitable[str]) -> str | Reason:
    try:
        return await reading
    except ProbeError as error:
        return error.reason


async def _exchange(stream: Stream, word: str) -> str:
    """Say a word, and what comes back; empty where the connection ends or breaks instead."""
    try:
        stream.writer.write(word.encode() + b"\n")
        await stream.writer.drain()
        return await _line(stream)
    except (OSError, EOFError):
        return ""


async def _awake(vantages: Vantages, source: str, limit: float, listening: asyncio.Task[str]) -> bool:
    """Whether a machine carries out an empty script within ``limit`` seconds, which are all waited for an answer."""
    asking = asyncio.create_task(vantages[source].run(":\n", limit=limit))
    try:
        await asyncio.wait((listening,), timeout=limit)
        return listening.done() or (asking.done() and asking.exception() is None)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def _line(stream: Stream) -> str:
    """One line of at most 256 bytes, or what came of it until the end."""
    heard = b""
    while b"\n" not in heard and len(heard) < _HEARD:
        data = await stream.reader.read(_HEARD - len(heard))
        if not data:
            break
        heard += data
    return heard.decode("latin-1")


def _literal(address: str) -> str:
    """The address where it is numeric; empty for a name, which may mean another address on the machine itself."""
    try:
        return str(ip_address(address))
    except ValueError:
        return ""


def _numeric(text: str) -> str:
    return _literal(text.removeprefix("::ffff:") if "." in text else text)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _fields(value: object, *names: str) -> dict[str, object] | None:
    return None if value is None else {name: getattr(value, name) for name in names}


def _reason_json(reason: Reason | None) -> dict[str, object] | None:
    return _fields(reason, "code", "detail", "enable", "by")


def _text(value: object, most: int = 400) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("no text where one should be")
    return value


def _plain(value: object) -> str:
    text = _text(value, 64)
    if not (text.isascii() and text.isalnum()):
        raise ValueError("no plain word where one should be")
    return text


def _truth(value: object) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


def _listed(value: object) -> Sequence[Mapping[str, object]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("no list of objects where one should be")
    return value


def _object(value: object) -> Mapping[str, object] | None:
    if value is not None and not isinstance(value, dict):
        raise ValueError("no object where one should be")
    return value


def _held(value: object) -> Held | None:
    found = _object(value)
    if found is None:
        return None
    port = found["port"]
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("no port where one should be")
    return Held(address=_text(found["address"], 60), port=port, tool=_text(found["tool"], 40))


def _not_held(value: object) -> NotHeld | None:
    found = _object(value)
    return None if found is None else NotHeld(obstacle=Obstacle(_text(found["obstacle"])), text=_text(found["text"]))


def _called(found: Mapping[str, object]) -> Called:
    return Called(peer=_text(found["peer"], 60), local=_text(found["local"], 60), word=_text(found["word"], 64))


def _reason(value: object) -> Reason | None:
    found = _object(value)
    if found is None:
        return None
    by = found["by"]
    return Reason(
        code=Cause(_text(found["code"])),
        detail=_text(found["detail"], 2000),
        enable=_text(found["enable"], 2000),
        by=None if by is None else _text(by),
    )
