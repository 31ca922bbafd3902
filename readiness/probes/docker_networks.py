"""The networks that a machine's container engine has made, and those that it may still make."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_interface, ip_network
from typing import ClassVar, TypeAlias

from readiness.host_script import parts
from readiness.model import Cause, ProbeError
from readiness.probe import HostProbe

Network: TypeAlias = IPv4Network | IPv6Network

DEFAULT_POOLS: tuple[Network, ...] = tuple(IPv4Network(f"172.{second}.0.0/16") for second in range(17, 32))
"""Where Docker Engine takes new networks from unless it is told otherwise, as far as EXEC's few networks reach:
after these fifteen it goes on in 192.168.0.0/16 (docs.docker.com, "Networking overview", default address pools)."""

_BRIDGES = re.compile(r"docker\d+|docker_gwbridge|br-[0-9a-f]{12}|podman\d+|cni-podman\d+")


@dataclass(frozen=True, kw_only=True)
class DockerNetwork:
    """One network of the engine; ``name`` is the engine's, or the bridge's where the engine was not asked."""

    name: str
    subnet: Network

    def __str__(self) -> str:
        return f"{self.name} {self.subnet}"


@dataclass(frozen=True, kw_only=True)
class DockerNetworks:
    """The subnets in use, and the pools of those to come.

    ``asked``: the engine itself answered; else ``networks`` are the bridges that its networks have left on the
    machine and ``pools`` are ``None``, which is not known. ``own``: the subnets of the machine's other interfaces,
    which the engine steers clear of. Why it was not asked: ``stopped``, its client said that no engine runs; no
    ``client``, there is no docker command; ``refusal``, what the client said that is neither that nor a want of rights.
    """

    networks: tuple[DockerNetwork, ...]
    pools: tuple[Network, ...] | None
    own: tuple[Network, ...]
    asked: bool
    stopped: bool = False
    client: bool = True
    refusal: str = ""


@dataclass(frozen=True)
class ReadDockerNetworks(HostProbe[DockerNetworks]):
    """Ask docker-network-inspect(1) and docker-info(1); without a right to the engine's socket, ip-address(8)."""

    method: ClassVar[str] = "docker network inspect"
    section: ClassVar[str] = "docker-networks"
    privileged: ClassVar[bool] = True
    script: ClassVar[str] = """
networks() {
  docker network ls -q --no-trunc | {
    set --
    while read -r network; do set -- "$@" "$network"; done
    [ $# -gt 0 ] && docker network inspect --format '{{.Name}} {{json .IPAM.Config}}' "$@"
  }
}
command -v docker >/dev/null 2>&1 && ask networks networks && \
  ask pools docker info --format '{{json .DefaultAddressPools}}'
ask addresses ip -o addr show
:
"""

    def understand(self, output: str, status: int) -> DockerNetworks:
        found = parts(output)
        held = tuple(_held(found["addresses"].text)) if "addresses" in found else ()
        own = tuple(subnet for name, subnet in held if not _BRIDGES.fullmatch(name) and name != "lo")
        engine = found.get("networks")
        if engine is not None and engine.answered:
            pools = found.get("pools")
            return DockerNetworks(
                networks=tuple(_networks(engine.text)),
                pools=_pools(pools.text) if pools is not None and pools.answered else DEFAULT_POOLS,
                own=own,
                asked=True,
            )
        bridges = tuple(DockerNetwork(name=name, subnet=subnet) for name, subnet in held if _BRIDGES.fullmatch(name))
        said = " ".join(engine.text.split())[:200] if engine is not None else ""
        stopped = (
            "cannot connect to the docker daemon" in said.lower() or "is the docker daemon running" in said.lower()
        )
        if bridges:
            denied = "permission denied" in said.lower()
            return DockerNetworks(
                networks=bridges,
                pools=None,
                own=own,
                asked=False,
                stopped=stopped,
                client=engine is not None,
                refusal="" if stopped or denied else said,
            )
        if engine is None:
            raise ProbeError(
                Cause.TOOL_MISSING,
                "there is no Docker on this machine, and no network of one",
                enable="Install Docker on that machine, then run the audit again.",
            )
        if stopped:
            finding = f"vm.docker[{self.vantage}]"
            raise ProbeError(
                Cause.BLOCKED,
                f"the engine is stopped, so it does not show its networks: {said}",
                enable=f"Settle {finding} first, then run the audit again.",
                by=finding,
            )
        code = Cause.PERMISSION if "permission denied" in said.lower() else Cause.UNSUPPORTED
        raise ProbeError(
            code,
            f"the engine does not show its networks: {said or 'no answer'}",
            enable="Let the audit's user ask the engine (group docker, or `ssh.sudo`) and see that the engine runs.",
        )


def _networks(text: str) -> Iterator[DockerNetwork]:
    for line in text.splitlines():
        name, _, told = line.partition(" ")
        try:
            configs: object = json.loads(told)
        except (ValueError, RecursionError):
            continue
        for config in configs if isinstance(configs, list) else ():
            subnet = _network(config.get("Subnet")) if isinstance(config, dict) else None
            if subnet is not None:
                yield DockerNetwork(name=name[:100], subnet=subnet)


def _pools(text: str) -> tuple[Network, ...]:
    try:
        told: object = json.loads(text)
    except (ValueError, RecursionError):
        return DEFAULT_POOLS
    if not isinstance(told, list) or not told:
        return DEFAULT_POOLS
    bases = (_network(pool.get("Base")) for pool in told if isinstance(pool, dict))
    return tuple(base for base in bases if base is not None)


def _held(text: str) -> Iterator[tuple[str, Network]]:
    for line in text.splitlines():
        row = re.match(r"\d+: (\S+?)(?:@\S+)?\s+inet6? (\S+)", line)
        if row:
            try:
                subnet = ip_interface(row[2]).network
            except ValueError:
                continue
            yield row[1], subnet


def _network(text: object) -> Network | None:
    try:
        return ip_network(text, strict=False) if isinstance(text, str) else None
    except ValueError:
        return None
