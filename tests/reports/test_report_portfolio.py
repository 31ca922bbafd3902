"""The index of a portfolio: its sums are right, the worst site leads, and nothing foreign acts in it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator
from readiness_reports import as_json, as_portfolio_html, as_portfolio_text, words
from readiness_reports.as_text import paint
from readiness_reports.portfolio import portfolio, result
from readiness_schemas import load
from readiness_schemas.portfolio import EntryDocument, PortfolioDocument
from readiness_schemas.report import ReportDocument
from rich.console import Console

from tests.reports.documents import PAYLOADS, hostile, ready, sample, variant
from tests.reports.test_report_html import ELEMENTS, Page, squeezed


def entry(
    name: str, document: ReportDocument | None = None, *, slug: str = "site", trouble: str = "it crashed"
) -> EntryDocument:
    return EntryDocument(
        name=name,
        slug=slug,
        file=f"{slug}.yaml",
        environment="production",
        change_ticket=None,
        result=None if document is None else result(document, f"{slug}/report.html"),
        trouble=trouble if document is None else None,
    )


def index(entries: Sequence[EntryDocument]) -> PortfolioDocument:
    return portfolio(
        entries,
        tool={"name": "readiness", "version": "1.0"},
        auditor="jane@desk",
        started_at=datetime(2026, 11, 23, 9, 14, tzinfo=UTC),
        finished_at=datetime(2026, 11, 23, 9, 15, 30, tzinfo=UTC),
    )


def mixed() -> PortfolioDocument:
    """Six sites: ready, with exceptions, not proven, not ready twice, and one that crashed."""
    good, bad = ready(), sample()
    middling = variant(good, verdict="ready_with_exceptions")
    open_ = variant(good, verdict="not_proven", run={"complete": False, "scope": "partial"})
    worse = variant(bad, score={**bad["score"], "value": 12.5})
    return index(
        [
            entry("Ready", good, slug="a"),
            entry("Exceptions", middling, slug="b"),
            entry("Open", open_, slug="c"),
            entry("Bad", bad, slug="d"),
            entry("Worse", worse, slug="e"),
            entry("Crashed", slug="f"),
        ]
    )


def evil() -> PortfolioDocument:
    """Sites whose names, troubles, notices and jobs all mean harm."""
    report = hostile()
    return index(
        [
            *(entry(bad, variant(report, site={"name": bad}), slug=f"s-{n}") for n, bad in enumerate(PAYLOADS)),
            *(entry(bad, slug=f"t-{n}", trouble=bad) for n, bad in enumerate(PAYLOADS)),
        ]
    )


MAKERS = [mixed, evil, lambda: index([entry("Only", ready())]), lambda: index([entry("Lost")])]
every = pytest.mark.parametrize("make", MAKERS, ids=["mixed", "evil", "one", "lost"])


@every
def test_the_document_fits_its_schema(make: object) -> None:
    """What is written is what the schema promises; sites and their verdicts add up."""
    document = make()  # type: ignore[operator]
    Draft202012Validator(load("portfolio")).validate(json.loads(as_json.text_of(document)))
    counts = cast("dict[str, int]", document["counts"])
    assert counts["all"] == len(document["sites"]) == sum(counts.values()) - counts["all"]


def test_the_worst_leads() -> None:
    """Without a report, not ready by score, not proven, with exceptions, ready; the portfolio takes the worst."""
    document = mixed()
    names = [each["name"] for each in document["sites"]]
    assert names == ["Crashed", "Worse", "Bad", "Open", "Exceptions", "Ready"]
    assert document["verdict"] == "not_ready"
    assert document["run"]["complete"] is False


def test_sums_are_those_of_the_reports() -> None:
    """Coverage, points, findings and jobs are added up; the score follows from the points, rounded down."""
    document, single = mixed(), [ready(), sample()]
    reports = [single[0]] * 3 + [single[1]] * 2
    assert document["coverage"]["proven"] == sum(each["coverage"]["proven"] for each in reports)
    assert document["findings"]["fail"] == sum(each["counts"]["fail"] for each in reports)
    earned = sum(each["score"]["earned"] for each in reports)
    possible = sum(each["score"]["possible"] for each in reports)
    assert document["score"]["value"] == int(1000 * earned / possible) / 10
    jobs = sum(len(group["jobs"]) for each in reports for group in each["blockers"])
    assert sum(owner["jobs"] for owner in document["owners"]) == jobs
    assert all(owner["sites"] == 2 for owner in document["owners"])


def test_a_site_without_a_report_is_never_ready() -> None:
    """One ready site and one that crashed: not proven, no date, and said aloud."""
    document = index([entry("Ready", ready()), entry("Crashed", slug="f")])
    assert document["verdict"] == "not_proven"
    assert document["earliest_ready"] is None
    text = Page(as_portfolio_html.render(document)).text
    assert "No report of Crashed: nothing is known there." in text
    assert "it crashed" in text


@every
def test_nothing_foreign_acts(make: object) -> None:
    """Well formed, nothing loaded or run; links lead within the page or to a report beside it."""
    page = Page(as_portfolio_html.render(make()))  # type: ignore[operator]
    assert page.open == []
    assert page.comments == []
    assert set(page.elements) <= ELEMENTS
    assert page.elements["script"] == 1
    names = {name for _, name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not names & {"src", "srcset", "action", "formaction", "style", "data", "poster", "background", "xlink:href"}
    assert all(re.fullmatch(r"#[A-Za-z0-9.-]+|[a-z0-9-]+/report\.html", value) for value in page.values("href"))
    ids = page.values("id")
    assert len(ids) == len(set(ids))


@every
def test_the_policy_admits_this_page_alone(make: object) -> None:
    """The hashes of the policy are those of the page's own script and styles."""
    page = Page(as_portfolio_html.render(make()))  # type: ignore[operator]
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


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_hostile_name_is_shown_as_it_is(payload: str) -> None:
    """Whatever a site is called, its name is text that a reader sees."""
    page = Page(as_portfolio_html.render(evil()))
    assert squeezed(payload) in page.text


