"""The exec prober against real sockets, with each engine that this machine has."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, Reason
from readiness.vantage import Dial, Dialled, PathVerdict, prober
from readiness.vantage.prober import Engine
from tests.lab.sockets import LOOPBACK, closed, greet, hang_up, reset, serving, silent, swallowing

TOKEN = "0123456789abcdef"
TOOLS = ["sh", "bash", "sleep", "date", "timeout", "head", "cat", "tr", "cut", "od", "grep"]
EXACT = (Engine.PYTHON, Engine.PERL)


def needs(engine: Engine) -> Engine:
    """The engine, or a skip that names what is missing."""
    if program_of(engine) is None:
        pytest.skip(f"{engine.value} is not installed")
    return engine


@dataclass
class Run:
    """What one script printed."""

    attempts: dict[int, list[Dialled]] = field(default_factory=dict)
    troubles: list[Reason] = field(default_factory=list)
    seconds: float = 0.0

    def verdicts(self, index: int = 0) -> list[PathVerdict]:
        return [attempt.verdict for attempt in self.attempts.get(index, [])]


def run(
    dials: Sequence[Dial], *, engine: Engine | None = None, path: str | None = None, shell: str = "sh", before: str = ""
) -> Run:
    """Run the script as a vantage does: on the standard input of a shell."""
    text = before + prober.script(dials, token=TOKEN, engine=engine)
    began = time.monotonic()
    done = subprocess.run(
        [shutil.which(shell) or shell, "-s"],
        input=text.encode(),
        capture_output=True,
        timeout=60,
        check=True,
        env={"PATH": path or os.defpath + ":/usr/local/bin", "HOME": "/nonexistent"},
    )
    found = Run(seconds=time.monotonic() - began)
    for line in done.stdout.split(b"\n"):
        match prober.understand(line, TOKEN):
            case (index, attempt):
                found.attempts.setdefault(index, []).append(attempt)
            case Reason() as reason:
                found.troubles.append(reason)
    return found


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with next to nothing on it."""
    return furnish(tmp_path)


def furnish(house: Path) -> Path:
    for tool in TOOLS:
        found = shutil.which(tool)
        if found:
            (house / tool).symlink_to(found)
    return house


SSH = b"SSH-2.0-OpenSSH_9.2p1\r\n"
MYSQL = b"\x4a\x00\x00\x00\x0a5.7.1\x00"


@dataclass
class Scene:
    """One run of every engine that is here, all at the same time, against the same peers."""

    names: list[str]
    runs: dict[Engine, Run]
    heard: list[bytes]
    six: bool

    def of(self, engine: Engine, name: str) -> list[Dialled]:
        needs(engine)
        return self.runs[engine].attempts.get(self.names.index(name), [])

    def verdicts(self, engine: Engine, name: str) -> list[PathVerdict]:
        return [attempt.verdict for attempt in self.of(engine, name)]


@pytest.fixture(scope="module")
def scene() -> Scene:
    engines = [engine for engine in Engine if program_of(engine)]
    with contextlib.ExitStack() as stack:
        served = {
            name: stack.enter_context(serving(behave))
            for name, behave in {
                "open": silent,
                "silent": silent,
                "ssh": greet(SSH),
                "mysql": greet(MYSQL),
                "flood": greet(b"x" * 5000),
                "hangs up": hang_up,
                "resets": reset,
            }.items()
        }
        six = stack.enter_context(serving(silent, address="::1")) if has_ipv6() else (9, [])
        shut, hole = stack.enter_context(closed()), stack.enter_context(swallowing())

        def dials(linger: float, silence: float, patience: float = 3) -> dict[str, Dial]:
            """``silence``: seconds for what never answers; ``patience``: for what does, on a busy machine."""

            def to(port: int, attempts: int = 1, limit: float = patience, **more: float) -> Dial:
                return Dial(address=LOOPBACK, port=port, attempts=attempts, limit=limit, **more)

            heard = {name: to(port, linger=linger) for name, (port, _) in served.items() if name != "open"}
            return {
                **heard,
                "open": to(served["open"][0], attempts=2, spacing=0.1),
                "refused": to(shut, attempts=2, spacing=0.1),
                "hole": to(hole, attempts=3, limit=silence, spacing=0.1),
                "six": Dial(address="::1", port=six[0], attempts=1, limit=patience),
                "in a row": to(served["open"][0], attempts=20, spacing=0),
                "hole in a row": to(hole, attempts=50, limit=silence, spacing=0),
            }

        def one(engine: Engine) -> Run:
            slow = 1 if engine is Engine.CURL else 3  # curl waits to the end of its time
            asked = dials(0.4, 0.5) if engine in EXACT else dials(1, 1, patience=slow)
            return run(list(asked.values()), engine=engine)

        with ThreadPoolExecutor(len(engines)) as pool:
            runs = dict(zip(engines, pool.map(one, engines), strict=True))
        names = list(dials(1, 1))
    return Scene(
        names=names, runs=runs, heard=[said for _, heard in served.values() for said in heard], six=six[0] != 9
    )


