"""The documentation is true: its code runs, its commands exist, its generated parts are current."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_check_on_the_authors_page_works(tmp_path: Path) -> None:
    """All Python of docs/writing-checks.md runs in order, its assertions included."""
    code = "\n".join(blocks(ROOT / "docs/writing-checks.md", "python"))
    assert "assert VmZone().judge" in code
    (tmp_path / "page.py").write_text(code)
    assert "VmZone" in runpy.run_path(str(tmp_path / "page.py"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists(page: Path) -> None:
    """Each ``readiness`` command and option that a page shows is one of the command line's."""
    import typer.main

    from readiness.cli import app

    group = typer.main.get_command(app)
    commands = group.commands  # type: ignore[attr-defined]
    for line in "\n".join(blocks(page, "(?:sh|console)?")).splitlines():
        words = re.sub(r"#.*", "", line).replace("$ ", "").split()
        if words[:1] == ["./run"] and words[1:2] == ["readiness"]:
            words = words[1:]
        if words[:1] != ["readiness"] and not line.startswith(".venv/bin/readiness"):
            continue
        name = words[1]
        if name.startswith("-"):
            continue
        assert name in commands, line
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert {word for word in words[2:] if word.startswith("--")} <= known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    """No page names a file that is not there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_page_of_checks_is_current() -> None:
    """docs/checks.md is what ``readiness checks --revision all --format md`` prints today."""
    from readiness.cli.catalogue import page_of_checks
    from readiness.cli.console import pack

    written = (ROOT / "docs/checks.md").read_text(encoding="utf-8")
    assert written == page_of_checks([check.requirement for check in pack()]), (
        "run: .venv/bin/readiness checks --revision all --format md >docs/checks.md"
    )
