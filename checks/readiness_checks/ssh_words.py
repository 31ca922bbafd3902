"""What an edge of SSH from the bootstrap VM to a VM comes to: who answered there, and whether it was that VM."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from readiness import Cause, Evidence, Judgement, Lane, Level, Owner, Target, Unread
from readiness.probes.linux import Identity
from readiness.probes.ssh import HostKey, SshAnswer, SshEnding, SshServer
from readiness.probes.tcp import PathState, TcpPath, spoken
from readiness.site import Bootstrap, Endpoint, Vm
from readiness_checks.machine import commands
from readiness_checks.path_words import Subject

LOGIN = "Whether the deployer's own key is let in, this does not show: that is for the deployer to try and to attest."
"""What every edge has to say of its own limits."""

_WEAK_PATHS = (PathState.UNSTABLE, PathState.MIXED)


@dataclass(frozen=True, kw_only=True, eq=False)
class SshTarget(Target):
    """The way from the bootstrap VM to the SSH server of a VM."""

    bootstrap: Bootstrap
    vm: Vm

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where the VM's SSH server may be had: at what the other machines use, else where the auditor connects."""
        return tuple(dict.fromkeys(host for host in (self.vm.address, self.vm.host) if host))

    @property
    def peer(self) -> Endpoint:
        return self.at(self.hosts[0])

    def at(self, host: str) -> Endpoint:
        return Endpoint(host, self.port or 0)


@dataclass(frozen=True)
class _Caller:
    name: str
    address: str | None


@dataclass(frozen=True)
class _Edge:
    vm: _Caller
    peer: Endpoint


