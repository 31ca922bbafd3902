"""Several site files in one ``readiness audit``: at the same time, a report of each, and an index of all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from readiness_reports import as_json
from readiness_schemas.portfolio import EntryDocument, PortfolioDocument

from tests.lab.command_line import clean_environment
from tests.lab.sshd import LOOPBACK, Sshd, SshdLab, black_hole, sshd_lab

pytestmark = pytest.mark.server
PROGRAM = [sys.executable, "-m", "readiness", "audit"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdLab]:
    with sshd_lab(tmp_path_factory.mktemp("portfolio")) as running:
        yield running


@pytest.fixture(scope="module")
def hosts(lab: SshdLab) -> Sequence[Sshd]:
    return [lab.start(f"host-{number}") for number in range(3)]


def site(name: str, host: Sshd, *lines: str, port: int | None = None) -> str:
    return "\n".join(
        [
            f"site: {{name: {json.dumps(name)}}}",
            f"ssh: {{user: {host.user}, identity_file: {host.key}, known_hosts: {host.known_hosts}}}",
            f"vms: [{{name: excs-1, role: excs, host: {LOOPBACK}, ssh: {{port: {port or host.port}}}}}]",
            *lines,
            "",
        ]
    )


def write(folder: Path, *texts: str) -> list[str]:
    names = [f"site-{number}.yaml" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (folder / name).write_text(text)
    return names


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=clean_environment(folder),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def read(path: Path) -> PortfolioDocument:
    return cast("PortfolioDocument", json.loads(path.read_text()))


def entries(index: PortfolioDocument) -> dict[str, EntryDocument]:
    return {each["slug"]: each for each in index["sites"]}


def test_each_has_its_report_and_all_have_an_index(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """Three sites: three folders with reports of their own, an index that leads to them, and lines that tell them."""
    files = write(tmp_path, *(site(f"Site {number}", host) for number, host in enumerate(hosts)))
    done = call(tmp_path, *files, "--only", "vm.os", "--only", "vm.kernel")
    assert done.returncode == 3, done.stdout + done.stderr
    (folder,) = (tmp_path / "readiness-reports/portfolio").iterdir()
    assert {path.name for path in folder.iterdir()} == {"index.html", "index.json"}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    index = read(folder / "index.json")
    assert index["counts"]["all"] == 3
    for number in range(3):
        slug = f"site-{number}"
        found = entries(index)[slug]["result"]
        assert found is not None
        report = folder / found["report"]
        assert report.resolve() == tmp_path / "readiness-reports" / slug / folder.name / "report.html"
        document = as_json.read(report.with_name("report.json"))
        assert document["site"]["name"] == f"Site {number}"
        assert (document["digest"], document["verdict"]) == (found["digest"], found["verdict"])
        assert f"{slug}: excs-1 connected" in done.stdout
        assert f"{slug}: Not proven" in done.stdout
    assert f"Index: readiness-reports/portfolio/{folder.name}/index.html" in done.stdout
    assert "\x1b" not in done.stdout


def test_each_is_compared_with_its_own_history(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """The second run takes each site's own first report as its baseline, in the folder that --out names too."""
    files = write(tmp_path, *(site(f"Site {number}", host) for number, host in enumerate(hosts[:2])))
    call(tmp_path, *files, "--out", "here", "--format", "json")
    first = {slug: each["result"] for slug, each in entries(read(tmp_path / "here/index.json")).items()}
    call(tmp_path, *files, "--out", "here", "--format", "json")
    for slug, each in entries(read(tmp_path / "here/index.json")).items():
        before, after = first[slug], each["result"]
        assert before is not None
        assert after is not None
        assert before["baseline"] is None
        assert after["baseline"] is not None
        assert after["baseline"]["run_id"] == before["run_id"]
        assert after["report"] == f"{slug}/report.json"


