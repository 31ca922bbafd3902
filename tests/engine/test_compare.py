"""Two runs compared, finding by finding."""

from __future__ import annotations

import pytest

from readiness.compare import Change, Seen, change, compare


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("fail", "pass", Change.FIXED),
        ("unknown", "pass", Change.FIXED),
        ("warn", "skip", Change.FIXED),
        ("pass", "fail", Change.REGRESSED),
        ("pass", "unknown", Change.REGRESSED),
        ("warn", "fail", Change.REGRESSED),
        ("skip", "warn", Change.REGRESSED),
        ("fail", "warn", Change.CHANGED),
        ("fail", "unknown", Change.CHANGED),
        ("pass", "skip", Change.CHANGED),
        ("pass", "pass", Change.UNCHANGED),
        ("fail", "fail", Change.UNCHANGED),
    ],
)
def test_a_step_is_named_by_where_it_leads(before: str, after: str, expected: Change) -> None:
    """Only a way into good is fixed, any way down regressed, other steps changed."""
    assert change(Seen(before, "x"), Seen(after, "x")) is expected


def test_another_value_at_the_same_status_is_a_change() -> None:
    """A version that moved within what is allowed is worth a line."""
    assert change(Seen("pass", "6.2.14"), Seen("pass", "6.2.15")) is Change.CHANGED


def test_new_and_gone_findings_are_named() -> None:
    """Targets come and go with the site file."""
    changes, gone = compare(
        {"a": Seen("pass", ""), "b": Seen("fail", "")}, {"b": Seen("fail", ""), "c": Seen("fail", "")}
    )
    assert changes == {"b": Change.UNCHANGED, "c": Change.NEW}
    assert gone == ("a",)
