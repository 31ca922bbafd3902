"""network.interconnect: what each direction between two VMs comes to."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from readiness_checks.connectivity import ExasReachable, ExcpReachable, ExcsReachable, ReachesExcsApi
from readiness_checks.network import Interconnect, OneSegment, PairTarget

from readiness.check import Settled
from readiness.model import Cause, Judgement, Lane, Level, Outcome, Owner, Reason, Unread, status_of
from readiness.plan import plan
from readiness.probes.linux import Identity
from readiness.probes.listener import Call, CallPort, Echo, Held, NotHeld, Obstacle, PortProof
from readiness.probes.neighbours import ANY_PORT, Neighbour, Neighbours, Peer, ReadNeighbours
from readiness.probes.tcp import AddressPath, DialTcp, TcpPath
from readiness.site import Probing, Role, Site, Vm
from readiness.vantage import Dialled, PathVerdict, Resolution
from tests.lab.engine import site

MET, WEAK, MISSED, UNKNOWN = Outcome.MET, Outcome.WEAK, Outcome.MISSED, Outcome.UNKNOWN

EXCS, EXAS = "10.0.0.1", "10.0.0.2"
EXCS_MAC, EXAS_MAC, ROUTER_MAC = "02:00:00:00:00:0b", "02:00:00:00:00:0a", "02:00:00:00:00:0f"
GATEWAY = ip_address("10.0.0.254")
HELD = Held(address=EXCS, port=3640, tool="python")
IN_USE = NotHeld(obstacle=Obstacle.IN_USE, text="Address already in use")
FORBIDDEN = NotHeld(obstacle=Obstacle.PERMISSION, text="Permission denied")
TOOLLESS = Reason(code=Cause.TOOL_MISSING, detail="nothing to hold a port with", enable="Install python3.")
LOST = Reason(code=Cause.UNREACHABLE, detail="the SSH connection to excs-1 was lost", enable="Mend it.")
UNREAD = Unread(reason=LOST)


def four(**changes: object) -> Site:
    def vm(name: str, role: Role, host: str | None) -> Vm:
        return Vm(name=name, role=role, host=host, address=host, port=None)

    vms = (
        vm("excs-1", Role.EXCS, EXCS),
        vm("exas-1", Role.EXAS, EXAS),
        vm("excp-1", Role.EXCP, "10.0.0.3"),
        vm("excp-2", Role.EXCP, None),
    )
    return site(**({"vms": vms} | changes))


def direction(name: str = "exas-1->excs-1", of: Site | None = None) -> PairTarget:
    targets = Interconnect().targets(of or four())
    return next(one for one in targets if isinstance(one, PairTarget) and one.name == name)


def path(*verdicts: str, icmp: str = "", error: str = "", port: int = 3640) -> TcpPath:
    addresses = () if error else (EXCS,)
    attempts = tuple(
        Dialled(verdict=PathVerdict(one), ms=0.4, tool="python", source=EXAS, icmp=icmp) for one in verdicts
    )
    return TcpPath(
        vantage="exas-1",
        host=EXCS,
        port=port,
        resolution=Resolution(name=EXCS, addresses=addresses, error=error),
        tried=tuple(AddressPath(address=address, attempts=attempts) for address in addresses),
    )


def proof(
    found: TcpPath | None,
    echo: Echo = Echo.UNSAID,
    *,
    held: Held | None = HELD,
    not_held: NotHeld | None = None,
    trouble: Reason | None = None,
    seen_as: str = EXAS,
    source: str = "exas-1",
    carrier: str = "excs-1",
) -> PortProof:
    ours = echo is Echo.OURS
    call = Call(
        source=source,
        path=found,
        trouble=None if found is not None else LOST,
        word="word",
        echo=echo,
        heard="" if echo is not Echo.FOREIGN else "HTTP/1.1 400",
        seen_as=seen_as if ours else "",
        reached=EXCS if ours else "",
        reported=ours,
    )
    return PortProof(
        carrier=carrier,
        address=EXCS,
        port=3640,
        held=None if not_held is not None else held,
        not_held=not_held,
        trouble=trouble,
        calls=(call,),
        released=True,
    )


def table(me: str, own: str, peer: str, **seen: object) -> Neighbours:
    neighbour = Neighbour(address=ip_address(peer), device="eth0", **seen)  # type: ignore[arg-type]
    return Neighbours(
        vantage=me,
        macs=frozenset({own}),
        addresses=frozenset({ip_address(EXAS if me == "exas-1" else EXCS)}),
        peers={peer: Peer(name=peer, neighbours=(neighbour,))},
    )


OURS = table("exas-1", EXAS_MAC, EXCS, mac=EXCS_MAC, asked=True)
THEIRS = table("excs-1", EXCS_MAC, EXAS, mac=EXAS_MAC, asked=True)
Tables = tuple[Neighbours | Unread, Neighbours | Unread]
NEAR: Tables = (OURS, THEIRS)
ROUTED: Tables = (
    table("exas-1", EXAS_MAC, EXCS, gateway=GATEWAY),
    table("excs-1", EXCS_MAC, EXAS, gateway=GATEWAY),
)
ONE_WAY: Tables = (OURS, ROUTED[1])
STRANGER: Tables = (table("exas-1", EXAS_MAC, EXCS, mac=ROUTER_MAC, asked=True), THEIRS)
ITSELF: Tables = (table("exas-1", EXAS_MAC, EXCS, itself=True), THEIRS)
BLIND: Tables = (UNREAD, UNREAD)


def identity(boot: str) -> Identity:
    return Identity(boot_id=boot, machine_id="", hostname="", host_keys=())


def judged(
    way: PortProof | TcpPath,
    tables: Tables = NEAR,
    *,
    boots: tuple[str, str] = ("a", "b"),
    target: PairTarget | None = None,
) -> Judgement:
    one, other = (identity(boot) if boot else UNREAD for boot in boots)
    return Interconnect().judge(target or direction(), way, *tables, one, other)


OPEN, REFUSED, SILENT = path("open", "open"), path("refused", "refused"), path("timeout", "timeout")
BY_ITSELF = path("refused", icmp=f"3/3@{EXCS}")
ON_THE_WAY = path("no_route", icmp="3/13@10.0.0.254")
NO_NAME = path(error="Name or service not known")
UNROUTED = path("net_unreachable")

CASES: dict[str, tuple[PortProof | TcpPath, Tables, Outcome, Lane | None, str]] = {
    # the nonce
    "nonce": (proof(OPEN, Echo.OURS), NEAR, MET, None, "knew the nonce"),
    "nonce, routed": (proof(OPEN, Echo.OURS), ROUTED, MET, None, "knew the nonce"),
    "nonce, nothing else known": (proof(path("other"), Echo.OURS), BLIND, MET, None, "knew the nonce"),
    "nonce, translated": (proof(OPEN, Echo.OURS, seen_as="10.9.9.9"), BLIND, MET, None, "sees the caller as 10.9.9.9"),
    "nonce at times": (proof(path("open", "timeout"), Echo.OURS), NEAR, WEAK, Lane.ROUTE, "disagree"),
    # any answer, between neighbours alone
    "in use": (proof(OPEN, not_held=IN_USE), NEAR, MET, None, "own hardware address"),
    "in use, routed": (proof(OPEN, not_held=IN_USE), ROUTED, UNKNOWN, None, "3640 of excs-1 is in use"),
    "in use, one way": (proof(OPEN, not_held=IN_USE), ONE_WAY, UNKNOWN, None, "not seen next to each other"),
    "in use, proxy ARP": (proof(OPEN, not_held=IN_USE), STRANGER, UNKNOWN, None, "not seen next to each other"),
    "in use, blind": (proof(OPEN, not_held=IN_USE), BLIND, UNKNOWN, None, "not seen next to each other"),
    "no word could be carried": (proof(OPEN), NEAR, MET, None, "own hardware address"),
    "no word, routed": (proof(OPEN), ROUTED, UNKNOWN, None, "could not carry a word"),
    "no tool, refused": (proof(REFUSED, held=None, trouble=TOOLLESS), NEAR, MET, None, "own hardware address"),
    "no tool, routed": (proof(REFUSED, held=None, trouble=TOOLLESS), ROUTED, UNKNOWN, None, "to hold a port with"),
    "low port, routed": (proof(REFUSED, not_held=FORBIDDEN), ROUTED, UNKNOWN, None, "Permission denied"),
    "filter of its own": (proof(REFUSED), NEAR, MET, None, "a packet filter turned the connect"),
    "filter by ICMP": (proof(BY_ITSELF), NEAR, MET, None, "a packet filter turned the connect"),
    # nothing of the other VM came back
    "silent": (proof(SILENT), NEAR, MISSED, Lane.FIREWALL, "Something was listening"),
    "silent, in use": (proof(SILENT, not_held=IN_USE), NEAR, MISSED, Lane.FIREWALL, "Something was listening"),
    "reset, routed": (proof(REFUSED), ROUTED, MISSED, Lane.FIREWALL, "a packet filter"),
    "rejected on the way": (proof(ON_THE_WAY), ROUTED, MISSED, Lane.FIREWALL, "a packet filter"),
    "no route": (proof(path("no_route")), ROUTED, MISSED, Lane.ROUTE, "cannot be reached"),
    "another machine": (proof(OPEN, Echo.FOREIGN), ROUTED, MISSED, Lane.ROUTE, "does not know the nonce"),
    "no reply": (proof(OPEN, Echo.NOTHING), ROUTED, UNKNOWN, None, "answered nobody else"),
    "not heard": (proof(OPEN, Echo.UNHEARD), ROUTED, UNKNOWN, None, "did not show that it was awake"),
    "no name": (proof(NO_NAME, held=None, trouble=LOST), BLIND, MISSED, Lane.DNS, "no address"),
    "own rules": (proof(path("denied"), held=None, trouble=LOST), BLIND, MISSED, Lane.FIREWALL, "before anything left"),
    "no route of its own": (proof(UNROUTED, held=None, trouble=LOST), BLIND, MISSED, Lane.ROUTE, "cannot be reached"),
    # nothing can be said
    "no tool, silent": (proof(SILENT, held=None, trouble=TOOLLESS), NEAR, UNKNOWN, None, "to hold a port with"),
    "down": (proof(path("no_route"), held=None, trouble=LOST), BLIND, UNKNOWN, None, "was lost"),
    "lapsed, silent": (proof(SILENT, trouble=LOST), NEAR, UNKNOWN, None, "was lost"),
    "caller lost": (proof(None), NEAR, UNKNOWN, None, "was lost"),
    "unclear": (proof(path("other")), NEAR, UNKNOWN, None, "could not say why"),
    "itself by nonce": (proof(OPEN, Echo.OURS, seen_as=EXCS), NEAR, UNKNOWN, None, "address of the other"),
    "itself by its cards": (proof(REFUSED), ITSELF, UNKNOWN, None, "address of the other"),
    # connects alone
    "dialled, refused": (REFUSED, NEAR, MET, None, "own hardware address"),
    "dialled, open": (OPEN, NEAR, MET, None, "own hardware address"),
    "dialled, rejected": (BY_ITSELF, NEAR, MET, None, "own hardware address"),
    "dialled, routed": (REFUSED, ROUTED, UNKNOWN, None, "not seen next to each other"),
    "dialled, silent": (SILENT, NEAR, UNKNOWN, None, "may stay silent"),
    "dialled, at times": (path("open", "timeout"), NEAR, WEAK, Lane.ROUTE, "disagree"),
    "dialled, no name": (NO_NAME, NEAR, MISSED, Lane.DNS, "no address"),
    "dialled, unclear": (path("other"), NEAR, UNKNOWN, None, "could not say why"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_direction_is_proven_by_a_nonce_or_by_neighbourhood(name: str) -> None:
    """The nonce passes, any answer passes between neighbours, and silence counts where somebody was listening.

    What is no pass says why, and what to type.
    """
    way, tables, outcome, lane, words = CASES[name]
    judgement = judged(way, tables)
    assert judgement.outcome is outcome, judgement
    reason = judgement.reason.detail if judgement.reason is not None else ""
    assert words in judgement.reasoning + reason
    assert judgement.expected
    assert judgement.observed
    assert judgement.evidence
    if outcome in (WEAK, MISSED):
        assert judgement.lane is lane
        assert "\n\n    " in judgement.remedy
        assert "exas-1" in judgement.job or EXCS in judgement.job
    if outcome is UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable


def test_a_direction_that_no_row_needs_only_warns() -> None:
    """EXCS calls nobody: silence towards EXAS is told and does not block."""
    lost = proof(SILENT, source="excs-1", carrier="exas-1")
    for source, peer, outcome in (("exas-1", "excs-1", MISSED), ("excp-1", "excs-1", MISSED)):
        way = replace(proof(SILENT, source=source), carrier=peer)
        assert judged(way, BLIND, target=direction(f"{source}->{peer}")).outcome is outcome
    judgement = judged(lost, BLIND, target=direction("excs-1->exas-1"))
    assert (judgement.outcome, "No row" in judgement.reasoning) == (WEAK, True)
    between = replace(proof(SILENT, source="exas-1"), carrier="excp-1")
    assert judged(between, BLIND, target=direction("exas-1->excp-1")).outcome is WEAK


def test_one_machine_under_two_names_is_no_network() -> None:
    """Where two names lead to one running kernel, that finding has to be settled first."""
    for way, tables in ((proof(OPEN, Echo.OURS, seen_as=EXCS), BLIND), (proof(REFUSED), ITSELF)):
        judgement = judged(way, tables, boots=("same", "same"))
        assert judgement.reason is not None
        assert (judgement.reason.code, judgement.reason.by) == (Cause.BLOCKED, "vm.one-component-each[site]")
    apart = judged(proof(OPEN, Echo.OURS), NEAR, boots=("same", "same"))
    assert apart.outcome is MET, "containers of one kernel have a network between them"


def test_the_level_is_that_of_the_answer() -> None:
    """A nonce is an exchange of our own making; an answer between neighbours is a connect."""
    levels = {
        name: max(piece.level for piece in judged(way).evidence)
        for name, way in {"nonce": proof(OPEN, Echo.OURS), "answer": proof(OPEN, not_held=IN_USE)}.items()
    }
    assert levels == {"nonce": Level.PROTOCOL, "answer": Level.TCP}


def test_the_evidence_shows_both_ends() -> None:
    """Who called, who held the port, and how the two see each other, each from where it was seen."""
    shown = {piece.label: piece for piece in judged(proof(REFUSED)).evidence}
    assert shown["TCP connect to port 3640"].vantage == "exas-1"
    assert shown["TCP connect to port 3640"].method == "exec prober (python)"
    assert shown["Port 3640"].vantage == "excs-1"
    assert "held by the audit" in shown["Port 3640"].value
    assert EXCS_MAC in shown[f"excs-1 at {EXCS}, seen from exas-1"].value
    assert EXAS_MAC in shown[f"exas-1 at {EXAS}, seen from excs-1"].value
    heard = {piece.label: piece.value for piece in judged(proof(OPEN, Echo.FOREIGN)).evidence}
    assert heard["Heard instead of the nonce"] == "'HTTP/1.1 400'"


def test_what_is_translated_on_the_way_is_told() -> None:
    """The caller's address as the listener saw it, and an address that no interface of the peer holds."""
    plain = judged(proof(OPEN, Echo.OURS))
    assert plain.outcome is MET
    assert "translated" not in plain.reasoning
    assert "sees the caller as 10.9.9.9" in judged(proof(OPEN, Echo.OURS, seen_as="10.9.9.9")).reasoning
    anywhere = proof(OPEN, Echo.OURS, held=replace(HELD, address="0.0.0.0"))
    assert "No interface of excs-1 has" in judged(anywhere).reasoning


