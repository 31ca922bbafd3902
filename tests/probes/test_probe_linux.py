"""What a Linux machine says of itself, as the tools of several distributions print it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from ipaddress import ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readiness.host_script import compose, split
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.probes.linux import (
    Disk,
    Family,
    Pip,
    Python,
    ReadCpu,
    ReadDisks,
    ReadDmiMemory,
    ReadIdentity,
    ReadInterfaces,
    ReadListeners,
    ReadMemory,
    ReadPythons,
    ReadSystem,
)
from readiness.probes.linux.system import numbers
from readiness.vantage.listener import Holder
from readiness.vantage.listener import script as listening
from tests.lab.recorded import every, read

GIB = 1 << 30


@pytest.mark.parametrize(
    ("name", "system", "family", "kernel"),
    [
        ("rhel-8", "Red Hat Enterprise Linux 8.8 (Ootpa)", Family.RED_HAT, (4, 18, 0)),
        ("rhel-9", "Red Hat Enterprise Linux 9.4 (Plow)", Family.RED_HAT, (5, 14, 0)),
        ("rocky-8", "Rocky Linux 8.10 (Green Obsidian)", Family.RED_HAT, (4, 18, 0)),
        ("rocky-9", "Rocky Linux 9.5 (Blue Onyx)", Family.RED_HAT, (5, 14, 0)),
        ("ubuntu-20.04", "Ubuntu 20.04.6 LTS", Family.DEBIAN, (5, 4, 0)),
        ("ubuntu-22.04", "Ubuntu 22.04.3 LTS", Family.DEBIAN, (5, 15, 0)),
        ("ubuntu-22.04~wsl2", "Ubuntu 22.04.3 LTS", Family.DEBIAN, (5, 15, 167, 4)),
        ("ubuntu-24.04", "Ubuntu 24.04.1 LTS", Family.DEBIAN, (6, 8, 0)),
        ("debian-11", "Debian GNU/Linux 11 (bullseye)", Family.DEBIAN, (5, 10, 0)),
        ("debian-12", "Debian GNU/Linux 12 (bookworm)", Family.DEBIAN, (6, 1, 0)),
        ("sles-15", "SUSE Linux Enterprise Server 15 SP5", Family.SUSE, (5, 14, 21)),
        ("amazon-2", "Amazon Linux 2", Family.RED_HAT, (4, 14, 343)),
        ("amazon-2023", "Amazon Linux 2023.4.20240416", Family.RED_HAT, (6, 1, 84)),
    ],
)
def test_every_distribution_is_known_by_its_own_words(
    name: str, system: str, family: Family, kernel: tuple[int, ...]
) -> None:
    """Name, family and kernel of each are read from os-release and uname, and all are 64-bit."""
    fact = read(ReadSystem("vm"), name)
    assert (fact.name, fact.family, fact.kernel_version) == (system, family, kernel)
    assert (fact.kernel_name, fact.kernel_bits, fact.userland_bits) == ("Linux", 64, 64)


@pytest.mark.parametrize(
    ("name", "kernel", "programs"),
    [("debian-11~i686", 32, 32), ("debian-11~mixed", 64, 32), ("rhel-8~without-uname", None, 64)],
)
def test_width_of_kernel_and_programs_are_told_apart(name: str, kernel: int | None, programs: int) -> None:
    """A 32-bit system, 32-bit programs on a 64-bit kernel, and a machine whose name is not to be had."""
    fact = read(ReadSystem("vm"), name)
    assert (fact.kernel_bits, fact.userland_bits) == (kernel, programs)


@pytest.mark.parametrize(
    ("machine", "bits"),
    [
        ("x86_64", 64),
        ("aarch64", 64),
        ("ppc64le", 64),
        ("s390x", 64),
        ("riscv64", 64),
        ("i686", 32),
        ("armv7l", 32),
        ("ppc", 32),
        ("toaster", None),
    ],
)
def test_machines_have_the_width_of_their_name(machine: str, bits: int | None) -> None:
    """An unknown machine is no 32-bit one."""
    fact = ReadSystem("vm").understand(f"=== uname\nLinux 6.1.0 {machine}\n--- 0\n", 0)
    assert fact.kernel_bits == bits


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("4.17.99", (4, 17, 99)),
        ("4.18.0-553.el8_10.x86_64", (4, 18, 0)),
        ("5.15.167.4-microsoft-standard-WSL2", (5, 15, 167, 4)),
        ("6.8-rc1", (6, 8)),
        ("20.10.24+dfsg1", (20, 10, 24)),
        ("24.0.7-ce", (24, 0, 7)),
        ("v1.29", (1, 29)),
        ("8.5.110.02", (8, 5, 110, 2)),
        ("library-import", ()),
        ("", ()),
    ],
)
def test_versions_are_their_leading_numbers(said: str, understood: tuple[int, ...]) -> None:
    """What follows the numbers is the distribution's, and decides nothing."""
    assert numbers(said) == understood


