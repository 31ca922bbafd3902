"""Names, dials and streams from a machine: by SSH forwarding, by a relay, straight from here."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from readiness.model import Cause, ProbeError
from readiness.vantage import AUDITOR, Dial, Limits, PathClosed, PathVerdict, Stream, Vantage
from tests.lab.sockets import reset, serving
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, black_hole, free_port
from tests.vantage.conftest import Open

pytestmark = pytest.mark.server

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]

USUAL = "/usr/bin:/bin:/usr/local/bin"
TOOLS = {
    "python": ("python3",),
    "perl": ("perl",),
    "ncat": ("ncat", "timeout"),
    "socat": ("socat", "timeout"),
    "bash": ("bash", "cat", "sleep"),
}


def tools_only(folder: Path, *tools: str) -> Path:
    """A folder for PATH that holds some tools and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    for tool in tools:
        found = shutil.which(tool, path=USUAL)
        if found is None:
            pytest.skip(f"needs {tool}")
        (folder / tool).symlink_to(Path(found).resolve())
    return folder


@pytest.fixture(scope="session")
def forbidding(lab: SshdLab) -> Sshd:
    """An sshd that forwards nothing."""
    return lab.start("forbidding", "AllowTcpForwarding no")


@pytest.fixture(scope="session")
def relaying(lab: SshdLab) -> dict[str, Sshd]:
    """For each tool that this machine has, an sshd that forwards nothing on a machine with that tool alone."""
    servers = {}
    for name, tools in TOOLS.items():
        if all(shutil.which(tool, path=USUAL) for tool in tools):
            path = tools_only(lab.folder / f"tools-{name}", *tools)
            servers[name] = lab.start(f"relay-{name}", "DisableForwarding yes", environment={"PATH": str(path)})
    return servers


Question = Callable[[str, Vantage], Awaitable[None]]


async def of_each(opened: Open, servers: dict[str, Sshd], question: Question) -> None:
    """Ask the machine of every tool the same, all at once."""
    async with opened(*(server.access() for server in servers.values())) as vantages, asyncio.TaskGroup() as group:
        for tool, server in servers.items():
            group.create_task(question(tool, vantages[server.name]))  # type: ignore[arg-type]


@pytest.fixture(params=["forwarding", "relay", "local"])
async def carried(request: pytest.FixtureRequest, opened: Open) -> AsyncIterator[Vantage]:
    """Three ways to carry a stream, which must behave alike."""
    fixture = {"forwarding": "plain", "relay": "forbidding"}.get(request.param)
    server: Sshd | None = request.getfixturevalue(fixture) if fixture else None
    async with opened(*([server.access()] if server else [])) as vantages:
        yield vantages[server.name if server else AUDITOR]


@asynccontextmanager
async def peer(answer: Peer) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, LOOPBACK, 0)  # type: ignore[arg-type]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends back what comes, and a farewell at its end."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write(b"farewell")
    writer.close()


async def both_ways(stream: Stream, size: int) -> bool:
    """Whether ``size`` random bytes come back as they went, both directions being busy at the same time."""
    data = os.urandom(size)

    async def send() -> None:
        for start in range(0, size, 65536):
            stream.writer.write(data[start : start + 65536])
            await stream.writer.drain()

    sending = asyncio.create_task(send())
    async with asyncio.timeout(20):
        came = await stream.reader.readexactly(size)
        await sending
    return hashlib.sha256(came).digest() == hashlib.sha256(data).digest()