def test_tables_that_were_not_read_are_no_evidence() -> None:
    """A nonce proves a direction without them, and only what was read is shown."""
    both = [piece.label for piece in judged(proof(OPEN, Echo.OURS), NEAR).evidence]
    none = [piece.label for piece in judged(proof(OPEN, Echo.OURS), BLIND).evidence]
    one = [piece.label for piece in judged(proof(OPEN, Echo.OURS), (OURS, UNREAD)).evidence]
    seen = [f"excs-1 at {EXCS}, seen from exas-1", f"exas-1 at {EXAS}, seen from excs-1"]
    assert [label for label in both if "seen from" in label] == seen
    assert not [label for label in none if "seen from" in label]
    assert not [label for label in one if "seen from exas-1" in label and label not in seen[:1]]


def test_who_mends_it() -> None:
    """The network people, but the machine's own rules are the deployer's."""
    assert judged(proof(path("denied"))).owner is Owner.DEPLOYER
    assert Interconnect.requirement.owner is Owner.NETWORK
    assert 'source address="10.0.0.2" port port="3640"' in judged(proof(SILENT)).remedy


def test_the_rows_and_every_direction_share_one_question_a_port() -> None:
    """Two listeners on one port would lie to each other: rows and directions ask one and the same probe."""
    planned = plan(four(), [Interconnect, OneSegment, ReachesExcsApi, ExcsReachable, ExasReachable, ExcpReachable])
    ports = [probe for probe in planned.probes if isinstance(probe, CallPort)]
    assert sorted((probe.carrier, probe.sources) for probe in ports) == [
        ("exas-1", ("excs-1", "excp-1")),
        ("excp-1", ("excs-1", "exas-1")),
        ("excs-1", ("exas-1", "excp-1")),
    ]
    assert not any(isinstance(probe, DialTcp) for probe in planned.probes)
    assert len([probe for probe in planned.probes if isinstance(probe, ReadNeighbours)]) == 3


