"""Reports that earlier releases wrote stay readable: one of each kind for every version of the schema."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from readiness_reports import as_csv, as_html, as_json, as_junit, as_markdown
from readiness_schemas.report import ReportDocument

from readiness.packs import load_packs
from readiness.rejudge import plan_again, rejudge
from readiness.report import SCHEMA_VERSION
from readiness.site.load import load_declared
from tests.lab.offline import call

GOLDEN = sorted((Path(__file__).parent.parent / "recordings" / "reports").glob("*.json.gz"))
"""Audits of the demo's site as a release wrote them; a new version of the schema adds its own, and none is redone."""


@pytest.fixture(params=GOLDEN, ids=lambda path: path.name.removesuffix(".json.gz"))
def golden(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path: Path = request.param
    file = tmp_path / "report.json"
    file.write_bytes(gzip.decompress(path.read_bytes()))
    return file


def test_every_version_of_the_schema_has_its_reports() -> None:
    """The version that is written now is among those that are proven to be readable."""
    assert SCHEMA_VERSION in {path.name.partition("-")[0] for path in GOLDEN}


def test_a_golden_report_is_of_its_version(golden: Path, request: pytest.FixtureRequest) -> None:
    """It is read as it was written: schema, digest and version fit."""
    version = request.node.callspec.params["golden"].name.partition("-")[0]
    assert as_json.read(golden)["schema_version"] == version


def test_a_golden_report_is_drawn_in_every_format(golden: Path) -> None:
    """HTML, Markdown, CSV and JUnit name the site, and a line or a case for each finding that matters."""
    document = as_json.read(golden)
    failed = [finding["id"] for finding in document["findings"] if finding["status"] == "fail"]
    for draw in (as_html.render, as_markdown.render, as_csv.render, as_junit.render):
        drawn = draw(document)
        assert len(drawn) > 1000
        assert all(finding.partition("[")[0] in drawn for finding in failed)
    assert document["site"]["name"] in as_html.render(document)


def test_a_golden_report_serves_every_command(golden: Path) -> None:
    """It is compared, aged and judged again by this release."""
    for words in (["status", str(golden)], ["compare", str(golden), str(golden)], ["rejudge", str(golden)]):
        done = call(*words)
        assert done.exit_code in {0, 1, 3}, done.output
        assert "Demo Harbour" in done.output


def test_a_golden_report_is_judged_alike(golden: Path) -> None:
    """Of the recorded answers this release says what that one said; what differs is a change of rules."""
    document = as_json.read(golden)
    site = load_declared(document["site"], path=golden, settings=[])
    again = rejudge(document, plan_again(document, site, load_packs()))
    assert statuses(again) == statuses(document)
    assert (again["verdict"], again["score"]) == (document["verdict"], document["score"])


def statuses(document: ReportDocument) -> dict[str, str]:
    return {finding["id"]: finding["status"] for finding in document["findings"]}