def program_of(engine: Engine) -> str | None:
    return shutil.which("python3" if engine is Engine.PYTHON else engine.value)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("engine", list(Engine))
def test_every_engine_tells_open_refused_and_silent_apart(scene: Scene, engine: Engine) -> None:
    """Whatever a machine has to dial with, the three answers that decide a row are the same.

    gawk alone cannot tell why a connect failed, and does not pretend to.
    """
    refused = PathVerdict.OTHER if engine is Engine.GAWK else PathVerdict.REFUSED
    assert scene.verdicts(engine, "open") == [PathVerdict.OPEN] * 2
    assert scene.verdicts(engine, "refused") == [refused] * 2
    assert scene.verdicts(engine, "hole") == [PathVerdict.TIMEOUT] * 3
    assert {attempt.tool for attempt in scene.of(engine, "open")} == {engine.value}


@pytest.mark.parametrize("engine", list(Engine))
def test_every_engine_dials_ipv6(scene: Scene, engine: Engine) -> None:
    """An IPv6 address needs no special care from the caller."""
    if not scene.six:
        pytest.skip("this machine has no IPv6 loopback")
    assert scene.verdicts(engine, "six") == [PathVerdict.OPEN]


def test_no_engine_sends_a_byte(scene: Scene) -> None:
    """Stat Server and SIP Server must never hear from us."""
    assert b"".join(scene.heard) == b""


@pytest.mark.parametrize("engine", EXACT)
def test_the_exact_engines_time_connects_and_name_their_source(scene: Scene, engine: Engine) -> None:
    """Python and Perl give the connect time and the address that a firewall will see."""
    for attempt in scene.of(engine, "open"):
        assert attempt.source == LOOPBACK
        assert attempt.ms is not None
        assert 0 < attempt.ms < 1000
        assert attempt.closed is None
        assert attempt.banner == b""


@pytest.mark.parametrize("engine", EXACT)
def test_a_silent_address_keeps_its_limit_and_its_source(scene: Scene, engine: Engine) -> None:
    """A connect that nobody answers is cut at its own limit, and the source is known all the same."""
    for attempt in scene.of(engine, "hole"):
        assert attempt.ms == pytest.approx(500, abs=350)
        assert attempt.source == LOOPBACK


@pytest.mark.parametrize("engine", [Engine.PYTHON, Engine.PERL, Engine.BASH])
@pytest.mark.parametrize(
    ("peer", "banner", "hung_up"),
    [
        ("silent", b"", False),
        ("ssh", SSH, False),
        ("mysql", MYSQL, False),
        ("flood", b"x" * 256, False),
        ("hangs up", b"", True),
    ],
)
def test_lingering_hears_what_a_peer_says_unasked(
    scene: Scene, engine: Engine, peer: str, banner: bytes, hung_up: bool
) -> None:
    """At most 256 bytes of a greeting are kept as they are, and a peer that hangs up is noticed."""
    (attempt,) = scene.of(engine, peer)
    assert attempt.verdict is PathVerdict.OPEN
    assert attempt.banner == banner
    assert attempt.closed is hung_up


@pytest.mark.parametrize("engine", EXACT)
def test_a_reset_after_the_handshake_is_an_open_port_that_hangs_up(scene: Scene, engine: Engine) -> None:
    """ECONNRESET can only befall a connection that stood, so the port was open."""
    (attempt,) = scene.of(engine, "resets")
    assert attempt.verdict is PathVerdict.OPEN
    assert attempt.closed is True


@pytest.mark.parametrize("engine", list(Engine))
def test_without_spacing_connects_follow_one_another(scene: Scene, engine: Engine) -> None:
    """The connects for a latency figure come from one dial; slow tools make as many as the time allows."""
    verdicts = scene.verdicts(engine, "in a row")
    assert set(verdicts) == {PathVerdict.OPEN}
    assert len(verdicts) == 20 if engine in EXACT else 1 <= len(verdicts) <= 20


