"""TCP paths: whether a machine reaches a port, and if not, who or what stands in the way."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import ceil, floor
from typing import ClassVar

from readiness.model import Cause, Lane, ProbeError
from readiness.probe import Probe
from readiness.vantage import Dial, Dialled, Limits, PathVerdict, Resolution, Vantage, Vantages
from readiness.vantage.prober import Engine

__all__ = [
    "AddressPath",
    "DialTcp",
    "Icmp",
    "Latency",
    "MeasureLatency",
    "PathState",
    "PathVerdict",
    "TcpPath",
    "control_port",
    "percentile",
    "shown_ms",
    "spoken",
    "state_of",
]

MOST_ADDRESSES = 16
"""Addresses of one name that are dialled; a name with more is shown with the rest undialled."""

START_UP = 5.0
"""Seconds that a machine is granted to start the prober."""

_ENGINES = frozenset(engine.value for engine in Engine)


class PathState(StrEnum):
    """What became of a path, told apart by who has to act.

    ``REFUSED``: a reset, so the host or a firewall in its name said no. ``FILTERED``: silence. ``REJECTED``: a
    firewall said no by ICMP. ``DENIED``: the machine's own rules forbid it. ``UNSTABLE``: attempts disagree.
    ``MIXED``: some addresses of the name answer, others do not. ``UNCLEAR``: the prober could not tell.
    """

    OPEN = "open"
    REFUSED = "refused"
    FILTERED = "filtered"
    REJECTED = "rejected"
    NO_ROUTE = "no_route"
    NET_UNREACHABLE = "net_unreachable"
    DENIED = "denied"
    DNS = "dns"
    UNSTABLE = "unstable"
    MIXED = "mixed"
    UNCLEAR = "unclear"

    @property
    def lane(self) -> Lane:
        """The kind of trouble; for an open path, what is left to look at."""
        return _LANES[self]


_LANES: Mapping[PathState, Lane] = {
    PathState.OPEN: Lane.SERVICE,
    PathState.REFUSED: Lane.SERVICE,
    PathState.FILTERED: Lane.FIREWALL,
    PathState.REJECTED: Lane.FIREWALL,
    PathState.NO_ROUTE: Lane.ROUTE,
    PathState.NET_UNREACHABLE: Lane.ROUTE,
    PathState.DENIED: Lane.FIREWALL,
    PathState.DNS: Lane.DNS,
    PathState.UNSTABLE: Lane.ROUTE,
    PathState.MIXED: Lane.CONFIGURATION,
    PathState.UNCLEAR: Lane.PROBE,
}

_MOST_TELLING = (
    PathState.REJECTED,
    PathState.DENIED,
    PathState.REFUSED,
    PathState.NO_ROUTE,
    PathState.NET_UNREACHABLE,
    PathState.UNCLEAR,
    PathState.FILTERED,
)
"""Of attempts that all failed, the one that says most decides; silence says least."""

_ICMP_WORDS: Mapping[str, tuple[PathState, str]] = {
    "3/0": (PathState.NET_UNREACHABLE, "network unreachable"),
    "3/1": (PathState.NO_ROUTE, "host unreachable"),
    "3/2": (PathState.REJECTED, "protocol unreachable"),
    "3/3": (PathState.REJECTED, "port unreachable"),
    "3/6": (PathState.NET_UNREACHABLE, "network unknown"),
    "3/7": (PathState.NO_ROUTE, "host unknown"),
    "3/9": (PathState.REJECTED, "network administratively prohibited"),
    "3/10": (PathState.REJECTED, "host administratively prohibited"),
    "3/11": (PathState.NET_UNREACHABLE, "network unreachable for this type of service"),
    "3/12": (PathState.NO_ROUTE, "host unreachable for this type of service"),
    "3/13": (PathState.REJECTED, "communication administratively prohibited"),
    "11/0": (PathState.NO_ROUTE, "time to live exceeded, as in a routing loop"),
}
_ICMP6_WORDS: Mapping[str, tuple[PathState, str]] = {
    "1/0": (PathState.NET_UNREACHABLE, "no route to destination"),
    "1/1": (PathState.REJECTED, "communication administratively prohibited"),
    "1/2": (PathState.NET_UNREACHABLE, "beyond the scope of the source address"),
    "1/3": (PathState.NO_ROUTE, "address unreachable"),
    "1/4": (PathState.REJECTED, "port unreachable"),
    "1/5": (PathState.REJECTED, "source address failed the ingress policy"),
    "1/6": (PathState.REJECTED, "route rejected"),
    "3/0": (PathState.NO_ROUTE, "hop limit exceeded, as in a routing loop"),
}
_STATES: Mapping[PathVerdict, PathState] = {
    PathVerdict.OPEN: PathState.OPEN,
    PathVerdict.REFUSED: PathState.REFUSED,
    PathVerdict.TIMEOUT: PathState.FILTERED,
    PathVerdict.NO_ROUTE: PathState.NO_ROUTE,
    PathVerdict.NET_UNREACHABLE: PathState.NET_UNREACHABLE,
    PathVerdict.DENIED: PathState.DENIED,
    PathVerdict.OTHER: PathState.UNCLEAR,
}


@dataclass(frozen=True, kw_only=True)
class Icmp:
    """An ICMP message that ended a connect: "type/code", its meaning, and the address that sent it."""

    code: str
    meaning: str
    sender: str
    state: PathState

    @staticmethod
    def of(text: str) -> Icmp | None:
        """Read "type/code@sender"; ``None`` where there is none."""
        code, at, sender = text.partition("@")
        if not at:
            return None
        known = (_ICMP6_WORDS if ":" in sender else _ICMP_WORDS).get(code)
        state, meaning = known or (PathState.REJECTED, "a message of its own")
        return Icmp(code=code, meaning=meaning, sender=sender, state=state)

    def __str__(self) -> str:
        return f"ICMP {self.code} ({self.meaning}) from {self.sender}"


def state_of(attempt: Dialled) -> PathState:
    """What one attempt says: the ICMP message where there is one, else the error."""
    icmp = Icmp.of(attempt.icmp)
    if attempt.verdict is PathVerdict.OPEN or icmp is None:
        return _STATES[attempt.verdict]
    return icmp.state


@dataclass(frozen=True, kw_only=True)
class AddressPath:
    """All attempts at one address, and the connect to a port that should be closed there, if one was made."""

    address: str
    attempts: tuple[Dialled, ...]
    control: Dialled | None = None

    @cached_property
    def state(self) -> PathState:
        states = {state_of(attempt) for attempt in self.attempts}
        if PathState.OPEN in states:
            return PathState.OPEN if len(states) == 1 else PathState.UNSTABLE
        return next((state for state in _MOST_TELLING if state in states), PathState.UNCLEAR)

    @cached_property
    def opened(self) -> tuple[Dialled, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.verdict is PathVerdict.OPEN)

    @cached_property
    def failed(self) -> tuple[Dialled, ...]:
        return tuple(attempt for attempt in self.attempts if attempt.verdict is not PathVerdict.OPEN)

    @cached_property
    def icmp(self) -> Icmp | None:
        """The message that decided, if one did."""
        return next((Icmp.of(attempt.icmp) for attempt in self.failed if attempt.icmp), None)

    @property
    def fastest(self) -> float | None:
        """Milliseconds of the fastest connect."""
        return min((attempt.ms for attempt in self.opened if attempt.ms is not None), default=None)

    @property
    def patience(self) -> float | None:
        """Seconds that the longest unanswered connect was given."""
        waited = [a.ms / 1000 for a in self.failed if a.verdict is PathVerdict.TIMEOUT and a.ms is not None]
        return max(waited, default=None)

    @property
    def absent(self) -> bool:
        """Whether the machine itself found nobody with that address on its own segment."""
        own = {attempt.source for attempt in self.attempts if attempt.source}
        return self.state is PathState.NO_ROUTE and self.icmp is not None and self.icmp.sender in own

    @property
    def unrouted(self) -> bool:
        """Whether the machine has no route for this address at all: nothing left it."""
        return self.state is PathState.NET_UNREACHABLE and self.icmp is None

    @property
    def observed(self) -> str:
        """What was seen, in a few words."""
        count = len(self.attempts)
        match self.state:
            case PathState.OPEN:
                times = ", ".join(shown_ms(one.ms) for one in self.opened[:5] if one.ms is not None)
                return f"{self.address} accepts {_count(count, 'connect')}" + (f" ({times})" if times else "")
            case PathState.UNSTABLE:
                failed = ", ".join(sorted({_FAILED_WORDS[state_of(attempt)] for attempt in self.failed}))
                return f"{self.address} accepted {len(self.opened)} of {count} connects; the others: {failed}"
            case PathState.REFUSED:
                return f"{self.address} refused {_of_all(count)}"
            case PathState.FILTERED:
                patience = "" if self.patience is None else f" of {self.patience:.0f} s"
                return f"{self.address} gave no answer to {_count(count, 'connect')}{patience}"
            case PathState.REJECTED if self.icmp is not None and self.icmp.sender == self.address:
                return f"{self.address} itself rejected {_of_all(count)}: {self.icmp}"
            case PathState.REJECTED:
                return f"{_of_all(count)} to {self.address} rejected on the way: {self.icmp}"
            case PathState.NO_ROUTE if self.absent:
                return f"nobody on the machine's own segment answers to {self.address}"
            case PathState.NO_ROUTE:
                return f"no route to host {self.address}" + (f": {self.icmp}" if self.icmp else "")
            case PathState.NET_UNREACHABLE if self.unrouted:
                return f"the machine has no route towards {self.address}"
            case PathState.NET_UNREACHABLE:
                return f"network of {self.address} unreachable: {self.icmp}"
            case PathState.DENIED:
                return f"the machine's own rules forbid the connect to {self.address}"
            case _:
                words = next((attempt.raw for attempt in self.failed if attempt.raw), "no words")
                return f"no connect to {self.address}, and the prober could not say why ({words})"


_FAILED_WORDS: Mapping[PathState, str] = {
    PathState.REFUSED: "refused",
    PathState.FILTERED: "no answer",
    PathState.REJECTED: "rejected by ICMP",
    PathState.NO_ROUTE: "no route to host",
    PathState.NET_UNREACHABLE: "network unreachable",
    PathState.DENIED: "denied by the machine's own rules",
    PathState.UNCLEAR: "unclear",
}


@dataclass(frozen=True, kw_only=True)
class TcpPath:
    """The path from a machine to a port: what the name resolves to there, and how every address answered.

    ``control_port`` is the port of the control connects, ``None`` where none were made. ``undialled`` are
    addresses beyond the first sixteen, of which nothing is known.
    """

    vantage: str
    host: str
    port: int
    resolution: Resolution
    tried: tuple[AddressPath, ...]
    control_port: int | None = None

    @property
    def undialled(self) -> tuple[str, ...]:
        dialled = {path.address for path in self.tried}
        return tuple(address for address in self.resolution.addresses if address not in dialled)

    @cached_property
    def judged(self) -> tuple[AddressPath, ...]:
        """The addresses that count: those of a family without any route are only shown, while another has one."""
        families = {_family(path.address) for path in self.tried if not path.unrouted}
        if not families:
            return self.tried
        return tuple(path for path in self.tried if _family(path.address) in families)

    @cached_property
    def aside(self) -> tuple[AddressPath, ...]:
        """The addresses that are shown and not judged."""
        return tuple(path for path in self.tried if path not in self.judged)

    @cached_property
    def state(self) -> PathState:
        """What became of the path as a whole.

        All addresses open: open. None ever opened: the most telling failure. Otherwise an address whose attempts
        disagree makes it unstable, and addresses that disagree make it mixed.
        """
        if not self.tried:
            return PathState.DNS
        states = {path.state for path in self.judged}
        if states == {PathState.OPEN}:
            return PathState.OPEN
        if PathState.UNCLEAR in states:
            return PathState.UNCLEAR
        if PathState.UNSTABLE in states:
            return PathState.UNSTABLE
        if PathState.OPEN in states:
            return PathState.MIXED
        return next(state for state in _MOST_TELLING if state in states)

    @property
    def deciding(self) -> AddressPath | None:
        """The address that made the path what it is, ``None`` where the name did not resolve."""
        state = self.state
        return next((path for path in self.judged if path.state is state), next(iter(self.failing), None))

    @property
    def failing(self) -> tuple[AddressPath, ...]:
        return tuple(path for path in self.judged if path.state is not PathState.OPEN)

    @property
    def lane(self) -> Lane:
        """The kind of trouble: for addresses that disagree, that of the ones which failed."""
        if self.state is PathState.MIXED:
            return self.failing[0].state.lane
        return self.state.lane

    @property
    def observed(self) -> str:
        """What was seen, in one line."""
        if not self.tried:
            return f"{self.host} does not resolve on {self.vantage}: {self.resolution.error or 'no address'}"
        seen = "; ".join(path.observed for path in self.judged)
        rest = len(self.undialled)
        return f"{seen}; {rest} further {'address' if rest == 1 else 'addresses'} not dialled" if rest else seen

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that were judged, else those of the resolver."""
        return tuple(path.address for path in self.judged) or self.resolution.addresses

    @property
    def attempts(self) -> tuple[Dialled, ...]:
        return tuple(attempt for path in self.tried for attempt in path.attempts)

    @property
    def sources(self) -> tuple[str, ...]:
        """The machine's own addresses that the connects left from, each once."""
        return tuple(dict.fromkeys(attempt.source for attempt in self.attempts if attempt.source))

    @property
    def method(self) -> str:
        """How it was dialled: "exec prober (python)", "SSH forwarding"."""
        tools = dict.fromkeys(attempt.tool for attempt in self.attempts)
        return ", ".join(f"exec prober ({tool})" if tool in _ENGINES else tool for tool in tools)

    @property
    def fastest(self) -> float | None:
        """Milliseconds of the fastest connect."""
        return min((path.fastest for path in self.judged if path.fastest is not None), default=None)

    @property
    def banner(self) -> bytes:
        """What the peer said unasked while we lingered, at most 256 bytes."""
        return next((attempt.banner for attempt in self.attempts if attempt.banner), b"")

    @property
    def hung_up(self) -> bool:
        """Whether the peer closed every connection at once; ``False`` also where nobody looked."""
        looked = [attempt.closed for path in self.judged for attempt in path.opened if attempt.closed is not None]
        return bool(looked) and all(looked)

    @property
    def lingered(self) -> bool:
        """Whether any connection was kept long enough to listen."""
        return any(attempt.closed is not None for attempt in self.attempts)

    @property
    def controlled(self) -> bool:
        """Whether a port that should be closed was tried at every address that is open."""
        return all(path.control is not None for path in self.judged if path.state is PathState.OPEN)

    @property
    def answers_everywhere(self) -> bool:
        """Whether a port that should be closed opened too, so that an open port proves nothing (a SYN proxy)."""
        return any(
            path.control is not None and path.control.verdict is PathVerdict.OPEN
            for path in self.judged
            if path.state is PathState.OPEN
        )


