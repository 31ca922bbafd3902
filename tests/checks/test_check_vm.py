"""vm.*: how facts are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from readiness_checks.machine import duration, gigabytes
from readiness_checks.vm import (
    ComposeThere,
    DockerEngine,
    OneComponentEach,
    PortFree,
    RecentKernel,
    RolesPlanned,
    SixtyFourBitLinux,
)
from readiness_checks.vm_size import EnoughCpu, EnoughDisk, EnoughMemory
from readiness_checks.vm_time import ClockOffset, TimeSynchronised

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Outcome, Reason, Status, Unread, status_of
from readiness.plan import AnyCheck
from readiness.probe import Attempt
from readiness.probes.clock import ClockReading
from readiness.probes.docker import Compose, Docker, Engine, ReadCompose, ReadDocker
from readiness.probes.linux import (
    Cpu,
    Disk,
    Disks,
    DmiMemory,
    Family,
    FileSystem,
    Identity,
    Listener,
    Listeners,
    Memory,
    ReadCpu,
    ReadDisks,
    ReadDmiMemory,
    ReadListeners,
    ReadMemory,
    ReadSystem,
    System,
)
from readiness.probes.time_sync import ReadTimeSync
from readiness.site import PAGES, Absent, Endpoint, GenesysCloud, Role, Site, SiteTarget, StatServer, Vm, VmTarget
from tests.lab.engine import site
from tests.lab.recorded import read

MET, WEAK, MISSED, UNKNOWN = Outcome.MET, Outcome.WEAK, Outcome.MISSED, Outcome.UNKNOWN
GB = 1_000_000_000
UNREAD = Unread(reason=Reason(code=Cause.TIMEOUT, detail="no answer in 8 s", enable="See what hangs."))


def vm(name: str, role: Role, *, host: str | None = "10.0.0.9", port: int | None = None) -> Vm:
    return Vm(name=name, role=role, host=host, address=host, port=port)


def planned(excs: int = 1, exas: int = 1, excp: int = 2, exrp: int = 0, **changes: object) -> Site:
    """A site with so many VMs of each role."""
    counts = {Role.EXCS: excs, Role.EXAS: exas, Role.EXCP: excp, Role.EXRP: exrp}
    vms = tuple(
        vm(f"{role.value}-{number}", role, host=f"10.0.{index}.{number}")
        for index, (role, count) in enumerate(counts.items())
        for number in range(1, count + 1)
    )
    return site(**{"vms": vms} | changes)


def one(role: Role = Role.EXCS, *, port: int | None = 3640, **changes: object) -> VmTarget:
    """The target that is one VM at 10.0.0.9."""
    machine = vm(f"{role.value}-1", role, port=port)
    return VmTarget.of(machine, site(**{"vms": (machine,)} | changes))


def system(kernel: str = "5.14.0", *, machine: str = "x86_64", bits: int | None = 64, **changes: object) -> System:
    known = System(
        name="Rocky Linux 9.5 (Blue Onyx)",
        id="rocky",
        version_id="9.5",
        family=Family.RED_HAT,
        kernel_name="Linux",
        kernel=kernel,
        machine=machine,
        userland_bits=bits,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def distribution(name: str) -> System:
    """A recorded one, or one that the checks know no package tool of."""
    if name == "arch":
        return system(name="Arch Linux", id="arch", version_id="", family=Family.OTHER)
    return read(ReadSystem("vm"), name)


def demand_actionable(judged: Judgement) -> None:
    """What is no pass says what to do there, for which machine, and who is to be asked."""
    if judged.outcome in (WEAK, MISSED):
        assert judged.lane is not None
        assert judged.job
        assert any(named in judged.remedy for named in ("10.0.0.9", "site file", "exas-1", "excp-1"))
    if judged.outcome is UNKNOWN:
        assert judged.reason is not None
        assert judged.reason.enable
    if judged.outcome is not Outcome.SKIP:
        assert judged.expected


# -- the VMs as planned


@pytest.mark.parametrize(
    ("revision", "plan", "outcome", "says"),
    [
        ("2023-07-27", {}, MET, "1 EXCS, 1 EXAS, 2 EXCP"),
        ("2023-07-27", {"excp": 1}, MISSED, "lacks VMs: 1 EXCP"),
        ("2023-07-27", {"excs": 0, "exas": 0}, MISSED, "lacks VMs: 1 EXCS, 1 EXAS"),
        ("2023-07-27", {"excp": 3}, WEAK, "3 EXCP where the page asks for 2"),
        ("2023-07-27", {"exrp": 1}, WEAK, "knows no EXRP"),
        ("2023-07-10", {}, MET, "1 EXCS, 1 EXAS, 2 EXCP"),
        ("recording", {}, MISSED, "lacks VMs: 2 EXRP"),
        ("recording", {"exrp": 1}, MISSED, "lacks VMs: 1 EXRP"),
        ("recording", {"exrp": 2}, MET, "2 EXRP"),
        ("recording", {"exrp": 5}, MET, "5 EXRP"),
        ("recording", {"exrp": 2, "excp": 4}, WEAK, "4 EXCP where the page asks for 2"),
    ],
)
def test_roles_are_counted_as_the_revision_asks(
    revision: str, plan: dict[str, int], outcome: Outcome, says: str
) -> None:
    """Fewer VMs of a role than asked fail, more warn, and EXRP may be more than two."""
    target = SiteTarget.of(planned(**plan, page=PAGES[revision]))  # type: ignore[arg-type]
    judged = RolesPlanned().judge(target)
    assert judged.outcome is outcome
    assert says in f"{judged.summary} {judged.observed}"
    assert all(piece.vantage is None for piece in judged.evidence), (
        "a vantage is a machine: the engine names the auditor"
    )
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("servers", "excp", "outcome"), [(2, 2, MET), (4, 4, MET), (4, 2, WEAK), (3, 4, MET), (2, 4, WEAK)]
)
def test_recording_wants_two_excp_for_each_pair_of_sip_servers(servers: int, excp: int, outcome: Outcome) -> None:
    """In that revision 4 EXCP are right for two pairs, and too many for one."""
    sip = tuple(StatServer(endpoint=Endpoint(f"sip{number}.example", 8000)) for number in range(servers))
    target = SiteTarget.of(planned(excp=excp, exrp=2, page=PAGES["recording"], sip_servers=sip))
    assert RolesPlanned().judge(target).outcome is outcome


def test_planned_and_unbuilt_is_not_there() -> None:
    """A VM without a host is counted as planned, and leaves the requirement open."""
    site_ = planned()
    unbuilt = replace(site_.vms[-1], host=None, address=None)
    judged = RolesPlanned().judge(SiteTarget.of(planned(vms=(*site_.vms[:-1], unbuilt))))
    assert judged.outcome is UNKNOWN
    assert judged.reason is not None
    assert judged.reason.code is Cause.UNDECLARED
    assert "excp-2" in judged.summary


def identity(number: int, *, machine: int | None = None, key: int | None = None) -> Identity:
    return Identity(
        boot_id=f"00000000-0000-4000-8000-{number:012d}",
        machine_id=f"{machine or number:032d}",
        hostname=f"vm{number}",
        host_keys=(f"key{key or number}",),
    )


@pytest.mark.parametrize(
    ("facts", "outcome", "says"),
    [
        ([identity(1), identity(2), identity(3), identity(4)], MET, "4 different machines"),
        ([identity(1), identity(2), identity(2), identity(4)], MISSED, "exas-1 and excp-1"),
        ([identity(1), identity(1), identity(1), identity(4)], MISSED, "excs-1 and exas-1; excs-1 and excp-1"),
        ([identity(1), identity(2), identity(3), identity(4, machine=3)], WEAK, "clones: excp-1 and excp-2"),
        ([identity(1), identity(2, key=1), identity(3), identity(4)], WEAK, "clones: excs-1 and exas-1"),
        ([identity(1), UNREAD, identity(3), identity(4)], UNKNOWN, "Whether exas-1 are machines"),
        ([identity(1), UNREAD, identity(1), identity(4)], MISSED, "excs-1 and excp-1"),
        ([UNREAD, UNREAD, UNREAD, UNREAD], UNKNOWN, "excs-1, exas-1, excp-1, excp-2"),
    ],
)
def test_machines_are_told_apart_by_their_boot_id(
    facts: Sequence[Identity | Unread], outcome: Outcome, says: str
) -> None:
    """Equal boot ids fail whoever else is silent; clones warn; what could not be read is not claimed."""
    judged = OneComponentEach().judge(SiteTarget.of(planned()), *facts)
    assert judged.outcome is outcome
    assert says in judged.summary
    demand_actionable(judged)


def test_empty_marks_make_no_clones() -> None:
    """Two machines without a machine id and without host keys have nothing in common."""
    bare = [replace(identity(number), machine_id="", host_keys=()) for number in range(1, 5)]
    assert OneComponentEach().judge(SiteTarget.of(planned()), *bare).outcome is MET


def test_an_unbuilt_vm_is_not_known_to_be_another_machine() -> None:
    """Three different machines and one that is not there yet: unknown, undeclared; only the three are asked."""
    site_ = planned()
    target = SiteTarget.of(planned(vms=(*site_.vms[:-1], replace(site_.vms[-1], host=None))))
    needs = OneComponentEach().needs(target)
    assert len(needs) == 3
    assert all(isinstance(need, Attempt) for need in needs)
    judged = OneComponentEach().judge(target, identity(1), identity(2), identity(3))
    assert judged.outcome is UNKNOWN
    assert judged.reason is not None
    assert judged.reason.code is Cause.UNDECLARED


# -- the system


@pytest.mark.parametrize(
    ("fact", "outcome"),
    [
        (system(), MET),
        (system(machine="aarch64"), MET),
        (system(machine="i686", bits=32), MISSED),
        (system(bits=32), MISSED),
        (system(kernel_name="FreeBSD"), MISSED),
        (system(machine="i686", bits=None), MISSED),
        (system(bits=None), UNKNOWN),
        (system(machine="unknown"), UNKNOWN),
    ],
)
def test_a_64_bit_linux_is_one_in_kernel_and_programs(fact: System, outcome: Outcome) -> None:
    """Either of them at 32 bits fails; a width that nothing told is unknown, never a failure."""
    judged = SixtyFourBitLinux().judge(one(), fact)
    assert judged.outcome is outcome
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("kernel", "outcome"),
    [
        ("4.17.99", MISSED),
        ("4.9.0-19-amd64", MISSED),
        ("3.10.0-1160.el7.x86_64", MISSED),
        ("4.14.343-261.564.amzn2.x86_64", MISSED),
        ("4.18", MET),
        ("4.18.0", MET),
        ("4.18.0-553.el8_10.x86_64", MET),
        ("5.4.0-182-generic", MET),
        ("5.15.167.4-microsoft-standard-WSL2", MET),
        ("6.1.0-28-amd64", MET),
        ("10.0", MET),
        ("custom", UNKNOWN),
    ],
)
def test_kernels_compare_number_by_number(kernel: str, outcome: Outcome) -> None:
    """4.9 comes before 4.18, 4.17.99 is not enough, and 10 is more than 4."""
    judged = RecentKernel().judge(one(), system(kernel))
    assert judged.outcome is outcome
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("amazon-2", "amazon-linux-extras install -y kernel-5.10"),
        ("rhel-8", "dnf upgrade -y kernel"),
        ("ubuntu-20.04", "linux-generic-hwe-20.04"),
        ("debian-11", "linux-image-amd64"),
        ("sles-15", "zypper --non-interactive update kernel-default"),
        ("arch", "# upgrade the release"),
    ],
)
def test_a_new_kernel_comes_by_the_distributions_own_tool(name: str, command: str) -> None:
    """The remedy for an old kernel is written for the very distribution; of another it only says what to renew."""
    fact = replace(distribution(name), kernel="4.17.0")
    assert command in RecentKernel().judge(one(), fact).remedy


# -- its size


@pytest.mark.parametrize(
    ("revision", "online", "outcome"),
    [
        ("2023-07-27", 1, MISSED),
        ("2023-07-27", 2, MET),
        ("2023-07-27", 16, MET),
        ("2023-07-10", 3, MISSED),
        ("2023-07-10", 4, MET),
    ],
)
def test_processors_are_counted_against_the_revision(revision: str, online: int, outcome: Outcome) -> None:
    """Two are recommended by default, four by the older revision; missing it is a warning."""
    judged = EnoughCpu().judge(one(page=PAGES[revision]), Cpu(online, "/sys/devices/system/cpu/online"))
    assert judged.outcome is outcome
    assert status_of(outcome, EnoughCpu.requirement.obligation) in (Status.PASS, Status.WARN)
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("memory", "dmi", "outcome"),
    [
        (Memory(8 * 1024**3, 7_890_152 * 1024), DmiMemory(None), MET),
        (Memory(8 * GB, 7_300_000_000), DmiMemory(None), MET),
        (Memory(7_999_999_999, 7_900_000_000), DmiMemory(None), MISSED),
        (Memory(4 * 1024**3, 3_917_045_760), DmiMemory(16 * 1024**3), MISSED),
        (Memory(None, 7_000_000_000), DmiMemory(8 * 1024**3), MET),
        (Memory(None, 7_900_000_000), DmiMemory(4 * 1024**3), MISSED),
        (Memory(None, 7_400_000_000), DmiMemory(None), MET),
        (Memory(None, 7_390_000_000), DmiMemory(None), MISSED),
        (Memory(None, 8_000_000_000), UNREAD, MET),
        (Memory(None, 7_390_000_000), UNREAD, MISSED),
        (Memory(8 * 1024**3, 7_890_152 * 1024), UNREAD, MET),
    ],
)
def test_memory_is_what_the_machine_was_given(memory: Memory, dmi: DmiMemory | Unread, outcome: Outcome) -> None:
    """Blocks before modules before MemTotal; 8 GB are decimal, and 7.4 GB of MemTotal stand for them."""
    judged = EnoughMemory().judge(one(), memory, dmi)
    assert judged.outcome is outcome
    demand_actionable(judged)


FULL = FileSystem(device="/dev/sda2", mount="/", size=78 * GB, free=60 * GB)


@pytest.mark.parametrize(
    ("disks", "outcome", "shown"),
    [
        (Disks((Disk("sda", 80 * GB),), FULL), MET, "80 GB"),
        (Disks((Disk("sda", 80 * GB - 1),), FULL), MISSED, "79.9 GB"),
        (Disks((Disk("vda", 79_900_000_256),), None), MISSED, "79.9 GB"),
        (Disks((Disk("sda", 80 * 1024**3),), FULL), MET, "85.8 GB"),
        (Disks((Disk("sda", 30 * GB), Disk("sdb", 50 * GB)), FULL), MET, "80 GB"),
        (Disks((Disk("sda", 64_424_509_440),), FULL), MISSED, "64.4 GB"),
        (Disks((), None), UNKNOWN, "no disk"),
    ],
)
def test_disks_are_added_up_and_never_rounded_up(disks: Disks, outcome: Outcome, shown: str) -> None:
    """80 GB are decimal; a byte less is less, and does not read as 80."""
    judged = EnoughDisk().judge(one(), disks, UNREAD)
    assert judged.outcome is outcome
    assert shown in f"{judged.summary} {judged.observed}"
    demand_actionable(judged)


def test_the_older_revision_asks_for_20_gb() -> None:
    """A disk of 20 GB is enough for the revision of 2023-07-10 alone."""
    disks = Disks((Disk("sda", 20 * GB),), FULL)
    assert EnoughDisk().judge(one(page=PAGES["2023-07-10"]), disks, UNREAD).outcome is MET
    assert EnoughDisk().judge(one(), disks, UNREAD).outcome is MISSED


def test_dockers_data_root_is_shown_and_not_judged() -> None:
    """A data root on a small file system beside large disks passes, and the report says that it lies there."""
    disks, docker = read(ReadDisks("vm"), "amazon-2023"), read(ReadDocker("vm"), "amazon-2023")
    judged = EnoughDisk().judge(one(), disks, docker)
    assert judged.outcome is MET
    assert "8.5 GB only (/var/lib/docker)" in judged.reasoning
    assert [row.label for row in judged.evidence] == ["nvme0n1", "nvme1n1", "File system /", "Docker's data root"]


def test_a_disk_under_lvm_grows_by_lvm() -> None:
    """The remedy names the very disk and the very device of the root file system."""
    disks = replace(read(ReadDisks("vm"), "rhel-8"), disks=(Disk("sda", 40 * GB),))
    remedy = EnoughDisk().judge(one(), disks, UNREAD).remedy
    assert "tee /sys/class/block/sda/device/rescan" in remedy
    assert "lvextend -r -l +100%FREE /dev/mapper/rhel-root" in remedy


@pytest.mark.parametrize(
    ("device", "command"),
    [
        ("/dev/sda2", "growpart /dev/sda 2"),
        ("/dev/sdb1", "growpart /dev/sdb 1"),
        ("/dev/nvme0n1p3", "growpart /dev/nvme0n1 3"),
        ("/dev/mapper/rhel-root", "growpart /dev/sda <number>"),
        ("/dev/sda", "growpart /dev/sda <number>"),
        ("overlay", "growpart /dev/sda <number>"),
    ],
)
def test_the_partition_to_grow_is_named_where_the_device_tells_it(device: str, command: str) -> None:
    """The number at the device's end is its partition's; under LVM the reader has to look."""
    disks = Disks((Disk("sda", 10 * GB), Disk("sdb", 10 * GB), Disk("nvme0n1", 10 * GB)), replace(FULL, device=device))
    remedy = EnoughDisk().judge(one(), disks, UNREAD).remedy
    assert command in remedy
    assert ("with the number of the partition" in remedy) is ("<number>" in command)


# -- its engine


@pytest.mark.parametrize(
    ("name", "outcome", "lane"),
    [
        ("debian-12", MET, None),
        ("sles-15", MET, None),
        ("ubuntu-24.04~rootless", MET, None),
        ("ubuntu-20.04~19-03", MISSED, Lane.VERSION),
        ("debian-11~absent", MISSED, Lane.VERSION),
        ("ubuntu-20.04~client-only", MISSED, Lane.SERVICE),
        ("rhel-9~stopped", MISSED, Lane.SERVICE),
        ("ubuntu-22.04~waiting", MISSED, Lane.SERVICE),
        ("rhel-8~podman", MISSED, Lane.CONFIGURATION),
        ("rocky-9~podman-socket", MISSED, Lane.CONFIGURATION),
    ],
)
def test_an_engine_is_judged_by_what_answers(name: str, outcome: Outcome, lane: Lane | None) -> None:
    """Old, none, client only, stopped and Podman's shim are findings of their own, each in its lane."""
    judged = DockerEngine().judge(one(), read(ReadDocker("vm"), name), system())
    assert (judged.outcome, judged.lane) == (outcome, lane)
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("version", "outcome"),
    [
        ("19.03.15", MISSED),
        ("19.99.99", MISSED),
        ("20.10.24+dfsg1", MET),
        ("20.0.0", MET),
        ("28.2.2", MET),
        ("1.13.1", MISSED),
        ("library-import", UNKNOWN),
        ("dev", UNKNOWN),
    ],
)
def test_versions_of_the_engine_compare_as_numbers(version: str, outcome: Outcome) -> None:
    """20 is enough, 19.99 is not, and a version without a number is unknown."""
    docker = Docker(engine=Engine.ANSWERS, version=version, client="28.2.2", socket="/var/run/docker.sock")
    judged = DockerEngine().judge(one(), docker, UNREAD)
    assert judged.outcome is outcome
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("rhel-8", ["linux/rhel/docker-ce.repo", "dnf install -y docker-ce"]),
        ("rocky-9", ["linux/centos/docker-ce.repo", "dnf install -y docker-ce"]),
        ("ubuntu-22.04", ["apt-get install -y docker.io docker-compose-v2"]),
        ("debian-12", ["apt-get install -y docker.io docker-compose"]),
        ("sles-15", ["SUSEConnect -p sle-module-containers/15.5/x86_64", "zypper --non-interactive install docker"]),
        ("amazon-2", ["amazon-linux-extras install -y docker"]),
        ("amazon-2023", ["dnf install -y docker"]),
        ("arch", ["https://docs.docker.com/engine/install/"]),
    ],
)
def test_an_engine_comes_by_the_distributions_own_tool(name: str, commands: list[str]) -> None:
    """The remedy is for the very distribution, and starts the engine."""
    remedy = DockerEngine().judge(one(), Docker(engine=Engine.ABSENT), distribution(name)).remedy
    assert all(command in remedy for command in commands)
    assert "systemctl enable --now docker" in remedy


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("rhel-8", "dnf remove -y podman-docker"),
        ("debian-12", "apt-get remove -y podman-docker"),
        ("sles-15", "zypper --non-interactive remove podman-docker"),
        ("arch", "https://docs.docker.com/engine/install/"),
    ],
)
def test_podman_makes_way_by_the_distributions_own_tool(name: str, command: str) -> None:
    """Its shim is removed before Docker Engine comes, where the tool for it is known."""
    podman = Docker(engine=Engine.PODMAN, version="4.9.4")
    judged = DockerEngine().judge(one(), podman, distribution(name))
    assert (judged.outcome, judged.lane) == (MISSED, Lane.CONFIGURATION)
    assert command in judged.remedy
    assert ("podman-docker" in judged.remedy) is (name != "arch")


