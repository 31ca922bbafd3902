"""What a machine does for its questions, however it is reached: scripts, names, dials, streams."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from readiness.model import Cause, ProbeError, Reason
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import prober, resolver, shell, sudo
from readiness.vantage.base import (
    Completed,
    Dial,
    Dialled,
    Limits,
    PathClosed,
    PathVerdict,
    Resolution,
    Stream,
    Vantage,
)
from readiness.vantage.link import Exchange, Forbidden, Link, Running, in_turn, lost, readable
from readiness.vantage.together import Batch, Together, error, seen

T = TypeVar("T")

OnLine = Callable[[bytes], None]
Job = Callable[[], tuple[str, float]]
"""A script and its limit in seconds, made up when it sets out."""

_WINDOW = 0.03
"""Seconds in which questions of one kind are collected, so that they travel together."""

_NAMES = 64
"""Names that one script looks up: each is a few processes on the machine, all at the same time."""

_DIALS = 400
"""Dials of one script: its order fits into an environment variable, and what it prints into a command's output."""

_NO_SHELL = (Cause.AUTH, Cause.PERMISSION, Cause.UNSUPPORTED)
"""What it means that a machine runs none of our scripts, now or later in this run."""

_STAGGER = 1.0
"""Seconds after which the next address of a name is tried beside the one that has not answered yet."""

