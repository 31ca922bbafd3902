"""The clock of a machine against that of Genesys Cloud."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from readiness.lab.https import Answer, Asked, HttpsServer, Reply
from readiness.model import Cause, ProbeError
from readiness.probes.clock import ClockReading, ReadClock
from readiness.site import Endpoint
from readiness.vantage import PathVerdict
from tests.lab.mapped import Authority, Mapped, gathered

API = Endpoint("api.mypurecloud.de", 443)


def dated(shift: float = 0.0, *extra: tuple[str, str]) -> Callable[[Asked], Answer]:
    """A host whose clock is ``shift`` seconds ahead."""

    def handler(_: Asked) -> Answer:
        now = datetime.now(UTC) + timedelta(seconds=shift)
        return Reply(status=404, headers=(("Date", format_datetime(now, usegmt=True)), *extra))

    return handler


async def measured(tmp_path: Path, handler: Callable[[Asked], Answer], *, machine: float = 0.0) -> ClockReading:
    authority = Authority.found(tmp_path)
    async with HttpsServer(handler, tls=authority.serving(API.host)) as server:
        vm = Mapped("exas-1", {API.host: server.port})
        vm.clock = lambda: f"{datetime.now(UTC).timestamp() + machine:.9f}"
        probe = ReadClock(vantage="exas-1", endpoint=API, ca_file=authority.ca_file)
        return probe.parse(await probe.read(gathered(vm)))


@pytest.mark.parametrize(("machine", "host"), [(0.0, 0.0), (95.0, 0.0), (-95.0, 0.0), (0.0, 40.0), (3600.0, 3600.0)])
async def test_the_offset_is_that_of_the_machine_against_the_host(tmp_path: Path, machine: float, host: float) -> None:
    """The auditor's own clock cancels out: only the difference of the two others is measured, within its bounds."""
    reading = await measured(tmp_path, dated(host), machine=machine)
    assert abs(reading.offset_s - (machine - host)) <= reading.uncertainty_s
    assert 1.0 <= reading.uncertainty_s < 1.5
    assert reading.beyond(2.0) is (machine != host)


async def test_a_stored_answer_is_aged(tmp_path: Path) -> None:
    """An answer that lay in a store for 30 s tells the time of 30 s ago, and the store counts whole seconds too."""
    reading = await measured(tmp_path, dated(-30, ("Age", "30")))
    assert abs(reading.offset_s) <= reading.uncertainty_s
    assert reading.uncertainty_s >= 2.0


async def test_without_a_host_there_is_nothing_to_compare(tmp_path: Path) -> None:
    """An unreachable host blocks the reading and names the finding that stands in the way."""
    probe = ReadClock(vantage="exas-1", endpoint=API, ca_file=None)
    with pytest.raises(ProbeError) as caught:
        await probe.read(gathered(Mapped("exas-1", {API.host: PathVerdict.REFUSED})))
    assert caught.value.reason.code is Cause.BLOCKED
    assert caught.value.reason.by == "connectivity.genesys-cloud[exas-1->api.mypurecloud.de:443]"


def recorded(said: str = "clock 1790000000.250000000\n", **host: object) -> str:
    date = format_datetime(datetime.fromtimestamp(1790000000, UTC), usegmt=True)
    answer = {"date": date, "age": "0", "status": 404, "before": 0.0, "after": 0.2, **host}
    return json.dumps({"machine": {"said": said, "before": 0.2, "after": 0.4}, "host": answer})


def read(response: str) -> ClockReading:
    return ReadClock(vantage="exas-1", endpoint=API, ca_file=None).parse(response)


@pytest.mark.parametrize(
    ("said", "offset", "uncertainty"),
    [
        ("clock 1790000000.250000000\n", -0.45, 1.2),
        ("WELCOME\nclock 1790000010.5\r\n", 9.8, 1.2),
        ("clock 1790000000.\n", -0.2, 1.7),
        ("clock 1790000000.N\n", -0.2, 1.7),
        ("clock 1790000000.%N\n", -0.2, 1.7),
    ],
    ids=["GNU", "noise before it", "no fraction", "N unknown", "N as it is"],
)
def test_what_date_prints_is_understood(said: str, offset: float, uncertainty: float) -> None:
    """Where a machine's date knows no fractions the reading stays true and says that it is less certain."""
    reading = read(recorded(said))
    assert reading.offset_s == pytest.approx(offset)
    assert reading.uncertainty_s == pytest.approx(uncertainty)


@pytest.mark.parametrize(
    "response",
    [
        "",
        "[]",
        "{}",
        recorded("clock soon\n"),
        recorded(""),
        recorded(date="now"),
        recorded(age="old"),
        recorded(age="-1"),
        recorded(before="x"),
        recorded(before=5, after=4),
        recorded(after=10**400),
        recorded(after=float("nan")),
        recorded(after=float("inf")),
    ],
)
def test_a_record_without_sense_is_unread(response: str) -> None:
    """What does not make up a reading is a parse error, never an offset."""
    with pytest.raises(ProbeError) as caught:
        read(response)
    assert caught.value.reason.code is Cause.PARSE


def test_beyond_leaves_the_benefit_of_the_doubt() -> None:
    """An offset within the limit and its uncertainty is not certainly beyond it."""
    reading = read(recorded("clock 1790000003.700000000\n"))
    assert reading.offset_s == pytest.approx(3.0)
    assert not reading.beyond(2.0)
    assert reading.beyond(1.5)
