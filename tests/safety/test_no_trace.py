"""Nothing stays on the machines that were audited, however the audit ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from readiness_reports import as_json

from tests.lab.command_line import Ended, clean_environment, command, ended
from tests.lab.ground import busy
from tests.lab.sockets import serving, silent, swallowing
from tests.lab.sshd import Account, Sshd, free_port, sshd_lab
from tests.lab.traces import Traces, gone, traces

pytestmark = [
    pytest.mark.server,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for an account of its own on every machine"),
]

PASSWORD = "c4nary-Of-The-Login"
KILLED, INTERRUPTED, CUT = 8, 20, 3
"""Random moments at which an auditor is killed, Ctrl-C is pressed, and the network is cut."""

CUT_OFF = 20.0
"""Seconds that a machine may take to be as before once it hears no more of the auditor: a script's limit and some."""

LETTING_GO = 5.0
"""Seconds that machines may take to be as before once the auditor is gone."""


@dataclass(frozen=True)
class Machines:
    """Four sshd's, each with an account of its own; ``exas-1`` forbids forwarding, so that relays are used."""

    hosts: Mapping[str, Sshd]
    accounts: tuple[int, ...]
    folder: Path

    @property
    def homes(self) -> tuple[Path, ...]:
        return tuple(host.home for host in self.hosts.values())

    @property
    def users(self) -> tuple[Path, ...]:
        """What each machine has for /etc/passwd and its like."""
        return tuple(path for name in self.hosts for path in sorted((self.folder / name).glob("etc-*")))

    def traces(self) -> Traces:
        return traces(self.accounts, self.homes, self.users)

    def gone(self, *, within: float = LETTING_GO + 5, but: str = "") -> tuple[Traces, float]:
        return gone(self.accounts, self.homes, self.users, within=within, but=but)


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    # Not below pytest's own folder: that one is closed to other accounts of this machine.
    with TemporaryDirectory(prefix="readiness-trace-") as folder:
        Path(folder).chmod(0o755)
        with sshd_lab(Path(folder)) as lab:
            first = 54400 + os.getpid() % 500 * 4
            hosts = {}
            for number, name in enumerate(("excs-1", "exas-1", "excp-1", "excp-2")):
                account = Account(name=f"audit{number}", password=PASSWORD, uid=first + number)
                lines = ["PasswordAuthentication yes"] + ["AllowTcpForwarding no"] * (name == "exas-1")
                hosts[name] = lab.start(name, *lines, account=account)
            yield Machines(hosts, tuple(range(first, first + 4)), Path(folder))


class Wire:
    """What carries the auditor's connections to one machine; once ``cut``, nothing passes, not even a goodbye."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._pairs: list[asyncio.StreamWriter] = []
        self._work: set[asyncio.Task[None]] = set()
        self.uncut = asyncio.Event()
        self.uncut.set()
        self.port = 0

    async def __aenter__(self) -> Wire:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        for writer in self._pairs:
            writer.transport.abort()

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection("127.0.0.1", self._to)
        self._pairs += [back, forth]
        for source, sink in ((near, forth), (far, back)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self._work.add(task)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = await source.read(65536)
                await self.uncut.wait()
                if not data:
                    sink.close()
                    return
                sink.write(data)
                await sink.drain()


@pytest.fixture
def site(machines: Machines, tmp_path: Path) -> Iterator[Path]:
    """A site with something to do in every way, some of it without an answer; its listeners have free ports."""
    ports = [free_port() for _ in range(4)]
    rows = "".join(
        f"  - {{name: {name}, role: {name[:4]}, host: 127.0.0.1, address: 127.0.20.{number}, port: {ports[number]}, "
        f"ssh: {{user: {host.user}, port: {host.port}}}}}\n"
        for number, (name, host) in enumerate(machines.hosts.items())
    )
    with contextlib.ExitStack() as peers:
        sip, _ = peers.enter_context(serving(silent))
        http, _ = peers.enter_context(serving(silent))
        dropped = [peers.enter_context(swallowing()) for _ in range(3)]
        path = tmp_path / "site.yaml"
        path.write_text(
            "site: {name: Traceless}\nlimits: {ssh: 8, script: 12, connect: 1, conversation: 2}\n"
            f"ssh: {{password: {{env: LOGIN}}, known_hosts: {machines.hosts['excs-1'].known_hosts}}}\nvms:\n{rows}"
            f"redis: {{host: 127.0.0.1, port: {dropped[0]}}}\n"
            f"config_db: {{engine: postgresql, host: 127.0.0.1, port: {http}, user: x, database: x}}\n"
            f"sip_servers: [{{host: 127.0.0.1, port: {sip}}}, {{host: 127.0.0.1, port: {dropped[1]}}}]\n"
            f"stat_servers: {{primary: {{host: no-such-host.invalid, port: 2060}}, "
            f"backup: {{host: 127.0.0.1, port: {dropped[2]}}}}}\n"
            f'logging: {{url: "http://127.0.0.1:{http}"}}\n'
        )
        yield path


class Watch:
    """Looks at what runs on the machines again and again, to know that there was something to leave behind."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self.processes = 0
        self.listened: set[str] = set()

    async def look(self) -> None:
        while True:
            found = self._machines.traces()
            self.processes = max(self.processes, len(found.processes))
            self.listened |= found.listening
            await asyncio.sleep(0.1)