@pytest.mark.parametrize("engine", list(Engine))
def test_without_spacing_a_silent_peer_ends_the_row_early(scene: Scene, engine: Engine) -> None:
    """Fifty connects to a black hole cost three limits at most, not fifty."""
    verdicts = scene.verdicts(engine, "hole in a row")
    assert 1 <= len(verdicts) <= 3
    assert set(verdicts) == {PathVerdict.TIMEOUT}


@pytest.mark.parametrize("engine", EXACT)
def test_attempts_overlap(engine: Engine) -> None:
    """Ten silent attempts a twentieth of a second apart take one limit and their spacing, not ten limits."""
    with swallowing() as hole:
        found = run([Dial(address=LOOPBACK, port=hole, attempts=10, spacing=0.05, limit=0.5)], engine=needs(engine))
    assert found.verdicts() == [PathVerdict.TIMEOUT] * 10
    assert found.seconds < 4


@pytest.mark.parametrize("engine", EXACT)
def test_hundreds_of_dials_run_side_by_side(engine: Engine) -> None:
    """Three hundred dials with three attempts each are done in the time of one."""
    with serving(silent) as (port, _), closed() as shut:
        dials = [
            Dial(address=LOOPBACK, port=port if number % 2 else shut, attempts=3, spacing=0.2) for number in range(300)
        ]
        found = run(dials, engine=needs(engine))
    assert len(found.attempts) == 300
    assert all(found.verdicts(number) == [PathVerdict.OPEN] * 3 for number in range(1, 300, 2))
    assert all(found.verdicts(number) == [PathVerdict.REFUSED] * 3 for number in range(0, 300, 2))
    assert found.seconds < 15


def test_few_file_descriptors_delay_and_do_not_falsify() -> None:
    """Where a machine allows 64 open files, dials wait for one another and none fails for it."""
    with serving(silent) as (port, _):
        dials = [Dial(address=LOOPBACK, port=port, attempts=2, spacing=0.05, linger=0.05) for _ in range(60)]
        found = run(dials, engine=Engine.PYTHON, before="ulimit -n 64\n")
    assert all(found.verdicts(number) == [PathVerdict.OPEN] * 2 for number in range(60))


@pytest.mark.parametrize("engine", EXACT)
def test_an_address_without_a_route_is_told_apart(engine: Engine) -> None:
    """A connect that fails before anything leaves the machine has a verdict of its own."""
    dials = [Dial(address="255.255.255.255", port=9, attempts=1), Dial(address="fe80::1%nope0", port=9, attempts=1)]
    found = run(dials, engine=needs(engine))
    assert found.verdicts(0)[0] in (PathVerdict.NET_UNREACHABLE, PathVerdict.DENIED)
    assert found.verdicts(1) == [PathVerdict.OTHER]


SIX = "2001:db8::1"


@pytest.mark.parametrize(
    ("address", "words", "verdict"),
    [
        (SIX, "connect: Cannot assign requested address", PathVerdict.NET_UNREACHABLE),
        (SIX, "nc: socket: Address family not supported by protocol", PathVerdict.NET_UNREACHABLE),
        (SIX, "Address family for hostname not supported", PathVerdict.NET_UNREACHABLE),
        (SIX, "can't connect to remote host: Address not available", PathVerdict.NET_UNREACHABLE),
        (SIX, "something else", PathVerdict.OTHER),
        (LOOPBACK, "connect: Cannot assign requested address", PathVerdict.OTHER),
    ],
)
def test_the_words_of_a_machine_without_ipv6_are_understood(
    bare: Path, address: str, words: str, verdict: PathVerdict
) -> None:
    """A tool that finds no IPv6 says so in the kernel's words; of an IPv4 address they mean something else."""
    tool = bare / "nc"
    tool.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
    tool.chmod(0o755)
    found = run([Dial(address=address, port=9, attempts=1)], engine=Engine.NC, path=str(bare))
    assert found.verdicts() == [verdict]


