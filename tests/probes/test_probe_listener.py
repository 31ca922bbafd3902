"""Calling a port before its component is there: what each record means, and real machines that prove each other."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, ProbeError, Reason
from readiness.probes.listener import (
    Call,
    CallPort,
    Echo,
    Held,
    NotHeld,
    Obstacle,
    PortProof,
    Reach,
    port_of,
)
from readiness.probes.tcp import AddressPath, PathState, TcpPath
from readiness.secret import Redactor
from readiness.site import Absent, Monitoring, Prometheus, Role, Vm
from readiness.vantage import Completed, Dial, Dialled, Limits, PathClosed, PathVerdict, Resolution, Stream, Vantages
from readiness.vantage.host import Consent
from readiness.vantage.link import Exchange, Link, Running
from readiness.vantage.local import LocalLink, LocalVantage
from tests.lab.engine import site
from tests.lab.mapped import Plain
from tests.lab.sockets import LOOPBACK, greet, serving, silent

HELD = Held(address="10.10.1.11", port=3640, tool="python")
IN_USE = NotHeld(obstacle=Obstacle.IN_USE, text="Address already in use")
FORBIDDEN = NotHeld(obstacle=Obstacle.PERMISSION, text="Permission denied")
LOST = Reason(code=Cause.UNREACHABLE, detail="the SSH connection to excs-1 was lost")


def path(verdict: str, *more: str, icmp: str = "") -> TcpPath:
    attempts = tuple(
        Dialled(verdict=PathVerdict(one), ms=0.4, tool="python", source="10.10.1.12", icmp=icmp)
        for one in (verdict, *more)
    )
    return TcpPath(
        vantage="exas-1",
        host="10.10.1.11",
        port=3640,
        resolution=Resolution(name="10.10.1.11", addresses=("10.10.1.11",)),
        tried=(AddressPath(address="10.10.1.11", attempts=attempts),),
    )


def proof(
    found: TcpPath | None,
    echo: Echo = Echo.UNSAID,
    *,
    held: Held | None = None,
    not_held: NotHeld | None = None,
    trouble: Reason | None = None,
    reported: bool = False,
) -> PortProof:
    call = Call(
        source="exas-1",
        path=found,
        trouble=None if found else LOST,
        word="word",
        echo=echo,
        heard="",
        seen_as="",
        reached="",
        reported=reported,
    )
    return PortProof(
        carrier="excs-1",
        address="10.10.1.11",
        port=3640,
        held=held,
        not_held=not_held,
        trouble=trouble,
        calls=(call,),
        released=None,
    )


@pytest.mark.parametrize(
    ("found", "reach"),
    [
        (proof(path("open"), Echo.OURS, held=HELD, reported=True), Reach.PROVEN),
        (proof(path("open"), Echo.OURS, held=HELD), Reach.PROVEN),
        (proof(path("open"), Echo.NOTHING, held=HELD, reported=True), Reach.PROVEN),
        (proof(path("other"), Echo.OURS, held=HELD), Reach.PROVEN),
        (proof(None, Echo.OURS, held=HELD), Reach.PROVEN),
        (proof(None, held=HELD), Reach.UNASKED),
        (proof(path("other"), held=HELD), Reach.UNASKED),
        (proof(path("open"), Echo.FOREIGN, held=HELD), Reach.ELSEWHERE),
        (proof(path("open"), Echo.NOTHING, held=HELD), Reach.UNVERIFIED),
        (proof(path("open"), Echo.UNSAID, held=HELD), Reach.UNVERIFIED),
        (proof(path("open"), Echo.UNHEARD, held=HELD), Reach.UNVERIFIED),
        (proof(path("open"), Echo.NOTHING, held=HELD, trouble=LOST), Reach.UNVERIFIED),
        (proof(path("open"), not_held=IN_USE), Reach.ANSWERED),
        (proof(path("open"), not_held=FORBIDDEN), Reach.ANSWERED),
        (proof(path("open"), trouble=LOST), Reach.ANSWERED),
        (proof(path("refused"), held=HELD), Reach.BLOCKED),
        (proof(path("refused"), not_held=IN_USE), Reach.BLOCKED),
        (proof(path("refused"), not_held=FORBIDDEN), Reach.PLAUSIBLE),
        (proof(path("refused"), trouble=LOST), Reach.PLAUSIBLE),
        (proof(path("refused"), held=HELD, trouble=LOST), Reach.PLAUSIBLE),
        (proof(path("refused", icmp="3/3@10.10.1.11"), trouble=LOST), Reach.BLOCKED),
        (proof(path("timeout"), held=HELD), Reach.BLOCKED),
        (proof(path("timeout"), trouble=LOST), Reach.BLOCKED),
        (proof(path("no_route"), held=HELD), Reach.BLOCKED),
        (proof(path("open", "timeout"), Echo.OURS, held=HELD), Reach.UNSTABLE),
        (proof(path("open", "refused"), held=HELD), Reach.UNSTABLE),
        (proof(path("open", "refused"), held=HELD, trouble=LOST), Reach.PLAUSIBLE),
        (proof(path("open", "timeout"), held=HELD, trouble=LOST), Reach.UNSTABLE),
        (proof(path("open", "refused"), Echo.OURS, held=HELD, trouble=LOST), Reach.UNSTABLE),
        (proof(path("timeout"), Echo.OURS, held=HELD), Reach.UNSTABLE),
        (proof(path("refused"), Echo.OURS, held=HELD), Reach.UNSTABLE),
    ],
)
def test_what_became_of_the_calls(found: PortProof, reach: Reach) -> None:
    """Proven needs the nonce or the report; blocked needs somebody who waited, or silence; a bare refusal is plausible.

    A listener that ended early counts as none: its absence refuses too.
    """
    assert found.reach("exas-1") is reach


@pytest.mark.parametrize(
    ("other", "reported", "reach"),
    [
        (Echo.OURS, False, Reach.ELSEWHERE),
        (Echo.NOTHING, True, Reach.ELSEWHERE),
        (Echo.FOREIGN, False, Reach.UNVERIFIED),
        (Echo.NOTHING, False, Reach.UNVERIFIED),
        (Echo.UNSAID, False, Reach.UNVERIFIED),
    ],
)
def test_silence_accuses_another_only_beside_a_proven_caller(other: Echo, reported: bool, reach: Reach) -> None:
    """A listener that answered nobody may have been slow; one that answered another caller was not."""
    alone = proof(path("open"), Echo.NOTHING, held=HELD)
    beside = replace(alone.calls[0], source="excp-1", echo=other, reported=reported)
    assert replace(alone, calls=(*alone.calls, beside)).reach("exas-1") is reach


def test_nobody_else_is_in_the_proof() -> None:
    """A machine that did not call has no verdict."""
    with pytest.raises(KeyError):
        proof(path("open")).reach("excp-9")


def test_every_check_asks_the_same_question_about_a_port() -> None:
    """All built machines but its own call a port, and Prometheus where there is SSH to it; the order is the file's."""
    vms = (
        Vm(name="excs-1", role=Role.EXCS, host="10.99.1.11", address="10.10.1.11", port=3641),
        Vm(name="exas-1", role=Role.EXAS, host="10.10.1.12", address="10.10.1.12", port=None),
        Vm(name="excp-1", role=Role.EXCP, host=None, address="10.10.1.13", port=None),
    )
    bare = site(vms=vms)
    asked = CallPort.of(vms[0], bare)
    assert asked == CallPort("excs-1", "10.10.1.11", 3641, ("exas-1",))
    assert asked == CallPort.of(vms[0], bare)
    assert asked.vantages == ("excs-1", "exas-1")
    assert "3641" in asked.describe()
    assert port_of(vms[1], bare) == 3630
    watched = Prometheus(host="10.10.2.62", url=None, ca_file=None, username=None, password=None, ssh=True)
    monitored = replace(bare, monitoring=Monitoring(prometheus=watched, grafana=Absent.NONE, portainer=Absent.NONE))
    assert CallPort.of(vms[0], monitored).sources == ("exas-1", "prometheus")
    assert asked.limit(Limits()) > 20