async def run(
    site: Path,
    *,
    until: float | None = None,
    by: signal.Signals | Callable[[], None] = signal.SIGINT,
    times: int = 1,
) -> Ended:
    """Audit a site; a signal, or what it stands for, comes so long after the first machine was connected."""
    process = await command(site, environment=clean_environment(site.parent) | {"LOGIN": PASSWORD})
    assert process.stdout is not None
    said = b""
    while until is not None and b": connected" not in said:
        line = await process.stdout.readline()
        assert line, "it ended before a machine was connected"
        said += line
    if until is not None:
        await asyncio.sleep(until)
        for number in range(times):
            if not isinstance(by, signal.Signals):
                by()
                continue
            await asyncio.sleep(0.1 if number else 0)
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(by)
    return await ended(site, process, said=said)


async def test_an_audit_leaves_nothing(machines: Machines, site: Path) -> None:
    """After a whole audit there is no process, no socket and no file more than before, here or there."""
    before = machines.traces()
    assert not before.alive
    watch = Watch(machines)
    watching = asyncio.create_task(watch.look())
    found = await run(site)
    watching.cancel()
    after, took = machines.gone()
    print(f"took {found.seconds:.1f} s; gone after {took:.2f} s; at most {watch.processes} processes")
    assert found.status in (1, 3), found.err
    assert found.document["run"]["complete"]
    assert watch.processes > 8
    assert len(watch.listened) >= 4, "nothing ever listened there"
    assert (after, took < 1) == (before, True)
    assert not any((site.parent / "tmp").iterdir())
    assert {path.name for path in site.parent.iterdir()} == {"site.yaml", "site-out", "tmp"}


@pytest.mark.parametrize("seed", range(KILLED))
async def test_a_killed_auditor_leaves_nothing(machines: Machines, site: Path, seed: int) -> None:
    """SIGKILL at any moment: the machines notice by themselves and are as before within seconds."""
    before = machines.traces()
    moment = random.Random(seed).uniform(0.0, 3.0)
    found = await run(site, until=moment, by=signal.SIGKILL)
    after, took = machines.gone()
    print(f"killed after {moment:.2f} s; gone after {took:.2f} s")
    assert found.status == -signal.SIGKILL
    assert after == before
    assert took < LETTING_GO
    assert not found.folder.exists()
    assert not any((site.parent / "tmp").iterdir())


@pytest.mark.parametrize("seed", range(INTERRUPTED))
async def test_ctrl_c_leaves_a_whole_report_and_nothing_else(machines: Machines, site: Path, seed: int) -> None:
    """Ctrl-C at any moment of the asking: exit 130, every planned finding reported, marked incomplete, nothing left."""
    before = machines.traces()
    moment = random.Random(100 + seed).uniform(0.0, 3.0)
    found = await run(site, until=moment, by=signal.SIGINT)
    after, took = machines.gone()
    print(f"interrupted after {moment:.2f} s; gone after {took:.2f} s")
    assert found.status == 130, found.err
    document = found.document
    assert document["run"]["complete"] is False
    assert document["verdict"] in ("not_proven", "not_ready")
    assert as_json.read(found.folder / "report.json") == document
    assert "Traceback" not in found.err
    assert (after, took < 1) == (before, True)
    assert not any((site.parent / "tmp").iterdir())
    assert PASSWORD not in "".join(path.read_text() for path in found.folder.iterdir())


async def test_a_second_ctrl_c_ends_it_at_once_and_leaves_nothing(machines: Machines, site: Path) -> None:
    """Whoever does not want to wait for the report gets none, and the machines are as before all the same."""
    before = machines.traces()
    found = await run(site, until=1.0, by=signal.SIGINT, times=2)
    after, took = machines.gone()
    assert found.status in (130, -signal.SIGINT)
    assert "Traceback" not in found.err
    assert after == before
    assert took < LETTING_GO
    assert not any((site.parent / "tmp").iterdir())


def rewire(site: Path, known_hosts: Path, ports: Mapping[int, int]) -> None:
    """Have a site file lead to other ports of the same machines."""
    text, known = site.read_text(), known_hosts.read_text()
    for port, other in ports.items():
        text = text.replace(f"port: {port}}}", f"port: {other}}}")
        known = known.replace(f"]:{port} ", f"]:{other} ")
    (site.parent / "known_hosts").write_text(known)
    site.write_text(text.replace(str(known_hosts), str(site.parent / "known_hosts")))


@pytest.mark.parametrize("seed", range(CUT))
async def test_a_cut_network_leaves_nothing(machines: Machines, site: Path, seed: int) -> None:
    """The machines hear no goodbye: what we run there ends by itself, and the report says what could not be learnt."""
    before = machines.traces()
    moment = random.Random(200 + seed).uniform(0.0, 2.0)
    async with contextlib.AsyncExitStack() as wires:
        carried = {host.port: await wires.enter_async_context(Wire(host.port)) for host in machines.hosts.values()}
        rewire(site, Path(machines.hosts["excs-1"].known_hosts), {port: wire.port for port, wire in carried.items()})

        def cut() -> None:
            for wire in carried.values():
                wire.uncut.clear()

        found = await run(site, until=moment, by=cut)
        # The server's own part of each connection stays until it finds out: that is its administrator's business.
        left, took = await asyncio.to_thread(machines.gone, within=CUT_OFF, but="sshd")
        print(f"cut after {moment:.2f} s; the audit took {found.seconds:.1f} s; gone {took:.2f} s after its end")
        assert took < CUT_OFF, left.processes
    after, _ = await asyncio.to_thread(machines.gone)
    assert found.status in (1, 3), found.err
    assert {finding["status"] for finding in found.findings.values()} >= {"unknown"}
    assert found.whole < found.bound + busy(found)
    assert after == before
    assert not any((site.parent / "tmp").iterdir())