def test_without_consent_to_listen_neighbours_can_still_be_proven() -> None:
    """A connect is made all the same; where it proves nothing, the switch is named."""
    of = four(probing=Probing(listeners=False))
    target = direction(of=of)
    assert Interconnect().needs(target)[0] == DialTcp("exas-1", EXCS, 3640)
    assert judged(REFUSED, NEAR, target=target).outcome is MET
    for way, tables in ((REFUSED, ROUTED), (SILENT, NEAR), (OPEN, BLIND)):
        judgement = judged(way, tables, target=target)
        assert judgement.reason is not None
        assert judgement.reason.code is Cause.UNSUPPORTED
        assert "`probing.listeners` is false" in judgement.reason.detail


def test_a_component_without_a_known_port_is_not_guessed_at() -> None:
    """EXRP's port is not published: any port will do for neighbours, and for others its port is asked for."""
    rp = Vm(name="exrp-1", role=Role.EXRP, host=EXCS, address=EXCS, port=None)
    of = four(vms=(rp, *four().vms[1:]))
    target = direction("exas-1->exrp-1", of)
    assert Interconnect().needs(target)[0] == DialTcp("exas-1", EXCS, ANY_PORT)
    assert judged(path("refused", port=ANY_PORT), NEAR, target=target).outcome is MET
    judgement = judged(path("timeout", port=ANY_PORT), NEAR, target=target)
    assert judgement.reason is not None
    assert "Declare the `port` of exrp-1" in judgement.reason.enable
    declared = direction("exas-1->exrp-1", four(vms=(replace(rp, port=3660), *four().vms[1:])))
    assert isinstance(Interconnect().needs(declared)[0], CallPort)