def test_each_verdict_has_its_shape_and_its_word() -> None:
    """A row says its verdict by a shape and by the word, never by colour alone."""
    html = as_portfolio_html.render(mixed())
    for verdict, shape in words.VERDICT_SHAPES.items():
        assert re.search(rf'<use href="#s-{shape}"/></svg>{words.VERDICTS[verdict]}</span>', html), verdict


def test_what_limits_a_report_is_loud() -> None:
    """A run that ended early, was partial or has an expired waiver is told in its row and above all rows."""
    bad = sample()
    expired = variant(bad, notices=[{"kind": "expired", "text": "The waiver of vm.disk ended on 1 Nov 2026."}])
    broken = variant(ready(), run={"complete": False, "scope": "partial"}, notices=[])
    page = Page(as_portfolio_html.render(index([entry("Old", expired, slug="a"), entry("Torn", broken, slug="b")])))
    assert "Expired waiver or statement: Old." in page.text
    assert "Incomplete run: Torn." in page.text
    assert "Partial run: Torn." in page.text
    assert "The waiver of vm.disk ended on 1 Nov 2026." in page.text
    assert "with reservations" in " ".join(page.raw["style"])


def test_a_site_tells_what_blocks_it_and_what_changed() -> None:
    """Owner, date and job of each blocker, and the change since the site's own baseline."""
    bad = sample()
    page = Page(as_portfolio_html.render(index([entry("Bad", bad)])))
    for group in bad["blockers"]:
        assert words.OWNERS[group["owner"]] in page.text
        assert squeezed(group["jobs"][0]["text"]) in page.text
    assert bad["baseline"] is not None
    assert f"{len(bad['baseline']['fixed'])} fixed" in page.text
    assert f"{len(bad['baseline']['regressed'])} regressed" in page.text


def test_a_hundred_sites_are_one_page() -> None:
    """Of a hundred sites each has its row, and the choices above them count them."""
    bad = sample()
    document = index([entry(f"Site {number}", bad, slug=f"s-{number}") for number in range(100)])
    page = Page(as_portfolio_html.render(document))
    assert page.values("data-kind").count("not_ready") == 100
    assert "not ready 100" in page.text.lower()


def test_the_terminal_is_not_steered() -> None:
    """What a site is called reaches a terminal as text."""
    out = io.StringIO()
    console = Console(file=out, width=100, markup=False, highlight=False, emoji=False)
    document = evil()
    for each in document["sites"]:
        as_portfolio_text.paint_row(console, each)
    paint(console, as_portfolio_text.lines(document))
    assert "\x1b" not in out.getvalue()
    assert "\x07" not in out.getvalue()


def test_a_glance_takes_a_files_word_for_it(tmp_path: Path) -> None:
    """A report says what it is; what is no report says nothing."""
    folder = tmp_path
    (folder / "report.json").write_text(as_json.dumps(sample()))
    seen = as_json.glance(folder / "report.json")
    assert seen is not None
    assert (seen.slug, seen.whole) == (sample()["site"]["slug"], True)
    for text in ("", "[]", "{}", '{"run": 1}', '{"site": {"slug": 1}, "run": null}'):
        (folder / "other.json").write_text(text)
        assert as_json.glance(folder / "other.json") is None
    assert as_json.glance(folder / "none.json") is None
