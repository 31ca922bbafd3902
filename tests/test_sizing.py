"""The memory rule: bounds through the one documented point."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.site import PAGES
from readiness.sizing import Load, NoFigure, in_gb, redis_memory

PAGE = PAGES["2023-07-27"]
GB = 1_000_000_000


@pytest.mark.parametrize(
    ("agents", "caps", "lower", "upper", "least", "recommended"),
    [
        (1000, 5, 2.0, 2.0, 2.0, 2.0),
        (3000, 15, 6.0, 6.0, 6.0, 6.0),
        (3000, 5, 2.0, 6.0, 2.0, 6.0),
        (1000, 15, 2.0, 6.0, 2.0, 6.0),
        (500, 5, 1.0, 2.0, 2.0, 2.0),
        (500, 2.5, 1.0, 1.0, 2.0, 2.0),
        (2000, 7.5, 3.0, 4.0, 3.0, 4.0),
        (1, 0.1, 0.002, 0.04, 2.0, 2.0),
        (0, 0, 0.0, 0.0, 2.0, 2.0),
    ],
)
def test_the_bounds_of_a_load(
    agents: int, caps: float, lower: float, upper: float, least: float, recommended: float
) -> None:
    """The need lies between the documented size scaled by the slower load and by the faster, never under 2 GB."""
    need = redis_memory(PAGE, agents, caps)
    assert (need.lower, need.upper) == (int(lower * GB), int(upper * GB))
    assert (need.least, need.recommended) == (int(least * GB), int(recommended * GB))


@given(
    agents=st.integers(0, 100_000),
    caps=st.decimals(0, 1000, places=2).map(float),
    share=st.fractions(0, 1),
)
def test_no_linear_rule_leaves_the_bounds(agents: int, caps: float, share: Fraction) -> None:
    """Whatever share of the documented size belongs to agents, the scaled sum stays between the bounds."""
    need = redis_memory(PAGE, agents, caps)
    by_agents, by_calls = Fraction(agents, 1000), Fraction(str(caps)) / 5
    true = 2 * GB * (share * by_agents + (1 - share) * by_calls)
    assert need.lower - 1 <= true <= need.upper
    assert need.lower <= need.upper
    assert need.least <= need.recommended


@pytest.mark.parametrize(
    ("memory", "carried"),
    [(2 * GB, Load(agents=1000, caps=5)), (6 * GB, Load(agents=3000, caps=15)), (3 * GB, Load(agents=1500, caps=7.5))],
)
def test_what_a_memory_carries(memory: int, carried: Load) -> None:
    """Memory carries agents and calls in the documented proportion."""
    assert redis_memory(PAGE, 1000, 5).carried(memory) == carried


def test_the_headroom_is_measured_from_what_is_recommended() -> None:
    """Headroom is what is left above the recommended size, and negative below it."""
    need = redis_memory(PAGE, 3000, 5)
    assert need.headroom(8 * GB) == 2 * GB
    assert need.headroom(2 * GB) == -4 * GB


def test_a_revision_without_a_figure_has_no_rule() -> None:
    """The first revision names no memory: there is nothing to extrapolate from."""
    with pytest.raises(NoFigure, match="2023-07-10"):
        redis_memory(PAGES["2023-07-10"], 1000, 5)


@pytest.mark.parametrize(("agents", "caps"), [(-1, 5), (1000, -0.1), (1000, float("inf")), (1000, float("nan"))])
def test_a_load_that_is_none_is_refused(agents: int, caps: float) -> None:
    """Negative and endless loads are mistakes."""
    with pytest.raises(ValueError, match="no load"):
        redis_memory(PAGE, agents, caps)


def test_the_explanation_says_the_figure_the_bounds_and_what_they_are_worth() -> None:
    """A person reads the recommended size, both bounds, where they come from, and that it is an extrapolation."""
    text = redis_memory(PAGE, 3000, 5).explain()
    assert text.startswith("Plan 6 GB of usable Redis memory for 3000 agents and 5 CAPS")
    assert "2 GB for 1000 agents and 5 CAPS" in text
    assert "extrapolation" in text
    assert "at least 2 GB and at most 6 GB" in text
    assert "12 GB" in text
    assert "extrapolation" not in redis_memory(PAGE, 1000, 5).explain()
    assert "3 times the agents and as many calls" in text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (2 * GB, "2 GB"),
        (2 * GB - 1, "1.99 GB"),
        (2_147_483_648, "2.14 GB"),
        (512 * 1024 * 1024, "536.87 MB"),
        (0, "0 GB"),
        (-4 * GB, "-4 GB"),
        (6_400_000_000, "6.4 GB"),
    ],
)
def test_sizes_read_like_sizes(size: int, text: str) -> None:
    """Sizes are decimal and cut, so that one byte short of 2 GB does not print as 2 GB."""
    assert in_gb(size) == text
