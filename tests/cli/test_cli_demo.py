"""The demo as a newcomer runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from readiness_reports import as_json


def test_the_demo_audits_mends_and_audits_again(tmp_path: Path) -> None:
    """Exit 0, two reports, not ready before, nothing broken after, and what was mended is called fixed."""
    done = subprocess.run(
        [sys.executable, "-m", "readiness", "demo", "--out", str(tmp_path / "out")],
        env={**os.environ, "NO_COLOR": "1", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    before = as_json.read(tmp_path / "out/before/report.json")
    after = as_json.read(tmp_path / "out/after/report.json")
    assert before["verdict"] == "not_ready"
    assert before["counts"]["fail"] > 0
    assert after["counts"]["fail"] == 0
    assert after["baseline"] is not None
    assert after["baseline"]["run_id"] == before["run"]["id"]
    broken = {finding["id"] for finding in before["findings"] if finding["status"] == "fail"}
    assert broken <= set(after["baseline"]["fixed"])
    assert {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()} == {"report.html", "report.json"}
    assert re.search(r"fixed +redis\.memory\[\S+\]  fail -> pass", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "the lab's folder is gone"
