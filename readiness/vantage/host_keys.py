"""The host keys that the hosts of a site show, next to those that are confirmed: for the first contact."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import asyncssh

from readiness.model import Cause, ProbeError, Reason
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import known_hosts
from readiness.vantage.base import HostAccess, Limits
from readiness.vantage.known_hosts import Known
from readiness.vantage.login import Account, Door
from readiness.vantage.opening import quieten
from readiness.vantage.route import Route

_KINDS = (
    ("ssh-ed25519",),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    ("rsa-sha2-512", "rsa-sha2-256"),
)


_DEFAULT = Path("~/.ssh/known_hosts")


class KeyState(StrEnum):
    """How what a host shows compares with what is confirmed."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    CHANGED = "changed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, kw_only=True)
class OfferedKey:
    """One key that a server showed; ``line`` is what a known_hosts file would say of it."""

    kind: str
    fingerprint: str
    line: str
    state: KeyState


@dataclass(frozen=True, kw_only=True)
class HostKeys:
    """What one SSH server shows.

    ``names``: the hosts of the site that it serves, or that are reached through it. ``label``: how known_hosts files
    name it. ``known``: the fingerprints that are confirmed. ``reason``: why nothing is known of an ``unreachable`` one;
    ``behind`` the label of the jump host that must be confirmed first. ``path``: the known_hosts file that a new key
    belongs into.
    """

    names: tuple[str, ...]
    label: str
    state: KeyState
    keys: tuple[OfferedKey, ...] = ()
    known: tuple[str, ...] = ()
    reason: Reason | None = None
    behind: str | None = None
    jump: bool = False
    path: Path

    @property
    def new_lines(self) -> tuple[str, ...]:
        """The lines that confirming this server adds; none where it is known, changed or unreachable."""
        return tuple(key.line for key in self.keys) if self.state is KeyState.UNKNOWN else ()


async def host_keys(
    accesses: Sequence[HostAccess],
    *,
    limits: Limits,
    secrets: Mapping[SecretRef, Secret] | None = None,
    redact: Redactor | None = None,
) -> tuple[HostKeys, ...]:
    """Ask every host for its keys, jump hosts first, without logging in to any but the jump hosts.

    A host behind a jump host that is not confirmed yet is ``unreachable``, ``behind`` it: add the jump host's key, then
    ask again. Hosts on the auditor's own machine are left out.
    """
    quieten()
    scan = _Scan(Door(limits=limits, secrets=secrets or {}, redact=redact or Redactor()), limits)
    try:
        return await scan.all([access for access in accesses if not access.local])
    finally:
        await scan.door.close()


def append_known_hosts(path: Path, hosts: Iterable[HostKeys]) -> int:
    """Confirm what some hosts showed: their new lines go into a known_hosts file, which loses none.

    Returns:
        How many lines were added; a changed host adds none.

    Raises:
        OSError: the file cannot be written.
    """
    return known_hosts.append(path.expanduser(), [line for host in hosts for line in host.new_lines])


@dataclass(frozen=True, kw_only=True)
class _Server:
    route: Route
    account: Account
    names: list[str]
    jump: bool


