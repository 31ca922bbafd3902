"""The lab's machines through the real SSH vantage: what they say is what the lab's tables and recordings say."""

from __future__ import annotations

import asyncio
import errno
import shlex
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from readiness.host_script import compose, split
from readiness.lab.authority import Authority
from readiness.lab.network import Rules
from readiness.lab.site import HOSTS, NAMES, REDIS_HOST, REGISTRY_HOST, SIP_HOSTS, STAT_HOSTS, Ailment
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.probes.docker import ReadDocker
from readiness.probes.linux import ReadDisks, ReadIdentity, ReadSystem
from readiness.probes.neighbours import ReadNeighbours
from readiness.probes.time_sync import ReadTimeSync
from readiness.secret import Redactor
from readiness.site import Endpoint
from readiness.vantage import Completed, Dial, PathClosed, PathVerdict, open_vantages
from tests.lab.demo_harbour import Harbour, harbour

TOKEN = "readinessTestToken"
SIP = tuple(NAMES[host][0] for host in SIP_HOSTS)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Harbour]:
    async with harbour(tmp_path) as found:
        yield found


class Unrecorded(HostProbe[str]):
    """A question that no machine of the lab was ever asked."""

    section: ClassVar[str] = "never-recorded"
    script: ClassVar[str] = "echo the real machine answers"

    def understand(self, output: str, status: int) -> str:
        return output


async def ask(running: Harbour, machine: str, *probes: HostProbe[object]) -> list[object]:
    done = await running.vantages[machine].run(compose(probes, token=TOKEN), limit=10)
    responses = split(done.out, TOKEN)
    facts = []
    for probe in probes:
        response = responses[probe.section]
        assert isinstance(response, str), response
        facts.append(probe.parse(response))
    return facts


async def test_names_are_those_of_each_machine(running: Harbour) -> None:
    """Every name of the site resolves on every machine to the lab's addresses, but for the fault on exas-1."""
    for machine in (host.name for host in HOSTS):
        vantage = running.vantages[machine]
        found = await asyncio.gather(*(vantage.resolve(name) for name in (*NAMES, "nobody.example")))
        expected = {**NAMES, "nobody.example": ()}
        if machine == "exas-1":
            expected[STAT_HOSTS[1]] = ()
        assert {answer.name: answer.addresses for answer in found} == expected
        assert all("not known" in answer.error for answer in found if not answer.addresses)


async def test_dials_meet_the_lab_network(running: Harbour) -> None:
    """From one machine a served port opens, an unserved one refuses, a firewalled one is silent; others are let in."""

    async def verdicts(machine: str) -> list[PathVerdict]:
        dials = [Dial(address=a, port=p, attempts=1, limit=0.4) for a in SIP for p in (8000, 8001)]
        tried = await asyncio.gather(*(running.vantages[machine].dial(dial) for dial in dials))
        assert all(attempt.tool == "python" for (attempt,) in tried)
        return [attempt.verdict for (attempt,) in tried]

    opened, refused, silent = PathVerdict.OPEN, PathVerdict.REFUSED, PathVerdict.TIMEOUT
    assert await verdicts("excp-1") == [opened, refused, opened, refused]
    assert await verdicts("excp-2") == [opened, refused, silent, refused]