@pytest.mark.root
@pytest.mark.parametrize("engine", list(Engine))
def test_every_tool_tells_that_a_machine_has_no_ipv6(engine: Engine) -> None:
    """Where IPv6 is switched off, each engine that is here calls its network unreachable."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare for a network namespace of its own")
    text = "ip link set lo up && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || exit 77\n" + prober.script(
        [Dial(address=SIX, port=9, attempts=1)], token=TOKEN, engine=needs(engine)
    )
    done = subprocess.run(["unshare", "-n", "sh", "-s"], input=text.encode(), capture_output=True, timeout=30)
    if done.returncode == 77:
        pytest.skip("no network namespace can be made here")
    told = [prober.understand(line, TOKEN) for line in done.stdout.split(b"\n")]
    attempts = [one[1] for one in told if isinstance(one, tuple)]
    assert [attempt.verdict for attempt in attempts] == [PathVerdict.NET_UNREACHABLE], attempts


@pytest.mark.parametrize("engine", EXACT)
def test_meeting_oneself_is_no_open_port(engine: Engine) -> None:
    """A connect to a closed local port that happens to take that port as its own source is refused, not open.

    Linux lets a socket connect to itself; with one ephemeral port to choose from it must.
    """
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare for a network namespace of its own")
    text = (
        "ip link set lo up && echo 40123 40123 > /proc/sys/net/ipv4/ip_local_port_range || exit 77\n"
        + prober.script([Dial(address=LOOPBACK, port=40123, attempts=1)], token=TOKEN, engine=needs(engine))
    )
    done = subprocess.run(["unshare", "-n", "sh", "-s"], input=text.encode(), capture_output=True, timeout=30)
    if done.returncode == 77:
        pytest.skip("no network namespace can be made here")
    told = [prober.understand(line, TOKEN) for line in done.stdout.split(b"\n")]
    attempts = [one[1] for one in told if isinstance(one, tuple)]
    assert [attempt.verdict for attempt in attempts] == [PathVerdict.REFUSED]


ROUTED = """
ip link add reA type veth peer name in0 || exit 77
ip netns add {far} || exit 77
ip link set in0 netns {far}
ip addr add 10.77.0.1/24 dev reA && ip addr add fd77::1/64 dev reA nodad
ip link set reA up && ip link set lo up
ip -n {far} addr add 10.77.0.2/24 dev in0
ip -n {far} link set in0 up && ip -n {far} link set lo up
ip -n {far} route add 10.99.0.0/24 dev in0 && ip route add 10.97.0.0/24 via 10.77.0.2
ip -n {far} addr add fd77::2/64 dev in0 nodad
ip route add 10.99.0.0/24 via 10.77.0.2
ip route add prohibit 10.98.0.0/24
ip netns exec {far} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/icmp_ratelimit;
  echo 0 > /proc/sys/net/ipv6/icmp/ratelimit'
