"""Names on a machine: asked together, recorded, understood."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from readiness.model import Cause, ProbeError
from readiness.probes.names import ResolveNames
from readiness.vantage import Limits, Resolution, Vantages
from tests.lab.engine import FakeVantage


@dataclass
class Zone:
    """Answers for a resolver: addresses, the resolver's own error, or no answer at all."""

    answers: dict[str, tuple[str, ...] | str | ProbeError] = field(default_factory=dict)

    def vantages(self) -> Vantages:
        zone = self

        class Resolver(FakeVantage):
            async def resolve(self, name: str) -> Resolution:
                answer = zone.answers[name]
                if isinstance(answer, ProbeError):
                    raise answer
                if isinstance(answer, str):
                    return Resolution(name=name, addresses=(), error=answer)
                return Resolution(name=name, addresses=answer)

        return Vantages([Resolver("excs-1")], limits=Limits())


SLOW = ProbeError(Cause.TIMEOUT, "the look-up was cut off", enable="Mend the resolver.")


async def test_addresses_errors_and_silence_are_kept_apart() -> None:
    """A name that does not resolve is bad news; a look-up that was cut off is no news, and costs the others nothing."""
    zone = Zone({"a": ("10.0.0.1", "fd00::1"), "b": "Name or service not known", "c": SLOW, "d": ("fe80::1%eth0",)})
    probe = ResolveNames("excs-1", ("a", "b", "c", "d"))
    names = probe.parse(await probe.read(zone.vantages())).names
    assert names["a"].addresses == (ip_address("10.0.0.1"), ip_address("fd00::1"))
    assert names["a"].of_family(6) == {ip_address("fd00::1")}
    assert (names["b"].addresses, str(names["b"])) == ((), "Name or service not known")
    assert names["c"].unread is not None
    assert (names["c"].unread.code, names["c"].unread.enable) == (Cause.TIMEOUT, "Mend the resolver.")
    assert names["d"].addresses == (ip_address("fe80::1"),)


async def test_no_answer_to_any_name_is_no_fact() -> None:
    """A machine that cannot be asked gives its reason, not a list of silences."""
    with pytest.raises(ProbeError) as caught:
        await ResolveNames("excs-1", ("a", "b")).read(Zone({"a": SLOW, "b": SLOW}).vantages())
    assert caught.value.reason.code is Cause.TIMEOUT


@pytest.mark.parametrize(
    "response",
    [
        "",
        "{}",
        "[1]",
        '[{"name": "a"}]',
        '[{"name": "a", "addresses": ["x"]}]',
        '[{"name": "a", "unread": {}}]',
        "[" * 9999,
    ],
)
def test_a_recording_that_is_none_is_an_error(response: str) -> None:
    """Whatever stands in a report does not crash the parser."""
    if response == "{}":
        assert ResolveNames("excs-1", ()).parse(response).names == {}
        return
    with pytest.raises(ProbeError):
        ResolveNames("excs-1", ("a",)).parse(response)


def test_an_answer_without_a_name_that_was_asked_for_makes_no_sense() -> None:
    """Damage to a record is told as such, and no check goes looking for what is not there."""
    with pytest.raises(ProbeError) as caught:
        ResolveNames("excs-1", ("a.example", "b.example")).parse('[{"name": "a.example", "addresses": []}]')
    assert caught.value.reason.code is Cause.PARSE
