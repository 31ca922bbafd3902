"""Virtual machines for the EXEC components: the resources that the page recommends."""

from __future__ import annotations

import re
from collections.abc import Sequence

from readiness import (
    Attempt,
    Cause,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Obligation,
    Owner,
    Requirement,
    Settled,
    Status,
    Unread,
)
from readiness.probes.docker import Docker, ReadDocker
from readiness.probes.linux import Cpu, Disks, DmiMemory, Memory, ReadCpu, ReadDisks, ReadDmiMemory, ReadMemory
from readiness.site import Site, VmTarget
from readiness_checks.machine import (
    NO_ANSWER,
    VMS,
    WEEK,
    Comparison,
    commands,
    every_vm,
    exact,
    gigabytes,
    place,
)

RECOMMENDED = "The figure stands in the page's sentence of recommendations, so missing it warns."


class EnoughCpu(Check[VmTarget, Cpu]):
    requirement = Requirement(
        id="vm.cpu",
        section=VMS,
        text="Each VM has the CPU cores that the page recommends: two, in its default revision.",
        proof="The logical processors that the VM's kernel has online (/sys/devices/system/cpu/online).",
        outcomes={
            Status.PASS: "As many logical processors are online as the page recommends, or more.",
            Status.WARN: "Fewer are online than the page recommends.",
            Status.UNKNOWN: NO_ANSWER,
        },
        remedy=(
            "Give <VM> more vCPUs in the hypervisor, boot it, and confirm with: nproc --all. Where they are there and"
            " offline: echo 1 | sudo tee /sys/devices/system/cpu/cpu<N>/online"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
        obligation=Obligation.RECOMMENDED,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadCpu(target.name),)

    def judge(self, target: VmTarget, cpu: Cpu) -> Judgement:
        wanted = target.site.page.cpu
        shown = Evidence(
            label="Processors online", value=str(cpu.online), level=Level.AUTHENTICATED, of=cpu, method=cpu.told_by
        )
        compared = Comparison(
            expected=f"{wanted} logical processors or more", observed=f"{cpu.online} online", evidence=(shown,)
        )
        has = "1 logical processor" if cpu.online == 1 else f"{cpu.online} logical processors"
        if cpu.online >= wanted:
            return compared.met(
                f"{target.name} has {has}.",
                "A core of the page is read as a logical processor that the kernel has online.",
            )
        return compared.missed(
            f"{target.name} has {has}; {wanted} are recommended.",
            f"A core of the page is read as a logical processor that the kernel has online. {RECOMMENDED}",
            remedy=commands(
                f"Give {target.name} {wanted} vCPUs in the hypervisor, boot it, and confirm on"
                f" {place(target.name, target.host)}:",
                "nproc --all",
                "cat /sys/devices/system/cpu/online",
            ),
            job=f"Give {target.name} {wanted} vCPUs; it has {cpu.online}",
            lane=Lane.CAPACITY,
        )


class EnoughMemory(Check[VmTarget, Memory, DmiMemory | Unread]):
    requirement = Requirement(
        id="vm.memory",
        section=VMS,
        text="Each VM has the memory that the page recommends: 8 GB.",
        proof=(
            "The memory that the VM was given: the blocks that its kernel has online, else the modules that its"
            " firmware describes. MemTotal of /proc/meminfo is less, since kernel and firmware keep some; it decides"
            " only where nothing else can be read, and then 7.4 GB will do for 8."
        ),
        outcomes={
            Status.PASS: "The VM was given as much memory as the page recommends, or more.",
            Status.WARN: "The VM was given less than the page recommends.",
            Status.UNKNOWN: NO_ANSWER,
        },
        remedy="Give <VM> 8 GB of memory in the hypervisor, boot it, and confirm with: lsmem --summary=only",
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
        obligation=Obligation.RECOMMENDED,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadMemory(target.name), Attempt(ReadDmiMemory(target.name)))

    def judge(self, target: VmTarget, memory: Memory, dmi: DmiMemory | Unread) -> Judgement:
        wanted = target.site.page.memory
        total = Evidence(label="MemTotal", value=exact(memory.total), level=Level.AUTHENTICATED, of=memory)
        given = _given(memory, dmi)
        evidence: tuple[Evidence, ...] = (total,)
        if given is not None:
            size, least, evidence = given[0], wanted, (given[1], total)
            kind = "What the VM was given decides; MemTotal is less, since kernel and firmware keep some."
        else:
            size, least = memory.total, wanted * 925 // 1000
            kind = (
                "Only MemTotal could be read, which is what kernel and firmware leave:"
                f" {gigabytes(least)} of it will do for {gigabytes(wanted)}."
            )
        compared = Comparison(
            expected=f"{gigabytes(wanted)} or more",
            observed=f"{exact(size)} of {evidence[0].label}",
            evidence=evidence,
        )
        read = f"{gigabytes(wanted)} is read as {wanted:,} bytes, the reading that is kindest to the customer. {kind}"
        if size >= least:
            return compared.met(f"{target.name} has {gigabytes(size)} of memory.", read)
        return compared.missed(
            f"{target.name} has {gigabytes(size)} of memory; {gigabytes(wanted)} are recommended.",
            f"{read} {RECOMMENDED}",
            remedy=commands(
                f"Give {target.name} {gigabytes(wanted)} of memory in the hypervisor, boot it, and confirm on"
                f" {place(target.name, target.host)}:",
                "lsmem --summary=only || head -n 1 /proc/meminfo",
            ),
            job=f"Give {target.name} {gigabytes(wanted)} of memory; it has {gigabytes(size)}",
            lane=Lane.CAPACITY,
        )


def _given(memory: Memory, dmi: DmiMemory | Unread) -> tuple[int, Evidence] | None:
    """The memory that the machine was given in bytes, and where that stands; ``None`` where nothing tells."""
    if memory.installed is not None:
        size = memory.installed
        return size, Evidence(label="memory blocks online", value=exact(size), level=Level.AUTHENTICATED, of=memory)
    if isinstance(dmi, DmiMemory) and dmi.installed is not None:
        size = dmi.installed
        return size, Evidence(label="memory modules", value=exact(size), level=Level.AUTHENTICATED, of=dmi)
    return None


class EnoughDisk(Check[VmTarget, Disks, Docker | Unread]):
    requirement = Requirement(
        id="vm.disk",
        section=VMS,
        text="Each VM has the disk that the page recommends: at least 80 GB, in its default revision.",
        proof=(
            "The sizes of all disks that cannot be taken out, added up (lsblk -b). A file system shows less than its"
            " disk; the one that holds Docker's data root is shown beside it, and not judged."
        ),
        outcomes={
            Status.PASS: "The disks add up to what the page recommends, or more.",
            Status.WARN: "The disks add up to less than the page recommends.",
            Status.UNKNOWN: f"{NO_ANSWER} Or it shows no disk of its own, as a container does.",
        },
        remedy=(
            "Extend the disk of <VM> in the hypervisor, then on the VM: echo 1 | sudo tee"
            " /sys/class/block/<disk>/device/rescan; sudo growpart /dev/<disk> <partition>; grow the file system"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
        obligation=Obligation.RECOMMENDED,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadDisks(target.name), Attempt(ReadDocker(target.name)))

    def judge(self, target: VmTarget, disks: Disks, docker: Docker | Unread) -> Judgement:
        wanted = target.site.page.disk
        compared = Comparison(
            expected=f"{gigabytes(wanted)} or more",
            observed=f"{exact(disks.total)} on {', '.join(disk.name for disk in disks.disks) or 'no disk'}",
            evidence=_measured(disks, docker),
        )
        if not disks.disks:
            return compared.unknown(
                f"{target.name} shows no disk that could be measured.",
                Cause.UNSUPPORTED,
                "no device there is a disk of its own, as in a container or on a root over the network",
                enable=f"Run `lsblk -b` on {place(target.name, target.host)} and see where its storage comes from.",
            )
        read = f"{gigabytes(wanted)} is read as {wanted:,} bytes of disk; a file system on it shows less."
        if isinstance(docker, Docker) and docker.data is not None and docker.data.size * 2 < wanted:
            read += (
                f" Docker keeps its images on a file system of {gigabytes(docker.data.size)} only ({docker.data_root}):"
                " move its data root to where the space is."
            )
        if disks.total >= wanted:
            return compared.met(f"{target.name} has {gigabytes(disks.total)} of disk.", read)
        return compared.missed(
            f"{target.name} has {gigabytes(disks.total)} of disk; {gigabytes(wanted)} are recommended.",
            f"{read} {RECOMMENDED}",
            remedy=_extend(target, disks),
            job=f"Extend the disk of {target.name} to {gigabytes(wanted)}; it has {gigabytes(disks.total)}",
            lane=Lane.CAPACITY,
        )


def _measured(disks: Disks, docker: Docker | Unread) -> tuple[Evidence, ...]:
    evidence = [
        Evidence(label=disk.name, value=exact(disk.size), level=Level.AUTHENTICATED, of=disks) for disk in disks.disks
    ]
    if disks.root is not None:
        root = f"{gigabytes(disks.root.size)} on {disks.root.device}, {gigabytes(disks.root.free)} free"
        evidence.append(Evidence(label="File system /", value=root, level=Level.AUTHENTICATED, of=disks))
    if isinstance(docker, Docker) and docker.data is not None:
        data = docker.data
        held = f"{docker.data_root}: {gigabytes(data.size)} on {data.device}, {gigabytes(data.free)} free"
        row = Evidence(
            label="Docker's data root", value=held, level=Level.AUTHENTICATED, of=docker, method="docker info, df"
        )
        evidence.append(row)
    return tuple(evidence)


def _partition(disks: Disks) -> tuple[str, str]:
    """The disk that holds / and its partition's number, as in sda2 and nvme0n1p2; else the first disk and nothing."""
    device = disks.root.device.removeprefix("/dev/") if disks.root is not None else ""
    for disk in disks.disks:
        divider = "p" if disk.name[-1:].isdecimal() else ""
        found = re.fullmatch(rf"{re.escape(disk.name)}{divider}([1-9][0-9]{{0,2}})", device)
        if found is not None:
            return disk.name, found[1]
    return disks.disks[0].name, ""


def _extend(target: VmTarget, disks: Disks) -> str:
    first, number = _partition(disks)
    device = disks.root.device if disks.root is not None else f"/dev/{first}"
    which = "" if number else f", with the number of the partition that holds {device}"
    return commands(
        f"Extend {first} of {target.name} to {gigabytes(target.site.page.disk)} in the hypervisor, or add a disk for"
        f" Docker's data root. Then on {place(target.name, target.host)}{which}:",
        f"echo 1 | sudo tee /sys/class/block/{first}/device/rescan",
        f"lsblk /dev/{first}",
        f"sudo growpart /dev/{first} {number or '<number>'}",
        *(
            ("sudo pvresize /dev/<partition>", f"sudo lvextend -r -l +100%FREE {device}")
            if device.startswith("/dev/mapper/")
            else (f"sudo resize2fs {device} || sudo xfs_growfs /",)
        ),
    )
