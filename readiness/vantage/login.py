"""Logging in to a host over SSH: the host key verified, one credential shown, every refusal told in plain words."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

import asyncssh

from readiness.model import Cause, ProbeError
from readiness.secret import Redactor, Secret, SecretRef
from readiness.vantage import known_hosts
from readiness.vantage.base import HostAccess, Limits, PathVerdict
from readiness.vantage.credential import Credential, Credentials, Offer
from readiness.vantage.known_hosts import Known, KnownHosts, fingerprint
from readiness.vantage.link import readable
from readiness.vantage.route import Route, plan_route
from readiness.vantage.together import seen
from readiness.vantage.turns import Turns
from readiness.vantage.words import VERDICTS, verdict

T = TypeVar("T")

_KEEPALIVE = 5.0
_KEEPALIVES = 3
_GREETING = 255
_GREETING_LIMIT = 2.0
_PARTING = 1.0


@dataclass
class Lead:
    """A login that another to the same host follows: that one goes as far as it can, and shows nothing before.

    ``begun`` is set once the first has its turn at the server, ``over`` once it has succeeded or failed.
    """

    begun: asyncio.Event
    over: asyncio.Future[bool]

    @staticmethod
    def new() -> Lead:
        return Lead(asyncio.Event(), asyncio.get_running_loop().create_future())

    def end(self, *, well: bool) -> None:
        self.begun.set()
        if not self.over.done():
            self.over.set_result(well)


class Client(asyncssh.SSHClient):
    """Our side of one login: what is shown to the server, and what it did.

    ``may`` says when the credential may be shown, and whether at all.
    """

    def __init__(self, credential: Credential | None, may: Callable[[], Awaitable[bool]] | None = None) -> None:
        self._may = may
        self._keys: list[Offer] = list(credential.keys) if credential is not None else []
        self._password = credential.password if credential is not None else None
        self.by_password = self._password is not None
        self.by_all_means = credential is not None and credential.by_all_means
        self.reached = False
        self.known = Known()
        self.trouble = ""
        self.host_key: asyncssh.SSHKey | None = None
        self.authority: asyncssh.SSHKey | None = None
        self.offered = False
        self.asked_for_keys = False
        self.asked_for_password = False
        self.second_factor = False
        self.password_expired = False

    @property
    def methods(self) -> Sequence[str]:
        """The ways of logging in that fit the credential, and no other."""
        if self.by_password:
            return ("password", "keyboard-interactive")
        return ("gssapi-with-mic", "publickey") if self.by_all_means else ("publickey",)

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self.reached = True

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.host_key = key
        return False

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.authority = key
        return False

    def auth_banner_received(self, msg: str, lang: str) -> None:
        """What a server says before a login is not for us."""

    async def public_key_auth_requested(self) -> Offer | None:
        self.asked_for_keys = True
        if not self._keys or not await self._allowed():
            return None
        self.offered = True
        return self._keys.pop(0)

    async def password_auth_requested(self) -> str | None:
        return self._once() if await self._allowed() else None

    async def kbdint_auth_requested(self) -> str | None:
        return "" if self._password is not None and await self._allowed() else None

    def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> list[str] | None:
        if not prompts:
            return []
        if len(prompts) > 1 or prompts[0][1]:
            self.second_factor = True
            return None
        answer = self._once()
        if answer is None:
            self.second_factor = True
        return [answer] if answer is not None else None

    async def _allowed(self) -> bool:
        return self._may is None or await self._may()

    def _once(self) -> str | None:
        """The password, the first time only: a second try would be a second failure on the machine's count."""
        self.asked_for_password = True
        if self._password is None:
            return None
        password, self._password = self._password, None
        self.offered = True
        return password.reveal()

    def password_change_requested(self, prompt: str, lang: str) -> tuple[str, str]:
        self.password_expired = True
        return cast("tuple[str, str]", NotImplemented)


