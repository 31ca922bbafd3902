"""What each command loads, by the import graph: no library before it is used, so that every command starts at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from readiness_reports import as_json

from tests.reports.documents import sample

WATCHED = {
    "asyncio",
    "asyncssh",
    "certifi",
    "cryptography",
    "h11",
    "importlib.metadata",
    "jinja2",
    "jsonschema",
    "readiness.probes",
    "readiness.vantage.ssh",
    "readiness_checks",
    "redis",
    "rfc8785",
    "rich",
    "ruamel",
    "ssl",
    "xml.etree",
}
"""What takes time to load; the standard library's where it is much."""

PACKS = {"readiness_checks", "readiness.probes", "asyncio", "ssl", "importlib.metadata"}
"""What comes with the checks: their questions are coroutines."""

SITE = {"ruamel"}
REPORT = {"rfc8785"}
"""What a report's digest takes; jsonschema is asked only what is wrong."""

MINIMAL = """\
site: {name: ACME Berlin}
vms:
  - {name: excs-1, role: excs, host: 10.10.1.11}
redis: {host: redis.acme.example, tls: true}
registry: {url: "https://registry.acme.example", images: ["exec/excs:100.0.1"]}
genesys_cloud: {region: mypurecloud.de}
"""
WAIVER = """\
waivers:
  - {check: vm.disk, reason: LUN is extended, approved_by: Board, date: 2026-11-20, expires: 2026-12-31}
"""


def loaded(*arguments: object, folder: Path) -> set[str]:
    """Which of the watched modules one call of the command line has loaded by its end."""
    code = (
        "import json, sys\n"
        f"sys.argv = ['readiness', *{[str(argument) for argument in arguments]!r}]\n"
        "from readiness.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended:\n    assert not ended.code, ended.code\n"
        f"watched = {sorted(WATCHED)!r}\n"
        "print(json.dumps([name for name in watched if name in sys.modules]), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two site files and a report."""
    folder = tmp_path_factory.mktemp("imports")
    (folder / "site.yaml").write_text(MINIMAL)
    (folder / "waived.yaml").write_text(MINIMAL + WAIVER)
    as_json.write(folder / "report.json", as_json.dumps(sample()))
    return folder


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_starting_up_loads_nothing(option: str, folder: Path) -> None:
    """Neither a library nor the checks: only what reads the command line."""
    assert loaded(option, folder=folder) == set()


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["init", "new.yaml"], set[str]()),
        (["schema", "site"], set[str]()),
        (["size", "--agents", 1000, "--caps", 5], {"rich"}),
        (["validate", "site.yaml"], SITE),
        (["validate", "waived.yaml"], SITE | PACKS),
        (["checks"], PACKS | {"rich"}),
        (["checks", "redis.version"], PACKS | {"rich"}),
        (["checks", "--format", "json"], PACKS),
        (["checks", "--format", "md"], PACKS),
        (["plan", "site.yaml"], PACKS | SITE | {"rich"}),
        (["plan", "site.yaml", "--format", "json"], PACKS | SITE),
        (["firewall", "site.yaml"], PACKS | SITE),
        (["render", "report.json", "--format", "html", "--out", "report.html"], REPORT | {"jinja2"}),
        (["render", "report.json", "--format", "md"], REPORT),
        (["render", "report.json", "--format", "csv"], REPORT),
        (["render", "report.json", "--format", "junit"], REPORT | {"xml.etree"}),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_a_command_loads_what_it_uses(arguments: list[object], needed: set[str], folder: Path) -> None:
    """A site is checked without a check where it names none; a plan is made without what would carry it out."""
    pydantics = {"importlib.metadata"}  # typer reads a command's arguments with pydantic, which asks for its plugins
    assert loaded(*arguments, folder=folder) - pydantics == needed - pydantics
