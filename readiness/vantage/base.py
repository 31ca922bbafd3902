"""What every vantage can do, and the words for what it found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from readiness.model import Cause, ProbeError
from readiness.secret import Redactor, Secret, SecretRef

if TYPE_CHECKING:
    import asyncio

AUDITOR = "auditor"
"""The vantage that is the auditor's own machine."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds that one step may take.

    ``ssh``: connect, verify the host key and log in. ``script``: one script on a host. ``connect``: one TCP
    connect from a host. ``conversation``: one exchange with a service, name look-up included.
    """

    ssh: float = 10.0
    script: float = 20.0
    connect: float = 5.0
    conversation: float = 15.0

    @property
    def look_up(self) -> float:
        """Seconds that a machine's resolver may take for a name: two tries of 5 s each, as is usual, and some."""
        return 0.8 * self.conversation

    @property
    def question(self) -> float:
        """Seconds that one question may take whatever it does: a look-up, a connect and a conversation in a row."""
        return self.look_up + self.connect + self.conversation


@dataclass(frozen=True, kw_only=True)
class JumpAccess:
    """A host that SSH passes through; what is ``None`` comes from ssh_config and OpenSSH's defaults."""

    host: str
    port: int | None = None
    user: str | None = None
    identity_file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class HostAccess:
    """How one host of the site is reached; what is ``None`` comes from ssh_config and OpenSSH's defaults.

    ``sudo``: ``False`` never, ``True`` by ``sudo -n``, a reference where sudo asks for a password.
    ``local``: it is the auditor's own machine and needs no SSH.
    """

    name: str
    host: str
    port: int | None = None
    user: str | None = None
    identity_file: Path | None = None
    password: SecretRef | None = None
    passphrase: SecretRef | None = None
    known_hosts: Path | None = None
    jump: JumpAccess | None = None
    sudo: bool | SecretRef = False
    local: bool = False


class PathVerdict(StrEnum):
    """What the network said to one TCP connect."""

    OPEN = "open"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NO_ROUTE = "no_route"
    NET_UNREACHABLE = "net_unreachable"
    DENIED = "denied"
    OTHER = "other"


class PathClosed(Exception):
    """A stream could not be opened because the network or the peer said no, or said nothing.

    ``verdict`` is ``None`` where the name did not resolve on the vantage; ``text`` is the raw reason.
    """

    def __init__(self, verdict: PathVerdict | None, text: str) -> None:
        super().__init__(text)
        self.verdict = verdict
        self.text = text


@dataclass(frozen=True)
class HostKey:
    """A machine's public SSH key: its ``kind`` ("ssh-ed25519") and its fingerprint ("SHA256:...")."""

    kind: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Completed:
    """How one command ended: its exit status and at most 1 MiB of output, 64 KiB of errors, as bytes."""

    status: int
    out: bytes
    err: bytes


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What a machine's own resolver says of a name.

    ``addresses`` in the resolver's order, each once, literal addresses as they are; empty with ``error`` where the name
    does not resolve there.
    """

    name: str
    addresses: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Dial:
    """A request for TCP connects from a machine to one address.

    ``attempts`` start ``spacing`` seconds apart and overlap (``spacing`` 0: one after the other); each may take
    ``limit`` seconds. After an open connect the prober stays ``linger`` seconds and keeps at most 256 bytes of what
    the peer says unasked; it sends nothing.
    """

    address: str
    port: int
    attempts: int = 3
    spacing: float = 1.0
    limit: float = 5.0
    linger: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Dialled:
    """How one attempt went.

    ``ms`` is the connect time; ``source`` the local address it left from; ``icmp`` is "type/code@sender" where the
    machine's kernel tells; ``banner`` what the peer said unasked, ``closed`` whether it hung up while we lingered
    (``None``: not looked); ``tool`` is what dialled; ``raw`` its own words.
    """

    verdict: PathVerdict
    ms: float | None
    tool: str
    source: str = ""
    icmp: str = ""
    banner: bytes = b""
    closed: bool | None = None
    raw: str = ""


class Stream(ABC):
    """A byte stream from a vantage to a peer, with TLS on request.

    ``reader`` and ``writer`` are asyncio's own; ``how`` names what carried it ("SSH forwarding",
    "exec relay (python3)", "direct").
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    how: str

    @abstractmethod
    async def close(self) -> None:
        """Close both directions; never raises."""


