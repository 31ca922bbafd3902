"""What holds for any machine of the site, whatever it carries: words, sizes, its engine, the commands that mend it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from readiness import Cause, Evidence, Judgement, Lane, Level, Settled, Unread
from readiness.probes.docker import Docker, Engine
from readiness.probes.linux import Family, System
from readiness.site import Site, VmTarget

VMS = "Virtual Machines for the EXEC Components"
"""The section of the page that speaks of the VMs."""

WEEK = timedelta(days=7)

NO_ANSWER = "The machine is not built yet, cannot be reached or logged in to, or gave no answer that could be read."


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What was expected of a machine and what was observed there, for whichever conclusion it allows."""

    expected: str
    observed: str
    evidence: tuple[Evidence, ...]
    figures: Mapping[str, float] = field(default_factory=dict)

    def met(self, summary: str, reasoning: str) -> Judgement:
        return Judgement.met(
            summary,
            expected=self.expected,
            observed=self.observed,
            evidence=self.evidence,
            figures=self.figures,
            reasoning=reasoning,
        )

    def missed(self, summary: str, reasoning: str, *, remedy: str, job: str, lane: Lane) -> Judgement:
        return Judgement.missed(
            summary,
            expected=self.expected,
            observed=self.observed,
            evidence=self.evidence,
            figures=self.figures,
            reasoning=reasoning,
            remedy=remedy,
            job=job,
            lane=lane,
        )

    def weak(self, summary: str, reasoning: str, *, remedy: str, job: str, lane: Lane) -> Judgement:
        return Judgement.weak(
            summary,
            expected=self.expected,
            observed=self.observed,
            evidence=self.evidence,
            figures=self.figures,
            reasoning=reasoning,
            remedy=remedy,
            job=job,
            lane=lane,
        )

    def unknown(self, summary: str, code: Cause, detail: str, *, enable: str, lane: Lane = Lane.PROBE) -> Judgement:
        return Judgement.unknown(
            summary,
            code,
            detail,
            enable=enable,
            expected=self.expected,
            observed=self.observed,
            evidence=self.evidence,
            figures=self.figures,
            lane=lane,
        )


DOCKER = 20
"""The least major version of Docker Engine that the page takes."""


def every_vm(site: Site) -> Sequence[VmTarget | Settled]:
    """One target for each VM; what is planned and not built is undeclared."""
    if not site.vms:
        return (Settled.without_vms(),)
    return [VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm) for vm in site.vms]


def place(name: str, host: str | None) -> str:
    """A machine as a remedy names it: its name, and where SSH finds it."""
    return f"{name} ({host})" if host and host != name else name


def commands(introduction: str, *lines: str) -> str:
    """A remedy: a sentence, then commands to paste."""
    return introduction + "\n\n" + "\n".join(f"    {line}" for line in lines)


def gigabytes(size: int) -> str:
    """Bytes as decimal GB with one digit, never rounded up: "79.9 GB", "80 GB"."""
    tenths = size * 10 // 1_000_000_000
    return f"{tenths / 10:g} GB"


def exact(size: int) -> str:
    return f"{size:,} bytes ({gigabytes(size)})"


def duration(seconds: float) -> str:
    """Seconds in the two largest units that say something: "38 s", "12 min", "31 h 7 min", "3 days 1 h"."""
    whole = max(0, int(seconds))
    if whole < 120:
        return f"{whole} s"
    if whole < 2 * 3600:
        return f"{whole // 60} min"
    if whole < 72 * 3600:
        return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 >= 60 else "")
    return f"{whole // 86400} days" + (f" {whole % 86400 // 3600} h" if whole % 86400 >= 3600 else "")


def family(system: System | Unread) -> Family:
    return system.family if isinstance(system, System) else Family.OTHER


def amazon(system: System | Unread) -> str:
    """The release of Amazon Linux, empty for any other system."""
    return system.version_id if isinstance(system, System) and system.id == "amzn" else ""


# -- Docker Engine --------------------------------------------------------------------------------------------