ip netns exec {far} iptables -A INPUT -p tcp --dport 1001 -j REJECT || exit 77
ip netns exec {far} iptables -A INPUT -p tcp --dport 1002 -j REJECT --reject-with icmp-admin-prohibited
ip netns exec {far} iptables -A INPUT -p tcp --dport 1003 -j REJECT --reject-with tcp-reset
ip netns exec {far} iptables -A INPUT -p tcp --dport 1004 -j DROP
ip netns exec {far} iptables -A FORWARD -j REJECT --reject-with icmp-host-prohibited
ip netns exec {far} ip6tables -A INPUT -p tcp --dport 1001 -j REJECT --reject-with icmp6-adm-prohibited
ping -c 1 -W 2 10.77.0.2 >/dev/null 2>&1; ping -6 -c 1 -W 2 fd77::2 >/dev/null 2>&1
"""


@pytest.mark.root
def test_firewalls_are_told_apart_by_their_icmp() -> None:
    """Without any privilege of its own the prober names the message that ended a connect, and who sent it.

    A REJECT of the host itself, one of a device on the way, a reset, silence, a host that is absent from the segment,
    a network that the router does not know and a prohibiting route of the machine's own: most of them share an errno.
    """
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "iptables", "ip6tables", "unshare", "perl")):
        pytest.skip("needs root, ip, iptables, unshare and perl")
    far = f"rdprobe{os.getpid()}"
    cases: list[tuple[str, int, PathVerdict, str]] = [
        ("10.77.0.2", 1001, PathVerdict.REFUSED, "3/3@10.77.0.2"),
        ("10.77.0.2", 1002, PathVerdict.NO_ROUTE, "3/13@10.77.0.2"),
        ("10.77.0.2", 1003, PathVerdict.REFUSED, ""),
        ("10.77.0.2", 1004, PathVerdict.TIMEOUT, ""),
        ("10.77.0.2", 1005, PathVerdict.REFUSED, ""),
        ("10.77.0.77", 80, PathVerdict.NO_ROUTE, "3/1@10.77.0.1"),
        ("10.99.0.1", 80, PathVerdict.NO_ROUTE, "3/10@10.77.0.2"),
        ("10.97.0.1", 80, PathVerdict.NET_UNREACHABLE, "3/0@10.77.0.2"),
        ("10.98.0.1", 80, PathVerdict.DENIED, ""),
        ("fd77::2", 1001, PathVerdict.DENIED, "1/1@fd77::2"),
    ]
    dials = [
        Dial(address=address, port=port, attempts=1, limit=1.5 if verdict is PathVerdict.TIMEOUT else 4.5)
        for address, port, verdict, _ in cases
    ]
    scripts = [prober.script(dials, token=TOKEN, engine=engine) for engine in EXACT]
    text = ROUTED.format(far=far) + "".join(f"(\n{script}) &\n" for script in scripts) + "wait\n"
    try:
        done = subprocess.run(["unshare", "-n", "sh", "-s"], input=text.encode(), capture_output=True, timeout=30)
    finally:
        subprocess.run(["ip", "netns", "del", far], capture_output=True, check=False)
    if done.returncode == 77:
        pytest.skip(f"no network can be built here: {done.stderr.decode()[:200]}")
    told = [one for line in done.stdout.split(b"\n") if isinstance(one := prober.understand(line, TOKEN), tuple)]
    for engine in EXACT:
        by_engine = dict(one for one in told if one[1].tool == engine.value)
        seen = [(by_engine[number].verdict, by_engine[number].icmp) for number in range(len(cases))]
        assert seen == [(verdict, icmp) for _, _, verdict, icmp in cases], engine


PYTHONS = ("2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13")


def python(version: str) -> str | None:
    """An interpreter of this version, on PATH or in pyenv's house."""
    homes = sorted(Path(os.environ.get("PYENV_ROOT", "/root/.pyenv")).glob(f"versions/{version}.*/bin/python"))
    return str(homes[-1]) if homes else shutil.which(f"python{version}")