# ---- real machines -----------------------------------------------------------------------------------------------


def free_ports(count: int) -> list[int]:
    """Ports that nobody has; below the ephemeral ones, so that no other test's connect takes them meanwhile."""
    found: list[int] = []
    for port in range(26000 + os.getpid() % 5000, 32000):
        with contextlib.suppress(OSError), socket.socket() as trial:
            trial.bind(("0.0.0.0", port))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


LIMITS = Limits(connect=1.0, script=10.0)


def machine(name: str, *, exec: bool = True, kind: type[LocalVantage] = LocalVantage) -> LocalVantage:
    return kind(name, limits=LIMITS, secrets={}, redact=Redactor(), consent=Consent(exec=exec))


@pytest.fixture
async def here() -> AsyncIterator[Vantages]:
    machines = [machine("excs-1"), machine("exas-1"), machine("excp-1"), machine("mute-1", exec=False)]
    found = Vantages(machines, limits=LIMITS)
    yield found
    await found.close()


async def ask(probe: CallPort, vantages: Vantages) -> PortProof:
    return probe.parse(await probe.read(vantages))


async def test_real_machines_call_a_real_port(here: Vantages) -> None:
    """A free port is proven by both ends and let go; a service that is there is called instead and not spoken to.

    A caller that is not there costs its own edge only, and a carrier that runs no commands leaves a refusal plausible.
    """
    first, second, third = free_ports(3)
    with serving(greet(b"SSH-2.0-OpenSSH_9.2p1\r\n")) as (taken, heard):
        proven, served, half, mute = await asyncio.gather(
            ask(CallPort("excs-1", LOOPBACK, first, ("exas-1", "excp-1")), here),
            ask(CallPort("excs-1", LOOPBACK, taken, ("exas-1",)), here),
            ask(CallPort("exas-1", LOOPBACK, second, ("excp-1", "excp-9")), here),
            ask(CallPort("mute-1", LOOPBACK, third, ("exas-1",)), here),
        )

    assert proven.held == Held(address=LOOPBACK, port=first, tool="python")
    assert proven.waited
    assert proven.released is True
    for source in ("exas-1", "excp-1"):
        call = proven.call(source)
        assert proven.reach(source) is Reach.PROVEN
        assert call.echo is Echo.OURS
        assert call.reported
        assert (call.seen_as, call.reached) == (LOOPBACK, LOOPBACK)
        assert not call.translated
        assert call.path is not None
        assert call.path.state is PathState.OPEN

    assert served.in_use
    assert served.reach("exas-1") is Reach.ANSWERED
    call = served.call("exas-1")
    assert call.path is not None
    assert call.path.banner.startswith(b"SSH-2.0")
    assert call.echo is Echo.UNSAID
    assert b"".join(heard) == b""

    assert half.reach("excp-1") is Reach.PROVEN
    assert half.reach("excp-9") is Reach.UNASKED
    assert half.call("excp-9").trouble is not None

    assert mute.held is None
    assert mute.trouble is not None
    assert mute.trouble.code is Cause.UNSUPPORTED
    assert mute.reach("exas-1") is Reach.PLAUSIBLE
    assert mute.released is None


