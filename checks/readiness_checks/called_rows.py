"""The rows about connections to the EXEC VMs themselves: a port is held for a moment, and called from each source."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

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
    Owner,
    Requirement,
    Settled,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.linux.network import Listeners, ReadListeners
from readiness.probes.listener import PROMETHEUS, Call, CallPort, Echo, Obstacle, PortProof, Reach, port_of
from readiness.probes.tcp import PathState, TcpPath, spoken
from readiness.site import Absent, Endpoint, Role, Site, Vm
from readiness_checks.rows import HOST_PATH, without_role

CALLED_PROOF = (
    "Before deployment a listener takes the component's own port on its VM for a few seconds, and each source connects "
    "to it: only the listener knows the nonce it answers with, only the caller the word that the listener then "
    "reports. A service that has the port already is called instead and left alone."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class CallTarget(Target):
    """A machine that calls a VM's component port; ``caller`` is ``None`` for the Prometheus host."""

    carrier: Vm
    caller: Vm | None
    site: Site

    @staticmethod
    def of(carrier: Vm, caller: Vm | None, site: Site) -> CallTarget:
        source = caller.name if caller is not None else PROMETHEUS
        port = port_of(carrier, site)
        return CallTarget(
            kind=TargetKind.EDGE,
            name=f"{source}->{carrier.name}:{port}",
            source=source,
            host=carrier.address,
            port=port,
            obligation=None if caller is not None else Obligation.OPTIONAL,
            carrier=carrier,
            caller=caller,
            site=site,
        )

    @property
    def called(self) -> str:
        """The port as a sentence names it: "port 3640 of excs-1"."""
        return f"port {self.port} of {self.carrier.name}"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.carrier.address or self.carrier.name, self.port or 0)

    @property
    def by(self) -> str:
        """The source, always there."""
        return self.source or ""


class CalledRow(Check[CallTarget, PortProof, Listeners | Unread]):
    """One row: ``role`` carries the port, the VMs of ``sources`` call it, and Prometheus where it is ``scraped``."""

    role: ClassVar[Role]
    sources: ClassVar[tuple[Role, ...]]
    scraped: ClassVar[bool]

    def targets(self, site: Site) -> Sequence[CallTarget | Settled]:
        carriers = site.vms_of(self.role)
        if not carriers:
            return [without_role(self.role)]
        callers: list[Vm | None] = [*site.vms_of(*self.sources)] if self.sources else []
        if self.scraped:
            callers.append(None)
        if not callers:
            return [without_role(self.sources[0])]
        edges = [CallTarget.of(carrier, caller, site) for carrier in carriers for caller in callers]
        return [_settled(edge) or edge for edge in edges]

    def needs(self, target: CallTarget) -> Needs:
        return (CallPort.of(target.carrier, target.site), Attempt(ReadListeners(target.carrier.name)))

    def judge(self, target: CallTarget, proof: PortProof, listeners: Listeners | Unread) -> Judgement:
        on = _Seen(target, self.requirement, proof, proof.call(target.by), listeners)
        return _JUDGES[proof.reach(target.by)](on)


def _settled(edge: CallTarget) -> Settled | None:
    judgement = _settling(edge)
    return None if judgement is None else Settled(target=edge, judgement=judgement)


def _settling(edge: CallTarget) -> Judgement | None:
    """What the site file alone says of an edge, if it says all there is."""
    prometheus = edge.site.monitoring.prometheus
    if edge.caller is None and isinstance(prometheus, Absent):
        return Settled.unplanned("monitoring.prometheus", what="Prometheus").judgement
    for vm in (edge.carrier, edge.caller):
        if vm is not None and not vm.built:
            return Settled.unbuilt(vm).judgement
    if edge.caller is None and not isinstance(prometheus, Absent) and not prometheus.ssh:
        return Judgement.unknown(
            f"Whether Prometheus reaches {edge.called} could not be tried: the site gives no SSH to its host.",
            Cause.UNDECLARED,
            "`monitoring.prometheus.ssh` is not in the site file",
            enable="Give the audit a login there (`monitoring.prometheus.ssh`), or try it on that host while the "
            f"service runs, and attest it:\n\n    {_connect(edge.endpoint)}",
            lane=Lane.CONFIGURATION,
            owner=Owner.DEPLOYER,
        )
    if not edge.site.probing.listeners:
        return Judgement.unknown(
            f"Whether {edge.by} reaches {edge.called} could not be tried: the site file does not let the audit listen.",
            Cause.UNSUPPORTED,
            "`probing.listeners` is false in the site file",
            enable="Set `probing.listeners: true` in the site file: the audit holds the port for a few seconds, only "
            "where it is free, and lets it go.",
            lane=Lane.CONFIGURATION,
        )
    return None


