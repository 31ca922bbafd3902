"""The page in a real browser: who can use it, what it loads, what it looks like on paper and on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from readiness_reports import as_html
from readiness_schemas.report import ReportDocument

from tests.reports.documents import hostile, ready, sample, wide

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parent.parent / "browser" / "node_modules" / "axe-core" / "axe.min.js"
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps",
)  # fmt: skip

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: sudo apt-get install chromium"),
]
needs_axe = pytest.mark.skipif(not AXE.exists(), reason="needs axe-core: npm ci --prefix tests/browser")

SEEN: dict[str, tuple[int, str]] = {
    "wide and light": (1280, "light"),
    "wide and dark": (1280, "dark"),
    "narrow and light": (500, "light"),
    "narrow and dark": (500, "dark"),
}
"""Widths in px (a headless window has at least 500) and colour schemes."""

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def browse(folder: Path, page: Path, *switches: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    profile = f"--user-data-dir={folder / 'profile'}"
    return subprocess.run(
        [CHROMIUM, *QUIET, profile, *switches, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )


def few_payloads() -> ReportDocument:
    """All kinds of hostile text, no more often than axe has time for."""
    return hostile(40)


@needs_axe
@pytest.mark.parametrize(
    ("make", "seen"),
    [
        (sample, "wide and light"),
        (sample, "wide and dark"),
        (sample, "narrow and light"),
        (few_payloads, "narrow and dark"),
        (ready, "wide and light"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_everybody_can_use_it(make: Callable[[], ReportDocument], seen: str, tmp_path: Path) -> None:
    """axe-core finds no violation with everything unfolded: names, roles, order, contrast, targets."""
    width, scheme = SEEN[seen]
    # axe is a script of its own, which the page's policy would forbid; all else stays as it is.
    html = _POLICY.sub("", as_html.render(make()))
    if scheme == "dark":
        html = html.replace("(prefers-color-scheme: dark)", "(min-width: 1px)")
    run = (
        "document.querySelectorAll('details').forEach(each => { each.open = true });"
        "axe.run().then(found => { const told = document.createElement('pre'); told.id = 'axe';"
        "told.textContent = JSON.stringify({passes: found.passes.length, violations: found.violations.map(each =>"
        "({id: each.id, impact: each.impact, nodes: each.nodes.slice(0, 3).map(node => node.html.slice(0, 200))}))});"
        "document.body.append(told) })"
    )
    html = html.replace("</body>", f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{run}</script></body>")
    page = tmp_path / "report.html"
    page.write_text(html, encoding="utf-8")
    shown = browse(tmp_path, page, f"--window-size={width},1000", "--virtual-time-budget=60000", "--dump-dom").stdout
    told = re.search(r'<pre id="axe">(.*?)</pre>', shown, re.DOTALL)
    assert told is not None, "axe did not end"
    found: dict[str, Any] = json.loads(unescape(told[1]))
    assert found["passes"] > 20
    assert found["violations"] == []


@pytest.mark.parametrize("make", [sample, hostile], ids=lambda make: make.__name__)
def test_nothing_is_asked_of_any_network(make: Callable[[], ReportDocument], tmp_path: Path) -> None:
    """By the browser's own log of its network, opening the page asks for the file and for nothing else."""
    page = tmp_path / "report.html"
    page.write_text(as_html.render(make()), encoding="utf-8")
    log = tmp_path / "net.json"
    browse(tmp_path, page, f"--log-net-log={log}", "--net-log-capture-mode=Everything", "--dump-dom")
    text = log.read_text(encoding="utf-8", errors="replace")
    asked = set(re.findall(r'"url":"([^"]+)"', text))
    foreign = {url for url in asked if "example" in url or "evil" in url}
    assert '"constants"' in text
    assert foreign == set()


def test_paper_has_sheets_and_the_first_is_the_approvers(tmp_path: Path) -> None:
    """Printed to A4 the summary is a sheet of its own, with the lines for signatures."""
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext: sudo apt-get install poppler-utils")
    page, paper = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(as_html.render(sample()), encoding="utf-8")
    browse(tmp_path, page, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    sheets = subprocess.run(
        ["pdftotext", "-layout", str(paper), "-"], capture_output=True, text=True, check=True
    ).stdout.split("\f")
    assert "Not ready" in sheets[0]
    assert "Approved by: name, date, signature" in sheets[0]
    assert "Connectivity" in sheets[1]
    assert "Connectivity\n" not in sheets[0]
    assert all("run 20261123T091407Z-4c81e0" in sheet for sheet in sheets if sheet.strip())


@pytest.mark.parametrize("width", [500, 1280])
def test_no_page_scrolls_sideways(width: int, tmp_path: Path) -> None:
    """However long the names, the page is as wide as its window; only marked regions scroll."""
    html = _POLICY.sub("", as_html.render(wide()))
    run = (
        "const told = document.createElement('pre'); told.id = 'width';"
        "told.textContent = document.documentElement.scrollWidth + ' ' + innerWidth; document.body.append(told)"
    )
    page = tmp_path / "report.html"
    page.write_text(html.replace("</body>", f"<script>{run}</script></body>"), encoding="utf-8")
    shown = browse(tmp_path, page, f"--window-size={width},1000", "--dump-dom").stdout
    told = re.search(r'<pre id="width">(\d+) (\d+)</pre>', shown)
    assert told is not None
    assert int(told[1]) <= int(told[2])
