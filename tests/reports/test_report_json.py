"""The report document: its schema, its digest, and the way it gets into a file and out again."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from readiness_reports import as_json
from readiness_reports.as_json import DigestDiffers, ReportInvalid, ReportUnreadable
from readiness_schemas import load
from readiness_schemas.report import ReportDocument

from tests.reports.documents import document, finding, hostile, ready, reason, sample, variant, wide

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> ReportDocument:
    """The sample with one part changed by hand, sealed anew."""
    copy = cast("dict[str, Any]", deepcopy(sample()))
    change(copy)
    return as_json.seal_digest(cast("ReportDocument", copy))


def first(copy: dict[str, Any], status: str) -> dict[str, Any]:
    return next(each for each in copy["findings"] if each["status"] == status)


def test_the_schema_is_a_schema() -> None:
    """The schema itself obeys draft 2020-12."""
    Draft202012Validator.check_schema(load("report"))


@pytest.mark.parametrize("make", [sample, ready, hostile, wide], ids=lambda make: make.__name__)
def test_valid_documents_are_accepted(make: Callable[[], ReportDocument]) -> None:
    """Real, clean, hostile and large documents all keep to the schema."""
    as_json.validate(make())


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d["score"].update(value=None, earned=0, possible=0), id="no score"),
        pytest.param(lambda d: d["site"].update(change_ticket=None), id="no ticket"),
        pytest.param(lambda d: d.update(earliest_ready=None), id="no date"),
        pytest.param(lambda d: d["blockers"][0].update(lead_time=None, ready_on=None), id="no lead time"),
        pytest.param(lambda d: d.update(baseline=None), id="no baseline"),
        pytest.param(lambda d: d["run"].update(rejudged_from="20261101T000000Z-abc"), id="rejudged"),
        pytest.param(lambda d: d["run"].update(started_at="2026-11-23T09:14:07+00:00"), id="offset of nothing"),
        pytest.param(lambda d: d["site"]["declared"].update({"any": [{"thing": None}]}), id="any site file"),
        pytest.param(lambda d: first(d, "pass").update(lane=None, change=None), id="nulls of a finding"),
    ],
)
def test_what_may_be_is_accepted(change: Change) -> None:
    """Everything that the contract lets be null or open is accepted."""
    as_json.validate(changed(change))


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param(lambda d: d.pop("verdict"), "$", id="no verdict"),
        pytest.param(lambda d: d.update(verdict="fine"), "$.verdict", id="verdict of no such word"),
        pytest.param(lambda d: d.update(surprise=1), "$", id="unknown key"),
        pytest.param(lambda d: d.update(schema_version="2.0"), "$.schema_version", id="another version"),
        pytest.param(lambda d: d["run"].update(id="a b"), "$.run.id", id="run id with a space"),
        pytest.param(lambda d: d["run"].update(id="abc\n"), "$.run.id", id="run id with a newline at its end"),
        pytest.param(lambda d: d["run"].update(id='x" } body { color: red'), "$.run.id", id="run id with style"),
        pytest.param(lambda d: d["run"].update(scope="some"), "$.run.scope", id="scope of no such word"),
        pytest.param(lambda d: d["run"].update(started_at="yesterday"), "$.run.started_at", id="no time"),
        pytest.param(lambda d: d["run"].update(started_at="2026-11-23T10:14:07+01:00"), "$.run.started_at", id="zone"),
        pytest.param(lambda d: d["run"]["hosts"][0].pop("error"), "$.run.hosts[0]", id="host without error"),
        pytest.param(lambda d: d["site"].update(environment="test"), "$.site.environment", id="environment"),
        pytest.param(lambda d: d["score"].update(value=100.5), "$.score.value", id="score above 100"),
        pytest.param(lambda d: d["counts"].update({"pass": -1}), "$.counts.pass", id="negative count"),
        pytest.param(lambda d: d["counts"].update({"pass": True}), "$.counts.pass", id="count of true"),
        pytest.param(lambda d: d["requirements"][0].update(id="Redis"), "$.requirements[0].id", id="check id"),
        pytest.param(lambda d: d["findings"][0].update(status="ok"), "$.findings[0].status", id="status"),
        pytest.param(lambda d: d["findings"][0].update(id="vm.cpu"), "$.findings[0].id", id="finding id"),
        pytest.param(lambda d: d["findings"][0].update(owner="me"), "$.findings[0].owner", id="owner"),
        pytest.param(lambda d: d["findings"][0].update(lane="rain"), "$.findings[0].lane", id="lane"),
        pytest.param(lambda d: d["findings"][0].update(summary=""), "$.findings[0].summary", id="empty summary"),
        pytest.param(lambda d: d["findings"][0].update(change="worse"), "$.findings[0].change", id="change"),
        pytest.param(lambda d: d["findings"][0]["target"].update(port=70000), "$.findings[0].target.port", id="port"),
        pytest.param(
            lambda d: d["findings"][0]["target"].update(kind="edge"), "$.findings[0].target.source", id="edge"
        ),
        pytest.param(lambda d: d["findings"][1].update(id=d["findings"][0]["id"]), "$.findings[1].id", id="id twice"),
        pytest.param(lambda d: d["blockers"][0].update(jobs=[]), "$.blockers[0].jobs", id="owner without a job"),
        pytest.param(lambda d: d["blockers"][0].update(lead_time="soon"), "$.blockers[0].lead_time", id="lead time"),
        pytest.param(lambda d: d["notices"][0].update(kind="Un Kind"), "$.notices[0].kind", id="kind of notice"),
        pytest.param(lambda d: d["baseline"].pop("verdict"), "$.baseline", id="baseline without its verdict"),
    ],
)
def test_what_may_not_be_is_refused(change: Change, where: str) -> None:
    """A document that breaks the contract is refused, and the place is named."""
    with pytest.raises(ReportInvalid) as caught:
        as_json.validate(changed(change))
    assert caught.value.where == where


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: first(d, "pass").update(evidence=[]), id="a pass without evidence"),
        pytest.param(lambda d: first(d, "fail").update(evidence=[]), id="a fail without evidence"),
        pytest.param(lambda d: first(d, "unknown").update(reason=None), id="an unknown without a reason"),
        pytest.param(lambda d: first(d, "pass").update(reason=reason("timeout", "x")), id="a pass with a reason"),
        pytest.param(
            lambda d: first(d, "fail").update(attestation=first(d, "manual")["attestation"]), id="an attested fail"
        ),
        pytest.param(lambda d: first(d, "pass").update(waiver=first(d, "warn")["waiver"]), id="a waived pass"),
    ],
)
def test_untruths_are_refused(change: Change) -> None:
    """What the truth rules forbid about a finding is no valid document either."""
    document = sample()
    assert first(cast("dict[str, Any]", document), "manual")["attestation"] is not None

    def with_waiver_first(copy: dict[str, Any]) -> None:
        copy["findings"].sort(key=lambda each: each["waiver"] is None)
        change(copy)

    with pytest.raises(ReportInvalid):
        as_json.validate(changed(with_waiver_first))


def test_an_unsealed_document_is_refused() -> None:
    """The digest is part of every valid document."""
    unsealed = sample()
    del unsealed["digest"]
    with pytest.raises(ReportInvalid):
        as_json.validate(unsealed)


def test_the_digest_is_over_the_canonical_form() -> None:
    """Keys are sorted, whole floats lose their point, text is UTF-8, and the digest itself is left out."""
    given = cast("ReportDocument", {"b": 350.0, "a": ["é", None, 1e21, True], "digest": "anything"})
    canonical = '{"a":["é",null,1e+21,true],"b":350}'
    assert as_json.digest(given) == hashlib.sha256(canonical.encode()).hexdigest()


def test_the_digest_never_changes_by_itself() -> None:
    """One fixed document has one digest, on every machine and in every release."""
    fixed = document([finding("vm.roles", "site")])
    assert fixed["digest"] == "410b143614b15015270e77121527a1475d64d5d0c568a2ad68514340a90b8ae2"


def test_the_digest_notices_every_change() -> None:
    """Changing any part, however deep, changes the digest; writing it differently does not."""
    given = sample()
    again = json.loads(json.dumps(given, sort_keys=True))
    assert as_json.digest(again) == given["digest"]
    again["findings"][3]["evidence"][0]["value"] += " "
    assert as_json.digest(again) != given["digest"]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), "\ud800", 2**60], ids=["nan", "inf", "surrogate", "huge"]
)
def test_what_json_cannot_say_has_no_digest(value: object) -> None:
    """A document that has no canonical form is refused, not sealed."""
    with pytest.raises(ReportInvalid):
        as_json.digest(cast("ReportDocument", {"value": value}))


def test_a_report_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """Writing and reading a report gives the same document."""
    for given in (sample(), hostile()):
        as_json.write(tmp_path / "report.json", as_json.dumps(given))
        assert as_json.read(tmp_path / "report.json") == given


def test_files_are_private_and_folders_too(tmp_path: Path) -> None:
    """A report's file has mode 0600 and the folders made for it 0700; a folder that was there keeps its own."""
    path = tmp_path / "reports" / "site" / "report.json"
    tmp_path.chmod(0o755)
    old = os.umask(0)
    try:
        as_json.write(path, "text")
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (path.parent, path.parent.parent)] == [0o700, 0o700]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A write that fails leaves the old file as it was and nothing beside it."""
    path = tmp_path / "report.json"
    as_json.write(path, "old")
    with pytest.raises(TypeError):
        as_json.write(path, cast("str", 5))
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        as_json.write(tmp_path / "folder", "new")
    assert path.read_text() == "old"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "report.json"]


def test_a_broken_character_does_not_lose_the_report(tmp_path: Path) -> None:
    """Half a surrogate pair, which no file can hold, is replaced."""
    as_json.write(tmp_path / "report.html", "a\ud800b")
    assert (tmp_path / "report.html").read_text() == "a?b"


def test_the_text_cannot_steer_a_terminal() -> None:
    """Control characters and direction marks stand escaped in the file, so that `cat` is safe."""
    text = as_json.dumps(hostile())
    assert "owned" in text
    assert not {sign for sign in text if not sign.isprintable() and sign != "\n"}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "not a JSON document"),
        (b"{", "not a JSON document"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b"[" * 200_000 + b"]" * 200_000, "levels deep"),
        (b"[" * 150 + b"]" * 150, "levels deep"),
        (b"[]", "not of type"),
        (b'{"schema_version": "1.7"}', "this readiness reads '1.0'"),
        (b'{"n": ' + b"9" * 5000 + b"}", "not a JSON document"),
    ],
)
def test_what_is_no_report_is_named(tmp_path: Path, raw: bytes, says: str) -> None:
    """Whatever stands in the file, the reason why it cannot be used is one sentence."""
    path = tmp_path / "report.json"
    path.write_bytes(raw)
    with pytest.raises(ReportUnreadable, match=says):
        as_json.read(path)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and a file beyond all bounds are refused without reading them."""
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(as_json.MAX_BYTES + 1)
    for name, says in (
        ("none", "cannot be read"),
        (".", "not a file"),
        ("pipe", "not a file"),
        ("huge", "larger than"),
    ):
        with pytest.raises(ReportUnreadable, match=says):
            as_json.read(tmp_path / name)


def test_a_tampered_report_is_told_apart(tmp_path: Path) -> None:
    """A valid document that is not the one which was sealed is refused with both digests."""
    given = sample()
    forged = deepcopy(given)
    forged["verdict"] = "ready"
    path = tmp_path / "report.json"
    as_json.write(path, as_json.dumps(forged))
    with pytest.raises(DigestDiffers) as caught:
        as_json.read(path)
    assert caught.value.stated == given["digest"]
    assert caught.value.computed == as_json.digest(forged)


def test_sealing_again_is_the_same() -> None:
    """The digest does not depend on an earlier digest."""
    given = sample()
    assert variant(given)["digest"] == given["digest"]
