"""Targets that carry what a check needs to know of the site to judge them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from readiness.model import Target, TargetKind
from readiness.site.declared import Bootstrap, Endpoint, Site, Vm
from readiness.vantage import AUDITOR

ServiceT = TypeVar("ServiceT")


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteTarget(Target):
    """The site as a whole."""

    site: Site

    @staticmethod
    def of(site: Site) -> SiteTarget:
        return SiteTarget(kind=TargetKind.SITE, name="site", site=site)


@dataclass(frozen=True, kw_only=True, eq=False)
class VmTarget(Target):
    """One VM that is built (or the bootstrap VM, by ``Target.name`` alone)."""

    vm: Vm
    site: Site

    @staticmethod
    def of(vm: Vm, site: Site) -> VmTarget:
        return VmTarget(kind=TargetKind.VM, name=vm.name, host=vm.host, vm=vm, site=site)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceTarget(Target, Generic[ServiceT]):
    """A declared service; ``vantages`` are the VMs whose rows name it, in the order excs, exas, excp."""

    service: ServiceT
    vantages: tuple[str, ...]
    site: Site

    @staticmethod
    def of(endpoint: Endpoint, service: ServiceT, vantages: tuple[Vm, ...], site: Site) -> ServiceTarget[ServiceT]:
        return ServiceTarget(
            kind=TargetKind.SERVICE,
            name=str(endpoint),
            host=endpoint.host,
            port=endpoint.port,
            service=service,
            vantages=tuple(vm.name for vm in vantages if vm.built),
            site=site,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EdgeTarget(Target):
    """A path from one VM to a peer; ``peer_vm`` where the peer is a VM of the site."""

    vm: Vm
    peer: Endpoint
    site: Site
    peer_vm: Vm | None = None

    @staticmethod
    def of(vm: Vm, peer: Endpoint, site: Site, *, peer_vm: Vm | None = None) -> EdgeTarget:
        shown = f"{peer_vm.name}:{peer.port}" if peer_vm is not None else str(peer)
        return EdgeTarget(
            kind=TargetKind.EDGE,
            name=f"{vm.name}->{shown}",
            source=vm.name,
            host=peer.host,
            port=peer.port,
            vm=vm,
            peer=peer,
            site=site,
            peer_vm=peer_vm,
        )


def lookout(site: Site) -> str:
    """The vantage for what no row of the table names a source of: the bootstrap VM, else the auditor."""
    bootstrap = site.bootstrap
    return bootstrap.name if isinstance(bootstrap, Bootstrap) and (bootstrap.local or bootstrap.host) else AUDITOR