async def test_a_dial_leaves_from_the_machine_s_own_address(running: Harbour) -> None:
    """What dials reports the virtual address as its source, and hears nothing from a silent peer."""
    (tried,) = await running.vantages["excp-1"].dial(Dial(address=SIP[0], port=8000, attempts=1, linger=0.2))
    assert (tried.source, tried.banner, tried.closed) == ("10.20.30.13", b"", False)


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarding", "relay"])
async def test_streams_meet_the_lab_network(running: Harbour, forwarding: bool) -> None:
    """Through sshd's forwarding and through a relay alike: a stream to Redis, a refusal, and silence, each as it is."""
    for host in running.lab.hosts.values():
        host.forwarding = forwarding
    vantage = running.vantages["excp-2"]
    stream = await vantage.stream(SIP[0], 8000, limit=5)
    assert ("relay" in stream.how) is not forwarding
    await stream.close()
    with pytest.raises(PathClosed) as refused:
        await vantage.stream(SIP[0], 8001, limit=5)
    assert (refused.value.verdict, refused.value.text) == (PathVerdict.REFUSED, "Connection refused")
    with pytest.raises(PathClosed) as silent:
        await vantage.stream(SIP_HOSTS[1], 8000, limit=1)
    assert silent.value.verdict is PathVerdict.TIMEOUT
    with pytest.raises(PathClosed) as unknown:
        await vantage.stream("nobody.example", 8000, limit=5)
    assert unknown.value.verdict is None


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarding", "relay"])
async def test_redis_is_reached_under_verified_tls(running: Harbour, forwarding: bool) -> None:
    """Through a machine, the lab's Redis shows a certificate of the lab's authority for its name, and wants a login."""
    running.lab.hosts["excs-1"].forwarding = forwarding
    trust = ssl.create_default_context(cafile=running.site.path.parent / "demo-harbour-ca.pem")
    stream = await running.vantages["excs-1"].stream(REDIS_HOST, 6379, limit=5)
    await stream.writer.start_tls(trust, server_hostname=REDIS_HOST)
    stream.writer.write(b"PING\r\n")
    answer = await stream.reader.readline()
    await stream.close()
    assert answer.startswith(b"-NOAUTH")


async def test_host_questions_are_answered_from_recordings(running: Harbour) -> None:
    """A host script's own framing brings back each machine's recorded distribution, and no word of this machine."""
    names = {}
    for host in HOSTS:
        (system,) = await ask(running, host.name, ReadSystem(host.name))
        names[host.name] = f"{system.id} {system.version_id}"  # type: ignore[attr-defined]
    assert names == {
        "excs-1": "rhel 9.4",
        "exas-1": "ubuntu 22.04",
        "excp-1": "debian 12",
        "excp-2": names["excp-2"],
        "boot-1": names["boot-1"],
    }
    assert names["excp-2"].startswith("sles 15")
    assert names["boot-1"].startswith("rocky 8")


async def test_no_two_machines_are_one(running: Harbour) -> None:
    """Boot ids, machine ids and names differ from machine to machine, and a machine keeps its own."""
    found = {host.name: (await ask(running, host.name, ReadIdentity(host.name)))[0] for host in HOSTS}
    assert {name: fact.hostname for name, fact in found.items()} == {name: name for name in found}  # type: ignore[attr-defined]
    assert len({fact.boot_id for fact in found.values()}) == len(HOSTS)  # type: ignore[attr-defined]
    assert len({fact.machine_id for fact in found.values()}) == len(HOSTS)  # type: ignore[attr-defined]
    assert await ask(running, "excs-1", ReadIdentity("excs-1")) == [found["excs-1"]]


async def test_ailments_show_and_heal(running: Harbour) -> None:
    """Each ailment shows in its own fact on its own machine, and is gone after remediation."""

    async def seen() -> tuple[str, float, int]:
        (docker,) = await ask(running, "excp-1", ReadDocker("excp-1"))
        (clock,) = await ask(running, "exas-1", ReadTimeSync("exas-1"))
        (disks,) = await ask(running, "excp-2", ReadDisks("excp-2"))
        return docker.version, clock.age, disks.total  # type: ignore[attr-defined]

    version, age, disk = await seen()
    assert version == "19.03.15"
    assert 2 * 86400 < age < 4 * 86400
    assert disk == 40 * 1024**3
    await running.lab.remediate()
    version, age, disk = await seen()
    assert version.startswith("20.10")
    assert 0 <= age < 3600
    assert disk > 80_000_000_000


async def test_an_ailment_stays_on_its_machine(running: Harbour) -> None:
    """A machine's ailment leaves the others as they were recorded."""
    healthy = replace(running.lab.conditions, ailments=frozenset({("excs-1", Ailment.STALE_CLOCK)}))
    await running.lab.adopt(healthy)
    (sick,) = await ask(running, "excs-1", ReadTimeSync("excs-1"))
    (well,) = await ask(running, "excp-1", ReadTimeSync("excp-1"))
    assert sick.age > 86400 > well.age  # type: ignore[attr-defined]


