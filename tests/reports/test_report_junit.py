"""The JUnit results: what a pipeline is told never claims more than was proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from junitparser import JUnitXml
from readiness_reports import as_junit
from readiness_schemas.report import AttestationDocument, FindingDocument, ReportDocument, StatusWord, WaiverDocument

from tests.reports.documents import attestation, document, finding, hostile, ready, sample, variant, waiver, wide


def parsed(given: ReportDocument) -> ElementTree.Element:
    return ElementTree.fromstring(as_junit.render(given).encode())


def outcome(case: ElementTree.Element) -> str:
    return next((child.tag for child in case if child.tag in {"failure", "error", "skipped"}), "passed")


STATED = attestation("vm.os", "Jana Brandt", "2026-11-19", target="excs-1")
ACCEPTED = waiver("vm.os", "excs-1", "Known.", "Change board", "2026-12-31")
OVER = waiver("vm.os", "excs-1", "Known.", "Change board", "2026-11-22")


@pytest.mark.parametrize(
    ("status", "stated", "accepted", "expected"),
    [
        ("pass", None, None, "passed"),
        ("warn", None, None, "passed"),
        ("warn", None, ACCEPTED, "skipped"),
        ("fail", None, None, "failure"),
        ("fail", None, ACCEPTED, "skipped"),
        ("fail", None, OVER, "failure"),
        ("fail", STATED, None, "failure"),
        ("unknown", None, None, "error"),
        ("unknown", None, ACCEPTED, "skipped"),
        ("unknown", None, OVER, "error"),
        ("unknown", STATED, None, "skipped"),
        ("manual", None, None, "error"),
        ("manual", STATED, None, "skipped"),
        ("manual", None, ACCEPTED, "skipped"),
        ("skip", None, None, "skipped"),
    ],
)
def test_every_status_has_its_result(
    status: StatusWord, stated: AttestationDocument | None, accepted: WaiverDocument | None, expected: str
) -> None:
    """Unknown never becomes a pass; what was accepted or stated is skipped; what is over counts for nothing."""
    given = finding("vm.os", "excs-1", status, attestation=stated, waiver=accepted)
    case = parsed(document([given])).find(".//testcase")
    assert case is not None
    assert outcome(case) == expected


@pytest.mark.parametrize("make", [sample, ready, hostile, wide], ids=lambda make: make.__name__)
def test_the_file_is_xml_with_a_case_for_each_finding(make: Callable[[], ReportDocument]) -> None:
    """Whatever the document holds, the file can be parsed, and its numbers are those of its cases."""
    given = make()
    root = parsed(given)
    cases = root.findall(".//testcase")
    assert len(cases) == len(given["findings"])
    for element in (root, *root.findall("testsuite")):
        own = element.findall(".//testcase")
        results = [outcome(case) for case in own]
        assert element.get("tests") == str(len(own))
        assert element.get("failures") == str(results.count("failure"))
        assert element.get("errors") == str(results.count("error"))
        assert element.get("skipped") == str(results.count("skipped"))


def test_a_case_tells_why() -> None:
    """A failure carries its summary, evidence and remedy, an error its reason, a skip the risk that was accepted."""
    cases = {(case.get("classname"), case.get("name")): case for case in parsed(sample()).findall(".//testcase")}
    failure = cases["redis.memory", "redis.northwind.example:6379"].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("Redis may use 1.5 GB")
    assert "evidence: maxmemory: 1,500,000,000 bytes" in (failure.text or "")
    error = cases["redis.latency", "excp-2"].find("error")
    assert error is not None
    assert error.get("type") == "blocked"
    skipped = cases["vm.disk", "excs-1"].find("skipped")
    assert skipped is not None
    assert (skipped.get("message") or "").startswith("waived by Change board until 2026-12-04")


def test_a_warning_passes_and_says_so() -> None:
    """A warn is no failure, but its words are in the output of its case."""
    case = parsed(document([finding("vm.cpu", "excs-1", "warn", "One core is few.")])).find(".//testcase")
    assert case is not None
    assert (case.findtext("system-out") or "").startswith("warn: One core is few.")


def test_the_verdict_is_a_property() -> None:
    """Verdict, score and completeness stand beside the cases, for pipelines that read them."""
    root = parsed(variant(sample(), run={"complete": False}))
    found = {each.get("name"): each.get("value") for each in root.findall(".//property")}
    assert found["verdict"] == "not_ready"
    assert found["score"] == "79.3"
    assert found["complete"] == "false"


def test_findings_of_one_requirement_stay_in_its_section() -> None:
    """The suites are the sections of the page, in its order."""
    names = [suite.get("name") for suite in parsed(sample()).findall("testsuite")]
    assert names == list(dict.fromkeys(each["section"] for each in sample()["requirements"]))


def test_no_finding_is_dropped_or_doubled() -> None:
    """The cases are exactly the findings of the document."""
    given: list[FindingDocument] = sample()["findings"]
    cases = parsed(sample()).findall(".//testcase")
    assert [f"{case.get('classname')}[{case.get('name')}]" for case in cases] == [each["id"] for each in given]


@pytest.mark.parametrize("make", [sample, ready, hostile, wide], ids=lambda make: make.__name__)
def test_a_pipelines_parser_reads_it(make: Callable[[], ReportDocument], tmp_path: Path) -> None:
    """junitparser, made for pipelines, finds a case for each finding, and the counts that the file states."""
    given = make()
    file = tmp_path / "junit.xml"
    file.write_text(as_junit.render(given), encoding="utf-8")
    read = JUnitXml.fromfile(str(file))
    cases = [case for suite in read for case in suite]
    assert len(cases) == read.tests == len(given["findings"])
    results = Counter(type(result).__name__ for case in cases for result in case.result)
    assert (results["Failure"], results["Error"], results["Skipped"]) == (read.failures, read.errors, read.skipped)
    broken = [each for each in given["findings"] if each["status"] == "unknown" and not each["attestation"]]
    assert results["Error"] >= sum(each["waiver"] is None for each in broken)