@dataclass(frozen=True)
class DialTcp(Probe[TcpPath]):
    """Resolve a name on a machine and dial every address of it from there, sending nothing.

    The attempts start one second apart and overlap, so that an unstable path shows. ``linger``: seconds to stay
    connected and listen. ``control``: one more connect to a port of the same host that should be closed, which a
    proxy that answers for everybody would accept. ICMP codes by RFC 792, RFC 1812 and RFC 4443.
    """

    vantage: str
    host: str
    port: int
    attempts: int = 3
    linger: float = 0.0
    control: bool = False

    method: ClassVar[str] = "exec prober"
    streams: ClassVar[bool] = False

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        listening = f", listen {self.linger:g} s, send nothing" if self.linger else ""
        control = f", and once to port {control_port(self.host, self.port)}" if self.control else ""
        return (
            f"connect {self.attempts} times from {self.vantage} to {_shown(self.host, self.port)}{listening}{control}"
        )

    def limit(self, limits: Limits) -> float:
        return limits.conversation + 2 * limits.connect + self.attempts - 1 + self.linger + START_UP

    async def read(self, vantages: Vantages) -> str:
        vantage = vantages[self.vantage]
        limit = vantages.limits.connect
        resolution = await vantage.resolve(self.host)
        addresses = resolution.addresses[:MOST_ADDRESSES]
        dials = [self._dial(address, limit) for address in addresses]
        controls = [self._control(address, limit) for address in addresses if self.control]
        answers = await _all(vantage, dials + controls)
        tried: list[dict[str, object]] = []
        for index, address in enumerate(addresses):
            made = answers[index]
            if isinstance(made, ProbeError):
                raise made
            entry: dict[str, object] = {"address": address, "attempts": [_recorded(one) for one in made]}
            if self.control:
                checked = answers[len(dials) + index]
                if not isinstance(checked, ProbeError) and checked:
                    entry["control"] = _recorded(checked[0])
            tried.append(entry)
        if any(_unproven(made) for made in answers):
            await self._demand_life(vantage, limit)
        return _json(
            {
                "addresses": list(resolution.addresses),
                "error": resolution.error,
                "control_port": control_port(self.host, self.port) if self.control else None,
                "tried": tried,
            }
        )

    async def _demand_life(self, vantage: Vantage, limit: float) -> None:
        """Have the machine say anything at all by the way that the silence came: its own loopback must answer.

        Raises:
            ProbeError: it is silent too, so that the silence was not the peer's.
        """
        port = control_port(self.vantage, self.port)
        made = await vantage.dial(Dial(address="127.0.0.1", port=port, attempts=1, limit=limit))
        if not made or made[0].verdict is PathVerdict.TIMEOUT:
            raise ProbeError(
                Cause.TIMEOUT,
                f"{self.vantage} did not answer for its own loopback either, so the silence may not be the peer's",
                enable=f"Look at the load of {self.vantage} and at the way to it, then run the audit again.",
            )

    def _dial(self, address: str, limit: float) -> Dial:
        return Dial(address=address, port=self.port, attempts=self.attempts, limit=limit, linger=self.linger)

    def _control(self, address: str, limit: float) -> Dial:
        return Dial(address=address, port=control_port(self.host, self.port), attempts=1, limit=limit)

    def parse(self, response: str) -> TcpPath:
        document = _Document.read(response)
        resolution = Resolution(
            name=self.host, addresses=document.texts("addresses"), error=document.text("error", most=400)
        )
        tried = tuple(_address_path(item) for item in document.items("tried"))
        if any(path.address not in resolution.addresses for path in tried):
            raise ProbeError(Cause.PARSE, "an address was dialled that the name does not have")
        if bool(tried) != bool(resolution.addresses):
            raise ProbeError(Cause.PARSE, "the name resolved and none of its addresses was dialled")
        return TcpPath(
            vantage=self.vantage,
            host=self.host,
            port=self.port,
            resolution=resolution,
            tried=tried,
            control_port=document.number("control_port"),
        )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Connect times from a machine to one address of a service, one connect after the other.

    ``samples_ms``: milliseconds of the connects that opened, at least one; ``failed`` counts the others. The last
    ``again`` of the samples are those of a second batch, made because the first was slow.
    """

    vantage: str
    address: str
    port: int
    samples_ms: tuple[float, ...]
    failed: int
    again: int = 0

    @property
    def batches(self) -> tuple[tuple[float, ...], ...]:
        """The samples as they were taken: one batch, or two."""
        first = len(self.samples_ms) - self.again
        return (self.samples_ms[:first], self.samples_ms[first:]) if self.again else (self.samples_ms,)

    @property
    def p50(self) -> float:
        return percentile(self.samples_ms, 50)

    @property
    def p99(self) -> float:
        return percentile(self.samples_ms, 99)


@dataclass(frozen=True)
class MeasureLatency(Probe[Latency | TcpPath]):
    """Time connects from a machine to a service, one after the other, to the first of its addresses that opens.

    Where the 99th percentile is more than ``slow_ms`` milliseconds, as many connects are made once more. The fact is
    a ``TcpPath`` where not one connect opened.
    """

    vantage: str
    host: str
    port: int
    connects: int = 50
    slow_ms: float = 5.0

    method: ClassVar[str] = "exec prober"
    streams: ClassVar[bool] = False

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        to = f"from {self.vantage} to {_shown(self.host, self.port)}"
        return f"time {self.connects} connects {to}, and as many again where they are slow"

    def limit(self, limits: Limits) -> float:
        return limits.conversation + 9 * limits.connect + START_UP

    async def read(self, vantages: Vantages) -> str:
        vantage = vantages[self.vantage]
        resolution = await vantage.resolve(self.host)
        tried: list[dict[str, object]] = []
        for address in resolution.addresses[:2]:
            dial = Dial(
                address=address,
                port=self.port,
                attempts=self.connects,
                spacing=0,
                limit=vantages.limits.connect,
            )
            made = await vantage.dial(dial)
            entry: dict[str, object] = {"address": address, "attempts": [_recorded(one) for one in made]}
            tried.append(entry)
            times = _times(made)
            if times and percentile(times, 99) > self.slow_ms:
                entry["again"] = [_recorded(one) for one in await vantage.dial(dial)]
            if any(one.verdict is PathVerdict.OPEN for one in made):
                break
        return _json({"addresses": list(resolution.addresses), "error": resolution.error, "tried": tried})

    def parse(self, response: str) -> Latency | TcpPath:
        path = DialTcp(self.vantage, self.host, self.port).parse(response)
        number, timed = next(((number, one) for number, one in enumerate(path.tried) if one.opened), (0, None))
        if timed is None:
            return path
        repeated = _Document.read(response).items("tried")[number].items("again", default=())
        again = tuple(_attempt(item) for item in repeated)
        first, second = _times(timed.attempts), _times(again)
        if not first:
            raise ProbeError(
                Cause.TOOL_MISSING,
                f"{self.vantage} has no tool that times a connect ({path.method} does not)",
                enable=f"Install python3 on {self.vantage}.",
            )
        return Latency(
            vantage=self.vantage,
            address=timed.address,
            port=self.port,
            samples_ms=first + second,
            failed=sum(one.verdict is not PathVerdict.OPEN for one in (*timed.attempts, *again)),
            again=len(second),
        )


def control_port(host: str, port: int) -> int:
    """The port of a control connect: always the same for a host and port, and hardly ever in use.

    It lies above Linux's ephemeral range (it ends at 60999) and far from where Windows starts to hand out its own.
    """
    digest = hashlib.sha256(f"{host.lower()}:{port}".encode()).digest()
    return 61000 + int.from_bytes(digest[:4], "big") % 4500


def percentile(samples: Sequence[float], share: float) -> float:
    """The value below which ``share`` per cent of the samples lie.

    Between two samples it is interpolated linearly, as NumPy's default and the PERCENTILE of spreadsheets do.

    Raises:
        ValueError: there are no samples.
    """
    if not samples:
        raise ValueError("no samples, no percentile")
    ordered = sorted(samples)
    place = (len(ordered) - 1) * share / 100
    below = ordered[floor(place)]
    return below + (ordered[ceil(place)] - below) * (place - floor(place))


_SPOKEN: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"SSH-\d"), "SSH"),
    (re.compile(rb"HTTP/\d|<!doctype html|<html", re.IGNORECASE), "HTTP"),
    (re.compile(rb"220[ -].*FTP", re.IGNORECASE), "FTP"),
    (re.compile(rb"220[ -]"), "SMTP"),
    (re.compile(rb"-(ERR|NOAUTH|DENIED|LOADING|NOPERM)\b|\+(PONG|OK)\r\n"), "Redis"),
    (re.compile(rb"(?s)...\x00\x0a\d+\.\d+|(?s:...)\x00\xff(?s:..).*(MySQL|MariaDB|not allowed to connect)"), "MySQL"),
    (re.compile(rb"\+OK "), "POP3"),
    (re.compile(rb"\* (OK|PREAUTH|BYE)\b"), "IMAP"),
    (re.compile(rb"RFB \d{3}\.\d{3}"), "VNC"),
    (re.compile(rb"\xff[\xfb-\xfe]"), "Telnet"),
    (re.compile(rb"AMQP"), "AMQP"),
)


def spoken(banner: bytes) -> str | None:
    """The protocol that a banner belongs to, as far as it is one of the common ones; ``None`` for any other."""
    return next((name for pattern, name in _SPOKEN if pattern.match(banner)), None)


def shown_ms(milliseconds: float) -> str:
    """A duration for a reader: hundredths of a millisecond below 10 ms, tenths of a second above one."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.2f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


