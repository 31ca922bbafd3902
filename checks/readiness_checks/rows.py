"""What a row of the connectivity table is: whom it connects, how it is judged, and the words for every outcome."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import ClassVar, Generic, TypeVar

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
    Probe,
    Requirement,
    Settled,
    Status,
    Target,
    TargetKind,
    Unread,
)
from readiness.probes.names import ResolveNames
from readiness.probes.tcp import MOST_ADDRESSES, AddressPath, DialTcp, PathState, TcpPath, shown_ms, spoken
from readiness.probes.tls import Certificate
from readiness.site import Absent, EdgeTarget, Endpoint, Role, Site
from readiness_checks.path_words import Subject, rejected_by_peer

SECTION = "Connectivity table"
VALID_FOR = timedelta(days=7)
COMPONENTS = (Role.EXCS, Role.EXAS, Role.EXCP)

HOST_PATH = "Seen on the host process path: a container's traffic also passes the VM's forwarding rules, untested here."
"""What every row has to say of its own limits."""

PROOF = (
    "A process on the VM resolves the name there and connects three times, one second apart, to every address of it, "
    f"or to the first {MOST_ADDRESSES} of more. "
    "Each answer is kept with its connect time, the address it left from and, where the kernel tells, the ICMP "
    "message and its sender."
)


def outcomes(peer: str, **changed: str) -> Mapping[Status, str]:
    """What each status means for a row whose peer is ``peer``; one that it cannot take is given as empty."""
    words = {
        "pass": f"every connect to every address of {peer} came through",
        "warn": f"{peer} answers some connects or some of its addresses only",
        "fail": f"no connect to {peer} came through, or what answers there is not {peer}",
        "unknown": "the VM could not be asked, or what was seen decides nothing",
        "manual": f"the site file says there is no {peer.removeprefix('the ')}",
    } | changed
    return {Status(status): text for status, text in words.items() if text}


class Row:
    """What all rows share: whom they connect, and the words for what becomes of a path.

    ``peer`` is the peer as a sentence names it ("the Config DB"), ``key`` its key in the site file, ``sources`` the
    roles whose VMs connect to it. ``look`` is a command by which the peer's own host shows who listens.
    """

    requirement: ClassVar[Requirement]
    peer: ClassVar[str]
    key: ClassVar[str]
    sources: ClassVar[tuple[Role, ...]]
    optional: ClassVar[bool] = False
    look: ClassVar[str] = "ss -ltn 'sport = :{port}'"

    @abstractmethod
    def peers(self, site: Site) -> Absent | tuple[Endpoint, ...]:
        """Where the peer is to be had, or why it is not."""

    def withheld(self, site: Site) -> Judgement | None:
        """Why the site file does not let this row be tried, if it does not."""
        return None

    def targets(self, site: Site) -> Sequence[EdgeTarget | Settled]:
        peers = self.peers(site)
        if isinstance(peers, Absent):
            return [self._absent(peers)]
        vms = site.vms_of(*self.sources)
        if not vms:
            return [without_role(self.sources[0])]
        edges = [EdgeTarget.of(vm, peer, site) for vm in vms for peer in dict.fromkeys(peers)]
        return [self._settled(edge) or edge for edge in edges]

    def _absent(self, why: Absent) -> Settled:
        what = self.peer.removeprefix("the ")
        if self.optional:
            return Settled.unplanned(self.key, what=what)
        return Settled.absent(
            self.key,
            why,
            what=what,
            expected=f"EXEC connects to {self.peer}",
            remedy=f"Declare `{self.key}` once it exists, or attest how EXEC does without.",
        )

    def _settled(self, edge: EdgeTarget) -> Settled | None:
        judgement = Settled.unbuilt(edge.vm).judgement if not edge.vm.built else self.withheld(edge.site)
        return None if judgement is None else Settled(target=edge, judgement=judgement)

    def _expected(self, target: EdgeTarget) -> str:
        return f"{target.vm.name} opens a TCP connection to {self.peer} at {target.peer}"

    def _open(self, target: EdgeTarget, path: TcpPath, because: str = "") -> Judgement:
        """The path is open, and nothing more was learnt; ``because`` says why that will do."""
        if path.undialled:
            return self._in_part(target, path)
        return Judgement.met(
            f"{target.vm.name} reaches {self.peer} at {target.peer}.",
            expected=self._expected(target),
            observed=path.observed,
            reasoning=because
            or "Every attempt at every address was accepted, so the way is open and something listens. "
            f"Who it is, a connect does not say. {HOST_PATH}",
            evidence=_evidence(target, path),
        )

    def _in_part(self, target: EdgeTarget, path: TcpPath, said: Sequence[Evidence] = ()) -> Judgement:
        """What was dialled is open, and the name has more addresses than are dialled."""
        tried, known = len(path.tried), len(path.resolution.addresses)
        by_hand = f"timeout 5 bash -c '</dev/tcp/{path.undialled[0]}/{path.port}' && echo open"
        return Judgement.weak(
            f"{target.vm.name} reaches {self.peer} at {target.peer}, but not all of its addresses were tried: the "
            f"first {tried} of {known}.",
            expected=self._expected(target),
            observed=path.observed,
            reasoning=f"The first {tried} of {known} addresses accepted every attempt. A component may take any of "
            f"them, and of the others nothing is known. {HOST_PATH}",
            evidence=(*said, *_evidence(target, path)),
            remedy=f"Have {target.peer.host} resolve to at most {tried} addresses on {target.vm.name}, or try the "
            f"others there by hand, the first of them so:\n\n    {by_hand}",
            job=f"Try the other addresses of {target.peer} from {target.vm.name}",
            lane=Lane.CONFIGURATION,
        )

    def _not_open(self, target: EdgeTarget, path: TcpPath) -> Judgement:
        """What became of a path that is not simply open."""
        words = self._subject(target, path).words
        expected, evidence = self._expected(target), _evidence(target, path)
        if path.state is PathState.UNCLEAR:
            return Judgement.unknown(
                words.summary,
                Cause.UNSUPPORTED,
                path.observed,
                enable=words.remedy,
                expected=expected,
                observed=path.observed,
                reasoning=words.reasoning,
                evidence=evidence,
            )
        weak = path.state in (PathState.UNSTABLE, PathState.MIXED)
        conclude = Judgement.weak if weak else Judgement.missed
        return conclude(
            words.summary,
            expected=expected,
            observed=path.observed,
            reasoning=f"{words.reasoning} {HOST_PATH}",
            evidence=evidence,
            remedy=words.remedy,
            job=words.job,
            lane=path.lane,
            owner=self._owner(path),
        )

    def _owner(self, path: TcpPath) -> Owner | None:
        """Who mends it where the lane alone would name the wrong one: a host's own rules are its owner's."""
        if path.state is PathState.DENIED:
            return Owner.DEPLOYER
        return self.requirement.owner if rejected_by_peer(path) else None

    def _subject(self, target: EdgeTarget, path: TcpPath) -> Subject:
        return Subject(target=target, peer=self.peer, look=self.look, path=path)


def without_role(role: Role) -> Settled:
    target = Target(kind=TargetKind.VM, name=role.value)
    return Settled(target=target, judgement=Judgement.undeclared(f"vms (role: {role.value})", what=f"{role.label} VM"))


class SilentRow(Row, Check[EdgeTarget, TcpPath]):
    """A row whose protocol is not public, so that nothing is said: we connect, listen a second, and look twice.

    A banner of another protocol proves the wrong service; a port that should be closed and opens too proves that
    somebody else answers for the host.
    """

    look = "ss -ltn 'sport = :{port}'       # on Windows: netstat -an | findstr :{port}"

    def withheld(self, site: Site) -> Judgement | None:
        if site.probing.sip_stat_connect:
            return None
        return Judgement.unknown(
            f"The site file does not let the audit connect to {self.peer}.",
            Cause.UNSUPPORTED,
            "`probing.sip_stat_connect` is false in the site file",
            enable="Set `probing.sip_stat_connect: true` in the site file once the owners of Engage agree: the audit "
            "connects, sends not one byte and disconnects after a second.",
            lane=Lane.CONFIGURATION,
        )

    def needs(self, target: EdgeTarget) -> Needs:
        return (DialTcp(target.vm.name, target.peer.host, target.peer.port, linger=1.0, control=True),)

    def judge(self, target: EdgeTarget, path: TcpPath) -> Judgement:
        if path.state is not PathState.OPEN:
            return self._not_open(target, path)
        if path.banner:
            return self._speaks(target, path)
        if path.answers_everywhere:
            return self._answered_for(target, path)
        if path.hung_up:
            return self._hung_up(target, path)
        closed = ", and a port of the same host that should be closed was not" if path.controlled else ""
        silent = " It stayed silent, as this service does." if path.lingered else ""
        return self._open(
            target,
            path,
            f"Every attempt at every address was accepted{closed}.{silent} The protocol is not public, so the audit "
            f"says nothing and cannot know who listens. {HOST_PATH}",
        )

    def _speaks(self, target: EdgeTarget, path: TcpPath) -> Judgement:
        protocol = spoken(path.banner)
        conclude = Judgement.weak if protocol is None else Judgement.missed
        said = f"{protocol} answers" if protocol is not None else "something speaks unasked"
        return conclude(
            f"At {target.peer}, {said} where {self.peer} should be.",
            expected=f"{self.peer} at {target.peer}, which waits for its client to speak",
            observed=f"a greeting: {_printable(path.banner)}",
            reasoning=f"{self.peer[:1].upper()}{self.peer[1:]} does not speak first. "
            + (
                f"This greeting is that of {protocol}. "
                if protocol is not None
                else "This greeting belongs to nobody known. "
            )
            + HOST_PATH,
            evidence=_evidence(target, path),
            remedy=f"Compare `{self.key}` in the site file with the port that Engage has configured, and see who has "
            f"port {target.peer.port} on {target.peer.host}:\n\n    {self.look.format(port=target.peer.port)}",
            job=f"Correct host and port of {self.peer} ({target.peer})",
            lane=Lane.SERVICE,
        )

    def _answered_for(self, target: EdgeTarget, path: TcpPath) -> Judgement:
        return Judgement.unknown(
            f"Something answers for {target.peer.host} on any port, so nothing is known of {self.peer}.",
            Cause.UNSUPPORTED,
            f"port {path.control_port} of {target.peer.host}, which should be closed, accepts connections too",
            enable=f"Ask the network team whether a firewall or load balancer completes connections for "
            f"{target.peer.host} (a SYN proxy), and have it pass {target.vm.name} through; or attest the row by the "
            "log of Engage that shows a connection.",
            expected=self._expected(target),
            observed=path.observed,
            reasoning="A device that accepts on behalf of the host accepts whether the service is there or not.",
            evidence=_evidence(target, path),
            lane=Lane.FIREWALL,
        )

    def _hung_up(self, target: EdgeTarget, path: TcpPath) -> Judgement:
        return Judgement.weak(
            f"{self.peer[:1].upper()}{self.peer[1:]} at {target.peer} accepts {target.vm.name} and hangs up at once.",
            expected=f"{self.peer} at {target.peer} accepts and keeps the connection",
            observed="accepted, and closed by the peer within a second",
            reasoning="The way is open and something listens; that it hangs up before a word was said points to an "
            f"allow list, a limit of connections, or a load balancer without a living server. {HOST_PATH}",
            evidence=_evidence(target, path),
            remedy=f"Look in the log of {self.peer} for connections from {self._subject(target, path).source}, in its "
            "allow list and in its limit of clients.",
            job=f"Find out why {self.peer} ({target.peer}) hangs up on {target.vm.name}",
            lane=Lane.SERVICE,
        )


class Use(Enum):
    """What a conversation with the peer says of a row.

    ``DETOUR``: the peer answers, but not by the page's way. ``UNDECIDED``: what was heard neither meets nor violates.
    ``UNREACHED``: the conversation found no path.
    """

    USABLE = "usable"
    DOUBTFUL = "doubtful"
    DETOUR = "detour"
    UNUSABLE = "unusable"
    UNDECIDED = "undecided"
    UNREACHED = "unreached"


@dataclass(frozen=True, kw_only=True)
class Said:
    """A conversation with the peer, as a row needs it.

    ``words`` is a clause that follows the peer's name ("refuses the declared login"); ``proves`` says why it decides.
    ``came_through``: the peer was reached, so that there is a path whatever the connects say. ``ends``: until when
    the peer's certificate is valid, UTC.
    """

    use: Use
    words: str
    proves: str
    came_through: bool
    evidence: tuple[Evidence, ...]
    lane: Lane = Lane.SERVICE
    remedy: str = ""
    job: str = ""
    ends: datetime | None = None


AnswerT = TypeVar("AnswerT")


class SpokenRow(Row, Check[EdgeTarget, TcpPath | Unread, AnswerT | Unread], Generic[AnswerT]):
    """A row whose peer is also asked in its own protocol: the way is judged first, then what was said.

    Either fact may be missing: an open way passes at the level of TCP, and a peer that answers has proven its way.
    """

    @abstractmethod
    def question(self, target: EdgeTarget) -> Probe[AnswerT] | None:
        """The question in the peer's protocol; ``None`` where that is not spoken here, and a connect decides."""

    @abstractmethod
    def heard(self, target: EdgeTarget, answer: AnswerT) -> Said:
        """What the answer says of the row."""

    def needs(self, target: EdgeTarget) -> Needs:
        dial = DialTcp(target.vm.name, target.peer.host, target.peer.port)
        question = self.question(target)
        return (dial,) if question is None else (Attempt(dial), Attempt(question))

    def judge(self, target: EdgeTarget, path: TcpPath | Unread, answer: AnswerT | Unread | None = None) -> Judgement:
        said = None if answer is None or isinstance(answer, Unread) else self.heard(target, answer)
        if isinstance(path, Unread):
            return self._unasked(target, path) if said is None else self._by_words(target, said, ())
        evidence = _evidence(target, path)
        if said is not None and said.use is Use.DETOUR:
            return self._by_words(target, said, evidence)
        match path.state:
            case PathState.OPEN if answer is None:
                return self._open(target, path)
            case PathState.OPEN if isinstance(answer, Unread):
                return self._open(
                    target,
                    path,
                    "Every attempt at every address was accepted, so the way is open and something listens. Its "
                    f"protocol could not be tried ({answer.reason.detail}), so TCP alone proves the row. {HOST_PATH}",
                )
            case PathState.OPEN if said is not None and said.use is Use.UNREACHED:
                return self._contradiction(target, path, said)
            case PathState.OPEN if said is not None and said.use is Use.USABLE and path.undialled:
                return self._in_part(target, path, said.evidence)
            case PathState.OPEN | PathState.UNCLEAR if said is not None:
                return self._by_words(target, said, evidence)
            case PathState.UNSTABLE | PathState.MIXED | PathState.UNCLEAR:
                return self._not_open(target, path)
            case _ if said is not None and said.came_through:
                return self._contradiction(target, path, said)
            case _:
                return self._not_open(target, path)

    def _by_words(self, target: EdgeTarget, said: Said, evidence: tuple[Evidence, ...]) -> Judgement:
        vm, peer = target.vm.name, f"{self.peer} at {target.peer}"
        expected = f"{vm} connects to {peer}, and it answers as it should"
        observed = f"{target.peer} {said.words}"
        reasoning = f"{said.proves} {HOST_PATH}"
        evidence = (*said.evidence, *evidence)
        if said.use is Use.USABLE:
            return Judgement.met(
                f"{vm} reaches {peer}, and it {said.words}.",
                expected=expected,
                observed=observed,
                reasoning=reasoning,
                evidence=evidence,
                valid_until=said.ends,
            )
        if said.use is Use.UNDECIDED:
            return Judgement.unknown(
                f"{vm} reaches {peer}, but it {said.words}; whether EXEC could use it is not known.",
                Cause.UNDECLARED,
                observed,
                enable=said.remedy,
                expected=expected,
                observed=observed,
                reasoning=reasoning,
                evidence=evidence,
                lane=said.lane,
                owner=Owner.DEPLOYER,
                job=said.job,
            )
        weak = said.use in (Use.DOUBTFUL, Use.DETOUR)
        conclude = Judgement.weak if weak else Judgement.missed
        return conclude(
            f"{vm} reaches {peer}, but it {said.words}." if weak else f"{vm} cannot use {peer}: it {said.words}.",
            expected=expected,
            observed=observed,
            reasoning=reasoning,
            evidence=evidence,
            remedy=said.remedy,
            job=said.job,
            lane=said.lane,
            valid_until=said.ends,
        )

    def _contradiction(self, target: EdgeTarget, path: TcpPath, said: Said) -> Judgement:
        return Judgement.weak(
            f"{target.vm.name} reaches {self.peer} at {target.peer} at one moment and not at another.",
            expected=self._expected(target),
            observed=f"by connects: {path.observed}; by its protocol: it {said.words}",
            reasoning=f"Two questions of the same run disagree, so the path is unstable. {HOST_PATH}",
            evidence=(*said.evidence, *_evidence(target, path)),
            remedy=self._subject(target, path).watch(),
            job=f"Find out why the path from {target.vm.name} to {target.peer} is unstable",
            lane=Lane.ROUTE,
        )

    def _unasked(self, target: EdgeTarget, unread: Unread) -> Judgement:
        reason = unread.reason
        return Judgement.unknown(
            f"Whether {target.vm.name} reaches {self.peer} could not be determined: {reason.detail.rstrip('.?!')}.",
            reason.code,
            reason.detail,
            enable=reason.enable or "Mend what the reason names and run the audit again.",
            by=reason.by,
            expected=self._expected(target),
            observed="neither the connects nor the conversation gave an answer",
            reasoning="Neither question got an answer, so the row is neither met nor violated as far as is known.",
            evidence=(Evidence(label="No answer", value=reason.detail, level=Level.DECLARED, of=unread),),
        )