@pytest.mark.parametrize(
    ("name", "platform", "command"),
    [
        ("debian-12", "Docker Engine - Community", "apt-get install -y docker-ce docker-ce-cli"),
        ("debian-12", "", "apt-get install -y docker.io"),
        ("rhel-8", "Docker Engine - Community", "dnf install -y docker-ce docker-ce-cli"),
        ("sles-15", "", "zypper --non-interactive install docker"),
    ],
)
def test_an_old_engine_is_renewed_from_where_it_came(name: str, platform: str, command: str) -> None:
    """Docker's own packages and the distribution's are not laid over one another."""
    docker = Docker(engine=Engine.ANSWERS, version="19.03.15", platform=platform, socket="/var/run/docker.sock")
    assert command in DockerEngine().judge(one(), docker, read(ReadSystem("vm"), name)).remedy


@pytest.mark.parametrize(
    ("fact", "outcome"),
    [
        (Compose("docker compose", "2.27.0"), MET),
        (Compose("docker-compose", "1.29.2"), MET),
        (Compose("", "", "docker: 'compose' is not a docker command."), MISSED),
        (Compose("", ""), MISSED),
    ],
)
def test_either_compose_will_do(fact: Compose, outcome: Outcome) -> None:
    """The plugin and the old command both run Compose files; nothing that does fails."""
    judged = ComposeThere().judge(one(), fact, system(), UNREAD)
    assert judged.outcome is outcome
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("rocky-9", "dnf install -y docker-compose-plugin"),
        ("ubuntu-22.04", "apt-get install -y docker-compose-v2"),
        ("debian-12", "apt-get install -y docker-compose\n"),
        ("sles-15", "zypper --non-interactive install docker-compose"),
        ("amazon-2023", "/usr/local/lib/docker/cli-plugins/docker-compose"),
        ("arch", "https://docs.docker.com/compose/install/linux/"),
    ],
)
def test_compose_comes_from_where_the_engine_came(name: str, package: str) -> None:
    """Docker's own packages and the distribution's do not mix."""
    engine = UNREAD if name == "arch" else read(ReadDocker("vm"), name)
    facts = Compose("", ""), distribution(name), engine
    assert package in ComposeThere().judge(one(), *facts).remedy


