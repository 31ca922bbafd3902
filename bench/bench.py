"""How long readiness takes, beside what else could ask the same: one interleaved run, medians and their ratios.

The hosts are real sshd's on this machine's loopback. ``./run bench`` prints a table and writes bench/RESULTS.md.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import roundtrips
from hosts import Hosts, hosts
from peers import BENCH, Call, Peers, install, versions
from questions import Answers, differences, questions, settled

from readiness import __version__
from readiness.host_script import compose
from readiness.packs import load_packs
from readiness.plan import plan
from readiness.site.load import load_site

RESULTS = BENCH / "RESULTS.md"
FEW, MANY = 4, 40
_LIMIT = 300.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run: seconds by the clock from the first command to the end of the last, and of this machine's load."""

    seconds: float
    load: float


@dataclass
class Measured:
    """One way to ask, how often it was timed, and how often in each ``every`` rounds it takes part."""

    call: Call
    every: int = 1
    samples: list[Sample] = field(default_factory=list)
    answers: Answers = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def least(self) -> float:
        return min(sample.seconds for sample in self.samples)

    @property
    def most(self) -> float:
        return max(sample.seconds for sample in self.samples)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A promise about a figure: it holds where ``value`` is at most ``most``."""

    text: str
    value: float
    most: float

    @property
    def holds(self) -> bool:
        return self.value <= self.most

    @property
    def line(self) -> str:
        return f"| {self.text} | {self.value:.2f} | {self.most:g} | {'holds' if self.holds else '**missed**'} |"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no sshd stays behind
    install()
    began = datetime.now(UTC)
    load = os.getloadavg()
    with (
        tempfile.TemporaryDirectory(prefix="rb-") as folder,
        hosts(Path(folder), MANY) as lab,
        _peer() as peer,
    ):
        few, whole = _few(lab, Path(folder), peer)
        wrong = _interleaved([*few, *whole], options.rounds, lab, peer)
        many = _many(lab, Path(folder), peer)
        wrong += _interleaved(many, options.many, lab, peer)
        connections = _connections(lab, whole[1].call)
    starts = _starts(options.starts)
    made = asyncio.run(roundtrips.journeys(options.journeys)) if options.journeys else ()
    text = _report(options, began, load, few, whole, many, starts, made, connections, wrong)
    sys.stdout.write(text)
    if options.write:
        RESULTS.write_text(text)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds with four hosts")
    parser.add_argument("--many", type=int, default=5, help=f"rounds with {MANY} hosts")
    parser.add_argument("--starts", type=int, default=15, help="rounds of the commands that only start up")
    parser.add_argument("--journeys", type=int, default=3, help="rounds over ways of each length; 0: leave them out")
    parser.add_argument("--no-write", dest="write", action="store_false", help="leave bench/RESULTS.md as it is")
    return parser.parse_args()


@contextmanager
def _peer() -> Iterator[int]:
    """A port that accepts and hangs up, for the connects."""

    def accept() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0), backlog=1024) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]


def _few(lab: Hosts, folder: Path, peer: int) -> tuple[list[Measured], list[Measured]]:
    """The ways to ask four hosts, and the whole audit of them with its own floor."""
    peers = Peers(folder / "few", lab, FEW, questions(peer), peer)
    few = [
        Measured(peers.floor()),
        Measured(peers.readiness("readiness audit")),
        Measured(peers.testinfra(control_path=True)),
        Measured(peers.testinfra(control_path=False), every=3),
        Measured(peers.ansible()),
        Measured(peers.ansible_at_once(), every=3),
        Measured(peers.ansible_setup(), every=3),
        Measured(peers.pyinfra_facts()),
        Measured(peers.pyinfra_exec()),
    ]
    everything = Peers(folder / "whole", lab, FEW, questions(peer), peer)
    whole = [
        Measured(everything.floor_of(_own_script(everything.site()))),
        Measured(everything.readiness("readiness audit, every check", only=())),
    ]
    return few, whole


def _own_script(site: Path) -> str:
    """What an audit of everything has a host run for its own facts."""
    scripts = plan(load_site(site), load_packs()).scripts
    longest = max(scripts.values(), key=len)
    return compose(longest, token="0123456789abcdef")


def _many(lab: Hosts, folder: Path, peer: int) -> list[Measured]:
    peers = Peers(folder / "many", lab, MANY, questions(peer), peer)
    return [
        Measured(peers.floor()),
        Measured(peers.readiness("readiness audit")),
        Measured(peers.pyinfra_facts()),
        Measured(peers.pyinfra_exec()),
    ]


def _interleaved(ways: Sequence[Measured], rounds: int, lab: Hosts, peer: int) -> list[str]:
    """Time every way once a round, in turn; gives back where the answers of a round were not the same."""
    wrong: list[str] = []
    known = [*(host.port for host in lab.all), peer]
    for way in ways:  # one run each that does not count: caches, compiled modules
        _timed(way, known)
        way.samples.clear()
    for number in range(rounds):
        told = {}
        for way in ways:
            if number % way.every == 0:
                _timed(way, known)
                if way.answers:
                    told[way.call.name] = way.answers
        wrong += differences(told)
    return wrong


def _timed(way: Measured, known: Sequence[int]) -> None:
    call = way.call
    environment = {**os.environ, "NO_COLOR": "1", **call.environment}
    with tempfile.TemporaryFile("w+") as stdin:
        stdin.write(call.stdin)
        stdin.flush()
        began = time.monotonic()
        running = []
        for command in call.commands:
            stdin.seek(0)
            source = os.open(f"/proc/self/fd/{stdin.fileno()}", os.O_RDONLY)
            running.append(
                subprocess.Popen(
                    command, env=environment, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
            )
            os.close(source)
        said = _said(running)
        took = time.monotonic() - began
    for process, text in zip(running, said, strict=True):
        if process.returncode not in call.exits:
            raise SystemExit(f"{call.name} ended with {process.returncode}:\n{text[-3000:]}")
    way.samples.append(Sample(seconds=took, load=os.getloadavg()[0]))
    way.answers = settled(call.answers(said), known)
    call.tidy()


def _said(running: Sequence[subprocess.Popen[str]]) -> list[str]:
    """What each of some processes prints until its end; all are read at the same time."""
    said = [""] * len(running)

    def read(index: int) -> None:
        said[index] = running[index].communicate(timeout=_LIMIT)[0]

    readers = [threading.Thread(target=read, args=(index,)) for index in range(len(running))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return said


@dataclass(frozen=True, kw_only=True)
class Served:
    """What an audit took of the host that gave most, by its sshd's own log."""

    connections: int
    sessions: int


