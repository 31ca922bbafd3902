"""Network: one segment, connected both ways, with names that mean the same everywhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from ipaddress import ip_address
from itertools import combinations, permutations

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
    Reason,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.docker_networks import DEFAULT_POOLS, DockerNetworks, ReadDockerNetworks
from readiness.probes.linux import Identity, ReadIdentity
from readiness.probes.listener import Call, CallPort, Echo, Obstacle, PortProof, Reach, port_of
from readiness.probes.names import Address, Name, Names, ResolveNames
from readiness.probes.neighbours import ANY_PORT, Neighbour, Neighbours, ReadNeighbours
from readiness.probes.tcp import DialTcp, PathState, TcpPath
from readiness.site import (
    Absent,
    Bootstrap,
    ConfigDb,
    GenesysCloud,
    Logging,
    Prometheus,
    Redis,
    Registry,
    Role,
    Site,
    StatServer,
    Vm,
    VmTarget,
)
from readiness_checks.path_words import rejected_by_peer

SECTION = "Virtual Machines for the EXEC Components"


# -- one segment ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class PairTarget(Target):
    """Two VMs that are built; ``vm`` comes first in the name."""

    vm: Vm
    other: Vm
    site: Site


class Sight(Enum):
    """How one VM sees the address of another, as the reason of a finding says it."""

    ADJACENT = "next to it"
    GATEWAY = "behind a gateway"
    STRANGER = "answered for by a machine that is not it"
    SILENT = "on the link by its route, but no one answers there"
    UNROUTED = "nowhere: it has no route to it"
    ITSELF = "as an address of its own"
    FABRIC = "through a fabric that answers for all"
    UNASKED = "without having looked for it"
    NAMELESS = "not at all: its name does not resolve there"
    FACELESS = "on the link, but that one does not show its own network cards"


@dataclass(frozen=True, kw_only=True)
class View:
    """One direction: what ``source`` sees of ``peer`` in ``tables``; ``neighbour`` is what decided."""

    source: Vm
    peer: Vm
    tables: Neighbours
    sight: Sight
    neighbour: Neighbour | None

    @staticmethod
    def of(source: Vm, peer: Vm, seen: Neighbours, known: Neighbours) -> View:
        """What the tables of ``source`` say; ``known`` are those of the peer, with its own hardware addresses."""
        told = seen.peers.get(peer.address or "")
        neighbours = [one for one in told.neighbours if not one.unrouted] if told is not None else []
        if not neighbours:
            sight = Sight.NAMELESS
            if told is not None and not told.error:  # no address but loopback was left out
                sight = Sight.UNROUTED if told.neighbours else Sight.ITSELF
            return View(source=source, peer=peer, tables=seen, sight=sight, neighbour=None)
        views = [
            View(source=source, peer=peer, tables=seen, sight=_sight(one, known), neighbour=one) for one in neighbours
        ]
        order = [Sight.STRANGER, Sight.GATEWAY, Sight.SILENT]
        return min(views, key=lambda view: order.index(view.sight) if view.sight in order else len(order))

    @property
    def words(self) -> str:
        one = self.neighbour
        match self.sight:
            case Sight.ADJACENT if one is not None:
                return f"on the link ({one.device}), answered by {one.mac}"
            case Sight.GATEWAY if one is not None:
                return f"behind the gateway {one.gateway} ({one.device})"
            case Sight.STRANGER if one is not None:
                return f"answered by {one.mac}, which is no card of {self.peer.name}"
            case Sight.SILENT if one is not None:
                return f"on the link by its route ({one.device}), and nobody answers"
            case Sight.FABRIC if one is not None:
                return f"through a fabric: gateway {one.gateway or 'none'}, hardware address {one.mac or 'none'}"
            case _:
                return self.sight.value

    @property
    def evidence(self) -> Evidence:
        address = self.neighbour.address if self.neighbour is not None else self.peer.address
        return Evidence(
            label=f"{self.peer.name} at {address}, seen from {self.source.name}",
            value=self.words,
            level=Level.AUTHENTICATED,
            of=self.tables,
        )


def _sight(one: Neighbour, known: Neighbours) -> Sight:
    if one.itself:
        return Sight.ITSELF
    if one.fabric:
        return Sight.FABRIC
    if one.gateway is not None:
        return Sight.GATEWAY
    if one.mac and not known.macs:
        return Sight.FACELESS
    if one.mac:
        return Sight.ADJACENT if one.mac in known.macs else Sight.STRANGER
    return Sight.SILENT if one.asked else Sight.UNASKED


class OneSegment(Check[PairTarget, Neighbours, Neighbours]):
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

    def needs(self, target: PairTarget) -> Needs:
        return (_neighbours(target.vm, target.site), _neighbours(target.other, target.site))

    def judge(self, target: PairTarget, ours: Neighbours, theirs: Neighbours) -> Judgement:
        one, other = target.vm, target.other
        there = View.of(one, other, ours, theirs)
        back = View.of(other, one, theirs, ours)
        evidence = (there.evidence, back.evidence)
        observed = f"{one.name} sees {other.name} {there.words}; {other.name} sees {one.name} {back.words}"
        both = f"{one.name} and {other.name}"
        sights = {there.sight, back.sight}
        nat = _translated(target, ours, theirs)
        if sights == {Sight.ADJACENT}:
            return Judgement.met(
                f"{both} are next to each other in one segment.",
                expected=_EXPECTED_SEGMENT,
                observed=observed,
                evidence=evidence,
                reasoning=(
                    "Neither has a gateway on its way to the other, and the hardware address that answered is one of"
                    " the other's own network cards. This shows ARP adjacency, which a cloud may lend to networks"
                    " that are none underneath."
                ),
            )
        if Sight.ITSELF in sights:
            return Judgement.unknown(
                f"Whether {both} share a segment cannot be seen: one holds the other's address itself.",
                Cause.UNSUPPORTED,
                "an address of the one is an address of the other too",
                enable=f"Give {both} different `address` values in the site file, each held by its own VM.",
                evidence=evidence,
                observed=observed,
                owner=Owner.DEPLOYER,
            )
        if Sight.FABRIC in sights:
            return Judgement.unknown(
                f"Whether {both} share a segment cannot be seen from inside: the cloud's fabric answers for every"
                " machine.",
                Cause.UNSUPPORTED,
                "the network routes every address by itself and shows no hardware address of a peer",
                enable="Show in the cloud's console that both VMs are in one subnet, and attest it.",
                evidence=evidence,
                observed=observed,
                owner=Owner.VIRTUALISATION,
            )
        if sights == {Sight.ADJACENT, Sight.GATEWAY}:
            return self._crooked(target, there if there.sight is Sight.GATEWAY else back, observed, evidence)
        for view in (there, back):
            if view.sight in (Sight.GATEWAY, Sight.STRANGER, Sight.UNROUTED):
                return self._apart(target, view, observed + nat, evidence)
        if sights == {Sight.SILENT} and not nat:
            return self._apart(target, there, observed + nat, evidence)
        return Judgement.unknown(
            f"Whether {both} share a segment could not be seen in both directions.",
            Cause.UNSUPPORTED,
            observed,
            enable=(
                f"Run on {one.name}: ping -c1 {other.address}; ip neigh show to {other.address}; on {other.name} the"
                f" same with {one.address}. Then run the audit again."
            ),
            evidence=evidence,
            observed=observed,
        )

    def _crooked(self, target: PairTarget, view: View, observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        via = view.neighbour.gateway if view.neighbour is not None else None
        return Judgement.weak(
            f"{view.source.name} takes a detour to {view.peer.name}, which is in its own segment.",
            expected=_EXPECTED_SEGMENT,
            observed=observed,
            evidence=evidence,
            lane=Lane.ROUTE,
            owner=Owner.VIRTUALISATION,
            reasoning=(
                "One direction shows that both are in one segment; in the other a route leads over a gateway all the"
                " same."
            ),
            remedy=(
                f"On {view.source.name}, find and remove the route via {via}, or correct the prefix length of its"
                f" card:\n\n    ip route get {_at(view)}\n    ip route show"
            ),
            job=f"Remove the route via {via} to {view.peer.name} on {view.source.name}",
        )

    def _apart(self, target: PairTarget, view: View, observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        one, other, one_neighbour = view.source.name, view.peer.name, view.neighbour
        match view.sight:
            case Sight.GATEWAY:
                via = one_neighbour.gateway if one_neighbour is not None else None
                why = (
                    f"The kernel of {one} sends what is meant for {other} to the gateway {via}: they are in different"
                    " segments."
                )
            case Sight.STRANGER:
                why = (
                    f"A hardware address that {other} does not own answers for it, as a router does that stands in"
                    " for another segment (proxy ARP)."
                )
            case Sight.SILENT:
                why = (
                    "Both VMs were alive and asked for each other on the link, and neither heard an answer: their"
                    " subnets look alike, but no segment connects them."
                )
            case _:
                why = f"The kernel of {one} has no route to {other} at all."
        return Judgement.missed(
            f"{target.vm.name} and {target.other.name} are not in one network segment.",
            expected=_EXPECTED_SEGMENT,
            observed=observed,
            evidence=evidence,
            lane=Lane.ROUTE,
            owner=Owner.VIRTUALISATION,
            reasoning=why,
            remedy=(
                f"Put the network cards of {target.vm.name} and {target.other.name} into one VLAN or port group with"
                f" addresses of one subnet. Then on {one} the first shows no `via`, and the second the hardware"
                f" address of {other}:\n\n    ip route get {_at(view)}\n    ping -c1 {_at(view)}; ip neigh show to"
                f" {_at(view)}"
            ),
            job=f"Put {target.vm.name} and {target.other.name} into one network segment",
        )


_EXPECTED_SEGMENT = "no gateway between the two, and each other's own hardware address, both ways"


def _at(view: View) -> str:
    return str(view.neighbour.address if view.neighbour is not None else view.peer.address)


def _neighbours(vm: Vm, site: Site) -> ReadNeighbours:
    peers = [other.address for other in site.vms if other.built and other.name != vm.name and other.address]
    return ReadNeighbours(vm.name, tuple(dict.fromkeys(peers)))


def _translated(target: PairTarget, ours: Neighbours, theirs: Neighbours) -> str:
    """Say where a declared address is held by no network card, as behind NAT."""
    said = ""
    for vm, held in ((target.vm, ours.addresses), (target.other, theirs.addresses)):
        address = _literal(vm.address)
        if address is not None and held and address not in held:
            said += f"; no card of {vm.name} holds {address}, so its address is translated on the way"
    return said


# -- interconnect --------------------------------------------------------------------------------------------


class Interconnect(
    Check[
        PairTarget, PortProof | TcpPath, Neighbours | Unread, Neighbours | Unread, Identity | Unread, Identity | Unread
    ]
):
    requirement = Requirement(
        id="network.interconnect",
        section=SECTION,
        text="Every EXEC VM can be reached by every other over the network.",
        proof=(
            "One VM dials the other's component port while a listener of ours answers there with a word that only it"
            " knows. Where no such word comes back, any answer counts if the two are neighbours in one segment: nobody"
            " else can have given it then."
        ),
        outcomes={
            Status.PASS: "The other VM provably answered.",
            Status.WARN: (
                "Nothing came back between two VMs whose components have nothing to say to each other, or only some"
                " connects came through."
            ),
            Status.FAIL: (
                "A row of the table needs this direction, and nothing of the other VM came back though something was"
                " listening there, or the VM that dials knows no way to it."
            ),
            Status.UNKNOWN: (
                "One of the two could not be asked, nothing could listen there, or an answer came that proves no one's"
                " identity."
            ),
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

    def needs(self, target: PairTarget) -> Needs:
        vm, other, site = target.vm, target.other, target.site
        port = port_of(other, site)
        listening = site.probing.listeners and port
        return (
            CallPort.of(other, site) if listening else DialTcp(vm.name, other.address or other.name, port or ANY_PORT),
            Attempt(_neighbours(vm, site)),
            Attempt(_neighbours(other, site)),
            Attempt(ReadIdentity(vm.name)),
            Attempt(ReadIdentity(other.name)),
        )

    def judge(
        self,
        target: PairTarget,
        way: PortProof | TcpPath,
        ours: Neighbours | Unread,
        theirs: Neighbours | Unread,
        identity: Identity | Unread,
        other_identity: Identity | Unread,
    ) -> Judgement:
        return _Way(target, way, ours, theirs, identity, other_identity).judgement


@dataclass(frozen=True)
class _Way:
    """All that is known of one direction."""

    target: PairTarget
    asked: PortProof | TcpPath
    ours: Neighbours | Unread
    theirs: Neighbours | Unread
    identity: Identity | Unread
    other_identity: Identity | Unread

    @property
    def judgement(self) -> Judgement:
        """What the direction comes to."""
        path, reach = self.path, self.reach
        if self._never_left:
            return self._one_machine()
        if reach is Reach.PROVEN:
            return self._proven()
        if path is None or path.state is PathState.UNCLEAR:
            return self._no_news()
        if reach is Reach.UNSTABLE or (reach is None and path.state in (PathState.UNSTABLE, PathState.MIXED)):
            return self._unstable(path)
        if reach is Reach.ELSEWHERE:
            return self._stranger(path)
        if self._answered(path):
            if self.adjacent:
                return self._by_neighbourhood(path)
            if path.state is PathState.OPEN or not self.occupied:
                return self._by_somebody(path)
        if self.occupied or _at_the_source(path):
            return self._lost(path)
        return self._unheard(path)

    # What was seen

    @property
    def vm(self) -> str:
        return self.target.vm.name

    @property
    def other(self) -> str:
        return self.target.other.name

    @property
    def proof(self) -> PortProof | None:
        """The calls, where a listener was meant to take them."""
        return self.asked if isinstance(self.asked, PortProof) else None

    @property
    def call(self) -> Call | None:
        return self.asked.call(self.vm) if isinstance(self.asked, PortProof) else None

    @property
    def path(self) -> TcpPath | None:
        return self.asked.call(self.vm).path if isinstance(self.asked, PortProof) else self.asked

    @property
    def reach(self) -> Reach | None:
        return self.asked.reach(self.vm) if isinstance(self.asked, PortProof) else None

    @property
    def occupied(self) -> bool:
        """Whether somebody had the port all the time, so that a connect that came through would have been accepted."""
        return self.proof is not None and (self.proof.waited or self.proof.in_use)

    @property
    def views(self) -> tuple[View, ...]:
        """How the two see each other, where both could tell."""
        if isinstance(self.ours, Unread) or isinstance(self.theirs, Unread):
            return ()
        vm, other = self.target.vm, self.target.other
        return View.of(vm, other, self.ours, self.theirs), View.of(other, vm, self.theirs, self.ours)

    @property
    def adjacent(self) -> bool:
        """Whether the two see each other's own hardware address, both ways."""
        return bool(self.views) and all(view.sight is Sight.ADJACENT for view in self.views)

    @property
    def _never_left(self) -> bool:
        """Whether what was dialled was the machine itself, so that no network had a part in it."""
        call = self.call
        same = call is not None and bool(call.seen_as) and call.seen_as == call.reached
        return same or bool(self.views and self.views[0].sight is Sight.ITSELF)

    def _answered(self, path: TcpPath) -> bool:
        """Whether something came back that may be the other VM's own answer, a refusal included."""
        by_itself = path.state is PathState.REJECTED and rejected_by_peer(path)
        return by_itself or path.state in (PathState.OPEN, PathState.REFUSED)

    # Outcomes

    def _met(self, observed: str, why: str) -> Judgement:
        return Judgement.met(
            f"{self.other} answers {self.vm} over the network.",
            expected=_EXPECTED_WAY,
            observed=observed,
            evidence=self.evidence,
            reasoning=why,
        )

    def _proven(self) -> Judgement:
        call, proof = self.call, self.proof
        notes = ["Only the listener of this audit on the other VM knew the nonce that came back."]
        if call is not None and call.translated:
            notes.append(f"{self.other} sees the caller as {call.seen_as}, so its address is translated on the way.")
        if proof is not None and proof.homeless:
            notes.append(f"No interface of {self.other} has {proof.address}, so that is translated on the way.")
        return self._met("it answered with the nonce of this run", " ".join(notes))

    def _by_neighbourhood(self, path: TcpPath) -> Judgement:
        why = (
            f"{self.vm} and {self.other} see each other's own hardware address with no gateway between them, so the"
            f" answer to the connect is {self.other}'s."
        )
        if path.state is not PathState.OPEN and self.occupied:
            why += (
                f" Something was listening there, so that a packet filter turned the connect to port {path.port} away:"
                " whether a component needs that port from here, its own row of the connectivity table says."
            )
        return self._met(path.observed, why)

    def _one_machine(self) -> Judgement:
        summary = f"Nothing crossed a network from {self.vm} to {self.other}: the address leads to the machine itself."
        one, other = self.identity, self.other_identity
        if isinstance(one, Identity) and isinstance(other, Identity) and one.boot_id == other.boot_id:
            return Judgement.blocked(
                "vm.one-component-each[site]",
                summary,
                detail=f"{self.vm} and {self.other} are one machine",
                expected=_EXPECTED_WAY,
                observed=self.observed,
                evidence=self.evidence,
                lane=Lane.CONFIGURATION,
            )
        return self._unknown(
            summary,
            Reason(
                code=Cause.UNSUPPORTED,
                detail="an address of the one is an address of the other too",
                enable=f"Give {self.vm} and {self.other} different `address` values in the site file, each held by its"
                " own VM.",
            ),
            lane=Lane.CONFIGURATION,
        )

    def _no_news(self) -> Judgement:
        trouble = self.call.trouble if self.call is not None else None
        reason = trouble or Reason(
            code=Cause.UNSUPPORTED,
            detail=self.observed,
            enable=f"Install python3 on {self.vm}, whose errors are exact, and run the audit again.",
        )
        return self._unknown(f"Whether {self.vm} reaches {self.other} could not be learnt.", reason)

    def _by_somebody(self, path: TcpPath) -> Judgement:
        return self._unknown(
            f"Something answers {self.vm} at the address of {self.other}; that it is {self.other} is not proven.",
            self._unproven(f"an answer came back ({path.observed}), and the two are not seen next to each other"),
        )

    def _unheard(self, path: TcpPath) -> Judgement:
        return self._unknown(
            f"Whether {self.vm} reaches {self.other} could not be proven: nothing could listen there.",
            self._unproven(f"a port where nobody listens may stay silent ({path.observed})"),
        )

    def _unproven(self, seen: str) -> Reason:
        """Why no listener of ours could decide it, with what was seen instead."""
        no = self._no_listener
        return Reason(code=no.code, detail=f"{no.detail}; {seen}", enable=no.enable, by=no.by)

    def _unknown(self, summary: str, reason: Reason, *, lane: Lane = Lane.PROBE) -> Judgement:
        enable = reason.enable or "Mend what the reason names and run the audit again."
        return Judgement.unknown(
            summary,
            reason.code,
            reason.detail,
            enable=enable,
            by=reason.by,
            expected=_EXPECTED_WAY,
            observed=self.observed,
            evidence=self.evidence,
            lane=lane,
        )

    @property
    def _no_listener(self) -> Reason:
        """Why nothing of ours answered there."""
        proof, other = self.proof, self.other
        if proof is None and port_of(self.target.other, self.target.site):
            return Reason(
                code=Cause.UNSUPPORTED,
                detail="`probing.listeners` is false in the site file",
                enable="Set `probing.listeners: true` in the site file: the audit holds the port for a few seconds,"
                " only where it is free, and lets it go.",
            )
        if proof is None:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=f"the port of {self.target.other.role.label} is published nowhere, so nothing could hold it",
                enable=f"Declare the `port` of {other} in the site file.",
            )
        if proof.trouble is not None:
            return proof.trouble
        if proof.in_use:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=f"port {proof.port} of {other} is in use, so that no listener of this audit could answer there",
                enable=f"Free the port for the time of the audit, or look on {other} for the connection while it is"
                f" made:\n\n    {_try(self.target, proof.port)}",
            )
        if proof.not_held is not None:
            low = proof.not_held.obstacle is Obstacle.PERMISSION
            return Reason(
                code=Cause.PERMISSION if low else Cause.UNSUPPORTED,
                detail=f"{other} could not hold port {proof.port}: {proof.not_held.text}",
                enable=f"Declare the component's port for {other} above 1023."
                if low
                else f"See why {other} cannot hold the port, then run the audit again.",
            )
        if proof.call(self.vm).echo is Echo.NOTHING:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=f"{self.vm} said its word and got no reply, and the listener on {other} answered nobody else",
                enable=f"Look at the load of {other}, then run the audit again.",
            )
        if proof.call(self.vm).echo is Echo.UNHEARD:
            return Reason(
                code=Cause.UNSUPPORTED,
                detail=f"{self.vm} said its word, heard nothing, and did not show that it was awake to hear",
                enable=f"Look at the load of {self.vm} and of the auditor's machine, then run the audit again.",
            )
        return Reason(
            code=Cause.UNSUPPORTED,
            detail=f"{self.vm} could not carry a word to the listener on {other}",
            enable=f"Allow SSH forwarding on {self.vm} while the audit runs, or install python3 there.",
        )

    def _unstable(self, path: TcpPath) -> Judgement:
        return Judgement.weak(
            f"Only some connects from {self.vm} to {self.other} come through.",
            expected=_EXPECTED_WAY,
            observed=path.observed,
            evidence=self.evidence,
            lane=Lane.ROUTE,
            reasoning="Calls of the same run disagree: the way is there and not to be relied on.",
            remedy=(
                f"On {self.vm}, look for a duplicate address, a flapping link or two firewalls that disagree:\n\n"
                f"    ping -c 20 {self.target.other.address}\n    ip neigh show to {self.target.other.address}"
            ),
            job=f"Make the way from {self.vm} to {self.other} stable",
        )

    def _stranger(self, path: TcpPath) -> Judgement:
        address = self.target.other.address
        return self._conclude(
            path.observed,
            why=f"Something accepted at {address} that does not know the nonce of the listener on {self.other}.",
            lane=Lane.ROUTE,
            remedy=f"Find out who has {address} as {self.vm} sees it, and correct the address or the translation:\n\n"
            f"    ip route get {address}\n    ip neigh show to {address}",
            job=f"Find out who answers {self.vm} at {address} instead of {self.other}",
        )

    def _lost(self, path: TcpPath) -> Judgement:
        address, port = self.target.other.address, path.port
        source = next(iter(path.sources), self.target.vm.address)
        family = "ipv6" if ":" in (source or "") else "ipv4"
        job = f"Let {self.vm} through to {self.other}"
        waited = f"Something was listening on port {port} of {self.other} all the time, and"
        if path.state is PathState.DNS:
            return self._conclude(
                path.observed,
                why=f"The resolver of {self.vm} has no address for {path.host}.",
                lane=Lane.DNS,
                remedy=f"Declare a numeric `address` for {self.other}, or make the name resolve on {self.vm}:\n\n"
                f"    getent ahosts {path.host}\n    cat /etc/resolv.conf",
                job=f"Make {path.host} resolve on {self.vm}",
            )
        if path.state is PathState.DENIED:
            return self._conclude(
                path.observed,
                why=f"The connect failed on {self.vm} before anything left it.",
                lane=Lane.FIREWALL,
                remedy=f"Find the rule on {self.vm} that forbids it:\n\n    sudo nft list ruleset\n"
                f"    sudo iptables -S OUTPUT\n    ip route get {address}",
                job=job,
                owner=Owner.DEPLOYER,
            )
        if path.lane is Lane.ROUTE:
            return self._conclude(
                path.observed,
                why=f"{self.vm}, or a router on the way, reports that the address cannot be reached.",
                lane=Lane.ROUTE,
                remedy=f"Follow the way from {self.vm}:\n\n    ip route get {address}\n    ip neigh show to {address}",
                job=job,
            )
        return self._conclude(
            path.observed,
            why=f"{waited} no connect came through: a packet filter on {self.other} or on the way keeps {self.vm} out.",
            lane=Lane.FIREWALL,
            remedy=(
                f"Admit {self.vm} on {self.other}, by firewalld or ufw; if it does already, look between the two:\n\n"
                f'    sudo firewall-cmd --permanent --add-rich-rule=\'rule family="{family}"'
                f' source address="{source}" port port="{port}" protocol="tcp" accept\'\n'
                "    sudo firewall-cmd --reload\n"
                f"    sudo ufw allow proto tcp from {source} to any port {port}   # where ufw is in use"
            ),
            job=job,
        )

    def _conclude(
        self, observed: str, *, why: str, lane: Lane, remedy: str, job: str, owner: Owner | None = None
    ) -> Judgement:
        """A miss where a row of the table needs the direction, else a warning."""
        vm, other = self.target.vm, self.target.other
        needed = other.role is Role.EXCS and vm.role in (Role.EXAS, Role.EXCP)
        use = (
            f"The connectivity table needs this direction: {vm.role.label} calls EXCS."
            if needed
            else "No row of the connectivity table needs this direction, though the page asks that all can communicate."
        )
        conclude = Judgement.missed if needed else Judgement.weak
        return conclude(
            f"{vm.name} does not reach {other.name}.",
            expected=_EXPECTED_WAY,
            observed=observed,
            evidence=self.evidence,
            lane=lane,
            owner=owner,
            reasoning=f"{why} {use}",
            remedy=remedy,
            job=job,
        )

    # What is shown

    @property
    def observed(self) -> str:
        return self.path.observed if self.path is not None else "the caller gave no news of its connects"

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(self._shown())

    def _shown(self) -> Iterator[Evidence]:
        proof, call, path = self.proof, self.call, self.path
        if call is not None and self.reach is Reach.PROVEN:
            both = "both ways" if call.reported else "one way"
            seen = f"; {self.other} sees the caller as {call.seen_as}" if call.seen_as else ""
            yield Evidence(
                label="Nonce and word",
                value=f"came back, {both}{seen}",
                level=Level.PROTOCOL,
                of=proof,
                vantage=self.vm,
            )
        elif call is not None and call.heard:
            yield Evidence(
                label="Heard instead of the nonce", value=ascii(call.heard), level=Level.TCP, of=proof, vantage=self.vm
            )
        if path is not None:
            yield Evidence(
                label=f"TCP connect to port {path.port}",
                value=path.observed,
                level=Level.TCP,
                of=self.asked,
                vantage=self.vm,
                method=path.method or None,
            )
        if proof is not None:
            yield Evidence(
                label=f"Port {proof.port}", value=_holder(proof), level=Level.DECLARED, of=proof, vantage=self.other
            )
        yield from (replace(view.evidence, level=Level.TCP) for view in self.views)


