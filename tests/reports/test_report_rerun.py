"""A rerun beside the runs before it: what became of each finding, and the trend."""

from __future__ import annotations

import re
from typing import cast

import pytest
from readiness_reports import as_html, rerun
from readiness_reports.outline import Outline
from readiness_schemas.report import PastRunDocument, ReportDocument

from tests.reports.documents import document, finding, past, ready, sample, step, variant


def with_steps(*steps: object, **baseline: object) -> ReportDocument:
    given = {"run_id": "old-1", "started_at": "2026-11-16T08:15:02Z", "score": 50.0, "verdict": "not_ready"}
    lists: dict[str, object] = {kind: [] for kind in ("fixed", "regressed", "new", "gone", "changed")}
    found = [finding("vm.os", "excs-1", "fail", "Old."), finding("vm.cpu", "excs-1")]
    return document(found, baseline={**given, **lists, "steps": list(steps), **baseline})


def test_what_matters_most_comes_first() -> None:
    """Regressions, then what was fixed, new, gone, changed and still open, each with its value before and now."""
    kept = rerun.steps(Outline(sample()))
    assert [group.kind for group in kept] == ["regressed", "fixed", "new", "gone", "changed", "still_open"]
    (clock,) = kept[0].steps
    assert clock.finding == "vm.time-sync[exas-1]"
    assert (clock.before, clock.after) != (None, None)
    assert clock.before is not None
    assert clock.after is not None
    assert (clock.before.status, clock.after.status) == ("pass", "fail")
    assert kept[3].steps[0].after is None


def test_a_new_finding_that_passes_is_no_news() -> None:
    """Of new findings only those are told that somebody has to look at."""
    given = with_steps(step("vm.os[excs-1]", "new"), step("vm.cpu[excs-1]", "new"))
    (group,) = rerun.steps(Outline(given))
    assert [each.finding for each in group.steps] == ["vm.os[excs-1]"]


def test_a_long_list_has_an_end() -> None:
    """A hundred findings of one kind are told, the rest are counted; long values are cut."""
    gone = [step(f"vm.disk[vm-{n}]", "gone", "pass", "x" * 9999) for n in range(250)]
    (group,) = rerun.steps(Outline(with_steps(*gone)))
    assert (len(group.steps), group.more) == (100, 150)
    assert group.steps[0].before is not None
    assert len(group.steps[0].before.observed) == rerun.VALUE


def test_a_baseline_of_ids_alone_is_still_told() -> None:
    """A report that keeps no values of its baseline tells what became of which finding."""
    given = with_steps(regressed=["vm.os[excs-1]"], gone=["vm.disk[excs-1]"])
    assert given["baseline"] is not None
    del given["baseline"]["steps"]
    kept = rerun.steps(Outline(given))
    assert [(each.kind, each.steps[0].before) for each in kept] == [("regressed", None), ("gone", None)]
    assert "not there" not in as_html.render(given).partition('id="rerun"')[0]


def test_the_trend_has_a_point_for_every_scored_run() -> None:
    """Runs stand in their order; one without a score breaks the line; all of them are in the table."""
    found = rerun.drawn(sample())
    assert found is not None
    assert [run["score"] for run in found.runs] == [79.3, 69.4, 51.2, None]
    assert [mark.shape for mark in found.marks] == ["fail", "fail", "fail"]
    assert found.line.startswith("M")
    assert found.line.count("L") == 2
    assert [float(mark.x) for mark in found.marks] == sorted(float(mark.x) for mark in found.marks)
    assert [float(mark.y) for mark in found.marks] == sorted((float(mark.y) for mark in found.marks), reverse=True)


@pytest.mark.parametrize("scores", [[100.0] * 24, [0.0], [None, None], [99.9, 0.1, 100.0]])
def test_every_point_lies_within_the_drawing(scores: list[float | None]) -> None:
    """Whatever the scores, no coordinate leaves the picture."""
    history = [past(f"r-{n}", f"2026-10-{n + 1:02}T08:00:00Z", "ready", each, 1) for n, each in enumerate(scores)]
    found = rerun.drawn(variant(ready(), history=history))
    assert found is not None
    assert len(found.marks) == sum(each is not None for each in scores) + 1
    for mark in found.marks:
        assert rerun.LEFT <= float(mark.x) <= rerun.RIGHT
        assert rerun.TOP <= float(mark.y) <= rerun.BOTTOM


def test_a_first_run_and_a_what_if_have_no_trend() -> None:
    """One point is no trend, and a report that was judged again is no run."""
    assert rerun.drawn(ready()) is None
    assert rerun.trend(ready()) == ""
    judged = variant(sample(), run={"rejudged_from": "20261101T000000Z-abc"})
    assert rerun.drawn(judged) is None


def test_the_page_shows_each_step_before_and_now() -> None:
    """A row per step with both statuses as words, and every run of the site in the table beside the drawing."""
    page = as_html.render(sample()).partition('<section id="rerun">')[2].partition("</section>")[0]
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    row = next(each for each in rows if "vm.time-sync[exas-1]" in each)
    assert row.index(">pass</span>") < row.index(">fail</span>")
    assert sum("<time" in each for each in rows) == 4
    baseline = sample()["baseline"]
    assert baseline is not None
    assert sum("<code>" in each for each in rows) == len(baseline["steps"])


def test_the_trend_names_the_last_five() -> None:
    """A long history is a count and its newest scores."""
    history = [past(f"r-{n}", f"2026-10-{n + 1:02}T08:00:00Z", "ready", float(n), 1) for n in range(9)]
    said = rerun.trend(variant(ready(), history=cast("list[PastRunDocument]", history)))
    assert said.startswith("4 earlier, 4.0 (5 Oct), 5.0 (6 Oct)")
    assert said.endswith(" now")