@pytest.fixture(scope="module")
def by_python(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The same three dials by every Python that is here, all at the same time."""

    houses: dict[str, Path] = {}
    for version in PYTHONS:
        if python(version):
            houses[version] = furnish(tmp_path_factory.mktemp(f"python{version}"))
            wrapper = houses[version] / ("python2" if version == "2.7" else "python3")
            wrapper.write_text(f'#!/bin/sh\nexec {python(version)} "$@"\n')
            wrapper.chmod(0o755)

    def one(house: Path) -> Run:
        return run(dials, engine=Engine.PYTHON, path=str(house))

    with serving(greet(b"hello")) as (port, _), closed() as shut, swallowing() as hole:
        dials = [
            Dial(address=LOOPBACK, port=port, attempts=1, linger=0.2),
            Dial(address=LOOPBACK, port=shut, attempts=1),
            Dial(address=LOOPBACK, port=hole, attempts=1, limit=0.5),
        ]
        with ThreadPoolExecutor(max(1, len(houses))) as pool:
            return dict(zip(houses, pool.map(one, houses.values()), strict=True))


@pytest.mark.parametrize("version", PYTHONS)
def test_the_python_engine_speaks_old_and_new_python(by_python: dict[str, Run], version: str) -> None:
    """The same text runs on Python 2.7 and on every Python 3 that a distribution ships."""
    if version not in by_python:
        pytest.skip(f"Python {version} is not installed")
    found = by_python[version]
    verdicts = [found.verdicts(number) for number in range(3)]
    assert verdicts == [[PathVerdict.OPEN], [PathVerdict.REFUSED], [PathVerdict.TIMEOUT]]
    assert found.attempts[0][0].banner == b"hello"


def test_platform_python_and_broken_interpreters(bare: Path) -> None:
    """An interpreter that does not start is passed over, and the next tool dials."""
    for name in ("python3", "python2", "python"):
        broken = bare / name
        broken.write_text("#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n")
        broken.chmod(0o755)
    with serving(silent) as (port, _):
        found = run([Dial(address=LOOPBACK, port=port, attempts=1)], path=str(bare))
    assert found.verdicts() == [PathVerdict.OPEN]
    assert found.attempts[0][0].tool != "python"


def test_a_machine_without_any_tool_says_so(bare: Path) -> None:
    """Nothing to dial with is a reason, never a verdict."""
    (bare / "bash").unlink()
    dials = [Dial(address=LOOPBACK, port=9, attempts=1)]
    text = prober.script(dials, token=TOKEN).replace(":/usr/bin:/bin:/usr/sbin:/sbin", "")
    text = text.replace("/usr/libexec/platform-python", "/nonexistent")
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-s"],
        input=text.encode(),
        capture_output=True,
        env={"PATH": str(bare)},
        check=True,
    )
    told = [prober.understand(line, TOKEN) for line in done.stdout.split(b"\n")]
    reasons = [one for one in told if isinstance(one, Reason)]
    assert [reason.code for reason in reasons] == [Cause.TOOL_MISSING]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_the_script_runs_in_every_common_shell(shell: str) -> None:
    """dash, bash and BusyBox's ash read the same text."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    text = prober.script([Dial(address=LOOPBACK, port=1, attempts=1)], token=TOKEN)
    command = ["busybox", "sh", "-s"] if shell == "busybox" else [shell, "-s"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True, timeout=30)
    assert any(isinstance(prober.understand(line, TOKEN), tuple) for line in done.stdout.split(b"\n"))


def test_bash_without_timeout_still_keeps_the_limit(bare: Path) -> None:
    """Where timeout(1) is missing, a watchdog ends the attempt."""
    (bare / "timeout").unlink()
    with swallowing() as hole:
        text = prober.script([Dial(address=LOOPBACK, port=hole, attempts=1, limit=1)], token=TOKEN, engine=Engine.BASH)
        text = text.replace(":/usr/bin:/bin:/usr/sbin:/sbin", "")
        began = time.monotonic()
        done = subprocess.run(
            [shutil.which("sh") or "sh", "-s"],
            input=text.encode(),
            capture_output=True,
            env={"PATH": str(bare)},
            check=True,
        )
    told = [one for line in done.stdout.split(b"\n") if isinstance(one := prober.understand(line, TOKEN), tuple)]
    assert [attempt.verdict for _, attempt in told] == [PathVerdict.TIMEOUT]
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("engine", [Engine.PYTHON, Engine.PERL, Engine.BASH])
def test_the_script_dies_when_nobody_listens_any_more(engine: Engine) -> None:
    """Once its reader is gone, the prober ends at its next sign of life and leaves no process behind."""
    with swallowing() as hole:
        dials = [Dial(address=LOOPBACK, port=hole, attempts=30, spacing=1, limit=2)]
        text = prober.script(dials, token=TOKEN, engine=needs(engine))
        process = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text.encode())
        process.stdin.close()
        process.stdout.readline()
        process.stdout.close()
        process.wait(10)
        with gone(process.pid) as left:
            assert left == []


@contextlib.contextmanager
def gone(session: int) -> Iterator[list[str]]:
    """What is left of a session after at most five seconds; it is ended in any case."""
    until = time.monotonic() + 5
    left = members(session)
    while left and time.monotonic() < until:
        time.sleep(0.1)
        left = members(session)
    try:
        yield left
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(session, signal.SIGKILL)


def members(session: int) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(entry.parent.joinpath("cmdline").read_text())
    return found


def test_the_alarm_covers_the_longest_row() -> None:
    """The hard limit is never shorter than what the dials may take, and bounded for hundreds of them."""
    one = Dial(address=LOOPBACK, port=9, attempts=3, spacing=1, limit=5, linger=1)
    assert prober.duration([one]) > 2 + 5 + 1
    assert prober.duration([one] * 64) == prober.duration([one])
    assert prober.duration([Dial(address=LOOPBACK, port=9, attempts=50, spacing=0, limit=5)]) >= 15
    assert prober.duration([]) > 0


