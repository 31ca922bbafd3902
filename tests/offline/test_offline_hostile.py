"""The offline commands fed with a report that means harm: text stays text, and every way out is a sentence."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from readiness_reports import as_json

from tests.lab.offline import Connects, call, report_of, site_file, written
from tests.reports.documents import hostile, sample

COMMANDS = [
    ["compare", "{hostile}", "{sample}"],
    ["compare", "{sample}", "{hostile}", "--format", "md"],
    ["compare", "{hostile}", "{hostile}", "--format", "json"],
    ["status", "{hostile}", "--at", "2030-01-01"],
    ["status", "{hostile}", "--at", "2030-01-01", "--format", "json"],
    ["rejudge", "{hostile}"],
    ["rejudge", "{poisoned}"],
    ["rejudge", "{poisoned}", "--assume", "connectivity.redis[*]=pass"],
    ["firewall", "{site}", "--report", "{poisoned}"],
    ["firewall", "{site}", "--report", "{poisoned}", "--format", "csv"],
    ["firewall", "{site}", "--report", "{poisoned}", "--format", "json"],
]
EVIL = "\x1b]0;owned\x07 \u202egnp.exe =cmd|' /C calc'!A1 <script>alert(1)</script>\u2028end"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports with hostile text in every field, and one of real checks whose recorded answers are hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "acme-ca.pem").write_text("-")
    site = site_file(folder)
    document = report_of(site, Connects((("excp-1", "sip1.acme.example", "timeout"),)))
    for seen in document["observations"]:
        if seen["response"] is not None:
            seen["response"] = seen["response"].replace("python", "\\u001b[2J").replace("3000.0", "1e308")
        if seen["error"] is not None:
            seen["error"]["detail"] = EVIL
    for finding in document["findings"]:
        finding["observed"] = EVIL
    found = {"site": site}
    for name, each in (("hostile", hostile()), ("sample", sample()), ("poisoned", document)):
        found[name] = folder / f"{name}.json"
        as_json.write(found[name], as_json.dumps(as_json.seal_digest(each)))
    return found


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_steers_a_terminal_and_nothing_crashes(files: dict[str, Path], command: list[str]) -> None:
    """No control or direction character comes out, no traceback is seen, and the exit code is a known one."""
    done = call(*(files[word[1:-1]] if word.startswith("{") else word for word in command))
    assert done.exit_code in {0, 1, 2, 3}, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    acting = {
        char
        for char in done.output
        if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} and char not in "\n\r\u200b"
    }
    assert not acting, command


def test_a_report_of_millions_of_levels_is_a_sentence(tmp_path: Path) -> None:
    """What is no report exits 2 wherever one is read."""
    path = tmp_path / "deep.json"
    path.write_text("[" * 1_000_000)
    good = written(report_of(site_file(tmp_path)), tmp_path / "r")
    for command in (["compare", path, good], ["compare", good, path], ["status", path], ["rejudge", path]):
        done = call(*command)
        assert done.exit_code == 2
        assert "deep.json" in done.stderr