# -- its time


@pytest.mark.parametrize(
    ("name", "outcome", "says"),
    [
        ("rhel-8", MET, "97 s ago by 10.20.30.5"),
        ("rhel-9", MET, "3 min ago"),
        ("amazon-2", MET, "by 169.254.169.123"),
        ("ubuntu-20.04~phc", MET, "by PHC0"),
        ("ubuntu-22.04", MET, "18 min ago"),
        ("sles-15~ntpd", MET, "6 min ago by 10.20.30.5"),
        ("rhel-8~vmware", MET, "VMware Tools sets the clock"),
        ("rhel-8~long-poll", WEAK, "polls may come to lie 36 h 24 min apart"),
        ("rhel-8~slow", MISSED, "every 36 h 24 min only"),
        ("rhel-9~stale", MISSED, "last set 31 h 7 min ago; the limit is 24 hours"),
        ("sles-15~ntpd-stale", MISSED, "last set 3 days ago"),
        ("debian-12~none", MISSED, "Nothing sets the clock"),
        ("amazon-2~none", MISSED, "Nothing sets the clock"),
        ("rhel-8~vmware-disabled", MISSED, "Nothing sets the clock"),
        ("debian-12~flag", UNKNOWN, "nothing tells what"),
        ("debian-11~cron", UNKNOWN, "A scheduled job"),
        ("rhel-8~hidden", UNKNOWN, "Whether a time service runs"),
        ("rhel-8~unsynchronised", UNKNOWN, "follows no source"),
        ("rhel-8~local", UNKNOWN, "follows no source"),
        ("rhel-8~no-answer", UNKNOWN, "does not tell"),
        ("rhel-8~ptp", UNKNOWN, "ptp4l, phc2sys runs"),
        ("debian-12~virtualbox", UNKNOWN, "VBoxService runs"),
        ("debian-11~never", UNKNOWN, "follows no source"),
        ("debian-11~bus", UNKNOWN, "does not tell"),
        ("sles-15~ntpd-own-clock", UNKNOWN, "follows no source"),
        ("sles-15~ntpd-silent", UNKNOWN, "does not tell"),
    ],
)
def test_a_clock_counts_as_set_by_what_its_keeper_tells(name: str, outcome: Outcome, says: str) -> None:
    """A source, an update within 24 hours and polls no further apart; a daemon or a flag alone proves nothing."""
    judged = TimeSynchronised().judge(one(Role.EXAS), read(ReadTimeSync("vm"), name), system())
    assert judged.outcome is outcome
    assert says in judged.summary
    demand_actionable(judged)