def judge_engine(docker: Docker, system: System | Unread, *, name: str, host: str | None) -> Judgement:
    """Whether Docker Engine 20 or later answers on a machine; what merely looks like it is told apart."""
    where = place(name, host)
    match docker.engine:
        case Engine.ANSWERS:
            return _judge_version(docker, system, name=name, where=where)
        case Engine.ABSENT:
            return _compared(docker, "no docker command, no dockerd, no socket", "none").missed(
                f"There is no Docker on {name}.",
                "Neither the client nor the engine is on PATH, systemd knows no docker.service, and there is no"
                f" {docker.socket}.",
                remedy=commands(f"Install Docker Engine on {where}:", *_install(system), *_confirm()),
                job=f"Install Docker Engine {DOCKER} or later on {name}",
                lane=Lane.VERSION,
            )
        case Engine.CLIENT_ONLY:
            observed = f"client {docker.client}; no dockerd, no docker.service, no socket"
            return _compared(docker, observed, docker.said or "none").missed(
                f"{name} has the docker command, but no engine behind it.",
                "The version of a client says nothing of an engine: containers need the engine, and there is none on"
                " this machine.",
                remedy=commands(f"Install the engine on {where} beside its client:", *_install(system), *_confirm()),
                job=f"Install Docker Engine {DOCKER} or later on {name}",
                lane=Lane.SERVICE,
            )
        case Engine.STOPPED:
            observed = _stopped(docker)
            return _compared(docker, observed, docker.said or observed).missed(
                f"Docker Engine on {name} is stopped.",
                "An engine that does not run has no version to speak of: that of its files is no proof. The audit"
                " starts nothing.",
                remedy=commands(
                    f"Start the engine on {where}, and have it start with the machine. Where it will not, its journal"
                    " says why:",
                    "sudo systemctl enable --now docker",
                    "sudo journalctl -u docker -n 50 --no-pager",
                    *_confirm(),
                ),
                job=f"Start Docker Engine on {name}",
                lane=Lane.SERVICE,
            )
        case Engine.PODMAN:
            version = docker.version or docker.client
            return _compared(docker, f"Podman {version}", docker.said or f"Podman Engine {version}").missed(
                f"What answers to `docker` on {name} is Podman, not Docker Engine.",
                "Podman's version numbers are its own, and the page asks for Docker; its `docker` command is a shim in"
                " front of another engine.",
                remedy=commands(
                    f"Put Docker Engine in the place of Podman's shim on {where}:",
                    *_without_podman(system),
                    *_install(system),
                    *_confirm(),
                ),
                job=f"Put Docker Engine in the place of Podman's shim on {name}",
                lane=Lane.CONFIGURATION,
            )


def _judge_version(docker: Docker, system: System | Unread, *, name: str, where: str) -> Judgement:
    compared = _compared(docker, f"engine {docker.version}", f"{docker.version} on {docker.socket}")
    if not docker.numbers:
        return compared.unknown(
            f"The engine on {name} answers, but not with a version that could be read.",
            Cause.PARSE,
            f"the engine calls itself '{docker.version}'",
            enable=f"Run `docker version` on {where}: the Server part has to name a number.",
        )
    if docker.numbers[0] >= DOCKER:
        return compared.met(
            f"Docker Engine {docker.version} answers on {name}.",
            "The version is the engine's own answer on this machine's socket, not that of a client.",
        )
    return compared.missed(
        f"Docker Engine on {name} is {docker.version}; {DOCKER} or later is asked for.",
        f"The engine itself answered with {docker.version}, and {docker.numbers[0]} is less than {DOCKER}.",
        remedy=commands(
            f"Upgrade the engine on {where}; its containers stop for the time:", *_upgrade(docker, system), *_confirm()
        ),
        job=f"Upgrade Docker Engine {docker.version} on {name} to {DOCKER} or later",
        lane=Lane.VERSION,
    )


def _stopped(docker: Docker) -> str:
    if docker.waiting:
        return "docker.service is inactive; systemd holds docker.socket and would start it for the first caller"
    unit = f" (docker.service: {docker.unit})" if docker.unit else ""
    return f"the engine is installed and does not answer{unit}"


