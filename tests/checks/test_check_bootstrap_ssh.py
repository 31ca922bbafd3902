"""bootstrap.ssh: what each answer of a VM's SSH server through the bootstrap VM comes to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readiness_checks.bootstrap import SshToVms
from readiness_checks.ssh_words import SshTarget

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Level, Outcome, Owner, Reason, Unread, status_of
from readiness.plan import plan
from readiness.probe import Attempt
from readiness.probes.linux import Identity, ReadIdentity
from readiness.probes.ssh import ExchangeKeys, HostKey, SshAnswer, SshEnding, SshServer
from readiness.probes.tcp import AddressPath, DialTcp, TcpPath
from readiness.site import Bootstrap, Role, Site, Vm
from readiness.vantage import Dialled, HostAccess, PathVerdict, Resolution
from tests.lab.engine import site

MET, WEAK, MISSED, UNKNOWN = Outcome.MET, Outcome.WEAK, Outcome.MISSED, Outcome.UNKNOWN

OWN = HostKey("ssh-ed25519", "SHA256:" + "A" * 43)
KEPT = HostKey("ssh-rsa", "SHA256:" + "B" * 43)
FOREIGN = HostKey("ssh-ed25519", "SHA256:" + "C" * 43)
VERSION = "SSH-2.0-OpenSSH_9.2p1"
LOST = Reason(code=Cause.UNREACHABLE, detail="10.99.0.1:2222 did not answer within 10 s", enable="Start it.")
NO_BOOT = Reason(code=Cause.AUTH, detail="10.0.0.10:22 refused the login", enable="Check `ssh.user`.")
IDENTITY = Identity(boot_id="", machine_id="", hostname="", host_keys=(OWN.fingerprint, KEPT.fingerprint))
NO_IDENTITY = Unread(reason=LOST)


def whole(**vm: object) -> Site:
    first = Vm(name="excs-1", role=Role.EXCS, host="10.99.0.1", address="10.0.0.1", port=None)
    return site(
        bootstrap=Bootstrap(name="boot-1", host="10.0.0.10"),
        vms=(replace(first, **vm), Vm(name="exas-1", role=Role.EXAS, host="10.0.0.2", address="10.0.0.2", port=None)),  # type: ignore[arg-type]
        access=(HostAccess(name="excs-1", host="10.99.0.1", port=2222),),
    )


def edge(number: int = 0) -> SshTarget:
    found = SshToVms().targets(whole())[number]
    assert isinstance(found, SshTarget)
    return found


def path(*verdicts: str, icmp: str = "", error: str = "") -> TcpPath:
    addresses = () if error else ("10.0.0.1",)
    attempts = tuple(
        Dialled(verdict=PathVerdict(one), ms=0.4, tool="python", source="10.0.0.10", icmp=icmp) for one in verdicts
    )
    return TcpPath(
        vantage="boot-1",
        host="10.0.0.1",
        port=2222,
        resolution=Resolution(name="10.0.0.1", addresses=addresses, error=error),
        tried=tuple(AddressPath(address=address, attempts=attempts) for address in addresses),
    )


def shows(key: HostKey, *, host: str = "10.0.0.1") -> SshAnswer:
    return SshAnswer(host=host, port=2222, ending=SshEnding.KEY, key=key, version=VERSION, how="SSH forwarding")


def ends(ending: SshEnding, *, host: str = "10.0.0.1", **more: object) -> SshAnswer:
    return SshAnswer(host=host, port=2222, ending=ending, **more)  # type: ignore[arg-type]


def server(*answers: SshAnswer, confirmed: HostKey | None = OWN, trouble: Reason | None = None) -> SshServer:
    return SshServer(
        vantage="boot-1", machine="excs-1", answers=answers, confirmed=confirmed, trouble=trouble or _trouble(confirmed)
    )


def _trouble(confirmed: HostKey | None) -> Reason | None:
    return LOST if confirmed is None else None


def judged(tcp: TcpPath | Unread, heard: SshServer | Unread, identity: Identity | Unread = NO_IDENTITY) -> Judgement:
    return SshToVms().judge(edge(), tcp, heard, identity)


OPEN = path("open", "open", "open")
REFUSED = ends(SshEnding.NO_PATH, verdict=PathVerdict.REFUSED, text="Connection refused")
CASES: dict[str, tuple[TcpPath | Unread, SshServer | Unread, Identity | Unread, Outcome, Lane | None, str]] = {
    "confirmed": (OPEN, server(shows(OWN)), NO_IDENTITY, MET, None, "boot-1 reaches excs-1 by SSH"),
    "kept": (OPEN, server(shows(KEPT)), IDENTITY, MET, None, "boot-1 reaches excs-1 by SSH"),
    "no connects to tell of": (Unread(reason=LOST), server(shows(OWN)), IDENTITY, MET, None, "reaches excs-1"),
    "by its host": (
        path("refused"),
        server(REFUSED, shows(OWN, host="10.99.0.1")),
        IDENTITY,
        MET,
        None,
        "reaches excs-1",
    ),
    "another machine": (OPEN, server(shows(FOREIGN)), IDENTITY, MISSED, Lane.ROUTE, "another machine than excs-1"),
    "another, unread": (OPEN, server(shows(FOREIGN)), NO_IDENTITY, MISSED, Lane.ROUTE, "another machine than excs-1"),
    "another at both": (
        OPEN,
        server(shows(FOREIGN), shows(FOREIGN, host="10.99.0.1")),
        IDENTITY,
        MISSED,
        Lane.ROUTE,
        "another machine than excs-1",
    ),
    "two machines": (
        OPEN,
        server(shows(FOREIGN), shows(OWN, host="10.99.0.1")),
        IDENTITY,
        WEAK,
        Lane.ROUTE,
        "at 10.0.0.1:2222 another machine answers",
    ),
    "vm unreachable": (OPEN, server(shows(OWN), confirmed=None), NO_IDENTITY, UNKNOWN, None, "could not be compared"),
    "vm shows no key": (
        OPEN,
        replace(server(shows(OWN), confirmed=None), trouble=None),
        NO_IDENTITY,
        UNKNOWN,
        None,
        "could not be compared",
    ),
    "refused": (path("refused"), server(REFUSED), IDENTITY, MISSED, Lane.SERVICE, "is refused"),
    "refused, vm unreachable": (
        path("refused"),
        server(REFUSED, confirmed=None),
        NO_IDENTITY,
        MISSED,
        Lane.SERVICE,
        "is refused",
    ),
    "filtered": (
        path("timeout", "timeout"),
        server(ends(SshEnding.NO_PATH, verdict=PathVerdict.TIMEOUT, text="no answer in 5 s")),
        IDENTITY,
        MISSED,
        Lane.FIREWALL,
        "nothing answers",
    ),
    "rejected": (
        path("no_route", icmp="3/13@10.0.0.254"),
        server(ends(SshEnding.NO_PATH, verdict=PathVerdict.NO_ROUTE)),
        IDENTITY,
        MISSED,
        Lane.FIREWALL,
        "firewall on the way",
    ),
    "no name": (
        path(error="Name or service not known"),
        server(ends(SshEnding.NO_NAME, text="Name or service not known")),
        IDENTITY,
        MISSED,
        Lane.DNS,
        "does not resolve",
    ),
    "unclear": (path("other"), server(ends(SshEnding.NO_PATH)), IDENTITY, UNKNOWN, None, "could not be told"),
    "unstable": (path("open", "timeout"), server(shows(OWN)), IDENTITY, WEAK, Lane.ROUTE, "only at times"),
    "open, then closed": (OPEN, server(REFUSED), IDENTITY, WEAK, Lane.ROUTE, "at one moment and not at another"),
    "closed, then open": (path("refused"), server(shows(OWN)), IDENTITY, WEAK, Lane.ROUTE, "at one moment"),
    "silent": (OPEN, server(ends(SshEnding.SILENT)), IDENTITY, MISSED, Lane.SERVICE, "says nothing"),
    "closed": (OPEN, server(ends(SshEnding.CLOSED)), IDENTITY, MISSED, Lane.SERVICE, "hangs up"),
    "http": (
        OPEN,
        server(ends(SshEnding.NOT_SSH, heard=b"HTTP/1.1 400 Bad Request\r\n\x1b[31m")),
        IDENTITY,
        MISSED,
        Lane.SERVICE,
        "speaks HTTP",
    ),
    "unknown protocol": (
        OPEN,
        server(ends(SshEnding.NOT_SSH, heard=b"\x00\x01")),
        IDENTITY,
        MISSED,
        Lane.SERVICE,
        "speaks no SSH",
    ),
    "turned away": (
        OPEN,
        server(ends(SshEnding.TURNED_AWAY, heard=b"Not allowed at this time\r\n")),
        IDENTITY,
        UNKNOWN,
        None,
        "could not be proven",
    ),
    "stalled": (
        OPEN,
        server(ends(SshEnding.STALLED, version=VERSION)),
        IDENTITY,
        UNKNOWN,
        None,
        "could not be proven",
    ),
    "failed": (
        OPEN,
        server(ends(SshEnding.FAILED, version=VERSION, text="Key exchange hash mismatch")),
        IDENTITY,
        UNKNOWN,
        None,
        "could not be proven",
    ),
    "at times, silent": (path("open", "timeout"), server(ends(SshEnding.SILENT)), IDENTITY, WEAK, Lane.ROUTE, "times"),
    "no exchange": (OPEN, Unread(reason=LOST), IDENTITY, UNKNOWN, None, "could not be determined"),
    "no exchange, refused": (path("refused"), Unread(reason=LOST), IDENTITY, MISSED, Lane.SERVICE, "is refused"),
    "no bootstrap VM": (
        Unread(reason=NO_BOOT),
        Unread(reason=NO_BOOT),
        IDENTITY,
        UNKNOWN,
        None,
        "refused the login",
    ),
    "no connects, no path": (Unread(reason=NO_BOOT), server(REFUSED), IDENTITY, UNKNOWN, None, "refused the login"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_each_answer_has_its_outcome_its_lane_and_its_words(name: str) -> None:
    """The VM's own key passes, another one or no SSH fails, and what proves no one's identity is unknown.

    Whatever is no pass names both machines and what to do, as commands.
    """
    tcp, heard, identity, outcome, lane, words = CASES[name]
    judgement = judged(tcp, heard, identity)
    assert judgement.outcome is outcome, judgement
    assert words in judgement.summary
    assert "boot-1" in judgement.summary
    assert judgement.expected
    assert judgement.observed
    assert judgement.evidence
    if outcome is not UNKNOWN:
        assert judgement.lane is lane
    if outcome in (WEAK, MISSED):
        assert "\n\n    " in judgement.remedy
        assert judgement.job
    if outcome is UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable
    assert "\x1b" not in judgement.summary + judgement.observed
    assert all(piece.value.isprintable() for piece in judgement.evidence)


def test_a_pass_is_of_the_protocols_level_and_names_what_it_leaves_open() -> None:
    """Nobody logged in: the level says so, and so does the reasoning."""
    judgement = judged(OPEN, server(shows(OWN)), IDENTITY)
    assert max(piece.level for piece in judgement.evidence) is Level.PROTOCOL
    assert "attest" in judgement.reasoning
    values = [piece.value for piece in judgement.evidence]
    assert VERSION in values
    assert values.count(f"{OWN.fingerprint} (ssh-ed25519)") == 2
    vantages = [piece.vantage for piece in judgement.evidence if OWN.fingerprint in piece.value]
    assert vantages == ["boot-1", "auditor"]


def test_a_key_that_only_the_vm_itself_tells_of_is_shown_as_such() -> None:
    """Another kind of key than the confirmed one passes by what the VM keeps, which is part of the evidence."""
    judgement = judged(OPEN, server(shows(KEPT)), IDENTITY)
    assert "keeps in its own /etc/ssh" in judgement.reasoning
    assert any(piece.of is IDENTITY and KEPT.fingerprint in piece.value for piece in judgement.evidence)


def test_kept_keys_alone_condemn_nobody() -> None:
    """A server may keep its keys elsewhere: without a confirmed key, another one proves no other machine."""
    judgement = judged(OPEN, server(shows(FOREIGN), confirmed=None), IDENTITY)
    assert judgement.outcome is UNKNOWN


def test_a_vm_that_the_auditor_does_not_reach_blocks_its_edge() -> None:
    """The finding that stands in the way is named, so that both are settled by one job."""
    judgement = judged(OPEN, server(shows(OWN), confirmed=None))
    assert judgement.reason is not None
    assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "vm.os[excs-1]")
    assert LOST.detail in judgement.reason.detail


def test_who_mends_it() -> None:
    """A path is the network's, a rule of the bootstrap VM's own and a missing SSH server are the deployer's."""
    assert judged(path("denied"), server(ends(SshEnding.NO_PATH))).owner is Owner.DEPLOYER
    assert judged(OPEN, server(ends(SshEnding.SILENT))).owner is Owner.DEPLOYER
    assert judged(path("timeout"), server(ends(SshEnding.NO_PATH))).lane is Lane.FIREWALL
    assert SshToVms.requirement.owner is Owner.NETWORK


