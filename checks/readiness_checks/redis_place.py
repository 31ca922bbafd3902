"""Redis Cache: where it runs, seen from the EXEC hosts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from readiness import (
    Attempt,
    Cause,
    Check,
    Evidence,
    Judgement,
    Lane,
    Level,
    Needs,
    Owner,
    Reason,
    Requirement,
    Settled,
    Status,
    Unread,
)
from readiness.probes.docker_networks import DockerNetworks, ReadDockerNetworks
from readiness.probes.linux import Interfaces, ReadInterfaces
from readiness.probes.names import Names, ResolveNames
from readiness.site import Absent, Environment, Redis, ServiceTarget, Site
from readiness_checks.redis_heard import MONTH, SECTION, absent, no_vm

OutsideFact = Interfaces | DockerNetworks | Names | Unread


class RedisOutsideDocker(Check[ServiceTarget[Redis], *tuple[OutsideFact, ...]]):
    requirement = Requirement(
        id="redis.outside-docker",
        section=SECTION,
        text="In production, Redis runs outside the Docker networks of the EXEC hosts, and on none of these hosts.",
        proof=(
            "Every EXEC VM resolves the declared host. The addresses are compared with those that the VMs' own"
            " interfaces hold or the site file declares for them, and with the subnets of their Docker networks."
        ),
        outcomes={
            Status.PASS: "None of the addresses belongs to an EXEC VM or lies in one of their Docker networks.",
            Status.FAIL: "An address is an EXEC VM's own, or lies in a Docker network of one.",
            Status.UNKNOWN: "The name does not resolve, or a VM did not show its addresses or Docker networks.",
            Status.MANUAL: "The site file says that there will be no Redis.",
            Status.SKIP: "The site is a lab; the page asks this of production deployments.",
        },
        remedy=(
            "Have the DBA team run Redis on machines of its own, and declare its endpoint as `redis` in the site file."
        ),
        owner=Owner.DBA,
        valid_for=MONTH,
    )

    def targets(self, site: Site) -> Sequence[ServiceTarget[Redis] | Settled]:
        if isinstance(site.redis, Absent):
            return (absent(site.redis),)
        target = ServiceTarget.of(site.redis.endpoint, site.redis, site.vms_of(), site)
        if site.environment is Environment.LAB:
            why = "The site is declared a lab; the page asks this of production deployments."
            return (Settled(target=target, judgement=Judgement.skip(why)),)
        return (target,)

    def needs(self, target: ServiceTarget[Redis]) -> Needs:
        host = target.service.endpoint.host
        return tuple(
            Attempt(probe)
            for vm in target.vantages
            for probe in (ResolveNames(vm, (host,)), ReadInterfaces(vm), ReadDockerNetworks(vm))
        )

    def judge(self, target: ServiceTarget[Redis], *facts: OutsideFact) -> Judgement:
        if not target.vantages:
            return no_vm()
        seen = [_Vm(vm, *facts[3 * at : 3 * at + 3]) for at, vm in enumerate(target.vantages)]
        addresses = {address for vm in seen for address in vm.resolved(target.service.endpoint.host)}
        expected = "an address that no EXEC VM holds and no Docker network of theirs contains"
        if not addresses:
            return Judgement.blocked(
                f"connectivity.redis[{target.vantages[0]}->{target.name}]",
                f"Not determined: no EXEC VM resolves {target.service.endpoint.host}.",
                detail=seen[0].unresolved(target.service.endpoint.host),
                observed="no address",
                lane=Lane.DNS,
            )
        inside = [reason for vm in seen for address in sorted(addresses) for reason in vm.holds(address)]
        inside = inside or list(_declared(target, addresses))
        evidence = tuple(piece for vm in seen for piece in vm.evidence(target.service.endpoint.host))
        shown = ", ".join(sorted(addresses))
        if inside:
            return Judgement.missed(
                f"Redis at {target.name} runs on an EXEC host or in its Docker network: {inside[0]}.",
                expected=expected,
                observed="; ".join(inside),
                evidence=evidence,
                reasoning="For production the page wants the data store outside the hosts' Docker networks, so that it"
                " does not share their fate.",
                remedy="Have the DBA team run Redis on machines of its own, and declare its endpoint as `redis` in the"
                " site file. What runs on the VM now is shown there by:\nsudo ss -ltnp 'sport = :"
                f"{target.service.endpoint.port}'; docker ps --filter publish={target.service.endpoint.port}",
                job=f"Move Redis at {target.name} off the EXEC hosts",
                lane=Lane.CONFIGURATION,
            )
        unseen = [reason for vm in seen for reason in vm.unseen()]
        unseen += [f"{vm.name} is not built yet" for vm in target.site.vms if not vm.built]
        first = _first_reason(seen)
        if unseen:
            return Judgement.unknown(
                f"Not determined: {shown} is none of the addresses that were seen, but {unseen[0]}.",
                first.code if first is not None else Cause.UNDECLARED,
                "; ".join(unseen),
                by=first.by if first is not None else None,
                enable="Let the audit read interfaces and Docker networks of every EXEC VM (the user in the group"
                " docker, or `ssh.sudo`), then run it again.",
                observed=shown,
                evidence=evidence,
                reasoning="Redis could still run where nothing was seen.",
            )
        return Judgement.met(
            f"Redis at {target.name} runs outside the EXEC hosts and their Docker networks.",
            expected=expected,
            observed=shown,
            evidence=evidence,
            reasoning="No interface of an EXEC VM holds any of these addresses, and none of their Docker networks"
            " contains one. How Redis is run on its own machines, the audit does not look at.",
        )


def _declared(target: ServiceTarget[Redis], addresses: set[str]) -> Iterator[str]:
    """Addresses that no interface need show, since they are translated on the way to the VM."""
    host = target.service.endpoint.host.lower()
    for vm in target.site.vms:
        for known in dict.fromkeys((vm.address, vm.host)):
            if known is not None and (known in addresses or known.lower() == host):
                yield f"{known} is declared as the address of {vm.name}"


@dataclass(frozen=True)
class _Vm:
    """What one EXEC VM shows: the address of Redis as it sees it, its own addresses, its Docker networks."""

    name: str
    names: OutsideFact
    interfaces: OutsideFact
    docker: OutsideFact

    def resolved(self, host: str) -> Iterator[str]:
        if isinstance(self.names, Names) and (name := self.names.names.get(host)) is not None:
            yield from map(str, name.addresses)

    def unresolved(self, host: str) -> str:
        if isinstance(self.names, Names) and (name := self.names.names.get(host)) is not None:
            return f"{self.name}: {name.unread.detail if name.unread is not None else name.error}"
        return self.names.reason.detail if isinstance(self.names, Unread) else "no answer"

    def holds(self, address: str) -> Iterator[str]:
        if ip_address(address).is_loopback:
            if address in set(self.resolved_any()):
                yield f"{address} is {self.name} itself"
            return
        if isinstance(self.interfaces, Interfaces) and (held := self.interfaces.holder_of(address)) is not None:
            yield f"{address} is held by {held.name} of {self.name}"
        elif isinstance(self.docker, DockerNetworks):
            for network in self.docker.networks:
                if ip_address(address) in network.subnet:
                    yield f"{address} lies in the Docker network {network} of {self.name}"

    def resolved_any(self) -> Iterator[str]:
        if isinstance(self.names, Names):
            yield from (str(address) for name in self.names.names.values() for address in name.addresses)

    @property
    def without_docker(self) -> bool:
        return isinstance(self.docker, Unread) and self.docker.reason.code is Cause.TOOL_MISSING

    def unseen(self) -> Iterator[str]:
        if isinstance(self.interfaces, Unread):
            yield f"the addresses of {self.name} could not be read ({self.interfaces.reason.detail})"
        if isinstance(self.docker, Unread) and not self.without_docker:
            yield f"the Docker networks of {self.name} could not be read ({self.docker.reason.detail})"

    def evidence(self, host: str) -> Iterator[Evidence]:
        level = Level.AUTHENTICATED
        resolved = ", ".join(self.resolved(host))
        if resolved:
            yield Evidence(label="Redis resolves to", value=resolved, level=level, of=self.names)
        if isinstance(self.interfaces, Interfaces):
            held = ", ".join(str(a) for i in self.interfaces.interfaces for a in i.addresses if not a.ip.is_loopback)
            yield Evidence(label=f"Addresses of {self.name}", value=held or "none", level=level, of=self.interfaces)
        if isinstance(self.docker, DockerNetworks):
            networks = ", ".join(map(str, self.docker.networks)) or "none"
            yield Evidence(label=f"Docker networks of {self.name}", value=networks, level=level, of=self.docker)
        elif self.without_docker:
            yield Evidence(
                label=f"Docker networks of {self.name}", value="no Docker there", level=level, of=self.docker
            )


def _first_reason(seen: Sequence[_Vm]) -> Reason | None:
    reasons = (
        fact.reason
        for vm in seen
        for fact in (vm.interfaces, vm.docker)
        if isinstance(fact, Unread) and not (fact is vm.docker and vm.without_docker)
    )
    return next(reasons, None)
