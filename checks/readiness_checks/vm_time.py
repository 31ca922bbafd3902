"""Virtual machines for the EXEC components: what keeps their clocks, and how right they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

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
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.clock import ClockReading, ReadClock
from readiness.probes.linux import Family, ReadSystem, System
from readiness.probes.time_sync import Keeper, ReadTimeSync, TimeSync
from readiness.site import Absent, Site, Vm, VmTarget
from readiness_checks.machine import VMS, Comparison, amazon, commands, duration, every_vm, family, place

DAY = 24 * 3600.0
"""The seconds within which the page wants a clock to be set again."""


class TimeSynchronised(Check[VmTarget, TimeSync, System | Unread]):
    requirement = Requirement(
        id="vm.time-sync",
        section=VMS,
        text=(
            "The EXAS VM sets its clock by a time source at least once every 24 hours; in the `recording` revision"
            " every EXEC VM does."
        ),
        proof=(
            "What keeps the clock is asked on the VM: chronyc tracking and sources, timedatectl show-timesync, ntpq"
            " -pn, or the hypervisor's guest tools. It must have set the clock within 24 hours and go on doing so."
        ),
        outcomes={
            Status.PASS: (
                "A time source is selected, the last update is at most 24 hours old and polls are no further apart; or"
                " the guest tools show that they set the clock."
            ),
            Status.WARN: "The clock is set now, but the configuration allows more than 24 hours between two polls.",
            Status.FAIL: "Nothing sets the clock, its last update is older than 24 hours, or polls are further apart.",
            Status.UNKNOWN: (
                "A time service runs without telling when it last set the clock, or the VM could not be asked. The"
                " kernel's flag alone decides nothing, since it outlives a dead time server."
            ),
            Status.SKIP: "The page's revision does not ask it of a VM of this role.",
        },
        remedy=(
            "Run chrony on <VM> with a time server that it reaches by UDP 123, and confirm with: chronyc tracking;"
            " chronyc sources -v"
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=timedelta(hours=24),
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        if not site.vms:
            return (Settled.without_vms(),)
        return [self._target(vm, site) for vm in site.vms]

    def _target(self, vm: Vm, site: Site) -> VmTarget | Settled:
        asked = site.page.time_sync_roles
        if vm.role.value in asked:
            return VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm)
        roles = " and ".join(role.upper() for role in asked)
        why = f"asks this of {roles} only" if asked else "asks this of no VM"
        return Settled(
            target=Target(kind=TargetKind.VM, name=vm.name, host=vm.host),
            judgement=Judgement.skip(f"The page's revision {site.page.revision} {why}."),
        )

    def needs(self, target: VmTarget) -> Needs:
        return (ReadTimeSync(target.name), Attempt(ReadSystem(target.name)))

    def judge(self, target: VmTarget, sync: TimeSync, system: System | Unread) -> Judgement:
        compared = Comparison(
            expected="set within the last 24 hours, by a source that is polled at least as often",
            observed=_observed(sync),
            evidence=_evidence(sync),
            figures={} if sync.age is None else {"age_s": sync.age, "limit_s": DAY},
        )
        return _Clock(target, sync, _Commands(sync, system), compared).judge()


def _observed(sync: TimeSync) -> str:
    if sync.keeper is Keeper.NONE:
        return sync.hypervisor or "no time service runs, and no guest tools set the clock"
    age = f"last set {duration(sync.age)} ago" if sync.age is not None else "no word of when it last set the clock"
    return f"{', '.join(sync.processes)}: {age}"


def _evidence(sync: TimeSync) -> tuple[Evidence, ...]:
    rows = [("Time service", ", ".join(sync.processes) or "none")]
    if sync.hypervisor:
        rows.append(("Guest tools", f"{sync.hypervisor}: time synchronisation enabled"))
    if sync.age is not None:
        rows.append(("Clock last set", f"{duration(sync.age)} ago"))
    for source in sync.sources[:6]:
        words = [
            "selected" if source.selected else "not selected",
            f"reach {source.reach:o}" if source.reach is not None else "",
            f"heard {duration(source.heard)} ago" if source.heard is not None else "",
            f"polled every {duration(source.poll)}" if source.poll else "",
        ]
        rows.append((source.name, ", ".join(word for word in words if word)))
    if sync.longest is not None:
        rows.append(("Longest poll interval", duration(sync.longest)))
    if sync.flag is not None:
        rows.append(("Kernel's flag", "synchronised" if sync.flag else "not synchronised"))
    rows += [("Scheduled", line) for line in sync.scheduled]
    if sync.clocks:
        rows.append(("Clocks of the hypervisor", ", ".join(sync.clocks)))
    if sync.said:
        rows.append(("Its answer", sync.said))
    return tuple(
        Evidence(label=label, value=value, level=Level.AUTHENTICATED, of=sync, method=sync.told_by)
        for label, value in rows
    )


@dataclass(frozen=True)
class _Commands:
    """The commands that look after one machine's time service."""

    sync: TimeSync
    system: System | Unread

    @property
    def look(self) -> tuple[str, ...]:
        match self.sync.keeper:
            case Keeper.TIMESYNCD:
                return ("timedatectl timesync-status", "sudo systemctl restart systemd-timesyncd")
            case Keeper.NTPD:
                return ("ntpq -pn", f"sudo systemctl restart {self._service}")
            case _:
                return ("chronyc -n sources -v", "sudo chronyc burst 4/4; sudo chronyc waitsync 6 0.5")

    @property
    def shorten(self) -> tuple[str, ...]:
        if self.sync.keeper is Keeper.TIMESYNCD:
            return (
                "sudo sed -i 's/^#*PollIntervalMaxSec=.*/PollIntervalMaxSec=2048/' /etc/systemd/timesyncd.conf",
                "sudo systemctl restart systemd-timesyncd",
            )
        return (
            f"sudo sed -i -E 's/ (min|max)poll [0-9]+//g' {self._file}",
            f"sudo systemctl restart {self._service}",
        )

    @property
    def set_up(self) -> tuple[str, ...]:
        match family(self.system):
            case Family.DEBIAN:
                install = "sudo apt-get update && sudo apt-get install -y chrony"
            case Family.SUSE:
                install = "sudo zypper --non-interactive install chrony"
            case Family.RED_HAT:
                install = f"sudo {'yum' if amazon(self.system) == '2' else 'dnf'} install -y chrony"
            case Family.OTHER:
                install = "# install chrony with this distribution's own tool"
        return (
            install,
            f"echo 'server <time server> iburst' | sudo tee -a {self._file}",
            f"sudo systemctl enable {self._service} && sudo systemctl restart {self._service}",
            "chronyc waitsync 6 && chronyc tracking",
        )

    @property
    def _file(self) -> str:
        if self.sync.keeper is Keeper.NTPD:
            return "/etc/ntp.conf"
        return "/etc/chrony/chrony.conf" if family(self.system) is Family.DEBIAN else "/etc/chrony.conf"

    @property
    def _service(self) -> str:
        service = "ntpd" if self.sync.keeper is Keeper.NTPD else "chronyd"
        return service.removesuffix("d") if family(self.system) is Family.DEBIAN else service