async def test_a_question_without_a_recording_finds_no_tool(running: Harbour) -> None:
    """What was not recorded is answered as a machine without that tool answers, never by the machine underneath."""
    done = await running.vantages["excs-1"].run(compose((Unrecorded("excs-1"),), token=TOKEN), limit=10)
    assert split(done.out, TOKEN) == {"never-recorded": HostProbe.recorded("sh: not found", 127)}


async def test_neighbours_are_on_one_segment(running: Harbour) -> None:
    """Routes, neighbour tables and cards of two machines agree with each other: adjacent, without a gateway."""
    one, two = ReadNeighbours("excs-1", ("10.20.30.14",)), ReadNeighbours("excp-2", ("10.20.30.11",))
    first, second = [probe.parse(await probe.read(running.vantages)) for probe in (one, two)]
    (there,), (back,) = first.peers["10.20.30.14"].neighbours, second.peers["10.20.30.11"].neighbours
    assert (there.gateway, back.gateway) == (None, None)
    assert {there.mac} == set(second.macs)
    assert {back.mac} == set(first.macs)


async def test_other_ways_to_a_network_are_hidden(running: Harbour) -> None:
    """No tool of this machine that knows the real network can be started from a script of the lab."""
    for tool in ("perl", "nc", "bash", "openssl"):
        done = await running.vantages["excs-1"].run(f"{tool} --version", limit=5)
        assert (done.status, done.out) == (127, b"")


async def test_a_machine_trusts_the_lab_s_authority_alone(running: Harbour) -> None:
    """curl on a machine accepts the registry by the machine's own store, and refuses it where told another store."""
    other = running.site.path.parent / "other-ca.pem"
    Authority("Somebody else").write(other)
    url = f"https://{REGISTRY_HOST}/v2/"
    for options, status in (("", 0), (f"--cacert {other}", 60), ("--cacert /nowhere", 77)):
        done = await running.vantages["excs-1"].run(f"curl -q -sS -o /dev/null {options} {url}", limit=5)
        assert done.status == status, done
    done = await running.vantages["excs-1"].run("curl -q -sS https://nobody.example/", limit=5)
    assert (done.status, done.err) == (6, b"curl: (6) Could not resolve host: nobody.example\n")


async def test_the_auditor_s_environment_stays_outside(running: Harbour, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command sees none of the auditor's variables, whose values may be secrets."""
    monkeypatch.setenv("REDIS_PASSWORD", "hunter2")
    done = await running.vantages["excs-1"].run("env", limit=5)
    assert b"hunter2" not in done.out


LISTENER = """
import os, socket, sys
listener = socket.socket()
try:
    listener.bind((sys.argv[1], int(sys.argv[2])))
except OSError as error:
    print("no", error.errno)
    sys.exit(3)
listener.listen(8)
print("up", *listener.getsockname(), flush=True)
while True:
    client, caller = listener.accept()
    here = client.getsockname()
    client.sendall(("nonce-%s seen %s at %s:%s\\n" % (sys.argv[3], caller[0], here[0], here[1])).encode())
    client.close()
"""


async def listen(running: Harbour, machine: str, address: str, port: int) -> Completed:
    """Listen on a machine until the task that awaits this is cancelled, or it turns out that nobody can."""
    command = f"python3 -c {shlex.quote(LISTENER)} {address} {port} {machine}"
    return await running.vantages[machine].run(command, limit=20)


async def heard(running: Harbour, machine: str, address: str, port: int) -> str:
    stream = await running.vantages[machine].stream(address, port, limit=5)
    said = await stream.reader.readline()
    await stream.close()
    return said.decode().strip()


async def until_open(running: Harbour, machine: str, address: str, port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            (tried,) = await running.vantages[machine].dial(Dial(address=address, port=port, attempts=1, limit=1))
            if tried.verdict is PathVerdict.OPEN:
                return


@pytest.mark.parametrize("forwarding", [True, False], ids=["forwarding", "relay"])
async def test_a_listener_hears_who_calls(running: Harbour, forwarding: bool) -> None:
    """A program that listens on one machine is reached from the others, and sees the virtual address of its caller."""
    for host in running.lab.hosts.values():
        host.forwarding = forwarding
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen(running, "excs-1", "10.20.30.11", 3640))
        await until_open(running, "excp-1", "10.20.30.11", 3640)
        said = await heard(running, "excp-1", "10.20.30.11", 3640)
        assert said == "nonce-excs-1 seen 10.20.30.13 at 10.20.30.11:3640"
        assert (await heard(running, "exas-1", "10.20.30.11", 3640)).split()[2] == "10.20.30.12"
        listening.cancel()
    async with asyncio.timeout(5):
        while True:
            (tried,) = await running.vantages["excp-1"].dial(Dial(address="10.20.30.11", port=3640, attempts=1))
            if tried.verdict is PathVerdict.REFUSED:
                break


async def test_a_firewall_stands_before_a_listener(running: Harbour) -> None:
    """A rule of the lab's network keeps one machine from a listener that another reaches."""
    rules = Rules(dropped=frozenset({("excp-2", Endpoint("10.20.30.11", 3640))}))
    await running.lab.adopt(replace(running.lab.conditions, rules=rules))
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen(running, "excs-1", "0.0.0.0", 3640))
        await until_open(running, "excp-1", "10.20.30.11", 3640)
        (tried,) = await running.vantages["excp-2"].dial(Dial(address="10.20.30.11", port=3640, attempts=1, limit=0.3))
        assert tried.verdict is PathVerdict.TIMEOUT
        with pytest.raises(PathClosed):
            await running.vantages["excp-2"].stream("10.20.30.11", 3640, limit=0.3)
        listening.cancel()