async def _all(vantage: Vantage, dials: Iterable[Dial]) -> list[tuple[Dialled, ...] | ProbeError]:
    """All dials at the same time; a dial of which there is no news keeps its reason."""

    async def one(dial: Dial) -> tuple[Dialled, ...] | ProbeError:
        try:
            return await vantage.dial(dial)
        except ProbeError as error:
            return error

    return await asyncio.gather(*(one(dial) for dial in dials))


def _unproven(made: tuple[Dialled, ...] | ProbeError) -> bool:
    """Whether silence came by forwarding: a prober that reports it proves the machine alive, an SSH server does not."""
    if isinstance(made, ProbeError):
        return False
    return any(one.verdict is PathVerdict.TIMEOUT and one.tool not in _ENGINES for one in made)


def _times(attempts: Iterable[Dialled]) -> tuple[float, ...]:
    """Milliseconds of the connects that opened, as far as the tool told them."""
    return tuple(one.ms for one in attempts if one.verdict is PathVerdict.OPEN and one.ms is not None)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _family(address: str) -> int:
    return 6 if ":" in address else 4


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _of_all(count: int) -> str:
    return "the connect" if count == 1 else f"all {count} connects"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _recorded(attempt: Dialled) -> dict[str, object]:
    """An attempt as JSON; what is empty is left out, and a banner is text of one character a byte."""
    written: dict[str, object] = {
        "verdict": attempt.verdict.value,
        "ms": None if attempt.ms is None else round(attempt.ms, 2),
        "tool": attempt.tool,
        "source": attempt.source,
        "icmp": attempt.icmp,
        "banner": attempt.banner.decode("latin-1"),
        "closed": attempt.closed,
        "raw": attempt.raw,
    }
    return {key: value for key, value in written.items() if value not in (None, "")}