def test_a_machine_without_os_release_is_still_a_machine() -> None:
    """Red Hat 7 minimal and others without the file keep a name, and quotes are taken off as a shell would."""
    old = (
        "=== uname\nLinux 3.10.0 x86_64\n--- 0\n=== /etc/redhat-release\nCentOS Linux release 7.9.2009 (Core)\n--- 0\n"
    )
    fact = ReadSystem("vm").understand(old, 0)
    assert (fact.name, fact.family) == ("CentOS Linux release 7.9.2009 (Core)", Family.RED_HAT)
    odd = "=== uname\nLinux 6.1 x86_64\n--- 0\n=== /etc/os-release\nPRETTY_NAME='My \\\"Linux\\\"'\nID=other\n--- 0\n"
    assert ReadSystem("vm").understand(odd, 0).name == 'My "Linux"'


@pytest.mark.parametrize("name", ["rhel-9", "rocky-8", "ubuntu-22.04", "debian-12", "sles-15"])
def test_machines_tell_who_they_are(name: str) -> None:
    """Boot id, machine id, host name and the three host keys are read; a key shows as its fingerprint."""
    fact = read(ReadIdentity("vm"), name)
    assert len(fact.boot_id) == 36
    assert len(fact.machine_id) == 32
    assert fact.hostname
    assert len(set(fact.host_keys)) == 3


@pytest.mark.parametrize(
    ("name", "online"),
    [("rocky-9", 2), ("rhel-9", 4), ("debian-11~one", 1), ("ubuntu-24.04~gaps", 7), ("amazon-2~container", 2)],
)
def test_processors_online_are_counted(name: str, online: int) -> None:
    """Ranges, gaps, the single processor 0, and /proc/cpuinfo where sysfs is hidden."""
    assert read(ReadCpu("vm"), name).online == online


@pytest.mark.parametrize("listed", ["", "0-", "3-1", "none", "0-3;", "-1"])
def test_a_list_of_processors_that_is_none_is_no_answer(listed: str) -> None:
    """Nothing is guessed from a list that the kernel would not print."""
    with pytest.raises(ProbeError) as raised:
        ReadCpu("vm").understand(f"=== /sys/devices/system/cpu/online\n{listed}\n--- 0\n", 0)
    assert raised.value.reason.code is Cause.PARSE


@pytest.mark.parametrize(
    ("name", "installed", "total"),
    [
        ("rocky-9", 8 * GIB, 7890152 * 1024),
        ("amazon-2023", 8 * GIB, 7993184 * 1024),
        ("rhel-8~4gb", 4 * GIB, 3825240 * 1024),
        ("sles-15~2g-blocks", 64 * GIB, 65786244 * 1024),
        ("ubuntu-22.04~wsl2", None, 8030124 * 1024),
    ],
)
def test_installed_memory_is_told_from_what_is_left(name: str, installed: int | None, total: int) -> None:
    """Blocks times their size, and MemTotal beside it; without blocks only the latter."""
    fact = read(ReadMemory("vm"), name)
    assert (fact.installed, fact.total) == (installed, total)