class Reluctant(LocalVantage):
    """A machine whose port looks open for as many looks as it is told, though nobody holds it any more."""

    looks = 0
    open_for = 0

    async def dial(self, dial: Dial) -> tuple[Dialled, ...]:
        if dial.attempts > 1:
            return await super().dial(dial)
        self.looks += 1
        verdict = PathVerdict.OPEN if self.looks <= self.open_for else PathVerdict.REFUSED
        return (Dialled(verdict=verdict, ms=0.1, tool="python"),)


@pytest.mark.parametrize(("open_for", "looks", "released"), [(0, 1, True), (1, 2, True), (3, 3, False)])
async def test_a_port_gets_a_moment_to_be_let_go(open_for: int, looks: int, released: bool) -> None:
    """One look where it is closed at once, three at the most; one that stays open is said to."""
    (port,) = free_ports(1)
    carrier = machine("excs-1", kind=Reluctant)
    assert isinstance(carrier, Reluctant)
    carrier.open_for = open_for
    vantages = Vantages([carrier], limits=LIMITS)
    try:
        proof = await ask(CallPort("excs-1", LOOPBACK, port, ()), vantages)
    finally:
        await vantages.close()
    assert (carrier.looks, proof.released) == (looks, released)


class Drowsy(LocalVantage):
    """A machine that carries out nothing while the audit waits."""

    async def run(self, script: str, *, limit: float, **more: object) -> Completed:
        raise ProbeError(Cause.TIMEOUT, "the machine is busy")


