"""Bootstrap virtual machine: what it needs to run the deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from readiness import (
    Attempt,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Owner,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.docker import Docker, ReadDocker
from readiness.probes.linux import (
    Family,
    Identity,
    Pip,
    Python,
    Pythons,
    ReadIdentity,
    ReadPythons,
    ReadSystem,
    System,
)
from readiness.probes.ssh import ExchangeKeys, SshServer
from readiness.probes.tcp import DialTcp, TcpPath
from readiness.site import Absent, Bootstrap, Endpoint, Site
from readiness_checks.machine import NO_ANSWER, Comparison, amazon, commands, family, judge_engine, place
from readiness_checks.ssh_words import SshSeen, SshTarget

SECTION = "Bootstrap Virtual Machine"
VALID_FOR = timedelta(days=14)
PYTHON = (3, 9)
"""The least version of Python that the page takes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class BootstrapTarget(Target):
    """The machine that runs the deployment."""

    bootstrap: Bootstrap
    site: Site

    @property
    def where(self) -> str:
        return place(self.name, self.host)


def the_bootstrap_vm(site: Site) -> Sequence[BootstrapTarget | Settled]:
    """The one target of every check of the bootstrap VM."""
    if isinstance(site.bootstrap, Absent):
        return (
            Settled.absent(
                "bootstrap",
                site.bootstrap,
                what="bootstrap VM",
                expected="a Linux machine with Docker 20, Python 3.9 and pip3 that reaches every VM by SSH",
                remedy="Say which machine will run the deployment, show there by hand what the page asks of it, and"
                " attest that; or declare it as `bootstrap` in the site file.",
            ),
        )
    bootstrap = site.bootstrap
    target = BootstrapTarget(
        kind=TargetKind.VM, name=bootstrap.name, host=bootstrap.host, bootstrap=bootstrap, site=site
    )
    if bootstrap.host is None and not bootstrap.local:
        judgement = Judgement.undeclared("bootstrap.host", what=f"host for {bootstrap.name}")
        return (Settled(target=target, judgement=judgement),)
    return (target,)


class LinuxThere(Check[BootstrapTarget, System]):
    requirement = Requirement(
        id="bootstrap.os",
        section=SECTION,
        text="The bootstrap VM runs Linux.",
        proof="The machine's own words: uname(1) and os-release(5).",
        outcomes={
            Status.PASS: "The kernel is Linux.",
            Status.FAIL: "The kernel is not Linux.",
            Status.UNKNOWN: NO_ANSWER,
            Status.MANUAL: "The site file says that there is no bootstrap VM.",
        },
        remedy="Take a machine with Linux as the bootstrap VM; to see what it is: uname -s",
        owner=Owner.VIRTUALISATION,
        valid_for=VALID_FOR,
    )

    def targets(self, site: Site) -> Sequence[BootstrapTarget | Settled]:
        return the_bootstrap_vm(site)

    def needs(self, target: BootstrapTarget) -> Needs:
        return (ReadSystem(target.name),)

    def judge(self, target: BootstrapTarget, system: System) -> Judgement:
        observed = f"{system.name}, {system.kernel_name} {system.kernel}"
        compared = Comparison(
            expected="Linux",
            observed=observed,
            evidence=(Evidence(label="System", value=observed, level=Level.AUTHENTICATED, of=system),),
        )
        if system.kernel_name == "Linux":
            return compared.met(f"{target.name} runs {system.name}.", "Its kernel calls itself Linux.")
        return compared.missed(
            f"{target.name} runs {system.kernel_name}, not Linux.",
            "The kernel names itself, and it is not Linux.",
            remedy=f"Take a machine with Linux as the bootstrap VM, and declare it as `bootstrap` in the site file;"
            f" {target.where} is none.",
            job="Provide a Linux machine as the bootstrap VM",
            lane=Lane.CONFIGURATION,
        )


