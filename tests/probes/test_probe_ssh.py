"""Exchanging keys with SSH servers: real ones, impostors, and whatever else may listen on their port."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, ProbeError, Reason
from readiness.probes.ssh import ExchangeKeys, HostKey, SshAnswer, SshEnding, SshServer
from readiness.secret import Redactor
from readiness.vantage import Limits, PathVerdict, Vantages, open_vantages
from tests.lab.mapped import Mapped, Talk, free_port, listening
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, make_key, sshd_lab

KEY = HostKey("ssh-ed25519", "SHA256:" + "A" * 43)


# ---- real servers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Machines:
    """``boot`` reaches out, ``vm`` is known to the auditor, ``other`` is somebody else."""

    lab: SshdLab
    boot: Sshd
    bound: Sshd
    vm: Sshd
    other: Sshd


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with sshd_lab(tmp_path_factory.mktemp("ssh")) as lab:
        rsa = make_key(lab.folder / "rsa", kind="rsa")
        yield Machines(
            lab,
            boot=lab.start("boot-1"),
            bound=lab.start("boot-2", "AllowTcpForwarding no"),
            vm=lab.start("excs-1", f"HostKey {rsa}"),
            other=lab.start("excp-1"),
        )


@contextlib.asynccontextmanager
async def opened(*servers: Sshd, known_hosts: Path | None = None) -> AsyncIterator[Vantages]:
    accesses = [server.access(**({"known_hosts": known_hosts} if known_hosts else {})) for server in servers]
    accesses.append(replace(accesses[0], name="here", local=True))
    limits = Limits(ssh=3.0, connect=2.0, conversation=4.0)
    vantages = await open_vantages(accesses, limits=limits, secrets={}, redact=Redactor())
    try:
        yield vantages
    finally:
        await vantages.close()


async def ask(vantages: Vantages, source: str, port: int, *hosts: str) -> SshServer:
    probe = ExchangeKeys(source, "excs-1", hosts or (LOOPBACK,), port)
    return probe.parse(await probe.read(vantages))


def hung_up(server: Sshd, before: str) -> str:
    """What a server's log says beyond what it said before, once it has noticed that a stranger hung up."""
    until = time.monotonic() + 5
    said = ""
    while time.monotonic() < until and not re.search(r"^Connection closed by .*\[preauth\]$", said, re.MULTILINE):
        time.sleep(0.01)
        said = server.log.read_text().removeprefix(before)
    return said


def fingerprint(server: Sshd, file: str = "host_key.pub") -> str:
    return asyncssh.read_public_key(server.folder / file).get_fingerprint()


@pytest.mark.server
@pytest.mark.parametrize("source", ["boot-1", "boot-2", "here"])
async def test_a_real_server_proves_its_key(machines: Machines, source: str) -> None:
    """By forwarding, by a relay and straight from this machine, the key is the one that the auditor confirmed.

    Nobody logs in: the server never hears of a user.
    """
    before = machines.vm.log.read_text()
    async with opened(machines.boot, machines.bound, machines.vm) as vantages:
        server = await ask(vantages, source, machines.vm.port)
    (answer,) = server.answers
    assert answer.ending is SshEnding.KEY
    assert answer.key == server.confirmed == HostKey("ssh-ed25519", fingerprint(machines.vm))
    assert answer.version.startswith("SSH-2.0-OpenSSH")
    assert server.trouble is None
    assert answer.how.startswith({"boot-1": "SSH forwarding", "boot-2": "exec relay", "here": "direct"}[source])
    said = hung_up(machines.vm, before)
    assert said.count("Connection from") == 2
    assert said.count("Accepted publickey") == 1, "the auditor's own login is the only one"
    assert not re.search(r"Failed|Invalid user|nobody", said)