@dataclass(frozen=True)
class _Seen:
    """All that is known of one edge."""

    target: CallTarget
    requirement: Requirement
    proof: PortProof
    call: Call
    listeners: Listeners | Unread

    @property
    def expected(self) -> str:
        return f"{self.target.by} opens a TCP connection to {self.target.called}"

    @property
    def path(self) -> TcpPath | None:
        return self.call.path

    @property
    def observed(self) -> str:
        return self.path.observed if self.path is not None else "the caller gave no news of its connects"

    @property
    def source(self) -> str:
        """The address that the port's own firewall sees."""
        seen = self.call.seen_as or (self.path.sources[0] if self.path is not None and self.path.sources else "")
        declared = self.target.caller.address if self.target.caller is not None else None
        return seen or declared or self.target.by

    @property
    def holder(self) -> str:
        """Who has the port, as far as the machine tells."""
        if isinstance(self.listeners, Unread) or self.target.port is None:
            return ""
        return next((one.process for one in self.listeners.on(self.target.port) if one.process), "")

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        return tuple(_evidence(self))

    @property
    def again(self) -> str:
        """The command that asks this row once more."""
        return f"readiness audit {shlex.quote(self.target.site.path.name)} --only {self.requirement.id}"

    @property
    def admit(self) -> str:
        """The commands that let the source in on the port's own machine, by firewalld or by ufw."""
        family = "ipv6" if ":" in self.source else "ipv4"
        return (
            f'    sudo firewall-cmd --permanent --add-rich-rule=\'rule family="{family}" \\\n'
            f'      source address="{self.source}" port port="{self.target.port}" protocol="tcp" accept\'\n'
            "    sudo firewall-cmd --reload\n"
            f"    sudo ufw allow proto tcp from {self.source} to any port {self.target.port}   # where ufw is in use"
        )


def _proven(on: _Seen) -> Judgement:
    target, notes = on.target, [HOST_PATH]
    if on.call.translated:
        notes.append(
            f"{target.carrier.name} sees the caller as {on.call.seen_as}: an allow list there has to name that."
        )
    if on.proof.homeless:
        notes.append(
            f"No interface of {target.carrier.name} has {target.carrier.address}, so it is translated on the way."
        )
    return Judgement.met(
        f"{target.by} reaches {target.called}; the path is proven, the service is not there yet.",
        expected=on.expected,
        observed="the machine itself answered, with the nonce of this run",
        reasoning=" ".join(
            [
                "Only the listener on that machine knew the nonce that came back"
                + (", and it reported the very word that the caller had said." if on.call.reported else "."),
                *notes,
            ]
        ),
        evidence=on.evidence,
    )


def _answered(on: _Seen) -> Judgement:
    target, path = on.target, on.path
    protocol = spoken(path.banner) if path is not None else None
    by = f" ({on.holder})" if on.holder else ""
    if protocol is not None and protocol != "HTTP":
        return Judgement.missed(
            f"At {target.called}, {protocol} answers where the component will be.",
            expected=on.expected,
            observed=f"{on.observed}; it greets as {protocol} does{by}",
            reasoning=f"The port belongs to another service: the component could not take it. {HOST_PATH}",
            evidence=on.evidence,
            remedy=f"See what has the port on {target.carrier.name}, and move one of the two:\n\n{_who(target)}",
            job=f"Free {target.called}",
            lane=Lane.CONFIGURATION,
            owner=Owner.DEPLOYER,
        )
    called = "The port was in use, so the service that has it was called instead"
    if not on.proof.in_use:
        called = f"The audit could not hold the port ({_no_listener(on)[1]}), and something is there"
    return Judgement.met(
        f"{target.by} reaches {target.called}, where a service answers already{by}.",
        expected=on.expected,
        observed=on.observed,
        reasoning=f"{called}: it accepted every connect. Who it is, a connect does not say. {HOST_PATH}",
        evidence=on.evidence,
    )