class DockerThere(Check[BootstrapTarget, Docker, System | Unread]):
    requirement = Requirement(
        id="bootstrap.docker",
        section=SECTION,
        text="Docker 20 or later runs on the bootstrap VM.",
        proof="The engine's own version, asked on its socket (docker version, Server); nothing is started.",
        outcomes={
            Status.PASS: "The engine answers, and is of version 20 or later.",
            Status.FAIL: (
                "The engine is older, there is none, only its client is there, it is stopped, or what answers to"
                " `docker` is Podman."
            ),
            Status.UNKNOWN: (
                "The machine could not be asked, the audit's user has no right to the engine's socket, or the engine"
                " did not answer in time."
            ),
            Status.MANUAL: "The site file says that there is no bootstrap VM.",
        },
        remedy=(
            "Install or upgrade Docker Engine as https://docs.docker.com/engine/install/ says for the distribution,"
            " start it (sudo systemctl enable --now docker), and confirm with: docker version --format"
            " '{{.Server.Version}}'"
        ),
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
    )

    def targets(self, site: Site) -> Sequence[BootstrapTarget | Settled]:
        return the_bootstrap_vm(site)

    def needs(self, target: BootstrapTarget) -> Needs:
        return (ReadDocker(target.name), Attempt(ReadSystem(target.name)))

    def judge(self, target: BootstrapTarget, docker: Docker, system: System | Unread) -> Judgement:
        return judge_engine(docker, system, name=target.name, host=target.host)


class RecentPython(Check[BootstrapTarget, Pythons, System | Unread]):
    requirement = Requirement(
        id="bootstrap.python",
        section=SECTION,
        text="The bootstrap VM has Python 3.9 or later.",
        proof="`python3` is run for its version, as the deployment's script will find it, and so is every `python3.N`.",
        outcomes={
            Status.PASS: "`python3` is 3.9 or later.",
            Status.WARN: "`python3` is older or missing, but a later Python is on PATH under a name of its own.",
            Status.FAIL: "No Python on PATH is 3.9 or later.",
            Status.UNKNOWN: NO_ANSWER,
            Status.MANUAL: "The site file says that there is no bootstrap VM.",
        },
        remedy="Install Python 3.9 or later, have `python3` lead to it, and confirm with: python3 --version",
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
    )

    def targets(self, site: Site) -> Sequence[BootstrapTarget | Settled]:
        return the_bootstrap_vm(site)

    def needs(self, target: BootstrapTarget) -> Needs:
        return (ReadPythons(target.name), Attempt(ReadSystem(target.name)))

    def judge(self, target: BootstrapTarget, pythons: Pythons, system: System | Unread) -> Judgement:
        own = pythons.python3
        found = [python for python in (own, *pythons.others) if python is not None]
        is_now = f"python3 is {own.version}" if own is not None else "there is no python3"
        if own is None and pythons.python3_broken:
            is_now = "python3 is there and does not run"
        compared = Comparison(
            expected="python3 of version 3.9 or later",
            observed=f"{is_now}; others on PATH: {', '.join(one.command for one in pythons.others) or 'none'}",
            evidence=tuple(
                Evidence(label=python.command, value=python.version, level=Level.AUTHENTICATED, of=pythons)
                for python in found
            )
            or (
                Evidence(
                    label="python3", value=pythons.python3_broken or "none", level=Level.AUTHENTICATED, of=pythons
                ),
            ),
        )
        if own is not None and own.numbers >= PYTHON:
            return compared.met(
                f"Python {own.version} is the python3 of {target.name}.", "`python3` was run, and named its version."
            )
        later = [python for python in pythons.others if python.numbers >= PYTHON]
        if later:
            newest = later[-1]
            return compared.weak(
                f"On {target.name} {is_now}, but {newest.command} is {newest.version}.",
                "The page asks for 3.9 or later, and one is there. A script that is started by `python3` gets another.",
                remedy=commands(
                    f"On {target.where}, run the deployment with {newest.command}, or have python3 lead to it:",
                    *_lead_to(newest, system),
                ),
                job=f"Run the deployment on {target.name} with {newest.command}",
                lane=Lane.VERSION,
            )
        return compared.missed(
            f"No Python on {target.name} is 3.9 or later: {is_now}.",
            "`python3` and every `python3.N` on PATH were run for their versions.",
            remedy=commands(f"On {target.where}:", *_install_python(system), "python3 --version"),
            job=f"Install Python 3.9 or later on {target.name}",
            lane=Lane.VERSION,
        )


