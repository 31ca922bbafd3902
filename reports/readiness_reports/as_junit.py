"""The findings as JUnit results for pipelines; nothing that was not proven ever shows as a pass.

A ``fail`` is a failure, an ``unknown`` and a ``manual`` that nobody attested are errors. What does not apply, what was
accepted and what rests on a person's word is skipped, with its reason. A ``warn`` passes and says so in its output.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from xml.etree import ElementTree

from readiness_schemas.report import FindingDocument, ReportDocument

from readiness_reports import words
from readiness_reports.outline import Outline
from readiness_reports.standing import Standing


class Result(Enum):
    """What a pipeline is told; the value is the name of its element, empty where there is none."""

    PASSED = ""
    FAILED = "failure"
    ERROR = "error"
    SKIPPED = "skipped"


RESULTS = {
    Standing.PROVEN: Result.PASSED,
    Standing.REMARK: Result.PASSED,
    Standing.BROKEN: Result.FAILED,
    Standing.UNDECIDED: Result.ERROR,
    Standing.STATED: Result.SKIPPED,
    Standing.ACCEPTED: Result.SKIPPED,
    Standing.IDLE: Result.SKIPPED,
}


def render(document: ReportDocument) -> str:
    """Draw a report that its schema accepts as one ``testsuites`` element, a suite for each section of the page."""
    outline = Outline(document)
    root = ElementTree.Element("testsuites", _text(name=f"readiness: {document['site']['name']}"))
    sections: dict[str, list[FindingDocument]] = {}
    for requirement in document["requirements"]:
        sections.setdefault(requirement["section"], []).extend(outline.of[requirement["id"]])
    for number, (title, findings) in enumerate(sections.items()):
        suite = ElementTree.SubElement(root, "testsuite", _text(name=title))
        _count(suite, outline, findings)
        suite.set("timestamp", document["run"]["started_at"][:19])
        if number == 0:
            _properties(suite, document)
        for finding in findings:
            _case(suite, outline, finding)
        if number == 0 and document["notices"]:
            said = ElementTree.SubElement(suite, "system-err")
            said.text = words.plain("\n".join(notice["text"] for notice in document["notices"]))
    _count(root, outline, document["findings"])
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _count(element: ElementTree.Element, outline: Outline, findings: list[FindingDocument]) -> None:
    results = [RESULTS[outline.weighed[each["id"]].standing] for each in findings]
    element.set("tests", str(len(findings)))
    element.set("failures", str(results.count(Result.FAILED)))
    element.set("errors", str(results.count(Result.ERROR)))
    element.set("skipped", str(results.count(Result.SKIPPED)))
    element.set("time", f"{sum(each['duration_s'] for each in findings):.3f}")


def _properties(suite: ElementTree.Element, document: ReportDocument) -> None:
    coverage, score = document["coverage"], document["score"]
    facts = {
        "verdict": document["verdict"],
        "score": words.score(score["value"]),
        "coverage": f"{coverage['proven']} of {coverage['applicable']} proven",
        "run": document["run"]["id"],
        "complete": str(document["run"]["complete"]).lower(),
        "scope": document["run"]["scope"],
        "page_revision": document["page"]["revision"],
        "digest": document.get("digest", ""),
    }
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in facts.items():
        ElementTree.SubElement(properties, "property", _text(name=name, value=value))


def _case(suite: ElementTree.Element, outline: Outline, finding: FindingDocument) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        _text(classname=finding["check"], name=finding["target"]["name"], time=f"{finding['duration_s']:.3f}"),
    )
    standing = outline.weighed[finding["id"]].standing
    result = RESULTS[standing]
    detail = words.plain("\n".join(_detail(finding)))
    if result is Result.PASSED:
        if standing is Standing.REMARK:
            ElementTree.SubElement(case, "system-out").text = f"warn: {words.plain(finding['summary'])}\n{detail}"
        return
    outcome = ElementTree.SubElement(case, result.value, _text(message=_message(outline, finding)))
    if result is not Result.SKIPPED:
        kind = finding["status"] if finding["reason"] is None else finding["reason"]["code"]
        outcome.set("type", words.plain(kind))
    outcome.text = detail


def _message(outline: Outline, finding: FindingDocument) -> str:
    weighed = outline.weighed[finding["id"]]
    if weighed.attestation is not None:
        given = weighed.attestation
        return f"attested by {given['by']} on {given['date']} ({given['reference']}): {finding['summary']}"
    if weighed.waiver is not None:
        accepted = weighed.waiver
        until = f"until {accepted['expires']}"
        return f"waived by {accepted['approved_by']} {until}, {accepted['reason']}: {finding['summary']}"
    return finding["summary"]


def _detail(finding: FindingDocument) -> Iterator[str]:
    for label in ("expected", "observed", "reasoning"):
        text = finding[label]
        if text:
            yield f"{label}: {text}"
    if finding["reason"] is not None:
        yield f"reason: {finding['reason']['detail']}"
    for piece in finding["evidence"]:
        yield f"evidence: {piece['label']}: {piece['value']} ({piece['vantage']}, {piece['method']}, {piece['level']})"
    if finding["remedy"]:
        yield f"remedy: {finding['remedy']}"


def _text(**attributes: str) -> dict[str, str]:
    return {name: words.plain(value) for name, value in attributes.items()}