def test_every_ordered_pair_has_its_finding() -> None:
    """A VM that is not built is undeclared in each of its directions."""
    found = Interconnect().targets(four())
    assert len(found) == 12
    unbuilt = [one for one in found if isinstance(one, Settled)]
    assert len(unbuilt) == 6
    assert {one.judgement.reason.code for one in unbuilt if one.judgement.reason} == {Cause.UNDECLARED}


@given(
    st.sampled_from(list(Echo)),
    st.lists(st.sampled_from([verdict.value for verdict in PathVerdict]), min_size=1, max_size=3),
    st.sampled_from(["", f"3/3@{EXCS}", "3/13@10.0.0.254"]),
    st.sampled_from(["held", "in use", "lost", "lapsed", "forbidden", "dialled"]),
    st.sampled_from([NEAR, ROUTED, ONE_WAY, STRANGER, ITSELF, BLIND]),
    st.sampled_from([("a", "b"), ("a", "a"), ("", "")]),
)
def test_a_direction_never_passes_without_an_answer_and_never_fails_without_a_listener(
    echo: Echo, verdicts: list[str], icmp: str, how: str, tables: Tables, boots: tuple[str, str]
) -> None:
    """Whatever was seen, the judgement is true to it and whole."""
    found = path(*verdicts, icmp=icmp)
    way: PortProof | TcpPath = found
    if how != "dialled":
        way = proof(
            found,
            echo if how in ("held", "lapsed") else Echo.UNSAID,
            held=HELD if how in ("held", "lapsed") else None,
            not_held={"in use": IN_USE, "forbidden": FORBIDDEN}.get(how),
            trouble=LOST if how in ("lost", "lapsed") else None,
        )
    judgement = judged(way, tables, boots=boots)
    nonce = isinstance(way, PortProof) and echo is Echo.OURS and how in ("held", "lapsed")
    answers = (
        {"open", "refused", "no_route", "timeout", "net_unreachable", "denied", "other"}
        if icmp
        else {"open", "refused"}
    )
    if judgement.outcome is MET:
        assert nonce or (tables is NEAR and set(verdicts) & answers)
    if judgement.outcome is MISSED:
        assert how in ("held", "in use") or set(verdicts) & {"denied", "net_unreachable"}
    if judgement.outcome is UNKNOWN:
        assert judgement.reason is not None
        assert judgement.reason.enable
    assert judgement.evidence
    assert status_of(judgement.outcome, Interconnect.requirement.obligation) in Interconnect.requirement.outcomes
