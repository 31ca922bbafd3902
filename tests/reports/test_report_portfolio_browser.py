"""The index of a portfolio in a real browser: everybody can use it, and it is never wider than its window."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from readiness_reports import as_portfolio_html
from readiness_schemas.portfolio import PortfolioDocument

from tests.reports.test_report_browser import AXE, CHROMIUM, SEEN, browse, needs_axe
from tests.reports.test_report_portfolio import evil, mixed

pytestmark = [
    pytest.mark.server,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="needs a browser: sudo apt-get install chromium"),
]
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


def told(html: str, script: str, folder: Path, *switches: str) -> str:
    """What a script in the page leaves in an element called told; the page's policy would forbid it."""
    page = folder / "index.html"
    page.write_text(_POLICY.sub("", html).replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    shown = browse(folder, page, *switches, "--dump-dom").stdout
    found = re.search(r'<pre id="told">(.*?)</pre>', shown, re.DOTALL)
    assert found is not None, shown[-500:]
    return unescape(found[1])


_TELL = (
    "const tell = text => { const told = document.createElement('pre'); told.id = 'told'; told.textContent = text;"
    "document.body.append(told) };"
)


@needs_axe
@pytest.mark.parametrize(
    ("make", "seen"),
    [(mixed, "wide and light"), (mixed, "wide and dark"), (evil, "narrow and light"), (mixed, "narrow and dark")],
)
def test_everybody_can_use_it(make: Callable[[], PortfolioDocument], seen: str, tmp_path: Path) -> None:
    """axe-core finds no violation: names, roles, order, contrast, targets."""
    width, scheme = SEEN[seen]
    html = as_portfolio_html.render(make())
    if scheme == "dark":
        html = html.replace("(prefers-color-scheme: dark)", "(min-width: 1px)")
    script = (
        f"{AXE.read_text(encoding='utf-8')};{_TELL}"
        "axe.run().then(found => tell(JSON.stringify([found.passes.length, found.violations.map(each =>"
        "[each.id, each.nodes.slice(0, 3).map(node => node.html.slice(0, 200))])])))"
    )
    passes, violations = json.loads(
        told(html, script, tmp_path, f"--window-size={width},1000", "--virtual-time-budget=60000")
    )
    assert passes > 15
    assert violations == []


@pytest.mark.parametrize("make", [mixed, evil])
def test_no_page_scrolls_sideways(make: Callable[[], PortfolioDocument], tmp_path: Path) -> None:
    """However a site is called, the page is as wide as its window."""
    script = f"{_TELL} tell(document.documentElement.scrollWidth + ' ' + innerWidth)"
    page, window = told(as_portfolio_html.render(make()), script, tmp_path, "--window-size=500,1000").split()
    assert int(page) <= int(window)


def test_a_verdict_and_a_word_leave_the_sites_that_fit(tmp_path: Path) -> None:
    """The choice of a verdict hides the others; a word narrows it further; Escape shows all again."""
    script = (
        f"{_TELL}"
        "const shown = () => [...document.querySelectorAll('.sites > li:not(.off) h3')].map(h => h.textContent).join();"
        "const find = document.querySelector('[type=search]'), seen = [shown()];"
        "document.querySelector('[value=not_ready]').click(); seen.push(shown());"
        "find.value = 'worse'; find.dispatchEvent(new Event('input', {bubbles: true})); seen.push(shown());"
        "find.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true})); seen.push(shown());"
        "tell(JSON.stringify(seen))"
    )
    every = "Crashed,Worse,Bad,Open,Exceptions,Ready"
    seen = json.loads(told(as_portfolio_html.render(mixed()), script, tmp_path, "--window-size=1280,1000"))
    assert seen == [every, "Worse,Bad", "Worse", every]
