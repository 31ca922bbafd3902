"""Whether a machine reaches another's SSH server, and whether it is that machine's: banner and host key, no login."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from readiness.model import Cause, ProbeError, Reason
from readiness.probe import Probe
from readiness.vantage import HostKey, Limits, PathClosed, PathVerdict, Stream, Vantages

__all__ = ["ExchangeKeys", "HostKey", "SshAnswer", "SshEnding", "SshServer"]


class SshEnding(StrEnum):
    """How far the question got.

    ``KEY``: the server proved that it holds its key. ``NO_NAME``, ``NO_PATH``: it was not reached. ``SILENT``: it
    accepted and said nothing. ``CLOSED``: it hung up before it said its version. ``TURNED_AWAY``: it is an SSH server
    that takes nobody at the moment. ``NOT_SSH``: something else speaks there. ``STALLED``: it is an SSH server that
    stopped in the middle of the exchange. ``FAILED``: the exchange with it went wrong.
    """

    KEY = "key"
    NO_NAME = "no_name"
    NO_PATH = "no_path"
    SILENT = "silent"
    CLOSED = "closed"
    TURNED_AWAY = "turned_away"
    NOT_SSH = "not_ssh"
    STALLED = "stalled"
    FAILED = "failed"

    @property
    def reached(self) -> bool:
        """Whether something accepted the connection."""
        return self not in (SshEnding.NO_NAME, SshEnding.NO_PATH)


@dataclass(frozen=True, kw_only=True)
class SshAnswer:
    """What answered at one address.

    ``verdict`` of the connect where there is ``NO_PATH``; ``heard`` is the first of what was said, raw, at most 255
    bytes; ``version`` its SSH version line ("SSH-2.0-OpenSSH_9.2p1"); ``text`` what went wrong; ``how`` what carried
    the exchange.
    """

    host: str
    port: int
    ending: SshEnding
    verdict: PathVerdict | None = None
    heard: bytes = b""
    version: str = ""
    key: HostKey | None = None
    text: str = ""
    how: str = ""


@dataclass(frozen=True, kw_only=True)
class SshServer:
    """The SSH server of ``machine`` as seen from ``vantage``, one answer for each address that was tried.

    ``confirmed`` is the key by which the machine proved itself to the auditor in this run; ``None`` with the
    ``trouble`` where it did not.
    """

    vantage: str
    machine: str
    answers: tuple[SshAnswer, ...]
    confirmed: HostKey | None
    trouble: Reason | None


@dataclass(frozen=True)
class ExchangeKeys(Probe[SshServer]):
    """Exchange keys with a machine's SSH server from another machine, and hang up before the login (RFC 4253).

    ``hosts`` are names or addresses of ``machine``, tried in this order until one shows the key by which the machine
    proved itself to the auditor.
    """

    vantage: str
    machine: str
    hosts: tuple[str, ...]
    port: int

    method: ClassVar[str] = "SSH key exchange"

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage, self.machine)

    @property
    def streamed_from(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        where = ", else ".join(self.hosts)
        return (
            f"exchange keys from {self.vantage} with the SSH server of {self.machine} at {where} port {self.port}, "
            "without a login"
        )

    def limit(self, limits: Limits) -> float:
        return 2 * len(self.hosts) * limits.connect + limits.conversation + _PAUSE

    async def read(self, vantages: Vantages) -> str:
        confirmed: HostKey | None = None
        trouble: Reason | None = None
        try:
            confirmed = await vantages[self.machine].host_key()
        except ProbeError as error:
            trouble = error.reason
        answers: list[_Record] = []
        for host in self.hosts:
            answers.append(await self._asked(vantages, host, confirmed))
            if confirmed is not None and answers[-1].key == confirmed:
                break
        return json.dumps(
            {
                "confirmed": _key_json(confirmed),
                "trouble": _reason_json(trouble),
                "answers": [answer.as_json() for answer in answers],
            },
            separators=(",", ":"),
        )

    async def _asked(self, vantages: Vantages, host: str, confirmed: HostKey | None) -> _Record:
        answer = await self._ask(vantages, host, confirmed)
        if answer.end == "closed" and not answer.heard:
            # A server with too many strangers at its door hangs up on some of them.
            await asyncio.sleep(random.uniform(0.3, _PAUSE))  # noqa: S311 (jitter)
            answer = await self._ask(vantages, host, confirmed)
        if answer.end in ("silent", "stalled"):
            await self._demand_life(vantages, host)
        return answer

    async def _ask(self, vantages: Vantages, host: str, confirmed: HostKey | None) -> _Record:
        # The SSH library is slow to import, and a plan that asks nothing needs none of it.
        from readiness.vantage.key_exchange import exchange_keys

        limits = vantages.limits
        try:
            stream = await vantages[self.vantage].stream(host, self.port, limit=limits.connect)
        except PathClosed as closed:
            verdict = closed.verdict.value if closed.verdict is not None else ""
            return _Record(host=host, end="no_path" if verdict else "no_name", verdict=verdict, text=closed.text)
        try:
            found = await exchange_keys(
                stream,
                kind=confirmed.kind if confirmed is not None else None,
                limit=limits.conversation / len(self.hosts) - _proof(limits),
            )
        finally:
            await stream.close()
        return _Record(
            host=host,
            end=found.end.value,
            heard=found.heard.decode("latin-1"),
            version=found.version.decode("latin-1"),
            key=found.key,
            text=found.text,
            how=stream.how,
        )

    async def _demand_life(self, vantages: Vantages, host: str) -> None:
        """Let silence count only where what carried it is alive: it opens another path, or else runs a command.

        Raises:
            ProbeError: neither, so that the silence may be ours.
        """
        limit = _proof(vantages.limits) / 2
        stream: Stream | None = None
        try:
            stream = await vantages[self.vantage].stream(host, self.port, limit=limit)
        except PathClosed as closed:
            if closed.verdict is PathVerdict.TIMEOUT:
                await vantages[self.vantage].run(":\n", limit=limit)
        finally:
            if stream is not None:
                await stream.close()

    def parse(self, response: str) -> SshServer:
        try:
            recorded = json.loads(response)
            return SshServer(
                vantage=self.vantage,
                machine=self.machine,
                answers=tuple(self._answer(one) for one in _listed(recorded["answers"])),
                confirmed=_key(recorded["confirmed"]),
                trouble=_reason(recorded["trouble"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ProbeError(Cause.PARSE, f"the recorded exchange of keys makes no sense: {str(error)[:100]}") from None

    def _answer(self, recorded: Mapping[str, object]) -> SshAnswer:
        host, end, verdict, heard, version, text, how = (
            _text(recorded[key]) for key in ("host", "end", "verdict", "heard", "version", "text", "how")
        )
        if host not in self.hosts:
            raise ValueError("an address was asked that is none of the machine's")
        key, said = _key(recorded["key"]), heard.encode("latin-1")
        ending = _ending(end, said)
        if (ending is SshEnding.KEY) != (key is not None):
            raise ValueError("a key without an exchange, or an exchange without a key")
        return SshAnswer(
            host=host,
            port=self.port,
            ending=ending,
            verdict=PathVerdict(verdict) if verdict else None,
            heard=said,
            version=_printable(version),
            key=key,
            text=_printable(text),
            how=how,
        )


_PAUSE = 0.8
_MOST_TEXT = 400


def _proof(limits: Limits) -> float:
    """Seconds kept back from a conversation to see whether the vantage is alive."""
    return min(3.0, limits.conversation / 4)


_TURNED_AWAY = re.compile(rb"Exceeded MaxStartups|Not allowed at this time")


def _ending(end: str, heard: bytes) -> SshEnding:
    """What the end of the exchange means, by what was heard before it."""
    if end == "foreign" or (end in ("silent", "closed") and heard):
        if heard.startswith(b"SSH-"):
            return SshEnding.STALLED if end == "silent" else SshEnding.FAILED
        return SshEnding.TURNED_AWAY if _TURNED_AWAY.search(heard) else SshEnding.NOT_SSH
    return SshEnding(end)


@dataclass(frozen=True, kw_only=True)
class _Record:
    """One answer as an observation keeps it."""

    host: str
    end: str
    verdict: str = ""
    heard: str = ""
    version: str = ""
    key: HostKey | None = None
    text: str = ""
    how: str = ""

    def as_json(self) -> dict[str, object]:
        return {**vars(self), "key": _key_json(self.key), "text": self.text[:_MOST_TEXT]}


def _key_json(key: HostKey | None) -> dict[str, str] | None:
    return None if key is None else {"kind": key.kind, "fingerprint": key.fingerprint}


def _reason_json(reason: Reason | None) -> dict[str, object] | None:
    return None if reason is None else dict(vars(reason))


def _key(recorded: object) -> HostKey | None:
    if recorded is None:
        return None
    if not isinstance(recorded, dict):
        raise ValueError("no host key where one should be")
    kind, fingerprint = _text(recorded["kind"], most=60), _text(recorded["fingerprint"], most=60)
    if not re.fullmatch(r"[a-z0-9@.-]+", kind) or not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", fingerprint):
        raise ValueError("no host key where one should be")
    return HostKey(kind, fingerprint)


def _reason(recorded: object) -> Reason | None:
    if recorded is None:
        return None
    if not isinstance(recorded, dict):
        raise ValueError("no reason where one should be")
    by = recorded["by"]
    return Reason(
        code=Cause(_text(recorded["code"])),
        detail=_text(recorded["detail"], most=2000),
        enable=_text(recorded["enable"], most=2000),
        by=None if by is None else _text(by),
    )


def _text(value: object, *, most: int = _MOST_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError("no text where one should be")
    return value


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:255].strip()


def _listed(value: object) -> list[Mapping[str, object]]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("no list where one should be")
    return value