def _lead_to(python: Python, system: System | Unread) -> tuple[str, ...]:
    if family(system) is Family.RED_HAT:
        return (f"sudo alternatives --set python3 /usr/bin/{python.command}", "python3 --version")
    return (f"{python.command} -m venv ~/exec-bootstrap && . ~/exec-bootstrap/bin/activate", "python3 --version")


def _install_python(system: System | Unread) -> tuple[str, ...]:
    if amazon(system) == "2":
        return ("# Amazon Linux 2 packages no Python 3.9: take Amazon Linux 2023 as the bootstrap VM",)
    match family(system):
        case Family.RED_HAT:
            return (
                "sudo dnf install -y python3.11 python3.11-pip",
                "sudo alternatives --set python3 /usr/bin/python3.11",
            )
        case Family.DEBIAN:
            return ("sudo apt-get update && sudo apt-get install -y python3 python3-pip",)
        case Family.SUSE:
            return (
                "sudo zypper --non-interactive install python311 python311-pip",
                "python3.11 -m venv ~/exec-bootstrap && . ~/exec-bootstrap/bin/activate",
            )
        case Family.OTHER:
            return ("# install Python 3.9 or later with this distribution's own tool",)


class PipThere(Check[BootstrapTarget, Pythons, System | Unread]):
    requirement = Requirement(
        id="bootstrap.pip",
        section=SECTION,
        text="The bootstrap VM has the package manager pip3.",
        proof="The Python that starts the `pip3` command is asked for the pip that it runs.",
        outcomes={
            Status.PASS: "`pip3` is there, and its pip can be run.",
            Status.WARN: "`python3 -m pip` works and `pip3` is missing, or `pip3` installs for an older Python.",
            Status.FAIL: "There is no pip for Python 3, or its command does not run.",
            Status.UNKNOWN: NO_ANSWER,
            Status.MANUAL: "The site file says that there is no bootstrap VM.",
        },
        remedy="Install pip3 for the Python that runs the deployment, and confirm with: pip3 --version",
        owner=Owner.DEPLOYER,
        valid_for=VALID_FOR,
    )

    def targets(self, site: Site) -> Sequence[BootstrapTarget | Settled]:
        return the_bootstrap_vm(site)

    def needs(self, target: BootstrapTarget) -> Needs:
        return (ReadPythons(target.name), Attempt(ReadSystem(target.name)))

    def judge(self, target: BootstrapTarget, pythons: Pythons, system: System | Unread) -> Judgement:
        pip = pythons.pip3
        observed = f"pip3 is pip {pip.version} for Python {pip.python}" if pip is not None else "no pip3 that runs"
        said = observed if pip is not None else pythons.broken or "no pip3 on PATH"
        module = pythons.module_pip or "none"
        compared = Comparison(
            expected="a pip3 command that runs",
            observed=observed,
            evidence=(
                Evidence(label="pip3", value=said, level=Level.AUTHENTICATED, of=pythons),
                Evidence(label="python3 -m pip", value=module, level=Level.AUTHENTICATED, of=pythons),
            ),
        )
        install = commands(f"On {target.where}:", *_install_pip(pythons, system), "pip3 --version")
        if pip is None and not pythons.module_pip:
            return compared.missed(
                f"{target.name} has no pip3 that runs.",
                "There is no pip3 command on PATH that answers, and python3 has no pip of its own.",
                remedy=install,
                job=f"Install pip3 on {target.name}",
                lane=Lane.CONFIGURATION,
            )
        if pip is None:
            return compared.weak(
                f"{target.name} has pip {pythons.module_pip}, but no pip3 command.",
                "`python3 -m pip` works. The page asks for pip3, and a script may call it by that name.",
                remedy=install,
                job=f"Install the pip3 command on {target.name}",
                lane=Lane.CONFIGURATION,
            )
        if _for_another(pip, pythons):
            return compared.weak(
                f"The pip3 of {target.name} installs for Python {pip.python}, which is older than 3.9.",
                "pip3 is there, but what it installs is not for the Python that the page asks for.",
                remedy=install,
                job=f"Have pip3 on {target.name} install for Python 3.9 or later",
                lane=Lane.VERSION,
            )
        return compared.met(
            f"{target.name} has pip3: pip {pip.version}.", "The Python behind the command found its pip and named it."
        )


