"""Network: one segment, connected both ways, with names that mean the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations, permutations

from readiness.check import Settled, Unbuilt
from readiness.model import Obligation, Origin, Owner, Requirement, Status, Target, TargetKind
from readiness.site import Site, Vm, VmTarget

SECTION = "Virtual Machines for the EXEC Components"


@dataclass(frozen=True, kw_only=True, eq=False)
class PairTarget(Target):
    """Two VMs that are built; ``vm`` comes first in the name."""

    vm: Vm
    other: Vm
    site: Site


class OneSegment(Unbuilt):
    requirement = Requirement(
        id="network.segment",
        section=SECTION,
        text="All EXEC VMs are in one local network segment.",
        proof=(
            "Each VM of a pair is asked for its route to the other and, after it has been contacted, for the hardware"
            " address that answered; that must be one of the other's own network cards. Both ways."
        ),
        outcomes={
            Status.PASS: "Neither VM has a gateway towards the other, and each saw the other's own hardware address.",
            Status.WARN: "What was seen in the two directions disagrees.",
            Status.FAIL: "A gateway lies between them, or something else answered in the other's place (proxy ARP).",
            Status.UNKNOWN: (
                "One of the two could not be asked, gave no hardware address, or the cloud's fabric answers for all,"
                " so that nothing can be seen from inside."
            ),
        },
        remedy=(
            "Put the network cards of both VMs into one VLAN or port group and give them addresses of one subnet. On"
            " each: ip route get <the other's address> must show no `via`."
        ),
        owner=Owner.VIRTUALISATION,
        valid_for=timedelta(days=30),
    )

    def targets(self, site: Site) -> Sequence[PairTarget | Settled]:
        return _pairs(site, tuple(combinations(site.vms, 2)), ",")


class Interconnect(Unbuilt):
    requirement = Requirement(
        id="network.interconnect",
        section=SECTION,
        text="Every EXEC VM can be reached by every other over the network.",
        proof=(
            "One VM dials the other's component port while a listener of ours answers there with a word that only it"
            " knows. Where no listener may be opened, neighbourhood in one segment together with any answer counts."
        ),
        outcomes={
            Status.PASS: "The other VM provably answered.",
            Status.WARN: "Nothing came back between two VMs whose components have nothing to say to each other.",
            Status.FAIL: "Nothing came back, though the listener was up and a row of the table needs this direction.",
            Status.UNKNOWN: "One of the two could not be asked, or an answer came that proves no one's identity.",
        },
        remedy=(
            "Look for a firewall on <vm> first (firewall-cmd --list-all, ufw status, nft list ruleset), then between"
            " the two; allow TCP from <other VM's address> to port <port>."
        ),
        owner=Owner.NETWORK,
        valid_for=timedelta(days=7),
    )

    def targets(self, site: Site) -> Sequence[PairTarget | Settled]:
        return _pairs(site, tuple(permutations(site.vms, 2)), "->")


class NameResolution(Unbuilt):
    requirement = Requirement(
        id="network.name-resolution",
        section=SECTION,
        text="Every name that a component will use resolves on its VM, and means the same on every VM that uses it.",
        proof=(
            "Each VM's own resolver is asked for the names in the rows of its component, and the addresses are"
            " compared with those on the other VMs. Genesys Cloud's public names need only resolve."
        ),
        outcomes={
            Status.PASS: "All names resolved, to the same addresses as on the other VMs.",
            Status.WARN: "A name gives partly different addresses on the VMs, as one that rotates does.",
            Status.FAIL: "A name does not resolve on this VM, or gives entirely other addresses than elsewhere.",
            Status.UNKNOWN: "The VM could not be asked, or its resolver gave no answer in time.",
            Status.SKIP: "No row of this VM uses a name.",
        },
        remedy=(
            "On <vm>: getent ahosts <name>; then resolvectl status or cat /etc/resolv.conf . Give the VM the"
            " resolvers that know the name, or add the name to them; remove a stale line from /etc/hosts."
        ),
        owner=Owner.NETWORK,
        valid_for=timedelta(days=7),
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return _vms(site)


class DockerOverlap(Unbuilt):
    requirement = Requirement(
        id="network.docker-overlap",
        section=SECTION,
        text="The networks that Docker makes for itself do not cover an address of the site.",
        proof=(
            "On each VM the subnets of Docker's networks, and the pools that new ones will come from, are compared"
            " with the addresses of all VMs and services."
        ),
        outcomes={
            Status.PASS: "No subnet and no pool of Docker's covers an address of the site.",
            Status.WARN: "A subnet covers an address of the site, or a network made later may.",
            Status.UNKNOWN: "The VM could not be asked, has no engine yet, or hides the engine's networks.",
        },
        remedy=(
            "On <vm> choose free ranges in /etc/docker/daemon.json:"
            ' {"bip": "<free>.1/24", "default-address-pools": [{"base": "<free>/16", "size": 24}]}'
            " ; then sudo systemctl restart docker, and remove networks that were made before."
        ),
        owner=Owner.DEPLOYER,
        valid_for=timedelta(days=30),
        obligation=Obligation.OPTIONAL,
        origin=Origin.BEYOND,
    )

    def targets(self, site: Site) -> Sequence[VmTarget | Settled]:
        return _vms(site)


def _vms(site: Site) -> Sequence[VmTarget | Settled]:
    if not site.vms:
        return (Settled.without_vms(),)
    return tuple(VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm) for vm in site.vms)


def _pairs(site: Site, pairs: Sequence[tuple[Vm, Vm]], sign: str) -> Sequence[PairTarget | Settled]:
    if not pairs:
        return (Settled.without_vms(),)
    return tuple(_pair(vm, other, site, f"{vm.name}{sign}{other.name}") for vm, other in pairs)


def _pair(vm: Vm, other: Vm, site: Site, name: str) -> PairTarget | Settled:
    for one in (vm, other):
        if not one.built:
            settled = Settled.unbuilt(one)
            return Settled(
                target=Target(kind=TargetKind.EDGE, name=name, source=vm.name, host=other.address),
                judgement=settled.judgement,
            )
    return PairTarget(
        kind=TargetKind.EDGE, name=name, source=vm.name, host=other.address, vm=vm, other=other, site=site
    )