@pytest.mark.parametrize(
    ("name", "installed"),
    [("rhel-8", 8 * GIB), ("amazon-2", 8 * GIB), ("rhel-8~not-root", None), ("debian-12", None)],
)
def test_memory_modules_are_added_up(name: str, installed: int | None) -> None:
    """Sizes in GB and in MB, empty slots left out; without root or where blocks told, nothing is claimed."""
    assert read(ReadDmiMemory("vm"), name).installed == installed


@pytest.mark.parametrize(
    ("name", "disks"),
    [
        ("rhel-8", (Disk("sda", 100 * GIB),)),
        ("rocky-9", (Disk("sda", 80_000_000_000),)),
        ("debian-12~79-9", (Disk("vda", 79_900_000_256),)),
        ("ubuntu-20.04", (Disk("sda", 32213303296), Disk("sdb", 17179869184))),
        ("debian-11", (Disk("vda", 80 * GIB),)),
        ("amazon-2", (Disk("xvda", 80 * GIB),)),
        ("amazon-2023", (Disk("nvme0n1", 8 * GIB), Disk("nvme1n1", 100 * GIB))),
        ("sles-15~multipath", (Disk("sda", 100 * GIB),)),
        ("rhel-9~removable", (Disk("sda", 60 * GIB),)),
        ("debian-11~sysfs", (Disk("sda", 80 * GIB),)),
        ("rhel-8~sysfs-multipath", (Disk("sda", 100 * GIB),)),
    ],
)
def test_disks_that_stay_are_measured_once(name: str, disks: tuple[Disk, ...]) -> None:
    """Loops, CD-ROMs, zram, sticks and the further paths to one LUN are no disks; numbers may come as strings."""
    assert read(ReadDisks("vm"), name).disks == disks


def test_the_root_file_system_is_shown_beside_the_disks() -> None:
    """df's blocks of 1 KiB become bytes."""
    root = read(ReadDisks("vm"), "sles-15").root
    assert root is not None
    assert (root.device, root.mount, root.size, root.free) == ("/dev/sda2", "/", 104848384 * 1024, 94461952 * 1024)


def test_without_any_sight_of_disks_there_is_no_answer() -> None:
    """Neither lsblk nor sysfs: our own trouble, not a machine without disks."""
    with pytest.raises(ProbeError) as raised:
        ReadDisks("vm").understand("=== lsblk\n--- missing\n", 127)
    assert raised.value.reason.code is Cause.TOOL_MISSING


@pytest.mark.parametrize(
    ("name", "nic", "address"),
    [
        ("rocky-9", "ens18", "10.20.30.21/24"),
        ("rhel-8", "ens192", "10.20.30.22/24"),
        ("ubuntu-20.04", "eth0", "10.20.30.23/24"),
        ("ubuntu-24.04", "ens160", "10.20.30.24/24"),
        ("debian-11", "ens3", "10.20.30.25/24"),
        ("debian-12", "ens192", "10.20.30.13/24"),
        ("amazon-2~lines", "eth0", "10.20.30.27/24"),
    ],
)
def test_addresses_are_found_on_their_interface(name: str, nic: str, address: str) -> None:
    """By JSON and by lines; an address is found by any of its spellings."""
    fact = read(ReadInterfaces("vm"), name)
    interface = ip_interface(address)
    held = fact.holder_of(str(interface.ip))
    assert held is not None
    assert (held.name, interface in held.addresses) == (nic, True)
    assert fact.holder_of("0:0:0:0:0:0:0:1") is not None
    assert fact.holder_of("10.99.99.99") is None
    assert fact.holder_of("redis.example") is None


def test_a_bridge_is_known_as_one() -> None:
    """Docker's bridge has its kind, and a network card of the machine has none."""
    fact = read(ReadInterfaces("vm"), "debian-12")
    assert {one.name: one.kind for one in fact.interfaces} == {"lo": "", "ens192": "", "docker0": "bridge"}