@dataclass(frozen=True)
class SshSeen:
    """All that is known of one edge."""

    target: SshTarget
    path: TcpPath | Unread
    server: SshServer | Unread
    identity: Identity | Unread

    @property
    def boot(self) -> str:
        return self.target.bootstrap.name

    @property
    def vm(self) -> str:
        return self.target.vm.name

    @property
    def judgement(self) -> Judgement:
        """What the edge comes to."""
        server, path = self.server, self.path
        if isinstance(server, Unread):
            if isinstance(path, Unread) or path.state is PathState.OPEN:
                return self._unasked(server)
            return self._no_path(path)
        keyed = [answer for answer in server.answers if answer.key is not None]
        own = [one for one in keyed if self._proves(one.key) or (one.key and one.key.fingerprint in self._kept)]
        others = [one for one in keyed if one not in own]
        if own:
            return self._reached(own[0], others)
        if others and self._confirmed is not None:
            return self._another(others[0])
        if others:
            return self._nothing_to_compare(server, others[0])
        return self._no_key(server)

    @property
    def _confirmed(self) -> HostKey | None:
        return None if isinstance(self.server, Unread) else self.server.confirmed

    @property
    def _kept(self) -> tuple[str, ...]:
        """Fingerprints of the host keys that the VM itself says it keeps."""
        return () if isinstance(self.identity, Unread) else self.identity.host_keys

    def _proves(self, key: HostKey | None) -> bool:
        """Whether it is the key by which the VM proved itself to the auditor."""
        return key is not None and self._confirmed is not None and key.fingerprint == self._confirmed.fingerprint

    @property
    def _expected(self) -> str:
        return f"{self.boot} reaches the SSH server of {self.vm}, which proves that it holds the confirmed host key"

    # Outcomes

    def _reached(self, answer: SshAnswer, others: list[SshAnswer]) -> Judgement:
        at = self.target.at(answer.host)
        if others:
            return self._two_machines(answer, others[0])
        path = self.path
        if isinstance(path, TcpPath) and at == self.target.peer and path.state in _WEAK_PATHS:
            return self._no_path(path)
        if (
            isinstance(path, TcpPath)
            and at == self.target.peer
            and path.state not in (PathState.OPEN, PathState.UNCLEAR)
        ):
            return self._contradiction(path, answer)
        whose = (
            f"by which {self.vm} had proved itself to the auditor"
            if self._proves(answer.key)
            else f"that {self.vm} keeps in its own /etc/ssh"
        )
        why = (
            f"An exchange of keys from {self.boot} proved that who answers there holds the host key {whose}: it is "
            f"{self.vm} and no other machine."
        )
        beside = (
            "" if at == self.target.peer else f" It answers at its `host`, not at its `address` {self.target.peer}."
        )
        return Judgement.met(
            f"{self.boot} reaches {self.vm} by SSH.",
            expected=self._expected,
            observed=f"{answer.version} at {at}, with the host key of {self.vm}",
            reasoning=f"{why}{beside} {LOGIN}",
            evidence=self._evidence,
        )

    def _another(self, answer: SshAnswer) -> Judgement:
        at = self.target.at(answer.host)
        return Judgement.missed(
            f"At {at}, another machine than {self.vm} answers {self.boot} by SSH.",
            expected=self._expected,
            observed=f"{answer.version} at {at}, with the host key {_shown(answer.key)}, not that of {self.vm}",
            reasoning=f"The server was asked for a key of the kind by which {self.vm} is known, and proved to hold "
            "another one. The address leads somewhere else as seen from there (a second machine with it, NAT, a "
            "stale name), or somebody is in between.",
            evidence=self._evidence,
            remedy=self._compare(at),
            job=f"Find out who answers {self.boot} at {at} instead of {self.vm}",
            lane=Lane.ROUTE,
        )

    def _two_machines(self, answer: SshAnswer, other: SshAnswer) -> Judgement:
        at, wrong = self.target.at(answer.host), self.target.at(other.host)
        return Judgement.weak(
            f"{self.boot} reaches {self.vm} by SSH at {at}; at {wrong} another machine answers it.",
            expected=self._expected,
            observed=f"{at} shows the host key of {self.vm}; {wrong} shows {_shown(other.key)}",
            reasoning=f"Both are declared for {self.vm}, and only one of them is {self.vm} as seen from {self.boot}. "
            f"{LOGIN}",
            evidence=self._evidence,
            remedy=self._compare(wrong),
            job=f"Find out who answers {self.boot} at {wrong} instead of {self.vm}",
            lane=Lane.ROUTE,
        )

    def _nothing_to_compare(self, server: SshServer, answer: SshAnswer) -> Judgement:
        at, trouble = self.target.at(answer.host), server.trouble
        summary = f"An SSH server answers {self.boot} at {at}; whether it is {self.vm} could not be compared."
        observed = f"{answer.version} at {at}, with the host key {_shown(answer.key)}"
        reasoning = (
            f"The auditor has no confirmed host key of {self.vm} from this run to compare with, and an answer alone "
            "proves no one's identity."
        )
        if trouble is None:
            return Judgement.unknown(
                summary,
                Cause.UNSUPPORTED,
                f"{self.vm} showed the auditor no host key",
                enable=f"Compare by hand:\n\n{self._compare(at)}",
                expected=self._expected,
                observed=observed,
                reasoning=reasoning,
                evidence=self._evidence,
            )
        return Judgement.blocked(
            f"vm.os[{self.vm}]",
            summary,
            detail=f"the auditor itself could not log in to {self.vm}: {trouble.detail}",
            expected=self._expected,
            observed=observed,
            reasoning=reasoning,
            evidence=self._evidence,
        )

    def _no_key(self, server: SshServer) -> Judgement:
        """Nobody proved to hold a key: the most that any address gave decides."""
        answer = next((one for one in server.answers if one.ending.reached), None)
        path = self.path
        if answer is None:
            if isinstance(path, Unread):
                return self._unasked(path)
            return self._no_path(path) if path.state is not PathState.OPEN else self._contradiction(path, None)
        if isinstance(path, TcpPath) and path.state in _WEAK_PATHS:
            return self._no_path(path)
        match answer.ending:
            case SshEnding.TURNED_AWAY:
                return self._undecided(
                    answer,
                    Cause.OVERLOAD,
                    "takes no further strangers at the moment",
                    f"Wait ten minutes and run the audit again; `MaxStartups` and `PerSourcePenalties` in the "
                    f"sshd_config of {self.vm} set how many it takes.",
                )
            case SshEnding.STALLED:
                return self._undecided(
                    answer,
                    Cause.TIMEOUT,
                    "says its version and then nothing more",
                    "Where this happens every time, large packets may be lost on the way. "
                    + commands(
                        f"On {self.boot}:",
                        f"ssh -v -o BatchMode=yes -p {answer.port} {answer.host} true",
                        f"ping -M do -s 1472 -c 3 {answer.host}",
                    ),
                )
            case SshEnding.FAILED:
                return self._undecided(
                    answer,
                    Cause.UNSUPPORTED,
                    "is an SSH server, and the exchange of keys with it failed",
                    commands(f"See what it says on {self.boot}:", self._ssh(answer)),
                )
            case _:
                return self._no_service(answer)

    def _no_service(self, answer: SshAnswer) -> Judgement:
        at, what = self.target.at(answer.host), _words(answer)
        return Judgement.missed(
            f"{self.boot} finds no SSH server of {self.vm} at {at}: what answers there {what}.",
            expected=self._expected,
            observed=f"{at} {what}",
            reasoning="The connection was accepted, and an SSH server would have said its version at once. "
            f"{self.boot} itself answered the audit all the time.",
            evidence=self._evidence,
            remedy=commands(
                f"See who has port {answer.port} on {self.vm}, and whether its SSH server runs:",
                f"sudo ss -ltnp 'sport = :{answer.port}'",
                "systemctl status sshd || systemctl status ssh",
                "cat /etc/hosts.allow /etc/hosts.deny",
            )
            + f"\n\nThen try again on {self.boot}:\n\n    {self._ssh(answer)}",
            job=f"Have the SSH server of {self.vm} answer {self.boot} at {at}",
            lane=Lane.SERVICE,
            owner=Owner.DEPLOYER,
        )

    def _undecided(self, answer: SshAnswer, code: Cause, what: str, enable: str) -> Judgement:
        at = self.target.at(answer.host)
        return Judgement.unknown(
            f"{self.boot} reaches an SSH server at {at}, but whether it is {self.vm} could not be proven.",
            code,
            f"what answers at {at} {what}" + (f": {answer.text}" if answer.text else ""),
            enable=enable,
            expected=self._expected,
            observed=f"{at} {_words(answer)}",
            reasoning="The way is open and an SSH server is there; only an exchange of keys tells whose it is.",
            evidence=self._evidence,
        )

    def _no_path(self, path: TcpPath) -> Judgement:
        on = self._subject(path)
        words = on.words
        if path.state is PathState.UNCLEAR:
            return Judgement.unknown(
                words.summary,
                Cause.UNSUPPORTED,
                path.observed,
                enable=words.remedy,
                expected=self._expected,
                observed=path.observed,
                reasoning=words.reasoning,
                evidence=self._evidence,
            )
        remedy = words.remedy
        if path.state is PathState.DNS:
            remedy = f"{remedy}\n\nOr declare the numeric `address` of {self.vm} in the site file."
        conclude = Judgement.weak if path.state in _WEAK_PATHS else Judgement.missed
        return conclude(
            words.summary,
            expected=self._expected,
            observed=path.observed,
            reasoning=words.reasoning,
            evidence=self._evidence,
            remedy=remedy,
            job=words.job,
            lane=path.lane,
            owner=Owner.DEPLOYER if path.state is PathState.DENIED else None,
        )

    def _contradiction(self, path: TcpPath, answer: SshAnswer | None) -> Judgement:
        said = f"it was {self.vm} that answered" if answer is not None else "nothing was reached"
        return Judgement.weak(
            f"{self.boot} reaches the SSH server of {self.vm} at one moment and not at another.",
            expected=self._expected,
            observed=f"by connects: {path.observed}; by an exchange of keys: {said}",
            reasoning="Two questions of the same run disagree, so the path is unstable.",
            evidence=self._evidence,
            remedy=self._subject(path).watch(),
            job=f"Find out why the path from {self.boot} to {self.target.peer} is unstable",
            lane=Lane.ROUTE,
        )

    def _unasked(self, unread: Unread) -> Judgement:
        reason = unread.reason
        return Judgement.unknown(
            f"Whether {self.boot} reaches {self.vm} by SSH could not be determined: {reason.detail.rstrip('.')}.",
            reason.code,
            reason.detail,
            enable=reason.enable or "Mend what the reason names and run the audit again.",
            by=reason.by,
            expected=self._expected,
            observed="no exchange of keys",
            reasoning="The question failed on the auditor's side of it, so the edge is neither met nor violated.",
            evidence=self._evidence or (_no_answer(unread),),
        )

    # Words

    def _subject(self, path: TcpPath) -> Subject:
        caller = _Caller(self.boot, self.target.bootstrap.host)
        return Subject(
            target=_Edge(caller, self.target.peer),
            peer=f"the SSH server of {self.vm}",
            look="ss -ltn 'sport = :{port}'",
            path=path,
        )

    def _ssh(self, answer: SshAnswer) -> str:
        return f"ssh -v -o BatchMode=yes -p {answer.port} {answer.host} true"

    def _compare(self, at: Endpoint) -> str:
        return commands(
            f"Compare what {self.boot} is shown with what {self.vm} has, the first three on {self.boot}, the last on "
            f"{self.vm}:",
            f"ssh-keyscan -p {at.port} {at.host} | ssh-keygen -lf -",
            f"ip route get $(getent ahosts {at.host} | awk 'NR == 1 {{print $1}}')",
            "ip neigh",
            "for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $key; done",
        )

    @property
    def _compared(self) -> bool:
        """Whether the key by which the VM proved itself to the auditor is all there was to compare with."""
        answers = self.server.answers if isinstance(self.server, SshServer) else ()
        return self._confirmed is not None and all(one.key is None or self._proves(one.key) for one in answers)

    @property
    def _evidence(self) -> tuple[Evidence, ...]:
        return tuple(self._shown_evidence())

    def _shown_evidence(self) -> Iterator[Evidence]:
        server, path, identity = self.server, self.path, self.identity
        if isinstance(server, SshServer):
            for answer in server.answers:
                at = self.target.at(answer.host)
                label, value, level = f"SSH at {at}", _words(answer), Level.DECLARED
                if answer.ending is not SshEnding.NO_NAME:
                    level = Level.TCP
                if answer.key is not None:
                    label, value, level = f"Host key at {at}", _shown(answer.key), Level.PROTOCOL
                if answer.version:
                    yield Evidence(
                        label=f"SSH version at {at}",
                        value=answer.version,
                        level=Level.PROTOCOL,
                        of=server,
                        vantage=self.boot,
                    )
                yield Evidence(label=label, value=value, level=level, of=server, vantage=self.boot)
            if server.confirmed is not None:
                yield Evidence(
                    label=f"Host key that {self.vm} proved itself by to the auditor",
                    value=_shown(server.confirmed),
                    level=Level.PROTOCOL,
                    of=server,
                    vantage=_AUDITOR,
                    method="SSH, known_hosts",
                )
        if isinstance(identity, Identity) and self._kept and not self._compared:
            yield Evidence(
                label=f"Host keys that {self.vm} keeps",
                value=", ".join(identity.host_keys),
                level=Level.PROTOCOL,
                of=identity,
                method="/etc/ssh",
            )
        if isinstance(path, TcpPath):
            for tried in path.judged:
                yield Evidence(
                    label=f"TCP connect to {tried.address} port {path.port}",
                    value=tried.observed,
                    level=Level.TCP,
                    of=path,
                    method=path.method or None,
                )
            if not path.judged:
                yield Evidence(label=path.host, value=path.observed, level=Level.DECLARED, of=path)


