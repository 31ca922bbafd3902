"""Virtual machines for the EXEC components: which they are, what they run, and the port each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

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
    Origin,
    Owner,
    Requirement,
    Settled,
    Status,
    Unread,
)
from readiness.probes.docker import Compose, Docker, ReadCompose, ReadDocker
from readiness.probes.linux import (
    Family,
    Identity,
    Listeners,
    ReadIdentity,
    ReadListeners,
    ReadSystem,
    System,
)
from readiness.site import Page, Role, Site, SiteTarget, Vm, VmTarget
from readiness_checks.machine import (
    NO_ANSWER,
    VMS,
    WEEK,
    Comparison,
    amazon,
    commands,
    every_vm,
    install_compose,
    judge_engine,
    place,
)

# -- the VMs as planned ---------------------------------------------------------------------------------------


def _whole_site(site: Site) -> Sequence[SiteTarget | Settled]:
    target = SiteTarget.of(site)
    if site.vms:
        return (target,)
    return (Settled(target=target, judgement=Judgement.undeclared("vms", what="VMs")),)


class RolesPlanned(Check[SiteTarget]):
    requirement = Requirement(
        id="vm.roles",
        section=VMS,
        text="The site has a VM of its own for every EXEC component: one EXCS, one EXAS and two EXCP.",
        proof=(
            "From the site file alone: the VMs that it names are counted by role and compared with the figures of the"
            " page's revision. That each of them is there, and is what it should be, the other checks of VMs prove."
        ),
        outcomes={
            Status.PASS: "Each role has as many VMs as the page asks for, and all of them are built.",
            Status.WARN: "A role has more VMs than the page knows what to do with, or fewer than its SIP Servers want.",
            Status.FAIL: "A role has fewer VMs than the page asks for.",
            Status.UNKNOWN: "The site file names no VMs, or some that the page asks for have no `host` yet.",
        },
        remedy=(
            "Have a VM created for each component that lacks one, and add it to `vms` in the site file:\n- {name:"
            " <name>, role: <role>, host: <address>}"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=timedelta(days=30),
    )

    def targets(self, site: Site) -> Sequence[SiteTarget | Settled]:
        return _whole_site(site)

    def needs(self, target: SiteTarget) -> Needs:
        return ()

    def judge(self, target: SiteTarget) -> Judgement:
        page = target.site.page
        counts = [_Count.of(target.site, role) for role in Role if _asked(page, role) or target.site.vms_of(role)]
        observed = ", ".join(f"{count.planned} {count.role.label}" for count in counts)
        compared = Comparison(
            expected=", ".join(f"{count.asked} {count.role.label}" for count in counts if count.asked),
            observed=observed,
            evidence=tuple(count.evidence for count in counts),
        )
        lacking = [count for count in counts if count.planned < count.asked]
        if lacking:
            missing = ", ".join(f"{count.asked - count.planned} {count.role.label}" for count in lacking)
            return compared.missed(
                f"The site lacks VMs: {missing}.",
                f"The page ({page.revision}) wants one component on each VM, and counts them by role.",
                remedy=commands(
                    "Have them created, and add them to `vms` in the site file:",
                    *(
                        f"- {{name: {count.role.value}-{number}, role: {count.role.value}, host: <address>}}"
                        for count in lacking
                        for number in range(count.planned + 1, count.asked + 1)
                    ),
                ),
                job=f"Create the VMs that are missing: {missing}",
                lane=Lane.CAPACITY,
            )
        unbuilt = ", ".join(vm.name for count in counts for vm in count.vms if not vm.built)
        if unbuilt:
            return compared.unknown(
                f"Enough VMs are planned, but {unbuilt} cannot be looked at yet.",
                Cause.UNDECLARED,
                f"{unbuilt} without `host` in the site file",
                enable="Give each of them its `host` in the site file once it is built, and run the audit again.",
                lane=Lane.CONFIGURATION,
            )
        doubts = "; ".join(doubt for count in counts for doubt in count.doubts(target.site))
        if doubts:
            return compared.weak(
                f"Every role has its VMs, with a remark: {doubts}.",
                f"The page ({page.revision}) gives a figure for each role, and leaves open what other numbers mean.",
                remedy="Have Genesys confirm the plan, or bring `vms` in the site file to the page's figures. See first"
                f" that `page.revision` is the right one; it is {page.revision}.",
                job="Have the number of VMs for each role confirmed",
                lane=Lane.CAPACITY,
            )
        return compared.met(
            f"Every role has its VMs: {observed}.",
            f"Counted in the site file, as the page ({page.revision}) counts them.",
        )


@dataclass(frozen=True)
class _Count:
    """How many VMs of a role the page asks for, and which are planned."""

    role: Role
    asked: int
    vms: tuple[Vm, ...]

    @staticmethod
    def of(site: Site, role: Role) -> _Count:
        return _Count(role, _asked(site.page, role), site.vms_of(role))

    @property
    def planned(self) -> int:
        return len(self.vms)

    @property
    def evidence(self) -> Evidence:
        names = ", ".join(vm.name for vm in self.vms) or "none"
        return Evidence(label=f"{self.role.label} VMs", value=names, level=Level.DECLARED)

    def doubts(self, site: Site) -> list[str]:
        """What the page leaves open about this number, where it is not too small."""
        if self.role is Role.EXRP and self.asked:
            return []  # the page asks for two at least, so more is as good
        label, wanted = self.role.label, self.asked
        if self.role is Role.EXCP and _asked(site.page, Role.EXRP) and isinstance(site.sip_servers, tuple):
            pairs = -(-len(site.sip_servers) // 2)
            wanted = max(self.asked, 2 * pairs)
            if self.planned < wanted:
                return [
                    f"{len(site.sip_servers)} SIP Servers, in pairs, want {wanted} {label}; {self.planned} are planned"
                ]
        if self.planned == wanted:
            return []
        if not wanted:
            return [f"the page's revision {site.page.revision} knows no {label}"]
        return [f"{self.planned} {label} where the page asks for {wanted}"]


def _asked(page: Page, role: Role) -> int:
    return page.vm_roles.get(role.value, 0)


IdentityFact = Identity | Unread
Known = Sequence[tuple[str, Identity]]


class OneComponentEach(Check[SiteTarget, *tuple[IdentityFact, ...]]):
    requirement = Requirement(
        id="vm.one-component-each",
        section=VMS,
        text="Each VM carries one component: no two of the names in the site file lead to the same machine.",
        proof=(
            "Every VM is asked for the boot id of its running kernel (random(4)), which no two running kernels share,"
            " and for the machine id and SSH host keys, which careless cloning copies."
        ),
        outcomes={
            Status.PASS: "All VMs run kernels of their own.",
            Status.WARN: "They are different machines, but clones: two of them share a machine id or an SSH host key.",
            Status.FAIL: "Two names lead to the same running kernel, so two components would share one machine.",
            Status.UNKNOWN: "Not every VM could be asked, and those that could are different machines.",
        },
        remedy=(
            "Give every component a VM of its own, and each VM in the site file its own `host`. Renew what a clone"
            " carries over: rm /etc/machine-id, systemd-machine-id-setup, rm /etc/ssh/ssh_host_*, ssh-keygen -A."
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
    )

    def targets(self, site: Site) -> Sequence[SiteTarget | Settled]:
        return _whole_site(site)

    def needs(self, target: SiteTarget) -> Needs:
        return tuple(Attempt(ReadIdentity(vm.name)) for vm in target.site.vms if vm.built)

    def judge(self, target: SiteTarget, *facts: IdentityFact) -> Judgement:
        built = [vm.name for vm in target.site.vms if vm.built]
        unbuilt = [vm.name for vm in target.site.vms if not vm.built]
        known = [(name, fact) for name, fact in zip(built, facts, strict=True) if isinstance(fact, Identity)]
        unread = [(name, fact) for name, fact in zip(built, facts, strict=True) if isinstance(fact, Unread)]
        same = _sharing(known, lambda one: (one.boot_id,))
        clones = _sharing(known, lambda one: (one.machine_id, *one.host_keys))
        different = len({fact.boot_id for _, fact in known})
        compared = Comparison(
            expected="a different boot id on every VM",
            observed=f"{different} different boot ids on {len(known)} of {len(target.site.vms)} VMs"
            + (f"; a machine id or SSH host key in common: {clones}" if clones else ""),
            evidence=tuple(
                Evidence(label=name, value=f"boot id {fact.boot_id}", level=Level.AUTHENTICATED, of=fact)
                for name, fact in known
            ),
        )
        if same:
            return compared.missed(
                f"Two names lead to one machine: {same}.",
                "A boot id belongs to one running kernel. Where two names show the same, they are one machine, or"
                " containers on one.",
                remedy=f"Give each component a VM of its own, and in the site file each its own `host`: {same}.",
                job=f"Give each of these a machine of its own: {same}",
                lane=Lane.CONFIGURATION,
            )
        if unread or unbuilt or len(known) < 2:
            return _not_all(compared, unread, unbuilt)
        if clones:
            return compared.weak(
                f"The VMs are different machines, but some are clones: {clones}.",
                "Different boot ids prove different machines. A shared machine id can give two VMs one address by"
                " DHCP, and a shared host key lets one pass for the other.",
                remedy=commands(
                    f"On one of each pair ({clones}), then confirm its new host key with `readiness hostkeys`:",
                    "sudo rm -f /etc/machine-id /var/lib/dbus/machine-id && sudo systemd-machine-id-setup",
                    "sudo rm -f /etc/ssh/ssh_host_* && sudo ssh-keygen -A",
                    "sudo systemctl restart sshd || sudo systemctl restart ssh",
                ),
                job=f"Renew machine id and SSH host keys of the clones: {clones}",
                lane=Lane.CONFIGURATION,
            )
        return compared.met(
            f"The {len(known)} VMs are {different} different machines.",
            "A boot id belongs to one running kernel, so different ones are different machines. Nor do they share a"
            " machine id or an SSH host key, as clones would.",
        )


def _sharing(known: Known, marks: Callable[[Identity], tuple[str, ...]]) -> str:
    """The pairs of names whose machines have one of these marks in common, in words; empty where none do."""
    return "; ".join(
        f"{one} and {other}"
        for (one, first), (other, second) in combinations(known, 2)
        if {mark for mark in marks(first) if mark} & set(marks(second))
    )


def _not_all(compared: Comparison, unread: Sequence[tuple[str, Unread]], unbuilt: Sequence[str]) -> Judgement:
    names = ", ".join([*(name for name, _ in unread), *unbuilt]) or "the VMs"
    summary = f"Whether {names} are machines of their own could not be determined; no two that were asked are one."
    if unread:
        name, reason = unread[0][0], unread[0][1].reason
        return compared.unknown(summary, reason.code, f"{name}: {reason.detail}", enable=reason.enable)
    return compared.unknown(
        summary,
        Cause.UNDECLARED,
        f"{names} without `host` in the site file" if unbuilt else "the site file names one VM, so none to compare",
        enable="Give every VM its `host` in the site file once it is built, and run the audit again.",
        lane=Lane.CONFIGURATION,
    )


# -- the system -----------------------------------------------------------------------------------------------


class SixtyFourBitLinux(Check[VmTarget, System]):
    requirement = Requirement(
        id="vm.os",
        section=VMS,
        text="Each VM runs a 64-bit Linux.",
        proof="The VM's own words: uname(1) for the kernel, getconf LONG_BIT for its programs, os-release(5).",
        outcomes={
            Status.PASS: "The kernel is Linux, and both kernel and programs are 64 bits wide.",
            Status.FAIL: "The kernel is not Linux, or kernel or programs are 32 bits wide.",
            Status.UNKNOWN: NO_ANSWER,
        },
        remedy=(
            "Install a 64-bit Linux on <VM>: a 32-bit one is not turned into it in place. To see what it is: uname"
            " -srm; getconf LONG_BIT"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadSystem(target.name),)

    def judge(self, target: VmTarget, system: System) -> Judgement:
        kernel = f"{system.kernel_name} {system.machine}"
        programs = f"{system.userland_bits}-bit" if system.userland_bits else "of unknown width"
        rows = (("System", system.name), ("Kernel", kernel), ("Programs", programs))
        observed = f"{system.name}, {kernel}, programs {programs}"
        where = place(target.name, target.host)
        compared = Comparison(
            expected="Linux, kernel and programs of 64 bits",
            observed=observed,
            evidence=tuple(
                Evidence(label=label, value=value, level=Level.AUTHENTICATED, of=system) for label, value in rows
            ),
        )
        if system.kernel_name != "Linux" or 32 in (system.kernel_bits, system.userland_bits):
            return compared.missed(
                f"{target.name} does not run a 64-bit Linux: {observed}.",
                "The kernel names itself and its machine; `getconf LONG_BIT` shows what its programs are built for."
                " Both count, since containers need both.",
                remedy=commands(
                    f"Install a 64-bit Linux with kernel 4.18 or later on {where}. To see what it is now:",
                    "uname -srm; getconf LONG_BIT",
                ),
                job=f"Install a 64-bit Linux on {target.name}",
                lane=Lane.CONFIGURATION,
            )
        if system.kernel_bits is None or system.userland_bits is None:
            return compared.unknown(
                f"{target.name} runs Linux, but whether it is a 64-bit one could not be determined.",
                Cause.TOOL_MISSING,
                f"its machine is called '{system.machine}', and its programs are {programs}",
                enable=f"Have uname and getconf (libc-bin, glibc-common) on {where} and run the audit again.",
            )
        return compared.met(
            f"{target.name} runs {system.name}, 64-bit.",
            "Kernel and programs are both 64 bits wide by the machine's own words.",
        )


class RecentKernel(Check[VmTarget, System]):
    least = (4, 18)
    requirement = Requirement(
        id="vm.kernel",
        section=VMS,
        text="The kernel of each VM is 4.18 or later.",
        proof="uname -r on the VM, compared number by number: 4.9 comes before 4.18.",
        outcomes={
            Status.PASS: "The running kernel is 4.18 or later.",
            Status.FAIL: "The running kernel is older than 4.18.",
            Status.UNKNOWN: NO_ANSWER,
        },
        remedy=(
            "Bring <VM> to a release whose kernel is 4.18 or later (Red Hat 8, Debian 10, Ubuntu 20.04, SLES 15 SP2 and"
            " what came after them), boot it, and confirm with: uname -r"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadSystem(target.name),)

    def judge(self, target: VmTarget, system: System) -> Judgement:
        where = place(target.name, target.host)
        compared = Comparison(
            expected="4.18 or later",
            observed=system.kernel,
            evidence=(Evidence(label="Kernel", value=system.kernel, level=Level.AUTHENTICATED, of=system),),
        )
        if not system.kernel_version:
            return compared.unknown(
                f"The kernel of {target.name} does not say its version in numbers.",
                Cause.PARSE,
                f"the kernel's release is '{system.kernel}'",
                enable=f"Run `uname -r` on {where}: it has to begin with numbers.",
            )
        numbers = ".".join(map(str, system.kernel_version))
        if system.kernel_version >= self.least:
            return compared.met(
                f"{target.name} runs kernel {system.kernel}.", f"Number by number, {numbers} does not come before 4.18."
            )
        return compared.missed(
            f"The kernel of {target.name} is {system.kernel}; 4.18 or later is asked for.",
            f"Number by number, {numbers} comes before 4.18.",
            remedy=commands(f"On {where}, which runs {system.name}:", *_newer_kernel(system)),
            job=f"Bring {target.name} to kernel 4.18 or later; it runs {system.kernel}",
            lane=Lane.VERSION,
        )


def _newer_kernel(system: System) -> tuple[str, ...]:
    if amazon(system) == "2":
        return ("sudo amazon-linux-extras install -y kernel-5.10", "sudo reboot", "uname -r")
    match system.family:
        case Family.RED_HAT:
            return (
                "sudo dnf upgrade -y kernel && sudo reboot",
                "uname -r",
                "# release 7 and its kin stay at 3.10: install release 8 or 9",
            )
        case Family.DEBIAN:
            image = f"linux-generic-hwe-{system.version_id}" if system.id == "ubuntu" else "linux-image-amd64"
            return (
                f"sudo apt-get update && sudo apt-get install -y {image} && sudo reboot",
                "uname -r",
                "# still older: upgrade the release itself",
            )
        case Family.SUSE:
            return (
                "sudo zypper --non-interactive update kernel-default && sudo reboot",
                "uname -r",
                "# still older: sudo zypper migration, to SLES 15 SP2 or later",
            )
        case Family.OTHER:
            return ("uname -r", "# upgrade the release, since the kernel comes with it")


# -- its engine -----------------------------------------------------------------------------------------------


class DockerEngine(Check[VmTarget, Docker, System | Unread]):
    requirement = Requirement(
        id="vm.docker",
        section=VMS,
        text="Docker 20 or later runs on each VM.",
        proof=(
            "The engine's own version, asked on the VM's own socket (docker version, Server). Nothing is started, and"
            " neither the client's version nor that of the engine's files counts."
        ),
        outcomes={
            Status.PASS: "The engine answers, and is of version 20 or later.",
            Status.FAIL: (
                "The engine is older, there is none, only its client is there, it is stopped, or what answers to"
                " `docker` is Podman."
            ),
            Status.UNKNOWN: (
                "The VM could not be asked, the audit's user has no right to the engine's socket, or the engine did not"
                " answer in time."
            ),
        },
        remedy=(
            "Install or upgrade Docker Engine on <VM> as https://docs.docker.com/engine/install/ says for its"
            " distribution, start it (sudo systemctl enable --now docker), and confirm with: docker version --format"
            " '{{.Server.Version}}'"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadDocker(target.name), Attempt(ReadSystem(target.name)))

    def judge(self, target: VmTarget, docker: Docker, system: System | Unread) -> Judgement:
        return judge_engine(docker, system, name=target.name, host=target.host)


class ComposeThere(Check[VmTarget, Compose, System | Unread, Docker | Unread]):
    requirement = Requirement(
        id="vm.compose",
        section=VMS,
        text="Each VM can run Compose files, since EXEC's components come as such.",
        proof="docker compose version on the VM, else that of the docker-compose command.",
        outcomes={
            Status.PASS: "The Compose plugin or the docker-compose command runs.",
            Status.FAIL: "Docker knows no `compose`, and there is no docker-compose command.",
            Status.UNKNOWN: NO_ANSWER,
        },
        remedy=(
            "Install the Compose plugin on <VM>: docker-compose-plugin, docker-compose-v2 or docker-compose, as its"
            " distribution calls the package. Confirm with: docker compose version"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
        origin=Origin.IMPLIED,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return every_vm(site)

    def needs(self, target: VmTarget) -> Needs:
        return (ReadCompose(target.name), Attempt(ReadSystem(target.name)), Attempt(ReadDocker(target.name)))

    def judge(self, target: VmTarget, compose: Compose, system: System | Unread, docker: Docker | Unread) -> Judgement:
        found = f"{compose.command} {compose.version}".strip()
        said = found or compose.said or "neither docker nor docker-compose is on PATH"
        compared = Comparison(
            expected="the Compose plugin, or the docker-compose command",
            observed=found or "neither is there for the audit's user",
            evidence=(Evidence(label="Compose", value=said, level=Level.AUTHENTICATED, of=compose),),
        )
        if found:
            return compared.met(
                f"{target.name} can run Compose files: {found}.",
                "It was run for its version. The page speaks of Compose files, so either kind will do.",
            )
        return compared.missed(
            f"{target.name} has nothing that runs Compose files.",
            "EXEC's components are delivered as Compose files; the page says so, and does not ask for Compose by name.",
            remedy=commands(
                f"On {place(target.name, target.host)}:", *install_compose(system, docker), "docker compose version"
            ),
            job=f"Install Docker Compose on {target.name}",
            lane=Lane.SERVICE,
        )


# -- its port -------------------------------------------------------------------------------------------------


class PortFree(Check[VmTarget, Listeners]):
    requirement = Requirement(
        id="vm.ports-free",
        section=VMS,
        text="Nothing on a VM holds the port that its component will listen on.",
        proof="The listening TCP sockets of the VM (ss -ltnp); root is told which process holds them.",
        outcomes={
            Status.PASS: "No process listens on the component's port, on any address.",
            Status.WARN: "Something listens there already: the component itself, or something in its way.",
            Status.UNKNOWN: NO_ANSWER,
            Status.SKIP: "The port of this component is not published and not declared.",
        },
        remedy="See who holds the port on <VM>, and stop or move it: sudo ss -ltnp 'sport = :<port>'",
        owner=Owner.VIRTUALISATION,
        valid_for=WEEK,
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return [self._known(target) for target in every_vm(site)]

    def _known(self, target: VmTarget | Settled) -> VmTarget | Settled:
        if isinstance(target, Settled) or target.vm.port is not None:
            return target
        why = f"No port of {target.vm.role.label} is published, and the site file declares none."
        return Settled(target=target, judgement=Judgement.skip(why))

    def needs(self, target: VmTarget) -> Needs:
        return (ReadListeners(target.name),)

    def judge(self, target: VmTarget, listeners: Listeners) -> Judgement:
        port, label = target.vm.port, target.vm.role.label
        assert port is not None
        holders = listeners.on(port)
        hidden = "a process of another user, whose name only root is told"
        named = ", ".join(sorted({one.process for one in holders if one.process})) or hidden
        who = ", ".join(sorted({f"{one.process} (pid {one.pid})" for one in holders if one.process})) or hidden
        sockets = ", ".join(sorted({f"{one.address} port {port}" for one in holders}))
        seen = f"{sockets}, held by {who}" if holders else f"{len(listeners.listeners)} listeners, none of them there"
        compared = Comparison(
            expected=f"nothing listens on port {port}",
            observed=f"{sockets}, held by {named}" if holders else f"nothing listens on port {port}",
            evidence=(Evidence(label=f"Port {port}", value=seen, level=Level.AUTHENTICATED, of=listeners),),
        )
        if not holders:
            return compared.met(
                f"Port {port} of {target.name} is free for {label}.",
                "All listening TCP sockets of the machine were read, on all of its addresses.",
            )
        return compared.missed(
            f"Port {port} of {target.name}, which {label} needs, is taken by {who}.",
            "A port that listens already cannot be given to a container. Where this is EXEC itself, deployed before,"
            " all is as it should be.",
            remedy=commands(
                f"See who holds it on {place(target.name, target.host)}; unless it is {label}, stop it or move it:",
                f"sudo ss -ltnp 'sport = :{port}'",
                f"docker ps --filter publish={port}",
            ),
            job=f"Free port {port} on {target.name}: {who}",
            lane=Lane.SERVICE,
        )
