"""bootstrap.*: how facts are judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from readiness_checks.bootstrap import (
    BootstrapTarget,
    DockerThere,
    LinuxThere,
    PipThere,
    RecentPython,
    SshToVms,
)

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Outcome, Reason, TargetKind, Unread
from readiness.plan import AnyCheck, plan
from readiness.probe import HostProbe
from readiness.probes.docker import ReadDocker
from readiness.probes.linux import Family, Pip, Python, Pythons, ReadPythons, ReadSystem
from readiness.site import Absent, Bootstrap, Role, Vm
from readiness.vantage import HostAccess
from tests.lab.engine import site
from tests.lab.recorded import read

MET, WEAK, MISSED, UNKNOWN = Outcome.MET, Outcome.WEAK, Outcome.MISSED, Outcome.UNKNOWN
UNREAD = Unread(reason=Reason(code=Cause.TIMEOUT, detail="no answer in 8 s", enable="See what hangs."))
BOOT = Bootstrap(name="boot-1", host="10.0.0.10")
EVERY: list[type[AnyCheck]] = [LinuxThere, DockerThere, RecentPython, PipThere]


def target() -> BootstrapTarget:
    (found,) = LinuxThere().targets(site(bootstrap=BOOT))
    assert isinstance(found, BootstrapTarget)
    return found


def demand_actionable(judged: Judgement) -> None:
    """What is no pass says what to do there, and for which machine."""
    if judged.outcome in (WEAK, MISSED):
        assert judged.lane is not None
        assert "boot-1" in judged.job or "bootstrap VM" in judged.job
        assert "10.0.0.10" in judged.remedy
    assert judged.expected


def test_linux_is_linux() -> None:
    """Any distribution will do, and nothing but Linux."""
    system = read(ReadSystem("vm"), "sles-15")
    assert LinuxThere().judge(target(), system).outcome is MET
    judged = LinuxThere().judge(target(), replace(system, kernel_name="FreeBSD"))
    assert judged.outcome is MISSED
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "outcome", "lane"),
    [
        ("debian-12", MET, None),
        ("ubuntu-20.04~19-03", MISSED, Lane.VERSION),
        ("rhel-8~podman", MISSED, Lane.CONFIGURATION),
        ("rhel-9~stopped", MISSED, Lane.SERVICE),
    ],
)
def test_the_engine_is_judged_as_on_any_vm(name: str, outcome: Outcome, lane: Lane | None) -> None:
    """The same engine gives the same finding, under the bootstrap VM's name."""
    judged = DockerThere().judge(target(), read(ReadDocker("vm"), name), UNREAD)
    assert (judged.outcome, judged.lane) == (outcome, lane)
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        ("debian-11", MET, "Python 3.9.2"),
        ("debian-12", MET, "Python 3.11.2"),
        ("rocky-8", MET, "Python 3.11.9"),
        ("debian-12~shim", MET, "Python 3.11.7"),
        ("rhel-8~newer", WEAK, "python3 is 3.6.8, but python3.11 is 3.11.9"),
        ("sles-15", WEAK, "python3 is 3.6.15, but python3.11 is 3.11.9"),
        ("rhel-8", MISSED, "python3 is 3.6.8"),
        ("ubuntu-20.04", MISSED, "python3 is 3.8.10"),
        ("amazon-2~none", MISSED, "there is no python3"),
        ("debian-12~broken-python3", MISSED, "python3 is there and does not run"),
    ],
)
def test_python_is_what_python3_really_is(name: str, outcome: Outcome, says: str) -> None:
    """3.9 and later pass; an older python3 beside a later Python warns; none that is late enough fails."""
    judged = RecentPython().judge(target(), read(ReadPythons("vm"), name), read(ReadSystem("vm"), "rhel-8"))
    assert judged.outcome is outcome
    assert says in judged.summary
    demand_actionable(judged)