_MARGIN = 3.0
_BANNER = 256


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the site file allows on a machine.

    ``exec``: running commands there. ``sudo``: as in ``HostAccess``.
    """

    exec: bool = True
    sudo: bool | SecretRef = False


class Host(Vantage):
    """A machine that takes commands and opens paths.

    A subclass says how it is reached: ``_control`` gives the link that scripts and look-ups use, ``_probing`` the one
    for streams and what is dialled beside them, which is thrown away at the end.
    """

    def __init__(
        self,
        name: str,
        *,
        limits: Limits,
        secrets: Mapping[SecretRef, Secret],
        redact: Redactor,
        consent: Consent,
    ) -> None:
        self.name = name
        self.limits = limits
        self.can_sudo = consent.sudo is not False
        self._secrets = secrets
        self._redact = redact
        self._consent = consent
        self._no_commands: Reason | None = None if consent.exec else _switched_off(name)
        self._no_prober: Reason | None = None
        self._forwards = True
        self._expects_streams = False
        self._no_relay: Reason | None = None
        self._sudo: asyncio.Future[sudo.SudoWay] | None = None
        self._sudo_refused: Reason | None = None
        self._sudo_turn = asyncio.Lock()
        self._names: dict[str, asyncio.Future[Resolution]] = {}
        self._lookups = Together(self._look_up, window=_WINDOW, most=_NAMES)
        self._dials = Together(self._dial_all, window=_WINDOW, most=_DIALS)

    @abstractmethod
    async def _control(self) -> Link:
        """The link for scripts and look-ups.

        Raises:
            ProbeError: the machine cannot be reached or logged in to.
        """

    @abstractmethod
    async def _probing(self) -> Link:
        """The link for dials and streams; the same errors."""

    def expect_streams(self) -> None:
        self._expects_streams = True

    async def connect(self) -> None:
        await self._control()

    async def close(self) -> None:
        await self._lookups.close()
        await self._dials.close()
        if self._sudo is not None:
            self._sudo.cancel()

    # Scripts

    async def run(
        self,
        script: str,
        *,
        limit: float,
        privileged: bool = False,
        on_line: OnLine | None = None,
        beat: float | None = None,
    ) -> Completed:
        """Run POSIX shell text on the machine, fed on standard input, never by argv.

        ``on_line`` is handed each line of standard output as it comes, without its newline. ``beat``: the machine
        ends the script once it has not heard from us for so many seconds.

        Raises:
            ProbeError: it did not run to its end within ``limit`` seconds, said too much, or may not run at all.
        """
        link = await self._control()

        def job() -> tuple[str, float]:
            return script, limit

        if not privileged:
            return await self._run(link, job, on_line=on_line, beat=beat)
        way = await self._way_to_root()
        if way.password is None:
            return await self._run(link, job, on_line=on_line, way=way, beat=beat)
        async with self._sudo_turn:  # a wrong password is shown once, however many ask
            if self._sudo_refused is not None:
                raise error(self._sudo_refused)
            return await self._run(link, job, on_line=on_line, way=way, beat=beat)

    async def _run(
        self,
        link: Link,
        job: Job,
        *,
        on_line: OnLine | None = None,
        way: sudo.SudoWay | None = None,
        beat: float | None = None,
    ) -> Completed:
        if self._no_commands is not None:
            raise error(self._no_commands)

        async def once() -> Completed:
            script, limit = job()
            token = shell.token()
            exchange = Exchange(token, on_line=on_line)
            framed = shell.framed(script, token=token, seconds=limit + _MARGIN, beat=beat)
            await self._carry_out(link, exchange, framed, limit=limit, way=way, beat=beat)
            return self._completed(exchange, way)

        try:
            return await in_turn(link.slots, once, name=self.name)
        except ProbeError as trouble:
            if way is None and trouble.reason.code in _NO_SHELL:
                self._no_commands = trouble.reason
            raise

    async def _carry_out(
        self,
        link: Link,
        exchange: Exchange,
        framed: str,
        *,
        limit: float,
        way: sudo.SudoWay | None,
        beat: float | None,
    ) -> None:
        running = None
        try:
            async with asyncio.timeout(limit) as clock:
                running = await link.start(way.command if way else shell.COMMAND, exchange)
                if way is None or await sudo.get_in(way, exchange, running.write):
                    running.write(framed.encode("utf-8", "surrogateescape"))
                    await _beating(running, exchange.finished(), beat)
        except TimeoutError:
            if not clock.expired():
                raise
            raise ProbeError(
                Cause.TIMEOUT,
                f"the script on {self.name} did not end within {limit:g} s",
                enable="Find out what is slow on that machine, or raise `limits.script` in the site file.",
            ) from None
        finally:
            if running is not None:
                running.end()

    def _completed(self, exchange: Exchange, way: sudo.SudoWay | None) -> Completed:
        end = exchange.exit
        if exchange.overflow:
            raise ProbeError(
                Cause.OVERLOAD,
                f"the script on {self.name} printed {exchange.overflow}",
                enable="Look at what the machine prints at login and what the script asked for; none of it was used.",
            )
        if not exchange.begun and way is not None and way.password is not None:
            self._sudo_refused = self._wrong_password(exchange, way)
            raise error(self._sudo_refused)
        if end.status is None and not end.signal:
            raise lost(self.name)
        if not exchange.begun:
            raise error(self._not_our_shell(exchange))
        if end.status is None:
            raise ProbeError(
                Cause.OVERLOAD,
                f"the script on {self.name} was killed by signal {readable(end.signal, limit=20)}",
                enable="See what ends processes on that machine (memory, limits of the account), then run again.",
            )
        return Completed(status=end.status, out=exchange.out, err=exchange.err)

    def _not_our_shell(self, exchange: Exchange) -> Reason:
        said = self._redact(readable(exchange.noise))
        spoken = said.lower()
        if "password" in spoken and any(word in spoken for word in ("expired", "change", "aged")):
            return Reason(
                code=Cause.AUTH,
                detail=f"the account on {self.name} must change its password before it may do anything: {said}",
                enable=f"Log in to {self.name} by hand once and change it, or lift the expiry (`chage -M -1 USER`).",
            )
        if not said or "currently not available" in spoken or "nologin" in spoken:
            what = said or "the command ended without a word, as `nologin` and `false` do"
            return Reason(
                code=Cause.PERMISSION,
                detail=f"the account on {self.name} may log in but not run commands: {what}",
                enable="Give the account a login shell (`usermod -s /bin/bash USER`), or name another user under "
                "`ssh.user`.",
            )
        return Reason(
            code=Cause.UNSUPPORTED,
            detail=f"{self.name} did not run our shell script; what ran instead said: {said}",
            enable="The account needs a POSIX shell: look at its login shell, its start-up files and a `ForceCommand` "
            "of sshd.",
        )

    # Root

    async def _way_to_root(self) -> sudo.SudoWay:
        if self._consent.sudo is False:
            raise ProbeError(
                Cause.PERMISSION,
                f"this needs root on {self.name}, and the site file does not allow sudo there",
                enable="Set `ssh.sudo: true` for the machine in the site file, or name sudo's password there.",
            )
        if self._sudo is None:
            self._sudo = asyncio.ensure_future(self._find_way_to_root())
            self._sudo.add_done_callback(seen)
        return await _shared(self._sudo)

    async def _find_way_to_root(self) -> sudo.SudoWay:
        asked = await self._run(await self._control(), lambda: (sudo.PROBE, self.limits.script))
        said = self._redact(readable(asked.err or asked.out))
        match asked.status:
            case sudo.IS_ROOT:
                return sudo.as_root()
            case 0:
                return sudo.without_password()
            case sudo.NO_SUDO:
                raise ProbeError(
                    Cause.TOOL_MISSING,
                    f"there is no sudo on {self.name}",
                    enable="Install sudo on the machine, or log in as a user who may read what is asked.",
                )
            case sudo.REFUSED if isinstance(self._consent.sudo, SecretRef) and "password" in said.lower():
                return sudo.with_password(self._password(self._consent.sudo))
            case _:
                raise error(self._no_sudo(said))

    def _password(self, ref: SecretRef) -> Secret:
        password = self._secrets.get(ref)
        if password is None:
            raise ProbeError(
                Cause.AUTH, f"the secret at {ref} could not be read", enable=f"Provide {ref} and run the audit again."
            )
        if not set("\r\n\0").isdisjoint(password.reveal()):
            raise ProbeError(
                Cause.AUTH, f"the sudo password at {ref} has more than one line", enable="Provide it as one line."
            )
        return password

    def _wrong_password(self, exchange: Exchange, way: sudo.SudoWay) -> Reason:
        said = self._redact(readable(exchange.noise.replace(way.prompt, b" ").replace(way.here, b"-")))
        if "sudoers" in said or "not allowed" in said:
            return self._no_sudo(said)
        return Reason(
            code=Cause.AUTH,
            detail=f"sudo refused the password on {self.name}: {said or 'it asked again'}",
            enable="Check the password under `ssh.sudo`; it was tried once only, since machines lock accounts.",
        )

    def _no_sudo(self, said: str) -> Reason:
        return Reason(
            code=Cause.PERMISSION,
            detail=f"sudo refused on {self.name}: {said or 'without a word'}",
            enable="Allow the account `NOPASSWD: ALL` in sudoers while the audit runs, or name sudo's password under "
            "`ssh.sudo` in the site file.",
        )

    # Names

    async def resolve(self, name: str) -> Resolution:
        literal = _literal(name)
        if literal is not None:
            return Resolution(name=name, addresses=(literal,))
        await self._control()
        if name not in self._names:
            self._names[name] = self._lookups.add(name)
        return await _shared(self._names[name])

    async def _look_up(self, batch: Batch[str, Resolution]) -> None:
        limit = max(1, round(self.limits.look_up))
        token = shell.token()
        asked: list[str] = []

        def job() -> tuple[str, float]:
            asked[:] = batch.seal()
            # Two tools may be asked one after the other, each within the limit.
            return resolver.script(asked, token=token, limit=limit), 2 * limit + _MARGIN

        def on_line(line: bytes) -> None:
            match resolver.understand(line, token):
                case (str(name), Resolution() as found) if name in asked:
                    batch.answer(asked.index(name), found)
                case (str(name), Reason() as reason) if name in asked:
                    batch.refuse(asked.index(name), reason)

        try:
            await self._run(await self._control(), job, on_line=on_line)
        except ProbeError as trouble:
            if trouble.reason.code is Cause.TIMEOUT:
                batch.refuse_rest(_slow_lookup(self.name, limit))
            raise
        batch.refuse_rest(_broken_off("the look-up of a name", self.name))

    # Dials

    async def _dialling(self) -> Link:
        """The link for the prober: that of the streams where there is one, which has room; no other for it alone."""
        return await (self._probing() if self._expects_streams else self._control())

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        await self._dialling()
        if self._prober_obstacle() is None:
            try:
                return await _shared(self._dials.add(dial))
            except ProbeError:
                if self._prober_obstacle() is None:
                    raise
        return await self._dial_by_forwarding(await self._probing(), dial)

    def _prober_obstacle(self) -> Reason | None:
        """Why no prober can run there, as far as we know."""
        return self._no_commands or self._no_prober

    async def _dial_all(self, batch: Batch[Dial, tuple[Dialled, ...]]) -> None:
        token = shell.token()
        asked: list[Dial] = []
        attempts: dict[int, list[Dialled]] = {}
        link = await self._dialling()

        def job() -> tuple[str, float]:
            asked[:] = batch.seal()
            return prober.script(asked, token=token), prober.duration(asked) + _MARGIN

        def on_line(line: bytes) -> None:
            match prober.understand(line, token):
                case (int(index), Dialled() as attempt) if index < len(asked):
                    so_far = attempts.setdefault(index, [])
                    so_far.append(attempt)
                    if len(so_far) == asked[index].attempts:
                        batch.answer(index, tuple(so_far))
                case Reason() as reason:
                    if reason.code is Cause.TOOL_MISSING:
                        self._no_prober = reason
                    batch.refuse_rest(reason)

        await self._run(link, job, on_line=on_line)
        for index, dial in enumerate(asked):
            if dial.spacing == 0 and attempts.get(index):
                batch.answer(index, tuple(attempts[index]))  # as many as its time allowed
        batch.refuse_rest(_broken_off("the prober", self.name))

    async def _dial_by_forwarding(self, link: Link, dial: Dial) -> tuple[Dialled, ...]:
        """Connect through the SSH server: it tells the verdict, but neither times nor addresses nor ICMP."""
        try:
            if dial.spacing == 0:
                return await self._one_after_the_other(link, dial)
            waits = [number * dial.spacing for number in range(dial.attempts)]
            return tuple(await _all(self._attempt(link, dial, after=wait) for wait in waits))
        except Forbidden:
            raise self._nothing_dials() from None

    async def _one_after_the_other(self, link: Link, dial: Dial) -> tuple[Dialled, ...]:
        begun, found = time.monotonic(), list[Dialled]()
        while len(found) < dial.attempts and (not found or time.monotonic() - begun < 2 * dial.limit):
            found.append(await self._attempt(link, dial, after=0))
        return tuple(found)

    async def _attempt(self, link: Link, dial: Dial, *, after: float) -> Dialled:
        await asyncio.sleep(after)
        try:
            stream = await link.open(dial.address, dial.port, limit=dial.limit)
        except PathClosed as closed:
            return Dialled(verdict=closed.verdict or PathVerdict.OTHER, ms=None, tool=link.how, raw=closed.text)
        try:
            banner, hung_up = await _overheard(stream, dial.linger) if dial.linger > 0 else (b"", None)
        finally:
            await stream.close()
        return Dialled(verdict=PathVerdict.OPEN, ms=None, tool=link.how, banner=banner, closed=hung_up)

    def _nothing_dials(self) -> ProbeError:
        why = self._prober_obstacle()
        assert why is not None
        return ProbeError(
            why.code,
            f"{why.detail}; and its SSH server does not forward connections either",
            enable=f"{why.enable} Or set `AllowTcpForwarding yes` in its sshd_config while the audit runs.",
        )

    # Streams

    async def stream(self, host: str, port: int, *, limit: float) -> Stream:
        link = await self._probing()
        found = await self.resolve(host)
        if not found.addresses:
            raise PathClosed(None, found.error)
        try:
            if len(found.addresses) == 1:
                return await self._open(link, found.addresses[0], port, limit=limit)
            return await self._open_any(link, found.addresses, port, limit=limit)
        except PathClosed as closed:
            if closed.verdict is PathVerdict.OTHER:
                raise self._untold(host, port, closed.text) from None
            raise

    async def _open_any(self, link: Link, addresses: tuple[str, ...], port: int, *, limit: float) -> Stream:
        """The first address that answers; each next one starts when the one before said no, or after a second."""
        trials: list[asyncio.Task[Stream]] = []
        opened: list[Stream] = []
        closed: list[str] = []
        verdicts: list[PathVerdict | None] = []
        try:
            while not opened and (len(trials) < len(addresses) or not all(trial.done() for trial in trials)):
                if len(trials) < len(addresses):
                    trials.append(asyncio.ensure_future(self._open(link, addresses[len(trials)], port, limit=limit)))
                await asyncio.wait(
                    [trial for trial in trials if not trial.done()],
                    timeout=_STAGGER if len(trials) < len(addresses) else None,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                opened = [trial.result() for trial in trials if trial.done() and trial.exception() is None]
        finally:
            for trial in trials:
                trial.cancel()
            await asyncio.gather(*trials, return_exceptions=True)
        for late in opened[1:]:
            await late.close()
        if opened:
            return opened[0]
        for address, trial in zip(addresses, trials, strict=True):
            trouble = trial.exception()
            if not isinstance(trouble, PathClosed):
                await trial  # raises it
            else:
                closed.append(f"{address}: {trouble.text}")
                verdicts.append(trouble.verdict)
        raise PathClosed(_most_telling(verdicts), "; ".join(closed))

    def _untold(self, host: str, port: int, text: str) -> ProbeError:
        """Words that name no cause are no word of the network's: the trouble may be our own."""
        return ProbeError(
            Cause.UNSUPPORTED,
            f"no connection from {self.name} to {host} port {port} came about, and what was said tells nothing: {text}",
            enable=f"Try it on {self.name} by hand, and install python3 there, whose errors are exact.",
        )

    async def _open(self, link: Link, address: str, port: int, *, limit: float) -> Stream:
        if self._forwards:
            try:
                return await link.open(address, port, limit=limit)
            except Forbidden:
                self._forwards = False
            except PathClosed as closed:
                # sshd says no more than "open failed" of a connect that fails at once: a relay tells why it did.
                if closed.verdict is not PathVerdict.OTHER or self._no_commands or self._no_relay:
                    raise
        why = self._no_commands or self._no_relay
        if why is None:
            try:
                return await link.relay(address, port, limit=limit)
            except ProbeError as trouble:
                if trouble.reason.code is not Cause.TOOL_MISSING:
                    raise
                why = self._no_relay = trouble.reason
        try:
            return await link.open(address, port, limit=limit)  # PermitOpen may forbid one target and allow another
        except Forbidden:
            raise ProbeError(
                Cause.UNSUPPORTED,
                f"the SSH server of {self.name} does not forward to {address} port {port}, and no relay runs there: "
                f"{why.detail}",
                enable=f"Set `AllowTcpForwarding yes` in its sshd_config while the audit runs. Or: {why.enable}",
            ) from None


