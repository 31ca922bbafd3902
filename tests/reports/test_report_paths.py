"""The matrix and the drawing: every path is where it belongs, and nothing runs askew."""

from __future__ import annotations

import re

import pytest
from readiness_reports.outline import Outline
from readiness_reports.paths import Paths, ends, paths
from readiness_reports.topology import SHORT, topology
from readiness_schemas.report import FindingDocument, StatusWord

from tests.reports.documents import document, finding, hostile, sample, wide


def read(found: list[FindingDocument]) -> Paths:
    made = paths(Outline(document(found)))
    assert made is not None
    return made


def test_a_site_without_edges_has_no_matrix() -> None:
    """Where there is no path there is nothing to draw."""
    assert paths(Outline(document([finding("vm.os", "excs-1")]))) is None


def test_rows_and_columns_stand_in_their_order() -> None:
    """Rows: the VMs by component, then the bootstrap VM and Prometheus. Columns: by group, the EXEC VMs last."""
    made = paths(Outline(sample()))
    assert made is not None
    assert [source.name for source in made.sources] == ["excs-1", "exas-1", "excp-1", "excp-2", "boot", "prometheus"]
    assert [peer.label for peer in made.peers if peer.group != "EXEC VMs"] == (
        ["Config DB", "Stat primary", "Stat backup", "SIP 1", "SIP 2", "Redis", "Registry", "Login", "API"]
    )
    assert [peer.label for peer in made.peers][-4:] == ["excs-1", "exas-1", "excp-1", "excp-2"]


def test_a_cell_shows_the_worst() -> None:
    """Several findings about one way make one cell, which shows and links the worst of them."""
    made = read(
        [
            finding("network.interconnect", "exas-1->excs-1"),
            finding("connectivity.excs-api", "exas-1->excs-1:3640", "fail", "Dropped."),
            finding("connectivity.excs-inbound", "exas-1->excs-1:3640", "warn", "Odd."),
        ]
    )
    path = made.paths["exas-1", "excs-1"]
    assert (path.status, path.summary, path.ports, path.number) == ("fail", "Dropped.", (3640,), 1)


def test_one_complaint_has_one_number() -> None:
    """Paths from one machine with the same status and words share a number; passes have none."""
    made = paths(Outline(sample()))
    assert made is not None
    assert [(each.number, each.status, each.source, each.peers) for each in made.broken] == [
        (1, "fail", "excs-1", "Config DB"),
        (2, "fail", "excp-2", "Redis"),
        (3, "fail", "excp-2", "excs-1"),
        (4, "unknown", "prometheus", "excs-1, exas-1, excp-1 and excp-2"),
    ]
    assert all((path.number == 0) is (path.status == "pass") for path in made.paths.values())


def test_every_edge_is_in_the_matrix() -> None:
    """Large or small, the cells of all matrices hold every path exactly once."""
    for given in (sample(), hostile(600), wide()):
        made = paths(Outline(given))
        assert made is not None
        cells = [
            (cell.path.source, cell.path.peer)
            for matrix in made.matrices
            for _, row in matrix.rows
            for cell in row
            if cell.path is not None
        ]
        assert sorted(cells) == sorted(made.paths)
        assert len(made.paths) <= sum(each["target"]["kind"] == "edge" for each in given["findings"])


def test_many_peers_are_split_by_group() -> None:
    """No matrix is wider than fifteen columns; each part says which peers it holds."""
    made = paths(Outline(wide(10, 40)))
    assert made is not None
    assert max(len(matrix.peers) for matrix in made.matrices) <= 15
    assert [matrix.caption for matrix in made.matrices] == [
        "Engage: SIP 1 to SIP 15",
        "Engage: SIP 16 to SIP 30",
        "Engage: SIP 31 to SIP 40",
        "Data and images",
        "EXEC VMs: excp-1 to excp-10",
    ]


@pytest.mark.parametrize(
    ("text", "limit", "short"), [("abc", 3, "abc"), ("abcdef", 5, "ab…ef"), ("abcdefgh", 6, "abc…gh"), ("", 5, "")]
)
def test_long_names_keep_their_ends(text: str, limit: int, short: str) -> None:
    """A name that is too long keeps its two ends around an ellipsis, and no more than its limit."""
    assert ends(text, limit) == short
    assert len(short) <= limit


@pytest.mark.parametrize("given", [sample(), wide(6, 10), wide(10, 40)], ids=["four VMs", "six VMs", "ten VMs"])
def test_nothing_runs_askew(given: object) -> None:
    """Every lane goes straight up or down, every rail straight across; all of it lies within the drawing."""
    made = paths(Outline(given))  # type: ignore[arg-type]
    assert made is not None
    for drawing in topology(made):
        width, height = float(drawing.width), float(drawing.height)
        for stroke in drawing.strokes:
            if stroke.kind.startswith("tip"):
                continue
            pieces = re.findall(r"M([\d.]+) ([\d.]+)(?:([VH])([\d.]+)|h0)", stroke.d)
            assert "".join(re.sub(r"[\d. ]", "", stroke.d)).replace("MV", "").replace("MH", "").replace("Mh", "") == ""
            for x, y, _, _ in pieces:
                assert 0 <= float(x) <= width
                assert 0 <= float(y) <= height


def one(status: StatusWord) -> dict[str, str]:
    made = read([finding("connectivity.config-db", "excs-1->db:5432", status)])
    (drawing,) = topology(made)
    return {stroke.kind: stroke.d for stroke in drawing.strokes}


def test_a_lane_ends_as_its_path_does() -> None:
    """A pass ends in a dot on its rail, a fail stops short of it, an unknown is dashed, a skip is not drawn."""
    whole = float(one("pass")["l pass"].rpartition("V")[2])
    assert one("pass")["dot pass"].endswith(f"{whole:g}h0")
    assert float(one("fail")["l fail"].rpartition("V")[2]) == whole + SHORT
    assert "dot fail" not in one("fail")
    assert "l unknown" in one("unknown")
    assert "dot unknown" not in one("unknown")
    assert not {kind for kind in one("skip") if kind.startswith(("l ", "dot"))}


def test_the_marks_carry_the_numbers_of_the_list() -> None:
    """Each path that does not pass is marked in the drawing with its number; passes are not marked."""
    made = paths(Outline(sample()))
    assert made is not None
    (drawing,) = topology(made)
    assert sorted(mark.number for mark in drawing.marks) == ["1", "2", "3", "4", "4", "4", "4"]
    assert {mark.status for mark in drawing.marks} == {"fail", "unknown"}


def test_crowded_vms_get_a_lane_for_each_group() -> None:
    """With more than 24 lanes on a side, one lane stands for a group of peers and counts what does not pass."""
    made = paths(Outline(wide(2, 40)))
    assert made is not None
    (drawing,) = topology(made)
    assert "40 peers" in {text.text for text in drawing.texts}
    assert "5 of 40" in {mark.number for mark in drawing.marks}


def test_many_vms_are_drawn_in_parts() -> None:
    """A drawing holds eight VMs; the next ones stand in the next."""
    made = paths(Outline(wide(10, 3)))
    assert made is not None
    assert [drawing.caption for drawing in topology(made)] == ["excp-1 to excp-8", "excp-9 to excp-10"]


def test_a_pair_is_no_path() -> None:
    """Findings about two machines without a direction are told with the others, not drawn as a path."""
    assert paths(Outline(document([finding("network.segment", "excs-1,exas-1")]))) is None
    made = paths(Outline(sample()))
    assert made is not None
    assert not {path.check for path in made.paths.values()} & {"network.segment"}
