"""The HTML report: nothing foreign acts in it, nothing is missing from it, nothing is loaded by it."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from readiness_reports import as_html, words
from readiness_reports.outline import Outline
from readiness_schemas.report import ReportDocument

from tests.reports.documents import LONG, PAYLOADS, document, finding, hostile, ready, reason, sample, variant, wide

VOID = {"meta", "br", "input", "col"}
SHAPES = {"svg", "symbol", "use", "path", "circle", "rect", "text", "title", "desc"}
OWN_WORDS = """
    html head body title style script div header footer main nav section article p h1 h2 h3 h4 a b span code pre time
    ul ol li dl dt dd table caption colgroup thead tbody tfoot tr th td small sup details summary form fieldset legend
    label select option button output
"""
ELEMENTS = VOID | SHAPES | set(OWN_WORDS.split())


class Page(HTMLParser):
    """What a browser would make of a page: its elements, attributes, ids, links and visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.words: list[str] = []
        self.open: list[str] = []
        self.declarations: list[str] = []
        self.comments: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]].append(data)
        else:
            self.words.append(data)

    def handle_decl(self, decl: str) -> None:
        self.declarations.append(decl)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for _, given, value in self.attributes if given == name]


def squeezed(text: str) -> str:
    return " ".join(words.plain(text).split())


MAKERS = [sample, ready, hostile, wide]
every = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


@every
def test_the_page_is_well_formed(make: Callable[[], ReportDocument]) -> None:
    """Every element is closed, none is one that we do not draw, and there is no comment to hide in."""
    page = Page(as_html.render(make()))
    assert page.open == []
    assert page.declarations == ["doctype html"]
    assert set(page.elements) <= ELEMENTS
    assert page.comments == []
    assert page.elements["script"] == 1
    assert page.elements["style"] == 2


@every
def test_nothing_is_loaded_and_nothing_acts(make: Callable[[], ReportDocument]) -> None:
    """There is no attribute that loads or runs anything; all links stay within the page."""
    page = Page(as_html.render(make()))
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "action", "formaction", "style", "data", "poster", "background", "xlink:href"}
    assert all(re.fullmatch(r"#[A-Za-z0-9.-]+", value) for value in page.values("href"))


@every
def test_anchors_are_unique_and_every_link_arrives(make: Callable[[], ReportDocument]) -> None:
    """Ids are made of letters, digits, dots and hyphens, each once; whatever is linked or named exists."""
    page = Page(as_html.render(make()))
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", each) for each in ids)
    assert {value.removeprefix("#") for value in page.values("href")} <= set(ids)
    assert {each for value in page.values("aria-labelledby") for each in value.split()} <= set(ids)


@every
def test_the_policy_admits_this_page_alone(make: Callable[[], ReportDocument]) -> None:
    """The hashes of the policy are those of the page's own script and styles, and nothing else is admitted."""
    page = Page(as_html.render(make()))
    policy = next(value for value in page.values("content") if value.startswith("default-src"))

    def hashed(kind: str) -> str:
        return " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in page.raw[kind]
        )

    assert policy.split("; ")[:3] == [
        "default-src 'none'",
        f"script-src {hashed('script')}",
        f"style-src {hashed('style')}",
    ]
    assert "unsafe" not in policy
    assert "http" not in policy


def test_foreign_text_is_shown_and_never_obeyed() -> None:
    """Payloads for HTML, templates and scripts all stand on the page as the text that they are."""
    html = as_html.render(hostile())
    page = Page(html)
    for payload in PAYLOADS:
        assert squeezed(payload) in page.text
    for active in ("<script>alert", "<img", "<svg onload", "</title><svg", "<b>gone"):
        assert active not in html


@every
def test_no_character_acts_unseen(make: Callable[[], ReportDocument]) -> None:
    """Escapes, direction marks and invisible characters are spelled out."""
    html = as_html.render(make())
    assert not words.UNSEEN.search(html)


@every
def test_every_requirement_is_there(make: Callable[[], ReportDocument]) -> None:
    """Each requirement has its place under its own id, with its text; none is silently left out."""
    given = make()
    page = Page(as_html.render(given))
    ids = set(page.values("id"))
    for requirement in given["requirements"]:
        assert requirement["id"] in ids
        assert requirement["text"] in page.text