def test_a_python3_that_crashes_is_shown_with_its_own_words() -> None:
    """It is there: what it said, or else its status, is the evidence; a broken pip3 is not taken for it."""
    crashed = "=== python3\n{}\n--- 1\n=== pip3 --version\nno\n--- 127\n"
    of = ReadPythons("vm")
    assert (
        of.understand(crashed.format("No module named 'encodings'"), 0).python3_broken == "No module named 'encodings'"
    )
    assert of.understand(crashed.format(""), 0).python3_broken == "exit status 1"
    missing = of.understand("=== python3\n--- missing\n=== pip3 --version\nno\n--- 127\n", 0)
    assert (missing.broken, missing.python3_broken) == ("no", "")
    judged = RecentPython().judge(target(), missing, UNREAD)
    assert "there is no python3" in judged.summary


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("3.8.99", MISSED),
        ("3.9", MET),
        ("3.9.0", MET),
        ("3.9.0rc1", MET),
        ("3.10.1", MET),
        ("4.0.0", MET),
        ("2.7.18", MISSED),
    ],
)
def test_versions_of_python_compare_as_numbers(version: str, outcome: Outcome) -> None:
    """3.10 is later than 3.9, and 3.8.99 is not enough."""
    pythons = Pythons(python3=Python("python3", version), pip3=None, others=())
    assert RecentPython().judge(target(), pythons, UNREAD).outcome is outcome


def test_a_later_python_without_any_python3_warns() -> None:
    """python3.12 alone is a Python of the page's kind that a script would not find."""
    pythons = Pythons(python3=None, pip3=None, others=(Python("python3.12", "3.12.3"),))
    judged = RecentPython().judge(target(), pythons, UNREAD)
    assert judged.outcome is WEAK
    assert "python3.12 -m venv" in judged.remedy


@pytest.mark.parametrize(
    ("python", "others", "outcome"),
    [
        ("3.6", ("3.9",), WEAK),
        ("3.6", ("3.8",), MET),
        ("3.6", ("3.8", "3.12"), WEAK),
        ("3.8", ("3.9",), WEAK),
        ("3.9", ("3.9",), MET),
        ("3.9", ("3.8", "3.12"), MET),
        ("3.12", ("3.9",), MET),
    ],
)
def test_pip_for_an_old_python_warns_where_a_later_one_is_there(
    python: str, others: tuple[str, ...], outcome: Outcome
) -> None:
    """3.9 is late enough for both; without a later Python the old one is another finding's matter."""
    pythons = Pythons(
        python3=Python("python3", python),
        pip3=Pip("21.0", python),
        others=tuple(Python(f"python{other}", other) for other in others),
    )
    judged = PipThere().judge(target(), pythons, UNREAD)
    assert (judged.outcome, judged.lane) == (outcome, Lane.VERSION if outcome is WEAK else None)


@pytest.mark.parametrize(("other", "outcome"), [("3.8", MISSED), ("3.9", WEAK), ("3.12", WEAK)])
def test_a_later_python_beside_an_old_one_counts_from_3_9(other: str, outcome: Outcome) -> None:
    """Another command's Python is late enough from 3.9 on, as python3's is."""
    pythons = Pythons(python3=Python("python3", "3.6"), pip3=None, others=(Python(f"python{other}", other),))
    assert RecentPython().judge(target(), pythons, UNREAD).outcome is outcome


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        ("debian-12", MET, "pip 23.0.1"),
        ("rhel-8", MET, "pip 9.0.3"),
        ("debian-12~shim", MET, "pip 23.2.1"),
        ("rhel-8~newer", WEAK, "installs for Python 3.6.8"),
        ("rocky-9~module-only", WEAK, "no pip3 command"),
        ("ubuntu-24.04~no-pip", MISSED, "no pip3 that runs"),
        ("debian-12~broken-pip", MISSED, "no pip3 that runs"),
        ("amazon-2~none", MISSED, "no pip3 that runs"),
    ],
)
def test_pip3_is_a_command_that_runs(name: str, outcome: Outcome, says: str) -> None:
    """The module alone and a pip for an older Python warn; none, or one that does not run, fails."""
    judged = PipThere().judge(target(), read(ReadPythons("vm"), name), read(ReadSystem("vm"), "rhel-8"))
    assert judged.outcome is outcome
    assert says in judged.summary
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "python", "pip"),
    [
        ("rhel-8", "dnf install -y python3.11 python3.11-pip", "dnf install -y python3-pip"),
        ("ubuntu-20.04", "apt-get install -y python3 python3-pip", "apt-get install -y python3-pip"),
        ("sles-15", "install python311 python311-pip", "install python3-pip"),
        ("amazon-2", "Amazon Linux 2023", "yum install -y python3-pip"),
        ("arch", "# install Python 3.9 or later", "python3 -m ensurepip --upgrade"),
    ],
)
def test_python_and_pip_come_by_the_distributions_own_tool(name: str, python: str, pip: str) -> None:
    """The remedies are written for the very distribution."""
    system = replace(read(ReadSystem("vm"), "debian-12"), id="arch", family=Family.OTHER)
    if name != "arch":
        system = read(ReadSystem("vm"), name)
    nothing = read(ReadPythons("vm"), "amazon-2~none")
    assert python in RecentPython().judge(target(), nothing, system).remedy
    assert pip in PipThere().judge(target(), nothing, system).remedy