def test_the_flow_to_request_is_that_of_the_bootstrap_vm() -> None:
    """A firewall request names where the connects came from and where they went to."""
    judgement = judged(path("timeout"), server(ends(SshEnding.NO_PATH, verdict=PathVerdict.TIMEOUT)))
    assert "TCP  10.0.0.10 (boot-1)  ->  10.0.0.1  port 2222" in judgement.remedy
    nameless = judged(path(error="NXDOMAIN"), server(ends(SshEnding.NO_NAME)))
    assert "`address` of excs-1" in nameless.remedy


def test_what_is_asked_of_whom() -> None:
    """Connects and an exchange of keys at the VM's address, else at its host, and the VM's own word; each once."""
    assert SshToVms().needs(edge()) == (
        Attempt(DialTcp("boot-1", "10.0.0.1", 2222)),
        Attempt(ExchangeKeys("boot-1", "excs-1", ("10.0.0.1", "10.99.0.1"), 2222)),
        Attempt(ReadIdentity("excs-1")),
    )
    assert edge(1).hosts == ("10.0.0.2",)
    assert (edge().host, edge().port, edge(1).port) == ("10.0.0.1", 2222, 22)
    planned = plan(whole(), [SshToVms])
    assert [one.id for one in planned.instances] == [
        "bootstrap.ssh[boot-1->excs-1:2222]",
        "bootstrap.ssh[boot-1->exas-1:22]",
    ]
    assert len(planned.probes) == 6