@pytest.mark.parametrize(
    "dial",
    [
        Dial(address="redis.example", port=1),
        Dial(address="$(id)", port=1),
        Dial(address="10.0.0.1; id", port=1),
        Dial(address="10.0.0.1%eth0", port=1),
        Dial(address="fe80::1%$(id)", port=1),
        Dial(address="", port=1),
        Dial(address=LOOPBACK, port=0),
        Dial(address=LOOPBACK, port=65536),
        Dial(address=LOOPBACK, port=1, attempts=0),
        Dial(address=LOOPBACK, port=1, attempts=10**6),
        Dial(address=LOOPBACK, port=1, spacing=-1),
        Dial(address=LOOPBACK, port=1, limit=0),
        Dial(address=LOOPBACK, port=1, limit=float("inf")),
        Dial(address=LOOPBACK, port=1, linger=float("nan")),
    ],
    ids=repr,
)
def test_what_is_no_number_never_reaches_a_machine(dial: Dial) -> None:
    """Only numeric addresses, real ports and finite times are written into a script."""
    with pytest.raises(ValueError):
        prober.script([dial], token=TOKEN)


@pytest.mark.parametrize("token", ["", "short", "with space and", "semi;colon", "a" * 65, "line\nbreak1"])
def test_a_token_is_a_plain_word(token: str) -> None:
    """A token that the shell or a line could misread is refused."""
    with pytest.raises(ValueError):
        prober.script([], token=token)


@pytest.mark.server
def test_the_script_is_clean_shell() -> None:
    """shellcheck finds nothing in the text for a POSIX shell."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    text = prober.script([Dial(address=LOOPBACK, port=1)], token=TOKEN)
    done = subprocess.run(["shellcheck", "-s", "sh", "-"], input=text.encode(), capture_output=True)
    assert done.stdout.decode() == ""


def line(*fields: str) -> bytes:
    return "\t".join([TOKEN, *fields]).encode()


def test_a_line_is_understood_behind_noise() -> None:
    """What a login shell prints before our words, on the same line too, does not matter."""
    fields = ("7", "open", "0.42", "python", "10.0.0.1", "", "", "", "")
    expected = (7, Dialled(verdict=PathVerdict.OPEN, ms=0.42, tool="python", source="10.0.0.1"))
    assert prober.understand(line(*fields), TOKEN) == expected
    assert prober.understand(b"Welcome! " + line(*fields) + b"\r\n", TOKEN) == expected


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"7\topen\t0.42\tpython\t\t\t\t\t",
        line("7", "open"),
        line("x", "open", "0.42", "python", "", "", "", "", ""),
        line("7", "wide open", "0.42", "python", "", "", "", "", ""),
        line("7", "open", "-1", "python", "", "", "", "", ""),
        line("7", "open", "nan", "python", "", "", "", "", ""),
        line("7", "open", "1", "telepathy", "", "", "", "", ""),
        line("7", "open", "1", "python", "", "", "zz", "", ""),
        line("7", "open", "1", "python", "", "", "", "maybe", ""),
    ],
)
def test_a_damaged_line_is_noise(damaged: bytes) -> None:
    """A line that is not wholly ours says nothing."""
    assert prober.understand(damaged, TOKEN) is None


def test_hostile_fields_are_bounded_and_printable() -> None:
    """What a machine sends cannot smuggle escapes, fake senders or megabytes into a report."""
    got = prober.understand(
        line("0", "refused", "1", "bash", "not an address", "<b>@x", "41" * 5000, "0", "\x1b[2J" + "y" * 9000), TOKEN
    )
    assert isinstance(got, tuple)
    attempt = got[1]
    assert (attempt.source, attempt.icmp) == ("", "")
    assert len(attempt.banner) == 256
    assert len(attempt.raw) <= 200
    assert attempt.raw.isprintable()


def test_a_crash_of_the_engine_is_a_reason() -> None:
    """An engine that breaks off says why, and that is no verdict on any path."""
    got = prober.understand(line("!", "crash", "MemoryError: "), TOKEN)
    assert isinstance(got, Reason)
    assert got.code is Cause.CRASH
    assert "MemoryError" in got.detail


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(junk: bytes) -> None:
    """No line, with or without our token, makes the reader raise."""
    prober.understand(junk, TOKEN)
    prober.understand(TOKEN.encode() + b"\t" + junk, TOKEN)
    prober.understand(TOKEN.encode() + b"\t0\topen\t1\tpython\t" + junk, TOKEN)


if sys.platform != "linux":
    pytestmark = pytest.mark.skip(reason="the prober is for Linux hosts")


def test_sockets_of_this_module_are_what_they_claim() -> None:
    """The doubles themselves: a black hole swallows, a closed port refuses."""
    with swallowing() as hole, closed() as shut:
        trial = socket.socket()
        trial.settimeout(0.2)
        with pytest.raises(TimeoutError):
            trial.connect((LOOPBACK, hole))
        trial.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, shut), 1)
