"""How a report is read: order, merging, links, remedies, standing, the cover and the score."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from readiness_reports import words
from readiness_reports.cover import cover
from readiness_reports.outline import Anchors, Outline, merged, passages
from readiness_reports.points import points
from readiness_reports.standing import Standing, in_effect, weigh
from readiness_schemas.report import BlockerDocument, FindingDocument, StatusWord

from tests.reports.documents import attestation, document, evidence, finding, hostile, ready, sample, variant, waiver


def test_anchors_are_plain_and_never_twice() -> None:
    """Whatever the text, an anchor is made of letters, digits, dots and hyphens and differs from all others."""
    anchors = Anchors(("summary",))
    texts = ["summary", "vm.os", "vm.os", "vm.os.2", "a->b:1", "a b:1", "<b>", "", "...", "é", "x" * 500, "x" * 500]
    found = [anchors.take(text) for text in texts]
    assert len(set(found)) == len(found)
    assert "summary" not in found
    assert all(re.fullmatch("[A-Za-z0-9.-]{1,130}", each) for each in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Do it.", [("Do it.",)]),
        ("One\nline.", [("One\nline.",)]),
        ("Set it:\nredis-cli a\nredis-cli b\nThen look.", [("Set it:",), "redis-cli a\nredis-cli b", ("Then look.",)]),
        ("Do this:\nSet it:\nls -l\n\nls", [("Do this:\nSet it:",), "ls -l", ("ls",)]),
        ("One.\n\nTwo.", [("One.",), ("Two.",)]),
        ("Run `ls` now.", [("Run ", "ls", " now.")]),
        ("A ` alone.", [("A ` alone.",)]),
        ("Run:\n\n    ls\n    pwd\n\nDone.", [("Run:",), "ls\npwd", ("Done.",)]),
        ("    a\n      b\n", ["a\n  b"]),
        ("    a\n\n    b", ["a\n\nb"]),
        ("$ ls\n$ pwd", ["ls\npwd"]),
        ("Run:\n```sh\nls\n  pwd\n```\nDone.", [("Run:",), "ls\n  pwd", ("Done.",)]),
        ("```\nnever closed", ["never closed"]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_remedies_fall_into_prose_and_commands(text: str, expected: list[object]) -> None:
    """Indented, fenced and prompted lines are commands to copy; the rest is prose, with code in backticks."""
    assert [passage.commands or passage.parts for passage in passages(text)] == expected


def seen(value: str, vantage: str) -> tuple[str, str, str, str, str]:
    return "Seen", value, vantage, "host script", "authenticated"


def test_equal_passes_share_a_row() -> None:
    """Equal value, method and level make one row; "each" says that every target spoke for itself."""
    rows = merged(
        [
            finding("vm.cpu", "a", "pass", "", evidence(*seen("4", "a"), at=":09")),
            finding("vm.cpu", "b", "pass", "", evidence(*seen("4", "b"), at=":08")),
            finding("vm.cpu", "c", "pass", "", evidence(*seen("8", "c"), at=":08")),
        ]
    )
    assert [(row.head, row.value, row.vantage, row.at) for row in rows] == [
        ("a, b", "4", "each", "09:14:08"),
        ("c", "8", "c", "09:14:08"),
    ]


def test_passes_seen_from_different_places_are_kept_apart() -> None:
    """Findings that one third machine decided name it; those of another stand in another row."""
    rows = merged(
        [
            finding("vm.cpu", "a", "pass", "", evidence(*seen("4", "x"))),
            finding("vm.cpu", "b", "pass", "", evidence(*seen("4", "y"))),
            finding("vm.cpu", "c", "pass", "", evidence(*seen("4", "x"))),
        ]
    )
    assert [(row.head, row.vantage) for row in rows] == [("a, c", "x"), ("b", "y")]


def test_edges_share_their_ends() -> None:
    """Edges are named by their sources and peers; a peer of other sources has a row of its own."""
    rows = merged(
        [finding("connectivity.redis", f"{a}->{b}:1") for a in ("p", "q") for b in ("x", "y")]
        + [finding("connectivity.redis", "p->z:1")]
    )
    assert [row.head for row in rows] == ["p, q → x:1, y:1", "p → z:1"]


def test_several_pieces_of_evidence_stay_together() -> None:
    """The first of several rows names the targets for all of them."""
    pieces = [evidence("A", "1"), evidence("B", "2"), evidence("C", "3")]
    rows = merged([finding("vm.cpu", name, "pass", "", *pieces) for name in ("a", "b")])
    assert [(row.head, row.span, row.label) for row in rows] == [("a, b", 3, "A"), ("", 0, "B"), ("", 0, "C")]


def given(status: StatusWord, *, expires: str | None = None, stated: bool = False, **changes: str) -> FindingDocument:
    made = finding("vm.os", "excs-1", status)
    if expires is not None:
        made["waiver"] = waiver("vm.os", "excs-1", "Known.", "Board", expires)
    if stated:
        made["attestation"] = attestation("vm.os", "Jana", "2026-11-01", target="excs-1")
    made.update(changes)  # type: ignore[typeddict-item]
    return made


@pytest.mark.parametrize(
    ("made", "standing", "blocks"),
    [
        (given("pass"), Standing.PROVEN, False),
        (given("warn"), Standing.REMARK, False),
        (given("fail"), Standing.BROKEN, True),
        (given("unknown"), Standing.UNDECIDED, True),
        (given("manual"), Standing.UNDECIDED, True),
        (given("skip"), Standing.IDLE, False),
        (given("fail", expires="2026-11-23"), Standing.ACCEPTED, False),
        (given("fail", expires="2026-11-22"), Standing.BROKEN, True),
        (given("fail", expires="never"), Standing.BROKEN, True),
        (given("fail", stated=True), Standing.BROKEN, True),
        (given("manual", stated=True), Standing.STATED, False),
        (given("pass", expires="2026-12-31"), Standing.PROVEN, False),
        (given("fail", origin="beyond"), Standing.BROKEN, False),
        (given("fail", obligation="recommended"), Standing.BROKEN, False),
    ],
)
def test_a_finding_weighs_what_it_should(made: FindingDocument, standing: Standing, blocks: bool) -> None:
    """Only a mandatory finding of the page that nobody settled in time blocks sign-off."""
    weighed = weigh(made, document([made]))
    assert (weighed.standing, weighed.blocks) == (standing, blocks)


@pytest.mark.parametrize(
    ("expires", "counts"), [(None, True), ("2026-11-23", True), ("2026-11-22", False), ("2027-01-01", True)]
)
def test_a_day_counts_to_its_end(expires: str | None, counts: bool) -> None:
    """What ends on the day of the run still counts."""
    assert in_effect(expires, "2026-11-23T23:59:59Z") is counts


def test_the_sections_keep_the_pages_order() -> None:
    """Sections and requirements stand as the document has them; statuses are tallied worst first."""
    outline = Outline(sample())
    ids = [topic.id for section in outline.sections for topic in section.topics]
    assert ids == [each["id"] for each in sample()["requirements"]]
    assert (
        next(s for s in outline.sections if s.short == "Redis").tally == "1 fail, 1 unknown, 2 manual, 2 warn, 6 pass"
    )


def test_what_needs_a_person_is_open() -> None:
    """Everything is open but what passed, does not apply or was attested."""
    topics = {topic.id: topic for section in Outline(sample()).sections for topic in section.topics}
    assert topics["redis.memory"].open
    assert topics["vm.disk"].open
    assert not topics["planning.limitations-reviewed"].open
    assert not topics["redis.version"].open
    assert not topics["optional.grafana"].open


def test_repeated_details_are_told_once() -> None:
    """The second finding with the same long evidence and remedy refers to the first."""
    told = {each.id: each for s in Outline(sample()).sections for topic in s.topics for each in topic.told}
    second = told["connectivity.excs-inbound[excp-2->excs-1:3640]"]
    assert second.like is not None
    assert second.like.anchor == told["connectivity.excs-api[excp-2->excs-1:3640]"].anchor
    assert second.rows == ()
    assert second.remedy == ()


@pytest.mark.parametrize(
    ("statuses", "verdict", "says"),
    [
        (
            ["fail", "fail", "unknown"],
            "not_ready",
            "Two mandatory requirements are not met, and one more is not proven.",
        ),
        (["fail"], "not_ready", "One mandatory requirement is not met."),
        (
            ["unknown"],
            "not_proven",
            "Nothing mandatory was found broken, but one mandatory requirement is not proven yet.",
        ),
        (["pass"], "not_proven", "What was looked at stands, but this run did not look at everything"),
        (["pass", "warn"], "ready_with_exceptions", "with exceptions: 1 warning."),
        (["pass"], "ready", "Every requirement of the page that applies to this site is met"),
    ],
)
def test_the_verdict_is_told_in_a_sentence(statuses: list[StatusWord], verdict: str, says: str) -> None:
    """The sentence under the verdict says how much is missing, in plain words."""
    checks = ("vm.os", "vm.kernel", "vm.docker")
    found = [finding(check, "excs-1", status) for check, status in zip(checks, statuses, strict=False)]
    page = cover(Outline(variant(document(found), verdict=verdict)))
    assert says in page.lead


def group(owner: str, ready_on: str | None, jobs: int) -> BlockerDocument:
    return {
        "owner": owner,
        "lead_time": None if ready_on is None else "5d",
        "ready_on": ready_on,
        "jobs": [{"text": f"{owner} {n}", "status": "fail", "findings": ["vm.os[excs-1]"]} for n in range(jobs)],
    }


def lead_time(text: str | None, origin: Literal["site", "usual"] = "site") -> BlockerDocument:
    return {"owner": "network", "lead_time": text, "lead_time_from": origin, "ready_on": None, "jobs": []}


def test_the_latest_date_stands_first() -> None:
    """Owners come by date, the latest first and those without one before all."""
    blockers = [group("dba", "2026-11-30", 1), group("network", "2026-12-07", 1), group("engage", None, 1)]
    page = cover(Outline(document([finding("vm.os", "excs-1", "fail")], blockers=blockers)))
    assert [each.owner for each in page.groups] == ["Engage", "Network", "DBA"]
    assert page.figures[2].value == "open"
    assert page.figures[2].note == "the site file has no lead time for Engage"


@pytest.mark.parametrize(("jobs", "late"), [(0, 0), (3, 0), (20, 0), (40, 12), (300, 272)])
def test_the_first_sheet_has_room_for_so_many_jobs(jobs: int, late: int) -> None:
    """Where the first sheet is full, paper says how many more jobs there are; the screen shows them all."""
    blockers = [group("dba", "2026-11-30", jobs)] if jobs else []
    page = cover(Outline(document([finding("vm.os", "excs-1", "fail")], blockers=blockers)))
    assert page.hidden_jobs == late
    assert sum(job.late for each in page.groups for job in each.jobs) == late


def test_long_jobs_take_more_room() -> None:
    """Jobs, risks and changes share the sheet by their length; each keeps some of it."""
    page = cover(Outline(hostile(300)))
    shown = [risk for risk in page.risks if not risk.late]
    assert 1 <= len(shown) < len(page.risks)
    assert page.hidden_risks == len(page.risks) - len(shown)
    assert any(not job.late for each in page.groups for job in each.jobs)


def test_risks_and_statements_name_who_answers_for_them() -> None:
    """A waiver that ends before the site can be ready is told with a warning."""
    page = cover(Outline(sample()))
    assert [(risk.by, risk.end, risk.alarming) for risk in page.risks] == [
        ("Accepted by Change board, CHG0042100", "Ends 4 Dec 2026, in 11 days: before the earliest ready date", True),
        ("Stated by Jana Brandt on 19 Nov 2026, CHG0042042", "", False),
    ]


def test_loud_notices_come_first() -> None:
    """What makes the report worth less stands above what merely calls for attention."""
    notices = [{"kind": "expiring", "text": "soon"}, {"kind": "expired", "text": "over"}]
    page = cover(Outline(variant(ready(), notices=notices)))
    assert [(alarm.text, alarm.status) for alarm in page.alarms] == [("over", "fail"), ("soon", "warn")]


def test_the_score_adds_up() -> None:
    """Earned points and those lost to each cause make all points, section by section and in total."""
    for made in (sample(), ready(), hostile(300)):
        taken = points(Outline(made))
        for line in (*taken.lines, taken.total):
            parts = [float(part or 0) for part in (line.earned, line.failed, line.open, line.weak)]
            assert sum(parts) == pytest.approx(float(line.possible), abs=0.03)
        assert float(taken.total.earned) == pytest.approx(made["score"]["earned"], abs=0.02)
        assert float(taken.total.possible) == pytest.approx(made["score"]["possible"], abs=0.02)


def test_the_arithmetic_is_told() -> None:
    """The sentence names the weights, the sums and the rounding; each requirement shows its own sum."""
    taken = points(Outline(sample()))
    assert taken.arithmetic.startswith(
        "44 mandatory × 10, 3 recommended × 3 and 3 optional × 1 make 452 points; 358.79"
    )
    assert taken.uncounted == "Not counted: 9 beyond the page and 4 that do not apply."
    shares = {share.check: share.how for share in taken.shares}
    assert shares["vm.disk"] == "3 × (3 pass × 1 + 1 warn × ½) ÷ 4"
    assert shares["planning.limitations-reviewed"] == "10 × (1 attested × 1) ÷ 1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("é → ü", "é → ü"),
        ("a\tb\nc\r\nd", "a\tb\nc\nd"),
        ("\x1b[31m\x00\x7f", "␛[31m␀␡"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("\u202ecod.exe\u2066", "⟨U+202E⟩cod.exe⟨U+2066⟩"),
        ("a\ud800b", "a\ufffdb"),
        ("\U000e0041", "⟨U+E0041⟩"),
    ],
)
def test_what_acts_unseen_is_shown(text: str, shown: str) -> None:
    """Controls and direction marks are spelled out; text of any language stays."""
    assert words.plain(text) == shown


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (words.day("2026-12-07"), "7 Dec 2026"),
        (words.day("2026-12-07T10:00:00Z"), "7 Dec 2026"),
        (words.day("soon"), "soon"),
        (words.long_day("2026-12-07"), "Monday, 7 December 2026"),
        (words.weekday("2026-12-07"), "Mon 7 Dec"),
        (words.minute("2026-11-23T09:14:07.123Z"), "23 Nov 2026, 09:14 UTC"),
        (words.seconds(0.0412), "0.0412 s"),
        (words.seconds(24.42), "24.4 s"),
        (words.seconds(125), "2 min 5 s"),
        (words.number(10.0), "10"),
        (words.number(2.625), "2.62"),
        (words.lead_time(lead_time("1d", "site")), "1 working day"),
        (words.lead_time(lead_time("10d", "usual")), "usually 10 working days"),
        (words.lead_time(lead_time(None)), "no lead time in the site file"),
        (words.joined(["a", "b", "c"]), "a, b and c"),
        (words.days_between("2026-11-23T09:00:00Z", "2026-12-04"), 11),
    ],
)
def test_figures_and_dates_read_well(made: object, expected: object) -> None:
    """Dates, durations and counts are written as people write them, in one language everywhere."""
    assert made == expected