def test_the_job_of_a_stale_clock_is_a_sentence() -> None:
    """It says what is three days ago: the last time that the clock was set."""
    judged = TimeSynchronised().judge(one(Role.EXAS), read(ReadTimeSync("vm"), "sles-15~ntpd-stale"), system())
    assert judged.job.endswith(": its clock was last set 3 days ago")


@pytest.mark.parametrize(
    ("age", "outcome"), [(0.0, MET), (86_399.0, MET), (86_400.0, MET), (86_401.0, MISSED), (10 * 86_400.0, MISSED)]
)
def test_twenty_four_hours_are_the_limit(age: float, outcome: Outcome) -> None:
    """Exactly 24 hours is still within the page's words."""
    sync = replace(read(ReadTimeSync("vm"), "rhel-9"), age=age)
    judged = TimeSynchronised().judge(one(Role.EXAS), sync, UNREAD)
    assert judged.outcome is outcome
    assert judged.figures == {"age_s": age, "limit_s": 86_400.0}


@pytest.mark.parametrize(("poll", "outcome"), [(86_400.0, MET), (86_401.0, MISSED)])
def test_a_poll_a_day_is_enough(poll: float, outcome: Outcome) -> None:
    """What it polls at now misses the page's words beyond 24 hours, where nothing tells of a longest interval."""
    sync = replace(read(ReadTimeSync("vm"), "rhel-9"), poll=poll, longest=None)
    assert TimeSynchronised().judge(one(Role.EXAS), sync, UNREAD).outcome is outcome
    never = replace(sync, poll=None)
    assert TimeSynchronised().judge(one(Role.EXAS), never, UNREAD).outcome is MET