_AUDITOR = "auditor"


def _no_answer(unread: Unread) -> Evidence:
    return Evidence(label="No answer", value=unread.reason.detail, level=Level.DECLARED, of=unread)


def _shown(key: HostKey | None) -> str:
    return f"{key.fingerprint} ({key.kind})" if key is not None else "none"


def _words(answer: SshAnswer) -> str:
    """What answered, as a clause that follows its address."""
    match answer.ending:
        case SshEnding.KEY:
            return f"shows the host key {_shown(answer.key)}"
        case SshEnding.NO_NAME:
            return f"does not resolve: {answer.text}"
        case SshEnding.NO_PATH:
            return f"was not reached: {answer.text}"
        case SshEnding.SILENT:
            return "accepts the connection and says nothing"
        case SshEnding.CLOSED:
            return "accepts the connection and hangs up without a word"
        case SshEnding.TURNED_AWAY:
            return f"turns the caller away: {_heard(answer)}"
        case SshEnding.NOT_SSH:
            protocol = spoken(answer.heard)
            return (
                f"speaks {protocol}: {_heard(answer)}" if protocol is not None else f"speaks no SSH: {_heard(answer)}"
            )
        case SshEnding.STALLED:
            return f"says {answer.version or _heard(answer)}, then nothing more"
        case SshEnding.FAILED:
            return f"says {answer.version or _heard(answer)}, and the exchange of keys failed: {answer.text}"


def _heard(answer: SshAnswer) -> str:
    return ascii(answer.heard[:80].decode("latin-1"))