def test_the_auditors_own_machine_can_be_the_bootstrap_vm() -> None:
    """Its edges are asked as any other's."""
    local = replace(whole(), bootstrap=Bootstrap(name="here", host=None, local=True))
    edges = SshToVms().targets(local)
    assert [one.name for one in edges if isinstance(one, SshTarget)] == ["here->excs-1:2222", "here->exas-1:22"]
    judgement = SshToVms().judge(
        next(one for one in edges if isinstance(one, SshTarget)), path("refused"), server(REFUSED), IDENTITY
    )
    assert judgement.outcome is MISSED
    assert "here" in judgement.summary


def test_a_vm_that_is_not_built_is_undeclared() -> None:
    """Its edge keeps its name."""
    first = SshToVms().targets(whole(host=None))[0]
    assert isinstance(first, Settled)
    assert first.target.name == "boot-1->excs-1:2222"
    assert first.judgement.reason is not None
    assert first.judgement.reason.code is Cause.UNDECLARED


answers = st.builds(
    lambda ending, key, host, text: SshAnswer(
        host=host,
        port=2222,
        ending=ending,
        key=key if ending is SshEnding.KEY else None,
        version=VERSION if ending in (SshEnding.KEY, SshEnding.STALLED, SshEnding.FAILED) else "",
        heard=text,
    ),
    st.sampled_from(list(SshEnding)),
    st.sampled_from([OWN, KEPT, FOREIGN]),
    st.sampled_from(["10.0.0.1", "10.99.0.1"]),
    st.binary(max_size=20),
)