def test_pip_for_a_later_python_is_named_for_it() -> None:
    """Where python3 is old, the pip to install is that of the later Python."""
    pythons = read(ReadPythons("vm"), "rhel-8~newer")
    assert "python3.11-pip" in PipThere().judge(target(), pythons, read(ReadSystem("vm"), "rhel-8")).remedy
    assert "python311-pip" in (
        PipThere().judge(target(), replace(pythons, pip3=Pip("9.0.3", "3.6")), read(ReadSystem("vm"), "sles-15")).remedy
    )


@pytest.mark.parametrize("kind", [*EVERY, SshToVms])
@pytest.mark.parametrize(("declared", "outcome"), [(Absent.UNDECLARED, UNKNOWN), (Absent.NONE, Outcome.MANUAL)])
def test_a_site_without_a_bootstrap_vm_keeps_its_findings(
    kind: type[AnyCheck], declared: Absent, outcome: Outcome
) -> None:
    """Undeclared is unknown, none is for a person."""
    (settled,) = kind().targets(site(bootstrap=declared))
    assert isinstance(settled, Settled)
    assert settled.judgement.outcome is outcome


@pytest.mark.parametrize("kind", EVERY)
def test_a_bootstrap_vm_without_a_host_is_not_built(kind: type[AnyCheck]) -> None:
    """It keeps its finding under its own name, undeclared; the auditor's own machine needs no host."""
    (settled,) = kind().targets(site(bootstrap=replace(BOOT, host=None)))
    assert isinstance(settled, Settled)
    assert settled.target.name == "boot-1"
    assert settled.judgement.reason is not None
    assert settled.judgement.reason.code is Cause.UNDECLARED
    (local,) = kind().targets(site(bootstrap=Bootstrap(name="here", host=None, local=True)))
    assert isinstance(local, BootstrapTarget)


def test_everything_is_asked_of_the_bootstrap_vm_itself() -> None:
    """Every question is put to the machine of that name."""
    for kind in EVERY:
        found = target()
        planned = plan(site(bootstrap=BOOT), [kind])
        assert planned.instances[0].id == f"{kind.requirement.id}[boot-1]"
        assert {probe.vantage for probe in planned.probes if isinstance(probe, HostProbe)} == {found.name}


def test_ssh_has_an_edge_to_every_vm() -> None:
    """Named by VM and by the port where its SSH listens; planned VMs keep theirs, undeclared."""
    vms = (
        Vm(name="excs-1", role=Role.EXCS, host="10.0.0.1", address="10.0.0.1", port=None),
        Vm(name="exas-1", role=Role.EXAS, host=None, address=None, port=None),
    )
    access = (HostAccess(name="excs-1", host="10.0.0.1", port=2222),)
    usual = (HostAccess(name="excs-1", host="10.0.0.1"),)
    assert [one.port for one in SshToVms().targets(site(bootstrap=BOOT, vms=vms[:1], access=usual))] == [22]  # type: ignore[union-attr]
    edge, settled = SshToVms().targets(site(bootstrap=BOOT, vms=vms, access=access))
    assert not isinstance(edge, Settled)
    assert (edge.kind, edge.name, edge.source, edge.port) == (
        TargetKind.EDGE,
        "boot-1->excs-1:2222",
        "boot-1",
        2222,
    )
    assert isinstance(settled, Settled)
    assert settled.target.name == "boot-1->exas-1:22"
    (without,) = SshToVms().targets(site(bootstrap=BOOT, vms=()))
    assert isinstance(without, Settled)
    assert (without.target.name, without.judgement.outcome) == ("vms", UNKNOWN)
    edges = SshToVms().targets(site(bootstrap=replace(BOOT, host=None), vms=vms))
    assert [one.target.name for one in edges if isinstance(one, Settled)] == ["boot-1->excs-1:22", "boot-1->exas-1:22"]
