"""The words for a TCP path that is not simply open: what happened, why, whose job it is, and what to type."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from readiness.probes.tcp import AddressPath, Icmp, PathState, PathVerdict, TcpPath
from readiness.site import Endpoint


@dataclass(frozen=True, kw_only=True)
class Words:
    """``summary`` is one line a manager understands, ``job`` one line a person can act on; both without a cause."""

    summary: str
    reasoning: str
    job: str
    remedy: str


class Caller(Protocol):
    """The machine that connects; ``address`` as declared, if it is."""

    @property
    def name(self) -> str: ...

    @property
    def address(self) -> str | None: ...


class Edge(Protocol):
    """Who connects, and where to."""

    @property
    def vm(self) -> Caller: ...

    @property
    def peer(self) -> Endpoint: ...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A path and those at its ends.

    ``peer`` is the peer as a sentence names it ("the Config DB"); ``look`` a command by which the peer's own host
    shows who listens.
    """

    target: Edge
    peer: str
    look: str
    path: TcpPath

    @property
    def words(self) -> Words:
        return _SAYINGS[self.path.state](self)

    @property
    def vm(self) -> str:
        return self.target.vm.name

    @property
    def cannot(self) -> str:
        return f"{self.vm} cannot reach {self.peer} at {self.target.peer}"

    @property
    def icmp(self) -> Icmp | None:
        return self.path.deciding.icmp if self.path.deciding is not None else None

    @property
    def addresses(self) -> tuple[str, ...]:
        return self.path.addresses or (self.path.host,)

    @property
    def source(self) -> str:
        """Where the connects left from: as seen, else as declared."""
        return ", ".join(self.path.sources) or self.target.vm.address or self.vm

    @property
    def flows(self) -> str:
        """The connection as a firewall request has it, one line for each address that does not answer."""
        failing: tuple[AddressPath, ...] = self.path.failing or self.path.judged
        lines = (
            f"    TCP  {self._towards(one)} ({self.vm})  ->  {one.address}  port {self.path.port}" for one in failing
        )
        return "\n".join(lines)

    def _towards(self, one: AddressPath) -> str:
        """Where the connects to this address left from: a firewall knows no other."""
        seen = dict.fromkeys(attempt.source for attempt in one.attempts if attempt.source)
        return ", ".join(seen) or self.source

    @property
    def connect(self) -> str:
        inner = shlex.quote(f"</dev/tcp/{self.path.host}/{self.path.port}")
        return f"timeout 5 bash -c {inner} && echo open"

    def retry(self, remedy: str) -> str:
        """A remedy, and how to see from the same machine that it worked."""
        return f"{remedy}\n\nThen try again on {self.vm}:\n\n    {self.connect}"

    def watch(self) -> str:
        """What to do about a path that comes and goes."""
        return (
            f"Have the network team look for loss, an overloaded firewall or uneven balancing between {self.source} "
            f"and {', '.join(self.addresses)}. To watch it on {self.vm}:\n\n"
            f"    for i in 1 2 3 4 5 6 7 8 9 10; do {self.connect} || echo failed; sleep 1; done"
        )


def rejected_by_peer(path: TcpPath) -> bool:
    """Whether the ICMP message that ended the connects came from the peer's own address: its host's firewall."""
    deciding = path.deciding
    return deciding is not None and deciding.icmp is not None and deciding.icmp.sender == deciding.address


def _refused(on: Subject) -> Words:
    host, port = on.path.host, on.path.port
    return Words(
        summary=f"{on.cannot}: the connection is refused.",
        reasoning=f"Every attempt was reset: {host}, or a firewall in its name, says that nothing listens there. "
        "A connect cannot tell the two apart.",
        job=f"Have {on.peer} accept connections at {on.target.peer}",
        remedy=on.retry(
            f"See on {host} whether {on.peer} listens on port {port}, and on more than loopback:\n\n"
            f"    {on.look.format(port=port)}\n\n"
            f"If it does, a firewall refuses in its name. Request the connection:\n\n{on.flows}"
        ),
    )


def _filtered(on: Subject) -> Words:
    return Words(
        summary=f"{on.cannot}: nothing answers, as when a firewall drops the connection.",
        reasoning=f"Every attempt went unanswered, while the VM itself answered the audit all the time. {_silence(on)}",
        job=f"Let {on.vm} through to {on.peer} at {on.target.peer}",
        remedy=on.retry(_request(on)),
    )


def _silence(on: Subject) -> str:
    """What silence means, where another port of the same host was tried beside it."""
    control = on.path.deciding.control if on.path.deciding is not None else None
    if control is not None and control.verdict is PathVerdict.REFUSED:
        return (
            f"Port {on.path.control_port} of the same host refused at once, so the host is up and a packet filter "
            f"keeps {on.vm} from this very port."
        )
    return (
        "A host without the service would have refused; silence is left by a packet filter, or by a host that is down."
    )


def _rejected(on: Subject) -> Words:
    job = f"Let {on.vm} through to {on.peer} at {on.target.peer}"
    if rejected_by_peer(on.path):
        return Words(
            summary=f"{on.cannot}: the firewall of that host rejects the connection.",
            reasoning="The ICMP message comes from the peer's own address: it is the packet filter of that very host.",
            job=job,
            remedy=on.retry(
                f"Admit {on.vm} in the packet filter of {on.path.host}, with firewalld for example:\n\n{_admit(on)}"
            ),
        )
    sender = on.icmp.sender if on.icmp is not None else "a router"
    return Words(
        summary=f"{on.cannot}: a firewall on the way rejects the connection.",
        reasoning=f"The ICMP message comes from {sender} and not from the peer: a device on the way enforces a rule.",
        job=job,
        remedy=on.retry(_request(on, f" The rule stands on the device at {sender}.")),
    )