class _Scan:
    def __init__(self, door: Door, limits: Limits) -> None:
        self.door = door
        self._limits = limits

    async def all(self, accesses: Sequence[HostAccess]) -> tuple[HostKeys, ...]:
        servers: dict[tuple[str, ...], _Server] = {}
        jumps: dict[tuple[str, ...], _Server] = {}
        lost: list[HostKeys] = []
        for access, found in zip(accesses, await asyncio.gather(*map(self._route, accesses)), strict=True):
            if isinstance(found, Reason):
                lost.append(_unrouted(access, found))
                continue
            account = Account(password=access.password, passphrase=access.passphrase)
            _note(servers, found, account, access.name, jump=False)
            hop = found.through
            while hop is not None:
                _note(jumps, hop, account, access.name, jump=True)
                hop = hop.through
        # The outermost jump comes last in each chain: those that stand on their own are asked first.
        in_order = sorted(jumps.values(), key=lambda server: len(server.route.server))
        asked = [server for key, server in servers.items() if key not in jumps]
        seen = [*in_order, *asked]
        return (*await asyncio.gather(*map(self._keys, seen)), *lost)

    async def _route(self, access: HostAccess) -> Route | Reason:
        try:
            return await self.door.route(access)
        except ProbeError as trouble:
            return trouble.reason

    async def _keys(self, server: _Server) -> HostKeys:
        route = server.route
        label = known_hosts.label(route.host, route.port, alias=route.alias)
        confirmed = await self.door.confirmed(route)
        known = confirmed.of(route.host, route.port, alias=route.alias)
        names, path = tuple(dict.fromkeys(server.names)), route.known_hosts[0] if route.known_hosts else _DEFAULT
        fingerprints = tuple(known_hosts.fingerprint(key) for key in known.trusted)
        try:
            tunnel = await self.door.jump(route, server.account)
            offered = await self._offered(route, tunnel)
            certified = bool(known.authorities) and await self._certified(route, server.account)
        except ProbeError as trouble:
            behind = _unconfirmed(route) if trouble.reason.code is Cause.HOST_KEY else None
            return HostKeys(
                names=names,
                label=label,
                state=KeyState.UNREACHABLE,
                known=fingerprints,
                reason=trouble.reason,
                behind=behind,
                jump=server.jump,
                path=path,
            )
        keys = tuple(
            OfferedKey(
                kind=key.get_algorithm(),
                fingerprint=known_hosts.fingerprint(key),
                line=known_hosts.line(label, key),
                state=_state_of(key, known),
            )
            for key in offered
        )
        return HostKeys(
            names=names,
            label=label,
            state=KeyState.KNOWN if certified else _overall(keys, known),
            keys=keys,
            known=fingerprints,
            jump=server.jump,
            path=path,
        )

    async def _offered(self, route: Route, tunnel: asyncssh.SSHClientConnection | None) -> list[asyncssh.SSHKey]:
        """One key of each kind that the server has."""
        looks = [self.door.host_key(route, kinds, tunnel) for kinds in _KINDS]
        outcomes = await asyncio.gather(*looks, return_exceptions=True)
        found = [outcome for outcome in outcomes if isinstance(outcome, asyncssh.SSHKey)]
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and (not found or not isinstance(outcome, ProbeError)):
                raise outcome
        return found

    async def _certified(self, route: Route, account: Account) -> bool:
        """Whether the server's certificate satisfies an authority in known_hosts."""
        try:
            await self.door.verify(route, account)
        except ProbeError:
            return False
        return True


def _note(servers: dict[tuple[str, ...], _Server], route: Route, account: Account, name: str, *, jump: bool) -> None:
    servers.setdefault(route.server, _Server(route=route, account=account, names=[], jump=jump)).names.append(name)


def _state_of(key: asyncssh.SSHKey, known: Known) -> KeyState:
    if key in known.trusted and key not in known.revoked:
        return KeyState.KNOWN
    kinds = {held.get_algorithm() for held in known.keys}
    return KeyState.CHANGED if key in known.revoked or key.get_algorithm() in kinds else KeyState.UNKNOWN


def _overall(keys: Sequence[OfferedKey], known: Known) -> KeyState:
    """A key of a kind that was confirmed with another value is a change; so is a host without any confirmed one."""
    states = {key.state for key in keys}
    if KeyState.CHANGED in states:
        return KeyState.CHANGED
    if KeyState.KNOWN in states:
        return KeyState.KNOWN
    return KeyState.CHANGED if known.keys else KeyState.UNKNOWN


def _unconfirmed(route: Route) -> str | None:
    """The jump host next to this machine, which is the one to confirm first."""
    hop = route.through
    while hop is not None and hop.through is not None:
        hop = hop.through
    return known_hosts.label(hop.host, hop.port, alias=hop.alias) if hop is not None else None


def _unrouted(access: HostAccess, reason: Reason) -> HostKeys:
    label = known_hosts.label(access.host, access.port or known_hosts.PORT)
    path = access.known_hosts or _DEFAULT
    return HostKeys(names=(access.name,), label=label, state=KeyState.UNREACHABLE, reason=reason, path=path)
