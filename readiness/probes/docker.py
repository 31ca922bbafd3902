"""Docker as a machine has it: whether an engine answers, which one, and what can run Compose files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from readiness.host_script import Part, parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe
from readiness.probes.linux.hardware import FileSystem, file_systems
from readiness.probes.linux.system import numbers


class Engine(StrEnum):
    """What stands behind the ``docker`` command."""

    ANSWERS = "answers"
    STOPPED = "stopped"
    CLIENT_ONLY = "client_only"
    PODMAN = "podman"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Docker:
    """Docker on one machine.

    ``version`` is the engine's own word, empty unless it answers, and ``platform`` its word for who built it ("Docker
    Engine - Community"; empty from distributions); ``client`` is the command's version. ``said`` is what the
    command answered where no engine did. ``socket`` is the path that was tried. ``unit`` is systemd's word for
    docker.service ("active", "inactive", "not-found"), empty where systemd did not tell; ``waiting`` where systemd
    would start it for the first who connects. ``data_root`` is where the engine keeps images and containers, ``data``
    the file system that holds it.
    """

    engine: Engine
    version: str = ""
    platform: str = ""
    client: str = ""
    said: str = ""
    socket: str = ""
    unit: str = ""
    waiting: bool = False
    data_root: str = ""
    data: FileSystem | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The engine's version to compare part by part: (20, 10, 24)."""
        return numbers(self.version)


@dataclass(frozen=True)
class ReadDocker(HostProbe[Docker]):
    """Ask the engine on this machine's own socket for its version and its data root.

    The client is told the socket, since DOCKER_HOST or a context may name another machine's engine. Where systemd
    holds docker.socket open itself ("listening"), to connect would start the engine: then nobody does.
    """

    method: ClassVar[str] = "docker version, server"
    section: ClassVar[str] = "docker"
    privileged: ClassVar[bool] = True
    script: ClassVar[str] = """
cd /
unset DOCKER_HOST DOCKER_CONTEXT DOCKER_API_VERSION DOCKER_TLS DOCKER_TLS_VERIFY DOCKER_CERT_PATH
socket=/var/run/docker.sock exists=no
for other in /var/run/docker.sock /run/user/*/docker.sock; do
  [ -S "$other" ] && socket=$other exists=yes && break
done
units=$(systemctl show -p Id -p LoadState -p ActiveState -p SubState docker.service docker.socket 2>&1)
printf '=== %s\\n%s\\n--- 0\\n' socket "$socket" 'socket exists' "$exists" units "$units"
ask 'command -v dockerd' command -v dockerd
if ! command -v docker >/dev/null 2>&1; then
  printf '=== docker --version\\n--- missing\\n'
  exit 0
fi
client=$(docker --version 2>&1)
printf '=== docker --version\\n%s\\n--- %s\\n' "$client" "$?"
case $client in *[Pp]odman*) exit 0 ;; esac
case $units in *SubState=listening*) exit 0 ;; esac
docker() { command docker -H "unix://$socket" "$@"; }
ask 'docker version' docker version --format '{{json .}}' || exit 0
root=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
printf '=== data root\\n%s\\n--- 0\\n' "$root"
[ -n "$root" ] && ask df df -P -k "$root"
"""

    def understand(self, output: str, status: int) -> Docker:
        found = parts(output)
        units = _units(found.get("units"))
        service, socket = units.get("docker.service", {}), units.get("docker.socket", {})
        unit = service.get("LoadState", "")
        unit = service.get("ActiveState", "") if unit in ("loaded", "masked") else unit
        about = _About(
            socket=_text(found, "socket"),
            unit=unit,
            waiting=socket.get("SubState") == "listening",
            installed=bool(_text(found, "command -v dockerd")) or service.get("LoadState") == "loaded",
            reachable=_text(found, "socket exists") == "yes",
        )
        command = found.get("docker --version")
        if command is None:
            raise ProbeError(Cause.PARSE, "the docker section does not say whether there is a docker command")
        if not command.answered:
            return about.without_client(command)
        client = re.search(r"Docker version (\S+?),?(?: |$)", command.text)
        if client is None:
            return about.podman_or_stranger(command)
        return about.with_client(client[1], found)