def _compared(docker: Docker, observed: str, engine: str) -> Comparison:
    rows = [("Docker Engine", engine), ("Docker client", docker.client or "none")]
    if docker.data is not None:
        rows.append(("Data root", f"{docker.data_root} on {docker.data.device}, {gigabytes(docker.data.free)} free"))
    return Comparison(
        expected=f"Docker Engine {DOCKER} or later answers on its socket",
        observed=observed,
        evidence=tuple(
            Evidence(label=label, value=value, level=Level.AUTHENTICATED, of=docker) for label, value in rows
        ),
    )


def _confirm() -> tuple[str, ...]:
    return ("docker version --format '{{.Server.Version}}'",)


_CE = "docker-ce docker-ce-cli containerd.io docker-compose-plugin"


def _install(system: System | Unread) -> tuple[str, ...]:
    """Commands that bring a current engine to this system, and Compose with it."""
    start = "sudo systemctl enable --now docker"
    match amazon(system):
        case "":
            pass
        case "2":
            return ("sudo amazon-linux-extras install -y docker", start)
        case _:
            return ("sudo dnf install -y docker", start)
    match family(system):
        case Family.RED_HAT:
            branch = "rhel" if isinstance(system, System) and system.id == "rhel" else "centos"
            return (
                "sudo dnf install -y dnf-plugins-core",
                f"sudo dnf config-manager --add-repo https://download.docker.com/linux/{branch}/docker-ce.repo",
                f"sudo dnf install -y {_CE}",
                start,
            )
        case Family.DEBIAN:
            compose = "docker-compose-v2" if isinstance(system, System) and system.id == "ubuntu" else "docker-compose"
            return ("sudo apt-get update", f"sudo apt-get install -y docker.io {compose}", start)
        case Family.SUSE:
            release = system.version_id if isinstance(system, System) else "15.5"
            return (
                f"sudo SUSEConnect -p sle-module-containers/{release}/x86_64",
                "sudo zypper --non-interactive install docker docker-compose",
                start,
            )
        case Family.OTHER:
            return (
                "# as https://docs.docker.com/engine/install/ says for this distribution",
                start,
            )


def _upgrade(docker: Docker, system: System | Unread) -> tuple[str, ...]:
    """Commands that renew an engine from where it came: Docker's own packages and a distribution's do not mix."""
    if docker.platform and family(system) is Family.DEBIAN:
        return ("sudo apt-get update", f"sudo apt-get install -y {_CE}")
    if docker.platform and family(system) is Family.RED_HAT and not amazon(system):
        return (f"sudo dnf install -y {_CE}",)
    return _install(system)


def _without_podman(system: System | Unread) -> tuple[str, ...]:
    match family(system):
        case Family.RED_HAT:
            return ("sudo dnf remove -y podman-docker",)
        case Family.DEBIAN:
            return ("sudo apt-get remove -y podman-docker",)
        case Family.SUSE:
            return ("sudo zypper --non-interactive remove podman-docker",)
        case Family.OTHER:
            return ()


def install_compose(system: System | Unread, docker: Docker | Unread) -> tuple[str, ...]:
    """Commands that bring Compose to this system, from where its engine came."""
    distribution = isinstance(docker, Docker) and docker.engine is Engine.ANSWERS and not docker.platform
    if amazon(system):
        return (
            "sudo mkdir -p /usr/local/lib/docker/cli-plugins",
            "sudo curl -fSL -o /usr/local/lib/docker/cli-plugins/docker-compose "
            "https://github.com/docker/compose/releases/latest/download/docker-compose-linux-$(uname -m)",
            "sudo chmod +x /usr/local/lib/docker/cli-plugins/docker-compose",
        )
    match family(system):
        case Family.RED_HAT:
            return ("sudo dnf install -y docker-compose-plugin",)
        case Family.DEBIAN if isinstance(system, System) and system.id == "ubuntu":
            return (f"sudo apt-get install -y {'docker-compose-v2' if distribution else 'docker-compose-plugin'}",)
        case Family.DEBIAN:
            return (f"sudo apt-get install -y {'docker-compose' if distribution else 'docker-compose-plugin'}",)
        case Family.SUSE:
            return ("sudo zypper --non-interactive install docker-compose",)
        case Family.OTHER:
            return ("# as https://docs.docker.com/compose/install/linux/ says for this distribution",)