@given(
    st.one_of(
        st.just(Unread(reason=LOST)),
        st.lists(st.sampled_from([one.value for one in PathVerdict]), min_size=1, max_size=3).map(lambda v: path(*v)),
        st.just(path(error="NXDOMAIN")),
    ),
    st.one_of(
        st.just(Unread(reason=NO_BOOT)),
        st.builds(
            lambda found, confirmed: server(*found, confirmed=confirmed),
            st.lists(answers, min_size=1, max_size=2),
            st.sampled_from([OWN, None]),
        ),
    ),
    st.sampled_from([IDENTITY, NO_IDENTITY]),
)
def test_an_edge_passes_by_the_vms_own_key_alone(
    tcp: TcpPath | Unread, heard: SshServer | Unread, identity: Identity | Unread
) -> None:
    """Whatever was seen: a pass rests on a proven key of the VM, a fail on news, and all else says why."""
    judgement = judged(tcp, heard, identity)
    proven = isinstance(heard, SshServer) and any(
        one.key is not None and (one.key == heard.confirmed or (one.key != FOREIGN and identity is IDENTITY))
        for one in heard.answers
    )
    if judgement.outcome is MET:
        assert proven
    if judgement.outcome in (MISSED, WEAK):
        assert judgement.remedy
        assert judgement.job
        assert isinstance(tcp, TcpPath) or isinstance(heard, SshServer)
    if judgement.outcome is UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable
    assert judgement.evidence
    assert status_of(judgement.outcome, SshToVms.requirement.obligation) in SshToVms.requirement.outcomes