@dataclass(frozen=True, kw_only=True)
class _About:
    """What is known of the engine before it is asked."""

    socket: str
    unit: str
    waiting: bool
    installed: bool
    reachable: bool

    def without_client(self, command: Part) -> Docker:
        if self.reachable or self.unit == "active":
            raise ProbeError(
                Cause.TOOL_MISSING,
                "an engine's socket is there, and no docker command that could ask it",
                enable="Install the Docker client on that machine (docker-ce-cli), then run the audit again.",
            )
        if command.status is not None:
            raise ProbeError(
                Cause.PARSE,
                f"the docker command does not run: {_line(command.text)}",
                enable="Run `docker --version` as the audit's user there and mend what it says.",
            )
        return Docker(engine=Engine.STOPPED if self.installed else Engine.ABSENT, socket=self.socket, unit=self.unit)

    def podman_or_stranger(self, command: Part) -> Docker:
        podman = re.search(r"podman version (\S+)", command.text, re.IGNORECASE)
        if podman is None:
            raise ProbeError(
                Cause.PARSE,
                f"`docker --version` says what neither Docker nor Podman does: {_line(command.text)}",
                enable="Run `docker --version` as the audit's user there: what stands behind that command?",
            )
        return Docker(engine=Engine.PODMAN, client=podman[1], said=_line(command.text), socket=self.socket)

    def with_client(self, client: str, found: Mapping[str, Part]) -> Docker:
        asked = found.get("docker version")
        if asked is None:
            return self._silent(client, "") if self.waiting else self._unclear("the docker section breaks off")
        server = _server(asked.text)
        if server:
            return self._answering(client, server, found)
        said = _line(re.sub(r"^\{.*\}$", "", asked.text, flags=re.MULTILINE))
        if "permission denied" in said.lower():
            raise ProbeError(
                Cause.PERMISSION,
                f"the audit's user has no right to the engine's socket {self.socket}",
                enable="Put the audit's user into the group that owns the socket (usermod -aG docker USER) or allow"
                " `ssh.sudo` in the site file, then run the audit again.",
            )
        if "cannot connect to the docker daemon" in said.lower() or "is the docker daemon running" in said.lower():
            return self._silent(client, said)
        return self._unclear(f"the docker command gave no engine's version: {said or 'it said nothing'}")

    def _silent(self, client: str, said: str) -> Docker:
        return Docker(
            engine=Engine.STOPPED if self.installed or self.reachable or self.waiting else Engine.CLIENT_ONLY,
            client=client,
            said=said,
            socket=self.socket,
            unit=self.unit,
            waiting=self.waiting,
        )

    def _unclear(self, detail: str) -> Docker:
        raise ProbeError(
            Cause.PARSE, detail, enable="Run `docker version` as the audit's user there: does a Server part follow?"
        )

    def _answering(self, client: str, server: Mapping[str, object], found: Mapping[str, Part]) -> Docker:
        components = server.get("Components")
        names = [c.get("Name") for c in components if isinstance(c, dict)] if isinstance(components, list) else []
        platform = server.get("Platform")
        return Docker(
            engine=Engine.PODMAN if "Podman Engine" in names else Engine.ANSWERS,
            version=str(server.get("Version") or ""),
            platform=str(platform.get("Name") or "") if isinstance(platform, dict) else "",
            client=client,
            socket=self.socket,
            unit=self.unit,
            data_root=_text(found, "data root"),
            data=next(iter(file_systems(found.get("df"))), None),
        )


def _server(text: str) -> Mapping[str, object]:
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                answer: object = json.loads(line)
            except (ValueError, RecursionError):
                continue
            server = answer.get("Server") if isinstance(answer, dict) else None
            if isinstance(server, dict) and server.get("Version"):
                return server
    return {}


def _units(part: Part | None) -> Mapping[str, Mapping[str, str]]:
    """What ``systemctl show`` said of each unit: blocks of KEY=VALUE with an empty line between."""
    units: dict[str, Mapping[str, str]] = {}
    for block in (part.text if part is not None else "").split("\n\n"):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        units[fields.get("Id", "")] = fields
    return units


def _text(found: Mapping[str, Part], name: str) -> str:
    part = found.get(name)
    return part.text.strip() if part is not None and part.answered else ""


def _line(text: str) -> str:
    return " ".join(text.split())[:300]


_COMPOSE = re.compile(r"(?:Docker Compose|docker-compose) version:? v?(\d[^\s,]*)", re.IGNORECASE)

_NO_PLUGIN = re.compile(r"is not a docker command|unknown (?:shorthand )?(?:flag|command)|unrecognized command")


@dataclass(frozen=True)
class Compose:
    """What runs Compose files: ``command`` is "docker compose" or "docker-compose", empty where nothing does."""

    command: str
    version: str
    said: str = ""


@dataclass(frozen=True)
class ReadCompose(HostProbe[Compose]):
    """Run the Compose plugin for its version, else Compose 1, which is a command of its own."""

    method: ClassVar[str] = "docker compose version"
    section: ClassVar[str] = "compose"
    script: ClassVar[str] = """
cd /
ask 'docker compose' docker compose version || ask docker-compose docker-compose version
"""

    def understand(self, output: str, status: int) -> Compose:
        found = parts(output)
        for command in ("docker compose", "docker-compose"):
            part = found.get(command)
            version = _COMPOSE.search(part.text) if part is not None and part.answered else None
            if version is not None:
                return Compose(command, version[1])
        plugin, standalone = found.get("docker compose"), found.get("docker-compose")
        if plugin is None or standalone is None:
            raise ProbeError(Cause.PARSE, "the compose section breaks off")
        for part in (plugin, standalone):
            if part.status is not None and not _NO_PLUGIN.search(part.text):
                raise ProbeError(
                    Cause.PARSE,
                    f"the command that should run Compose files does not run: {_line(part.text)}",
                    enable="Run `docker compose version` as the audit's user there and mend what it says.",
                )
        return Compose("", "", _line(plugin.text))