@every
def test_every_finding_is_there(make: Callable[[], ReportDocument]) -> None:
    """What did not pass is told one by one; of what passed or does not apply at least the target is named."""
    given = make()
    html = as_html.render(given)
    page = Page(html)
    told = sum(value.split()[0] in {"fail", "unknown", "manual", "warn"} for value in page.values("data-is"))
    assert told == sum(each["status"] not in {"pass", "skip"} for each in given["findings"])
    for each in given["findings"]:
        source, _, peer = squeezed(words.arrow(each["target"]["name"])).partition(" → ")
        assert source in page.text
        assert peer in page.text
        if each["status"] != "pass":
            assert squeezed(each["summary"]) in page.text


def test_everything_of_a_finding_is_told() -> None:
    """A finding that did not pass shows its evidence, reasoning, remedy, owner, lane and validity."""
    given = sample()
    text = Page(as_html.render(given)).text
    fail = next(each for each in given["findings"] if each["check"] == "redis.memory")
    for part in (fail["summary"], fail["expected"], fail["observed"], fail["reasoning"], "DBA, capacity"):
        assert squeezed(part) in text
    for piece in fail["evidence"]:
        assert f"{piece['label']} {piece['value']} {piece['vantage']} {piece['method']} {piece['level']}" in text
    for line in fail["remedy"].splitlines():
        assert squeezed(line) in text
    assert "holds until 30 Nov 2026" in text


def test_what_blocks_sign_off_names_jobs_owners_and_dates() -> None:
    """The first page tells every job with its owner, lead time and date, and the date on which all is done."""
    given = sample()
    text = Page(as_html.render(given)).text
    for group in given["blockers"]:
        assert words.OWNERS[group["owner"]] in text
        assert words.lead_time(group) in text
        for job in group["jobs"]:
            assert job["text"] in text
    assert "Monday, 7 December 2026" in text
    assert "Ends 4 Dec 2026, in 11 days: before the earliest ready date" in text


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"run": {"scope": "partial"}}, "Partial run", id="partial"),
        pytest.param({"run": {"complete": False}}, "Incomplete run", id="incomplete"),
        pytest.param({"run": {"rejudged_from": "20261101T000000Z-abc"}}, "not for sign-off", id="judged again"),
        pytest.param(
            {"notices": [{"kind": "expired", "text": "The waiver is over."}]}, "The waiver is over.", id="expired"
        ),
    ],
)
def test_what_limits_the_report_is_said_aloud(changes: dict[str, object], says: str) -> None:
    """A partial, incomplete or rejudged run and an expired waiver stand under the verdict and on every sheet."""
    page = Page(as_html.render(variant(ready(), **changes)))
    assert says in page.text
    assert "color: #b01b1b" in page.raw["style"][1]


def test_a_rejudged_report_has_nothing_to_sign() -> None:
    """The lines for signatures are missing from a report that is not for sign-off."""
    signed = Page(as_html.render(ready()))
    assert "Approved by: name, date, signature" in signed.text
    again = Page(as_html.render(variant(ready(), run={"rejudged_from": "20261101T000000Z-abc"})))
    assert "signature" not in again.text


@pytest.mark.parametrize(
    ("verdict", "title"),
    [
        ("ready", "Ready"),
        ("ready_with_exceptions", "Ready with exceptions"),
        ("not_ready", "Not ready"),
        ("not_proven", "Not proven"),
    ],
)
def test_the_verdict_stands_in_words(verdict: str, title: str) -> None:
    """Each verdict is the page's title and its largest words."""
    html = as_html.render(variant(ready(), verdict=verdict))
    assert f"<title>{title}: Northwind Leipzig, CHG0042042</title>" in html
    assert f"</svg></span>{title}</p>" in html


def test_only_a_plain_run_id_enters_the_style() -> None:
    """A run id that the schema would refuse never reaches the style sheet."""
    forged = variant(sample(), run={"id": 'x"; } body { display: none } /* </style>'})
    page = Page(as_html.render(forged))
    assert "display" not in page.raw["style"][1]
    assert page.elements["style"] == 2