def test_a_clock_needs_a_source_and_a_time_when_it_was_set() -> None:
    """Either alone proves nothing, and the reason says which is missing."""
    sync = read(ReadTimeSync("vm"), "rhel-9")
    for half, said in ((replace(sync, sources=()), "no source"), (replace(sync, age=None), "nothing tells when")):
        judged = TimeSynchronised().judge(one(Role.EXAS), half, UNREAD)
        assert (judged.outcome, judged.lane) == (UNKNOWN, Lane.TIME)
        assert judged.reason is not None
        assert judged.reason.code is Cause.NOT_OBSERVED
        assert said in judged.reason.detail


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("the command for `chronyd` is not on this machine", Cause.TOOL_MISSING),
        ("506 Cannot talk to daemon", Cause.UNSUPPORTED),
    ],
)
def test_a_keeper_that_cannot_be_asked_has_its_reason(said: str, cause: Cause) -> None:
    """A command that is missing is told from a service that does not answer."""
    sync = replace(read(ReadTimeSync("vm"), "rhel-9"), sources=(), age=None, said=said)
    judged = TimeSynchronised().judge(one(Role.EXAS), sync, UNREAD)
    assert judged.reason is not None
    assert (judged.outcome, judged.reason.code) == (UNKNOWN, cause)


