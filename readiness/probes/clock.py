"""How far a machine's clock is from Genesys Cloud's, measured without trusting the auditor's own."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

from readiness.model import Cause, ProbeError
from readiness.probe import Probe
from readiness.probes.http import HttpAnswer, Json, date_of, json_of, request
from readiness.site import Endpoint
from readiness.vantage import Limits, Vantages

_SCRIPT = "LC_ALL=C date '+clock %s.%N'\n"
_SAID = re.compile(r"^clock (\d{9,11})(?:\.(\d{1,9}))?", re.MULTILINE)
_READINGS = 3
_GOOD_ENOUGH = 0.25
_RESOLUTION = 1.0


@dataclass(frozen=True, kw_only=True)
class ClockReading:
    """A machine's clock against that of a host of Genesys Cloud.

    ``offset_s``: seconds that the machine is ahead; negative where it is behind. ``uncertainty_s``: the true offset
    lies at most so many seconds from it; it is half of both round trips and 1 s for the Date header, which counts
    whole seconds. ``host_date`` is the host's clock as it told it, UTC; ``round_trip_s`` are the two round trips.
    """

    vantage: str
    endpoint: Endpoint
    offset_s: float
    uncertainty_s: float
    host_date: datetime
    round_trip_s: tuple[float, float]

    def beyond(self, seconds: float) -> bool:
        """Whether the offset is certainly larger than ``seconds``, either way."""
        return abs(self.offset_s) > seconds + self.uncertainty_s


@dataclass(frozen=True, kw_only=True)
class ReadClock(Probe[ClockReading]):
    """Compare a machine's clock with the Date header that a host of Genesys Cloud sends it.

    Both are read by the auditor and placed on its monotonic clock, whose time of day plays no part. Date is the
    moment when the answer was made (RFC 9110, section 6.6.1), Age what it spent in a store since (RFC 9111, section
    5.1); each counts whole seconds. Where the host does not answer there is nothing to
    compare with: the error names the finding about the path.
    """

    method: ClassVar[str] = "date, and the Date header of an HTTPS answer"

    vantage: str
    endpoint: Endpoint
    ca_file: Path | None

    @property
    def vantages(self) -> tuple[str, ...]:
        return (self.vantage,)

    def describe(self) -> str:
        return f"compare the clock of {self.vantage} with that of {self.endpoint}"

    def limit(self, limits: Limits) -> float:
        return limits.connect + limits.conversation + limits.script

    async def read(self, vantages: Vantages) -> str:
        start = time.monotonic()
        telling = asyncio.create_task(self._machine(vantages, start))
        try:
            answer = await request(
                vantages, self.vantage, "HEAD", f"https://{self.endpoint}/", ca_file=self.ca_file, max_body=1024
            )
            if not isinstance(answer, HttpAnswer):
                finding = f"connectivity.genesys-cloud[{self.vantage}->{self.endpoint}]"
                raise ProbeError(
                    Cause.BLOCKED,
                    f"there is no clock to compare with: {self.endpoint} {answer.words}",
                    enable=f"Settle {finding} first, then run the audit again.",
                    by=finding,
                )
            machine = await telling
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
        host = {
            "date": answer.header("date") or "",
            "age": answer.header("age") or "0",
            "status": answer.status,
            "before": round(answer.sent_at - start, 4),
            "after": round(answer.answered_at - start, 4),
        }
        return json.dumps({"machine": machine, "host": host})

    async def _machine(self, vantages: Vantages, start: float) -> dict[str, object]:
        """What the machine says, of some readings the one that took least; all while the host is asked too."""
        best: tuple[float, dict[str, object]] | None = None
        for _ in range(_READINGS):
            before = time.monotonic()
            done = await vantages[self.vantage].run(_SCRIPT, limit=vantages.limits.script / _READINGS)
            after = time.monotonic()
            reading: dict[str, object] = {
                "said": done.out[:4096].decode("utf-8", "replace"),
                "before": round(before - start, 4),
                "after": round(after - start, 4),
            }
            if best is None or after - before < best[0]:
                best = (after - before, reading)
            if best[0] <= _GOOD_ENOUGH:
                break
        assert best is not None
        return best[1]

    def parse(self, response: str) -> ClockReading:
        recorded = json_of(response)
        machine, host = _part(recorded, "machine"), _part(recorded, "host")
        said = _SAID.search(str(machine.get("said")))
        if said is None:
            raise ProbeError(
                Cause.PARSE,
                f"date on {self.vantage} did not print the time",
                enable=f"Log in to {self.vantage} as the audit's user and check what `date +%s` prints.",
            )
        date = date_of(str(host.get("date")))
        if date is None:
            raise ProbeError(
                Cause.PARSE,
                f"{self.endpoint} answers without a Date header that can be read",
                enable="Find out what answers in the place of Genesys Cloud.",
            )
        seconds, fraction = said.groups()
        # A date without %N counts whole seconds, like the header.
        machine_time = float(f"{seconds}.{fraction}") if fraction else float(seconds) + 0.5
        resolution = _RESOLUTION + (0.0 if fraction else 0.5)
        age = str(host.get("age")).strip()
        if age != "0":
            if not re.fullmatch(r"[0-9]{1,8}", age):
                raise ProbeError(Cause.PARSE, f"{self.endpoint} answers from a store of unknown age")
            date += timedelta(seconds=int(age))
            resolution += _RESOLUTION
        machine_at, machine_trip = _moment(machine)
        host_at, host_trip = _moment(host)
        offset = (machine_time - machine_at) - (date.timestamp() + 0.5 - host_at)
        return ClockReading(
            vantage=self.vantage,
            endpoint=self.endpoint,
            offset_s=round(offset, 3),
            uncertainty_s=round(machine_trip / 2 + host_trip / 2 + resolution, 3),
            host_date=date,
            round_trip_s=(machine_trip, host_trip),
        )


def _part(recorded: Json, name: str) -> dict[str, Json]:
    part = recorded.get(name) if isinstance(recorded, dict) else None
    if not isinstance(part, dict):
        raise ProbeError(Cause.PARSE, f"the record of the clocks has no {name}")
    return part


def _moment(part: dict[str, Json]) -> tuple[float, float]:
    """The middle of a round trip and its length, in seconds."""
    before, after = part.get("before"), part.get("after")
    if not isinstance(before, float | int) or not isinstance(after, float | int) or not 0 <= before <= after < 1e6:
        raise ProbeError(Cause.PARSE, "the record of the clocks holds no times")
    return (before + after) / 2, after - before
