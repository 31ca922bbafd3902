"""How an audit grows with its rows, its hosts and its sites: wall time, CPU and memory, beside straight lines.

Everything asked is real: one sshd process for each host, on a loopback address of its own; TCP peers on as many
addresses; and ``readiness audit`` as a process of its own, whose CPU time and peak memory the kernel tells. The hosts
stand on this very machine: what their sshd's, shells and probers spend is in the wall time, and is told beside it.

    ./run growth [--quick] [--out FILE]
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import platform
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import asyncssh
from readiness_reports import as_html
from readiness_schemas.report import ReportDocument

from readiness import __version__

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "GROWTH.md"
READINESS = Path(sys.executable).with_name("readiness")
START = 30.0

ROWS = (10, 100, 1000, 5000)
REFUSED = 2438
"""Rows that make a report of 5000 findings: each row, and two more findings for each SIP Server of two rows."""

HOSTS = (4, 40, 400)
SITES = (1, 10, 100)
PER_SITE = 5


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of a command: seconds of wall and CPU time, MiB of memory at the most, its exit code.

    ``hosts`` is the CPU time that the sshd's and all that they started spent meanwhile.
    """

    units: int
    wall: float
    cpu: float
    hosts: float
    peak: float
    code: int
    said: str = ""


@dataclass(frozen=True)
class Line:
    """A least-squares line through some points; ``off`` is the largest residual as a share of its value there."""

    fixed: float
    per_unit: float
    off: float

    @staticmethod
    def through(points: Sequence[tuple[float, float]]) -> Line:
        """Fit with relative weights, so that small runs count as much as large ones."""
        weights = [1 / max(y, 1e-9) ** 2 for _, y in points]
        total = sum(weights)
        mean_x = sum(w * x for w, (x, _) in zip(weights, points, strict=True)) / total
        mean_y = sum(w * y for w, (_, y) in zip(weights, points, strict=True)) / total
        spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points, strict=True))
        slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points, strict=True)) / spread
        fixed = mean_y - slope * mean_x
        return Line(fixed, slope, max(abs(fixed + slope * x - y) / max(y, 1e-9) for x, y in points))


