"""What keeps a clock, as chrony, systemd-timesyncd, ntpd and guest tools tell it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.model import Cause, ProbeError
from readiness.probes.time_sync import Keeper, ReadTimeSync
from tests.lab.recorded import every, read, response

HOUR = 3600.0


@pytest.mark.parametrize(
    ("name", "keeper", "source", "age", "poll", "longest"),
    [
        ("rhel-8", Keeper.CHRONY, "10.20.30.5", 97.0, 64.0, 1024.0),
        ("rhel-9", Keeper.CHRONY, "10.20.30.5", 212.0, 1024.0, 1024.0),
        ("rocky-9", Keeper.CHRONY, "10.20.30.5", 377.0, 512.0, 1024.0),
        ("debian-12", Keeper.CHRONY, "10.20.30.5", 38.0, 64.0, 1024.0),
        ("sles-15", Keeper.CHRONY, "10.20.30.5", 655.0, 1024.0, 1024.0),
        ("amazon-2", Keeper.CHRONY, "169.254.169.123", 14.0, 16.0, 1024.0),
        ("amazon-2023", Keeper.CHRONY, "169.254.169.123", 9.0, 16.0, 1024.0),
        ("ubuntu-20.04~phc", Keeper.CHRONY, "PHC0", 11.0, 8.0, 1024.0),
        ("ubuntu-20.04", Keeper.TIMESYNCD, "ntp.ubuntu.com", 640.0, 1024.0, 2048.0),
        ("ubuntu-22.04", Keeper.TIMESYNCD, "10.20.30.5", 1124.0, 2048.0, 2048.0),
        ("ubuntu-24.04", Keeper.TIMESYNCD, "ntp.ubuntu.com", 1800.0, 2048.0, 2048.0),
        ("debian-11", Keeper.TIMESYNCD, "0.debian.pool.ntp.org", 1200.0, 2048.0, 2048.0),
        ("sles-15~ntpd", Keeper.NTPD, "10.20.30.5", 412.0, 1024.0, 1024.0),
        ("rhel-8~long-poll", Keeper.CHRONY, "10.20.30.5", 5400.0, 8192.0, 131072.0),
        ("rhel-8~slow", Keeper.CHRONY, "10.20.30.5", 40000.0, 131072.0, 131072.0),
    ],
)
def test_a_clock_that_is_kept_tells_by_whom(
    name: str, keeper: Keeper, source: str, age: float, poll: float, longest: float
) -> None:
    """The service, the source that it follows, the age of its last update, its poll interval now and at the most."""
    fact = read(ReadTimeSync("vm"), name)
    assert fact.selected is not None
    assert (fact.keeper, fact.selected.name, fact.age, fact.poll, fact.longest) == (keeper, source, age, poll, longest)


@pytest.mark.parametrize(
    ("name", "keeper", "age", "selected"),
    [
        ("rhel-8~unsynchronised", Keeper.CHRONY, None, False),
        ("rhel-8~local", Keeper.CHRONY, None, False),
        ("rhel-8~no-answer", Keeper.CHRONY, None, False),
        ("rhel-9~stale", Keeper.CHRONY, 31 * HOUR + 420, False),
        ("debian-11~never", Keeper.TIMESYNCD, None, False),
        ("debian-11~bus", Keeper.TIMESYNCD, None, False),
        ("sles-15~ntpd-stale", Keeper.NTPD, 3 * 24 * HOUR, False),
        ("sles-15~ntpd-own-clock", Keeper.NTPD, None, False),
        ("sles-15~ntpd-silent", Keeper.NTPD, None, False),
        ("rhel-8~ptp", Keeper.OTHER, None, False),
        ("debian-12~virtualbox", Keeper.OTHER, None, False),
        ("debian-12~none", Keeper.NONE, None, False),
    ],
)
def test_a_clock_that_is_not_kept_claims_nothing(name: str, keeper: Keeper, age: float | None, selected: bool) -> None:
    """Unsynchronised, by its own clock only, silent, stale and absent services select nothing that counts."""
    fact = read(ReadTimeSync("vm"), name)
    assert (fact.keeper, fact.age, fact.selected is not None) == (keeper, age, selected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("rhel-8~no-answer", "506 Cannot talk to daemon"),
        ("debian-11~bus", "Failed to parse bus message: No route to host"),
        ("sles-15~ntpd-silent", "ntpq: read: Connection refused"),
    ],
)
def test_a_service_that_does_not_tell_keeps_its_refusal(name: str, said: str) -> None:
    """Its own words are what a person has to act upon."""
    assert read(ReadTimeSync("vm"), name).said == said


@pytest.mark.parametrize(
    ("name", "hypervisor", "flag", "scheduled", "hidden"),
    [
        ("rhel-8~vmware", "VMware Tools", False, 0, False),
        ("rhel-8~vmware-disabled", "", False, 0, False),
        ("debian-12~none", "", False, 0, False),
        ("debian-12~flag", "", True, 0, False),
        ("amazon-2~none", "", False, 0, False),
        ("debian-11~cron", "", False, 1, False),
        ("rhel-8~hidden", "", False, 0, True),
    ],
)
def test_other_signs_of_a_kept_clock_are_read(
    name: str, hypervisor: str, flag: bool, scheduled: int, hidden: bool
) -> None:
    """Guest tools, the kernel's flag in the words of two systemds, cron's lines without comments, hidden processes."""
    fact = read(ReadTimeSync("vm"), name)
    assert (fact.hypervisor, fact.flag, len(fact.scheduled), not fact.all_processes) == (
        hypervisor,
        flag,
        scheduled,
        hidden,
    )


def test_clocks_of_the_hypervisor_are_hints() -> None:
    """A PTP clock that is there sets nothing by itself; it is shown."""
    assert read(ReadTimeSync("vm"), "ubuntu-20.04~phc").clocks == ("hyperv",)
    assert read(ReadTimeSync("vm"), "rhel-8~ptp").clocks == ("vmxnet3",)


def test_timesyncd_without_its_mark_is_read_by_its_message() -> None:
    """Where the file that it touches is hidden, the last message's arrival tells the same; an ignored one does not."""
    whole = response("ubuntu-22.04", "time-sync")
    head, _, rest = whole.partition("=== synchronized")
    without = head + rest[rest.index("=== configuration") :]
    probe = ReadTimeSync("vm")
    assert probe.parse(without).age == 1124.0
    assert probe.parse(without.replace("Ignored=no", "Ignored=yes")).age is None


