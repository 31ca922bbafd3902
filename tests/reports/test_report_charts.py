"""Sizes and clocks: drawn from figures where there are any, told in a table where there are none, else left out."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from readiness_reports import as_html
from readiness_reports.charts import clocks, sizing
from readiness_reports.outline import Outline

from tests.reports.documents import REDIS, document, finding, reason, sample

FIGURES = {
    "usable_bytes": 6e9,
    "recommended_bytes": 4.8e9,
    "carried_agents": 3000,
    "carried_caps": 15,
    "needed_agents": 2400,
    "needed_caps": 12,
}


def test_nothing_seen_nothing_drawn() -> None:
    """Without a finding that saw a size or a clock both sections are left out."""
    outline = Outline(document([finding("vm.roles", "site"), finding("vm.cpu", "excs-1", "unknown")]))
    assert sizing(outline) is None
    assert clocks(outline) is None


@pytest.mark.parametrize(
    "figures",
    [
        None,
        {},
        {**FIGURES, "usable_bytes": -1},
        {key: value for key, value in FIGURES.items() if key != "needed_caps"},
        {**FIGURES, "carried_agents": 1e300},
    ],
    ids=["none", "empty", "negative", "one missing", "beyond all measure"],
)
def test_without_sound_figures_there_is_no_chart(figures: Mapping[str, float] | None) -> None:
    """A chart needs every figure it shows; the table stands without."""
    made = sizing(Outline(document([finding("redis.memory", REDIS, observed="6 GB usable", figures=figures)])))
    assert made is not None
    assert made.chart is None
    assert made.redis == (("There is", "6 GB usable"),)


@pytest.mark.parametrize("usable", [1.5e9, 6e9, 400e9])
def test_the_chart_stays_in_its_field(usable: float) -> None:
    """Whatever the sizes, rectangles and the planned load lie within the axes, which reach to round numbers."""
    scale = usable / 2e9
    figures = {**FIGURES, "usable_bytes": usable, "carried_agents": 1000 * scale, "carried_caps": 5 * scale}
    made = sizing(Outline(document([finding("redis.memory", REDIS, figures=figures)])))
    assert made is not None
    assert made.chart is not None
    assert [tick.text for tick in made.chart.across] == ["0", "1000", "2000", "3000", "4000"]
    for area in made.chart.areas:
        assert 0 < float(area.width) <= 360
        assert 0 < float(area.height) <= 210
    assert 46 < float(made.chart.x) < 406
    assert 12 < float(made.chart.y) < 222


def test_what_is_needed_is_drawn_over_what_is_there() -> None:
    """The larger rectangle lies below, so that both can be seen."""
    kinds = []
    for usable in (1e9, 9e9):
        made = sizing(Outline(document([finding("redis.memory", REDIS, figures={**FIGURES, "usable_bytes": usable})])))
        assert made is not None
        assert made.chart is not None
        kinds.append([area.kind for area in made.chart.areas])
    assert kinds == [["need", "have"], ["have", "need"]]


def test_machines_are_told_by_what_was_observed() -> None:
    """Each machine's row shows what was observed, the worst state, and a waiver; what nobody saw stays empty."""
    made = sizing(Outline(sample()))
    assert made is not None
    first = made.machines[0]
    assert (first.name, first.status, first.waived) == ("excs-1", "warn", True)
    assert first.cells == (("4", ""), ("8 GB", ""), ("64 GB", "warn"))


def test_an_unseen_value_is_named_unknown() -> None:
    """Where one of a machine's values could not be read, its status stands in its place."""
    found = [
        finding("vm.cpu", "excs-1", observed="4"),
        finding("vm.disk", "excs-1", "unknown", why=reason("permission", "no right to look")),
    ]
    made = sizing(Outline(document(found)))
    assert made is not None
    assert made.machines[0].cells == (("4", ""), ("", ""), ("unknown", "unknown"))


@pytest.mark.parametrize("hours", [0, 0.2, 23, 31, 500])
def test_every_clock_stands_on_its_row(hours: float) -> None:
    """An age is drawn to length up to the end of the scale; what lies beyond is marked so."""
    figures = {"age_s": hours * 3600, "limit_s": 86400}
    found = [finding("vm.time-sync", name, figures=figures) for name in ("excs-1", "exas-1")]
    made = clocks(Outline(document(found)))
    assert made is not None
    assert made.chart is not None
    assert [stem.name for stem in made.chart.stems] == ["excs-1", "exas-1"]
    for stem in made.chart.stems:
        assert 92 <= float(stem.end) <= 400
        assert stem.beyond is (hours == 500)
    assert 92 < float(made.chart.limit) < 400
    assert all(re.fullmatch(r"\d+ h", tick.text) for tick in made.chart.hours)


def test_the_charts_are_on_the_page() -> None:
    """Both sections are drawn and listed among the contents."""
    html = as_html.render(sample())
    assert '<a href="#sizing">Sizing</a>' in html
    assert '<a href="#clocks">Clocks</a>' in html
    assert "1.5 GB carry 750 agents and 3.7 CAPS" in html
    assert "exas-1: 31.1 h." in html
