"""Logging in: host keys verified, one credential shown, every refusal in plain words, nothing that hangs."""

# ruff: noqa: ASYNC221, ASYNC240 (preparing files blocks a test, and nobody else)

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncssh
import pytest

from readiness.model import Cause, ProbeError, Reason
from readiness.secret import Secret, SecretRef
from readiness.vantage import Dial, HostAccess, JumpAccess, PathVerdict, Vantages
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, black_hole, free_port, make_key
from tests.vantage.conftest import LIMITS, Open

pytestmark = pytest.mark.server

PASSWORD = SecretRef(env="SSH_PASSWORD")
PASSPHRASE = SecretRef(env="SSH_PASSPHRASE")
CANARY = "s3cret canary"


async def refusal(opened: Open, access: HostAccess, **more: object) -> Reason:
    async with opened(access, **more) as vantages:
        with pytest.raises(ProbeError) as caught:
            await vantages[access.name].connect()
    return caught.value.reason


async def works(vantages: Vantages, name: str) -> bool:
    return (await vantages[name].run("echo works", limit=5)).out == b"works\n"


def config(home: Path, text: str) -> None:
    """Write the ssh_config of whoever runs the audit."""
    (home / ".ssh").mkdir(mode=0o700, exist_ok=True)
    (home / ".ssh" / "config").write_text(text)


@pytest.fixture
def home(opened: Open) -> Path:
    """The auditor's own home, empty."""
    return Path(os.environ["HOME"])