@pytest.mark.parametrize(("longest", "outcome"), [(2.0**16, MET), (86_400.0, MET), (2.0**17, WEAK)])
def test_maxpoll_16_is_the_longest(longest: float, outcome: Outcome) -> None:
    """2^16 s is 18 hours; 2^17 s is more than a day."""
    sync = replace(read(ReadTimeSync("vm"), "rhel-9"), longest=longest)
    assert TimeSynchronised().judge(one(Role.EXAS), sync, UNREAD).outcome is outcome


@pytest.mark.parametrize(
    ("name", "of", "commands"),
    [
        ("rhel-9", "rhel-9", ["s/ (min|max)poll [0-9]+//g' /etc/chrony.conf", "restart chronyd"]),
        ("ubuntu-22.04", "ubuntu-22.04", ["PollIntervalMaxSec=2048", "restart systemd-timesyncd"]),
        ("sles-15~ntpd", "sles-15", ["s/ (min|max)poll [0-9]+//g' /etc/ntp.conf", "restart ntpd"]),
        ("sles-15~ntpd", "debian-12", ["/etc/ntp.conf", "restart ntp\n"]),
    ],
)
def test_polls_are_shortened_where_their_keeper_is_told(name: str, of: str, commands: list[str]) -> None:
    """Each service has its own file, option and name; what polls too rarely now is missed, what may come to is weak."""
    sync = replace(read(ReadTimeSync("vm"), name), poll=2.0**17, longest=2.0**17)
    judged = TimeSynchronised().judge(one(Role.EXAS), sync, distribution(of))
    assert (judged.outcome, judged.lane) == (MISSED, Lane.TIME)
    assert all(command in f"{judged.remedy}\n" for command in commands)
    rarer = replace(sync, poll=64.0, longest=2.0**17)
    assert TimeSynchronised().judge(one(Role.EXAS), rarer, distribution(of)).outcome is WEAK


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("rhel-8", ["dnf install -y chrony", "/etc/chrony.conf", "restart chronyd"]),
        ("ubuntu-24.04", ["apt-get install -y chrony", "/etc/chrony/chrony.conf", "restart chrony\n"]),
        ("sles-15", ["zypper --non-interactive install chrony", "/etc/chrony.conf"]),
        ("amazon-2", ["yum install -y chrony"]),
        ("arch", ["# install chrony with this distribution's own tool", "/etc/chrony.conf", "restart chronyd"]),
    ],
)
def test_chrony_is_set_up_by_the_distributions_own_tool(name: str, commands: list[str]) -> None:
    """File, service and package are those of the very distribution."""
    sync = read(ReadTimeSync("vm"), "debian-12~none")
    remedy = TimeSynchronised().judge(one(Role.EXAS), sync, distribution(name)).remedy
    assert all(command in remedy for command in commands)