@pytest.mark.parametrize(("kind", "echo"), [(LocalVantage, Echo.NOTHING), (Drowsy, Echo.UNHEARD)])
async def test_silence_counts_where_the_caller_shows_itself_awake(kind: type[LocalVantage], echo: Echo) -> None:
    """A caller that hears nothing and carries out nothing either has not heard that there was nothing to hear."""
    caller = machine("exas-1", kind=kind)
    vantages = Vantages([caller], limits=replace(LIMITS, connect=3.0))
    asked = CallPort("excs-1", LOOPBACK, 0, ("exas-1",))
    try:
        with serving(silent) as (port, _):
            said = await replace(asked, port=port)._said(vantages, "exas-1", "word", held=True)
    finally:
        await vantages.close()
    silence = {"source": "exas-1", "word": "word", "path": None, "said": said.said, "awake": said.awake, "heard": ""}
    assert asked._parse_call(silence, "nonce", ()).echo is echo


async def test_a_cancelled_question_lets_go_of_the_port(here: Vantages) -> None:
    """An audit that is interrupted leaves no listener behind."""
    (port,) = free_ports(1)
    asking = asyncio.create_task(CallPort("excs-1", LOOPBACK, port, ("exas-1",)).read(here))
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            break
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(LOOPBACK, port)
            except OSError:
                break
            writer.close()
            await asyncio.sleep(0.02)


# ---- firewalls and NAT between real machines ---------------------------------------------------------------------


class NamespaceLink(LocalLink):
    """Commands and paths of one network namespace."""

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self.namespace = namespace

    async def start(self, command: str, exchange: Exchange) -> Running:
        return await super().start(f"exec ip netns exec {self.namespace} sh -c {shlex.quote(command)}", exchange)

    async def open(self, address: str, port: int, *, limit: float) -> Stream:
        sock = await asyncio.get_running_loop().run_in_executor(None, self._socket)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(limit):
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
        except OSError as error:
            sock.close()
            raise PathClosed(PathVerdict.OTHER, str(error)) from None
        return Plain(*await asyncio.open_connection(sock=sock))

    def _socket(self) -> socket.socket:
        """A socket of the namespace: a thread that lives for it alone goes there."""
        made: list[socket.socket] = []

        def go() -> None:
            with Path("/var/run/netns", self.namespace).open() as there:
                if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), 0x40000000) == 0:
                    made.append(socket.socket())

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        return made[0]


class NamespaceMachine(LocalVantage):
    namespace: str

    async def _control(self) -> Link:
        if self._link is None:
            self._link = NamespaceLink(self.namespace)
        return self._link