def _connections(lab: Hosts, call: Call) -> Served:
    before = {host.name: host.log.stat().st_size for host in lab.first(FEW)}
    _timed(Measured(call), ())
    taken = []
    for host in lab.first(FEW):
        log = host.log.read_bytes()[before[host.name] :].decode(errors="replace")
        taken.append((log.count("Connection from "), log.count("Starting session: ")))
    return Served(connections=max(each for each, _ in taken), sessions=max(each for _, each in taken))


@dataclass(frozen=True, kw_only=True)
class Start:
    """A command that only starts up, and its seconds."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def _starts(rounds: int) -> Sequence[Start]:
    python, readiness = sys.executable, str(Path(sys.executable).with_name("readiness"))
    commands = {
        'python -c "import typer"': [python, "-c", "import typer"],
        "readiness --version": [readiness, "--version"],
        "readiness --help": [readiness, "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            began = time.monotonic()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if number:
                seconds[name].append(time.monotonic() - began)
    return [Start(name=name, seconds=tuple(times)) for name, times in seconds.items()]


def _report(
    options: argparse.Namespace,
    began: datetime,
    load: tuple[float, float, float],
    few: Sequence[Measured],
    whole: Sequence[Measured],
    many: Sequence[Measured],
    starts: Sequence[Start],
    made: Sequence[roundtrips.Journey],
    connections: Served,
    wrong: Sequence[str],
) -> str:
    """The whole of RESULTS.md."""
    bars = [
        *_bars(few, many, starts),
        *_way_bars(made, connections),
        Bar(text="answers that were not everybody's", value=len(wrong), most=0),
    ]
    lines = [
        "# The bench's last run",
        "",
        f"`./run bench` at {began:%Y-%m-%d %H:%M} UTC, {options.rounds} rounds with {FEW} hosts and {options.many} "
        f"with {MANY}, every way once a round, one after the other. {_machine()}",
        f"Load average when it began: {load[0]:.2f}, {load[1]:.2f}, {load[2]:.2f}; "
        f"when it ended: {os.getloadavg()[0]:.2f} (the bench itself keeps the processors busy).",
        "",
        f"Versions: readiness {__version__}, Python {platform.python_version()}, {_openssh()}, "
        + ", ".join(f"{name} {version}" for name, version in versions().items())
        + ".",
        "",
        "## Bars",
        "",
        "| promise | measured | at most | |",
        "| --- | ---: | ---: | --- |",
        *(bar.line for bar in bars),
        *(f"\nNot everybody's: {line}" for line in wrong[:10]),
        "",
        f"## {FEW} hosts, 12 questions each",
        "",
        "Whole processes by the clock, seconds. All peers run the same twelve commands on every host (`bench/"
        "questions.py`), and their answers are compared in every round. readiness asks by sections of its own, "
        "which learn more than the twelve (50 connects for one, every disk's partitions, who holds each port), judges "
        "them, validates its report and writes it as JSON and HTML. ssh masters are ended after each run.",
        "",
        *_table(few, few[0], few[1]),
        "",
        "The audit of every check of the same hosts, whose rows connect three times, one second apart, so that an "
        "unstable path shows; its floor is an ssh for each host with the audit's own host script and no row.",
        "",
        *_table(whole, whole[0], whole[1]),
        "",
        f"## {MANY} hosts, 12 questions each",
        "",
        *_table(many, many[0], many[1]),
        "",
        "## Start-up",
        "",
        "| command | median s | to `import typer` |",
        "| --- | ---: | ---: |",
        *(f"| `{each.name}` | {each.median:.3f} | {each.median / starts[0].median:.2f} |" for each in starts),
        "",
        *_ways(made, connections),
    ]
    return "\n".join(lines)


def _table(ways: Sequence[Measured], floor: Measured, ours: Measured) -> Iterator[str]:
    yield "| way | median | least | most | runs | to the floor | readiness to it |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for way in ways:
        yield (
            f"| {way.call.name} | {way.median:.2f} | {way.least:.2f} | {way.most:.2f} | {len(way.samples)} | "
            f"{way.median / floor.median:.2f} | {ours.median / way.median:.2f} |"
        )


def _of(ways: Sequence[Measured], name: str) -> Measured:
    return next(way for way in ways if way.call.name.startswith(name))


def _bars(few: Sequence[Measured], many: Sequence[Measured], starts: Sequence[Start]) -> Iterator[Bar]:
    ours = _of(few, "readiness")
    for text, other, most in (
        (f"{FEW} hosts: readiness to the floor", _of(few, "ssh"), 2.0),
        (f"{FEW} hosts: readiness to pytest-testinfra with ControlPath", _of(few, "pytest-testinfra, Control"), 0.5),
        (f"{FEW} hosts: readiness to ansible-core without facts", _of(few, "ansible-core, no facts"), 0.15),
        (f"{FEW} hosts: readiness to pyinfra's facts", _of(few, "pyinfra, facts"), 1.0),
    ):
        yield Bar(text=text, value=ours.median / other.median, most=most)
    text = f"{MANY} hosts: readiness to pyinfra's facts"
    yield Bar(text=text, value=_of(many, "readiness").median / _of(many, "pyinfra, facts").median, most=1.0)
    for start in starts[1:]:
        yield Bar(text=f"`{start.name}` to `import typer`", value=start.median / starts[0].median, most=1.5)


def _way_bars(made: Sequence[roundtrips.Journey], connections: Served) -> Iterator[Bar]:
    if made:
        yield Bar(text="round trips of the demo's site, end to end", value=roundtrips.slope(made), most=25)
    yield Bar(text="connections to one host", value=connections.connections, most=2)


def _ways(made: Sequence[roundtrips.Journey], connections: Served) -> Iterator[str]:
    yield "## Round trips and connections"
    yield ""
    yield (
        f"By each sshd's own log, the audit of every check made at most {connections.connections} connections to a "
        f"host and {connections.sessions} sessions on them."
    )
    if not made:
        return
    yield ""
    yield "| round trip to every SSH server | median s | runs |"
    yield "| ---: | ---: | ---: |"
    for way in roundtrips.WAYS:
        runs = sum(journey.round_trip == way for journey in made)
        yield f"| {way * 1000:.0f} ms | {roundtrips.median(made, way):.2f} | {runs} |"
    yield ""
    yield from (roundtrips.EXPLANATION.format(slope=roundtrips.slope(made)).splitlines())
    yield ""


def _machine() -> str:
    model = "unknown processor"
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"Machine: {os.cpu_count()} x {model}, Linux {platform.release()}; hosts and auditor share it."


def _openssh() -> str:
    return subprocess.run(["ssh", "-V"], capture_output=True, text=True, check=True).stderr.strip().partition(",")[0]


if __name__ == "__main__":
    sys.exit(main())