def _evidence(target: EdgeTarget, path: TcpPath) -> tuple[Evidence, ...]:
    """All that the connects brought to light, what decides first."""
    found = [
        (f"TCP connect to {tried.address} port {path.port}", Level.TCP, tried.observed + _after(tried))
        for tried in path.judged
    ]
    found += [
        ("Shown, not judged", Level.TCP, f"{tried.observed} (no route for this family of addresses)")
        for tried in path.aside
    ]
    if path.resolution.addresses != (path.host,):
        addresses = ", ".join(path.resolution.addresses) or f"no address: {path.resolution.error}"
        found.append((f"{path.host} on {path.vantage}", Level.DECLARED, addresses))
    if path.sources:
        found.append(("Source address", Level.TCP, _source(target, path)))
    if path.banner:
        found.append(("Greeting", Level.TCP, _printable(path.banner)))
    found += [
        (
            f"Control connect to {tried.address} port {path.control_port}",
            Level.TCP,
            _control(tried.control.verdict.value),
        )
        for tried in path.tried
        if tried.control is not None
    ]
    asked = f"{path.host} on {path.vantage}"
    return tuple(
        Evidence(
            label=label,
            value=value,
            level=level,
            of=path,
            method=ResolveNames.method if label == asked else path.method or None,
        )
        for label, level, value in found
    )


