"""The terminal's page: what it says, in which order, and that nothing foreign steers the terminal."""

from __future__ import annotations

import io
import re

import pytest
from readiness_reports import as_text
from readiness_schemas.report import FindingDocument, ReportDocument
from rich.console import Console

from tests.reports import documents


def shown(document: ReportDocument, *, terminal: bool = False, width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, color_system=None, highlight=False, markup=False)
    as_text.paint(console, as_text.lines(document))
    return out.getvalue()


def passes(document: ReportDocument) -> list[FindingDocument]:
    return [finding for finding in document["findings"] if finding["status"] == "pass"]


def test_the_verdict_comes_first_and_the_worst_finding_before_the_others() -> None:
    """Verdict, coverage, score; what blocks; then failures, unknowns, manuals, warnings."""
    text = shown(documents.sample())
    lines = text.splitlines()
    assert lines[1].startswith("Not ready")
    assert "Score" in text
    assert text.index("What blocks sign-off") < text.index("✗ fail    connectivity")
    marks = [line[2:10].strip() for line in lines if line[:1] in "✗?✎!" and line[1:2] == " "]
    assert marks == sorted(marks, key=["fail", "unknown", "manual", "warn"].index)
    assert set(marks) == {"fail", "unknown", "manual", "warn"}


def test_a_ready_site_has_nothing_to_read() -> None:
    """No heading without a matter."""
    text = shown(documents.ready())
    assert "Ready" in text.splitlines()[1]
    assert "What blocks" not in text


def test_unknowns_with_one_cause_are_told_once() -> None:
    """A dead host is one paragraph that names all it hides."""
    document = documents.ready()
    for finding in passes(document)[:3]:
        finding["status"] = "unknown"
        finding["reason"] = {"code": "unreachable", "detail": "no answer on port 22", "enable": "", "by": None}
    text = shown(document)
    assert text.count("? unknown ") == 1
    assert "and 2 more with the same cause" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_hostile_text_is_shown_and_never_obeyed(terminal: bool) -> None:
    """Escapes, direction marks and rich markup of others arrive as visible text."""
    document = documents.ready()
    finding = passes(document)[0]
    finding["status"] = "fail"
    finding["summary"] = "\x1b[2J\x1b]0;owned\x07 \u202eevil [bold]no[/bold]"
    text = shown(document, terminal=terminal)
    assert not set(text) & {"\x1b", "\x07", "\u202e"}
    assert "[bold]no[/bold]" in text


def test_a_pipe_gets_whole_lines_and_a_terminal_hanging_ones() -> None:
    """Where it is no terminal nothing is wrapped; in a terminal a command still stands on one line."""
    document = documents.ready()
    finding = passes(document)[0]
    finding["status"] = "fail"
    finding["summary"] = " ".join(["word"] * 40)
    finding["remedy"] = "sudo " + " ".join(["--option"] * 20)
    piped = shown(document)
    assert " ".join(["word"] * 40) in piped
    wrapped = shown(document, terminal=True, width=60)
    assert " ".join(["word"] * 40) not in wrapped
    assert " ".join(["--option"] * 20) in wrapped
    before, _, _ = wrapped.partition("    to do")
    assert all(len(line) <= 60 for line in before.splitlines())


def test_a_rerun_says_what_changed() -> None:
    """The baseline's standing, counts of what changed, every step with before and after, and the scores till now."""
    text = shown(documents.sample())
    (line,) = [line for line in text.splitlines() if line.startswith("  Since ")]
    assert "1 regressed" in line
    assert "3 fixed" in line
    assert re.search(r"^    regressed +vm\.time-sync\[exas-1\]  pass -> fail$", text, re.MULTILINE)
    assert re.search(r"^    gone +connectivity\.sip-server\[\S+\]  pass -> not there$", text, re.MULTILINE)
    assert "Scores of this site's runs: none (2 Nov), 51.2 (9 Nov), 69.4 (16 Nov), 79.3 now." in text
    alone = shown({**documents.sample(), "baseline": None, "history": []})
    assert "Since" not in alone
    assert "Scores" not in alone