class Farm:
    """Real sshd's, one process each, on loopback addresses of their own; one client key, one known_hosts file."""

    def __init__(self, folder: Path, count: int) -> None:
        self._sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or ""
        if not self._sshd:
            raise SystemExit("The bench needs sshd (Debian, Ubuntu: sudo apt-get install openssh-server).")
        self.folder = folder
        self.user = getpass.getuser()
        self.key = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self.port = _free_port()
        self.addresses = [f"127.2.{number // 200}.{number % 200 + 10}" for number in range(count)]
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Farm:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        key = asyncssh.generate_private_key("ssh-ed25519")
        self.key.touch(mode=0o600)
        key.write_private_key(self.key)
        key.write_public_key(self.key.with_suffix(".pub"))
        lines = []
        for address in self.addresses:
            host_key = asyncssh.generate_private_key("ssh-ed25519")
            place = self.folder / address
            place.mkdir()
            (place / "host_key").touch(mode=0o600)
            host_key.write_private_key(place / "host_key")
            kind, public = host_key.export_public_key("openssh").decode().split()[:2]
            lines.append(f"[{address}]:{self.port} {kind} {public}\n")
            self._running.append(self._start(place, address))
        self.known_hosts.write_text("".join(lines))
        for address in self.addresses:
            _await(address, self.port)
        return self

    def _start(self, place: Path, address: str) -> subprocess.Popen[bytes]:
        config = place / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress {address}\nHostKey {place}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {self.key}.pub\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            f"KbdInteractiveAuthentication no\nSetEnv HOME={place}\n"
        )
        return subprocess.Popen(
            [self._sshd, "-D", "-f", str(config), "-E", str(place / "log")],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait()

    def spent(self) -> float:
        """Seconds of CPU that all sshd's spent so far, with all that they started and outlived (proc(5))."""
        ticks = 0
        for process in self._running:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(") ")[2].split()
            ticks += sum(map(int, fields[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def settled(self) -> float:
        """The same once the sessions have ended: what they spent counts from then on."""
        before, now = -1.0, self.spent()
        while now > before:
            time.sleep(0.5)
            before, now = now, self.spent()
        return now

    def site(self, name: str, hosts: Sequence[str], *lines: str) -> str:
        """A site file of these hosts: excs, exas, excp and excp, a fifth one bootstrap, all others excp."""
        roles = ["excs", "exas", "excp", "excp"]
        machines = [
            f"  - {{name: vm-{number}, role: {roles[number] if number < 4 else 'excp'}, host: {address}}}"
            for number, address in enumerate(hosts)
        ]
        return "\n".join(
            [
                f"site: {{name: {name}}}",
                f"ssh: {{user: {self.user}, port: {self.port}, identity_file: {self.key}, "
                f"known_hosts: {self.known_hosts}}}",
                "report: {lead_times: {network: 10d, dba: 5d, virtualisation: 5d, deployer: 2d, engage: 3d, "
                "genesys_cloud: 2d}}",
                "vms:",
                *machines,
                *lines,
                "",
            ]
        )


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def _await(address: str, port: int) -> None:
    until = time.monotonic() + START
    while True:
        try:
            socket.create_connection((address, port), timeout=1).close()
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"sshd did not start at {address}:{port}") from None
            time.sleep(0.02)
        else:
            return


_PEERS = """\
import asyncio, sys
class Silent(asyncio.Protocol):
    pass
async def main():
    server = await asyncio.get_running_loop().create_server(Silent, "0.0.0.0", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""


@contextmanager
def peers() -> Iterator[int]:
    """A process that accepts and stays silent on one port of every loopback address."""
    process = subprocess.Popen([sys.executable, "-c", _PEERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.wait()


_RUNNER = """\
import json, os, subprocess, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    with open(asked["said"], "w") as said:
        began = time.monotonic()
        process = subprocess.Popen(
            asked["command"], cwd=asked["cwd"], env=asked["env"], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.monotonic() - began
    told = [wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
    print(json.dumps(told), flush=True)
"""


class Runner:
    """Runs commands from a process that stays small: the kernel counts what a process was forked from as its peak."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-c", _RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def measured(self, units: int, command: Sequence[str], folder: Path) -> Measured:
        """Run a command to its end; its CPU and memory as the kernel counted them."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1", "LANG": "C.UTF-8"}
        said, spent = folder / "said", self._farm.spent()
        asked = {"command": list(command), "cwd": str(folder), "env": environment, "said": str(said)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        wall, cpu, peak, code = json.loads(self._process.stdout.readline())
        hosts = self._farm.settled() - spent
        return Measured(
            units=units, wall=wall, cpu=cpu, hosts=hosts, peak=peak, code=code, said=said.read_text()[-400:]
        )


def audited(
    runner: Runner, units: int, folder: Path, sites: Sequence[str], *options: str
) -> tuple[Measured, list[ReportDocument]]:
    """Audit so many site files in one command; the run and its reports, without what was recorded.

    Raises:
        SystemExit: it left not every report.
    """
    folder.mkdir()
    files = []
    for number, text in enumerate(sites):
        files.append(f"site-{number}.yaml")
        (folder / files[-1]).write_text(text)
    done = runner.measured(units, [str(READINESS), "audit", *files, "--out", "out", *options], folder)
    if done.code not in (0, 1, 3):
        raise SystemExit(f"the audit of {folder.name} exited with {done.code}: {done.said}")
    reports = sorted((folder / "out").glob("**/report.json"))
    if len(reports) != len(sites):
        raise SystemExit(f"{folder.name} left {len(reports)} of {len(sites)} reports: {done.said}")
    return done, [_outline(json.loads(path.read_text())) for path in reports]


def _outline(report: ReportDocument) -> ReportDocument:
    """The report without its bulk: only what went wrong in it is looked at."""
    report["observations"] = []
    return report


def trouble(reports: Sequence[ReportDocument]) -> str:
    """What our own run must not have: machines that were not reached, questions without an answer for our reasons."""
    lost = sum(not host["reached"] for report in reports for host in report["run"]["hosts"])
    codes: dict[str, int] = {}
    for report in reports:
        for finding in report["findings"]:
            reason = finding["reason"]
            if reason is not None and reason["code"] in {"timeout", "overload", "crash", "unreachable", "cancelled"}:
                word = reason["detail"] if reason["code"] == "crash" else reason["code"]
                codes[word] = codes.get(word, 0) + 1
    said = [f"{lost} machines lost"] if lost else []
    said += [f"{count} findings unknown: {code}" for code, count in codes.items()]
    return ", ".join(said) or "none"


class Browser:
    """A headless Chromium that is told what to do over a pipe; nothing is loaded from anywhere but this machine."""

    def __init__(self, program: str, folder: Path) -> None:
        to_it, self._out = os.pipe()
        self._in, from_it = os.pipe()
        self._process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                'exec "$0" "$@" 3<&"$TO_IT" 4>&"$FROM_IT"',
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--remote-debugging-pipe",
                f"--user-data-dir={folder}",
                "--window-size=1280,900",
                "about:blank",
            ],
            pass_fds=(to_it, from_it),
            env={**os.environ, "TO_IT": str(to_it), "FROM_IT": str(from_it)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_it)
        os.close(from_it)
        self._held = b""
        self._number = 0
        self._events: list[str] = []
        self._session: str | None = None
        target = str(self.call("Target.createTarget", url="about:blank")["targetId"])
        self._session = str(self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        self.call("Page.enable")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **given: object) -> dict[str, object]:
        """Call a method of the DevTools protocol and wait for its answer."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": given}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result = answer["result"]
                assert isinstance(result, dict)
                return result

    def _next(self) -> dict[str, object]:
        while b"\0" not in self._held:
            data = os.read(self._in, 1 << 20)
            if not data:
                raise RuntimeError("the browser has gone")
            self._held += data
        text, _, self._held = self._held.partition(b"\0")
        message: dict[str, object] = json.loads(text)
        if "method" in message:
            self._events.append(str(message["method"]))
        return message

    def load(self, path: Path) -> float:
        """Open a file; the seconds until its load event and one painted frame."""
        self._events.clear()
        began = time.monotonic()
        self.call("Page.navigate", url=path.as_uri())
        while "Page.loadEventFired" not in self._events:
            self._next()
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")
        return time.monotonic() - began

    def evaluate(self, script: str) -> float:
        """The number that a script in the page comes to."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        result = answer["result"]
        if not isinstance(result, dict) or "value" not in result:
            raise RuntimeError(f"the page did not answer: {answer}")
        return float(result["value"])


KEYSTROKE = """\
new Promise(done => {
  const find = document.querySelector('[type=search]'), began = performance.now();
  find.value = %s;
  find.dispatchEvent(new Event('input', {bubbles: true}));
  requestAnimationFrame(() => { document.body.offsetHeight; setTimeout(() => done(performance.now() - began), 0); });
})
"""
"""A letter typed into the search field; milliseconds until the page is laid out and painted again."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Runs of growing size: ``unit`` names what grows, ``note`` says what one run is."""

    title: str
    unit: str
    note: str
    runs: Sequence[Measured]
    troubles: Sequence[str]

    def table(self) -> Iterator[str]:
        """Markdown: each run, then the lines through them."""
        yield f"## {self.title}"
        yield ""
        yield self.note
        yield ""
        yield (
            f"| {self.unit}s | wall s | CPU s | CPU s of hosts | peak MiB | CPU ms per {self.unit} | not as planned |"
        )
        yield "| ---: | ---: | ---: | ---: | ---: | ---: | --- |"
        for run, wrong in zip(self.runs, self.troubles, strict=True):
            yield (
                f"| {run.units} | {run.wall:.1f} | {run.cpu:.2f} | {run.hosts:.1f} | {run.peak:.0f} "
                f"| {1000 * run.cpu / run.units:.2f} | {wrong} |"
            )
        yield ""
        for name, digits, points in (
            ("wall", 2, [(run.units, run.wall) for run in self.runs]),
            ("CPU", 2, [(run.units, run.cpu) for run in self.runs]),
            ("CPU of the hosts", 2, [(run.units, run.hosts) for run in self.runs]),
            ("peak memory", 1, [(run.units, run.peak) for run in self.runs]),
        ):
            line = Line.through(points)
            kind, factor, small = ("MiB", 1024.0, "KiB") if name == "peak memory" else ("s", 1000.0, "ms")
            yield (
                f"- {name}: {line.fixed:.{digits}f} {kind} + {factor * line.per_unit:.2f} {small} per {self.unit}; "
                f"no run is further than {100 * line.off:.0f} % from that line"
            )
        yield ""


def rows(runner: Runner, farm: Farm, port: int, folder: Path, sizes: Sequence[int]) -> tuple[Series, Path]:
    """Audits of one site of four hosts with ever more connectivity rows; the folder of the largest."""
    runs, wrong = [], []
    for size in sizes:
        text = farm.site("Rows", farm.addresses[:4], _sip_servers(size // 2, port))
        done, reports = audited(runner, size, folder / f"rows-{size}", [text])
        runs.append(done)
        wrong.append(trouble(reports))
        _say(f"{size} rows: {done.wall:.1f} s, {wrong[-1]}")
    note = (
        "One site of four hosts; half as many SIP Servers as rows, each on an address of its own, each dialled by both "
        "EXCP VMs three times and once at a port that is closed. Per SIP Server two more findings are judged."
    )
    return Series(title="Rows", unit="row", note=note, runs=runs, troubles=wrong), folder / f"rows-{sizes[-1]}"


def _sip_servers(count: int, port: int) -> str:
    hosts = (
        f"{{host: 127.{8 + number // 40000}.{number // 200 % 200}.{number % 200 + 10}, port: {port}}}"
        for number in range(count)
    )
    return f"sip_servers: [{', '.join(hosts)}]"


def hosts(runner: Runner, farm: Farm, folder: Path, sizes: Sequence[int]) -> Series:
    """Everything that is asked of the hosts themselves, at ever more hosts, four to a site."""
    runs, wrong = [], []
    for size in sizes:
        texts = [farm.site(f"Hosts {at}", farm.addresses[at : at + 4]) for at in range(0, size, 4)]
        done, reports = audited(runner, size, folder / f"hosts-{size}", texts, "--only", "vm.*")
        runs.append(done)
        wrong.append(trouble(reports))
        _say(f"{size} hosts: {done.wall:.1f} s, {wrong[-1]}")
    note = (
        "Four hosts to a site, all sites in one command (`--only 'vm.*'`): everything that is asked of a machine "
        "itself, judged, and a report of each site. What is asked of pairs of machines grows with their square in one "
        "site, since the page asks it of each pair; a site file takes 64 VMs at the most."
    )
    return Series(title="Hosts", unit="host", note=note, runs=runs, troubles=wrong)


def sites(runner: Runner, farm: Farm, port: int, folder: Path, sizes: Sequence[int]) -> Series:
    """Whole audits of ever more sites in one command, with a report each and an index of all."""
    runs, wrong = [], []
    for size in sizes:
        texts = [_site(farm, number, port) for number in range(size)]
        done, reports = audited(runner, size, folder / f"sites-{size}", texts)
        runs.append(done)
        wrong.append(trouble(reports))
        _say(f"{size} sites: {done.wall:.1f} s, {wrong[-1]}")
    note = (
        f"Sites of {PER_SITE} hosts (four VMs and a bootstrap machine), two Stat Servers and two SIP Servers each, "
        "every check; one command, six sites at a time, a report of each as JSON and HTML, and an index of all."
    )
    return Series(title="Sites", unit="site", note=note, runs=runs, troubles=wrong)


def _site(farm: Farm, number: int, port: int) -> str:
    *vms, boot = farm.addresses[number * PER_SITE : (number + 1) * PER_SITE]
    peer = [f"{{host: 127.{20 + kind}.{number // 200}.{number % 200 + 10}, port: {port}}}" for kind in range(4)]
    return farm.site(
        f"Site {number}",
        vms,
        f"bootstrap: {{name: boot, host: {boot}}}",
        f"sip_servers: [{peer[0]}, {peer[1]}]",
        f"stat_servers: {{primary: {peer[2]}, backup: {peer[3]}}}",
    )


@dataclass(frozen=True, kw_only=True)
class Page:
    """One HTML report: how long it took to draw, and how a browser takes it; ``load`` is ``None`` without a browser."""

    name: str
    findings: int
    told: int
    drawn: float
    size: float
    nodes: int | None = None
    load: float | None = None
    first_key: float | None = None
    next_key: float | None = None


def page(name: str, folder: Path, browser: Browser | None) -> Page:
    """Draw a recorded report three times, open it, and type two letters into its search."""
    document: ReportDocument = json.loads((folder / "out" / "report.json").read_text())
    as_html.prepare()
    times = []
    for _ in range(3):
        began = time.monotonic()
        text = as_html.render(document)
        times.append(time.monotonic() - began)
    path = folder / "drawn.html"
    path.write_text(text, encoding="utf-8")
    told = sum(each["status"] not in ("pass", "skip") for each in document["findings"])
    found = Page(
        name=name,
        findings=len(document["findings"]),
        told=told,
        drawn=sorted(times)[1],
        size=path.stat().st_size / 1e6,
    )
    if browser is None:
        return found
    load = browser.load(path)
    keys = [browser.evaluate(KEYSTROKE % json.dumps(typed)) / 1000 for typed in ("e", "ex")]
    return Page(
        name=name,
        findings=found.findings,
        told=told,
        drawn=found.drawn,
        size=found.size,
        nodes=int(browser.evaluate("document.getElementsByTagName('*').length")),
        load=load,
        first_key=keys[0],
        next_key=keys[1],
    )


def pages_table(pages: Sequence[Page]) -> Iterator[str]:
    yield "## Pages"
    yield ""
    yield (
        "Drawing: the median of three. Opening: from the request to the first painted frame after the load event, in a "
        "fresh headless Chromium. Typing: from the letter to the painted page, the first one reads all text."
    )
    yield ""
    yield "| report | findings | told in full | drawn s | MB | elements | opened s | first letter s | next letter s |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for each in pages:
        seen = (each.nodes, each.load, each.first_key, each.next_key)
        rest = [
            "no browser" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value)
            for value in seen
        ]
        yield (
            f"| {each.name} | {each.findings} | {each.told} | {each.drawn:.2f} | {each.size:.1f} | {' | '.join(rest)} |"
        )
    yield ""


def bars(row_series: Series, pages: Sequence[Page], all_series: Sequence[Series]) -> Iterator[tuple[str, str, bool]]:
    """What was promised, what was measured, whether it holds."""
    walls = {run.units: run.wall for run in row_series.runs}
    if 10 in walls and 1000 in walls:
        ratio = walls[1000] / walls[10]
        yield "an audit of 1000 rows takes at most 3 times that of 10", f"{ratio:.2f} times", ratio <= 3
    for each in pages:
        if each.findings <= 5000:
            yield f"HTML of {each.findings} findings in under a second", f"{each.drawn:.2f} s", each.drawn < 1
            if each.first_key is not None:
                yield (
                    "the first letter of a search is answered within a second",
                    f"{each.first_key:.2f} s",
                    each.first_key < 1,
                )
    for series in all_series:
        off = Line.through([(run.units, run.cpu) for run in series.runs]).off
        yield f"CPU grows with {series.unit}s along a line, to a quarter", f"{100 * off:.0f} % off", off <= 0.25
        wrong = [each for each in series.troubles if each != "none"]
        yield f"no {series.unit} is lost or unasked for reasons of ours", "; ".join(wrong) or "none", not wrong


def _say(text: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {text}\n")


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{os.cpu_count()} x {model}, {memory:.0f} GB, Linux {platform.release()}"


def _ssh_version() -> str:
    ssh = shutil.which("ssh")
    return (
        "" if ssh is None else subprocess.run([ssh, "-V"], capture_output=True, text=True, check=False).stderr.strip()
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run growth", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works; measures nothing")
    parser.add_argument("--out", type=Path, default=RESULTS, help="where the results go (default: bench/GROWTH.md)")
    given = parser.parse_args()
    row_sizes, host_sizes, site_sizes = (ROWS, HOSTS, SITES) if not given.quick else ((10, 100), (4, 8), (1, 2))
    refused = REFUSED if not given.quick else 100
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the farm is to be cleared away then, too
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    began, load = time.monotonic(), _load()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory(prefix="readiness-growth-") as text:
        folder = Path(text)
        (folder / "farm").mkdir()
        needed = max(max(host_sizes), max(site_sizes) * PER_SITE)
        with Farm(folder / "farm", needed) as farm, peers() as port, Runner(farm) as runner:
            _say(f"{needed} sshd processes stand")
            row_series, largest = rows(runner, farm, port, folder, row_sizes)
            closed, _ = audited(
                runner,
                refused,
                folder / "refused",
                [farm.site("Refused", farm.addresses[:4], _sip_servers(refused // 2, 9))],
            )
            _say(f"{refused} refused rows: {closed.wall:.1f} s")
            host_series = hosts(runner, farm, folder, host_sizes)
            site_series = sites(runner, farm, port, folder, site_sizes)
        browser = Browser(chromium, folder / "browser") if chromium else None
        try:
            pages = [
                page("every row open", largest, browser),
                page("every row refused", folder / "refused", browser),
            ]
        finally:
            if browser is not None:
                browser.close()
    every = (row_series, host_series, site_series)
    judged = list(bars(row_series, pages, every))
    lines = [
        "# How an audit grows",
        "",
        f"Written by `./run growth{' --quick' if given.quick else ''}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, "
        f"in {time.monotonic() - began:.0f} s.",
        "",
        f"- readiness {__version__}, Python {platform.python_version()}, asyncssh {version('asyncssh')}, "
        f"{_ssh_version()}",
        f"- {_machine()}; load average when it began {load}, at the end {_load()}; soft limit of open files {soft}",
        f"- hosts: {needed} sshd processes, one for each host, each on a loopback address of its own. The auditor, all "
        "hosts and all peers share this machine's processors; a site's own machines would not.",
        "- CPU and peak memory are those of the `readiness audit` process, start-up included, by the kernel's count.",
        "",
        "| bar | measured | |",
        "| --- | --- | --- |",
        *(f"| {bar} | {value} | {'holds' if holds else '**missed**'} |" for bar, value, holds in judged),
        "",
        *(line for series in every for line in series.table()),
        *pages_table(pages),
    ]
    text = "\n".join(lines)
    given.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0 if all(holds for _, _, holds in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