def test_what_goes_wrong_with_one_costs_that_one(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """A site whose report cannot be written: exit 4, named in the index and on the terminal; the other is whole."""
    files = write(tmp_path, site("Good", hosts[0]), site("Bad", hosts[1]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/bad").write_text("a file where a folder should be")
    done = call(tmp_path, *files, "--out", "out", "--only", "vm.os")
    assert done.returncode == 4
    index = read(tmp_path / "out/index.json")
    lost, kept = entries(index)["bad"], entries(index)["good"]
    assert lost["result"] is None
    assert "readiness itself failed" in (lost["trouble"] or "")
    assert kept["result"] is not None
    assert as_json.read(tmp_path / "out/good/report.json")["run"]["complete"]
    assert index["counts"]["no_report"] == 1
    assert "bad: readiness itself failed" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_file_stops_all_before_anything_is_asked(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """Every problem of every file is told, and no host sees a connection: exit 2."""
    files = write(tmp_path, site("Good", hosts[0]), "site: {name: Bad}\nvmz: []\n", "site: {}\n")
    before = hosts[0].said("Connection from")
    done = call(tmp_path, *files)
    assert done.returncode == 2
    assert "site-1.yaml:2:1" in done.stderr
    assert "site-2.yaml:" in done.stderr
    assert hosts[0].said("Connection from") == before
    assert not (tmp_path / "readiness-reports").exists()


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (("Twin", "TWIN"), (), "site-0.yaml, site-1.yaml"),
        (("A", "B"), ("--baseline", "report.json"), "--baseline"),
        (("A", "B"), ("--format", "json", "--out", "-"), "--out -"),
    ],
)
def test_what_several_sites_cannot_share(
    names: Sequence[str], options: Sequence[str], said: str, hosts: Sequence[Sshd], tmp_path: Path
) -> None:
    """A name, a baseline, standard output: a wrong call, exit 2, and nothing is written."""
    files = write(tmp_path, *(site(name, hosts[0]) for name in names))
    done = call(tmp_path, *files, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "readiness-reports").exists()


def test_ctrl_c_keeps_what_was_found(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """At work: a report marked incomplete; not begun: no report, and the index says so; exit 130."""
    with black_hole() as dead:
        known = tmp_path / "known_hosts"
        key = hosts[0].key.with_suffix(".pub").read_text()
        known.write_text(hosts[0].known_hosts.read_text() + f"[{LOOPBACK}]:{dead} {key}")
        silent = site("Silent", hosts[0], "limits: {ssh: 60}", port=dead)
        silent = silent.replace(str(hosts[0].known_hosts), str(known))
        files = write(tmp_path, silent, site("Waiting", hosts[1]))
        process = subprocess.Popen(
            [*PROGRAM, *files, "--out", "out", "--at-once", "1"],
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("silent: auditing"):
                break
        time.sleep(0.3)  # some of its work may have begun, or none: both must do
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=30) == 130, rest
    index = read(tmp_path / "out/index.json")
    begun, waiting = entries(index)["silent"], entries(index)["waiting"]
    assert begun["result"] is not None
    assert not begun["result"]["complete"]
    assert not as_json.read(tmp_path / "out/silent/report.json")["run"]["complete"]
    assert waiting["result"] is None
    assert "interrupted" in (waiting["trouble"] or "")
    assert not index["run"]["complete"]
    assert not (tmp_path / "out/waiting").exists()


def test_one_server_of_many_sites_is_not_stormed(lab: SshdLab, hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """Eight sites share a bootstrap machine whose sshd drops what goes beyond four logins at a time: all get in."""
    shared = lab.start("shared", "MaxStartups 4:100:4", "PerSourceMaxStartups none")
    texts = []
    for number in range(8):
        text = site(
            f"Site {number}", shared, f"bootstrap: {{name: boot, host: {LOOPBACK}, ssh: {{port: {shared.port}}}}}"
        )
        texts.append("\n".join(line for line in text.splitlines() if not line.startswith("vms:")) + "\n")
    files = write(tmp_path, *texts)
    done = call(tmp_path, *files, "--out", "out", "--only", "bootstrap.os", "--at-once", "8", "--format", "json")
    index = read(tmp_path / "out/index.json")
    assert (index["hosts"]["asked"], index["hosts"]["reached"]) == (8, 8), done.stdout
    assert shared.said("drop connection") == 0


def test_sites_are_audited_at_the_same_time(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """Three sites begin before the first of them is done."""
    files = write(tmp_path, *(site(f"Site {number}", host) for number, host in enumerate(hosts)))
    said = call(tmp_path, *files, "--only", "vm.os", "--format", "json").stdout.splitlines()
    begun = [number for number, line in enumerate(said) if ": auditing " in line]
    ended = [number for number, line in enumerate(said) if ": Not proven" in line]
    assert len(begun) == len(ended) == 3
    assert max(begun) < min(ended)


def test_one_machine_of_two_sites_is_theirs_in_turn(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """Two sites that name the same EXEC machine do not meet there: the second begins when the first is done."""
    files = write(tmp_path, site("First", hosts[0]), site("Second", hosts[0]))
    call(tmp_path, *files, "--only", "vm.os", "--format", "json", "--out", "out")
    runs = [as_json.read(tmp_path / f"out/{slug}/report.json")["run"] for slug in ("first", "second")]
    earlier, later = sorted(runs, key=lambda run: run["started_at"])
    assert earlier["finished_at"] <= later["started_at"]


def test_a_live_view_tells_the_sites(hosts: Sequence[Sshd], tmp_path: Path) -> None:
    """On a terminal each site that is done leaves a line, and no event of a site is lost on the way."""
    files = write(tmp_path, *(site(f"Site {number}", host) for number, host in enumerate(hosts[:2])))
    near, far = os.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *files, "--only", "vm.os", "--out", "out"],
        cwd=tmp_path,
        env=clean_environment(tmp_path) | {"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"},
        stdin=subprocess.DEVNULL,
        stdout=far,
        stderr=far,
    )
    os.close(far)
    said = b""
    while True:
        try:
            data = os.read(near, 65536)
        except OSError:  # the terminal's other end is closed
            break
        if not data:
            break
        said += data
    os.close(near)
    assert process.wait() == 3
    text = said.decode(errors="replace")
    assert "Auditing 2 sites" in text
    for slug in ("site-0", "site-1"):
        assert f"{slug}" in text
    assert "out/index.html" in text
