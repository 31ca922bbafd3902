"""The commands that touch no machine: what they print, and how they exit."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from readiness.cli import app

MINIMAL = """\
site: {name: ACME Berlin}
vms:
  - {name: excs-1, role: excs, host: 10.10.1.11}
  - {name: exas-1, role: exas, host: 10.10.1.12}
  - {name: excp-1, role: excp, host: 10.10.1.13}
  - {name: excp-2, role: excp, host: 10.10.1.14}
redis: {host: redis.acme.example, port: 6379, password: {env: REDIS_PASSWORD}}
sip_servers: [{host: sip1.acme.example, port: 8000}]
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def site_file(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(MINIMAL)
    return path


def test_validate_accepts_a_site(site_file: Path) -> None:
    """A valid file exits 0 and says what it holds."""
    done = call("validate", site_file)
    assert done.exit_code == 0
    assert "ACME Berlin: 4 of 4 VMs built" in done.stdout


def test_validate_names_every_mistake_with_its_place(site_file: Path) -> None:
    """Two mistakes are two lines with file, line and column; exit 2."""
    site_file.write_text(MINIMAL.replace("role: exas", "role: exsa").replace("sip_servers", "sip_server"))
    done = call("validate", site_file)
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert any(line.startswith(f"{site_file}:4:") and "exas" in line for line in lines)
    assert any(line.startswith(f"{site_file}:8:1") and "sip_servers" in line for line in lines)
    assert "2 problems" in lines[-1]


@pytest.mark.parametrize("command", ["validate", "plan", "audit", "hostkeys"])
def test_a_missing_file_is_a_sentence(command: str, tmp_path: Path) -> None:
    """Exit 2, the file named, no traceback."""
    done = call(command, tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert "none.yaml" in done.stderr
    assert "Traceback" not in done.output


def test_init_writes_once(tmp_path: Path) -> None:
    """It writes a site file with blanks, and never over an existing one."""
    path = tmp_path / "site.yaml"
    assert call("init", path).exit_code == 0
    written = path.read_text()
    assert "redis:" in written
    again = call("init", path)
    assert again.exit_code == 2
    assert "was left as it is" in again.stderr
    assert path.read_text() == written


def test_plan_needs_no_secret_and_touches_nothing(site_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every machine, script and question is listed without the secret being there."""
    monkeypatch.delenv("REDIS_PASSWORD", raising=False)
    done = call("plan", site_file)
    assert done.exit_code == 0, done.output
    for name in ("excs-1", "exas-1", "excp-1", "excp-2"):
        assert re.search(rf"{name}\s+SSH to 10\.10\.1\.", done.stdout)
        assert re.search(rf"{name}\s+one script, read-only: ", done.stdout)
    assert "sip1.acme.example:8000" in done.stdout


def test_the_plan_is_complete_as_json(site_file: Path) -> None:
    """Every finding that an audit would make stands in it, with each script whole."""
    document = json.loads(call("plan", site_file, "--format", "json").stdout)
    ids = {finding["id"] for finding in document["findings"]}
    assert "vm.kernel[excs-1]" in ids
    assert "connectivity.sip-server[excp-2->sip1.acme.example:8000]" in ids
    assert set(document["scripts"]) == {"excs-1", "exas-1", "excp-1", "excp-2"}
    assert document["longest_s"] <= 45


def test_a_jump_host_adds_its_own_login_to_the_bound(site_file: Path) -> None:
    """The plan promises no end before both logins can have come about."""
    before = json.loads(call("plan", site_file, "--format", "json").stdout)["longest_s"]
    site_file.write_text(site_file.read_text() + "ssh: {jump_host: bastion.acme.example}\n")
    assert json.loads(call("plan", site_file, "--format", "json").stdout)["longest_s"] == before + 10


def test_the_plan_as_csv_is_a_table(site_file: Path) -> None:
    """The first line names the columns, and every line has as many cells."""
    rows = list(csv.reader(call("plan", site_file, "--format", "csv").stdout.splitlines()))
    assert rows[0] == ["kind", "vantage", "what", "findings"]
    assert {len(row) for row in rows} == {4}
    assert {row[0] for row in rows[1:]} == {"connection", "script", "question"}


def test_only_takes_globs_and_refuses_what_matches_nothing(site_file: Path) -> None:
    """A mistyped id is an error with exit 2, not an empty plan."""
    document = json.loads(call("plan", site_file, "--format", "json", "--only", "vm.*").stdout)
    asked = {finding["check"] for finding in document["findings"] if finding["asks"]}
    assert asked
    assert all(check.startswith("vm.") for check in asked)
    refused = call("plan", site_file, "--only", "vn.*")
    assert refused.exit_code == 2
    assert "no check matches 'vn.*'" in refused.stderr


def test_size_says_how_much_and_why() -> None:
    """3000 agents at 15 CAPS need three times the page's figure."""
    done = call("size", "--agents", 3000, "--caps", 15)
    assert done.exit_code == 0
    assert "6" in done.stdout
    assert "GB" in done.stdout


def test_checks_explains_one_and_lists_all() -> None:
    """The catalogue has every id; an unknown one is met with the nearest."""
    catalogue = json.loads(call("checks", "--format", "json").stdout)
    assert isinstance(catalogue, list)
    assert {"redis.version", "vm.kernel", "connectivity.redis"} <= {entry["id"] for entry in catalogue}
    one = call("checks", "redis.version")
    assert one.exit_code == 0
    assert "what its statuses mean" in one.stdout
    wrong = call("checks", "redis.verison")
    assert wrong.exit_code == 2
    assert "did you mean redis.version?" in wrong.stderr


@pytest.mark.parametrize("name", ["site", "report", "portfolio"])
def test_schemas_are_printed_as_json(name: str) -> None:
    """For editors and scripts."""
    assert json.loads(call("schema", name).stdout)["$schema"].startswith("https://json-schema.org/")


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "{site}", "--format", "pdf"],
        ["audit", "{site}", "--out", "-"],
        ["audit", "{site}", "{site}", "--out", "-", "--format", "json"],
        ["audit", "{site}", "--baseline", "/no/such/report.json"],
        ["audit", "{site}", "--only", "nothing.*"],
        ["audit"],
        ["render", "/no/such/report.json", "--format", "html"],
        ["frobnicate"],
    ],
)
def test_a_wrong_call_exits_2_and_says_why(arguments: list[str], site_file: Path) -> None:
    """Nothing is audited, nothing is written, no traceback."""
    done = call(*(str(site_file) if word == "{site}" else word for word in arguments))
    assert done.exit_code == 2
    assert done.stderr
    assert "Traceback" not in done.output
