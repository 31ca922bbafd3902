"""Site files and reports that mean harm: refused in a sentence, within a second or two and little memory."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.command_line import clean_environment

PEAK = 128 << 20
"""Bytes of memory at the most; the command alone takes some 40 MiB."""

SECONDS = 5.0
"""Seconds of processor time at the most; starting the command takes half a one."""

LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
FILES = {
    "a billion laughs": LAUGHS,
    "a merge of itself": "site: &s {<<: *s}\n",
    "a hundred thousand levels": "site: " + "[" * 100_000,
    "a hundred thousand indents": "".join(" " * depth + "a:\n" for depth in range(1500)),
    "thirty million bytes": "# " + "x" * 30_000_000 + "\n",
    "a million keys": "site: {" + ", ".join(f"k{number}: 1" for number in range(150_000)),
    "one long word": "site: {name: " + "A" * 900_000 + "}\n",
    "a long number": "capacity: {agents: " + "9" * 900_000 + "}\n",
    "tags of Python": "site: !!python/object/apply:os.system ['id']\n",
    "no UTF-8": "site: \udcff\udcfe\n",
    "escapes and markup": 'site: {name: "\\e[31m<script>", "\\e]0;x\\a": 1}\n',
}
REPORTS = {
    "JSON of a million levels": "[" * 1_000_000,
    "objects of a million levels": '{"a":' * 1_000_000,
    "a number of a million digits": '{"schema_version": ' + "9" * 1_000_000 + "}",
    "sixty million bytes": '{"schema_version": "' + "x" * 60_000_000 + '"}',
    "one key a hundred thousand times": "{" + '"a": 1, ' * 100_000 + '"a": 1}',
}
_PROGRAM = """\
import pathlib, sys, time
from readiness.cli import main
try:
    main()
finally:
    grown = next(line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
    sys.stderr.write(f"\\n{grown}\\nCPU: {time.process_time():.2f} s\\n")
"""


def refused(path: Path, *words: str, peak: int = PEAK) -> str:
    """Run a command that refuses a file; what it said."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=path.parent,
        env=clean_environment(path.parent),
    )
    grown = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    worked = re.search(r"CPU: ([0-9.]+) s", done.stderr)
    assert grown is not None, done.stderr
    assert worked is not None, done.stderr
    took = float(worked[1])
    print(f"{path.stem:<34} refused in {took:4.1f} s, at most {int(grown[1]) >> 10} MiB")
    said = (done.stdout + done.stderr).replace(grown[0], "").replace(worked[0], "")
    assert done.returncode == 2, said[-500:]
    assert "Traceback" not in said
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", said)
    assert len(said) < 100_000
    assert int(grown[1]) << 10 < peak
    assert took < SECONDS
    return said


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, to see how large a process grew")
@pytest.mark.parametrize("kind", FILES)
def test_a_site_file_that_means_harm_is_refused(tmp_path: Path, kind: str) -> None:
    """Before it is taken apart: bytes, levels and nodes are counted first."""
    path = tmp_path / f"{kind}.yaml"
    path.write_bytes(FILES[kind].encode("utf-8", "surrogateescape"))
    refused(path, "validate", str(path))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc, to see how large a process grew")
@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_that_means_harm_is_refused(tmp_path: Path, kind: str) -> None:
    """No report of ours is so deep; one that is large costs a few times its size."""
    path = tmp_path / f"{kind}.json"
    path.write_text(REPORTS[kind])
    refused(path, "render", str(path), "--format", "md", peak=PEAK + 4 * path.stat().st_size)