def _no_route(on: Subject) -> Words:
    absent = on.path.deciding is not None and on.path.deciding.absent
    first = on.addresses[0]
    if absent:
        summary = f"{on.cannot}: nobody on the VM's network has that address."
        reasoning = (
            "The VM holds the address to be on its own segment, asked for it there and got no answer: the host is "
            "down, or the address is wrong."
        )
    else:
        summary = f"{on.cannot}: the host is down, or no route leads to it."
        reasoning = (
            "A router, or the VM itself, reports that the host cannot be reached: it is down, or the last router does "
            "not find it."
        )
        if on.icmp is None:
            reasoning += " No ICMP message could be read, so a firewall that answers this way is possible too."
    return Words(
        summary=summary,
        reasoning=reasoning,
        job=f"Bring up {on.path.host}, or its route from {on.vm}",
        remedy=on.retry(
            f"See that {on.path.host} is up and that {', '.join(on.addresses)} is its address. Follow the way from "
            f"{on.vm}:\n\n    ip route get {first}\n    ip neigh show to {first}\n    tracepath -n {first}"
        ),
    )


def _net_unreachable(on: Subject) -> Words:
    own = on.path.deciding is not None and on.path.deciding.unrouted
    return Words(
        summary=f"{on.cannot}: no route leads to its network.",
        reasoning=f"{on.vm} itself knows no way to that network, so nothing left it."
        if own
        else "A router on the way reports that it knows no way to that network.",
        job=f"Route {on.vm} to {on.path.host}",
        remedy=on.retry(
            f"Give {on.vm} a route, or ask the network team why the router that it uses has none:\n\n"
            f"    ip route get {on.addresses[0]}\n    ip route show"
        ),
    )


def _denied(on: Subject) -> Words:
    return Words(
        summary=f"{on.cannot}: rules on {on.vm} itself forbid the connection.",
        reasoning="The connect failed on the VM before anything left it: a packet filter or a prohibiting route there.",
        job=f"Allow {on.vm} in its own rules to connect to {on.target.peer}",
        remedy=on.retry(
            f"Find the rule on {on.vm} that forbids it, and allow TCP to {on.addresses[0]} port {on.path.port}:\n\n"
            f"    sudo nft list ruleset\n    sudo iptables -S OUTPUT\n    ip route get {on.addresses[0]}"
        ),
    )


def _dns(on: Subject) -> Words:
    host = on.path.host
    return Words(
        summary=f"{on.vm} cannot reach {on.peer}: the name {host} does not resolve there.",
        reasoning="The VM's own resolver answered that it has no address, so no component there can connect by name.",
        job=f"Make {host} resolve on {on.vm}",
        remedy=f"Add {host} to the DNS that {on.vm} asks, or mend its list of name servers. On {on.vm}:\n\n"
        f"    getent ahosts {shlex.quote(host)}\n    cat /etc/resolv.conf",
    )


def _mixed(on: Subject) -> Words:
    return Words(
        summary=f"{on.vm} reaches {on.peer} at {on.target.peer} by some of its addresses only.",
        reasoning="The name has several addresses, and they do not answer alike; a component takes any of them, so it "
        "will fail at times.",
        job=f"Have all addresses of {on.path.host} answer on port {on.path.port}, or take the others out of DNS",
        remedy=on.retry(
            f"Not all addresses of {on.path.host} answer. Open these as well, or take them out of DNS:\n\n{on.flows}"
        ),
    )


def _unstable(on: Subject) -> Words:
    opened = sum(len(one.opened) for one in on.path.judged)
    made = sum(len(one.attempts) for one in on.path.judged)
    return Words(
        summary=f"{on.vm} reaches {on.peer} at {on.target.peer} only at times: {opened} of {made} connects opened.",
        reasoning="Attempts a second apart disagree: the path is unstable, it works and fails by turns.",
        job=f"Find out why the path from {on.vm} to {on.target.peer} is unstable",
        remedy=on.watch(),
    )


def _unclear(on: Subject) -> Words:
    return Words(
        summary=f"Whether {on.vm} reaches {on.peer} at {on.target.peer} could not be told.",
        reasoning="No connect opened, and the tool on the VM does not say why: the trouble may be our own.",
        job="",
        remedy=f"Install python3 on {on.vm}, whose errors are exact, and run the audit again.",
    )


def _request(on: Subject, where: str = "") -> str:
    return (
        f"Request this connection from those who run the firewalls on the way.{where} Look at the packet filter of "
        f"{on.path.host} as well:\n\n{on.flows}"
    )


def _admit(on: Subject) -> str:
    source = next(iter(on.path.sources), on.target.vm.address or "SOURCE")
    family = "ipv6" if ":" in source else "ipv4"
    return (
        f'    sudo firewall-cmd --permanent --add-rich-rule=\'rule family="{family}" \\\n'
        f'      source address="{source}" port port="{on.path.port}" protocol="tcp" accept\'\n'
        "    sudo firewall-cmd --reload"
    )


_SAYINGS: Mapping[PathState, Callable[[Subject], Words]] = {
    PathState.OPEN: _unstable,
    PathState.REFUSED: _refused,
    PathState.FILTERED: _filtered,
    PathState.REJECTED: _rejected,
    PathState.NO_ROUTE: _no_route,
    PathState.NET_UNREACHABLE: _net_unreachable,
    PathState.DENIED: _denied,
    PathState.DNS: _dns,
    PathState.UNSTABLE: _unstable,
    PathState.MIXED: _mixed,
    PathState.UNCLEAR: _unclear,
}