class TestStreams:
    async def test_bytes_both_ways(self, carried: Vantage) -> None:
        """Ten MiB go there and back unchanged."""
        async with peer(echo) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            assert await both_ways(stream, 10 << 20)
            await stream.close()

    async def test_each_tool_relays(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """Where forwarding is forbidden, each tool carries five MiB both ways, and the stream says which one did."""
        async with peer(echo) as port:

            async def question(tool: str, host: Vantage) -> None:
                stream = await host.stream(LOOPBACK, port, limit=5)
                assert stream.how.startswith(f"exec relay ({tool}")
                assert await both_ways(stream, 5 << 20)
                await stream.close()

            await of_each(opened, relaying, question)

    async def test_one_direction_closed(self, carried: Vantage) -> None:
        """Closing our direction reaches the peer, whose last words still arrive, then its end."""
        async with peer(echo) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            stream.writer.write(b"hello ")
            stream.writer.write_eof()
            async with asyncio.timeout(5):
                assert await stream.reader.read() == b"hello farewell"
            await stream.close()

    async def test_half_close_by_tool(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """Every tool but bash passes the end of one direction on."""
        async with peer(echo) as port:

            async def question(tool: str, host: Vantage) -> None:
                stream = await host.stream(LOOPBACK, port, limit=5)
                stream.writer.write(b"hello ")
                stream.writer.write_eof()
                async with asyncio.timeout(5):
                    assert (await stream.reader.read() == b"hello farewell") is (tool != "bash")
                await stream.close()

            await of_each(opened, relaying, question)

    async def test_the_peer_hangs_up(self, carried: Vantage) -> None:
        """A peer that speaks and closes is read to its end."""

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"all I have to say")
            writer.close()

        async with peer(speak) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            async with asyncio.timeout(5):
                assert await stream.reader.read() == b"all I have to say"
            await stream.close()

    async def test_the_peer_hangs_up_by_tool(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """Every tool passes the peer's end on while we could still speak."""

        async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"all I have to say")
            writer.close()

        async with peer(speak) as port:

            async def question(tool: str, host: Vantage) -> None:
                stream = await host.stream(LOOPBACK, port, limit=5)
                async with asyncio.timeout(5):
                    assert await stream.reader.read() == b"all I have to say"
                await stream.close()

            await of_each(opened, relaying, question)

    async def test_closing_reaches_the_peer(self, carried: Vantage) -> None:
        """What was written before a stream is closed arrives, and the peer's connection ends with it."""
        heard: asyncio.Queue[bytes] = asyncio.Queue()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.put_nowait(await reader.read())
            writer.write(b"nobody hears that")
            writer.close()

        async with peer(listen) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            stream.writer.write(b"QUIT")
            await stream.close()
            async with asyncio.timeout(5):
                assert await heard.get() == b"QUIT"

    async def test_closing_by_tool(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """No tool keeps a peer's connection open once the stream is closed."""
        ended: asyncio.Queue[None] = asyncio.Queue()

        async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            ended.put_nowait(None)
            writer.close()

        async with peer(listen) as port:

            async def question(tool: str, host: Vantage) -> None:
                await (await host.stream(LOOPBACK, port, limit=5)).close()
                async with asyncio.timeout(8):
                    await ended.get()

            await of_each(opened, relaying, question)

    async def test_tls_under_the_real_name(self, carried: Vantage, tmp_path: Path) -> None:
        """TLS is spoken end to end and verified for the name that was asked for, also after plain words."""
        authority = trustme.CA()
        theirs, ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
        authority.issue_cert("redis.example").configure_cert(theirs)
        authority.configure_trust(ours)

        async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readexactly(1))
            try:
                await writer.start_tls(theirs)
                await echo(reader, writer)
            except (OSError, ssl.SSLError):
                writer.close()

        async with peer(upgrade) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            stream.writer.write(b"S")
            assert await stream.reader.readexactly(1) == b"S"
            await stream.writer.start_tls(ours, server_hostname="redis.example")
            assert await both_ways(stream, 1 << 20)
            await stream.close()
            other = await carried.stream(LOOPBACK, port, limit=5)
            other.writer.write(b"S")
            assert await other.reader.readexactly(1) == b"S"
            with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
                await other.writer.start_tls(ours, server_hostname="other.example")
            await other.close()

    async def test_a_slow_reader(self, carried: Vantage) -> None:
        """Who does not read holds the peer up instead of filling our memory."""
        sent = 0

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            try:
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
            except OSError:
                pass
            finally:
                writer.close()

        async with peer(pour) as port:
            stream = await carried.stream(LOOPBACK, port, limit=5)
            async with asyncio.timeout(20):
                previous = -1
                while sent != previous:
                    previous = sent
                    await asyncio.sleep(0.2)
            assert 0 < sent < 64 << 20
            await stream.close()


class TestClosedPaths:
    async def test_refused(self, carried: Vantage) -> None:
        """A port that nobody listens on is refused, by whatever carries the question."""
        with pytest.raises(PathClosed) as caught:
            await carried.stream(LOOPBACK, free_port(), limit=3)
        assert (caught.value.verdict, "refused" in caught.value.text) == (PathVerdict.REFUSED, True)

    async def test_refused_by_tool(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """Every tool tells a refusal."""
        port = free_port()

        async def question(tool: str, host: Vantage) -> None:
            with pytest.raises(PathClosed) as caught:
                await host.stream(LOOPBACK, port, limit=3)
            assert (caught.value.verdict, "refused" in caught.value.text) == (PathVerdict.REFUSED, True)

        await of_each(opened, relaying, question)

    async def test_filtered(self, carried: Vantage) -> None:
        """A port that never answers is a time-out, in the limit that was given."""
        with black_hole() as port:
            begun = time.monotonic()
            with pytest.raises(PathClosed) as caught:
                await carried.stream(LOOPBACK, port, limit=0.5)
            assert 0.4 < time.monotonic() - begun < 3
        assert caught.value.verdict is PathVerdict.TIMEOUT

    async def test_filtered_by_tool(self, opened: Open, relaying: dict[str, Sshd]) -> None:
        """Every tool tells a time-out."""
        with black_hole() as port:

            async def question(tool: str, host: Vantage) -> None:
                with pytest.raises(PathClosed) as caught:
                    await host.stream(LOOPBACK, port, limit=1)
                assert caught.value.verdict is PathVerdict.TIMEOUT

            await of_each(opened, relaying, question)

    async def test_a_name_that_does_not_resolve(self, carried: Vantage) -> None:
        """A name that the machine's resolver does not know is neither open nor closed: it has no verdict."""
        with pytest.raises(PathClosed) as caught:
            await carried.stream("nowhere.invalid", 80, limit=3)
        assert caught.value.verdict is None
        assert caught.value.text

    async def test_a_broadcast_address(self, carried: Vantage) -> None:
        """A connect that cannot even start is no time-out."""
        with pytest.raises(PathClosed) as caught:
            await carried.stream("255.255.255.255", 80, limit=3)
        assert caught.value.verdict not in (PathVerdict.TIMEOUT, PathVerdict.OPEN, None)

    async def test_a_peer_that_resets_at_once(self, carried: Vantage) -> None:
        """Accepted and reset is no trouble of ours: the stream ends, or the path is refused, by whatever carries it."""
        with serving(reset) as (port, _):
            for _ in range(20):  # the reset comes before or after the connect is known
                try:
                    stream = await carried.stream(LOOPBACK, port, limit=3)
                except PathClosed as closed:
                    assert closed.verdict is PathVerdict.REFUSED  # noqa: PT017
                    continue
                with contextlib.suppress(ConnectionError):
                    assert await stream.reader.read() == b""
                await stream.close()

    async def test_what_sshd_does_not_say_a_relay_does(self, opened: Open, plain: Sshd) -> None:
        """Of a connect that fails at once sshd says "open failed"; the kernel's own reason is found all the same."""
        async with opened(plain.access()) as vantages:
            with pytest.raises(PathClosed) as caught:
                await vantages[plain.name].stream("255.255.255.255", 80, limit=3)
        assert caught.value.verdict in (PathVerdict.DENIED, PathVerdict.NET_UNREACHABLE)

    async def test_words_that_name_no_cause(self, carried: Vantage) -> None:
        """A connect that fails for nobody knows what is no word against the peer: here the scope is missing."""
        with pytest.raises(ProbeError) as caught:
            await carried.stream("fe80::1", 80, limit=3)
        assert caught.value.reason.code is Cause.UNSUPPORTED

    async def test_a_frozen_machine_proves_nothing(self, opened: Open, lab: SshdLab) -> None:
        """Silence while the machine itself has stopped answering is no evidence against the peer."""
        server = lab.start("freezes")
        async with opened(server.access(), limits=Limits(ssh=3, connect=0.5)) as vantages:
            host = vantages[server.name]
            stream = await host.stream(LOOPBACK, server.port, limit=3)
            await stream.close()
            with lab.frozen(server), pytest.raises(ProbeError) as caught:
                await host.stream(LOOPBACK, server.port, limit=0.3)
        assert caught.value.reason.code is Cause.TIMEOUT
        assert "itself stopped answering" in caught.value.reason.detail

    async def test_a_dead_connection_is_no_closed_path(self, opened: Open, lab: SshdLab) -> None:
        """A broken SSH connection is our trouble, never a verdict on the peer."""
        server = lab.start("breaks")
        async with opened(server.access()) as vantages:
            host = vantages[server.name]
            await (await host.stream(LOOPBACK, server.port, limit=3)).close()
            lab.cut(server)
            with pytest.raises(ProbeError) as caught:
                await host.stream(LOOPBACK, server.port, limit=2)
        assert caught.value.reason.code is Cause.UNREACHABLE

    async def test_forwarding_and_tools_missing(self, opened: Open, lab: SshdLab) -> None:
        """Where sshd forbids forwarding and nothing can relay, the reason names what would enable it."""
        path = tools_only(lab.folder / "no-tools")
        server = lab.start("nothing", "AllowTcpForwarding no", environment={"PATH": str(path)})
        async with opened(server.access()) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[server.name].stream(LOOPBACK, 80, limit=3)
        reason = caught.value.reason
        assert reason.code is Cause.UNSUPPORTED
        assert "AllowTcpForwarding" in reason.enable
        assert "python3" in reason.enable

    async def test_one_target_allowed(self, opened: Open, lab: SshdLab) -> None:
        """Where sshd permits one target and nothing can relay, that one is reached, before and after another."""
        path = tools_only(lab.folder / "no-tools-either")
        async with peer(echo) as port:
            server = lab.start("permits-one", f"PermitOpen {LOOPBACK}:{port}", environment={"PATH": str(path)})
            async with opened(server.access()) as vantages:
                host = vantages[server.name]
                with pytest.raises(ProbeError):
                    await host.stream(LOOPBACK, free_port(), limit=3)
                stream = await host.stream(LOOPBACK, port, limit=3)
                assert await both_ways(stream, 1000)
                await stream.close()


class TestDials:
    async def test_what_the_prober_tells(self, opened: Open, plain: Sshd) -> None:
        """Dials asked together travel in one command; each attempt tells verdict, time, source and greeting."""
        before = plain.said("Starting session")
        dials = [Dial(address=LOOPBACK, port=plain.port, spacing=0.05, linger=0.3)]
        dials += [Dial(address=LOOPBACK, port=free_port(), attempts=2, spacing=0.05) for _ in range(20)]
        async with opened(plain.access()) as vantages:
            first, *rest = await asyncio.gather(*(vantages[plain.name].dial(dial) for dial in dials))
        assert [attempt.verdict for attempt in first] == [PathVerdict.OPEN] * 3
        assert {attempt.banner[:8] for attempt in first} == {b"SSH-2.0-"}
        assert {attempt.source for attempt in first} == {LOOPBACK}
        assert all(attempt.ms is not None for attempt in first)
        assert [[attempt.verdict for attempt in dialled] for dialled in rest] == [[PathVerdict.REFUSED] * 2] * 20
        assert plain.said("Starting session") - before == 1

    async def test_who_is_done_waits_for_nobody(self, opened: Open, plain: Sshd) -> None:
        """A dial that is answered is handed over while another of the same command still waits."""
        with black_hole() as port:
            async with opened(plain.access()) as vantages:
                host = vantages[plain.name]
                slow = asyncio.create_task(host.dial(Dial(address=LOOPBACK, port=port, attempts=1, limit=1)))
                quick = await host.dial(Dial(address=LOOPBACK, port=plain.port, attempts=1, linger=0))
                assert not slow.done()
                assert quick[0].verdict is PathVerdict.OPEN
                assert (await slow)[0].verdict is PathVerdict.TIMEOUT

    @pytest.mark.parametrize("why", ["consent", "nologin"])
    async def test_by_forwarding(self, opened: Open, lab: SshdLab, why: str) -> None:
        """Where no command may run, the SSH server connects: verdicts and greetings, but no figure it cannot know."""
        lines = ["ForceCommand echo This account is currently not available."] if why == "nologin" else []
        server = lab.start(f"forwards-{why}", *lines)
        with black_hole() as port:
            async with opened(server.access(), exec_allowed=why != "consent") as vantages:
                host = vantages[server.name]
                dials = [
                    Dial(address=LOOPBACK, port=server.port, spacing=0.05, linger=0.2),
                    Dial(address=LOOPBACK, port=free_port(), attempts=2, spacing=0),
                    Dial(address=LOOPBACK, port=port, attempts=2, spacing=0.05, limit=0.5),
                ]
                done = await asyncio.gather(*(host.dial(dial) for dial in dials))
        assert [[attempt.verdict for attempt in dialled] for dialled in done] == [
            [PathVerdict.OPEN] * 3,
            [PathVerdict.REFUSED] * 2,
            [PathVerdict.TIMEOUT] * 2,
        ]
        assert done[0][0].banner.startswith(b"SSH-2.0-")
        assert done[0][0].closed is False
        assert {(attempt.ms, attempt.icmp, attempt.source) for dialled in done for attempt in dialled} == {
            (None, "", "")
        }
        assert {attempt.tool for dialled in done for attempt in dialled} == {"SSH forwarding"}

    @pytest.mark.parametrize(("exec_allowed", "word"), [(False, "probing.exec"), (True, "login shell")])
    async def test_nothing_can_dial(self, opened: Open, lab: SshdLab, exec_allowed: bool, word: str) -> None:
        """Where neither a command nor forwarding may be used, the reason names both."""
        server = lab.start(
            f"dials-nothing-{exec_allowed}",
            "AllowTcpForwarding no",
            "ForceCommand echo This account is currently not available.",
        )
        async with opened(server.access(), exec_allowed=exec_allowed) as vantages:
            with pytest.raises(ProbeError) as caught:
                await vantages[server.name].dial(Dial(address=LOOPBACK, port=server.port, spacing=0.05))
        assert word in caught.value.reason.enable
        assert "AllowTcpForwarding" in caught.value.reason.enable

    async def test_from_here(self, opened: Open, plain: Sshd) -> None:
        """The auditor's own machine dials like any other."""
        async with opened() as vantages:
            done = await vantages[AUDITOR].dial(Dial(address=LOOPBACK, port=plain.port, spacing=0.05))
        assert [attempt.verdict for attempt in done] == [PathVerdict.OPEN] * 3

    async def test_thousands_of_dials_all_come_back(self, opened: Open) -> None:
        """Dials beyond what one script can be told (128 KiB in a variable) are carried by several."""
        port = free_port()
        async with opened() as vantages:
            dials = [Dial(address=LOOPBACK, port=port, attempts=1, linger=0) for _ in range(3500)]
            done = await asyncio.gather(*(vantages[AUDITOR].dial(dial) for dial in dials))
        assert {attempt.verdict for attempts in done for attempt in attempts} == {PathVerdict.REFUSED}


class TestNames:
    @pytest.fixture(params=["ssh", "local"])
    async def host(self, request: pytest.FixtureRequest, opened: Open) -> AsyncIterator[Vantage]:
        server: Sshd | None = request.getfixturevalue("plain") if request.param == "ssh" else None
        async with opened(*([server.access()] if server else [])) as vantages:
            yield vantages[server.name if server else AUDITOR]

    async def test_names_together(self, opened: Open, plain: Sshd) -> None:
        """Names asked together travel in one command, each asked once in a run."""
        before = plain.said("Starting session")
        async with opened(plain.access()) as vantages:
            host = vantages[plain.name]
            names = ["localhost", "nowhere.invalid", "also.nowhere.invalid"]
            found = await asyncio.gather(*(host.resolve(name) for name in names * 3))
            assert await host.resolve("localhost") == found[0]
        assert [bool(resolution.addresses) for resolution in found] == [True, False, False] * 3
        assert all(resolution.error for resolution in found if not resolution.addresses)
        assert plain.said("Starting session") - before == 1

    @pytest.mark.parametrize("literal", [LOOPBACK, "::1", "[::1]", "fe80::1%eth0"])
    async def test_addresses(self, host: Vantage, literal: str) -> None:
        """An address is its own answer, without asking anybody."""
        assert (await host.resolve(literal)).addresses == (literal.strip("[]"),)

    async def test_a_name_of_this_machine(self, host: Vantage) -> None:
        """A name is resolved where it is asked."""
        assert LOOPBACK in (await host.resolve("localhost")).addresses

    async def test_a_hanging_name_server(self, opened: Open, lab: SshdLab) -> None:
        """One name that hangs delays no other, and its end by our limit is no answer."""
        path = tools_only(lab.folder / "slow-names", "sh", "sleep", "timeout", "date", "id")
        (path / "getent").write_text(
            '#!/bin/sh\ncase $2 in slow*) exec sleep 60;; *) echo "10.1.2.3 STREAM $2";; esac\n'
        )
        (path / "getent").chmod(0o755)
        server = lab.start("slow-names", environment={"PATH": str(path)})
        limits = Limits(ssh=3, conversation=1.0)
        async with opened(server.access(), limits=limits) as vantages:
            host = vantages[server.name]
            begun = time.monotonic()
            slow = asyncio.create_task(host.resolve("slow.example"))
            quick = await asyncio.gather(*(host.resolve(f"quick-{number}.example") for number in range(5)))
            later = await host.resolve("later.example")
            assert time.monotonic() - begun < 0.9
            assert not slow.done()
            assert {resolution.addresses for resolution in (*quick, later)} == {("10.1.2.3",)}
            with pytest.raises(ProbeError) as caught:
                await slow
            with pytest.raises(ProbeError) as again:
                await host.resolve("slow.example")
        assert caught.value.reason.code is Cause.TIMEOUT
        assert again.value.reason == caught.value.reason

    async def test_every_address_is_tried(self, opened: Open, lab: SshdLab) -> None:
        """Of a name with several addresses the one that answers is used; where none does, all their words count."""
        path = tools_only(lab.folder / "many-addresses", "sh", "sleep", "timeout", "date", "id", "python3")
        (path / "getent").write_text('#!/bin/sh\nprintf "127.0.0.3 S\\n127.0.0.2 S\\n127.0.0.1 S\\n"\n')
        (path / "getent").chmod(0o755)
        server = lab.start("many-addresses", environment={"PATH": str(path)})
        async with peer(echo) as port, opened(server.access()) as vantages:
            host = vantages[server.name]
            stream = await host.stream("many.example", port, limit=3)
            assert await both_ways(stream, 1000)
            await stream.close()
            with pytest.raises(PathClosed) as caught:
                await host.stream("many.example", free_port(), limit=3)
        assert caught.value.verdict is PathVerdict.REFUSED
        assert all(f"127.0.0.{last}: Connection refused" in caught.value.text for last in (1, 2, 3))


async def test_two_connections_and_no_more(opened: Open, lab: SshdLab) -> None:
    """A host that is asked everything at once sees two connections, and none is left at the end."""
    server = lab.start("busy")
    async with opened(server.access()) as vantages:
        host = vantages[server.name]
        await asyncio.gather(
            *(host.run("echo", limit=8) for _ in range(6)),
            *(host.resolve(f"name-{number}.invalid") for number in range(6)),
            *(host.dial(Dial(address=LOOPBACK, port=server.port, attempts=1)) for _ in range(6)),
        )
        streams = await asyncio.gather(*(host.stream(LOOPBACK, server.port, limit=3) for _ in range(20)))
        assert server.said("Accepted publickey") == 2
        await asyncio.gather(*(stream.close() for stream in streams))
    async with asyncio.timeout(3):
        while server.said("Disconnected from user") < 2:  # noqa: ASYNC110 (a log has no event)
            await asyncio.sleep(0.02)