@dataclass(frozen=True)
class _Clock:
    """One VM's clock, and what there is to conclude of it."""

    target: VmTarget
    sync: TimeSync
    commands: _Commands
    compared: Comparison

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def where(self) -> str:
        return place(self.target.name, self.target.host)

    def judge(self) -> Judgement:
        sync = self.sync
        if sync.hypervisor:
            return self.compared.met(
                f"{sync.hypervisor} sets the clock of {self.name} by its host's.",
                "The guest tools say that their time synchronisation is enabled; it follows the host's clock all the"
                " time.",
            )
        if sync.keeper is Keeper.NONE:
            return self._nobody()
        if sync.age is not None and sync.age > DAY:
            return self._stale(sync.age)
        if sync.age is None or sync.selected is None:
            return self._untold()
        if (sync.poll or 0) > DAY or (sync.longest or 0) > DAY:
            return self._rare(sync.poll or 0, sync.longest or 0)
        return self.compared.met(
            f"The clock of {self.name} was set {duration(sync.age)} ago by {sync.selected.name}.",
            f"{sync.keeper} has selected a source and tells when it last set the clock by it; its polls are at most"
            f" {duration(sync.longest or sync.poll or 0)} apart.",
        )

    def _nobody(self) -> Judgement:
        by_chrony = commands(f"Run a time service on {self.where} that tells, as chrony does:", *self.commands.set_up)
        if self.sync.scheduled:
            return self.compared.unknown(
                f"A scheduled job sets the clock of {self.name}; whether it does so every 24 hours is not to be seen.",
                Cause.NOT_OBSERVED,
                f"no time service runs, but cron knows of a job: {self.sync.scheduled[0]}",
                enable=by_chrony,
                lane=Lane.TIME,
            )
        if not self.sync.all_processes:
            return self.compared.unknown(
                f"Whether a time service runs on {self.name} could not be determined.",
                Cause.PERMISSION,
                "the processes of other users are hidden there (hidepid), and none that shows is a time service",
                enable=f"Add the audit's user to the group that may see all processes on {self.where} (the gid of"
                " /proc's mount), then run the audit again.",
            )
        if self.sync.flag:
            return self.compared.unknown(
                f"Something synchronises the clock of {self.name}, but nothing tells what, nor when it last did.",
                Cause.NOT_OBSERVED,
                "no time service shows, yet the kernel calls its clock synchronised; that flag outlives what set it",
                enable=by_chrony,
                lane=Lane.TIME,
            )
        return self.compared.missed(
            f"Nothing sets the clock of {self.name}.",
            "No chronyd, ntpd, systemd-timesyncd or PTP service is among its processes, no guest tools synchronise it,"
            " and no scheduled job was found.",
            remedy=commands(f"On {self.where}:", *self.commands.set_up),
            job=f"Set up time synchronisation on {self.name}",
            lane=Lane.TIME,
        )

    def _stale(self, age: float) -> Judgement:
        return self.compared.missed(
            f"The clock of {self.name} was last set {duration(age)} ago; the limit is 24 hours.",
            f"{self.sync.keeper} runs, but by its own account the last update lies {duration(age)} back.",
            remedy=commands(
                f"Let {self.name} reach its time servers by UDP 123 ({self._servers}), then wait for an update. On"
                f" {self.where}:",
                *self.commands.look,
            ),
            job=f"Bring time sync back on {self.name}: its clock was last set {duration(age)} ago",
            lane=Lane.TIME,
        )

    def _untold(self) -> Judgement:
        keeper = self.sync.keeper
        if keeper is Keeper.OTHER:
            return self.compared.unknown(
                f"{', '.join(self.sync.processes)} runs on {self.name}, and does not tell when it last set the clock.",
                Cause.UNSUPPORTED,
                "only chronyd, systemd-timesyncd and ntpd can be asked",
                enable=f"Read the service's own log on {self.where} and attest what it shows, or let chrony keep the"
                " clock.",
                lane=Lane.TIME,
            )
        if self.sync.said:
            missing = "is not on this machine" in self.sync.said
            return self.compared.unknown(
                f"{keeper} runs on {self.name}, and does not tell when it last set the clock.",
                Cause.TOOL_MISSING if missing else Cause.UNSUPPORTED,
                self.sync.said,
                enable=commands(f"See on {self.where} why it does not answer:", *self.commands.look),
            )
        return self.compared.unknown(
            f"{keeper} runs on {self.name}, but follows no source by which it has set the clock.",
            Cause.NOT_OBSERVED,
            "no source is selected" if self.sync.selected is None else "nothing tells when the clock was last set",
            enable=commands(
                f"Let {self.name} reach a time server by UDP 123 ({self._servers}), wait until one is selected, and run"
                f" the audit again. On {self.where}:",
                *self.commands.look,
            ),
            lane=Lane.TIME,
        )

    def _rare(self, poll: float, longest: float) -> Judgement:
        remedy = commands(
            f"Let {self.sync.keeper} poll more often on {self.where} (by its defaults it does):", *self.commands.shorten
        )
        job = f"Let the time service of {self.name} poll at least every 24 hours"
        if poll > DAY:
            return self.compared.missed(
                f"{self.name} asks for the time every {duration(poll)} only; the limit is 24 hours.",
                f"{self.sync.keeper} polls every {duration(poll)} now, so the clock is not set every 24 hours.",
                remedy=remedy,
                job=job,
                lane=Lane.TIME,
            )
        return self.compared.weak(
            f"The clock of {self.name} is set, but polls may come to lie {duration(longest)} apart.",
            f"{self.sync.keeper} polls every {duration(poll)} now, and its configuration lets that grow to"
            f" {duration(longest)}, beyond 24 hours.",
            remedy=remedy,
            job=job,
            lane=Lane.TIME,
        )

    @property
    def _servers(self) -> str:
        return ", ".join(source.name for source in self.sync.sources[:4]) or "it knows of none"


