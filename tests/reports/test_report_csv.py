"""The table of findings: complete, and inert in every spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest
from readiness_reports import as_csv, words
from readiness_schemas.report import ReportDocument

from tests.reports.documents import hostile, sample, wide


def rows(document: ReportDocument) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(as_csv.render(document), newline="")))


@pytest.mark.parametrize("make", [sample, hostile, wide], ids=lambda make: make.__name__)
def test_there_is_a_row_for_each_finding(make: Callable[[], ReportDocument]) -> None:
    """Every finding is one row with every column, in the document's order."""
    given = make()
    found = rows(given)
    assert [row["id"] for row in found] == [as_csv.inert(each["id"]) for each in given["findings"]]
    assert [row["status"] for row in found] == [each["status"] for each in given["findings"]]
    assert all(set(row) == set(as_csv.COLUMNS) for row in found)
    assert all(None not in row.values() for row in found)


def test_no_cell_is_a_formula() -> None:
    """No cell of a hostile report begins with what a spreadsheet would run, not even after spaces."""
    for row in csv.reader(io.StringIO(as_csv.render(hostile()), newline="")):
        for cell in row:
            assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"}
            assert not words.UNSEEN.search(cell)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("plain", "plain"),
        ("", ""),
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("+49 30", "'+49 30"),
        ("-0.3 ms", "'-0.3 ms"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
        ("a=1", "a=1"),
        ("\x1b[31m", "␛[31m"),
    ],
)
def test_what_would_begin_a_formula_is_quoted(text: str, cell: str) -> None:
    """An apostrophe goes before it; everything else stays as it is, unseen characters spelled out."""
    assert as_csv.inert(text) == cell


def test_a_finding_is_whole() -> None:
    """Evidence, remedy, reason, statement and waiver of a finding stand in its row."""
    found = {row["id"]: row for row in rows(sample())}
    memory = found["redis.memory[redis.northwind.example:6379]"]
    assert (
        memory["evidence"].splitlines()[0]
        == "maxmemory: 1,500,000,000 bytes (excs-1, INFO through excs-1, authenticated)"
    )
    assert (memory["blocks"], memory["standing"], memory["port"]) == ("yes", "broken", "6379")
    assert "curl -u" in memory["remedy"]
    assert found["vm.disk[excs-1]"]["waived_by"] == "Change board"
    assert found["vm.disk[excs-1]"]["standing"] == "accepted"
    assert found["planning.limitations-reviewed[site]"]["attested_by"] == "Jana Brandt"
    assert found["redis.latency[excp-2]"]["reason"] == "blocked"
    assert found["redis.latency[excp-2]"]["blocked_by"] == "connectivity.redis[excp-2->redis.northwind.example:6379]"