def _at_the_source(path: TcpPath) -> bool:
    """Whether the VM that dials is itself what keeps the connect from leaving: whoever listens there makes no odds."""
    unrouted = path.deciding is not None and path.deciding.unrouted
    return path.state in (PathState.DNS, PathState.DENIED) or unrouted


def _holder(proof: PortProof) -> str:
    if proof.held is not None:
        early = f"; let go of early: {proof.trouble.detail}" if proof.trouble is not None else ""
        return f"held by the audit on {proof.held.address or 'all addresses'} ({proof.held.tool}){early}"
    if proof.in_use:
        return "in use"
    why = proof.trouble.detail if proof.trouble is not None else proof.not_held.text if proof.not_held else "no reason"
    return f"not held by the audit: {why}"


_EXPECTED_WAY = "the other VM provably answers"


def _try(target: PairTarget, port: int) -> str:
    return f"timeout 5 bash -c '</dev/tcp/{target.other.address}/{port}' && echo open    # on {target.vm.name}"


# -- names ---------------------------------------------------------------------------------------------------


class NameResolution(Check[VmTarget, *tuple[Names | Unread, ...]]):
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
        if not site.vms:
            return (Settled.without_vms(),)
        return tuple(self._target(vm, site) for vm in site.vms)

    def _target(self, vm: Vm, site: Site) -> VmTarget | Settled:
        if not vm.built:
            return Settled.unbuilt(vm)
        target = VmTarget.of(vm, site)
        if _names_of(vm, site):
            return target
        return Settled(
            target=target,
            judgement=Judgement.skip(f"No row of {vm.name} uses a name: all its peers are declared by address."),
        )

    def needs(self, target: VmTarget) -> Needs:
        others = _sharing(target.vm, target.site)
        return (_resolve(target.vm, target.site), *(Attempt(_resolve(vm, target.site)) for vm in others))

    def judge(self, target: VmTarget, *facts: Names | Unread) -> Judgement:
        vm, site = target.vm, target.site
        own, *elsewhere = facts
        assert isinstance(own, Names)
        others = [fact for fact in elsewhere if isinstance(fact, Names)]
        silent = [one.name for one, fact in zip(_sharing(vm, site), elsewhere, strict=True) if isinstance(fact, Unread)]
        used = _names_of(vm, site)
        verdicts = [_compared(own.names[name], use, others) for name, use in used.items()]
        evidence = tuple(_name_evidence(verdict, own) for verdict in verdicts)
        observed = "; ".join(verdict.observed for verdict in verdicts)
        for meaning, tell in (
            (Meaning.NOTHING, self._unresolved),
            (Meaning.OTHER, self._different),
            (Meaning.UNREAD, self._unanswered),
            (Meaning.PARTLY, self._partly),
            (Meaning.SELF, self._itself),
        ):
            found = [verdict for verdict in verdicts if verdict.meaning is meaning]
            if found:
                return tell(vm, found, observed, evidence)
        compared = (
            f"Its addresses were compared with those on {_listed([names.vantage for names in others])}. "
            if others
            else ""
        )
        missing = f"{_listed(silent)} could not be asked and has a finding of its own." if silent else ""
        return Judgement.met(
            f"Every name that {vm.name} uses resolves there" + (" as on the other VMs." if others else "."),
            expected=_EXPECTED_NAMES,
            observed=observed,
            evidence=evidence,
            reasoning=f"The VM's own resolver gave addresses for each name. {compared}{missing}".strip(),
        )

    def _unresolved(self, vm: Vm, found: Sequence[Verdict], observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        names = _listed([verdict.name.name for verdict in found])
        first = found[0].name
        elsewhere = found[0].groups
        known = f" It resolves on {_listed(sorted(elsewhere))}." if elsewhere else ""
        return Judgement.missed(
            f"{vm.name} cannot resolve {names}.",
            expected=_EXPECTED_NAMES,
            observed=observed,
            evidence=evidence,
            lane=Lane.DNS,
            reasoning=f"The VM's own resolver says of {first.name}: {first.error or 'no address'}.{known}",
            remedy=(
                f"Give {vm.name} a resolver that knows the name, add the name to the zone, or correct it in the site"
                f" file:\n\n    getent ahosts {first.name}\n    resolvectl status || cat /etc/resolv.conf\n    grep"
                " hosts: /etc/nsswitch.conf"
            ),
            job=f"Make {names} resolve on {vm.name}",
        )

    def _different(self, vm: Vm, found: Sequence[Verdict], observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        names = _listed([verdict.name.name for verdict in found])
        first = found[0]
        others = "; ".join(f"{vantage}: {name}" for vantage, name in first.groups.items())
        return Judgement.missed(
            f"{names} does not mean the same on {vm.name} as on the other VMs.",
            expected=_EXPECTED_NAMES,
            observed=observed,
            evidence=evidence,
            lane=Lane.DNS,
            reasoning=(
                f"{first.name.name} is {first.name} on {vm.name}, but elsewhere: {others}. They have no address in"
                " common."
            ),
            remedy=(
                f"On {vm.name}, remove a stale line of /etc/hosts, or give all VMs the same resolvers and search"
                f" domains:\n\n    getent ahosts {first.name.name}\n    grep -n {first.name.name} /etc/hosts\n   "
                " resolvectl status || cat /etc/resolv.conf"
            ),
            job=f"Make {names} give the same addresses on {vm.name} as elsewhere",
        )

    def _unanswered(self, vm: Vm, found: Sequence[Verdict], observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        reason = found[0].name.unread
        assert reason is not None
        names = _listed([verdict.name.name for verdict in found])
        return Judgement.unknown(
            f"What {names} means on {vm.name} could not be learnt.",
            reason.code,
            reason.detail,
            enable=reason.enable
            or f"On {vm.name}: time getent ahosts {found[0].name.name} ; see which resolver is slow.",
            observed=observed,
            evidence=evidence,
        )

    def _partly(self, vm: Vm, found: Sequence[Verdict], observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        names = _listed([verdict.name.name for verdict in found])
        first = found[0]
        return Judgement.weak(
            f"{names} gives partly other addresses on {vm.name} than on the other VMs.",
            expected=_EXPECTED_NAMES,
            observed=observed,
            evidence=evidence,
            lane=Lane.DNS,
            reasoning="Some addresses are common to all VMs and some are not, as with a name whose answers rotate.",
            remedy=(
                "Ask several times on each VM. If the answers do not rotate by intent, make the resolvers agree:"
                f"\n\n    getent ahosts {first.name.name}"
            ),
            job=f"See whether {names} rotates by intent",
        )

    def _itself(self, vm: Vm, found: Sequence[Verdict], observed: str, evidence: tuple[Evidence, ...]) -> Judgement:
        names = _listed([verdict.name.name for verdict in found])
        return Judgement.weak(
            f"On {vm.name} {names} means the VM itself.",
            expected=_EXPECTED_NAMES,
            observed=observed,
            evidence=evidence,
            lane=Lane.DNS,
            reasoning="A loopback address is the machine that asks, so the name is another machine on every VM.",
            remedy=(
                f"On {vm.name}, remove the line, or declare the peer by its own name:"
                f"\n\n    grep -n {found[0].name.name} /etc/hosts"
            ),
            job=f"Declare {names} by a name that is not the VM itself",
        )


_EXPECTED_NAMES = "every name resolves on the VM, to the same addresses as on every other VM that uses it"


class Use(Enum):
    """Whether a name must give the same addresses on every VM, or need only resolve."""

    PRIVATE = "private"
    PUBLIC = "public"


class Meaning(Enum):
    """What came of comparing a name on one VM with the others."""

    SAME = "same"
    NOTHING = "nothing"
    OTHER = "other"
    PARTLY = "partly"
    SELF = "self"
    UNREAD = "unread"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A name on one VM; ``groups`` are the answers of the other VMs."""

    name: Name
    use: Use
    meaning: Meaning
    groups: Mapping[str, Name]

    @property
    def observed(self) -> str:
        """The answer without what differs from one question to the next: order, and a public name's addresses."""
        if self.use is Use.PUBLIC and self.name.addresses:
            return f"{self.name.name}: resolves"
        answer = ", ".join(map(str, sorted(self.name.addresses, key=lambda one: (one.version, int(one)))))
        return f"{self.name.name}: {answer or self.name}"


def _compared(name: Name, use: Use, others: Sequence[Names]) -> Verdict:
    groups = {
        names.vantage: names.names[name.name]
        for names in others
        if name.name in names.names and names.names[name.name].addresses
    }
    return Verdict(name=name, use=use, meaning=_meaning(name, use, groups), groups=groups)


def _meaning(name: Name, use: Use, groups: Mapping[str, Name]) -> Meaning:
    if name.unread is not None:
        return Meaning.UNREAD
    if not name.addresses:
        return Meaning.NOTHING
    if use is Use.PUBLIC:
        return Meaning.SAME
    if all(address.is_loopback for address in name.addresses):
        return Meaning.SELF
    partly = False
    for version in (4, 6):
        ours = name.of_family(version)
        answers = {vantage: other.of_family(version) for vantage, other in groups.items() if other.of_family(version)}
        if not ours or not answers:
            continue
        common, votes = Counter([ours, *answers.values()]).most_common(1)[0]
        if common == ours and 2 * votes > len(answers) + 1:
            continue  # this VM is with the majority; the one that differs has a finding of its own
        if any(not ours & other for other in answers.values()):
            return Meaning.OTHER
        partly = partly or any(ours != other for other in answers.values())
    return Meaning.PARTLY if partly else Meaning.SAME


def _name_evidence(verdict: Verdict, own: Names) -> Evidence:
    value = str(verdict.name)
    if verdict.meaning in (Meaning.OTHER, Meaning.PARTLY, Meaning.NOTHING) and verdict.groups:
        value += " (elsewhere: " + "; ".join(f"{vantage}: {name}" for vantage, name in verdict.groups.items()) + ")"
    return Evidence(label=verdict.name.name, value=value, level=Level.PROTOCOL, of=own)


def _peers_of(vm: Vm, site: Site) -> Iterator[tuple[str, Use]]:
    """The host of every row in which this VM's component is the source."""
    if vm.role is Role.EXCS and isinstance(site.config_db, ConfigDb):
        yield site.config_db.endpoint.host, Use.PRIVATE
    if vm.role is Role.EXAS:
        for server in (site.stat_servers.primary, site.stat_servers.backup):
            if isinstance(server, StatServer):
                yield server.endpoint.host, Use.PRIVATE
    if vm.role is Role.EXCP and not isinstance(site.sip_servers, Absent):
        for server in site.sip_servers:
            yield server.endpoint.host, Use.PRIVATE
    if vm.role in (Role.EXAS, Role.EXCP):
        for excs in site.vms_of(Role.EXCS):
            if excs.address is not None:
                yield excs.address, Use.PRIVATE
    if vm.role is not Role.EXRP:
        for service in (site.redis, site.logging):
            if isinstance(service, Redis | Logging):
                yield service.endpoint.host, Use.PRIVATE
        if isinstance(site.genesys_cloud, GenesysCloud):
            yield site.genesys_cloud.login.host, Use.PUBLIC
            yield site.genesys_cloud.api.host, Use.PUBLIC
    if isinstance(site.registry, Registry):
        yield site.registry.endpoint.host, Use.PRIVATE


def _names_of(vm: Vm, site: Site) -> Mapping[str, Use]:
    """The names, not addresses, among a VM's peers, each once."""
    found: dict[str, Use] = {}
    for host, use in _peers_of(vm, site):
        if _literal(host) is None:
            found.setdefault(host.lower().removesuffix("."), use)
    return found


def _resolve(vm: Vm, site: Site) -> ResolveNames:
    return ResolveNames(vm.name, tuple(_names_of(vm, site)))


def _sharing(vm: Vm, site: Site) -> tuple[Vm, ...]:
    """The other built VMs that use a private name of this one."""
    ours = {name for name, use in _names_of(vm, site).items() if use is Use.PRIVATE}
    return tuple(
        other for other in site.vms if other.built and other.name != vm.name and ours & _names_of(other, site).keys()
    )


def _literal(host: str | None) -> Address | None:
    try:
        return ip_address(host or "")
    except ValueError:
        return None


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


# -- Docker's networks ---------------------------------------------------------------------------------------


class DockerOverlap(Check[VmTarget, DockerNetworks, *tuple[Names | Unread, ...]]):
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
            Status.UNKNOWN: "The VM could not be asked, its engine is missing or stopped, or hides its networks.",
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
        if not site.vms:
            return (Settled.without_vms(),)
        return tuple(VmTarget.of(vm, site) if vm.built else Settled.unbuilt(vm) for vm in site.vms)

    def needs(self, target: VmTarget) -> Needs:
        names = (Attempt(_resolve(target.vm, target.site)),) if _names_of(target.vm, target.site) else ()
        return (ReadDockerNetworks(target.vm.name), *names)

    def judge(self, target: VmTarget, networks: DockerNetworks, *names: Names | Unread) -> Judgement:
        vm = target.vm
        addresses = dict(_addresses_around(vm, target.site, *names))
        taken = [
            (address, owner, network)
            for address, owner in addresses.items()
            for network in networks.networks
            if address in network.subnet
        ]
        threatened = [
            (address, owner, pool)
            for address, owner in addresses.items()
            for pool in networks.pools or ()
            if address in pool and not any(address in subnet for subnet in networks.own)
        ]
        shown = ", ".join(map(str, networks.networks)) or "none"
        evidence = (
            Evidence(label="Docker's networks", value=shown, level=Level.AUTHENTICATED, of=networks),
            Evidence(
                label="pools of new networks",
                value=_shown_pools(networks),
                level=Level.AUTHENTICATED,
                of=networks,
            ),
        )
        if taken:
            address, owner, network = taken[0]
            return Judgement.missed(
                f"Docker on {vm.name} has taken the network of {owner} for itself.",
                expected=_EXPECTED_FREE,
                observed=f"network {network} covers {address} ({owner})",
                evidence=evidence,
                lane=Lane.ROUTE,
                reasoning=(
                    f"A route of Docker's bridge covers {address}: what {vm.name} and its containers send there never"
                    " leaves the machine."
                ),
                remedy=_free_ranges(vm),
                job=f"Move Docker's networks on {vm.name} away from {network.subnet}",
            )
        if threatened:
            address, owner, pool = threatened[0]
            return Judgement.weak(
                f"A network that Docker on {vm.name} makes later may cover {owner}.",
                expected=_EXPECTED_FREE,
                observed=f"pool {pool} covers {address} ({owner})",
                evidence=evidence,
                lane=Lane.ROUTE,
                reasoning=(
                    "No network of Docker's covers an address of the site yet. Each compose file makes another one,"
                    f" taken from the engine's pools, and one of these holds {address}."
                ),
                remedy=_free_ranges(vm),
                job=f"Choose Docker's address pools on {vm.name} so that {owner} stays outside",
            )
        unknown = f"Docker's networks on {vm.name} cover nothing that is known, but not all is known."
        if any(isinstance(one, Unread) or not all(name.addresses for name in one.names.values()) for one in names):
            return Judgement.blocked(
                f"network.name-resolution[{vm.name}]",
                unknown,
                detail="not every name of the site resolved on that VM",
                evidence=evidence,
                observed=shown,
            )
        why = _unasked_engine(networks)
        if why:
            return Judgement.blocked(
                f"vm.docker[{vm.name}]",
                unknown,
                detail=f"{why}; bridges of its networks show, and the pools of new ones do not",
                evidence=evidence,
                observed=shown,
            )
        if networks.pools is None:
            return Judgement.unknown(
                unknown,
                Cause.PERMISSION,
                "the engine shows its pools to root and the group docker alone",
                enable=f"Put the audit's user on {vm.name} into the group docker, or allow `ssh.sudo`.",
                evidence=evidence,
                observed=shown,
            )
        return Judgement.met(
            f"Docker's networks on {vm.name} keep clear of the site's addresses.",
            expected=_EXPECTED_FREE,
            observed=shown,
            evidence=evidence,
            reasoning=f"None of {len(addresses)} addresses of the site is in a network or a pool of the engine.",
        )


_EXPECTED_FREE = "no network or pool of Docker's covers an address of the site"


def _free_ranges(vm: Vm) -> str:
    return (
        f"On {vm.name} choose ranges that nobody uses, in /etc/docker/daemon.json, and restart the engine; then"
        ' remove the networks that were made before, and let compose make them anew:\n\n    {"bip": "<free>.1/24",'
        ' "default-address-pools": [{"base": "<free>/16", "size": 24}]}\n    sudo systemctl restart docker\n   '
        " docker network ls"
    )


def _unasked_engine(networks: DockerNetworks) -> str:
    """Why the engine told nothing, where that is no want of rights; empty where it is one, or it told."""
    if networks.stopped:
        return "the engine is stopped"
    if not networks.client:
        return "there is no docker command"
    return f"the docker command says: {networks.refusal}" if networks.refusal else ""


def _shown_pools(networks: DockerNetworks) -> str:
    pools = networks.pools
    if pools is None:
        why = _unasked_engine(networks)
        return f"not shown, since {why}" if why else "not shown to this user"
    if pools == DEFAULT_POOLS:
        return f"Docker's own, {pools[0]} to {pools[-1]}"
    return ", ".join(map(str, pools)) or "none"


def _addresses_around(vm: Vm, site: Site, *resolved: Names | Unread) -> Iterator[tuple[Address, str]]:
    """Every address of the site that this VM may have to reach, with whose it is."""
    hosts = [host for host, _ in _peers_of(vm, site)]
    hosts += [other.address for other in site.vms if other.address is not None and other.name != vm.name]
    for watcher in (site.bootstrap, site.monitoring.prometheus):
        if isinstance(watcher, Bootstrap | Prometheus) and watcher.host is not None:
            hosts.append(watcher.host)
    owners = {other.address: other.name for other in site.vms}
    names = {name: answer for one in resolved if isinstance(one, Names) for name, answer in one.names.items()}
    for host in dict.fromkeys(hosts):
        literal = _literal(host)
        name = names.get(host.lower().removesuffix("."))
        for address in (literal,) if literal is not None else name.addresses if name is not None else ():
            if not address.is_loopback:
                yield address, owners.get(host, host)


# -- targets -------------------------------------------------------------------------------------------------


def _pairs(site: Site, pairs: Sequence[tuple[Vm, Vm]], sign: str) -> Sequence[PairTarget | Settled]:
    if not pairs:
        target = Target(kind=TargetKind.VM, name="vms")
        return (Settled(target=target, judgement=Judgement.undeclared("vms", what="two VMs")),)
    return tuple(_pair(vm, other, site, f"{vm.name}{sign}{other.name}") for vm, other in pairs)


def _pair(vm: Vm, other: Vm, site: Site, name: str) -> PairTarget | Settled:
    for one in (vm, other):
        if not one.built:
            return Settled(
                target=Target(kind=TargetKind.EDGE, name=name, source=vm.name, host=other.address),
                judgement=Settled.unbuilt(one).judgement,
            )
    return PairTarget(
        kind=TargetKind.EDGE, name=name, source=vm.name, host=other.address, vm=vm, other=other, site=site
    )
