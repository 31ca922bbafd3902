"""The ticket comment: what it tells, and that foreign text stays text in it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from readiness_reports import as_markdown, words
from readiness_schemas.report import ReportDocument

from tests.reports.documents import PAYLOADS, document, finding, hostile, ready, sample, variant, wide


def tokens(text: str) -> list[Token]:
    """Everything that a Markdown reader makes of a text, raw HTML allowed."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or [])]
    return found


@pytest.mark.parametrize("make", [sample, ready, hostile, wide], ids=lambda make: make.__name__)
def test_foreign_text_stays_text(make: Callable[[], ReportDocument]) -> None:
    """No link, image, raw HTML, rule within a line or strike-through comes of any document."""
    kinds = {token.type for token in tokens(as_markdown.render(make()))}
    assert not {kind for kind in kinds if kind.startswith(("link", "image", "html", "s_", "fence", "code_block"))}


@pytest.mark.parametrize("make", [sample, hostile], ids=lambda make: make.__name__)
def test_what_changed_is_one_table_of_four_columns(make: Callable[[], ReportDocument]) -> None:
    """Every step is one row with before and after, whatever bars, breaks and backticks its texts hold."""
    given = make()
    found = tokens(as_markdown.render(given))
    rows = [index for index, token in enumerate(found) if token.type == "tr_open"]
    assert sum(token.type == "table_open" for token in found) == 1
    assert sum(token.type in {"th_open", "td_open"} for token in found) == 4 * len(rows)
    assert given["baseline"] is not None
    assert len(rows) == 1 + min(as_markdown.MOST, len(given["baseline"]["steps"]))


def test_the_trend_is_a_line_of_scores() -> None:
    """A rerun tells the scores of the runs before it; a first run has none to tell."""
    said = "- **Scores of this site's runs:** none (2 Nov), 51.2 (9 Nov), 69.4 (16 Nov), 79.3 now"
    assert said in as_markdown.render(sample()).splitlines()
    assert "Scores of" not in as_markdown.render(ready())


def test_payloads_are_readable_as_they_are() -> None:
    """A reader of the rendered comment sees every payload as it was written, what is unseen spelled out."""
    said = "\n".join(token.content for token in tokens(as_markdown.render(hostile())) if token.type == "inline")
    plain = "".join(
        token.content
        for token in tokens(as_markdown.render(hostile()))
        if token.type in {"text", "text_special", "code_inline"}
    ).replace("\u200b", "")
    assert said
    for payload in PAYLOADS:
        assert " ".join(words.plain(payload).split()) in plain


def test_nobody_is_called_and_no_address_is_left() -> None:
    """Mentions, issue numbers and addresses are broken up, so that no tracker makes something of them."""
    text = re.sub(r"(`+) ?.*?\1", "", as_markdown.render(hostile()))
    assert not re.search(r"[@#]\w", text)
    assert not re.search(r"(?<!\\)://", text)
    assert not re.search(r"www(?<!\\)\.", text)


def test_structure_comes_from_us_alone() -> None:
    """A document full of harm has the same headings as its chapters, and not one more."""
    text = as_markdown.render(hostile())
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings[0].startswith("# Not ready: ")
    assert [re.sub(r" \(\d+\)", "", line) for line in headings[1:]] == [
        "## What blocks sign-off",
        "## Since the last run",
        "## Failed",
        "## Not determined",
        "## Accepted risks",
        "## Stated by a person",
    ]
    assert sum(token.type == "heading_open" for token in tokens(text)) == len(headings)


def test_the_comment_tells_what_matters() -> None:
    """Verdict, coverage, score, date, jobs, and every finding that did not pass."""
    given = sample()
    text = as_markdown.render(given)
    for part in (
        "# Not ready: Northwind Leipzig, CHG0042042",
        "**Coverage:** 43 of 50 requirements proven (1 attested, 6 not proven)",
        "**Score:** 79.3 of 100 (358.79 of 452 points)",
        "**Earliest ready:** Monday, 7 December 2026",
        "expired on 2026-10-31",
        "Raise the memory of Redis from 1.5 GB to 4.8 GB (`redis.memory`)",
        given["digest"],
    ):
        assert part in text
    for each in given["findings"]:
        assert (f"`{each['id']}`" in text) is (each["status"] not in {"pass", "skip"}) or each["id"] in text


def test_a_ready_site_needs_few_words() -> None:
    """With nothing to tell, no chapter of findings but that of statements is there."""
    headings = [line for line in as_markdown.render(ready()).splitlines() if line.startswith("##")]
    assert headings == ["## Stated by a person (3)"]


def test_a_comment_has_an_end() -> None:
    """However much failed, a comment tells of sixty findings and counts the rest."""
    text = as_markdown.render(document(finding("vm.cpu", f"vm-{n}", "fail") for n in range(500)))
    assert text.count("- `fail`") == as_markdown.MOST
    assert "- 440 more in the report" in text


def test_a_partial_run_says_so() -> None:
    """What limits the report stands above everything else."""
    text = as_markdown.render(variant(ready(), run={"scope": "partial"}))
    assert "> **Partial run.**" in text


@pytest.mark.parametrize("text", ["a`b", "``", "`", "a```b", "  x  ", ""])
def test_code_holds_any_text(text: str) -> None:
    """Code within a line holds every text, backticks included."""
    inner = [token for token in tokens(f"x {as_markdown.code(text)} y") if token.type == "code_inline"]
    assert [token.content.strip() for token in inner] == [text.strip()]