@dataclass
class Network:
    prefix: str

    def name(self, machine: str) -> str:
        return f"{self.prefix}{machine}"

    def within(self, machine: str, command: str) -> None:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name(machine), "sh", "-ec", command], capture_output=True, text=True
        )
        if done.returncode != 0:
            pytest.skip(f"no network can be built here: {done.stderr[:200]}")

    async def serve(self, machine: str, port: int) -> asyncio.subprocess.Process:
        """Something that listens on a machine and says nothing of worth."""
        code = (
            f"import socket\ns = socket.create_server(('', {port}))\nprint('up', flush=True)\n"
            "while True:\n k, _ = s.accept(); k.recv(99); k.sendall(b'HTTP/1.1 400 Bad Request\\r\\n'); k.close()"
        )
        process = await asyncio.create_subprocess_exec(
            "ip", "netns", "exec", self.name(machine), sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        return process

    def vantages(self) -> Vantages:
        machines = []
        for name in ("excs-1", "exas-1", "other"):
            made = machine(name, kind=NamespaceMachine)
            assert isinstance(made, NamespaceMachine)
            made.namespace = self.name(name)
            machines.append(made)
        return Vantages(machines, limits=LIMITS)


BUILD = """
for m in excs-1 exas-1 other way; do ip netns add {p}$m; ip -n {p}$m link set lo up; done
n=1
for m in excs-1 exas-1 other; do
  ip link add {p}x$n type veth peer name eth0 netns {p}$m
  ip link set {p}x$n netns {p}way name to$n
  ip -n {p}way addr add 10.88.$n.1/24 dev to$n; ip -n {p}way link set to$n up
  ip -n {p}$m addr add 10.88.$n.2/24 dev eth0; ip -n {p}$m link set eth0 up
  ip -n {p}$m route add default via 10.88.$n.1
  n=$((n + 1))
done
ip netns exec {p}way sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit'
"""


@pytest.fixture
def network() -> Iterator[Network]:
    """excs-1 (10.88.1.2) and exas-1 (10.88.2.2) with a router between them, and another host beside."""
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "iptables")):
        pytest.skip("needs root, ip and iptables")
    found = Network(prefix=f"rl{os.getpid() % 100000}")
    try:
        built = subprocess.run(["sh", "-ec", BUILD.format(p=found.prefix)], capture_output=True, text=True)
        if built.returncode != 0:
            pytest.skip(f"no network can be built here: {built.stderr[:200]}")
        yield found
    finally:
        for name in ("excs-1", "exas-1", "other", "way"):
            subprocess.run(["ip", "netns", "del", found.name(name)], capture_output=True, check=False)


TO = "-p tcp --dport {port} -j"
CASES = {
    "free": ("", "", Reach.PROVEN, PathState.OPEN),
    "host drops": ("excs-1", f"-A INPUT {TO} DROP", Reach.BLOCKED, PathState.FILTERED),
    "host rejects": ("excs-1", f"-A INPUT {TO} REJECT", Reach.BLOCKED, PathState.REJECTED),
    "way drops": ("way", f"-A FORWARD {TO} DROP", Reach.BLOCKED, PathState.FILTERED),
    "way rejects": (
        "way",
        f"-A FORWARD {TO} REJECT --reject-with icmp-admin-prohibited",
        Reach.BLOCKED,
        PathState.REJECTED,
    ),
    "way resets": ("way", f"-A FORWARD {TO} REJECT --reject-with tcp-reset", Reach.BLOCKED, PathState.REFUSED),
    "another host": (
        "way",
        f"-t nat -A PREROUTING {TO} DNAT --to-destination 10.88.3.2:3630",
        Reach.ELSEWHERE,
        PathState.OPEN,
    ),
    "source translated": ("way", f"-t nat -A POSTROUTING {TO} MASQUERADE", Reach.PROVEN, PathState.OPEN),
}


@pytest.mark.root
async def test_firewalls_and_translation_are_found_out(network: Network) -> None:
    """A listener that waits turns every refusal into the proof of a filter, and tells another host by its nonce.

    One port for each case, all called at the same time from the same machine.
    """
    ports = {name: 3640 + number for number, name in enumerate(CASES)}
    for name, (at, rule, _, _) in CASES.items():
        if rule:
            network.within(at, "iptables " + rule.format(port=ports[name]))
    vantages = network.vantages()
    server = await network.serve("other", 3630)
    try:
        proofs = await asyncio.gather(
            *(ask(CallPort("excs-1", "10.88.1.2", port, ("exas-1",)), vantages) for port in ports.values())
        )
    finally:
        await vantages.close()
        server.kill()
        await server.wait()
    for (name, (_, _, reach, state)), found in zip(CASES.items(), proofs, strict=True):
        call = found.call("exas-1")
        assert found.waited, name
        assert found.released is True, name
        assert call.path is not None, name
        assert (found.reach("exas-1"), call.path.state) == (reach, state), name
        assert call.translated == (name == "source translated"), name