@pytest.mark.parametrize(
    ("revision", "judged"),
    [
        ("2023-07-27", {"exas-1"}),
        ("2023-07-10", set()),
        ("recording", {"excs-1", "exas-1", "excp-1", "excp-2", "exrp-1"}),
    ],
)
def test_the_revision_says_whose_clock_counts(revision: str, judged: set[str]) -> None:
    """EXAS alone by default, no VM before, every VM in the latest; the others skip and say why, built or not."""
    planned_site = planned(exrp=1, page=PAGES[revision])
    unbuilt = replace(planned_site.vms[0], host=None)
    for vms in (planned_site.vms, (unbuilt, *planned_site.vms[1:])):
        targets = TimeSynchronised().targets(replace(planned_site, vms=vms))
        asked = {one.name for one in targets if isinstance(one, VmTarget)}
        settled = [one for one in targets if isinstance(one, Settled)]
        assert asked == judged - ({"excs-1"} if vms[0].host is None else set())
        skipped = {one.target.name for one in settled if one.judgement.outcome is Outcome.SKIP}
        assert skipped == {vm.name for vm in vms} - judged


CLOUD = GenesysCloud(
    region="mypurecloud.de",
    client_id=None,
    client_secret=None,
    organization_id=None,
    role="EX Integration",
    ca_file=None,
    proxy=None,
    login=Endpoint("login.mypurecloud.de", 443),
    api=Endpoint("api.mypurecloud.de", 443),
)


def reading(offset: float, uncertainty: float = 1.2) -> ClockReading:
    return ClockReading(
        vantage="excs-1",
        endpoint=CLOUD.api,
        offset_s=offset,
        uncertainty_s=uncertainty,
        host_date=datetime(2026, 11, 23, 9, 14, 8, tzinfo=UTC),
        round_trip_s=(0.1, 0.3),
    )


@pytest.mark.parametrize(
    ("clock", "outcome", "says"),
    [
        (reading(0.4), MET, "agrees"),
        (reading(3.1), MET, "agrees"),
        (reading(3.3), MISSED, "3.3 s ahead of"),
        (reading(-95.0), MISSED, "95.0 s behind"),
        (reading(5.0, uncertainty=4.0), MET, "agrees"),
        (reading(5.0, uncertainty=5.0), MET, "agrees"),
        (reading(5.0, uncertainty=5.1), UNKNOWN, "too long"),
        (reading(7.2, uncertainty=5.1), MISSED, "7.2 s ahead of"),
    ],
)
def test_an_offset_counts_beyond_its_uncertainty(clock: ClockReading, outcome: Outcome, says: str) -> None:
    """2 seconds and what the measurement leaves open are granted; beyond them it warns, being advice."""
    judged = ClockOffset().judge(one(genesys_cloud=CLOUD), clock)
    assert judged.outcome is outcome
    assert says in judged.summary
    assert status_of(MISSED, ClockOffset.requirement.obligation) is Status.WARN
    demand_actionable(judged)


@pytest.mark.parametrize(
    ("own", "other", "outcome"),
    [(2.2, -2.1, MET), (2.3, -2.2, WEAK), (-2.3, 2.2, WEAK), (0.0, 0.0, MET), (-95.0, 0.0, MISSED)],
)
def test_clocks_are_compared_with_each_other(own: float, other: float, outcome: Outcome) -> None:
    """Two VMs may both be near Genesys Cloud's clock and too far from each other; both uncertainties are granted."""
    second = replace(reading(other), vantage="excp-1")
    judged = ClockOffset().judge(one(genesys_cloud=CLOUD), reading(own), second, UNREAD)
    assert judged.outcome is outcome
    assert ("excp-1" in judged.summary) is (outcome is WEAK)
    assert any("excp-1" in piece.label for piece in judged.evidence) is (outcome in {WEAK, MISSED})
    demand_actionable(judged)


def test_the_clocks_of_all_vms_are_asked_once_each() -> None:
    """Comparing them asks no further question."""
    target = one(genesys_cloud=CLOUD)
    assert len(ClockOffset().needs(target)) == len([vm for vm in target.site.vms if vm.built])


@pytest.mark.parametrize("offset", [-0.04, 0.0, 0.04])
def test_no_offset_is_told_without_a_sign_that_says_nothing(offset: float) -> None:
    """What rounds to nothing is +0.0 s, from whichever side."""
    assert ClockOffset().judge(one(genesys_cloud=CLOUD), reading(offset)).observed == "+0.0 s, ± 1.2 s"


@pytest.mark.parametrize(("cloud", "outcome"), [(Absent.UNDECLARED, UNKNOWN), (Absent.NONE, Outcome.MANUAL)])
def test_without_genesys_cloud_there_is_no_clock_to_compare_with(cloud: Absent, outcome: Outcome) -> None:
    """Undeclared is unknown, none is for a person; each VM keeps its finding."""
    targets = ClockOffset().targets(planned(genesys_cloud=cloud))
    assert [one.judgement.outcome for one in targets if isinstance(one, Settled)] == [outcome] * 4


# -- its port


@pytest.mark.parametrize(
    ("listeners", "outcome", "says"),
    [
        (Listeners(()), MET, "Port 3640 of excs-1 is free for EXCS"),
        (Listeners((Listener(address="0.0.0.0", port=36400),)), MET, "free"),
        (Listeners((Listener(address="0.0.0.0", port=3640, process="nginx", pid=42),)), MISSED, "nginx (pid 42)"),
        (Listeners((Listener(address="127.0.0.1", port=3640),)), MISSED, "whose name only root is told"),
        (read(ReadListeners("vm"), "rocky-9~busy"), MISSED, "docker-proxy (pid 2301), docker-proxy (pid 2308)"),
    ],
)
def test_a_port_is_free_where_nothing_listens_on_it(listeners: Listeners, outcome: Outcome, says: str) -> None:
    """On any address; the holder is named where the audit may know it, and the finding is advice."""
    judged = PortFree().judge(one(), listeners)
    assert judged.outcome is outcome
    assert says in judged.summary
    assert status_of(MISSED, PortFree.requirement.obligation) is Status.WARN
    demand_actionable(judged)