def _blocked(on: _Seen) -> Judgement:
    target, path = on.target, on.path
    assert path is not None
    words = _blocked_words(on, path)
    return Judgement.missed(
        f"{target.by} cannot reach {target.called}: {words.what}.",
        expected=on.expected,
        observed=on.observed,
        reasoning=f"{words.why} {HOST_PATH}",
        evidence=on.evidence,
        remedy=f"{words.remedy}\n\nThen run the audit again; it listens there itself:\n\n    {on.again}",
        job=f"Let {target.by} through to {target.called}",
        lane=words.lane,
        owner=words.owner,
    )


@dataclass(frozen=True)
class _Blocked:
    what: str
    why: str
    remedy: str
    lane: Lane
    owner: Owner | None = None


def _blocked_words(on: _Seen, path: TcpPath) -> _Blocked:
    target, deciding = on.target, path.deciding
    carrier, icmp = target.carrier.name, deciding.icmp if deciding is not None else None
    waited = "A listener of this audit was waiting on the port" if on.proof.waited else "Somebody has the port"
    admit = f"Admit {target.by} ({on.source}) on {carrier}:\n\n{on.admit}"
    where = f"TCP  {on.source} ({target.by})  ->  {', '.join(path.addresses)}  port {target.port}"
    either = f"{admit}\n\nIf it does already, request it from those who run the firewalls between:\n\n    {where}"
    match path.state:
        case PathState.REJECTED if icmp is not None and deciding is not None and icmp.sender == deciding.address:
            return _Blocked(
                f"the host firewall of {carrier} rejects it",
                f"{icmp} came from {carrier} itself: its own packet filter.",
                admit,
                Lane.FIREWALL,
                Owner.DEPLOYER,
            )
        case PathState.REJECTED if icmp is not None:
            return _Blocked(
                "a device on the way rejects it",
                f"{icmp} came from a device that is not {carrier}.",
                f"Request this connection from those who run the device at {icmp.sender}:\n\n    {where}",
                Lane.FIREWALL,
            )
        case PathState.REFUSED:
            return _Blocked(
                "a filter resets the connection",
                f"{waited}, and yet the connect was reset: that is a packet filter, on {carrier} or on the way.",
                either,
                Lane.FIREWALL,
            )
        case PathState.FILTERED:
            listening = f"{waited}, and" if on.proof.waited or on.proof.in_use else "Not even a refusal came back:"
            return _Blocked(
                "nothing answers, as when a firewall drops the connection",
                f"{listening} every connect went unanswered: a packet filter on {carrier} or on the way drops them.",
                either,
                Lane.FIREWALL,
            )
        case PathState.DNS:
            return _Blocked(
                f"the name {path.host} does not resolve there",
                "The caller's own resolver answered that it has no address.",
                f"Add {path.host} to the DNS that {target.by} asks, or declare a numeric `address` for {carrier}.",
                Lane.DNS,
            )
        case PathState.DENIED:
            return _Blocked(
                f"rules on {target.by} itself forbid it",
                "The connect failed on the caller before anything left it.",
                f"Find the rule on {target.by}:\n\n    sudo nft list ruleset\n    sudo iptables -S OUTPUT",
                Lane.FIREWALL,
                Owner.DEPLOYER,
            )
        case _:
            return _Blocked(
                "no route leads there, or the machine is down",
                "A router, or the caller itself, reports that the address cannot be reached.",
                f"Follow the way from {target.by}:\n\n    ip route get {path.addresses[0]}\n"
                f"    ip neigh show to {path.addresses[0]}",
                Lane.ROUTE,
            )