def _for_another(pip: Pip, pythons: Pythons) -> bool:
    """Whether pip3 belongs to a Python before 3.9 while a later one is there."""
    of = tuple(int(number) for number in pip.python.split(".") if number.isdigit())
    every = [python for python in (pythons.python3, *pythons.others) if python is not None]
    return of < PYTHON and any(python.numbers >= PYTHON for python in every)


def _install_pip(pythons: Pythons, system: System | Unread) -> tuple[str, ...]:
    later = [python.command for python in pythons.others if python.numbers >= PYTHON]
    old = pythons.python3 is None or pythons.python3.numbers < PYTHON
    match family(system):
        case Family.RED_HAT:
            package = f"{later[-1]}-pip" if old and later else "python3-pip"
            return (f"sudo {'yum' if amazon(system) == '2' else 'dnf'} install -y {package}",)
        case Family.DEBIAN:
            return ("sudo apt-get update && sudo apt-get install -y python3-pip",)
        case Family.SUSE:
            package = f"{later[-1].replace('.', '')}-pip" if old and later else "python3-pip"
            return (f"sudo zypper --non-interactive install {package}",)
        case Family.OTHER:
            return ("python3 -m ensurepip --upgrade",)


class SshToVms(Check[SshTarget, TcpPath | Unread, SshServer | Unread, Identity | Unread]):
    requirement = Requirement(
        id="bootstrap.ssh",
        section=SECTION,
        text="The bootstrap VM reaches every EXEC VM by SSH.",
        proof=(
            "Through the bootstrap VM, each VM's SSH server must say its version and prove, in an exchange of keys,"
            " that it holds the very host key by which the VM proved itself to the auditor. Nothing is logged in to:"
            " that the deployer's own key is let in, a person attests."
        ),
        outcomes={
            Status.PASS: "The VM's SSH server answered through the bootstrap VM, and holds the VM's own host key.",
            Status.WARN: "Only some connects came through, or another machine answers at one of the VM's addresses.",
            Status.FAIL: (
                "Through the bootstrap VM the SSH port is closed or filtered, speaks something else, or shows another"
                " machine's host key."
            ),
            Status.UNKNOWN: (
                "The bootstrap VM or the VM is not built yet or could not be asked, so that there was no way to try or"
                " no host key to compare with."
            ),
            Status.MANUAL: "The site file says that there is no bootstrap VM.",
        },
        remedy="Open TCP <bootstrap VM> -> <VM>:22, and confirm from the bootstrap VM with: ssh <user>@<VM> true",
        owner=Owner.NETWORK,
        valid_for=VALID_FOR,
    )

    def targets(self, site: Site) -> Sequence[SshTarget | Settled]:
        source = the_bootstrap_vm(site)[0]
        if isinstance(source, Settled) and isinstance(site.bootstrap, Absent):
            return (source,)
        if not site.vms:
            return (Settled.without_vms(),)
        assert not isinstance(site.bootstrap, Absent)
        ports = {access.name: access.port or 22 for access in site.access}
        edges: list[SshTarget | Settled] = []
        for vm in site.vms:
            port = ports.get(vm.name, 22)
            edge = SshTarget(
                kind=TargetKind.EDGE,
                name=f"{site.bootstrap.name}->{Endpoint(vm.name, port)}",
                source=site.bootstrap.name,
                host=vm.address,
                port=port,
                bootstrap=site.bootstrap,
                vm=vm,
            )
            if isinstance(source, Settled):
                edges.append(Settled(target=edge, judgement=source.judgement))
            elif not vm.built:
                edges.append(Settled(target=edge, judgement=Settled.unbuilt(vm).judgement))
            else:
                edges.append(edge)
        return edges

    def needs(self, target: SshTarget) -> Needs:
        boot, vm, peer = target.bootstrap.name, target.vm.name, target.peer
        return (
            Attempt(DialTcp(boot, peer.host, peer.port)),
            Attempt(ExchangeKeys(boot, vm, target.hosts, peer.port)),
            Attempt(ReadIdentity(vm)),
        )

    def judge(
        self, target: SshTarget, path: TcpPath | Unread, server: SshServer | Unread, identity: Identity | Unread
    ) -> Judgement:
        return SshSeen(target, path, server, identity).judgement