@pytest.mark.server
async def test_another_server_shows_another_key(machines: Machines) -> None:
    """Who answers at the VM's address with a key of his own is told from the VM, which is tried further."""
    async with opened(machines.boot, machines.vm) as vantages:
        server = await ask(vantages, "boot-1", machines.other.port, LOOPBACK, "localhost")
    assert [answer.ending for answer in server.answers] == [SshEnding.KEY] * 2
    assert {answer.key for answer in server.answers} == {HostKey("ssh-ed25519", fingerprint(machines.other))}
    assert server.confirmed == HostKey("ssh-ed25519", fingerprint(machines.vm))


@pytest.mark.server
async def test_the_kind_of_key_that_is_confirmed_is_asked_for(machines: Machines, tmp_path: Path) -> None:
    """A VM that is known by its RSA key shows that one, though it has a newer kind too."""
    rsa = asyncssh.read_public_key(machines.lab.folder / "rsa.pub")
    known = tmp_path / "known_hosts"
    boot = asyncssh.read_public_key(machines.boot.folder / "host_key.pub").export_public_key().decode()
    known.write_text(
        f"{machines.vm.label} {rsa.export_public_key().decode()}{machines.boot.label} {boot}", encoding="utf-8"
    )
    async with opened(machines.boot, machines.vm, known_hosts=known) as vantages:
        server = await ask(vantages, "boot-1", machines.vm.port)
    assert server.confirmed == HostKey("ssh-rsa", rsa.get_fingerprint())
    assert server.answers[0].key == server.confirmed


@pytest.mark.server
async def test_a_vm_that_the_auditor_cannot_confirm_is_asked_all_the_same(machines: Machines, tmp_path: Path) -> None:
    """Its host key is unknown to the auditor: the reason is kept, and what it shows from elsewhere too."""
    known = tmp_path / "known_hosts"
    boot = asyncssh.read_public_key(machines.boot.folder / "host_key.pub").export_public_key().decode()
    known.write_text(f"{machines.boot.label} {boot}", encoding="utf-8")
    async with opened(machines.boot, machines.vm, known_hosts=known) as vantages:
        server = await ask(vantages, "boot-1", machines.vm.port)
    assert server.confirmed is None
    assert server.trouble is not None
    assert server.trouble.code is Cause.HOST_KEY
    assert server.answers[0].key is not None