class TestKeys:
    async def test_a_key_file(self, opened: Open, plain: Sshd) -> None:
        """A key file logs in, and both connections of a host cost one login each."""
        before = plain.said("Accepted publickey")
        async with opened(plain.access()) as vantages:
            await asyncio.gather(*(vantages[plain.name].connect() for _ in range(5)))
            assert await works(vantages, plain.name)
            assert plain.said("Accepted publickey") - before == 1
            streams = [await vantages[plain.name].stream(LOOPBACK, plain.port, limit=3) for _ in range(5)]
            assert plain.said("Accepted publickey") - before == 2
            for stream in streams:
                await stream.close()

    async def test_the_prober_alone(self, opened: Open, lab: SshdLab) -> None:
        """What is dialled where no stream is expected goes over the first connection."""
        server = lab.start("prober-alone")
        async with opened(server.access()) as vantages:
            (dialled,) = await vantages[server.name].dial(Dial(address=LOOPBACK, port=server.port, attempts=1))
        assert dialled.verdict is PathVerdict.OPEN
        assert server.said("Accepted publickey") == 1

    async def test_two_at_once(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """Where streams are expected the second login goes along with the first, and shows no key before that is in."""
        server, key = lab.start("two-at-once"), make_key(tmp_path / "refused")
        async with opened(server.access()) as vantages:
            vantages[server.name].expect_streams()
            await vantages[server.name].connect()
            await (await vantages[server.name].stream(LOOPBACK, server.port, limit=3)).close()
        assert server.said("Accepted publickey") == 2
        refused = lab.start("two-refused", "LogLevel DEBUG")
        async with opened(refused.access(identity_file=key)) as vantages:
            vantages[refused.name].expect_streams()
            with pytest.raises(ProbeError) as caught:
                await vantages[refused.name].stream(LOOPBACK, refused.port, limit=3)
        assert caught.value.reason.code is Cause.AUTH
        assert (refused.said("Connection from"), refused.said("Failed publickey")) == (2, 1)

    async def test_a_wrong_key(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """A key that the account does not take is `auth`, shown once, with the same reason for all who ask."""
        key, server = make_key(tmp_path / "other"), lab.start("wrong-key")
        async with opened(server.access(identity_file=key)) as vantages:
            host = vantages[server.name]
            failures = await asyncio.gather(
                host.connect(), host.run("echo", limit=5), host.resolve("localhost"), return_exceptions=True
            )
        reasons = {failure.reason for failure in failures if isinstance(failure, ProbeError)}
        assert len(failures) == 3
        assert len(reasons) == 1
        reason = reasons.pop()
        assert reason.code is Cause.AUTH
        assert str(key) in reason.detail
        assert "authorized_keys" in reason.enable
        assert server.said("Connection from") == 1

    async def test_a_key_with_a_passphrase(self, opened: Open, lab: SshdLab) -> None:
        """A locked key opens with its passphrase; a wrong or missing one says what to do and shows none."""
        key = make_key(lab.folder / "locked", passphrase=CANARY)
        server = lab.start("locked-key", f"AuthorizedKeysFile {key}.pub")
        good, bad = {PASSPHRASE: Secret(CANARY)}, {PASSPHRASE: Secret("wrong canary")}
        async with opened(server.access(identity_file=key, passphrase=PASSPHRASE), secrets=good) as vantages:
            assert await works(vantages, server.name)
        wrong = await refusal(opened, server.access(identity_file=key, passphrase=PASSPHRASE), secrets=bad)
        missing = await refusal(opened, server.access(identity_file=key))
        assert {wrong.code, missing.code} == {Cause.AUTH}
        assert "passphrase" in wrong.detail
        assert "ssh-add" in missing.enable
        assert "canary" not in repr(wrong)

    async def test_a_locked_key_in_the_agent(
        self, opened: Open, lab: SshdLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """A locked key file works where the agent holds its key, and no other key of the agent is shown."""
        key = make_key(lab.folder / "in-agent", passphrase=CANARY)
        unlocked = lab.folder / "in-agent-unlocked"
        shutil.copy(key, unlocked)
        subprocess.run(["ssh-keygen", "-q", "-p", "-P", CANARY, "-N", "", "-f", unlocked], check=True)
        server = lab.start("agent-key", f"AuthorizedKeysFile {key}.pub", "MaxAuthTries 1")
        others = [make_key(tmp_path / f"other-{number}") for number in range(3)]
        with agent(tmp_path, *others, unlocked) as where:
            monkeypatch.setenv("SSH_AUTH_SOCK", where)
            async with opened(server.access(identity_file=key)) as vantages:
                assert await works(vantages, server.name)

    @pytest.mark.parametrize(
        ("content", "words"),
        [(None, "No such file"), ("not a key\n", "not a private key")],
        ids=["missing", "garbage"],
    )
    async def test_a_key_file_that_is_none(
        self, opened: Open, plain: Sshd, tmp_path: Path, content: str | None, words: str
    ) -> None:
        """A key file that is missing or no key is named before anything is connected."""
        path = tmp_path / "key"
        if content is not None:
            path.write_text(content)
        before = plain.said("Connection from")
        reason = await refusal(opened, plain.access(identity_file=path))
        assert reason.code is Cause.AUTH
        assert words in reason.detail
        assert str(path) in reason.detail
        assert plain.said("Connection from") == before

    async def test_as_openssh_does(self, opened: Open, home: Path, plain: Sshd) -> None:
        """With no credential declared, the keys of ~/.ssh are shown as ssh would show them."""
        none = await refusal(opened, plain.access(identity_file=None))
        assert (none.code, "no key" in none.detail) == (Cause.AUTH, True)
        (home / ".ssh").mkdir(mode=0o700)
        shutil.copy(plain.key, home / ".ssh" / "id_ed25519")
        async with opened(plain.access(identity_file=None)) as vantages:
            assert await works(vantages, plain.name)

    async def test_an_agent_full_of_keys(
        self, opened: Open, home: Path, plain: Sshd, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """An agent with more keys than a server takes needs the right one named, and the reason says so."""
        others = [make_key(tmp_path / f"other-{number}") for number in range(7)]
        with agent(tmp_path, *others, plain.key) as where:
            monkeypatch.setenv("SSH_AUTH_SOCK", where)
            reason = await refusal(opened, plain.access(identity_file=None))
            assert reason.code is Cause.AUTH
            assert "identity_file" in reason.enable
            config(home, f"Host *\n  IdentitiesOnly yes\n  IdentityFile {plain.key}.pub\n")
            async with opened(plain.access(identity_file=None)) as vantages:
                assert await works(vantages, plain.name)


@contextmanager
def agent(folder: Path, *keys: Path) -> Iterator[str]:
    """A real ssh-agent that holds some keys; gives its socket."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("needs ssh-agent (package openssh-client)")
    where = str(folder / "agent.sock")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", where], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not Path(where).exists() and time.monotonic() < until:
            time.sleep(0.01)
        environment = {**os.environ, "SSH_AUTH_SOCK": where}
        for key in keys:
            subprocess.run(["ssh-add", "-q", key], env=environment, check=True, stderr=subprocess.DEVNULL)
        yield where
    finally:
        process.terminate()
        process.wait()


class PasswordServer(asyncssh.SSHServer):
    """Takes one password, by one method, and counts how often it is shown one."""

    def __init__(self, *, method: str, shown: list[str]) -> None:
        self._method = method
        self._shown = shown

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return self._method in ("password", "both", "expired")

    def validate_password(self, username: str, password: str) -> bool:
        self._shown.append(password)
        if self._method == "expired":
            raise asyncssh.PasswordChangeRequired("expired")
        return password == CANARY

    def kbdint_auth_supported(self) -> bool:
        return self._method in ("keyboard", "both", "second factor")

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> tuple[str, str, str, list[object]]:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: list[str]) -> object:
        if responses == ["123456"]:
            return True
        self._shown += responses
        if responses == [CANARY] and self._method == "second factor":
            return "", "", "", [("Verification code: ", False)]
        return responses == [CANARY]


@asynccontextmanager
async def password_server(folder: Path, method: str) -> AsyncIterator[tuple[HostAccess, list[str]]]:
    """A server in this process that wants a password; gives its access and the passwords it was shown."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    shown: list[str] = []

    server = await asyncssh.listen(
        LOOPBACK,
        0,
        server_factory=lambda: PasswordServer(method=method, shown=shown),
        server_host_keys=[key],
    )
    port = server.get_port()
    known = folder / "known_hosts"
    known.write_text(f"[{LOOPBACK}]:{port} {key.export_public_key().decode()}")
    try:
        yield HostAccess(name="vm", host=LOOPBACK, port=port, user="exec", password=PASSWORD, known_hosts=known), shown
    finally:
        server.close()
        await server.wait_closed()


class TestPasswords:
    @pytest.mark.parametrize("method", ["password", "keyboard", "both"])
    async def test_the_right_password(self, opened: Open, tmp_path: Path, method: str) -> None:
        """A password logs in by whichever of the two methods the server has, shown once for each connection."""
        async with (
            password_server(tmp_path, method) as (access, shown),
            opened(access, secrets={PASSWORD: Secret(CANARY)}) as vantages,
        ):
            await vantages["vm"].connect()
            assert shown == [CANARY]

    @pytest.mark.parametrize("method", ["password", "keyboard", "both"])
    async def test_a_wrong_password(self, opened: Open, tmp_path: Path, method: str) -> None:
        """A wrong password is shown once, by one method only, and stands in no text."""
        async with password_server(tmp_path, method) as (access, shown):
            reason = await refusal(opened, access, secrets={PASSWORD: Secret("wrong canary")})
        assert shown == ["wrong canary"]
        assert reason.code is Cause.AUTH
        assert "once" in reason.enable
        assert "canary" not in repr(reason)

    @pytest.mark.parametrize(
        ("method", "words"),
        [("none", "takes no passwords"), ("second factor", "more than a password"), ("expired", "has expired")],
    )
    async def test_why_a_password_does_not_do(self, opened: Open, tmp_path: Path, method: str, words: str) -> None:
        """No method for passwords, a second factor and an expired password are three different reasons."""
        async with password_server(tmp_path, method) as (access, shown):
            reason = await refusal(opened, access, secrets={PASSWORD: Secret(CANARY)})
        assert (reason.code, words in reason.detail) == (Cause.AUTH, True)
        assert len(shown) <= 1

    async def test_a_password_that_could_not_be_read(self, opened: Open, tmp_path: Path) -> None:
        """A password whose reference did not resolve is named by its reference."""
        async with password_server(tmp_path, "password") as (access, shown):
            reason = await refusal(opened, access)
        assert (reason.code, str(PASSWORD) in reason.detail, shown) == (Cause.AUTH, True, [])


class TestHostKeys:
    async def test_an_unknown_host_key(self, opened: Open, lab: SshdLab) -> None:
        """A host that nobody confirmed is refused, with its fingerprint and the command that confirms it."""
        server = lab.start("unknown", known=False)
        reason = await refusal(opened, server.access())
        assert reason.code is Cause.HOST_KEY
        assert "not known yet" in reason.detail
        assert fingerprint(server) in reason.detail
        assert "readiness hostkeys" in reason.enable
        assert server.said("Accepted") == 0

    async def test_a_changed_host_key(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """A host with another key than the confirmed one is told apart from a new one, with both fingerprints."""
        server = lab.start("changed", known=False)
        other = make_key(tmp_path / "old")
        known = tmp_path / "known_hosts"
        known.write_text(f"{server.label} {' '.join(other.with_suffix('.pub').read_text().split()[:2])}\n")
        reason = await refusal(opened, server.access(known_hosts=known))
        assert reason.code is Cause.HOST_KEY
        assert "CHANGED" in reason.detail
        assert fingerprint(server) in reason.detail
        assert f"ssh-keygen -R '{server.label}' -f {known}" in reason.enable

    async def test_a_key_of_another_kind(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """A host that lost its confirmed key and has one of another kind has changed, too."""
        server = lab.start("other-kind", known=False)
        other = make_key(tmp_path / "old", kind="ecdsa")
        known = tmp_path / "known_hosts"
        known.write_text(f"{server.label} {' '.join(other.with_suffix('.pub').read_text().split()[:2])}\n")
        reason = await refusal(opened, server.access(known_hosts=known))
        assert (reason.code, "CHANGED" in reason.detail) == (Cause.HOST_KEY, True)

    async def test_the_confirmed_one_of_several(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """Of a host with several keys, the one that is confirmed is asked for."""
        second = make_key(lab.folder / "second-host-key", kind="ecdsa")
        server = lab.start("two-keys", f"HostKey {second}", known=False)
        known = tmp_path / "known_hosts"
        known.write_text(f"{server.label} {' '.join(Path(f'{second}.pub').read_text().split()[:2])}\n")
        async with opened(server.access(known_hosts=known)) as vantages:
            assert await works(vantages, server.name)

    async def test_a_revoked_host_key(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """A key that is marked as revoked is refused as such."""
        server = lab.start("revoked")
        known = tmp_path / "known_hosts"
        line = host_line(server)
        known.write_text(f"{line}\n@revoked {line}\n")
        reason = await refusal(opened, server.access(known_hosts=known))
        assert (reason.code, "revoked" in reason.detail) == (Cause.HOST_KEY, True)

    async def test_a_host_certificate(self, opened: Open, lab: SshdLab, tmp_path: Path) -> None:
        """A host certificate of a confirmed authority is accepted; of another authority it is not."""
        authority = make_key(tmp_path / "authority")
        server = lab.start("certified", f"HostCertificate {lab.folder}/certified/host_key-cert.pub", known=False)
        public = server.folder / "host_key.pub"
        sign = ["ssh-keygen", "-q", "-s", authority, "-h", "-I", "vm", "-n", LOOPBACK, public]
        subprocess.run(sign, check=True, stderr=subprocess.DEVNULL)
        lab.reload(server)
        known = tmp_path / "known_hosts"
        known.write_text(f"@cert-authority {server.label} {Path(f'{authority}.pub').read_text()}")
        async with opened(server.access(known_hosts=known)) as vantages:
            assert await works(vantages, server.name)
        other = make_key(tmp_path / "other")
        known.write_text(f"@cert-authority {server.label} {Path(f'{other}.pub').read_text()}")
        reason = await refusal(opened, server.access(known_hosts=known))
        assert reason.code is Cause.HOST_KEY

    @pytest.mark.parametrize(
        "text",
        [
            "UserKnownHostsFile none",
            "StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null",
            "StrictHostKeyChecking no",
        ],
    )
    async def test_no_ssh_config_switches_it_off(self, opened: Open, home: Path, lab: SshdLab, text: str) -> None:
        """No line of ssh_config makes an unknown host acceptable."""
        config(home, f"Host *\n  {text}\n")
        server = lab.start(f"strict-{abs(hash(text))}", known=False)
        reason = await refusal(opened, server.access(known_hosts=None))
        assert (reason.code, server.said("Accepted")) == (Cause.HOST_KEY, 0)

    async def test_a_known_hosts_file_with_nonsense_in_it(self, opened: Open, plain: Sshd, tmp_path: Path) -> None:
        """Lines that make no sense in a known_hosts file do not keep the others from counting."""
        known = tmp_path / "known_hosts"
        known.write_text(f"nonsense\n@marker x y\n|1|bad|hash ssh-ed25519 AAAA\n\n# comment\n{host_line(plain)}\n")
        async with opened(plain.access(known_hosts=known)) as vantages:
            assert await works(vantages, plain.name)

    async def test_a_hashed_known_hosts_file(self, opened: Open, plain: Sshd, tmp_path: Path) -> None:
        """Hashed names count."""
        known = tmp_path / "known_hosts"
        known.write_text(f"{host_line(plain)}\n")
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", known], check=True, capture_output=True)
        assert plain.label not in known.read_text()
        async with opened(plain.access(known_hosts=known)) as vantages:
            assert await works(vantages, plain.name)


def fingerprint(server: Sshd) -> str:
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", server.folder / "host_key.pub"], check=True, capture_output=True, text=True
    )
    return shown.stdout.split()[1]


def host_line(server: Sshd) -> str:
    return f"{server.label} {' '.join((server.folder / 'host_key.pub').read_text().split()[:2])}"


class TestDeadHosts:
    async def test_nothing_listens(self, opened: Open, plain: Sshd) -> None:
        """A refused connection is `unreachable`, at once."""
        reason = await refusal(opened, plain.access(port=free_port()))
        assert (reason.code, "refused" in reason.detail) == (Cause.UNREACHABLE, True)

    async def test_a_name_that_does_not_resolve(self, opened: Open, plain: Sshd) -> None:
        """A host whose name does not resolve here is `unreachable`, by its name."""
        reason = await refusal(opened, plain.access(host="vm.invalid"))
        assert (reason.code, "vm.invalid does not resolve" in reason.detail) == (Cause.UNREACHABLE, True)

    async def test_a_black_hole(self, opened: Open, plain: Sshd) -> None:
        """A host that drops everything costs one limit, however many ask."""
        with black_hole() as port:
            limits = type(LIMITS)(ssh=0.5)
            async with opened(plain.access(port=port), limits=limits) as vantages:
                begun = time.monotonic()
                asked = [vantages[plain.name].run("echo", limit=5) for _ in range(3)]
                failures = await asyncio.gather(*asked, vantages[plain.name].connect(), return_exceptions=True)
                assert time.monotonic() - begun < 1.2
        assert {failure.reason.code for failure in failures if isinstance(failure, ProbeError)} == {Cause.UNREACHABLE}
        assert len(failures) == 4

    @pytest.mark.parametrize(
        ("says", "cause", "words"),
        [
            (b"", Cause.TIMEOUT, "did not finish the SSH login"),
            (b"SSH-2.0-x\r\n", Cause.TIMEOUT, "did not finish the SSH login"),
            (b"-ERR unknown command\r\n" * 2000, Cause.UNSUPPORTED, "no SSH server"),
            (b"SSH-1.5-old\r\n", Cause.UNSUPPORTED, "no SSH server"),
            (b"SSH-2.0-x\r\n" + b"\xff" * 4096, Cause.UNSUPPORTED, "no SSH server"),
        ],
        ids=["silence", "silence after the banner", "redis", "ssh 1", "noise"],
    )
    async def test_what_is_no_ssh_server(
        self, opened: Open, plain: Sshd, says: bytes, cause: Cause, words: str
    ) -> None:
        """A peer that accepts and then says nothing, or nonsense, is told apart and never hangs an audit."""
        async with (
            listener(says) as (port, _),
            opened(plain.access(port=port), limits=type(LIMITS)(ssh=0.6)) as vantages,
        ):
            with pytest.raises(ProbeError) as caught:
                await vantages[plain.name].connect()
        reason = caught.value.reason
        assert (reason.code, words in reason.detail) == (cause, True), reason

    @pytest.mark.parametrize(
        ("says", "cause", "words"),
        [
            (b"", Cause.UNREACHABLE, "closed the connection before the login"),
            (b"Exceeded MaxStartups\r\n", Cause.OVERLOAD, "MaxStartups"),
            (b"Not allowed at this time\r\n", Cause.OVERLOAD, "Not allowed"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", Cause.UNSUPPORTED, "HTTP/1.1 400"),
        ],
        ids=["no word", "MaxStartups", "penalty", "HTTP"],
    )
    async def test_a_server_that_hangs_up(
        self, opened: Open, plain: Sshd, says: bytes, cause: Cause, words: str
    ) -> None:
        """A connection that is closed at once is tried once more, and the server's own words are the reason."""
        async with listener(says, hang_up=True) as (port, calls), opened(plain.access(port=port)) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[plain.name].connect()
        reason = caught.value.reason
        assert (reason.code, words in reason.detail) == (cause, True), reason
        assert len(calls) == 3  # twice to log in, once to listen

    async def test_a_server_that_resets_once(self, opened: Open, plain: Sshd) -> None:
        """One reset before the login, as a busy server gives, is not the end."""
        async with reset_first(plain.port) as port:
            known = plain.folder / "reset_known_hosts"
            known.write_text(host_line(plain).replace(plain.label, f"[{LOOPBACK}]:{port}"))
            async with opened(plain.access(port=port, known_hosts=known)) as vantages:
                assert await works(vantages, plain.name)


@asynccontextmanager
async def listener(says: bytes, *, hang_up: bool = False) -> AsyncIterator[tuple[int, list[float]]]:
    """A server that says something to whoever calls, then nothing."""
    calls: list[float] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.append(time.monotonic())
        writer.write(says)
        if hang_up:
            writer.close()
            return
        try:
            while await reader.read(65536):
                pass
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1], calls
    finally:
        server.close()


@asynccontextmanager
async def reset_first(port: int) -> AsyncIterator[int]:
    """A relay to ``port`` that resets its first caller."""
    calls = 0
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return
        there = await asyncio.open_connection(LOOPBACK, port)
        for work in (carry(reader, there[1]), carry(there[0], writer)):
            task = asyncio.create_task(work)
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


class TestSshConfig:
    async def test_a_host_of_ssh_config(self, opened: Open, home: Path, plain: Sshd) -> None:
        """HostName, Port, User, IdentityFile, UserKnownHostsFile and HostKeyAlias of ssh_config are honoured."""
        known = home / "known"
        known.write_text(host_line(plain).replace(plain.label, "my-vm"))
        config(
            home,
            f"Host vm\n  HostName {LOOPBACK}\n  Port {plain.port}\n  User {getpass.getuser()}\n"
            f"  IdentityFile {plain.key}\n  UserKnownHostsFile {known}\n  HostKeyAlias my-vm\n",
        )
        async with opened(HostAccess(name="vm", host="vm")) as vantages:
            assert await works(vantages, "vm")

    async def test_the_site_file_comes_first(self, opened: Open, home: Path, plain: Sshd) -> None:
        """What the site file says outweighs ssh_config."""
        config(home, "Host *\n  Port 1\n  User nobody\n  IdentityFile /nonexistent\n  PubkeyAuthentication no\n")
        async with opened(plain.access()) as vantages:
            assert await works(vantages, plain.name)

    async def test_nothing_of_ours_reaches_the_host(
        self, opened: Open, home: Path, lab: SshdLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Neither the agent nor a variable of the auditor reaches the host, whatever ssh_config says."""
        server = lab.start("accepts-all", "AcceptEnv *", "AllowAgentForwarding yes")
        monkeypatch.setenv("REDIS_PASSWORD", CANARY)
        config(
            home,
            "Host *\n  ForwardAgent yes\n  SendEnv *\n  SetEnv SENT=1\n  RemoteCommand false\n  RequestTTY force\n",
        )
        with agent(tmp_path, server.key) as where:
            monkeypatch.setenv("SSH_AUTH_SOCK", where)
            async with opened(server.access()) as vantages:
                done = await vantages[server.name].run('env; echo "agent=$SSH_AUTH_SOCK"; tty', limit=5)
        assert b"agent=\n" in done.out
        assert CANARY.encode() not in done.out
        assert b"SENT=1" not in done.out
        assert b"not a tty" in done.out

    async def test_an_ssh_config_that_cannot_be_read(self, opened: Open, home: Path, plain: Sshd) -> None:
        """A mistake in ssh_config is named with its line."""
        config(home, "Host *\n  Port many\n")
        reason = await refusal(opened, plain.access(port=None))
        assert (reason.code, "line 2" in reason.detail) == (Cause.UNSUPPORTED, True)

    async def test_a_proxy_command(self, opened: Open, home: Path, plain: Sshd) -> None:
        """A ProxyCommand of ssh_config carries the connection; one that is missing is named."""
        relay = (
            f'python3 -c \'import socket,sys,threading,os; s=socket.create_connection(("{LOOPBACK}",{plain.port})); '
        )
        relay += 't=threading.Thread(target=lambda: [os.write(1,d) for d in iter(lambda: s.recv(65536), b"")]); '
        relay += 't.daemon=True; t.start(); [s.sendall(d) for d in iter(lambda: os.read(0,65536), b"")]\''
        config(home, f"Host *\n  ProxyCommand {relay}\n")
        async with opened(plain.access()) as vantages:
            assert await works(vantages, plain.name)
        config(home, "Host *\n  ProxyCommand /nonexistent/proxy %h %p\n")
        reason = await refusal(opened, plain.access())
        assert (reason.code, "ProxyCommand" in reason.detail) == (Cause.UNSUPPORTED, True)


class TestJumps:
    async def test_a_declared_jump_host(self, opened: Open, lab: SshdLab) -> None:
        """Hosts behind a jump host are reached through one shared connection to it."""
        bastion, first, second = (lab.start(f"jump-{name}") for name in ("bastion", "first", "second"))
        jump = JumpAccess(host=LOOPBACK, port=bastion.port, user=bastion.user, identity_file=bastion.key)
        async with opened(first.access(jump=jump), second.access(jump=jump)) as vantages:
            assert all(await asyncio.gather(*(works(vantages, server.name) for server in (first, second))))
            stream = await vantages[first.name].stream(LOOPBACK, second.port, limit=3)
            assert (await stream.reader.readline()).startswith(b"SSH-2.0")
            await stream.close()
        assert [server.said("Accepted publickey") for server in (bastion, first, second)] == [1, 2, 1]

    async def test_proxy_jump(self, opened: Open, home: Path, lab: SshdLab) -> None:
        """A chain of ProxyJump hosts is followed, each with its own settings, each host key verified."""
        outer, inner, target = (lab.start(f"chain-{name}") for name in ("outer", "inner", "target"))
        user = getpass.getuser()
        config(
            home,
            f"Host outer\n  HostName {LOOPBACK}\n  Port {outer.port}\n"
            f"Host target\n  HostName {LOOPBACK}\n  Port {target.port}\n"
            f"  ProxyJump {user}@outer,ssh://{user}@{LOOPBACK}:{inner.port}\n"
            f"Host *\n  IdentityFile {lab.key}\n  UserKnownHostsFile {lab.known_hosts}\n",
        )
        async with opened(HostAccess(name="target", host="target")) as vantages:
            assert await works(vantages, "target")
        assert [server.said("Accepted publickey") for server in (outer, inner, target)] == [1, 1, 1]

    async def test_a_jump_host_that_is_not_confirmed(self, opened: Open, lab: SshdLab) -> None:
        """A jump host with an unknown key stops those behind it, and the reason is the jump host's."""
        bastion, behind = lab.start("jump-unknown", known=False), lab.start("behind-unknown")
        jump = JumpAccess(host=LOOPBACK, port=bastion.port, user=bastion.user, identity_file=bastion.key)
        reason = await refusal(opened, behind.access(jump=jump))
        assert reason.code is Cause.HOST_KEY
        assert "is reached through" in reason.detail
        assert fingerprint(bastion) in reason.detail

    @pytest.mark.parametrize(
        ("line", "cause", "words"),
        [
            ("AllowTcpForwarding no", Cause.UNSUPPORTED, "does not forward"),
            ("AllowTcpForwarding yes", Cause.UNREACHABLE, "Connection refused"),
        ],
        ids=["forbidden", "refused"],
    )
    async def test_a_jump_host_that_does_not_get_there(
        self, opened: Open, lab: SshdLab, line: str, cause: Cause, words: str, request: pytest.FixtureRequest
    ) -> None:
        """A jump host that may not forward is told apart from one that finds no host behind it."""
        bastion = lab.start(f"jump-{request.node.callspec.id}", line)
        jump = JumpAccess(host=LOOPBACK, port=bastion.port, user=bastion.user, identity_file=bastion.key)
        port = free_port()
        reason = await refusal(opened, bastion.access(name="behind", port=port, jump=jump))
        assert (reason.code, words in reason.detail) == (cause, True), reason


async def test_few_handshakes_at_a_time(opened: Open, lab: SshdLab) -> None:
    """Many hosts behind one address are logged in to three at a time, so that a careful sshd drops none."""
    server = lab.start("careful", "MaxStartups 4:100:4")
    accesses = [server.access(name=f"vm-{number}") for number in range(12)]
    async with opened(*accesses, limits=type(LIMITS)(ssh=10)) as vantages:
        assert all(await asyncio.gather(*(works(vantages, access.name) for access in accesses)))
    assert server.said("Accepted publickey") == 12


async def test_the_library_is_quiet(
    opened: Open, plain: Sshd, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the SSH library's own log reaches the root logger or the terminal."""
    caplog.set_level(logging.DEBUG)
    async with opened(plain.access()) as vantages:
        assert await works(vantages, plain.name)
    assert not [record for record in caplog.records if record.name.startswith("asyncssh")]
    assert capfd.readouterr().err == ""