# ---- records -----------------------------------------------------------------------------------------------------

PROBE = CallPort("excs-1", "10.10.1.11", 3640, ("exas-1",))
NONCE = "n0nce0123456789"
GOOD = {
    "nonce": NONCE,
    "held": {"address": "10.10.1.11", "port": 3640, "tool": "python"},
    "not_held": None,
    "trouble": None,
    "calls": [
        {
            "source": "exas-1",
            "word": "w0rd",
            "path": '{"addresses":["10.10.1.11"],"error":"","tried":[{"address":"10.10.1.11","attempts":'
            '[{"verdict":"open","source":"10.10.1.12","tool":"python"}]}]}',
            "said": True,
            "heard": f"{NONCE} w0rd 10.88.0.1 10.10.1.11\n",
        }
    ],
    "called": [{"peer": "10.88.0.1", "local": "10.10.1.11", "word": "w0rd"}],
    "released": True,
}


def test_a_record_gives_the_fact_back() -> None:
    """The verdict is a function of what was heard: nonce, word, and the address that the machine saw."""
    found = PROBE.parse(json.dumps(GOOD))
    assert found.reach("exas-1") is Reach.PROVEN
    assert found.call("exas-1").translated
    assert found.call("exas-1").seen_as == "10.88.0.1"


@pytest.mark.parametrize(
    "heard", ["", "x", f"{NONCE} other 10.0.0.1 10.0.0.2\n", f"{NONCE} w0rd\n", f"x{NONCE} w0rd a b\n"]
)
def test_anything_but_the_exact_reply_is_foreign(heard: str) -> None:
    """Half a nonce, another word or a replay proves nothing."""
    calls = [{**GOOD["calls"][0], "heard": heard}]  # type: ignore[index]
    found = PROBE.parse(json.dumps({**GOOD, "calls": calls, "called": []}))
    assert found.call("exas-1").echo is (Echo.FOREIGN if heard else Echo.NOTHING)
    assert found.reach("exas-1") is (Reach.ELSEWHERE if heard else Reach.UNVERIFIED)


@pytest.mark.parametrize(
    "damage",
    [
        {"nonce": None},
        {"nonce": "../.."},
        {"held": []},
        {"held": {"address": "x", "port": 0, "tool": "python"}},
        {"not_held": {"obstacle": "magic", "text": ""}},
        {"trouble": {"code": "magic", "detail": "", "enable": "", "by": None}},
        {"calls": None},
        {"calls": [{}]},
        {"calls": [{"source": "stranger", "word": "w", "path": None, "said": True, "heard": ""}]},
        {"called": [1]},
        {"released": "yes"},
    ],
    ids=str,
)
def test_a_damaged_record_is_no_news(damage: dict[str, object]) -> None:
    """A record that makes no sense is a parse error and never a verdict."""
    with pytest.raises(ProbeError) as caught:
        PROBE.parse(json.dumps(GOOD | damage))
    assert caught.value.reason.code is Cause.PARSE


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, "source", "word"]), inner),
    max_leaves=15,
)


@given(st.text(max_size=100) | JSON.map(json.dumps) | st.fixed_dictionaries(dict.fromkeys(GOOD, JSON)).map(json.dumps))
def test_any_record_is_survived(text: str) -> None:
    """Whatever stands in a report, reading it gives a fact or a parse error."""
    found: object
    try:
        found = PROBE.parse(text)
    except ProbeError as error:
        found = error.reason.code
    assert found is Cause.PARSE or isinstance(found, PortProof)