@pytest.mark.parametrize(
    ("name", "port", "holders"),
    [
        ("rhel-8", 3640, []),
        ("rhel-8", 22, [("0.0.0.0", ""), ("::", "")]),
        ("rhel-8~root", 111, [("0.0.0.0", "rpcbind")]),
        ("rocky-9~busy", 3640, [("0.0.0.0", "docker-proxy"), ("::", "docker-proxy")]),
        ("ubuntu-24.04~busy-not-root", 3650, [("*", "")]),
        ("ubuntu-24.04~busy-not-root", 53, [("127.0.0.53%lo", "")]),
        ("debian-11~proc", 3640, [("127.0.0.1", "")]),
        ("debian-11~proc", 22, [("0.0.0.0", ""), ("::", "")]),
        ("debian-11~proc", 3650, [("::ffff:7f00:1", "")]),
        ("debian-11~proc", 364, []),
    ],
)
def test_listeners_are_found_by_their_port(name: str, port: int, holders: list[tuple[str, str]]) -> None:
    """With and without the right to know the process, by ss and by the kernel's own tables."""
    fact = read(ReadListeners("vm"), name)
    assert [(one.address, one.process) for one in fact.on(port)] == holders


def test_a_listener_that_starts_while_ss_looks_does_not_count() -> None:
    """ss shows it without its process at first; a moment later it is our own, or still somebody else's."""
    unnamed = "LISTEN 0 16 0.0.0.0:3640 0.0.0.0:*"
    ours = f'{unnamed} users:(("readiness-port",pid=7,fd=3))'
    answer = "=== ss\n{}\n--- 0\n=== ss again\n{}\n--- 0\n=== ours\n--- 1\n"
    assert ReadListeners("vm").understand(answer.format(unnamed, ours), 0).on(3640) == ()
    assert ReadListeners("vm").understand(answer.format("", unnamed), 0).on(3640) == ()
    assert len(ReadListeners("vm").understand(answer.format(unnamed, unnamed), 0).on(3640)) == 1


def test_the_audits_own_listener_holds_no_port() -> None:
    """Another question may be listening on the component's port meanwhile: that is nobody in its way."""
    ours = 'LISTEN 0 5 0.0.0.0:3640 0.0.0.0:* users:(("readiness-port",pid=4242,fd=3))'
    theirs = 'LISTEN 0 5 0.0.0.0:3640 0.0.0.0:* users:(("readiness-porter",pid=4242,fd=3))'
    assert ReadListeners("vm").understand(f"=== ss\n{ours}\n--- 0\n", 0).on(3640) == ()
    assert len(ReadListeners("vm").understand(f"=== ss\n{theirs}\n--- 0\n", 0).on(3640)) == 1


def test_the_audits_own_listener_is_known_by_its_command_too() -> None:
    """ncat and socat keep their names; what they were told to run gives them away."""
    ncat = 'LISTEN 0 10 127.0.0.1:3640 0.0.0.0:* users:(("ncat",pid=31927,fd=3))'
    shown = f"=== ss\n{ncat}\n\n--- 0\n=== ours\n/proc/31927/cmdline\n/proc/40000/cmdline\n\n--- 0\n"
    assert ReadListeners("vm").understand(shown, 0).on(3640) == ()
    others = shown.replace("/proc/31927/cmdline\n", "")
    assert [one.process for one in ReadListeners("vm").understand(others, 0).on(3640)] == ["ncat"]