def test_equal_passes_are_told_once() -> None:
    """Passes with the same evidence share a row that names them all; what differs has a row of its own."""
    text = Page(as_html.render(sample())).text
    assert "excs-1, exas-1, excp-1, excp-2 System Rocky Linux 9.4, x86_64 each host script" in text
    assert "excs-1, exas-1 Installed 8 GB" in text
    assert "excp-1, excp-2 Installed 16 GB" in text
    assert "excp-1, excp-2 → sip1.northwind.example:8000, sip2.northwind.example:8000" in text


def test_the_same_cause_is_told_once_and_linked() -> None:
    """A finding that another one blocks, or with the same evidence as another, points there."""
    html = as_html.render(sample())
    assert "The same as for <a" in html
    blocker = Outline(sample()).anchors["connectivity.redis[excp-2->redis.northwind.example:6379]"]
    assert f'<dt>Blocked by</dt><dd><a href="#{blocker}"' in html


def test_many_findings_of_one_requirement_are_folded() -> None:
    """After twenty that did not pass, the rest of a requirement is folded, but there."""
    found = [finding("vm.cpu", f"vm-{n}", "fail", f"Fault number {n}.") for n in range(30)]
    html = as_html.render(document(found))
    assert "<summary>10 more</summary>" in html
    assert all(f"Fault number {n}." in html for n in range(30))


def test_observations_behind_failures_are_shown() -> None:
    """The answers behind what failed are on the page, cut where they are long; the others stay in the document."""
    long = reason("timeout", "no answer within 8 s")
    given = variant(
        sample(),
        observations=[
            {**sample()["observations"][0], "response": "x" * 9000},
            {**sample()["observations"][1], "response": None, "error": long},
            *sample()["observations"][2:],
        ],
    )
    text = Page(as_html.render(given)).text
    assert "5000 more characters in report.json." in text
    assert "No answer: no answer within 8 s." in text
    assert "o-prometheus" not in text


def test_a_small_report_draws_too() -> None:
    """One finding, no paths, no hosts, no baseline: what there is nothing of is left out."""
    given = document([finding("vm.roles", "site")], run={"hosts": []})
    page = Page(as_html.render(given))
    assert {"connectivity", "topology", "machines", "observations"}.isdisjoint(page.values("id"))
    assert {"summary", "score", "findings"} <= set(page.values("id"))


def test_an_empty_report_draws_too() -> None:
    """A document without a single requirement is drawn without a division by nothing."""
    assert "there is no score" in Page(as_html.render(document([]))).text


def test_the_same_document_gives_the_same_page() -> None:
    """The page is drawn from the document alone: no clock, no chance."""
    assert as_html.render(sample()) == as_html.render(sample())


def test_a_large_report_is_drawn_at_once() -> None:
    """5000 findings, all of them different, take no more than a moment."""
    given = hostile(5000)
    began = time.perf_counter()
    as_html.render(given)
    assert time.perf_counter() - began < 5


def test_long_names_stand_in_full_where_there_is_room() -> None:
    """A drawing shortens a name of 90 characters to its two ends and keeps the whole of it as its title."""
    html = as_html.render(wide(4, 6))
    assert len(LONG) > 90
    assert f"<title>sip-1.{LONG}:8000</title>" in html
    assert "sip-1.a-host-wit…" in html


@pytest.mark.server
def test_a_browser_obeys_the_script_and_nothing_else(tmp_path: Path) -> None:
    """In Chromium the policy admits our script (it unfolds the toolbar) and no payload ever runs."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    path = tmp_path / "report.html"
    path.write_text(as_html.render(hostile(60)), encoding="utf-8")
    switches = "headless no-sandbox disable-gpu no-first-run disable-background-networking dump-dom"
    done = subprocess.run(
        [
            chromium,
            *(f"--{switch}" for switch in switches.split()),
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert '<form class="tools">' in done.stdout
    assert ">Copy</button>" in done.stdout
    assert "Refused to" not in done.stderr
    assert "CONSOLE" not in done.stderr