def test_a_clock_that_was_set_in_the_future_is_not_young() -> None:
    """A last update that lies ahead of the machine's own time tells nothing of its age."""
    whole = response("rhel-9", "time-sync")
    date = whole.partition("=== date\n")[2].partition("\n")[0]
    probe = ReadTimeSync("vm")
    assert probe.parse(whole.replace(date, str(int(date) - 7200))).age is None
    assert probe.parse(whole.replace(date, str(int(date) - 250))).age == 0.0


def test_without_the_machines_time_nothing_is_known() -> None:
    """Ages are told by the machine's own clock; without it there are none."""
    with pytest.raises(ProbeError) as raised:
        ReadTimeSync("vm").understand("=== date\n--- missing\n", 0)
    assert raised.value.reason.code is Cause.PARSE


def test_any_text_is_a_fact_or_a_reason() -> None:
    """Whatever a machine prints, and however a real answer is torn, nothing else than a ProbeError is raised."""
    real = every("time-sync")
    probe = ReadTimeSync("vm")

    @given(st.data())
    def survives(data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(real))
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        torn = text[:start] + data.draw(st.text(max_size=30) | st.sampled_from(["9" * 5000, "Feb 31 "])) + text[end:]
        for answer in (torn, f"{torn}\n[exit 0]"):
            with contextlib.suppress(ProbeError):
                probe.parse(answer)

    survives()