class ClockOffset(Check[VmTarget, ClockReading, *tuple[ClockReading | Unread, ...]]):
    tolerance = 2.0
    too_coarse = 5.0
    """Seconds of uncertainty beyond which a measurement that saw nothing wrong proves nothing."""

    requirement = Requirement(
        id="vm.clock-offset",
        section=VMS,
        text="The clock of each VM agrees with Genesys Cloud's, and with those of the other VMs.",
        proof=(
            "The Date header that Genesys Cloud sends the VM, against the VM's own clock at that moment. The auditor's"
            " clock plays no part. The uncertainty is half of each round trip and the second that Date leaves open. The"
            " VMs' clocks are compared through it: where two of them differ, their uncertainties add up."
        ),
        outcomes={
            Status.PASS: "The clocks differ by no more than 2 seconds and the uncertainty.",
            Status.WARN: "The clock certainly differs by more than 2 seconds from Genesys Cloud's or another VM's.",
            Status.UNKNOWN: (
                "The VM could not be asked, Genesys Cloud did not answer it, or the answer took so long that it tells"
                " nothing of the clock."
            ),
            Status.MANUAL: "The site file says that there is no Genesys Cloud to compare with.",
        },
        remedy="Set the clock of <VM> and keep it set: sudo chronyc makestep; chronyc tracking",
        owner=Owner.VIRTUALISATION,
        valid_for=timedelta(hours=24),
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        if not isinstance(site.genesys_cloud, Absent):
            return every_vm(site)
        judgement = (
            Judgement.undeclared("genesys_cloud", what="Genesys Cloud organisation")
            if site.genesys_cloud is Absent.UNDECLARED
            else Judgement.manual(
                "The site file says that there is no Genesys Cloud, so there is no clock to compare with.",
                expected="clocks that agree with Genesys Cloud's",
                remedy="Compare the VMs' clocks with a time server by hand, and attest what it shows.",
            )
        )
        return [
            target if isinstance(target, Settled) else Settled(target=target, judgement=judgement)
            for target in every_vm(site)
        ]

    def needs(self, target: VmTarget) -> Needs:
        cloud = target.site.genesys_cloud
        assert not isinstance(cloud, Absent)

        def clock_of(name: str) -> ReadClock:
            return ReadClock(vantage=name, endpoint=cloud.api, ca_file=cloud.ca_file)

        others = (vm.name for vm in target.site.vms if vm.built and vm.name != target.name)
        return (clock_of(target.name), *(Attempt(clock_of(name)) for name in others))

    def judge(self, target: VmTarget, clock: ClockReading, *others: ClockReading | Unread) -> Judgement:
        apart = [other for other in others if isinstance(other, ClockReading) and self._apart(clock, other)]
        offset = round(clock.offset_s, 1) + 0.0  # nobody reads -0.0
        observed = f"{offset:+.1f} s, ± {clock.uncertainty_s:.1f} s"
        label = f"Offset against {clock.endpoint.host}"
        compared = Comparison(
            expected="2 seconds at the most, beyond the uncertainty",
            observed=observed,
            evidence=(
                Evidence(label=label, value=observed, level=Level.PROTOCOL, of=clock),
                *(
                    Evidence(
                        label=f"Offset of {other.vantage} there",
                        value=f"{other.offset_s:+.1f} s, ± {other.uncertainty_s:.1f} s",
                        level=Level.PROTOCOL,
                        of=other,
                    )
                    for other in apart
                ),
            ),
            figures={"offset_s": clock.offset_s, "uncertainty_s": clock.uncertainty_s},
        )
        if apart and not clock.beyond(self.tolerance):
            names = " and ".join(other.vantage for other in apart)
            return compared.weak(
                f"The clock of {target.name} differs from that of {names} by more than 2 seconds.",
                "Each VM's clock was compared with Genesys Cloud's; the difference of the two offsets is larger than 2"
                " seconds and both uncertainties together. Components that share states compare moments.",
                remedy=commands(
                    f"Let {target.name} and {names} take their time from the same servers. On each of them:",
                    "chronyc sources",
                    "date -u",
                ),
                job=f"Give {target.name} and {names} the same time",
                lane=Lane.TIME,
            )
        if not clock.beyond(self.tolerance) and clock.uncertainty_s > self.too_coarse:
            return compared.unknown(
                f"The answers took too long to tell the clock of {target.name} by.",
                Cause.TIMEOUT,
                f"the measurement leaves {clock.uncertainty_s:.1f} s open, more than the {self.too_coarse:g} s that"
                " still tell something",
                enable="Run the audit again when the way to Genesys Cloud is less busy.",
            )
        if not clock.beyond(self.tolerance):
            return compared.met(
                f"The clock of {target.name} agrees with Genesys Cloud's.",
                "The difference lies within 2 seconds and what the measurement leaves open.",
            )
        way = "ahead of" if clock.offset_s > 0 else "behind"
        return compared.missed(
            f"The clock of {target.name} is {abs(clock.offset_s):.1f} s {way} Genesys Cloud's.",
            "The difference is larger than 2 seconds and all that the measurement leaves open. EXAS and Genesys Cloud"
            " compare moments, and tokens and certificates are judged by them.",
            remedy=commands(
                f"Set the clock of {place(target.name, target.host)} and see that it stays set:",
                "sudo chronyc makestep && chronyc tracking",
                "date -u",
            ),
            job=f"Set the clock of {target.name}: it is {abs(clock.offset_s):.1f} s {way} Genesys Cloud's",
            lane=Lane.TIME,
        )

    def _apart(self, one: ClockReading, other: ClockReading) -> bool:
        """Whether two VMs' clocks certainly differ by more than is granted."""
        unsure = one.uncertainty_s + other.uncertainty_s
        return abs(one.offset_s - other.offset_s) > self.tolerance + unsure