def _most_telling(verdicts: Sequence[PathVerdict | None]) -> PathVerdict | None:
    """Of several addresses that are all closed: one that says nothing, or has no route, is passed over for another."""
    for vague in ((PathVerdict.OTHER, PathVerdict.NET_UNREACHABLE), (PathVerdict.OTHER,)):
        for found in verdicts:
            if found not in vague:
                return found
    return PathVerdict.OTHER


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """All of them at once and to their end; the first trouble is raised."""
    done = await asyncio.gather(*works, return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in done if not isinstance(outcome, BaseException)]


async def _overheard(stream: Stream, linger: float) -> tuple[bytes, bool | None]:
    """What the peer says unasked within ``linger`` seconds, and whether it hung up."""
    banner = b""
    try:
        async with asyncio.timeout(linger):
            while len(banner) < _BANNER:
                data = await stream.reader.read(_BANNER - len(banner))
                if not data:
                    return banner, True
                banner += data
    except TimeoutError:
        pass
    except OSError:
        return banner, True
    return banner, False


async def _beating(running: Running, work: Awaitable[None], beat: float | None) -> None:
    """Wait for some work, and give a sign of life three times in every ``beat`` seconds meanwhile."""
    waiting = asyncio.ensure_future(work)
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=None if beat is None else beat / 3)
            if beat is not None and not waiting.done():
                running.write(b"\n")
        waiting.result()
    finally:
        waiting.cancel()


async def _shared(future: asyncio.Future[T]) -> T:
    """Wait for what others wait for too: whoever gives up does not take it from them."""
    try:
        return await asyncio.shield(future)
    except ProbeError as trouble:
        raise error(trouble.reason) from None


def _literal(name: str) -> str | None:
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return None
    return bare


def _switched_off(name: str) -> Reason:
    return Reason(
        code=Cause.UNSUPPORTED,
        detail=f"running commands on {name} is switched off in the site file (`probing.exec: false`)",
        enable="Set `probing.exec: true` in the site file and run the audit again.",
    )


def _slow_lookup(name: str, limit: float) -> Reason:
    return Reason(
        code=Cause.TIMEOUT,
        detail=f"the look-up on {name} took longer than {limit:g} s",
        enable=f"Check the name servers of {name} (`cat /etc/resolv.conf`), then run the audit again.",
    )


def _broken_off(what: str, name: str) -> Reason:
    return Reason(
        code=Cause.CRASH,
        detail=f"{what} on {name} ended before it said everything",
        enable="Run the audit again; if it happens again, look at the machine's load and the limits of the account.",
    )