@pytest.mark.parametrize(
    ("address", "port", "number"),
    [
        ("10.20.30.11", 3650, errno.EADDRINUSE),
        ("10.20.30.12", 3640, errno.EADDRNOTAVAIL),
        ("10.20.30.11", 22, errno.EACCES),
        ("10.20.30.11", 9999, errno.EADDRINUSE),
    ],
)
async def test_an_address_that_cannot_be_had(running: Harbour, address: str, port: int, number: int) -> None:
    """A port that is listened on or served, an address of another machine, a port of the system: each has its errno."""
    running.lab.network.serve(Endpoint("10.20.30.11", 9999), Endpoint("127.0.0.1", 1))
    await running.lab.adopt(running.lab.conditions)
    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen(running, "excs-1", "10.20.30.11", 3650))
        await until_open(running, "excp-1", "10.20.30.11", 3650)
        second = await listen(running, "excs-1", address, port)
        listening.cancel()
    assert (second.status, second.out.decode().strip()) == (3, f"no {number}")


async def test_nothing_runs_on_after_its_connection(running: Harbour) -> None:
    """Closing the connection ends what a command left behind, at once."""
    started = Path(running.site.path.parent / "started")
    work = asyncio.create_task(
        running.vantages["excs-1"].run(f"echo $$ >{started}; trap '' HUP TERM; sleep 60; sleep 60", limit=30)
    )
    async with asyncio.timeout(5):
        while not (started.exists() and started.read_text().strip()):  # noqa: ASYNC110, ASYNC240
            await asyncio.sleep(0.01)
    await running.vantages.close()
    with pytest.raises((ProbeError, asyncio.CancelledError)):
        await work
    process = Path("/proc") / started.read_text().strip()  # noqa: ASYNC240
    async with asyncio.timeout(5):
        while process.exists():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_another_key_is_refused(running: Harbour) -> None:
    """The lab's account opens to the lab's key alone."""
    access = replace(running.site.access[0], user="root")
    vantages = await open_vantages((access,), limits=running.site.limits, secrets={}, redact=Redactor())
    with pytest.raises(ProbeError) as refused:
        await vantages[access.name].connect()
    await vantages.close()
    assert refused.value.reason.code is Cause.AUTH


async def test_two_labs_keep_apart(running: Harbour, tmp_path: Path) -> None:
    """Two labs at once have the same addresses and different machines, keys and secrets behind them."""
    async with harbour(tmp_path) as other:
        mine, theirs = [await ask(lab, "excs-1", ReadIdentity("excs-1")) for lab in (running, other)]
        await other.lab.remediate()
        assert running.lab.faults
        assert not other.lab.faults
    assert mine != theirs
    assert running.lab.hosts["excs-1"].known_hosts_line != other.lab.hosts["excs-1"].known_hosts_line
