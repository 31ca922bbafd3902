"""Names as a machine's own resolver knows them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar, TypeAlias

from readiness.model import Cause, ProbeError, Reason
from readiness.probe import Probe
from readiness.vantage import Limits, Resolution, Vantage, Vantages

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, kw_only=True)
class Name:
    """What the resolver says of one name.

    ``addresses`` are empty where ``error`` holds the resolver's own words, or ``unread`` the reason why there was no
    answer to be had.
    """

    name: str
    addresses: tuple[Address, ...] = ()
    error: str = ""
    unread: Reason | None = None

    def of_family(self, version: int) -> frozenset[Address]:
        """Its addresses of one family, 4 or 6."""
        return frozenset(address for address in self.addresses if address.version == version)

    def __str__(self) -> str:
        return ", ".join(map(str, self.addresses)) or self.error or "no answer"


@dataclass(frozen=True, kw_only=True)
class Names:
    """What ``vantage`` makes of each name that it was asked for."""

    vantage: str
    names: Mapping[str, Name]


@dataclass(frozen=True)
class ResolveNames(Probe[Names]):
    """Ask a machine's resolver for names as getaddrinfo(3) of that machine answers, /etc/hosts included."""

    vantage: str
    names: tuple[str, ...]

    method: ClassVar[str] = "getent ahosts"
    streams: ClassVar[bool] = False

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        return f"resolve {', '.join(self.names)} on {self.vantage}"

    def limit(self, limits: Limits) -> float:
        return limits.conversation + limits.script

    async def read(self, vantages: Vantages) -> str:
        vantage = vantages[self.vantage]
        answers = await asyncio.gather(*(_asked(vantage, name) for name in self.names))
        troubles = [answer for answer in answers if isinstance(answer, ProbeError)]
        if troubles and len(troubles) == len(answers):
            raise troubles[0]
        return json.dumps([_recorded(name, answer) for name, answer in zip(self.names, answers, strict=True)])

    def parse(self, response: str) -> Names:
        try:
            told = {str(item["name"]): _understood(item) for item in json.loads(response)}
            return Names(vantage=self.vantage, names={name: told[name] for name in self.names})
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ProbeError(Cause.PARSE, "the recorded names make no sense") from None


async def _asked(vantage: Vantage, name: str) -> Resolution | ProbeError:
    try:
        return await vantage.resolve(name)
    except ProbeError as error:
        return error


def _recorded(name: str, answer: Resolution | ProbeError) -> dict[str, object]:
    if isinstance(answer, Resolution):
        return {"name": name, "addresses": list(answer.addresses), "error": answer.error}
    reason = answer.reason
    return {"name": name, "unread": {"code": reason.code.value, "detail": reason.detail, "enable": reason.enable}}


def _understood(item: Mapping[str, object]) -> Name:
    name, unread, addresses = str(item["name"]), item.get("unread"), item.get("addresses")
    if isinstance(unread, Mapping):
        reason = Reason(code=Cause(unread["code"]), detail=str(unread["detail"]), enable=str(unread.get("enable", "")))
        return Name(name=name, unread=reason)
    if not isinstance(addresses, list):
        raise TypeError(name)
    return Name(
        name=name,
        addresses=tuple(ip_address(str(address).partition("%")[0]) for address in addresses),
        error=str(item.get("error", "")),
    )
