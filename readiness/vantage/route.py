"""How a host is reached by SSH: what the site file says, and for the rest what the user's ssh_config says."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import asyncssh

from readiness.model import Cause, ProbeError
from readiness.vantage.base import HostAccess
from readiness.vantage.link import readable

_MOST_HOPS = 8
_DEFAULT_KNOWN_HOSTS = (
    Path("~/.ssh/known_hosts"),
    Path("~/.ssh/known_hosts2"),
    Path("/etc/ssh/ssh_known_hosts"),
    Path("/etc/ssh/ssh_known_hosts2"),
)
_DEFAULT_IDENTITIES = tuple(
    Path("~/.ssh") / name for name in ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which keys ssh_config offers: files in order, whether an agent's other keys stay out, and the agent's socket."""

    files: tuple[Path, ...]
    only: bool
    agent: str | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Route:
    """One hop of SSH, and the hop that it goes through.

    ``asked`` is what the site file (or a ProxyJump) says, which ssh_config is matched against; ``host``, ``port`` and
    ``user`` are what comes of it.
    """

    asked: str
    asked_port: int | None
    asked_user: str | None
    host: str
    port: int
    user: str
    alias: str | None
    known_hosts: tuple[Path, ...]
    identity: Identity
    algorithms_configured: bool
    through: Route | None
    identity_file: Path | None = None

    @property
    def endpoint(self) -> str:
        bare = f"[{self.host}]" if ":" in self.host else self.host
        return f"{bare}:{self.port}"

    @property
    def server(self) -> tuple[str, ...]:
        """What tells two servers apart: for counting the handshakes that one of them has in hand."""
        return (self.host, str(self.port), *(self.through.key if self.through else ()))

    @property
    def key(self) -> tuple[str, ...]:
        """What tells two connections apart."""
        files = ",".join(map(str, (self.identity_file or "", *self.known_hosts)))
        return (self.user, files, *self.server)


async def plan_route(access: HostAccess, *, limit: float) -> Route:
    """Find out how a host is reached; reads ssh_config in a thread, for it may run the user's own commands.

    Raises:
        ProbeError: ssh_config cannot be read, or its jumps lead nowhere.
    """
    try:
        async with asyncio.timeout(limit):
            return await _route(access)
    except TimeoutError:
        raise ProbeError(
            Cause.TIMEOUT,
            f"reading your ssh_config for {access.host} took longer than {limit:g} s",
            enable="Look at its `Match exec` lines: they run commands on this machine.",
        ) from None
    except (asyncssh.Error, ValueError, OSError) as problem:
        raise ProbeError(
            Cause.UNSUPPORTED,
            f"your ssh_config cannot be used for {access.host}: {readable(str(problem))}",
            enable="Correct ~/.ssh/config, or give `ssh.user`, `ssh.port` and `ssh.jump_host` in the site file.",
        ) from None


async def _route(access: HostAccess) -> Route:
    known_hosts = access.known_hosts
    if access.jump is None:
        return await _hop(
            access.host, access.port, access.user, known_hosts=known_hosts, identity_file=access.identity_file
        )
    jump = access.jump
    through = await _hop(jump.host, jump.port, jump.user, known_hosts=known_hosts, identity_file=jump.identity_file)
    return await _hop(
        access.host,
        access.port,
        access.user,
        known_hosts=known_hosts,
        identity_file=access.identity_file,
        through=through,
    )


async def _hop(
    host: str,
    port: int | None,
    user: str | None,
    *,
    known_hosts: Path | None,
    identity_file: Path | None = None,
    through: Route | None = None,
    depth: int = 0,
) -> Route:
    if depth > _MOST_HOPS:
        raise ValueError(f"its ProxyJump lines lead through more than {_MOST_HOPS} hosts")
    options = await asyncssh.SSHClientConnectionOptions.construct(
        config=(), host=host, port=port or (), username=user or (), client_keys=None, agent_forwarding=False
    )
    config = options.config
    if through is None and isinstance(options.tunnel, str):
        for hop in options.tunnel.split(","):
            hop_host, hop_port, hop_user = parse_jump(hop)
            through = await _hop(
                hop_host, hop_port, hop_user, known_hosts=known_hosts, through=through, depth=depth + 1
            )
    agent = cast("str | None", config.get("IdentityAgent", "SSH_AUTH_SOCK"))
    return Route(
        asked=host,
        asked_port=port,
        asked_user=user,
        host=options.host,
        port=options.port,
        user=options.username,
        alias=options.host_key_alias,
        known_hosts=_at_home([known_hosts] if known_hosts is not None else _configured_known_hosts(options)),
        identity=Identity(
            files=_at_home(_configured_identities(options)),
            only=bool(config.get("IdentitiesOnly", False)),
            agent=agent,
        ),
        algorithms_configured=config.get("HostKeyAlgorithms") is not None,
        through=through,
        identity_file=_at_home([identity_file])[0] if identity_file is not None else None,
    )


def _at_home(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path.expanduser() for path in paths)


def _configured_identities(options: asyncssh.SSHClientConnectionOptions) -> tuple[Path, ...]:
    named = options.config.get("IdentityFile")
    return tuple(map(Path, cast("list[str]", named))) if named is not None else _DEFAULT_IDENTITIES


def _configured_known_hosts(options: asyncssh.SSHClientConnectionOptions) -> tuple[Path, ...]:
    """The files that ssh_config names, else OpenSSH's; ``none`` there means that none is confirmed, never all."""
    user = options.config.get("UserKnownHostsFile")
    everyones = options.config.get("GlobalKnownHostsFile")
    found = [Path(name) for name in cast("list[str]", user)] if user is not None else [*_DEFAULT_KNOWN_HOSTS[:2]]
    found += (
        [Path(name) for name in cast("list[str]", everyones)] if everyones is not None else _DEFAULT_KNOWN_HOSTS[2:]
    )
    return tuple(path.expanduser() for path in found)


def parse_jump(text: str) -> tuple[str, int | None, str | None]:
    """Read one host of a ProxyJump: ``[user@]host[:port]``, IPv6 in brackets, or an ``ssh://`` URL.

    Raises:
        ValueError: it is neither.
    """
    bare = text.strip().removeprefix("ssh://").rstrip("/")
    user, at, place = bare.rpartition("@")
    try:
        ipaddress.IPv6Address(place)
        return place, None, user if at else None
    except ValueError:
        pass
    parts = urlsplit(f"//{place}")
    if not parts.hostname:
        raise ValueError(f"'{text}' does not name a jump host")
    host = parts.netloc.rpartition(":")[0] if parts.port is not None else parts.netloc
    return host.strip("[]"), parts.port, user if at else None