def _address_path(item: _Document) -> AddressPath:
    attempts = tuple(_attempt(one) for one in item.items("attempts"))
    if not attempts:
        raise ProbeError(Cause.PARSE, "an address without a single attempt")
    control = item.child("control")
    return AddressPath(
        address=item.text("address", most=60),
        attempts=attempts,
        control=None if control is None else _attempt(control),
    )


def _attempt(item: _Document) -> Dialled:
    try:
        verdict = PathVerdict(item.text("verdict", most=40))
    except ValueError:
        raise ProbeError(Cause.PARSE, "an attempt ended in a way that has no name") from None
    return Dialled(
        verdict=verdict,
        ms=item.milliseconds("ms"),
        tool=item.text("tool", most=40),
        source=item.text("source", most=60),
        icmp=item.text("icmp", most=80),
        banner=item.text("banner", most=256).encode("latin-1", "replace"),
        closed=item.truth("closed"),
        raw=item.text("raw", most=400),
    )


@dataclass(frozen=True)
class _Document:
    """A recorded JSON object, read with suspicion: anything unexpected is a ``ProbeError``."""

    fields: Mapping[object, object]

    @staticmethod
    def read(response: str) -> _Document:
        try:
            return _Document.of(json.loads(response))
        except (ValueError, RecursionError):
            raise ProbeError(Cause.PARSE, "the recorded answer is no JSON") from None

    @staticmethod
    def of(value: object) -> _Document:
        if not isinstance(value, dict):
            raise ProbeError(Cause.PARSE, "the recorded answer is no object")
        return _Document(value)

    def text(self, key: str, *, most: int) -> str:
        value = self.fields.get(key, "")
        if not isinstance(value, str) or len(value) > most:
            raise ProbeError(Cause.PARSE, f"the recorded {key} is no text of at most {most} characters")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.fields.get(key)
        if not isinstance(value, list) or not all(isinstance(one, str) and len(one) <= 60 for one in value):
            raise ProbeError(Cause.PARSE, f"the recorded {key} are no list of texts")
        return tuple(value)

    def items(self, key: str, default: tuple[()] | None = None) -> tuple[_Document, ...]:
        value = self.fields.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, list):
            raise ProbeError(Cause.PARSE, f"the recorded {key} are no list")
        return tuple(_Document.of(one) for one in value)

    def child(self, key: str) -> _Document | None:
        value = self.fields.get(key)
        return None if value is None else _Document.of(value)

    def number(self, key: str) -> int | None:
        value = self.fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 65536:
            raise ProbeError(Cause.PARSE, f"the recorded {key} is no port")
        return value

    def milliseconds(self, key: str) -> float | None:
        value = self.fields.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e7:
            raise ProbeError(Cause.PARSE, f"the recorded {key} is no duration")
        return float(value)

    def truth(self, key: str) -> bool | None:
        value = self.fields.get(key)
        if value is not None and not isinstance(value, bool):
            raise ProbeError(Cause.PARSE, f"the recorded {key} is neither true nor false")
        return value