@pytest.mark.server
async def test_nothing_of_the_auditors_user_is_read_or_shown(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No ssh_config, no key file, no agent of the auditor's user has a part in it, broken ones included."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    async with opened(machines.boot, machines.vm) as vantages:
        await (await vantages["boot-1"].stream(LOOPBACK, machines.vm.port, limit=2.0)).close()
        await vantages["excs-1"].connect()
        (home / ".ssh" / "config").write_text("Host *\n  HostKeyAlgorithms nothing-that-is\n  ProxyCommand false\n")
        (home / ".ssh" / "id_ed25519").write_text("no key at all")
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        server = await ask(vantages, "boot-1", machines.vm.port)
    assert server.answers[0].key == server.confirmed


# ---- whatever else listens there ---------------------------------------------------------------------------------


@dataclass
class Known(Mapped):
    """A machine whose host key the auditor has confirmed."""

    key: HostKey | None = None

    async def host_key(self) -> HostKey | None:
        await self.connect()
        return self.key


async def meet(
    port: int | PathVerdict | None, *, vm: Known | None = None, boot: Mapped | None = None, patience: float = 4.0
) -> SshServer:
    """Ask what listens on a port of this machine, or what a path comes to."""
    ports = {} if port is None else {"excs": port}
    machines = [boot or Mapped("boot-1", ports), vm or Known("excs-1", key=KEY)]
    vantages = Vantages(machines, limits=Limits(connect=1.0, conversation=patience))
    probe = ExchangeKeys("boot-1", "excs-1", ("excs",), 22)
    async with asyncio.timeout(10):
        return probe.parse(await probe.read(vantages))


def says(*words: bytes, then: str = "wait") -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for word in words:
            writer.write(word)
            await writer.drain()
        while then == "wait" and await reader.read(4096):
            pass

    return talk


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def endless_packets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An SSH server that sends SSH_MSG_IGNORE for ever."""
    writer.write(b"SSH-2.0-tar-pit\r\n")
    packet = bytes.fromhex("0000000c0a02000000000000") + b"\0" * 4
    while True:
        writer.write(packet * 4096)
        await writer.drain()


VERSION = b"SSH-2.0-OpenSSH_9.9\r\n"


@pytest.mark.parametrize(
    ("talk", "ending", "shown"),
    [
        (says(), SshEnding.SILENT, ""),
        (says(then="close"), SshEnding.CLOSED, ""),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n", then="close"), SshEnding.NOT_SSH, ""),
        (says(b"220 mail.example ESMTP\r\n"), SshEnding.NOT_SSH, ""),
        (says(b"\x00" * 100), SshEnding.NOT_SSH, ""),
        (endless, SshEnding.NOT_SSH, ""),
        (says(b"Exceeded MaxStartups\r\n", then="close"), SshEnding.TURNED_AWAY, ""),
        (says(b"Not allowed at this time\r\n", then="close"), SshEnding.TURNED_AWAY, ""),
        (says(VERSION), SshEnding.STALLED, "SSH-2.0-OpenSSH_9.9"),
        (says(b"a word before\r\n" * 3, VERSION), SshEnding.STALLED, "SSH-2.0-OpenSSH_9.9"),
        (says(b"SSH-2.0-half"), SshEnding.STALLED, ""),
        (says(b"SSH-2.0-half", then="close"), SshEnding.FAILED, ""),
        (says(VERSION, then="close"), SshEnding.FAILED, "SSH-2.0-OpenSSH_9.9"),
        (says(b"SSH-1.5-old\r\n"), SshEnding.FAILED, "SSH-1.5-old"),
        (says(b"SSH-2.0-\xff\xfe\x1b[31m\r\n"), SshEnding.FAILED, "SSH-2.0-"),
        (says(b"SSH-2.0-" + b"x" * 9000 + b"\r\n"), SshEnding.FAILED, ""),
        (says(VERSION, b"\xff" * 64), SshEnding.FAILED, "SSH-2.0-OpenSSH_9.9"),
        (says(VERSION, b"\0\0\x10\0" + b"\4" * 64), SshEnding.STALLED, "SSH-2.0-OpenSSH_9.9"),
        (endless_packets, SshEnding.FAILED, "SSH-2.0-tar-pit"),
    ],
)
async def test_whatever_listens_there_is_told_apart_and_holds_nobody_up(
    talk: Talk, ending: SshEnding, shown: str
) -> None:
    """Silence, other protocols and broken SSH have their own names, in bounded time and memory; no key comes of it."""
    patient = ending not in (SshEnding.SILENT, SshEnding.STALLED, SshEnding.NOT_SSH)
    async with listening(talk) as port:
        server = await meet(port, patience=4.0 if patient else 0.5)
    (answer,) = server.answers
    assert answer.ending is ending
    assert answer.version.startswith(shown)
    assert answer.version.isprintable()
    assert answer.key is None
    assert len(answer.heard) <= 255


class Forged(asyncssh.SSHKeyPair):
    """One key's public half, and signatures of another."""

    def __init__(self, shown: asyncssh.SSHKey, held: asyncssh.SSHKey) -> None:
        algorithms = shown.sig_algorithms
        super().__init__(shown.algorithm, shown.algorithm, algorithms, algorithms, shown.public_data, None)
        self._held = held

    def sign(self, data: bytes) -> bytes:
        return self._held.sign(data, self.sig_algorithm)


@contextlib.asynccontextmanager
async def ssh_server(key: object) -> AsyncIterator[int]:
    acceptor = await asyncssh.listen(LOOPBACK, 0, server_host_keys=[key])
    try:
        yield acceptor.get_port()
    finally:
        acceptor.close()
        await acceptor.wait_closed()


async def test_a_public_key_without_its_private_half_proves_nothing() -> None:
    """Anybody can show the VM's public key; the exchange has to be signed by it."""
    own, foreign = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    vm = Known("excs-1", key=HostKey("ssh-ed25519", own.get_fingerprint()))
    async with ssh_server(own) as port:
        assert (await meet(port, vm=vm)).answers[0].key == vm.key
    async with ssh_server(Forged(own, foreign)) as port:
        (answer,) = (await meet(port, vm=vm)).answers
    assert answer.ending is SshEnding.FAILED
    assert answer.key is None


async def test_a_server_that_hangs_up_once_is_asked_again() -> None:
    """With many strangers at its door a server hangs up on some of them, which says nothing of who it is."""
    own = asyncssh.generate_private_key("ssh-ed25519")
    calls: list[int] = []
    async with ssh_server(own) as real:

        async def moody(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            calls.append(len(calls))
            if len(calls) > 1:
                there, away = await asyncio.open_connection(LOOPBACK, real)
                await asyncio.gather(_copy(reader, away), _copy(there, writer))

        async with listening(moody) as port:
            server = await meet(port)
    assert server.answers[0].ending is SshEnding.KEY
    assert len(calls) == 2


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(4096):
            writer.write(data)
    writer.close()


@pytest.mark.parametrize(
    ("path", "ending", "verdict"),
    [
        (None, SshEnding.NO_NAME, None),
        (PathVerdict.REFUSED, SshEnding.NO_PATH, PathVerdict.REFUSED),
        (PathVerdict.TIMEOUT, SshEnding.NO_PATH, PathVerdict.TIMEOUT),
        (free_port(), SshEnding.NO_PATH, PathVerdict.REFUSED),
    ],
)
async def test_a_way_that_is_closed_keeps_its_reason(
    path: int | PathVerdict | None, ending: SshEnding, verdict: PathVerdict | None
) -> None:
    """A name that does not resolve, a refusal and silence of the network stay apart."""
    (answer,) = (await meet(path)).answers
    assert (answer.ending, answer.verdict, answer.ending.reached) == (ending, verdict, False)


async def test_a_source_that_is_lost_gives_no_news() -> None:
    """Where the bootstrap VM itself does not answer, nothing is known of anybody's SSH server."""
    with pytest.raises(ProbeError) as caught:
        await meet(None, boot=Mapped("boot-1", lost=True))
    assert caught.value.reason.code is Cause.UNREACHABLE


class Dying(Mapped):
    """Opens one path, and is gone after it."""

    async def stream(self, host: str, port: int, *, limit: float):  # type: ignore[no-untyped-def]
        stream = await super().stream(host, port, limit=limit)
        self.lost = True
        return stream


async def test_silence_counts_only_where_the_source_is_alive() -> None:
    """Nothing heard from a machine that is lost meanwhile is no evidence against the SSH server."""
    async with listening(says()) as port:
        with pytest.raises(ProbeError) as caught:
            await meet(port, boot=Dying("boot-1", {"excs": port}), patience=0.5)
    assert caught.value.reason.code is Cause.UNREACHABLE


async def test_a_vm_that_is_lost_leaves_nothing_to_compare_with() -> None:
    """The answer is kept, with the reason why no key is confirmed."""
    own = asyncssh.generate_private_key("ssh-ed25519")
    async with ssh_server(own) as port:
        server = await meet(port, vm=Known("excs-1", lost=True))
    assert server.confirmed is None
    assert server.trouble is not None
    assert server.trouble.code is Cause.UNREACHABLE
    assert server.answers[0].key == HostKey("ssh-ed25519", own.get_fingerprint())


async def test_the_first_address_that_proves_the_key_is_enough() -> None:
    """Further addresses are tried only while none has proven it."""
    own = asyncssh.generate_private_key("ssh-ed25519")
    vm = Known("excs-1", key=HostKey("ssh-ed25519", own.get_fingerprint()))
    async with ssh_server(own) as port, ssh_server(asyncssh.generate_private_key("ssh-ed25519")) as other:
        for ports, endings in (
            ({"a": port, "b": other}, [SshEnding.KEY]),
            ({"a": PathVerdict.REFUSED, "b": port}, [SshEnding.NO_PATH, SshEnding.KEY]),
            ({"a": other, "b": port}, [SshEnding.KEY, SshEnding.KEY]),
        ):
            vantages = Vantages([Mapped("boot-1", ports), vm], limits=Limits(connect=1.0, conversation=4.0))
            probe = ExchangeKeys("boot-1", "excs-1", ("a", "b"), 22)
            server = probe.parse(await probe.read(vantages))
            assert [answer.ending for answer in server.answers] == endings
            assert server.answers[-1].key == vm.key


@pytest.mark.parametrize("seed", range(12))
async def test_broken_packets_are_a_failed_exchange(seed: int) -> None:
    """Random bytes in the place of packets end the exchange, and never the audit."""
    junk = bytes((seed * 31 + number * 7) % 256 for number in range(seed * 200 + 5))
    framed = (len(junk) % 30000).to_bytes(4, "big") + b"\x04\x14" + junk + os.urandom(64)
    async with listening(says(VERSION, framed, then="close")) as port:
        (answer,) = (await meet(port)).answers
    assert answer.ending is SshEnding.FAILED


# ---- the record --------------------------------------------------------------------------------------------------

ASKED = ExchangeKeys("boot-1", "excs-1", ("10.0.0.1",), 2222)


def test_the_question_says_that_nobody_logs_in() -> None:
    """A plan shows from where, to whom, and how little is done there."""
    assert ASKED.describe() == (
        "exchange keys from boot-1 with the SSH server of excs-1 at 10.0.0.1 port 2222, without a login"
    )
    assert ASKED.vantages == ("boot-1", "excs-1")
    assert ASKED.limit(Limits()) < Limits().question
    assert ExchangeKeys("boot-1", "excs-1", ("10.0.0.1",), 2222) == ASKED


def record(**changes: object) -> str:
    answer = {
        "host": "10.0.0.1",
        "end": "key",
        "verdict": "",
        "heard": "SSH-2.0-x\r\n",
        "version": "SSH-2.0-x",
        "key": {"kind": KEY.kind, "fingerprint": KEY.fingerprint},
        "text": "",
        "how": "direct",
    }
    return json.dumps({"confirmed": None, "trouble": None, "answers": [answer | changes]})


def test_a_record_is_read_as_it_was_written() -> None:
    """The fact is a function of the record alone."""
    assert ASKED.parse(record()).answers == (
        SshAnswer(
            host="10.0.0.1",
            port=2222,
            ending=SshEnding.KEY,
            heard=b"SSH-2.0-x\r\n",
            version="SSH-2.0-x",
            key=KEY,
            how="direct",
        ),
    )
    trouble = {"code": "host_key", "detail": "unknown", "enable": "confirm it", "by": None}
    found = ASKED.parse(json.dumps({"confirmed": None, "trouble": trouble, "answers": []}))
    assert found.trouble == Reason(code=Cause.HOST_KEY, detail="unknown", enable="confirm it")


@pytest.mark.parametrize(
    "response",
    [
        "",
        "[]",
        "{}",
        "null",
        record(host="10.9.9.9"),
        record(key=None),
        record(end="silent", heard=""),
        record(end="nothing"),
        record(verdict="nothing"),
        record(key={"kind": "ssh-ed25519", "fingerprint": "MD5:00"}),
        record(key={"kind": "<b>", "fingerprint": KEY.fingerprint}),
        record(heard="\u20ac"),
        record(text=["x"]),
        record(version="x" * 500),
    ],
)
def test_a_record_that_makes_no_sense_is_no_fact(response: str) -> None:
    """A tampered or torn record is refused, never guessed at."""
    with pytest.raises(ProbeError) as caught:
        ASKED.parse(response)
    assert caught.value.reason.code is Cause.PARSE


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("key"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["answers", "confirmed", "trouble", "host", "end", "key"]), inner)
        ),
        max_leaves=12,
    )
)
def test_parsing_is_total(recorded: object) -> None:
    """Any JSON gives a fact or says that it makes no sense."""
    with contextlib.suppress(ProbeError):
        assert isinstance(ASKED.parse(json.dumps(recorded)), SshServer)