@pytest.mark.server
@pytest.mark.parametrize("holder", [Holder.PYTHON, Holder.PERL, Holder.NCAT, Holder.SOCAT])
def test_no_tool_of_the_audits_listener_is_taken_for_another(holder: Holder) -> None:
    """Each tool that can hold a port is held by this machine and left out of what listens on it."""
    if shutil.which("ss") is None or shutil.which({Holder.PYTHON: "python3"}.get(holder, holder.value)) is None:
        pytest.skip(f"needs ss and {holder.value}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = listening("127.0.0.1", port, nonce="n0nce123", token="t0ken123", seconds=15, holder=holder)
    with subprocess.Popen(
        ["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(text.encode())
            process.stdin.close()
            assert any(b"held" in line for line in process.stdout), "the port was not held"
            script = compose([ReadListeners("vm")], token="0123456789abcdef")
            done = subprocess.run(["sh", "-s"], input=script.encode(), capture_output=True, check=False, timeout=20)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    response = split(done.stdout, "0123456789abcdef")["listeners"]
    assert isinstance(response, str)
    assert f":{port}" in response
    assert ReadListeners("vm").parse(response).on(port) == ()


@pytest.mark.parametrize(
    ("name", "python3", "pip3", "others"),
    [
        ("rhel-8", "3.6.8", Pip("9.0.3", "3.6.8"), ["python3.6"]),
        ("rhel-8~newer", "3.6.8", Pip("9.0.3", "3.6.8"), ["python3.6", "python3.9", "python3.11"]),
        ("rocky-8", "3.11.9", Pip("22.3.1", "3.11.9"), ["python3.6", "python3.11"]),
        ("ubuntu-20.04", "3.8.10", Pip("20.0.2", "3.8.10"), ["python3.8"]),
        ("ubuntu-24.04~no-pip", "3.12.3", None, ["python3.12"]),
        ("debian-11", "3.9.2", Pip("20.3.4", "3.9.2"), ["python3.9"]),
        ("debian-12~shim", "3.11.7", Pip("23.2.1", "3.11"), ["python3.11"]),
        ("debian-12~broken-pip", "3.11.2", None, ["python3.11"]),
        ("rocky-9~module-only", "3.9.21", None, ["python3.9"]),
        ("amazon-2023", "3.9.16", Pip("21.3.1", "3.9.16"), ["python3.9"]),
        ("amazon-2~none", None, None, []),
    ],
)
def test_pythons_are_what_they_say_when_run(
    name: str, python3: str | None, pip3: Pip | None, others: list[str]
) -> None:
    """`python3` as it really is, pip3 by its own Python, and the others that run; a shim that does not is none."""
    fact = read(ReadPythons("vm"), name)
    assert fact.python3 == (Python("python3", python3) if python3 else None)
    assert fact.pip3 == pip3
    assert [one.command for one in fact.others] == others


def test_a_broken_pip_keeps_what_it_said() -> None:
    """The interpreter of pip3's first line is gone: that is what a person has to be told."""
    fact = read(ReadPythons("vm"), "debian-12~broken-pip")
    assert fact.broken == "/usr/bin/python3.9: No such file or directory"
    assert read(ReadPythons("vm"), "rocky-9~module-only").module_pip == "21.3.1"


PROBES: list[HostProbe[object]] = [
    ReadSystem("vm"),
    ReadIdentity("vm"),
    ReadCpu("vm"),
    ReadMemory("vm"),
    ReadDmiMemory("vm"),
    ReadDisks("vm"),
    ReadInterfaces("vm"),
    ReadListeners("vm"),
    ReadPythons("vm"),
]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.section)
def test_any_text_is_a_fact_or_a_reason(probe: HostProbe[object]) -> None:
    """Whatever a machine prints, and however a real answer is torn, nothing else than a ProbeError is raised."""
    real = every(probe.section)

    @given(st.data())
    def survives(data: st.DataObject) -> None:
        text = data.draw(st.sampled_from([*real, ""]))
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        noise = data.draw(st.text(max_size=30) | st.sampled_from(["9" * 5000, "{" * 3000, "[" * 99999, "\n--- 0\n"]))
        torn = text[:start] + noise + text[end:]
        for response in (torn, f"{torn}\n[exit 0]"):
            with contextlib.suppress(ProbeError):
                probe.parse(response)

    survives()