def _after(tried: AddressPath) -> str:
    """The times of attempts that were turned away; the others are told already."""
    if tried.state is PathState.FILTERED:
        return ""
    times = [shown_ms(attempt.ms) for attempt in tried.failed if attempt.ms is not None]
    return f" (after {', '.join(times)})" if times else ""


def _source(target: EdgeTarget, path: TcpPath) -> str:
    """The address that a firewall sees, and a warning where the site file declares another."""
    seen, declared = ", ".join(path.sources), target.vm.address
    known = _literal(declared)
    sources = [source for source in map(_literal, path.sources) if source is not None]
    if known is None or known in sources or all(source.version != known.version for source in sources):
        return seen
    return f"{seen}; the site file declares {declared}, so rules made for that one do not match"


def _literal(host: str | None) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address((host or "").partition("%")[0])
    except ValueError:
        return None


def _control(word: str) -> str:
    return f"{word.replace('_', ' ')}; it should not open"


def _printable(banner: bytes) -> str:
    return ascii(banner[:80].decode("latin-1"))


def certificate_evidence(shown: Certificate | None, fact: object) -> Iterator[Evidence]:
    """The certificate that a peer showed, if it showed one."""
    if shown is not None:
        value = f"{shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d}"
        yield Evidence(label="Certificate", value=value, level=Level.PROTOCOL, of=fact)