class Vantage(ABC):
    """A machine that questions are asked from.

    Every method waits for the connection to the machine first, and for a free slot; only then runs its limit.

    Raises:
        ProbeError: from any method, where the machine cannot be reached, logged in to or asked
            (``unreachable``, ``host_key``, ``auth``, ``timeout``, ``tool_missing``, ``unsupported``, ...).
    """

    name: str
    can_sudo: bool

    @abstractmethod
    async def connect(self) -> None:
        """Reach the machine; a second call costs nothing, and a failure is the same for all callers."""

    def expect_streams(self) -> None:  # noqa: B027 (most vantages need nothing for it)
        """Say before ``connect`` that streams will follow, so that what they need is made ready meanwhile."""

    async def host_key(self) -> HostKey | None:
        """The key by which the machine proved to be itself in this run; ``None`` where it did not have to."""
        await self.connect()
        return None

    @abstractmethod
    async def run(
        self,
        script: str,
        *,
        limit: float,
        privileged: bool = False,
        on_line: Callable[[bytes], None] | None = None,
        beat: float | None = None,
    ) -> Completed:
        """Run POSIX shell text on the machine, fed on standard input, never by argv.

        ``on_line`` is handed each line of standard output as it comes, without its newline. ``beat``: the machine
        ends the script by itself once it has not heard from us for so many seconds. Cancelled, it ends the script
        and all that it started.
        """

    @abstractmethod
    async def resolve(self, name: str) -> Resolution:
        """Ask the machine's resolver; names asked at the same time travel in one exchange."""

    @abstractmethod
    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        """Dial from the machine as a process of its own, all attempts; dials asked together travel together."""

    @abstractmethod
    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        """Open a byte stream from the machine to a peer, resolving ``host`` on the machine.

        Raises:
            PathClosed: the network or the peer said no, or nothing within ``limit``.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of the machine, leaving nothing behind; never raises."""


class Vantages(Mapping[str, Vantage]):
    """All vantages of one run by name, with its limits and secrets."""

    def __init__(
        self,
        vantages: Iterable[Vantage],
        *,
        limits: Limits,
        secrets: Mapping[SecretRef, Secret] | None = None,
        redact: Redactor | None = None,
    ) -> None:
        self._vantages = {vantage.name: vantage for vantage in vantages}
        self._secrets = dict(secrets or {})
        self.limits = limits
        self.redact = redact or Redactor()

    def __getitem__(self, name: str) -> Vantage:
        try:
            return self._vantages[name]
        except KeyError:
            raise ProbeError(
                Cause.UNDECLARED,
                f"{name} has no host in the site file",
                enable=f"Give {name} its `host` in the site file once it is built.",
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._vantages)

    def __len__(self) -> int:
        return len(self._vantages)

    def secret(self, ref: SecretRef) -> Secret:
        """The value of a reference that was resolved before the run.

        Raises:
            ProbeError: it could not be resolved.
        """
        try:
            return self._secrets[ref]
        except KeyError:
            raise ProbeError(
                Cause.AUTH, f"the secret at {ref} could not be read", enable=f"Provide {ref} and run the audit again."
            ) from None

    def learn(self, secret: Secret) -> None:
        """Keep a secret that was obtained on the way (a token) out of everything that is recorded."""
        self.redact.learn(secret)

    async def close(self) -> None:
        import asyncio

        await asyncio.gather(*(vantage.close() for vantage in self._vantages.values()), return_exceptions=True)