def _elsewhere(on: _Seen) -> Judgement:
    target, call = on.target, on.call
    said = f"it said {call.heard!a}" if call.heard else "it said nothing"
    return Judgement.missed(
        f"{target.by} connects to {target.endpoint}, but it is not {target.carrier.name} that answers there.",
        expected=on.expected,
        observed=f"accepted, and the nonce of {target.carrier.name} did not come back: {said}",
        reasoning=f"A listener of this audit had the port on {target.carrier.name} all the time and would have "
        "answered with its nonce: something else accepts for that address (NAT, a proxy, a second machine). "
        f"{HOST_PATH}",
        evidence=on.evidence,
        remedy=f"Find out who has {target.endpoint.host} as {target.by} sees it, and correct the address or the "
        f"translation:\n\n    ip route get {target.endpoint.host}\n    ip neigh show to {target.endpoint.host}",
        job=f"Find out who answers at {target.endpoint} instead of {target.carrier.name}",
        lane=Lane.ROUTE,
    )


def _plausible(on: _Seen) -> Judgement:
    target = on.target
    code, why, enable = _no_listener(on)
    return Judgement.unknown(
        f"Whether {target.by} reaches {target.called} is plausible, not proven: nothing could listen there.",
        code,
        why,
        enable=enable,
        expected=on.expected,
        observed=f"{on.observed}; no listener of ours was there ({why})",
        reasoning="A refusal came back, as from a machine without the service; a firewall can refuse in its name.",
        evidence=on.evidence,
    )


def _no_listener(on: _Seen) -> tuple[Cause, str, str]:
    """Why nothing of ours was listening: reason code, words, and what would change it."""
    carrier, trouble, refused = on.target.carrier.name, on.proof.trouble, on.proof.not_held
    if trouble is not None:
        return trouble.code, trouble.detail, trouble.enable or "Mend what the reason names and run the audit again."
    text = refused.text if refused is not None else "no reason given"
    if refused is not None and refused.obstacle is Obstacle.PERMISSION:
        return Cause.PERMISSION, f"{carrier}: {text}", f"Declare the component's port for {carrier} above 1023."
    return Cause.UNSUPPORTED, f"{carrier}: {text}", f"See why {carrier} cannot hold the port, then run the audit again."


def _unverified(on: _Seen) -> Judgement:
    target = on.target
    lost = on.proof.trouble
    why, enable = (lost.detail, lost.enable) if lost is not None else _unproven(on)
    return Judgement.unknown(
        f"{target.by} connects to {target.endpoint}, but whether it is {target.carrier.name} could not be proven.",
        lost.code if lost is not None else Cause.UNSUPPORTED,
        why,
        enable=enable or f"See that the SSH connection to {target.carrier.name} holds, then run the audit again.",
        expected=on.expected,
        observed=on.observed,
        reasoning="The connects were accepted; only the exchange of nonce and word would prove by whom.",
        evidence=on.evidence,
    )


def _unproven(on: _Seen) -> tuple[str, str]:
    """Why nobody could say who accepted, and what would change it."""
    by, carrier = on.target.by, on.target.carrier.name
    if on.call.echo is Echo.NOTHING:
        return (
            f"{by} said its word and got no reply, and our listener on {carrier} answered nobody else meanwhile",
            f"Look at the load of {carrier}, then run the audit again.",
        )
    if on.call.echo is Echo.UNHEARD:
        return (
            f"{by} said its word and heard nothing, but did not show meanwhile that it was awake to hear",
            f"Look at the load of {by} and of the auditor's machine, then run the audit again.",
        )
    return (
        f"{by} could not carry a word to it",
        f"Allow SSH forwarding on {by} while the audit runs, or install python3 there.",
    )