_NOTHING = Credential(what="nothing")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose credential is used on a route: references, never values."""

    password: SecretRef | None = None
    passphrase: SecretRef | None = None


class Door:
    """All SSH logins of one run: routes, credentials, confirmed host keys, shared jumps.

    ``turns`` are shared with the other runs of this process, where there are any.
    """

    def __init__(
        self,
        *,
        limits: Limits,
        secrets: Mapping[SecretRef, Secret],
        redact: Redactor,
        turns: Turns | None = None,
    ) -> None:
        self.limits = limits
        self._redact = redact
        self._credentials = Credentials(secrets)
        self._turns = turns or Turns()
        self._files: dict[tuple[str, ...], asyncio.Future[KnownHosts]] = {}
        self._jumps: dict[tuple[str, ...], asyncio.Future[asyncssh.SSHClientConnection]] = {}

    async def route(self, access: HostAccess) -> Route:
        return await plan_route(access, limit=self.limits.ssh)

    async def confirmed(self, route: Route) -> KnownHosts:
        """The known_hosts files of a route, read once."""
        files = tuple(map(str, route.known_hosts))
        if files not in self._files:
            self._files[files] = asyncio.ensure_future(asyncio.to_thread(known_hosts.read, route.known_hosts))
        return await asyncio.shield(self._files[files])

    async def log_in(
        self, route: Route, account: Account, *, lead: Lead | None = None, after: Lead | None = None
    ) -> asyncssh.SSHClientConnection:
        """Connect and log in, through the route's jumps.

        Args:
            lead: told how this login goes, for another that follows it.
            after: the login that this one follows.

        Raises:
            ProbeError: it did not work; the reason says what would make it work.
        """
        if after is not None:
            await after.begun.wait()
            if after.over.done() and not after.over.result():
                raise ProbeError(Cause.UNREACHABLE, f"the login to {route.asked} before this one did not succeed")
        tunnel = await self.jump(route, account)
        known = await self.confirmed(route)
        credential = await self._credentials.of(
            route.identity,
            identity_file=route.identity_file,
            password=account.password,
            passphrase=account.passphrase,
        )
        try:
            if after is not None and credential.by_all_means:
                await asyncio.shield(after.over)  # Kerberos does not ask us before it shows a ticket
            return await self._shake_hands(route, known, credential, tunnel, lead=lead, after=after)
        finally:
            credential.close()

    async def verify(self, route: Route, account: Account) -> None:
        """Connect as far as the host key, and see that it is confirmed; nothing is shown to the server.

        Raises:
            ProbeError: with ``Cause.HOST_KEY`` where it is not.
        """
        tunnel = await self.jump(route, account)
        try:
            await part(await self._shake_hands(route, await self.confirmed(route), _NOTHING, tunnel))
        except ProbeError as trouble:
            if trouble.reason.code is not Cause.AUTH:
                raise

    async def host_key(
        self, route: Route, algorithms: Sequence[str], tunnel: asyncssh.SSHClientConnection | None
    ) -> asyncssh.SSHKey:
        """The key that a server shows for one of these algorithms; nothing is shown to the server.

        Raises:
            ProbeError: with ``Cause.UNSUPPORTED`` where it has none of them.
        """

        async def look(client: Client) -> asyncssh.SSHKey:
            try:
                conn = await self._connect(route, KnownHosts(()), client, tunnel, algorithms=algorithms)
            except asyncssh.HostKeyNotVerifiable:
                if client.host_key is None:
                    raise
                return client.host_key
            await part(conn)
            raise asyncssh.KeyExchangeFailed("it showed no key")

        return await self._in_turn(route, _NOTHING, tunnel, look)

    async def jump(self, route: Route, account: Account) -> asyncssh.SSHClientConnection | None:
        """The connection that a route goes through, shared by all that go through it.

        Raises:
            ProbeError: it cannot be had.
        """
        through = route.through
        if through is None:
            return None
        key = through.key
        if key not in self._jumps:
            # A jump is logged in to with its own keys, or with what ssh would offer; a password is the host's alone.
            work = self.log_in(through, Account(passphrase=account.passphrase))
            self._jumps[key] = asyncio.ensure_future(work)
            self._jumps[key].add_done_callback(seen)
        try:
            return await asyncio.shield(self._jumps[key])
        except ProbeError as trouble:
            reason = trouble.reason
            raise ProbeError(
                reason.code,
                f"{route.asked} is reached through {through.asked}, and {reason.detail}",
                enable=reason.enable,
            ) from None

    async def close(self) -> None:
        """Close the jumps; what goes through them is closed already."""
        for jump in self._jumps.values():
            jump.cancel()
        jumps = await asyncio.gather(*self._jumps.values(), return_exceptions=True)
        await asyncio.gather(*(part(jump) for jump in jumps if not isinstance(jump, BaseException)))

    async def _shake_hands(
        self,
        route: Route,
        known: KnownHosts,
        credential: Credential,
        tunnel: asyncssh.SSHClientConnection | None,
        *,
        lead: Lead | None = None,
        after: Lead | None = None,
    ) -> asyncssh.SSHClientConnection:
        async def work(client: Client) -> asyncssh.SSHClientConnection:
            if lead is not None:
                lead.begun.set()
            return await self._connect(route, known, client, tunnel)

        return await self._in_turn(route, credential, tunnel, work, after=after)

    async def _in_turn(
        self,
        route: Route,
        credential: Credential,
        tunnel: asyncssh.SSHClientConnection | None,
        work: Callable[[Client], Awaitable[T]],
        *,
        after: Lead | None = None,
    ) -> T:
        """Do a handshake when the server has room for it; what goes wrong is told in plain words."""
        async with self._turns.at(route.server):
            return await self._told(route, credential, tunnel, work, after=after)

    async def _told(
        self,
        route: Route,
        credential: Credential,
        tunnel: asyncssh.SSHClientConnection | None,
        work: Callable[[Client], Awaitable[T]],
        *,
        after: Lead | None = None,
    ) -> T:
        async def may() -> bool:
            """Wait for the login before this one, which has a limit of its own; then ours begins anew."""
            assert after is not None
            well = await asyncio.shield(after.over)
            clock.reschedule(asyncio.get_running_loop().time() + self.limits.ssh)
            return well

        waiting = may if after is not None else None
        client = Client(credential, waiting)
        try:
            async with asyncio.timeout(self.limits.ssh) as clock:
                try:
                    return await work(client)
                except (ConnectionResetError, asyncssh.ConnectionLost):
                    if client.offered:
                        raise
                    await asyncio.sleep(random.uniform(0.2, 0.8))  # noqa: S311 (jitter)
                    client = Client(credential, waiting)
                    return await work(client)
        except TimeoutError:
            raise _silence(route, client, self.limits.ssh if clock.expired() else None) from None
        except asyncssh.HostKeyNotVerifiable as problem:
            raise _not_verified(problem, route, client) from None
        except asyncssh.PermissionDenied:
            raise _denied(route, client, credential) from None
        except asyncssh.ChannelOpenError as problem:
            raise self._no_way_through(problem, route) from None
        except (ConnectionResetError, asyncssh.ConnectionLost):
            raise await self._hung_up(route, client, tunnel) from None
        except asyncssh.DisconnectError as problem:
            raise self._disconnected(problem, route, credential) from None
        except socket.gaierror as problem:
            raise ProbeError(
                Cause.UNREACHABLE,
                f"{route.host} does not resolve on this machine: {readable(problem.strerror or str(problem))}",
                enable=f"Correct `host` in the site file, or make the name known here (`getent hosts {route.host}`).",
            ) from None
        except OSError as problem:
            raise _no_connection(problem, route) from None
        except (asyncssh.Error, ValueError) as problem:
            raise ProbeError(
                Cause.UNSUPPORTED,
                f"no SSH login to {route.endpoint}: {self._redact(readable(str(problem)))}",
                enable="Check your ssh_config for that host.",
            ) from None

    async def _connect(
        self,
        route: Route,
        known: KnownHosts,
        client: Client,
        tunnel: asyncssh.SSHClientConnection | None,
        *,
        algorithms: Sequence[str] = (),
    ) -> asyncssh.SSHClientConnection:
        client.known = known.of(route.host, route.port, alias=route.alias)
        client.trouble = known.trouble

        def confirmed(host: str, _address: str, port: int | None) -> tuple[list[asyncssh.SSHKey], ...]:
            client.known = known.of(host, port or known_hosts.PORT, alias=route.alias)
            return list(client.known.trusted), list(client.known.authorities), list(client.known.revoked)

        return await asyncssh.connect(
            route.asked,
            route.asked_port or (),
            username=route.asked_user or (),
            tunnel=tunnel,
            known_hosts=confirmed,
            server_host_key_algs=algorithms or (() if route.algorithms_configured else client.known.algorithms),
            client_factory=lambda: client,
            client_keys=None,
            agent_path=None,
            public_key_auth=not client.by_password,
            password_auth=client.by_password,
            kbdint_auth=client.by_password,
            host_based_auth=False,
            gss_delegate_creds=False,
            preferred_auth=client.methods,
            agent_forwarding=False,
            x11_forwarding=False,
            request_pty=False,
            command=None,
            env=None,
            send_env=None,
            connect_timeout=None,
            login_timeout=2 * self.limits.ssh + _PARTING,  # one that follows another waits for it meanwhile
            keepalive_interval=_KEEPALIVE,
            keepalive_count_max=_KEEPALIVES,
            tcp_keepalive=True,
            utf8_decode_errors="replace",
        )

    def _no_way_through(self, problem: asyncssh.ChannelOpenError, route: Route) -> ProbeError:
        assert route.through is not None
        through, said = route.through.asked, self._redact(readable(problem.reason))
        if problem.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
            return ProbeError(
                Cause.UNSUPPORTED,
                f"the jump host {through} does not forward to {route.endpoint}",
                enable=f"Allow it in the sshd_config of {through} (`AllowTcpForwarding`, `PermitOpen`).",
            )
        return ProbeError(
            Cause.UNREACHABLE,
            f"the jump host {through} cannot reach {route.endpoint}: {said}",
            enable=f"Check `host` in the site file, and the path from {through} to it "
            f"(`nc -vz {route.host} {route.port}`).",
        )

    async def _hung_up(self, route: Route, client: Client, tunnel: asyncssh.SSHClientConnection | None) -> ProbeError:
        """A server that closed the connection without a word may have one for a caller that listens first."""
        if client.offered:
            return ProbeError(
                Cause.AUTH,
                f"{route.endpoint} hung up on {route.user} during the login",
                enable="See the server's log: an expired or locked account, or too many failures before this one.",
            )
        greeting = b"" if tunnel is not None else await _greeting(route)
        said = self._redact(readable(greeting))
        if b"MaxStartups" in greeting or b"Not allowed at this time" in greeting:
            return ProbeError(
                Cause.OVERLOAD,
                f"{route.endpoint} takes no further logins at the moment: {said}",
                enable="Wait ten minutes and run again; `MaxStartups` and `PerSourcePenalties` in its sshd_config set "
                "how many it takes.",
            )
        if greeting and not greeting.startswith(b"SSH-"):
            return _no_ssh(route, said)
        return ProbeError(
            Cause.UNREACHABLE,
            f"{route.endpoint} closed the connection before the login, twice",
            enable="See the server's log (`journalctl -u ssh`), and what stands between here and there.",
        )

    def _disconnected(self, problem: asyncssh.DisconnectError, route: Route, credential: Credential) -> ProbeError:
        said = self._redact(readable(problem.reason))
        if "too many authentication failures" in said.lower():
            return ProbeError(
                Cause.AUTH,
                f"{route.endpoint} broke off after too many keys ({credential.what})",
                enable="Name the one right key under `ssh.identity_file` in the site file.",
            )
        if isinstance(problem, asyncssh.KeyExchangeFailed):
            return ProbeError(
                Cause.UNSUPPORTED,
                f"{route.endpoint} and we have no SSH algorithm in common: {said}",
                enable="Update its SSH server, or allow current algorithms there.",
            )
        if isinstance(problem, asyncssh.ProtocolError | asyncssh.ProtocolNotSupported):
            return _no_ssh(route, said)
        return ProbeError(
            Cause.UNREACHABLE,
            f"{route.endpoint} ended the connection: {said or 'without a reason'}",
            enable="See the server's log (`journalctl -u ssh`).",
        )


async def part(conn: asyncssh.SSHClientConnection) -> None:
    """Close a connection, by force where it does not close by itself; never raises."""
    conn.close()
    try:
        async with asyncio.timeout(_PARTING):
            await conn.wait_closed()
    except (TimeoutError, OSError, asyncssh.Error):
        pass
    finally:
        conn.abort()


async def _greeting(route: Route) -> bytes:
    writer = None
    try:
        async with asyncio.timeout(_GREETING_LIMIT):
            reader, writer = await asyncio.open_connection(route.host, route.port)
            return await reader.read(_GREETING)
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.close()


def _silence(route: Route, client: Client, limit: float | None) -> ProbeError:
    after = f"within {limit:g} s" if limit is not None else "at all"
    if client.reached:
        return ProbeError(
            Cause.TIMEOUT,
            f"{route.endpoint} accepted the connection but did not finish the SSH login {after}",
            enable="See whether an SSH server answers there (`ssh-keyscan`) and has room, or raise `limits.ssh`.",
        )
    return ProbeError(
        Cause.UNREACHABLE,
        f"{route.endpoint} did not answer {after}",
        enable="Check that the machine runs and that a firewall lets SSH from here to it, or correct `host`.",
    )


def _no_connection(problem: OSError, route: Route) -> ProbeError:
    if isinstance(problem, FileNotFoundError):
        return ProbeError(
            Cause.UNSUPPORTED,
            f"the ProxyCommand of your ssh_config for {route.asked} cannot be run: {problem.strerror}",
            enable="Correct it in ~/.ssh/config, or give `ssh.jump_host` in the site file.",
        )
    found = VERDICTS.get(problem.errno or 0) or verdict(str(problem))
    words = {
        PathVerdict.REFUSED: "refused the connection",
        PathVerdict.TIMEOUT: "did not answer",
        PathVerdict.NO_ROUTE: "cannot be reached: no route to host",
        PathVerdict.NET_UNREACHABLE: "cannot be reached: network is unreachable",
    }
    said = words.get(found, f"cannot be connected to: {readable(str(problem))}") if found else readable(str(problem))
    return ProbeError(
        Cause.UNREACHABLE,
        f"{route.endpoint} {said}",
        enable="Check that its SSH server runs, `host` and `port` in the site file, and the firewalls between here and "
        "there.",
    )


def _no_ssh(route: Route, said: str) -> ProbeError:
    return ProbeError(
        Cause.UNSUPPORTED,
        f"what answers at {route.endpoint} is no SSH server that we can talk to: {said}",
        enable="Correct `host` and `ssh.port` in the site file.",
    )


def _not_verified(problem: asyncssh.HostKeyNotVerifiable, route: Route, client: Client) -> ProbeError:
    key, known = client.host_key, client.known
    name = known_hosts.label(route.host, route.port, alias=route.alias)
    shown = f"{fingerprint(key)} ({key.get_algorithm()})" if key is not None else "a key that we did not get to see"
    if "revoked" in problem.reason.lower():
        return ProbeError(
            Cause.HOST_KEY,
            f"the host key of {name} is marked as revoked in your known_hosts",
            enable="Do not connect. Give the machine a new host key, then `readiness hostkeys FILE --write`.",
        )
    if known.keys and key is not None:
        old = ", ".join(fingerprint(kept) for kept in known.keys)
        files = " ".join(f"-f {path}" for path in known.files[:1])
        return ProbeError(
            Cause.HOST_KEY,
            f"the host key of {name} has CHANGED: it shows {shown}, known is {old}",
            enable="Somebody may be in between: do not go on before its administrator has confirmed the new "
            f"fingerprint. Then `ssh-keygen -R '{name}' {files}` and `readiness hostkeys FILE --write`.",
        )
    if key is None:
        return ProbeError(
            Cause.HOST_KEY,
            f"the host certificate of {name} is not accepted: {readable(problem.reason)}",
            enable="Put its authority into known_hosts as a `@cert-authority` line.",
        )
    return ProbeError(
        Cause.HOST_KEY,
        f"the host key of {name} is not known yet: it shows {shown}"
        + (f"; {client.trouble}" if client.trouble else ""),
        enable="Have its administrator confirm the fingerprint, then `readiness hostkeys FILE --write`.",
    )


def _denied(route: Route, client: Client, credential: Credential) -> ProbeError:
    detail = f"{route.endpoint} refused the login of {route.user} with {credential.what}"
    enable = "Check `ssh.user` in the site file and the account there."
    if client.password_expired:
        detail = f"the password of {route.user} on {route.endpoint} has expired"
        enable = "Log in by hand once and change it, or lift the expiry (`chage -M -1 USER`)."
    elif client.second_factor:
        detail = f"{route.endpoint} asks {route.user} for more than a password"
        enable = "Use a key (`ssh.identity_file`), or exempt the account from the second factor while the audit runs."
    elif client.by_password and not client.asked_for_password:
        detail = f"{route.endpoint} takes no passwords from {route.user}"
        enable = "Use a key (`ssh.identity_file`), or allow `PasswordAuthentication` there."
    elif not client.by_password and not client.asked_for_keys:
        detail = f"{route.endpoint} takes no keys from {route.user}"
        enable = "Give a password (`ssh.password`), or allow `PubkeyAuthentication` there."
    elif not client.by_password and not credential.keys:
        detail = (
            f"there is no key to log in to {route.endpoint} with: your agent holds none, and ~/.ssh has none unlocked"
        )
        enable = "Name one under `ssh.identity_file`, or load one (`ssh-add`)."
    elif not client.by_password:
        enable += (
            f" The key must be in its ~/.ssh/authorized_keys (`ssh-copy-id -p {route.port} {route.user}@{route.host}`)."
        )
    else:
        enable += " The password was tried once only, since machines lock accounts."
    return ProbeError(Cause.AUTH, detail, enable=enable)