def test_what_else_listens_is_no_observation() -> None:
    """Another listener elsewhere, or the same program under another pid, is no change of this port."""
    free = [PortFree().judge(one(), Listeners((Listener(address="0.0.0.0", port=p),) * p)) for p in (22, 25)]
    taken = [
        PortFree().judge(one(), Listeners((Listener(address="0.0.0.0", port=3640, process="nginx", pid=pid),)))
        for pid in (42, 43)
    ]
    for first, second in (free, taken):
        assert first.observed == second.observed
        assert first.evidence != second.evidence


def test_a_component_without_a_port_is_skipped() -> None:
    """EXRP's port is published nowhere, so it is not guessed."""
    (target,) = PortFree().targets(site(vms=(vm("exrp-1", Role.EXRP, port=None),)))
    assert isinstance(target, Settled)
    assert target.judgement.outcome is Outcome.SKIP


# -- all of them

PER_VM: list[type[AnyCheck]] = [
    SixtyFourBitLinux, RecentKernel, EnoughCpu, EnoughMemory, EnoughDisk, DockerEngine, ComposeThere, PortFree,
]  # fmt: skip


@pytest.mark.parametrize("kind", [*PER_VM, ClockOffset, TimeSynchronised])
def test_a_planned_vm_that_is_not_built_is_undeclared(kind: type[AnyCheck]) -> None:
    """It keeps its finding under its own name: unknown, undeclared."""
    target = vm("exas-1", Role.EXAS, host=None, port=3630)
    (settled,) = kind().targets(site(vms=(target,), genesys_cloud=CLOUD))
    assert isinstance(settled, Settled)
    assert settled.target.name == "exas-1"
    assert settled.judgement.reason is not None
    assert settled.judgement.reason.code is Cause.UNDECLARED


@pytest.mark.parametrize("kind", [*PER_VM, ClockOffset, TimeSynchronised, RolesPlanned, OneComponentEach])
def test_a_site_without_vms_leaves_one_finding(kind: type[AnyCheck]) -> None:
    """No requirement vanishes with its targets."""
    (settled,) = kind().targets(site(vms=(), genesys_cloud=CLOUD))
    assert isinstance(settled, Settled)
    assert settled.judgement.reason is not None
    assert settled.judgement.reason.code is Cause.UNDECLARED


@pytest.mark.parametrize("name", ["rhel-9", "ubuntu-22.04", "debian-12", "sles-15", "rocky-8"])
def test_the_recorded_hosts_pass(name: str) -> None:
    """Whole machines of five distributions meet what the page asks of a VM."""
    target = one(Role.EXAS)
    docker, kernel = read(ReadDocker("vm"), name), read(ReadSystem("vm"), name)
    judged = [
        SixtyFourBitLinux().judge(target, kernel),
        RecentKernel().judge(target, kernel),
        EnoughCpu().judge(target, read(ReadCpu("vm"), name)),
        EnoughMemory().judge(target, read(ReadMemory("vm"), name), read(ReadDmiMemory("vm"), name)),
        EnoughDisk().judge(target, read(ReadDisks("vm"), name), docker),
        DockerEngine().judge(target, docker, kernel),
        ComposeThere().judge(target, read(ReadCompose("vm"), name), kernel, docker),
        TimeSynchronised().judge(target, read(ReadTimeSync("vm"), name), kernel),
        PortFree().judge(target, read(ReadListeners("vm"), name)),
    ]
    assert [one.outcome for one in judged] == [MET] * len(judged), [one.summary for one in judged]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (80 * GB, "80 GB"),
        (79_999_999_999, "79.9 GB"),
        (8 * 1024**3, "8.5 GB"),
        (0, "0 GB"),
        (107_374_182_400, "107.3 GB"),
    ],
)
def test_sizes_are_rounded_down(size: int, words: str) -> None:
    """A figure in a sentence never says more than was measured."""
    assert gigabytes(size) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (38, "38 s"),
        (119.9, "119 s"),
        (720, "12 min"),
        (7200, "2 h"),
        (112_020, "31 h 7 min"),
        (86_400, "24 h"),
        (260_700, "3 days"),
        (269_000, "3 days 2 h"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, words: str) -> None:
    """As people say them."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    "kind",
    [
        RecentKernel,
        SixtyFourBitLinux,
        EnoughCpu,
        EnoughMemory,
        EnoughDisk,
        DockerEngine,
        ComposeThere,
        TimeSynchronised,
        PortFree,
    ],
)
def test_a_vm_is_asked_about_itself_alone(kind: type[AnyCheck]) -> None:
    """Every question is put to the machine that the finding is about; what only a remedy needs may stay open."""
    needs = kind().needs(one(Role.EXAS))
    asked = [need.probe if isinstance(need, Attempt) else need for need in needs]
    assert {probe.vantage for probe in asked} == {"exas-1"}
    assert not isinstance(needs[0], Attempt)
    assert all(isinstance(need, Attempt) for need in needs[1:])


def test_the_roles_are_read_from_the_site_file_alone() -> None:
    """Counting asks no machine."""
    (asked,) = RolesPlanned().targets(planned())
    assert not isinstance(asked, Settled)
    assert RolesPlanned().needs(asked) == ()