def _unstable(on: _Seen) -> Judgement:
    target = on.target
    return Judgement.weak(
        f"{target.by} reaches {target.called} only at times.",
        expected=on.expected,
        observed=on.observed,
        reasoning=f"Calls of the same run disagree, so the path is unstable. {HOST_PATH}",
        evidence=on.evidence,
        remedy=f"Have the network team look for loss between {on.source} and {target.endpoint.host}. To watch it on "
        f"{target.by} while something listens:\n\n"
        f"    for i in 1 2 3 4 5 6 7 8 9 10; do {_connect(target.endpoint)} || echo failed; sleep 1; done",
        job=f"Find out why the path from {target.by} to {target.called} is unstable",
        lane=Lane.ROUTE,
    )


def _unasked(on: _Seen) -> Judgement:
    target, reason = on.target, on.call.trouble
    if reason is None:
        return Judgement.unknown(
            f"Whether {target.by} reaches {target.called} could not be told.",
            Cause.UNSUPPORTED,
            on.observed,
            enable=f"Install python3 on {target.by}, whose errors are exact, and run the audit again.",
            expected=on.expected,
            evidence=on.evidence,
        )
    return Judgement.unknown(
        f"Whether {target.by} reaches {target.called} could not be determined: {reason.detail}.",
        reason.code,
        reason.detail,
        enable=reason.enable or "Mend what the reason names and run the audit again.",
        by=reason.by,
        expected=on.expected,
        observed="the caller gave no news",
        evidence=on.evidence,
    )


_JUDGES: Mapping[Reach, Callable[[_Seen], Judgement]] = {
    Reach.PROVEN: _proven,
    Reach.ANSWERED: _answered,
    Reach.BLOCKED: _blocked,
    Reach.ELSEWHERE: _elsewhere,
    Reach.PLAUSIBLE: _plausible,
    Reach.UNVERIFIED: _unverified,
    Reach.UNSTABLE: _unstable,
    Reach.UNASKED: _unasked,
}


def _evidence(on: _Seen) -> list[Evidence]:
    proof, call, target = on.proof, on.call, on.target
    found: list[tuple[str, str, Level, str, str]] = []
    if proof.reach(target.by) is Reach.PROVEN:
        seen = f"; the machine sees the caller as {call.seen_as}" if call.seen_as else ""
        both = "both ways" if call.reported else "one way"
        found.append(("Nonce and word", f"came back, {both}{seen}", Level.PROTOCOL, target.by, CallPort.method))
    elif call.heard:
        found.append(("Heard instead of the nonce", ascii(call.heard), Level.TCP, target.by, CallPort.method))
    if call.path is not None:
        found.append(("TCP connect", call.path.observed, Level.TCP, target.by, call.path.method or CallPort.method))
        if call.path.sources:
            source = ", ".join(call.path.sources)
            found.append(("Source address", source, Level.TCP, target.by, call.path.method or CallPort.method))
        if call.path.banner:
            greeting = ascii(call.path.banner[:80].decode("latin-1"))
            found.append(("Greeting", greeting, Level.TCP, target.by, call.path.method))
    found.append((f"Port {target.port}", _held(on), Level.DECLARED, target.carrier.name, CallPort.method))
    return [
        Evidence(label=label, value=value, level=level, of=proof, vantage=vantage, method=method)
        for label, value, level, vantage, method in found
    ]


def _held(on: _Seen) -> str:
    proof = on.proof
    if proof.held is not None:
        where = "all addresses" if proof.held.everywhere else proof.held.address
        after = {True: "closed again afterwards", False: "still open afterwards", None: "not looked at afterwards"}
        early = f"; ended early: {proof.trouble.detail}" if proof.trouble is not None else ""
        return f"held by the audit on {where} ({proof.held.tool}), {after[proof.released]}{early}"
    if proof.in_use:
        return f"in use by {on.holder}" if on.holder else "in use"
    why = proof.trouble.detail if proof.trouble is not None else proof.not_held.text if proof.not_held else "no reason"
    return f"not held by the audit: {why}"


def _connect(endpoint: Endpoint) -> str:
    return f"timeout 5 bash -c '</dev/tcp/{endpoint.host}/{endpoint.port}' && echo open"


def _who(target: CallTarget) -> str:
    return f"    sudo ss -ltnp 'sport = :{target.port}'"
